package ingest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// What Redis holds is rewritten in place when somebody is erased: entries of streams
// keep their IDs and groups their positions, so the pipe does not notice.

const (
	// namedKey is a set of partitions whose entries named somebody who had been erased when they were loaded.
	namedKey = "dealtrail:erased:named"
	// sweepCopy ends the key of the copy that takes a stream's place.
	sweepCopy = ":copy"
	// sweepChunk is how many entries, fields or members are looked at at once.
	sweepChunk = 1000
	// sweepTries is how often a stream that grows too fast is copied again.
	sweepTries = 20
)

// noteNamed notes partitions whose streams are to be rewritten.
func noteNamed(ctx context.Context, rdb redis.UniversalClient, partitions []any) error {
	if len(partitions) == 0 {
		return nil
	}
	return evenFull(ctx, rdb, namedKey, append([]any{"SADD", namedKey}, partitions...)...)
}

// replaceScript puts the copy of a stream in its place, with what was added since. KEYS
// are the stream and the copy; ARGV the last entry that was copied, and how many may be
// missing. It returns how many were, or -1 if there are too many, -2 if a group has not
// finished what it was handed.
var replaceScript = redis.NewScript(`#!lua flags=allow-oom
local function fields(list)
  local out = {}
  for i = 1, #list, 2 do out[list[i]] = list[i + 1] end
  return out
end
local tail = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', tonumber(ARGV[2]) + 1)
if #tail > tonumber(ARGV[2]) then return -1 end
local groups = redis.call('XINFO', 'GROUPS', KEYS[1])
for _, g in ipairs(groups) do
  if fields(g)['pending'] > 0 then return -2 end
end
for _, e in ipairs(tail) do redis.call('XADD', KEYS[2], e[1], unpack(e[2])) end
local info = fields(redis.call('XINFO', 'STREAM', KEYS[1]))
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('XGROUP', 'CREATE', KEYS[2], 'made', '0', 'MKSTREAM')
  redis.call('XGROUP', 'DESTROY', KEYS[2], 'made')
end
redis.call('XSETID', KEYS[2], info['last-generated-id'], 'ENTRIESADDED', info['entries-added'], 'MAXDELETEDID', info['max-deleted-entry-id'])
for _, g in ipairs(groups) do
  local f = fields(g)
  if f['entries-read'] then
    redis.call('XGROUP', 'CREATE', KEYS[2], f['name'], f['last-delivered-id'], 'ENTRIESREAD', f['entries-read'])
  else
    redis.call('XGROUP', 'CREATE', KEYS[2], f['name'], f['last-delivered-id'])
  end
end
redis.call('RENAME', KEYS[2], KEYS[1])
return #tail`)

// sweepStream rewrites the entries of a partition that clean changes, and returns how
// many those were. clean gets the raw event.
func (b *Buffer) sweepStream(ctx context.Context, partition int, clean func(raw string) (string, bool)) (n uint64, err error) {
	if n, _, err = b.copyStream(ctx, partition, clean, ""); n == 0 || err != nil {
		return 0, err
	}
	key, copied := streamKey(partition), streamKey(partition)+sweepCopy
	for range sweepTries {
		if err := b.rdb.Del(ctx, copied).Err(); err != nil {
			return 0, err
		}
		n, last, err := b.copyStream(ctx, partition, clean, copied)
		if err != nil {
			return 0, err
		}
		answer, err := replaceScript.Run(ctx, b.rdb, []string{key, copied}, last.String(), 10*sweepChunk).Int()
		if err != nil {
			return 0, errors.Join(err, b.rdb.Del(ctx, copied).Err())
		}
		if answer >= 0 {
			return n, nil
		}
		wait(ctx, 100*time.Millisecond)
	}
	err = trail.Problemf(trail.Unavailable, "The stream %s cannot be rewritten: a consumer group that is not ours has not finished its entries, or too many come.", key)
	return 0, errors.Join(err, b.rdb.Del(ctx, copied).Err())
}

// copyStream reads a partition, counts the entries that clean changes, and writes all
// of them under their IDs to another key, if that is not "".
func (b *Buffer) copyStream(ctx context.Context, partition int, clean func(raw string) (string, bool), to string) (n uint64, last streamID, err error) {
	for {
		found, err := b.rdb.XRangeN(ctx, streamKey(partition), "("+last.String(), "+", sweepChunk).Result()
		if err != nil || len(found) == 0 {
			return n, last, err
		}
		_, err = b.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, m := range found {
				last = parseStreamID(m.ID)
				values := make([]any, 0, 2*len(m.Values))
				changed := false
				for k, v := range m.Values {
					raw, _ := v.(string)
					raw, is := clean(raw)
					changed = changed || is
					values = append(values, k, raw)
				}
				if changed {
					n++
				}
				if to != "" {
					pipe.XAdd(ctx, &redis.XAddArgs{Stream: to, ID: m.ID, Values: values})
				}
			}
			return nil
		})
		if err != nil {
			return n, last, err
		}
	}
}

// SweepState looks into every key of ours but the streams, and rewrites those that hold
// what text changes. It returns how many texts that were.
func SweepState(ctx context.Context, rdb redis.UniversalClient, text func(string) string) (n uint64, err error) {
	err = eachKey(ctx, rdb, "dealtrail:*", func(key string) error {
		if key == erasedKey || key == erasingKey || key == reportsKey { // these have tombstones and what is sealed
			return nil
		}
		changed, err := sweepKey(ctx, rdb, key, text)
		n += changed
		return err
	})
	if err != nil {
		return n, fmt.Errorf("look into Redis: %w", err)
	}
	return n, nil
}

// eachKey calls f for each key that matches, on every server of a Cluster.
func eachKey(ctx context.Context, rdb redis.UniversalClient, match string, f func(key string) error) error {
	scan := func(ctx context.Context, c redis.Cmdable) error {
		keys := c.Scan(ctx, 0, match, sweepChunk).Iterator()
		for keys.Next(ctx) {
			if err := f(keys.Val()); err != nil {
				return err
			}
		}
		return keys.Err()
	}
	if cluster, ok := rdb.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return scan(ctx, c) })
	}
	return scan(ctx, rdb)
}

func sweepKey(ctx context.Context, rdb redis.UniversalClient, key string, text func(string) string) (n uint64, err error) {
	kind, err := rdb.Type(ctx, key).Result()
	if err != nil {
		return 0, err
	}
	changed := func(s string) (string, bool) {
		if !utf8.ValidString(s) {
			return s, false
		}
		t := text(s)
		return t, t != s
	}
	switch kind {
	case "string":
		old, err := rdb.Get(ctx, key).Result()
		if now, is := changed(old); is && err == nil {
			return 1, rdb.SetArgs(ctx, key, now, redis.SetArgs{KeepTTL: true}).Err()
		}
		return 0, ignoreNil(err)
	case "hash":
		fields := rdb.HScan(ctx, key, 0, "*", sweepChunk).Iterator()
		for fields.Next(ctx) {
			field := fields.Val()
			if !fields.Next(ctx) {
				break
			}
			value, isValue := changed(fields.Val())
			if other, is := changed(field); is {
				n++
				if err := errors.Join(rdb.HDel(ctx, key, field).Err(), rdb.HSet(ctx, key, other, value).Err()); err != nil {
					return n, err
				}
			} else if isValue {
				n++
				if err := rdb.HSet(ctx, key, field, value).Err(); err != nil {
					return n, err
				}
			}
		}
		return n, fields.Err()
	case "set":
		members := rdb.SScan(ctx, key, 0, "*", sweepChunk).Iterator()
		for members.Next(ctx) {
			if other, is := changed(members.Val()); is {
				n++
				if err := errors.Join(rdb.SRem(ctx, key, members.Val()).Err(), rdb.SAdd(ctx, key, other).Err()); err != nil {
					return n, err
				}
			}
		}
		return n, members.Err()
	case "zset":
		members := rdb.ZScan(ctx, key, 0, "*", sweepChunk).Iterator()
		for members.Next(ctx) {
			member := members.Val()
			if !members.Next(ctx) {
				break
			}
			if other, is := changed(member); is {
				score, _ := strconv.ParseFloat(members.Val(), 64)
				n++
				if err := errors.Join(rdb.ZRem(ctx, key, member).Err(), rdb.ZAdd(ctx, key, redis.Z{Score: score, Member: other}).Err()); err != nil {
					return n, err
				}
			}
		}
		return n, members.Err()
	case "list":
		all, err := rdb.LRange(ctx, key, 0, -1).Result()
		for i, old := range all {
			if now, is := changed(old); is {
				n++
				if err := rdb.LSet(ctx, key, int64(i), now).Err(); err != nil {
					return n, err
				}
			}
		}
		return n, ignoreNil(err)
	}
	return 0, nil
}

// rewriteLog has Redis write its append-only file anew, so that commands of before are
// not in it, and waits for that. A server that forbids it is an error.
func rewriteLog(ctx context.Context, rdb redis.UniversalClient) error {
	one := func(ctx context.Context, c redis.Cmdable) error {
		if on, err := persistence(ctx, c, "aof_enabled"); err != nil || on != "1" {
			if err != nil {
				return err
			}
			return snapshotAnew(ctx, c)
		}
		idle := func() error { return untilIdle(ctx, c, "aof_rewrite_in_progress", "aof_rewrite_scheduled") }
		if err := idle(); err != nil { // one that is under way may have begun before
			return err
		}
		if err := c.BgRewriteAOF(ctx).Err(); err != nil {
			return err
		}
		if err := idle(); err != nil {
			return err
		}
		if status, err := persistence(ctx, c, "aof_last_bgrewrite_status"); err != nil || status != "ok" {
			return errors.Join(err, fmt.Errorf("redis could not rewrite its append-only file: %s", status))
		}
		return nil
	}
	if cluster, ok := rdb.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return one(ctx, c) })
	}
	return one(ctx, rdb)
}

// snapshotAnew replaces the snapshot of a server that has no append-only file, if it
// ever wrote one.
func snapshotAnew(ctx context.Context, c redis.Cmdable) error {
	if saved, err := persistence(ctx, c, "rdb_last_save_time"); err != nil || saved == "" {
		return err
	}
	if err := untilIdle(ctx, c, "rdb_bgsave_in_progress"); err != nil {
		return err
	}
	if err := c.BgSave(ctx).Err(); err != nil {
		return err
	}
	return untilIdle(ctx, c, "rdb_bgsave_in_progress")
}

// untilIdle waits until Redis says 0 of each.
func untilIdle(ctx context.Context, c redis.Cmdable, names ...string) error {
	for {
		busy := false
		for _, name := range names {
			value, err := persistence(ctx, c, name)
			if err != nil {
				return err
			}
			busy = busy || value == "1"
		}
		if !busy {
			return nil
		}
		if !wait(ctx, 20*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// persistence returns one line of what Redis says of how it keeps its data.
func persistence(ctx context.Context, c redis.Cmdable, name string) (string, error) {
	info, err := c.Info(ctx, "persistence").Result()
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value, nil
		}
	}
	return "", nil
}
