package attribution

import (
	"context"
	"time"

	"dealtrail/trail"
)

// InChunksOf makes runs compute so many deals at a time.
func (j *Job) InChunksOf(deals int) { j.chunk = deals }

// TakeSnapshot lays out what was known, as a run does first, and leaves it there.
func (j *Job) TakeSnapshot(ctx context.Context, asOf time.Time) (id string, err error) {
	o, err := j.Options.normal()
	if err != nil {
		return "", err
	}
	s, err := j.take(ctx, asOf, o, func(int, int) {})
	if err != nil {
		return "", err
	}
	return s.id, nil
}

// Resume goes on with runs whose process ended, as Run does first.
func (j *Job) Resume(ctx context.Context) error {
	o, err := j.Options.normal()
	if err != nil {
		return err
	}
	return j.resume(ctx, o)
}

// Due reports whether Run would compute a run of a level now.
func (j *Job) Due(ctx context.Context, level trail.Level) (bool, error) {
	o, err := j.Options.normal()
	if err != nil {
		return false, err
	}
	return j.due(ctx, level, j.now(), o)
}

// Thin removes runs that newer ones replaced, as Run does last.
func (j *Job) Thin(ctx context.Context) error { return j.thin(ctx, j.now()) }

// Settings returns what a run stores of its settings.
func (o Options) Settings() string {
	o, err := o.normal()
	if err != nil {
		panic(err)
	}
	return o.settings()
}

// SnapshotTables and RunTables are the tables that have parts of snapshots, and of runs.
var (
	SnapshotTables = snapshotTables
	RunTables      = tablesOf
)
