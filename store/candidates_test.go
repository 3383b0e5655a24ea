package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// A link that was copied into several mails can be any of those people's who had
// it when it was clicked.
func TestCandidatesAreThosePeopleWhoHadTheLink(t *testing.T) {
	db := storetest.Open(t)
	eve := keys.ID("eve@alpha.example")
	deal := func(id, domain string, contacts ...trail.ContactID) trail.Event {
		list := make([]string, len(contacts))
		for i, c := range contacts {
			list[i] = string(c)
		}
		return registered(trail.DealKind, id, day(1), "domain", domain, "contacts", strings.Join(list, " "))
	}
	for contact, domain := range map[trail.ContactID]string{ann: "alpha.example", bob: "alpha.example", eve: "alpha.example", cara: "beta.example", dan: "gamma.example"} {
		insert(t, db, registered(trail.ContactKind, string(contact), day(1), "domain", domain))
	}
	insert(t, db, deal("A1", "alpha.example", ann), deal("A2", "alpha.example", eve), deal("B1", "beta.example", cara), deal("AB", "", ann, cara))
	made := func(share string, to ...trail.ContactID) {
		for _, c := range append(to, "") {
			if c == "" && len(to) > 0 {
				continue
			}
			e := event(trail.Shared, share+string(c), day(2))
			e.Content, e.Rep, e.Share, e.Contact = "deck", "r@us.example", trail.ShareID(share), c
			insert(t, db, e)
		}
	}
	mailed := func(share, message string, at time.Time, to ...trail.ContactID) {
		for _, c := range to {
			e := event(trail.Sent, share+message+string(c), at)
			e.Content, e.Rep, e.Share, e.Message, e.Contact = "deck", "r@us.example", trail.ShareID(share), message, c
			insert(t, db, e)
		}
	}
	click := func(share string, at time.Time) {
		e := event(trail.Clicked, share+at.String(), at)
		e.Content, e.Share = "deck", trail.ShareID(share)
		insert(t, db, e)
	}
	made("blind")
	mailed("blind", "m1", day(3), ann)
	mailed("blind", "m2", day(5), bob)
	mailed("blind", "m3", day(7), dan)
	for d := 2; d <= 8; d += 2 {
		click("blind", day(d))
	}
	click("blind", day(5).Add(-2*time.Second)) // by another clock
	made("anns", ann)
	mailed("anns", "m4", day(3), ann, cara) // a copy to Cara: the link is Ann's
	click("anns", day(4))
	made("pasted", ann)
	mailed("pasted", "m5", day(3), dan) // made for Ann, mailed to Dan
	click("pasted", day(4))
	mailed("three", "m6", day(3), ann, bob, cara)
	click("three", day(4))
	mailed("both", "m7", day(3), ann, cara) // both are on one deal
	click("both", day(4))
	mailed("within", "m9", day(3), ann)
	mailed("within", "m10", day(3), bob) // copied within one company
	click("within", day(4))
	mailed("late", "m8", day(6), ann) // the only mail: the click can come from nothing else
	click("late", day(4))

	name := map[string]string{string(ann): "ann", string(bob): "bob", string(cara): "cara", string(dan): "dan"}
	got := texts(t, db, `SELECT concat(share, ' ', toString(toDayOfMonth(at)), ': ', arrayStringConcat(contacts, '+'), ' ', rule, ' ', arrayStringConcat(deals, '+'))
		FROM tied`+always+` WHERE kind = 'clicked'`)
	for i, line := range got {
		for id, n := range name {
			line = strings.ReplaceAll(line, id, n)
		}
		who, rest, _ := strings.Cut(line, ": ")
		people, rest, _ := strings.Cut(rest, " ")
		list := strings.Split(people, "+")
		slices.Sort(list)
		got[i] = strings.TrimSpace(fmt.Sprint(who, ": ", strings.Join(list, "+"), " ", rest))
	}
	slices.Sort(got)
	check(t, "candidates", got, []string{
		"anns 4: ann contact A1+AB",
		"blind 2: ann contact A1+AB", // before the first mail it is the first mail's
		"blind 4: ann contact A1+AB",
		"blind 4: ann+bob", // two seconds before the second mail
		"blind 6: ann+bob", // one company then, but the link has gone to another since: no deal is told by it
		"blind 8: ann+bob+dan",
		"both 4: ann+cara contact AB",
		"late 4: ann contact A1+AB",
		"pasted 4: ann+dan",
		"three 4: ann+bob+cara",
		"within 4: ann+bob contact A1+AB",
	})
}

// Without a person the company still counts, if it has one deal.
func TestAnAccountWithoutAPersonIsTiedToItsOnlyDeal(t *testing.T) {
	db := storetest.Open(t)
	insert(t, db, registered(trail.DealKind, "A1", day(1), "domain", "alpha.example"), registered(trail.DealKind, "B1", day(1), "domain", "beta.example"),
		registered(trail.DealKind, "B2", day(1), "domain", "beta.example"))
	for _, account := range []string{"alpha.example", "beta.example", "gamma.example"} {
		e := event(trail.Clicked, account, day(2))
		e.Content, e.Account, e.Withheld = "deck", account, trail.AccountOnly
		insert(t, db, e)
	}
	check(t, "ties", texts(t, db, `SELECT concat(deal, ' ', rule) FROM deal_touches`+always), []string{"A1 account"})
}
