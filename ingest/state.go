package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// StateKey is one key of Redis as a backup has it, whatever its type: whole, or some
// entries of a stream.
type StateKey struct {
	Key     string            `json:"key"`
	Expires time.Time         `json:"expires,omitzero"`
	String  []byte            `json:"string,omitempty"`
	Hash    map[string][]byte `json:"hash,omitempty"`
	Set     [][]byte          `json:"set,omitempty"`
	Scores  map[string]string `json:"scores,omitempty"` // of a sorted set: member to score
	List    [][]byte          `json:"list,omitempty"`
	Stream  []StateEntry      `json:"stream,omitempty"`
}

// StateEntry is an entry of a stream: fields and values in turn.
type StateEntry struct {
	ID     string   `json:"id"`
	Values [][]byte `json:"values"`
}

// notBackedUp begin the keys that no backup has: what belongs to running processes, to
// people who are signed in, what must not outlive its hours, and what is worked out from
// the store again.
var notBackedUp = []string{
	pipePrefix, "dealtrail:lease:", "dealtrail:members:", nodesKey, balanceKey, reloadKey, namedKey,
	"dealtrail:session:", "dealtrail:sessions:", "dealtrail:signin:", "dealtrail:throttle:", visitorKey, ownKey, recipientsPrefix, sharesPrefix, recipientsReady, acquaintancesKey,
}

// backedUp reports whether a backup has a key.
func backedUp(key string) bool {
	return !strings.HasSuffix(key, sweptCopy) && !slices.ContainsFunc(notBackedUp, func(begin string) bool { return strings.HasPrefix(key, begin) })
}

// DumpState hands over every key that a backup has.
func DumpState(ctx context.Context, rdb redis.UniversalClient, take func(StateKey) error) error {
	err := eachKey(ctx, rdb, "dealtrail:*", func(key string) error {
		if !backedUp(key) {
			return nil
		}
		k, kind, err := readState(ctx, rdb, key)
		if errors.Is(err, redis.Nil) { // it ended meanwhile
			return nil
		}
		if err != nil {
			return err
		}
		if kind == "stream" {
			return dumpStream(ctx, rdb, k, take)
		}
		return take(k)
	})
	if err != nil {
		return fmt.Errorf("dump the state: %w", err)
	}
	return nil
}

// dumpStream hands over a stream, some entries at a time: one may be larger than memory.
func dumpStream(ctx context.Context, rdb redis.UniversalClient, k StateKey, take func(StateKey) error) error {
	for from := "-"; ; {
		found, err := rdb.XRangeN(ctx, k.Key, from, "+", sweepChunk).Result()
		if err != nil || len(found) == 0 {
			return err
		}
		k.Stream = nil
		for _, m := range found {
			e := StateEntry{ID: m.ID}
			for _, field := range slices.Sorted(maps.Keys(m.Values)) {
				e.Values = append(e.Values, []byte(field), fmt.Append(nil, m.Values[field]))
			}
			k.Stream = append(k.Stream, e)
		}
		if err := take(k); err != nil {
			return err
		}
		from = "(" + found[len(found)-1].ID
	}
}

// readState reads a key, but for a stream, and says of what type it is.
func readState(ctx context.Context, rdb redis.UniversalClient, key string) (k StateKey, kind string, err error) {
	k.Key = key
	if kind, err = rdb.Type(ctx, key).Result(); err != nil {
		return k, kind, err
	}
	ttl, err := rdb.PTTL(ctx, key).Result()
	if err != nil {
		return k, kind, err
	}
	if ttl > 0 {
		k.Expires = time.Now().Add(ttl).UTC()
	}
	raw := func(all []string) (out [][]byte) {
		for _, s := range all {
			out = append(out, []byte(s))
		}
		return out
	}
	switch kind {
	case "string":
		k.String, err = rdb.Get(ctx, key).Bytes()
	case "hash":
		fields, failed := rdb.HGetAll(ctx, key).Result()
		err = failed
		k.Hash = map[string][]byte{}
		for f, v := range fields {
			k.Hash[f] = []byte(v)
		}
	case "set":
		all, failed := rdb.SMembers(ctx, key).Result()
		k.Set, err = raw(all), failed
	case "list":
		all, failed := rdb.LRange(ctx, key, 0, -1).Result()
		k.List, err = raw(all), failed
	case "zset":
		all, failed := rdb.ZRangeWithScores(ctx, key, 0, -1).Result()
		err = failed
		k.Scores = map[string]string{}
		for _, z := range all {
			k.Scores[fmt.Sprint(z.Member)] = fmt.Sprint(z.Score)
		}
	case "stream":
	case "none":
		return k, kind, redis.Nil
	default:
		return k, kind, fmt.Errorf("%s is a %s, which no backup knows", key, kind)
	}
	return k, kind, err
}

// LoadState writes a key that DumpState read, unless it would have ended by now. Entries
// of a stream come in the order in which they were read.
func LoadState(ctx context.Context, rdb redis.UniversalClient, k StateKey) error {
	if !backedUp(k.Key) || !strings.HasPrefix(k.Key, "dealtrail:") {
		return fmt.Errorf("load the state: %q is no key of a backup", k.Key)
	}
	if !k.Expires.IsZero() && !k.Expires.After(time.Now()) {
		return nil
	}
	anys := func(all [][]byte) (out []any) {
		for _, b := range all {
			out = append(out, b)
		}
		return out
	}
	_, err := rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		switch {
		case k.Hash != nil:
			for f, v := range k.Hash {
				p.HSet(ctx, k.Key, f, v)
			}
		case k.Set != nil:
			for some := range slices.Chunk(anys(k.Set), sweepChunk) { // Redis takes a million at once, at most
				p.SAdd(ctx, k.Key, some...)
			}
		case k.List != nil:
			for some := range slices.Chunk(anys(k.List), sweepChunk) {
				p.RPush(ctx, k.Key, some...)
			}
		case k.Stream != nil:
			for _, e := range k.Stream {
				p.XAdd(ctx, &redis.XAddArgs{Stream: k.Key, ID: e.ID, Values: anys(e.Values)})
			}
		case k.Scores != nil:
			for member, score := range k.Scores {
				p.Do(ctx, "ZADD", k.Key, score, member)
			}
		default:
			p.Set(ctx, k.Key, k.String, 0)
		}
		if !k.Expires.IsZero() {
			p.PExpireAt(ctx, k.Key, k.Expires)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("load the state: %s: %w", k.Key, err)
	}
	return nil
}

// HasState reports whether a Redis has anything of an installation.
func HasState(ctx context.Context, rdb redis.UniversalClient) (bool, error) {
	found := errors.New("found")
	err := eachKey(ctx, rdb, "dealtrail:*", func(string) error { return found })
	if errors.Is(err, found) {
		return true, nil
	}
	return false, err
}

// DumpWaiting hands over the raw events that were accepted and are not loaded yet. What
// is loaded meanwhile may be among them: IDs make that harmless.
func (b *Buffer) DumpWaiting(ctx context.Context, take func(raw string) error) error {
	all, err := b.progressOf(ctx, allPartitions)
	if err != nil {
		return fmt.Errorf("dump what waits: %w", err)
	}
	for _, p := range allPartitions {
		for at := all[p].loaded; ; {
			found, err := b.rdb.XRangeN(ctx, streamKey(p), "("+at.String(), "+", sweepChunk).Result()
			if err != nil {
				return fmt.Errorf("dump what waits: %w", err)
			}
			for _, m := range found {
				if raw, ok := m.Values[streamField].(string); ok {
					if err := take(raw); err != nil {
						return err
					}
				}
			}
			if len(found) < sweepChunk || parseStreamID(found[len(found)-1].ID).compare(all[p].newest) >= 0 {
				break
			}
			at = parseStreamID(found[len(found)-1].ID)
		}
	}
	return nil
}

// CleanRaw returns a raw event without who was erased.
func (t *Tombstones) CleanRaw(raw string) string {
	clean, _ := (&Eraser{Tombstones: t}).cleanEntry(func(s string) string { return t.Text(s) })(raw)
	return clean
}

// Instead returns what takes the place of a contact that was erased, the same each time:
// a backup that is restored has them in many rows.
func (t *Tombstones) Instead(c trail.ContactID) trail.ContactID {
	stone := t.Key.Tombstone(c)
	becomes, _ := t.becomes.LoadOrStore(stone, trail.NewErased())
	return becomes.(trail.ContactID)
}
