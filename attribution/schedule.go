package attribution

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"dealtrail/trail"
)

// Run keeps the reports fresh until ctx ends: a run of all models over all time
// at each level of agents, if there is none yet, if something was loaded since
// that can change a credit, or if the newest is from an earlier day. It looks
// every Options.Every. What fails is logged and tried again the next time.
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
// compare.
func (j *Job) refresh(ctx context.Context) error {
	release, ok := j.lock(ctx, time.Minute)
	if !ok {
		return nil // somebody asked for a run; what is due comes after it
	}
	defer release()
	now := j.now()
	for _, level := range []trail.Level{trail.All, trail.Likely, trail.Strict} {
		due, err := j.due(ctx, level, now)
		if err != nil {
			return fmt.Errorf("look for news: %w", err)
		}
		if !due {
			continue
		}
		if _, err := j.once(ctx, Request{Agents: level, AsOf: now}); err != nil {
			return err
		}
	}
	return nil
}

// due reports whether the newest standing run of a level is missing, of an
// earlier day, or does not know of everything that matters. It asks the store
// only, so that a restart changes nothing.
func (j *Job) due(ctx context.Context, level trail.Level, now time.Time) (bool, error) {
	o, err := j.Options.normal()
	if err != nil {
		return false, err
	}
	rows, err := j.rows(ctx, "newest", args{
		"agents": string(level), "version": Version, "config": o.hash(), "models": names(),
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

// tying are the kinds that decide which deal a touch belongs to and what the
// deal is worth.
var tying = []trail.Kind{trail.DealKind, trail.ContactKind, trail.Shared, trail.Sent}
