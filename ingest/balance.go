package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/store"
	"dealtrail/trail"
)

const (
	// balanceKey keeps the last balance for all processes.
	balanceKey = "dealtrail:balance"
	// balanceEvery is how often the balance is struck at most; counting takes one part in balanceShare of the time.
	balanceEvery = 5 * time.Second
	balanceShare = 20
)

// Auditor strikes the balance of the pipe, all the time: what was accepted against
// what became of it. Each term comes from where it is kept: entries from Redis's
// own count of each stream, what waits from the position of its group, what
// entries became from the table of arrivals, events from the table of events. When
// events are missing it has the reserve loaded again.
type Auditor struct {
	Buffer *Buffer
	DB     *store.DB
	// Spooled returns how many events wait on the disks of all nodes.
	Spooled func(context.Context) (uint64, error)
	Every   time.Duration // default 5 s
	Log     *slog.Logger

	short  uint64    // events that were missing when the balance was last struck
	wished time.Time // when the reserve was last asked for
}

// wishAgain is after how long the reserve is asked for again.
const wishAgain = 10 * time.Minute

// Run strikes balances until ctx ends. It returns nil.
func (a *Auditor) Run(ctx context.Context) error {
	every := a.Every
	if every <= 0 {
		every = balanceEvery
	}
	for pause := time.Duration(0); wait(ctx, pause); {
		began := time.Now()
		if err := a.audit(ctx); err != nil && ctx.Err() == nil {
			a.Log.Debug("the balance is not struck", "err", err)
		}
		pause = max(every, balancePause(time.Since(began)))
	}
	return nil
}

func balancePause(took time.Duration) time.Duration { return balanceShare * took }

// BalanceOverdue reports whether a balance is so old that nobody seems to strike
// them any more.
func BalanceOverdue(b trail.Balance, now time.Time) bool {
	took := time.Duration(b.Took * float64(time.Second))
	return !b.At.IsZero() && now.Sub(b.At) > 2*time.Minute+2*balancePause(took)
}

// audit strikes one balance, keeps it and acts on it.
func (a *Auditor) audit(ctx context.Context) error {
	b, err := a.Strike(ctx)
	if err != nil {
		return err
	}
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	if err := evenFull(ctx, a.Buffer.rdb, balanceKey, "SET", balanceKey, text); err != nil {
		return err
	}
	if b.Missing != a.short {
		if b.Missing > 0 {
			a.Log.Error("accepted events are missing in the store", "n", b.Missing)
		} else {
			a.Log.Info("no accepted event is missing any more")
		}
	}
	a.short = b.Missing
	if b.Missing > 0 && time.Since(a.wished) > wishAgain {
		a.wished = time.Now()
		return a.Buffer.WishReload(ctx)
	}
	return nil
}

// Strike strikes the balance now.
func (a *Auditor) Strike(ctx context.Context) (trail.Balance, error) {
	b := trail.Balance{At: time.Now().UTC()}
	fail := func(what string, err error) (trail.Balance, error) {
		return trail.Balance{}, fmt.Errorf("strike the balance: %s: %w", what, err)
	}
	spooled, err := a.Spooled(ctx)
	if err != nil {
		return fail("spools", err)
	}
	all, err := a.Buffer.progressOf(ctx, allPartitions)
	if err != nil {
		return fail("streams", err)
	}
	cut := store.Cut{Epochs: make([]string, Partitions), Ms: make([]uint64, Partitions), Seq: make([]uint64, Partitions)}
	var read uint64
	for p, at := range all {
		b.Accepted += at.added
		b.Waiting += at.waiting
		read += at.read
		cut.Epochs[p], cut.Ms[p], cut.Seq[p] = at.epoch, at.loaded.ms, at.loaded.seq
	}
	arrived, err := a.DB.Arrivals(ctx, cut)
	if err != nil {
		return fail("arrivals", err)
	}
	stored, err := a.DB.Stored(ctx) // after the arrivals: an event is stored before its arrival
	if err != nil {
		return fail("events", err)
	}
	b.Accepted += arrived.Former + spooled
	b.Spooled = spooled
	b.Revisions, b.Duplicates, b.Bad = arrived.Revisions, arrived.Duplicates, arrived.Bad
	b.Erased, b.Expired = stored.Erased, stored.Expired
	// Events that came after the cut are stored as well, and not yet accounted for.
	gone := stored.Erased + stored.Expired
	unstored := less(arrived.Loaded, stored.Events+gone)
	b.Stored = less(arrived.Events, gone+unstored)
	b.Took = time.Since(b.At).Seconds()
	loaded := arrived.Entries + arrived.Bad
	b.Missing = unstored + less(read+arrived.Former, loaded)
	b.Surplus = less(loaded, read+arrived.Former)
	return b, nil
}

// less is how much a exceeds b, and 0 when it does not.
func less(a, b uint64) uint64 {
	if a > b {
		return a - b
	}
	return 0
}

// Balance returns the balance that was last struck, by whichever process; the zero
// one when none was yet.
func (b *Buffer) Balance(ctx context.Context) (last trail.Balance, err error) {
	text, err := b.rdb.Get(ctx, balanceKey).Bytes()
	if err == redis.Nil {
		return last, nil
	}
	if err != nil {
		return last, err
	}
	return last, json.Unmarshal(text, &last)
}
