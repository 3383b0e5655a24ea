package attribution_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/trail"
)

// weeksAfter is so many weeks after the start of the holdouts of these tests.
func weeksAfter(n float64) time.Time {
	return day.Add(time.Duration(n * float64(7*24*time.Hour)))
}

func aHoldout(id string) trail.Holdout {
	return trail.Holdout{ID: id, Name: "Does it?", Content: "case", Part: 0.5, Outcome: trail.ToAdvance, Weeks: 6, StartedAt: day}
}

// pipeline is how deals go through the stages of these tests.
var pipeline = store.StageOrder{{"Demo", "Proposal"}: 9, {"Proposal", "Demo"}: 1, {"Proposal", "Won"}: 5, {"Demo", "Won"}: 5}

// ledger draws so many deals in each stage in turn at the start, and lets each reach
// its outcome with a chance that the stage and the arm decide.
func ledger(h trail.Holdout, n int, rng *rand.Rand, chance func(stage string, arm trail.Arm) float64) []store.HoldoutEntry {
	entries := make([]store.HoldoutEntry, n)
	for i := range entries {
		stage := []string{"Demo", "Proposal"}[i%2]
		e := store.HoldoutEntry{Holdout: h.ID, Deal: fmt.Sprintf("D-%d", i), Stage: stage, At: day}
		e.Arm = h.Arm(e.Deal)
		if rng.Float64() < chance(stage, e.Arm) {
			e.Stages, e.Times = []string{"Won"}, []time.Time{weeksAfter(1 + 4*rng.Float64())}
		}
		if rng.Float64() < map[trail.Arm]float64{trail.Recommended: 0.6, trail.HeldBack: 0.2}[e.Arm] {
			e.GotAt = weeksAfter(1)
		}
		entries[i] = e
	}
	return entries
}

func readOut(t testing.TB, h trail.Holdout, entries []store.HoldoutEntry, asOf time.Time) trail.Readout {
	t.Helper()
	all, err := attribution.ReadOut([]trail.Holdout{h}, entries, pipeline, asOf)
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}

// Where the truth is known, 95 of 100 intervals have it in them, over several stages
// that differ and where the part held back is small; and of contents that do nothing
// one in twenty is said to do something, no more.
func TestIntervalsOfHoldoutsCoverTheTruthAndNothingIsFoundWhereNothingIs(t *testing.T) {
	const seeds = 600
	for _, x := range []struct {
		name string
		part float64
		n    int
		gain float64
		one  bool // all in one stage
	}{{"an effect", 0.5, 400, 0.12, false}, {"no effect", 0.5, 400, 0, false}, {"no effect, one stage", 0.5, 200, 0, true}, {"few held back", 0.2, 300, 0, false}} {
		covered, found := 0, 0
		for seed := range seeds {
			rng := rand.New(rand.NewPCG(uint64(seed), 7))
			h := aHoldout(fmt.Sprintf("H%d", seed)) // another draw each time
			h.Part = x.part
			entries := ledger(h, x.n, rng, func(stage string, arm trail.Arm) float64 {
				base := map[string]float64{"Demo": 0.2, "Proposal": 0.45}[stage]
				if arm == trail.Recommended {
					base += x.gain
				}
				return base
			})
			if x.one {
				entries = slices.DeleteFunc(entries, func(e store.HoldoutEntry) bool { return e.Stage == "Demo" })
			}
			r := readOut(t, h, entries, weeksAfter(7))
			if r.Effect == nil {
				t.Fatalf("%s: nothing can be said of %+v", x.name, r.Total)
			}
			if want := map[bool]string{true: "newcombe", false: "mantel_haenszel"}[x.one]; r.Effect.Method != want {
				t.Fatalf("%s: by %s, want %s", x.name, r.Effect.Method, want)
			}
			if r.Effect.Low <= x.gain && x.gain <= r.Effect.High {
				covered++
			}
			if r.Effect.Q <= attribution.ProofLevel {
				found++
			}
		}
		if part := float64(covered) / seeds; part < 0.92 || part > 0.98 {
			t.Errorf("%s: %.3f of the intervals cover the truth", x.name, part)
		}
		if part := float64(found) / seeds; x.gain == 0 && (part < 0.02 || part > 0.08) || x.gain > 0 && part < 0.6 {
			t.Errorf("%s: %.3f are found", x.name, part)
		}
	}
}

func TestWithoutEnoughDealsThereIsNoNumber(t *testing.T) {
	h := aHoldout("H")
	rng := rand.New(rand.NewPCG(1, 1))
	none := func(string, trail.Arm) float64 { return 0.4 }
	for name, x := range map[string]struct {
		entries []store.HoldoutEntry
		asOf    time.Time
		ended   bool
		want    string
	}{
		"nobody is drawn":      {nil, weeksAfter(1), false, "when they will be there cannot be told"},
		"a few":                {ledger(h, 40, rng, none), weeksAfter(7), false, "It needs about 750 more deals"},
		"many not yet through": {ledger(h, 900, rng, none), weeksAfter(5), false, "All the deals that it needs are drawn; it can be decided in April 2026."},
		"ended with a few":     {ledger(h, 40, rng, none), weeksAfter(7), true, "it ended with too few deals"},
		"a stage decides": {ledger(h, 900, rng, func(stage string, _ trail.Arm) float64 {
			return map[string]float64{"Demo": 1}[stage]
		}), weeksAfter(7), false, "All the deals that it needs are drawn."},
		"nobody advances": {ledger(h, 900, rng, func(string, trail.Arm) float64 { return 0 }), weeksAfter(7), false, "All the deals that it needs are drawn."},
	} {
		h := h
		if x.ended {
			h.EndedAt = weeksAfter(1)
		}
		r := readOut(t, h, x.entries, x.asOf)
		if r.Effect != nil || r.Verdict != trail.TooLittle || !strings.HasPrefix(r.Sentence, "Nothing can be said") || !strings.Contains(r.Sentence, x.want) || strings.Contains(r.Sentence, "%") {
			t.Errorf("%s: %s %+v: %s", name, r.Verdict, r.Effect, r.Sentence)
		}
	}
}

func TestAReadoutSaysHowSureItIsAndWhy(t *testing.T) {
	h := aHoldout("H")
	up := func(_ string, arm trail.Arm) float64 {
		return map[trail.Arm]float64{trail.Recommended: 0.5, trail.HeldBack: 0.3}[arm]
	}
	down := func(stage string, arm trail.Arm) float64 { return 0.8 - up(stage, arm) }
	flat := func(string, trail.Arm) float64 { return 0.4 }
	for name, x := range map[string]struct {
		n       int
		chance  func(string, trail.Arm) float64
		ended   bool
		outcome string
		verdict string
		want    []string
	}{
		"for":         {900, up, false, trail.ToAdvance, trail.ProvenFor, []string{"Proven: deals that were recommended it advanced", "points more often within 6 weeks than those held back (95 % interval +", "the only proof here: chance, not people, chose"}},
		"against":     {900, down, false, trail.ToAdvance, trail.Against, []string{"Proven to harm", "less often", "(95 % interval -", "chance, not people"}},
		"none":        {900, flat, false, trail.ToAdvance, trail.NoEffect, []string{"No effect is proven", "points or more would probably have shown", "chance, not people"}},
		"too early":   {300, up, false, trail.ToAdvance, trail.SoFar, []string{"Not decided yet: so far", "more deals", "Only then is it proof: chance, not people"}},
		"ended early": {300, up, true, trail.ToAdvance, trail.ProvenFor, []string{"Proven"}},
		"won":         {900, up, false, trail.ToWin, trail.ProvenFor, []string{"were won", "within 12 weeks"}},
	} {
		h := h
		if h.Outcome = x.outcome; h.Outcome == trail.ToWin {
			h.Weeks = 12
		}
		if x.ended {
			h.EndedAt = weeksAfter(2)
		}
		entries := ledger(h, x.n, rand.New(rand.NewPCG(3, 3)), x.chance)
		for i := range entries {
			if e := &entries[i]; len(e.Times) > 0 {
				e.Status, e.EndedAt = "won", e.Times[0]
			}
		}
		r := readOut(t, h, entries, weeksAfter(13))
		if r.Verdict != x.verdict {
			t.Errorf("%s: %s of %+v", name, r.Verdict, r.Effect)
		}
		for _, words := range x.want {
			if !strings.Contains(r.Sentence, words) {
				t.Errorf("%s: %q does not say %q", name, r.Sentence, words)
			}
		}
		if said := slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "It was ended after 300 of the") }); said != x.ended {
			t.Errorf("%s: notes %q", name, r.Notes)
		}
		if r.Total.Recommended.Over+r.Total.HeldBack.Over != uint64(x.n) || r.Total.Recommended.Got <= r.Total.HeldBack.Got {
			t.Errorf("%s: %+v", name, r.Total)
		}
	}
}

// Chance is wrong in some holdouts of many: all are judged together.
func TestManyHoldoutsAreOneFamily(t *testing.T) {
	var holdouts []trail.Holdout
	var entries []store.HoldoutEntry
	for i := range 40 {
		h := aHoldout(fmt.Sprintf("H%d", i))
		h.EndedAt = weeksAfter(1)
		holdouts = append(holdouts, h)
		entries = append(entries, ledger(h, 200, rand.New(rand.NewPCG(uint64(i), 6)), func(string, trail.Arm) float64 { return 0.4 })...)
	}
	all, err := attribution.ReadOut(holdouts, entries, pipeline, weeksAfter(7))
	if err != nil {
		t.Fatal(err)
	}
	alone := 0
	for i, r := range all {
		if r.ID != holdouts[i].ID || r.Effect.Q < r.Effect.P || r.Verdict != trail.NoEffect {
			t.Errorf("%s: %s, %+v", r.ID, r.Verdict, r.Effect)
		}
		if r.Effect.P <= attribution.ProofLevel {
			alone++
		}
	}
	if alone == 0 {
		t.Error("none of forty would have been found alone: this proves nothing")
	}
	rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	again, err := attribution.ReadOut(holdouts, entries, pipeline, weeksAfter(7))
	if err != nil || !reflect.DeepEqual(again, all) {
		t.Errorf("in another order it says something else: %v", err)
	}
}

func TestASkewedDrawIsSaid(t *testing.T) {
	h := aHoldout("H")
	entries := ledger(h, 900, rand.New(rand.NewPCG(1, 1)), func(string, trail.Arm) float64 { return 0.4 })
	r := readOut(t, h, entries, weeksAfter(7))
	if r.Draw.Skewed || r.Draw.P < 0.001 || math.Abs(r.Draw.Expected-450) > 1e-9 {
		t.Errorf("as drawn: %+v", r.Draw)
	}
	lost := 0
	entries = slices.DeleteFunc(entries, func(e store.HoldoutEntry) bool {
		if e.Arm == trail.HeldBack {
			lost++
		}
		return e.Arm == trail.HeldBack && lost%2 == 0
	})
	r = readOut(t, h, entries, weeksAfter(7))
	if !r.Draw.Skewed || !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "believe no number here") }) {
		t.Errorf("with half of one arm gone: %+v, %q", r.Draw, r.Notes)
	}
	if few := readOut(t, h, entries[:3], weeksAfter(7)); few.Draw.Skewed || few.Draw.P != 1 {
		t.Errorf("three deals say something of the draw: %+v", few.Draw)
	}
}

func TestWhatBecameOfADealIsReadFromTheDrawOn(t *testing.T) {
	at := weeksAfter(2)
	in := func(days float64) time.Time { return at.Add(time.Duration(days * 24 * float64(time.Hour))) }
	stages := func(e store.HoldoutEntry, pairs ...any) store.HoldoutEntry {
		for i := 0; i < len(pairs); i += 2 {
			e.Times, e.Stages = append(e.Times, in(float64(pairs[i].(int)))), append(e.Stages, pairs[i+1].(string))
		}
		return e
	}
	open := store.HoldoutEntry{Holdout: "H", Deal: "D", Arm: trail.Recommended, Stage: "Demo", At: at}
	won, lost := open, open
	won.Status, won.EndedAt = "won", in(20)
	lost.Status, lost.EndedAt = "lost", in(20)
	for name, x := range map[string]struct {
		e              store.HoldoutEntry
		advanced, wins bool
		state          string
	}{
		"nothing happened":                {open, false, false, trail.HoldoutOver},
		"it went on":                      {stages(open, 3, "Proposal"), true, false, trail.HoldoutOver},
		"in the last moment":              {stages(open, 42, "Proposal"), true, false, trail.HoldoutOver},
		"too late":                        {stages(open, 43, "Proposal"), false, false, trail.HoldoutOver},
		"before the draw":                 {stages(open, -3, "Proposal"), false, false, trail.HoldoutOver},
		"before, as the CRM told after":   {stages(open, -3, "Proposal", 3, "Proposal"), false, false, trail.HoldoutOver},
		"the CRM tells again how it is":   {stages(open, 3, "Demo", 9, "Demo"), false, false, trail.HoldoutOver},
		"back":                            {stages(open, -3, "Proposal", 3, "Demo"), false, false, trail.HoldoutOver},
		"back and where it was":           {stages(open, -3, "Proposal", 3, "Demo", 5, "Proposal"), false, false, trail.HoldoutOver},
		"back and further":                {stages(open, -3, "Proposal", 3, "Demo", 5, "Won"), true, false, trail.HoldoutOver},
		"won":                             {won, true, true, trail.HoldoutOver},
		"lost":                            {lost, false, false, trail.HoldoutOver},
		"lost, and the CRM has a stage":   {stages(lost, 20, "Lost"), false, false, trail.HoldoutOver},
		"on the day of which is the loss": {stages(lost, 19, "Never seen before"), false, false, trail.HoldoutOver},
		"lost, as only its stage tells":   {stages(open, 3, "Closed Lost"), false, false, trail.HoldoutOver},
		"on and then lost":                {stages(lost, 5, "Proposal", 20, "Lost"), true, false, trail.HoldoutOver},
	} {
		for outcome, reached := range map[string]bool{trail.ToAdvance: x.advanced, trail.ToWin: x.wins} {
			h := aHoldout("H")
			h.Outcome = outcome
			r := readOut(t, h, []store.HoldoutEntry{x.e}, in(42))
			if got := r.Total.Recommended; got.Over != 1 || (got.Reached == 1) != reached {
				t.Errorf("%s, %s: %+v", name, outcome, got)
			}
			if got := readOut(t, h, []store.HoldoutEntry{x.e}, in(41.9)).Total.Recommended; got.Running != 1 || got.Over+got.Reached+got.Got != 0 {
				t.Errorf("%s, %s, before its time is over: %+v", name, outcome, got)
			}
		}
	}
	early := won
	early.EndedAt = in(-1)
	late := won
	late.EndedAt = in(43)
	if got := readOut(t, aHoldout("H"), []store.HoldoutEntry{early, late}, in(60)); got.Total.Recommended != (trail.ReadoutArm{Assigned: 2, LeftOut: 1, Over: 1}) || !strings.Contains(got.Notes[0], "1 deal is left out") {
		t.Errorf("one had closed before, one was won too late: %+v %q", got.Total, got.Notes)
	}
	got := open
	got.GotAt = in(42.5)
	if r := readOut(t, aHoldout("H"), []store.HoldoutEntry{got}, in(60)); r.Total.Recommended.Got != 0 {
		t.Errorf("it got the content after its time: %+v", r.Total)
	}
}

// When it can be decided follows from the deals that came lately, not from all those
// that were open at the start.
func TestTheEndIsForeseenFromThePace(t *testing.T) {
	h := aHoldout("H")
	flat := func(string, trail.Arm) float64 { return 0.4 }
	entries := ledger(h, 400, rand.New(rand.NewPCG(1, 1)), flat)
	if p := readOut(t, h, entries, weeksAfter(8)).Plan; p.More == 0 || !p.Expected.IsZero() {
		t.Errorf("nobody came lately: %+v", p)
	}
	for i := range 160 { // twenty a week
		entries[i].At = weeksAfter(1 + 7*float64(i)/160)
	}
	p := readOut(t, h, entries, weeksAfter(8)).Plan
	left := float64(p.Deals - 400)
	want := weeksAfter(8 + left/(160.0/7) + 6)
	if d := p.Expected.Sub(want).Abs(); d > 4*24*time.Hour || p.More < uint64(left) || float64(p.More) > 1.1*left {
		t.Errorf("%+v; want about %s for %.0f more", p, want, left)
	}
	h.EndedAt = weeksAfter(7)
	if p := readOut(t, h, entries, weeksAfter(8)).Plan; p.More != 0 || !p.Expected.Equal(entries[159].At.Add(h.Horizon())) {
		t.Errorf("ended: %+v", p)
	}
}
