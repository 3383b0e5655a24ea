package track

import (
	"math"
	"time"

	"dealtrail/trail"
)

// A weight is one piece of evidence and its points: towards a machine above
// zero, towards a person below.
type weight struct {
	rule   string
	points int
	holds  func(*facts) bool
}

// weights are after part C4 of the research: most were set so that no recorded
// person becomes a scanner, at the price of more that stays unknown. The last
// three speak only while the delay since sending is not known.
var weights = []weight{
	{"vendor_address", 40, func(f *facts) bool { return f.Network == "security_vendor" }},
	{"cloud_address", 30, func(f *facts) bool { return !f.opened() && hostedElsewhere(f) }},
	{"cloud_address", 20, func(f *facts) bool { return f.opened() && hostedElsewhere(f) }},
	{"google_address", 10, func(f *facts) bool { return f.Network == "google" }},
	{"home_address", -10, func(f *facts) bool { return f.Network == "residential" || f.Network == "mobile" }},

	{"machine_within_minute", 20, func(f *facts) bool { return hosted(f) && within(f, 0, time.Minute) }},
	{"within_2s", 30, func(f *facts) bool { return within(f, 0, 2*time.Second) }},
	{"within_10s", 25, func(f *facts) bool { return within(f, 2*time.Second, 10*time.Second) }},
	{"within_30s", 5, func(f *facts) bool { return within(f, 10*time.Second, 30*time.Second) }},
	{"took_its_time", -10, func(f *facts) bool { return f.Timed && f.Since > 5*time.Minute }},
	{"all_links", 20, func(f *facts) bool { return f.AllLinks }},

	{"language", -15, func(f *facts) bool { return f.shows(language) }},
	{"no_language", 15, func(f *facts) bool { return !f.shows(language) && !f.shows(anyMail) }},

	{"navigated", -15, func(f *facts) bool { return !f.opened() && f.shows(navigates) && f.shows(byUser) }},
	{"navigated", -10, func(f *facts) bool { return !f.opened() && f.shows(navigates) && !f.shows(byUser) }}, // Safari never says who
	{"not_navigated", 15, func(f *facts) bool {
		return !f.opened() && !f.shows(overHTTP) && f.shows(fetchAware) && !f.shows(fetchMode)
	}},
	{"as_image", -15, func(f *facts) bool { return f.opened() && f.shows(intoImage) }},

	{"old_browser", 20, func(f *facts) bool { return f.shows(oldChrome) }},
	{"mail_client", -10, func(f *facts) bool { return f.shows(anyMail) }},

	{"accepts_pages", -5, func(f *facts) bool { return !f.Timed && !f.opened() && f.shows(wantsPages) }},
	{"accepts_images", -5, func(f *facts) bool { return !f.Timed && f.opened() && f.shows(wantsImages) }},
	{"accepts_no_pages", 10, func(f *facts) bool {
		return !f.Timed && !f.opened() && f.shows(fetchAware) && !f.shows(wantsPages)
	}},
}

// From machineFrom points on it was a scanner, down to humanTo a person, and in
// between the evidence does not decide.
const machineFrom, humanTo = 35, -20

// score adds up the evidence. Its probability is a logistic curve through the
// points, chosen, not fitted: 0.95 at machineFrom, 0.84 at humanTo, over 0.9 for
// a browser that shows all signs of a person.
func score(f *facts) trail.Verdict {
	sum, fired := 0, make([]string, 1, 8)
	fired[0] = "score"
	for _, w := range weights {
		if w.holds(f) {
			sum += w.points
			fired = append(fired, w.rule)
		}
	}
	if f.shows(inApp) {
		fired = append(fired, "inapp_browser")
	}
	human := 1 / (1 + math.Exp(float64(sum)/12))
	v := trail.Verdict{Agent: trail.Unknown, Probability: 0.5, Rules: fired}
	switch {
	case sum >= machineFrom && (!f.opened() || f.Network == "google" || hosted(f) || within(f, 0, 30*time.Second)):
		// Mail programs fetch images with few headers, so an open needs more than that.
		v.Agent, v.Probability = trail.Scanner, hundredths(1-human)
	case f.Timed && f.Since < 5*time.Second && sum <= humanTo+10:
		v.Rules = append(v.Rules, "too_early") // nobody reads that fast
	case sum <= humanTo:
		v.Agent, v.Probability = trail.Human, hundredths(human)
	}
	return v
}

// hundredths rounds a probability; no single request proves anything beyond 0.99.
func hundredths(p float64) float32 { return float32(min(math.Round(p*100)/100, 0.99)) }

func hostedElsewhere(f *facts) bool { return f.Network == "microsoft" || f.Network == "datacenter" }

// within reports whether the request came more than from and at most to after
// sending; from zero includes the 5 seconds before, which clocks may differ by.
func within(f *facts, from, to time.Duration) bool {
	return f.Timed && f.Since <= to && (f.Since > from || from == 0)
}
