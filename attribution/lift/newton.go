package lift

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

const (
	maxSteps  = 60
	tolerance = 1e-9  // of a step, relative to 1 + |coefficient|
	certain   = 23.03 // log-odds at which a group is as good as certain: one in 10^10
)

// maximum is where a log-likelihood has its maximum.
type maximum struct {
	coef   []float64
	cov    *mat.SymDense // inverse of the information
	logLik float64
}

// maximise finds the maximum of a concave log-likelihood of p coefficients, from
// zero, by Newton's method with the information and the score. The third value of
// derivatives is the largest size of any linear predictor: if it runs away there is
// no maximum. It is false then, and coef is how far it came.
func maximise(p int, logLik func([]float64) float64, derivatives func([]float64) (*mat.SymDense, *mat.VecDense, float64)) (maximum, bool) {
	m := maximum{coef: make([]float64, p)}
	m.logLik = logLik(m.coef)
	next := make([]float64, p)
	for range maxSteps {
		information, score, peak := derivatives(m.coef)
		var chol mat.Cholesky
		var step mat.VecDense
		if peak > certain || !chol.Factorize(information) {
			return m, false
		}
		if err := chol.SolveVecTo(&step, score); err != nil { // the condition number is beyond what floats hold
			return m, false
		}
		largest := 0.0
		for j := range p {
			largest = max(largest, math.Abs(step.AtVec(j))/(1+math.Abs(m.coef[j])))
		}
		if math.IsNaN(largest) || math.IsInf(largest, 1) {
			return m, false
		}
		// Some part of the step always improves; far from the maximum that may be a
		// small part. The slack is for rounding, which near the maximum is larger than
		// what is still to gain.
		slack := 1e-11 * (1 + math.Abs(m.logLik))
		for scale := 1.0; ; scale /= 2 {
			for j := range p {
				next[j] = m.coef[j] + scale*step.AtVec(j)
			}
			if ll := logLik(next); ll >= m.logLik-slack || largest*scale < tolerance {
				m.logLik = ll
				break
			}
		}
		copy(m.coef, next)
		if largest < tolerance {
			m.cov = mat.NewSymDense(p, nil)
			return m, chol.InverseTo(m.cov) == nil
		}
	}
	return m, false
}
