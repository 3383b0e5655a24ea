package lift_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"

	"dealtrail/attribution/lift"
	"dealtrail/attribution/lift/lifttest"
)

// soaking says that these tests run as make soak runs them: at full length, against
// the bars that docs/models.md promises.
var soaking = os.Getenv("DEALTRAIL_SOAK") == "1"

// either returns what the short or the long form of a test takes.
func either[T any](short, long T) T {
	if soaking {
		return long
	}
	return short
}

// inRuns calls do for each run with its own generator, on all cores.
func inRuns(runs int, do func(run int, rng *rand.Rand)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for run := range next {
				do(run, rand.New(rand.NewPCG(uint64(run), 2026)))
			}
		})
	}
	for run := range runs {
		next <- run
	}
	close(next)
	wg.Wait()
}

// tally is what one estimator did for one content over runs.
type tally struct {
	n, covered, significant int
	sum                     float64
}

func (t *tally) add(e lift.Estimate, p, truth float64) {
	t.n++
	t.sum += e.Value
	if e.Low <= truth && truth <= e.High {
		t.covered++
	}
	if p < 0.05 {
		t.significant++
	}
}

func (t tally) coverage() float64 { return float64(t.covered) / float64(t.n) }
func (t tally) rate() float64     { return float64(t.significant) / float64(t.n) }
func (t tally) String() string {
	return fmt.Sprintf("mean %+.4f, covered %.4f, p<.05 %.4f", t.sum/float64(t.n), t.coverage(), t.rate())
}

func wald(e lift.Estimate) float64 { return math.Erfc(math.Abs(e.Value/e.SE) / math.Sqrt2) }

// TestEstimatorsFindThePlantedTruth also proves that the world is one in which it is
// easy to be wrong: the naive report must fail in it.
func TestEstimatorsFindThePlantedTruth(t *testing.T) {
	t.Parallel()
	w := lifttest.World{Contents: lifttest.Six}
	truth := w.Truths(rand.New(rand.NewPCG(1, 1)))
	var mu sync.Mutex
	var mh, hazard, wrong [6]tally
	var gain tally
	runs, size := either(60, 400), either(1500, 3000)
	inRuns(runs, func(run int, rng *rand.Rand) {
		deals := w.Simulate(size, rng)
		findings, _, err := lift.Judge(w.Lifts(deals))
		if err != nil {
			t.Error(err)
			return
		}
		const asked = 2
		fit, err := model(w, asked).Fit(cells(w, deals, asked))
		if err != nil {
			t.Error(err)
			return
		}
		starts, better := startsOf(w, deals, asked, lifttest.Horizon)
		g, err := fit.Gain(starts, lifttest.Horizon, uint64(run))
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		gain.add(lift.Estimate{Value: g.Value - better, Low: g.Low - better, High: g.High - better}, 1, 0)
		for k, c := range lifttest.Six {
			for _, f := range findings {
				if f.Content == c.ID && f.Verdict != lift.TooLittle {
					mh[k].add(f.Difference, f.P, truth[k])
				}
			}
			name := c.ID
			if k == asked {
				name = "seen"
			}
			b, _ := fit.Advance.Term(name)
			hazard[k].add(b, wald(b), c.Effect)
			d, z := lifttest.Naive(deals, k)
			wrong[k].add(lift.Estimate{Value: d, Low: d, High: d}, wald(lift.Estimate{Value: z, SE: 1}), 0)
		}
	})
	low, high, most := either(0.85, 0.91), either(1.0, 0.98), either(0.15, 0.09)
	for k, c := range lifttest.Six {
		t.Logf("%-10s landmark (true %+.4f): %v; hazard (true %+.3f): %v; naive: %v", c.ID, truth[k], mh[k], c.Effect, hazard[k], wrong[k])
		for what, got := range map[string]tally{"landmark": mh[k], "hazard": hazard[k]} {
			if got.n != runs || got.coverage() < low || got.coverage() > high {
				t.Errorf("%s of %s: %d of %d runs, coverage %.4f is not from %g to %g", what, c.ID, got.n, runs, got.coverage(), low, high)
			}
			if c.Effect == 0 && (got.rate() > most || got.rate() < either(0, 0.02)) {
				t.Errorf("%s of %s, which has no effect, is significant in %.4f of runs", what, c.ID, got.rate())
			}
		}
	}
	t.Logf("gain of true_up, estimate minus truth: %v", gain)
	if gain.coverage() < low || gain.coverage() > high {
		t.Errorf("the gain's interval covers %.4f", gain.coverage())
	}
	if wrong[1].rate() < 1 || wrong[1].sum <= 0 {
		t.Errorf("the naive report does not fall for content that is only sent late: %v", wrong[1])
	}
	if wrong[3].rate() < 0.9 || wrong[3].sum <= 0 {
		t.Errorf("the naive report sees that true_down hurts: %v", wrong[3])
	}
}

func TestPlaceboIsQuietUnlessDealsAreSelected(t *testing.T) {
	t.Parallel()
	runs := either(60, 400)
	for _, gamma := range []float64{0, 0.5} {
		w := lifttest.World{Contents: lifttest.Six, Gamma: gamma}
		var mu sync.Mutex
		var banners int
		tests, lifts := map[string]*tally{}, map[string]*tally{}
		for _, c := range lifttest.Six {
			tests[c.ID], lifts[c.ID] = &tally{}, &tally{}
		}
		inRuns(runs, func(run int, rng *rand.Rand) {
			deals := w.Simulate(3000, rng)
			p, err := lift.Pool(w.Placebos(deals))
			if err != nil {
				t.Error(err)
				return
			}
			findings, _, err := lift.Judge(w.Lifts(deals))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if p.Banner {
				banners++
			}
			for _, c := range p.Contents {
				tests[c.Content].add(lift.Estimate{Value: c.Z}, c.P, 0)
			}
			for _, f := range findings {
				lifts[f.Content].add(f.Difference, f.P, 0)
			}
		})
		share := float64(banners) / float64(runs)
		t.Logf("gamma %g: banner in %.4f of runs", gamma, share)
		for _, c := range lifttest.Six {
			t.Logf("gamma %g, %-10s placebo z %v (in %d runs); lift %v", gamma, c.ID, tests[c.ID], tests[c.ID].n, lifts[c.ID])
			if got := tests[c.ID]; gamma == 0 && got.n >= runs/2 && got.rate() > either(0.15, 0.08) {
				t.Errorf("the placebo of %s fires in %.4f of clean runs", c.ID, got.rate())
			}
		}
		if gamma == 0 && share > either(0.15, 0.08) || gamma > 0 && share < 0.85 {
			t.Errorf("gamma %g: the banner is up in %.4f of runs", gamma, share)
		}
	}
}

// library is 300 contents of which 30 have an effect.
func library() lifttest.World {
	w := lifttest.World{}
	rng := rand.New(rand.NewPCG(300, 30))
	for k := range 300 {
		c := lifttest.Content{ID: fmt.Sprintf("c%03d", k)}
		at := -6 + 1.5*rng.Float64()
		for s := range lifttest.Stages {
			c.View[s] = at
		}
		if k < 30 {
			c.Effect = 0.55
			if k%2 == 1 {
				c.Effect = -0.55
			}
		}
		w.Contents = append(w.Contents, c)
	}
	return w
}

func TestFalseDiscoveriesStayAtTheirShare(t *testing.T) {
	t.Parallel()
	w := library()
	effect := map[string]float64{}
	for _, c := range w.Contents {
		effect[c.ID] = c.Effect
	}
	runs := either(15, 400)
	for _, size := range either([]int{1000}, []int{1000, 3000}) {
		var mu sync.Mutex
		var rate, power, plain, judged float64
		var banners int
		inRuns(runs, func(run int, rng *rand.Rand) {
			deals := w.Simulate(size, rng)
			findings, _, err := lift.Judge(w.Lifts(deals))
			if err != nil {
				t.Error(err)
				return
			}
			p, err := lift.Pool(w.Placebos(deals))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if p.Banner {
				banners++
			}
			var said, wrong, right, low, lowWrong float64
			for _, f := range findings {
				if f.Verdict == lift.TooLittle {
					continue
				}
				judged++
				if f.P < 0.05 {
					low++
					if effect[f.Content] == 0 {
						lowWrong++
					}
				}
				if f.Verdict == lift.None {
					continue
				}
				said++
				if effect[f.Content]*f.Difference.Value > 0 {
					right++
				} else {
					wrong++
				}
			}
			rate += wrong / max(1, said)
			power += right / 30
			plain += lowWrong / max(1, low)
		})
		n := float64(runs)
		t.Logf("%d deals: false discovery rate %.4f, power %.3f, unadjusted %.3f, contents judged %.1f, placebo banner %.4f",
			size, rate/n, power/n, plain/n, judged/n, float64(banners)/n)
		if rate/n > either(0.2, 0.12) {
			t.Errorf("%d deals: %.4f of what is said to have an effect has none", size, rate/n)
		}
		if plain/n < 2*rate/n {
			t.Errorf("%d deals: unadjusted p-values are wrong in %.4f, so the adjustment is not put to the test", size, plain/n)
		}
	}
}
