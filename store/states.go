package store

import (
	"context"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// States returns what the latest registrations of a kind say of subjects, by
// subject, and which of them are gone; those of which nothing was ever said are
// left out. Contacts come with their person.
func (db *DB) States(ctx context.Context, kind trail.Kind, subjects []string) (map[string]trail.State, error) {
	type state struct {
		trail.State
		subject string
	}
	states := map[string]trail.State{}
	for chunk := range slices.Chunk(subjects, idsAtOnce) {
		rows, err := query(ctx, db, "States", func(rows driver.Rows, s *state) error {
			return rows.Scan(&s.subject, &s.Event, when{&s.At}, &s.Attrs, &s.Gone, &s.Into)
		}, instant("as_of", forever), clickhouse.Named("kind", string(kind)), clickhouse.Named("subjects", chunk))
		if err != nil {
			return nil, err
		}
		for _, s := range rows {
			states[s.subject] = s.State
		}
	}
	if kind != trail.ContactKind {
		return states, nil
	}
	people, err := db.People(ctx, slices.Collect(maps.Keys(states)))
	if err != nil {
		return nil, err
	}
	for subject, s := range states {
		if p, ok := people[subject]; ok {
			s.Person = &p
			states[subject] = s
		}
	}
	return states, nil
}

// Known returns those of the events that are stored, by ID, each in its newest
// revision and without what only some kinds have.
func (db *DB) Known(ctx context.Context, ids []trail.ID) (map[trail.ID]trail.Event, error) {
	known := map[trail.ID]trail.Event{}
	for chunk := range slices.Chunk(ids, idsAtOnce) {
		texts := make([]string, len(chunk))
		for i, id := range chunk {
			texts[i] = hex.EncodeToString(id[:])
		}
		rows, err := query(ctx, db, "Known", func(rows driver.Rows, e *trail.Event) error {
			return rows.Scan(&e.ID, &e.Revision, (*string)(&e.Kind), when{&e.At}, when{&e.ReceivedAt}, &e.Source, &e.Content, &e.Deal, &e.Stage)
		}, instant("as_of", forever), clickhouse.Named("ids", texts))
		if err != nil {
			return nil, err
		}
		for _, e := range rows {
			known[e.ID] = e
		}
	}
	return known, nil
}

// SubjectsOf returns the things of a kind that are there by the word of a source,
// in order: it spoke of them last, and did not retract them.
func (db *DB) SubjectsOf(ctx context.Context, source string, kind trail.Kind) ([]string, error) {
	return query(ctx, db, "SubjectsOf", func(rows driver.Rows, subject *string) error {
		return rows.Scan(subject)
	}, instant("as_of", forever), clickhouse.Named("kind", string(kind)), clickhouse.Named("source", source))
}

// FactsOf returns the facts of some kinds that a source told us of and did not
// retract, in order.
func (db *DB) FactsOf(ctx context.Context, source string, kinds ...trail.Kind) ([]trail.ID, error) {
	texts := make([]string, len(kinds))
	for i, k := range kinds {
		texts[i] = string(k)
	}
	return query(ctx, db, "FactsOf", func(rows driver.Rows, id *trail.ID) error {
		return rows.Scan(id)
	}, instant("as_of", forever), clickhouse.Named("kinds", texts), clickhouse.Named("source", source))
}

// Targets returns where the links of every registered content lead, by content,
// and what its files and URLs were before.
func (db *DB) Targets(ctx context.Context) ([]trail.Target, error) {
	return query(ctx, db, "Targets", scanTarget, instant("as_of", forever), clickhouse.Named("key", ""))
}

// Target returns where the links lead that carry a content's key, and whether
// there is such a content.
func (db *DB) Target(ctx context.Context, key trail.ContentKey) (trail.Target, bool, error) {
	rows, err := query(ctx, db, "Targets", scanTarget,
		instant("as_of", forever), clickhouse.Named("key", hex.EncodeToString(key[:])))
	if err != nil || len(rows) == 0 {
		return trail.Target{}, false, err
	}
	return rows[0], true, nil
}

// scanTarget lets each state of a content follow the one before.
func scanTarget(rows driver.Rows, t *trail.Target) error {
	var content string
	var attrs map[string]string
	var since []time.Time
	var were [][]string
	if err := rows.Scan(&content, &attrs, &since, &were); err != nil {
		return err
	}
	var before trail.Target
	for i, w := range were {
		state := map[string]string{"version": w[0], "url": w[1], "other_urls": w[2], "file": w[3], "file_name": w[4], "file_size": w[5]}
		before = trail.TargetOf(content, state).After(before, since[i])
	}
	*t = trail.TargetOf(content, attrs)
	t.Former = before.Former
	return nil
}

// Counts is how much is known.
type Counts struct {
	Events       uint64
	Bad          uint64 // entries of the stream that could not become events
	Contents     uint64 // registered
	Deals        uint64
	Contacts     uint64
	Shares       uint64
	Clicks       uint64 // machines' too
	LastReceived time.Time
	CRMContacts  uint64 // contacts that the CRM told of
	BaselineKept bool
}

// Counts returns how much is known.
func (db *DB) Counts(ctx context.Context) (Counts, error) {
	rows, err := query(ctx, db, "Counts", func(rows driver.Rows, c *Counts) error {
		return rows.Scan(&c.Events, &c.Bad, &c.Contents, &c.Deals, &c.Contacts, &c.Shares, &c.Clicks, when{&c.LastReceived}, &c.CRMContacts, &c.BaselineKept)
	}, instant("as_of", forever))
	if err != nil || len(rows) == 0 {
		return Counts{}, err
	}
	return rows[0], nil
}

// ContactsSince returns the contacts that the CRM told us of after a time, by ID.
func (db *DB) ContactsSince(ctx context.Context, since time.Time) ([]trail.ContactID, error) {
	return query(ctx, db, "ContactsSince", func(rows driver.Rows, c *trail.ContactID) error {
		return rows.Scan((*string)(c))
	}, instant("as_of", forever), instant("since", since))
}
