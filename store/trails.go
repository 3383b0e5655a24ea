package store

import (
	"context"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// trail returns the newest events that one of the ...Trail queries finds, newest
// first, machines' too, with the addresses of their contacts. A reply to a mail
// with two contents is two rows.
func (db *DB) trail(ctx context.Context, f Filter, name string, limit int, args ...any) ([]trail.TrailRow, error) {
	rows, err := query(ctx, db, name, func(rows driver.Rows, e *trail.TrailRow) error {
		return rows.Scan(&e.ID, when{&e.At}, (*string)(&e.Kind), &e.Content, &e.Title, &e.Contacts, &e.Rep, &e.Deal, &e.Stage, &e.Note,
			(*string)(&e.Verdict), &e.Probability, &e.Rules, &e.Source, &e.Rule)
	}, f.args(append(args, f.limit(limit))...)...)
	if err != nil {
		return nil, err
	}
	var contacts []string
	for _, e := range rows {
		contacts = append(contacts, e.Contacts...)
	}
	people, err := db.people(ctx, contacts)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		for j, contact := range rows[i].Contacts {
			if p, ok := people[contact]; ok {
				rows[i].Contacts[j] = p.Address
			}
		}
		slices.Sort(rows[i].Contacts)
	}
	return rows, nil
}

// story is trail with the newest event last.
func (db *DB) story(ctx context.Context, f Filter, name string, args ...any) ([]trail.TrailRow, error) {
	rows, err := db.trail(ctx, f, name, trailLimit, args...)
	slices.Reverse(rows)
	return rows, err
}

// idsAtOnce is how many keys go into one statement: they travel in the URL.
const idsAtOnce = 5000

// people returns who contacts are, as far as that is known.
func (db *DB) people(ctx context.Context, contacts []string) (map[string]trail.Person, error) {
	slices.Sort(contacts)
	known := map[string]trail.Person{}
	for chunk := range slices.Chunk(slices.Compact(contacts), idsAtOnce) {
		rows, err := query(ctx, db, "People", func(rows driver.Rows, p *person) error {
			return rows.Scan(&p.contact, &p.Address, &p.Name, &p.Title)
		}, clickhouse.Named("contacts", chunk))
		if err != nil {
			return nil, err
		}
		for _, p := range rows {
			known[p.contact] = p.Person
		}
	}
	return known, nil
}
