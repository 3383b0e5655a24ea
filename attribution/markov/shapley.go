package markov

import (
	"context"
	"fmt"
	"math"
	"math/bits"

	"dealtrail/trail"
)

// MaxExact is how many players a game may have to be solved exactly: 65,536 coalitions.
const MaxExact = 16

// Shapley returns the exact Shapley value of each of up to MaxExact players.
// Worth is asked once for each coalition, a bit for each player; values add up to
// worth(all) - worth(0), in worth's unit.
func Shapley(players int, worth func(coalition uint32) float64) ([]float64, error) {
	if players < 0 || players > MaxExact {
		return nil, fmt.Errorf("%d players, and exact values are for up to %d", players, MaxExact)
	}
	table := make([]float64, 1<<players)
	for s := range table {
		table[s] = worth(uint32(s))
	}
	return exact(players, table), nil
}

// exact is Shapley for the worth of each coalition.
func exact(players int, worth []float64) []float64 {
	weight := make([]float64, players) // by size: size! (players-size-1)! / players!
	for size := range weight {
		weight[size] = 1 / float64(players)
		for i := 1; i <= size; i++ { // 1 / (players choose-from-the-others size)
			weight[size] *= float64(i) / float64(players-i)
		}
	}
	values := make([]float64, players)
	for p := range values {
		bit := 1 << p
		for s := range worth {
			if s&bit == 0 {
				values[p] += weight[bits.OnesCount(uint(s))] * (worth[s|bit] - worth[s])
			}
		}
	}
	return values
}

// Game is the Shapley values of a chain: contents play for P(conversion) and for
// the value per journey.
type Game struct {
	Totals                // as in Result
	Untouched    Totals   // the worth of no content at all, which nobody gets
	Contents     []Player // one for each content, in the order of the contents
	Exact        bool     // all coalitions were computed; there is no sampling error
	Permutations int      // how many were drawn; 0 if exact
	Error        Pair     // sampling error: expected sum of absolute errors over the sum of values; 0 if exact
	Reached      bool     // the error is at most the target, or exact
}

// Player is a content's Shapley value and its credit.
type Player struct {
	Content     string
	Worth       Pair    // Shapley value: conversions per journey, and minor units per journey; at least 0
	StdErr      Pair    // sampling error of Worth, one standard error; 0 if exact
	Share       Pair    // Worth over the sum of Worth: sums to 1, or to 0 if there is nothing to share
	Conversions float64 // Share of all conversions
	Value       int64   // Share of the whole value in minor units, by largest remainder
}

// Sampling says how values are found when there are more than MaxExact contents.
// The zero value is usable.
type Sampling struct {
	Permutations int     // at most so many, rounded up to whole batches of 64; 0: 1,000
	Target       float64 // stop once Game.Error is at most this, count and value; 0: 0.01
	Seed         uint64  // the same seed draws the same permutations
	All          bool    // draw all permutations, target reached or not, and also when exact values could be had
}

// Shapley returns the Shapley values of the Markov game at order 1. It is exact
// when up to MaxExact contents occur. A chain of another order is a trail.Invalid
// problem; ctx stops it between permutations.
func (c *Chain) Shapley(ctx context.Context, o Sampling) (*Game, error) {
	if c.graph.order != 1 {
		return nil, trail.Problemf(trail.Invalid, "Shapley values are computed at order 1, not %d.", c.graph.order)
	}
	if o.Permutations < 0 || o.Target < 0 || math.IsNaN(o.Target) {
		return nil, trail.Problemf(trail.Invalid, "The number of permutations and the target error of a Shapley model are 0 or more.")
	}
	if o.Permutations == 0 {
		o.Permutations = 1_000
	}
	if o.Target == 0 {
		o.Target = 0.01
	}
	m := newMatrix(c.graph, c.tally)
	game := &Game{Totals: c.totals(), Untouched: c.untouched(), Contents: make([]Player, len(c.contents))}
	var worth, stderr []Pair
	if m.n <= MaxExact && !o.All {
		worth, stderr = m.exact(), make([]Pair, m.n)
		game.Exact, game.Reached = true, true
	} else {
		var err error
		if worth, stderr, err = m.sample(ctx, o, game); err != nil {
			return nil, err
		}
	}
	for i, id := range c.contents {
		game.Contents[i].Content = id
	}
	all := make([]Pair, len(c.contents))
	for i := range worth {
		at := c.graph.grams[i+1][0] - 1
		all[at], game.Contents[at].StdErr = worth[i], stderr[i]
	}
	share := shares(all)
	values := divide(game.Totals.Value, share)
	for i := range game.Contents {
		p := &game.Contents[i]
		p.Worth, p.Share = all[i], share[i]
		p.Conversions, p.Value = share[i].Count*float64(game.Conversions), values[i]
	}
	return game, nil
}

// matrix is I-Q of the contents that occur, bordered by the start below and by
// the ends to the right: rows of n+2, the last two r and rv.
type matrix struct {
	n    int
	rows []float64 // n+1 rows; row n is what leaves the start, negative like the others, and is not used in the last two columns
}

func newMatrix(g *graph, t *tally) *matrix {
	n := len(g.grams) - 1
	m := &matrix{n: n, rows: make([]float64, (n+1)*(n+2))}
	for s := range n + 1 {
		row := m.row((s + n) % (n + 1)) // the start is state 0 and row n
		if s > 0 {
			row[s-1] = 1
			row[n], row[n+1] = ratio(float64(t.won[s]), float64(t.left[s])), ratio(float64(t.value[s]), float64(t.left[s]))
		}
		for e := g.first[s]; e < g.first[s+1]; e++ {
			row[g.edges[e].to-1] = -ratio(float64(t.edges[e]), float64(t.left[s]))
		}
	}
	return m
}

func (m *matrix) row(i int) []float64 { return m.rows[i*(m.n+2) : (i+1)*(m.n+2)] }

// border is the LU decomposition of the rows and columns of the contents added so
// far, which grows by one content in O(n^2) and forgets the last one for free.
type border struct {
	m     *matrix
	added []int
	l, u  [MaxExact][MaxExact]float64 // rows of L, columns of U
	z, zv [MaxExact]float64           // L^-1 r, L^-1 rv
	in    [MaxExact]float64           // q U^-1
}

// add returns what the content adds to the worth of those added before.
func (b *border) add(c int) (worth Pair) {
	m, k := b.m, len(b.added)
	row, start := m.row(c), m.row(m.n)
	diagonal, z, zv, in := row[c], row[m.n], row[m.n+1], -start[c]
	for i, a := range b.added {
		u, l := m.row(a)[c], row[a]
		for j := range i {
			u -= b.l[i][j] * b.u[k][j]
			l -= b.l[k][j] * b.u[i][j]
		}
		l /= b.u[i][i]
		b.u[k][i], b.l[k][i] = u, l
		diagonal -= l * u
		z, zv, in = z-l*b.z[i], zv-l*b.zv[i], in-b.in[i]*u
	}
	b.u[k][k] = diagonal
	b.z[k], b.zv[k], b.in[k] = z, zv, in/diagonal
	b.added = append(b.added, c)
	return Pair{b.in[k] * z, b.in[k] * zv}
}

// exact returns the Shapley value of each content from the worth of all coalitions.
func (m *matrix) exact() []Pair {
	count, value := make([]float64, 1<<m.n), make([]float64, 1<<m.n)
	b := &border{m: m}
	var extend func(coalition, next int)
	extend = func(coalition, next int) {
		for c := next; c < m.n; c++ {
			more, with := b.add(c), coalition|1<<c
			count[with], value[with] = count[coalition]+more.Count, value[coalition]+more.Value
			extend(with, c+1)
			b.added = b.added[:len(b.added)-1]
		}
	}
	extend(0, 0)
	all := make([]Pair, m.n)
	byCount, byValue := exact(m.n, count), exact(m.n, value)
	for i := range all {
		all[i] = Pair{max(byCount[i], 0), max(byValue[i], 0)} // the game has no negative values, only last bits
	}
	return all
}
