package store

import (
	"context"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// trail returns the events that one of the ...Trail queries finds, newest first,
// machines' too, with titles and the addresses of contacts, and which of them
// are touches at the filter's level. A reply to a mail with two contents is two
// rows. A mail that was read before its content was registered is known twice, and
// is there with its content only.
func (db *DB) trail(ctx context.Context, f Filter, name string, args ...any) (events, touches []trail.TrailRow, err error) {
	var contents, contacts, messages []string
	events, err = query(ctx, db, name, func(rows driver.Rows, e *trail.TrailRow) error {
		var earns bool
		var message string
		err := rows.Scan(&e.ID, &message, when{&e.At}, (*string)(&e.Kind), &e.Content, &e.Contacts, &e.Rep, &e.Deal, &e.Stage, &e.Note,
			(*string)(&e.Verdict), &e.Probability, &e.Rules, &e.Source,
			&e.Signal, &e.LedTo, (*string)(&e.Withheld), &e.Rule, &earns)
		if earns {
			touches = append(touches, *e)
		}
		messages = append(messages, message)
		contents, contacts = append(contents, e.Content, e.LedTo), append(contacts, e.Contacts...)
		return err
	}, f.args(args...)...)
	if err != nil {
		return nil, nil, err
	}
	events = withoutTwins(events, messages)
	titles, err := db.titles(ctx, f, contents)
	if err != nil {
		return nil, nil, err
	}
	people, err := db.People(ctx, contacts)
	if err != nil {
		return nil, nil, err
	}
	for i := range events {
		e := &events[i]
		e.Title, e.LedToTitle = titles[e.Content], titles[e.LedTo]
		for j, contact := range e.Contacts {
			if p, ok := people[contact]; ok {
				e.Contacts[j] = p.Address
			}
		}
		slices.Sort(e.Contacts)
	}
	return events, touches, nil
}

// withoutTwins leaves out mails without content that are there with content as
// well. messages are those of the events.
func withoutTwins(events []trail.TrailRow, messages []string) []trail.TrailRow {
	type mail struct{ message, contact string }
	of := func(i int) mail { return mail{messages[i], strings.Join(events[i].Contacts, " ")} }
	carried := map[mail]bool{}
	for i, e := range events {
		if messages[i] != "" && e.Content != "" && (e.Kind == trail.Sent || e.Kind == trail.Forwarded) {
			carried[of(i)] = true
		}
	}
	kept := events[:0]
	for i, e := range events {
		if e.Kind != trail.Sent || e.Content != "" || !carried[of(i)] {
			kept = append(kept, e)
		}
	}
	return kept
}

// story returns the newest events of a trail with the newest last.
func story(events []trail.TrailRow, f Filter) []trail.TrailRow {
	limit := trailLimit
	if f.Limit > 0 {
		limit = f.Limit
	}
	events = events[:min(len(events), limit)]
	slices.Reverse(events)
	return events
}

// idsAtOnce is how many keys go into one statement: they travel in the URL.
const idsAtOnce = 5000

// titles returns the titles of contents, by content.
func (db *DB) titles(ctx context.Context, f Filter, contents []string) (map[string]string, error) {
	titles := map[string]string{}
	slices.Sort(contents)
	for chunk := range slices.Chunk(slices.Compact(contents), idsAtOnce) {
		_, err := query(ctx, db, "Titles", func(rows driver.Rows, content *string) error {
			var title string
			err := rows.Scan(content, &title)
			titles[*content] = title
			return err
		}, f.args(clickhouse.Named("contents", chunk))...)
		if err != nil {
			return nil, err
		}
	}
	return titles, nil
}

// People returns who contacts are, as far as that is known, by contact.
func (db *DB) People(ctx context.Context, contacts []string) (map[string]trail.Person, error) {
	known := map[string]trail.Person{}
	slices.Sort(contacts)
	for chunk := range slices.Chunk(slices.Compact(contacts), idsAtOnce) {
		_, err := query(ctx, db, "People", func(rows driver.Rows, p *person) error {
			err := rows.Scan(&p.contact, &p.Address, &p.Name, &p.Title)
			known[p.contact] = p.Person
			return err
		}, clickhouse.Named("contacts", chunk))
		if err != nil {
			return nil, err
		}
	}
	return known, nil
}
