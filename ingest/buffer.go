package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

const (
	// streamKey holds the events that are accepted and not yet loaded.
	streamKey = "dealtrail:events"
	// streamField is the one field of an entry: the event as JSON.
	streamField = "e"
	// loaders is the consumer group that moves entries into the store.
	loaders = "load"
	// appendChunk is how many events travel in one pipelined write.
	appendChunk = 1000
	// settlePoll is how often Settle looks.
	settlePoll = 10 * time.Millisecond
	// redisWait is how long a write waits for Redis before the spool takes over, and redisPause how long nobody
	// waits after that: a redirect has 50 ms, and a thousand of them must not each spend them.
	redisWait  = 30 * time.Millisecond
	redisPause = 250 * time.Millisecond
	// spoolWait is for the disk. It is not the caller's deadline: a click that Redis kept waiting is still written.
	spoolWait = 2 * time.Second
)

// Buffer is where events are durable: a Redis Stream that the [Loader] empties
// into the store, and a disk [Spool] that takes over while Redis does not answer
// and is moved to the stream, oldest first, by Run.
type Buffer struct {
	// Spool may be nil; then Append fails while Redis is away.
	Spool *Spool

	rdb redis.UniversalClient
	log *slog.Logger

	away atomic.Int64 // until when nobody waits for Redis, in Unix nanoseconds

	mu         sync.Mutex
	next       *convoy // those who wait for the next write
	committing int     // convoys on their way
}

// NewBuffer returns the buffer in a Redis. The client should come from
// [Connect]: it must respect the deadlines of contexts, and it should not
// retry. (A retried write whose first answer was lost doubles entries; their
// IDs make them one event again, at the cost of loading them twice.)
func NewBuffer(rdb redis.UniversalClient, log *slog.Logger) *Buffer {
	return &Buffer{rdb: rdb, log: log}
}

// Append makes events durable; it is a [trail.Emit]. Events must be valid, with
// ReceivedAt set by their source. On an error some of the events may have been
// accepted: append all of them again, their IDs make that harmless.
func (b *Buffer) Append(ctx context.Context, events ...trail.Event) error {
	for i := range events {
		if err := events[i].Validate(); err != nil {
			return fmt.Errorf("append to the buffer: %w", err)
		}
	}
	for chunk := range slices.Chunk(events, appendChunk) {
		entries := make([][]byte, len(chunk))
		for i := range chunk {
			raw, err := json.Marshal(&chunk[i])
			if err != nil {
				return fmt.Errorf("append to the buffer: event %s: %w", chunk[i].Kind, err)
			}
			entries[i] = raw
		}
		if err := b.accept(ctx, entries); err != nil {
			return fmt.Errorf("append to the buffer: %w", err)
		}
	}
	return nil
}

// accept makes entries durable in the stream or, if Redis does not take them at
// once, in the spool. Entries that Redis took and could not say so are then in
// both; their IDs make them one event.
func (b *Buffer) accept(ctx context.Context, entries [][]byte) error {
	if b.Spool == nil {
		return b.add(ctx, entries)
	}
	if now := time.Now(); now.UnixNano() > b.away.Load() {
		// Not the caller's context: one who leaves is no outage, and must not send everybody else to the spool.
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), redisTime(len(entries)))
		err := b.commit(short, entries)
		cancel()
		if err == nil {
			return nil
		}
		// Said at the beginning of an outage only: while it lasts, the time before is a moment ago.
		if b.away.Swap(time.Now().Add(redisPause).UnixNano()) < now.Add(-time.Minute).UnixNano() {
			b.log.Warn("Redis does not answer, events go to the spool", "err", err)
		}
	}
	spooling, cancel := context.WithTimeout(context.WithoutCancel(ctx), spoolWait)
	defer cancel()
	err := b.Spool.Append(spooling, entries...)
	if errors.Is(err, ErrSpoolFull) {
		return errors.Join(trail.Problemf(trail.Unavailable, "Redis does not answer and the disk spool is full; try again later."), err)
	}
	return err
}

// Run moves what the spool holds to the stream, oldest first, until ctx ends.
// New events do not wait for it.
func (b *Buffer) Run(ctx context.Context) error {
	if b.Spool == nil {
		<-ctx.Done()
		return nil
	}
	for ctx.Err() == nil {
		if err := b.Spool.Wait(ctx); err != nil {
			break
		}
		if err := b.move(ctx); err != nil {
			if ctx.Err() == nil && !isContextError(err) {
				b.log.Debug("spool is not moved yet", "err", err)
			}
			wait(ctx, redisPause)
		}
	}
	return nil
}

// move moves one batch. Records are done once Redis has them.
func (b *Buffer) move(ctx context.Context) error {
	records, err := b.Spool.Next(ctx, appendChunk)
	if err != nil || len(records) == 0 {
		return err
	}
	entries := make([][]byte, len(records))
	for i, r := range records {
		entries[i] = r.Data
	}
	moving, cancel := context.WithTimeout(ctx, spoolWait)
	defer cancel()
	if err := b.add(moving, entries); err != nil {
		return err
	}
	b.away.Store(0)
	return b.Spool.Done(records[len(records)-1].Seq)
}

// add writes entries to the stream and returns nil once Redis has synced them.
func (b *Buffer) add(ctx context.Context, entries [][]byte) error {
	add := make([]*redis.XAddArgs, len(entries))
	for i, raw := range entries {
		add[i] = &redis.XAddArgs{Stream: streamKey, Values: []any{streamField, raw}}
	}
	if len(add) == 1 {
		return b.rdb.XAdd(ctx, add[0]).Err()
	}
	// A transaction is one write to disk. Without it Redis writes once for each 16 KB that it reads.
	_, err := b.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for _, a := range add {
			p.XAdd(ctx, a)
		}
		return nil
	})
	return err
}

// Settle waits until everything that was accepted before the call is loaded, so
// that whoever asks reads what was written. When ctx runs out of time first, the
// error is a *trail.Problem Unavailable; nothing is lost, it is only not yet
// visible.
func (b *Buffer) Settle(ctx context.Context) error {
	var upTo streamID
	known := false
	for {
		var err error
		if !known && b.spooled() == 0 {
			upTo, err = b.lastAdded(ctx)
			known = err == nil
		}
		if known {
			var loaded bool
			if loaded, err = b.loadedUpTo(ctx, upTo); loaded {
				return nil
			}
		}
		if !wait(ctx, settlePoll) || ctx.Err() != nil {
			if err != nil && !isContextError(err) {
				b.log.Warn("buffer does not answer", "err", err)
			}
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return trail.Problemf(trail.Unavailable, "Accepted, not yet visible: the loader has not caught up. Nothing is lost; look again in a moment.")
			}
			return ctx.Err()
		}
	}
}

// spooled is how many events wait on the disk for Redis.
func (b *Buffer) spooled() int {
	if b.Spool == nil {
		return 0
	}
	n, _ := b.Spool.Len()
	return n
}

func isContextError(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// lastAdded returns the newest entry that the stream has given out.
func (b *Buffer) lastAdded(ctx context.Context) (streamID, error) {
	info, err := b.rdb.XInfoStream(ctx, streamKey).Result()
	if isNoStream(err) {
		return streamID{}, nil
	}
	if err != nil {
		return streamID{}, err
	}
	return parseStreamID(info.LastGeneratedID)
}

func (b *Buffer) loadedUpTo(ctx context.Context, upTo streamID) (bool, error) {
	if upTo == (streamID{}) {
		return true, nil
	}
	p, err := b.progress(ctx)
	if err != nil {
		return false, err
	}
	return p.delivered.compare(upTo) >= 0 && (p.pending == 0 || p.oldest.compare(upTo) > 0), nil
}

// progress says how far the loaders are: every entry up to delivered was handed
// to one, and pending of those, oldest being the first, are not yet loaded.
type progress struct {
	delivered streamID
	pending   uint64
	oldest    streamID
	lag       int64 // entries not yet delivered, -1 when Redis cannot tell
}

// progress asks for delivered before pending: what is delivered in between is
// missing from the first answer, never from the second.
func (b *Buffer) progress(ctx context.Context) (p progress, err error) {
	var groups *redis.XInfoGroupsCmd
	var pending *redis.XPendingCmd
	_, _ = b.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		groups, pending = pipe.XInfoGroups(ctx, streamKey), pipe.XPending(ctx, streamKey, loaders)
		return nil
	}) // each command has its own error
	if isNoStream(groups.Err()) || isNoGroup(pending.Err()) {
		return progress{lag: -1}, nil
	}
	if err := errors.Join(groups.Err(), pending.Err()); err != nil {
		return p, err
	}
	for _, g := range groups.Val() {
		if g.Name == loaders {
			p.lag = g.Lag
			if p.delivered, err = parseStreamID(g.LastDeliveredID); err != nil {
				return p, err
			}
		}
	}
	if v := pending.Val(); v != nil && v.Count > 0 {
		p.pending = uint64(v.Count)
		p.oldest, err = parseStreamID(v.Lower)
	}
	return p, err
}

// Depth is what the buffer holds.
type Depth struct {
	Waiting uint64        // entries that no loader has taken yet
	Pending uint64        // entries that a loader has taken and not yet loaded
	Spooled uint64        // events that wait on the disk for Redis
	Oldest  time.Duration // age of the oldest of both: how far reports lag behind
}

// Depth returns what is accepted and not yet loaded.
func (b *Buffer) Depth(ctx context.Context) (Depth, error) {
	d := Depth{Spooled: uint64(b.spooled())}
	if d.Spooled > 0 {
		d.Oldest = time.Since(b.Spool.Oldest())
	}
	p, err := b.progress(ctx)
	if err != nil {
		return d, fmt.Errorf("measure the buffer: %w", err)
	}
	d.Waiting, d.Pending = uint64(max(p.lag, 0)), p.pending
	next, err := b.rdb.XRangeN(ctx, streamKey, "("+p.delivered.String(), "+", 1).Result()
	if err != nil {
		return Depth{}, fmt.Errorf("measure the buffer: %w", err)
	}
	if p.lag < 0 && len(next) > 0 {
		// Without a group nothing was ever trimmed.
		n, err := b.rdb.XLen(ctx, streamKey).Result()
		if err != nil {
			return Depth{}, fmt.Errorf("measure the buffer: %w", err)
		}
		d.Waiting = uint64(max(n-int64(p.pending), 1))
	}
	oldest := p.oldest
	if p.pending == 0 && len(next) > 0 {
		if oldest, err = parseStreamID(next[0].ID); err != nil {
			return Depth{}, fmt.Errorf("measure the buffer: %w", err)
		}
	}
	if oldest != (streamID{}) {
		d.Oldest = max(0, d.Oldest, time.Since(oldest.time()))
	}
	return d, nil
}

// trim removes the entries that are loaded. Everything below the oldest pending
// entry and below the last delivered one was acknowledged.
func (b *Buffer) trim(ctx context.Context) error {
	p, err := b.progress(ctx)
	if err != nil {
		return err
	}
	keep := p.delivered
	if p.pending > 0 && p.oldest.compare(keep) < 0 {
		keep = p.oldest
	}
	return b.rdb.XTrimMinID(ctx, streamKey, keep.String()).Err()
}

// group makes the consumer group where there is none: on the first start, and
// after Redis lost its data.
func (b *Buffer) group(ctx context.Context) error {
	err := b.rdb.XGroupCreateMkStream(ctx, streamKey, loaders, "0").Err()
	if err != nil && strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return nil // it exists
	}
	return err
}

func isNoStream(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "ERR no such key")
}

func isNoGroup(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "NOGROUP") }

// streamID is the ID of an entry: milliseconds since 1970 by Redis's clock, and
// a number within the millisecond.
type streamID struct{ ms, seq uint64 }

func parseStreamID(s string) (id streamID, err error) {
	ms, seq, _ := strings.Cut(s, "-")
	var errSeq error
	id.ms, err = strconv.ParseUint(ms, 10, 64)
	if seq != "" {
		id.seq, errSeq = strconv.ParseUint(seq, 10, 64)
	}
	return id, errors.Join(err, errSeq)
}

func (id streamID) String() string {
	return strconv.FormatUint(id.ms, 10) + "-" + strconv.FormatUint(id.seq, 10)
}

func (id streamID) compare(other streamID) int {
	return cmp.Or(cmp.Compare(id.ms, other.ms), cmp.Compare(id.seq, other.seq))
}

func (id streamID) time() time.Time { return time.UnixMilli(int64(id.ms)).UTC() }
