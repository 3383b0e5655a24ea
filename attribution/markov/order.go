package markov

import (
	"math"

	"gonum.org/v1/gonum/floats"

	"dealtrail/trail"
)

const (
	// tolerance is how much of a sum over all states a solution may leave unaccounted for.
	tolerance = 1e-14
	// maxSweeps is when sweeps give way to GMRES: usual journeys take some 20, those that go round for long more.
	maxSweeps = 100
	// GMRES has so many directions, and so many times.
	directions, restarts = 40, 100
)

// removalBySweeps is removal at any order without an inverse. d[0] of d = h on
// the states with the content, d = Q d elsewhere, is N[0,S] N[S,S]^-1 h[S]: the
// states in which the content is first met, and success from there.
func (g *graph) removalBySweeps(t *tally, effects []Pair) error {
	n := len(g.grams)
	y := newSystem(g, t)
	conversions, _ := t.totals()
	totals := [2]int64{conversions, t.worth()}
	var h [2][]float64
	for k, ends := range [2][]int64{t.won, t.value} {
		h[k] = make([]float64, n)
		r := make([]float64, n)
		for s := range r {
			r[s] = ratio(float64(ends[s]), y.visits[s])
		}
		if err := y.solve(h[k], r); err != nil {
			return err
		}
	}
	d, none := make([]float64, n), make([]float64, n)
	for c := range effects {
		seen := false
		for s, gram := range g.grams {
			y.fixed[s] = gram.has(uint32(c + 1))
			seen = seen || y.fixed[s] && t.left[s] > 0
		}
		if !seen {
			continue
		}
		var lost [2]float64
		for k := range lost {
			for s := range d {
				d[s] = 0
				if y.fixed[s] {
					d[s] = h[k][s]
				}
			}
			if err := y.solve(d, none); err != nil {
				return err
			}
			lost[k] = part(d[0]*y.visits[0], totals[k])
		}
		effects[c] = Pair{lost[0], lost[1]}
	}
	return nil
}

// system is x = r + Q x with x given in the states that are fixed.
type system struct {
	graph  *graph
	q      []float64 // by edge
	visits []float64 // by state
	fixed  []bool    // by state
}

func newSystem(g *graph, t *tally) *system {
	y := &system{graph: g, q: make([]float64, len(g.edges)), visits: make([]float64, len(g.grams)), fixed: make([]bool, len(g.grams))}
	for s, n := range t.left {
		y.visits[s] = float64(n)
	}
	for i, e := range g.edges {
		y.q[i] = ratio(float64(t.edges[i]), y.visits[e.from])
	}
	return y
}

// next is (Q x)[s].
func (y *system) next(x []float64, s int) (v float64) {
	for e := y.graph.first[s]; e < y.graph.first[s+1]; e++ {
		v += y.q[e] * x[y.graph.edges[e].to]
	}
	return v
}

// solve fills in x, which is 0 in the states that are not fixed. What x[start] is
// off by, times the journeys, is at most the sum over states of visits times
// |r + Q x - x|, since a journey that may end early visits no state more often,
// and no more than visits times the last change of Gauss-Seidel sweeps: a change
// is felt once for each step into its state. It stops when that is nothing beside
// the sum of visits times x.
func (y *system) solve(x, r []float64) error {
	n := len(x)
	for range maxSweeps {
		for s := n - 1; s >= 0; s-- {
			if !y.fixed[s] {
				x[s] = r[s] + y.next(x, s)
			}
		}
		var missing, sum float64
		for s := range n {
			if !y.fixed[s] {
				v := r[s] + y.next(x, s)
				missing += y.visits[s] * math.Abs(v-x[s])
				x[s] = v
			}
			sum += y.visits[s] * x[s]
		}
		if missing <= tolerance*sum {
			return nil
		}
	}
	return y.gmres(x, r)
}

// gmres brings x closer where sweeps are slow, because some journeys go round for
// long: restarted GMRES (Saad and Schultz 1986), preconditioned by half a sweep.
func (y *system) gmres(x, r []float64) error {
	n := len(x)
	basis := make([][]float64, directions+1)
	for i := range basis {
		basis[i] = make([]float64, n)
	}
	for range restarts {
		start := basis[0]
		var missing, sum float64
		for s := range n {
			start[s] = 0
			if !y.fixed[s] {
				start[s] = r[s] + y.next(x, s) - x[s]
			}
			missing += y.visits[s] * math.Abs(start[s])
			sum += y.visits[s] * math.Abs(x[s])
		}
		if missing <= tolerance*sum {
			return nil
		}
		y.halfSweep(start)
		y.improve(x, basis)
	}
	return trail.Problemf(trail.Invalid, "Some journeys go round for too long for order %d; choose order 1.", y.graph.order)
}

// halfSweep solves (I - U) z = b in place; U is the part of Q to later states.
func (y *system) halfSweep(b []float64) {
	for s := len(b) - 1; s >= 0; s-- {
		if y.fixed[s] {
			b[s] = 0
			continue
		}
		for e := y.graph.first[s+1] - 1; e >= y.graph.first[s] && int(y.graph.edges[e].to) > s; e-- {
			b[s] += y.q[e] * b[y.graph.edges[e].to]
		}
	}
}

// improve adds to x the combination of directions that leaves the least of
// basis[0], which is what x lacks: Arnoldi's method and Givens rotations.
func (y *system) improve(x []float64, basis [][]float64) {
	var h [directions + 1][directions]float64 // upper Hessenberg, made triangular
	var cos, sin [directions]float64
	var left [directions + 1]float64
	left[0] = floats.Norm(basis[0], 2)
	if left[0] == 0 {
		return
	}
	floats.Scale(1/left[0], basis[0])
	enough := 1e-15 * left[0]
	k := 0
	for k < directions && math.Abs(left[k]) > enough {
		v, w := basis[k], basis[k+1]
		for s := range w {
			w[s] = 0
			if !y.fixed[s] {
				w[s] = v[s] - y.next(v, s)
			}
		}
		y.halfSweep(w)
		for i := range k + 1 {
			h[i][k] = floats.Dot(w, basis[i])
			floats.AddScaled(w, -h[i][k], basis[i])
		}
		norm := floats.Norm(w, 2)
		for i := range k {
			h[i][k], h[i+1][k] = cos[i]*h[i][k]+sin[i]*h[i+1][k], cos[i]*h[i+1][k]-sin[i]*h[i][k]
		}
		length := math.Hypot(h[k][k], norm)
		if length == 0 {
			break
		}
		cos[k], sin[k] = h[k][k]/length, norm/length
		h[k][k] = length
		left[k], left[k+1] = cos[k]*left[k], -sin[k]*left[k]
		k++
		if norm == 0 {
			break
		}
		floats.Scale(1/norm, w)
	}
	for i := k - 1; i >= 0; i-- {
		for j := i + 1; j < k; j++ {
			left[i] -= h[i][j] * left[j]
		}
		left[i] /= h[i][i]
	}
	for i := range k {
		floats.AddScaled(x, left[i], basis[i])
	}
}
