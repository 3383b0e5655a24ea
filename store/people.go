package store

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

// contacts returns the contacts that keys select, by contact or domain.
func (db *DB) contacts(ctx context.Context, f Filter, by string, keys ...string) ([]trail.ContactRow, error) {
	return query(ctx, db, "Contacts", func(rows driver.Rows, c *trail.ContactRow) error {
		err := rows.Scan((*string)(&c.Contact), &c.Address, &c.Name, &c.Title, &c.Account, &c.Domain, &c.Role, &c.Owner, &c.Status, &c.Source, when{&c.CreatedAt})
		if c.Account == "" {
			c.Account = c.Domain
		}
		return err
	}, f.args(clickhouse.Named("by", by), clickhouse.Named("keys", list(keys)))...)
}

// contactsOf returns contacts by ID, each once, however many they are.
func (db *DB) contactsOf(ctx context.Context, f Filter, ids []string) (all []trail.ContactRow, err error) {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	for chunk := range slices.Chunk(slices.Compact(ids), idsAtOnce) {
		rows, err := db.contacts(ctx, f, "contact", chunk...)
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	return all, nil
}

// Contact returns one contact with its deals and its trail, newest event last.
// An unknown contact is a Problem.
func (db *DB) Contact(ctx context.Context, id trail.ContactID, f Filter) (*trail.ContactDetail, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	rows, err := db.contacts(ctx, f, "contact", string(id))
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || id == "" {
		return nil, trail.Problemf(trail.NotFound, "There is no such contact.")
	}
	detail := &trail.ContactDetail{ContactRow: rows[0]}
	if detail.Tracking, err = db.choice(ctx, string(id)); err != nil {
		return nil, err
	}
	if detail.Deals, err = db.deals(ctx, f, "contact", string(id)); err != nil {
		return nil, err
	}
	events, _, err := db.trail(ctx, f, "ContactTrail", f.limit(trailLimit), clickhouse.Named("contact", string(id)))
	detail.Events = story(events, f)
	return detail, err
}

// OwnersOf returns by whom a contact or a deal is seen: the deal, or the deals that the
// contact is on and one that is none, with the contact's owner.
func (db *DB) OwnersOf(ctx context.Context, contact trail.ContactID, deal string) ([]trail.DealRow, error) {
	by, key := "id", deal
	var rows []trail.DealRow
	f, _ := Filter{}.complete()
	if contact != "" {
		by, key = "contact", string(contact)
		who, err := db.contacts(ctx, f, "contact", key)
		if err != nil {
			return nil, err
		}
		for _, c := range who {
			rows = append(rows, trail.DealRow{Owner: c.Owner})
		}
	}
	states, err := db.dealStates(ctx, f, by, clickhouse.Named("limit", uint64(trailLimit)), key)
	for _, d := range states {
		rows = append(rows, d.DealRow)
	}
	return rows, err
}

// Account returns one company, by registrable domain, with its deals, contacts
// and trail, newest event last. One without deals and contacts is a Problem.
func (db *DB) Account(ctx context.Context, domain string, f Filter) (*trail.AccountDetail, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	detail := &trail.AccountDetail{Domain: strings.ToLower(domain)}
	g, asking := errgroup.WithContext(ctx)
	g.Go(func() (err error) { detail.Deals, err = db.deals(asking, f, "domain", detail.Domain); return err })
	g.Go(func() (err error) { detail.Contacts, err = db.contacts(asking, f, "domain", detail.Domain); return err })
	g.Go(func() (err error) { detail.Tracking, err = db.choice(asking, detail.Domain); return err })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if domain == "" || len(detail.Deals)+len(detail.Contacts) == 0 {
		return nil, trail.Problemf(trail.NotFound, "There is no account %q.", domain)
	}
	deals, contacts := []string{}, []string{}
	for _, d := range detail.Deals {
		deals = append(deals, d.ID)
	}
	for _, c := range detail.Contacts {
		contacts = append(contacts, string(c.Contact))
	}
	events, _, err := db.trail(ctx, f, "AccountTrail", f.limit(trailLimit),
		clickhouse.Named("domain", detail.Domain), clickhouse.Named("deals", deals), clickhouse.Named("contacts", contacts))
	detail.Events = story(events, f)
	return detail, err
}

// Reps returns every rep who sent content, was answered or owns a won deal, by
// address.
func (db *DB) Reps(ctx context.Context, f Filter) ([]trail.RepRow, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	sent, err := db.sends(ctx, f, "rep", "")
	if err != nil {
		return nil, err
	}
	reps := map[string]trail.RepRow{}
	_, err = query(ctx, db, "Reps", func(rows driver.Rows, r *trail.RepRow) error {
		err := rows.Scan(&r.Rep, &r.Sent, &r.Content, &r.Reached, &r.Clicked, &r.Replied)
		r.Stale, r.Seen = sent[r.Rep].stale, sent[r.Rep].Seen
		reps[r.Rep] = *r
		return err
	}, f.args()...)
	if err != nil {
		return nil, err
	}
	_, err = query(ctx, db, "Owners", func(rows driver.Rows, rep *string) error {
		var won uint64
		err := rows.Scan(rep, &won)
		r := reps[*rep]
		r.Rep, r.Won = *rep, won
		reps[*rep] = r
		return err
	}, f.args(instant("from", f.From), instant("to", f.To))...)
	if err != nil {
		return nil, err
	}
	rows := make([]trail.RepRow, 0, len(reps))
	for _, rep := range slices.Sorted(maps.Keys(reps)) {
		rows = append(rows, reps[rep])
	}
	return rows, nil
}
