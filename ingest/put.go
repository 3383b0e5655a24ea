package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// putScript writes targets unless another content has a key of theirs, or one
// that they replace is no longer what it was. KEYS[1] is the hash; ARGV is 1 or 0
// for whether to replace older targets, then key, content, target, and what is to
// be replaced in turn. It returns the version and how far it grew; or the two
// contents that collide; or that something changed.
var putScript = redis.NewScript(`
for i = 2, #ARGV, 4 do
  local old = redis.call('HGET', KEYS[1], ARGV[i])
  if old then
    local content = cjson.decode(old).content
    if content ~= ARGV[i+1] then return {0, content, ARGV[i+1]} end
  end
  if ARGV[1] == '1' and (old or '') ~= ARGV[i+3] then return {2} end
end
local grew = 0
for i = 2, #ARGV, 4 do
  local old = redis.call('HGET', KEYS[1], ARGV[i])
  if not old or (ARGV[1] == '1' and old ~= ARGV[i+2]) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i+2])
    grew = 1
  end
end
return {1, redis.call('HINCRBY', KEYS[1], '` + versionField + `', grew), grew}`)

// putChunk is how many targets one call of the script writes; Redis answers
// nobody else meanwhile. putTries is for nodes that change the same contents.
const (
	putChunk = 500
	putTries = 20
)

// Put makes targets known: to Redis first, so that every node finds them, then
// here, then in the snapshot. It refuses, with a *trail.Problem Conflict, a
// content whose 40-bit key another content has.
func (c *Catalogue) Put(ctx context.Context, targets ...trail.Target) error {
	return c.put(ctx, true, targets)
}

func (c *Catalogue) put(ctx context.Context, replace bool, targets []trail.Target) error {
	for chunk := range slices.Chunk(targets, putChunk) {
		if err := c.putChunk(ctx, replace, chunk); err != nil {
			return err
		}
	}
	c.saveSnapshot()
	return nil
}

func (c *Catalogue) putChunk(ctx context.Context, replace bool, targets []trail.Target) error {
	seen := map[trail.ContentKey]trail.ContentID{}
	for _, t := range targets {
		key := trail.KeyOf(t.Content)
		other, ok := c.inMemory(key)
		if !ok {
			other.Content = seen[key]
		}
		if other.Content != "" && other.Content != t.Content {
			return collision(t.Content, other.Content)
		}
		seen[key] = t.Content
	}
	c.sharing.Lock()
	defer c.sharing.Unlock()
	for range putTries {
		following, args, err := c.following(ctx, replace, targets)
		if err != nil {
			return fmt.Errorf("put into the catalogue: %w", err)
		}
		answer, err := putScript.Run(ctx, c.rdb, []string{catalogueKey}, args...).Slice()
		if err != nil {
			return fmt.Errorf("put into the catalogue: %w", err)
		}
		switch answer[0] {
		case int64(0):
			return collision(fmt.Sprint(answer[2]), fmt.Sprint(answer[1]))
		case int64(2):
			continue
		}
		version, _ := answer[1].(int64)
		grew, _ := answer[2].(int64)
		c.remember(following...)
		// When another node's change is in between, Run shall see it.
		if uint64(version) == c.Version()+uint64(grew) {
			c.setVersion(uint64(version))
		}
		return nil
	}
	return errors.New("put into the catalogue: other nodes change the same contents all the time")
}

// following returns targets that remember what they take the place of, here and
// in Redis, and the arguments of putScript.
func (c *Catalogue) following(ctx context.Context, replace bool, targets []trail.Target) (following []trail.Target, args []any, err error) {
	keys := make([]string, len(targets))
	for i, t := range targets {
		keys[i] = trail.KeyOf(t.Content).String()
	}
	var stored []any
	if replace {
		if stored, err = c.rdb.HMGet(ctx, catalogueKey, keys...).Result(); err != nil {
			return nil, nil, err
		}
	}
	now, latest := time.Now(), map[string]trail.Target{}
	args = []any{replace}
	for i, t := range targets {
		old := ""
		if replace {
			var before trail.Target
			if old, _ = stored[i].(string); json.Unmarshal([]byte(old), &before) == nil {
				t = t.After(before, now)
			}
			memory, _ := c.inMemory(trail.KeyOf(t.Content))
			t = t.After(memory, now).After(latest[keys[i]], now)
			latest[keys[i]] = t // a table may have a content twice
		}
		text, err := json.Marshal(t)
		if err != nil {
			return nil, nil, err
		}
		following = append(following, t)
		args = append(args, keys[i], t.Content, text, old)
	}
	return following, args, nil
}

func collision(content, other trail.ContentID) error {
	return trail.Problemf(trail.Conflict, "The content ID %q cannot be told apart from %q in a link (one chance in a trillion); choose another.", content, other)
}
