package store

import (
	"context"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// run is a run and how many decimals its currency has.
type run struct {
	trail.Run
	digits uint8
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
		when{&r.StartedAt}, when{&r.FinishedAt}, &r.Events, &r.Deals, &r.Touches, &r.LeftOut, &r.Currency, &r.digits)
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

// nobody is the key of what has none, say of deals without an owner.
const nobody = "(none)"

// Attribution returns what each content, rep, kind of content, owner, source or
// team earned in the newest run of the filter, highest first, as things stood at
// the run's as-of time. The rows and what is unattributed add up to the total,
// in deals and to the cent. Without a run it returns a Problem no_run, for
// another by one that lists these six.
func (db *DB) Attribution(ctx context.Context, by string, f Filter) (*trail.Attribution, error) {
	keys := []string{"content", "rep", "kind", "owner", "source", "team"}
	if !slices.Contains(keys, by) {
		return nil, trail.Problemf(trail.Invalid, "by is %q; it must be one of %s.", by, strings.Join(keys, ", "))
	}
	r, err := db.mustRun(ctx, f)
	if err != nil {
		return nil, err
	}
	f, _ = f.complete()
	type earning struct {
		trail.CreditRow
		sum          sum
		unattributed bool
	}
	rows, err := query(ctx, db, "Attribution", func(rows driver.Rows, e *earning) error {
		return rows.Scan(&e.unattributed, &e.Key, &e.Title, &e.Deals, &e.sum.credit, &e.sum.value)
	}, r.param(), instant("run_as_of", r.AsOf), clickhouse.Named("model", f.Model), clickhouse.Named("by", by))
	if err != nil {
		return nil, err
	}
	report := &trail.Attribution{
		Run: r.ID, Model: f.Model, By: by, Agents: r.Agents, AsOf: r.AsOf, From: r.From, To: r.To, Rows: []trail.CreditRow{},
	}
	var total, nobodys sum
	for _, e := range rows {
		total.add(e.sum)
		if e.unattributed {
			nobodys.add(e.sum)
			continue
		}
		if e.Key == "" {
			e.Key = nobody
		}
		if e.Title == "" {
			e.Title = e.Key
		}
		earned := e.sum.in(r)
		e.Credit, e.Value = earned.Credit, earned.Value
		report.Rows = append(report.Rows, e.CreditRow)
	}
	report.Unattributed, report.Total = *nobodys.in(r), *total.in(r)
	return report, nil
}
