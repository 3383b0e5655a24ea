package store

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// Contents returns every content with what happened to it, by ID. A content that
// was touched but never registered is there under its ID. Credit is nil unless a
// run answers the filter.
func (db *DB) Contents(ctx context.Context, f Filter) ([]trail.ContentRow, error) {
	rows, _, err := db.contents(ctx, f, "")
	return rows, err
}

// contents returns one content, or all when the ID is empty, and the run that
// their credit is from, nil without one.
func (db *DB) contents(ctx context.Context, f Filter, id trail.ContentID) ([]trail.ContentRow, *run, error) {
	f, err := f.complete()
	if err != nil {
		return nil, nil, err
	}
	r, err := db.newestRun(ctx, f)
	if err != nil {
		return nil, nil, err
	}
	rows, err := query(ctx, db, "Contents", func(rows driver.Rows, c *trail.ContentRow) error {
		var earned sum
		err := rows.Scan(&c.ID, &c.Title, &c.Kind, &c.URL, words{&c.OtherURLs}, &c.Stage, &c.Persona,
			&c.Version, &c.Owner, words{&c.Tags}, &c.File, &c.FileName, when{&c.PublishedAt}, when{&c.ExpiresAt},
			&c.Reps, &c.Sent, &c.Reached, &c.Opened, &c.Clicked, &c.Clicks, &c.Replied, &c.Machine,
			&c.Deals, &c.Won, &c.Lost, when{&c.LastSent}, &earned.credit, &earned.value)
		if r != nil {
			c.Credit = earned.in(r)
		}
		return err
	}, f.args(clickhouse.Named("content", id), r.param(), clickhouse.Named("model", f.Model))...)
	return rows, r, err
}

// Content returns one content with its newest events, newest first, and the
// deals it touched or earned of, each with what it earned. An unknown content is
// a Problem.
func (db *DB) Content(ctx context.Context, id trail.ContentID, f Filter) (*trail.ContentDetail, error) {
	rows, r, err := db.contents(ctx, f, id)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || id == "" {
		return nil, trail.Problemf(trail.NotFound, "There is no content %q.", id)
	}
	f, _ = f.complete()
	type share struct {
		deal string
		sum  sum
	}
	shares, err := query(ctx, db, "ContentDeals", func(rows driver.Rows, s *share) error {
		return rows.Scan(&s.deal, &s.sum.credit, &s.sum.value)
	}, f.args(clickhouse.Named("content", id), r.param(), clickhouse.Named("model", f.Model))...)
	if err != nil {
		return nil, err
	}
	detail := &trail.ContentDetail{ContentRow: rows[0]}
	earned, deals := map[string]sum{}, []string{}
	for _, s := range shares {
		earned[s.deal] = s.sum
		deals = append(deals, s.deal)
	}
	if detail.DealRows, err = db.deals(ctx, f, "id", deals...); err != nil {
		return nil, err
	}
	for i := range detail.DealRows {
		if d := &detail.DealRows[i]; r != nil && d.Status == "won" {
			d.Credit = earned[d.ID].in(r)
		}
	}
	detail.Events, err = db.trail(ctx, f, "ContentTrail", pageLimit, clickhouse.Named("content", id))
	return detail, err
}
