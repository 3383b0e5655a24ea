package lift

import (
	"fmt"
	"math"
)

// Newcombe returns the difference of two plain rates, hits1 of n1 minus hits0 of n0,
// with the hybrid score interval (Newcombe, Statistics in Medicine 17, 1998, 873,
// method 10). It is for tables that are not stratified, such as the read-out of a
// randomised holdout, and holds for any counts; SE is left 0, because the interval
// does not come from one. Counts that are no rates are an error.
func Newcombe(hits1, n1, hits0, n0 int64) (Estimate, error) {
	if n1 < 1 || n0 < 1 || hits1 < 0 || hits0 < 0 || hits1 > n1 || hits0 > n0 {
		return Estimate{}, fmt.Errorf("difference of %d of %d and %d of %d: %w", hits1, n1, hits0, n0, ErrUndefined)
	}
	p1, low1, high1 := wilson(hits1, n1)
	p0, low0, high0 := wilson(hits0, n0)
	d := p1 - p0
	return Estimate{
		Value: d,
		Low:   max(-1, d-math.Hypot(p1-low1, high0-p0)),
		High:  min(1, d+math.Hypot(high1-p1, p0-low0)),
	}, nil
}

// wilson returns a rate and its 95 % score interval (Wilson, JASA 22, 1927, 209).
func wilson(hits, n int64) (p, low, high float64) {
	x, m := float64(hits), float64(n)
	p = x / m
	centre := (x + z95*z95/2) / (m + z95*z95)
	half := z95 * math.Sqrt(p*(1-p)*m+z95*z95/4) / (m + z95*z95)
	return p, max(0, centre-half), min(1, centre+half)
}

// EValue says how strong a hidden cause would have to be to explain a result away:
// it would have to go with both seeing the content and advancing by at least this
// risk ratio, beyond the strata. 1 means that nothing is needed.
type EValue struct {
	Point float64 // to bring the estimate to no effect
	Bound float64 // to bring the near end of the interval to no effect; 1 if that holds already
}

// EValueOf returns the E-value of a risk ratio and its interval, RR + sqrt(RR(RR-1))
// with 1/RR in place of an RR below 1 (VanderWeele and Ding, Annals of Internal
// Medicine 167, 2017, 268).
func EValueOf(rr Estimate) EValue {
	e := EValue{Point: eValue(rr.Value), Bound: 1}
	switch {
	case rr.Low > 1:
		e.Bound = eValue(rr.Low)
	case rr.High < 1:
		e.Bound = eValue(rr.High)
	}
	return e
}

func eValue(rr float64) float64 {
	if rr < 1 {
		rr = 1 / rr
	}
	return rr + math.Sqrt(rr*(rr-1))
}
