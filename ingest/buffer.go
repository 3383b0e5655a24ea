package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

const (
	// appendChunk is how many events travel in one pipelined write, and few up to how many count as a click or two:
	// those do not queue behind imports.
	appendChunk = 1000
	few         = 16
	// settlePoll is how often Settle looks.
	settlePoll = 10 * time.Millisecond
	// redisWait is how long a write waits for Redis before the spool takes over, and redisPause how long nobody
	// waits after that: a redirect has 50 ms, and a thousand of them must not each spend them.
	redisWait  = 30 * time.Millisecond
	redisPause = 250 * time.Millisecond
	// spoolWait is for the disk. It is not the caller's deadline: a click that Redis kept waiting is still written.
	spoolWait = 2 * time.Second
)

// Buffer is where events are durable: Redis Streams that the [Loader] empties
// into the store, and a disk [Spool] that takes over while Redis does not answer
// and is moved to the streams, oldest first, by Run.
type Buffer struct {
	// Spool may be nil; then Append fails while Redis is away.
	Spool *Spool
	// Reserve is how many bytes of loaded events the streams keep, so that they can be loaded again into a store that
	// lost them; default 64 MiB.
	Reserve int64
	// Tombstones, if set, keep out who was erased.
	Tombstones *Tombstones
	// Visible, if set, is called when Settle found everything loaded, before it returns.
	Visible func()

	rdb redis.UniversalClient
	log *slog.Logger

	away     atomic.Int64  // until when nobody waits for Redis, in Unix nanoseconds
	accepted atomic.Uint64 // events since the start
	lanes    [2]convoys[entry]
	added    chan struct{} // something is new in the streams; a loader beside us need not poll for it
}

// NewBuffer returns the buffer in a Redis. The client should come from
// [Connect]: it must respect the deadlines of contexts, and it should not
// retry. (A retried write whose first answer was lost doubles entries; their
// IDs make them one event again, at the cost of loading them twice.)
func NewBuffer(rdb redis.UniversalClient, log *slog.Logger) *Buffer {
	b := &Buffer{rdb: rdb, log: log, Reserve: defaultReserve, added: make(chan struct{}, 1)}
	b.lanes[0] = convoys[entry]{write: b.write, parallel: 2} // while Redis syncs one, the next is sent
	b.lanes[1] = convoys[entry]{write: b.write, parallel: 1}
	return b
}

// Append makes events durable; it is a [trail.Emit]. Events must be valid, with
// ReceivedAt set by their source. On an error some of the events may have been
// accepted: append all of them again, their IDs make that harmless. Of people who
// were erased nothing is kept; that is no error.
func (b *Buffer) Append(ctx context.Context, events ...trail.Event) error {
	if b.Tombstones != nil {
		events = b.Tombstones.keep(events)
	}
	for i := range events {
		if err := events[i].Validate(); err != nil {
			return fmt.Errorf("append to the buffer: %w", err)
		}
	}
	for chunk := range slices.Chunk(events, appendChunk) {
		entries := make([]entry, len(chunk))
		for i := range chunk {
			raw, err := json.Marshal(&chunk[i])
			if err != nil {
				return fmt.Errorf("append to the buffer: event %s: %w", chunk[i].Kind, err)
			}
			entries[i] = entry{partitionOf(&chunk[i]), raw}
		}
		if err := b.accept(ctx, entries); err != nil {
			return fmt.Errorf("append to the buffer: %w", err)
		}
		b.accepted.Add(uint64(len(entries)))
	}
	return nil
}

// Accepted returns how many events were accepted here since the start.
func (b *Buffer) Accepted() uint64 { return b.accepted.Load() }

// accept makes entries durable in the streams or, if Redis does not take them at
// once, in the spool. Entries that Redis took and could not say so are then in
// both; their IDs make them one event.
func (b *Buffer) accept(ctx context.Context, entries []entry) error {
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
	records := make([][]byte, len(entries))
	for i, e := range entries {
		records[i] = e.raw
	}
	err := b.Spool.Append(spooling, records...)
	if errors.Is(err, ErrSpoolFull) {
		return errors.Join(trail.Problemf(trail.Unavailable, "Redis does not answer and the disk spool is full; try again later."), err)
	}
	return err
}

// commit adds entries together with those of others who wait at the same time.
// nil means that Redis has synced them; an error that it may have.
func (b *Buffer) commit(ctx context.Context, entries []entry) error {
	lane := &b.lanes[0]
	if len(entries) > few {
		lane = &b.lanes[1]
	}
	return lane.join(entries...).wait(ctx)
}

func (b *Buffer) write(entries []entry) error {
	ctx, cancel := context.WithTimeout(context.Background(), redisTime(len(entries)))
	defer cancel()
	err := b.add(ctx, entries)
	if err == nil {
		b.tell()
	}
	return err
}

// tell wakes a loader in this process.
func (b *Buffer) tell() {
	select {
	case b.added <- struct{}{}:
	default:
	}
}

// redisTime is how long so many entries may take: those of an import take longer
// than a click.
func redisTime(entries int) time.Duration {
	return redisWait * time.Duration(1+entries/100)
}

// Run moves what the spool holds to the streams, oldest first, until ctx ends.
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
	entries := make([]entry, len(records))
	for i, r := range records {
		var e trail.Event
		_ = json.Unmarshal(r.Data, &e) // what is no event becomes a bad one, whichever way it goes
		entries[i] = entry{partitionOf(&e), r.Data}
	}
	moving, cancel := context.WithTimeout(ctx, spoolWait)
	defer cancel()
	if err := b.add(moving, entries); err != nil {
		return err
	}
	b.away.Store(time.Now().UnixNano()) // nobody waits any more; an outage that goes on is not said again
	b.tell()
	return b.Spool.Done(records[len(records)-1].Seq)
}

// Settle waits until everything that was accepted before the call is loaded, so
// that whoever asks reads what was written. When ctx runs out of time first, the
// error is a *trail.Problem Unavailable; nothing is lost, it is only not yet
// visible.
func (b *Buffer) Settle(ctx context.Context) error {
	left := allPartitions
	var upTo map[int]progress // what was added by the time of the call; nil: not known yet
	for {
		moved := b.spooled() == 0 // asked first: what is moved in between is in the streams then
		now, err := b.progressOf(ctx, left)
		if err == nil && upTo == nil && moved {
			upTo = now
		}
		if err == nil && upTo != nil {
			var unloaded []int
			for _, p := range left {
				if now[p].loaded.compare(upTo[p].newest) < 0 {
					unloaded = append(unloaded, p)
				}
			}
			if left = unloaded; len(left) == 0 {
				if b.Visible != nil {
					b.Visible()
				}
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

// Depth is what the buffer holds.
type Depth struct {
	Waiting uint64        // entries of the streams that are not loaded
	Spooled uint64        // events that wait on this node's disk for Redis
	Oldest  time.Duration // age of the oldest of both: how far reports lag behind
}

// Depth returns what is accepted and not yet loaded.
func (b *Buffer) Depth(ctx context.Context) (Depth, error) {
	d := Depth{Spooled: uint64(b.spooled())}
	if d.Spooled > 0 {
		d.Oldest = time.Since(b.Spool.Oldest())
	}
	all, err := b.progressOf(ctx, allPartitions)
	if err != nil {
		return d, fmt.Errorf("measure the buffer: %w", err)
	}
	next := map[int]*redis.XMessageSliceCmd{}
	_, _ = b.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for p, at := range all {
			if d.Waiting += at.waiting; at.waiting > 0 {
				next[p] = pipe.XRangeN(ctx, streamKey(p), "("+at.loaded.String(), "+", 1)
			}
		}
		return nil
	}) // each command has its own error
	for _, cmd := range next {
		first, err := cmd.Result()
		if err != nil {
			return d, fmt.Errorf("measure the buffer: %w", err)
		}
		if len(first) > 0 {
			d.Oldest = max(0, d.Oldest, time.Since(parseStreamID(first[0].ID).time()))
		}
	}
	return d, nil
}
