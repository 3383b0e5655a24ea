package attribution

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"dealtrail/attribution/lift"
	"dealtrail/trail"
)

// judge judges a family over some deals anew, from what the run counted. The weekly
// model and the placebo are only known over all deals.
func (r *liftReading) judge(ctx context.Context) ([]found, error) {
	q := r.question
	where := q.Where
	where.Content = "" // what is shown of a family changes nothing in it
	evidence, err := r.job.evidence(ctx, r.run.ID, where)
	if err != nil {
		return nil, err
	}
	evidence = slices.DeleteFunc(evidence, func(e lift.Evidence) bool {
		c, _ := r.content(e.Content)
		return !q.inFamily(c)
	})
	findings, _, err := lift.Judge(evidence)
	if err != nil {
		return nil, err
	}
	all := make([]found, len(findings))
	for i, f := range findings {
		closed := int64(r.head.Closed)
		more, _ := lift.MoreDeals(f.Short, closed)
		all[i] = found{Finding: f, text: f.Sentence(closed), more: more}
		if at := slices.IndexFunc(r.stored, func(s found) bool { return s.Content == f.Content }); at >= 0 && !where.ofSome() {
			s := r.stored[at]
			all[i].odds, all[i].lost, all[i].gain, all[i].note, all[i].placebo = s.odds, s.lost, s.gain, s.note, s.placebo
		}
	}
	return all, nil
}

// row is what is shown of a content.
func (r *liftReading) row(f found) trail.LiftRow {
	c, _ := r.content(f.Content)
	row := trail.LiftRow{
		Content: f.Content, Title: c.title, Kind: c.kind, Persona: c.persona, Verdict: string(f.Verdict), Text: f.text, Seen: uint64(f.Total.Exposed),
		Exposed: uint64(f.Compared.Exposed), ExposedAdvanced: uint64(f.Compared.ExposedAdvanced), Control: uint64(f.Compared.Control), ControlAdvanced: uint64(f.Compared.ControlAdvanced),
	}
	if f.Verdict == lift.TooLittle {
		row.MoreDeals = uint64(max(f.more, 0))
		row.Expected = foreseen(r.head, row.MoreDeals)
	} else {
		row.With, row.Without, row.Lift, row.Low, row.High = &f.With, &f.Without, &f.Difference.Value, &f.Difference.Low, &f.Difference.High
		row.Shrunk, row.P, row.Q = &f.Shrunk.Value, &f.P, &f.Q
		row.MDE, row.EValue, row.ELimit = unlessZero(f.MDE), unlessZero(f.EValue.Point), unlessZero(f.EValue.Bound)
	}
	row.Text = r.sentence(row)
	if h := (trail.Hazard{Odds: estimated(f.odds), LostOdds: estimated(f.lost), Gain: estimated(f.gain), Note: f.note}); h != (trail.Hazard{}) {
		row.Hazard = &h
	}
	if f.placebo != (trail.Placebo{}) {
		row.Placebo = &f.placebo
	}
	return row
}

// unlessZero is how the table lifts says that there is no number.
func unlessZero(f float64) *float64 {
	if f == 0 {
		return nil
	}
	return &f
}

// estimated is the same for a number with its interval.
func estimated(e [3]float64) *[3]float64 {
	if e == [3]float64{} {
		return nil
	}
	return &e
}

// tooFar is how far ahead a pace is believed.
const tooFar = 3 * 365 * 24 * time.Hour

// foreseen returns when so many more deals are closed at the pace of late, or zero.
func foreseen(h trail.LiftHead, more uint64) time.Time {
	if more == 0 || h.Lately == 0 {
		return time.Time{}
	}
	wait := float64(more) / float64(h.Lately) * float64(pace)
	if wait > float64(tooFar) {
		return time.Time{}
	}
	return h.AsOf.Add(time.Duration(wait)).Truncate(24 * time.Hour)
}

// byShrunk is the order of a list: what has a number by what is left of it without
// luck, then what takes the fewest more deals.
func byShrunk(a, b trail.LiftRow) int {
	switch {
	case a.Shrunk != nil && b.Shrunk != nil:
		return cmp.Or(cmp.Compare(*b.Shrunk, *a.Shrunk), cmp.Compare(a.Content, b.Content))
	case a.Shrunk != nil:
		return -1
	case b.Shrunk != nil:
		return 1
	}
	// What nobody can foresee is 0, which this takes for the most.
	return cmp.Or(cmp.Compare(a.MoreDeals-1, b.MoreDeals-1), cmp.Compare(b.Seen, a.Seen), cmp.Compare(a.Content, b.Content))
}

// bracket numbers the groups: contents of one verdict whose intervals overlap, each
// with some other of the group. Of two groups of a verdict, all intervals of one lie
// above all of the other, and only then may one be said to be more than the other.
func bracket(rows []trail.LiftRow) {
	n := 0
	for _, verdict := range []string{trail.For, trail.NoEffect, trail.Against} {
		var same []*trail.LiftRow
		for i := range rows {
			if rows[i].Verdict == verdict {
				same = append(same, &rows[i])
			}
		}
		slices.SortFunc(same, func(a, b *trail.LiftRow) int { return cmp.Compare(*b.High, *a.High) })
		lowest := math.Inf(1)
		for _, row := range same {
			if lowest > 1 || *row.High < lowest { // a share is 1 at most, so this is the first
				n++
			}
			row.Group, lowest = n, min(lowest, *row.Low)
		}
	}
}

// ageWords says a class of ages: two weeks each.
func ageWords(class uint8) string {
	if class == 15 {
		return "30 weeks and over"
	}
	return fmt.Sprintf("%d-%d weeks", 2*class, 2*class+1)
}

// othersWords are the classes of how many contents were seen, in words.
var othersWords = []string{"none", "1", "2 or 3", "4 to 7", "8 to 15", "16 and more"}

// table is the strata in words, with their weights in the lift.
func (r *liftReading) table(all []stratum) []trail.LiftTable {
	rows := make([]trail.LiftTable, len(all))
	var weight float64
	for i, s := range all {
		rows[i] = trail.LiftTable{
			Stage: s.stage, Segment: s.segment, Age: ageWords(s.age), Others: othersWords[min(int(s.class), len(othersWords)-1)],
			Exposed: s.Exposed, ExposedAdvanced: s.ExposedAdvanced, Control: s.Control, ControlAdvanced: s.ControlAdvanced,
		}
		if s.Control > 0 {
			rows[i].Weight = float64(s.Exposed) * float64(s.Control) / float64(s.Exposed+s.Control)
			weight += rows[i].Weight
		}
	}
	for i := range rows {
		if weight > 0 {
			rows[i].Weight /= weight
		}
	}
	slices.SortStableFunc(rows, func(a, b trail.LiftTable) int {
		return cmp.Or(r.stageOrder(a.Stage, b.Stage), strings.Compare(a.Segment, b.Segment))
	})
	return rows
}
