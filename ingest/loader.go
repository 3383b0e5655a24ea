package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/store"
	"dealtrail/trail"
)

// Loader moves events from the buffer into the store. It acknowledges an entry
// only after its insert returned, so a loader that is killed in between loads
// the entry again under the same ID. Entries that are no valid event become
// rows of the table bad and hold nothing up.
//
// Any number of loaders may run, one per process role.
type Loader struct {
	Buffer *Buffer
	DB     *store.DB
	Log    *slog.Logger

	Consumer  string        // name in the group, the same after a restart; default: the host's name and "-load"
	Batch     int           // events per insert at most; default 50,000
	Linger    time.Duration // least time between two inserts; default 100 ms. The first event after it is loaded at once
	Abandoned time.Duration // after which another loader's entries are taken over; default 1 minute

	mu    sync.Mutex
	stats LoaderStats

	// These are Run's own.
	good      *trail.Event // loaded last, to probe the store with
	inserted  time.Time    // when the last batch was
	reclaimed time.Time    // when abandoned entries were last asked for
}

// LoaderStats count since the start.
type LoaderStats struct {
	Loaded  uint64        // events inserted, copies included
	Bad     uint64        // entries that became rows of bad
	Batches uint64        // inserts that returned
	Lost    uint64        // entries trimmed before they were loaded: an alarm, somebody else trims the stream
	Lag     time.Duration // from append to visible, of the oldest entry of the last batch
	Err     string        // why loading does not go on at the moment, or empty
}

const (
	defaultBatch     = 50_000
	defaultLinger    = 100 * time.Millisecond
	defaultAbandoned = time.Minute
	// readChunk is how many entries are read, or acknowledged, in one command, and batchBytes how many bytes of
	// them make a batch whatever their number.
	readChunk  = 10_000
	batchBytes = 32 << 20
	// idleBlock is how long one read waits for an entry. A read cannot be interrupted, so it is also what a stop costs.
	idleBlock = 250 * time.Millisecond
	// stopGrace is for the batch under way when the loader is told to stop.
	stopGrace = 10 * time.Second
	// insertWait is for one insert; the outcome of one that takes longer is unknown and it is repeated.
	insertWait = 2 * time.Minute
)

// Run loads until ctx ends. The batch under way is then finished, within ten
// seconds; what is not stays in the buffer. It returns nil.
func (l *Loader) Run(ctx context.Context) error {
	l.complete()
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		err := l.session(ctx)
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) > steadyAfter {
			failures = 0
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
	if l.Consumer == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "local"
		}
		l.Consumer = host + "-load"
	}
	if l.Batch <= 0 {
		l.Batch = defaultBatch
	}
	if l.Linger <= 0 {
		l.Linger = defaultLinger
	}
	if l.Abandoned <= 0 {
		l.Abandoned = defaultAbandoned
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

// session loads until ctx ends or Redis fails. It begins with what this loader
// took before and did not acknowledge: a former life's, or a former session's.
func (l *Loader) session(ctx context.Context) error {
	if err := l.Buffer.group(ctx); err != nil {
		return fmt.Errorf("make the consumer group: %w", err)
	}
	for after := "0"; ctx.Err() == nil; {
		own, err := l.read(ctx, after, readChunk, -1)
		if err != nil {
			return fmt.Errorf("read entries taken before: %w", err)
		}
		if len(own) == 0 {
			break
		}
		after = own[len(own)-1].ID
		if err := l.load(ctx, own); err != nil {
			return err
		}
	}
	l.count(func(s *LoaderStats) { s.Err = "" })
	for ctx.Err() == nil {
		if err := l.reclaim(ctx); err != nil {
			return err
		}
		batch, err := l.next(ctx)
		if err != nil {
			return fmt.Errorf("read new entries: %w", err)
		}
		if len(batch) > 0 {
			if err := l.load(ctx, batch); err != nil {
				return err
			}
		}
	}
	return nil
}

// next returns the entries that arrived, as many as a batch may hold, or none
// after a short wait.
func (l *Loader) next(ctx context.Context) ([]redis.XMessage, error) {
	if pause := l.Linger - time.Since(l.inserted); pause > 0 && !wait(ctx, pause) {
		return nil, nil
	}
	batch, err := l.read(ctx, ">", min(l.Batch, readChunk), idleBlock)
	bytes := 0
	for err == nil && len(batch) > 0 && len(batch) < l.Batch && len(batch)%readChunk == 0 {
		for _, m := range batch[len(batch)-readChunk:] {
			raw, _ := m.Values[streamField].(string)
			bytes += len(raw)
		}
		if bytes >= batchBytes {
			break
		}
		var more []redis.XMessage
		if more, err = l.read(ctx, ">", min(l.Batch-len(batch), readChunk), -1); len(more) == 0 {
			break
		}
		batch = append(batch, more...)
	}
	return batch, err
}

// read asks for entries after an ID that this consumer took before, or for new
// ones (">"). A negative block does not wait.
func (l *Loader) read(ctx context.Context, after string, n int, block time.Duration) ([]redis.XMessage, error) {
	// A stop must not cut off the answer: the entries in it would wait for the next start.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(block, 0)+stopGrace)
	defer cancel()
	streams, err := l.Buffer.rdb.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: loaders, Consumer: l.Consumer, Streams: []string{streamKey, after}, Count: int64(n), Block: block,
	}).Result()
	if errors.Is(err, redis.Nil) || len(streams) == 0 {
		return nil, ignoreNil(err)
	}
	return streams[0].Messages, err
}

func ignoreNil(err error) error {
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// reclaim loads what loaders that are gone have left.
func (l *Loader) reclaim(ctx context.Context) error {
	if time.Since(l.reclaimed) < l.Abandoned/2 {
		return nil
	}
	for start := "0-0"; ctx.Err() == nil; {
		entries, next, deleted, err := l.Buffer.rdb.XAutoClaimWithDeleted(ctx, &redis.XAutoClaimArgs{
			Stream: streamKey, Group: loaders, Consumer: l.Consumer, MinIdle: l.Abandoned, Start: start, Count: readChunk,
		}).Result()
		if err != nil {
			return fmt.Errorf("take over abandoned entries: %w", err)
		}
		l.lost(len(deleted))
		if len(entries) > 0 {
			if err := l.load(ctx, entries); err != nil {
				return err
			}
		}
		if start = next; start == "0-0" {
			break
		}
	}
	l.reclaimed = time.Now()
	return nil
}

func (l *Loader) lost(n int) {
	if n == 0 {
		return
	}
	l.Log.Error("entries were trimmed from the stream before they were loaded", "n", n)
	l.count(func(s *LoaderStats) { s.Lost += uint64(n) })
}

// load inserts a batch and acknowledges it. It goes on for a while when ctx
// ends, so that a stop does not leave a batch half done.
func (l *Loader) load(ctx context.Context, batch []redis.XMessage) error {
	ctx, cancel := outlast(ctx, stopGrace)
	defer cancel()
	events, entries, bad := l.decode(batch)
	if len(bad) > 0 {
		if err := l.keepBad(ctx, bad); err != nil {
			return err
		}
	}
	if len(events) > 0 {
		if err := l.store(ctx, events, entries); err != nil {
			return err
		}
		l.good = &events[0]
	}
	l.inserted = time.Now()
	for len(batch) > 0 {
		chunk := batch[:min(len(batch), readChunk)]
		ids := make([]string, len(chunk))
		for i, m := range chunk {
			ids[i] = m.ID
		}
		if err := l.Buffer.rdb.XAck(ctx, streamKey, loaders, ids...).Err(); err != nil {
			return fmt.Errorf("acknowledge: %w", err)
		}
		batch = batch[len(chunk):]
	}
	l.count(func(s *LoaderStats) {
		s.Err = ""
		if len(entries) > 0 {
			s.Batches++
			if id, err := parseStreamID(entries[0].ID); err == nil {
				s.Lag = max(0, time.Since(id.time()))
			}
		}
	})
	if err := l.Buffer.trim(ctx); err != nil {
		return fmt.Errorf("trim the stream: %w", err)
	}
	return nil
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

// decode reads the events of a batch; entries are theirs, bad are those that
// hold none.
func (l *Loader) decode(batch []redis.XMessage) (events []trail.Event, entries []redis.XMessage, bad []store.Bad) {
	events, entries = make([]trail.Event, 0, len(batch)), make([]redis.XMessage, 0, len(batch))
	gone := 0
	for _, m := range batch {
		if m.Values == nil {
			gone++ // an entry that we took and that somebody trimmed
			continue
		}
		var e trail.Event
		raw, ok := m.Values[streamField].(string)
		if !ok {
			bad = append(bad, badEntry(m, "decode", "the entry has no field "+streamField, ""))
			continue
		}
		if err := json.Unmarshal([]byte(raw), &e); err != nil {
			bad = append(bad, badEntry(m, "decode", err.Error(), ""))
			continue
		}
		if err := e.Validate(); err != nil {
			bad = append(bad, badEntry(m, "validate", err.Error(), e.Source))
			continue
		}
		e.Account = accountOf(&e)
		events, entries = append(events, e), append(entries, m)
	}
	l.lost(gone)
	return events, entries, bad
}
