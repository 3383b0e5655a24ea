package track

import (
	"math"
	"strconv"
	"strings"
	"time"

	"dealtrail/trail"
)

// A weight is one piece of evidence and its points: towards a machine above
// zero, towards a person below.
type weight struct {
	rule   string
	points int
	holds  func(*Request, browser) bool
}

// weights are after part C4 of the research: most were set so that no recorded
// person becomes a scanner, at the price of more that stays unknown. The last
// three speak only while the delay since sending is not known.
var weights = []weight{
	{"vendor_address", 40, func(r *Request, _ browser) bool { return r.Class == "security_vendor" }},
	{"cloud_address", 30, func(r *Request, _ browser) bool { return r.Kind != trail.Opened && hostedElsewhere(r) }},
	{"cloud_address", 20, func(r *Request, _ browser) bool { return r.Kind == trail.Opened && hostedElsewhere(r) }},
	{"google_address", 10, func(r *Request, _ browser) bool { return r.Class == "google" }},
	{"home_address", -10, func(r *Request, _ browser) bool { return r.Class == "residential" || r.Class == "mobile" }},

	{"machine_within_minute", 20, func(r *Request, _ browser) bool { return hosted(r) && within(r, 0, time.Minute) }},
	{"within_2s", 30, func(r *Request, _ browser) bool { return within(r, 0, 2*time.Second) }},
	{"within_10s", 25, func(r *Request, _ browser) bool { return within(r, 2*time.Second, 10*time.Second) }},
	{"within_30s", 5, func(r *Request, _ browser) bool { return within(r, 10*time.Second, 30*time.Second) }},
	{"took_its_time", -10, func(r *Request, _ browser) bool { return r.Timed && r.Since > 5*time.Minute }},

	{"language", -15, func(r *Request, _ browser) bool { return r.Header.Get("Accept-Language") != "" }},
	{"no_language", 15, func(r *Request, b browser) bool { return r.Header.Get("Accept-Language") == "" && !b.mail }},

	{"navigated", -15, func(r *Request, _ browser) bool { return navigated(r) && r.Header.Get("Sec-Fetch-User") == "?1" }},
	{"navigated", -10, func(r *Request, _ browser) bool { return navigated(r) && r.Header.Get("Sec-Fetch-User") != "?1" }}, // Safari never says who
	{"not_navigated", 15, func(r *Request, b browser) bool {
		return r.Kind != trail.Opened && !r.Plain && b.sendsFetch() && r.Header.Get("Sec-Fetch-Mode") == ""
	}},
	{"as_image", -15, func(r *Request, _ browser) bool {
		return r.Kind == trail.Opened && r.Header.Get("Sec-Fetch-Dest") == "image"
	}},

	{"old_browser", 20, func(_ *Request, b browser) bool { return b.name == "Chrome" && b.major < 80 }},
	{"mail_client", -10, func(_ *Request, b browser) bool { return b.mail }},

	{"accepts_pages", -5, func(r *Request, _ browser) bool { return !r.Timed && r.Kind != trail.Opened && accepts(r, "text/html") }},
	{"accepts_images", -5, func(r *Request, _ browser) bool { return !r.Timed && r.Kind == trail.Opened && accepts(r, "image/") }},
	{"accepts_no_pages", 10, func(r *Request, b browser) bool {
		return !r.Timed && r.Kind != trail.Opened && b.sendsFetch() && !accepts(r, "text/html")
	}},
}

// From machineFrom points on it was a scanner, down to humanTo a person, and in
// between the evidence does not decide.
const machineFrom, humanTo = 35, -20

// score adds up the evidence. Its probability is a logistic curve through the
// points, chosen, not fitted: 0.95 at machineFrom, 0.84 at humanTo, over 0.9 for
// a browser that shows all signs of a person.
func score(r *Request, ua string) trail.Verdict {
	b := readBrowser(r, ua)
	sum, fired := 0, []string{"score"}
	for _, w := range weights {
		if w.holds(r, b) {
			sum += w.points
			fired = append(fired, w.rule)
		}
	}
	if inApp(ua) {
		fired = append(fired, "inapp_browser")
	}
	human := 1 / (1 + math.Exp(float64(sum)/12))
	v := trail.Verdict{Agent: trail.Unknown, Probability: 0.5, Rules: fired}
	switch {
	case sum >= machineFrom && (r.Kind != trail.Opened || r.Class == "google" || hosted(r) || within(r, 0, 30*time.Second)):
		// Mail programs fetch images with few headers, so an open needs more than that.
		v.Agent, v.Probability = trail.Scanner, hundredths(1-human)
	case r.Timed && r.Since < 5*time.Second && sum <= humanTo+10:
		v.Rules = append(v.Rules, "too_early") // nobody reads that fast
	case sum <= humanTo:
		v.Agent, v.Probability = trail.Human, hundredths(human)
	}
	return v
}

// hundredths rounds a probability; no single request proves anything beyond 0.99.
func hundredths(p float64) float32 { return float32(min(math.Round(p*100)/100, 0.99)) }

func hostedElsewhere(r *Request) bool { return r.Class == "microsoft" || r.Class == "datacenter" }

// within reports whether the request came more than from and at most to after
// sending; from zero includes the 5 seconds before, which clocks may differ by.
func within(r *Request, from, to time.Duration) bool {
	return r.Timed && r.Since <= to && (r.Since > from || from == 0)
}

func navigated(r *Request) bool {
	return r.Kind != trail.Opened && r.Header.Get("Sec-Fetch-Mode") == "navigate"
}

func accepts(r *Request, kind string) bool { return strings.Contains(r.Header.Get("Accept"), kind) }

// browser is what a user agent claims to be.
type browser struct {
	name         string // Chrome (and all made from it), Firefox, Safari or ""
	major, minor int
	mail         bool // a mail program
}

// sendsFetch reports whether the browser would send Sec-Fetch headers.
func (b browser) sendsFetch() bool {
	switch b.name {
	case "Chrome":
		return b.major >= 80
	case "Firefox":
		return b.major >= 90
	case "Safari":
		return b.major > 16 || b.major == 16 && b.minor >= 4
	}
	return false
}

func readBrowser(r *Request, ua string) browser {
	var b browser
	webkit := strings.Contains(ua, "AppleWebKit/")
	switch {
	case b.claims(ua, "Chrome/", "Chrome"), b.claims(ua, "Firefox/", "Firefox"):
	case strings.Contains(ua, " Safari/") && b.claims(ua, "Version/", "Safari"):
	}
	// Apple's Mail is WebKit that does not call itself Safari.
	apple := webkit && b.name == "" && !strings.Contains(ua, "Safari/") && strings.Contains(ua, "Mac OS X")
	b.mail = r.Kind == trail.Opened && (apple || strings.Contains(ua, "Thunderbird/") || strings.Contains(ua, "Outlook") || strings.Contains(ua, "ms-office") || strings.Contains(ua, "MSOffice"))
	return b
}

// claims reads a version like "Chrome/148.0" that follows a mark in the text.
func (b *browser) claims(ua, mark, name string) bool {
	_, rest, ok := strings.Cut(ua, mark)
	if !ok {
		return false
	}
	number := func(s string) (int, string) {
		end := 0
		for end < len(s) && end < 6 && s[end] >= '0' && s[end] <= '9' {
			end++
		}
		n, _ := strconv.Atoi(s[:end])
		return n, s[end:]
	}
	b.name = name
	b.major, rest = number(rest)
	b.minor, _ = number(strings.TrimPrefix(rest, "."))
	return true
}
