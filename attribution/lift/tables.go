package lift

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// z95 is the two-sided 95 % point of the normal distribution.
const z95 = 1.959963984540054

// ErrUndefined is the error of a statistic that the counts do not define, such as
// an odds ratio when no control advanced.
var ErrUndefined = errors.New("not defined by these counts")

// Table is the 2x2 table of one stratum, in stage entries. An entry is exposed if
// its deal had seen the content at the landmark, otherwise it is a control; it
// advanced if the deal did within the horizon after the landmark.
type Table struct {
	Stratum         string // what the entries have in common, such as "2|small"; any text
	Exposed         int64
	ExposedAdvanced int64 // at most Exposed
	Control         int64
	ControlAdvanced int64 // at most Control
}

// Estimate is a number with its standard error and 95 % interval. For a ratio, SE
// is that of its natural logarithm.
type Estimate struct {
	Value, SE, Low, High float64
}

// Test is a score test: Z is positive if the exposed did better than expected, P is
// two-sided, Z² has one degree of freedom.
type Test struct {
	Z, P float64
}

// Strata are the tables of one content: one per stratum, sorted. [Stratify] makes
// them.
type Strata []Table

// Stratify adds up tables of the same stratum and sorts. A table with a negative
// count, or with more advanced than there are, is an error that names it.
func Stratify(tables []Table) (Strata, error) {
	s := slices.Clone(tables)
	slices.SortFunc(s, func(a, b Table) int { return cmp.Compare(a.Stratum, b.Stratum) })
	merged := s[:0]
	for _, t := range s {
		if t.ExposedAdvanced < 0 || t.ControlAdvanced < 0 || t.ExposedAdvanced > t.Exposed || t.ControlAdvanced > t.Control {
			return nil, fmt.Errorf("stratum %q: %d of %d exposed and %d of %d controls advanced", t.Stratum, t.ExposedAdvanced, t.Exposed, t.ControlAdvanced, t.Control)
		}
		if n := len(merged); n > 0 && merged[n-1].Stratum == t.Stratum {
			merged[n-1] = merged[n-1].plus(t)
			continue
		}
		merged = append(merged, t)
	}
	return merged, nil
}

// plus adds the counts of another table.
func (t Table) plus(o Table) Table {
	t.Exposed += o.Exposed
	t.ExposedAdvanced += o.ExposedAdvanced
	t.Control += o.Control
	t.ControlAdvanced += o.ControlAdvanced
	return t
}

// counts returns the table as the formulas write it: a of n1 exposed and c of n0
// controls advanced, n in all.
func (t Table) counts() (a, n1, c, n0, n float64) {
	a, n1, c, n0 = float64(t.ExposedAdvanced), float64(t.Exposed), float64(t.ControlAdvanced), float64(t.Control)
	return a, n1, c, n0, n1 + n0
}

// Compared returns the strata that have both exposed entries and controls. The
// others have no weight in any statistic here.
func (s Strata) Compared() Strata {
	return slices.DeleteFunc(slices.Clone(s), func(t Table) bool { return t.Exposed == 0 || t.Control == 0 })
}

// Total returns the sum over all strata, without a name.
func (s Strata) Total() Table {
	var sum Table
	for _, t := range s {
		sum = sum.plus(t)
	}
	return sum
}

// RiskDifference returns the Mantel-Haenszel risk difference: by how much more often
// the exposed advanced than controls of the same stratum, from -1 to 1.
//
//	RD = Σ (a n0 - c n1)/n / Σ n1 n0/n
//
// The variance is Sato's (Sato, Biometrics 45, 1989, 1323), which holds for few
// large strata and for many small ones. It is ErrUndefined if no stratum has both
// sides, or if the variance is not positive because all or nobody advanced.
func (s Strata) RiskDifference() (Estimate, error) {
	var top, weight, sumP, sumQ float64
	for _, t := range s.Compared() {
		a, n1, c, n0, n := t.counts()
		top += (a*n0 - c*n1) / n
		weight += n1 * n0 / n
		sumP += (n1*n1*c - n0*n0*a + n1*n0*(n0-n1)/2) / (n * n)
		sumQ += (a*(n0-c) + c*(n1-a)) / (2 * n)
	}
	rd := top / weight
	variance := (rd*sumP + sumQ) / (weight * weight)
	if !(weight > 0) || !(variance > 0) {
		return Estimate{}, fmt.Errorf("risk difference: %w", ErrUndefined)
	}
	se := math.Sqrt(variance)
	return Estimate{rd, se, max(-1, rd-z95*se), min(1, rd+z95*se)}, nil
}

// Rates returns how often the exposed and the controls advanced, strata weighted as
// the risk difference weighs them, whose difference it is; 0 and 0 if no stratum has
// both sides.
func (s Strata) Rates() (exposed, control float64) {
	var weight float64
	for _, t := range s.Compared() {
		a, n1, c, n0, n := t.counts()
		exposed, control = exposed+a*n0/n, control+c*n1/n
		weight += n1 * n0 / n
	}
	if weight == 0 {
		return 0, 0
	}
	return exposed / weight, control / weight
}

// CMH returns the Cochran-Mantel-Haenszel score test without continuity correction
// (Mantel and Haenszel, J Natl Cancer Inst 22, 1959, 719; R mantelhaen.test with
// correct = FALSE). It takes its p-value from what would be if the content did
// nothing, and so stays honest with small counts where RD/SE does not. It is
// ErrUndefined if no stratum has both sides and both outcomes.
func (s Strata) CMH() (Test, error) {
	var excess, variance float64
	for _, t := range s.Compared() {
		a, n1, c, n0, n := t.counts()
		m := a + c
		excess += a - n1*m/n
		variance += n1 * n0 * m * (n - m) / (n * n * (n - 1))
	}
	if !(variance > 0) {
		return Test{}, fmt.Errorf("CMH test: %w", ErrUndefined)
	}
	z := excess / math.Sqrt(variance)
	return Test{z, twoSided(z)}, nil
}

// twoSided returns the two-sided p-value of a standard normal z.
func twoSided(z float64) float64 { return math.Erfc(math.Abs(z) / math.Sqrt2) }

// OddsRatio returns the Mantel-Haenszel common odds ratio of advancing, with the
// variance of its logarithm after Robins, Breslow and Greenland (Biometrics 42,
// 1986, 311). It is ErrUndefined if it would be zero or infinite.
func (s Strata) OddsRatio() (Estimate, error) {
	var r, q, pr, cross, qs float64
	for _, t := range s.Compared() {
		a, n1, c, n0, n := t.counts()
		b, d := n1-a, n0-c
		up, down := a*d/n, b*c/n
		same, other := (a+d)/n, (b+c)/n
		r += up
		q += down
		pr += same * up
		cross += same*down + other*up
		qs += other * down
	}
	if r == 0 || q == 0 {
		return Estimate{}, fmt.Errorf("odds ratio: %w", ErrUndefined)
	}
	return ratio(r/q, math.Sqrt(pr/(2*r*r)+cross/(2*r*q)+qs/(2*q*q))), nil
}

// RiskRatio returns the Mantel-Haenszel risk ratio of advancing, with the variance
// of its logarithm after Greenland and Robins (Biometrics 41, 1985, 55). It is
// ErrUndefined if it would be zero or infinite. The E-value is on this scale.
func (s Strata) RiskRatio() (Estimate, error) {
	var r, q, v float64
	for _, t := range s.Compared() {
		a, n1, c, n0, n := t.counts()
		r += a * n0 / n
		q += c * n1 / n
		v += ((a+c)*n1*n0 - a*c*n) / (n * n)
	}
	if r == 0 || q == 0 {
		return Estimate{}, fmt.Errorf("risk ratio: %w", ErrUndefined)
	}
	return ratio(r/q, math.Sqrt(v/(r*q))), nil
}

// ratio returns a ratio with the interval that is symmetric on the log scale.
func ratio(value, se float64) Estimate {
	return Estimate{value, se, value * math.Exp(-z95*se), value * math.Exp(z95*se)}
}
