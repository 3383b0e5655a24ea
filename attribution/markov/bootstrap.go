package markov

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

// Deal is one closed deal as a journey.
type Deal struct {
	Key      uint64   // Key of the deal's ID: what its weights are derived from
	Contents []uint32 // 1-based positions in the sorted list of contents; may be empty
	Won      bool
	Value    int64 // minor units; read only if won
}

// Key hashes a deal's ID: ClickHouse's xxHash64(deal).
func Key(deal string) uint64 { return xxhash.Sum64String(deal) }

// poisson are the bounds of a Poisson(1) variable: floor(2^64 P(X <= k)) for k = 0, 1, ...
var poisson = [...]uint64{
	0x5e2d58d8b3bcdf1a, 0xbc5ab1b16779be35, 0xeb715e1dc1582dc2, 0xfb23979734a252f1, 0xff1025f59174dc3d,
	0xffd90f3ba4055e19, 0xfffa8b71fc72c913, 0xffff540c0914b3c9, 0xffffed1f4aa8f120, 0xfffffe216e641462,
	0xffffffd4d85d3183, 0xfffffffc6da262b4, 0xffffffffba12d178, 0xfffffffffb07c64c, 0xffffffffffab8ea5,
	0xfffffffffffabe22, 0xffffffffffffb11a, 0xfffffffffffffba1, 0xffffffffffffffc5, 0xfffffffffffffffd,
}

// Weight returns how often a replicate draws a deal: Poisson with mean 1, and the
// same for the same deal and replicate everywhere. In ClickHouse, with the bounds
// as an array of UInt64:
//
//	arrayCount(bound -> intHash64(xxHash64(deal) + replicate * 0x9E3779B97F4A7C15) >= bound, bounds)
func Weight(key uint64, replicate int) int64 {
	x := key + uint64(replicate)*0x9E3779B97F4A7C15 // as splitmix64 steps
	x ^= 0x4CF2D2BAAE6DA887                         // from here on intHash64: MurmurHash3's finalizer
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	k := int64(0)
	for int(k) < len(poisson) && x >= poisson[k] {
		k++
	}
	return k
}

// Resampling says how intervals are found. The zero value is usable.
type Resampling struct {
	Replicates int     // 40 to 10,000; 0: 200
	Level      float64 // of the intervals, 0.5 to 0.99; 0: 0.95
	Pairs      int     // of permutations per replicate, for Shapley values, at order 1; 0: none
}

// Intervals are percentile intervals of removal effects and shares.
type Intervals struct {
	Replicates int
	Level      float64
	Empty      int // replicates that drew no won or no lost deal; they count, with effects of 0 if none was won
	Contents   []Spread
}

// Spread is how far a content's numbers vary over replicates, in the units of Effect.
type Spread struct {
	Content      string
	Removal      Interval // of conversions
	RemovalValue Interval
	Share        Interval // of conversions
	ShareOfValue Interval

	// The shares as parts of what all deals with any content won: in a replicate that may be more or less.
	Credit        Interval
	CreditOfValue Interval

	// Of Shapley values, how far each moves from that of all deals, by the same
	// permutations: so that few of them do, and their own error is not counted as chance.
	Worth       Interval // conversions per journey
	Played      Interval // share of conversions, as Credit
	PlayedValue Interval // share of value, as CreditOfValue
}

// Interval is a percentile interval.
type Interval struct{ Low, High float64 }

// Bootstrap returns intervals for the removal effects and shares that a chain of
// these deals has (contents and order as in New, problems likewise). Deals may
// come in any order. Memory is about 4 bytes per step of a deal beside the deals,
// and per core one count per kind of step; ctx stops it between replicates.
func Bootstrap(ctx context.Context, contents []string, order int, deals []Deal, o Resampling) (*Intervals, error) {
	if o.Replicates == 0 {
		o.Replicates = 200
	}
	if o.Level == 0 {
		o.Level = 0.95
	}
	if o.Replicates < 40 || o.Replicates > 10_000 {
		return nil, trail.Problemf(trail.Invalid, "An interval takes 40 to 10,000 replicates, not %d.", o.Replicates)
	}
	if !(o.Level >= 0.5 && o.Level <= 0.99) {
		return nil, trail.Problemf(trail.Invalid, "The level of an interval is 0.5 to 0.99, not %v.", o.Level)
	}
	j, err := newJourneys(contents, order, deals)
	if err != nil {
		return nil, err
	}
	effects, played := make([][]Pair, o.Replicates), make([][]Pair, o.Replicates)
	if o.Pairs > 0 && order != 1 {
		return nil, trail.Problemf(trail.Invalid, "Shapley values are computed at order 1, not %d.", order)
	}
	all := j.graph.newTally()
	j.count(all, deals, func(uint64) int64 { return 1 })
	whole := j.graph.play(all, o.Pairs)
	empty, beside := make([]bool, o.Replicates), make([]Pair, o.Replicates)
	work, ctx := errgroup.WithContext(ctx)
	cores := min(runtime.GOMAXPROCS(0), o.Replicates)
	for core := range cores {
		work.Go(func() error {
			t := j.graph.newTally()
			for i := core; i < o.Replicates; i += cores {
				if err := ctx.Err(); err != nil {
					return err
				}
				j.draw(t, deals, i+1)
				won, lost := t.totals()
				empty[i] = won == 0 || lost == 0
				beside[i] = t.beside(all)
				var err error
				if effects[i], err = j.graph.removal(t); err != nil {
					return fmt.Errorf("replicate %d: %w", i+1, err)
				}
				played[i] = j.graph.play(t, o.Pairs)
			}
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	r := &Intervals{Replicates: o.Replicates, Level: o.Level, Contents: spreads(contents, effects, beside, o.Level)}
	if o.Pairs > 0 {
		r.play(whole, played, beside, o.Level)
	}
	for _, e := range empty {
		if e {
			r.Empty++
		}
	}
	return r, nil
}

// beside returns what journeys with any content won in the tally, beside what they did in another.
func (t *tally) beside(other *tally) Pair {
	won, _ := t.totals()
	wonThere, _ := other.totals()
	return Pair{
		Count: ratio(float64(won-t.won[0]), float64(wonThere-other.won[0])),
		Value: ratio(float64(t.worth()-t.value[0]), float64(other.worth()-other.value[0])),
	}
}

// play returns each content's Shapley value in a chain of the tally, by the same
// pairs of permutations for every tally.
func (g *graph) play(t *tally, pairs int) []Pair {
	worth := make([]Pair, g.contents)
	if pairs == 0 {
		return worth // the matrix of thousands of states would not fit
	}
	m := newMatrix(g, t)
	for number := range pairs {
		for state, x := range m.pair(1, uint64(number)) {
			at := &worth[g.grams[state+1][0]-1]
			at.Count += x.Count / float64(pairs)
			at.Value += x.Value / float64(pairs)
		}
	}
	return worth
}

// play fills in how far Shapley values move over replicates.
func (r *Intervals) play(whole []Pair, played [][]Pair, beside []Pair, level float64) {
	own := shares(whole)
	parts := make([][]Pair, len(played))
	for i := range played {
		parts[i] = shares(played[i])
	}
	interval := func(of func(replicate int) float64) Interval { return middle(len(played), level, of) }
	for c := range r.Contents {
		r.Contents[c].Worth = interval(func(i int) float64 { return played[i][c].Count - whole[c].Count })
		r.Contents[c].Played = interval(func(i int) float64 { return parts[i][c].Count*beside[i].Count - own[c].Count })
		r.Contents[c].PlayedValue = interval(func(i int) float64 { return parts[i][c].Value*beside[i].Value - own[c].Value })
	}
}

// spreads returns the percentile intervals of each content's effects, shares and credits.
func spreads(contents []string, effects [][]Pair, beside []Pair, level float64) []Spread {
	parts := make([][]Pair, len(effects))
	for i := range effects {
		parts[i] = shares(effects[i])
	}
	interval := func(of func(replicate int) float64) Interval { return middle(len(effects), level, of) }
	all := make([]Spread, len(contents))
	for c, id := range contents {
		all[c] = Spread{
			Content:       id,
			Removal:       interval(func(i int) float64 { return effects[i][c].Count }),
			RemovalValue:  interval(func(i int) float64 { return effects[i][c].Value }),
			Share:         interval(func(i int) float64 { return parts[i][c].Count }),
			ShareOfValue:  interval(func(i int) float64 { return parts[i][c].Value }),
			Credit:        interval(func(i int) float64 { return parts[i][c].Count * beside[i].Count }),
			CreditOfValue: interval(func(i int) float64 { return parts[i][c].Value * beside[i].Value }),
		}
	}
	return all
}

// middle returns the interval in which a number is at the level, over replicates.
func middle(replicates int, level float64, of func(replicate int) float64) Interval {
	sorted := make([]float64, replicates)
	for i := range sorted {
		sorted[i] = of(i)
	}
	slices.Sort(sorted)
	return Interval{percentile(sorted, (1-level)/2), percentile(sorted, (1+level)/2)}
}

// percentile interpolates between sorted values (type 7 of Hyndman and Fan 1996,
// the default of R and numpy).
func percentile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := min(int(math.Floor(at)), len(sorted)-2)
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// journeys is deals as ways through a graph: which edges each takes, and the state it ends in.
type journeys struct {
	graph *graph
	steps []int32 // edges of all deals, one deal after the other
	until []int   // steps[until[d-1]:until[d]] are deal d's
	last  []int32
}

// newJourneys checks the deals as New checks moves.
func newJourneys(contents []string, order int, deals []Deal) (*journeys, error) {
	if err := check(contents, order); err != nil {
		return nil, err
	}
	r := newRecorder(order, 1<<16)
	j := &journeys{until: make([]int, len(deals)), last: make([]int32, len(deals))}
	var worth int64
	for d, deal := range deals {
		for _, c := range deal.Contents {
			if c == 0 || int(c) > len(contents) {
				return nil, fmt.Errorf("deal %d: there is no content %d of %d", d+1, c, len(contents))
			}
		}
		if deal.Won {
			if deal.Value < 0 || deal.Value > MaxSum-worth {
				return nil, fmt.Errorf("deal %d: value %d is negative, or all are over %d minor units", d+1, deal.Value, int64(MaxSum))
			}
			worth += deal.Value
		}
		from := int32(0)
		for g := range grams(order, deal.Contents) {
			to := r.state(g)
			if e, loop := r.edge(from, to); !loop {
				j.steps = append(j.steps, e)
			}
			from = to
		}
		j.until[d], j.last[d] = len(j.steps), from
	}
	var states, edges []int32
	j.graph, states, edges = r.graph(len(contents))
	for i, e := range j.steps {
		j.steps[i] = edges[e]
	}
	for d, s := range j.last {
		j.last[d] = states[s]
	}
	t := j.graph.newTally()
	j.count(t, deals, func(uint64) int64 { return 1 })
	return j, (&Chain{graph: j.graph, tally: t}).usable(true)
}

func (g *graph) newTally() *tally {
	n := len(g.grams)
	return &tally{edges: make([]int64, len(g.edges)), won: make([]int64, n), lost: make([]int64, n), value: make([]int64, n), left: make([]int64, n)}
}

// draw fills the tally with the deals that a replicate draws.
func (j *journeys) draw(t *tally, deals []Deal, replicate int) {
	j.count(t, deals, func(key uint64) int64 { return Weight(key, replicate) })
}

// count fills the tally with each deal as often as its weight says.
func (j *journeys) count(t *tally, deals []Deal, weight func(key uint64) int64) {
	for _, numbers := range [][]int64{t.edges, t.won, t.lost, t.value} {
		clear(numbers)
	}
	start := 0
	for d := range deals {
		steps := j.steps[start:j.until[d]]
		start = j.until[d]
		w := weight(deals[d].Key)
		if w == 0 {
			continue
		}
		for _, e := range steps {
			t.edges[e] += w
		}
		if s := j.last[d]; deals[d].Won {
			t.won[s] += w
			t.value[s] += w * deals[d].Value
		} else {
			t.lost[s] += w
		}
	}
	j.graph.leave(t)
}
