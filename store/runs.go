package store

import (
	"context"
	"math"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// run is a run, how many decimals its currency has, and, once size has found it,
// what its won deals are typically worth: the root of the mean square, in minor
// units.
type run struct {
	trail.Run
	digits  uint8
	typical float64
}

// size finds what the run's won deals are typically worth.
func (db *DB) size(ctx context.Context, r *run) error {
	_, err := query(ctx, db, "RunSize", func(rows driver.Rows, squares *float64) error {
		var deals uint64
		err := rows.Scan(&deals, squares)
		r.typical = math.Sqrt(*squares / float64(max(deals, 1)))
		return err
	}, r.param())
	return err
}

// param returns the run's ID as a parameter; no run has the ID of none.
func (r *run) param() any {
	if r == nil {
		return clickhouse.Named("run", "")
	}
	return clickhouse.Named("run", r.ID)
}

func scanRun(rows driver.Rows, r *run) error {
	return rows.Scan(&r.ID, &r.Models, &r.Version, &r.Config, (*string)(&r.Agents), when{&r.AsOf}, when{&r.From}, when{&r.To},
		when{&r.StartedAt}, when{&r.FinishedAt}, &r.Events, &r.Deals, &r.Touches, &r.LeftOut, &r.Currency, &r.digits,
		&r.Asked, &r.Reasons, &r.Inputs, &r.Settings, &r.Stages)
}

// Runs returns the newest complete runs, newest first, at most limit.
func (db *DB) Runs(ctx context.Context, limit int) ([]trail.Run, error) {
	rows, err := query(ctx, db, "Runs", scanRun, clickhouse.Named("limit", uint64(max(limit, 0))))
	runs := make([]trail.Run, len(rows))
	for i, r := range rows {
		runs[i] = r.Run
	}
	return runs, err
}

// NewestRun returns the newest complete run for the filter's model, agents and
// period, known by its as-of time. Without one it returns a Problem no_run.
func (db *DB) NewestRun(ctx context.Context, f Filter) (*trail.Run, error) {
	r, err := db.mustRun(ctx, f)
	if err != nil {
		return nil, err
	}
	return &r.Run, nil
}

func (db *DB) mustRun(ctx context.Context, f Filter) (*run, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	r, err := db.newestRun(ctx, f)
	if err == nil && r == nil {
		err = trail.Problemf(trail.NoRun, "No attribution run answers this yet (model %s, agents %s, that period); start one with `dealtrail attribute` or POST /v1/runs.", f.Model, f.Agents)
	}
	return r, err
}

// newestRun returns nil when no run answers the filter.
func (db *DB) newestRun(ctx context.Context, f Filter) (*run, error) {
	rows, err := query(ctx, db, "NewestRun", scanRun, f.args(
		clickhouse.Named("model", f.Model), clickhouse.Named("agents", string(f.Agents)), clickhouse.Named("run", f.Run), clickhouse.Named("definition", db.Definition),
		instant("from", f.From), instant("to", f.To))...)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}
