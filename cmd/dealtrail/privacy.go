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
		Own: p.isOwn, Configured: p.config.Mailboxes.Exclude, Others: p.forgetContact, Forget: p.outbox.Forget, Elsewhere: !p.roles.has("jobs"), Version: version, Log: p.log, Now: time.Now,
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

// forgetContact removes what CRMs call a contact. What they delivered and was not read yet,
// and the access log, are swept as all that Redis holds.
func (p *program) forgetContact(ctx context.Context, contact trail.ContactID) ([]trail.ErasedFrom, error) {
	n, err := p.feeds.Forget(ctx, contact)
	return []trail.ErasedFrom{{Where: "redis: CRMs", What: "what a CRM calls them", N: uint64(n)}}, err
}

// eraseToldBy erases whom a CRM wants erased: an address, or a contact's ID. What the CRM
// said of a contact a moment ago must be loaded to tell the address.
func (p *program) eraseToldBy(ctx context.Context, person string) error {
	address := person
	if !strings.Contains(person, "@") {
		settling, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if err := p.buffer.Settle(settling); err != nil {
			return err
		}
		known, err := p.db.NamesOf(ctx, trail.ContactID(person))
		if err != nil || len(known) == 0 { // nothing is kept of nobody
			return err
		}
		address = known[0].Address
	}
	_, err := p.eraser.Erase(ctx, address, "")
	return err
}
