package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest/crm"
	"dealtrail/trail"
)

// tally is what a pull found.
type tally struct {
	deals map[string]bool      // by ID
	since map[string]time.Time // of deals whose stages were told, the first one
	facts map[trail.ID]bool    // stages that were told
	note  string
}

// saw notes a deal that the CRM named.
func (t *tally) saw(d Deal) {
	t.deals[d.ID] = true
	for _, e := range d.Entered {
		if first, told := t.since[d.ID]; !told || e.At.Before(first) {
			t.since[d.ID] = e.At.Truncate(time.Millisecond)
		}
	}
}

// took notes what became of rows; the first trouble is the one that is shown.
func (t *tally) took(r crm.Report) {
	for _, id := range r.Facts {
		t.facts[id] = true
	}
	switch {
	case t.note != "":
	case r.Rejected > 0:
		t.note = fmt.Sprintf("Of %d rows %d were not taken, the first because %s.", r.Read, r.Rejected, r.Rows[0].Reason)
	case len(r.Warnings) > 0:
		t.note = r.Warnings[0]
	}
}

// ledger is what is kept in Redis of some deals as the CRM has them, as arguments of commands.
type ledger struct {
	listed   []any    // IDs and lines, see ledgerLine
	people   []any    // the CRM's IDs of contacts, and hashes of their addresses
	answered []any    // IDs of deals that it said something of
	silent   []any    // and of those for which it did not answer
	gone     []string // those that are deleted or merged
}

// note adds a deal that the CRM said something of.
func (l *ledger) note(d Deal, contactOf func(email string) trail.ContactID) error {
	l.answered = append(l.answered, d.ID)
	switch {
	case d.Gone || d.Into != "":
		l.gone = append(l.gone, d.ID)
	case !d.empty():
		line, err := json.Marshal(ledgerLine{Pipeline: d.Pipeline, Status: d.Status, Closed: d.Cells["closed_at"], Name: d.Cells["name"]})
		if err != nil {
			return err
		}
		l.listed = append(l.listed, d.ID, line)
	}
	for _, c := range d.Contacts {
		if c["id"] != "" && c["email"] != "" {
			l.people = append(l.people, c["id"], string(contactOf(c["email"])))
		}
	}
	return nil
}

// enter writes a ledger.
func (f *Feeds) enter(ctx context.Context, s *Source, l *ledger) error {
	_, err := f.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		if len(l.listed) > 0 {
			p.HSet(ctx, s.key("deals"), l.listed...)
		}
		if len(l.answered) > 0 {
			p.SRem(ctx, s.key("silent"), l.answered...)
		}
		if len(l.silent) > 0 {
			p.SAdd(ctx, s.key("silent"), l.silent...)
		}
		if len(l.gone) > 0 {
			p.HDel(ctx, s.key("deals"), l.gone...)
		}
		if len(l.people) > 0 {
			p.HSet(ctx, s.key("people"), l.people...)
		}
		return nil
	})
	if err != nil {
		return unavailable(err)
	}
	return nil
}
