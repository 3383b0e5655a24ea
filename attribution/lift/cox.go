package lift

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Span is a stretch of a deal's time during which its covariates stay as they are.
type Span struct {
	Start, Stop float64 // any unit; at risk after Start up to and including Stop
	Event       bool    // whether it ended with the event, at Stop
	X           []float64
}

// Cox is a proportional hazards model in continuous time: the cross-check of a
// [Hazard], whose odds ratio comes close to the hazard ratio when weeks are short.
type Cox struct {
	Terms   []string
	Coef    []float64 // log hazard ratios
	Cov     *mat.SymDense
	LogLik  float64 // partial
	LogLik0 float64 // with all coefficients zero
}

// FitCox fits a Cox model by partial likelihood, with ties after Efron (JASA 72,
// 1977, 557; R survival coxph). The order of spans changes nothing. Time grows with
// spans times distinct event times.
//
// Errors: ErrSingular, ErrSeparated, ErrUndefined without events; spans that are
// empty or have other than one value per term.
func FitCox(terms []string, spans []Span) (*Cox, error) {
	sorted, times, err := arranged(terms, spans)
	if err != nil {
		return nil, err
	}
	groups := make([]group, 0, len(sorted))
	for _, s := range sorted {
		groups = append(groups, group{x: s.X, trials: 1})
	}
	// A constant column is singular here: it would cancel.
	withOne := slices.Clone(groups)
	for i := range withOne {
		withOne[i].x = append([]float64{1}, withOne[i].x...)
	}
	if err := independent(append([]string{"constant"}, terms...), withOne); err != nil {
		return nil, err
	}
	logLik := func(coef []float64) float64 { ll, _, _ := efron(sorted, times, coef); return ll }
	m, ok := maximise(len(terms), logLik, func(coef []float64) (*mat.SymDense, *mat.VecDense, float64) {
		_, score, info := efron(sorted, times, coef)
		peak := 0.0
		for _, s := range sorted {
			peak = max(peak, math.Abs(dot(s.X, coef)))
		}
		return info, score, peak
	})
	if !ok {
		return nil, &TermError{terms[widest(groups, m.coef)], ErrSeparated}
	}
	return &Cox{slices.Clone(terms), m.coef, m.cov, m.logLik, logLik(make([]float64, len(terms)))}, nil
}

// arranged checks and sorts, centres the covariates so that their exponentials stay
// near one, and returns the distinct event times.
func arranged(terms []string, spans []Span) ([]Span, []float64, error) {
	sorted := slices.Clone(spans)
	var times []float64
	for i, s := range sorted {
		if len(s.X) != len(terms) || !(s.Start < s.Stop) {
			return nil, nil, fmt.Errorf("span %d: from %g to %g, %d values for %d terms", i, s.Start, s.Stop, len(s.X), len(terms))
		}
		if s.Event {
			times = append(times, s.Stop)
		}
	}
	if len(times) == 0 || len(terms) == 0 {
		return nil, nil, fmt.Errorf("%d events, %d terms: %w", len(times), len(terms), ErrUndefined)
	}
	slices.SortFunc(sorted, func(a, b Span) int {
		return cmp.Or(cmp.Compare(a.Stop, b.Stop), cmp.Compare(a.Start, b.Start), slices.Compare(a.X, b.X))
	})
	means := make([]float64, len(terms))
	for _, s := range sorted {
		for j, v := range s.X {
			means[j] += v / float64(len(sorted))
		}
	}
	for i := range sorted {
		x := slices.Clone(sorted[i].X)
		for j := range x {
			x[j] -= means[j]
		}
		sorted[i].X = x
	}
	slices.Sort(times)
	return sorted, slices.Compact(times), nil
}

// moments are the weighted sums of a set of spans: Σ w, Σ w x, Σ w x x'.
type moments struct {
	s0 float64
	s1 []float64
	s2 []float64
}

func (m *moments) add(w float64, x []float64) {
	m.s0 += w
	for j, xj := range x {
		m.s1[j] += w * xj
		for k, xk := range x {
			m.s2[j*len(x)+k] += w * xj * xk
		}
	}
}

// efron returns the partial log-likelihood, its score and information. Of d events
// at one time, the l-th sees a risk set in which the weight of the d is down by l/d.
func efron(spans []Span, times []float64, coef []float64) (float64, *mat.VecDense, *mat.SymDense) {
	p := len(coef)
	weight := make([]float64, len(spans))
	for i, s := range spans {
		weight[i] = math.Exp(dot(s.X, coef))
	}
	logLik, score, info := 0.0, make([]float64, p), make([]float64, p*p)
	for _, t := range times {
		risk := moments{s1: make([]float64, p), s2: make([]float64, p*p)}
		tied := moments{s1: make([]float64, p), s2: make([]float64, p*p)}
		var d float64
		first, _ := slices.BinarySearchFunc(spans, t, func(s Span, t float64) int { return cmp.Compare(s.Stop, t) })
		for i, s := range spans[first:] {
			if s.Start >= t {
				continue
			}
			risk.add(weight[first+i], s.X)
			if s.Event && s.Stop == t {
				tied.add(weight[first+i], s.X)
				d++
				logLik += dot(s.X, coef)
				for j, v := range s.X {
					score[j] += v
				}
			}
		}
		for l := range int(d) {
			part := float64(l) / d
			s0 := risk.s0 - part*tied.s0
			logLik -= math.Log(s0)
			for j := range p {
				mean := (risk.s1[j] - part*tied.s1[j]) / s0
				score[j] -= mean
				for k := range p {
					info[j*p+k] += (risk.s2[j*p+k]-part*tied.s2[j*p+k])/s0 - mean*(risk.s1[k]-part*tied.s1[k])/s0
				}
			}
		}
	}
	return logLik, mat.NewVecDense(p, score), mat.NewSymDense(p, info)
}
