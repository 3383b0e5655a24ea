package attribution

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

// computation is one run while it is computed.
type computation struct {
	job     *Job
	request Request
	options Options
	run     *trail.Run
	models  []Model
	lifts   bool // also compare stage entries with and without each content
	next    int  // the step that is to be done next

	snapshot *snapshot
	args     args              // what every statement of the run may name
	reasons  map[string]string // by model: why there is no result

	closedDeals int64 // won and lost, with an end
}

// steps are what a run does, in order, in words. Each may be done again from its
// beginning.
var steps = [...]string{
	"lay out what was known",
	"find the paths",
	"weigh contents over all deals",
	"divide the won deals",
	"compare with and without each content",
}

// tablesOf are the tables that have parts of runs.
var tablesOf = []string{"credits", "effects", "run_deals", "lift_entries", "lifts", "run_paths"}

// errStopped is why a context ended when a person stopped the run.
var errStopped = errors.New("stopped")

// compute does the steps that are left, and writes the run.
func (j *Job) compute(ctx context.Context, c *computation) (*trail.Run, error) {
	c.reasons = map[string]string{}
	maps.Copy(c.reasons, c.request.Reasons)
	c.args = args{
		"run": c.run.ID, "as_of": c.run.AsOf, "from_ms": bound(c.run.From), "to_ms": bound(c.run.To), "snapshot": snapshotID(c.run.AsOf, c.request.Config),
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go j.heed(ctx, c.run.ID, stop)
	err := c.steps(ctx)
	if err == nil {
		err = c.finish(ctx)
	}
	if err != nil {
		return nil, c.fail(ctx, err)
	}
	j.log().Info("attribution run complete", "run", c.run.ID, "agents", c.run.Agents, "deals", c.run.Deals, "took", c.run.FinishedAt.Sub(c.run.StartedAt))
	return c.run, nil
}

func (c *computation) steps(ctx context.Context) error {
	for i, do := range []func(context.Context) error{c.layOut, c.paths, c.drive, c.divide, c.compare} {
		if i < c.next && i > 0 { // laying out finds what there is, and tells how much
			continue
		}
		if err := c.note(ctx, i, 0, 1); err != nil {
			return err
		}
		if err := do(ctx); err != nil {
			return fmt.Errorf("%s: %w", steps[i], err)
		}
		c.request.Reasons = maps.Clone(c.reasons)
	}
	return nil
}

// note tells how far the run is.
func (c *computation) note(ctx context.Context, step, done, of int) error {
	return c.state(ctx, "running", step, done, of, steps[step])
}

// state writes the run's row of run_steps.
func (c *computation) state(ctx context.Context, state string, step, done, of int, note string) error {
	request, err := json.Marshal(c.request)
	if err != nil {
		return err
	}
	return c.job.exec(ctx, "run_step", args{
		"run": c.run.ID, "at": time.Now().UTC(), "state": state, "step": uint8(step), "done": uint32(done), "of": uint32(of), "request": string(request), "note": note,
	})
}

// layOut is the first step.
func (c *computation) layOut(ctx context.Context) (err error) {
	c.snapshot, err = c.job.take(ctx, c.run.AsOf, c.options, func(done, of int) {
		c.next = 1 // what a run that is taken up again had found goes by the numbers of a snapshot that is gone
		err = errors.Join(err, c.note(ctx, 0, done, of))
	})
	if err == nil {
		c.run.Events = c.snapshot.events
	}
	return err
}

// paths gives each closed deal its path.
func (c *computation) paths(ctx context.Context) error {
	if err := c.job.drop(ctx, c.run.ID, "run_paths"); err != nil {
		return err
	}
	return c.inChunks(ctx, 1, "run_paths", args{
		"lost": len(orders(c.models)) > 0, "level": levels[c.run.Agents], "kinds": texts(c.options.Kinds),
		"window_ms": c.options.Window.Milliseconds(), "burst_ms": c.options.Burst.Milliseconds(),
		"lead_stage": c.options.LeadStage, "opportunity_stage": c.options.OpportunityStage,
	})
}

// drive weighs contents for the data-driven models.
func (c *computation) drive(ctx context.Context) error {
	if err := c.job.drop(ctx, c.run.ID, "effects"); err != nil {
		return err
	}
	clear(c.reasons)
	return c.effects(ctx)
}

// divide gives each touch of each won deal its part.
func (c *computation) divide(ctx context.Context) error {
	if err := c.job.drop(ctx, c.run.ID, "credits", "run_deals"); err != nil {
		return err
	}
	if err := c.job.exec(ctx, "run_deals", c.args); err != nil {
		return err
	}
	if won, err := c.counted(ctx); err != nil || won.deals == 0 {
		return err // in a new company the statement would take a second to find nothing
	}
	var driven []string
	rules, decays := "[", "["
	for _, m := range c.models {
		switch {
		case m.Driven && c.reasons[m.Name] == "":
			driven = append(driven, m.Name)
		case m.decay:
			decays += fmt.Sprintf("('%s',%d),", m.Name, c.options.HalfLife.Milliseconds())
		case !m.Driven:
			rules += m.rule.tuple(m.Name) + ","
		}
	}
	return c.inChunks(ctx, 3, "credits", args{"effects": driven, "groups": closing(rules), "decays": closing(decays)})
}

// chunkDeals is how many deals one statement takes: so that memory does not grow
// with the company, both cores have work, and there is progress to show.
const chunkDeals = 1_000_000

// inChunks runs a statement for one part of the deals after the other: they lie by a
// hash, from low to high.
func (c *computation) inChunks(ctx context.Context, step int, name string, given args) error {
	size := cmp.Or(c.job.chunk, chunkDeals)
	chunks := max((int(c.snapshot.deals)+size-1)/size, 1)
	from := func(i int) uint64 { // the first hash of chunk i, of the one after the last 0
		first, _ := bits.Div64(uint64(i%chunks), 0, uint64(chunks))
		return first
	}
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(min(runtime.NumCPU(), 4))
	done := make(chan struct{}, chunks)
	for i := range chunks {
		work.Go(func() error {
			err := c.job.exec(ctx, name, c.args, given, args{"low": from(i), "high": from(i+1) - 1})
			if err != nil {
				return err
			}
			done <- struct{}{}
			if chunks == 1 {
				return nil
			}
			return c.note(ctx, step, len(done), chunks)
		})
	}
	return work.Wait()
}

// counts are what a run is about: see sql/counts.sql.
type counts struct{ deals, touches, leftOut, lost, lostTouches, tied uint64 }

func (c *computation) counted(ctx context.Context) (n counts, err error) {
	err = c.job.one(ctx, "counts", []any{&n.deals, &n.touches, &n.leftOut, &n.lost, &n.lostTouches, &n.tied}, c.args)
	if err != nil {
		err = fmt.Errorf("count: %w", err)
	}
	return n, err
}

// finish counts, and writes the run: from here on readers see it.
func (c *computation) finish(ctx context.Context) error {
	run, j := c.run, c.job
	n, err := c.counted(ctx)
	if err != nil {
		return err
	}
	run.Deals, run.Touches, run.LeftOut = n.deals, n.touches, n.leftOut
	run.FinishedAt, run.Reasons = j.now(), c.reasons
	run.Inputs = map[string]uint64{"events": run.Events, "deals": uint64(c.snapshot.deals), "won": run.Deals, "touches": run.Touches, "lost": n.lost, "touches_of_lost": n.lostTouches, "left_out": run.LeftOut, "tied": n.tied}
	if err := ctx.Err(); err != nil {
		return err
	}
	// A database that was asked to record it may do so when nobody waits any more, and then nothing of what it found may go.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	if err := j.exec(ctx, "run", c.args, args{
		"id": run.ID, "models": run.Models, "version": run.Version, "config": run.Config, "agents": string(run.Agents),
		"started_at": run.StartedAt, "finished_at": run.FinishedAt,
		"events": run.Events, "deals": run.Deals, "touches": run.Touches, "left_out": run.LeftOut,
		"currency": run.Currency, "digits": Digits(c.options.Currency),
		"asked": !c.request.Schedule, "reasons": run.Reasons, "inputs": run.Inputs, "settings": c.options.settings(), "stages": run.Stages,
	}); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if err := errors.Join(c.state(ctx, "complete", len(steps), 1, 1, ""), j.drop(ctx, run.ID, "run_paths")); err != nil {
		j.log().Warn("cannot tidy up after an attribution run", "run", run.ID, "err", err) // it is there all the same
	}
	return nil
}
