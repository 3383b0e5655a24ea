package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// termsIn are terms in a zone, in euros, with a dollar at 0.92, leads answered within 24 hours.
func termsIn(t testing.TB, zone string) store.NumberTerms {
	t.Helper()
	z := must(time.LoadLocation(zone))(t)
	return store.NumberTerms{
		Zone: z, Rates: store.Rates{Currency: "EUR", Digits: 2, Of: map[string]string{"USD": "0.92"}}, AnswerDays: 14,
		Service: trail.ServiceTerms{Answer: 24 * time.Hour, Zone: z}, Kinds: []string{"clicked", "viewed", "replied"}, Window: 365 * 24 * time.Hour,
	}
}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

// numbers is a company made by hand for shared numbers. Sydney's October 2026 begins on
// 30 September at 14:00 UTC and ends on 31 October at 13:00 UTC, since its summer time
// begins on the 4th; New York's begins on 1 October at 04:00 and ends on 1 November at 04:00.
//
//	W1 alpha   1000.00 EUR  30 Sep 14:30 UTC: October in Sydney, September in New York
//	W2 alpha    100.00 USD  15 Oct: in both, and alpha's second in Sydney
//	W3 beta      10.005 EUR 31 Oct 13:30 UTC: November in Sydney, October in New York; 10.01 rounded
//	W4 gamma     no amount  20 Oct
//	W5 delta      7 CHF     20 Oct, no rate
//	W6 beta       1.00 EUR  2 Oct, so that W3 is no first
//	L1 epsilon  lost
func numbers() (events []trail.Event) {
	deal := func(id, domain, closed string, kv ...string) {
		events = append(events, registered(trail.DealKind, id, at("2026-09-01T00:00:00Z"), append([]string{"domain", domain, "status", "won", "closed_at", closed, "contacts", string(keys.ID(id + "@" + domain))}, kv...)...))
	}
	deal("W1", "alpha.example", "2026-09-30T14:30:00Z", "amount", "1000.00", "currency", "EUR")
	deal("W2", "alpha.example", "2026-10-15T10:00:00Z", "amount", "100.00", "currency", "usd")
	deal("W3", "beta.example", "2026-10-31T13:30:00Z", "amount", "10.005", "currency", "EUR")
	deal("W4", "gamma.example", "2026-10-20T10:00:00Z")
	deal("W5", "delta.example", "2026-10-20T10:00:00Z", "amount", "7", "currency", "CHF")
	deal("W6", "beta.example", "2026-10-02T10:00:00Z", "amount", "1", "currency", "EUR")
	deal("L1", "epsilon.example", "2026-10-02T10:00:00Z", "amount", "5", "currency", "EUR", "status", "lost")
	for _, c := range []string{"deck", "case", "faq"} {
		events = append(events, registered(trail.ContentKind, c, at("2026-09-01T00:00:00Z"), "title", c))
	}
	sent := func(message, content, rep, to string, when time.Time, rules ...string) {
		e := event(trail.Sent, message+content+to, when)
		e.Message, e.Content, e.Rep, e.Contact, e.Rules = message, content, rep, keys.ID(to), rules
		events = append(events, e)
	}
	// In Sydney's October: the deck on its first day, the case on its last, neither counts twice; what is not registered does not.
	sent("m1", "deck", "rita@us.example", "W1@alpha.example", at("2026-09-30T14:10:00Z"), "tracked")
	sent("m2", "deck", "rita@us.example", "W2@alpha.example", at("2026-10-03T14:10:00Z"), "tracked", "stale")
	sent("m3", "case", "sam@us.example", "W6@beta.example", at("2026-10-31T12:59:59Z"), "file")
	sent("m4", "rumour", "sam@us.example", "W6@beta.example", at("2026-10-05T10:00:00Z"), "file")
	sent("m5", "faq", "sam@us.example", "W6@beta.example", at("2026-10-31T13:00:00Z"), "file")
	click := event(trail.Clicked, "click", at("2026-09-30T14:20:00Z"))
	click.Content, click.Contact, click.Verdict = "deck", keys.ID("W1@alpha.example"), trail.Verdict{Agent: trail.Human, Probability: 0.99}
	return append(events, click)
}

func TestGoalsCountByTheCompanysCalendar(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, numbers()...)
	a := &asked{t: t}
	agree := func(measure, target string, before *trail.Goal, dropped bool, when time.Time) *trail.Goal {
		g := trail.Goal{Measure: measure, Period: "2026-10", Target: target, Sales: "Rita", Marketing: "Mia", By: "mia@us.example", Dropped: dropped}
		e, g, err := g.Event(before, 2, "ui", when)
		a.add(e, err)
		return &g
	}
	for _, m := range trail.Measures() {
		agree(m.ID, "4", nil, false, at("2026-09-01T00:00:00Z"))
	}
	first := agree("won_deals", "6", nil, false, at("2026-09-02T00:00:00Z"))
	agree("won_deals", "5", first, false, at("2026-09-02T00:00:00Z")) // at the same moment, and later all the same
	accept := func(lead, state string, when time.Time) {
		d := must(trail.NewDecision("2026-W40", keys.ID(lead), ""))(t)
		d = must(d.With(map[string]string{"state": state, "reason": "x"}, when))(t)
		a.add(d.Event("ui", "mia@us.example", when), nil)
	}
	accept("one@alpha.example", "accepted", at("2026-09-30T14:00:00Z")) // October in Sydney alone
	accept("one@alpha.example", "accepted", at("2026-10-09T10:00:00Z")) // not twice
	accept("two@alpha.example", "accepted", at("2026-10-10T10:00:00Z"))
	accept("two@alpha.example", "rejected", at("2026-10-11T10:00:00Z")) // taken back
	accept("six@alpha.example", "accepted", at("2026-10-12T10:00:00Z"))
	inTime := a.request(trail.Request{Rep: "rita@us.example", Text: "x", Stage: "Demo"}, at("2026-10-02T10:00:00Z"))
	said := a.answer(inTime, trail.Answer{Text: "y"}, at("2026-10-05T10:00:00Z"))
	inTime.Answer = &said
	a.answer(inTime, trail.Answer{Text: "and more"}, at("2026-11-05T10:00:00Z")) // the first answer counts
	a.request(trail.Request{Rep: "rita@us.example", Text: "late", Stage: "Demo"}, at("2026-10-10T10:00:00Z"))
	a.request(trail.Request{Rep: "rita@us.example", Text: "not due", Stage: "Demo"}, at("2026-10-30T10:00:00Z"))
	a.load(db)

	now := at("2026-11-02T00:00:00Z")
	for zone, want := range map[string]string{
		"Australia/Sydney": "new_customers 4, won_deals 5, won_amount 1093.00 (2 left out), leads_accepted 2, leads_in_time , requests_in_time 50 of 2, contents_used 2",
		"America/New_York": "new_customers 3, won_deals 5, won_amount 103.01 (2 left out), leads_accepted 1, leads_in_time , requests_in_time 50 of 2, contents_used 3",
	} {
		for range 2 {
			var got []string
			for _, g := range must(db.Goals(t.Context(), termsIn(t, zone), now))(t) {
				line := g.Measure + " " + g.Result.Actual
				if g.Result.Of > 0 {
					line += fmt.Sprintf(" of %d", g.Result.Of)
				}
				if g.Result.LeftOut > 0 {
					line += fmt.Sprintf(" (%d left out)", g.Result.LeftOut)
				}
				got = append(got, line)
			}
			check(t, zone, strings.Join(got, ", "), want)
			if _, err := db.Refresh(t.Context()); err != nil { // once more from what is laid out
				t.Fatal(err)
			}
		}
	}
	all := must(db.Agreed(t.Context()))(t)
	i := slices.IndexFunc(all, func(g trail.Goal) bool { return g.Measure == "won_deals" })
	if g := all[i]; g.Target != "5" || len(g.History) != 3 || g.History[1].Target != "6" || g.History[2].Target != "4" {
		t.Errorf("the history is %+v", g)
	}
}

func TestAMonthReportIsCountedByHand(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, numbers()...)
	r := must(db.MonthReport(t.Context(), "2026-10", termsIn(t, "Australia/Sydney"), 3, at("2026-11-02T00:00:00Z"), store.Filter{}))(t)
	got := fmt.Sprint(r.RepsConnected, r.RepsSent, r.Contents, r.ContentsUsed, r.Sends, r.Tracked, r.Stale, r.TrackedPerRep == nil, r.Running)
	check(t, "adoption", got, "3 2 3 2 4 2 1 true false")
	eur := func(amount string) trail.Money { return trail.Money{Amount: amount, Currency: "EUR"} }
	check(t, "won", r.Won, trail.MonthWon{Deals: 5, Value: eur("1093.00"), LeftOut: 2})
	check(t, "won with content seen", r.WonSeen, trail.MonthWon{Deals: 1, Value: eur("1000.00")})
	check(t, "won without", r.WonNone, trail.MonthWon{Deals: 4, Value: eur("93.00"), LeftOut: 2})
	if r.WonPart != 2 { // W1, and W2, to whom it was sent; what went to W6 came after its close
		t.Errorf("content was part of %d", r.WonPart)
	}
	check(t, "bounds", []time.Time{r.From.UTC(), r.To.UTC()}, []time.Time{at("2026-09-30T14:00:00Z"), at("2026-10-31T13:00:00Z")})
	if last := must(db.MonthReport(t.Context(), "", termsIn(t, "America/New_York"), 0, at("2026-11-01T03:00:00Z"), store.Filter{}))(t); last.Name != "2026-09" {
		t.Errorf("an hour before November, the last complete month in New York is %s", last.Name)
	}
	for _, wrong := range []string{"2026-13", "2026-Q4", "2026-12", "x"} {
		_, err := db.MonthReport(t.Context(), wrong, termsIn(t, "UTC"), 0, at("2026-11-02T00:00:00Z"), store.Filter{})
		problem(t, err, trail.Invalid)
	}
}

// TestServiceTakesEachLeadOnce loads leads by hand:
//
//	a  created Monday 9:00, known 10:00, written to 12:00: 3 hours, 1 and 2
//	b  created Monday 9:00, known 10:00, written to Wednesday: late, 48 hours
//	c  created Monday, never written to
//	d  written to the week before, so it waits for nobody
//	e  created on Thursday at the end: not due
//	f  no lead: no status
//	g  written to before we knew of it: known 10:00, written 9:30
func TestServiceTakesEachLeadOnce(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	monday := at("2026-10-05T09:00:00Z")
	var events []trail.Event
	lead := func(name, status string, created time.Time, mails ...time.Time) {
		address := name + "@alpha.example"
		e := registered(trail.ContactKind, string(keys.ID(address)), created.Add(time.Hour), "status", status, "created_at", created.Format(time.RFC3339), "owner", "rita@us.example")
		e.Person = &trail.Person{Address: address}
		events = append(events, e)
		for i, at := range mails {
			m := event(trail.Sent, fmt.Sprint(name, i), at)
			m.Message, m.Rep, m.Contact = fmt.Sprint(name, i), "rita@us.example", keys.ID(address)
			events = append(events, m)
		}
	}
	events = append(events, registered(trail.ContactKind, string(keys.ID("old@alpha.example")), at("2026-09-01T00:00:00Z"))) // when the CRM was first read
	lead("a", "new", monday, monday.Add(3*time.Hour), monday.Add(50*time.Hour))
	lead("b", "new", monday, monday.Add(48*time.Hour))
	lead("c", "new", monday)
	lead("d", "new", monday, monday.AddDate(0, 0, -7), monday.Add(time.Hour))
	lead("e", "new", monday.AddDate(0, 0, 3))
	lead("f", "", monday)
	lead("g", "new", monday, monday.Add(30*time.Minute))
	insert(t, db, events...)
	now := monday.AddDate(0, 0, 3).Add(time.Hour)
	for range 2 {
		s := must(db.Service(t.Context(), termsIn(t, "UTC"), monday.AddDate(0, 0, -1), monday.AddDate(0, 0, 7), now))(t)
		r := s.Total
		check(t, "counts", fmt.Sprint(r.Leads, r.Due, r.InTime, r.Answered, r.Ignored, s.InTouch, len(s.Ignored), s.Hidden), "5 4 2 3 1 1 1 true")
		check(t, "hours", fmt.Sprint(*r.Share, *r.Median, r.P90 == nil, *r.System, *r.Human, r.Split), "0.5 3 true 1 2 5")
		if s.Ignored[0].Address != "c@alpha.example" || !s.Ignored[0].DueAt.Equal(monday.Add(24*time.Hour)) {
			t.Errorf("ignored: %+v", s.Ignored)
		}
		if len(s.Weeks) != 1 || s.Weeks[0].Name != "2026-W41" || len(s.Teams) != 0 {
			t.Errorf("weeks %+v teams %+v", s.Weeks, s.Teams)
		}
		if _, err := db.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHealthCountsWhatNoReportCounts(t *testing.T) {
	t.Parallel()
	db := openCompany(t)
	gone, leave := context.WithCancel(t.Context())
	leave()
	done := store.TakeHealth(db) // somebody works it out, and who does not wait any more leaves
	if _, err := db.Health(gone, termsIn(t, "UTC"), 2, day(20)); !errors.Is(err, context.Canceled) {
		t.Errorf("who left gets %v", err)
	}
	done()
	h := must(db.Health(t.Context(), termsIn(t, "UTC"), 2, day(20)))(t)
	var got []string
	for _, v := range h.Traffic {
		got = append(got, fmt.Sprintf("%s %d %d %d %d", v.Verdict, v.Clicks7, v.Opens7, v.Clicks30, v.Opens30))
	}
	check(t, "traffic", strings.Join(got, ", "), "human 2 0 4 0, proxy 0 0 0 1, scanner 0 0 1 0, self 0 0 1 0")
	counts := map[string]string{}
	for _, e := range h.Excluded {
		counts[e.Code] = "unknown"
		if e.Count != nil {
			counts[e.Code] = fmt.Sprint(*e.Count)
		}
	}
	for code, want := range map[string]string{"machine": "1", "self": "1", "unknown": "0", "bad": "2", "retracted": "0", "no_deal": "0", "own_domains": "unknown", "out_of_window": "0"} {
		if counts[code] != want {
			t.Errorf("%s: %s, want %s", code, counts[code], want)
		}
	}
	if machine, all := h.Share(func(t trail.Traffic) uint64 { return t.Clicks30 }); machine != 1 || all != 6 {
		t.Errorf("machines made %d of %d clicks", machine, all)
	}
}
