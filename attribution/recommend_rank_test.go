package attribution

import (
	"strings"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/trail"
)

func liftRow(verdict string, shrunk float64) trail.LiftRow {
	row := trail.LiftRow{Verdict: verdict, Text: "The sentence of " + verdict + ".", Seen: 9}
	if verdict != trail.TooLittle {
		row.Shrunk = &shrunk
	}
	return row
}

func creditRow(deals uint64, amount string) trail.CreditRow {
	return trail.CreditRow{Deals: deals, Credit: 1, Value: trail.Money{Amount: amount, Currency: "EUR"}}
}

func TestRecommendationsAreOrderedByTheStrongestEvidence(t *testing.T) {
	known := evidence{
		here: map[trail.ContentID]trail.LiftRow{
			"moves": liftRow(trail.For, .05), "moves more": liftRow(trail.For, .2), "above": liftRow(trail.NoEffect, .01), "below": liftRow(trail.NoEffect, -.01),
			"holds": liftRow(trail.Against, -.1), "few": liftRow(trail.TooLittle, 0), "elsewhere": liftRow(trail.TooLittle, 0), "weakly here": liftRow(trail.NoEffect, .02),
		},
		anywhere: map[trail.ContentID]trail.LiftRow{"elsewhere": liftRow(trail.For, .1), "weakly here": liftRow(trail.For, .3), "above": liftRow(trail.NoEffect, .3), "moves": liftRow(trail.Against, -.9), "few": liftRow(trail.TooLittle, 0)},
		credits: map[trail.ContentID]trail.CreditRow{
			"few": creditRow(12, "900.00"), "one win": creditRow(1, "1000.00"), "below": creditRow(40, "90000.00"), "holds": creditRow(50, "100000.00"), "moves": creditRow(1, "1.00"),
		},
	}
	var contents []trail.ContentRow
	for _, id := range []string{"new", "seldom", "often", "one win", "few", "below", "above", "elsewhere", "moves", "moves more", "holds", "imported", "weakly here"} {
		contents = append(contents, trail.ContentRow{ID: id})
	}
	contents[1].Reps, contents[2].Reps, contents[11].Sent = 1, 7, 3
	had := map[trail.ContentID]time.Time{"often": time.Unix(1, 0)}
	line := func(rows []trail.Recommendation) (text string) {
		for _, r := range rows {
			text += r.Content + ": " + r.Evidence + " " + r.Why + "\n"
		}
		return text
	}
	rows := ranked(contents, known, "Demo", had)
	want := `weakly here: lift In all stages together: The sentence of for.
moves more: lift The sentence of for.
elsewhere: lift In all stages together: The sentence of for.
moves: lift The sentence of for.
below: credit It was part of 40 won deals; there is no evidence of an effect.
one win: credit It was part of 1 won deal.
few: credit It was part of 12 won deals.
often: use 7 reps send it.
seldom: use 1 rep sends it.
imported: use It has been sent.
above: none Nobody has sent it yet; there is no evidence of an effect.
new: none Nobody has sent it yet.
holds: lift The sentence of against.
`
	if got := line(rows); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !rows[7].HadAt.Equal(time.Unix(1, 0)) || !rows[0].HadAt.IsZero() {
		t.Error("who had it is not told")
	}
	// While selection is visible no lift is believed.
	known.visible = true
	if got := line(ranked(contents, known, "Demo", nil)); strings.Contains(got, "lift") || !strings.HasPrefix(got, "holds: credit It was part of 50 won deals.\nbelow:") {
		t.Errorf("while selection is visible:\n%s", got)
	}
}

func TestContentOfAnotherStageFitsWhereDealsSawItHere(t *testing.T) {
	stages := []store.StageDeals{{Stage: "Demo"}, {Stage: "Proposal"}}
	known := evidence{here: map[trail.ContentID]trail.LiftRow{"seen": liftRow(trail.TooLittle, 0)}}
	for _, x := range []struct {
		content, stage, persona string // of the content
		wanted, who             string
		fits                    bool
	}{
		{"a", "", "", "Demo", "", true},
		{"a", "demo", "", "Demo", "", true},
		{"a", "Proposal", "", "Demo", "", false},
		{"seen", "Proposal", "", "Demo", "", true},
		{"a", "Awareness", "", "Demo", "", true},
		{"a", "Proposal", "", "", "CFO", true},
		{"a", "", "cfo", "", "CFO", true},
		{"a", "", "Everybody", "", "CFO", true},
		{"a", "", "CISO", "", "CFO", false},
		{"a", "", "CISO", "Demo", "", true},
		{"seen", "Proposal", "CISO", "Demo", "CFO", false},
	} {
		if got := fits(trail.ContentRow{ID: x.content, Stage: x.stage, Persona: x.persona}, x.wanted, x.who, stages, known); got != x.fits {
			t.Errorf("%+v: %v", x, got)
		}
	}
}
