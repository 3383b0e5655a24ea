package attribution

import (
	"context"

	"dealtrail/attribution/lift"
)

// What tests of lifts see of this package.
var (
	OrderStages = orderStages
	Respond     = respond
)

// Lifts returns the two-by-two tables of a run as they are judged.
func (j *Job) Lifts(ctx context.Context, run string, w Where) ([]lift.Evidence, error) {
	return j.evidence(ctx, run, w)
}

// Placebos returns those of the placebo.
func (j *Job) Placebos(ctx context.Context, run string) ([]lift.Evidence, error) {
	return j.placebos(ctx, run)
}

// Weekly is what the weekly model of a content is fitted to.
type Weekly struct {
	Deals  int64
	Cells  []lift.Cell
	Starts []lift.Start
}

// Weekly returns it by content.
func (j *Job) Weekly(ctx context.Context, run string) (map[string]Weekly, error) {
	deals, err := j.exposedDeals(ctx, run)
	if err != nil {
		return nil, err
	}
	weeks, err := j.weeks(ctx, run)
	if err != nil {
		return nil, err
	}
	all := map[string]Weekly{}
	for content, n := range deals {
		all[content] = Weekly{n, cells(weeks[content], weeks[""]), starts(weeks[content])}
	}
	return all, nil
}
