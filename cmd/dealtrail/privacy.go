package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// openTombstones learns who was erased, before anything is read or loaded.
func (p *program) openTombstones(ctx context.Context, dir string, contacts trail.ContactKey) error {
	p.tombstones = &ingest.Tombstones{Redis: p.redis, Key: contacts, Path: filepath.Join(dir, "tombstones"), Log: p.log}
	return p.tombstones.Load(ctx)
}

// openEraser wires what erases people.
func (p *program) openEraser(contacts trail.ContactKey) {
	p.eraser = &ingest.Eraser{
		Redis: p.redis, DB: p.db, Buffer: p.buffer, Tombstones: p.tombstones, Mailboxes: p.mailboxes, Contacts: contacts,
		Own: p.isOwn, Configured: p.config.Mailboxes.Exclude, Others: p.forgetPerson, Forget: p.outbox.Forget, Version: version, Log: p.log, Now: time.Now,
	}
	if dir := p.config.Review.Dir; dir != "" {
		p.eraser.Reviews = p.config.beside(dir)
	}
}

// retention is what forgets what is old.
func (p *program) retention() *ingest.Retention {
	return &ingest.Retention{
		Redis: p.redis, DB: p.db, PersonMonths: p.config.Retention.PersonMonths, FileMonths: p.config.Retention.FileMonths, BadMonths: p.config.Retention.BadMonths,
		Reviews: p.eraser.Reviews, Log: p.log, Now: time.Now,
	}
}

// isOwn reports whether an address is of somebody on our side.
func (p *program) isOwn(ctx context.Context, address string) bool {
	if slices.ContainsFunc(p.config.Company.Domains, func(d string) bool { return trail.Covers(trail.NormalAddress(d), address) }) {
		return true
	}
	if _, rep := p.repOf(address); rep {
		return true
	}
	user, err := p.access.Person(ctx, address)
	return err == nil && user.Email == address
}

// forgetPerson removes what CRMs delivered of a person and was not read yet, and what the
// access log has of them.
func (p *program) forgetPerson(ctx context.Context, addresses []string, contact trail.ContactID) ([]trail.ErasedFrom, error) {
	delivered := 0
	for _, address := range addresses {
		n, err := p.feeds.Forget(ctx, address, contact)
		if err != nil {
			return nil, err
		}
		delivered += n
	}
	seen, err := p.access.ForgetContact(ctx, contact)
	if err != nil {
		return nil, err
	}
	return []trail.ErasedFrom{
		{Where: "redis: CRM deliveries", What: "deliveries that were not read or not understood, and what the CRM calls them", N: uint64(delivered)},
		{Where: "redis: access log", What: "who saw them, with others whom the same answers named", N: uint64(seen)},
	}, nil
}

// eraseToldBy erases whom a CRM wants erased: an address, or a contact's ID.
func (p *program) eraseToldBy(ctx context.Context, person string) error {
	address := person
	if !strings.Contains(person, "@") {
		known, err := p.db.NamesOf(ctx, trail.ContactID(person))
		if err != nil || len(known) == 0 { // nothing is kept of nobody
			return err
		}
		address = known[0].Address
	}
	_, err := p.eraser.Erase(ctx, address, "")
	return err
}
