package main

import (
	"context"
	"log/slog"
	"time"

	"dealtrail/ingest/mailbox"
	"dealtrail/store"
	"dealtrail/trail"
)

// stillFor is how long no mailbox may have been added: while a company is still
// connecting its reps, the numbers of half of them would be kept for good.
const stillFor = 24 * time.Hour

// measurer keeps the numbers of the first day once: as soon as the mailboxes were
// read for the first time, no more are being added, and there are content and deals
// to compare them with.
type measurer struct {
	DB     *store.DB
	Emit   trail.Emit
	Settle func(context.Context) error // returns once what was accepted is visible
	Status func(context.Context) (trail.Status, error)
	Since  func(now time.Time) time.Time // how far back mail is read: where the period begins
	Added  func() time.Time              // when a mailbox was last added; zero: none was
	Every  time.Duration                 // how often it is looked whether it is time; 0: a minute
	Now    func() time.Time
	Log    *slog.Logger
}

// measurer is that of this process.
func (p *program) measurer() *measurer {
	return &measurer{DB: p.db, Emit: p.buffer.Append, Settle: p.buffer.Settle, Status: p.status, Since: p.config.Mailboxes.Since.From, Added: p.mailboxes.LastAdded, Now: time.Now, Log: p.log}
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
	now := m.Now()
	if err != nil || st.Contents == 0 || st.Deals == 0 || now.Sub(m.Added()) < stillFor || !readOnce(st.Mailboxes, now) {
		return false, err
	}
	settling, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := m.Settle(settling); err != nil {
		return false, err
	}
	now = m.Now() // settling took its time
	b, err := m.DB.Baseline(ctx, m.Since(now), now)
	if err != nil {
		return false, err
	}
	b.Mailboxes = st.MailboxesRead()
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
// and no other is still at it. Nobody waits for a paused or a parked one, nor for
// one that has failed for long.
func readOnce(boxes []trail.MailboxStatus, now time.Time) bool {
	read := false
	for _, b := range boxes {
		switch state := mailbox.State(b.State); {
		case state == mailbox.OK:
			if b.Left > 0 || b.LastPoll.IsZero() {
				return false
			}
			read = true
		case state == mailbox.Paused, state == mailbox.Parked:
			if b.Left > 0 {
				return false
			}
		case !b.Stuck(now):
			return false
		}
	}
	return read
}
