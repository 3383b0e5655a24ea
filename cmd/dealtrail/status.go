package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"dealtrail/ingest"
	"dealtrail/ingest/mailbox"
	"dealtrail/store"
	"dealtrail/trail"
)

const (
	// lagAlarm is how old the oldest event that is not visible may be before a
	// person should look.
	lagAlarm = 2 * time.Minute
	// silentAfter is when a process that says nothing counts as gone.
	silentAfter = 30 * time.Second
)

// nodeStatus is how this process is doing.
func (p *program) nodeStatus() trail.NodeStatus {
	spooled, size := p.buffer.Spool.Len()
	loader := p.loader.Stats()
	n := trail.NodeStatus{
		Node: p.node, Roles: p.roles.list(), Version: version, At: time.Now().UTC(),
		Accepted: p.buffer.Accepted(), Lost: p.tracker.Lost(),
		Loaded: loader.Loaded, Trimmed: loader.Lost, Lag: loader.Lag.Seconds(), Failing: loader.Err,
		Spooled: uint64(spooled), SpoolSize: size, Damaged: p.buffer.Spool.Damage().Records,
	}
	for _, m := range p.poller.Status() {
		if !m.Held {
			continue
		}
		n.Mailboxes = append(n.Mailboxes, trail.MailboxStatus{
			Name: m.Name, Rep: m.Rep, State: string(m.State), Reason: m.Reason, SentFolder: m.SentFolder,
			Began: m.Began, LastPoll: m.LastPoll, Messages: m.Messages, Events: m.Events, SetAside: m.SetAside,
			Left: m.Left, Wrapped: m.Wrapped, Trackers: m.Trackers, Rescanned: m.Rescanned,
		})
	}
	return n
}

// spooled is how many events wait on the disks of all processes.
func (p *program) spooled(ctx context.Context) (n uint64, err error) {
	nodes, err := p.nodes.All(ctx)
	for _, node := range nodes {
		n += node.Spooled
	}
	return n, err
}

// status gathers how every part of every process is doing. A part that does not
// answer is trouble, not an error: status must work when nothing else does.
func (p *program) status(ctx context.Context) (trail.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s := trail.Status{Version: version, Trouble: []string{}, Mailboxes: []trail.MailboxStatus{}}
	trouble := func(format string, args ...any) { s.Trouble = append(s.Trouble, fmt.Sprintf(format, args...)) }
	nodes, err := p.nodes.All(ctx)
	if err == nil {
		s.Balance, err = p.buffer.Balance(ctx)
	}
	if err != nil {
		trouble("Redis does not answer; events wait on the disk and are counted once it is back. Of other processes nothing is known.")
	}
	s.Nodes = nodes
	p.tellNodes(&s, trouble)
	p.tellMailboxes(&s, trouble)
	depth, _ := p.buffer.Depth(ctx) // trouble was told
	s.Backlog.Age = depth.Oldest.Seconds()
	s.Backlog.Events += depth.Waiting
	if depth.Oldest > lagAlarm {
		trouble("Events wait for %s before they become visible.", depth.Oldest.Round(time.Second))
	}
	if b := s.Balance; b.Missing+b.Surplus > 0 {
		trouble("The balance of the pipe does not add up: %d accepted events are missing in every report, %d were never accepted. docs/pipe.md says what to do.", b.Missing, b.Surplus)
	}
	if at := s.Balance.At; err == nil && ingest.BalanceOverdue(s.Balance, time.Now()) {
		trouble("The balance of the pipe was last struck at %s: no process with the role jobs works, or ClickHouse does not answer it.", at.Format(time.RFC3339))
	}
	p.tellStore(ctx, &s, trouble)
	p.tellCRMs(ctx, trouble)
	p.tellBackup(ctx, &s, trouble)
	told, _ := ingest.Troubles(ctx, p.redis) // that Redis does not answer was told
	for _, t := range told {
		trouble("%s", t.Text)
	}
	return s, nil
}

// tellNodes says what the processes say of themselves.
func (p *program) tellNodes(s *trail.Status, trouble func(string, ...any)) {
	var trimmed, damaged uint64
	for _, n := range s.Nodes {
		s.Lost += n.Lost
		s.Backlog.Events += n.Spooled
		trimmed += n.Trimmed
		damaged += n.Damaged
		if n.Failing != "" {
			trouble("Loading does not go on in %s: %s", n.Node, n.Failing)
		}
		if silent := time.Since(n.At); silent > silentAfter {
			trouble("The process %s (%s) has said nothing for %s; %d events wait on its disk. Start it again, or remove it by stopping it in order.",
				n.Node, strings.Join(n.Roles, ", "), silent.Round(time.Second), n.Spooled)
		}
	}
	if trimmed > 0 {
		trouble("%d events were removed from the streams before they were loaded: somebody else trims them. They are missing in every report.", trimmed)
	}
	if damaged > 0 {
		trouble("%d events on a disk are unreadable: the disk is failing. They are missing in every report.", damaged)
	}
	if s.Lost > 0 {
		trouble("%d clicks or opens could not be written since the start and are missing in every report.", s.Lost)
	}
}

// tellMailboxes says how each mailbox is doing, by who reads it.
func (p *program) tellMailboxes(s *trail.Status, trouble func(string, ...any)) {
	read := map[string]trail.MailboxStatus{}
	for _, n := range s.Nodes {
		for _, m := range n.Mailboxes {
			if time.Since(n.At) < silentAfter {
				read[m.Name] = m
			}
		}
	}
	for _, b := range p.poller.Status() {
		m, ok := read[b.Name]
		if !ok {
			m = trail.MailboxStatus{Name: b.Name, Rep: b.Rep, State: string(mailbox.Connecting)}
		}
		if b.State == mailbox.Paused { // whatever who read it said last
			m.State, m.Reason = string(mailbox.Paused), ""
			m.PausedBy, m.PausedAt = p.mailboxes.PausedBy(b.Name)
		}
		s.Mailboxes = append(s.Mailboxes, m)
		switch {
		case m.State == string(mailbox.Parked):
			trouble("The mailbox of %s is parked: %s Mend it, then: dealtrail mailbox resume %s", m.Rep, m.Reason, m.Rep)
		case m.Stuck(time.Now()):
			since := m.Began
			if m.LastPoll.After(since) {
				since = m.LastPoll
			}
			trouble("The mailbox of %s could not be read since %s: %s It is tried again by itself; look at it with: dealtrail mailbox check %s", m.Rep, since.Format(time.RFC3339), m.Reason, m.Rep)
		}
	}
}

// tellStore says what the database knows.
func (p *program) tellStore(ctx context.Context, s *trail.Status, trouble func(string, ...any)) {
	counts, err := p.db.Counts(ctx)
	if err != nil {
		trouble("The database does not answer: %s", err)
	}
	s.Events, s.Bad, s.Contents, s.Deals, s.Contacts = counts.Events, counts.Bad, counts.Contents, counts.Deals, counts.Contacts
	s.Shares, s.Clicks, s.Received = counts.Shares, counts.Clicks, counts.LastReceived
	s.CRMContacts, s.BaselineKept = counts.CRMContacts, counts.BaselineKept
	if s.Bad > 0 {
		trouble("%d entries could not become events; see them and their reasons with: dealtrail bad list", s.Bad)
	}
	if run, err := p.db.NewestRun(ctx, store.Filter{}); err == nil {
		s.LastRun = run
	}
	s.KnownAt = p.db.KnownAt(ctx)
}

// ready says which roles of this process cannot work, and why. Everybody may
// ask, so it tells no more: the causes are in the log.
func (p *program) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	errRedis, errStore := p.redis.Ping(ctx).Err(), p.db.Ping(ctx)
	var cannot []string
	for _, role := range p.roles.list() {
		var why []string
		switch {
		case role == "track":
			if errRedis != nil && p.buffer.Spool.Failing() {
				why = append(why, "neither Redis nor the disk takes events")
			}
		case errRedis != nil:
			why = append(why, "redis does not answer")
		}
		if errStore != nil && role != "track" && role != "poll" {
			why = append(why, "clickhouse does not answer")
		}
		if len(why) > 0 {
			cannot = append(cannot, role+": "+strings.Join(why, " and "))
		}
	}
	if len(cannot) == 0 {
		return nil
	}
	err := errors.New(strings.Join(cannot, "; "))
	p.log.Warn("not ready", "err", err, "redis", errRedis, "clickhouse", errStore)
	return err
}
