package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Bad is an entry of the streams that could not become an event.
type Bad struct {
	Entry    Entry
	At       time.Time // when it was accepted
	Stage    string    // where it failed: decode, validate or insert
	Reason   string
	Origin   string    // who sent it
	Raw      string    // the entry's bytes
	Replayed time.Time // when it was handed in again; zero: not yet
}

// InsertBad keeps entries that could not become events. An entry that is kept
// already replaces its copy, unless that was replayed and this was not.
func (db *DB) InsertBad(ctx context.Context, entries []Bad) error {
	return insert(ctx, db, "InsertBad", entries, func(b driver.Batch, e Bad) error {
		return b.Append(e.Entry.Epoch, e.Entry.Partition, e.Entry.Ms, e.Entry.Seq, moment(e.At), e.Stage, e.Reason, e.Origin, e.Raw, moment(e.Replayed))
	})
}

// BadEntries returns entries that could not become events and were not handed in
// again, newest first: those at the places named, or limit of all.
func (db *DB) BadEntries(ctx context.Context, limit int, places ...string) ([]Bad, error) {
	return query(ctx, db, "BadEntries", func(rows driver.Rows, b *Bad) error {
		return rows.Scan(&b.Entry.Epoch, &b.Entry.Partition, &b.Entry.Ms, &b.Entry.Seq, when{&b.At}, &b.Stage, &b.Reason, &b.Origin, &b.Raw)
	}, clickhouse.Named("places", list(places)), clickhouse.Named("limit", uint64(limit)))
}
