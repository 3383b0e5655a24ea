package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest"
	"dealtrail/ingest/mailbox"
	"dealtrail/trail"
)

func (p *program) newPoller(keys *trail.Keyring, contacts trail.ContactKey) *mailbox.Poller {
	c := p.config
	return &mailbox.Poller{
		Boxes: c.boxes(contacts), Emit: p.buffer.Append, Memory: mailMemory(p.redis), Every: time.Duration(c.Mailboxes.Every),
		CatalogueVersion: p.catalogue.Version, Now: time.Now, Log: p.log, Share: p.shareMailboxes,
		Reader: &mailbox.Reader{
			Keys: keys, Contacts: contacts, OwnDomains: c.Company.Domains,
			ByURL: p.catalogue.ByURL,
			ByKey: func(k trail.ContentKey) (trail.ContentID, bool, error) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				t, ok, err := p.catalogue.Lookup(ctx, k)
				return t.Content, ok, err
			},
		},
	}
}

// mailMemory keeps the poller's cursors and the hashes of sent mails in Redis.
func mailMemory(rdb redis.UniversalClient) mailbox.Memory {
	const cursors, sent = "dealtrail:mail:cursors", "dealtrail:mail:sent"
	return mailbox.Memory{
		Load: func(ctx context.Context, key string) (string, error) {
			v, err := rdb.HGet(ctx, cursors, key).Result()
			if errors.Is(err, redis.Nil) {
				return "", nil
			}
			return v, err
		},
		Save: func(ctx context.Context, key, value string) error { return rdb.HSet(ctx, cursors, key, value).Err() },
		MarkSent: func(ctx context.Context, messages ...string) error {
			members := make([]any, len(messages))
			for i, m := range messages {
				members[i] = m
			}
			return rdb.SAdd(ctx, sent, members...).Err()
		},
		WasSent: func(ctx context.Context, messages ...string) (map[string]bool, error) {
			members := make([]any, len(messages))
			for i, m := range messages {
				members[i] = m
			}
			is, err := rdb.SMIsMember(ctx, sent, members...).Result()
			if err != nil {
				return nil, err
			}
			known := map[string]bool{}
			for i, m := range messages {
				known[m] = is[i]
			}
			return known, nil
		},
	}
}

// shareMailboxes divides mailboxes among the processes that poll.
func (p *program) shareMailboxes(ctx context.Context, names []string, work func(context.Context, string)) error {
	leases := &ingest.Leases{Redis: p.redis, Node: p.node, Group: "poll", Log: p.log}
	for _, name := range names {
		leases.Names = append(leases.Names, ingest.MailboxLease+name)
	}
	return leases.Each(ctx, func(ctx context.Context, lease string) { work(ctx, strings.TrimPrefix(lease, ingest.MailboxLease)) })
}
