package lift_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"dealtrail/attribution/lift"
	"dealtrail/attribution/lift/lifttest"
)

// parts splits counts at random and shuffles: what a database may deliver instead.
func parts(tables []lift.Table, rng *rand.Rand) []lift.Table {
	var all []lift.Table
	for _, t := range tables {
		cut := lift.Table{Stratum: t.Stratum}
		cut.ExposedAdvanced = rng.Int64N(t.ExposedAdvanced + 1)
		cut.Exposed = cut.ExposedAdvanced + rng.Int64N(t.Exposed-t.ExposedAdvanced+1)
		cut.ControlAdvanced = rng.Int64N(t.ControlAdvanced + 1)
		cut.Control = cut.ControlAdvanced + rng.Int64N(t.Control-t.ControlAdvanced+1)
		rest := lift.Table{
			Stratum: t.Stratum, Exposed: t.Exposed - cut.Exposed, ExposedAdvanced: t.ExposedAdvanced - cut.ExposedAdvanced,
			Control: t.Control - cut.Control, ControlAdvanced: t.ControlAdvanced - cut.ControlAdvanced,
		}
		all = append(all, cut, rest)
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// shuffled returns the same evidence in parts and in another order.
func shuffled(evidence []lift.Evidence, rng *rand.Rand) []lift.Evidence {
	all := slices.Clone(evidence)
	for i := range all {
		all[i].Tables = parts(all[i].Tables, rng)
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

func TestOrderAndSplittingOfTablesChangeNoBit(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	w := lifttest.World{Contents: lifttest.Six}
	deals := w.Simulate(800, rng)
	evidence, placebos := w.Lifts(deals), w.Placebos(deals)
	findings, lib, err := lift.Judge(evidence)
	if err != nil {
		t.Fatal(err)
	}
	placebo := must[lift.Placebo](t)(lift.Pool(placebos))
	for range 20 {
		again, libAgain, err := lift.Judge(shuffled(evidence, rng))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(findings, again) || lib != libAgain {
			t.Fatalf("shuffled tables give\n%+v, not\n%+v", again, findings)
		}
		if again := must[lift.Placebo](t)(lift.Pool(shuffled(placebos, rng))); !reflect.DeepEqual(placebo, again) {
			t.Fatalf("shuffled placebos give %+v, not %+v", again, placebo)
		}
	}
}

func TestOrderAndGroupingOfCellsChangeNoBit(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(8, 8))
	h, cells := hazardCells(t)
	starts := []lift.Start{}
	for _, c := range cells[:400] {
		starts = append(starts, lift.Start{Stage: c.Stage, Segment: c.Segment, Week: c.Week, Covariates: c.Covariates, Deals: 1})
	}
	fit := must[*lift.HazardFit](t)(h.Fit(cells))
	gain := must[lift.Estimate](t)(fit.Gain(starts, 6, 1))
	if !(gain.Low < gain.Value && gain.Value < gain.High && gain.SE > 0) {
		t.Fatalf("gain %+v", gain)
	}
	for range 3 {
		rng.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
		rng.Shuffle(len(starts), func(i, j int) { starts[i], starts[j] = starts[j], starts[i] })
		again := must[*lift.HazardFit](t)(h.Fit(cells))
		if !slices.Equal(fit.Advance.Coef, again.Advance.Coef) || fit.Odds() != again.Odds() {
			t.Fatal("shuffled cells give other coefficients")
		}
		if again := must[lift.Estimate](t)(again.Gain(starts, 6, 1)); again != gain {
			t.Fatalf("shuffled starts give a gain of %+v, not %+v", again, gain)
		}
	}
	if other := must[lift.Estimate](t)(fit.Gain(starts, 6, 2)); other.Value != gain.Value || other.Low == gain.Low {
		t.Errorf("another seed gives %+v after %+v: the value must stay and the draws must differ", other, gain)
	}
}

func TestSampleSizesAreThoseOfTheResearch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		gain, k float64
		want    int64
	}{{0.10, 1, 329}, {0.10, 10, 194}, {0.05, 1, 1251}, {0.05, 10, 719}, {0.15, 1, 152}, {0.15, 10, 91}} {
		n := must[int64](t)(lift.SampleSize(0.25, c.gain, c.k))
		if n != c.want {
			t.Errorf("a rise of %g with %g controls each takes %d, want %d", c.gain, c.k, n, c.want)
		}
		// The smallest effect that so many can show is the one they were planned for.
		s := must[lift.Strata](t)(lift.Stratify([]lift.Table{{Exposed: n, Control: n * int64(c.k), ControlAdvanced: n * int64(c.k) / 4}}))
		if mde := must[float64](t)(s.MDE()); math.Abs(mde-c.gain) > 0.002 {
			t.Errorf("%d exposed with %g controls each show a rise of %.4f, want %g", n, c.k, mde, c.gain)
		}
	}
	for _, bad := range [][3]float64{{0.25, 0, 1}, {0.95, 0.1, 1}, {0.25, 0.1, 0}, {math.NaN(), 0.1, 1}} {
		if n, err := lift.SampleSize(bad[0], bad[1], bad[2]); !errors.Is(err, lift.ErrUndefined) {
			t.Errorf("a sample size of %d for %v", n, bad)
		}
	}
}

// The example is VanderWeele and Ding's: formula feeding and respiratory death.
func TestEValueAsPublished(t *testing.T) {
	t.Parallel()
	e := lift.EValueOf(lift.Estimate{Value: 3.9, Low: 1.8, High: 8.7})
	if math.Abs(e.Point-7.26) > 0.005 || math.Abs(e.Bound-3.0) > 0.005 {
		t.Errorf("%+v, want 7.26 and 3.0", e)
	}
	inverse := lift.EValueOf(lift.Estimate{Value: 1 / 3.9, Low: 1 / 8.7, High: 1 / 1.8})
	near(t, "the inverse", inverse.Point, e.Point)
	near(t, "the inverse's bound", inverse.Bound, e.Bound)
	if e := lift.EValueOf(lift.Estimate{Value: 1.3, Low: 0.9, High: 1.9}); e.Bound != 1 {
		t.Errorf("an interval with no effect in it needs a hidden cause of %g", e.Bound)
	}
	if e := lift.EValueOf(lift.Estimate{Value: 1, Low: 0.9, High: 1.1}); e != (lift.EValue{Point: 1, Bound: 1}) {
		t.Errorf("no effect: %+v", e)
	}
}

// By hand: w = 100 each, Q = 8, tau² = (8-1)/(200-100) = .07, B = .07/.08.
func TestShrinkByHand(t *testing.T) {
	t.Parallel()
	shrunk, lib, err := lift.Shrink([]lift.Estimate{{Value: 0.4, SE: 0.1}, {Value: 0, SE: 0.1}})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "mean", lib.Mean, 0.2)
	near(t, "spread", lib.Spread, math.Sqrt(0.07))
	near(t, "first", shrunk[0].Value, 0.375)
	near(t, "second", shrunk[1].Value, 0.025)
	near(t, "SE", shrunk[0].SE, math.Sqrt(0.009375))
	same, lib, err := lift.Shrink([]lift.Estimate{{Value: 0.11, SE: 0.1}, {Value: 0.1, SE: 0.1}, {Value: 0.09, SE: 0.1}})
	if err != nil || lib.Spread != 0 || math.Abs(same[0].Value-0.1) > 1e-12 {
		t.Errorf("estimates that differ by luck only: %v, %+v, %v", same, lib, err)
	}
	if _, _, err := lift.Shrink([]lift.Estimate{{Value: 1}}); !errors.Is(err, lift.ErrUndefined) {
		t.Errorf("an effect without standard error: %v", err)
	}
	if none, _, err := lift.Shrink(nil); len(none) != 0 || err != nil {
		t.Errorf("no effects: %v, %v", none, err)
	}
}

func TestVerdictsSayWhatTheCountsBear(t *testing.T) {
	t.Parallel()
	one := func(content string, n1, a, n0, c int64) lift.Evidence {
		return lift.Evidence{Content: content, Tables: []lift.Table{{Stratum: "x", Exposed: n1, ExposedAdvanced: a, Control: n0, ControlAdvanced: c}}}
	}
	findings, _, err := lift.Judge([]lift.Evidence{
		one("few", 20, 15, 400, 100), one("good", 200, 90, 800, 200), one("bad", 200, 20, 800, 200),
		one("plain", 200, 51, 800, 200), one("unseen", 0, 0, 800, 200), one("all", 200, 200, 800, 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []struct{ content, verdict, sentence string }{
		{"all", "for", "Enough evidence for: similar deals that saw it advanced 100.0 points more often"},
		{"good", "for", "Enough evidence for: similar deals that saw it advanced 20.0 points more often (95 % interval 1"},
		{"plain", "none", "No evidence of an effect; a rise of 10."},
		{"bad", "against", "Enough evidence against: similar deals that saw it advanced 15.0 points less often (95 % interval "},
		{"few", "too_little", "Too little data: about 500 more closed deals."},
		{"unseen", "too_little", "Too little data: no stage entry has it to compare yet"},
	}
	for i, f := range findings {
		sentence := f.Sentence(600)
		if f.Content != want[i].content || string(f.Verdict) != want[i].verdict || !strings.HasPrefix(sentence, want[i].sentence) {
			t.Errorf("%d: %s %s: %s; want %v", i, f.Content, f.Verdict, sentence, want[i])
		}
		if f.Verdict == lift.TooLittle && (f.Difference != lift.Estimate{} || f.P != 0 || f.Q != 0 || f.MDE != 0) {
			t.Errorf("%s has too little data and yet numbers: %+v", f.Content, f)
		}
	}
	if _, _, err := lift.Judge([]lift.Evidence{one("a", 1, 0, 1, 0), one("a", 1, 0, 1, 0)}); err == nil {
		t.Error("a content was judged twice")
	}
	if _, _, err := lift.Judge([]lift.Evidence{one("a", 1, 2, 1, 0)}); err == nil {
		t.Error("two of one advanced")
	}
}

func TestMoreDealsIsRoundedUpAndOnlyForeseenAtAPace(t *testing.T) {
	t.Parallel()
	need := func(have, want float64) []lift.Need {
		return []lift.Need{{What: "exposed", Have: have, Want: want}}
	}
	for _, c := range []struct {
		needs  []lift.Need
		closed int64
		want   int64
		ok     bool
	}{
		{need(20, 30), 114, 60, true},
		{need(20, 30), 264, 140, true},
		{need(29, 30), 100, 4, true},
		{need(0, 30), 100, 0, false},
		{need(20, 30), 0, 0, false},
		{nil, 0, 0, true},
		{append(need(29, 30), lift.Need{What: "controls", Have: 10, Want: 30}), 10, 20, true},
	} {
		if got, ok := lift.MoreDeals(c.needs, c.closed); got != c.want || ok != c.ok {
			t.Errorf("%v after %d: %d %v, want %d %v", c.needs, c.closed, got, ok, c.want, c.ok)
		}
	}
	if got := lift.MoreDealsText(need(20, 30), 114); got != "about 60 more closed deals" {
		t.Error(got)
	}
}

func TestDesignsWithoutAnAnswerAreNamed(t *testing.T) {
	t.Parallel()
	base := func(seenAdvanced, seenLost int64) []lift.Cell {
		return []lift.Cell{
			{Stage: "a", Segment: "s", Week: 0, AtRisk: 100, Advanced: 20, Lost: 5, Covariates: []int64{1}},
			{Stage: "a", Segment: "s", Week: 3, AtRisk: 80, Advanced: 10, Lost: 5, Covariates: []int64{0}},
			{Stage: "a", Segment: "s", Week: 1, Seen: true, AtRisk: 60, Advanced: seenAdvanced, Lost: seenLost, Covariates: []int64{1}},
			{Stage: "a", Segment: "s", Week: 2, Seen: true, AtRisk: 60, Advanced: seenAdvanced, Lost: seenLost, Covariates: []int64{0}},
			{Stage: "never", Segment: "s", AtRisk: 50, Covariates: []int64{0}},
		}
	}
	h := lift.Hazard{Covariates: []lift.Covariate{{Name: "replies", Log: true}}}
	start := []lift.Start{{Stage: "a", Segment: "s", Week: 1, Covariates: []int64{1}, Deals: 4}}
	fit := must[*lift.HazardFit](t)(h.Fit(base(12, 3)))
	if slices.Contains(fit.Advance.Terms, "stage never") {
		t.Errorf("a stage that nobody left has a coefficient: %q", fit.Advance.Terms)
	}
	whole := must[lift.Estimate](t)(fit.Gain(start, 4, 1))
	idle := must[lift.Estimate](t)(fit.Gain(append(start, lift.Start{Stage: "never", Segment: "s", Covariates: []int64{0}, Deals: 4}), 4, 1))
	near(t, "the gain with as many starts in a stage that nobody leaves", idle.Value, whole.Value/2)

	if _, err := h.Fit(base(0, 3)); !errors.Is(err, lift.ErrSeparated) || !strings.Contains(fmt.Sprint(err), `"seen"`) {
		t.Errorf("nobody who saw it advanced: %v", err)
	}
	if _, err := h.Fit(base(57, 3)); err != nil {
		t.Errorf("all who saw it advanced, or were lost: %v", err)
	}
	lossless := must[*lift.HazardFit](t)(h.Fit(base(12, 0)))
	if _, err := lossless.LostOdds(); !errors.Is(err, lift.ErrSeparated) {
		t.Errorf("nobody who saw it was lost: %v", err)
	}
	if _, err := lossless.Gain(start, 4, 1); !errors.Is(err, lift.ErrSeparated) {
		t.Errorf("a gain where nobody who saw it was lost: %v", err)
	}
	cells := base(12, 3)
	for i := range cells {
		cells[i].Covariates = []int64{7}
	}
	if _, err := h.Fit(cells); !errors.Is(err, lift.ErrSingular) || !strings.Contains(fmt.Sprint(err), `"replies"`) {
		t.Errorf("a covariate that is always 7: %v", err)
	}
	for i := range cells {
		cells[i].Advanced, cells[i].Lost = 0, 0
	}
	if _, err := h.Fit(cells); !errors.Is(err, lift.ErrUndefined) {
		t.Errorf("nobody advanced: %v", err)
	}
	cells[0].Advanced = cells[0].AtRisk + 1
	if _, err := h.Fit(cells); err == nil {
		t.Error("more advanced than there were")
	}
	if len(lift.ShortHazard(30, base(12, 3))) != 0 || len(lift.ShortHazard(29, base(2, 3))) != 2 {
		t.Error("the minimum of a hazard")
	}
}

// When nobody is ever lost, the chance of it is zero, and the gain is that of the
// other equation alone.
func TestGainWithoutLossesIsTheClosedForm(t *testing.T) {
	t.Parallel()
	var cells []lift.Cell
	for week, advanced := range []int64{30, 28, 33, 29} {
		cells = append(cells, lift.Cell{Stage: "a", Week: int64(week), AtRisk: 200, Advanced: advanced},
			lift.Cell{Stage: "a", Week: int64(week), Seen: true, AtRisk: 100, Advanced: advanced})
	}
	fit := must[*lift.HazardFit](t)(lift.Hazard{}.Fit(cells))
	got := must[lift.Estimate](t)(fit.Gain([]lift.Start{{Stage: "a", Week: 1, Deals: 3}}, 2, 9))
	var open [2]float64
	for seen := range open {
		open[seen] = 1
		for week := 1; week < 3; week++ {
			c := fit.Advance.Coef
			open[seen] *= 1 - 1/(1+math.Exp(-c[0]-c[1]*math.Log1p(float64(week))-c[2]*float64(seen)))
		}
	}
	near(t, "gain", got.Value, open[0]-open[1])
	for _, weeks := range []int{0, -1} {
		if _, err := fit.Gain([]lift.Start{{Stage: "a", Deals: 1}}, weeks, 9); !errors.Is(err, lift.ErrUndefined) {
			t.Errorf("a gain within %d weeks: %v", weeks, err)
		}
	}
	if _, err := fit.Gain(nil, 2, 9); !errors.Is(err, lift.ErrUndefined) {
		t.Errorf("a gain without starts: %v", err)
	}
}

func TestCountsThatDefineNothingAreSaidSo(t *testing.T) {
	t.Parallel()
	for _, tables := range [][]lift.Table{
		nil,
		{{Exposed: 5, ExposedAdvanced: 2}},
		{{Control: 5}},
		{{Exposed: 5, Control: 5}},
		{{Exposed: 5, ExposedAdvanced: 5, Control: 5, ControlAdvanced: 5}},
	} {
		s := must[lift.Strata](t)(lift.Stratify(tables))
		if len(s.Short()) == 0 {
			t.Errorf("%v is enough", tables)
		}
		_, rd := s.RiskDifference()
		_, cmh := s.CMH()
		_, or := s.OddsRatio()
		for what, err := range map[string]error{"risk difference": rd, "CMH": cmh, "odds ratio": or} {
			if !errors.Is(err, lift.ErrUndefined) {
				t.Errorf("%s of %v: %v", what, tables, err)
			}
		}
	}
	for _, c := range [][4]int64{{1, 0, 0, 1}, {2, 1, 0, 1}, {-1, 1, 0, 1}} {
		if _, err := lift.Newcombe(c[0], c[1], c[2], c[3]); !errors.Is(err, lift.ErrUndefined) {
			t.Errorf("Newcombe of %v: %v", c, err)
		}
	}
	for _, p := range []float64{-0.1, 1.1, math.NaN()} {
		if _, err := lift.Adjust([]float64{0.5, p}); err == nil {
			t.Errorf("a p-value of %g", p)
		}
	}
	if p := must[lift.Placebo](t)(lift.Pool(nil)); p.Banner || len(p.Contents) != 0 {
		t.Errorf("a placebo of nothing: %+v", p)
	}
}

func TestCoxWithoutAnAnswerIsNamed(t *testing.T) {
	t.Parallel()
	spans := []lift.Span{{0, 1, true, []float64{1}}, {0, 2, true, []float64{1}}, {0, 3, false, []float64{0}}, {0, 4, false, []float64{0}}}
	if _, err := lift.FitCox([]string{"seen"}, spans); !errors.Is(err, lift.ErrSeparated) {
		t.Errorf("only those who saw it had the event: %v", err)
	}
	for i := range spans {
		spans[i].X = []float64{3}
	}
	if _, err := lift.FitCox([]string{"seen"}, spans); !errors.Is(err, lift.ErrSingular) {
		t.Errorf("a constant: %v", err)
	}
	if _, err := lift.FitCox([]string{"seen"}, spans[2:]); !errors.Is(err, lift.ErrUndefined) {
		t.Errorf("no events: %v", err)
	}
	if _, err := lift.FitCox([]string{"seen"}, []lift.Span{{2, 2, true, []float64{1}}}); err == nil {
		t.Error("an empty span")
	}
}
