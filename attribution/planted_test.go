package attribution_test

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"dealtrail/attribution"
	"dealtrail/attribution/lift"
	"dealtrail/attribution/lift/lifttest"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// either returns what the short or the long form of a test takes, as make soak asks.
func either[T any](short, long T) T {
	if os.Getenv("DEALTRAIL_SOAK") == "1" {
		return long
	}
	return short
}

// settle puts a company of the planted world into a database and computes a run.
func settle(t *testing.T, w lifttest.World, deals []lifttest.Deal) (*attribution.Job, *trail.Run) {
	t.Helper()
	j := job(storetest.Open(t))
	insert(t, j.DB, w.Events(deals, now)...)
	return j, once(t, j, attribution.Request{})
}

// atSameWeek are the person-weeks that the weekly model of a content is fitted to, by
// its definition: a content counts from the week after it was first seen, and what
// else was seen is as it was when the stage began.
func atSameWeek(deals []lifttest.Deal, content int) (weekly attribution.Weekly) {
	cells, starts := map[string]*lift.Cell{}, map[string]*lift.Start{}
	exposed := map[*lifttest.Deal]bool{}
	lifttest.Entries(deals, func(e lifttest.Entry) {
		others := 0
		for k, seen := range e.Deal.Seen {
			if k != content && int(seen) < e.At {
				others++
			}
		}
		class := int64(1) << bits.Len(uint(others)) >> 1 // 0, 1, 2, 4
		stage, segment := lifttest.StageNames[e.Stage], lifttest.SegmentNames[e.Deal.Segment]
		seen := int(e.Deal.Seen[content])
		for week := e.At; week < e.Left; week++ {
			with := seen < week
			exposed[e.Deal] = exposed[e.Deal] || with
			key := fmt.Sprint(stage, segment, week-e.At, with, class)
			if cells[key] == nil {
				cells[key] = &lift.Cell{Stage: stage, Segment: segment, Week: int64(week - e.At), Seen: with, Covariates: []int64{class}}
			}
			c := cells[key]
			c.AtRisk++
			switch last := week == e.Left-1; {
			case last && e.Advanced:
				c.Advanced++
			case last && e.Deal.Lost:
				c.Lost++
			}
			if with && seen == week-1 && seen >= e.At {
				if starts[key] == nil {
					starts[key] = &lift.Start{Stage: stage, Segment: segment, Week: c.Week, Covariates: c.Covariates}
				}
				starts[key].Deals++
			}
		}
	})
	for _, c := range cells {
		weekly.Cells = append(weekly.Cells, *c)
	}
	for _, s := range starts {
		weekly.Starts = append(weekly.Starts, *s)
	}
	for _, is := range exposed {
		if is {
			weekly.Deals++
		}
	}
	return inOrder(weekly)
}

// inOrder sorts what the weekly model is fitted to, and adds up what is equal.
func inOrder(w attribution.Weekly) attribution.Weekly {
	key := func(c lift.Cell) string {
		return fmt.Sprintf("%q %q %05d %v %v", c.Stage, c.Segment, c.Week, c.Seen, c.Covariates)
	}
	slices.SortFunc(w.Cells, func(a, b lift.Cell) int { return cmp.Compare(key(a), key(b)) })
	cells := w.Cells[:0]
	for _, c := range w.Cells {
		if n := len(cells); n > 0 && key(cells[n-1]) == key(c) {
			cells[n-1].AtRisk += c.AtRisk
			cells[n-1].Advanced += c.Advanced
			cells[n-1].Lost += c.Lost
			continue
		}
		cells = append(cells, c)
	}
	of := func(s lift.Start) string {
		return fmt.Sprintf("%q %q %05d %v", s.Stage, s.Segment, s.Week, s.Covariates)
	}
	slices.SortFunc(w.Starts, func(a, b lift.Start) int { return cmp.Compare(of(a), of(b)) })
	starts := w.Starts[:0]
	for _, s := range w.Starts {
		if n := len(starts); n > 0 && of(starts[n-1]) == of(s) {
			starts[n-1].Deals += s.Deals
			continue
		}
		starts = append(starts, s)
	}
	w.Cells, w.Starts, w.Deals = cells, starts, min(w.Deals, 101)
	return w
}

// seenAtAll is evidence in order without the strata in which nobody had seen the
// content: they bear nothing.
func seenAtAll(all []lift.Evidence) []lift.Evidence {
	var some []lift.Evidence
	for _, e := range all {
		e.Tables = slices.DeleteFunc(slices.Clone(e.Tables), func(t lift.Table) bool { return t.Exposed == 0 })
		slices.SortFunc(e.Tables, func(a, b lift.Table) int { return cmp.Compare(a.Stratum, b.Stratum) })
		if len(e.Tables) > 0 {
			some = append(some, e)
		}
	}
	slices.SortFunc(some, func(a, b lift.Evidence) int { return cmp.Compare(a.Content, b.Content) })
	return some
}

// sameTables reports tables that differ.
func sameTables(t *testing.T, what string, got, want []lift.Evidence) {
	t.Helper()
	got, want = seenAtAll(got), seenAtAll(want)
	if reflect.DeepEqual(got, want) {
		return
	}
	flat := func(all []lift.Evidence) map[string]lift.Table {
		m := map[string]lift.Table{}
		for _, e := range all {
			for _, x := range e.Tables {
				m[e.Content+" "+fmt.Sprintf("%q", x.Stratum)] = x
			}
		}
		return m
	}
	g, w := flat(got), flat(want)
	shown := 0
	for _, m := range []map[string]lift.Table{g, w} {
		for k := range m {
			if g[k] != w[k] && shown < 10 {
				shown++
				t.Errorf("%s of %s: %+v, want %+v", what, k, g[k], w[k])
			}
		}
	}
	if shown == 0 {
		t.Errorf("%s: strata come in parts or in another order", what)
	}
}

// read returns the numbers of the table lifts by content, of one outcome.
func read(t *testing.T, db *store.DB, run, outcome string) map[string]liftRow {
	t.Helper()
	rows, err := db.Query(t.Context(), `SELECT content, verdict, sentence, seen, exposed, exposed_advanced, control, control_advanced,
		with_rate, without_rate, lift, low, high, shrunk, p, q, mde, evalue, evalue_limit,
		[hazard, hazard_low, hazard_high], [lost, lost_low, lost_high], [gain, gain_low, gain_high], hazard_note,
		placebo_z, placebo_p, placebo_mean, placebo_sd, placebo_banner, more_deals
		FROM lifts WHERE run = {run:String} AND outcome = {outcome:String}`, clickhouse.Named("run", run), clickhouse.Named("outcome", outcome))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := map[string]liftRow{}
	for rows.Next() {
		var content string
		var r liftRow
		if err := rows.Scan(&content, &r.verdict, &r.sentence, &r.seen, &r.exposed[0], &r.exposed[1], &r.control[0], &r.control[1],
			&r.with, &r.without, &r.lift, &r.low, &r.high, &r.shrunk, &r.p, &r.q, &r.mde, &r.evalue, &r.limit,
			&r.odds, &r.lost, &r.gain, &r.note, &r.z, &r.zp, &r.mean, &r.sd, &r.banner, &r.more); err != nil {
			t.Fatal(err)
		}
		all[content] = r
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// liftRow is a row of the table lifts.
type liftRow struct {
	verdict, sentence                                                string
	seen                                                             uint64
	exposed, control                                                 [2]uint64
	with, without, lift, low, high, shrunk, p, q, mde, evalue, limit float64
	odds, lost, gain                                                 []float64
	note                                                             string
	z, zp, mean, sd                                                  float64
	banner                                                           bool
	more                                                             uint64
}

func TestPlantedTruthIsFoundInTheDatabase(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(2026, 1))
	w := lifttest.World{Contents: lifttest.Six, Later: true}
	deals := w.Simulate(3000, rng)
	j, run := settle(t, w, deals)
	if !slices.Equal(run.Stages, lifttest.StageNames[:]) {
		t.Errorf("stages are %q", run.Stages)
	}

	// The database counts what the world does.
	stage := must[[]lift.Evidence](t)(j.Lifts(t.Context(), run.ID, attribution.Where{Outcome: "stage"}))
	sameTables(t, "lift", stage, w.Lifts(deals))
	sameTables(t, "placebo", must[[]lift.Evidence](t)(j.Placebos(t.Context(), run.ID)), w.Placebos(deals))
	weekly := must[map[string]attribution.Weekly](t)(j.Weekly(t.Context(), run.ID))
	for k, c := range w.Contents {
		if got, want := inOrder(weekly[c.ID]), atSameWeek(deals, k); !reflect.DeepEqual(got, want) {
			t.Errorf("weeks of %s: %d deals, %d cells, %d starts; want %d, %d, %d", c.ID, got.Deals, len(got.Cells), len(got.Starts), want.Deals, len(want.Cells), len(want.Starts))
		}
	}

	// So it says what they say.
	findings, _, err := lift.Judge(w.Lifts(deals))
	if err != nil {
		t.Fatal(err)
	}
	placebo := must[lift.Placebo](t)(lift.Pool(w.Placebos(deals)))
	rows := read(t, j.DB, run.ID, "stage")
	if all := rows[""]; all.banner || placebo.Banner || all.mean != placebo.Mean || all.sd != placebo.SD {
		t.Errorf("the library is %+v, want %+v and no banner: deals are not selected", all, placebo)
	}
	for _, f := range findings {
		r := rows[f.Content]
		if r.verdict != string(f.Verdict) || r.lift != f.Difference.Value || r.low != f.Difference.Low || r.high != f.Difference.High || r.p != f.P || r.q != f.Q ||
			r.shrunk != f.Shrunk.Value || r.exposed != [2]uint64{uint64(f.Compared.Exposed), uint64(f.Compared.ExposedAdvanced)} || r.evalue != f.EValue.Point || r.with-r.without-r.lift > 1e-12 {
			t.Errorf("%s is stored as %+v, and judged %+v", f.Content, r, f)
		}
	}
	truth := w.Truths(rand.New(rand.NewPCG(1, 1)))
	for k, c := range w.Contents {
		r := rows[c.ID]
		t.Logf("%-10s %-10s lift %+.3f (%+.3f to %+.3f), true %+.3f; odds %.3f (%.3f to %.3f), true %.3f; gain %+.3f; placebo z %+.2f", c.ID, r.verdict, r.lift, r.low, r.high, truth[k],
			r.odds[0], r.odds[1], r.odds[2], math.Exp(c.Effect), r.gain[0], r.z)
		want := map[bool]string{true: "for", false: "against"}[c.Effect > 0]
		if c.Effect == 0 {
			want = "none"
		}
		if r.verdict != want && c.ID != "rare_null" {
			t.Errorf("%s, of effect %+.3f, is said to be %q", c.ID, c.Effect, r.verdict)
		}
		direct := must[*lift.HazardFit](t)(lift.Hazard{Covariates: []lift.Covariate{{Name: "others", Log: true}}}.Fit(atSameWeek(deals, k).Cells))
		if got := direct.Odds(); !near(r.odds[0], got.Value) || !near(r.odds[1], got.Low) || !near(r.odds[2], got.High) {
			t.Errorf("odds of %s are %v, fitted to its weeks %+v", c.ID, r.odds, got)
		}
		if se := direct.Odds().SE; math.Abs(math.Log(r.odds[0])-c.Effect) > 4*se {
			t.Errorf("log odds of %s are %+.3f (se %.3f), in truth %+.3f", c.ID, math.Log(r.odds[0]), se, c.Effect)
		}
	}

	// And it is a world in which it is easy to be wrong.
	if d, z := lifttest.Naive(deals, 1); d < 0.3 || z < 5 {
		t.Errorf("content that is only sent late does not look good: %+.3f, z %.1f", d, z)
	}
	if d, z := lifttest.Naive(deals, 3); d < 0 || z < 2 {
		t.Errorf("content that hurts does not look good: %+.3f, z %.1f", d, z)
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*(1+math.Abs(b)) }

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestSelectionRaisesTheBanner(t *testing.T) {
	t.Parallel()
	w := lifttest.World{Contents: lifttest.Six, Gamma: 0.5}
	deals := w.Simulate(3000, rand.New(rand.NewPCG(2026, 2)))
	j, run := settle(t, w, deals)
	rows := read(t, j.DB, run.ID, "stage")
	if !rows[""].banner {
		t.Errorf("no banner over selected deals: %+v", rows[""])
	}
	if r := rows["early_null"]; r.verdict != "for" {
		t.Errorf("early_null does not look good, so there is nothing to warn of: %+v", r)
	}
}
