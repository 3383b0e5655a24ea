package attribution_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// edit is one way in which more becomes known of a company, and the causes that it may be of what changes.
type edit struct {
	name   string
	make   func(t *rapid.T, c company) []trail.Event
	change func(t *rapid.T, o *attribution.Options)
	causes []trail.Cause
}

var edits = []edit{
	{name: "touches come late", make: func(t *rapid.T, c company) []trail.Event {
		var late []trail.Event
		for _, e := range touchesOf(c) {
			if rapid.IntRange(0, 2).Draw(t, "late") == 0 {
				at := e.At.Add(time.Duration(rapid.IntRange(-4, 4).Draw(t, "beside")) * 10 * time.Minute)
				e.ID, e.At, e.ReceivedAt = trail.IDFrom(at, "test", "late", e.ID.String()), at, between
				late = append(late, e)
			}
		}
		return late
	}, causes: []trail.Cause{trail.CauseLate}},
	{name: "touches are judged again", make: func(t *rapid.T, c company) []trail.Event {
		return some(t, touchesOf(c), func(e trail.Event) trail.Event {
			return revised(e, func(e *trail.Event) {
				e.Agent, e.Probability = rapid.SampledFrom([]trail.Agent{trail.Human, trail.Scanner, trail.Proxy}).Draw(t, "agent"), 0.95
			})
		})
	}, causes: []trail.Cause{trail.CauseVerdict}},
	{name: "touches never were", make: func(t *rapid.T, c company) []trail.Event {
		return some(t, touchesOf(c), func(e trail.Event) trail.Event { e.Revision = 1; return e.Retract(between) })
	}, causes: []trail.Cause{trail.CauseRemoved}},
	{name: "deals change", make: func(t *rapid.T, c company) []trail.Event {
		return some(t, c.deals, func(e trail.Event) trail.Event {
			e.Attrs = maps.Clone(e.Attrs)
			switch rapid.IntRange(0, 5).Draw(t, "how") {
			case 0:
				e.Attrs["status"] = rapid.SampledFrom([]string{"won", "lost", "open"}).Draw(t, "status")
			case 1:
				e.Attrs["amount"] = fmt.Sprint(rapid.IntRange(0, 100).Draw(t, "amount"))
			case 2:
				e.Attrs["closed_at"] = day.Add(time.Duration(rapid.IntRange(24*60, 5*24*60).Draw(t, "closed")) * time.Minute).Format(time.RFC3339)
			case 3:
				e.Attrs["contacts"] = rapid.SampledFrom([]string{"", "p", "q", "r", "p r"}).Draw(t, "contacts")
			case 4:
				e.Attrs["created_at"] = day.Add(time.Duration(rapid.IntRange(0, 24*60).Draw(t, "created")) * time.Minute).Format(time.RFC3339)
			case 5:
				e.Attrs["owner"] = rapid.SampledFrom([]string{"rita", "sam"}).Draw(t, "owner")
			}
			return learned(e)[0]
		})
	}, causes: []trail.Cause{trail.CauseDealWon, trail.CauseDealGone, trail.CauseAmount, trail.CauseClosed, trail.CauseMoved, trail.CauseRegrouped, trail.CauseMilestones}},
	{name: "links are corrected", make: func(t *rapid.T, c company) []trail.Event {
		links := slices.DeleteFunc(slices.Clone(c.other), func(e trail.Event) bool { return e.Kind != trail.Shared })
		return some(t, links, func(e trail.Event) trail.Event {
			return revised(e, func(e *trail.Event) { e.Contact, e.Rep = "q", "other@example.com" })
		})
	}, causes: []trail.Cause{trail.CauseMoved, trail.CauseRegrouped}},
	{name: "contents are registered", make: func(t *rapid.T, c company) []trail.Event {
		return learned(registered("C0", "deck"), registered("C1", "page"))
	}, causes: []trail.Cause{trail.CauseContent}},
	{name: "settings change", change: func(t *rapid.T, o *attribution.Options) {
		switch rapid.IntRange(0, 3).Draw(t, "setting") {
		case 0:
			o.Window = rapid.SampledFrom([]time.Duration{0, 12 * time.Hour, 365 * 24 * time.Hour}).Draw(t, "other window")
		case 1:
			o.Burst = rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(t, "other burst")
		case 2:
			o.HalfLife = 24 * time.Hour
		case 3:
			o.Rates = map[string]string{"USD": "0.9", "SEK": "0.09"}
		}
	}, causes: []trail.Cause{trail.CauseSettings, trail.CauseAmount}},
}

// touchesOf are the touches of a company.
func touchesOf(c company) []trail.Event {
	return slices.DeleteFunc(slices.Clone(c.other), func(e trail.Event) bool {
		return !slices.Contains([]trail.Kind{trail.Clicked, trail.Viewed, trail.Opened, trail.Replied}, e.Kind)
	})
}

// some returns one in three of the events, changed.
func some(t *rapid.T, events []trail.Event, change func(trail.Event) trail.Event) (all []trail.Event) {
	for _, e := range events {
		if rapid.IntRange(0, 2).Draw(t, "this one") == 0 {
			all = append(all, change(e))
		}
	}
	return all
}

// TestEveryDifferenceAddsUpAndIsExplained edits companies in one way or in several: what changed adds up, nothing is for a cause
// that we do not know, and what was edited in one way is for a cause of that.
func TestEveryDifferenceAddsUpAndIsExplained(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	rapid.Check(t, func(rt *rapid.T) {
		c := drawCompany(rt)
		c.request.From, c.request.To = time.Time{}, time.Time{}
		c.options.Burst = 30 * time.Minute
		for i := range c.deals[:2] { // won, with bursts on them, so that something changes
			c.deals[i] = deal(c.deals[i].Deal, "status", "won", "amount", "100", "closed_at", day.Add(20*time.Hour).Format(time.RFC3339))
		}
		for i := range 24 {
			at := day.Add(time.Duration(rapid.IntRange(0, 60).Draw(rt, "more at")) * 10 * time.Minute)
			e := touch("", at, trail.Clicked, rapid.SampledFrom([]string{"C0", "C1"}).Draw(rt, "more of"), "p", c.deals[i%2].Deal)
			e.ID[15] ^= byte(i)
			c.other = append(c.other, e)
		}
		c.deals = append(c.deals, deal("lost", "status", "lost", "closed_at", day.AddDate(0, 0, 2).Format(time.RFC3339)))
		for _, table := range []string{"events", "credits", "runs", "run_deals", "effects"} {
			exec(t, db, "TRUNCATE TABLE "+table)
		}
		chosen := []edit{rapid.SampledFrom(edits).Draw(rt, "edit")}
		if rapid.Bool().Draw(rt, "several edits") {
			chosen = edits
		}
		second := c.options
		allowed := map[trail.Cause]bool{}
		var more []trail.Event
		for _, e := range chosen {
			if e.make != nil {
				more = append(more, e.make(rt, c)...)
			}
			if e.change != nil {
				e.change(rt, &second)
			}
			for _, cause := range e.causes {
				allowed[cause] = true
			}
		}
		insert(t, db, shuffled(rt, c.events())...)
		j := job(db)
		j.Options = c.options
		a := once(t, j, c.request)
		insert(t, db, shuffled(rt, more)...)
		j = job(db)
		j.Options, j.Now = second, func() time.Time { return later }
		b := once(t, j, c.request)

		model := rapid.SampledFrom([]string{"linear", "first", "decay", "w", "full", "markov"}).Draw(rt, "model")
		by := rapid.SampledFrom(store.Keys()).Draw(rt, "by")
		if a.Reasons[model]+b.Reasons[model] != "" {
			model = "linear"
		}
		_, there := changes(rt, db, a.ID, b.ID, model, by)
		_, back := changes(rt, db, b.ID, a.ID, model, by)
		if len(there) != len(back) {
			rt.Errorf("%d changes, and %d the other way round", len(there), len(back))
		}
		for _, d := range append(there, back...) {
			switch {
			case d.Cause == trail.CauseOther:
				rt.Errorf("not explained: %+v", d)
			case !allowed[d.Cause] && !(d.Cause == trail.CauseWeights && model == "markov"):
				rt.Errorf("edited by %q, so not for %s: %+v", chosen[0].name, d.Cause, d)
			}
		}
	})
}
