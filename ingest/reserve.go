package ingest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

const (
	defaultReserve = 64 << 20
	// tidyEvery is how often a loader trims the streams and looks for wishes.
	tidyEvery = time.Second
	// trimTries is how often a stream that is too large is cut before the whole of its reserve goes.
	trimTries = 20
	// reloadKey is the last wish to load the reserve again.
	reloadKey = "dealtrail:reload"
)

// tidy does what is due every second between two batches: it trims the streams,
// and loads the reserve again when somebody wished it.
func (l *Loader) tidy(ctx context.Context) error {
	if time.Since(l.tidied) < tidyEvery {
		return nil
	}
	l.tidied = time.Now()
	if err := l.Buffer.trim(ctx, allPartitions); err != nil {
		return fmt.Errorf("trim the streams: %w", err)
	}
	wish, err := l.Buffer.rdb.Get(ctx, reloadKey).Result()
	if err = ignoreNil(err); err != nil || wish == l.reloaded {
		return err
	}
	l.reloaded = wish
	if wish == "" {
		return nil // it is over
	}
	return l.reload(ctx)
}

// trim removes loaded entries, oldest first, from streams that are larger than
// their part of the reserve. What any group has not finished stays, whatever its
// size.
func (b *Buffer) trim(ctx context.Context, partitions []int) error {
	budget := b.Reserve / Partitions
	for try := 0; len(partitions) > 0; try++ {
		all, err := b.progressOf(ctx, partitions)
		if err != nil {
			return err
		}
		sizes, err := b.sizes(ctx, partitions)
		if err != nil {
			return err
		}
		var large []int
		for _, p := range partitions {
			at := all[p]
			if sizes[p] <= budget || at.oldest == (streamID{}) {
				continue
			}
			keep, err := b.finished(ctx, p, at) // of all that are finished only the last stays
			if err != nil {
				return err
			}
			if excess := 1 - float64(budget)/float64(sizes[p]); try < trimTries {
				// Entries are taken to be spread evenly over time; where they are not, the next tries mend it.
				cut := at.oldest.ms + uint64(excess*float64(at.newest.ms-at.oldest.ms)) + 1
				if cut < keep.ms {
					keep = streamID{ms: cut}
				}
			}
			if keep.compare(at.oldest) <= 0 {
				continue
			}
			if err := b.rdb.XTrimMinID(ctx, streamKey(p), keep.String()).Err(); err != nil {
				return err
			}
			large = append(large, p)
		}
		partitions = large
	}
	return nil
}

// finished returns up to where every group is done with a partition's entries.
func (b *Buffer) finished(ctx context.Context, partition int, at progress) (streamID, error) {
	upTo := at.slowest
	for _, group := range at.pending {
		pending, err := b.rdb.XPending(ctx, streamKey(partition), group).Result()
		if err != nil {
			return upTo, err
		}
		if first := parseStreamID(pending.Lower); pending.Count > 0 && first.compare(upTo) < 0 {
			upTo = first
		}
	}
	return upTo, nil
}

// sizes returns how many bytes of Redis's memory streams take.
func (b *Buffer) sizes(ctx context.Context, partitions []int) (map[int]int64, error) {
	answers := make([]*redis.IntCmd, len(partitions))
	_, _ = b.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, p := range partitions {
			answers[i] = pipe.MemoryUsage(ctx, streamKey(p))
		}
		return nil
	}) // each command has its own error
	sizes := map[int]int64{}
	for i, p := range partitions {
		n, err := answers[i].Result()
		if ignoreNil(err) != nil {
			return nil, err
		}
		sizes[p] = n
	}
	return sizes, nil
}

// WishReload asks all loaders to load the reserve again, because the store lacks
// what it had said it stored.
func (b *Buffer) WishReload(ctx context.Context) error {
	return evenFull(ctx, b.rdb, reloadKey, "SET", reloadKey, rand.Text(), "EX", int(wishAgain.Seconds()))
}

// reload loads what the streams keep of our partitions although it was loaded
// before. IDs make that harmless.
func (l *Loader) reload(ctx context.Context) error {
	l.Log.Warn("the reserve is loaded again: the store lacks events that it had stored")
	at, end := map[int]mark{}, map[int]mark{}
	if err := l.positions(ctx, end); err != nil {
		return err
	}
	for p := range end {
		at[p] = mark{epoch: end[p].epoch}
	}
	for loaded := 0; ctx.Err() == nil; {
		b, err := l.next(ctx, at)
		if err != nil {
			return err
		}
		if err := l.insert(ctx, b); err != nil {
			return err
		}
		loaded += len(b.events)
		for p := range at {
			if at[p].compare(end[p].streamID) >= 0 {
				delete(at, p)
			}
		}
		if len(b.spans) == 0 || len(at) == 0 {
			l.Log.Info("the reserve was loaded again", "n", loaded)
			return nil
		}
	}
	return ctx.Err()
}

func ignoreNil(err error) error {
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// Replay appends entries that had become bad events once more, as they came.
// What is still no event becomes a bad one again.
func (b *Buffer) Replay(ctx context.Context, raw ...string) error {
	entries := make([]entry, len(raw))
	for i, text := range raw {
		e := trail.Event{Content: text} // any partition will do
		entries[i] = entry{partitionOf(&e), []byte(text)}
	}
	return b.accept(ctx, entries)
}
