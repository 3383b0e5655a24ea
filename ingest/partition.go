package ingest

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// Partitions is in how many streams events travel. It never changes: what one
// program wrote another must find. Each stream is one slot of a Redis Cluster, and
// one loader has it at a time.
const Partitions = 16

const (
	// streamField is the one field of an entry: the event as JSON.
	streamField = "e"
	// loaders is the consumer group whose position says what is loaded. Nobody reads as its member: Redis would write
	// down each entry that is handed out, and syncs that.
	loaders = "load"
)

// streamKey and leaseKey belong to one partition; the part in braces makes them
// one slot of a Cluster.
func streamKey(partition int) string { return fmt.Sprintf("dealtrail:{p%02d}:events", partition) }
func leaseKey(partition int) string  { return fmt.Sprintf("dealtrail:{p%02d}:lease", partition) }

// epochKey names the life of a partition: a Redis that lost its data begins another,
// whose entries count from one again.
func epochKey(partition int) string { return fmt.Sprintf("dealtrail:{p%02d}:epoch", partition) }

// partitionOf keeps what belongs together in one stream: a share's events, else a
// contact's, a deal's, a content's. No report depends on it.
func partitionOf(e *trail.Event) int {
	h := fnv.New32a()
	h.Write([]byte(cmp.Or(string(e.Share), string(e.Contact), e.Deal, e.Content, e.ID.String())))
	return int(h.Sum32() % Partitions)
}

// entry is an event on its way into the stream of its partition.
type entry struct {
	partition int
	raw       []byte
}

// add writes entries to their streams and returns nil once Redis has synced them.
func (b *Buffer) add(ctx context.Context, entries []entry) error {
	if len(entries) == 1 {
		return b.rdb.XAdd(ctx, entries[0].args()).Err()
	}
	if _, ok := b.rdb.(*redis.ClusterClient); !ok {
		return b.addAll(ctx, entries)
	}
	// A transaction of a Cluster has one slot.
	var split [Partitions][]entry
	for _, e := range entries {
		split[e.partition] = append(split[e.partition], e)
	}
	failed := make(chan error, Partitions)
	for _, part := range split {
		go func() {
			if len(part) == 0 {
				failed <- nil
				return
			}
			failed <- b.addAll(ctx, part)
		}()
	}
	var err error
	for range split {
		err = errors.Join(err, <-failed)
	}
	return err
}

// addAll writes entries in one transaction, which is one write to disk. Without it
// Redis writes once for each 16 KB that it reads.
func (b *Buffer) addAll(ctx context.Context, entries []entry) error {
	_, err := b.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for _, e := range entries {
			p.XAdd(ctx, e.args())
		}
		return nil
	})
	return err
}

func (e entry) args() *redis.XAddArgs {
	return &redis.XAddArgs{Stream: streamKey(e.partition), Values: []any{streamField, e.raw}}
}

// progress is how far one partition is, as Redis says it.
type progress struct {
	epoch   string   // of its life; "" before it was first loaded
	added   uint64   // entries ever added
	newest  streamID // of these, the last
	oldest  streamID // the first that is still there
	loaded  streamID // every entry up to here is loaded
	slowest streamID // every group has been handed the entries up to here
	pending []string // groups that were handed entries and have not finished them
	read    uint64   // entries that are loaded
	waiting uint64   // entries that are not
}

// progressOf asks for several partitions at once. A stream that does not exist
// has made none.
func (b *Buffer) progressOf(ctx context.Context, partitions []int) (map[int]progress, error) {
	streams, groups := make([]*redis.XInfoStreamCmd, len(partitions)), make([]*redis.XInfoGroupsCmd, len(partitions))
	epochs := make([]*redis.StringCmd, len(partitions))
	_, _ = b.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, p := range partitions {
			epochs[i] = pipe.Get(ctx, epochKey(p))
			// Positions first: what is loaded in between is then missing from them, never from what was added.
			groups[i], streams[i] = pipe.XInfoGroups(ctx, streamKey(p)), pipe.XInfoStream(ctx, streamKey(p))
		}
		return nil
	}) // each command has its own error
	all := make(map[int]progress, len(partitions))
	for i, p := range partitions {
		if err := ignoreNil(epochs[i].Err()); err != nil {
			return nil, err
		}
		at := progress{epoch: epochs[i].Val()}
		if isNoStream(groups[i].Err()) || isNoStream(streams[i].Err()) {
			all[p] = at
			continue
		}
		if err := errors.Join(groups[i].Err(), streams[i].Err()); err != nil {
			return nil, err
		}
		s := streams[i].Val()
		at.added = uint64(s.EntriesAdded)
		at.newest, at.oldest = parseStreamID(s.LastGeneratedID), parseStreamID(s.FirstEntry.ID)
		at.waiting = at.added
		for i, g := range groups[i].Val() {
			handed := parseStreamID(g.LastDeliveredID)
			if i == 0 || handed.compare(at.slowest) < 0 {
				at.slowest = handed
			}
			if g.Pending > 0 {
				at.pending = append(at.pending, g.Name)
			}
			if g.Name == loaders {
				at.loaded, at.read, at.waiting = handed, uint64(max(g.EntriesRead, 0)), uint64(max(g.Lag, 0))
			}
		}
		all[p] = at
	}
	return all, nil
}

// allPartitions are 0 to 15.
var allPartitions = func() (all []int) {
	for p := range Partitions {
		all = append(all, p)
	}
	return all
}()

// makeGroup makes the group of a partition, and the name of its life, where there
// is none: on the first start, and after Redis lost its data.
func (b *Buffer) makeGroup(ctx context.Context, partition int) error {
	key, epoch := streamKey(partition), epochKey(partition)
	if err := evenFull(ctx, b.rdb, epoch, "SET", epoch, rand.Text()[:8], "NX"); err != nil {
		return err
	}
	err := evenFull(ctx, b.rdb, key, "XGROUP", "CREATE", key, loaders, "0", "MKSTREAM", "ENTRIESREAD", 0)
	if err != nil && strings.Contains(err.Error(), "BUSYGROUP") {
		return nil // it exists
	}
	return err
}

// evenFullScript runs the command in ARGV, of whose key it is told by KEYS.
var evenFullScript = redis.NewScript(`#!lua flags=allow-oom
return redis.call(unpack(ARGV))`)

// evenFull runs a command that Redis must not refuse when it is out of memory: what
// takes next to none and helps to empty it, or tells people.
func evenFull(ctx context.Context, rdb redis.UniversalClient, key string, command ...any) error {
	return ignoreNil(evenFullScript.Run(ctx, rdb, []string{key}, command...).Err())
}

func isNoStream(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "ERR no such key")
}

// streamID is the ID of an entry: milliseconds since 1970 by Redis's clock, and
// a number within the millisecond.
type streamID struct{ ms, seq uint64 }

// parseStreamID reads what Redis wrote; "" is the zero ID.
func parseStreamID(s string) (id streamID) {
	ms, seq, _ := strings.Cut(s, "-")
	id.ms, _ = strconv.ParseUint(ms, 10, 64)
	id.seq, _ = strconv.ParseUint(seq, 10, 64)
	return id
}

func (id streamID) String() string {
	return strconv.FormatUint(id.ms, 10) + "-" + strconv.FormatUint(id.seq, 10)
}

func (id streamID) compare(other streamID) int {
	return cmp.Or(cmp.Compare(id.ms, other.ms), cmp.Compare(id.seq, other.seq))
}

func (id streamID) time() time.Time { return time.UnixMilli(int64(id.ms)).UTC() }
