package store

import (
	"context"
	"time"
)

// Layout is what a query that asks for all that we know reads, "" for the views.
func (db *DB) Layout(ctx context.Context) string {
	return db.layoutFor(ctx, []any{instant("as_of", forever)})
}

// LookAgain makes the next query look what was laid out.
func LookAgain(db *DB) {
	db.layouts.mu.Lock()
	defer db.layouts.mu.Unlock()
	db.layouts.looked = time.Time{}
}

// LaidBy is how the names of layouts end that are read.
func LaidBy(db *DB) string { return db.text.laidBy }
