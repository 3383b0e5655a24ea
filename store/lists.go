package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// Lists returns the lists of leads, the newest first.
func (db *DB) Lists(ctx context.Context, f Filter) ([]trail.LeadList, error) {
	return db.lists(ctx, "", f)
}

// List returns one list. An unknown one is a Problem.
func (db *DB) List(ctx context.Context, id string, f Filter) (trail.LeadList, error) {
	missing := trail.Problemf(trail.NotFound, "There is no list %q.", id)
	if _, err := trail.ParseID(id); err != nil {
		return trail.LeadList{}, missing
	}
	all, err := db.lists(ctx, id, f)
	if err != nil {
		return trail.LeadList{}, err
	}
	if len(all) == 0 {
		return trail.LeadList{}, missing
	}
	return all[0], nil
}

func (db *DB) lists(ctx context.Context, id string, f Filter) ([]trail.LeadList, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	return query(ctx, db, "Lists", func(rows driver.Rows, l *trail.LeadList) error {
		var text string
		if err := rows.Scan(&text, when{&l.At}, &l.Name, &l.By, &l.How, &l.Leads); err != nil {
			return err
		}
		var err error
		l.ID, err = trail.ParseID(text)
		return err
	}, f.args(clickhouse.Named("list", id))...)
}

// Response is how people of one stratum responded to one content: those of a list and
// the others.
type Response struct {
	Content, Stage, Segment         string
	First, Last                     time.Time // when the list was sent it
	Sent, Clicked, Replied, Engaged int64     // of the list
	Rest, RestEngaged               int64
}

// ListResponses returns how a list and comparable others responded, by content and
// stratum, and the titles of the contents.
func (db *DB) ListResponses(ctx context.Context, id string, f Filter) ([]Response, map[string]string, error) {
	f, err := f.complete()
	if err != nil {
		return nil, nil, err
	}
	var contents []string
	all, err := query(ctx, db, "ListResponse", func(rows driver.Rows, r *Response) error {
		var n [6]uint64
		err := rows.Scan(&r.Content, &r.Stage, &r.Segment, when{&r.First}, when{&r.Last}, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5])
		r.Sent, r.Clicked, r.Replied, r.Engaged, r.Rest, r.RestEngaged = int64(n[0]), int64(n[1]), int64(n[2]), int64(n[3]), int64(n[4]), int64(n[5])
		contents = append(contents, r.Content)
		return err
	}, f.args(clickhouse.Named("list", id))...)
	if err != nil {
		return nil, nil, err
	}
	titles, err := db.titles(ctx, f, contents)
	return all, titles, err
}

// FindLeads returns the contacts that a filter finds.
func (db *DB) FindLeads(ctx context.Context, q trail.LeadFilter, f Filter) ([]trail.ContactID, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	return query(ctx, db, "ListFilter", func(rows driver.Rows, c *trail.ContactID) error { return rows.Scan((*string)(c)) },
		f.args(clickhouse.Named("persona", q.Persona), clickhouse.Named("source", q.Source), clickhouse.Named("status", q.Status),
			clickhouse.Named("segment", q.Segment), clickhouse.Named("size", q.Size), clickhouse.Named("stage", q.Stage))...)
}

// LeadChoices are what leads can be found by.
type LeadChoices struct{ Personas, Sources, Statuses, Segments, Sizes []string }

// LeadChoices returns what leads can be found by.
func (db *DB) LeadChoices(ctx context.Context, f Filter) (c LeadChoices, err error) {
	if f, err = f.complete(); err != nil {
		return c, err
	}
	_, err = query(ctx, db, "ListChoices", func(rows driver.Rows, _ *struct{}) error {
		return rows.Scan(&c.Personas, &c.Sources, &c.Statuses)
	}, f.args()...)
	if err != nil {
		return c, err
	}
	c.Segments, c.Sizes, err = db.segments(ctx, f)
	return c, err
}
