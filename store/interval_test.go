package store_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"dealtrail/store"
)

// sums are what an interval is made from.
type sums struct{ sum, squares, largest float64 }

func (s *sums) add(part float64) {
	s.sum, s.squares, s.largest = s.sum+part, s.squares+part*part, max(s.largest, part)
}

func (s sums) ends() (low, high float64) { return store.PoissonEnds(s.sum, s.squares, s.largest) }

// shared is the share of a deal that a content has with some of its touches.
func shared(random *rand.Rand) float64 {
	touches := 1 + random.IntN(8)
	return float64(1+random.IntN(touches)) / float64(touches)
}

// amount is what a deal is worth: one in a hundred is ten times the median.
func amount(random *rand.Rand) float64 { return math.Exp(10 + random.NormFloat64()) }

func TestEndsAreThoseOfThePoissonBootstrap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 3, 5, 20, 100, 400} {
		var s sums
		deals := make([]float64, n)
		for i := range deals {
			deals[i] = shared(random) * amount(random)
			s.add(deals[i])
		}
		const replicates = 40_000
		once := distuv.Poisson{Lambda: 1, Src: random}
		found := make([]float64, replicates)
		mean, squares := 0.0, 0.0
		for i := range found {
			for _, d := range deals {
				found[i] += d * once.Rand()
			}
			mean += found[i] / replicates
		}
		for _, f := range found {
			squares += (f - mean) * (f - mean) / replicates
		}
		if math.Abs(squares/s.squares-1) > 0.05 {
			t.Errorf("%d deals: the bootstrap's variance is %g, the sum of squares %g", n, squares, s.squares)
		}
		slices.Sort(found)
		low, high := s.ends()
		from, to := found[replicates/40], found[replicates-replicates/40]
		t.Logf("%d deals: %.3g to %.3g around %.3g; the bootstrap %.3g to %.3g", n, low, high, s.sum, from, to)
		// With many deals they agree; with few the bootstrap cannot reach beyond what it saw, and the ends must be wider.
		if width := to - from; n >= 100 && (math.Abs(low-from) > 0.1*width || math.Abs(high-to) > 0.2*width) {
			t.Errorf("%d deals: %g to %g, the bootstrap %g to %g", n, low, high, from, to)
		}
		if high < to*0.98 || n > 1 && low < from*0.98-0.1*s.sum {
			t.Errorf("%d deals: %g to %g is narrower than the bootstrap's %g to %g, or reaches far below it", n, low, high, from, to)
		}
	}
}

// TestEndsHoldTheTruth makes companies of which each key gets a number of deals by
// chance, and counts how often the intervals of its credit and of its money hold
// what it gets in the mean of all companies. Keys that got no deal are in no report.
func TestEndsHoldTheTruth(t *testing.T) {
	const companies = 400
	random := rand.New(rand.NewPCG(2, 2))
	meanShare, meanAmount := 0.0, math.Exp(10.5)
	for range 1_000_000 {
		meanShare += shared(random) / 1_000_000
	}
	groups := [][]float64{{1, 1.5, 2, 3, 4, 5}, {8, 12, 20}, {50, 200}} // deals expected of the keys
	type tally struct{ credit, money, wald, all float64 }
	found := make([]tally, len(groups))
	for range companies {
		type key struct {
			group         int
			expected, n   float64
			credit, money sums
		}
		var keys []key
		var worth sums // of the company's deals
		for group, members := range groups {
			for _, expected := range members {
				k := key{group: group, expected: expected, n: distuv.Poisson{Lambda: expected, Src: random}.Rand()}
				for range int(k.n) {
					part, value := shared(random), amount(random)
					k.credit.add(part)
					k.money.add(part * value)
					worth.add(value)
				}
				keys = append(keys, k)
			}
		}
		deals := 0.0
		for _, k := range keys {
			deals += k.n
		}
		for _, k := range keys {
			if k.n == 0 {
				continue
			}
			in := &found[k.group]
			in.all++
			truth := k.expected * meanShare
			if low, high := k.credit.ends(); low <= truth && truth <= high {
				in.credit++
			}
			k.money.largest = max(k.money.largest, k.credit.sum/k.n*math.Sqrt(worth.squares/deals)) // as store does
			truth *= meanAmount
			if low, high := k.money.ends(); low <= truth && truth <= high {
				in.money++
			}
			if math.Abs(k.money.sum-truth) <= 1.96*math.Sqrt(k.money.squares) {
				in.wald++
			}
		}
	}
	for group, members := range groups {
		f := found[group]
		t.Logf("%v deals expected: %.3f of the intervals of credit and %.3f of money hold the truth; of the normal approximation's %.3f", members, f.credit/f.all, f.money/f.all, f.wald/f.all)
		if c, m := f.credit/f.all, f.money/f.all; c < 0.93 || c > 0.99 || m < 0.93 || m > 0.99 {
			t.Errorf("%v deals expected: %.3f of the intervals of credit, %.3f of those of money hold the truth", members, c, m)
		}
	}
	if f := found[0]; f.wald/f.all > 0.9 {
		t.Error("the normal approximation holds as well: the companies do not bite")
	}
}

func TestEndsOfEqualPartsAreThoseOfACount(t *testing.T) {
	for n, want := range map[float64]string{1: "0.025 5.572", 4: "1.090 10.242", 100: "81.364 121.627"} {
		low, high := store.PoissonEnds(7*n, 49*n, 7) // n parts of 7
		if got := fmt.Sprintf("%.3f %.3f", low/7, high/7); got != want {
			t.Errorf("%g deals: %s, want %s", n, got, want)
		}
	}
	if low, high := store.PoissonEnds(0, 0, 0); low != 0 || high != 0 {
		t.Errorf("nothing: %g to %g", low, high)
	}
	if low, high := store.PoissonEnds(9e18, 8.1e37, 9e18); !(low > 0 && low < 9e18 && high > 9e18 && !math.IsInf(high, 0)) {
		t.Errorf("one very large deal: %g to %g", low, high)
	}
}
