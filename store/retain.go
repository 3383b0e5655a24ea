package store

import (
	"context"
	"errors"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// ExpireAtOnce is how many contacts are forgotten together.
const ExpireAtOnce = 20_000

// Expired returns contacts of whom nothing was heard since a time and of whom a name or an
// address is kept, ExpireAtOnce at most. Whom the CRM has, who is on an open deal and who
// chose something about tracking is none of them.
func (db *DB) Expired(ctx context.Context, before time.Time) ([]trail.ContactID, error) {
	return query(ctx, db, "ExpiredContacts", func(rows driver.Rows, c *trail.ContactID) error { return rows.Scan((*string)(c)) },
		instant("as_of", forever), instant("before", before), clickhouse.Named("limit", uint64(ExpireAtOnce)))
}

// Expire forgets who contacts are: their names and addresses go, and each of them becomes a
// random contact, so that counts and credits stay. Layouts and snapshots begun before it
// are for DropStale. Repeating it is harmless, and does what one that was cut off did not.
func (db *DB) Expire(ctx context.Context, contacts []trail.ContactID) (err error) {
	if err := db.Exec(ctx, "TRUNCATE TABLE expiring"); err != nil {
		return err
	}
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, db.Exec(clean, "TRUNCATE TABLE expiring"))
	}()
	err = insert(ctx, db, "InsertExpiring", contacts, func(b driver.Batch, c trail.ContactID) error {
		return b.Append(string(c), string(trail.NewErased()))
	})
	if err != nil {
		return err
	}
	if err := db.rewrite(ctx, "events", "ExpireEvents"); err != nil {
		return err
	}
	return db.rewrite(ctx, "people", "ExpirePeople")
}

// ExpireBad takes the bytes and reasons of bad entries that were accepted before a time:
// they may name people, and nobody hands them in again. How many there were stays for the
// balance. It returns how many lost them; repeating it is harmless.
func (db *DB) ExpireBad(ctx context.Context, before time.Time) (uint64, error) {
	n, err := query(ctx, db, "OldBad", func(rows driver.Rows, n *uint64) error { return rows.Scan(n) }, instant("before", before))
	if err != nil || len(n) == 0 || n[0] == 0 {
		return 0, err
	}
	return n[0], db.rewrite(ctx, "bad_entries", "ExpireBad", instant("before", before))
}
