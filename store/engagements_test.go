package store_test

import (
	"fmt"
	"testing"

	"dealtrail/store"
	"dealtrail/trail"
)

func TestEngagementsAreClicksAndAnswersByLikelyPeopleWithTheirDeals(t *testing.T) {
	db := openCompany(t)
	lines := func(f store.Filter, from, to int) (out []string) {
		t.Helper()
		rows := must(db.Engagements(t.Context(), day(from), day(to), f))(t)
		all := must(db.Engaged(t.Context(), rows, f))(t)
		for _, e := range all.Rows {
			var who, deals []string
			for _, c := range e.Contacts {
				who = append(who, all.People[c].Address)
			}
			for _, d := range e.Deals {
				deals = append(deals, d+"="+all.Deals[d].Status)
			}
			out = append(out, fmt.Sprint(e.At.Day(), " ", e.Kind, " ", all.Titles[e.Content], " ", e.Rep, " ", who, " ", deals))
		}
		return out
	}
	check(t, "likely", lines(store.Filter{}, 1, 17), engagedLikely)
	check(t, "strict has no proxy", len(lines(store.Filter{Agents: trail.Strict}, 1, 17)) < len(engagedLikely), true)
	check(t, "from the 10th and before the 14th", lines(store.Filter{}, 10, 14), engagedLikely[3:5])
	check(t, "none", len(lines(store.Filter{}, 20, 21)), 0)
}

// engagedLikely is without the scanner's clicks and our own.
var engagedLikely = []string{
	"16 clicked The Deck sam@us.example [] [D2=open]",
	"14 replied The Case sam@us.example [cara@beta.example] [D2=open]",
	"14 replied The Deck sam@us.example [cara@beta.example] [D2=open]",
	"13 clicked The Deck sam@us.example [dan@gamma.example] [D3=lost]",
	"10 clicked The Case rita@us.example [ann@alpha.example bob@alpha.example] [D1=won]",
	"9 clicked The Deck rita@us.example [ann@alpha.example] [D1=won]",
}
