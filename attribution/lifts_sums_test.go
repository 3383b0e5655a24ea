package attribution_test

import (
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"strings"
	"testing"

	"dealtrail/attribution"
	"dealtrail/attribution/lift"
)

// What the statistics need of stage entries, one entry at a time.

// class is the class of how many contents were seen.
func class(n int) int { return min(bits.Len(uint(n)), 5) }

// tabulate counts tables: hit says whether an entry is counted and how it came out,
// exposed whether it had seen a content, or could not be in the table at all.
func tabulate(all []entry, contents []string, hit func(entry) string, place func(e entry, i int) (in bool, stratum string)) []lift.Evidence {
	var evidence []lift.Evidence
	for _, c := range contents {
		tables := map[string]*lift.Table{}
		for _, e := range all {
			i := slices.Index(e.contents, c)
			in, stratum := place(e, i)
			if hit(e) == "-" || !in {
				continue
			}
			if tables[stratum] == nil {
				tables[stratum] = &lift.Table{Stratum: stratum}
			}
			x, one := tables[stratum], int64(0)
			if hit(e) == "yes" {
				one = 1
			}
			if i >= 0 && i < int(e.atLandmark) {
				x.Exposed, x.ExposedAdvanced = x.Exposed+1, x.ExposedAdvanced+one
			} else {
				x.Control, x.ControlAdvanced = x.Control+1, x.ControlAdvanced+one
			}
		}
		e := lift.Evidence{Content: c}
		for _, x := range tables {
			e.Tables = append(e.Tables, *x)
		}
		evidence = append(evidence, e)
	}
	return evidence
}

// inStrata places all entries, by what else they had seen.
func inStrata(e entry, i int) (bool, string) {
	others := int(e.atLandmark)
	if i >= 0 && i < others {
		others--
	}
	return true, fmt.Sprintf("%s\x00%s\x00%d\x00%d", e.stage, e.segment, e.age, class(others))
}

// weekly follows entries through their weeks.
func weekly(all []entry, content string) (w attribution.Weekly) {
	deals := map[string]bool{}
	for _, e := range all {
		since := int(^uint(0) >> 2)
		others := int(e.atEntry)
		if i := slices.Index(e.contents, content); i >= 0 {
			if since = int(e.seen[i]) + 1; i < int(e.atEntry) {
				others--
			}
		}
		for week := range int(e.weeks) {
			c := lift.Cell{Stage: e.stage, Segment: e.segment, Week: int64(week), Seen: week >= since, Covariates: []int64{1 << class(others) >> 1}, AtRisk: 1}
			if week == int(e.weeks)-1 {
				switch e.ended {
				case "advanced":
					c.Advanced = 1
				case "lost":
					c.Lost = 1
				}
			}
			w.Cells = append(w.Cells, c)
			deals[e.deal] = deals[e.deal] || c.Seen
			if week == since && since > 0 {
				w.Starts = append(w.Starts, lift.Start{Stage: e.stage, Segment: e.segment, Week: int64(week), Covariates: c.Covariates, Deals: 1})
			}
		}
	}
	for _, exposed := range deals {
		if exposed {
			w.Deals++
		}
	}
	return w
}

// sumsUp compares all that a run sums up with the oracle's entries.
func sumsUp(t *testing.T, j *attribution.Job, run string, all []entry) {
	t.Helper()
	contents := strings.Fields("a b c d e f")
	byStage, byWin := func(e entry) string { return e.advanced }, func(e entry) string { return e.won }
	tables := must[[]lift.Evidence](t)
	sameTables(t, "lift", tables(j.Lifts(t.Context(), run, attribution.Where{Outcome: "stage"})), tabulate(all, contents, byStage, inStrata))
	sameTables(t, "lift of winning", tables(j.Lifts(t.Context(), run, attribution.Where{Outcome: "won"})), tabulate(all, contents, byWin, inStrata))
	some := slices.DeleteFunc(slices.Clone(all), func(e entry) bool { return e.owner != "rep1@us.example" || e.stage != "Qualified" })
	where := attribution.Where{Outcome: "stage", Owner: "Rep1@us.example", Stage: "Qualified", Content: "a"}
	sameTables(t, "lift of some", tables(j.Lifts(t.Context(), run, where)), tabulate(some, contents[:1], byStage, inStrata))
	sameTables(t, "placebo", tables(j.Placebos(t.Context(), run)), tabulate(all, contents, func(e entry) string {
		if e.advanced == "-" {
			return "-"
		}
		return map[string]string{"fast": "yes", "slow": "no", "none": "-"}[e.before]
	}, func(e entry, i int) (bool, string) { return i < 0 || i >= int(e.atEntry), e.stage + "\x00" + e.segment }))
	weeks := must[map[string]attribution.Weekly](t)(j.Weekly(t.Context(), run))
	for _, content := range contents {
		want, have := inOrder(weekly(all, content)), inOrder(weeks[content])
		if !reflect.DeepEqual(have, want) {
			t.Errorf("weeks of %s: %+v\nwant %+v", content, have, want)
		}
	}
}
