package markov

import (
	"errors"
	"fmt"
	"slices"

	"dealtrail/trail"
)

const (
	// MaxOrder is the longest memory of a chain, in contents.
	MaxOrder = 3
	// MaxDense is how many different contents may occur at order 1, where a matrix of their number squared is inverted.
	MaxDense = 2_000
	// MaxStates is how many k-grams may occur at orders 2 and 3: enough for content kinds, not for single contents.
	MaxStates = 20_000
	// MaxSum is the largest sum of journeys or of value in minor units: floating point is exact up to here.
	MaxSum = 1 << 53
)

// Gram is up to order contents in a row, oldest first, as 1-based positions in
// the sorted list of contents, which is what ClickHouse's indexOf gives. What is
// not used is 0, at the end. A Move's zero Gram is the start or the end.
type Gram [MaxOrder]uint32

func (g Gram) size() int {
	for i, c := range g {
		if c == 0 {
			return i
		}
	}
	return MaxOrder
}

func (g Gram) has(content uint32) bool { return slices.Contains(g[:], content) }

// Move is one row of counts, what SQL gives with GROUP BY from, to:
//
//	SELECT from, to, sum(conversions), sum(nulls), sum(value) ...
//	ARRAY JOIN arrayPushFront(grams, start) AS from, arrayPushBack(grams, end) AS to
//
// over journeys, each counted in every row that it passes. Rows with the same
// From and To are added up, so any split into parts will do.
type Move struct {
	From        Gram  // zero: the start
	To          Gram  // zero: the journey ends after From, won or lost
	Conversions int64 // won journeys
	Nulls       int64 // lost journeys
	Value       int64 // minor units won; read only where the journey ends
}

// Path is a counted path: all journeys with the same contents in the same order.
type Path struct {
	Contents    []uint32 // 1-based positions in the sorted list of contents; may be empty
	Conversions int64    // won journeys
	Nulls       int64    // lost journeys
	Value       int64    // minor units won, of all of them together
}

// Chain is a Markov chain of journeys. It is not changed once it is made.
type Chain struct {
	contents []string
	graph    *graph
	tally    *tally
}

// New returns the chain of the moves. Contents are the IDs that moves refer to
// (at orders 2 and 3 meant to be content kinds), sorted and without repeats;
// order is 1 to MaxOrder. What a person can mend is a *trail.Problem: no
// journeys, no lost ones, an order that there is not, too many states. Moves
// that no set of journeys can have made are another error.
func New(contents []string, order int, moves []Move) (*Chain, error) {
	return newChain(contents, order, moves, true)
}

// FromPaths is New for counted paths.
func FromPaths(contents []string, order int, paths []Path) (*Chain, error) {
	if err := check(contents, order); err != nil {
		return nil, err
	}
	moves, err := movesOf(len(contents), order, paths)
	if err != nil {
		return nil, err
	}
	return New(contents, order, moves)
}

// check refuses what cannot be a list of contents or an order.
func check(contents []string, order int) error {
	if order < 1 || order > MaxOrder {
		return trail.Problemf(trail.Invalid, "There is no Markov model of order %d; choose 1 to %d.", order, MaxOrder)
	}
	for i, c := range contents {
		if c == "" {
			return errors.New("a content has no ID")
		}
		if i > 0 && contents[i-1] >= c {
			return fmt.Errorf("contents are not sorted or not unique: %q before %q", contents[i-1], c)
		}
	}
	return nil
}

// newChain is New; needNulls is false only in tests against results without nulls.
func newChain(contents []string, order int, moves []Move, needNulls bool) (*Chain, error) {
	if err := check(contents, order); err != nil {
		return nil, err
	}
	r := newRecorder(order, len(moves))
	var won, lost, value sums // in order of states and edges as they are found
	for i, m := range moves {
		if err := m.check(len(contents), order); err != nil {
			return nil, fmt.Errorf("move %d, %v to %v: %w", i+1, m.From, m.To, err)
		}
		if m.Conversions == 0 && m.Nulls == 0 {
			continue
		}
		from := r.state(m.From)
		if m.To == (Gram{}) {
			won.end(from, m.Conversions)
			lost.end(from, m.Nulls)
			value.end(from, m.Value)
		} else if e, loop := r.edge(from, r.state(m.To)); !loop {
			won.step(e, m.Conversions)
			lost.step(e, m.Nulls)
		}
	}
	g, states, edges := r.graph(len(contents))
	w, l, v := won.sorted(states, edges), lost.sorted(states, edges), value.sorted(states, edges)
	if err := errors.Join(g.balanced(w), g.balanced(l)); err != nil {
		return nil, err
	}
	if v.over {
		return nil, fmt.Errorf("the value is over %d minor units", int64(MaxSum))
	}
	c := &Chain{contents: slices.Clone(contents), graph: g, tally: tallied(w, l, v)}
	if err := g.reached(c.tally); err != nil {
		return nil, err
	}
	return c, c.usable(needNulls)
}

// usable returns what a person has to change before the chain says anything.
func (c *Chain) usable(needNulls bool) error {
	conversions, nulls := c.tally.totals()
	switch n := len(c.graph.grams) - 1; {
	case conversions+nulls == 0:
		return trail.Problemf(trail.Invalid, "There are no closed deals to learn from.")
	case nulls == 0 && needNulls:
		return trail.Problemf(trail.Invalid, "There are no lost deals to compare with: a Markov or Shapley model needs deals that were lost as well as deals that were won.")
	case c.graph.order == 1 && n > MaxDense:
		return trail.Problemf(trail.Invalid, "There are %d contents on the paths, and a Markov model takes up to %d; choose a shorter period or fewer contents.", n, MaxDense)
	case c.graph.order > 1 && n > MaxStates:
		return trail.Problemf(trail.Invalid, "Order %d has %d states, and up to %d can be computed; choose a lower order, or kinds of content instead of contents.", c.graph.order, n, MaxStates)
	}
	return nil
}

// check refuses a row that no journey can be in.
func (m Move) check(contents, order int) error {
	for _, n := range []int64{m.Conversions, m.Nulls, m.Value} {
		if n < 0 || n > MaxSum {
			return fmt.Errorf("%d is not a count or value between 0 and %d", n, int64(MaxSum))
		}
	}
	for _, g := range []Gram{m.From, m.To} {
		for i, c := range g {
			if int(c) > contents || c > 0 && i >= order || c > 0 && i > 0 && g[i-1] == 0 {
				return fmt.Errorf("%v is not up to %d of %d contents", g, order, contents)
			}
		}
	}
	if m.Value > 0 && m.Conversions == 0 {
		return errors.New("value without a won journey")
	}
	if m.From == (Gram{}) || m.To == (Gram{}) {
		return nil
	}
	if m.From.size() < order || m.To.size() < order || !slices.Equal(m.From[1:order], m.To[:order-1]) {
		return fmt.Errorf("the second does not follow the first at order %d", order)
	}
	return nil
}

// movesOf returns the moves of the paths: each path's share of each row, not added up.
func movesOf(contents, order int, paths []Path) ([]Move, error) {
	var moves []Move
	for i, p := range paths {
		for _, c := range p.Contents {
			if c == 0 || int(c) > contents {
				return nil, fmt.Errorf("path %d: there is no content %d of %d", i+1, c, contents)
			}
		}
		m := Move{Conversions: p.Conversions, Nulls: p.Nulls, Value: p.Value}
		for g := range grams(order, p.Contents) {
			m.To = g
			moves = append(moves, m)
			m.From = g
		}
		m.To = Gram{}
		moves = append(moves, m)
	}
	return moves, nil
}

// grams yields the states that a path visits.
func grams(order int, path []uint32) func(yield func(Gram) bool) {
	return func(yield func(Gram) bool) {
		for i := 0; i < len(path) && (i == 0 || i+order <= len(path)); i++ {
			var g Gram
			copy(g[:], path[i:min(i+order, len(path))])
			if !yield(g) {
				return
			}
		}
	}
}
