package store

import (
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// engagementLimit is how many clicks and answers of some days are worth telling of.
const engagementLimit = 20_000

// Engagements returns the clicks and answers of a time, the newest first.
func (db *DB) Engagements(ctx context.Context, from, to time.Time, f Filter) ([]trail.Engagement, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	return query(ctx, db, "Engagements", func(rows driver.Rows, e *trail.Engagement) error {
		var contacts []string
		err := rows.Scan(&e.ID, when{&e.At}, (*string)(&e.Kind), &e.Content, &e.Rep, &contacts, &e.Deals)
		for _, c := range contacts {
			e.Contacts = append(e.Contacts, trail.ContactID(c))
		}
		return err
	}, f.args(instant("from", from), instant("to", to), clickhouse.Named("limit", uint64(engagementLimit)))...)
}

// Engaged adds what there is to say of contents, people and deals of engagements.
func (db *DB) Engaged(ctx context.Context, rows []trail.Engagement, f Filter) (*trail.Engaged, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	all := &trail.Engaged{Rows: rows, People: map[trail.ContactID]trail.ContactRow{}}
	var contents, contacts, deals []string
	for _, e := range rows {
		contents, deals = append(contents, e.Content), append(deals, e.Deals...)
		for _, c := range e.Contacts {
			contacts = append(contacts, string(c))
		}
	}
	if all.Titles, err = db.titles(ctx, f, contents); err != nil {
		return nil, err
	}
	if all.Deals, err = db.DealsOf(ctx, f, deals); err != nil {
		return nil, err
	}
	people, err := db.contactsOf(ctx, f, contacts)
	for _, c := range people {
		all.People[c.Contact] = c
	}
	return all, err
}
