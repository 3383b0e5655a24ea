package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func terms(stages ...string) store.Terms {
	return store.Terms{Currencies: []string{"EUR", "USD"}, Stages: stages, Now: day(30)}
}

// wrongs returns "code: what of it, ..." of each group with rows.
func wrongs(q *trail.Quality) []string {
	var all []string
	for _, g := range q.Groups {
		var rows []string
		for _, r := range g.Rows {
			rows = append(rows, strings.Join(strings.Fields(fmt.Sprint(r.Deal, " ", r.Content, " ", r.Contact, " ", r.Detail)), " "))
		}
		if len(rows) > 0 {
			all = append(all, fmt.Sprintf("%s %d: %s", g.Code, g.Count, strings.Join(rows, " | ")))
		}
	}
	return all
}

func TestEachWrongIsFoundOnce(t *testing.T) {
	db := storetest.Open(t)
	deal := func(id string, kv ...string) trail.Event { return registered(trail.DealKind, id, day(1), kv...) }
	staged := func(deal, stage string, at time.Time) trail.Event {
		e := event(trail.Staged, deal+stage, at)
		e.Deal, e.Stage = deal, stage
		return e
	}
	nowhere, unknown, late := viewedBy("of an unknown deal", "", day(3)), viewedBy("of unknown content", ann, day(3)), viewedBy("tomorrow's", ann, day(33))
	nowhere.Deal, unknown.Content = "Z9", "lost-deck"
	known := registered(trail.ContactKind, string(ann), day(1), "domain", "alpha.example")
	known.Person = &trail.Person{Address: "ann@alpha.example"}
	broken := registered(trail.ContactKind, string(bob), day(1), "role", "buyer")
	broken.Person = &trail.Person{Address: "bob at alpha"}
	good := []string{"amount", "10", "currency", "eur", "created_at", "2026-01-02T10:00:00Z"}
	insert(t, db, known, broken, registered(trail.ContentKind, "deck", day(1), "title", "The Deck"),
		deal("right", append(good, "status", "won", "closed_at", "2026-01-02T00:00:00Z", "contacts", string(ann))...), // closed on the day it was created
		deal("=SUM(A1)"), deal("minus", "amount", "-5", "currency", "EUR"), deal("rateless", "amount", "5", "currency", "SEK"), deal("own", "amount", "5"),
		deal("undated", append(good, "status", "lost")...), deal("early", append(good, "status", "lost", "closed_at", "2026-01-01T23:00:00Z")...),
		deal("future", append(good, "status", "lost", "closed_at", "2026-02-05T00:00:00Z")...), deal("today", append(good, "status", "lost", "closed_at", "2026-01-30T22:59:59Z")...),
		deal("untouched", append(good, "status", "won", "closed_at", "2026-01-09T00:00:00Z")...),
		deal("odd", append(good, "stage", "Odd")...), deal("back", good...), staged("back", "DEMO", day(2)), staged("back", "Proposal", day(3)), staged("back", "Demo", day(4)),
		deal("ended", append(good, "status", "lost", "closed_at", "2026-01-09T00:00:00Z")...), staged("ended", "Demo", day(2)), staged("ended", "Lost to price", day(9)),
		viewedBy("right", ann, day(2)), viewedBy("of bob", bob, day(3)), nowhere, unknown, late)
	got := wrongs(must(db.Quality(t.Context(), terms("Demo", "Proposal"), store.Filter{}))(t))
	check(t, "wrongs", strings.Join(got, "\n"), strings.Join([]string{
		"no_rate 1: rateless 5 SEK",
		"no_amount 1: =SUM(A1)",
		"no_closing_date 1: undated",
		"negative_amount 1: minus -5 EUR",
		"closed_in_future 1: future 2026-02-05",
		"closed_before_created 1: early 2026-01-02, 2026-01-01",
		"won_untouched 1: untouched",
		"unknown_deal 1: Z9",
		"unknown_content 1: lost-deck",
		"contact_without_deal 1: bob at alpha",
		"broken_address 1: bob at alpha bob at alpha",
		"touch_in_future 1: deck ann@alpha.example viewed",
		"stage_unknown 1: odd Odd",
		"stage_backwards 1: back Proposal, Demo",
	}, "\n"))
	if got := wrongs(must(db.Quality(t.Context(), terms(), store.Filter{}))(t)); slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "stage") }) {
		t.Errorf("without a list of stages: %q", got)
	}
}

// Everything there is of a wrong is counted, and the first are listed.
func TestAGroupCountsWhatItDoesNotList(t *testing.T) {
	db := storetest.Open(t)
	var deals []trail.Event
	for i := range 60 {
		deals = append(deals, registered(trail.DealKind, fmt.Sprintf("D%02d", i), day(1), "status", []string{"open", "won"}[i/59], "closed_at", "2026-01-05T00:00:00Z"))
	}
	insert(t, db, deals...)
	q := must(db.Quality(t.Context(), terms(), store.Filter{}))(t)
	for _, g := range q.Groups {
		if g.Code == "no_amount" {
			check(t, "count, rows, first", fmt.Sprint(g.Count, len(g.Rows), g.Rows[0].Deal), "60 50D59") // won deals come first
		}
	}
	check(t, "all groups are there", len(q.Groups), len(trail.Wrongs()))
}

func TestDoubtsAreThoseThatAPersonCanDecide(t *testing.T) {
	db := storetest.Open(t)
	at := func(kv ...string) []string { return append([]string{"amount", "1"}, kv...) }
	person := func(c trail.ContactID, name, domain string) trail.Event {
		e := registered(trail.ContactKind, string(c), day(1), "domain", domain)
		e.Person = &trail.Person{Address: name + "@" + domain}
		return e
	}
	insert(t, db, person(ann, "ann", "alpha.example"), person(bob, "bob", "alpha.example"), person(cara, "cara", "beta.example"), person(dan, "dan", "gamma.example"),
		registered(trail.DealKind, "A1", day(1), at("domain", "alpha.example", "contacts", string(ann), "status", "lost", "closed_at", "2026-01-20T00:00:00Z")...),
		registered(trail.DealKind, "A2", day(1), at("domain", "alpha.example", "contacts", string(ann))...), registered(trail.DealKind, "B1", day(1), at("domain", "beta.example", "contacts", string(cara))...),
		viewedBy("ann", ann, day(10)), viewedBy("ann again", ann, day(12)), viewedBy("ann, one open", ann, day(22)), viewedBy("bob", bob, day(13)), viewedBy("bob, one open", bob, day(23)),
		viewedBy("cara", cara, day(9)), viewedBy("dan", dan, day(9)))
	for _, c := range []trail.ContactID{ann, cara} {
		e := event(trail.Sent, "sent "+string(c), day(2))
		e.Content, e.Rep, e.Contact, e.Share = "deck", "r@us.example", c, "s9"
		insert(t, db, e)
	}
	link, company := viewedBy("by link", "", day(14)), viewedBy("by company", "", day(15))
	link.Share, company.Account = "s9", "alpha.example"
	insert(t, db, link, company)
	doubts := func() (all []string) {
		q := must(db.Quality(t.Context(), terms(), store.Filter{}))(t)
		for _, d := range q.Review {
			var deals []string
			for _, c := range d.Candidates {
				deals = append(deals, c.ID)
			}
			all = append(all, strings.ReplaceAll(fmt.Sprintf("%s %s %s: %d until the %d, %s", d.Why, d.Kind, strings.Join(d.People, "+"), d.Touches, d.LastTouch.Day(), strings.Join(deals, "+")), "  ", " "))
		}
		check(t, "open", q.Open, uint64(len(q.Review)))
		return all
	}
	check(t, "doubts", doubts(), []string{
		"company account : 1 until the 15, A1+A2", "link link ann@alpha.example+cara@beta.example: 1 until the 14, A1+A2+B1",
		"company contact bob@alpha.example: 1 until the 13, A1+A2", "contact contact ann@alpha.example: 2 until the 12, A1+A2",
	})
	without := wrongs(must(db.Quality(t.Context(), terms(), store.Filter{}))(t))
	check(t, "on no deal", slices.ContainsFunc(without, func(s string) bool { return s == "contact_without_deal 1: dan@gamma.example gamma.example" }), true)

	// What was decided is in doubt no more, and what is no longer decided is again.
	insert(t, db, assigned(trail.Assignment{Contact: ann, Deal: "A1"}, day(25)), assigned(trail.Assignment{Share: "s9", Deal: "B1"}, day(25)), assigned(trail.Assignment{Account: "alpha.example", Deal: "A2"}, day(25)))
	check(t, "decided", doubts(), []string(nil))
	insert(t, db, assigned(trail.Assignment{Account: "alpha.example", Deal: "A2", Not: true}, day(26)), assigned(trail.Assignment{Contact: bob, Deal: "A1", Not: true}, day(26)), assigned(trail.Assignment{Contact: bob, Deal: "A2", Not: true}, day(26)),
		assigned(trail.Assignment{Share: "s9", Deal: "B1", Not: true}, day(26)), assigned(trail.Assignment{Share: "s9", Deal: "A1", Not: true}, day(26)), assigned(trail.Assignment{Share: "s9", Deal: "A2", Not: true}, day(26)))
	check(t, "none of them", doubts(), []string(nil))
}

func TestOnlyWhatIsKnownIsAssigned(t *testing.T) {
	db := storetest.Open(t)
	insert(t, db, registered(trail.DealKind, "D", day(1), "name", "x"), registered(trail.ContactKind, string(ann), day(1), "role", "buyer"))
	for want, a := range map[trail.Code]trail.Assignment{"": {Contact: ann, Deal: "D"}, trail.NotFound: {Contact: ann, Deal: "Z9"}} {
		if err := db.CheckAssignment(t.Context(), a); want != "" {
			problem(t, err, want)
		} else if err != nil {
			t.Error(err)
		}
	}
	problem(t, db.CheckAssignment(t.Context(), trail.Assignment{Contact: bob, Deal: "D"}), trail.NotFound)
	for _, a := range []trail.Assignment{{Deal: "D"}, {Contact: ann}, {Contact: ann, Share: "s", Deal: "D"}} {
		_, err := a.Event("test", day(1))
		problem(t, err, trail.Invalid)
	}
}
