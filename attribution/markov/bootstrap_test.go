package markov

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"dealtrail/trail"
)

func TestWeightsArePoissonAndAlwaysTheSame(t *testing.T) {
	t.Parallel()
	// As ClickHouse gives them by the expression at Weight.
	for deal, want := range map[string][]int64{
		"":      {2, 0, 0, 1, 0, 1, 1, 1, 2, 2, 3, 0},
		"D-1":   {2, 0, 2, 2, 2, 1, 0, 2, 1, 1, 1, 1},
		"größe": {1, 0, 1, 1, 2, 0, 1, 1, 1, 3, 2, 2},
	} {
		var got []int64
		for replicate := 1; replicate <= 12; replicate++ {
			got = append(got, Weight(Key(deal), replicate))
		}
		if !slices.Equal(got, want) {
			t.Errorf("weights of %q are %v, want %v", deal, got, want)
		}
	}
	const deals, replicates = 2_000, 200
	counts := make([]float64, len(poisson)+1)
	var together float64
	for d := range deals {
		key := Key(fmt.Sprint("deal ", d))
		before := 0.0
		for r := 1; r <= replicates; r++ {
			w := Weight(key, r)
			counts[w]++
			together += (float64(w) - 1) * before
			before = float64(w) - 1
		}
	}
	n, p, chi := float64(deals*replicates), math.Exp(-1), 0.0
	for k := range 7 {
		chi += (counts[k] - n*p) * (counts[k] - n*p) / (n * p)
		p /= float64(k + 1)
	}
	if chi > 25 { // 7 degrees of freedom, p < .001
		t.Errorf("chi squared is %v, counts %v", chi, counts)
	}
	if r := together / n; math.Abs(r) > 0.01 {
		t.Errorf("weights of neighbouring replicates correlate by %v", r)
	}
}

// chain8 is 8 contents with known probabilities.
func chain8() known {
	source := rand.New(rand.NewPCG(8, 8))
	k := make(known, 9)
	for s := range k {
		row, sum := make([]float64, 10), 0.0
		for to := range row {
			row[to] = 0.2 + source.Float64()
			if to >= 8 && s < 8 {
				row[to] *= []float64{0.6, 2}[to-8] * (0.5 + float64(s)/8)
			}
			if to >= 8 && s == 8 {
				row[to] *= 0.1
			}
			sum += row[to]
		}
		for to := range row {
			row[to] /= sum
		}
		k[s] = row
	}
	return k
}

func (k known) deals(n int, source *rand.Rand) []Deal {
	deals := make([]Deal, n)
	for d := range deals {
		path, won := k.deal(source)
		deals[d] = Deal{Key: source.Uint64(), Contents: path, Won: won, Value: 100 + int64(source.IntN(900))}
	}
	return deals
}

// The long version is 1,000 data sets; the band allows for the 120 here.
func TestBootstrapIntervalsCoverTheTruth(t *testing.T) {
	t.Parallel()
	k := chain8()
	all := k.success(t, -1)
	truth := make([]Pair, 8)
	for c := range truth {
		truth[c].Count = 1 - k.success(t, c)/all
	}
	share := shares(truth)
	worth, err := Shapley(8, func(coalition uint32) float64 {
		return k.successOf(t, func(content int) bool { return coalition>>content&1 == 1 })
	})
	if err != nil {
		t.Fatal(err)
	}
	source := rand.New(rand.NewPCG(1, 2))
	const sets, usual = 120, 500
	touched := all - k.successOf(t, func(int) bool { return false })
	var covered, sharesCovered, creditsCovered, worthCovered, playedCovered int
	for range sets {
		deals := k.deals(usual+int(math.Round(math.Sqrt(usual)*source.NormFloat64())), source) // how many come is chance too
		r, err := Bootstrap(t.Context(), named(8), 1, deals, Resampling{Pairs: 2})
		if err != nil {
			t.Fatal(err)
		}
		game := gameOf(t, deals)
		for c, s := range r.Contents {
			if own := game.Contents[c].Worth.Count; own+s.Worth.Low <= worth[c] && worth[c] <= own+s.Worth.High {
				worthCovered++
			}
			won := float64(game.Conversions - game.Untouched.Conversions)
			if own := game.Contents[c].Share.Count; (own+s.Played.Low)*won <= worth[c]*usual && worth[c]*usual <= (own+s.Played.High)*won {
				playedCovered++
			}
			if credit := share[c].Count * touched * usual; s.Credit.Low*won <= credit && credit <= s.Credit.High*won {
				creditsCovered++
			}
			if s.Removal.Low <= truth[c].Count && truth[c].Count <= s.Removal.High {
				covered++
			}
			if s.Share.Low <= share[c].Count && share[c].Count <= s.Share.High {
				sharesCovered++
			}
		}
	}
	for what, n := range map[string]int{"removal effects": covered, "their shares": sharesCovered, "credits by them": creditsCovered, "Shapley values": worthCovered, "credits by those": playedCovered} {
		coverage := float64(n) / (8 * sets)
		t.Logf("coverage %.3f of %s", coverage, what)
		if coverage < 0.90 || coverage > 0.98 {
			t.Errorf("coverage %.3f of %s; want .90 to .98", coverage, what)
		}
	}
}

// gameOf returns the Shapley values of the chain of deals over 8 contents.
func gameOf(t *testing.T, deals []Deal) *Game {
	t.Helper()
	var paths []Path
	for _, d := range deals {
		p := Path{Contents: d.Contents, Nulls: 1}
		if d.Won {
			p.Conversions, p.Nulls, p.Value = 1, 0, d.Value
		}
		paths = append(paths, p)
	}
	game, err := chainOf(t, named(8), 1, paths, true).Shapley(t.Context(), Sampling{})
	if err != nil {
		t.Fatal(err)
	}
	return game
}

func TestBootstrapDependsOnNoOrderOfDeals(t *testing.T) {
	t.Parallel()
	source := rand.New(rand.NewPCG(3, 4))
	deals := chain8().deals(300, source)
	for order := 1; order <= 3; order++ {
		o := Resampling{Replicates: 50}
		if order == 1 {
			o.Pairs = 3
		}
		first, err := Bootstrap(t.Context(), named(9), order, deals, o)
		if err != nil {
			t.Fatal(err)
		}
		shuffled := slices.Clone(deals)
		source.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		second, err := Bootstrap(t.Context(), named(9), order, shuffled, o)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := text(t, first), text(t, second); a != b {
			t.Errorf("order %d: %s, and shuffled %s", order, a, b)
		}
		if s := first.Contents[8]; s != (Spread{Content: "C0009"}) {
			t.Errorf("a content never seen has %+v", s)
		}
	}
}

// A replicate is the chain of the deals it drew, each as often as its weight says.
func TestReplicateIsTheChainOfItsDeals(t *testing.T) {
	t.Parallel()
	deals := chain8().deals(400, rand.New(rand.NewPCG(5, 6)))
	for order := 1; order <= 3; order++ {
		j, err := newJourneys(named(8), order, deals)
		if err != nil {
			t.Fatal(err)
		}
		drawn := j.graph.newTally()
		for replicate := 1; replicate <= 3; replicate++ {
			j.draw(drawn, deals, replicate)
			got, err := j.graph.removal(drawn)
			if err != nil {
				t.Fatal(err)
			}
			var paths []Path
			for _, d := range deals {
				p := Path{Contents: d.Contents, Nulls: Weight(d.Key, replicate)}
				if d.Won {
					p.Conversions, p.Nulls, p.Value = p.Nulls, 0, p.Nulls*d.Value
				}
				paths = append(paths, p)
			}
			for c, e := range effects(t, chainOf(t, named(8), order, paths, true)).Contents {
				if !near(got[c].Count, e.Removal.Count, 1e-12) || !near(got[c].Value, e.Removal.Value, 1e-12) {
					t.Errorf("order %d, replicate %d, %s: %v, want %v", order, replicate, e.Content, got[c], e.Removal)
				}
			}
		}
	}
}

func TestBootstrapRefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	won, lost := Deal{Key: 1, Contents: []uint32{1}, Won: true, Value: 5}, Deal{Key: 2, Contents: []uint32{1, 2}}
	var p *trail.Problem
	for name, given := range map[string]struct {
		deals []Deal
		o     Resampling
	}{
		"no lost deals":  {[]Deal{won}, Resampling{}},
		"no deals":       {nil, Resampling{}},
		"few replicates": {[]Deal{won, lost}, Resampling{Replicates: 10}},
		"level":          {[]Deal{won, lost}, Resampling{Level: 1}},
		"no level":       {[]Deal{won, lost}, Resampling{Level: math.NaN()}},
	} {
		if _, err := Bootstrap(t.Context(), named(2), 1, given.deals, given.o); !errors.As(err, &p) {
			t.Errorf("%s: %v, want a problem", name, err)
		}
	}
	for name, bad := range map[string]Deal{"unknown content": {Contents: []uint32{3}}, "no content": {Contents: []uint32{0}}, "negative": {Won: true, Value: -1}, "huge": {Won: true, Value: MaxSum}} {
		if _, err := Bootstrap(t.Context(), named(2), 1, []Deal{won, lost, bad}, Resampling{}); err == nil || errors.As(err, &p) {
			t.Errorf("%s: %v, want an error that is no problem of a person", name, err)
		}
	}
	r, err := Bootstrap(t.Context(), named(2), 1, []Deal{won, lost}, Resampling{})
	if err != nil || r.Empty < 80 || r.Empty > 160 { // 1 - (1 - 1/e)^2 = .6 of 200
		t.Errorf("%+v, %v: of two deals most replicates lack one", r, err)
	}
	huge := lost // what a lost deal would have been worth is nobody's
	huge.Value = math.MaxInt64
	if same, err := Bootstrap(t.Context(), named(2), 1, []Deal{won, huge}, Resampling{}); err != nil || !reflect.DeepEqual(same, r) {
		t.Errorf("%+v, %v: the value of a lost deal counts", same, err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Bootstrap(stopped, named(2), 1, []Deal{won, lost}, Resampling{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v after a stop", err)
	}
}

// As R's quantile and numpy's percentile give them.
func TestIntervalsArePercentiles(t *testing.T) {
	t.Parallel()
	effects := make([][]Pair, 101)
	for i := range effects {
		at := float64((i * 37) % 101)
		effects[i] = []Pair{{at, 1}, {100 - at, 3}}
	}
	beside := slices.Repeat([]Pair{{2, 0.4}}, len(effects))
	got := spreads([]string{"a", "b"}, effects, beside, 0.95)
	want := []Spread{
		{Content: "a", Removal: Interval{2.5, 97.5}, RemovalValue: Interval{1, 1}, Share: Interval{0.025, 0.975}, ShareOfValue: Interval{0.25, 0.25}, Credit: Interval{0.05, 1.95}, CreditOfValue: Interval{0.1, 0.1}},
		{Content: "b", Removal: Interval{2.5, 97.5}, RemovalValue: Interval{3, 3}, Share: Interval{0.025, 0.975}, ShareOfValue: Interval{0.75, 0.75}, Credit: Interval{0.05, 1.95}, CreditOfValue: Interval{0.3, 0.3}},
	}
	for i := range want {
		for _, pair := range [][2]Interval{
			{got[i].Removal, want[i].Removal},
			{got[i].RemovalValue, want[i].RemovalValue},
			{got[i].Share, want[i].Share},
			{got[i].ShareOfValue, want[i].ShareOfValue},
			{got[i].Credit, want[i].Credit},
			{got[i].CreditOfValue, want[i].CreditOfValue},
		} {
			if !near(pair[0].Low, pair[1].Low, 1e-12) || !near(pair[0].High, pair[1].High, 1e-12) {
				t.Errorf("%s: %v, want %v", want[i].Content, pair[0], pair[1])
			}
		}
	}
}
