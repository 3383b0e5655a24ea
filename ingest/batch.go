package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/segmentio/encoding/json" // reads an event in a quarter of the time that encoding/json takes

	"dealtrail/store"
	"dealtrail/trail"
)

// batch is what the loader inserts at once.
type batch struct {
	events   []trail.Event
	arrivals []store.Arrival // of the events, one each
	bad      []store.Bad     // entries that hold none
	spans    []span
	bytes    int
	named    []any     // partitions whose entries named somebody who was erased
	known    int       // tombstones that it was cleaned with, at least
	full     bool      // there may be more
	oldest   time.Time // when the first of its entries was added
}

// span is the part of one partition that a batch holds.
type span struct {
	partition int
	from, to  streamID // after from, up to to
	entries   int
}

// read makes batches of what the partitions hold that are ours, until ctx ends.
func (l *Loader) read(ctx context.Context, batches chan<- *batch) error {
	at := map[int]mark{} // how far each of our partitions is read
	var sent time.Time
	for ctx.Err() == nil {
		if pause := l.resting(); pause > 0 && !wait(ctx, pause) {
			return nil
		}
		if err := l.positions(ctx, at); err != nil {
			return err
		}
		b, err := l.next(ctx, at)
		if err != nil {
			return fmt.Errorf("read entries: %w", err)
		}
		// An empty one now and then, for what is due after each.
		if len(b.spans) > 0 || time.Since(sent) > tidyEvery {
			sent = time.Now()
			select {
			case batches <- b:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		idle := time.NewTimer(idlePoll)
		select {
		case <-l.Buffer.added:
		case <-idle.C:
		case <-ctx.Done():
		}
		idle.Stop()
	}
	return nil
}

// mark is how far a partition is read, in which of its lives.
type mark struct {
	streamID
	epoch string
}

// positions keeps at to the partitions that we hold. One that is new begins where
// its last loader has stopped.
func (l *Loader) positions(ctx context.Context, at map[int]mark) error {
	held := map[int]bool{}
	var fresh []int
	for _, name := range l.leases.Held() {
		var p int
		if _, err := fmt.Sscanf(name, "dealtrail:{p%d}:lease", &p); err != nil {
			continue
		}
		held[p] = true
		if _, ok := at[p]; !ok {
			fresh = append(fresh, p)
		}
	}
	for p := range at {
		if !held[p] {
			delete(at, p)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	for _, p := range fresh {
		if err := l.Buffer.makeGroup(ctx, p); err != nil {
			return fmt.Errorf("make the consumer group: %w", err)
		}
	}
	now, err := l.Buffer.progressOf(ctx, fresh)
	if err != nil {
		return fmt.Errorf("ask how far the partitions are: %w", err)
	}
	for p, progress := range now {
		at[p] = mark{progress.loaded, progress.epoch}
	}
	return nil
}

// next returns the entries that are there, as many as a batch may hold, and moves
// at behind them. A partition whose Redis lost its data meanwhile is taken off at.
func (l *Loader) next(ctx context.Context, at map[int]mark) (*batch, error) {
	b := &batch{known: len(l.Buffer.Tombstones.All())}
	left := slices.Sorted(maps.Keys(at))
	spans := map[int]*span{}
	for entries := 0; len(left) > 0 && entries < l.Batch && b.bytes < batchBytes; {
		n := max((l.Batch-entries)/len(left), 1)
		answers, epochs := make([]*redis.XMessageSliceCmd, len(left)), make([]*redis.StringCmd, len(left))
		_, _ = l.Buffer.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for i, p := range left {
				// The epoch last: if it is the same still, so it was when the entries were read.
				answers[i], epochs[i] = pipe.XRangeN(ctx, streamKey(p), "("+at[p].String(), "+", int64(n)), pipe.Get(ctx, epochKey(p))
			}
			return nil
		}) // each command has its own error
		b.grow(answers)
		var more []int
		for i, p := range left {
			found, err := answers[i].Result()
			if err := errors.Join(err, ignoreNil(epochs[i].Err())); err != nil {
				return nil, err
			}
			if epochs[i].Val() != at[p].epoch {
				delete(at, p)
				continue
			}
			if len(found) == 0 {
				continue
			}
			if spans[p] == nil {
				spans[p] = &span{partition: p, from: at[p].streamID}
			}
			l.decode(b, p, at[p].epoch, found)
			end := parseStreamID(found[len(found)-1].ID)
			at[p] = mark{end, at[p].epoch}
			spans[p].to, spans[p].entries = end, spans[p].entries+len(found)
			if entries += len(found); len(found) == n {
				more = append(more, p)
			}
		}
		left = more
	}
	b.full = len(left) > 0
	for _, p := range slices.Sorted(maps.Keys(spans)) {
		b.spans = append(b.spans, *spans[p])
	}
	return b, nil
}

// grow makes room for what was read, in one step: events are large.
func (b *batch) grow(answers []*redis.XMessageSliceCmd) {
	n := 0
	for _, a := range answers {
		n += len(a.Val())
	}
	b.events, b.arrivals = slices.Grow(b.events, n), slices.Grow(b.arrivals, n)
}

// decode reads the events of a partition's entries into a batch.
func (l *Loader) decode(b *batch, partition int, epoch string, found []redis.XMessage) {
	if first := parseStreamID(found[0].ID).time(); b.oldest.IsZero() || first.Before(b.oldest) {
		b.oldest = first
	}
	for _, m := range found {
		at := parseStreamID(m.ID)
		entry := store.Entry{Epoch: epoch, Partition: uint8(partition), Ms: at.ms, Seq: at.seq}
		raw, ok := m.Values[streamField].(string)
		if !ok {
			b.bad = append(b.bad, l.clean(badEntry(entry, m.Values, "decode", "the entry has no field "+streamField, "")))
			continue
		}
		b.bytes += len(raw)
		b.events = append(b.events, trail.Event{})
		e := &b.events[len(b.events)-1]
		if stage, err := readEvent(raw, e); err != nil {
			b.bad = append(b.bad, l.clean(badEntry(entry, m.Values, stage, err.Error(), e.Source)))
			b.events = b.events[:len(b.events)-1]
			continue
		}
		if clean, changed := l.Buffer.Tombstones.Clean(*e); changed {
			*e, b.named = clean, append(b.named, partition)
		}
		b.arrivals = append(b.arrivals, store.Arrival{Event: e.ID, Revision: e.Revision, Entry: entry})
	}
}

// clean leaves out of a bad entry who was erased.
func (l *Loader) clean(b store.Bad) store.Bad {
	b.Raw, b.Reason = l.Buffer.Tombstones.Text(b.Raw), l.Buffer.Tombstones.Text(b.Reason)
	return b
}

// readEvent reads a valid event, or says at which stage it is none.
func readEvent(raw string, e *trail.Event) (stage string, err error) {
	if err := json.Unmarshal([]byte(raw), e); err != nil {
		return "decode", err
	}
	if err := e.Validate(); err != nil {
		return "validate", err
	}
	e.Account = accountOf(e)
	return "", nil
}

// moveScript moves a partition's position behind what was loaded, if we still
// hold it and nobody moved it. Entries that somebody trimmed before they were read
// are missing from the count when its end is reached. KEYS are the stream and the
// lease; ARGV are the node, the group, the position before, the one after and the
// number of entries between. It returns how many are missing, or -1 when the
// partition is another's.
const moveScript = `#!lua flags=allow-oom
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return -1 end
local read
for _, g in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local at = {}
  for i = 1, #g, 2 do at[g[i]] = g[i + 1] end
  if at['name'] == ARGV[2] then
    if at['last-delivered-id'] ~= ARGV[3] then return -1 end
    read = (tonumber(at['entries-read']) or 0) + tonumber(ARGV[5])
  end
end
if not read then return -1 end
local s, lost = {}, 0
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do s[info[i]] = info[i + 1] end
if s['last-generated-id'] == ARGV[4] then
  lost = s['entries-added'] - read
  read = s['entries-added']
end
redis.call('XGROUP', 'SETID', KEYS[1], ARGV[2], ARGV[4], 'ENTRIESREAD', read)
return lost`

// errTakenOver ends a session whose partitions are another loader's now, in part.
var errTakenOver = errors.New("another loader has taken a partition over")

// moveOn says that spans are loaded. A partition that is another loader's now is
// left to it: it loads the span again.
func (l *Loader) moveOn(ctx context.Context, spans []span) (lost uint64, taken error) {
	answers := make([]*redis.Cmd, len(spans))
	_, _ = l.Buffer.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, s := range spans {
			answers[i] = pipe.Eval(ctx, moveScript, []string{streamKey(s.partition), leaseKey(s.partition)},
				l.Node, loaders, s.from.String(), s.to.String(), s.entries)
		}
		return nil
	}) // each command has its own error
	for i, s := range spans {
		n, err := answers[i].Int64()
		switch {
		case err != nil:
			return lost, fmt.Errorf("move on in partition %d: %w", s.partition, err)
		case n > 0:
			lost += uint64(n)
		case n < 0:
			taken = errTakenOver
		}
	}
	return lost, taken
}
