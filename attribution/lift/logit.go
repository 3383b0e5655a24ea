package lift

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

var (
	// ErrSingular is the error of a design in which a term says nothing that the
	// terms before it do not say. It comes in a TermError.
	ErrSingular = errors.New("says nothing that the terms before it do not")
	// ErrSeparated is the error of a likelihood without a maximum: a term tells the
	// outcomes apart without exception, and its odds ratio is zero or infinite. It
	// comes in a TermError.
	ErrSeparated = errors.New("tells the outcomes apart without exception, so it has no finite odds ratio")
)

// TermError says which term has no coefficient.
type TermError struct {
	Term string
	Err  error // ErrSingular or ErrSeparated
}

func (e *TermError) Error() string { return fmt.Sprintf("%q %v", e.Term, e.Err) }
func (e *TermError) Unwrap() error { return e.Err }

// aliased is the share of a column's squares that the columns before it must leave
// over, or it is a combination of them.
const aliased = 1e-9

// Logit is a logistic regression.
type Logit struct {
	Terms  []string
	Coef   []float64 // log-odds, one per term
	Cov    *mat.SymDense
	LogLik float64 // of single trials, so that grouping does not change it
}

// group is a row of the design with the trials that share it.
type group struct {
	x            []float64
	trials, hits int64
}

// FitLogit fits a logistic regression by maximum likelihood to grouped binomial
// rows: hits[i] of trials[i] at rows[i], which has one value per term. Rows with
// equal values are added up and all are sorted, so that neither order nor grouping
// changes a bit. It is Newton's method, which here is iteratively reweighted least
// squares (McCullagh and Nelder, Generalized Linear Models, 1989, 4.4).
//
// Errors: ErrSingular and ErrSeparated, and counts or lengths that cannot be.
func FitLogit(terms []string, rows [][]float64, trials, hits []int64) (*Logit, error) {
	groups, err := grouped(terms, rows, trials, hits)
	if err != nil {
		return nil, err
	}
	if err := independent(terms, groups); err != nil {
		return nil, err
	}
	m, ok := maximise(len(terms), func(coef []float64) float64 { return logLik(groups, coef) },
		func(coef []float64) (*mat.SymDense, *mat.VecDense, float64) { return derivatives(groups, coef) })
	if !ok {
		return nil, &TermError{terms[widest(groups, m.coef)], ErrSeparated}
	}
	return &Logit{Terms: slices.Clone(terms), Coef: m.coef, Cov: m.cov, LogLik: m.logLik}, nil
}

// grouped checks, sorts and adds up.
func grouped(terms []string, rows [][]float64, trials, hits []int64) ([]group, error) {
	if len(terms) == 0 || len(rows) != len(trials) || len(rows) != len(hits) {
		return nil, fmt.Errorf("%d terms, %d rows, %d trials, %d hits", len(terms), len(rows), len(trials), len(hits))
	}
	all := make([]group, 0, len(rows))
	for i, x := range rows {
		if len(x) != len(terms) || trials[i] < 0 || hits[i] < 0 || hits[i] > trials[i] {
			return nil, fmt.Errorf("row %d: %d values for %d terms, %d of %d", i, len(x), len(terms), hits[i], trials[i])
		}
		if trials[i] > 0 {
			all = append(all, group{x, trials[i], hits[i]})
		}
	}
	slices.SortFunc(all, func(a, b group) int { return slices.Compare(a.x, b.x) })
	merged := all[:0]
	for _, g := range all {
		if n := len(merged); n > 0 && slices.Equal(merged[n-1].x, g.x) {
			merged[n-1].trials += g.trials
			merged[n-1].hits += g.hits
			continue
		}
		merged = append(merged, g)
	}
	return merged, nil
}

// independent returns ErrSingular for the first term that is a combination of those
// before it, by the pivots of the Cholesky factor of the correlation-like matrix.
func independent(terms []string, groups []group) error {
	p := len(terms)
	gram := make([][]float64, p)
	for j := range gram {
		gram[j] = make([]float64, j+1)
		for _, g := range groups {
			for k := range gram[j] {
				gram[j][k] += float64(g.trials) * g.x[j] * g.x[k]
			}
		}
	}
	for j := range p {
		whole := gram[j][j]
		for k := range j {
			for m := range k {
				gram[j][k] -= gram[j][m] * gram[k][m]
			}
			gram[j][k] /= gram[k][k]
			gram[j][j] -= gram[j][k] * gram[j][k]
		}
		if !(gram[j][j] > aliased*whole) {
			return &TermError{terms[j], ErrSingular}
		}
		gram[j][j] = math.Sqrt(gram[j][j])
	}
	return nil
}

// derivatives returns the information X'WX, the score X'(y - np), and the largest
// size of any group's log-odds.
func derivatives(groups []group, coef []float64) (*mat.SymDense, *mat.VecDense, float64) {
	p := len(coef)
	info, score := make([]float64, p*p), make([]float64, p)
	peak := 0.0
	for _, g := range groups {
		eta := dot(g.x, coef)
		peak = max(peak, math.Abs(eta))
		n, prob := float64(g.trials), expit(eta)
		w, r := n*prob*(1-prob), float64(g.hits)-n*prob
		for j, xj := range g.x {
			if xj == 0 {
				continue // most of a design is zeros
			}
			score[j] += r * xj
			row := info[j*p:]
			for k := j; k < p; k++ {
				row[k] += w * xj * g.x[k]
			}
		}
	}
	return mat.NewSymDense(p, info), mat.NewVecDense(p, score), peak
}

// widest returns the term that moves the log-odds most between groups: the one that
// runs away when a likelihood has no maximum.
func widest(groups []group, coef []float64) int {
	at, most := 0, -1.0
	for j := range coef {
		low, high := math.Inf(1), math.Inf(-1)
		for _, g := range groups {
			low, high = min(low, g.x[j]), max(high, g.x[j])
		}
		if w := math.Abs(coef[j]) * max(high-low, math.Abs(high)); w > most {
			at, most = j, w
		}
	}
	return at
}

// logLik is the log-likelihood of single trials.
func logLik(groups []group, coef []float64) float64 {
	var sum float64
	for _, g := range groups {
		eta := dot(g.x, coef)
		sum += float64(g.hits)*eta - float64(g.trials)*softplus(eta)
	}
	return sum
}

// Term returns a coefficient with its standard error and interval, on the scale of
// log-odds; false if the model does not have the term.
func (l *Logit) Term(name string) (Estimate, bool) {
	j := slices.Index(l.Terms, name)
	if j < 0 {
		return Estimate{}, false
	}
	b, se := l.Coef[j], math.Sqrt(l.Cov.At(j, j))
	return Estimate{b, se, b - z95*se, b + z95*se}, true
}

func dot(x, y []float64) float64 {
	var sum float64
	for i := range x {
		sum += x[i] * y[i]
	}
	return sum
}

func expit(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// softplus is log(1 + e^x) without overflow.
func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }
