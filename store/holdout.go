package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// Holdouts returns every holdout in its latest state, the newest first, with the
// titles of their contents.
func (db *DB) Holdouts(ctx context.Context, f Filter) ([]trail.Holdout, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	var contents []string
	all, err := query(ctx, db, "Holdouts", func(rows driver.Rows, h *trail.Holdout) error {
		var content string
		var attrs map[string]string
		var event trail.ID
		var at time.Time
		err := rows.Scan(&content, &attrs, &event, when{&at})
		*h = trail.HoldoutOf(content, attrs)
		h.Event, h.At = event, at
		contents = append(contents, content)
		return err
	}, f.args()...)
	if err != nil {
		return nil, err
	}
	titles, err := db.titles(ctx, f, contents)
	for i := range all {
		all[i].Title = titles[all[i].Content]
	}
	return all, err
}

// HoldoutDraw is what was drawn for a deal in one holdout.
type HoldoutDraw struct {
	Holdout string
	Arm     trail.Arm
	At      time.Time
}

// HoldoutDraws returns what the ledgers of all holdouts say of one deal.
func (db *DB) HoldoutDraws(ctx context.Context, deal string) ([]HoldoutDraw, error) {
	return query(ctx, db, "HoldoutDraws", func(rows driver.Rows, d *HoldoutDraw) error {
		return rows.Scan(&d.Holdout, (*string)(&d.Arm), when{&d.At})
	}, instant("as_of", forever), clickhouse.Named("deal", deal))
}

// EligibleDeal is an open deal that a holdout may draw.
type EligibleDeal struct{ Deal, Stage string }

// HoldoutEligible returns the open deals that a holdout has not drawn and whose
// people have not had its content, by ID; with a deal, that one or none.
func (db *DB) HoldoutEligible(ctx context.Context, h trail.Holdout, deal string) ([]EligibleDeal, error) {
	f, err := Filter{}.complete()
	if err != nil {
		return nil, err
	}
	return query(ctx, db, "HoldoutEligible", func(rows driver.Rows, d *EligibleDeal) error {
		return rows.Scan(&d.Deal, &d.Stage)
	}, f.args(clickhouse.Named("holdout", h.ID), clickhouse.Named("content", h.Content), clickhouse.Named("stage", h.Stage), clickhouse.Named("deal", deal))...)
}

// HoldoutEntry is one deal of a holdout's ledger and what the CRM and the mails tell
// of it.
type HoldoutEntry struct {
	Holdout, Deal string
	Arm           trail.Arm
	Stage         string // when it was drawn
	At            time.Time
	Status        string      // open, won or lost; empty: open
	EndedAt       time.Time   // of a deal that is won or lost
	Stages        []string    // that it was in, the same one perhaps several times, in order of Times
	Times         []time.Time // when it is known to have been there
	GotAt         time.Time   // when its people had the content first after the draw; zero: they have not
}

// HoldoutLedger returns the ledger of a holdout, or of all if it is empty, in order
// of time.
func (db *DB) HoldoutLedger(ctx context.Context, f Filter, holdout string) ([]HoldoutEntry, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	return query(ctx, db, "HoldoutLedger", func(rows driver.Rows, e *HoldoutEntry) error {
		return rows.Scan(&e.Holdout, &e.Deal, (*string)(&e.Arm), &e.Stage, when{&e.At}, &e.Status, when{&e.EndedAt}, &e.Stages, &e.Times, when{&e.GotAt})
	}, f.args(clickhouse.Named("holdout", holdout))...)
}

// StageOrder tells which of two stages comes later: that which more deals were in
// after the other. A move between stages that no deal says anything of is forward.
type StageOrder map[[2]string]uint64

// Later reports whether a deal that moved between two stages moved forward.
func (o StageOrder) Later(from, to string) bool {
	return from != to && o[[2]string{from, to}] >= o[[2]string{to, from}]
}

// StageOrder returns the order of stages as deals went through them.
func (db *DB) StageOrder(ctx context.Context, f Filter) (StageOrder, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	order := StageOrder{}
	_, err = query(ctx, db, "StageOrder", func(rows driver.Rows, pair *[2]string) error {
		var deals uint64
		err := rows.Scan(&pair[0], &pair[1], &deals)
		order[*pair] = deals
		return err
	}, f.args()...)
	return order, err
}

// StageDeals is one stage with how many open deals are in it.
type StageDeals struct {
	Stage string
	Open  uint64
}

// OpenStages returns every stage that deals are in, those with most open deals
// first.
func (db *DB) OpenStages(ctx context.Context) ([]StageDeals, error) {
	return query(ctx, db, "OpenStages", func(rows driver.Rows, s *StageDeals) error {
		return rows.Scan(&s.Stage, &s.Open)
	}, instant("as_of", forever))
}
