// Package attribution divides the value of won deals among the touches that led
// to them, and says which content moves deals and how sure that is.
//
// A run is one execution of the [Job]: the models asked for, at one level of
// agents, over the deals closed in one period, with what was known at one time.
// It goes in steps, each of a few statements in sql/: what was known is laid out
// once (snapshot.go), each closed deal gets its path, the data-driven models are
// computed from all paths (effects.go, package markov), every won deal is divided
// in whole minor units (sql/credits.sql), and stage entries with and without each
// content are counted and compared (lifts.go, package lift). Then the run is
// written; until then no reader sees any of it. What the numbers mean is in
// docs/models.md.
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
	Alone func(ctx context.Context) (held context.Context, release func(), ok bool)

	// Patience is how long Once waits for a run under way before it gives up.
	Patience time.Duration

	chunk   int // deals that one statement takes; zero: chunkDeals
	running sync.Mutex
	cleaned time.Time // when this process last looked for what runs that never ended left
}

// Request is what one run is about.
type Request struct {
	Models   []string    `json:"models,omitempty"` // none: all, and lifts
	Agents   trail.Level `json:"agents,omitempty"` // "": likely
	From     time.Time   `json:"from,omitzero"`    // deals closed from From on and before To; zero: no bound
	To       time.Time   `json:"to,omitzero"`
	AsOf     time.Time   `json:"as_of,omitzero"`    // what had been received by then; zero: now
	Schedule bool        `json:"schedule,omitzero"` // nobody asked for it: it may go when a newer one is there

	Config  string            `json:"config,omitempty"`  // settings and version under which it began; set when it does
	Reasons map[string]string `json:"reasons,omitempty"` // what it found so far of why models have no result
}

// Once computes one run and returns it. Readers see what it found once it is
// complete, not before. A request that makes no sense is a trail.Invalid
// problem, a second run at the same time, beyond Patience, a trail.Conflict, and
// so is a run that was stopped.
func (j *Job) Once(ctx context.Context, r Request) (*trail.Run, error) {
	o, err := j.Options.normal()
	if err != nil {
		return nil, err
	}
	if _, _, err := j.plan(r, o, j.now()); err != nil {
		return nil, err
	}
	ctx, release, ok := j.lock(ctx, j.Patience)
	if !ok {
		return nil, trail.Problemf(trail.Conflict, "An attribution run is going on; try again when it is complete.")
	}
	defer release()
	if err := j.settle(ctx); err != nil {
		return nil, trail.Because(ctx, err)
	}
	if err := j.clean(ctx, j.now()); err != nil {
		j.log().Warn("cannot remove what stopped runs left", "err", err)
	}
	run, err := j.once(ctx, r, o)
	if run != nil && err == nil {
		err = j.forget(ctx, snapshotID(run.AsOf, o.hash()))
	}
	return run, trail.Because(ctx, err)
}

// lock keeps others from computing, here and elsewhere, within patience; a mutex
// alone would outwait ctx.
func (j *Job) lock(ctx context.Context, patience time.Duration) (held context.Context, release func(), ok bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; {
		if j.running.TryLock() {
			if j.Alone == nil {
				return ctx, j.running.Unlock, true
			}
			if held, elsewhere, ok := j.Alone(ctx); ok {
				return held, func() { elsewhere(); j.running.Unlock() }, true
			}
			j.running.Unlock()
		}
		if time.Now().After(deadline) {
			return ctx, nil, false
		}
		select {
		case <-ctx.Done():
			return ctx, nil, false
		case <-tick.C:
		}
	}
}

// settle waits until what was accepted before is loaded.
func (j *Job) settle(ctx context.Context) error {
	if j.Settle == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, settleWait)
	defer cancel()
	if err := j.Settle(ctx); err != nil {
		return fmt.Errorf("wait until all events are loaded: %w", err)
	}
	return nil
}

// once computes a run for who holds the lock. The snapshot stays.
func (j *Job) once(ctx context.Context, r Request, o Options) (*trail.Run, error) {
	run, models, err := j.plan(r, o, j.now())
	if err != nil {
		return nil, err
	}
	r.AsOf, r.Config = run.AsOf, o.hash()+Version // so that a run that is taken up again is the same
	return j.compute(ctx, &computation{job: j, request: r, options: o, run: run, models: models, lifts: len(r.Models) == 0})
}

// plan checks the request and returns the run that it asks for.
func (j *Job) plan(r Request, o Options, now time.Time) (*trail.Run, []Model, error) {
	models, err := o.choose(r.Models)
	if err != nil {
		return nil, nil, err
	}
	agents, err := trail.ParseLevel(string(r.Agents))
	if err != nil {
		return nil, nil, err
	}
	if r.AsOf.IsZero() {
		r.AsOf = now
	}
	if r.AsOf.After(now) {
		return nil, nil, trail.Problemf(trail.Invalid, "as_of is %s, which is still to come.", r.AsOf.Format(time.RFC3339))
	}
	if !r.From.IsZero() && !r.To.IsZero() && !r.From.Before(r.To) {
		return nil, nil, trail.Problemf(trail.Invalid, "The period ends on %s, before it begins on %s.", r.To.Format(time.RFC3339), r.From.Format(time.RFC3339))
	}
	return &trail.Run{
		ID: trail.NewID(now).String(), Models: namesOf(models), Version: Version, Config: o.hash(), Agents: agents,
		AsOf: milli(r.AsOf), From: milli(r.From), To: milli(r.To), StartedAt: now, Currency: o.Currency,
	}, models, nil
}

// levels are the levels of agents as the view deal_touches numbers them.
var levels = map[trail.Level]uint8{trail.All: 1, trail.Likely: 2, trail.Strict: 3}

// settleWait is how long a run waits for events that are accepted and not yet
// loaded.
const settleWait = time.Minute
