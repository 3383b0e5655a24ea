package markov

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Pair is one number for conversions and the same for value.
type Pair struct {
	Count float64
	Value float64
}

// Totals is what journeys came to.
type Totals struct {
	Journeys    int64 // won and lost
	Conversions int64 // won
	Value       int64 // minor units won
}

// Result is what a chain says about its contents.
type Result struct {
	Totals
	Untouched   Totals   // of these, the journeys without any content
	Probability float64  // P(conversion) of a journey, 0 to 1
	Expected    float64  // minor units won per journey
	Contents    []Effect // one for each content, in the order of the contents
}

// Effect is a content's removal effect and its credit.
type Effect struct {
	Content     string
	Removal     Pair    // part of all conversions, and of the whole value, that is lost without it: 0 to 1 each
	Share       Pair    // Removal over the sum of all contents' Removal: 0 to 1; sums to 1, or to 0 if there is nothing to share
	Conversions float64 // Share of all conversions
	Value       int64   // Share of the whole value in minor units, by largest remainder: sums to the whole value
}

// Effects returns the removal effect and the credit of each content.
func (c *Chain) Effects() (*Result, error) {
	removal, err := c.graph.removal(c.tally)
	if err != nil {
		return nil, err
	}
	r := &Result{Totals: c.totals(), Untouched: c.untouched(), Contents: make([]Effect, len(c.contents))}
	r.Probability = float64(r.Conversions) / float64(r.Journeys)
	r.Expected = float64(r.Totals.Value) / float64(r.Journeys)
	share := shares(removal)
	values := divide(r.Totals.Value, share)
	for i, id := range c.contents {
		r.Contents[i] = Effect{
			Content: id, Removal: removal[i], Share: share[i],
			Conversions: share[i].Count * float64(r.Conversions), Value: values[i],
		}
	}
	return r, nil
}

func (c *Chain) totals() Totals {
	won, _ := c.tally.totals()
	return Totals{Journeys: c.tally.journeys(), Conversions: won, Value: c.tally.worth()}
}

// untouched is what the journeys that went from the start to an end came to.
func (c *Chain) untouched() Totals {
	t := c.tally
	return Totals{Journeys: t.won[0] + t.lost[0], Conversions: t.won[0], Value: t.value[0]}
}

// shares divides each by the sum of all; where the sum is 0 so are the shares.
func shares(all []Pair) []Pair {
	var sum Pair
	for _, p := range all {
		sum.Count += p.Count
		sum.Value += p.Value
	}
	to := make([]Pair, len(all))
	for i, p := range all {
		to[i] = Pair{ratio(p.Count, sum.Count), ratio(p.Value, sum.Value)}
	}
	return to
}

// ratio is a/b, and 0 where b is 0.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// divide splits minor units by the shares' Value with the largest remainder; of
// equal remainders the content that sorts first is rounded up.
func divide(value int64, share []Pair) []int64 {
	parts := make([]int64, len(share))
	rest := make([]float64, len(share))
	var order []int
	left := value
	for i, s := range share {
		exact := s.Value * float64(value)
		parts[i] = int64(math.Floor(exact))
		rest[i] = exact - math.Floor(exact)
		left -= parts[i]
		if s.Value > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rest[b], rest[a]) })
	for i := 0; len(order) > 0 && left != 0; i = (i + 1) % len(order) { // rounding of shares may leave a few more, or fewer
		step := int64(1)
		if left < 0 {
			step = -1
		}
		parts[order[i]] += step
		left -= step
	}
	return parts
}

// removal returns the removal effect of each content, seen or not.
func (g *graph) removal(t *tally) ([]Pair, error) {
	effects := make([]Pair, g.contents)
	conversions, _ := t.totals()
	if len(g.grams) == 1 || conversions == 0 {
		return effects, nil
	}
	if g.order > 1 {
		return effects, g.removalBySweeps(t, effects)
	}
	return effects, g.removalByInverse(t, effects)
}

// removalByInverse is removal at order 1: N[0,c] / N[c,c] x h[c] / P, where
// N[0,c] is visits of c over journeys and P is conversions over journeys.
func (g *graph) removalByInverse(t *tally, effects []Pair) error {
	n := len(g.grams) - 1
	fundamental := mat.NewDense(n, n, nil)
	for s := range n {
		fundamental.Set(s, s, 1)
	}
	for i, e := range g.edges {
		if e.from > 0 && t.edges[i] > 0 {
			fundamental.Set(int(e.from-1), int(e.to-1), -float64(t.edges[i])/float64(t.left[e.from]))
		}
	}
	if err := fundamental.Inverse(fundamental); err != nil {
		return fmt.Errorf("invert a chain of %d states: %w", n, err)
	}
	r, rv := make([]float64, n), make([]float64, n)
	for s := range n {
		r[s] = ratio(float64(t.won[s+1]), float64(t.left[s+1]))
		rv[s] = ratio(float64(t.value[s+1]), float64(t.left[s+1]))
	}
	conversions, _ := t.totals()
	worth := t.worth()
	for s := range n {
		row := fundamental.RawRowView(s)
		var h, hv float64
		for j, x := range row {
			h += x * r[j]
			hv += x * rv[j]
		}
		visits := float64(t.left[s+1]) / row[s]
		effects[g.grams[s+1][0]-1] = Pair{part(visits*h, conversions), part(visits*hv, worth)}
	}
	return nil
}

// part is x of total, between 0 and 1 whatever the last bits say.
func part(x float64, total int64) float64 { return min(max(ratio(x, float64(total)), 0), 1) }
