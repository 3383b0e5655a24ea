package attribution_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func TestSecondRunAtOnceIsRefused(t *testing.T) {
	t.Parallel()
	j := job(storetest.Open(t))
	inside, leave := make(chan struct{}), make(chan struct{})
	j.Settle = func(context.Context) error { close(inside); <-leave; return nil }
	done := make(chan error, 1)
	go func() { _, err := j.Once(context.Background(), attribution.Request{}); done <- err }()
	<-inside
	if p := problem(j.Once(t.Context(), attribution.Request{})); p == nil || p.Code != trail.Conflict {
		t.Errorf("a second run at once gives %v, want a conflict", p)
	}
	close(leave)
	if err := <-done; err != nil {
		t.Error(err)
	}
	elsewhere := job(j.DB) // in another process, which cannot have what keeps the others out
	elsewhere.Alone = func(ctx context.Context) (context.Context, func(), bool) { return ctx, nil, false }
	if p := problem(elsewhere.Once(t.Context(), attribution.Request{})); p == nil || p.Code != trail.Conflict {
		t.Errorf("a second run at once in another process gives %v, want a conflict", p)
	}
	tries := 0
	elsewhere.Patience = time.Minute
	elsewhere.Alone = func(ctx context.Context) (context.Context, func(), bool) { tries++; return ctx, func() {}, tries == 3 }
	once(t, elsewhere, attribution.Request{Models: []string{"last"}})
	if tries != 3 {
		t.Errorf("it tried %d times, want until the other was done", tries)
	}
}

// A run whose lock is another's by now stops, and is left to whoever has it.
func TestARunThatLostItsLockStopsAndIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	j := job(storetest.Open(t))
	var lose context.CancelCauseFunc
	why := trail.Problemf(trail.Unavailable, "Another took it over.")
	j.Alone = func(ctx context.Context) (context.Context, func(), bool) {
		ctx, lose = context.WithCancelCause(ctx)
		return ctx, func() { lose(nil) }, true
	}
	j.Settle = func(context.Context) error { lose(why); return nil }
	if p := problem(j.Once(t.Context(), attribution.Request{Models: []string{"last"}})); p == nil || p.Error() != why.Error() {
		t.Errorf("it ends with %v", p)
	}
	if runs, err := j.DB.Runs(t.Context(), 10); err != nil || len(runs) > 0 {
		t.Errorf("readers see %v, %v", runs, err)
	}
	j.Settle = nil
	once(t, j, attribution.Request{Models: []string{"last"}})
}

func TestRequestThatMakesNoSenseSaysWhatWould(t *testing.T) {
	t.Parallel()
	f := func(r attribution.Request, change func(*attribution.Options), want string) {
		t.Helper()
		j := job(nil) // it is not asked
		if change != nil {
			change(&j.Options)
		}
		if p := problem(j.Once(t.Context(), r)); p == nil || p.Code != trail.Invalid || !strings.Contains(p.Text, want) {
			t.Errorf("got %v; want a problem that says %q", p, want)
		}
	}
	f(attribution.Request{Models: []string{"linear", "best"}}, nil, `"best"; choose from first, last, linear, decay, u, w, full, markov, shapley, markov:2, markov:3.`)
	f(attribution.Request{Models: []string{"best"}}, func(o *attribution.Options) {
		o.Custom = []attribution.Custom{{Name: "ours", Weights: attribution.Weights{First: 1}}}
	}, "shapley, ours, markov:2")
	f(attribution.Request{Agents: "some"}, nil, "all, likely or strict")
	f(attribution.Request{AsOf: now.Add(time.Hour)}, nil, "still to come")
	f(attribution.Request{From: now, To: now}, nil, "period")
	f(attribution.Request{}, func(o *attribution.Options) { o.Window = -time.Hour }, "0 for none")
	f(attribution.Request{}, func(o *attribution.Options) { o.Burst = -time.Hour }, "burst")
	f(attribution.Request{}, func(o *attribution.Options) { o.Currency = "Euro" }, "ISO 4217")
	f(attribution.Request{}, func(o *attribution.Options) { o.Rates = map[string]string{"USD": "0,92"} }, "0,92")
	f(attribution.Request{}, func(o *attribution.Options) { o.Rates = map[string]string{"USD": "0.00"} }, "positive")
	f(attribution.Request{}, func(o *attribution.Options) { o.Rates = map[string]string{"EUR": "2"} }, "reporting currency is 1")
	f(attribution.Request{}, func(o *attribution.Options) { o.Kinds = []trail.Kind{trail.Bounced} }, "choose from clicked, opened, replied, sent, viewed")
	f(attribution.Request{}, func(o *attribution.Options) { o.HalfLife = time.Minute }, "half-life of decay is 1m0s; it must be from an hour to 36500 days")
	f(attribution.Request{}, func(o *attribution.Options) { o.HalfLife = -time.Hour }, "from an hour")
	f(attribution.Request{}, func(o *attribution.Options) { o.Stages = []string{"Demo", "Proposal", "Demo"} }, `"Demo" twice or empty`)
	f(attribution.Request{}, func(o *attribution.Options) { o.Stages = []string{"Demo", " "} }, "twice or empty")
	f(attribution.Request{}, func(o *attribution.Options) { o.Landmark = 53 }, "landmark of a lift is 53 weeks; it must be 1 to 52")
	f(attribution.Request{}, func(o *attribution.Options) { o.Horizon = -1 }, "horizon of a lift is -1 weeks; it must be 1 to 52")
	f(attribution.Request{}, func(o *attribution.Options) { o.WonHorizon = 100 }, "horizon for wins of a lift is 100 weeks; it must be 1 to 52")
	f(attribution.Request{}, func(o *attribution.Options) { o.Replicates = 39 }, "40 to 10,000 replicates, not 39")
}

func TestModelThatMakesNoSenseSaysWhatWould(t *testing.T) {
	t.Parallel()
	f := func(name string, w attribution.Weights, want string) {
		t.Helper()
		j := job(nil) // it is not asked
		j.Options.Custom = []attribution.Custom{{Name: "fine", Weights: attribution.Weights{Others: 1}}, {Name: name, Weights: w}}
		if p := problem(j.Once(t.Context(), attribution.Request{})); p == nil || p.Code != trail.Invalid || !strings.Contains(p.Text, want) {
			t.Errorf("got %v; want a problem that says %q", p, want)
		}
	}
	one := attribution.Weights{First: 1}
	f("Ours", one, "lower case letters, digits and dashes")
	f("", one, "begins with a letter")
	f("markov", one, `There is a model "markov" already`)
	f("fine", one, `Two models are called "fine"`)
	f("ours", attribution.Weights{}, "at least one of first, lead, opportunity, last and others")
	f("ours", attribution.Weights{First: 1, Kinds: map[trail.Kind]float64{trail.Clicked: 2}, Lead: -1}, "lead is -1; a weight is 0 to 1000")
	f("ours", attribution.Weights{Others: 1000.5}, "others is 1000.5; a weight is 0 to 1000")
	f("ours", attribution.Weights{Last: math.NaN()}, "a weight is 0 to 1000")
	f("ours", attribution.Weights{First: 1, Kinds: map[trail.Kind]float64{trail.Bounced: 1}}, "choose from clicked, opened, replied, sent, viewed")
	f("ours", attribution.Weights{First: 1, Kinds: map[trail.Kind]float64{trail.Clicked: 1001}}, "the factor of clicked is 1001; a factor is 0 to 1000")
	f("ours", attribution.Weights{First: 1, Contents: map[trail.ContentID]float64{"A": -2}}, `the factor of content "A" is -2; a factor is 0 to 1000`)
}

// problem returns the error of a run as a problem, nil if it is none.
func problem(_ *trail.Run, err error) *trail.Problem {
	var p *trail.Problem
	errors.As(err, &p)
	return p
}

func TestStoppedRunIsNeverSeenAndItsCreditsGo(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, won("D", "1", closed))
	j := job(db)
	complete := once(t, j, attribution.Request{})
	// What runs that were killed leave behind: credits without a run. One of them may still be going on, one is to be taken up again.
	dead, alive, waiting := trail.NewID(now.Add(-7*time.Hour)).String(), trail.NewID(now.Add(-5*time.Hour)).String(), trail.NewID(now.Add(-8*time.Hour)).String()
	for _, id := range []string{dead, alive, waiting} {
		exec(t, db, "INSERT INTO credits SELECT {id:String}, * EXCEPT run FROM credits WHERE run = {of:String}", clickhouse.Named("id", id), clickhouse.Named("of", complete.ID))
	}
	for id, state := range map[string]string{dead: "failed", waiting: "running"} {
		exec(t, db, "INSERT INTO run_steps (run, at, state) VALUES ({id:String}, now64(3), 'running'), ({id:String}, now64(3), {state:String})", clickhouse.Named("id", id), clickhouse.Named("state", state))
	}
	old, fresh := fmt.Sprintf("%013d-config", now.Add(-7*time.Hour).UnixMilli()), fmt.Sprintf("%013d-config", now.Add(-5*time.Hour).UnixMilli())
	for _, snapshot := range []string{old, fresh} {
		exec(t, db, "INSERT INTO snapshot_names (snapshot, what) VALUES ({id:String}, 'content')", clickhouse.Named("id", snapshot))
	}
	exec(t, db, "INSERT INTO run_paths (run, deal) VALUES ({id:String}, 1)", clickhouse.Named("id", complete.ID)) // it was killed as soon as it was complete
	newest, err := db.NewestRun(t.Context(), store.Filter{})
	if err != nil || newest.ID != complete.ID {
		t.Fatalf("newest run is %v, %v; want %s", newest, err, complete.ID)
	}
	again := once(t, job(db), attribution.Request{}) // another process
	for id, want := range map[string]int{complete.ID: 7, again.ID: 7, alive: 7, waiting: 7, dead: 0} {
		if got := len(credits(t, db, id)); got != want {
			t.Errorf("%d credits of %s, want %d", got, id, want)
		}
	}
	if n := count(t, db, "SELECT count() FROM run_paths"); n > 0 {
		t.Errorf("%d paths of complete runs are left", n)
	}
	if got := lines(t, db, "SELECT DISTINCT snapshot FROM snapshot_names"); !slices.Equal(got, []string{fresh}) {
		t.Errorf("snapshots %v are left, want %s", got, fresh)
	}

	ctx, cancel := context.WithCancel(t.Context())
	j = job(db)
	j.Settle = func(context.Context) error { cancel(); return nil }
	if run, err := j.Once(ctx, attribution.Request{}); err == nil {
		t.Errorf("a run that was stopped returned %+v", run)
	}
	if runs, err := db.Runs(t.Context(), 10); err != nil || len(runs) != 2 {
		t.Errorf("runs %v, %v; want the two that are complete", runs, err)
	}
}

func TestRunSaysWhatItWasMadeOf(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, won("D", "1", closed), won("E", "1", closed))
	insert(t, db, clicks("D", "a A 1h", "b B 2h")...)
	late := touch("c", day, trail.Clicked, "C", "p", "E") // happened before the close, learned of after the as-of time
	late.ReceivedAt = now.Add(-time.Hour)
	insert(t, db, late)
	asOf := now.Add(-2 * time.Hour)
	run := once(t, job(db), attribution.Request{Models: []string{"last", "linear", "last"}, Agents: trail.Strict, AsOf: asOf})
	if !slices.Equal(run.Models, []string{"last", "linear"}) || run.Version != attribution.Version || len(run.Config) != 12 ||
		run.Agents != trail.Strict || !run.AsOf.Equal(asOf) || run.Currency != "EUR" || run.Events != 4 || run.Deals != 2 || run.Touches != 2 || run.LeftOut != 0 {
		t.Errorf("run is %+v", run)
	}
	stored, err := db.Runs(t.Context(), 10)
	if err != nil || len(stored) != 1 {
		t.Fatalf("stored runs %v, %v", stored, err)
	}
	stored[0].Models = slices.Clone(stored[0].Models)
	if s := stored[0]; s.ID != run.ID || s.Config != run.Config || !s.AsOf.Equal(run.AsOf) || !s.From.IsZero() || !s.To.IsZero() ||
		s.Events != run.Events || s.Deals != run.Deals || s.Touches != run.Touches || !s.StartedAt.Equal(run.StartedAt) {
		t.Errorf("stored %+v, returned %+v", s, run)
	}
	if got := path(credits(t, db, run.ID), "linear", "E"); got != "=100" {
		t.Errorf("E is %q; the touch was not known yet", got)
	}
}

func TestReportsAreKeptFresh(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, won("D", "1", closed))
	var looked, later atomic.Int64 // how often it looked; how far the clock has moved
	j := job(db)
	j.Options.Every = 300 * time.Millisecond
	j.Now = func() time.Time { looked.Add(1); return now.Add(time.Duration(later.Load())) }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	ended := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	defer ended()
	wait := func(n int, why string) {
		t.Helper()
		deadline := time.After(5 * time.Minute)
		poll := time.NewTicker(100 * time.Millisecond)
		defer poll.Stop()
		for {
			runs, err := db.Runs(t.Context(), 100)
			if err != nil {
				t.Fatal(err)
			}
			if len(runs) == n {
				return
			}
			if len(runs) > n {
				t.Fatalf("%s: %d runs, want %d", why, len(runs), n)
			}
			select {
			case <-poll.C:
			case <-deadline:
				t.Fatalf("%s: %d runs after five minutes, want %d", why, len(runs), n)
			}
		}
	}
	wait(3, "at the start, one at each level")
	note := trail.Event{ID: trail.NewID(now), Kind: trail.Noted, Source: "api", At: now, ReceivedAt: now.Add(time.Second), Rep: "rep@example.com", Note: "liked it"}
	later.Store(int64(time.Minute))
	insert(t, db, note)
	for before := looked.Load(); looked.Load() < before+2; { // it has looked and seen the note
		wait(3, "a note changes no credit")
	}
	late := touch("b", day, trail.Clicked, "B", "p", "D") // as from the spool, hours after it was received
	insert(t, db, late)
	wait(6, "a click came late")
	ended()
	isDue := func(want bool, why string) {
		t.Helper()
		for _, level := range []trail.Level{trail.All, trail.Strict} {
			if is, err := j.Due(t.Context(), level); err != nil || is != want {
				t.Errorf("a run is due: %v, %v; want %v: %s", is, err, want, why)
			}
		}
	}
	isDue(false, "nothing is new")
	later.Store(int64(24 * time.Hour))
	isDue(true, "a day later")
	later.Store(int64(2 * time.Minute))
	click := touch("a", day, trail.Clicked, "A", "p", "D")
	click.ReceivedAt = now.Add(90 * time.Second)
	insert(t, db, click)
	isDue(true, "a click came")
}
