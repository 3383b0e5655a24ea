package access_test

import (
	"testing"

	"dealtrail/access"
	"dealtrail/trail"
)

// Who may not see people by name learns of a list no number of fewer than five of them, or
// of all, also not from the difference of two others.
func TestAListTellsNobodyWhatSinglePeopleDid(t *testing.T) {
	response := func(sent, engaged, clicked, replied, compared, comparedEngaged, rest, restEngaged uint64) *trail.ListResponse {
		rate := 0.5
		return &trail.ListResponse{Rows: []trail.ContentResponse{{
			Sent: sent, Engaged: &engaged, Clicked: &clicked, Replied: &replied, Rate: &rate, Low: &rate, High: &rate, Compared: compared, CompEng: &comparedEngaged, Rest: rest, RestEng: &restEngaged,
			RestRate: &rate, Diff: &rate, DiffLow: &rate, DiffHigh: &rate, Verdict: "higher", Sentence: "The list responded 50.0 points more than comparable contacts.",
		}}}
	}
	masked := access.View{All: true}
	for _, c := range []struct {
		what                               string
		r                                  *trail.ListResponse
		engaged, clicked, replied, compare bool // shown
		verdict                            string
	}{
		{"one address", response(1, 1, 1, 0, 1, 1, 9, 6), false, false, false, false, "too_little"},
		{"one who did nothing", response(1, 0, 0, 0, 1, 0, 9, 6), false, false, false, false, "too_little"},
		{"four of many", response(90, 4, 4, 4, 90, 4, 90, 40), false, false, false, false, "too_little"},
		{"all", response(9, 9, 9, 9, 9, 9, 90, 40), false, false, false, false, "too_little"},
		{"few of one kind", response(90, 9, 8, 1, 90, 9, 90, 40), true, true, false, true, "higher"},
		{"few others", response(90, 9, 8, 7, 90, 9, 90, 4), true, true, true, false, "higher"},
		{"many", response(90, 40, 30, 20, 80, 35, 90, 40), true, true, true, true, "higher"},
	} {
		masked.Response(c.r)
		row := c.r.Rows[0]
		shown := []bool{row.Engaged != nil && row.Rate != nil && row.Low != nil && row.High != nil, row.Clicked != nil, row.Replied != nil, row.CompEng != nil && row.RestEng != nil && row.Diff != nil && row.DiffLow != nil && row.RestRate != nil}
		if want := []bool{c.engaged, c.clicked, c.replied, c.compare}; len(want) != len(shown) || [4]bool(want) != [4]bool(shown) || row.Verdict != c.verdict {
			t.Errorf("%s: shown are %v, %s; want %v, %s", c.what, shown, row.Verdict, want, c.verdict)
		}
		if !c.compare && row.Sentence == "The list responded 50.0 points more than comparable contacts." {
			t.Errorf("%s: the sentence tells the number", c.what)
		}
	}
	for _, v := range []access.View{access.Everything} {
		r := response(1, 1, 1, 0, 1, 1, 1, 1)
		if v.Response(r); *r.Rows[0].Engaged != 1 || *r.Rows[0].Diff != 0.5 {
			t.Error("who sees everybody by name sees less")
		}
	}
}
