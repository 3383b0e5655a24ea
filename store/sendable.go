package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// Sendable returns every registered content that can be sent at a time, by ID, with
// how many reps sent it: not what has expired, nor what has a successor, nor what is
// not published yet.
func (db *DB) Sendable(ctx context.Context, now time.Time, f Filter) ([]trail.ContentRow, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	return query(ctx, db, "Sendable", func(rows driver.Rows, c *trail.ContentRow) error {
		return rows.Scan(&c.ID, &c.Title, &c.Kind, &c.Stage, &c.Persona, &c.Version, &c.Reps, &c.Sent)
	}, f.args(instant("now", now))...)
}

// Had returns what a deal's people have had, whoever sent it, and when last.
func (db *DB) Had(ctx context.Context, deal string, f Filter) (map[trail.ContentID]time.Time, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	had := map[trail.ContentID]time.Time{}
	type one struct {
		content trail.ContentID
		at      time.Time
	}
	_, err = query(ctx, db, "Had", func(rows driver.Rows, o *one) error {
		err := rows.Scan(&o.content, when{&o.at})
		had[o.content] = o.at
		return err
	}, f.args(clickhouse.Named("deal", deal))...)
	return had, err
}
