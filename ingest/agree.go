package ingest

import (
	"context"
	"slices"

	"dealtrail/trail"
)

// Agree records what sales and marketing agreed on and returns the goal with its history.
// What was agreed before is no event again. digits are those of the reporting currency's
// minor unit; visible is as for Ask.
func (r *Registry) Agree(ctx context.Context, g trail.Goal, digits int, source string) (agreed trail.Goal, visible bool, err error) {
	r.mu.Lock() // from reading what was said before to accepting the next word
	defer r.mu.Unlock()
	settling, cancel := context.WithTimeout(ctx, r.patience())
	defer cancel()
	_ = r.Buffer.Settle(settling) // what somebody agreed a moment ago is what this changes
	all, err := r.DB.Agreed(ctx)
	if err != nil {
		return g, false, err
	}
	_, as, err := g.Event(nil, digits, source, r.now()) // as it will be called
	if err != nil {
		return g, false, err
	}
	var before *trail.Goal
	if i := slices.IndexFunc(all, func(b trail.Goal) bool { return b.ID == as.ID }); i >= 0 {
		before = &all[i]
		if before.Same(as) {
			return *before, true, nil
		}
	} else if g.Dropped {
		return g, false, trail.Problemf(trail.NotFound, "There is no goal for %s in %s that could be given up.", as.Title, as.Period)
	}
	e, agreed, err := g.Event(before, digits, source, r.now())
	if err != nil {
		return g, false, err
	}
	visible, err = r.record(ctx, e)
	return agreed, visible, err
}
