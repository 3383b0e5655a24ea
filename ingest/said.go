package ingest

import (
	"context"
	"fmt"
	"time"

	"dealtrail/trail"
)

// Say records what a person says of who made a click or an open, or takes that back,
// and returns the event as it is from then on. The word wins over every rule until it
// is taken back; then machines judge again. changed is false if it says nothing new,
// visible if reports show it already. A *trail.Problem says what is wrong.
func (c *Corrector) Say(ctx context.Context, id trail.ID, w trail.Word) (e trail.Event, changed, visible bool, err error) {
	c.saying.Lock()
	defer c.saying.Unlock()
	ctx, release, ok := Alone(ctx, c.Redis, SayLease)
	if !ok {
		return e, false, false, trail.Problemf(trail.Unavailable, "Somebody else is correcting a verdict, or Redis does not answer; try again in a few seconds.")
	}
	defer release()
	defer func() { err = trail.Because(ctx, err) }()
	if err := c.settle(ctx); err != nil {
		return e, false, false, fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "What came before is not loaded yet; try again in a few seconds."), err)
	}
	e, found, err := c.DB.Event(ctx, id)
	if err != nil {
		return e, false, false, err
	}
	if !found {
		return e, false, false, trail.Problemf(trail.NotFound, "There is no event %s.", id)
	}
	e, changed, err = e.With(w, c.Now())
	if err != nil || !changed {
		return e, false, true, err
	}
	if err := context.Cause(ctx); err != nil {
		return e, false, false, err
	}
	if err := c.Emit(ctx, e); err != nil {
		return e, false, false, fmt.Errorf("record a person's word: %w", err)
	}
	visible = c.settle(ctx) == nil
	if w.Not && e.Share != "" {
		// What the machines know by now may be more than when it was judged.
		due := c.Now().UnixMilli()
		if !visible {
			due += time.Minute.Milliseconds()
		}
		if err := ignoreNil(dueScript.Run(ctx, c.Redis, []string{dueKey}, due, late+string(e.Share)).Err()); err != nil {
			c.Log.Warn("a verdict that was taken back stays as it was before", "err", err)
		}
	}
	return e, true, visible, nil
}

func (c *Corrector) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, defaultPatience)
	defer cancel()
	return c.Settle(ctx)
}
