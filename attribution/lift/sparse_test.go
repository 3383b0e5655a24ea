package lift_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"dealtrail/attribution/lift"
)

// numbers returns all numbers of a finding.
func numbers(f lift.Finding) []float64 {
	all := []float64{f.With, f.Without, f.P, f.Q, f.MDE, f.EValue.Point, f.EValue.Bound}
	for _, e := range []lift.Estimate{f.Difference, f.Shrunk, f.Odds} {
		all = append(all, e.Value, e.SE, e.Low, e.High)
	}
	return all
}

func TestSparseStrataGiveNumbersOrTooLittleData(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(11, 2026))
	said := map[lift.Verdict]int{}
	for range 3000 {
		// Strata of all sizes, in most of which all or nobody advanced.
		var evidence []lift.Evidence
		for k := range 1 + rng.IntN(5) {
			e := lift.Evidence{Content: fmt.Sprint(k)}
			for s := range 1 + rng.IntN(6) {
				x := lift.Table{Stratum: fmt.Sprint(s), Exposed: rng.Int64N(1 << rng.IntN(9)), Control: rng.Int64N(1 << rng.IntN(9))}
				switch rng.IntN(5) {
				case 0:
					x.ExposedAdvanced, x.ControlAdvanced = x.Exposed, x.Control
				case 1:
					x.ExposedAdvanced = x.Exposed
				case 2:
					x.ControlAdvanced = x.Control
				case 3:
					x.ExposedAdvanced = rng.Int64N(x.Exposed + 1)
				}
				e.Tables = append(e.Tables, x)
			}
			evidence = append(evidence, e)
		}
		findings, _, err := lift.Judge(evidence)
		if err != nil {
			t.Fatalf("%v: %+v", err, evidence)
		}
		for _, f := range findings {
			said[f.Verdict]++
			for _, x := range numbers(f) {
				if math.IsNaN(x) || math.IsInf(x, 0) {
					t.Fatalf("%+v of %+v", f, evidence)
				}
			}
			if (f.Verdict == lift.TooLittle) != (len(f.Short) > 0) {
				t.Fatalf("%s for want of %v", f.Verdict, f.Short)
			}
		}
		if p, err := lift.Pool(evidence); err != nil || math.IsNaN(p.Mean+p.SD) || math.IsInf(p.Mean+p.SD, 0) {
			t.Fatalf("placebo %+v, %v of %+v", p, err, evidence)
		}
	}
	if len(said) != 4 {
		t.Errorf("verdicts are %v, so that this is no test of all", said)
	}
	everybody := lift.Table{Stratum: "a", Exposed: 50, ExposedAdvanced: 50, Control: 50, ControlAdvanced: 50}
	nobody := lift.Table{Stratum: "b", Exposed: 50, Control: 50}
	findings, _, err := lift.Judge([]lift.Evidence{{Content: "c", Tables: []lift.Table{everybody, nobody}}})
	if err != nil || findings[0].Verdict != lift.TooLittle {
		t.Errorf("where nothing differs: %+v, %v", findings, err)
	}
}
