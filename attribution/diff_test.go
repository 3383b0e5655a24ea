package attribution_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// later is when the second of two runs is made.
var later = now.Add(24 * time.Hour)

// between is when what they differ by became known.
var between = now.Add(time.Hour)

// learned returns the events as received between the two runs, those of which something was known before as the last word.
func learned(events ...trail.Event) []trail.Event {
	for i := range events {
		events[i].ReceivedAt = between
		if events[i].ID.Time().IsZero() { // a registration
			events[i].At = between
			events[i].ID = trail.IDFrom(time.Time{}, "test", "between", events[i].Deal, events[i].Content, string(events[i].Contact), fmt.Sprint(events[i].Attrs))
		}
	}
	return events
}

// revised returns the next revision of an event, made between the two runs.
func revised(e trail.Event, change func(*trail.Event)) trail.Event {
	change(&e)
	e.Revision, e.RevisedAt = e.Revision+1, between
	return e
}

// registered returns the registration of a content.
func registered(content, kind string) trail.Event {
	return trail.Event{
		ID: trail.IDFrom(time.Time{}, "test", "content", content, kind), Kind: trail.ContentKind, Source: "csv", At: day, ReceivedAt: day,
		Content: content, Attrs: map[string]string{"title": "The " + content, "kind": kind},
	}
}

// contactOf returns the registration of a contact of a company.
func contactOf(contact, account string, attrs ...string) trail.Event {
	e := trail.Event{
		ID: trail.IDFrom(time.Time{}, "test", "contact", contact, fmt.Sprint(attrs)), Kind: trail.ContactKind, Source: "csv", At: day, ReceivedAt: day,
		Contact: trail.ContactID(contact), Account: account, Attrs: map[string]string{},
	}
	for i := 0; i < len(attrs); i += 2 {
		e.Attrs[attrs[i]] = attrs[i+1]
	}
	return e
}

// loose returns a click that names no deal: its contact ties it.
func loose(name string, at time.Time, content, contact string) trail.Event {
	e := touch(name, at, trail.Clicked, content, contact, "")
	e.ID[11] = 1
	return e
}

// tester is a test, or one of many that rapid makes of one.
type tester interface {
	rapid.TB
	Context() context.Context
}

// changes asks for the difference of two runs and checks that it adds up: causes to rows, rows to the total, deals to causes.
func changes(t tester, db *store.DB, a, b, model, by string) (*trail.Diff, []trail.DiffDeal) {
	t.Helper()
	f := store.Filter{Model: model, Limit: 7}
	d, err := db.Diff(t.Context(), a, b, by, f)
	if err != nil {
		t.Fatal(err)
	}
	var deals []trail.DiffDeal
	for {
		page, next, err := db.DiffDeals(t.Context(), a, b, by, "", "", f)
		if err != nil {
			t.Fatal(err)
		}
		deals = append(deals, page...)
		if f.After = next; next == "" {
			break
		}
	}
	adds(t, d, deals)
	for _, run := range []string{a, b} {
		checkBeside(t, db, d, run)
	}
	return d, deals
}

// adds checks that a difference adds up to the cent.
func adds(t tester, d *trail.Diff, deals []trail.DiffDeal) {
	t.Helper()
	n := func(m trail.Money) decimal.Decimal { return decimal.RequireFromString(m.Amount) }
	byKey, byCause := map[string]decimal.Decimal{}, map[string]decimal.Decimal{}
	for _, x := range deals {
		byKey[x.Key] = byKey[x.Key].Add(n(x.Change.Change))
		byCause[string(x.Cause)] = byCause[string(x.Cause)].Add(n(x.Change.Change))
	}
	var before, after decimal.Decimal
	rows := append(slices.Clone(d.Rows), d.Unattributed)
	rows[len(rows)-1].Key = trail.Unattributed
	for _, r := range rows {
		before, after = before.Add(n(r.Before)), after.Add(n(r.After))
	}
	total := d.Total
	total.Key = "the total"
	byKey[total.Key] = n(total.Change.Change)
	if !before.Equal(n(total.Before)) || !after.Equal(n(total.After)) {
		t.Errorf("rows add up to %s and %s, not to %s and %s", before, after, total.Before.Amount, total.After.Amount)
	}
	for _, r := range append(rows, total) {
		change, causes := n(r.Change.Change), decimal.Zero
		for _, c := range r.Causes {
			causes = causes.Add(n(c.Change))
			if r.Key == total.Key && !byCause[string(c.Cause)].Equal(n(c.Change)) {
				t.Errorf("deals of %s add up to %s, not to %s", c.Cause, byCause[string(c.Cause)], c.Change.Amount)
			}
		}
		if !change.Equal(causes) || !change.Equal(n(r.After).Sub(n(r.Before))) || !byKey[r.Key].Equal(change) {
			t.Errorf("%s: %s to %s is a change of %s; causes add up to %s, deals to %s", r.Key, r.Before.Amount, r.After.Amount, change, causes, byKey[r.Key])
		}
	}
}

// checkBeside compares one side of a difference with the report on that run alone.
func checkBeside(t tester, db *store.DB, d *trail.Diff, run string) {
	t.Helper()
	report, err := db.Attribution(t.Context(), d.By, store.Filter{Model: d.Model, Run: run})
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[string]string{}, map[string]string{}
	for _, r := range report.Rows {
		want[r.Key] = r.Value.Amount
	}
	for _, r := range append(d.Rows, trail.DiffRow{Key: "unattributed", Change: d.Unattributed.Change}, trail.DiffRow{Key: "total", Change: d.Total.Change}) {
		got[r.Key] = r.Before.Amount
		if run == d.B.ID {
			got[r.Key] = r.After.Amount
		}
	}
	want["unattributed"], want["total"] = report.Unattributed.Value.Amount, report.Total.Value.Amount
	for key, amount := range got {
		if cmp.Or(want[key], "0.00") != amount && cmp.Or(want[key], "0") != amount {
			t.Errorf("%s is %s in the difference and %q in the report on run %s", key, amount, want[key], run)
		}
	}
	for key := range want {
		if got[key] == "" && strings.Trim(want[key], "0.") != "" {
			t.Errorf("%s is in the report on run %s and not in the difference", key, run)
		}
	}
}

// differences are companies of a few deals, each changed in one way.
var differences = []struct {
	name          string
	before, after []trail.Event
	change        func(*attribution.Options)
	model, by     string
	want          string
	why           string // part of the sentence
}{
	{
		"a deal is won", append(clicks("D", "a A 1h"), deal("D", "status", "open", "amount", "10")), learned(won("D", "10.00", closed)), nil, "", "",
		"D A deal_won 10.00", "before, it was open",
	},
	{
		"a deal was not known", nil, learned(append(clicks("D", "a A 1h"), won("D", "10.00", closed))...), nil, "", "",
		"D A deal_won 10.00", "not known",
	},
	{
		"a deal is open again", append(clicks("D", "a A 1h"), won("D", "10.00", closed)), learned(deal("D", "status", "open", "amount", "10")), nil, "", "",
		"D A deal_gone -10.00", "It is open",
	},
	{
		"a deal is deleted",
		[]trail.Event{won("D", "10.00", closed)},
		learned(trail.Event{Kind: trail.Retracted, Source: "csv", Deal: "D"}), nil, "", "",
		"D (unattributed) deal_gone -10.00", "deleted, merged",
	},
	{
		"an amount changes", append(clicks("D", "a A 1h", "b B 2h"), won("D", "10.00", closed)), learned(won("D", "10.01", closed)), nil, "", "",
		"D A amount 0.01", "10.01 EUR; before, it was 10.00 EUR",
	},
	{
		"an amount comes", append(clicks("D", "a A 1h"), deal("D", "status", "won", "closed_at", closed.Format(time.RFC3339))), learned(won("D", "10.00", closed)), nil, "", "",
		"D A amount 10.00", "not usable (no amount)",
	},
	{
		"a rate changes", append(clicks("D", "a A 1h"), deal("D", "status", "won", "amount", "10", "currency", "USD", "closed_at", closed.Format(time.RFC3339))), nil,
		func(o *attribution.Options) { o.Rates = map[string]string{"USD": "0.8"} }, "", "", "D A amount -1.00", "8.00 EUR",
	},
	{
		"a click comes late", append(clicks("D", "a A 1h"), won("D", "10.00", closed)), learned(clicks("D", "b B 2h")...), nil, "", "",
		"D A late_events -5.00, D B late_events 5.00", "One touch of its path was received",
	},
	{
		"a click that joins two bursts comes late", append(clicks("D", "a A 0s", "b A 50m", "c C 9h"), won("D", "9.00", closed)), learned(clicks("D", "x A 25m")...), nil, "", "",
		"D A late_events -1.50, D C late_events 1.50", "part of one burst",
	},
	{
		"a click was a scanner's", append(clicks("D", "a A 1h", "b B 2h"), won("D", "10.00", closed)),
		[]trail.Event{revised(clicks("D", "b B 2h")[0], func(e *trail.Event) { e.Agent, e.Probability = trail.Scanner, 0.9 })},
		nil, "", "",
		"D A verdict 5.00, D B verdict -5.00", "judged again",
	},
	{
		"a click that joined two bursts was a scanner's", append(clicks("D", "a A 0s", "x A 25m", "b A 50m", "c C 9h"), won("D", "9.00", closed)),
		[]trail.Event{revised(clicks("D", "x A 25m")[0], func(e *trail.Event) { e.Agent, e.Probability = trail.Scanner, 0.9 })},
		nil, "", "",
		"D A verdict 1.50, D C verdict -1.50", "begins or ends a burst",
	},
	{
		"a click never was", append(clicks("D", "a A 1h", "b B 2h"), won("D", "10.00", closed)),
		[]trail.Event{clicks("D", "b B 2h")[0].Retract(between)},
		nil, "", "",
		"D A removed 5.00, D B removed -5.00", "retracted",
	},
	{
		"a deal closed earlier", append(clicks("D", "a A 1h", "b B 48h"), won("D", "10.00", closed)), learned(won("D", "10.00", day.Add(24*time.Hour))), nil, "", "",
		"D A close_date 5.00, D B close_date -5.00", "2026-03-03",
	},
	{
		"a deal without a closing date gets one", append(clicks("D", "a A 1h"), deal("D", "status", "won", "amount", "10")), learned(won("D", "10.00", closed)), nil, "", "",
		"D A close_date 10.00", "not known",
	},
	{
		"a contact joins a deal",
		[]trail.Event{loose("a", day, "A", "p"), contactOf("p", "a.example"), won("D", "10.00", closed)},
		learned(deal("D", "status", "won", "amount", "10.00", "currency", "EUR", "closed_at", closed.Format(time.RFC3339Nano), "contacts", "p")), nil, "", "",
		"D (unattributed) moved -10.00, D A moved 10.00", "One touch of its path is tied otherwise",
	},
	{
		"a contact moves to another deal",
		[]trail.Event{loose("a", day, "A", "p"), contactOf("p", "a.example"), won("D", "10.00", closed), wonWith("E", "p")},
		learned(wonWith("D", "p"), wonWith("E", "")), nil, "", "",
		"D (unattributed) moved -10.00, D A moved 10.00, E (unattributed) moved 10.00, E A moved -10.00", "merges",
	},
	{
		"a content is of another kind", append(clicks("D", "a A 1h"), won("D", "10.00", closed), registered("A", "page")), learned(registered("A", "deck")), nil, "", "kind",
		"D deck content 10.00, D page content -10.00", "registration",
	},
	{
		"a share is of another content",
		[]trail.Event{made("A"), sharedClick(), won("D", "10.00", closed)},
		[]trail.Event{revised(made("A"), func(e *trail.Event) { e.Content = "B" })},
		nil, "", "",
		"D A content -10.00, D B content 10.00", "registration",
	},
	{
		"a deal has another owner", append(clicks("D", "a A 1h"), owned("D", "rita")), learned(owned("D", "sam")), nil, "", "owner",
		"D rita regrouped -10.00, D sam regrouped 10.00", "another key",
	},
	{
		"the window is shorter", append(clicks("D", "a A 1h", "b B 480h"), won("D", "10.00", closed)), nil, func(o *attribution.Options) { o.Window = 20 * 24 * time.Hour }, "", "",
		"D A settings -5.00, D B settings 5.00", "Settings",
	},
	{
		"bursts are longer", append(clicks("D", "a A 1h", "b A 2h", "c C 5h"), won("D", "9.00", closed)), nil, func(o *attribution.Options) { o.Burst = 2 * time.Hour }, "", "",
		"D A settings -1.50, D C settings 1.50", "Settings",
	},
	{
		"opens earn", append(clicks("D", "a A 1h"), won("D", "10.00", closed), touch("b", day, trail.Opened, "B", "p", "D")), nil,
		func(o *attribution.Options) { o.Kinds = append(o.Kinds, trail.Opened) }, "", "", "D A settings -5.00, D B settings 5.00", "Settings",
	},
	{
		"the half-life is longer", append(clicks("D", "a A 0h", "b B 168h"), won("D", "9.00", closed)), nil, func(o *attribution.Options) { o.HalfLife = 168 * time.Hour / 2 }, "decay", "",
		"D A settings -1.20, D B settings 1.20", "Settings",
	},
	{
		"a model learns from other deals", slices.Concat(clicks("D", "a A 1h", "b B 2h"), clicks("E", "c A 1h"), []trail.Event{won("D", "10.00", closed), won("E", "10.00", closed)}),
		learned(append(clicks("F", "d B 1h"), deal("F", "status", "lost", "closed_at", closed.Format(time.RFC3339)))...), nil, "markov", "",
		"D A weights, D B weights", "other deals",
	},
	{
		"a deal began at another time", append(clicks("D", "a A 1h", "b B 2h", "c C 3h"), begun("D", day.Add(150*time.Minute))), learned(begun("D", day.Add(90*time.Minute))), nil, "w", "",
		"D A milestones 5.00, D B milestones -5.00", "another time",
	},
}

// wonWith is a deal of 10.00 EUR with a contact on it.
func wonWith(id, contact string) trail.Event {
	e := won(id, "10.00", closed)
	if contact != "" {
		e.Attrs["contacts"] = contact
	}
	return e
}

// owned is a deal of 10.00 EUR with an owner.
func owned(id, owner string) trail.Event {
	e := won(id, "10.00", closed)
	e.Attrs["owner"] = owner
	return e
}

// begun is a deal of 10.00 EUR that was created at a time.
func begun(id string, at time.Time) trail.Event {
	e := won(id, "10.00", closed)
	e.Attrs["created_at"] = at.Format(time.RFC3339)
	return e
}

// made is a link to a content, for the deal D.
func made(content string) trail.Event {
	return trail.Event{ID: trail.IDFrom(day, "test", "share"), Kind: trail.Shared, Source: "api", At: day, ReceivedAt: day, Content: content, Share: "s1", Rep: "rep@example.com", Deal: "D"}
}

// sharedClick is an open of that link, of which only the link tells the content.
func sharedClick() trail.Event {
	return trail.Event{ID: trail.IDFrom(day.Add(time.Hour), "test", "reply"), Kind: trail.Replied, Source: "mail", At: day.Add(time.Hour), ReceivedAt: day.Add(time.Hour), Share: "s1", Contact: "p"}
}

// among returns the events of one difference as they are in a company of all: its deals, people and contents are its own.
func among(n int, events []trail.Event) []trail.Event {
	own := func(name string) string {
		if name == "" {
			return ""
		}
		return fmt.Sprintf("%02d-%s", n, name)
	}
	var all []trail.Event
	for _, e := range events {
		e.ID[15] ^= byte(n + 1)
		e.Deal, e.Contact, e.Content, e.Share, e.Account = own(e.Deal), trail.ContactID(own(string(e.Contact))), own(e.Content), trail.ShareID(own(string(e.Share))), own(e.Account)
		if contacts := e.Attrs["contacts"]; contacts != "" {
			e.Attrs = maps.Clone(e.Attrs)
			e.Attrs["contacts"] = own(contacts)
		}
		all = append(all, e)
	}
	return all
}

func TestEachCauseOfADifferenceIsFound(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	before := []trail.Event{deal("lost", "status", "lost", "closed_at", closed.Format(time.RFC3339))} // for the models that need one
	var after []trail.Event
	for n, x := range differences {
		before, after = append(before, among(n, x.before)...), append(after, among(n, x.after)...)
	}
	insert(t, db, before...)
	run := func(at time.Time, models []string, change func(*attribution.Options)) string {
		j := job(db)
		j.Now, j.Options.Rates = func() time.Time { return at }, map[string]string{"USD": "0.9"}
		if change != nil {
			change(&j.Options)
		}
		return once(t, j, attribution.Request{Models: models}).ID
	}
	a := run(now, nil, nil)
	second := map[int]string{}
	for n, x := range differences {
		if x.change != nil {
			second[n] = run(later, []string{"linear", "decay"}, x.change)
		}
	}
	insert(t, db, after...)
	b := run(later, nil, nil)

	type question struct{ b, model, by string }
	found := map[question][]trail.DiffDeal{}
	for n, x := range differences {
		q := question{cmp.Or(second[n], b), x.model, cmp.Or(x.by, "content")}
		if _, asked := found[q]; !asked {
			var d *trail.Diff
			d, found[q] = changes(t, db, a, q.b, q.model, q.by)
			if settings := len(d.Settings.Before)+len(d.Settings.After) > 0; settings != (x.change != nil) {
				t.Errorf("%s: settings: %+v", x.name, d.Settings)
			}
			if back, _ := changes(t, db, q.b, a, q.model, q.by); len(back.Total.Causes) != len(d.Total.Causes) { // the other way round it adds up too
				t.Errorf("%s: the other way round: %+v, not %+v", x.name, back.Total, d.Total)
			}
		}
		var got []string
		for _, d := range found[q] {
			if !strings.HasPrefix(d.Deal, fmt.Sprintf("%02d-", n)) {
				continue
			}
			d.Deal, d.Key = d.Deal[3:], strings.TrimPrefix(d.Key, fmt.Sprintf("%02d-", n))
			line := fmt.Sprintf("%s %s %s", d.Deal, d.Key, d.Cause)
			if x.model != "markov" { // its amounts depend on all deals
				line += " " + d.Change.Change.Amount
			}
			got = append(got, line)
			if !strings.Contains(d.Why, x.why) {
				t.Errorf("%s: %s: %q does not say %q", x.name, d.Deal, d.Why, x.why)
			}
		}
		slices.Sort(got)
		if got := strings.Join(got, ", "); got != x.want {
			t.Errorf("%s:\n got %s\nwant %s", x.name, got, x.want)
		}
	}
}

func TestRunsThatDoNotCompareAreRefused(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, won("D", "1", closed))
	j := job(db)
	all := once(t, j, attribution.Request{})
	strict := once(t, j, attribution.Request{Agents: trail.Strict})
	march := once(t, j, attribution.Request{From: day})
	first := once(t, j, attribution.Request{Models: []string{"first"}})
	j.Options.Currency = "USD"
	j.Options.Rates = map[string]string{"EUR": "1.1"}
	dollars := once(t, j, attribution.Request{})
	for want, x := range map[string][3]string{
		"Both are run":                {all.ID, all.ID, ""},
		"counts agents likely":        {all.ID, strict.ID, ""},
		"different periods":           {all.ID, march.ID, ""},
		"did not compute":             {first.ID, all.ID, "last"},
		"did not compute model \"x\"": {all.ID, first.ID, "x"},
		"in USD":                      {all.ID, dollars.ID, ""},
		"no complete run \"R\"":       {all.ID, "R", ""},
		"is the first of its level":   {"previous", strict.ID, ""},
		"Only one of the two":         {"previous", "previous", ""},
	} {
		var p *trail.Problem
		if _, err := db.Diff(t.Context(), x[0], x[1], "content", store.Filter{Model: x[2]}); !errors.As(err, &p) || !strings.Contains(p.Text, want) {
			t.Errorf("%v: %v; want %q", x, err, want)
		}
	}
	if _, err := db.Diff(t.Context(), all.ID, first.ID, "colour", store.Filter{}); err == nil || !strings.Contains(err.Error(), "content, rep") {
		t.Errorf("by a colour: %v", err)
	}
}
