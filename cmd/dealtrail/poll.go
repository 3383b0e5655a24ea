package main

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"dealtrail/ingest"
	"dealtrail/ingest/mailbox"
	"dealtrail/outbox/guard"
	"dealtrail/trail"
)

func (p *program) newPoller(keys *trail.Keyring, contacts trail.ContactKey) *mailbox.Poller {
	c := p.config
	reader := p.newReader(keys, contacts)
	reader.RepOf = p.repOf
	return &mailbox.Poller{
		Boxes: c.boxes(contacts, p.providers), Emit: p.buffer.Append, Memory: mailMemory(p.redis, namesErased(p.tombstones)), Every: time.Duration(c.Mailboxes.Every),
		CatalogueVersion: p.mailMeaning, Began: meaningBegan, Now: time.Now, Log: p.log, Share: p.shareMailboxes,
		Reader: reader, ExcludeFolders: c.Mailboxes.ExcludeFolders, Dial: c.mailDialer(),
	}
}

// mailDialer dials the servers that this file names, and of those that somebody added
// only public ones: nobody may make this program knock at the doors of its neighbours.
func (c *Config) mailDialer() func(ctx context.Context, network, address string) (net.Conn, error) {
	named := map[string]bool{}
	for _, m := range c.Boxes {
		named[m.Host] = true
	}
	for _, x := range c.Providers {
		named[x.Host] = true
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		conn, err := guard.Dialer(c.Mailboxes.AllowPrivate || named[host]).DialContext(ctx, network, address)
		if refused := (*guard.Refused)(nil); errors.As(err, &refused) {
			return nil, trail.Problemf(trail.Forbidden, "%s; if the mail server is there, set mailboxes.allow_private = true and start again, or write a [[mailbox]] block for it.", refused)
		}
		return conn, err
	}
}

// shareMailboxes divides mailboxes among the processes that poll. Until it is
// known which are paused none is read.
func (p *program) shareMailboxes(ctx context.Context, names func() []string, work func(context.Context, string)) error {
	leases := &ingest.Leases{Redis: p.redis, Node: p.node, Group: "poll", Log: p.log}
	leases.Ask = func() (keys []string) {
		if !p.mailboxes.Loaded() {
			return nil
		}
		for _, name := range names() {
			keys = append(keys, ingest.MailboxLease+name)
		}
		return keys
	}
	return leases.Each(ctx, func(ctx context.Context, lease string) { work(ctx, strings.TrimPrefix(lease, ingest.MailboxLease)) })
}

// mailMeaning grows when mail may mean more than it did: content was registered,
// or the CRM knows more contacts.
func (p *program) mailMeaning() uint64 {
	return p.catalogue.Version() + p.acquaintances.Epoch()<<epochBits
}

// epochBits is how far above the catalogue's version the epoch of contacts stands.
const epochBits = 40

// meaningBegan reports whether mail was read when no content was registered, or the CRM knew no
// contact, and now there is some: who connects a mailbox first loses none of its mail.
func meaningBegan(was, now uint64) bool {
	content := func(m uint64) uint64 { return m & (1<<epochBits - 1) }
	return content(was) == 0 && content(now) > 0 || was>>epochBits == 0 && now>>epochBits > 0
}
