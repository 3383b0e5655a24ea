package attribution_test

import (
	"context"
	"errors"
	"slices"
	"strings"
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
	f(attribution.Request{Models: []string{"linear", "best"}}, nil, `"best"; choose from first, last, linear`)
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
	// What runs that were killed leave behind: credits without a run. One of them may still be going on.
	dead, alive := trail.NewID(now.Add(-7*time.Hour)).String(), trail.NewID(now.Add(-5*time.Hour)).String()
	for _, id := range []string{dead, alive} {
		exec(t, db, "INSERT INTO credits SELECT {id:String}, model, deal, touch, content, rep, share, value FROM credits WHERE run = {of:String}",
			clickhouse.Named("id", id), clickhouse.Named("of", complete.ID))
	}
	newest, err := db.NewestRun(t.Context(), store.Filter{})
	if err != nil || newest.ID != complete.ID {
		t.Fatalf("newest run is %v, %v; want %s", newest, err, complete.ID)
	}
	again := once(t, job(db), attribution.Request{}) // another process
	for id, want := range map[string]int{complete.ID: 3, again.ID: 3, alive: 3, dead: 0} {
		if got := len(credits(t, db, id)); got != want {
			t.Errorf("%d credits of %s, want %d", got, id, want)
		}
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
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	wait := func(n int, why string) {
		t.Helper()
		deadline := time.After(time.Minute)
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
				t.Fatalf("%s: %d runs after a minute, want %d", why, len(runs), n)
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
	click := touch("a", day, trail.Clicked, "A", "p", "D")
	click.ReceivedAt = now.Add(time.Second)
	insert(t, db, click)
	wait(6, "a click came")
	late := touch("b", day, trail.Clicked, "B", "p", "D") // as from the spool, hours after it was received
	insert(t, db, late)
	wait(9, "a click came late")
	later.Store(int64(24 * time.Hour))
	wait(12, "a day later")
}
