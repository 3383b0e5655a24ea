package lift_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"dealtrail/attribution/lift"
)

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

// naive is what a report of win rates "when seen" says of closed deals, with the
// test that belongs to it.
func naive(deals []deal, content int) (difference, p float64) {
	var won, n [2]float64
	for _, d := range deals {
		if d.end == weeks && d.stage < stages && !d.lost {
			continue
		}
		ever := 0
		if d.seen[content] != never {
			ever = 1
		}
		n[ever]++
		if d.stage == stages {
			won[ever]++
		}
	}
	p1, p0 := won[1]/n[1], won[0]/n[0]
	return p1 - p0, wald(lift.Estimate{Value: p1 - p0, SE: math.Sqrt(p1*(1-p1)/n[1] + p0*(1-p0)/n[0])})
}

// TestEstimatorsFindThePlantedTruth also proves that the world is one in which it is
// easy to be wrong: the naive report must fail in it.
func TestEstimatorsFindThePlantedTruth(t *testing.T) {
	t.Parallel()
	w := world{contents: six}
	truth := w.truths(rand.New(rand.NewPCG(1, 1)))
	var mu sync.Mutex
	var mh, hazard, wrong [6]tally
	var gain tally
	runs, size := either(60, 400), either(1500, 3000)
	inRuns(runs, func(run int, rng *rand.Rand) {
		deals := w.simulate(size, rng)
		findings, _, err := lift.Judge(w.lifts(deals))
		if err != nil {
			t.Error(err)
			return
		}
		const asked = 2
		fit, err := w.hazard(asked).Fit(w.cells(deals, asked))
		if err != nil {
			t.Error(err)
			return
		}
		starts, better := w.starts(deals, asked, horizon)
		g, err := fit.Gain(starts, horizon, uint64(run))
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		gain.add(lift.Estimate{Value: g.Value - better, Low: g.Low - better, High: g.High - better}, 1, 0)
		for k, c := range six {
			for _, f := range findings {
				if f.Content == c.id && f.Verdict != lift.TooLittle {
					mh[k].add(f.Difference, f.P, truth[k])
				}
			}
			name := c.id
			if k == asked {
				name = "seen"
			}
			b, _ := fit.Advance.Term(name)
			hazard[k].add(b, wald(b), c.effect)
			d, p := naive(deals, k)
			wrong[k].add(lift.Estimate{Value: d, Low: d, High: d}, p, 0)
		}
	})
	low, high, most := either(0.85, 0.91), either(1.0, 0.98), either(0.15, 0.09)
	for k, c := range six {
		t.Logf("%-10s landmark (true %+.4f): %v; hazard (true %+.3f): %v; naive: %v", c.id, truth[k], mh[k], c.effect, hazard[k], wrong[k])
		for what, got := range map[string]tally{"landmark": mh[k], "hazard": hazard[k]} {
			if got.n != runs || got.coverage() < low || got.coverage() > high {
				t.Errorf("%s of %s: %d of %d runs, coverage %.4f is not from %g to %g", what, c.id, got.n, runs, got.coverage(), low, high)
			}
			if c.effect == 0 && (got.rate() > most || got.rate() < either(0, 0.02)) {
				t.Errorf("%s of %s, which has no effect, is significant in %.4f of runs", what, c.id, got.rate())
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
		w := world{contents: six, gamma: gamma}
		var mu sync.Mutex
		var banners int
		tests, lifts := map[string]*tally{}, map[string]*tally{}
		for _, c := range six {
			tests[c.id], lifts[c.id] = &tally{}, &tally{}
		}
		inRuns(runs, func(run int, rng *rand.Rand) {
			deals := w.simulate(3000, rng)
			p, err := lift.Pool(w.placebos(deals))
			if err != nil {
				t.Error(err)
				return
			}
			findings, _, err := lift.Judge(w.lifts(deals))
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
		for _, c := range six {
			t.Logf("gamma %g, %-10s placebo z %v (in %d runs); lift %v", gamma, c.id, tests[c.id], tests[c.id].n, lifts[c.id])
			if got := tests[c.id]; gamma == 0 && got.n >= runs/2 && got.rate() > either(0.15, 0.08) {
				t.Errorf("the placebo of %s fires in %.4f of clean runs", c.id, got.rate())
			}
		}
		if gamma == 0 && share > either(0.15, 0.08) || gamma > 0 && share < 0.85 {
			t.Errorf("gamma %g: the banner is up in %.4f of runs", gamma, share)
		}
	}
}

// library is 300 contents of which 30 have an effect.
func library() world {
	w := world{}
	rng := rand.New(rand.NewPCG(300, 30))
	for k := range 300 {
		c := planted{id: fmt.Sprintf("c%03d", k)}
		at := -6 + 1.5*rng.Float64()
		for s := range stages {
			c.view[s] = at
		}
		if k < 30 {
			c.effect = 0.55
			if k%2 == 1 {
				c.effect = -0.55
			}
		}
		w.contents = append(w.contents, c)
	}
	return w
}

func TestFalseDiscoveriesStayAtTheirShare(t *testing.T) {
	t.Parallel()
	w := library()
	effect := map[string]float64{}
	for _, c := range w.contents {
		effect[c.id] = c.effect
	}
	runs := either(15, 400)
	for _, size := range either([]int{1000}, []int{1000, 3000}) {
		var mu sync.Mutex
		var rate, power, plain, judged float64
		var banners int
		inRuns(runs, func(run int, rng *rand.Rand) {
			deals := w.simulate(size, rng)
			findings, _, err := lift.Judge(w.lifts(deals))
			if err != nil {
				t.Error(err)
				return
			}
			p, err := lift.Pool(w.placebos(deals))
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
