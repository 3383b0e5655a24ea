package main

import (
	"context"
	"log/slog"
	"time"

	"dealtrail/ingest/mailbox"
	"dealtrail/store"
	"dealtrail/trail"
)

// measurer keeps the numbers of the first day once: as soon as the mailboxes were
// read for the first time and there is content to compare them with.
type measurer struct {
	DB     *store.DB
	Emit   trail.Emit
	Settle func(context.Context) error // returns once what was accepted is visible
	Status func(context.Context) (trail.Status, error)
	Every  time.Duration // how often it is looked whether it is time; 0: a minute
	Now    func() time.Time
	Log    *slog.Logger
}

// measurer is that of this process.
func (p *program) measurer() *measurer {
	return &measurer{DB: p.db, Emit: p.buffer.Append, Settle: p.buffer.Settle, Status: p.status, Now: time.Now, Log: p.log}
}

// Run returns nil when the baseline is kept, by whomever, or when ctx ends.
func (m *measurer) Run(ctx context.Context) error {
	every := m.Every
	if every == 0 {
		every = time.Minute
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		done, err := m.once(ctx)
		if done || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			m.Log.Debug("no baseline yet", "err", err) // the store's trouble is told elsewhere
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// once reports whether there is a baseline, which it takes when it is time.
func (m *measurer) once(ctx context.Context) (done bool, err error) {
	kept, err := m.DB.KeptBaseline(ctx)
	if err != nil || kept != nil {
		return kept != nil, err
	}
	st, err := m.Status(ctx)
	if err != nil || st.Contents == 0 || !readOnce(st.Mailboxes) {
		return false, err
	}
	settling, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := m.Settle(settling); err != nil {
		return false, err
	}
	b, err := m.DB.Baseline(ctx, time.Time{}, m.Now())
	if err != nil {
		return false, err
	}
	e, err := b.Event("jobs", true)
	if err != nil {
		return false, err
	}
	if err := m.Emit(ctx, e); err != nil {
		return false, err
	}
	m.Log.Info("baseline kept", "contents", b.Contents, "sends", b.Sends)
	return true, nil
}

// readOnce reports whether the first reading is over: of one mailbox at least,
// and no other is still at it. Nobody waits for a paused or a parked one.
func readOnce(boxes []trail.MailboxStatus) bool {
	read := false
	for _, b := range boxes {
		switch mailbox.State(b.State) {
		case mailbox.OK:
			if b.Left > 0 || b.LastPoll.IsZero() {
				return false
			}
			read = true
		case mailbox.Paused, mailbox.Parked:
			if b.Left > 0 {
				return false
			}
		default:
			return false
		}
	}
	return read
}
