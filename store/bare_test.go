package store_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// mailed returns what the mail reader tells of a mail between a rep and somebody
// whom the CRM knows: without a content it is a bare fact.
func mailed(kind trail.Kind, message, content string, contact trail.ContactID, at time.Time) trail.Event {
	e := event(kind, fmt.Sprint(kind, message, content, contact), at)
	e.Message, e.Content, e.Contact, e.Rep, e.Source = message, content, contact, "rita@us.example", "mail"
	e.Account = map[trail.ContactID]string{ann: "alpha.example", bob: "alpha.example", cara: "beta.example", dan: "gamma.example"}[contact]
	return e
}

// Bare facts stand in trails, and no number of any content, rep or deal is
// another for them: whoever wrote whom, whenever, once or again after a content
// was registered, in mails that are known to have had content and in others.
func TestABareFactChangesNoNumber(t *testing.T) {
	db := openCompany(t)
	written := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	ask := func() map[string]string {
		t.Helper()
		all := map[string]string{}
		for _, level := range []trail.Level{trail.All, trail.Likely, trail.Strict} {
			f := store.Filter{Agents: level}
			contents := must(db.Contents(t.Context(), f))(t)
			all["contents "+string(level)] = written(contents)
			for _, c := range contents {
				d := must(db.Content(t.Context(), c.ID, f))(t)
				all["content "+c.ID+string(level)] = written(d)
			}
			all["reps "+string(level)] = written(must(db.Reps(t.Context(), f))(t))
			all["deals "+string(level)] = written(must(db.Deals(t.Context(), f))(t))
			all["touches "+string(level)] = fmt.Sprint(texts(t, db, "SELECT toString(tuple(id, at, kind, level, content, share, message, contacts, rule, deal)) FROM deal_touches"+always+" ORDER BY id, content, deal"))
			all["links "+string(level)] = fmt.Sprint(shareLines(t, db, "rita@us.example", day(1), f))
		}
		all["shareable"] = written(must(db.Shareable(t.Context(), store.Filter{}))(t))
		all["earlier"] = written(must(db.EarlierSends(t.Context(), "deck", "una@us.example", []trail.ContactID{ann, bob, cara, dan}, day(1), day(30)))(t))
		return all
	}
	before := ask()
	rng := rand.New(rand.NewPCG(1, 2))
	messages := []string{"m1", "m2", "m3", "m4", "m5", "b1", "b2", "b3", "b4"} // those of the company carried content
	var bare []trail.Event
	for range 60 {
		contact := []trail.ContactID{ann, bob, cara, dan}[rng.IntN(4)]
		at := day(3).Add(time.Duration(rng.IntN(20*24)) * time.Hour)
		if rng.IntN(3) == 0 { // an answer to a mail that is known to have had content would be one to that
			bare = append(bare, mailed(trail.Replied, messages[5+rng.IntN(4)], "", contact, at))
		} else {
			bare = append(bare, mailed(trail.Sent, messages[rng.IntN(len(messages))], "", contact, at))
		}
	}
	insert(t, db, bare...)
	layOut(t, db)
	after := ask()
	for what := range before {
		check(t, what, after[what], before[what])
	}
	trail := must(db.Contact(t.Context(), dan, store.Filter{}))(t).Events
	bares := 0
	for _, e := range trail {
		if e.Content == "" && (e.Kind == "sent" || e.Kind == "replied") && e.Rep == "rita@us.example" {
			bares++
		}
	}
	if bares == 0 {
		t.Error("the trail shows no bare fact: the test tests nothing")
	}
}

func TestBareFactsStandInTrails(t *testing.T) {
	db := openCompany(t)
	again := mailed(trail.Sent, "m1", "", ann, day(5)) // read before the deck was registered
	insert(t, db, mailed(trail.Sent, "b1", "", ann, day(12)), mailed(trail.Replied, "b1", "", ann, day(13)), again)
	layOut(t, db)
	lines := func(events []trail.TrailRow) (got []string) {
		for _, e := range events {
			if e.Kind == trail.Sent || e.Kind == trail.Replied {
				got = append(got, strings.TrimSpace(fmt.Sprint(e.At.Day(), " ", e.Kind, " ", e.Content, " ", e.Contacts, " ", e.Rep[:4], " ", e.Rule)))
			}
		}
		return got
	}
	sends := []string{"5 sent deck [ann@alpha.example] rita", "6 sent case [ann@alpha.example] rita"}
	bare := []string{"12 sent  [ann@alpha.example] rita", "13 replied  [ann@alpha.example] rita"}
	check(t, "contact", lines(must(db.Contact(t.Context(), ann, store.Filter{}))(t).Events), append(sends, bare...))
	account := lines(must(db.Account(t.Context(), "alpha.example", store.Filter{}))(t).Events)
	check(t, "account", account[len(account)-2:], bare)
	deal := must(db.Deal(t.Context(), "D1", store.Filter{}))(t)
	check(t, "deal", lines(deal.Events)[3:], []string{bare[0] + " contact", bare[1] + " contact"})
	check(t, "touches", fmt.Sprint(deal.Touches, deal.LastTouch.Day()), "3 11")
}

// Whom we write to or who writes to us is not silent, whatever was in the mail.
func TestAMailBreaksTheSilence(t *testing.T) {
	for name, e := range map[string]trail.Event{
		"silent": {}, "wrote to": mailed(trail.Sent, "b1", "", cara, day(2)), "answered": mailed(trail.Replied, "b1", "", cara, day(2)),
		"sent": mailed(trail.Sent, "b1", "deck", cara, day(2)),
	} {
		db := storetest.Open(t)
		insert(t, db, registered(trail.ContactKind, string(cara), day(1), "domain", "beta.example"),
			registered(trail.DealKind, "D", day(1).AddDate(0, -3, 0), "created_at", "2025-10-01T00:00:00Z", "contacts", string(cara)))
		if e.Kind != "" {
			insert(t, db, e)
		}
		rows, _, err := db.Review(t.Context(), day(12), day(19), store.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		if silent := len(rows) == 1 && rows[0].Section == "silent"; silent != (name == "silent") {
			t.Errorf("%s: %+v", name, rows)
		}
		rows, _, err = db.Review(t.Context(), day(26).AddDate(0, 1, 0), day(26).AddDate(0, 1, 7), store.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != 1 || rows[0].Section != "silent" || (rows[0].LastMail.IsZero() != (name == "silent")) || !rows[0].LastTouch.IsZero() != (name == "answered" && rows[0].Deal.Touches > 0) {
			t.Errorf("%s, a month later: %+v", name, rows)
		}
	}
}

func TestOpensAreSeenOnlyWherePixelsAre(t *testing.T) {
	db := storetest.Open(t)
	insert(t, db, registered(trail.ContentKind, "deck", day(1), "title", "Deck"), registered(trail.ContentKind, "case", day(1), "title", "Case"))
	sent := func(message, share string, contact trail.ContactID, signal string, rules ...string) {
		e := mailed(trail.Sent, message, "deck", contact, day(3))
		e.ID = trail.IDFrom(day(3), "test", message, share, string(contact))
		e.Share, e.Signal, e.Rules = trail.ShareID(share), signal, rules
		insert(t, db, e)
	}
	sent("m1", "s1", ann, "", trail.RuleTracked)
	sent("m2", "s2", bob, "", trail.RuleTracked)                             // never opened
	sent("m3", "s3", cara, trail.Unobservable, trail.RuleTracked)            // a link without the pixel
	sent("m4", "", dan, trail.Unobservable, trail.RuleFile, trail.RuleStale) // the file
	sent("m5", "s5", ann, "", trail.RuleTracked)                             // a link to two people
	sent("m5", "s5", bob, "", trail.RuleTracked)                             //
	sent("m1", "", ann, trail.Unobservable, trail.RulePlainLink)             // the same mail has a plain link too
	insert(t, db, mailed(trail.Sent, "m6", "case", dan, day(3)))             // from before anybody noted what a mail had
	opened := func(share string, agent trail.Agent, p float32) {
		e := event(trail.Opened, "opened "+share+string(agent), day(4))
		e.Share, e.Content, e.Verdict = trail.ShareID(share), "deck", trail.Verdict{Agent: agent, Probability: p}
		insert(t, db, e)
	}
	opened("s1", trail.Proxy, .9)
	opened("s2", trail.Scanner, .9)
	opened("s5", trail.Human, .95)
	receipt := mailed(trail.Opened, "m4", "", dan, day(4))
	receipt.Verdict = trail.Verdict{Agent: trail.Human, Probability: .99, Rules: []string{trail.RuleReadReceipt}}
	insert(t, db, receipt)
	for level, want := range map[trail.Level]string{
		trail.All:    "case: 1 sent, 1 observable, 0 observed, 0 stale, 0 opened; deck: 6 sent, 4 observable, 3 observed, 1 stale, 4 opened; ",
		trail.Likely: "case: 1 sent, 1 observable, 0 observed, 0 stale, 0 opened; deck: 6 sent, 4 observable, 2 observed, 1 stale, 3 opened; ",
		trail.Strict: "case: 1 sent, 1 observable, 0 observed, 0 stale, 0 opened; deck: 6 sent, 4 observable, 1 observed, 1 stale, 2 opened; ",
	} {
		got := ""
		for _, c := range must(db.Contents(t.Context(), store.Filter{Agents: level}))(t) {
			got += fmt.Sprintf("%s: %d sent, %d observable, %d observed, %d stale, %d opened; ", c.ID, c.Sent, c.Observable, c.Observed, c.Stale, c.Opened)
		}
		check(t, string(level), got, want)
	}
	rep := must(db.Reps(t.Context(), store.Filter{}))(t)[0]
	check(t, "rep", fmt.Sprint(rep.Sent, rep.Observable, rep.Observed, rep.Stale), "7 5 2 1")
	events := must(db.Contact(t.Context(), dan, store.Filter{}))(t).Events
	last := events[len(events)-1]
	check(t, "receipt", fmt.Sprint(last.Kind, last.Content, last.Verdict, last.Rules), fmt.Sprint("opened", "deck", "human", []string{"read_receipt"}))
}

func TestForwardedContentStandsInTheTrailOfWhoHasIt(t *testing.T) {
	db := openCompany(t)
	e := mailed(trail.Forwarded, "f1", "deck", dan, day(20))
	e.Share = "s1"
	insert(t, db, e, mailed(trail.Sent, "f1", "", dan, day(20))) // read before it was known what the mail quotes
	events := must(db.Contact(t.Context(), dan, store.Filter{}))(t).Events
	last := events[len(events)-1]
	check(t, "last", fmt.Sprint(last.Kind, last.Content, last.Contacts, last.Rep), fmt.Sprint("forwarded", "deck", []string{"dan@gamma.example"}, "rita@us.example"))
}
