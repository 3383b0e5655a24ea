package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// compared writes what changed between two runs, deal by deal, with the causes.
func compared(t *testing.T, db *store.DB, a, b string, f store.Filter) string {
	t.Helper()
	d := must(db.Diff(t.Context(), a, b, "content", f))(t)
	rows, _, err := db.DiffDeals(t.Context(), a, b, "content", "", "", f)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range rows {
		all = append(all, fmt.Sprint(r.Deal, " ", r.Key, " ", r.Cause, " ", r.Change.Change.Amount))
	}
	return fmt.Sprint(strings.Join(all, ", "), "; in all ", d.Total.Change.Change.Amount)
}

func execute(t *testing.T, db *store.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if err := db.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// Runs that an older version made have no deals as they were known, no settings and no counts: they are compared by their credits.
func TestRunsOfAnOlderVersionCompareToo(t *testing.T) {
	t.Parallel()
	db := openCompany(t)
	execute(t, db, `
		INSERT INTO credits (run, model, deal, touch, content, rep, share, value)
		SELECT 'R3', model, deal, touch, content, rep, share, value + 100 FROM credits WHERE run = 'R2' AND deal = 'D1'`, `
		INSERT INTO runs (id, models, version, config, agents, as_of, currency, digits) VALUES ('R3', ['linear'], '1', 'd', 'likely', '2026-03-01 00:00:00', 'EUR', 2)`)
	check(t, "what changed", compared(t, db, "R2", "R3", store.Filter{}), "D6 (unattributed) deal_gone -10.00, D1 case amount 2.00, D1 deck amount 1.00; in all -7.00")
	check(t, "the other way round", compared(t, db, "R3", "R2", store.Filter{}), "D6 (unattributed) deal_won 10.00, D1 case amount -2.00, D1 deck amount -1.00; in all 7.00")
	check(t, "by words", compared(t, db, store.PreviousRun, store.NewestRun, store.Filter{}), compared(t, db, "R2", "R3", store.Filter{}))
	d := must(db.Diff(t.Context(), "R2", "R3", "content", store.Filter{}))(t)
	if d.Rows == nil || d.Inputs == nil || d.Settings.Before == nil || len(d.Settings.After) != 0 {
		t.Errorf("lists are null in JSON: %+v", d)
	}
	for _, by := range []string{"rep", "kind", "persona"} { // by what is of a deal there is no report on such a run
		if d := must(db.Diff(t.Context(), "R2", "R3", by, store.Filter{}))(t); d.Total.Change.Change.Amount != "-7.00" {
			t.Errorf("by %s: %+v", by, d.Total)
		}
	}
}

// A click of the spool was received before a run and loaded after it.
func TestWhatWasLoadedAfterARunCameLate(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	one, two := clicked("s1", day(2)), clicked("s2", day(3))
	insert(t, db, one, two)
	for i, parts := range [][]trail.Event{{one}, {one, two}} {
		run, at := string(rune('A'+i)), day(10+i).Format(time.DateTime)
		for _, e := range parts {
			execute(t, db, fmt.Sprintf("INSERT INTO credits (run, model, deal, touch, content, kind, share, value) VALUES ('%s', 'linear', 'D', unhex('%x'), '%s', 'clicked', %g, %d)",
				run, e.ID[:], e.Share, 1/float64(len(parts)), 1000/len(parts)))
		}
		execute(t, db, fmt.Sprintf("INSERT INTO run_deals (run, deal, status, value, closed_at) VALUES ('%s', 'D', 'won', 1000, '2026-01-09 00:00:00')", run),
			fmt.Sprintf("INSERT INTO runs (id, models, version, agents, as_of, started_at, finished_at, currency, digits, deals) VALUES ('%s', ['linear'], '1', 'likely', '%s', '%[2]s', '%[2]s', 'EUR', 2, 1)", run, at))
	}
	check(t, "nothing is noted of when it was loaded", compared(t, db, "A", "B", store.Filter{}), "D s1 moved -5.00, D s2 moved 5.00; in all 0.00")
	arrived := func(e trail.Event, at time.Time) {
		execute(t, db, fmt.Sprintf("INSERT INTO arrivals (id, revision, epoch, partition, ms, seq) VALUES (unhex('%x'), 0, 'e', 0, %d, 0)", e.ID[:], at.UnixMilli()))
	}
	arrived(one, day(2))
	arrived(two, day(10).Add(time.Hour))
	check(t, "it was loaded after the first run", compared(t, db, "A", "B", store.Filter{}), "D s1 late_events -5.00, D s2 late_events 5.00; in all 0.00")
	arrived(two, day(3)) // the copy came first
	check(t, "a copy was loaded before it", compared(t, db, "A", "B", store.Filter{}), "D s1 moved -5.00, D s2 moved 5.00; in all 0.00")
}

// A run of one model that tells only a part of each path goes by the hash of the whole.
func TestAModelThatTellsPartOfAPathIsNotTakenForTheWhole(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	one, two := clicked("s1", day(2)), clicked("s2", day(3))
	insert(t, db, one, two)
	for i, e := range []trail.Event{one, two} {
		run := string(rune('A' + i))
		at := day(10 + i).Format(time.DateTime)
		execute(t, db, fmt.Sprintf("INSERT INTO credits (run, model, deal, touch, content, kind, share, value) VALUES ('%s', 'w', 'D', unhex('%x'), '%s', 'clicked', 1, 1000)", run, e.ID[:], e.Share),
			fmt.Sprintf("INSERT INTO run_deals (run, deal, status, value, closed_at, path) VALUES ('%s', 'D', 'won', 1000, '2026-01-09 00:00:00', 7)", run),
			fmt.Sprintf("INSERT INTO runs (id, models, version, agents, as_of, started_at, finished_at, currency, digits, deals) VALUES ('%s', ['w'], '1', 'likely', '%s', '%[2]s', '%[2]s', 'EUR', 2, 1)", run, at))
	}
	check(t, "the path is the same, so the places are not", compared(t, db, "A", "B", store.Filter{Model: "w"}), "D s1 milestones -10.00, D s2 milestones 10.00; in all 0.00")
	execute(t, db, "ALTER TABLE run_deals UPDATE path = 8 WHERE run = 'B' SETTINGS mutations_sync = 2")
	check(t, "the path is another", compared(t, db, "A", "B", store.Filter{Model: "w"}), "D s1 moved -10.00, D s2 moved 10.00; in all 0.00")
}
