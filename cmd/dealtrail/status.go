package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"dealtrail/ingest/mailbox"
	"dealtrail/store"
	"dealtrail/trail"
)

// lagAlarm is how old the oldest event that is not visible may be before a
// person should look.
const lagAlarm = 2 * time.Minute

// status gathers how every part is doing. A part that does not answer is
// trouble, not an error: status must work when nothing else does.
func (p *program) status(ctx context.Context) (trail.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s := trail.Status{Version: version, Trouble: []string{}, Mailboxes: []trail.MailboxStatus{}, Lost: p.tracker.Lost()}
	trouble := func(format string, args ...any) { s.Trouble = append(s.Trouble, fmt.Sprintf(format, args...)) }

	for _, m := range p.poller.Status() {
		s.Mailboxes = append(s.Mailboxes, trail.MailboxStatus{
			Name: m.Name, Rep: m.Rep, State: string(m.State), Reason: m.Reason, SentFolder: m.SentFolder,
			LastPoll: m.LastPoll, Messages: m.Messages, Events: m.Events, SetAside: m.SetAside,
		})
		if m.State == mailbox.Parked {
			trouble("The mailbox of %s is parked: %s", m.Rep, m.Reason)
		}
	}
	depth, err := p.buffer.Depth(ctx)
	if err != nil {
		trouble("Redis does not answer; events wait on the disk and are counted once it is back.")
	}
	s.Backlog = trail.Backlog{Events: depth.Waiting + depth.Pending + depth.Spooled, Age: depth.Oldest.Seconds()}
	if depth.Oldest > lagAlarm {
		trouble("Events wait for %s before they become visible. %s", depth.Oldest.Round(time.Second), p.loader.Stats().Err)
	}
	if n := p.loader.Stats().Lost; n > 0 {
		trouble("%d events were removed from the stream before they were loaded: somebody else trims it. They are missing in every report.", n)
	}
	counts, err := p.db.Counts(ctx)
	if err != nil {
		trouble("The database does not answer: %s", err)
	}
	s.Events, s.Bad, s.Contents, s.Deals, s.Contacts = counts.Events, counts.Bad, counts.Contents, counts.Deals, counts.Contacts
	s.Shares, s.Clicks, s.Received = counts.Shares, counts.Clicks, counts.LastReceived
	if s.Lost > 0 {
		trouble("%d clicks or opens could not be written since the start and are missing in every report.", s.Lost)
	}
	if s.Bad > 0 {
		trouble("%d entries could not become events; they are kept in the table bad with their reasons.", s.Bad)
	}
	if run, err := p.db.NewestRun(ctx, store.Filter{}); err == nil {
		s.LastRun = run
	}
	return s, nil
}

// ready says which part cannot work. Everybody may ask, so it asks little and
// tells little: the reasons are in the log.
func (p *program) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := p.redis.Ping(ctx).Err(); err != nil {
		p.log.Warn("not ready", "part", "redis", "err", err)
		return errors.New("redis")
	}
	if err := p.db.Ping(ctx); err != nil {
		p.log.Warn("not ready", "part", "clickhouse", "err", err)
		return errors.New("clickhouse")
	}
	return nil
}
