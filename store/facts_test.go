package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// texts runs a statement of one text column.
func texts(t *testing.T, db *store.DB, statement string, args ...any) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), statement, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := []string{}
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

const always = "(as_of = '2200-01-01 00:00:00')"

func TestCopiesAndRevisionsCountOnceBeforeAndAfterMerges(t *testing.T) {
	db := storetest.Open(t)
	first := clicked("s1", day(3))
	late := first
	late.ReceivedAt = day(5)
	revised := first
	revised.Revision, revised.RevisedAt, revised.Agent = 1, day(4), trail.Scanner
	lateRevised := revised
	lateRevised.ReceivedAt = day(6)
	other := clicked("s2", day(3))
	otherLate := other
	otherLate.ReceivedAt = day(9)
	for _, e := range []trail.Event{late, lateRevised, revised, first, otherLate, other} {
		insert(t, db, e) // a part each, the right one never last
	}
	want := []string{"s1 scanner 3", "s2 human 3"}
	const facts = "SELECT concat(share, ' ', agent, ' ', toString(toDayOfMonth(received_at))) FROM facts" + always + " ORDER BY share"
	check(t, "before merges", texts(t, db, facts), want)
	if err := db.Exec(t.Context(), "OPTIMIZE TABLE events FINAL"); err != nil {
		t.Fatal(err)
	}
	check(t, "after merges", texts(t, db, facts), want)
	check(t, "rows left", number(t, db, "SELECT count() FROM events"), int64(2))
}

func TestTwoClicksOfOneMillisecondAreTwo(t *testing.T) {
	db := storetest.Open(t)
	for range 2 {
		e := clicked("s1", day(3))
		e.ID = trail.NewID(day(3))
		insert(t, db, e)
	}
	if err := db.Exec(t.Context(), "OPTIMIZE TABLE events FINAL"); err != nil {
		t.Fatal(err)
	}
	check(t, "clicks", must(db.Contents(t.Context(), store.Filter{}))(t)[0].Clicks, uint64(2))
}

func TestAnEventComesBackAsItWasStored(t *testing.T) {
	db := storetest.Open(t)
	e := clicked("s1", day(3).Add(7*time.Millisecond))
	e.Rules, e.Signal, e.Note, e.Revision, e.RevisedAt = []string{"a", "b"}, "shared", "two\n\nlines\t\\ and 'quotes'", 3, day(4)
	e.Account, e.Attrs = "x.example", pairs("k", "v\n\nü€")
	insert(t, db, e)
	check(t, "row", texts(t, db, "SELECT toString(tuple(hex(id), revision, kind, toString(at), revised_at = '2026-01-04 00:00:00', share, account, agent, probability, rules, signal, note, attrs)) FROM events"),
		[]string{fmt.Sprintf(`('%X',3,'clicked','2026-01-03 00:00:00.007',1,'s1','x.example','human',0.99,['a','b'],'shared','two\n\nlines\t\\ and \'quotes\'',{'k':'v\n\nü€'})`, e.ID[:])})
	check(t, "no person in the log", number(t, db, "SELECT count() FROM people"), int64(0))
}

func TestTouchesResolve(t *testing.T) {
	db := storetest.Open(t)
	insert(t, db, company()...)
	touches := texts(t, db, `SELECT concat(kind, ' ', content, ' ', share, ' ', toString(length(contacts)), ' ', if(has(contacts, {ann:String}), 'ann ', ''), rep, ' ', deal)
		FROM resolved`+always+` WHERE kind NOT IN ('sent', 'deal', 'staged', 'content', 'contact') ORDER BY at, id, content`, clickhouse.Named("ann", string(ann)))
	for i := range touches {
		touches[i] = strings.ReplaceAll(strings.TrimSpace(touches[i]), "@us.example", "")
	}
	slices.Sort(touches)
	check(t, "touches", touches, []string{
		"clicked case s2 2 ann rita",                           // a share with two recipients
		"clicked deck s1 1 ann rita",                           // with one
		"clicked deck s1 1 ann rita",                           // the scanner's
		"clicked deck s3 1 sam",                                // of somebody known from mail only
		"clicked deck s6 0 sam D2", "clicked deck s6 0 sam D2", // a link made blind, for a deal
		"opened deck s1 1 ann rita",
		"replied case s5 1 sam", "replied deck s4 1 sam", // one answer to a mail with two contents
		"shared deck s6 0 sam D2",
		"viewed case  1 ann", // from CSV, without a share
	})
}

func TestDealTouchesFollowTheFirstRuleThatApplies(t *testing.T) {
	db := storetest.Open(t)
	deal := func(id string, kv ...string) trail.Event { return registered(trail.DealKind, id, day(1), kv...) }
	contact := func(c trail.ContactID, domain string) trail.Event {
		return registered(trail.ContactKind, string(c), day(1), "domain", domain)
	}
	viewed := func(name string, contact trail.ContactID, deal string) trail.Event {
		e := event(trail.Viewed, name, day(2))
		e.Content, e.Contact, e.Deal, e.Note = "deck", contact, deal, name
		return e
	}
	insert(t, db,
		contact(ann, "alpha.example"), contact(bob, "alpha.example"), contact(cara, "beta.example"), contact(dan, "gamma.example"),
		deal("A1", "domain", "alpha.example", "contacts", string(ann)), deal("A2", "domain", "alpha.example", "contacts", string(ann)),
		deal("B1", "domain", "beta.example", "contacts", string(ann)),
		viewed("explicit", ann, "A2"), viewed("contact, several deals", ann, ""), viewed("account with two deals", bob, ""),
		viewed("account with one deal", cara, ""), viewed("account without deals", dan, ""), viewed("unknown deal", dan, "Z9"))
	for _, c := range []trail.ContactID{bob, cara} { // one link to two of different companies: whose click it was nobody knows
		e := event(trail.Sent, "sent "+string(c), day(2))
		e.Content, e.Rep, e.Contact, e.Share = "deck", "r@us.example", c, "s9"
		insert(t, db, e)
	}
	insert(t, db, clicked("s9", day(3)))
	check(t, "rules", texts(t, db, `SELECT concat(if(note = '', kind, note), ': ', rule, ' ', deal) AS x
		FROM deal_touches`+always+` LEFT JOIN (SELECT id, note FROM facts`+always+`) AS f USING (id) ORDER BY x`), []string{
		"account with one deal: account B1",
		"contact, several deals: contact A1", "contact, several deals: contact A2", "contact, several deals: contact B1",
		"explicit: explicit A2", "sent: account B1", "unknown deal: explicit Z9",
	})
}

func TestAsOfCutsByWhenWeLearned(t *testing.T) {
	db := storetest.Open(t)
	old := clicked("s1", day(1))
	old.ReceivedAt = day(10) // happened before, learned after
	insert(t, db, clicked("s2", day(2)), old,
		registered(trail.ContentKind, "deck", day(1), "title", "Old"),
		trail.Registration("csv", trail.ContentKind, "deck", trail.State{Event: trail.ID{1}}, trail.State{Attrs: pairs("title", "New")}, day(9)))
	for at, want := range map[time.Time]string{day(5): "Old 1", day(9): "New 1", day(10): "New 2", {}: "New 2"} {
		c := must(db.Contents(t.Context(), store.Filter{AsOf: at}))(t)[0]
		check(t, at.String(), fmt.Sprint(c.Title, " ", c.Clicks), want)
	}
}

func TestAChangeBackAndForthEndsWhereItEnded(t *testing.T) {
	db := storetest.Open(t)
	state, events := trail.State{}, []trail.Event{}
	for i, title := range []string{"A", "B", "A", "B"} {
		next := state.With(pairs("title", title))
		e := trail.Registration("csv", trail.ContentKind, "deck", state, next, day(1+i))
		state, events = trail.State{Event: e.ID, At: e.At, Attrs: e.Attrs}, append(events, e)
	}
	slices.Reverse(events)
	for _, e := range events {
		insert(t, db, e)
	}
	got := must(db.States(t.Context(), trail.ContentKind, []string{"deck"}))(t)["deck"]
	check(t, "state", got, state)
	check(t, "four facts", must(db.Counts(t.Context()))(t).Events, uint64(4))
}

func TestADealsStageIsWhatWeLearnedLast(t *testing.T) {
	at := func(e trail.Event, received time.Time) trail.Event { e.ReceivedAt = received; return e }
	staged := func(stage string, when, received time.Time) trail.Event {
		e := event(trail.Staged, stage, when)
		e.Deal, e.Stage = "D", stage
		return at(e, received)
	}
	for want, events := range map[string][]trail.Event{
		"staged later":    {registered(trail.DealKind, "D", day(2), "stage", "x"), staged("staged later", day(1), day(3))},
		"told later":      {registered(trail.DealKind, "D", day(4), "stage", "told later"), staged("x", day(5), day(3))},
		"told in a tie":   {registered(trail.DealKind, "D", day(4), "stage", "told in a tie"), staged("x", day(5), day(4))},
		"told nothing":    {registered(trail.DealKind, "D", day(4)), staged("told nothing", day(1), day(3))},
		"latest entered":  {staged("x", day(1), day(8)), staged("latest entered", day(2), day(7))},
		"never staged":    {registered(trail.DealKind, "D", day(4), "stage", "never staged")},
		"":                {registered(trail.DealKind, "D", day(4))},
		"staged, no deal": {staged("staged, no deal", day(1), day(1))},
	} {
		db := storetest.Open(t)
		insert(t, db, events...)
		check(t, "stage", must(db.Deals(t.Context(), store.Filter{}))(t)[0].Stage, want)
	}
}

func TestPeopleAreTheCRMsNewestWordElseTheFirstMails(t *testing.T) {
	mail := func(name string, at time.Time) trail.Event {
		e := event(trail.Sent, name, at)
		e.Content, e.Rep, e.Contact, e.Person = "deck", "r@us.example", ann, &trail.Person{Address: "ann@alpha.example", Name: name}
		return e
	}
	crm := func(name string, at time.Time) trail.Event {
		e := registered(trail.ContactKind, string(ann), at, "role", name)
		e.Person = &trail.Person{Address: "ann@alpha.example", Name: name}
		return e
	}
	for want, events := range map[string][]trail.Event{
		"first mail": {mail("first mail", day(1)), mail("second mail", day(2))},
		"newest crm": {mail("first mail", day(1)), crm("old crm", day(3)), crm("newest crm", day(4)), mail("late mail", day(9))},
	} {
		for range 2 {
			db := storetest.Open(t)
			slices.Reverse(events)
			for _, e := range events {
				insert(t, db, e)
			}
			check(t, "who", must(db.Contact(t.Context(), ann, store.Filter{}))(t).Name, want)
		}
	}
}

func TestBadEntriesAreKeptOnce(t *testing.T) {
	db := storetest.Open(t)
	bad := []store.Bad{{Entry: store.Entry{Epoch: "e", Partition: 3, Ms: 1, Seq: 2}, At: day(1), Stage: "decode", Reason: "no JSON", Origin: "csv", Raw: "{\n\n\x00\xff"}}
	for range 2 {
		if err := db.InsertBad(t.Context(), bad); err != nil {
			t.Fatal(err)
		}
	}
	check(t, "bad", must(db.Counts(t.Context()))(t).Bad, uint64(1))
	check(t, "raw", texts(t, db, "SELECT raw FROM bad_entries LIMIT 1"), []string{bad[0].Raw})
}

func TestAReplyInheritsTheDealOfTheLinkItAnswers(t *testing.T) {
	db := storetest.Open(t)
	made := event(trail.Shared, "made", day(2))
	made.Content, made.Share, made.Deal, made.Rep = "deck", "s1", "D1", "rita@us.example"
	sent := event(trail.Sent, "sent", day(3))
	sent.Content, sent.Share, sent.Message, sent.Contact, sent.Rep = "deck", "s1", "m1", "ann", "rita@us.example"
	reply := event(trail.Replied, "reply", day(4))
	reply.Message, reply.Contact = "m1", "ann"
	insert(t, db, registered(trail.DealKind, "D1", day(1), "name", "One"), made, sent, reply)
	got := number(t, db, "SELECT count() FROM deal_touches(as_of = '2299-12-31 00:00:00') WHERE kind = 'replied' AND deal = 'D1' AND rule = 'explicit'")
	check(t, "replies tied to the link's deal", got, int64(1))
}

func TestOnlyRunsOfTheSameDefinitionAnswer(t *testing.T) {
	db := storetest.Open(t)
	record := func(id, config, asOf string) {
		t.Helper()
		if err := db.Exec(t.Context(), "INSERT INTO runs (id, models, version, config, agents, as_of, currency, digits) VALUES ('"+id+"', ['linear'], 'v1', '"+config+"', 'likely', '"+asOf+"', 'EUR', 2)"); err != nil {
			t.Fatal(err)
		}
	}
	record("A", "right", "2026-01-01 00:00:00")
	record("B", "wrong", "2026-01-02 00:00:00")
	db.Definition = "v1 right"
	check(t, "run", must(db.NewestRun(t.Context(), store.Filter{}))(t).ID, "A")
	check(t, "asked for", must(db.NewestRun(t.Context(), store.Filter{Run: "B"}))(t).ID, "B")
	db.Definition = "v2 right"
	_, err := db.NewestRun(t.Context(), store.Filter{})
	var p *trail.Problem
	check(t, "no run", errors.As(err, &p) && p.Code == trail.NoRun, true)
}
