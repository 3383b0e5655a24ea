package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/trail"
)

// TestContentIsCountedOverAPart counts by hand over company(): sizes are of D2 and D3 under 10k (beta, gamma), D1 under 10k too.
func TestContentIsCountedOverAPart(t *testing.T) {
	t.Parallel()
	db := openCompany(t)
	counts := func(n store.Narrow) string {
		t.Helper()
		var got []string
		for _, c := range must(db.Contents(t.Context(), store.Filter{Narrow: n}))(t) {
			// Columns: reps sent reached opened clicked clicks replied deals won lost observable.
			got = append(got, fmt.Sprint(c.ID, " ", c.Reps, c.Sent, c.Reached, c.Opened, c.Clicked, c.Clicks, c.Replied, c.Deals, c.Won, c.Lost, c.Observable))
		}
		return strings.Join(got, ", ")
	}
	for _, laidOut := range []bool{false, true} {
		if laidOut {
			if _, err := db.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			store.LookAgain(db)
		}
		check(t, "all, by a time that holds all", counts(store.Narrow{Until: day(31)}), "case 2 4 3 0 1 1 1 2 1 0 4, deck 2 3 3 1 3 3 1 3 1 1 3")
		check(t, "one rep", counts(store.Narrow{Reps: []string{"rita@us.example"}}), "case 1 3 3 0 1 1 0 1 1 0 3, deck 1 1 1 1 1 1 0 1 1 0 1")
		check(t, "until the 9th", counts(store.Narrow{Until: day(9)}), "case 2 4 3 0 0 0 0 0 0 0 4, deck 2 3 3 0 0 0 0 0 0 0 3")
		check(t, "since the 13th", counts(store.Narrow{Since: day(13)}), "case 0 0 0 0 0 0 1 1 0 0 0, deck 0 0 0 0 2 2 1 2 0 1 0")
		check(t, "a size that no deal has", counts(store.Narrow{Size: "huge"}), "case 0 0 0 0 0 0 0 0 0 0 0, deck 0 0 0 0 0 0 0 0 0 0 0")
		check(t, "a segment and a rep", counts(store.Narrow{Size: "under 10k", Reps: []string{"sam@us.example"}}), "case 1 1 1 0 0 0 1 1 0 0 1, deck 1 2 2 0 2 2 1 2 0 1 2")
		// Weeks begin on the 5th, 12th and 19th: Ann clicked on the 9th, Dan on the 13th, Cara answered on the 14th, somebody clicked s6 on the 16th.
		weeks := must(db.Weeks(t.Context(), []time.Time{day(5), day(12), day(19)}, store.Filter{}))(t)
		check(t, "weeks of deck", fmt.Sprint(weeks["deck"]), "[1 3]")
		check(t, "weeks of case", fmt.Sprint(weeks["case"]), "[2 1]")
		choices := must(db.ContentChoices(t.Context(), true, store.Filter{}))(t)
		check(t, "choices", fmt.Sprint(choices.Sizes, choices.Segments, choices.Reps, choices.Team), "[under 10k] [] [rita@us.example sam@us.example] map[rita@us.example:north]")
		senders, team, err := db.Senders(t.Context(), "deck", store.Filter{})
		check(t, "senders", fmt.Sprint(senders, team["rita@us.example"], err), "[{rita@us.example 1 1 1 0} {sam@us.example 2 2 2 1}]north<nil>")
	}
	teams, rows, err := db.Teams(t.Context(), store.Filter{})
	shown, left := teams.Rows(trail.Viewer{Rep: "sam@us.example"}, rows)
	check(t, "two reps are too few for a team", fmt.Sprint(len(rows), len(shown), shown[0].Rep, left, err), "2 1sam@us.example1 <nil>")
}
