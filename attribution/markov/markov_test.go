package markov

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"dealtrail/trail"
)

// The file has each order with and without nulls, with and without self-loops.
func TestSyntheticPathsGiveTheExactEffects(t *testing.T) {
	t.Parallel()
	contents, paths := synthetic(t)
	won := slices.Clone(paths)
	for i := range won {
		won[i].Nulls = 0
	}
	results := map[string]*Result{}
	for order := 1; order <= 3; order++ {
		results[fmt.Sprint(order, 1)] = effects(t, chainOf(t, contents, order, paths, true))
		results[fmt.Sprint(order, 0)] = effects(t, chainOf(t, contents, order, won, false))
	}
	rows := table(t, "synthetic_paths_markov_exact.csv")
	if len(rows) != 180 {
		t.Fatalf("%d rows in the exact file, want 180", len(rows))
	}
	for _, row := range rows {
		r := results[row["order"]+" "+row["use_null"]]
		i, _ := slices.BinarySearch(contents, row["channel_name"])
		e := r.Contents[i]
		for what, pair := range map[string][2]float64{
			"removal_effect_conversion": {e.Removal.Count, 1},
			"removal_effect_value":      {e.Removal.Value, 1},
			"total_conversions":         {e.Conversions, 1},
			"total_conversion_value":    {e.Share.Value * float64(r.Value), 100},
		} {
			if want := number(t, row[what]) * pair[1]; !near(pair[0], want, 1e-9) {
				t.Errorf("order %s, nulls %s, %s: %s is %.12f, want %.12f", row["order"], row["use_null"], e.Content, what, pair[0], want)
			}
		}
		if exact := e.Share.Value * float64(r.Value); math.Abs(float64(e.Value)-exact) >= 1 {
			t.Errorf("%s: %d minor units of %f", e.Content, e.Value, exact)
		}
	}
	if r := results["1 1"]; r.Probability != 0.266 || r.Conversions != 1596 || r.Journeys != 6000 {
		t.Errorf("P %v, %d of %d journeys; want .266, 1596 of 6000", r.Probability, r.Conversions, r.Journeys)
	}
}

func TestClosedFormIsWhatSolvingWithoutTheContentGives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		n, order := rapid.IntRange(1, 5).Draw(rt, "contents"), rapid.IntRange(1, 3).Draw(rt, "order")
		paths := drawPaths(rt, n)
		r := effects(t, chainOf(t, named(n), order, paths, true))
		all := solved(t, order, paths, nothing)
		if !near(r.Probability, all.Count, 1e-12) || !near(r.Expected, all.Value, 1e-9) {
			rt.Errorf("P %v and %v per journey, want %v", r.Probability, r.Expected, all)
		}
		var sum Pair
		var value int64
		for i, e := range r.Contents {
			without := solved(t, order, paths, func(c uint32) bool { return int(c) == i+1 })
			want := Pair{ratio(all.Count-without.Count, all.Count), ratio(all.Value-without.Value, all.Value)}
			if !near(e.Removal.Count, want.Count, 1e-9) || !near(e.Removal.Value, want.Value, 1e-9) {
				rt.Errorf("order %d, %s: %v, want %v", order, e.Content, e.Removal, want)
			}
			sum.Count, sum.Value, value = sum.Count+e.Share.Count, sum.Value+e.Share.Value, value+e.Value
		}
		if sum.Count != 0 && !near(sum.Count, 1, 1e-12) || sum.Value != 0 && (!near(sum.Value, 1, 1e-12) || value != r.Value) {
			rt.Errorf("shares sum to %v and %d minor units of %d", sum, value, r.Value)
		}
	})
}

func TestBothSolversAgree(t *testing.T) {
	t.Parallel()
	contents, paths := synthetic(t)
	c := chainOf(t, contents, 1, paths, true)
	inverse, sweeps := make([]Pair, 15), make([]Pair, 15)
	if err := errors.Join(c.graph.removalByInverse(c.tally, inverse), c.graph.removalBySweeps(c.tally, sweeps)); err != nil {
		t.Fatal(err)
	}
	for i := range inverse {
		if !near(inverse[i].Count, sweeps[i].Count, 1e-12) || !near(inverse[i].Value, sweeps[i].Value, 1e-12) {
			t.Errorf("%s: %v by inverse, %v by sweeps", contents[i], inverse[i], sweeps[i])
		}
	}
}

// A run of a content longer than the order only adds steps from a state to itself.
func TestSelfLoopsChangeNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		n, order := rapid.IntRange(1, 4).Draw(rt, "contents"), rapid.IntRange(1, 3).Draw(rt, "order")
		paths := drawPaths(rt, n)
		longer := slices.Clone(paths)
		for i, p := range longer {
			var long []uint32
			run := 0
			for j, c := range p.Contents {
				if run++; j > 0 && c != p.Contents[j-1] {
					run = 1
				}
				long = append(long, c)
				if run >= order && (run > 1 || len(p.Contents) >= order) {
					long = append(long, slices.Repeat([]uint32{c}, rapid.IntRange(0, 3).Draw(rt, "more"))...)
				}
			}
			longer[i].Contents = long
		}
		got, want := chainOf(t, named(n), order, longer, true), chainOf(t, named(n), order, paths, true)
		if a, b := text(t, effects(t, got)), text(t, effects(t, want)); a != b {
			rt.Errorf("order %d with loops %s, without %s", order, a, b)
		}
		all := solved(t, order, longer, nothing) // which keeps its loops
		without := solved(t, order, longer, func(c uint32) bool { return c == 1 })
		if re := ratio(all.Count-without.Count, all.Count); !near(re, effects(t, got).Contents[0].Removal.Count, 1e-9) {
			rt.Errorf("order %d: effect %v, and %v with the loops solved", order, effects(t, got).Contents[0].Removal.Count, re)
		}
	})
}

// Once the order is the longest path a state is a whole journey.
func TestHighOrderIsTheShareOfConversionsWithTheContent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		paths := drawPaths(rt, 4)
		with, all := make([]Pair, 4), Pair{}
		for i := range paths {
			p := &paths[i]
			p.Contents = p.Contents[:min(len(p.Contents), MaxOrder)]
			all.Count, all.Value = all.Count+float64(p.Conversions), all.Value+float64(p.Value)
			for c := range with {
				if slices.Contains(p.Contents, uint32(c+1)) {
					with[c].Count, with[c].Value = with[c].Count+float64(p.Conversions), with[c].Value+float64(p.Value)
				}
			}
		}
		for c, e := range effects(t, chainOf(t, named(4), MaxOrder, paths, true)).Contents {
			if want := (Pair{ratio(with[c].Count, all.Count), ratio(with[c].Value, all.Value)}); !near(e.Removal.Count, want.Count, 1e-12) || !near(e.Removal.Value, want.Value, 1e-12) {
				rt.Errorf("%s: %v, want %v", e.Content, e.Removal, want)
			}
		}
	})
}

func TestOrderAndSplitOfRowsChangeNoByte(t *testing.T) {
	t.Parallel()
	contents, paths := synthetic(t)
	source := rand.New(rand.NewPCG(6, 6))
	for order := 1; order <= 3; order++ {
		moves, err := movesOf(len(contents), order, paths)
		if err != nil {
			t.Fatal(err)
		}
		var parts []Move
		for _, m := range moves {
			one := Move{From: m.From, To: m.To, Conversions: m.Conversions / 2, Nulls: m.Nulls / 3, Value: m.Value / 5}
			if one.Conversions == 0 {
				one.Value = 0
			}
			rest := Move{From: m.From, To: m.To, Conversions: m.Conversions - one.Conversions, Nulls: m.Nulls - one.Nulls, Value: m.Value - one.Value}
			parts = append(parts, one, rest)
		}
		source.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		sum := map[[2]Gram]Move{} // what GROUP BY from, to gives
		for _, m := range moves {
			s := sum[[2]Gram{m.From, m.To}]
			sum[[2]Gram{m.From, m.To}] = Move{From: m.From, To: m.To, Conversions: s.Conversions + m.Conversions, Nulls: s.Nulls + m.Nulls, Value: s.Value + m.Value}
		}
		var grouped []Move
		for _, m := range sum {
			grouped = append(grouped, m)
		}
		want := everything(t, contents, order, moves)
		for how, rows := range map[string][]Move{"split and shuffled": parts, "grouped": grouped} {
			if got := everything(t, contents, order, rows); got != want {
				t.Errorf("order %d: %s rows give %s, want %s", order, how, got, want)
			}
		}
	}
}

// everything is the bytes of all that a chain says.
func everything(t *testing.T, contents []string, order int, moves []Move) string {
	t.Helper()
	c, err := New(contents, order, moves)
	if err != nil {
		t.Fatal(err)
	}
	all := text(t, effects(t, c))
	if order == 1 {
		for _, o := range []Sampling{{}, {All: true, Permutations: 64}} {
			game, err := c.Shapley(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			all += text(t, game)
		}
	}
	return all
}

func TestEdgesOfWhatCanHappen(t *testing.T) {
	t.Parallel()
	three := []string{"=SUM(A1)", "größe", "never"}
	t.Run("never seen", func(t *testing.T) {
		r := effects(t, chainOf(t, three, 1, []Path{{Contents: []uint32{1, 2}, Conversions: 1, Nulls: 2, Value: 5}, {Conversions: 1}}, true))
		if e := r.Contents[2]; e != (Effect{Content: "never"}) {
			t.Errorf("a content never seen has %+v", e)
		}
		if r.Untouched != (Totals{Journeys: 1, Conversions: 1}) || r.Totals != (Totals{Journeys: 4, Conversions: 2, Value: 5}) {
			t.Errorf("untouched %+v of %+v", r.Untouched, r.Totals)
		}
		if got := r.Contents[0].Removal.Count; got != 0.5 {
			t.Errorf("effect %v, want .5: the other conversion had no content", got)
		}
	})
	t.Run("single content", func(t *testing.T) {
		r := effects(t, chainOf(t, named(1), 1, []Path{{Contents: []uint32{1, 1}, Conversions: 3, Nulls: 4, Value: 7}}, true))
		if e := r.Contents[0]; !near(e.Removal.Count, 1, 1e-15) || e.Conversions != 3 || e.Value != 7 || !near(r.Probability, 3.0/7, 1e-15) {
			t.Errorf("%+v", r)
		}
	})
	t.Run("none won", func(t *testing.T) {
		for order := 1; order <= 3; order++ {
			c := chainOf(t, three, order, []Path{{Contents: []uint32{1, 2, 1, 2}, Nulls: 2}}, true)
			r := effects(t, c)
			for _, e := range r.Contents {
				if e != (Effect{Content: e.Content}) {
					t.Errorf("order %d: %+v although nothing was won", order, e)
				}
			}
			if order == 1 {
				game, err := c.Shapley(t.Context(), Sampling{})
				if err != nil || game.Contents[0] != (Player{Content: "=SUM(A1)"}) {
					t.Errorf("%+v, %v although nothing was won", game, err)
				}
			}
		}
	})
	t.Run("only empty paths", func(t *testing.T) {
		c := chainOf(t, three, 1, []Path{{Conversions: 2, Nulls: 2, Value: 9}}, true)
		game, err := c.Shapley(t.Context(), Sampling{All: true})
		if r := effects(t, c); err != nil || r.Probability != 0.5 || r.Contents[0].Value != 0 || game.Contents[0].Value != 0 || game.Untouched.Value != 9 {
			t.Errorf("%+v, %+v, %v", r, game, err)
		}
	})
	t.Run("won without value", func(t *testing.T) {
		e := effects(t, chainOf(t, three, 2, []Path{{Contents: []uint32{2}, Conversions: 2, Nulls: 2}}, true)).Contents[1]
		if e.Removal != (Pair{Count: 1}) || e.Share != (Pair{Count: 1}) || e.Conversions != 2 || e.Value != 0 {
			t.Errorf("%+v", e)
		}
	})
}

// Somebody who reads the same few contents in turn thousands of times is slow to sweep, and no less exact.
func TestLongJourneysAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		order := rapid.IntRange(1, 3).Draw(rt, "order")
		paths := drawPaths(rt, 5)
		for range rapid.IntRange(1, 3).Draw(rt, "long") {
			round := rapid.SliceOfN(rapid.Uint32Range(1, 5), 1, 6).Draw(rt, "round")
			paths = append(paths, Path{Contents: slices.Repeat(round, rapid.IntRange(1, 1_000).Draw(rt, "times")), Conversions: 1, Value: 3})
		}
		r, err := chainOf(t, named(5), order, paths, true).Effects()
		if err != nil {
			rt.Fatal(err)
		}
		all := solved(t, order, paths, nothing)
		for i, e := range r.Contents {
			without := solved(t, order, paths, func(c uint32) bool { return int(c) == i+1 })
			if want := (all.Count - without.Count) / all.Count; !near(e.Removal.Count, want, 1e-9) {
				rt.Errorf("order %d, %s: %v, want %v", order, e.Content, e.Removal.Count, want)
			}
		}
	})
}

func TestWhatAPersonCanMendIsAProblem(t *testing.T) {
	t.Parallel()
	path := func(n int64, contents ...uint32) Path { return Path{Contents: contents, Nulls: n} }
	var many, kinds []Path
	for i := range uint32(MaxDense + 1) {
		many = append(many, path(1, i+1))
	}
	for i := range uint32(MaxStates/100 + 1) {
		for j := range uint32(100) {
			kinds = append(kinds, path(1, i+1, j+1))
		}
	}
	for want, given := range map[string]struct {
		order int
		paths []Path
	}{
		"no lost deals":   {1, []Path{{Contents: []uint32{1}, Conversions: 2}}},
		"no closed deals": {1, nil},
		"choose 1 to 3":   {4, []Path{path(1, 1)}},
		"order 0":         {0, []Path{path(1, 1)}},
		"2001 contents":   {1, many},
		"20100 states":    {2, kinds},
	} {
		_, err := FromPaths(named(3000), given.order, given.paths)
		var p *trail.Problem
		if !errors.As(err, &p) || p.Code != trail.Invalid || !strings.Contains(p.Text, want) {
			t.Errorf("%v, want a problem with %q", err, want)
		}
	}
	c := chainOf(t, named(2), 2, []Path{path(1, 1, 2)}, true)
	var p *trail.Problem
	if _, err := c.Shapley(t.Context(), Sampling{}); !errors.As(err, &p) {
		t.Errorf("%v for Shapley at order 2, want a problem", err)
	}
}

func TestMovesThatNoJourneyMadeAreRefused(t *testing.T) {
	t.Parallel()
	start, a, ab, ba := Gram{}, Gram{1}, Gram{1, 2}, Gram{2, 1}
	good := []Move{{From: start, To: a, Nulls: 2}, {From: a, To: start, Nulls: 2}}
	for name, given := range map[string]struct {
		order int
		moves []Move
		want  string
	}{
		"negative count":          {1, []Move{{From: start, To: start, Nulls: -1}}, "-1"},
		"negative value":          {1, []Move{{From: start, To: start, Conversions: 1, Value: -1}}, "-1"},
		"huge":                    {1, []Move{{From: start, To: start, Nulls: math.MaxInt64}}, "not a count"},
		"huge together":           {1, []Move{{Nulls: MaxSum}, {Nulls: MaxSum}}, "more than"},
		"too much value":          {1, []Move{{Conversions: 1, Value: MaxSum}, {Conversions: 1, Value: 1}}, "value is over"},
		"value of the lost":       {1, []Move{{From: start, To: start, Nulls: 1, Value: 1}}, "without a won"},
		"unknown content":         {1, []Move{{From: start, To: Gram{3}, Nulls: 1}}, "of 2 contents"},
		"longer than order":       {1, []Move{{From: start, To: ab, Nulls: 1}}, "of 2 contents"},
		"hole in a gram":          {2, []Move{{From: start, To: Gram{0, 1}, Nulls: 1}}, "of 2 contents"},
		"does not follow":         {2, []Move{{From: ab, To: ab, Nulls: 1}}, "does not follow"},
		"short gram goes on":      {2, []Move{{From: a, To: ab, Nulls: 1}}, "does not follow"},
		"row missing":             {1, good[:1], "enter it"},
		"row twice":               {1, append(good[:2:2], good[1]), "enter it"},
		"won enters, lost leaves": {1, []Move{{From: start, To: a, Conversions: 1}, {From: a, To: start, Nulls: 1}}, "enter it"},
		"goes round":              {2, []Move{{From: ab, To: ba, Nulls: 1}, {From: ba, To: ab, Nulls: 1}, {From: start, To: start, Nulls: 1}}, "goes round"},
	} {
		_, err := New(named(2), given.order, given.moves)
		var p *trail.Problem
		if err == nil || errors.As(err, &p) || !strings.Contains(err.Error(), given.want) {
			t.Errorf("%s: %v, want an error with %q that is no problem of a person", name, err, given.want)
		}
	}
	for _, contents := range [][]string{{"b", "a"}, {"a", "a"}, {""}} {
		if _, err := New(contents, 1, []Move{{Nulls: 1}}); err == nil {
			t.Errorf("contents %q are taken", contents)
		}
	}
}

func TestMoneyIsDividedByLargestRemainder(t *testing.T) {
	t.Parallel()
	third := Pair{Value: 1.0 / 3}
	for _, of := range []struct {
		value int64
		share []Pair
		want  []int64
	}{
		{100, []Pair{{Value: 0.499}, {Value: 0.005}, {Value: 0.496}}, []int64{50, 0, 50}}, // 49.9, .5, 49.6
		{2, []Pair{third, third, third}, []int64{1, 1, 0}},                                // equal remainders: the first in order
		{2, []Pair{{}, third, third, third}, []int64{0, 1, 1, 0}},                         // never to who has no share
		{7, []Pair{{}, {}}, []int64{0, 0}},
		{10, []Pair{third, {Value: 2.0 / 3}}, []int64{3, 7}},
	} {
		if got := divide(of.value, of.share); !slices.Equal(got, of.want) {
			t.Errorf("%d by %v is %v, want %v", of.value, of.share, got, of.want)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(rt, "contents")
		weights := make([]Pair, n)
		for i := range weights {
			weights[i].Value = rapid.Float64Range(0.001, 1).Draw(rt, "weight")
		}
		value, share := rapid.Int64Range(0, MaxSum).Draw(rt, "value"), shares(weights)
		sum := int64(0)
		for i, part := range divide(value, share) {
			sum += part
			// Shares are floating point, so near MaxSum their sum is off by a unit or so of the value, which is given to somebody.
			if exact := share[i].Value * float64(value); math.Abs(float64(part)-exact) > 1+float64(value)*1e-15 {
				rt.Errorf("%d of %v", part, exact)
			}
		}
		if sum != value {
			rt.Errorf("parts add up to %d of %d", sum, value)
		}
	})
}
