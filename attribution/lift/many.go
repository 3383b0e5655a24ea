package lift

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// FalseDiscovery is the share of wrong contents among those said to have an effect
// that a report allows itself, on average.
const FalseDiscovery = 0.10

// Adjust returns the q-values of the p-values of one family, in the same order: the
// smallest false discovery rate at which each would still be counted (Benjamini and
// Hochberg, J R Statist Soc B 57, 1995, 289; R p.adjust "BH"). A family is one
// report: all contents that have a number in it, whatever is shown. A p-value
// outside 0 to 1 is an error.
func Adjust(p []float64) ([]float64, error) {
	order := make([]int, len(p))
	for i := range p {
		if !(p[i] >= 0 && p[i] <= 1) {
			return nil, fmt.Errorf("p-value %g is not from 0 to 1", p[i])
		}
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(p[b], p[a]) })
	q := make([]float64, len(p))
	least := 1.0
	for down, i := range order {
		rank := len(p) - down // equal p-values get the q of the highest rank among them
		least = min(least, p[i]*float64(len(p))/float64(rank))
		q[i] = least
	}
	return q, nil
}

// Library is the normal distribution of true effects over all contents that the
// estimates suggest.
type Library struct {
	Mean, MeanSE float64
	Spread       float64 // tau, the standard deviation of true effects; 0 if all may be equal
}

// Shrink returns, in the same order, what is left of each estimate once its luck is
// taken out, and the library it was judged against: the posterior mean under a
// normal distribution of true effects, whose variance tau² is the moment estimate of
// DerSimonian and Laird (Controlled Clinical Trials 7, 1986, 177):
//
//	Q = Σ w (y - ȳw)²,  w = 1/SE²
//	tau² = max(0, (Q - (k-1)) / (Σ w - Σ w²/Σ w))
//	shrunk = mean + B (y - mean),  B = tau²/(tau² + SE²)
//
// The variance of a shrunk effect is B SE² + (1-B)² Var(mean) (Morris, JASA 78,
// 1983, 47, without the part for tau² being estimated). Lists are ordered by shrunk
// effects, because the largest raw ones are mostly those of small contents. An SE
// that is not positive is an error.
func Shrink(effects []Estimate) ([]Estimate, Library, error) {
	for _, e := range effects {
		if !(e.SE > 0) || math.IsInf(e.SE, 0) || math.IsNaN(e.Value) || math.IsInf(e.Value, 0) {
			return nil, Library{}, fmt.Errorf("effect %g with standard error %g: %w", e.Value, e.SE, ErrUndefined)
		}
	}
	if len(effects) == 0 {
		return nil, Library{}, nil
	}
	sorted := slices.Clone(effects)
	slices.SortFunc(sorted, func(a, b Estimate) int {
		return cmp.Or(cmp.Compare(a.Value, b.Value), cmp.Compare(a.SE, b.SE))
	})
	mean, weight, squares := weighted(sorted, 0)
	var q float64
	for _, e := range sorted {
		q += math.Pow((e.Value-mean)/e.SE, 2)
	}
	tau2 := 0.0
	if spare := weight - squares/weight; len(sorted) > 1 && spare > 0 {
		tau2 = max(0, (q-float64(len(sorted)-1))/spare)
	}
	mean, weight, _ = weighted(sorted, tau2)
	lib := Library{Mean: mean, MeanSE: math.Sqrt(1 / weight), Spread: math.Sqrt(tau2)}
	shrunk := make([]Estimate, len(effects))
	for i, e := range effects {
		b := tau2 / (tau2 + e.SE*e.SE)
		value := mean + b*(e.Value-mean)
		se := math.Sqrt(b*e.SE*e.SE + (1-b)*(1-b)/weight)
		shrunk[i] = Estimate{value, se, value - z95*se, value + z95*se}
	}
	return shrunk, lib, nil
}

// weighted returns the mean of effects by 1/(SE² + tau²), the sum of these weights
// and the sum of their squares.
func weighted(effects []Estimate, tau2 float64) (mean, weight, squares float64) {
	for _, e := range effects {
		w := 1 / (e.SE*e.SE + tau2)
		mean += w * e.Value
		weight += w
		squares += w * w
	}
	return mean / weight, weight, squares
}
