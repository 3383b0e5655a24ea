package store

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// Deals returns a page of deals by ID: those after f.After, at most f.Limit.
func (db *DB) Deals(ctx context.Context, f Filter) ([]trail.DealRow, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	rows, err := db.dealStates(ctx, f, "all", f.limit(pageLimit))
	return dealRows(rows), err
}

// deals returns all deals that keys select: by id, contact or domain.
func (db *DB) deals(ctx context.Context, f Filter, by string, keys ...string) ([]trail.DealRow, error) {
	f.After = ""
	rows, err := db.dealStates(ctx, f, by, clickhouse.Named("limit", uint64(math.MaxInt64)), keys...)
	return dealRows(rows), err
}

// dealState is a deal and the contacts on it.
type dealState struct {
	trail.DealRow
	contacts []string
}

func (db *DB) dealStates(ctx context.Context, f Filter, by string, limit any, keys ...string) ([]dealState, error) {
	return query(ctx, db, "Deals", func(rows driver.Rows, d *dealState) error {
		return rows.Scan(append(d.fields(), &d.Touches, when{&d.LastTouch})...)
	}, f.args(clickhouse.Named("by", by), clickhouse.Named("keys", list(keys)), clickhouse.Named("after", f.After), limit)...)
}

// fields returns where a row's columns from deal to contacts go. The amount goes
// into place as it was told.
func (d *dealState) fields() []any {
	return []any{
		&d.ID, &d.Name, &d.Account, &d.Domain, &d.Value.Amount, &d.Value.Currency, &d.Stage, &d.Status, &d.Owner,
		when{&d.CreatedAt}, when{&d.ClosedAt}, &d.LossReason, &d.contacts,
	}
}

// row returns the deal as a report shows it.
func (d *dealState) row() trail.DealRow {
	d.Value = amount(d.Value.Amount, d.Value.Currency)
	return d.DealRow
}

func dealRows(states []dealState) []trail.DealRow {
	rows := make([]trail.DealRow, len(states))
	for i := range states {
		rows[i] = states[i].row()
	}
	return rows
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
	detail := &trail.DealDetail{DealRow: states[0].row(), Model: f.Model, Credits: []trail.CreditRow{}}
	if detail.Contacts, err = db.contacts(ctx, f, "contact", states[0].contacts...); err != nil {
		return nil, err
	}
	if detail.Events, err = db.story(ctx, f, "DealTrail", clickhouse.Named("deal", id)); err != nil {
		return nil, err
	}
	r, err := db.newestRun(ctx, f)
	if err != nil || r == nil {
		return detail, err
	}
	credits, err := db.credits(ctx, f, r, id)
	if err != nil || len(credits) == 0 { // the run did not divide it
		return detail, err
	}
	detail.Run = r.ID
	divide(detail, r, credits)
	return detail, nil
}

// credit is what one touch earned of one deal; a zero touch is nobody's part.
type credit struct {
	deal, content, title string
	touch                trail.ID
	sum                  sum
}

func (db *DB) credits(ctx context.Context, f Filter, r *run, deals ...string) ([]credit, error) {
	return query(ctx, db, "Credits", func(rows driver.Rows, c *credit) error {
		return rows.Scan(&c.deal, &c.touch, &c.content, &c.title, &c.sum.credit, &c.sum.value)
	}, f.args(r.param(), clickhouse.Named("model", f.Model), clickhouse.Named("deals", list(deals)))...)
}

// divide writes the credits of a deal into its detail: on each event, and by
// content with the highest first.
func divide(detail *trail.DealDetail, r *run, credits []credit) {
	type touch struct {
		id      trail.ID
		content string
	}
	byTouch, byContent, titles := map[touch]sum{}, map[string]sum{}, map[string]string{}
	var nobodys sum
	for _, c := range credits {
		if c.touch.IsZero() && c.content == "" {
			nobodys.add(c.sum)
			continue
		}
		s := byContent[c.content]
		s.add(c.sum)
		byContent[c.content], titles[c.content] = s, c.title
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
