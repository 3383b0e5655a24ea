package store_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/chdb"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// problem fails the test unless err is a Problem with the code.
func problem(t *testing.T, err error, code trail.Code) {
	t.Helper()
	var p *trail.Problem
	if !errors.As(err, &p) || p.Code != code {
		t.Errorf("got error %v, want a problem with code %s", err, code)
	}
}

func TestMigrateTwiceChangesNothing(t *testing.T) {
	o := storetest.Options(t)
	for range 2 {
		db, err := store.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := number(t, db, "SELECT count() - uniqExact(name) FROM migrations"); n != 0 {
			t.Errorf("%d files were applied again", n)
		}
		files, err := filepath.Glob("schema/*.sql")
		if n := number(t, db, "SELECT count() FROM migrations"); err != nil || n != int64(len(files)) {
			t.Errorf("%d files are noted as applied, want %d (%v)", n, len(files), err)
		}
		db.Close()
	}
}

func TestMigrateNamesAFileThatChanged(t *testing.T) {
	db := storetest.Open(t)
	err := db.Exec(t.Context(), "INSERT INTO migrations VALUES ('0002_people.sql', 'another', now64(3))")
	if err != nil {
		t.Fatal(err)
	}
	err = db.Migrate(t.Context())
	if err == nil || !contains(err.Error(), "0002_people.sql") {
		t.Errorf("got error %v, want one that names 0002_people.sql", err)
	}
}

// answers asks every report, one entry a method. The keys are of the company in
// company_test.go.
func answers(ctx context.Context, db *store.DB, f store.Filter) (map[string]any, error) {
	all := map[string]any{}
	var errs []error
	put := func(name string, answer any, err error) {
		all[name] = answer
		var p *trail.Problem
		if errors.As(err, &p) && (p.Code == trail.NotFound || p.Code == trail.NoRun) {
			all[name], err = p.Code, nil
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	contents, err := db.Contents(ctx, f)
	put("Contents", contents, err)
	content, err := db.Content(ctx, "deck", f)
	put("Content", content, err)
	deals, err := db.Deals(ctx, f)
	put("Deals", deals, err)
	for _, id := range []string{"D1", "D2", "D3"} {
		deal, err := db.Deal(ctx, id, f)
		put("Deal "+id, deal, err)
	}
	contact, err := db.Contact(ctx, ann, f)
	put("Contact", contact, err)
	account, err := db.Account(ctx, "alpha.example", f)
	put("Account", account, err)
	reps, err := db.Reps(ctx, f)
	put("Reps", reps, err)
	for _, r := range reps[:min(len(reps), 1)] {
		kept, err := db.Kept(ctx, r.Rep, "", f)
		put("Kept of "+r.Rep, kept, err)
	}
	review, run, err := db.Review(ctx, day(12), day(19), f)
	put("Review", review, err)
	put("Review's run", run, nil)
	week, err := db.WeekReview(ctx, "2026-W03", time.UTC, day(30), f)
	put("WeekReview", week, err)
	runs, err := db.Runs(ctx, 10)
	put("Runs", runs, err)
	newest, err := db.NewestRun(ctx, f)
	put("NewestRun", newest, err)
	for _, by := range []string{"content", "rep", "kind", "owner", "source", "team"} {
		report, err := db.Attribution(ctx, by, f)
		put("Attribution by "+by, report, err)
	}
	for _, kind := range []trail.Kind{trail.ContentKind, trail.ContactKind, trail.DealKind} {
		states, err := db.States(ctx, kind, []string{"deck", string(ann), "D1"})
		put("States of "+string(kind), states, err)
	}
	known, err := db.Known(ctx, []trail.ID{{1}, {2}})
	put("Known", known, err)
	subjects, err := db.SubjectsOf(ctx, "csv", trail.DealKind)
	put("SubjectsOf", subjects, err)
	imported, err := db.FactsOf(ctx, "test", trail.Staged, trail.Clicked)
	put("FactsOf", imported, err)
	targets, err := db.Targets(ctx)
	put("Targets", targets, err)
	target, ok, err := db.Target(ctx, trail.KeyOf("deck"))
	put("Target", target, err)
	put("Target's", ok, nil)
	engagements, err := db.Engagements(ctx, day(1), day(30), f)
	put("Engagements", engagements, err)
	engaged, err := db.Engaged(ctx, engagements, f)
	put("Engaged", engaged, err)
	sighted, err := db.Sighted(ctx, day(30), f)
	put("Sighted", sighted, err)
	baseline, err := db.Baseline(ctx, time.Time{}, day(30))
	put("Baseline", baseline, err)
	counts, err := db.Counts(ctx)
	put("Counts", counts, err)
	terms := store.NumberTerms{Zone: time.UTC, Rates: store.Rates{Currency: "EUR", Digits: 2}, Service: trail.ServiceTerms{Answer: time.Hour, Zone: time.UTC}, Kinds: []string{"clicked"}}
	goals, err := db.Goals(ctx, terms, day(30))
	put("Goals", goals, err)
	service, err := db.Service(ctx, terms, day(1), day(30), day(30))
	put("Service", service, err)
	month, err := db.MonthReport(ctx, "2026-01", terms, 1, day(30), f)
	put("MonthReport", month, err)
	health, err := db.Health(ctx, terms, 0, day(30))
	put("Health", health, err)
	return all, errors.Join(errs...)
}

func TestEveryReportAnswersOnAnEmptyDatabase(t *testing.T) {
	db := storetest.Open(t)
	all, err := answers(t.Context(), db, store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for name, answer := range all {
		v := reflect.ValueOf(answer)
		if v.Kind() == reflect.Slice && (v.IsNil() || v.Len() != 0) {
			t.Errorf("%s: got %v, want an empty list", name, answer)
		}
	}
	for _, name := range []string{"Content", "Deal D1", "Contact", "Account"} {
		if all[name] != trail.NotFound {
			t.Errorf("%s: got %v, want not_found", name, all[name])
		}
	}
	for _, name := range []string{"NewestRun", "Attribution by team"} {
		if all[name] != trail.NoRun {
			t.Errorf("%s: got %v, want no_run", name, all[name])
		}
	}
}

func TestUnknownParametersAreProblems(t *testing.T) {
	db := storetest.Open(t)
	_, err := db.Attribution(t.Context(), "planet", store.Filter{})
	problem(t, err, trail.Invalid)
	if !contains(err.Error(), "content, rep, kind, persona, owner, team, source") {
		t.Errorf("%v does not list what is allowed", err)
	}
	_, err = db.Contents(t.Context(), store.Filter{Agents: "martians"})
	problem(t, err, trail.Invalid)
}

func TestKilledEngineIsATemporaryProblem(t *testing.T) {
	db, engine := storetest.Open(t), storetest.Engine(t)
	if err := syscall.Kill(engine.Pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	sawProblem := false
	for deadline := time.Now().Add(3 * time.Minute); ; {
		_, err := db.Deals(t.Context(), store.Filter{})
		if err == nil && sawProblem {
			break
		}
		if err != nil {
			sawProblem = true
			problem(t, err, trail.Unavailable)
			if !errors.Is(err, chdb.ErrRestarting) {
				t.Fatalf("%v is not ErrRestarting", err)
			}
			if err := db.InsertEvents(t.Context(), []trail.Event{clicked("k1", day(1))}); err != nil {
				problem(t, err, trail.Unavailable)
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the engine did not come back, or nobody noticed that it was away; last error: %v", err)
		}
	}
}

func TestStoppedServerIsATemporaryProblem(t *testing.T) {
	for _, url := range []string{"clickhouse://127.0.0.1:1/x", "unix:///nowhere/engine.sock"} {
		db, err := store.Open(t.Context(), store.Options{URL: url})
		if err != nil {
			t.Fatalf("%s: a database that does not answer yet must be no error: %v", url, err)
		}
		problem(t, db.Ping(t.Context()), trail.Unavailable)
		_, err = db.Counts(t.Context())
		problem(t, err, trail.Unavailable)
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A node that starts before its database uses it, schema and all, once it is there.
func TestDatabaseThatComesLaterIsUsed(t *testing.T) {
	o := storetest.Options(t)
	dial := o.Dial
	var there atomic.Bool
	o.Migrate = true
	o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		if !there.Load() {
			return nil, chdb.ErrRestarting
		}
		return dial(ctx, address)
	}
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	problem(t, db.InsertEvents(t.Context(), []trail.Event{clicked("k1", day(1))}), trail.Unavailable)
	there.Store(true)
	for deadline := time.Now().Add(3 * time.Minute); db.InsertEvents(t.Context(), []trail.Event{clicked("k1", day(1))}) != nil; {
		if time.Now().After(deadline) {
			t.Fatal("the database is there and is not used")
		}
	}
	if c, err := db.Counts(t.Context()); err != nil || c.Events != 1 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestASocketURLOpensTheEngine(t *testing.T) {
	o := storetest.Options(t)
	o.URL, o.Dial = "unix://"+storetest.Engine(t).Socket(), nil
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Counts(t.Context()); err != nil {
		t.Fatal(err)
	}
}
