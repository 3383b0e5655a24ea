package lift

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// gainDraws is how many times the coefficients are drawn for the interval of a gain.
// Chance then moves the ends of the interval by about a thirtieth of its width.
const gainDraws = 400

// Start is a group of deals at the moment when they first saw the content.
type Start struct {
	Stage, Segment string
	Week           int64   // full weeks that the deal had been in the stage
	Covariates     []int64 // as Hazard.Covariates names them
	Deals          int64
}

// Gain returns by how much more often deals advance within so many weeks of first
// seeing the content than the same deals would have without it (0.10 is ten points),
// averaged over the starts: standardisation, or the g-formula with covariates as
// they were at the start (Hernán and Robins, Causal Inference: What If, 2020, 17.4).
// With advance a and loss l of each week, from the start on,
//
//	P(advance within H) = Σₕ aₕ Πᵢ₍ᵢ<ₕ₎ (1 - aᵢ - lᵢ)
//
// The interval is between the 2.5th and 97.5th percentile over draws of the
// coefficients of both equations from N(b, V), SE their standard deviation. V holds
// the covariance between the equations too, which comes from a week having one
// outcome only. The same seed gives the same interval; whoever calls derives it from
// the content. If nobody was ever lost, the chance of it is zero.
//
// Errors: that of the equation of being lost, except for nobody lost; no starts or
// weeks; counts that cannot be.
func (f *HazardFit) Gain(starts []Start, weeks int, seed uint64) (Estimate, error) {
	if f.lostErr != nil && !errors.Is(f.lostErr, ErrUndefined) {
		return Estimate{}, f.lostErr
	}
	s, err := f.standard(starts, weeks)
	if err != nil {
		return Estimate{}, err
	}
	coef, root, err := f.joint()
	if err != nil {
		return Estimate{}, err
	}
	p := len(f.Advance.Coef)
	value := s.gain(coef[:p], coef[p:])
	rng := rand.New(rand.NewPCG(seed, 0x6c696674)) // a stream of its own
	draws := make([]float64, gainDraws)
	drawn, normal := make([]float64, len(coef)), make([]float64, len(coef))
	var sum, squares float64
	for i := range draws {
		for j := range normal {
			normal[j] = rng.NormFloat64()
		}
		for j := range drawn {
			drawn[j] = coef[j]
			for k := range j + 1 {
				drawn[j] += root.At(j, k) * normal[k]
			}
		}
		draws[i] = s.gain(drawn[:p], drawn[p:])
		sum += draws[i]
		squares += (draws[i] - value) * (draws[i] - value)
	}
	off := sum/gainDraws - value
	slices.Sort(draws)
	return Estimate{value, math.Sqrt(max(0, squares/gainDraws-off*off)), quantile(draws, 0.025), quantile(draws, 0.975)}, nil
}

// quantile interpolates between the order statistics of sorted values (type 7 of
// Hyndman and Fan, The American Statistician 50, 1996, 361).
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// joint returns the coefficients of both equations, one after the other, and the
// lower Cholesky factor of their covariance. With A the inverse information of each
// equation and M the covariance of their scores, -Σ n a l x x', the block between
// them is A M A (the sandwich form; White, Econometrica 50, 1982, 1).
func (f *HazardFit) joint() ([]float64, *mat.TriDense, error) {
	a, l := f.Advance, f.lost
	p := len(a.Coef)
	coef := slices.Clone(a.Coef)
	n := p
	if l != nil {
		coef = append(coef, l.Coef...)
		n += len(l.Coef)
	}
	v := mat.NewSymDense(n, nil)
	for i := range p {
		for j := i; j < p; j++ {
			v.SetSym(i, j, a.Cov.At(i, j))
		}
	}
	if l != nil {
		scores := mat.NewDense(p, n-p, nil)
		for _, c := range f.cells {
			x, inA := f.designs[0].row(c)
			y, inL := f.designs[1].row(c)
			if !inA || !inL {
				continue
			}
			w := -float64(c.AtRisk) * expit(dot(x, a.Coef)) * expit(dot(y, l.Coef))
			for i := range x {
				for j := range y {
					scores.Set(i, j, scores.At(i, j)+w*x[i]*y[j])
				}
			}
		}
		var between mat.Dense
		between.Product(a.Cov, scores, l.Cov)
		for i := range n - p {
			for j := range p {
				v.SetSym(j, p+i, between.At(j, i))
			}
			for j := i; j < n-p; j++ {
				v.SetSym(p+i, p+j, l.Cov.At(i, j))
			}
		}
	}
	var chol mat.Cholesky
	if !chol.Factorize(v) {
		return nil, nil, fmt.Errorf("covariance of both equations: %w", ErrUndefined)
	}
	var root mat.TriDense
	chol.LTo(&root)
	return coef, &root, nil
}

// standard is what Gain averages over, laid out for many draws.
type standard struct {
	profiles   []profile
	weeks      int
	covariates int
	logWeek    []float64 // log(1 + week), as far as needed
	deals      float64
}

// profile is all starts that differ in their week only.
type profile struct {
	advance, lost []float64 // rows of the designs at week 0, not seen; nil: never happens
	first, last   int64     // weeks in which a probability is needed
	starts        []Start
}

// standard sorts the starts into profiles.
func (f *HazardFit) standard(starts []Start, weeks int) (standard, error) {
	if weeks < 1 {
		return standard{}, fmt.Errorf("a gain within %d weeks: %w", weeks, ErrUndefined)
	}
	cells := make([]Cell, 0, len(starts))
	for _, s := range starts {
		cells = append(cells, Cell{Stage: s.Stage, Segment: s.Segment, Week: s.Week, Covariates: s.Covariates, AtRisk: s.Deals})
	}
	cells, err := f.model.merge(cells)
	if err != nil {
		return standard{}, fmt.Errorf("starts: %w", err)
	}
	// Profiles come together once the week is the last thing to sort by.
	slices.SortStableFunc(cells, func(a, b Cell) int {
		a.Week, b.Week = 0, 0
		return compareCells(a, b)
	})
	st := standard{weeks: weeks, covariates: len(f.model.Covariates)}
	for i, c := range cells {
		if n := len(st.profiles); n == 0 || !sameProfile(cells[i-1], c) {
			base := c
			base.Week = 0
			p := profile{first: c.Week}
			p.advance, _ = f.designs[0].row(base)
			if f.lost != nil {
				p.lost, _ = f.designs[1].row(base)
			}
			st.profiles = append(st.profiles, p)
		}
		p := &st.profiles[len(st.profiles)-1]
		p.starts = append(p.starts, Start{Week: c.Week, Deals: c.AtRisk})
		p.last = c.Week + int64(weeks) - 1
		for w := int64(len(st.logWeek)); w <= p.last; w++ {
			st.logWeek = append(st.logWeek, math.Log1p(float64(w)))
		}
		st.deals += float64(c.AtRisk)
	}
	if st.deals == 0 {
		return standard{}, fmt.Errorf("a gain without starts: %w", ErrUndefined)
	}
	return st, nil
}

func sameProfile(a, b Cell) bool {
	a.Week, b.Week = 0, 0
	return compareCells(a, b) == 0
}

// gain averages the difference between the two arms over all starts. It works with
// odds, which are products of a factor for the profile, one for the week and one for
// the content: with hundreds of draws, exponentials would be most of the time.
func (s standard) gain(advance, lost []float64) float64 {
	var sum float64
	var a, l [2][]float64 // chances by week, without and with the content
	weekA, weekL := s.weekOdds(advance), s.weekOdds(lost)
	for _, p := range s.profiles {
		a[0], a[1] = p.chances(a[0][:0], a[1][:0], p.advance, advance, weekA)
		l[0], l[1] = p.chances(l[0][:0], l[1][:0], p.lost, lost, weekL)
		for _, start := range p.starts {
			from := start.Week - p.first
			to := from + int64(s.weeks)
			with := within(a[1][from:to], l[1][from:to])
			without := within(a[0][from:to], l[0][from:to])
			sum += float64(start.Deals) * (with - without)
		}
	}
	return sum / s.deals
}

// weekOdds returns the factor (1 + week)^c on the odds for each week. The last term
// is seen, before it come the covariates, and before them the week.
func (s standard) weekOdds(coef []float64) []float64 {
	if len(coef) == 0 {
		return nil
	}
	c := coef[len(coef)-2-s.covariates]
	odds := make([]float64, len(s.logWeek))
	for w, log := range s.logWeek {
		odds[w] = math.Exp(c * log)
	}
	return odds
}

// chances appends the probabilities of an outcome in each week of the profile,
// without and with the content.
func (p profile) chances(without, with, row, coef, week []float64) ([]float64, []float64) {
	if row == nil {
		for range p.last - p.first + 1 {
			without, with = append(without, 0), append(with, 0)
		}
		return without, with
	}
	base, seen := math.Exp(dot(row, coef)), math.Exp(coef[len(coef)-1])
	for _, factor := range week[p.first : p.last+1] {
		odds := base * factor
		without, with = append(without, odds/(1+odds)), append(with, odds*seen/(1+odds*seen))
	}
	return without, with
}

// within returns the chance to advance in one of the weeks.
func within(advance, lost []float64) float64 {
	open, done := 1.0, 0.0
	for i, a := range advance {
		done += open * a
		open *= max(0, 1-a-lost[i])
	}
	return done
}
