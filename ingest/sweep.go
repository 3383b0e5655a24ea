package ingest

import (
	"context"
	"errors"
	"fmt"
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
	// pipePrefix begins the keys of the pipe's partitions.
	pipePrefix = "dealtrail:{p"
	// sweptCopy ends the key of the copy that takes a stream's place.
	sweptCopy = ":copy"
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

// sweepStream rewrites the entries of a stream in which clean changes a value, and returns
// how many those were.
func sweepStream(ctx context.Context, rdb redis.UniversalClient, key string, clean func(value string) (string, bool)) (n uint64, err error) {
	if n, _, err = copyStream(ctx, rdb, key, clean, ""); n == 0 || err != nil {
		return 0, err
	}
	copied := sweptKey(key)
	for range sweepTries {
		if err := rdb.Del(ctx, copied).Err(); err != nil {
			return 0, err
		}
		n, last, err := copyStream(ctx, rdb, key, clean, copied)
		if err != nil {
			return 0, err
		}
		answer, err := replaceScript.Run(ctx, rdb, []string{key, copied}, last.String(), 10*sweepChunk).Int()
		if err != nil {
			return 0, errors.Join(err, rdb.Del(ctx, copied).Err())
		}
		if answer >= 0 {
			return n, nil
		}
		wait(ctx, 100*time.Millisecond)
	}
	err = trail.Problemf(trail.Unavailable, "The stream %s cannot be rewritten: a consumer group that is not ours has not finished its entries, or too many come.", key)
	return 0, errors.Join(err, rdb.Del(ctx, copied).Err())
}

// sweptKey is the key of the copy that takes a stream's place, in the same slot of a Cluster.
func sweptKey(key string) string {
	if !strings.Contains(key, "{") {
		key = "{" + key + "}"
	}
	return key + sweptCopy
}

// copyStream reads a stream, counts the entries that clean changes, and writes all of them
// under their IDs to another key, if that is not "".
func copyStream(ctx context.Context, rdb redis.UniversalClient, key string, clean func(value string) (string, bool), to string) (n uint64, last streamID, err error) {
	for {
		found, err := rdb.XRangeN(ctx, key, "("+last.String(), "+", sweepChunk).Result()
		if err != nil || len(found) == 0 {
			return n, last, err
		}
		_, err = rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, m := range found {
				last = parseStreamID(m.ID)
				values := make([]any, 0, 2*len(m.Values))
				changed := false
				for k, v := range m.Values {
					value, _ := v.(string)
					value, is := clean(value)
					changed = changed || is
					values = append(values, k, value)
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

// SweepState looks into every key of ours but the streams of the pipe, and rewrites those
// that hold what text changes. It returns how many texts that were.
func SweepState(ctx context.Context, rdb redis.UniversalClient, text func(string) string) (n uint64, err error) {
	err = eachKey(ctx, rdb, "dealtrail:*", func(key string) error {
		// These have tombstones, what is sealed, and whom this is about.
		if key == erasedKey || key == erasingKey || key == reportsKey || key == expiringKey || strings.HasPrefix(key, pipePrefix) {
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

// swapScript puts a text in the place of another in a key, if it is still there: what is
// written meanwhile is not undone. KEYS[1] is the key; ARGV are its type, the old text and
// the new, and of a hash the old field and the new. It returns 1 if it did.
var swapScript = redis.NewScript(`#!lua flags=allow-oom
local key, kind, old, new = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
if kind == 'string' then
  if redis.call('GET', key) ~= old then return 0 end
  redis.call('SET', key, new, 'KEEPTTL')
elseif kind == 'hash' then
  if redis.call('HGET', key, ARGV[4]) ~= old then return 0 end
  redis.call('HSET', key, ARGV[5], new)
  if ARGV[4] ~= ARGV[5] then redis.call('HDEL', key, ARGV[4]) end
elseif kind == 'set' then
  if redis.call('SREM', key, old) == 0 then return 0 end
  redis.call('SADD', key, new)
elseif kind == 'zset' then
  local score = redis.call('ZSCORE', key, old)
  if not score then return 0 end
  redis.call('ZREM', key, old)
  redis.call('ZADD', key, score, new)
elseif kind == 'list' then
  local at = redis.call('LPOS', key, old)
  if not at then return 0 end
  redis.call('LSET', key, at, new)
end
return 1`)

// sweepKey rewrites what text changes in one key, and returns how many texts that were.
func sweepKey(ctx context.Context, rdb redis.UniversalClient, key string, text func(string) string) (n uint64, err error) {
	clean := func(s string) (string, bool) {
		if !utf8.ValidString(s) {
			return s, false
		}
		t := text(s)
		return t, t != s
	}
	kind, err := rdb.Type(ctx, key).Result()
	if err != nil {
		return 0, err
	}
	// one rewrites a text, of a hash with its field. again reads what took its place meanwhile.
	one := func(old, field string, again func() (string, error)) error {
		for {
			now, is := clean(old)
			other, isField := clean(field)
			if !is && !isField {
				return nil
			}
			did, err := swapScript.Run(ctx, rdb, []string{key}, kind, old, now, field, other).Bool()
			if did {
				n++
			}
			if did || err != nil {
				return err
			}
			if old, err = again(); err != nil {
				return ignoreNil(err)
			}
		}
	}
	member := func(old string) error {
		return one(old, "", func() (string, error) { return "", redis.Nil })
	}
	switch kind {
	case "string":
		get := func() (string, error) { return rdb.Get(ctx, key).Result() }
		old, err := get()
		if err == nil {
			err = one(old, "", get)
		}
		return n, ignoreNil(err)
	case "hash":
		return n, eachPair(ctx, rdb.HScan(ctx, key, 0, "*", sweepChunk), func(field, value string) error {
			return one(value, field, func() (string, error) { return rdb.HGet(ctx, key, field).Result() })
		})
	case "zset":
		return n, eachPair(ctx, rdb.ZScan(ctx, key, 0, "*", sweepChunk), func(old, _ string) error { return member(old) })
	case "set":
		members := rdb.SScan(ctx, key, 0, "*", sweepChunk).Iterator()
		for members.Next(ctx) {
			if err := member(members.Val()); err != nil {
				return n, err
			}
		}
		return n, members.Err()
	case "list":
		all, err := rdb.LRange(ctx, key, 0, -1).Result()
		for _, old := range all {
			err = errors.Join(err, member(old))
		}
		return n, err
	case "stream":
		return sweepStream(ctx, rdb, key, clean)
	}
	return 0, nil
}

// eachPair calls f for each field with its value, or member with its score.
func eachPair(ctx context.Context, found *redis.ScanCmd, f func(name, value string) error) error {
	pairs := found.Iterator()
	for pairs.Next(ctx) {
		name := pairs.Val()
		if !pairs.Next(ctx) {
			break
		}
		if err := f(name, pairs.Val()); err != nil {
			return err
		}
	}
	return pairs.Err()
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
