package attribution_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"dealtrail/attribution"
	"dealtrail/store/storetest"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

// plant loads a company of which it is known what moves its deals, and computes
// the usual run.
func plant(t testing.TB, o synth.Options) *attribution.Job {
	t.Helper()
	db := storetest.Open(t)
	o.Contacts, o.End = trail.ContactKey("key of the planted company"), now
	insert(t, db, synth.New(o).Events()...)
	j := job(db)
	once(t, j, attribution.Request{})
	return j
}

func lifts(t testing.TB, j *attribution.Job, q attribution.LiftQuestion) *trail.LiftReport {
	t.Helper()
	r, err := j.Lift(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// where returns a question about some deals.
func where(change func(*attribution.LiftQuestion)) (q attribution.LiftQuestion) {
	change(&q)
	return q
}

func rowOf(r *trail.LiftReport, content string) trail.LiftRow {
	i := slices.IndexFunc(r.Rows, func(row trail.LiftRow) bool { return row.Content == content })
	if i < 0 {
		return trail.LiftRow{}
	}
	return r.Rows[i]
}

func TestLiftsOfAPlantedCompany(t *testing.T) {
	t.Parallel()
	j := plant(t, synth.Options{Seed: 3, Deals: 1500, Contents: 12, Start: now.AddDate(-2, 0, 0)})
	all := lifts(t, j, attribution.LiftQuestion{})
	t.Run("find what moves deals", func(t *testing.T) { checkPlanted(t, all) })
	t.Run("add up from their tables", func(t *testing.T) { checkTables(t, j, all) })
	t.Run("are divided by filters", func(t *testing.T) { checkFilters(t, j, all) })
	t.Run("are judged in families", func(t *testing.T) { checkFamilies(t, j, all) })
	t.Run("say what is not there", func(t *testing.T) { checkMissing(t, j) })
	t.Run("outlive runs that compare nothing", func(t *testing.T) {
		other := once(t, j, attribution.Request{Models: []string{"linear"}})
		if again := lifts(t, j, attribution.LiftQuestion{}); again.Run != all.Run {
			t.Errorf("the report is of run %s, not of %s", again.Run, all.Run)
		}
		if _, err := j.Lift(t.Context(), attribution.LiftQuestion{Run: other.ID}); !is(err, trail.NoRun) {
			t.Errorf("of a run that compared nothing: %v", err)
		}
	})
	t.Run("lose the word while selection is visible", func(t *testing.T) {
		exec(t, j.DB, "ALTER TABLE lifts UPDATE placebo_banner = true WHERE content = '' SETTINGS mutations_sync = 2")
		for _, q := range []attribution.LiftQuestion{{}, where(func(q *attribution.LiftQuestion) { q.Stage = "Demo" })} {
			r := lifts(t, j, q)
			if !strings.HasPrefix(r.Warning, "Selection is visible in this data: ") || strings.Contains(r.Leading, "move") {
				t.Errorf("%q, %q", r.Warning, r.Leading)
			}
		}
	})
}

func is(err error, code trail.Code) bool {
	var p *trail.Problem
	return errors.As(err, &p) && p.Code == code
}

func checkPlanted(t *testing.T, r *trail.LiftReport) {
	if best := rowOf(r, synth.Best); best.Verdict != trail.For || *best.Low <= 0 || best.Hazard == nil || best.Hazard.Odds[1] <= 1 || best.Placebo == nil || best.EValue == nil || best.Kind != "calculator" {
		t.Errorf("the best: %+v", best)
	}
	if popular := rowOf(r, synth.Popular); popular.Verdict != trail.NoEffect || popular.MDE == nil {
		t.Errorf("what everybody gets: %+v", popular)
	}
	if r.Outcome != "stage" || r.Landmark != 1 || r.Horizon != 6 || r.Agents != trail.Likely || !strings.HasPrefix(r.Caution, "Observational: ") || r.Warning != "" || strings.Join(r.Stages, " ") != "Qualified Demo Proposal Negotiation" {
		t.Errorf("%+v", r.LiftHead)
	}
	n := map[string]int{}
	for i, row := range r.Rows {
		n[row.Verdict]++
		if row.Shrunk == nil {
			continue
		}
		if d := *row.With - *row.Without - *row.Lift; math.Abs(d) > 1e-9 || !(*row.Low < *row.Lift && *row.Lift < *row.High) || row.Exposed > row.Seen {
			t.Errorf("%s does not fit together: %+v", row.Content, row)
		}
		if i > 0 && (r.Rows[i-1].Shrunk == nil || *r.Rows[i-1].Shrunk < *row.Shrunk) {
			t.Errorf("%s stands behind what is less", row.Content)
		}
		for _, other := range r.Rows {
			if apart := *row.Low > *other.High || *row.High < *other.Low; other.Verdict == row.Verdict && other.Group != row.Group && !apart {
				t.Errorf("%s and %s overlap and are in two groups", row.Content, other.Content)
			}
		}
	}
	if want := fmt.Sprintf("%d of %d contents have enough evidence that they move deals", n[trail.For], len(r.Rows)); n[trail.For] > 1 && !strings.HasPrefix(r.Leading, want) {
		t.Errorf("the headline is %q, want %q", r.Leading, want)
	}
}

// checkTables adds strata up to the row that they are behind.
func checkTables(t *testing.T, j *attribution.Job, all *trail.LiftReport) {
	for _, outcome := range attribution.Outcomes {
		d, err := j.LiftOf(t.Context(), synth.Best, where(func(q *attribution.LiftQuestion) { q.Outcome = outcome }))
		if err != nil {
			t.Fatal(err)
		}
		var seen, compared, went, control, controlWent int64
		var weight, difference float64
		for _, s := range d.Table {
			seen += s.Exposed
			if s.Control == 0 {
				if s.Weight != 0 {
					t.Errorf("%+v weighs something", s)
				}
				continue
			}
			compared, went, control, controlWent = compared+s.Exposed, went+s.ExposedAdvanced, control+s.Control, controlWent+s.ControlAdvanced
			weight += s.Weight
			difference += s.Weight * (float64(s.ExposedAdvanced)/float64(s.Exposed) - float64(s.ControlAdvanced)/float64(s.Control))
		}
		r := d.Row
		if uint64(seen) != r.Seen || uint64(compared) != r.Exposed || uint64(went) != r.ExposedAdvanced || uint64(control) != r.Control || uint64(controlWent) != r.ControlAdvanced {
			t.Errorf("%s: the table adds up to %d, %d, %d, %d, %d; the row is %+v", outcome, seen, compared, went, control, controlWent, r)
		}
		if r.Lift == nil || math.Abs(weight-1) > 1e-9 || math.Abs(difference-*r.Lift) > 1e-9 {
			t.Errorf("%s: weights %v and a lift of %v, want %+v", outcome, weight, difference, r.Lift)
		}
		if first := d.Table[0]; first.Stage != "Qualified" || first.Age != "0-1 weeks" || first.Others != "none" || d.Formula == "" {
			t.Errorf("%s: the table begins with %+v", outcome, first)
		}
		if outcome == "won" && (d.Horizon != 12 || strings.Contains(r.Text, "advanced") || r.Hazard != nil) {
			t.Errorf("winning: %d weeks, %q, %v", d.Horizon, r.Text, r.Hazard)
		}
		if outcome == "stage" && *r.Lift != *rowOf(all, synth.Best).Lift {
			t.Error("the row is another than in the list")
		}
	}
}

// checkFilters asks for each part of the deals: together they are all of them.
func checkFilters(t *testing.T, j *attribution.Job, all *trail.LiftReport) {
	whole := rowOf(all, synth.Popular)
	for name, set := range map[string]func(*attribution.LiftQuestion, string){
		"segment": func(q *attribution.LiftQuestion, v string) { q.Segment = v }, "size": func(q *attribution.LiftQuestion, v string) { q.Size = v },
		"stage": func(q *attribution.LiftQuestion, v string) { q.Stage = v }, "owner": func(q *attribution.LiftQuestion, v string) { q.Owner = strings.ToUpper(v) },
	} {
		values := map[string][]string{"segment": all.Choices.Segment, "size": all.Choices.Size, "stage": all.Choices.Stage, "owner": all.Choices.Owner}[name]
		var seen, exposed, closed uint64
		for _, v := range values {
			r := lifts(t, j, where(func(q *attribution.LiftQuestion) { set(q, v) }))
			row := rowOf(r, synth.Popular)
			seen, exposed, closed = seen+row.Seen, exposed+row.Exposed, closed+r.Closed
			if row.Hazard != nil || row.Placebo != nil {
				t.Errorf("%s %s has what is only known over all deals", name, v)
			}
			if len(r.Filter) != 1 || !strings.Contains(strings.ToLower(r.Filter[0]), strings.ToLower(v)) {
				t.Errorf("%s %s says %q", name, v, r.Filter)
			}
		}
		if len(values) < 2 || seen != whole.Seen || (name == "segment" || name == "stage") && exposed != whole.Exposed || name != "stage" && closed != all.Closed {
			t.Errorf("%d parts by %s: %d seen, %d compared, %d closed; all are %d, %d, %d", len(values), name, seen, exposed, closed, whole.Seen, whole.Exposed, all.Closed)
		}
	}
}

// checkFamilies restricts contents: other numbers of each stay, its q is of the family.
func checkFamilies(t *testing.T, j *attribution.Job, all *trail.LiftReport) {
	family := lifts(t, j, attribution.LiftQuestion{Kind: "white paper"})
	one := lifts(t, j, where(func(q *attribution.LiftQuestion) { q.Content = synth.Popular }))
	if len(family.Rows) == 0 || len(family.Rows) == len(all.Rows) || len(one.Rows) != 1 || *one.Rows[0].Q != *rowOf(all, synth.Popular).Q {
		t.Fatalf("%d of %d are white papers, %d are the one asked for", len(family.Rows), len(all.Rows), len(one.Rows))
	}
	for _, row := range family.Rows {
		was := rowOf(all, row.Content)
		if row.Kind != "white paper" || row.Lift == nil || *row.Lift != *was.Lift || *row.P != *was.P || *row.Q > *was.Q || row.Hazard == nil || *row.Hazard.Odds != *was.Hazard.Odds {
			t.Errorf("%+v in its family, %+v among all", row, was)
		}
	}
	for _, p := range family.PartOfWon {
		if rowOf(all, p.Content).Kind != "white paper" {
			t.Errorf("%s is no white paper", p.Content)
		}
	}
}

func checkMissing(t *testing.T, j *attribution.Job) {
	for want, q := range map[string]attribution.LiftQuestion{
		`No deal that is compared here is of the segment "huge"; there are: under 10k, 10k to 100k, 100k and over.`: where(func(q *attribution.LiftQuestion) { q.Segment = "huge" }),
		`No deal that is compared here is in the stage "Dmeo"; there are: Qualified, Demo, Proposal, Negotiation.`:  where(func(q *attribution.LiftQuestion) { q.Stage = "Dmeo" }),
		`No deal that is compared here is of the team "a"; there are: none.`:                                        where(func(q *attribution.LiftQuestion) { q.Team = "a" }),
		`No content is of the kind "film"; there are: `:                                                             {Kind: "film"},
		`There is no content "nothing".`:                                                                            where(func(q *attribution.LiftQuestion) { q.Content = "nothing" }),
	} {
		if r := lifts(t, j, q); len(r.Rows) != 0 || !strings.HasPrefix(r.Leading, want) || r.Rows == nil || r.PartOfWon == nil {
			t.Errorf("%+v: %d rows, %q; want %q", q, len(r.Rows), r.Leading, want)
		}
	}
	for want, q := range map[string]attribution.LiftQuestion{
		"outcome is": where(func(q *attribution.LiftQuestion) { q.Outcome = "lost" }), "No attribution run": {Agents: trail.Strict}, "agents": {Agents: "some"},
	} {
		if _, err := j.Lift(t.Context(), q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", q, err, want)
		}
	}
	if _, err := j.LiftOf(t.Context(), "nothing", attribution.LiftQuestion{}); !is(err, trail.NotFound) {
		t.Errorf("of a content that is not there: %v", err)
	}
	if d, err := j.LiftOf(t.Context(), synth.Best, attribution.LiftQuestion{Kind: "video"}); err != nil || d.Row.Lift != nil || !strings.Contains(d.Row.Text, "not among the contents") {
		t.Errorf("of a content outside the family: %+v, %v", d, err)
	}
}

func TestASmallCompanyHearsHowManyMoreDealsAndWhen(t *testing.T) {
	t.Parallel()
	j := plant(t, synth.Options{Seed: 1, Deals: 120})
	r := lifts(t, j, attribution.LiftQuestion{})
	var soonest uint64
	for i, row := range r.Rows {
		if row.Verdict != trail.TooLittle {
			continue
		}
		if row.With != nil || row.Lift != nil || row.Shrunk != nil || row.Q != nil || row.MDE != nil || row.Group != 0 {
			t.Errorf("too little data, and yet a number: %+v", row)
		}
		if i > 0 && r.Rows[i-1].MoreDeals > row.MoreDeals && row.MoreDeals > 0 {
			t.Errorf("%s stands behind what takes longer", row.Content)
		}
		if row.MoreDeals == 0 {
			continue
		}
		if soonest == 0 {
			soonest = row.MoreDeals
		}
		years := float64(row.MoreDeals) / float64(r.Lately) / 2
		at := r.AsOf.AddDate(0, 0, int(years*364))
		want := fmt.Sprintf("Too little data: about %d more closed deals, %s at this pace.", row.MoreDeals, at.Format("January 2006"))
		if years > 3 {
			want = fmt.Sprintf("Too little data: about %d more closed deals.", row.MoreDeals)
		}
		if row.Text != want || row.Expected.IsZero() != (years > 3) {
			t.Errorf("%q, %v; want %q", row.Text, row.Expected, want)
		}
	}
	if r.Soonest == nil || r.Soonest.MoreDeals != soonest || r.Lately == 0 {
		t.Errorf("the soonest is %+v, want one of %d", r.Soonest, soonest)
	}
	checkPartOfWon(t, j, r)
	b, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(b), `"with":null,"without":null,"lift":null,"low":null,"high":null,"shrunk":null,"p":null,"q":null`) {
		t.Errorf("%s, %v", b, err)
	}
}

// checkPartOfWon counts won deals by content from the deals' own touches.
func checkPartOfWon(t *testing.T, j *attribution.Job, r *trail.LiftReport) {
	t.Helper()
	rows, err := j.DB.Query(t.Context(), "SELECT content, uniqExact(deal) FROM credits WHERE run = {run:String} AND model = 'last' AND content != '' GROUP BY content", clickhouse.Named("run", r.Run))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	part := map[string]uint64{}
	for i, p := range r.PartOfWon {
		if part[p.Content] = p.Deals; p.Deals > r.Won || p.Title == "" || i > 0 && r.PartOfWon[i-1].Deals < p.Deals {
			t.Errorf("%+v of %d", p, r.Won)
		}
	}
	n := 0
	for ; rows.Next(); n++ {
		var content string
		var last uint64
		if err := rows.Scan(&content, &last); err != nil {
			t.Fatal(err)
		}
		if part[content] < last {
			t.Errorf("%s is the last of %d won deals and part of %d", content, last, part[content])
		}
	}
	if n == 0 || len(r.PartOfWon) < n {
		t.Errorf("%d contents closed a deal, %d were part of one", n, len(r.PartOfWon))
	}
}

func TestWithoutStagesTheReasonIsSaidAndWhatWasPartOfWinsIsShown(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, won("D-1", "100.00", day), touch("a", day.Add(-time.Hour), trail.Clicked, "C-1", "c1", "D-1"))
	j := job(db)
	if _, err := j.Lift(t.Context(), attribution.LiftQuestion{}); !is(err, trail.NoRun) {
		t.Errorf("before any run: %v", err)
	}
	once(t, j, attribution.Request{})
	r := lifts(t, j, attribution.LiftQuestion{})
	if len(r.Rows) != 0 || !strings.HasPrefix(r.Leading, "No deal has a history of stages yet") || r.Won != 1 || len(r.PartOfWon) != 1 || r.PartOfWon[0] != (trail.PartOfWon{Content: "C-1", Title: "C-1", Deals: 1}) {
		t.Errorf("%+v", r)
	}
}
