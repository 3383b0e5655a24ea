package attribution_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/attribution"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

const (
	tick = time.Millisecond
	half = 30 * time.Minute // a burst
)

var (
	closed = day.AddDate(0, 0, 30)
	window = closed.AddDate(0, 0, -365) // where the default window begins
)

// clicks returns clicks by one contact on one deal; each is "name content after", after being a duration since day.
func clicks(deal string, each ...string) []trail.Event {
	var events []trail.Event
	for _, s := range each {
		f := strings.Fields(s)
		after, err := time.ParseDuration(f[2])
		if err != nil {
			panic(err)
		}
		events = append(events, touch(f[0], day.Add(after), trail.Clicked, f[1], "p", deal))
	}
	return events
}

// judged returns a click with a verdict.
func judged(name, deal string, agent trail.Agent, probability float32) trail.Event {
	e := touch(name, day, trail.Clicked, name, "p", deal)
	e.Verdict = trail.Verdict{Agent: agent, Probability: probability}
	return e
}

// path says what the touches of one deal earned under one model, in the order of their names: "a=50 b=50".
func path(all []credit, model, deal string) string {
	var s []string
	for _, c := range all {
		if c.model == model && c.deal == deal {
			s = append(s, fmt.Sprintf("%s=%d", c.name(), c.value))
		}
	}
	slices.Sort(s)
	return strings.Join(s, " ")
}

// rules are deals won for 1.00 EUR unless said, with what their touches earn in cents. All are in one company.
var rules = []struct {
	deal   string
	events []trail.Event
	model  string
	want   string
}{
	{"the window includes both ends", []trail.Event{
		touch("a", window.Add(-tick), trail.Clicked, "A", "p", "the window includes both ends"),
		touch("b", window, trail.Clicked, "B", "p", "the window includes both ends"),
		touch("c", closed, trail.Clicked, "C", "p", "the window includes both ends"),
		touch("d", closed.Add(tick), trail.Clicked, "D", "p", "the window includes both ends"),
	}, "linear", "b=50 c=50"},
	{"a chain of clicks is one burst, from its first", clicks("a chain of clicks is one burst, from its first",
		"a A 0s", "b A 30m", "c A 1h", "d A 1h30m0.001s"), "linear", "a=50 d=50"},
	{"a burst is of one kind, contact and content", []trail.Event{
		touch("a", day, trail.Clicked, "A", "p", "a burst is of one kind, contact and content"),
		touch("b", day.Add(1*tick), trail.Viewed, "A", "p", "a burst is of one kind, contact and content"),
		touch("c", day.Add(2*tick), trail.Clicked, "A", "q", "a burst is of one kind, contact and content"),
		touch("d", day.Add(3*tick), trail.Clicked, "B", "p", "a burst is of one kind, contact and content"),
		touch("e", day.Add(half), trail.Clicked, "A", "p", "a burst is of one kind, contact and content"),
	}, "linear", "a=25 b=25 c=25 d=25"},
	{"opens and sends earn nothing", []trail.Event{
		touch("a", day, trail.Opened, "A", "p", "opens and sends earn nothing"),
		touch("b", day, trail.Viewed, "A", "p", "opens and sends earn nothing"),
		touch("c", day, trail.Replied, "A", "p", "opens and sends earn nothing"),
		func() trail.Event {
			e := touch("d", day, trail.Sent, "A", "p", "opens and sends earn nothing")
			e.Rep = "rep@example.com"
			return e
		}(),
	}, "linear", "b=50 c=50"},
	{"likely counts people and their proxies", []trail.Event{
		judged("a", "likely counts people and their proxies", trail.Human, 0.6),
		judged("b", "likely counts people and their proxies", trail.Proxy, 0.99),
		judged("c", "likely counts people and their proxies", trail.Scanner, 0.6),
		judged("d", "likely counts people and their proxies", trail.Self, 0.99),
		judged("e", "likely counts people and their proxies", trail.Unknown, 0.5),
		judged("f", "likely counts people and their proxies", "", 0),
		judged("g", "likely counts people and their proxies", trail.Human, 0.9),
	}, "linear", "a=25 b=25 f=25 g=25"},
	{"touches of one time go by id, the first", clicks("touches of one time go by id, the first", "b A 1h", "a B 1h", "c C 0s"), "first", "c=100"},
	{"touches of one time go by id, the last", clicks("touches of one time go by id, the last", "b A 1h", "a B 1h", "c C 0s"), "last", "b=100"},
	{"a cent that is left goes to the first content by name", clicks("a cent that is left goes to the first content by name",
		"a C 1h", "b B 2h", "c A 3h"), "linear", "a=33 b=33 c=34"},
	// 100 cents over 4, 2 and 1 of 7 touches are 57.14, 28.57 and 14.29: B gets the cent. Within A and B the earlier touches do.
	{"cents go to contents first, then to touches", clicks("cents go to contents first, then to touches",
		"a C 1h", "b A 2h", "c B 3h", "d A 4h", "e B 5h", "f A 6h", "g A 7h"), "linear", "a=14 b=15 c=15 d=14 e=14 f=14 g=14"},
	{"a loss of money is split like a gain", append(clicks("a loss of money is split like a gain", "a C 1h", "b B 2h", "c A 3h"),
		won("a loss of money is split like a gain", "-1.00", closed)), "linear", "a=-33 b=-33 c=-34"},
	{"nothing is split into nothings", append(clicks("nothing is split into nothings", "a A 1h", "b B 2h"),
		won("nothing is split into nothings", "0", closed)), "linear", "a=0 b=0"},
	{"half a cent goes away from zero", []trail.Event{won("half a cent goes away from zero", "1.005", closed)}, "last", "=101"},
	{"half a cent goes down below zero", []trail.Event{won("half a cent goes down below zero", "-1.005", closed)}, "last", "=-101"},
	{"large amounts keep every cent", []trail.Event{won("large amounts keep every cent", "90071992547409.93", closed)}, "last", "=9007199254740993"},
	// 0.35 times 0.3 is 10.5 cents, and less in floating point.
	{"rates are decimal", []trail.Event{deal("rates are decimal", "status", "won", "amount", "0.35", "currency", "usd",
		"closed_at", closed.Format(time.RFC3339))}, "last", "=11"},
	{"no currency is the reporting currency", []trail.Event{deal("no currency is the reporting currency", "status", "won", "amount", "7",
		"closed_at", closed.Format(time.RFC3339))}, "last", "=700"},
	{"no touch, no content", nil, "first", "=100"},
}

// left are won deals that no run can divide, and deals that were not won.
var left = []trail.Event{
	deal("no amount", "status", "won", "currency", "EUR", "closed_at", closed.Format(time.RFC3339)),
	deal("no rate", "status", "won", "amount", "10", "currency", "SEK", "closed_at", closed.Format(time.RFC3339)),
	deal("no day", "status", "won", "amount", "10", "currency", "EUR"),
	deal("too large", "status", "won", "amount", "922337203685477.5807", "currency", "XAU", "closed_at", closed.Format(time.RFC3339)),
	deal("lost", "status", "lost", "amount", "10", "currency", "EUR", "closed_at", closed.Format(time.RFC3339)),
	deal("open", "amount", "10", "currency", "EUR"),
}

func TestRulesHold(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	events := slices.Clone(left)
	for _, r := range rules {
		if !slices.ContainsFunc(r.events, func(e trail.Event) bool { return e.Kind == trail.DealKind }) {
			events = append(events, won(r.deal, "1.00", closed))
		}
		events = append(events, r.events...)
	}
	insert(t, db, events...)
	j := job(db)
	j.Options.Rates = map[string]string{"usd": "0.30", "XAU": "3000"}

	run := once(t, j, attribution.Request{})
	all := credits(t, db, run.ID)
	for _, r := range rules {
		if got := path(all, r.model, r.deal); got != r.want {
			t.Errorf("%s: %s is %q, want %q", r.deal, r.model, got, r.want)
		}
	}
	t.Run("won deals that cannot be divided are counted", func(t *testing.T) {
		if run.Deals != uint64(len(rules)) || run.LeftOut != 4 {
			t.Errorf("%d deals divided and %d left out; want %d and 4", run.Deals, run.LeftOut, len(rules))
		}
		for _, c := range all {
			if slices.ContainsFunc(left, func(e trail.Event) bool { return e.Deal == c.deal }) {
				t.Errorf("%v has a credit", c)
			}
		}
	})
	t.Run("what is too large for the data-driven models leaves only them out", func(t *testing.T) {
		for _, m := range []string{"markov", "shapley"} {
			if !strings.Contains(run.Reasons[m], "shorter period") {
				t.Errorf("%s: %q", m, run.Reasons[m])
			}
		}
	})
	t.Run("a deal without touches is unattributed", func(t *testing.T) {
		for _, c := range all {
			if c.deal == "no touch, no content" && (c.share != 1 || c.content != "" || c.rep != "" || !c.touch.IsZero()) {
				t.Errorf("%v; want share 1 of no content and no touch", c)
			}
		}
	})
	t.Run("strict counts surely human clicks, all counts machines", func(t *testing.T) {
		const deal = "likely counts people and their proxies"
		for level, want := range map[trail.Level]string{trail.Strict: "f=50 g=50", trail.All: "a=17 b=17 c=17 e=17 f=16 g=16"} {
			r := once(t, j, attribution.Request{Agents: level, Models: []string{"linear"}})
			if got := path(credits(t, db, r.ID), "linear", deal); got != want {
				t.Errorf("%s: %q, want %q", level, got, want)
			}
		}
	})
	t.Run("without window and bursts every touch before the close counts", func(t *testing.T) {
		j := job(db)
		j.Options.Window, j.Options.Burst = 0, 0
		all := credits(t, db, once(t, j, attribution.Request{Models: []string{"linear"}}).ID)
		if got := path(all, "linear", "the window includes both ends"); got != "a=34 b=33 c=33" {
			t.Errorf("without a window: %q", got)
		}
		if got := path(all, "linear", "a chain of clicks is one burst, from its first"); got != "a=25 b=25 c=25 d=25" {
			t.Errorf("without bursts: %q", got)
		}
	})
}

func TestValuesAreInTheMinorUnitOfTheReportingCurrency(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	for _, currency := range []string{"JPY", "KWD"} {
		insert(t, db, deal(currency, "status", "won", "amount", "1000.0345", "currency", currency, "closed_at", closed.Format(time.RFC3339)),
			deal(currency+" half", "status", "won", "amount", "1000.5", "currency", currency, "closed_at", closed.Format(time.RFC3339)))
	}
	for currency, want := range map[string][2]string{"JPY": {"=1000", "=1001"}, "KWD": {"=1000035", "=1000500"}} {
		j := job(db)
		j.Options.Currency = currency
		run := once(t, j, attribution.Request{})
		all := credits(t, db, run.ID)
		got := [2]string{path(all, "linear", currency), path(all, "linear", currency+" half")}
		if got != want || run.Currency != currency || run.LeftOut != 2 {
			t.Errorf("%s: %v, want %v; run %+v", currency, got, want, run)
		}
	}
}

func TestPeriodIsOverTheCloseAndHalfOpen(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	to := day.AddDate(0, 1, 0)
	insert(t, db, won("before", "1", day.Add(-tick)), won("begin", "2", day), won("end", "4", to.Add(-tick)), won("after", "8", to))
	f := func(from, to time.Time, want int64) {
		t.Helper()
		var sum int64
		run := once(t, job(db), attribution.Request{From: from, To: to, Models: []string{"first"}})
		for _, c := range credits(t, db, run.ID) {
			sum += c.value
		}
		if sum != want*100 || !run.From.Equal(from) || !run.To.Equal(to) {
			t.Errorf("from %v to %v: %d cents in %+v; want %d", from, to, sum, run, want*100)
		}
	}
	f(day, to, 6)
	f(day, time.Time{}, 14)
	f(time.Time{}, to, 7)
}

// Weights and factors of a thousand, to three decimals, are a number of 22 digits over 31 touches.
func TestTheHeaviestWeightsAreExact(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, won("D", "90000000000.00", closed))
	for i := range 31 {
		insert(t, db, touch(fmt.Sprintf("t%02d", i), day.Add(time.Duration(i)*time.Hour), trail.Clicked, "A", "p", "D"))
	}
	j := job(db)
	j.Options.Custom = []attribution.Custom{{Name: "heavy", Weights: attribution.Weights{
		First: 1000, Last: 1000, Others: 999.999, Kinds: map[trail.Kind]float64{trail.Clicked: 1000}, Contents: map[trail.ContentID]float64{"A": 1000},
	}}}
	all := credits(t, db, once(t, j, attribution.Request{Models: []string{"heavy"}}).ID)
	if len(all) != 31 {
		t.Fatalf("%d credits, want 31", len(all))
	}
	for _, c := range all {
		want := 999.999 / 2999.999 / 29
		if c.name() == "t00" || c.name() == "t30" {
			want = 1000 / 2999.999
		}
		if math.Abs(c.share-want) > 1e-12 || math.Abs(float64(c.value)-9e12*want) > 1 {
			t.Errorf("%v; want a share of %v", c, want)
		}
	}
}
