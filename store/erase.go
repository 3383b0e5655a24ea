package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// Trace is what one person leaves in the tables: their contact, which becomes a random
// one, and a pattern of trail.NamesPattern that finds them in text.
type Trace struct {
	Contact, Becomes trail.ContactID
	Pattern          string // not empty
}

// NamesOf returns how a contact was ever called.
func (db *DB) NamesOf(ctx context.Context, contact trail.ContactID) ([]trail.Person, error) {
	return query(ctx, db, "NamesOf", func(rows driver.Rows, p *trail.Person) error { return rows.Scan(&p.Address, &p.Name) },
		clickhouse.Named("contact", string(contact)))
}

// KnownSince returns when the first event of any of some contacts was received, the
// zero time if there is none.
func (db *DB) KnownSince(ctx context.Context, contacts ...trail.ContactID) (time.Time, error) {
	rows, err := query(ctx, db, "KnownSince", func(rows driver.Rows, t *time.Time) error { return rows.Scan(when{t}) }, contactsArg(contacts))
	if err != nil || len(rows) == 0 {
		return time.Time{}, err
	}
	return rows[0], nil
}

// SharesOf returns the links that were made for or mailed to any of some contacts.
func (db *DB) SharesOf(ctx context.Context, contacts ...trail.ContactID) ([]trail.ShareID, error) {
	return query(ctx, db, "SharesOf", func(rows driver.Rows, s *trail.ShareID) error { return rows.Scan((*string)(s)) }, contactsArg(contacts))
}

func contactsArg(contacts []trail.ContactID) any {
	texts := make([]string, len(contacts))
	for i, c := range contacts {
		texts[i] = string(c)
	}
	return clickhouse.Named("contacts", texts)
}

// erasedTables are the tables that are rewritten, each with its statement. Who it is
// goes last: until then a repeated erasing finds the names again.
var erasedTables = []struct{ table, statement string }{{"events", "EraseEvents"}, {"bad_entries", "EraseBad"}, {"people", "ErasePeople"}}

// Erased is how much of a person was in the tables.
type Erased struct {
	People uint64 // rows of who they are
	Events uint64 // rows of events that were theirs
	Texts  uint64 // further rows of events that named them: deals, notes, decisions
	Bad    uint64
}

// eraseRounds is how often the tables are rewritten at most: names next to each other share
// what stands between them, so that each rewriting finds every second one.
const eraseRounds = 6

// oldPartsWait is how long parts may be read by somebody after others took their place.
const oldPartsWait = 2 * time.Minute

// Erase rewrites the tables so that nothing in them names a person, in any part of them
// on the disk; what is made from them is for DropStale. No statement names the person.
// One caller at a time; repeating it is harmless, and goes on where another was killed.
func (db *DB) Erase(ctx context.Context, t Trace) (n Erased, err error) {
	if t.Pattern == "" || t.Contact == "" || !t.Becomes.Erased() {
		return n, errors.New("erase: the trace is not complete") // an empty pattern matches every text
	}
	if err := db.Exec(ctx, "TRUNCATE TABLE erasing"); err != nil {
		return n, fmt.Errorf("erase: %w", err)
	}
	err = insert(ctx, db, "InsertErasing", []Trace{t}, func(b driver.Batch, t Trace) error {
		return b.Append(string(t.Contact), string(t.Becomes), t.Pattern)
	})
	if err != nil {
		return n, fmt.Errorf("erase: %w", err)
	}
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, db.Exec(clean, "TRUNCATE TABLE erasing"))
	}()
	for round := range eraseRounds {
		found, err := db.traces(ctx, t)
		if err != nil || round > 0 && found == (Erased{}) {
			return n, err
		}
		if round == 0 {
			n = found
		}
		for _, e := range erasedTables {
			if err := db.rewrite(ctx, e.table, e.statement); err != nil {
				return n, fmt.Errorf("erase from %s: %w", e.table, err)
			}
		}
	}
	return n, trail.Problemf(trail.Unavailable, "The tables still name somebody after they were rewritten %d times; what comes names them again.", eraseRounds)
}

// traces counts what there is of who is being erased. If that is somebody else by now,
// another process believes that it erases alone, and neither can say what was rewritten.
func (db *DB) traces(ctx context.Context, t Trace) (n Erased, err error) {
	var who string
	_, err = query(ctx, db, "ErasedTraces", func(rows driver.Rows, _ *struct{}) error {
		return rows.Scan(&n.People, &n.Events, &n.Texts, &n.Bad, &who)
	})
	if err == nil && who != string(t.Contact) {
		err = trail.Problemf(trail.Unavailable, "Another process erases somebody at the same time; this is tried again.")
	}
	return n, err
}

// rewrite runs a statement that changes rows of a table, and waits until the parts that
// it took the place of are gone from the disk. What replaces them is synced first:
// usually they are kept for some minutes in case the machine loses its power.
func (db *DB) rewrite(ctx context.Context, table, statement string, args ...any) error {
	if err := db.Exec(ctx, "ALTER TABLE "+table+" MODIFY SETTING old_parts_lifetime = 0, min_rows_to_fsync_after_merge = 1, fsync_part_directory = 1"); err != nil {
		return err
	}
	err := db.Exec(ctx, db.text.query[statement], args...)
	if err == nil {
		err = db.removeOldParts(ctx, table)
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, db.Exec(after, "ALTER TABLE "+table+" RESET SETTING old_parts_lifetime, min_rows_to_fsync_after_merge, fsync_part_directory"))
}

// removeOldParts waits until the parts of a table that others have taken the place of
// by now are removed. Dropping a partition that does not exist does nothing but that,
// at once; else the engine does it when it finds the time.
func (db *DB) removeOldParts(ctx context.Context, table string) error {
	ctx, cancel := context.WithTimeout(ctx, oldPartsWait)
	defer cancel()
	parts := func() ([]string, error) {
		return query(ctx, db, "OldParts", func(rows driver.Rows, name *string) error { return rows.Scan(name) }, clickhouse.Named("table", table))
	}
	old, err := parts()
	for err == nil && len(old) > 0 {
		if err = db.Exec(ctx, "ALTER TABLE "+table+" DROP PARTITION ID 'none'"); err != nil {
			break
		}
		var left []string
		if left, err = parts(); err == nil {
			old = slices.DeleteFunc(old, func(name string) bool { return !slices.Contains(left, name) })
		}
		if len(old) > 0 {
			select {
			case <-ctx.Done():
				return trail.Problemf(trail.Unavailable, "Somebody still reads parts of the table %s that were replaced; they go once that ends.", table)
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return err
}

// Time returns what time it is by the database's clock, by which it dates parts.
func (db *DB) Time(ctx context.Context) (time.Time, error) {
	all, err := query(ctx, db, "ServerTime", func(rows driver.Rows, t *time.Time) error { return rows.Scan(when{t}) })
	if err != nil || len(all) == 0 {
		return time.Time{}, err
	}
	return all[0], nil
}

// staleAfter is when a layout or snapshot to which nothing was added is nobody's any more.
const staleAfter = 10 * time.Minute

// DropStale removes layouts and snapshots that were begun before a time by the database's clock, see Time: they say what
// was known then. The next layout is made by whoever makes them; until it is there pages
// read the views. What is still being made, or read by a run, is left, and returned: it
// goes by another call, once it is complete.
func (db *DB) DropStale(ctx context.Context, before time.Time) (left []string, err error) {
	complete, err := db.allLayouts(ctx)
	if err != nil {
		return nil, err
	}
	type part struct {
		partition, table string
		quiet            uint64 // seconds
	}
	parts, err := query(ctx, db, "StaleParts", func(rows driver.Rows, p *part) error { return rows.Scan(&p.partition, &p.table, &p.quiet) }, instant("before", before))
	if err != nil {
		return nil, err
	}
	told := false
	var gone []part
	for _, p := range parts {
		is := slices.ContainsFunc(complete, func(l layout) bool { return l.id == p.partition })
		switch {
		case !is && p.quiet < uint64(staleAfter.Seconds()):
			if !slices.Contains(left, p.partition) {
				left = append(left, p.partition)
			}
		case p.table == "layouts": // first, so that nobody begins to read the others
			told = true
			if err := db.dropPart(ctx, p.table, p.partition); err != nil {
				return left, err
			}
		case p.table != "layouts":
			gone = append(gone, p)
		}
	}
	if told { // readers look at the table layouts now and then
		select {
		case <-time.After(2 * layoutLook):
		case <-ctx.Done():
			return left, ctx.Err()
		}
	}
	for _, p := range gone {
		if err := db.dropPart(ctx, p.table, p.partition); err != nil {
			return left, err
		}
	}
	return left, nil
}

func (db *DB) dropPart(ctx context.Context, table, partition string) error {
	if strings.ContainsAny(partition, `'\`) {
		return fmt.Errorf("remove %q of %s: that is no name of ours", partition, table)
	}
	if err := db.Exec(ctx, "ALTER TABLE "+table+" DROP PARTITION '"+partition+"'"); err != nil {
		return fmt.Errorf("remove what was made before from %s: %w", table, err)
	}
	return nil
}
