package markov

import (
	"context"
	"errors"
	"math"
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The hand game of DP6's README: conversions by exact set of O, F and D; v(S) counts the sets inside S.
func TestShapleyOfTheHandGame(t *testing.T) {
	t.Parallel()
	const o, f, d = 1, 2, 4
	conversions := map[uint32]float64{o: 7, f: 6, d: 4, o | f: 15, o | d: 7, f | d: 9, o | f | d: 19}
	got, err := Shapley(3, func(coalition uint32) float64 { return conversions[coalition] })
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{7 + 2.0/3, 8 + 1.0/6, 3 + 1.0/6} {
		if !near(got[i], want, 1e-12) {
			t.Errorf("player %d gets %v, want %v", i, got[i], want)
		}
	}
	if _, err := Shapley(MaxExact+1, func(uint32) float64 { return 0 }); err == nil {
		t.Errorf("17 players are taken")
	}
}

func TestShapleyAxioms(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(rt, "players")
		worth := rapid.SliceOfN(rapid.Float64Range(-10, 10), 1<<n, 1<<n).Draw(rt, "worth")
		got, err := Shapley(n, func(s uint32) float64 { return worth[s] })
		if err != nil {
			rt.Fatal(err)
		}
		sum := 0.0
		for _, v := range got {
			sum += v
		}
		if !near(sum, worth[1<<n-1]-worth[0], 1e-12) {
			rt.Errorf("values add up to %v, want %v", sum, worth[1<<n-1]-worth[0])
		}
		// Two more players: one adds nothing, one is a copy of a new one that needs the other or not.
		got, err = Shapley(n+3, func(s uint32) float64 {
			twins := float64(bits.OnesCount32(s >> (n + 1)))
			return worth[s&(1<<n-1)] * (1 + twins*twins)
		})
		if err != nil {
			rt.Fatal(err)
		}
		if math.Abs(got[n]) > 1e-12 {
			rt.Errorf("a null player gets %v", got[n])
		}
		if !near(got[n+1], got[n+2], 1e-12) {
			rt.Errorf("of two alike one gets %v, one %v", got[n+1], got[n+2])
		}
	})
}

func TestMarkovGameIsSolvedExactly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(rt, "contents")
		paths := drawPaths(rt, n)
		game, err := chainOf(t, named(n), 1, paths, true).Shapley(t.Context(), Sampling{})
		if err != nil {
			rt.Fatal(err)
		}
		table := make([]Pair, 1<<n)
		for s := range table {
			table[s] = solved(t, 1, paths, func(c uint32) bool { return s>>(c-1)&1 == 0 })
		}
		count, _ := Shapley(n, func(s uint32) float64 { return table[s].Count })
		value, _ := Shapley(n, func(s uint32) float64 { return table[s].Value })
		var sum Pair
		for i, p := range game.Contents {
			if !near(p.Worth.Count, count[i], 1e-10) || !near(p.Worth.Value, value[i], 1e-10) {
				rt.Errorf("%s: %v, want %v and %v", p.Content, p.Worth, count[i], value[i])
			}
			if p.Worth.Count < 0 || p.Worth.Value < 0 {
				rt.Errorf("%s has negative worth %v", p.Content, p.Worth)
			}
			sum.Count, sum.Value = sum.Count+p.Worth.Count, sum.Value+p.Worth.Value
		}
		journeys := float64(game.Journeys)
		if !near(sum.Count*journeys, float64(game.Conversions-game.Untouched.Conversions), 1e-10) ||
			!near(sum.Value*journeys, float64(game.Totals.Value-game.Untouched.Value), 1e-10) {
			rt.Errorf("values add up to %v per journey of %+v, untouched %+v", sum, game.Totals, game.Untouched)
		}
	})
}

// Contents 2 and 3 take part in the same ways, content 4 only ever loses, content 5 is never seen.
func TestMarkovGameKnowsTwinsAndNullPlayers(t *testing.T) {
	t.Parallel()
	paths := []Path{
		{Contents: []uint32{1, 2}, Conversions: 3, Nulls: 1, Value: 30},
		{Contents: []uint32{1, 3}, Conversions: 3, Nulls: 1, Value: 30},
		{Contents: []uint32{2, 1}, Conversions: 1, Nulls: 4, Value: 50},
		{Contents: []uint32{3, 1}, Conversions: 1, Nulls: 4, Value: 50},
		{Contents: []uint32{1, 4}, Nulls: 6},
	}
	for _, all := range []bool{false, true} {
		game, err := chainOf(t, named(5), 1, paths, true).Shapley(t.Context(), Sampling{All: all, Permutations: 20_000})
		if err != nil {
			t.Fatal(err)
		}
		p := game.Contents
		twins := 1e-12
		if all {
			twins = 4 * (p[1].StdErr.Count + p[2].StdErr.Count)
		}
		if math.Abs(p[1].Worth.Count-p[2].Worth.Count) > twins || p[3].Worth.Count > 1e-15 || p[3].Worth.Value > 1e-15 || p[4].Worth != (Pair{}) {
			t.Errorf("%+v", p)
		}
	}
}

func TestThousandPermutationsAreWithinOnePercent(t *testing.T) {
	t.Parallel()
	contents, paths := synthetic(t)
	c := chainOf(t, contents, 1, paths, true)
	exact, err := c.Shapley(t.Context(), Sampling{})
	if err != nil || !exact.Exact {
		t.Fatal(exact, err)
	}
	for seed := range uint64(5) {
		game, err := c.Shapley(t.Context(), Sampling{Seed: seed, Permutations: 1000 - 1000%64, All: true})
		if err != nil {
			t.Fatal(err)
		}
		var off, sum Pair
		for i, p := range game.Contents {
			want := exact.Contents[i].Worth
			off.Count, off.Value = off.Count+math.Abs(p.Worth.Count-want.Count), off.Value+math.Abs(p.Worth.Value-want.Value)
			sum.Count, sum.Value = sum.Count+want.Count, sum.Value+want.Value
			if d := math.Abs(p.Worth.Count - want.Count); d > 5*p.StdErr.Count+1e-15 {
				t.Errorf("seed %d, %s is off by %v with a standard error of %v", seed, p.Content, d, p.StdErr.Count)
			}
		}
		off = Pair{off.Count / sum.Count, off.Value / sum.Value}
		t.Logf("seed %d: %d permutations off by %.3f%% and %.3f%%, said to be %.3f%% and %.3f%%", seed, game.Permutations, 100*off.Count, 100*off.Value, 100*game.Error.Count, 100*game.Error.Value)
		if off.Count >= 0.01 || off.Value >= 0.01 || game.Error.Count > 2*off.Count || off.Count > 2*game.Error.Count {
			t.Errorf("seed %d: off by %v, said to be %v", seed, off, game.Error)
		}
	}
}

func TestSamplingStopsAtItsTarget(t *testing.T) {
	t.Parallel()
	contents, paths := synthetic(t)
	for i := range paths { // two more sets of contents beside the first, so that exact values are out of reach
		for _, more := range []uint32{15, 30} {
			p := paths[i]
			p.Contents = slices.Clone(p.Contents)
			for j := range p.Contents {
				p.Contents[j] += more
			}
			paths = append(paths, p)
		}
	}
	c := chainOf(t, named(3*len(contents)), 1, paths, true)
	rough, err := c.Shapley(t.Context(), Sampling{Target: 0.05})
	if err != nil {
		t.Fatal(err)
	}
	fine, err := c.Shapley(t.Context(), Sampling{Target: 0.01, Permutations: 20_000})
	if err != nil {
		t.Fatal(err)
	}
	missed, err := c.Shapley(t.Context(), Sampling{Target: 1e-6, Permutations: 100})
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range []*Game{rough, fine} {
		if g.Exact || !g.Reached || g.Error.Count > []float64{0.05, 0.01}[i] || g.Permutations < 64 {
			t.Errorf("%d permutations, error %v, reached %v", g.Permutations, g.Error, g.Reached)
		}
	}
	if rough.Permutations >= fine.Permutations || missed.Reached || missed.Permutations != 128 {
		t.Errorf("%d permutations rough, %d fine, %d for a target out of reach", rough.Permutations, fine.Permutations, missed.Permutations)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Shapley(stopped, Sampling{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v after a stop", err)
	}
}
