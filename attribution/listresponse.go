package attribution

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"dealtrail/attribution/lift"
	"dealtrail/store"
	"dealtrail/trail"
)

// fewestLeads is how many leads, and how many comparable others, it takes at least before
// a list is held against the rest.
const fewestLeads = 10

// ResponseOf returns how the leads of a list responded to each content. An unknown list
// is a Problem.
func ResponseOf(ctx context.Context, db *store.DB, id string, f store.Filter) (*trail.ListResponse, error) {
	list, err := db.List(ctx, id, f)
	if err != nil {
		return nil, err
	}
	all, titles, err := db.ListResponses(ctx, id, f)
	if err != nil {
		return nil, err
	}
	level, err := trail.ParseLevel(string(f.Agents))
	if err != nil {
		return nil, err
	}
	answer := &trail.ListResponse{LeadList: list, Agents: level, Rows: []trail.ContentResponse{}}
	for len(all) > 0 { // they come by content
		n := 1
		for n < len(all) && all[n].Content == all[0].Content {
			n++
		}
		row, err := respond(all[:n])
		if err != nil {
			return nil, err
		}
		row.Title = cmp.Or(titles[row.Content], row.Content)
		answer.Rows = append(answer.Rows, row)
		all = all[n:]
	}
	slices.SortStableFunc(answer.Rows, func(a, b trail.ContentResponse) int {
		return cmp.Or(cmp.Compare(b.Sent, a.Sent), cmp.Compare(a.Title, b.Title))
	})
	return answer, nil
}

// respond puts the strata of one content together: the list's rate with Wilson's
// interval, and its difference to the rest, by Mantel and Haenszel over strata that have
// both, or by Newcombe where that is one.
func respond(strata []store.Response) (trail.ContentResponse, error) {
	row := trail.ContentResponse{Content: strata[0].Content, Verdict: "too_little"}
	var tables []lift.Table
	var engaged, clicked, replied uint64
	for _, s := range strata {
		row.Sent, engaged, clicked, replied = row.Sent+uint64(s.Sent), engaged+uint64(s.Engaged), clicked+uint64(s.Clicked), replied+uint64(s.Replied)
		if row.FirstSent.IsZero() || s.First.Before(row.FirstSent) {
			row.FirstSent = s.First
		}
		if s.Last.After(row.LastSent) {
			row.LastSent = s.Last
		}
		tables = append(tables, lift.Table{Stratum: s.Stage + "\x00" + s.Segment, Exposed: s.Sent, ExposedAdvanced: s.Engaged, Control: s.Rest, ControlAdvanced: s.RestEngaged})
	}
	rate, err := lift.Rate(int64(engaged), int64(row.Sent))
	if err != nil {
		return row, fmt.Errorf("response to %s: %w", row.Content, err)
	}
	row.Engaged, row.Clicked, row.Replied, row.Rate, row.Low, row.High = &engaged, &clicked, &replied, &rate.Value, &rate.Low, &rate.High
	all, err := lift.Stratify(tables)
	if err != nil {
		return row, fmt.Errorf("response to %s: %w", row.Content, err)
	}
	compared := all.Compared()
	sum := compared.Total()
	comparedEngaged, restEngaged := uint64(sum.ExposedAdvanced), uint64(sum.ControlAdvanced)
	row.Compared, row.CompEng, row.Rest, row.RestEng = uint64(sum.Exposed), &comparedEngaged, uint64(sum.Control), &restEngaged
	if sum.Exposed >= fewestLeads && sum.Control >= fewestLeads {
		var d lift.Estimate
		if len(compared) == 1 {
			d, err = lift.Newcombe(sum.ExposedAdvanced, sum.Exposed, sum.ControlAdvanced, sum.Control)
		} else if d, err = compared.RiskDifference(); err != nil {
			if _, alike := compared.CMH(); alike == nil { // all of one side engaged and none of the other: strata say no more than their sum
				d, err = lift.Newcombe(sum.ExposedAdvanced, sum.Exposed, sum.ControlAdvanced, sum.Control)
			}
		}
		if err == nil { // else in each stratum all or nobody engaged, which says nothing
			_, rest := compared.Rates()
			row.RestRate, row.Diff, row.DiffLow, row.DiffHigh = &rest, &d.Value, &d.Low, &d.High
			row.Verdict = map[bool]string{true: "none", false: map[bool]string{true: "higher", false: "lower"}[d.Value > 0]}[d.Low <= 0 && d.High >= 0]
		}
	}
	row.Sentence = responseWords(row)
	return row, nil
}

// responseWords says what a response comes to.
func responseWords(r trail.ContentResponse) string {
	points := func(f float64) string { return strconv.FormatFloat(math.Abs(100*f), 'f', 1, 64) }
	switch r.Verdict {
	case "higher", "lower":
		return fmt.Sprintf("The list responded %s points %s than comparable contacts.", points(*r.Diff), map[string]string{"higher": "more", "lower": "less"}[r.Verdict])
	case "none":
		return "No difference to comparable contacts that chance would not make."
	}
	if r.Compared >= fewestLeads && r.Rest >= fewestLeads {
		return "Everybody responded alike, which says nothing."
	}
	return fmt.Sprintf("Not enough to compare: it takes %d leads and %d comparable contacts; there are %d and %d.", fewestLeads, fewestLeads, r.Compared, r.Rest)
}
