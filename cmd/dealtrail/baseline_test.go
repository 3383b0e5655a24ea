package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func TestTheFirstReadingIsOverWhenNobodyReads(t *testing.T) {
	read := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	now := read.Add(2 * time.Hour)
	ok := trail.MailboxStatus{State: "ok", LastPoll: read}
	for name, x := range map[string]struct {
		boxes []trail.MailboxStatus
		want  bool
	}{
		"none":          {nil, false},
		"one":           {[]trail.MailboxStatus{ok}, true},
		"beside others": {[]trail.MailboxStatus{{State: "paused"}, ok, {State: "parked"}}, true},
		"only a paused": {[]trail.MailboxStatus{{State: "paused"}}, false},
		"still reading": {[]trail.MailboxStatus{ok, {State: "ok", LastPoll: read, Left: 4200}}, false},
		"never looked":  {[]trail.MailboxStatus{ok, {State: "ok"}}, false},
		"connecting":    {[]trail.MailboxStatus{ok, {State: "connecting"}}, false},
		"retrying":      {[]trail.MailboxStatus{ok, {State: "retrying", Began: now.Add(-time.Minute), LastPoll: read}}, false},
		"never reached": {[]trail.MailboxStatus{ok, {State: "retrying", Began: read}}, true},
		"failing long":  {[]trail.MailboxStatus{ok, {State: "retrying", Began: read.Add(-time.Hour), LastPoll: read, Left: 7}}, true},
	} {
		if got := readOnce(x.boxes, now); got != x.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTheBaselineIsKeptByItselfOnce(t *testing.T) {
	db := storetest.Open(t)
	now := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	var looks, kept atomic.Int32
	added := now.Add(-time.Hour)
	m := &measurer{
		DB: db, Since: func(now time.Time) time.Time { return now.AddDate(-1, 0, 0) }, Added: func() time.Time { return added }, Every: time.Millisecond, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler), Settle: func(context.Context) error { return nil },
		Emit: func(ctx context.Context, events ...trail.Event) error {
			kept.Add(1)
			return db.InsertEvents(ctx, events)
		},
		Status: func(context.Context) (trail.Status, error) {
			n := looks.Add(1)
			st := trail.Status{Mailboxes: []trail.MailboxStatus{{State: "ok", LastPoll: now}}}
			if n < 3 { // still reading, and nothing is registered
				st.Mailboxes[0].Left = 10
			}
			if n > 4 {
				st.Contents = 1
			}
			if n > 5 {
				st.Deals = 1
			}
			if n > 6 { // until then mailboxes were being added
				added = now.Add(-25 * time.Hour)
			}
			return st, nil
		},
	}
	for range 2 {
		if err := m.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if looks.Load() != 7 || kept.Load() != 1 {
		t.Errorf("looked %d times and kept %d baselines", looks.Load(), kept.Load())
	}
	b, err := db.KeptBaseline(t.Context())
	if err != nil || b == nil || !b.To.Equal(now) || !b.From.Equal(now.AddDate(-1, 0, 0)) || b.Mailboxes != 1 {
		t.Errorf("%+v, %v", b, err)
	}
}
