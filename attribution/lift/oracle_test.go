package lift_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"

	"dealtrail/attribution/lift"
)

// table reads a CSV of testdata as maps from column to value.
func table(t *testing.T, name string) []map[string]string {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]string
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, column := range rows[0] {
			m[column] = row[i]
		}
		all = append(all, m)
	}
	return all
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func count(t *testing.T, s string) int64 { t.Helper(); return int64(number(t, s)) }

// near checks a number against what R says, to 1e-6.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-6) {
		t.Errorf("%s is %.10g, want %.10g", what, got, want)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestBerkeleyAdmissionsAsMantelhaenTest(t *testing.T) {
	t.Parallel()
	var tables []lift.Table
	for _, row := range table(t, "cmh_ucb_input.csv") { // each row is a part of a table
		one := lift.Table{Stratum: row["Dept"]}
		n, hits := count(t, row["Freq"]), int64(0)
		if row["Admit"] == "Admitted" {
			hits = n
		}
		if row["Gender"] == "Male" {
			one.Exposed, one.ExposedAdvanced = n, hits
		} else {
			one.Control, one.ControlAdvanced = n, hits
		}
		tables = append(tables, one)
	}
	s := must[lift.Strata](t)(lift.Stratify(tables))
	want := map[string]float64{}
	for _, row := range table(t, "cmh_ucb_expected.csv") {
		want[row["stat"]] = number(t, row["value"])
	}
	test := must[lift.Test](t)(s.CMH())
	near(t, "CMH", test.Z*test.Z, want["cmh_chisq"])
	near(t, "p", test.P, want["cmh_p"])
	or := must[lift.Estimate](t)(s.OddsRatio())
	near(t, "odds ratio", or.Value, want["mh_common_or"])
	near(t, "low", or.Low, want["or_lo"])
	near(t, "high", or.High, want["or_hi"])
}

func TestLandmarkRiskDifferenceAsTheReference(t *testing.T) {
	t.Parallel()
	var tables []lift.Table
	for _, row := range table(t, "landmark_true_up_input.csv") {
		one := lift.Table{Stratum: row["stratum"]}
		if row["exposed"] == "1" {
			one.Exposed, one.ExposedAdvanced = 1, count(t, row["advanced"])
		} else {
			one.Control, one.ControlAdvanced = 1, count(t, row["advanced"])
		}
		tables = append(tables, one)
	}
	s := must[lift.Strata](t)(lift.Stratify(tables))
	text := must[[]byte](t)(os.ReadFile("testdata/landmark_true_up_expected.json"))
	var want map[string]float64
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	rd := must[lift.Estimate](t)(s.RiskDifference())
	near(t, "risk difference", rd.Value, want["mh_rd"])
	near(t, "its standard error", rd.SE, want["sato_se"])
	test := must[lift.Test](t)(s.CMH())
	near(t, "CMH", test.Z*test.Z, want["cmh_chisq"])
	near(t, "odds ratio", must[lift.Estimate](t)(s.OddsRatio()).Value, want["mh_or"])
	near(t, "exposed", float64(s.Total().Exposed), want["n_exposed"])
	near(t, "controls", float64(s.Total().Control), want["n_control"])
}

func TestNewcombeAsPublished(t *testing.T) {
	t.Parallel()
	for _, row := range table(t, "newcombe_expected.csv") {
		got := must[lift.Estimate](t)(lift.Newcombe(count(t, row["x1"]), count(t, row["n1"]), count(t, row["x0"]), count(t, row["n0"])))
		near(t, "difference", got.Value, number(t, row["diff"]))
		near(t, "low", got.Low, number(t, row["lo95"]))
		near(t, "high", got.High, number(t, row["hi95"]))
	}
}

func TestAdjustAsBenjaminiAndHochberg(t *testing.T) {
	t.Parallel()
	var p, want []float64
	for _, row := range table(t, "padjust_bh1995.csv") {
		p, want = append(p, number(t, row["p"])), append(want, number(t, row["bh"]))
	}
	for i, q := range must[[]float64](t)(lift.Adjust(p)) {
		near(t, fmt.Sprintf("q of %g", p[i]), q, want[i])
	}
}

func TestLogitAsGlm(t *testing.T) {
	t.Parallel()
	var rows [][]float64
	var trials, hits []int64
	for _, row := range table(t, "logit_input.csv") {
		rows = append(rows, []float64{1, number(t, row["x1"]), number(t, row["x2"])})
		trials, hits = append(trials, 1), append(hits, count(t, row["y"]))
	}
	fit := must[*lift.Logit](t)(lift.FitLogit([]string{"(Intercept)", "x1", "x2"}, rows, trials, hits))
	for _, row := range table(t, "logit_expected.csv") {
		got, _ := fit.Term(row["term"])
		near(t, row["term"], got.Value, number(t, row["coef"]))
		near(t, "se of "+row["term"], got.SE, number(t, row["se"]))
		near(t, "deviance", -2*fit.LogLik, number(t, row["deviance"]))
	}
}

// hazardCells returns the person-weeks of the fixture, one each, and the model that
// has the last content as the one asked for and the others as covariates.
func hazardCells(t *testing.T) (lift.Hazard, []lift.Cell) {
	others := []string{"seen_early_null", "seen_late_null", "seen_true_up", "seen_true_down", "seen_late_true"}
	var h lift.Hazard
	for _, name := range others {
		h.Covariates = append(h.Covariates, lift.Covariate{Name: name})
	}
	var cells []lift.Cell
	for _, row := range table(t, "hazard_personweek_input.csv") {
		c := lift.Cell{
			Stage: row["stage"], Segment: row["segment"], Week: count(t, row["week_in_stage"]), Seen: row["seen_rare_null"] == "1",
			AtRisk: 1, Advanced: count(t, row["advanced"]), Lost: count(t, row["lost"]),
		}
		for _, name := range others {
			c.Covariates = append(c.Covariates, count(t, row[name]))
		}
		cells = append(cells, c)
	}
	return h, cells
}

func TestHazardAsGlm(t *testing.T) {
	t.Parallel()
	h, cells := hazardCells(t)
	fit := must[*lift.HazardFit](t)(h.Fit(cells))
	names := map[string]string{"seg1": "segment 1", "seg2": "segment 2", "log1p_week": "log(1+week)", "seen_rare_null": "seen"}
	for s := range 4 {
		names[fmt.Sprint("stage", s)] = fmt.Sprint("stage ", s)
	}
	for _, row := range table(t, "hazard_personweek_expected.csv") {
		name, renamed := names[row["term"]]
		if !renamed {
			name = row["term"]
		}
		got, ok := fit.Advance.Term(name)
		if !ok {
			t.Fatalf("no term %q in %q", name, fit.Advance.Terms)
		}
		near(t, name, got.Value, number(t, row["coef"]))
		near(t, "se of "+name, got.SE, number(t, row["se"]))
	}
	near(t, "odds ratio", fit.Odds().Value, math.Exp(0.1262537820))
	near(t, "its low end", fit.Odds().Low, math.Exp(0.1262537820-1.959963984540054*0.1018830295))
}

func TestCoxAsCoxphWithEfronTies(t *testing.T) {
	t.Parallel()
	var spans []lift.Span
	for _, row := range table(t, "cox_timevarying_input.csv") {
		spans = append(spans, lift.Span{
			Start: number(t, row["start"]), Stop: number(t, row["stop"]), Event: row["event"] == "1",
			X: []float64{number(t, row["seen"]), number(t, row["seg"])},
		})
	}
	fit := must[*lift.Cox](t)(lift.FitCox([]string{"seen", "seg"}, spans))
	for i, row := range table(t, "cox_timevarying_expected.csv")[:2] { // the first two are Efron's
		near(t, row["term"], fit.Coef[i], number(t, row["coef"]))
		near(t, "se of "+row["term"], math.Sqrt(fit.Cov.At(i, i)), number(t, row["se"]))
		near(t, "log-likelihood", fit.LogLik, number(t, row["loglik"]))
		near(t, "log-likelihood at zero", fit.LogLik0, number(t, row["loglik0"]))
	}
}
