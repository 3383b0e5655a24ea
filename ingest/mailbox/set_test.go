package mailbox_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"dealtrail/ingest/mailbox"
	"dealtrail/ingest/mailbox/mailtest"
)

// dials counts connections by host and lets them through.
type dials struct{ ana, ben atomic.Int64 }

func (d *dials) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if host, _, _ := net.SplitHostPort(address); host == "localhost" {
		d.ben.Add(1)
	} else {
		d.ana.Add(1)
	}
	return new(net.Dialer).DialContext(ctx, "tcp4", address)
}

// statusOf returns how one mailbox is doing; zero if it is unknown.
func statusOf(p *mailbox.Poller, name string) mailbox.BoxStatus {
	for _, s := range p.Status() {
		if s.Name == name {
			return s
		}
	}
	return mailbox.BoxStatus{}
}

func TestMailboxesComePauseAndGoWhileAnotherIsReadOn(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana", "ben")
	_, link := share(t, "roi-guide")
	ana, ben := box(s, "ana"), box(s, "ben")
	ben.Host = "localhost" // so that their connections can be told apart
	g, d := newGround(), &dials{}
	p := g.poller(t, ana)
	p.Dial = d.dial
	run(t, p)
	looked(t, p)
	calls := d.ana.Load()

	s.Append("ben", mailtest.SentFolder, mail("m1@h", "bo@northwind.example", link))
	p.Set([]mailbox.Box{ana, ben}, nil)
	want(t, g, "sent roi-guide bo@northwind.example")
	if got := p.Status(); len(got) != 2 || got[1].Name != "ben" || !got[1].Held {
		t.Errorf("status %+v", got)
	}

	p.Set([]mailbox.Box{ana, ben}, map[string]bool{"ben": true})
	eventually(t, "ben is left", func() bool { return !statusOf(p, "ben").Held })
	if got := statusOf(p, "ben"); got.State != mailbox.Paused || got.Reason != "" {
		t.Errorf("paused: %+v", got)
	}
	paused := d.ben.Load()
	s.Append("ben", mailtest.SentFolder, mail("m2@h", "kim@quayside.example", link))
	s.Append("ana", mailtest.SentFolder, mail("m3@h", "lee@quayside.example", link))
	want(t, g, "sent roi-guide bo@northwind.example", "sent roi-guide lee@quayside.example")
	p.Poke("ben")
	if d.ben.Load() != paused {
		t.Error("a paused mailbox was signed in to")
	}

	p.Set([]mailbox.Box{ana, ben}, nil)
	want(t, g, "sent roi-guide bo@northwind.example", "sent roi-guide lee@quayside.example", "sent roi-guide kim@quayside.example")

	moved := ben
	moved.Aliases = []string{"benedict@harbor.example"}
	before := d.ben.Load()
	p.Set([]mailbox.Box{ana, moved}, nil)
	eventually(t, "ben is read with its new settings", func() bool { return d.ben.Load() > before && statusOf(p, "ben").State == mailbox.OK })

	p.Set([]mailbox.Box{ana, ana}, nil)
	if got := p.Status(); len(got) != 1 || got[0].Name != "ana" {
		t.Errorf("ben is gone, and ana is there once: %+v", got)
	}
	looked(t, p)
	if now := d.ana.Load(); now != calls {
		t.Errorf("ana was signed in to %d times more while others came and went", now-calls)
	}
}

func TestMailboxAddedAgainIsReadByOneAtATime(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana", "ben")
	ana, ben := box(s, "ana"), box(s, "ben")
	ben.Host = "localhost"
	open := &atomic.Int64{}
	var most atomic.Int64
	p := newGround().poller(t, ana)
	p.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp4", address)
		if host, _, _ := net.SplitHostPort(address); err != nil || host != "localhost" {
			return conn, err
		}
		if n := open.Add(1); n > most.Load() {
			most.Store(n)
		}
		return &counted{Conn: conn, open: open}, nil
	}
	run(t, p)
	for range 20 {
		p.Set([]mailbox.Box{ana, ben}, nil)
		p.Set([]mailbox.Box{ana}, nil)
	}
	p.Set([]mailbox.Box{ana, ben}, nil)
	began := time.Now()
	eventually(t, "ben is read", func() bool { return statusOf(p, "ben").LastPoll.After(began) })
	if most.Load() != 1 {
		t.Errorf("ben was signed in to %d times at once", most.Load())
	}
}

// counted is a connection that counts itself once, until it is closed.
type counted struct {
	net.Conn
	open *atomic.Int64
	gone atomic.Bool
}

func (c *counted) Close() error {
	if !c.gone.Swap(true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}
