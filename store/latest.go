package store

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// The views work everything out from the events, at any time of the past. For
// now, which nearly everybody asks for, that is done once for all: Refresh lays
// out what they say in the tables latest_*, and a query that asks for all that we
// know reads these instead, in a tenth of the time. What it says is a few seconds
// old; after Wrote it reads the views until what was written is laid out.

// latestViews are the views that are laid out, with where they are read from then.
var latestViews = map[string]string{
	"tied":     "SELECT * EXCEPT (latest) FROM latest_events WHERE latest = {latest:String}",
	"resolved": "SELECT * EXCEPT (latest, deals, rule, confidence) FROM latest_events WHERE latest = {latest:String}",
	"deals":    "SELECT * EXCEPT (latest) FROM latest_deals WHERE latest = {latest:String}",
	"staged":   "SELECT deal, at, id, stage FROM latest_events WHERE latest = {latest:String} AND content = '' AND kind = 'staged'",
	"contents": "SELECT * EXCEPT (latest) FROM latest_contents WHERE latest = {latest:String}",
	"contacts": `SELECT known.* EXCEPT (latest), who.address AS address, who.name AS name, who.title AS title
		FROM (SELECT * FROM latest_contacts WHERE latest = {latest:String}) AS known
		LEFT JOIN (SELECT contact, address, name, title FROM people FINAL) AS who ON who.contact = known.contact`,
}

// latestTables are where Refresh lays views out, in order.
var latestTables = []struct{ table, columns, from string }{
	{"latest_contents", "content, title, kind, url, other_urls, stage, persona, version, tags, owner, file, file_name, published_at, expires_at, attrs, id", "contents"},
	{"latest_contacts", "contact, account, domain, role, owner, status, source, created_at, attrs, id", "contacts"},
	{"latest_deals", "deal, name, account, domain, amount, currency, stage, status, owner, created_at, closed_at, loss_reason, contacts, known_at, attrs, id", "deals"},
	{"latest_events", "id, at, kind, source, content, share, message, contact, contacts, account, rep, deal, stage, note, agent, probability, rules, signal, level, led_to, withheld, deals, rule, confidence", "tied"},
}

const (
	latestLook = 500 * time.Millisecond // how often a reader looks what was laid out
	// A layout that is behind by more than latestOld, and twenty times what one takes, is not read: whoever
	// makes them is gone.
	latestOld = 30 * time.Second
)

// latest is what a DB knows of the newest layout.
type latest struct {
	mu     sync.Mutex
	looked time.Time
	layout layout
	wrote  time.Time // when something was written here that must be seen
}

// layout is one row of the table latest.
type layout struct {
	at   time.Time
	rows uint64
	took time.Duration
	now  uint64 // how many rows there are by now
}

func (l layout) id() string { return strconv.FormatInt(l.at.UnixMilli(), 10) }

// Wrote says that what was written until now must be seen by whoever reads from
// now on.
func (db *DB) Wrote() {
	db.latest.mu.Lock()
	defer db.latest.mu.Unlock()
	db.latest.wrote = time.Now()
}

// layoutFor returns the layout that a query with these arguments reads, "" for
// none.
func (db *DB) layoutFor(ctx context.Context, args []any) string {
	if !asksForAll(args) {
		return ""
	}
	l := &db.latest
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.looked) > latestLook {
		var err error
		if l.layout, err = db.newestLayout(ctx); err != nil {
			return "" // the query itself will say what is wrong
		}
		l.looked = time.Now()
	}
	behind := l.layout.rows != l.layout.now && time.Since(l.layout.at) > max(latestOld, 20*l.layout.took)
	if l.layout.at.IsZero() || behind || !l.layout.at.After(l.wrote) {
		return ""
	}
	return l.layout.id()
}

// asksForAll reports whether the arguments of a query ask for all that we know.
func asksForAll(args []any) bool {
	for _, a := range args {
		if v, ok := a.(driver.NamedValue); ok && v.Name == "as_of" {
			return v == instant("as_of", forever)
		}
	}
	return false
}

func (db *DB) newestLayout(ctx context.Context) (layout, error) {
	rows, err := query(ctx, db, "Latest", func(rows driver.Rows, l *layout) error {
		var took uint64
		err := rows.Scan(when{&l.at}, &l.rows, &took, &l.now)
		l.took = time.Duration(took) * time.Millisecond
		return err
	})
	if err != nil || len(rows) == 0 {
		return layout{}, err
	}
	return rows[0], nil
}

// Refresh lays out what the views say now, if anything came since the last time,
// and reports how long that took. One process at a time does it.
func (db *DB) Refresh(ctx context.Context) (time.Duration, error) {
	last, err := db.newestLayout(ctx)
	if err != nil || last.rows == last.now && (!last.at.IsZero() || last.now == 0) {
		return 0, err
	}
	started := time.Now()
	next := layout{at: moment(started), rows: last.now}
	if !next.at.After(last.at) {
		next.at = last.at.Add(time.Millisecond)
	}
	for _, t := range latestTables {
		text := "INSERT INTO " + t.table + " (latest, " + t.columns + ") SELECT {latest:String}, " + t.columns + " FROM " + t.from + "(as_of = " + asOf + ") AS v"
		if err := db.Exec(ctx, db.text.expand(text), instant("as_of", forever), clickhouse.Named("latest", next.id())); err != nil {
			return 0, fmt.Errorf("lay out %s: %w", t.from, err)
		}
	}
	next.took = time.Since(started)
	err = db.Exec(ctx, "INSERT INTO latest (latest, at, rows, took_ms) VALUES ({latest:String}, {at:DateTime64(3)}, {rows:UInt64}, {took:UInt64})",
		clickhouse.Named("latest", next.id()), instant("at", next.at), clickhouse.Named("rows", next.rows), clickhouse.Named("took", uint64(next.took.Milliseconds())))
	if err != nil {
		return 0, fmt.Errorf("tell that all is laid out: %w", err)
	}
	return next.took, db.dropLayouts(ctx, last.id(), next.id())
}

// KeepLatest calls Refresh until ctx ends: within a second when something came, and
// where much comes so seldom that it takes a tenth of the time.
func (db *DB) KeepLatest(ctx context.Context) error {
	for {
		took, err := db.Refresh(ctx)
		if err != nil && ctx.Err() == nil {
			db.log.Warn("cannot lay out the latest state; pages are slower meanwhile", "err", err)
			took = latestOld / 4
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(time.Second, 9*took)):
		}
	}
}

// dropLayouts removes all but two layouts: somebody may still read the one before
// the newest. So it removes what a Refresh left that did not end.
func (db *DB) dropLayouts(ctx context.Context, keep ...string) error {
	tables := []string{"latest"}
	for _, t := range latestTables {
		tables = append(tables, t.table)
	}
	for _, table := range tables {
		old, err := query(ctx, db, "LatestParts", func(rows driver.Rows, id *string) error { return rows.Scan(id) },
			clickhouse.Named("table", table), clickhouse.Named("keep", keep))
		if err != nil {
			return err
		}
		for _, id := range old {
			if err := db.Exec(ctx, "ALTER TABLE "+table+" DROP PARTITION '"+id+"'"); err != nil {
				return fmt.Errorf("remove an old layout: %w", err)
			}
		}
	}
	return nil
}
