package attribution_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// watch is a log that calls done after each part of a run, from whichever goroutine did it.
type watch struct {
	slog.Handler
	done func(part string)
}

func watching(done func(part string)) *slog.Logger {
	var one sync.Mutex
	return slog.New(watch{slog.DiscardHandler, func(part string) {
		one.Lock()
		defer one.Unlock()
		done(part)
	}})
}

func (watch) Enabled(context.Context, slog.Level) bool { return true }

func (w watch) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "part" {
			w.done(a.Value.String())
		}
		return true
	})
	return nil
}

// firm has ten deals, won and lost, that went through two stages.
func firm() (events []trail.Event) {
	for i := range 10 {
		id := fmt.Sprintf("D%d", i)
		events = append(events, deal(id, "status", []string{"won", "lost"}[i%2], "amount", "100.01", "closed_at", closed.Format(time.RFC3339)))
		for n, stage := range []string{"Demo", "Proposal"} {
			at := day.AddDate(0, 0, 10*n)
			events = append(events, trail.Event{ID: trail.IDFrom(at, "test", "staged", id), Kind: trail.Staged, Source: "csv", At: at, ReceivedAt: at, Deal: id, Stage: stage})
		}
		for n := range i % 4 {
			events = append(events, touch(fmt.Sprint(n), day.Add(time.Duration(i+10*n)*time.Hour), trail.Clicked, []string{"A", "B", "C"}[(i+n)%3], "p", id))
		}
	}
	return events
}

// endsAfter is a process that ends once a part of a run is done. It returns which parts were.
func endsAfter(t *testing.T, j *attribution.Job, part string, do func(ctx context.Context) error) (parts []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	j.Log = watching(func(done string) {
		if ctx.Err() == nil {
			parts = append(parts, done)
		}
		if done == part {
			cancel()
		}
	})
	if err := do(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if !slices.Contains(parts, part) {
		t.Fatalf("it did not come to %s: %v", part, parts)
	}
	return parts
}

// underWay returns the one run that is, in the state given.
func underWay(t *testing.T, db *store.DB, state string) attribution.Progress {
	t.Helper()
	left, err := job(db).UnderWay(t.Context())
	if err != nil || len(left) != 1 || left[0].State != state {
		t.Fatalf("under way are %+v, %v; want one that is %s", left, err, state)
	}
	return left[0]
}

// inState returns a run that is in the state given.
func inState(t *testing.T, db *store.DB, state string) string {
	t.Helper()
	all, err := job(db).UnderWay(t.Context())
	i := slices.IndexFunc(all, func(p attribution.Progress) bool { return p.State == state })
	if err != nil || i < 0 {
		t.Fatalf("under way are %+v, %v; want one that is %s", all, err, state)
	}
	return all[i].Run
}

// ends are where a run loses its process, one after the other: each but the first goes on with what the one before left.
var ends = []struct {
	after string
	step  uint8  // in which it is then
	again string // what the process did not do again
}{
	{"crowds", 0, "run_paths"},
	{"run_paths", 1, "intervals"},
	{"intervals", 2, "snapshot_deals"},
	{"run_deals", 3, "run_paths"},
	{"lift_entries", 4, "intervals"},
}

func TestRunGoesOnWhereItsProcessEnded(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, firm()...)
	process := func() *attribution.Job {
		j := job(db)
		j.InChunksOf(4)
		return j
	}
	j := process()
	var seen []attribution.Progress
	j.Log = watching(func(part string) {
		if part == "run_step" {
			return
		}
		left, err := process().UnderWay(t.Context())
		runs, err2 := db.Runs(t.Context(), 10)
		if errors.Join(err, err2) != nil || len(left)+len(runs) != 1 {
			t.Errorf("under way are %+v, readers see %+v, %v; want one or the other", left, runs, errors.Join(err, err2))
		}
		seen = append(seen, left...)
	})
	undisturbed := once(t, j, attribution.Request{})
	checkProgress(t, seen)
	run := ""
	for i, end := range ends {
		j := process()
		parts := endsAfter(t, j, end.after, func(ctx context.Context) error {
			if i > 0 {
				return j.Run(ctx)
			}
			_, err := j.Once(ctx, attribution.Request{})
			return err
		})
		if slices.Contains(parts, end.again) {
			t.Errorf("the process that ended after %s did %s again: %v", end.after, end.again, parts)
		}
		left := underWay(t, db, "running")
		if left.Step != end.step || i > 0 && left.Run != run {
			t.Errorf("after %s there is under way %+v; want run %s in step %d", end.after, left, run, end.step)
		}
		run = left.Run
		if runs, err := db.Runs(t.Context(), 10); err != nil || len(runs) != 1 {
			t.Errorf("after %s readers see %v, %v; want only the run that nothing disturbed", end.after, runs, err)
		}
	}
	goesOn(t, db, process())
	want := allOf(t, db, undisturbed.ID)
	for table, rows := range allOf(t, db, run) {
		if rows != want[table] {
			t.Errorf("%s of the run that lost its process\n%s\nwant\n%s", table, rows, want[table])
		}
	}
	for _, left := range []string{"run_paths", "snapshot_names", "snapshot_deals", "snapshot_touches"} {
		if n := count(t, db, "SELECT count() FROM "+left); n > 0 {
			t.Errorf("%d rows of %s are left", n, left)
		}
	}
}

// checkProgress checks what was seen of a run after each part: it never goes back, and tells how many parts a step has.
func checkProgress(t *testing.T, seen []attribution.Progress) {
	t.Helper()
	var last attribution.Progress
	most, doing := map[uint8]uint32{}, map[uint8]string{}
	for _, p := range seen {
		if p.Step < last.Step || p.Step == last.Step && p.Done < last.Done && p.Of == last.Of || p.Done > p.Of || p.Steps != 5 || p.Doing == "" {
			t.Errorf("%+v comes after %+v", p, last)
		}
		last = p
		most[p.Step], doing[p.Step] = max(most[p.Step], p.Of), p.Doing
	}
	if most[0] < 5 || most[1] != 3 || len(doing) != 5 || doing[1] != "find the paths" {
		t.Errorf("steps have %v parts and do %v", most, doing)
	}
}

// goesOn lets a job look once for what is to be done, and finds a run of each level, and one more.
func goesOn(t *testing.T, db *store.DB, j *attribution.Job) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done, looks, over := make(chan error, 1), 0, make(chan struct{})
	j.Options.Every = 10 * time.Millisecond
	j.Alone = func(ctx context.Context) (context.Context, func(), bool) {
		if looks++; looks == 2 {
			close(over)
		}
		return ctx, func() {}, true
	}
	go func() { done <- j.Run(ctx) }()
	select {
	case <-over:
	case <-time.After(5 * time.Minute):
		t.Error("it does not come to an end")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if runs, err := db.Runs(t.Context(), 10); err != nil || len(runs) != 4 {
		t.Errorf("runs %v, %v; want four", runs, err)
	}
}

// A run that lost its process knows still why models have no result, and begins anew if what was laid out is gone: by then
// something may have come late.
func TestRunThatGoesOnIsTheSame(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, won("B", "1", closed), won("C", "2", closed))
	insert(t, db, append(clicks("B", "a A 1h", "b B 2h"), clicks("C", "a A 1h")...)...)
	endsAfterDeals := func() string {
		t.Helper()
		j := job(db)
		endsAfter(t, j, "run_deals", func(ctx context.Context) error { _, err := j.Once(ctx, attribution.Request{}); return err })
		return underWay(t, db, "running").Run
	}
	goesOn := func(lost string) {
		t.Helper()
		if err := job(db).Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		undisturbed := once(t, job(db), attribution.Request{})
		want := allOf(t, db, undisturbed.ID)
		for table, rows := range allOf(t, db, lost) {
			if rows != want[table] {
				t.Errorf("%s of the run that lost its process\n%s\nwant\n%s", table, rows, want[table])
			}
		}
		runs, err := db.Runs(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			for _, m := range []string{"markov", "shapley"} {
				if !strings.Contains(r.Reasons[m], "no lost deals") {
					t.Errorf("run %s: %s has no result because %q", r.ID, m, r.Reasons[m])
				}
			}
			if !strings.Contains(r.Reasons["lift"], "the CRM's") || r.Settings != job(db).Options.Settings() {
				t.Errorf("run %s: no lift because %q; settings %q", r.ID, r.Reasons["lift"], r.Settings)
			}
		}
	}
	goesOn(endsAfterDeals())
	models := lines(t, db, "SELECT DISTINCT toString(model) AS m FROM credits ORDER BY m")
	if want := []string{"decay", "first", "full", "last", "linear", "u", "w"}; !slices.Equal(models, want) {
		t.Errorf("without lost deals there are %v, want %v", models, want)
	}

	lost := endsAfterDeals()
	snapshot := lines(t, db, "SELECT DISTINCT snapshot FROM snapshot_names")[0]
	for _, table := range attribution.SnapshotTables {
		exec(t, db, "ALTER TABLE "+table+" DROP PARTITION '"+snapshot+"'")
	}
	insert(t, db, won("A", "4", closed)) // the first by name now
	insert(t, db, clicks("A", "a 0 1h")...)
	goesOn(lost)
	if left := leftOf(t, db, snapshot); left != nil {
		t.Errorf("of the snapshot there is left %v", left)
	}
}

func TestAPersonStopsARun(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, firm()...)
	isGone := func(run, state, why string) {
		t.Helper()
		all, err := job(db).UnderWay(t.Context())
		i := slices.IndexFunc(all, func(p attribution.Progress) bool { return p.Run == run })
		if err != nil || i < 0 || all[i].State != state || !strings.Contains(all[i].Doing, why) {
			t.Errorf("under way are %+v, %v; want %s %s, %s", all, err, run, state, why)
		}
		left := leftOf(t, db, run)
		for _, snapshot := range lines(t, db, "SELECT DISTINCT snapshot FROM snapshot_deals") {
			left = append(left, leftOf(t, db, snapshot)...)
		}
		if runs, err := db.Runs(t.Context(), 10); err != nil || len(runs) != 0 || left != nil {
			t.Errorf("readers see %v, %v; left is %v", runs, err, left)
		}
		if p := problem(nil, job(db).Stop(t.Context(), run)); p == nil || p.Code != trail.NotFound {
			t.Errorf("a run that is %s is stopped: %v", state, p)
		}
	}

	t.Run("that is going on", func(t *testing.T) {
		j, run := job(db), ""
		j.Log = watching(func(part string) {
			switch {
			case part == "run_paths":
				run = underWay(t, db, "running").Run
				if err := job(db).Stop(t.Context(), run); err != nil { // from another process
					t.Error(err)
				}
				underWay(t, db, "stopping")
			case run != "":
				asked := time.Now()
				_, _ = job(db).UnderWay(t.Context())            // as long as it may take to look
				<-time.After(time.Second + 5*time.Since(asked)) // so often it looks
			}
		})
		if p := problem(j.Once(t.Context(), attribution.Request{})); p == nil || p.Code != trail.Conflict || !strings.Contains(p.Text, "stopped") {
			t.Errorf("a run that was stopped gives %v", p)
		}
		isGone(run, "stopped", "a person")
	})
	begun := func(t *testing.T, o attribution.Options) string {
		j := job(db)
		j.Options = o
		endsAfter(t, j, "run_paths", func(ctx context.Context) error { _, err := j.Once(ctx, attribution.Request{}); return err })
		return inState(t, db, "running")
	}
	t.Run("whose process ended", func(t *testing.T) {
		run := begun(t, job(db).Options)
		if err := job(db).Stop(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		if err := job(db).Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		isGone(run, "stopped", "a person")
	})
	t.Run("not, but a mistake does", func(t *testing.T) {
		exec(t, db, "ALTER TABLE run_deals ADD CONSTRAINT none CHECK deal != 'D''0\\\\' AND status = 'none'")
		if _, err := job(db).Once(t.Context(), attribution.Request{}); err == nil {
			t.Fatal("the run is complete")
		}
		exec(t, db, "ALTER TABLE run_deals DROP CONSTRAINT none")
		isGone(inState(t, db, "failed"), "failed", "divide the won deals")
	})
	t.Run("not, but new settings do", func(t *testing.T) {
		o := job(db).Options
		o.Custom = []attribution.Custom{{Name: "ours", Weights: attribution.Weights{First: 1}}}
		run := begun(t, o)
		if err := job(db).Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		isGone(run, "failed", "settings")
	})
}

// Readers see all of a run or nothing, also of one that a person stops while the database records it, which takes a while here.
func TestARunThatIsStoppedWhileItIsRecordedIsWhole(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, firm()...)
	exec(t, db, "CREATE TABLE nothing (x UInt8) ENGINE = Null")
	exec(t, db, "CREATE MATERIALIZED VIEW slowly TO nothing AS SELECT sleepEachRow(3) AS x FROM runs")
	j := job(db)
	j.Log = watching(func(part string) {
		if part == "credits" {
			if err := job(db).Stop(t.Context(), underWay(t, db, "running").Run); err != nil {
				t.Error(err)
			}
		}
	})
	_, err := j.Once(t.Context(), attribution.Request{Models: []string{"linear"}})
	for count(t, db, "SELECT count() FROM system.processes WHERE query LIKE '%INTO runs %' AND query NOT LIKE '%processes%'") > 0 {
		<-time.After(100 * time.Millisecond)
	}
	runs, listed := db.Runs(t.Context(), 10)
	if listed != nil || (len(runs) > 0) != (err == nil) {
		t.Fatalf("readers see %d runs, %v, of one that gave %v", len(runs), listed, err)
	}
	for _, r := range runs {
		if len(credits(t, db, r.ID)) == 0 {
			t.Error("it has no credits")
		}
	}
}

// Of the runs that nobody asked for each level keeps those of the last day, the last of each day, and after five weeks the last of
// each week; and those that a budget page is of, whatever their age.
func TestRunsThatNewerOnesReplacedGo(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	kept := map[string]bool{}
	add := func(keep bool, agents string, at time.Time, asked bool) {
		id := trail.NewID(at).String()
		kept[id] = keep
		exec(t, db, "INSERT INTO runs (id, agents, as_of, started_at, asked) VALUES ({id:String}, {agents:String}, {at:DateTime64(3)}, {at:DateTime64(3)}, {asked:Bool})",
			clickhouse.Named("id", id), clickhouse.Named("agents", agents), clickhouse.DateNamed("at", at, clickhouse.MilliSeconds), clickhouse.Named("asked", asked))
		exec(t, db, "INSERT INTO credits (run, model) VALUES ({id:String}, 'first')", clickhouse.Named("id", id))
	}
	on := func(daysAgo, hour int) time.Time {
		return now.AddDate(0, 0, -daysAgo).Add(time.Duration(hour-12) * time.Hour)
	}
	for _, agents := range []string{"all", "likely"} {
		add(true, agents, on(0, 8), false)
		add(true, agents, on(0, 11), false)
		add(true, agents, on(1, 13), false) // not yet a day
		add(false, agents, on(3, 8), false)
		add(false, agents, on(3, 9), false)
		add(true, agents, on(3, 20), false)
		add(true, agents, on(3, 7), true)
		add(true, agents, on(34, 23), false)
		add(false, agents, on(36, 8), false) // a Sunday
		add(true, agents, on(36, 23), false)
		add(false, agents, on(37, 23), false)
		add(true, agents, on(38, 1), true)
		add(true, agents, on(43, 1), false) // the Sunday before
		add(false, agents, on(49, 1), false)
	}
	add(true, "strict", on(49, 1), false) // the only one of its week
	add(true, "likely", on(3, 10), false)
	add(true, "likely", on(37, 20), false)
	page, _, err := trail.Budget{Run: idOf(kept, on(3, 10)), LiftRun: idOf(kept, on(37, 20)), Title: "of two runs"}.Event("test", now)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.InsertEvents(t.Context(), []trail.Event{page}); err != nil {
		t.Fatal(err)
	}
	if err := job(db).Thin(t.Context()); err != nil {
		t.Fatal(err)
	}
	runs, err := db.Runs(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, r := range runs {
		ids[r.ID] = true
	}
	for id, keep := range kept {
		if ids[id] != keep || count(t, db, "SELECT count() FROM credits WHERE run = {id:String}", clickhouse.Named("id", id)) > 0 != keep {
			at, _ := trail.ParseID(id)
			t.Errorf("the run of %v is kept: %v, want %v", at.Time(), ids[id], keep)
		}
	}
}

// idOf returns the one of some runs that began at a time.
func idOf(runs map[string]bool, at time.Time) string {
	for id := range runs {
		if parsed, err := trail.ParseID(id); err == nil && parsed.Time().Equal(at) {
			return id
		}
	}
	return ""
}
