package lift

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// The minimum of data of a hazard.
const (
	MinExposedDeals   = 30 // deals that saw the content while open
	MinHazardAdvances = 10 // advances among exposed person-weeks, and as many among the others
	weekTerm          = "log(1+week)"
)

// SeenTerm is the term of a hazard that says whether the deal had seen the content.
const SeenTerm = "seen"

// Covariate says what one value of Cell.Covariates is.
type Covariate struct {
	Name string
	Log  bool // a count, such as of replies so far, enters as log(1 + count)
}

// Cell is a group of person-weeks: weeks that deals spent at risk, and how they
// ended. Everything but the outcome is as it was when the week began.
type Cell struct {
	Stage, Segment string
	Week           int64   // full weeks that the deal had been in the stage
	Seen           bool    // whether the deal had seen the content
	Covariates     []int64 // as Hazard.Covariates names them
	AtRisk         int64   // person-weeks
	Advanced, Lost int64   // those that ended so; at most AtRisk together
}

// Hazard is the discrete-time model of how deals leave a stage (Allison,
// Sociological Methodology 13, 1982, 61): in each week
//
//	logit P(advance) = stage + segment + c log(1 + week) + b'covariates + beta seen
//
// and the same for being lost, as a competing outcome on the same rows.
type Hazard struct {
	Covariates []Covariate
}

// HazardFit is a fitted Hazard.
type HazardFit struct {
	Advance *Logit // its terms: "stage …", "segment …", "log(1+week)", the covariates, "seen"
	lost    *Logit // nil if lostErr
	lostErr error
	model   Hazard
	cells   []Cell
	designs [2]design // of advance and lost
}

// Fit fits both equations. Stages and segments in which nobody advanced, or nobody
// was lost, have a probability of zero for that outcome and leave its equation: they
// say nothing about its other terms. The order and the splitting of cells change
// nothing.
//
// Errors: ErrSingular, ErrSeparated, and ErrUndefined if nobody advanced, for the
// equation of advancing; those of the other equation only when it is asked for;
// counts that cannot be.
func (h Hazard) Fit(cells []Cell) (*HazardFit, error) {
	merged, err := h.merge(cells)
	if err != nil {
		return nil, err
	}
	f := &HazardFit{model: h, cells: merged}
	if f.designs[0], f.Advance, err = h.fit(merged, func(c Cell) int64 { return c.Advanced }); err != nil {
		return nil, fmt.Errorf("hazard of advancing: %w", err)
	}
	if f.designs[1], f.lost, f.lostErr = h.fit(merged, func(c Cell) int64 { return c.Lost }); f.lostErr != nil {
		f.lostErr = fmt.Errorf("hazard of being lost: %w", f.lostErr)
	}
	return f, nil
}

// ShortHazard returns which counts are short of the minimum of a hazard: of deals
// that saw the content, and of advances in cells with and without it. None means
// that there may be a number.
func ShortHazard(exposedDeals int64, cells []Cell) []Need {
	var seen, not int64
	for _, c := range cells {
		if c.Seen {
			seen += c.Advanced
		} else {
			not += c.Advanced
		}
	}
	return short([]Need{
		{"exposed", float64(exposedDeals), MinExposedDeals},
		{"advances among exposed", float64(seen), MinHazardAdvances},
		{"advances among unexposed", float64(not), MinHazardAdvances},
	})
}

// Odds returns the odds ratio of advancing in a week, seen against not seen.
func (f *HazardFit) Odds() Estimate { return odds(f.Advance) }

// LostOdds returns the odds ratio of being lost in a week, seen against not seen, or
// the error of that equation.
func (f *HazardFit) LostOdds() (Estimate, error) {
	if f.lostErr != nil {
		return Estimate{}, f.lostErr
	}
	return odds(f.lost), nil
}

func odds(l *Logit) Estimate {
	at := len(l.Terms) - 1 // seen is the last term; a covariate may have its name
	return ratio(math.Exp(l.Coef[at]), math.Sqrt(l.Cov.At(at, at)))
}

// compareCells orders cells by all that is not an outcome.
func compareCells(a, b Cell) int {
	seen := func(c Cell) int {
		if c.Seen {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Segment, b.Segment), cmp.Compare(a.Week, b.Week),
		cmp.Compare(seen(a), seen(b)), slices.Compare(a.Covariates, b.Covariates))
}

// merge checks, sorts and adds up equal cells.
func (h Hazard) merge(cells []Cell) ([]Cell, error) {
	for _, c := range cells {
		if c.Advanced < 0 || c.Lost < 0 || c.Advanced+c.Lost > c.AtRisk || c.Week < 0 || len(c.Covariates) != len(h.Covariates) {
			return nil, fmt.Errorf("a cell of stage %q, segment %q, week %d has %d advanced and %d lost of %d, and %d covariates of %d",
				c.Stage, c.Segment, c.Week, c.Advanced, c.Lost, c.AtRisk, len(c.Covariates), len(h.Covariates))
		}
		for i, v := range c.Covariates {
			if v < 0 && h.Covariates[i].Log {
				return nil, fmt.Errorf("covariate %q counts and is %d", h.Covariates[i].Name, v)
			}
		}
	}
	sorted := slices.Clone(cells)
	slices.SortFunc(sorted, compareCells)
	merged := sorted[:0]
	for _, c := range sorted {
		if n := len(merged); n > 0 && compareCells(merged[n-1], c) == 0 {
			merged[n-1].AtRisk += c.AtRisk
			merged[n-1].Advanced += c.Advanced
			merged[n-1].Lost += c.Lost
			continue
		}
		merged = append(merged, c)
	}
	return merged, nil
}

// fit fits one equation.
func (h Hazard) fit(cells []Cell, hits func(Cell) int64) (design, *Logit, error) {
	d := h.design(cells, hits)
	var rows [][]float64
	var trials, successes []int64
	for _, c := range cells {
		if x, ok := d.row(c); ok {
			rows, trials, successes = append(rows, x), append(trials, c.AtRisk), append(successes, hits(c))
		}
	}
	if len(rows) == 0 {
		return d, nil, fmt.Errorf("it never happened: %w", ErrUndefined)
	}
	l, err := FitLogit(d.terms, rows, trials, successes)
	return d, l, err
}

// design says which columns a cell has in one equation.
type design struct {
	terms            []string
	stages, segments []string // those with the outcome, sorted; the first segment is the base
	covariates       []Covariate
}

// design keeps the levels that have the outcome. Dropping a level may leave another
// without it, so this repeats until nothing changes.
func (h Hazard) design(cells []Cell, hits func(Cell) int64) design {
	d := design{covariates: h.Covariates}
	for before := -1; before != len(cells); {
		before = len(cells)
		stages, segments := map[string]int64{}, map[string]int64{}
		for _, c := range cells {
			stages[c.Stage] += hits(c)
			segments[c.Segment] += hits(c)
		}
		cells = slices.DeleteFunc(slices.Clone(cells), func(c Cell) bool { return stages[c.Stage] == 0 || segments[c.Segment] == 0 })
	}
	for _, c := range cells {
		d.stages, d.segments = append(d.stages, c.Stage), append(d.segments, c.Segment)
	}
	slices.Sort(d.stages)
	slices.Sort(d.segments)
	d.stages, d.segments = slices.Compact(d.stages), slices.Compact(d.segments)
	for _, s := range d.stages {
		d.terms = append(d.terms, "stage "+s)
	}
	for _, s := range d.segments[min(1, len(d.segments)):] {
		d.terms = append(d.terms, "segment "+s)
	}
	d.terms = append(d.terms, weekTerm)
	for _, c := range h.Covariates {
		d.terms = append(d.terms, c.Name)
	}
	d.terms = append(d.terms, SeenTerm)
	return d
}

// row returns the values of a cell, one per term; false if the outcome never happens
// in its stage or segment.
func (d design) row(c Cell) ([]float64, bool) {
	stage, inStage := slices.BinarySearch(d.stages, c.Stage)
	segment, inSegment := slices.BinarySearch(d.segments, c.Segment)
	if !inStage || !inSegment {
		return nil, false
	}
	x := make([]float64, len(d.terms))
	x[stage] = 1
	at := len(d.stages)
	if segment > 0 {
		x[at+segment-1] = 1
	}
	at += len(d.segments) - 1
	x[at] = math.Log1p(float64(c.Week))
	for i, v := range c.Covariates {
		at++
		x[at] = float64(v)
		if d.covariates[i].Log {
			x[at] = math.Log1p(float64(v))
		}
	}
	if c.Seen {
		x[at+1] = 1
	}
	return x, true
}
