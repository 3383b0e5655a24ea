package attribution

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"dealtrail/trail"
)

// Run keeps the reports fresh until ctx ends: a run of all models over all time
// at each level of agents, if there is none yet, if something was loaded since
// that can change a number, or if the newest is from an earlier day. It looks
// every Options.Every. Runs that ended with the process that computed them are
// taken up again first. What fails is logged and tried again the next time.
func (j *Job) Run(ctx context.Context) error {
	tick := time.NewTicker(cmp.Or(j.Options.Every, 10*time.Minute))
	defer tick.Stop()
	for {
		if err := j.refresh(ctx); err != nil && ctx.Err() == nil {
			j.log().Error("attribution run failed", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// refresh computes the runs that are due, all as of one time so that the levels
// compare, and from one snapshot.
func (j *Job) refresh(ctx context.Context) error {
	o, err := j.Options.normal()
	if err != nil {
		return err
	}
	ctx, release, ok := j.lock(ctx, time.Minute)
	if !ok {
		return nil // somebody asked for a run; what is due comes after it
	}
	defer release()
	if err := j.resume(ctx, o); err != nil {
		return err
	}
	now := j.now()
	var due []trail.Level
	for _, level := range []trail.Level{trail.All, trail.Likely, trail.Strict} {
		is, err := j.due(ctx, level, now, o)
		if err != nil {
			return fmt.Errorf("look for news: %w", err)
		}
		if is {
			due = append(due, level)
		}
	}
	if len(due) == 0 {
		return nil
	}
	if err := j.settle(ctx); err != nil {
		return err
	}
	for _, level := range due {
		if _, err := j.once(ctx, Request{Agents: level, AsOf: now, Schedule: true}, o); err != nil {
			return err
		}
	}
	return errors.Join(j.forget(ctx, snapshotID(milli(now), o.hash())), j.clean(ctx, now), j.thin(ctx, now))
}

// resume goes on with runs that ended with the process that computed them. Those
// of other settings or definitions would not be what was asked for; they end here.
func (j *Job) resume(ctx context.Context, o Options) error {
	left, err := j.unfinished(ctx)
	if err != nil {
		return fmt.Errorf("look for unfinished runs: %w", err)
	}
	for _, p := range left {
		var r Request
		if err := json.Unmarshal([]byte(p.Request), &r); err != nil {
			return fmt.Errorf("unfinished run %s: %w", p.Run, err)
		}
		id, err := trail.ParseID(p.Run)
		if err != nil {
			return fmt.Errorf("unfinished run: %w", err)
		}
		c := &computation{job: j, request: r, options: o, run: &trail.Run{ID: p.Run, AsOf: r.AsOf}, lifts: len(r.Models) == 0, next: int(p.Step)}
		switch {
		case p.State == "stopping":
			err = c.end(ctx, "stopped", "a person stopped it")
		case r.Config != o.hash()+Version:
			err = c.end(ctx, "failed", "it was not complete when settings or version changed")
		default:
			if c.run, c.models, err = j.plan(r, o, j.now()); err == nil {
				c.run.ID, c.run.StartedAt = p.Run, id.Time()
				if _, err = j.compute(ctx, c); err == nil {
					err = j.forget(ctx, snapshotID(c.run.AsOf, r.Config))
				}
			}
		}
		if err != nil && ctx.Err() == nil {
			j.log().Error("cannot go on with an attribution run", "run", p.Run, "err", err)
		}
	}
	return ctx.Err()
}

// due reports whether the newest standing run of a level is missing, of an
// earlier day, or does not know of everything that matters. It asks the store
// only, so that a restart changes nothing.
func (j *Job) due(ctx context.Context, level trail.Level, now time.Time, o Options) (bool, error) {
	rows, err := j.rows(ctx, "newest", args{
		"agents": string(level), "version": Version, "config": o.hash(), "models": namesOf(o.Models()),
	})
	if err != nil {
		return false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return true, rows.Err()
	}
	var id string
	var asOf, started time.Time
	var seen uint64
	if err := rows.Scan(&id, &asOf, &started, &seen); err != nil {
		return false, err
	}
	if started.UTC().Format(time.DateOnly) != now.Format(time.DateOnly) {
		return true, nil
	}
	// Events that came late carry an earlier time of receipt: old tells of them, fresh does not.
	var old, fresh uint64
	matter := append(texts(o.Kinds), texts(tying)...)
	if err := j.one(ctx, "news", []any{&old, &fresh}, args{"run_as_of": asOf, "as_of": now, "kinds": matter}); err != nil {
		return false, err
	}
	return old != seen || fresh > 0, nil
}

// tying are the kinds that decide which deal a touch belongs to, how the deal
// went and what it is worth.
var tying = []trail.Kind{trail.DealKind, trail.ContactKind, trail.Shared, trail.Sent, trail.Staged, trail.Assigned, trail.Retracted}
