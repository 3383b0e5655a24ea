package store_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// lead registers a contact with a status, and who it is.
func lead(address, name string, at time.Time, attrs ...string) trail.Event {
	e := registered(trail.ContactKind, string(keys.ID(address)), at, append([]string{"status", "lead", "domain", trail.Domain(address)}, attrs...)...)
	e.Person = &trail.Person{Address: address, Name: name}
	return e
}

// clickBy is a click that only one person can have made.
func clickBy(address, name string, at time.Time, agent trail.Agent) trail.Event {
	e := event(trail.Clicked, name, at)
	e.Content, e.Contact, e.Verdict = "deck", keys.ID(address), trail.Verdict{Agent: agent, Probability: 0.95}
	return e
}

func mailTo(address, name string, at time.Time) trail.Event {
	e := event(trail.Sent, name, at)
	e.Contact, e.Rep, e.Message = keys.ID(address), "rita@ours.example", name
	return e
}

func TestLeadsAreThoseWithAReasonTheStrongestFirst(t *testing.T) {
	db := storetest.Open(t)
	db.CRM = "https://crm.example/deal/{id}"
	week := day(12) // Monday; the review of 12 to 18 January
	answer := event(trail.Replied, "answer", week.Add(30*time.Hour))
	answer.Contact = keys.ID("answers@a.example")
	insert(t, db,
		registered(trail.ContentKind, "deck", day(1), "title", "The Deck", "url", "https://x.example/deck"),
		lead("answers@a.example", "Ada", day(1)), answer,
		lead("clicks@a.example", "Cleo", day(1)), clickBy("clicks@a.example", "c1", week.Add(time.Hour), trail.Human), clickBy("clicks@a.example", "c2", week.Add(2*time.Hour), trail.Human),
		lead("machine@a.example", "Max", day(1)), clickBy("machine@a.example", "m1", week.Add(time.Hour), trail.Scanner), clickBy("machine@a.example", "m2", week.Add(2*time.Hour), trail.Scanner),
		lead("new@a.example", "Nina", day(14), "created_at", day(14).Format(time.RFC3339)),
		lead("written@a.example", "Will", day(14), "created_at", day(14).Format(time.RFC3339)), mailTo("written@a.example", "hello", day(15)),
		lead("lost@b.example", "Lou", day(1)),
		registered(trail.DealKind, "D/1", day(2), "name", "Big", "status", "lost", "closed_at", day(16).Format(time.RFC3339), "created_at", day(2).Format(time.RFC3339),
			"amount", "1000.5", "currency", "EUR", "loss_reason", "price", "contacts", string(keys.ID("lost@b.example"))),
		lead("engaged@a.example", "Eve", day(1)), clickBy("engaged@a.example", "e1", day(5), trail.Human), clickBy("engaged@a.example", "e2", day(6), trail.Human), clickBy("engaged@a.example", "e3", day(13), trail.Human),
		registered(trail.ContactKind, string(keys.ID("nostatus@a.example")), day(1), "domain", "a.example"), clickBy("nostatus@a.example", "n1", day(13), trail.Human), clickBy("nostatus@a.example", "n2", day(13), trail.Human),
	)
	r := must(db.WeekReview(t.Context(), "2026-W03", time.UTC, day(30), store.Filter{}))(t)
	var got []string
	for _, l := range r.Leads {
		got = append(got, fmt.Sprint(l.Reasons, " ", l.Why))
	}
	check(t, "leads", got, []string{
		"[answered] Answered once.",
		"[lost] The deal Big was lost: price.",
		"[clicked] Clicked twice (likely people only).",
		"[engaged] Looked at content 3 times in 30 days and has no open deal.",
		"[untouched] Is new, and no rep has written for 5 days.",
	})
	check(t, "the deal of a lead", fmt.Sprint(r.Leads[1].Deal.ID, r.Leads[1].Section, r.Leads[1].CRM, r.Leads[1].Deal.Value), "D/1losthttps://crm.example/deal/D%2F1{1000.50 EUR}")
	check(t, "who", r.Leads[0].Address+" "+r.Leads[0].Name, "answers@a.example Ada")
	check(t, "seen", r.Leads[2].Seen, []trail.LeadContent{{Content: "deck", Title: "The Deck", Clicked: 2, Last: week.Add(2 * time.Hour)}})
	all := must(db.WeekReview(t.Context(), "2026-W03", time.UTC, day(30), store.Filter{Agents: trail.All}))(t)
	check(t, "machines count when asked for", slices.ContainsFunc(all.Leads, func(l trail.Lead) bool { return l.Contact == keys.ID("machine@a.example") }), true)
}

func TestAReviewTalksAboutTwentyLeadsAtMost(t *testing.T) {
	db := storetest.Open(t)
	var events []trail.Event
	for i := range 25 {
		address := fmt.Sprintf("l%d@a.example", i)
		events = append(events, lead(address, "L", day(1)))
		for j := range 2 + i {
			events = append(events, clickBy(address, fmt.Sprint(i, " ", j), day(13).Add(time.Duration(j)*time.Minute), trail.Human))
		}
	}
	insert(t, db, events...)
	r := must(db.WeekReview(t.Context(), "2026-W03", time.UTC, day(30), store.Filter{}))(t)
	check(t, "leads", len(r.Leads), trail.MaxLeads)
	check(t, "the busiest first", r.Leads[0].Contact, keys.ID("l24@a.example"))
}

// A week ends at midnight by the clock of the company, whatever that clock does in it.
func TestAnEventLateOnSundayIsOfThatWeekInEveryZone(t *testing.T) {
	for _, c := range []struct{ zone, week, sunday string }{
		{"Australia/Sydney", "2026-W40", "2026-10-04"}, // 23 hours long
		{"Australia/Sydney", "2026-W14", "2026-04-05"}, // 25 hours long
		{"America/New_York", "2026-W44", "2026-11-01"}, // 25 hours long
		{"America/New_York", "2026-W10", "2026-03-08"}, // 23 hours long
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		sunday, err := time.ParseInLocation(time.DateOnly, c.sunday, zone)
		if err != nil {
			t.Fatal(err)
		}
		late := time.Date(sunday.Year(), sunday.Month(), sunday.Day(), 23, 30, 0, 0, zone)
		db := storetest.Open(t)
		before := late.AddDate(0, 0, -20)
		insert(t, db, lead("ann@a.example", "Ann", before),
			clickBy("ann@a.example", "one", late, trail.Human), clickBy("ann@a.example", "two", late.Add(time.Minute), trail.Human),
			clickBy("ann@a.example", "after midnight", late.Add(31*time.Minute), trail.Human))
		now := late.AddDate(0, 0, 10)
		r := must(db.WeekReview(t.Context(), c.week, zone, now, store.Filter{}))(t)
		if len(r.Leads) != 1 || r.Leads[0].Clicks != 2 || r.Leads[0].LastTouch.Format("Mon 15:04") != "Sun 23:31" {
			t.Errorf("%s %s: %+v", c.zone, c.week, r.Leads)
		}
		next := must(db.WeekReview(t.Context(), trail.WeekOf(r.To, zone), zone, now, store.Filter{}))(t)
		if len(next.Leads) > 0 && next.Leads[0].Clicks != 1 {
			t.Errorf("%s, the week after %s: %+v", c.zone, c.week, next.Leads)
		}
		check(t, c.zone+": as of", r.AsOf.Format("Mon 15:04"), "Mon 07:00")
		check(t, c.zone+": the last day", r.To.AddDate(0, 0, -1).Format(time.DateOnly), c.sunday)
	}
}

func TestWhatComesAfterAReviewWasDueChangesNothingInIt(t *testing.T) {
	db := storetest.Open(t)
	ask := func(now time.Time) string {
		r := must(db.WeekReview(t.Context(), "2026-W03", time.UTC, now, store.Filter{}))(t)
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	late := clickBy("ann@a.example", "late", day(13), trail.Human)
	late.ReceivedAt = day(19).Add(8 * time.Hour) // it happened in the week, and we learned it after
	lost := registered(trail.DealKind, "D1", day(20), "name", "Deal", "status", "lost", "closed_at", day(14).Format(time.RFC3339))
	insert(t, db, late) // known of a contact that the CRM tells of later
	r := must(db.WeekReview(t.Context(), "2026-W03", time.UTC, day(30), store.Filter{}))(t)
	check(t, "a week of which nothing was known is told by what is known now", r.AsOf.IsZero(), true)

	insert(t, db, lead("ann@a.example", "Ann", day(1)), registered(trail.DealKind, "D1", day(13), "name", "Deal", "status", "open", "created_at", day(13).Format(time.RFC3339)),
		clickBy("ann@a.example", "one", day(13), trail.Human), clickBy("ann@a.example", "two", day(14), trail.Human))
	before := ask(day(19).Add(7 * time.Hour))
	insert(t, db, lost, clickBy("ann@a.example", "three", day(22), trail.Human), lead("bob@a.example", "Bob", day(21)))
	check(t, "a month later", ask(day(30)), before)
	live := must(db.WeekReview(t.Context(), "2026-W03", time.UTC, day(19).Add(6*time.Hour), store.Filter{}))(t)
	check(t, "before it is due it is as it is now", fmt.Sprint(live.AsOf.IsZero(), live.Rows[0].Section, live.Leads[0].Clicks), "truelost3")
	asked := must(db.WeekReview(t.Context(), "2026-W03", time.UTC, day(30), store.Filter{AsOf: day(29)}))(t)
	check(t, "as of another time", asked.Rows[0].Section, "lost")
	db.ReviewAt = trail.WeekTime{Day: time.Friday, Hour: 12}
	check(t, "due on another day", must(db.WeekReview(t.Context(), "2026-W03", time.UTC, day(30), store.Filter{}))(t).AsOf, day(23).Add(12*time.Hour))
}

func TestDecisionsAreShownTheWeekAfterKeptOrNot(t *testing.T) {
	db := storetest.Open(t)
	decide := func(week string, contact trail.ContactID, deal string, now time.Time, fields ...string) {
		d := must(trail.NewDecision(week, contact, deal))(t)
		for _, known := range must(db.Decisions(t.Context(), week))(t) {
			if known.ID == d.ID {
				d = known
			}
		}
		d = must(d.With(pairs(fields...), now))(t)
		insert(t, db, d.Event("test", "mia", now))
	}
	insert(t, db, lead("ann@a.example", "Ann", day(1)), registered(trail.DealKind, "D1", day(12), "name", "Deal", "status", "open", "created_at", day(12).Format(time.RFC3339)),
		clickBy("ann@a.example", "one", day(13), trail.Human), clickBy("ann@a.example", "two", day(14), trail.Human))
	meeting := day(19).Add(9 * time.Hour)
	ann := keys.ID("ann@a.example")
	decide("2026-W03", ann, "", meeting, "quality", "good", "decision", "call", "owner", "rita", "due", "2026-01-22")
	decide("2026-W03", "", "D1", meeting, "decision", "send prices", "owner", "mia", "due", "2026-01-23")
	decide("2026-W02", "", "D1", meeting, "decision", "old", "owner", "mia", "due", "2026-01-15")
	decide("2026-W02", ann, "", meeting, "needs", "only words")
	r := must(db.WeekReview(t.Context(), "2026-W03", time.UTC, meeting.Add(time.Hour), store.Filter{}))(t)
	check(t, "in the rows, though it was due before", fmt.Sprint(r.Leads[0].Decision.Quality, r.Rows[0].Decision.Text, len(r.Decisions), r.Leads[0].Decision.Kept), "goodsend prices2open")
	check(t, "of the review before", fmt.Sprint(len(r.Earlier), r.Earlier[0].Text, r.Earlier[0].Kept, r.Earlier[0].Title), "1oldmissedDeal")

	decide("2026-W03", ann, "", day(22).Add(20*time.Hour), "done", "yes")
	var got []string
	for _, d := range must(db.WeekReview(t.Context(), "2026-W04", time.UTC, day(26).Add(9*time.Hour), store.Filter{}))(t).Earlier {
		got = append(got, fmt.Sprint(d.Week, " ", d.Text, " ", d.Kept))
	}
	check(t, "a week later", got, []string{"2026-W03 call kept", "2026-W03 send prices missed", "2026-W02 old missed"})
}
