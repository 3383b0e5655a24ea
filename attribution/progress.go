package attribution

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dealtrail/trail"
)

// Progress is a run that is not complete: how far it is, or how it ended.
type Progress struct {
	Run     string    `json:"run"`
	State   string    `json:"state"` // running, stopping, stopped or failed
	Step    uint8     `json:"step"`  // from 0
	Steps   int       `json:"steps"`
	Done    uint32    `json:"done"` // parts of the step
	Of      uint32    `json:"of"`
	Doing   string    `json:"doing"` // the step in words, or why it ended
	At      time.Time `json:"at"`
	Request string    `json:"-"`
}

// unfinished returns the runs that are neither complete nor ended.
func (j *Job) unfinished(ctx context.Context) ([]Progress, error) {
	all, err := j.UnderWay(ctx)
	var left []Progress
	for _, p := range all {
		if p.State == "running" || p.State == "stopping" {
			left = append(left, p)
		}
	}
	return left, err
}

// resumeWithin is how long after its process ended a run is taken up again.
const resumeWithin = 24 * time.Hour

// UnderWay returns the runs of the last day that are not complete, newest first.
func (j *Job) UnderWay(ctx context.Context) ([]Progress, error) {
	rows, err := j.rows(ctx, "under_way", args{"since": j.now().Add(-resumeWithin)})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []Progress{}
	for rows.Next() {
		p := Progress{Steps: len(steps)}
		if err := rows.Scan(&p.Run, &p.State, &p.Step, &p.Done, &p.Of, &p.Doing, &p.At, &p.Request); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

// Stop asks the process that computes a run to end it. It returns a
// trail.NotFound problem if the run is not under way.
func (j *Job) Stop(ctx context.Context, run string) error {
	left, err := j.unfinished(ctx)
	if err != nil {
		return err
	}
	for _, p := range left {
		if p.Run == run {
			return j.exec(ctx, "run_step", args{
				"run": run, "at": time.Now().UTC(), "state": "stopping", "step": p.Step, "done": p.Done, "of": p.Of, "request": p.Request, "note": p.Doing,
			})
		}
	}
	return trail.Problemf(trail.NotFound, "No run %s is under way.", run)
}

// heed stops the run once a person asked for it.
func (j *Job) heed(ctx context.Context, run string, stop context.CancelCauseFunc) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var stopping bool
		if err := j.one(ctx, "run_stopping", []any{&stopping}, args{"run": run}); err != nil && ctx.Err() == nil {
			j.log().Warn("cannot look whether the attribution run is to stop", "run", run, "err", err)
		}
		if stopping {
			stop(errStopped)
			return
		}
	}
}

// fail ends the run, or leaves it to be taken up again: only what a person did or
// can mend ends it; the end of this process and a database that is away do not.
func (c *computation) fail(ctx context.Context, err error) error {
	err = fmt.Errorf("attribution run %s: %w", c.run.ID, err)
	var p *trail.Problem
	switch stopped := context.Cause(ctx) == errStopped; {
	case stopped:
		return errors.Join(trail.Problemf(trail.Conflict, "The attribution run was stopped."), c.end(ctx, "stopped", "a person stopped it"))
	case ctx.Err() != nil || errors.As(err, &p) && p.Code == trail.Unavailable:
		return err
	}
	return errors.Join(err, c.end(ctx, "failed", err.Error()))
}

// end notes how a run that has no result ended, and removes what there is of it.
func (c *computation) end(ctx context.Context, state, why string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return errors.Join(c.state(ctx, state, len(steps), 0, 0, why), c.job.drop(ctx, c.run.ID, tablesOf...), c.job.forget(ctx, snapshotID(c.run.AsOf, c.request.Config)))
}
