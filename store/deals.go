package store

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

// Deals returns a page of deals by ID: those after f.After, at most f.Limit.
func (db *DB) Deals(ctx context.Context, f Filter) ([]trail.DealRow, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	states, err := db.dealStates(ctx, f, "all", f.limit(pageLimit))
	if err != nil {
		return nil, err
	}
	return db.touched(ctx, f, states)
}

// DealQuery is which deals a list has, and in what order.
type DealQuery struct {
	Every  bool    // those of all reps; else of Reps
	Reps   []Owned // whose deals
	Status string  // open, won or lost; empty: any
	Order  string  // touched, closed, touches, value, name, account, status, stage or owner, each with - in front for the other way round; else by ID
}

// Owned is a rep whose deals are asked for: those that closed from First on and before
// Last, zero for no bound. A deal that is open is there if Last is zero.
type Owned struct {
	Rep         string
	First, Last time.Time
}

// Of adds a rep to those whose deals are asked for.
func (q *DealQuery) Of(rep string, first, last time.Time) {
	q.Reps = append(q.Reps, Owned{Rep: rep, First: first, Last: last})
}

// DealSums is how many deals a list has whatever their status, and how many of these were
// won and lost.
type DealSums struct{ All, Won, Lost uint64 }

// DealList returns the first f.Limit deals of a list that closed in the filter's period,
// if it has one, and how many there are of any status. Those by ID are those after f.After.
func (db *DB) DealList(ctx context.Context, q DealQuery, f Filter) (rows []trail.DealRow, n DealSums, err error) {
	if f, err = f.complete(); err != nil {
		return nil, n, err
	}
	reps, firsts, lasts := []string{}, []int64{}, []int64{}
	ms := func(t time.Time) int64 {
		if t.IsZero() {
			return 0
		}
		return t.UnixMilli()
	}
	for _, o := range q.Reps {
		reps, firsts, lasts = append(reps, trail.NormalAddress(o.Rep)), append(firsts, ms(o.First)), append(lasts, ms(o.Last))
	}
	args := f.args(clickhouse.Named("every", q.Every), clickhouse.Named("reps", reps), clickhouse.Named("firsts", firsts), clickhouse.Named("lasts", lasts),
		clickhouse.Named("from_ms", ms(f.From)), clickhouse.Named("to_ms", ms(f.To)))
	g, asking := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		rows, err = query(asking, db, "DealList", func(rows driver.Rows, d *trail.DealRow) error {
			var told string
			err := rows.Scan(&d.ID, &d.Name, &d.Account, &d.Domain, &told, &d.Value.Currency, &d.Stage, &d.Status, &d.Owner,
				when{&d.CreatedAt}, when{&d.ClosedAt}, &d.LossReason, &d.Touches, when{&d.LastTouch})
			d.Value.Amount = amount(told, d.Value.Currency)
			return err
		}, append(args[:len(args):len(args)], clickhouse.Named("status", q.Status), clickhouse.Named("order", q.Order), clickhouse.Named("after", f.After), f.limit(pageLimit))...)
		return err
	})
	g.Go(func() error {
		_, err := query(asking, db, "DealListSize", func(rows driver.Rows, _ *struct{}) error { return rows.Scan(&n.All, &n.Won, &n.Lost) }, args...)
		return err
	})
	return rows, n, g.Wait()
}

// deals returns all deals that keys select: by id, contact or domain.
func (db *DB) deals(ctx context.Context, f Filter, by string, keys ...string) ([]trail.DealRow, error) {
	f.After = ""
	states, err := db.dealStates(ctx, f, by, clickhouse.Named("limit", uint64(math.MaxInt64)), keys...)
	if err != nil {
		return nil, err
	}
	return db.touched(ctx, f, states)
}

// dealState is a deal, the contacts on it and when the first thing we know of it
// happened.
type dealState struct {
	trail.DealRow
	contacts []string
	known    time.Time
}

// dealStates returns deals by ID, without their touches.
func (db *DB) dealStates(ctx context.Context, f Filter, by string, limit any, keys ...string) ([]dealState, error) {
	return query(ctx, db, "Deals", func(rows driver.Rows, d *dealState) error {
		var told string
		err := rows.Scan(&d.ID, &d.Name, &d.Account, &d.Domain, &told, &d.Value.Currency, &d.Stage, &d.Status, &d.Owner,
			when{&d.CreatedAt}, when{&d.ClosedAt}, &d.LossReason, &d.contacts, when{&d.known})
		d.Value.Amount = amount(told, d.Value.Currency)
		return err
	}, f.args(clickhouse.Named("by", by), clickhouse.Named("keys", list(keys)), clickhouse.Named("after", f.After), limit)...)
}

// dealTouches is the touches of one deal before a time, and what was at or after
// another.
type dealTouches struct {
	deal                   string
	touches                uint64 // clicks, views and replies
	last                   time.Time
	mailed                 time.Time // last, to or from its people
	clicks, replies, sends uint64    // recent
}

// dealTouches returns the touches of deals or, when none is named, of those that may be
// in a section of a review.
func (db *DB) dealTouches(ctx context.Context, f Filter, from, to time.Time, deals ...string) (map[string]dealTouches, error) {
	all := map[string]dealTouches{}
	_, err := query(ctx, db, "DealTouches", func(rows driver.Rows, t *dealTouches) error {
		err := rows.Scan(&t.deal, &t.touches, when{&t.last}, when{&t.mailed}, &t.clicks, &t.replies, &t.sends)
		all[t.deal] = *t
		return err
	}, f.args(instant("from", from), instant("to", to), clickhouse.Named("deals", list(deals)))...)
	return all, err
}

// dealCounts returns how much touched deals, all when none is named, and when last.
func (db *DB) dealCounts(ctx context.Context, f Filter, deals ...string) (map[string]dealTouches, error) {
	all := map[string]dealTouches{}
	_, err := query(ctx, db, "DealCounts", func(rows driver.Rows, t *dealTouches) error {
		err := rows.Scan(&t.deal, &t.touches, when{&t.last})
		all[t.deal] = *t
		return err
	}, f.args(clickhouse.Named("deals", list(deals)))...)
	return all, err
}

// dealContents returns by deal and content how often it touched the deal before a time.
func (db *DB) dealContents(ctx context.Context, f Filter, to time.Time, deals []string) (map[string]map[string]uint64, error) {
	all := map[string]map[string]uint64{}
	type row struct {
		deal, content string
		n             uint64
	}
	for some := range slices.Chunk(deals, idsAtOnce) {
		rows, err := query(ctx, db, "DealContents", func(rows driver.Rows, r *row) error { return rows.Scan(&r.deal, &r.content, &r.n) },
			f.args(instant("to", to), clickhouse.Named("deals", some))...)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if all[r.deal] == nil {
				all[r.deal] = map[string]uint64{}
			}
			all[r.deal][r.content] = r.n
		}
	}
	return all, nil
}

// touched returns deals as a report shows them, with their touches.
func (db *DB) touched(ctx context.Context, f Filter, states []dealState) ([]trail.DealRow, error) {
	rows, ids := make([]trail.DealRow, len(states)), make([]string, len(states))
	for i, s := range states {
		rows[i], ids[i] = s.DealRow, s.ID
	}
	if len(rows) == 0 {
		return rows, nil
	}
	if len(ids) > idsAtOnce {
		ids = nil
	}
	touches, err := db.dealCounts(ctx, f, ids...)
	for i := range rows {
		t := touches[rows[i].ID]
		rows[i].Touches, rows[i].LastTouch = t.touches, t.last
	}
	return rows, err
}

// Deal returns one deal with its contacts, its trail with the newest event last,
// and, if a run divided it, its credits by content. An unknown deal is a Problem.
func (db *DB) Deal(ctx context.Context, id string, f Filter) (*trail.DealDetail, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	f.After = ""
	states, err := db.dealStates(ctx, f, "id", clickhouse.Named("limit", uint64(1)), id)
	if err != nil {
		return nil, err
	}
	if len(states) == 0 {
		return nil, trail.Problemf(trail.NotFound, "There is no deal %q.", id)
	}
	detail := &trail.DealDetail{DealRow: states[0].DealRow, Model: f.Model, Credits: []trail.CreditRow{}}
	if detail.Contacts, err = db.contacts(ctx, f, "contact", states[0].contacts...); err != nil {
		return nil, err
	}
	var touches []trail.TrailRow
	if detail.Events, touches, err = db.trail(ctx, f, "DealTrail", clickhouse.Named("deal", id)); err != nil {
		return nil, err
	}
	seen := map[trail.ID]bool{}
	for _, e := range touches {
		seen[e.ID] = true
	}
	if len(touches) > 0 {
		detail.Touches, detail.LastTouch = uint64(len(seen)), touches[0].At
	}
	detail.Events = story(detail.Events, f)
	for _, e := range detail.Events {
		if e.Signal == trail.PassedOnSignal && e.Verdict == trail.Human {
			detail.Proposed = append(detail.Proposed, e)
		}
	}
	r, err := db.newestRun(ctx, f)
	if err != nil || r == nil {
		return detail, err
	}
	credits, err := db.credits(ctx, r, []string{f.Model}, id)
	if err != nil {
		return nil, err
	}
	if len(credits) == 0 { // the run did not divide it
		known, err := db.runDeals(ctx, r, id)
		detail.LeftOut = known[id].reason
		return detail, err
	}
	var contents []string
	for _, c := range credits {
		contents = append(contents, c.content)
	}
	titles, err := db.titles(ctx, f, contents)
	if err != nil {
		return nil, err
	}
	detail.Run = r.ID
	divide(detail, r, credits, titles)
	return detail, nil
}

// credit is what one touch earned of one deal under a model; a zero touch is
// nobody's part.
type credit struct {
	model, deal  string
	content, rep string
	kind         trail.Kind
	rule         string
	confidence   float32
	touch        trail.ID
	sum          sum
}

// credits returns what each touch of deals earned under some models.
func (db *DB) credits(ctx context.Context, r *run, models []string, deals ...string) ([]credit, error) {
	return query(ctx, db, "Credits", func(rows driver.Rows, c *credit) error {
		return rows.Scan(&c.model, &c.deal, &c.touch, &c.content, &c.rep, (*string)(&c.kind), &c.rule, &c.confidence, &c.sum.credit, &c.sum.value)
	}, r.param(), clickhouse.Named("models", models), clickhouse.Named("deals", list(deals)))
}

// divide writes the credits of a deal into its detail: on each event, and by
// content with the highest first.
func divide(detail *trail.DealDetail, r *run, credits []credit, titles map[string]string) {
	type touch struct {
		id      trail.ID
		content string
	}
	byTouch, byContent := map[touch]sum{}, map[string]sum{}
	var nobodys sum
	for _, c := range credits {
		if c.touch.IsZero() && c.content == "" {
			nobodys.add(c.sum)
			continue
		}
		s := byContent[c.content]
		s.add(c.sum)
		byContent[c.content] = s
		s = byTouch[touch{c.touch, c.content}]
		s.add(c.sum)
		byTouch[touch{c.touch, c.content}] = s
	}
	detail.Unattributed = nobodys.in(r)
	for content, s := range byContent {
		earned := s.in(r)
		detail.Credits = append(detail.Credits, trail.CreditRow{Key: content, Title: titles[content], Deals: 1, Credit: earned.Credit, Value: earned.Value})
	}
	slices.SortFunc(detail.Credits, func(a, b trail.CreditRow) int {
		x, y := byContent[a.Key], byContent[b.Key]
		return cmp.Or(cmp.Compare(y.value, x.value), cmp.Compare(y.credit, x.credit), cmp.Compare(a.Key, b.Key))
	})
	for i := range detail.Events {
		e := &detail.Events[i]
		if s, ok := byTouch[touch{e.ID, e.Content}]; ok {
			e.Credit = s.in(r)
		}
	}
}
