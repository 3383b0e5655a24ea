package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest/mailbox"
	"dealtrail/trail"
)

// lookupWait is how long reading a mail waits for a lookup; then it is read again later.
const lookupWait = time.Second

// newReader wires what mail is compared with.
func (p *program) newReader(keys *trail.Keyring, contacts trail.ContactKey) *mailbox.Reader {
	return &mailbox.Reader{
		Keys: keys, Contacts: contacts, OwnDomains: p.config.Company.Domains,
		ByURL: p.catalogue.ByURLVersion, ByFile: p.catalogue.ByFile, ByFileName: p.catalogue.ByFileName, FileSizes: p.catalogue.FileSizes,
		ByKey: func(k trail.ContentKey) (trail.ContentID, bool, error) {
			ctx, cancel := context.WithTimeout(context.Background(), lookupWait)
			defer cancel()
			t, ok, err := p.catalogue.Lookup(ctx, k)
			return t.Content, ok, err
		},
		Known: func(ids ...trail.ContactID) (map[trail.ContactID]bool, error) {
			ctx, cancel := context.WithTimeout(context.Background(), lookupWait)
			defer cancel()
			return p.acquaintances.Has(ctx, ids...)
		},
		Exclude: p.config.excludes,
	}
}

// excludes reports whether mail of or to an address leaves no trace.
func (c *Config) excludes(address string) bool {
	domain := trail.Domain(address)
	for _, e := range c.Mailboxes.Exclude {
		e = strings.ToLower(strings.TrimSpace(e))
		if strings.Contains(strings.TrimPrefix(e, "@"), "@") {
			if trail.NormalAddress(e) == address {
				return true
			}
			continue
		}
		if e = strings.TrimPrefix(e, "@"); e != "" && (domain == e || strings.HasSuffix(domain, "."+e)) {
			return true
		}
	}
	return false
}

// Keys of what the poller remembers.
const (
	cursorsKey  = "dealtrail:mail:cursors"
	marksKey    = "dealtrail:mail:sent"
	sightingKey = "dealtrail:mail:sighted:" // and what was sighted, as a hash: a set of who sent it, as hashes
	// sightingTTL is how long it counts that somebody sent something that is not registered.
	sightingTTL = 180 * 24 * time.Hour
)

// mailMemory keeps the poller's cursors and the hashes of sent mails in Redis.
func mailMemory(rdb redis.UniversalClient) mailbox.Memory {
	members := func(marks []string) []any {
		out := make([]any, len(marks))
		for i, m := range marks {
			out[i] = m
		}
		return out
	}
	return mailbox.Memory{
		Load: func(ctx context.Context, key string) (string, error) {
			v, err := rdb.HGet(ctx, cursorsKey, key).Result()
			if errors.Is(err, redis.Nil) {
				return "", nil
			}
			return v, err
		},
		Save: func(ctx context.Context, key, value string) error { return rdb.HSet(ctx, cursorsKey, key, value).Err() },
		MarkSent: func(ctx context.Context, marks ...string) error {
			return rdb.SAdd(ctx, marksKey, members(marks)...).Err()
		},
		WasSent: func(ctx context.Context, marks ...string) (map[string]bool, error) {
			is, err := rdb.SMIsMember(ctx, marksKey, members(marks)...).Result()
			if err != nil {
				return nil, err
			}
			known := map[string]bool{}
			for i, m := range marks {
				known[m] = is[i]
			}
			return known, nil
		},
		Sight: func(ctx context.Context, thing, rep string) (int, error) {
			key := sightingKey + thing
			pipe := rdb.Pipeline()
			pipe.SAdd(ctx, key, rep)
			pipe.Expire(ctx, key, sightingTTL)
			reps := pipe.SCard(ctx, key)
			_, err := pipe.Exec(ctx)
			return int(reps.Val()), err
		},
	}
}
