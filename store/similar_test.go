package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// TestWhatSimilarWonDealsHadSeenIsCounted counts by hand. A1 to A6 are won, A7 is open in Demo, A8 lost, all of 500; B1 is
// won and of 50 000. Each entered Demo on the 3rd; the won ones entered Offer on the 10th and were won on the 20th. Each won deal's
// CFO was sent the deck on the 4th and, but A6's, clicked it on the 5th; A1's clicked the case on the 15th, after Demo. A7's CTO was
// sent the deck on the 4th. B1's CEO clicked the case on the 5th.
func TestWhatSimilarWonDealsHadSeenIsCounted(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	var events []trail.Event
	add := func(kind trail.Kind, key string, at time.Time, change func(e *trail.Event)) {
		e := event(kind, key, at)
		change(&e)
		events = append(events, e)
	}
	human := trail.Verdict{Agent: trail.Human, Probability: 0.99}
	for _, id := range strings.Fields("A1 A2 A3 A4 A5 A6 A7 A8 B1") {
		who, role, amount, status, closed := trail.ContactID("c"+id), "CFO", "500", "won", "2026-01-20T00:00:00Z"
		switch id {
		case "A7":
			role, status, closed = "CTO", "open", ""
		case "A8":
			status, closed = "lost", "2026-01-12T00:00:00Z"
		case "B1":
			role, amount = "CEO", "50000"
		}
		events = append(events, registered(trail.ContactKind, string(who), day(1), "role", role),
			registered(trail.DealKind, id, day(2), "amount", amount, "currency", "EUR", "status", status, "closed_at", closed, "contacts", string(who)))
		staged := func(stage string, at time.Time) {
			add(trail.Staged, id+stage, at, func(e *trail.Event) { e.Deal, e.Stage = id, stage })
		}
		touched := func(kind trail.Kind, content string, at time.Time) {
			add(kind, id+content, at, func(e *trail.Event) {
				e.Content, e.Contact, e.Rep = content, who, "rita@us.example"
				if kind == trail.Clicked {
					e.Rep, e.Verdict = "", human
				}
			})
		}
		staged("Demo", day(3))
		if status == "won" {
			staged("Offer", day(10))
		}
		if id != "B1" {
			touched(trail.Sent, "deck", day(4))
			if id != "A6" && id != "A7" && id != "A8" {
				touched(trail.Clicked, "deck", day(5))
			}
		} else {
			touched(trail.Clicked, "case", day(5))
		}
		if id == "A1" {
			touched(trail.Clicked, "case", day(15))
		}
	}
	insert(t, db, events...)
	for _, laidOut := range []bool{false, true} {
		if laidOut {
			if _, err := db.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			store.LookAgain(db)
		}
		s := must(db.SimilarTo(t.Context(), "A7", store.Filter{}))(t)
		check(t, "similar", fmt.Sprint(s.Size, " ", s.Stage, " ", s.Won), "under 10k Demo 6")
		check(t, "seen by the end of Demo", fmt.Sprint(s.Seen), "[{deck  5}]")
		check(t, "roles", fmt.Sprint(s.Roles), "[{CFO 6}]")
		// To A1–A6 and A8's CFOs: six moved on by the 10th, A8 was lost on the 12th. A7 has days left until the 3rd of February.
		got := must(db.SentStages(t.Context(), "deck", day(30), store.Filter{}))(t)
		check(t, "sent", fmt.Sprint(got), "[{Demo CFO 7 7 1 6 1 0 0} {Demo CTO 1 1 1 0 0 0 1}]")
		later := must(db.SentStages(t.Context(), "deck", day(60), store.Filter{}))(t)
		check(t, "sent, later", fmt.Sprint(later[1]), "{Demo CTO 1 1 1 0 0 1 0}")
	}
}
