package ingest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/store"
	"dealtrail/trail"
)

// Acquaintances are the contacts whom the CRM knows, in a Redis set, so that
// reading mail does not wait for the store: between them and reps mail counts
// even without content.
type Acquaintances struct {
	Redis redis.UniversalClient
	DB    *store.DB
	Log   *slog.Logger
	Every time.Duration // between two looks at the store; default 15 s

	Tombstones *Tombstones // who was erased meanwhile; nil: nobody

	epoch atomic.Uint64
}

const (
	acquaintancesKey = "dealtrail:contacts"       // a set of contact IDs
	acquaintedEpoch  = "dealtrail:contacts:epoch" // how often mail had to be read again for new ones
	acquaintedPause  = "dealtrail:contacts:pause" // exists while it need not be again
	acquaintedNew    = "dealtrail:contacts:new"   // exists while mail was not read again for the newest

	acquaintEvery = 15 * time.Second
	// acquaintAgain is how long new contacts wait until mail of before is read again for them. CRMs bring some every
	// hour, and reading a month of all mailboxes each time would be too much.
	acquaintAgain = 24 * time.Hour
)

// Fill keeps the set up to date with the store until ctx ends. One process does.
func (a *Acquaintances) Fill(ctx context.Context) error {
	var since time.Time
	for {
		until := time.Now().Add(-acquaintAgain) // what an import brings is received when it began, and may be visible much later
		if err := a.fill(ctx, since); err != nil {
			if ctx.Err() == nil {
				a.Log.Warn("contacts of the CRM are not told to who reads mail", "err", err)
			}
		} else {
			since = until
		}
		if !wait(ctx, cmp.Or(a.Every, acquaintEvery)) {
			return nil
		}
	}
}

func (a *Acquaintances) fill(ctx context.Context, since time.Time) error {
	contacts, err := a.DB.ContactsSince(ctx, since)
	if err != nil {
		return err
	}
	contacts = slices.DeleteFunc(contacts, func(c trail.ContactID) bool { return c.Erased() || a.Tombstones.Has(c) })
	added := int64(0)
	for some := range slices.Chunk(contacts, 1000) {
		n, err := a.Redis.SAdd(ctx, acquaintancesKey, members(some)...).Result()
		if err != nil {
			return fmt.Errorf("note contacts: %w", err)
		}
		added += n
	}
	if added > 0 {
		if err := a.Redis.Set(ctx, acquaintedNew, "1", 0).Err(); err != nil {
			return err
		}
	}
	pending, err := a.Redis.Exists(ctx, acquaintedNew).Result()
	if err != nil || pending == 0 {
		return err
	}
	if first, err := a.Redis.SetNX(ctx, acquaintedPause, "1", acquaintAgain).Result(); err != nil || !first {
		return err
	}
	if err := a.Redis.Incr(ctx, acquaintedEpoch).Err(); err != nil {
		return err
	}
	return a.Redis.Del(ctx, acquaintedNew).Err()
}

// Run follows the epoch until ctx ends.
func (a *Acquaintances) Run(ctx context.Context) error {
	for {
		if n, err := a.Redis.Get(ctx, acquaintedEpoch).Uint64(); err == nil {
			a.epoch.Store(n)
		}
		if !wait(ctx, cataloguePoll) {
			return nil
		}
	}
}

// Epoch grows when mail of the last days may mean more than it did, because
// the CRM knows more contacts: once a day at most.
func (a *Acquaintances) Epoch() uint64 { return a.epoch.Load() }

// Has returns which contacts the CRM knows.
func (a *Acquaintances) Has(ctx context.Context, contacts ...trail.ContactID) (map[trail.ContactID]bool, error) {
	is, err := a.Redis.SMIsMember(ctx, acquaintancesKey, members(contacts)...).Result()
	if err != nil {
		return nil, fmt.Errorf("look up contacts of the CRM: %w", err)
	}
	known := map[trail.ContactID]bool{}
	for i, c := range contacts {
		known[c] = is[i]
	}
	return known, nil
}

func members[T ~string](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}
