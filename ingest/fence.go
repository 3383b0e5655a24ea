package ingest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

const (
	// loadingKey is a sorted set: inserts that are under way, each by how many tombstones what it inserts was cleaned
	// with, and a random word; scores are when it began, in milliseconds of Redis's clock. It is in the slot of erasedKey.
	loadingKey = "{" + erasedKey + "}:loading"
	// loadingLife is after how long an insert can no more be under way: its process has given it up by then, also one
	// that was stopped meanwhile, and what the store was sent is there or is nowhere.
	loadingLife = insertWait + 30*time.Second
	// fencePoll is how often an erasing looks whether inserts that began before it are over.
	fencePoll = 50 * time.Millisecond
)

var (
	// enterScript lets an insert begin that was cleaned with all tombstones there are. KEYS are the tombstones and the
	// inserts under way; ARGV how many tombstones the loader knows, the insert, and how long one may last in milliseconds.
	enterScript = redis.NewScript(`#!lua flags=allow-oom
if redis.call('HLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. now - ARGV[3])
redis.call('ZADD', KEYS[2], now, ARGV[2])
return 1`)
	leaveScript = redis.NewScript(`#!lua flags=allow-oom
return redis.call('ZREM', KEYS[1], ARGV[1])`)
	// underWayScript returns how many tombstones there are, and the inserts that may still be under way. KEYS as
	// with enterScript; ARGV is how long one may last.
	underWayScript = redis.NewScript(`#!lua flags=allow-oom
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
return {redis.call('HLEN', KEYS[1]), redis.call('ZRANGEBYSCORE', KEYS[2], now - ARGV[1], '+inf')}`)
)

// enter has an insert of the batch under way begin once nobody is in it who was erased,
// by what Redis says at that moment and not by what this process has heard: it may have
// been stopped for a while. Erasings wait for what has entered; see fence. What is said
// to leave is how the insert ended.
func (l *Loader) enter(ctx context.Context) (leave func(error), err error) {
	t := l.Buffer.Tombstones
	if t == nil {
		return func(error) {}, nil
	}
	for {
		known := len(t.All())
		l.cleanAgain(known)
		insert := strconv.Itoa(known) + ":" + rand.Text()
		entered, err := enterScript.Run(ctx, l.Buffer.rdb, []string{erasedKey, loadingKey}, known, insert, loadingLife.Milliseconds()).Bool()
		if err != nil {
			return nil, errors.Join(trail.Problemf(trail.Unavailable, "Nothing is loaded while Redis does not say who was erased."), err)
		}
		if entered {
			return func(err error) {
				if err != nil && passing(err) {
					return // perhaps the store has it in hand still
				}
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadWait)
				defer cancel()
				if err := leaveScript.Run(ctx, l.Buffer.rdb, []string{loadingKey}, insert).Err(); err != nil {
					l.Log.Debug("an insert is over and erasings do not hear of it", "err", err)
				}
			}, nil
		}
		if err := t.refresh(ctx); err != nil {
			return nil, errors.Join(trail.Problemf(trail.Unavailable, "Nothing is loaded while it is not known who was erased."), err)
		}
	}
}

// cleanAgain leaves out of the batch under way who was erased since it was read. known is
// how many tombstones there are.
func (l *Loader) cleanAgain(known int) {
	b, t := l.loading, l.Buffer.Tombstones
	if b == nil || b.known == known {
		return
	}
	for i := range b.events {
		clean, changed := t.Clean(b.events[i])
		if changed {
			b.events[i], b.named = clean, append(b.named, int(b.arrivals[i].Entry.Partition))
		}
	}
	for i := range b.bad {
		b.bad[i] = l.clean(b.bad[i])
	}
	if l.good != nil {
		if _, changed := t.Clean(*l.good); changed {
			l.good = nil
		}
	}
	b.known = known
}

// fence waits until every insert that was begun without the tombstones of now is over.
// From then on nobody loads whom they are of, however long a process was stopped.
func (x *Eraser) fence(ctx context.Context) error {
	before := -1
	for {
		said, err := underWayScript.Run(ctx, x.Redis, []string{erasedKey, loadingKey}, loadingLife.Milliseconds()).Slice()
		if err != nil {
			return fmt.Errorf("look what is being loaded: %w", err)
		}
		n, _ := said[0].(int64)
		if before < 0 {
			before = int(n)
		}
		old := 0
		inserts, _ := said[1].([]any)
		for _, one := range inserts {
			text, _ := one.(string)
			count, _, _ := strings.Cut(text, ":")
			if known, err := strconv.Atoi(count); err != nil || known < before {
				old++
			}
		}
		if old == 0 {
			return nil
		}
		if !wait(ctx, fencePoll) {
			return errors.Join(&waiting{fmt.Sprintf("%d inserts began before and are not over; when their process is gone it is waited %s.", old, loadingLife)}, ctx.Err())
		}
	}
}
