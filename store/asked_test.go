package store_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// asked makes the events of requests and notes, all of which must be valid.
type asked struct {
	t      testing.TB
	events []trail.Event
}

func (a *asked) request(q trail.Request, at time.Time) trail.Request {
	a.t.Helper()
	e, q, err := q.Event("ui", at)
	a.add(e, err)
	return q
}

func (a *asked) answer(q trail.Request, said trail.Answer, at time.Time) trail.Answer {
	a.t.Helper()
	e, said, err := said.Event(q, "ui", at)
	a.add(e, err)
	return said
}

func (a *asked) vote(n trail.Note, by string, not bool, at time.Time) {
	a.t.Helper()
	e, err := trail.Vote{By: by, Not: not}.Event(n, "ui", at)
	a.add(e, err)
}

func (a *asked) add(e trail.Event, err error) {
	a.t.Helper()
	if err == nil {
		err = e.Validate()
	}
	if err != nil {
		a.t.Fatal(err)
	}
	a.events = append(a.events, e)
}

// load inserts the events, each twice, in any order.
func (a *asked) load(db *store.DB) {
	a.t.Helper()
	all := append(a.events, a.events...)
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, e := range all {
		insert(a.t, db, e)
	}
}

func TestRequestsCarryTheirLatestAnswerAndTheirDeal(t *testing.T) {
	db := storetest.Open(t)
	hostile := "<script>alert(1)</script> =SUM(A1)\n'; DROP TABLE events; --"
	insert(t, db, registered(trail.ContentKind, "case", day(1), "title", "The Case"),
		registered(trail.DealKind, "D1", day(1), "name", "Alpha", "amount", "1000.5", "currency", "EUR", "status", "open", "stage", "Demo"),
		registered(trail.DealKind, "D2", day(1), "name", "Beta", "amount", "70", "currency", "USD", "status", "lost"))
	a := &asked{t: t}
	first := a.request(trail.Request{Rep: "rita@us.example", Text: hostile, Deal: "D1", Stage: "Demo", Persona: "CISO"}, day(2))
	second := a.request(trail.Request{Rep: "sam@us.example", Text: "a price list", Deal: "D2"}, day(3))
	third := a.request(trail.Request{Rep: "sam@us.example", Text: "more", Stage: "Proposal"}, day(4))
	fourth := a.request(trail.Request{Rep: "sam@us.example", Text: "as well", Deal: "D1"}, day(20))
	no := a.answer(second, trail.Answer{By: "mia@us.example", Declined: true, Text: "not this year"}, day(5))
	second.Answer = &no
	a.answer(second, trail.Answer{By: "ben@us.example", Content: "case"}, day(5)) // at the same moment, and later all the same
	a.answer(trail.Request{ID: trail.NewID(day(1))}, trail.Answer{Text: "to nothing that was asked"}, day(6))
	a.load(db)

	all := must(db.Requests(t.Context(), "", 14, day(21), store.Filter{}))(t)
	if len(all) != 4 {
		t.Fatalf("%+v", all)
	}
	for i, want := range []trail.ID{first.ID, third.ID, fourth.ID, second.ID} {
		if all[i].ID != want {
			t.Errorf("request %d is %+v", i, all[i])
		}
	}
	one := all[0]
	if one.Text != hostile || one.Persona != "CISO" || one.DealName != "Alpha" || one.DealStatus != "open" || one.DealValue != (trail.Money{Amount: "1000.50", Currency: "EUR"}) || !one.Late || !one.DueAt.Equal(day(16)) {
		t.Errorf("%+v", one)
	}
	if all[2].Late || all[1].DealStatus != "" || all[1].Stage != "Proposal" {
		t.Errorf("%+v, %+v", all[1], all[2])
	}
	last := all[3]
	if last.State != trail.RequestAnswered || last.Answer == nil || last.Answer.By != "ben@us.example" || last.Answer.Title != "The Case" || last.Answer.Declined || last.Answer.Request != second.ID {
		t.Errorf("%+v, %+v", last, last.Answer)
	}
	check(t, "waiting", trail.AmountWaiting(all), []trail.Money{{Amount: "1000.50", Currency: "EUR"}})

	of := must(db.Requests(t.Context(), "D2", 14, day(21), store.Filter{}))(t)
	if len(of) != 1 || of[0].ID != second.ID || of[0].Answer == nil {
		t.Errorf("of one deal: %+v", of)
	}
	early := must(db.Requests(t.Context(), "", 14, day(21), store.Filter{AsOf: day(3)}))(t)
	if len(early) != 2 || early[1].Answer != nil {
		t.Errorf("as of the third day: %+v", early)
	}
	// The deal's trail tells of it.
	story := ""
	for _, e := range must(db.Deal(t.Context(), "D2", store.Filter{}))(t).Events {
		story += string(e.Kind) + " "
	}
	if !strings.Contains(story, "requested") || strings.Count(story, "answered") != 2 {
		t.Errorf("the trail of D2 is %s", story)
	}
}

func TestAVoteCountsOncePerPersonUntilItIsTakenBack(t *testing.T) {
	db := openCompany(t)
	before := must(db.Contents(t.Context(), store.Filter{}))(t)
	a := &asked{t: t}
	note := func(n trail.Note, at time.Time) trail.Note {
		e, n, err := n.Event("ui", at)
		a.add(e, err)
		return n
	}
	one := note(trail.Note{Rep: "rita@us.example", Text: "page 3", Content: "deck", Deal: "D1"}, day(2))
	two := note(trail.Note{Rep: "sam@us.example", Text: "short", Content: "case"}, day(3))
	for i := range 3 {
		a.vote(one, "ann@us.example", false, day(5+i))
	}
	a.vote(one, "ben@us.example", false, day(5))
	a.vote(one, "ben@us.example", true, day(6))
	a.vote(two, "ben@us.example", true, day(6))
	a.vote(two, "ben@us.example", false, day(7))
	a.load(db)

	all := must(db.Notes(t.Context(), "", "", store.Filter{}))(t)
	if len(all) != 2 || all[0].ID != two.ID {
		t.Fatalf("%+v", all)
	}
	check(t, "voters of the first", all[1].Voters, []string{"ann@us.example"})
	check(t, "voters of the second", all[0].Voters, []string{"ben@us.example"})
	if all[1].Votes != 1 || !all[1].Voted.Equal(day(7)) || all[1].Title == "" || all[1].Deal != "D1" {
		t.Errorf("%+v", all[1])
	}
	if of := must(db.Notes(t.Context(), "case", "", store.Filter{}))(t); len(of) != 1 || of[0].ID != two.ID {
		t.Errorf("of one content: %+v", of)
	}
	if of := must(db.Notes(t.Context(), "", "D1", store.Filter{}))(t); len(of) != 1 || of[0].ID != one.ID {
		t.Errorf("of one deal: %+v", of)
	}
	if then := must(db.Notes(t.Context(), "deck", "", store.Filter{AsOf: day(5)}))(t); len(then) != 1 || then[0].Votes != 2 {
		t.Errorf("as of the fifth: %+v", then)
	}
	// No number of a content is another by what is said of it.
	check(t, "contents", must(db.Contents(t.Context(), store.Filter{}))(t), before)
}
