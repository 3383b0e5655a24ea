// Package attribution divides the value of won deals among the touches that led
// to them.
//
// A run is one execution of the [Job]: the models asked for, at one level of
// agents, over the deals closed in one period, with what was known at one time.
// All rule models are one statement, sql/credits.sql: ClickHouse finds each won
// deal's eligible touches, puts them in order, weighs them and splits the money
// in whole minor units, so that every deal adds up and the same inputs give the
// same bytes. The rules are written down in docs/models.md.
package attribution

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"dealtrail/store"
	"dealtrail/trail"
)

// Job computes runs. The zero values of Settle, Log and Now are usable. One run
// is computed at a time.
type Job struct {
	DB      *store.DB
	Settle  func(ctx context.Context) error // returns when all that was accepted before is loaded
	Options Options
	Log     *slog.Logger
	Now     func() time.Time

	// Alone keeps other processes from computing until release is called; ok is false while another does. nil: there
	// are none.
	Alone func(ctx context.Context) (release func(), ok bool)

	// Patience is how long Once waits for a run under way before it gives up.
	Patience time.Duration

	running sync.Mutex
	cleaned time.Time // when this process last looked for credits of runs that never ended
}

// Request is what one run is about.
type Request struct {
	Models   []string    // none: all
	Agents   trail.Level // "": likely
	From, To time.Time   // deals closed from From on and before To; zero: no bound
	AsOf     time.Time   // what had been received by then; zero: now
}

// Once computes one run and returns it. Readers see its credits once it is
// complete, not before. A request that makes no sense is a trail.Invalid
// problem, a second run at the same time, beyond Patience, a trail.Conflict.
func (j *Job) Once(ctx context.Context, r Request) (*trail.Run, error) {
	release, ok := j.lock(ctx, j.Patience)
	if !ok {
		return nil, trail.Problemf(trail.Conflict, "An attribution run is going on; try again when it is complete.")
	}
	defer release()
	return j.once(ctx, r)
}

// lock keeps others from computing, here and elsewhere, within patience; a mutex
// alone would outwait ctx.
func (j *Job) lock(ctx context.Context, patience time.Duration) (release func(), ok bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; {
		if j.running.TryLock() {
			if j.Alone == nil {
				return j.running.Unlock, true
			}
			if elsewhere, ok := j.Alone(ctx); ok {
				return func() { elsewhere(); j.running.Unlock() }, true
			}
			j.running.Unlock()
		}
		if time.Now().After(deadline) {
			return nil, false
		}
		select {
		case <-ctx.Done():
			return nil, false
		case <-tick.C:
		}
	}
}

// once is Once for who holds the lock.
func (j *Job) once(ctx context.Context, r Request) (*trail.Run, error) {
	o, err := j.Options.normal()
	if err != nil {
		return nil, err
	}
	started := j.now()
	run, err := j.plan(r, o, started)
	if err != nil {
		return nil, err
	}
	if j.Settle != nil {
		settling, cancel := context.WithTimeout(ctx, settleWait)
		defer cancel()
		if err := j.Settle(settling); err != nil {
			return nil, fmt.Errorf("wait until all events are loaded: %w", err)
		}
	}
	if err := j.clean(ctx, started); err != nil {
		j.log().Warn("cannot remove what stopped runs left", "err", err)
	}
	if err := j.compute(ctx, run, o); err != nil {
		return nil, fmt.Errorf("attribution run %s: %w", run.ID, err)
	}
	j.log().Info("attribution run complete", "run", run.ID, "agents", run.Agents, "deals", run.Deals, "took", run.FinishedAt.Sub(run.StartedAt))
	return run, nil
}

// plan checks the request and returns the run that it asks for.
func (j *Job) plan(r Request, o Options, now time.Time) (*trail.Run, error) {
	models, err := choose(r.Models)
	if err != nil {
		return nil, err
	}
	agents, err := trail.ParseLevel(string(r.Agents))
	if err != nil {
		return nil, err
	}
	if r.AsOf.IsZero() {
		r.AsOf = now
	}
	if r.AsOf.After(now) {
		return nil, trail.Problemf(trail.Invalid, "as_of is %s, which is still to come.", r.AsOf.Format(time.RFC3339))
	}
	if !r.From.IsZero() && !r.To.IsZero() && !r.From.Before(r.To) {
		return nil, trail.Problemf(trail.Invalid, "The period ends on %s, before it begins on %s.", r.To.Format(time.RFC3339), r.From.Format(time.RFC3339))
	}
	return &trail.Run{
		ID: trail.NewID(now).String(), Models: models, Version: Version, Config: o.hash(), Agents: agents,
		AsOf: milli(r.AsOf), From: milli(r.From), To: milli(r.To), StartedAt: now, Currency: o.Currency,
	}, nil
}

// compute writes the run's credits and then the run, and fills in what it came to.
func (j *Job) compute(ctx context.Context, run *trail.Run, o Options) error {
	minor := int64(1)
	for range Digits(o.Currency) {
		minor *= 10
	}
	period := args{"run": run.ID, "as_of": run.AsOf, "from_ms": bound(run.From), "to_ms": bound(run.To)}
	if err := j.exec(ctx, "credits", period, args{
		"models": run.Models, "level": levels[run.Agents], "kinds": texts(o.Kinds),
		"currency": o.Currency, "rates": o.rates(), "minor": minor,
		"window_ms": o.Window.Milliseconds(), "burst_ms": o.Burst.Milliseconds(),
	}); err != nil {
		return fmt.Errorf("divide: %w", err)
	}
	if err := j.one(ctx, "counts", []any{&run.Events, &run.Deals, &run.Touches, &run.LeftOut}, period); err != nil {
		return fmt.Errorf("count: %w", err)
	}
	run.FinishedAt = j.now()
	if err := j.exec(ctx, "run", period, args{
		"id": run.ID, "models": run.Models, "version": run.Version, "config": run.Config, "agents": string(run.Agents),
		"started_at": run.StartedAt, "finished_at": run.FinishedAt,
		"events": run.Events, "deals": run.Deals, "touches": run.Touches, "left_out": run.LeftOut,
		"currency": run.Currency, "digits": Digits(o.Currency),
	}); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// levels are the levels of agents as the view deal_touches numbers them.
var levels = map[trail.Level]uint8{trail.All: 1, trail.Likely: 2, trail.Strict: 3}

// settleWait is how long a run waits for events that are accepted and not yet
// loaded.
const settleWait = time.Minute

// orphanAge is how old credits without a run must be to count as left behind:
// far longer than any run takes, and than clocks of two machines differ.
const orphanAge = 6 * time.Hour

// clean removes the credits of runs that failed or were killed. Nobody reads
// them, so it does so seldom.
func (j *Job) clean(ctx context.Context, now time.Time) error {
	if now.Sub(j.cleaned).Abs() < orphanAge {
		return nil
	}
	rows, err := j.rows(ctx, "orphans", args{"before": trail.NewID(now.Add(-orphanAge)).String()})
	if err != nil {
		return err
	}
	defer rows.Close()
	var orphans []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		orphans = append(orphans, id)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if len(orphans) > 0 {
		if err := j.exec(ctx, "clean", args{"orphans": orphans}); err != nil {
			return err
		}
		j.log().Info("removed what stopped runs left", "n", len(orphans))
	}
	j.cleaned = now
	return nil
}
