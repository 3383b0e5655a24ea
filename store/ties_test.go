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

// viewedBy returns a reading of the deck by a contact, known by its note.
func viewedBy(note string, contact trail.ContactID, at time.Time) trail.Event {
	e := event(trail.Viewed, note, at)
	e.Content, e.Contact, e.Note = "deck", contact, note
	return e
}

// assigned returns what a person said of a contact and a deal.
func assigned(a trail.Assignment, at time.Time) trail.Event {
	e, err := a.Event("test", at)
	if err != nil {
		panic(err)
	}
	return e
}

// merged returns the word of the CRM that a deal went into another.
func merged(deal, into string, at time.Time) trail.Event {
	return trail.Retraction("csv", trail.DealKind, deal, trail.State{}, into, at)
}

// tiesOf returns "note: rule deals confidence" of each reading.
func tiesOf(t *testing.T, db *store.DB) []string {
	t.Helper()
	got := texts(t, db, `SELECT concat(note, ': ', rule, ' ', arrayStringConcat(deals, '+'), ' ', toString(round(confidence, 3))) AS x FROM tied`+always+` WHERE kind = 'viewed' `)
	for i := range got {
		got[i] = strings.Join(strings.Fields(got[i]), " ") // no rule and no deal leave gaps
	}
	slices.Sort(got)
	return got
}

func TestAnOldDealOfACompanyDoesNotMakeTheNextOneAmbiguous(t *testing.T) {
	db := storetest.Open(t)
	insert(t, db,
		registered(trail.ContactKind, string(bob), day(1), "domain", "alpha.example"),
		registered(trail.DealKind, "old", day(1), "domain", "alpha.example", "status", "lost", "closed_at", "2026-01-10T00:00:00Z"),
		registered(trail.DealKind, "new", day(1), "domain", "alpha.example", "status", "won", "closed_at", "2026-01-20T00:00:00Z"),
		viewedBy("both open", bob, day(9)), viewedBy("as the old closes", bob, day(10)), viewedBy("one open", bob, day(11)), viewedBy("as it closes", bob, day(20)), viewedBy("none open", bob, day(21)))
	check(t, "ties", tiesOf(t, db), []string{"as it closes: account new 0.6", "as the old closes: 0", "both open: 0", "none open: 0", "one open: account new 0.6"})
}

func TestADealWithoutACompanyIsNobodysByTheCompany(t *testing.T) {
	db := storetest.Open(t)
	gina := keys.ID("gina@freemail.example")
	insert(t, db,
		registered(trail.ContactKind, string(gina), day(1), "role", "buyer"), // of a free-mail domain: no company
		registered(trail.DealKind, "D", day(1), "name", "without domain or contacts"),
		registered(trail.DealKind, "E", day(1), "contacts", string(bob)),
		viewedBy("of no company", gina, day(3)))
	check(t, "ties", tiesOf(t, db), []string{"of no company: 0"})
}

func TestADealWhoseCloseCannotBeReadIsOpen(t *testing.T) {
	db := storetest.Open(t)
	insert(t, db, registered(trail.DealKind, "D", day(1), "status", "won", "closed_at", "some day", "contacts", string(ann)), viewedBy("read", ann, day(3)))
	check(t, "ties", tiesOf(t, db), []string{"read: contact D 0.95"})
}

func TestConfidenceIsSharedByTheDealsThatAreOpen(t *testing.T) {
	db := storetest.Open(t)
	on := func(id, domain, closed string, contacts ...string) trail.Event {
		kv := []string{"domain", domain, "contacts", strings.Join(contacts, " ")}
		if closed != "" {
			kv = append(kv, "status", "lost", "closed_at", closed)
		}
		return registered(trail.DealKind, id, day(1), kv...)
	}
	explicit := viewedBy("named", ann, day(3))
	explicit.Deal = "A2"
	insert(t, db, on("A1", "", "2026-01-10T00:00:00Z", string(ann)), on("A2", "", "", string(ann)), explicit,
		viewedBy("two open", ann, day(9)), viewedBy("one open", ann, day(11)))
	for i, c := range []trail.ContactID{ann, bob} { // one link to two of one company, only one of them on deals
		e := event(trail.Sent, fmt.Sprint("sent ", i), day(2))
		e.Content, e.Rep, e.Contact, e.Share, e.Account = "deck", "r@us.example", c, "s9", "alpha.example"
		insert(t, db, e)
	}
	one := viewedBy("one of two people", "", day(11))
	one.Share = "s9"
	insert(t, db, one)
	check(t, "ties", tiesOf(t, db), []string{"named: explicit A2 1", "one of two people: contact A1+A2 0.475", "one open: contact A1+A2 0.95", "two open: contact A1+A2 0.475"})
}

func TestAMergedDealGivesWhatItHadToTheOneItWentInto(t *testing.T) {
	db := storetest.Open(t)
	explicit := viewedBy("named", dan, day(3))
	explicit.Deal = "A"
	linked := viewedBy("by its link", "", day(3))
	linked.Share = "s1"
	made := event(trail.Shared, "made", day(2))
	made.Content, made.Share, made.Deal, made.Rep = "deck", "s1", "A", "rita@us.example"
	staged := event(trail.Staged, "staged", day(2))
	staged.Deal, staged.Stage = "A", "Demo"
	insert(t, db,
		registered(trail.ContactKind, string(bob), day(1), "domain", "alpha.example"),
		registered(trail.DealKind, "A", day(1), "contacts", string(ann), "domain", "alpha.example"), registered(trail.DealKind, "B", day(1), "domain", "alpha.example"),
		registered(trail.DealKind, "C", day(1), "contacts", string(cara), "domain", "alpha.example"), registered(trail.DealKind, "gone", day(1), "contacts", string(dan)),
		merged("A", "B", day(4)), merged("B", "C", day(5)), merged("gone", "", day(5)),
		made, staged, explicit, linked, viewedBy("of its contact", ann, day(3)), viewedBy("of its company", bob, day(3)), viewedBy("of a deleted deal", dan, day(3)))
	check(t, "ties", tiesOf(t, db), []string{"by its link: explicit C 1", "named: explicit C 1", "of a deleted deal: 0", "of its company: account C 0.6", "of its contact: contact C 0.95"})
	check(t, "its stages stay its own", texts(t, db, `SELECT arrayStringConcat(deals, '+') FROM tied`+always+` WHERE kind = 'staged'`), []string{"A"})

	insert(t, db, registered(trail.DealKind, "A", day(9), "name", "split off again", "contacts", string(ann), "domain", "alpha.example"))
	check(t, "once it is back", tiesOf(t, db)[1], "named: explicit A 1")
}

// A person's last word on a contact, a company or a link counts before the CRM's.
func TestAPersonsWordTiesAndUnties(t *testing.T) {
	insertAll := func(t *testing.T, said ...trail.Event) []string {
		t.Helper()
		db := storetest.Open(t)
		for i, c := range []trail.ContactID{ann, cara} { // one link to two of different companies
			e := event(trail.Sent, fmt.Sprint("sent ", i), day(2))
			e.Content, e.Rep, e.Contact, e.Share = "deck", "r@us.example", c, "s9"
			insert(t, db, e)
		}
		link := viewedBy("by link", "", day(12))
		link.Share = "s9"
		company := viewedBy("by company", "", day(12))
		company.Account = "alpha.example"
		insert(t, db,
			registered(trail.ContactKind, string(ann), day(1), "domain", "alpha.example"), registered(trail.ContactKind, string(bob), day(1), "domain", "alpha.example"),
			registered(trail.ContactKind, string(cara), day(1), "domain", "beta.example"),
			registered(trail.DealKind, "A1", day(1), "domain", "alpha.example", "contacts", string(ann), "status", "won", "closed_at", "2026-01-20T00:00:00Z"),
			registered(trail.DealKind, "A2", day(1), "domain", "alpha.example", "contacts", string(ann)),
			viewedBy("ann", ann, day(12)), viewedBy("ann later", ann, day(22)), viewedBy("bob", bob, day(12)), link, company)
		insert(t, db, said...)
		return tiesOf(t, db)
	}
	yes, no := func(a trail.Assignment) trail.Event { return assigned(a, day(13)) }, func(a trail.Assignment) trail.Event { a.Not = true; return assigned(a, day(14)) }
	same := map[string]string{"ann": "contact A1+A2 0.475", "ann later": "contact A1+A2 0.95", "bob": "0", "by company": "0", "by link": "0"}
	for name, c := range map[string]struct {
		said  []trail.Event
		other map[string]string
	}{
		"nothing": {nil, nil},
		"yes: once that deal is closed, the CRM's word and the company's count again": {[]trail.Event{yes(trail.Assignment{Contact: ann, Deal: "A1"})}, map[string]string{"ann": "assigned A1 1", "ann later": "contact A1+A2 0.95"}},
		"yes and then no":   {[]trail.Event{yes(trail.Assignment{Contact: ann, Deal: "A1"}), no(trail.Assignment{Contact: ann, Deal: "A1"})}, map[string]string{"ann": "contact A2 0.95", "ann later": "contact A2 0.95"}},
		"no":                {[]trail.Event{no(trail.Assignment{Contact: ann, Deal: "A2"})}, map[string]string{"ann": "contact A1 0.95", "ann later": "contact A1 0.95"}},
		"of nobody's deals": {[]trail.Event{yes(trail.Assignment{Contact: bob, Deal: "A2"})}, map[string]string{"bob": "assigned A2 1"}},
		"of a link":         {[]trail.Event{yes(trail.Assignment{Share: "s9", Deal: "A2"})}, map[string]string{"by link": "assigned A2 1"}},
		"of a company":      {[]trail.Event{yes(trail.Assignment{Account: "alpha.example", Deal: "A2"})}, map[string]string{"by company": "assigned A2 1", "bob": "assigned A2 1"}},
		"an unknown deal":   {[]trail.Event{yes(trail.Assignment{Contact: ann, Deal: "Z9"})}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var want []string
			for _, note := range []string{"ann", "ann later", "bob", "by company", "by link"} {
				tie := same[note]
				if c.other[note] != "" {
					tie = c.other[note]
				}
				want = append(want, note+": "+tie)
			}
			slices.Sort(want)
			got := insertAll(t, c.said...)
			check(t, "ties", strings.Join(got, "\n"), strings.Join(want, "\n"))
		})
	}
}

// A holdout's draw is an assignment too, of a deal and not of a person.
func TestAHoldoutsDrawTiesNobody(t *testing.T) {
	db := storetest.Open(t)
	draw := event(trail.Assigned, "draw", day(2))
	draw.Deal, draw.Content, draw.Attrs = "D", "deck", pairs("holdout", "H", "arm", "recommended")
	insert(t, db, registered(trail.DealKind, "D", day(1), "name", "x"), draw, viewedBy("of anybody", ann, day(3)), viewedBy("of nobody", "", day(3)))
	check(t, "ties", tiesOf(t, db), []string{"of anybody: 0", "of nobody: 0"})
}
