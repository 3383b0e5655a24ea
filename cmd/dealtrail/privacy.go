package main

import (
	"context"
	"path/filepath"
	"slices"
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
		Own: p.isOwn, Configured: p.config.Mailboxes.Exclude, Forget: p.outbox.Forget, Version: version, Log: p.log, Now: time.Now,
	}
	if dir := p.config.Review.Dir; dir != "" {
		p.eraser.Reviews = p.config.beside(dir)
	}
}

// retention is what forgets what is old.
func (p *program) retention() *ingest.Retention {
	return &ingest.Retention{
		Redis: p.redis, DB: p.db, PersonMonths: p.config.Retention.PersonMonths, FileMonths: p.config.Retention.FileMonths,
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
	user, err := p.redis.SIsMember(ctx, "dealtrail:users", address).Result()
	return err == nil && user
}
