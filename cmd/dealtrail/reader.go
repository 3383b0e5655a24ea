package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest"
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
			t, ok, err := p.catalogue.Find(ctx, k)
			return t.Content, ok, err
		},
		Known: func(ids ...trail.ContactID) (map[trail.ContactID]bool, error) {
			ctx, cancel := context.WithTimeout(context.Background(), lookupWait)
			defer cancel()
			return p.acquaintances.Has(ctx, ids...)
		},
		Exclude: func(rep, address string) bool {
			return p.config.excludes(rep, address) || p.mailboxes.Excludes(rep, address)
		},
	}
}

// excludes reports whether mail of or to an address leaves no trace, whosever it is.
func (c *Config) excludes(_, address string) bool {
	return slices.ContainsFunc(c.Mailboxes.Exclude, func(e string) bool {
		return trail.Covers(strings.TrimPrefix(trail.NormalAddress(e), "@"), address)
	})
}

// Keys of what the poller remembers.
const (
	cursorsKey  = ingest.MailCursorsKey
	marksKey    = "dealtrail:mail:sent"
	sightingKey = "dealtrail:mail:sighted:" // and what was sighted, as a hash: a set of who sent it, as hashes
	// sightingTTL is how long it counts that somebody sent something that is not registered.
	sightingTTL = 180 * 24 * time.Hour
)

// namesErased reports whether what is remembered of a mail names somebody who was
// erased: marks of links have the contact as their third part.
func namesErased(tombstones *ingest.Tombstones) func(mark string) bool {
	return func(mark string) bool {
		parts := strings.Split(mark, ":")
		return len(parts) >= 3 && tombstones.Has(trail.ContactID(parts[2]))
	}
}

// mailMemory keeps the poller's cursors and the hashes of sent mails in Redis, but for
// those that forget names.
func mailMemory(rdb redis.UniversalClient, forget func(mark string) bool) mailbox.Memory {
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
			if marks = slices.DeleteFunc(slices.Clone(marks), forget); len(marks) == 0 {
				return nil
			}
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
