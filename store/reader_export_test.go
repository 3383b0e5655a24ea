package store

import (
	"time"
)

// Explain is explain.
func Explain(err error) error { return explain(err) }

// Limit is how long one statement of a reader may run, for tests that have no minute.
func (db *DB) Limit(d time.Duration) { db.limits["max_execution_time"] = d.Seconds() }

// TakeHealth keeps others from working out what no report counts until done is called.
func TakeHealth(db *DB) (done func()) {
	db.health.turn <- struct{}{}
	return func() { <-db.health.turn }
}
