package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// The views work everything out from the events, at any time of the past. For the
// times that nearly everybody asks for, now and when the newest review was due, that
// is done once for all: a layout is what they say then, in the tables layout_*, and
// queries as of that time read these instead, in a tenth of the time. What the
// newest layout says is a few seconds old; after Wrote a query reads the views until
// what was written is laid out.

// layoutViews are the views that are laid out, with where they are read from then.
var layoutViews = map[string]string{
	"tied":           "SELECT * EXCEPT (layout) FROM layout_events WHERE layout = {layout:String}",
	"resolved":       "SELECT * EXCEPT (layout, deals, rule, confidence) FROM layout_events WHERE layout = {layout:String}",
	"deals":          "SELECT * EXCEPT (layout) FROM layout_deals WHERE layout = {layout:String}",
	"staged":         "SELECT deal, at, id, stage FROM layout_events WHERE layout = {layout:String} AND content = '' AND kind = 'staged'",
	"contents":       "SELECT * EXCEPT (layout) FROM layout_contents WHERE layout = {layout:String}",
	"contact_states": "SELECT * EXCEPT (layout, gone) FROM layout_contacts WHERE layout = {layout:String} AND NOT gone",
	"mail_events":    "SELECT id, at, kind, source, content, share, message, contact, rep, rules, signal FROM layout_events WHERE layout = {layout:String} AND kind IN ('sent', 'replied', 'forwarded')",
	"deal_events":    "SELECT * EXCEPT (layout) FROM layout_deal_events WHERE layout = {layout:String}",
	"deal_counts":    "SELECT * EXCEPT (layout) FROM layout_deal_counts WHERE layout = {layout:String}",
	"content_counts": "SELECT * EXCEPT (layout) FROM layout_content_counts WHERE layout = {layout:String}",
	"rep_counts":     "SELECT * EXCEPT (layout) FROM layout_rep_counts WHERE layout = {layout:String}",
	"totals":         "SELECT * EXCEPT (layout) FROM layout_totals WHERE layout = {layout:String}",
	"send_counts":    "SELECT * EXCEPT (layout) FROM layout_send_counts WHERE layout = {layout:String}",
	"kept_counts":    "SELECT * EXCEPT (layout) FROM layout_kept_counts WHERE layout = {layout:String}",
}

// layoutParts are the statements of layout/ that make a layout, in order. Those in
// between that do not begin with layout_ make what a snapshot of attribution has too.
var layoutParts = []string{
	"layout_contents", "layout_contacts", "layout_acquaintances", "layout_deals", "layout_staged", "layout_known",
	"words", "parties", "bindings", "bindings_others", "crowds", "crowd", "links", "layout_people", "companies", "layout_events",
	"layout_deal_events", "layout_deal_counts", "layout_content_counts", "layout_rep_counts", "layout_send_counts", "layout_totals", "layout_kept_counts",
}

var (
	// keptLayouts is how many are kept of those of now, as somebody may still read the one before, and of reviews.
	keptLayouts = map[bool]int{true: 2, false: 3}
	// layoutTables are the tables that have parts of layouts.
	layoutTables = []string{"layouts", "layout_events", "layout_deals", "layout_contacts", "layout_contents", "layout_deal_events", "layout_deal_counts", "layout_content_counts", "layout_rep_counts", "layout_send_counts", "layout_totals", "layout_kept_counts"}
	// layoutSteps are those that are needed only while a layout is made.
	layoutSteps = []string{"snapshot_deals", "snapshot_words", "snapshot_parties", "snapshot_bindings", "snapshot_crowds", "snapshot_people", "snapshot_companies"}
)

const (
	layoutLook = 500 * time.Millisecond // how often a reader looks what was laid out
	// A newest layout that is behind by more than layoutOld, and twenty times what one takes, is not read:
	// whoever makes them is gone. One that is made quickly is older than some seconds only when nobody asked.
	layoutOld = 30 * time.Second
	// A layout that took no longer than layoutQuick is not made when nobody asked for layoutIdle.
	layoutQuick, layoutIdle = 2 * time.Second, time.Minute
	// layoutSlow is how long one takes where a review of an older week is laid out when somebody asks for it.
	layoutSlow = 5 * time.Second
	// layoutAbandoned is after how long one that is not finished has no maker any more.
	layoutAbandoned = time.Hour
)

// layouts is what a DB knows of the layouts that there are.
type layouts struct {
	making sync.Mutex // one at a time: the steps of one go when it is made

	mu     sync.Mutex
	looked time.Time
	asked  time.Time // when somebody asked for a report
	known  []layout  // the newest first
	wrote  time.Time // when something was written here that must be seen
}

// layout is one row of the table layouts.
type layout struct {
	id   string
	asOf time.Time // zero: all that was known
	at   time.Time
	ins  uint64 // after how many inserts it was begun
	took time.Duration
	now  uint64 // how many there were when somebody looked
}

// until is the time as of which a layout is made.
func (l layout) until() time.Time {
	if l.asOf.IsZero() {
		return forever
	}
	return l.asOf
}

// Wrote says that what was written until now must be seen by whoever reads from
// now on.
func (db *DB) Wrote() {
	db.layouts.mu.Lock()
	defer db.layouts.mu.Unlock()
	db.layouts.wrote = time.Now()
}

// layoutFor returns the layout that a query with these arguments reads, "" for
// none.
func (db *DB) layoutFor(ctx context.Context, args []any) string {
	l := &db.layouts
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := db.look(ctx); err != nil {
		return "" // the query itself will say what is wrong
	}
	i := slices.IndexFunc(l.known, func(one layout) bool { return slices.Contains(args, instant("as_of", one.until())) })
	if i < 0 {
		return ""
	}
	found := l.known[i]
	if !found.asOf.IsZero() || found.ins == found.now {
		return found.id
	}
	old := max(layoutOld, 20*found.took)
	if found.took <= layoutQuick {
		old = layoutQuick + 6*found.took // nobody may have asked, so that none was made
	}
	if time.Since(found.at) > old || !found.at.After(l.wrote) {
		return ""
	}
	return found.id
}

// look returns the layouts as somebody found them at most half a second ago, and after
// what was written here last. Who asks holds the lock.
func (db *DB) look(ctx context.Context) ([]layout, error) {
	l := &db.layouts
	if time.Since(l.looked) <= layoutLook && l.wrote.Before(l.looked) {
		return l.known, nil
	}
	looked := time.Now()
	known, err := db.allLayouts(ctx)
	if err == nil {
		l.known, l.looked = known, looked
		db.answers.forget(known)
	}
	return known, err
}

// KnownAt is the time whose state reports of now tell, the zero time if they tell
// this moment's.
func (db *DB) KnownAt(ctx context.Context) time.Time {
	id := db.layoutFor(ctx, []any{instant("as_of", forever)})
	db.layouts.mu.Lock()
	defer db.layouts.mu.Unlock()
	for _, l := range db.layouts.known {
		if l.id == id && l.ins != l.now {
			return l.at
		}
	}
	return time.Time{}
}

// allLayouts returns the layouts that there are, the newest first, and at the end
// one without a name. What another version of dealtrail laid out is not read: it may
// lack what this one looks for.
func (db *DB) allLayouts(ctx context.Context) ([]layout, error) {
	all, err := query(ctx, db, "Layouts", func(rows driver.Rows, l *layout) error {
		var took uint64
		err := rows.Scan(&l.id, when{&l.asOf}, when{&l.at}, &l.ins, &took, &l.now)
		l.took = time.Duration(took) * time.Millisecond
		return err
	})
	return slices.DeleteFunc(all, func(l layout) bool { return l.id != "" && !strings.HasSuffix(l.id, db.text.laidBy) }), err
}

// Refresh lays out what the views say now, if anything came since the last time,
// and reports how long that took. One process at a time does it.
func (db *DB) Refresh(ctx context.Context) (time.Duration, error) {
	db.layouts.making.Lock()
	defer db.layouts.making.Unlock()
	known, err := db.allLayouts(ctx)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(known, func(one layout) bool { return one.asOf.IsZero() })
	if now := known[0].now; now == 0 || i >= 0 && known[i].ins == now {
		return 0, nil
	}
	return db.layOut(ctx, time.Time{}, known)
}

// Freeze lays out what was known at a time, unless that is done or is being done,
// for which it waits.
func (db *DB) Freeze(ctx context.Context, asOf time.Time) error {
	db.layouts.making.Lock()
	defer db.layouts.making.Unlock()
	asOf = moment(asOf)
	known, err := db.allLayouts(ctx)
	if err != nil || slices.ContainsFunc(known, func(one layout) bool { return one.asOf.Equal(asOf) }) {
		return err
	}
	_, err = db.layOut(ctx, asOf, known)
	return err
}

// layOut makes a layout beside those that are known, and removes those that nobody
// needs any more: all but two of each kind, as somebody may still read the one before.
func (db *DB) layOut(ctx context.Context, asOf time.Time, known []layout) (time.Duration, error) {
	next := layout{asOf: asOf, at: moment(time.Now()), ins: known[0].now}
	if !next.at.After(known[0].at) {
		next.at = known[0].at.Add(time.Millisecond)
	}
	next.id = strconv.FormatInt(next.at.UnixMilli(), 10) + db.text.laidBy
	started := time.Now()
	for _, part := range layoutParts {
		if err := db.LayOut(ctx, part, next.id, next.until()); err != nil {
			return 0, err
		}
	}
	next.took = time.Since(started)
	err := db.Exec(ctx, "INSERT INTO layouts (layout, as_of, at, inserts, took_ms) VALUES ({layout:String}, {as_of:DateTime64(3)}, {at:DateTime64(3)}, {inserts:UInt64}, {took:UInt64})",
		clickhouse.Named("layout", next.id), instant("as_of", next.asOf), instant("at", next.at), clickhouse.Named("inserts", next.ins), clickhouse.Named("took", uint64(next.took.Milliseconds())))
	if err != nil {
		return 0, fmt.Errorf("tell that all is laid out: %w", err)
	}
	kept, gone := map[bool]int{}, map[string]bool{}
	for _, one := range append([]layout{next}, known[:len(known)-1]...) {
		now := one.asOf.IsZero()
		kept[now]++
		gone[one.id] = kept[now] > keptLayouts[now]
	}
	// What another process makes meanwhile is nobody's yet.
	abandoned := func(id string) bool {
		begun, _, _ := strings.Cut(id, "-")
		ms, err := strconv.ParseInt(begun, 10, 64)
		return err == nil && time.Since(time.UnixMilli(ms)) > layoutAbandoned
	}
	err = db.dropLayouts(ctx, layoutTables, func(id string) bool {
		old, known := gone[id]
		return old || !known && abandoned(id)
	})
	if err != nil {
		return 0, err
	}
	return next.took, db.dropLayouts(ctx, layoutSteps, func(id string) bool { return id == next.id || abandoned(id) })
}

// LayOut runs one statement of layout/, which lays out a part of what was known at a
// time. Attribution's snapshots have some of these parts too.
func (db *DB) LayOut(ctx context.Context, part, id string, asOf time.Time) error {
	started := time.Now()
	if err := db.Exec(ctx, db.text.layout[part], instant("as_of", asOf), clickhouse.Named("snapshot", id), clickhouse.Named("layout", id)); err != nil {
		return fmt.Errorf("lay out %s: %w", part, err)
	}
	db.log.Debug("laid out", "part", part, "took", time.Since(started))
	return nil
}

// KeepLayouts calls Refresh until ctx ends: within a second or two when something
// came, and where much comes so seldom that it takes a fifth of the time. Where it is
// quick nothing is laid out while nobody asks, unless readers are elsewhere. What was
// known when the newest review was due is laid out once, after all that was accepted by
// then is stored, for which settle waits.
func (db *DB) KeepLayouts(ctx context.Context, zone *time.Location, elsewhere bool, settle func(context.Context) error) error {
	var frozen time.Time
	there := false          // is a layout of that time
	last := layoutQuick + 1 // how long one takes is not known before the first
	for {
		var took time.Duration
		var err error
		if elsewhere || last > layoutQuick || db.asked() {
			if took, err = db.Refresh(ctx); took > 0 {
				last = took
			}
		}
		if _, due := db.ReviewAt.Due(time.Now(), zone); err == nil && (!due.Equal(frozen) || there && !db.laidOut(ctx, due)) {
			if err = settle(ctx); err == nil {
				err = db.FreezeReview(ctx, due)
			}
			if there = err == nil && db.laidOut(ctx, due); err == nil {
				frozen = due
			}
		}
		if err != nil && ctx.Err() == nil {
			db.log.Warn("cannot lay out what is known; pages are slower meanwhile", "err", err)
			took = layoutOld / 4
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(time.Second, 4*(took-layoutLook))):
		}
	}
}

// Asked says that somebody asks for reports, and probably will go on.
func (db *DB) Asked() {
	db.layouts.mu.Lock()
	defer db.layouts.mu.Unlock()
	db.layouts.asked = time.Now()
}

// asked reports whether somebody asked lately.
func (db *DB) asked() bool {
	db.layouts.mu.Lock()
	defer db.layouts.mu.Unlock()
	return time.Since(db.layouts.asked) < layoutIdle
}

// laidOut reports whether there is a layout of a time: erasing somebody removes it.
func (db *DB) laidOut(ctx context.Context, asOf time.Time) bool {
	known, err := db.allLayouts(ctx)
	return err != nil || slices.ContainsFunc(known, func(one layout) bool { return one.asOf.Equal(moment(asOf)) })
}

// FreezeReview lays out what was known when a review was due, if anything was. What
// was accepted by then must be stored.
func (db *DB) FreezeReview(ctx context.Context, due time.Time) error {
	if known, err := db.knownBy(ctx, due); !known || err != nil {
		return err
	}
	return db.Freeze(ctx, due)
}

// awaitReview lays out what was known when the review of an older week was due, where
// the views would take longer for it than anybody waits, and waits until ctx ends.
func (db *DB) awaitReview(ctx context.Context, due time.Time) error {
	known, err := db.allLayouts(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(known, func(one layout) bool { return one.asOf.IsZero() })
	if i < 0 || known[i].took < layoutSlow || slices.ContainsFunc(known, func(one layout) bool { return one.asOf.Equal(moment(due)) }) {
		return nil
	}
	done := make(chan error, 1)
	// It goes on when this reader has no more patience: the next one finds it.
	go func() { done <- db.Freeze(context.WithoutCancel(ctx), due) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return trail.Problemf(trail.Unavailable, "What was known when this review was due is being laid out, which takes about %s. Ask for it again then.", known[i].took.Round(time.Second))
	}
}

// dropLayouts removes layouts from tables.
func (db *DB) dropLayouts(ctx context.Context, tables []string, gone func(id string) bool) error {
	for _, table := range tables {
		all, err := query(ctx, db, "LayoutParts", func(rows driver.Rows, id *string) error { return rows.Scan(id) }, clickhouse.Named("table", table))
		if err != nil {
			return err
		}
		for _, id := range slices.DeleteFunc(all, func(id string) bool { return !gone(id) }) {
			if err := db.Exec(ctx, "ALTER TABLE "+table+" DROP PARTITION '"+id+"'"); err != nil {
				return fmt.Errorf("remove an old layout: %w", err)
			}
		}
	}
	return nil
}
