package markov

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// graph is which states there are and which follow which, sorted. State 0 is the
// start. Steps from a state to itself are not in it.
type graph struct {
	contents int    // how many, seen or not
	order    int    // contents in a state
	grams    []Gram // by state; grams[0] is zero
	edges    []edge
	first    []int32 // edges[first[s]:first[s+1]] leave state s
}

type edge struct{ from, to int32 }

// tally is how many journeys took each way through a graph.
type tally struct {
	edges []int64 // by edge: journeys
	won   []int64 // by state: journeys that ended here and were won
	left  []int64 // by state: all journeys that left it, to another state or to an end
	lost  []int64 // by state: journeys that ended here and were lost
	value []int64 // by state: minor units won by the journeys that ended here
}

func (t *tally) totals() (conversions, nulls int64) {
	for s := range t.won {
		conversions += t.won[s]
		nulls += t.lost[s]
	}
	return conversions, nulls
}

func (t *tally) worth() (value int64) {
	for _, v := range t.value {
		value += v
	}
	return value
}

// journeys is how many journeys there are.
func (t *tally) journeys() int64 { return t.left[0] }

// recorder numbers states and edges as they come and sorts them in the end.
type recorder struct {
	order  int
	states map[Gram]int32
	grams  []Gram
	known  map[edge]int32
	edges  []edge
}

func newRecorder(order, edges int) *recorder {
	r := &recorder{order: order, states: map[Gram]int32{}, known: make(map[edge]int32, min(edges, 1<<20))}
	r.state(Gram{})
	return r
}

func (r *recorder) state(g Gram) int32 {
	s, ok := r.states[g]
	if !ok {
		s = int32(len(r.grams))
		r.states[g] = s
		r.grams = append(r.grams, g)
	}
	return s
}

// edge returns the number of the edge; a loop has none.
func (r *recorder) edge(from, to int32) (e int32, loop bool) {
	if from == to {
		return 0, true
	}
	e, ok := r.known[edge{from, to}]
	if !ok {
		e = int32(len(r.edges))
		r.known[edge{from, to}] = e
		r.edges = append(r.edges, edge{from, to})
	}
	return e, false
}

// graph returns what was recorded, sorted, and the new numbers of states and edges.
func (r *recorder) graph(contents int) (g *graph, states, edges []int32) {
	states = ranks(r.grams, func(a, b Gram) int { return slices.Compare(a[:], b[:]) })
	for i, e := range r.edges {
		r.edges[i] = edge{states[e.from], states[e.to]}
	}
	edges = ranks(r.edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	g = &graph{contents: contents, order: r.order, grams: r.grams, edges: r.edges, first: make([]int32, len(r.grams)+1)}
	for _, e := range g.edges {
		g.first[e.from+1]++
	}
	for s := range r.grams {
		g.first[s+1] += g.first[s]
	}
	return g, states, edges
}

// ranks sorts all, which has no repeats, and returns where each went.
func ranks[T any](all []T, compare func(a, b T) int) []int32 {
	order := make([]int32, len(all))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return compare(all[a], all[b]) })
	before := slices.Clone(all)
	rank := make([]int32, len(all))
	for to, from := range order {
		all[to], rank[from] = before[from], int32(to)
	}
	return rank
}

// sums adds up integers by edge and by the state in which journeys end.
type sums struct {
	edges, ends []int64
	total       int64 // of ends
	over        bool  // a sum is too large
}

func (s *sums) step(edge int32, n int64) { s.over = add(&s.edges, edge, n) > MaxSum || s.over }

func (s *sums) end(state int32, n int64) {
	add(&s.ends, state, n)
	s.total += n
	if s.total > MaxSum {
		s.total, s.over = MaxSum, true
	}
}

// add adds n, at most MaxSum, and lets no sum wrap around.
func add(all *[]int64, at int32, n int64) int64 {
	if more := int(at) + 1 - len(*all); more > 0 {
		*all = append(*all, make([]int64, more)...)
	}
	(*all)[at] = min((*all)[at]+n, MaxSum+1)
	return (*all)[at]
}

// sorted returns s for the new numbers of states and edges.
func (s *sums) sorted(states, edges []int32) sums {
	to := sums{edges: make([]int64, len(edges)), ends: make([]int64, len(states)), total: s.total, over: s.over}
	for i, n := range s.edges {
		to.edges[edges[i]] = n
	}
	for i, n := range s.ends {
		to.ends[states[i]] = n
	}
	return to
}

// tallied returns the tally of won and lost journeys and of their value.
func tallied(won, lost, value sums) *tally {
	t := &tally{edges: make([]int64, len(won.edges)), won: won.ends, lost: lost.ends, value: value.ends}
	for i := range t.edges {
		t.edges[i] = won.edges[i] + lost.edges[i]
	}
	return t
}

// leave fills in how many journeys left each state.
func (g *graph) leave(t *tally) {
	if t.left == nil {
		t.left = make([]int64, len(g.grams))
	}
	for s := range g.grams {
		n := t.won[s] + t.lost[s]
		for e := g.first[s]; e < g.first[s+1]; e++ {
			n = min(n+t.edges[e], 2*MaxSum)
		}
		t.left[s] = n
	}
}

// balanced returns an error unless as many journeys leave each state as enter
// it: rows are missing or counted twice.
func (g *graph) balanced(s sums) error {
	if s.over {
		return fmt.Errorf("there are more than %d journeys", int64(MaxSum))
	}
	net := slices.Clone(s.ends)
	for i, e := range g.edges {
		net[e.from] += s.edges[i]
		net[e.to] -= s.edges[i]
	}
	for state, n := range net[1:] {
		if n != 0 {
			return fmt.Errorf("%d more journeys leave %v than enter it", n, g.grams[state+1])
		}
	}
	if net[0] != s.total {
		return fmt.Errorf("%d journeys start and %d end", net[0], s.total)
	}
	return nil
}

// reached returns an error for a state that no journey can get to. All others
// lead to an end, since as many journeys leave any set of states as enter it.
func (g *graph) reached(t *tally) error {
	g.leave(t)
	if slices.Max(t.left) > MaxSum {
		return fmt.Errorf("a state is left more than %d times", int64(MaxSum))
	}
	seen := make([]bool, len(g.grams))
	seen[0] = true
	for queue := []int32{0}; len(queue) > 0; {
		s := queue[0]
		queue = queue[1:]
		for e := g.first[s]; e < g.first[s+1]; e++ {
			if to := g.edges[e].to; !seen[to] {
				seen[to] = true
				queue = append(queue, to)
			}
		}
	}
	if slices.Contains(seen, false) {
		return errors.New("a journey goes round without a start and an end")
	}
	return nil
}
