package attribution_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// company is a made-up company and a question about it.
type company struct {
	deals   []trail.Event // the last word on each
	other   []trail.Event // first words on deals, shares, mails, touches
	options attribution.Options
	request attribution.Request
}

func (c company) events() []trail.Event { return slices.Concat(c.deals, c.other) }

// drawCompany draws a small company in which everything that the rules tell apart happens often.
func drawCompany(t *rapid.T) company {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	minutes := func(label string, n int) time.Duration {
		return time.Duration(rapid.IntRange(0, n).Draw(t, label)) * time.Minute
	}
	c := company{options: attribution.DefaultOptions(pick("currency", "EUR", "JPY"))}
	c.options.Rates = map[string]string{"USD": "0.9137"}
	c.options.Window = rapid.SampledFrom([]time.Duration{0, 24 * time.Hour, 365 * 24 * time.Hour}).Draw(t, "window")
	c.options.Burst = rapid.SampledFrom([]time.Duration{0, 30 * time.Minute}).Draw(t, "burst")
	if rapid.Bool().Draw(t, "opens earn") {
		c.options.Kinds = append(c.options.Kinds, trail.Opened)
	}
	c.request.Agents = rapid.SampledFrom([]trail.Level{trail.All, trail.Likely, trail.Strict}).Draw(t, "agents")
	if rapid.IntRange(0, 3).Draw(t, "period") == 0 {
		c.request.From, c.request.To = day.AddDate(0, 0, 2), day.AddDate(0, 0, 3)
	}

	names := []string{"", "D0", "D1", "D2", "D3", "D4", "D5", "D6", "D7"}
	for i, name := range names[1:] {
		attrs := []string{"status", pick("status", "won", "won", "won", "lost", ""), "currency", pick("deal currency", "EUR", "USD", "", "SEK")}
		if rapid.IntRange(0, 7).Draw(t, "amount?") > 0 {
			attrs = append(attrs, "amount", fmt.Sprintf("%d.%0*d", rapid.Int64Range(-999, 99_999).Draw(t, "amount"), rapid.IntRange(1, 4).Draw(t, "places"), rapid.IntRange(0, 9).Draw(t, "decimals")))
		}
		if rapid.IntRange(0, 7).Draw(t, "closed?") > 0 {
			attrs = append(attrs, "closed_at", day.Add(24*time.Hour+minutes("closed", 3*24*60)).Format(time.RFC3339))
		}
		attrs = append(attrs, "contacts", pick("contacts", "", "p", "q", "p q", "r"))
		d := deal(name, attrs...)
		d.Account = pick("account", "", "a.example", "b.example")
		c.deals = append(c.deals, d)
		before := deal(name, "status", "won", "amount", "77", "closed_at", day.Format(time.RFC3339))
		before.At, before.ReceivedAt = day.Add(-time.Hour), day.Add(-time.Hour)
		c.other = append(c.other, before)
		person := trail.Event{ID: trail.IDFrom(day, "test", "contact", fmt.Sprint(i)), Kind: trail.ContactKind, Source: "csv", At: day, ReceivedAt: day,
			Contact: trail.ContactID([]string{"p", "q", "r", "s"}[i%4]), Account: []string{"a.example", "b.example"}[i%2]}
		c.other = append(c.other, person)
	}
	for i, to := range []string{"p", "p q", "s"} {
		for _, contact := range strings.Fields(to) {
			c.other = append(c.other, trail.Event{ID: trail.IDFrom(day, "test", "share", fmt.Sprint(i), contact), Kind: trail.Shared, Source: "api", At: day, ReceivedAt: day,
				Content: fmt.Sprintf("C%d", i), Share: trail.ShareID(fmt.Sprintf("s%d", i)), Rep: "rep@example.com", Contact: trail.ContactID(contact)})
		}
	}
	for i := range rapid.IntRange(0, 60).Draw(t, "touches") {
		at := day.Add(minutes("at", 4*24*60) / 10 * 10)
		e := trail.Event{ID: trail.IDFrom(at, "test", fmt.Sprint(i)), Source: "csv", At: at, ReceivedAt: at.Add(minutes("delay", 60)),
			Kind: trail.Kind(pick("kind", "clicked", "clicked", "viewed", "opened", "replied"))}
		e.Contact = trail.ContactID(pick("contact", "", "p", "q", "r", "s"))
		if e.Contact == "" && e.Kind != trail.Replied {
			e.Share = trail.ShareID(pick("share", "s0", "s1", "s2"))
			e.Content = "C" + string(e.Share[1:])
		} else {
			e.Contact = trail.ContactID(pick("known contact", "p", "q", "r", "s"))
			e.Content, e.Deal = pick("content", "C0", "C1", "C2", "Ç"), pick("deal", names...)
		}
		e.Agent = trail.Agent(pick("agent", "", "human", "human", "proxy", "scanner", "self", "unknown"))
		e.Probability = rapid.SampledFrom([]float32{0.5, 0.9, 0.99}).Draw(t, "probability")
		c.other = append(c.other, e)
	}
	return c
}

// run puts a company's events into an empty database in the order given and returns a run's credits.
func (c company) run(t testing.TB, db *store.DB, events []trail.Event) (*trail.Run, []credit) {
	t.Helper()
	for _, table := range []string{"events", "credits", "runs"} {
		exec(t, db, "TRUNCATE TABLE "+table)
	}
	insert(t, db, events...)
	j := job(db)
	j.Options = c.options
	run := once(t, j, c.request)
	return run, credits(t, db, run.ID)
}

// shuffled returns the events in another order, some of them twice.
func shuffled(t *rapid.T, events []trail.Event) []trail.Event {
	copies := events[:rapid.IntRange(0, len(events)).Draw(t, "copies")]
	return rapid.Permutation(slices.Concat(events, copies)).Draw(t, "order")
}

func TestEveryCentOfEveryCompanyIsAccountedFor(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	rapid.Check(t, func(rt *rapid.T) {
		c := drawCompany(rt)
		events := shuffled(rt, c.events())
		run, got := c.run(t, db, events)
		want, leftOut := expect(c.deals, ties(t, db, now), c.options, c.request)
		if d := differ(got, want); d != "" {
			rt.Errorf("%s", d)
		}
		if run.LeftOut != leftOut {
			rt.Errorf("%d deals left out, want %d", run.LeftOut, leftOut)
		}
		sums := map[[2]string]int64{}
		for _, x := range got {
			sums[[2]string{x.model, x.deal}] += x.value
		}
		for _, d := range c.deals {
			value, _ := minor(d.Attrs, c.options)
			for _, m := range attribution.Models() {
				if sum, divided := sums[[2]string{m.Name, d.Deal}]; divided && sum != value {
					rt.Errorf("%s of %s adds up to %d, want %d", m.Name, d.Deal, sum, value)
				}
			}
		}
	})
}

func TestSameEventsInAnyOrderGiveTheSameBytes(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	rapid.Check(t, func(rt *rapid.T) {
		c := drawCompany(rt)
		_, want := c.run(t, db, c.events())
		if _, got := c.run(t, db, shuffled(rt, c.events())); differ(got, want) != "" {
			rt.Errorf("in another order %s", differ(got, want))
		}
		for _, table := range []string{"events", "credits"} {
			exec(t, db, "OPTIMIZE TABLE "+table+" FINAL")
		}
		j := job(db)
		j.Options = c.options
		if got := credits(t, db, once(t, j, c.request).ID); differ(got, want) != "" {
			rt.Errorf("after merging and once more %s", differ(got, want))
		}
	})
}
