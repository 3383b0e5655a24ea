package ingest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"dealtrail/store"
	"dealtrail/trail"
)

// Loader moves events from the buffer into the store. It moves a partition's
// position on only after the insert returned, so a loader that is killed in
// between loads the entries again under the same IDs. Entries that are no valid
// event become bad entries and hold nothing up.
//
// Any number of loaders may run, one in a process; they share the partitions by
// lease, and the next one goes on where a loader that is gone has stopped.
type Loader struct {
	Buffer *Buffer
	DB     *store.DB
	Log    *slog.Logger

	Node   string        // who we are, the same after a restart; see NodeID
	Batch  int           // events per insert at most; default 50,000
	Linger time.Duration // least time between two inserts; default 100 ms, three times that while many events come. The first event after it is loaded at once
	Lease  time.Duration // how long the partitions of a loader that died wait for another; default 10 s

	mu    sync.Mutex
	stats LoaderStats
	rest  time.Time // when the next batch may begin

	leases  *Leases
	loading *batch       // the batch under way
	good    *trail.Event // loaded last, to probe the store with

	tidied   time.Time // when the streams were last trimmed
	reloaded string    // the wish to load the reserve again that was last fulfilled
}

// LoaderStats count since the start.
type LoaderStats struct {
	Loaded  uint64        // events inserted, copies included
	Bad     uint64        // entries that became bad entries
	Batches uint64        // inserts that returned
	Lost    uint64        // entries that were trimmed before they were loaded: an alarm, somebody else trims the streams
	Lag     time.Duration // from append to visible, of the oldest entry of the last batch
	Err     string        // why loading does not go on at the moment, or empty
}

const (
	defaultBatch  = 50_000
	defaultLinger = 100 * time.Millisecond
	// busy is how many events in a batch mean that more are on their way.
	busy = 1000
	// batchBytes is how many bytes of entries make a batch whatever their number.
	batchBytes = 32 << 20
	// idlePoll is how often a loader looks for entries that other processes added.
	idlePoll = 50 * time.Millisecond
	// stopGrace is for the batch under way when the loader is told to stop.
	stopGrace = 10 * time.Second
	// insertWait is for one insert; the outcome of one that takes longer is unknown and it is repeated.
	insertWait = 2 * time.Minute
)

// Run loads until ctx ends. The batch under way is then finished, within ten
// seconds; what is not stays in the buffer. It returns nil.
func (l *Loader) Run(ctx context.Context) error {
	l.complete()
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	var keeper sync.WaitGroup
	keeper.Go(func() { _ = l.leases.Keep(keeping) }) // until the last batch is loaded
	defer keeper.Wait()
	defer stop()
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		err := l.session(ctx)
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) > steadyAfter {
			failures = 0
		}
		if errors.Is(err, errTakenOver) {
			l.Log.Info("partitions are divided anew")
			continue
		}
		if failures == 0 {
			l.Log.Warn("loading from the buffer stopped, trying again", "err", err)
		}
		l.failing(err)
		wait(ctx, min(50*time.Millisecond<<min(failures, 6), 2*time.Second))
	}
	return nil
}

func (l *Loader) complete() {
	if l.Batch <= 0 {
		l.Batch = defaultBatch
	}
	if l.Linger <= 0 {
		l.Linger = defaultLinger
	}
	l.leases = &Leases{Redis: l.Buffer.rdb, Node: l.Node, Group: "load", TTL: l.Lease, Log: l.Log}
	for p := range Partitions {
		l.leases.Names = append(l.leases.Names, leaseKey(p))
	}
}

// Stats returns what was loaded since the start.
func (l *Loader) Stats() LoaderStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

func (l *Loader) count(change func(*LoaderStats)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.stats)
}

func (l *Loader) failing(err error) {
	l.count(func(s *LoaderStats) { s.Err = err.Error() })
}

// session loads until ctx ends or something fails. While one batch is inserted
// the next is read.
func (l *Loader) session(ctx context.Context) error {
	l.count(func(s *LoaderStats) { s.Err = "" })
	batches := make(chan *batch)
	g, reading := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(batches)
		return l.read(reading, batches)
	})
	g.Go(func() error {
		for b := range batches {
			if err := l.load(reading, b); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// load inserts a batch and moves on. It goes on for a while when ctx ends, so
// that a stop does not leave a batch half done.
func (l *Loader) load(ctx context.Context, b *batch) error {
	ctx, cancel := outlast(ctx, stopGrace)
	defer cancel()
	if err := l.insert(ctx, b); err != nil {
		return err
	}
	if len(b.spans) == 0 {
		return l.tidy(ctx)
	}
	lost, err := l.moveOn(ctx, b.spans)
	if err != nil {
		return err
	}
	l.lost(lost)
	l.count(func(s *LoaderStats) {
		s.Err = ""
		if len(b.events) > 0 {
			s.Batches++
			s.Lag = max(0, time.Since(b.oldest))
		}
	})
	return l.tidy(ctx)
}

// insert stores what a batch holds.
func (l *Loader) insert(ctx context.Context, b *batch) error {
	l.loading = b
	defer func() { l.loading = nil }()
	if len(b.bad) > 0 {
		if err := l.keepBad(ctx, b.bad); err != nil {
			return err
		}
	}
	if len(b.events) > 0 {
		// A Redis that is full must not hold loading up: what it does not note is made up for when it is asked for.
		noted := noteRecipients(ctx, l.Buffer.rdb, b.events)
		if err := l.store(ctx, b.events, b.arrivals); err != nil {
			return err
		}
		noted = errors.Join(noted, noteNamed(ctx, l.Buffer.rdb, b.named), noteDue(ctx, l.Buffer.rdb, b.events), noteChoices(ctx, l.Buffer.rdb, b.events))
		if noted != nil {
			l.Log.Warn("loaded, but not noted what depends on it", "err", noted)
		}
		good := b.events[0]
		l.good = &good // a copy: it must not keep the batch in memory
	}
	linger := l.Linger
	switch {
	case b.full:
		linger = 0
	case len(b.events) > busy:
		linger *= 3 // each insert costs the store a part to write and to merge
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = time.Now().Add(linger)
	return nil
}

// resting returns how long to wait before the next batch is read.
func (l *Loader) resting() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.rest)
}

func (l *Loader) lost(n uint64) {
	if n == 0 {
		return
	}
	l.Log.Error("entries were trimmed from the streams before they were loaded", "n", n)
	l.count(func(s *LoaderStats) { s.Lost += n })
}

// outlast returns a context that ends d after its parent.
func outlast(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		wait(longer, d)
		cancel()
	})
	return longer, func() { stop(); cancel() }
}
