package store

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// Budgets returns all budget pages, the newest first.
func (db *DB) Budgets(ctx context.Context) ([]trail.BudgetListed, error) {
	return query(ctx, db, "Budgets", func(rows driver.Rows, b *trail.BudgetListed) error {
		return rows.Scan(&b.ID, when{&b.At}, &b.By, &b.Note, &b.Title, &b.Run, &b.Model)
	}, instant("as_of", forever))
}

// Budget returns one budget page as it was frozen. An unknown one is a Problem.
func (db *DB) Budget(ctx context.Context, id string) (*trail.Budget, error) {
	parsed, err := trail.ParseID(id)
	if err != nil {
		return nil, noBudget(id)
	}
	e, found, err := db.Event(ctx, parsed)
	if err != nil {
		return nil, err
	}
	if !found || e.Kind != trail.Budgeted {
		return nil, noBudget(id)
	}
	b, err := trail.BudgetOf(e)
	return &b, err
}

func noBudget(id string) error {
	return trail.Problemf(trail.NotFound, "There is no budget page %q.", id)
}
