package attribution

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"dealtrail/attribution/lift"
)

// hazard is what the weekly model says of one content; where a number is missing,
// note says why.
type hazard struct {
	odds, lost, gain lift.Estimate
	note             string
}

// spells are stage entries that differ only in which weeks they were at risk. They
// are counted by week: those that began to be, and those that ended with it.
type spells struct {
	stage, segment string
	saw, others    uint8 // classes of how many contents were seen at the entry: all, and without the one that it is about
	week           []uint16
	starts, first  []int64 // first: of the starts, those that saw the content in this stage
	advanced, lost []int64
	left           []int64
}

// group is what person-weeks of one cell have in common but the week.
type group struct {
	stage, segment string
	class          uint8
}

// classCounts is what a class of contents seen stands for as a count.
var classCounts = []int64{0, 1, 2, 4, 8, 16}

// seenBefore is the covariate of every hazard: what a deal had seen besides when it
// entered the stage. Fixed then, so that what a content brings about is not taken from it.
var seenBefore = []lift.Covariate{{Name: "other contents seen at entry", Log: true}}

// hazards fits the weekly model for each content. A content counts from the week after
// it was first seen, so that nobody counts as exposed for having lasted until then;
// what it does in its first days counts for those who had not seen it, so the odds are
// rather too near to 1. Other contents count as they were when the stage began.
func (c *computation) hazards(ctx context.Context) (map[string]hazard, error) {
	deals, err := c.job.exposedDeals(ctx, c.run.ID)
	if err != nil {
		return nil, err
	}
	weeks, err := c.job.weeks(ctx, c.run.ID)
	if err != nil {
		return nil, err
	}
	contents := slices.Sorted(maps.Keys(deals))
	fitted := make([]hazard, len(contents))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i, content := range contents {
		work.Go(func() (err error) {
			if err = ctx.Err(); err == nil {
				fitted[i], err = c.hazard(content, deals[content], weeks[content], weeks[""])
			}
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	all := make(map[string]hazard, len(contents))
	for i, content := range contents {
		all[content] = fitted[i]
	}
	return all, nil
}

// exposedDeals returns how many deals were at risk after they had seen each content,
// at most 101.
func (j *Job) exposedDeals(ctx context.Context, run string) (map[string]int64, error) {
	rows, err := j.rows(ctx, "hazard_deals", args{"run": run})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	deals := map[string]int64{}
	for rows.Next() {
		var content string
		var n int64
		if err := rows.Scan(&content, &n); err != nil {
			return nil, err
		}
		deals[content] = n
	}
	return deals, rows.Err()
}

// weeks returns by content the entries that had seen it, from when they had, and
// under no name all.
func (j *Job) weeks(ctx context.Context, run string) (map[string][]spells, error) {
	rows, err := j.rows(ctx, "hazard_tables", args{"run": run})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string][]spells{}
	for rows.Next() {
		var content string
		var s spells
		if err := rows.Scan(&content, &s.stage, &s.segment, &s.saw, &s.others, &s.week, &s.starts, &s.first, &s.advanced, &s.lost, &s.left); err != nil {
			return nil, err
		}
		all[content] = append(all[content], s)
	}
	return all, rows.Err()
}

// count is what happened in one week.
type count struct{ atRisk, advanced, lost int64 }

// byWeek adds entries up, by week and by what by says of them.
func byWeek(all []spells, by func(spells) group) map[group][]count {
	weeks := map[group][]count{} // until all are there, atRisk is by how much it changes
	for _, s := range all {
		g := by(s)
		for i, week := range s.week {
			for len(weeks[g]) < int(week)+2 {
				weeks[g] = append(weeks[g], count{})
			}
			weeks[g][week].atRisk += s.starts[i]
			weeks[g][week].advanced += s.advanced[i]
			weeks[g][week].lost += s.lost[i]
			weeks[g][week+1].atRisk -= s.advanced[i] + s.lost[i] + s.left[i]
		}
	}
	for _, w := range weeks {
		for i := range w[1:] {
			w[i+1].atRisk += w[i].atRisk
		}
	}
	return weeks
}

// cells returns the weeks with and without a content: those without are all weeks
// less those with it, so both sum to all.
func cells(of, everyone []spells) []lift.Cell {
	var all []lift.Cell
	add := func(g group, week int, seen bool, n count) {
		if n.atRisk > 0 {
			all = append(all, lift.Cell{
				Stage: g.stage, Segment: g.segment, Week: int64(week), Seen: seen, Covariates: []int64{classCounts[g.class]},
				AtRisk: n.atRisk, Advanced: n.advanced, Lost: n.lost,
			})
		}
	}
	bySaw := func(s spells) group { return group{s.stage, s.segment, s.saw} }
	for g, weeks := range byWeek(of, func(s spells) group { return group{s.stage, s.segment, s.others} }) {
		for week, n := range weeks {
			add(g, week, true, n)
		}
	}
	taken := byWeek(of, bySaw)
	for g, weeks := range byWeek(everyone, bySaw) {
		for week, n := range weeks {
			if week < len(taken[g]) {
				with := taken[g][week]
				n = count{n.atRisk - with.atRisk, n.advanced - with.advanced, n.lost - with.lost}
			}
			add(g, week, false, n)
		}
	}
	return all
}

// starts returns the entries as they were when they first saw the content.
func starts(of []spells) []lift.Start {
	var all []lift.Start
	for _, s := range of {
		for i, n := range s.first {
			if n > 0 {
				all = append(all, lift.Start{Stage: s.stage, Segment: s.segment, Week: int64(s.week[i]), Covariates: []int64{classCounts[s.others]}, Deals: n})
			}
		}
	}
	return all
}

// hazard fits one content.
func (c *computation) hazard(content string, deals int64, of, everyone []spells) (hazard, error) {
	cells, starts := cells(of, everyone), starts(of)
	if short := lift.ShortHazard(deals, cells); len(short) > 0 {
		return hazard{note: "too little data: " + lift.MoreDealsText(short, c.closedDeals)}, nil
	}
	fit, err := lift.Hazard{Covariates: seenBefore}.Fit(cells)
	var at *lift.TermError
	if errors.As(err, &at) && at.Term == seenBefore[0].Name && errors.Is(err, lift.ErrSingular) {
		// What else was seen goes by stage and segment; with one content there is nothing else.
		for i := range cells {
			cells[i].Covariates = nil
		}
		for i := range starts {
			starts[i].Covariates = nil
		}
		fit, err = lift.Hazard{}.Fit(cells)
	}
	if err != nil {
		why, err := undefined(content, "odds", err)
		return hazard{note: why}, err
	}
	var h hazard
	var notes []string
	set := func(number *lift.Estimate, what string, e lift.Estimate, err error) error {
		if err == nil && finite(e) {
			*number = e
			return nil
		}
		why, err := undefined(content, what, cmp.Or(err, lift.ErrUndefined))
		notes = append(notes, why)
		return err
	}
	lost, lostErr := fit.LostOdds()
	gain, gainErr := fit.Gain(starts, c.options.Horizon, xxhash.Sum64String(content))
	err = errors.Join(set(&h.odds, "odds", fit.Odds(), nil), set(&h.lost, "odds of being lost", lost, lostErr), set(&h.gain, "gain", gain, gainErr))
	h.note = strings.Join(notes, "; ")
	return h, err
}

// undefined says why a model lacks a number, if it is because of the data.
func undefined(content, what string, err error) (string, error) {
	var at *lift.TermError
	seen := errors.As(err, &at) && at.Term == lift.SeenTerm
	switch {
	case errors.Is(err, lift.ErrSeparated) && seen:
		return "no " + what + ": weeks with it and weeks without it never end alike", nil
	case errors.Is(err, lift.ErrSeparated):
		return "no " + what + ": too few weeks end in each way to tell", nil
	case errors.Is(err, lift.ErrSingular) && seen:
		return "no " + what + ": what was seen with it was seen in all the same weeks, so its own part cannot be told", nil
	case errors.Is(err, lift.ErrSingular), errors.Is(err, lift.ErrUndefined):
		return "no " + what + ": the counts do not define it", nil
	}
	return "", fmt.Errorf("hazard of content %q: %w", content, err)
}

// finite reports whether an estimate can be written as numbers.
func finite(e lift.Estimate) bool {
	for _, x := range []float64{e.Value, e.SE, e.Low, e.High} {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}
