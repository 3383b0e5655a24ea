package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/store"
	"dealtrail/trail"
)

const (
	// catalogueKey is a hash: the key of a content to its target as JSON, and versionField to a counter of changes.
	catalogueKey = "dealtrail:catalogue"
	versionField = "version" // seven characters; the key of a content has eight
	// cataloguePoll is how often other nodes' changes are looked for, and storeRetry how often a store that did not
	// answer is asked for its contents.
	cataloguePoll = time.Second
	storeRetry    = 10 * time.Second
	// reloadWait is for reading all of the hash.
	reloadWait = 10 * time.Second
)

// Catalogue is where every content's links lead. It lives in memory, so that a
// redirect waits for nobody; in a Redis hash that the nodes share; and in a file,
// from which known links still redirect after a restart without Redis and store.
type Catalogue struct {
	rdb      redis.UniversalClient
	db       *store.DB
	snapshot string
	log      *slog.Logger

	mu      sync.RWMutex
	targets map[trail.ContentKey]trail.Target
	urls    map[string][]trail.ContentID // by trail.NormalURL, sorted
	misses  map[trail.ContentKey]time.Time
	version uint64
	changed bool // since the snapshot was written

	sharing sync.Mutex // reading or writing the hash and taking over what it says are one step
	writing sync.Mutex // the snapshot

	// These are Load's and Run's own.
	hasStore bool // the store's contents are merged
	synced   bool // Redis has all that we have
}

// NewCatalogue returns an empty catalogue; Load fills it, Run keeps it up to
// date. The client should come from [Connect]. snapshot is the path of its file.
func NewCatalogue(rdb redis.UniversalClient, db *store.DB, snapshot string, log *slog.Logger) *Catalogue {
	return &Catalogue{
		rdb: rdb, db: db, snapshot: snapshot, log: log,
		targets: map[trail.ContentKey]trail.Target{}, urls: map[string][]trail.ContentID{}, misses: map[trail.ContentKey]time.Time{},
	}
}

// Load fills the catalogue from the snapshot, then the store, then Redis; the
// later knows better. It is an error only when none of them can be read, and
// Run asks again those that did not answer.
func (c *Catalogue) Load(ctx context.Context) error {
	errSnapshot := c.readSnapshot()
	errStore := c.mergeStore(ctx, true)
	errRedis := c.reload(ctx)
	if errSnapshot != nil && errStore != nil && errRedis != nil {
		return fmt.Errorf("load the catalogue: %w", errors.Join(errSnapshot, errStore, errRedis))
	}
	if errStore != nil || errRedis != nil {
		c.log.Warn("catalogue is loaded in part", "n", len(c.All()), "err", errors.Join(errStore, errRedis))
	}
	c.saveSnapshot()
	return nil
}

// Run notices what other nodes registered, until ctx ends. It returns nil.
func (c *Catalogue) Run(ctx context.Context) error {
	var asked time.Time // the store
	down := false
	for wait(ctx, cataloguePoll) {
		if !c.hasStore && time.Since(asked) > storeRetry {
			asked = time.Now()
			_ = c.mergeStore(ctx, false) // once it answers
		}
		err := c.refresh(ctx)
		if err != nil && !down && ctx.Err() == nil {
			c.log.Warn("catalogue does not hear of other nodes' changes", "err", err)
		}
		down = err != nil
		c.saveSnapshot()
	}
	return nil
}

// refresh reads the hash again if it changed.
func (c *Catalogue) refresh(ctx context.Context) error {
	v, err := c.rdb.HGet(ctx, catalogueKey, versionField).Uint64()
	if ignoreNil(err) != nil {
		return err
	}
	if v == c.Version() && c.synced {
		return nil
	}
	return c.reload(ctx)
}

// reload takes over all of the hash, and gives it what it lacks: a Redis that
// lost its data learns it from whoever remembers.
func (c *Catalogue) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reloadWait)
	defer cancel()
	known, err := c.takeOver(ctx)
	if err != nil {
		return fmt.Errorf("read the catalogue from Redis: %w", err)
	}
	missing := slices.DeleteFunc(c.All(), func(t trail.Target) bool { return known[trail.KeyOf(t.Content).String()] })
	if err := c.put(ctx, false, missing); err != nil {
		return err
	}
	c.synced = true
	return nil
}

// takeOver reads the hash and returns its fields.
func (c *Catalogue) takeOver(ctx context.Context) (known map[string]bool, err error) {
	c.sharing.Lock()
	defer c.sharing.Unlock()
	fields, err := c.rdb.HGetAll(ctx, catalogueKey).Result()
	if err != nil {
		return nil, err
	}
	var version uint64
	if text, ok := fields[versionField]; ok {
		if version, err = strconv.ParseUint(text, 10, 64); err != nil {
			return nil, err
		}
	}
	delete(fields, versionField)
	known = make(map[string]bool, len(fields))
	targets := make([]trail.Target, 0, len(fields))
	for field, text := range fields {
		known[field] = true
		var t trail.Target
		if err := json.Unmarshal([]byte(text), &t); err != nil || trail.KeyOf(t.Content).String() != field {
			c.log.Error("catalogue in Redis has an entry that cannot be read", "err", err)
			continue
		}
		targets = append(targets, t)
	}
	c.remember(targets...)
	c.setVersion(version)
	return known, nil
}

// mergeStore takes over the contents that the store knows. Until Redis was
// heard they replace what we have, which is the snapshot's; Redis is never older
// than what the store has loaded.
func (c *Catalogue) mergeStore(ctx context.Context, replace bool) error {
	targets, err := c.db.Targets(ctx)
	if err != nil {
		return fmt.Errorf("read the catalogue from the store: %w", err)
	}
	if !replace {
		targets = slices.DeleteFunc(targets, func(t trail.Target) bool {
			_, ok := c.inMemory(trail.KeyOf(t.Content))
			return ok
		})
	}
	c.remember(targets...)
	c.hasStore, c.synced = true, false
	return nil
}

// putScript writes targets unless another content has a key of theirs. KEYS[1]
// is the hash; ARGV is 1 or 0 for whether to replace older targets, then key,
// content and target in turn. It returns the version and how far it grew, or the
// two contents that collide.
var putScript = redis.NewScript(`
for i = 2, #ARGV, 3 do
  local old = redis.call('HGET', KEYS[1], ARGV[i])
  if old then
    local content = cjson.decode(old).content
    if content ~= ARGV[i+1] then return {0, content, ARGV[i+1]} end
  end
end
local grew = 0
for i = 2, #ARGV, 3 do
  local old = redis.call('HGET', KEYS[1], ARGV[i])
  if not old or (ARGV[1] == '1' and old ~= ARGV[i+2]) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i+2])
    grew = 1
  end
end
return {1, redis.call('HINCRBY', KEYS[1], '` + versionField + `', grew), grew}`)

// putChunk is how many targets one call of the script writes; Redis answers
// nobody else meanwhile.
const putChunk = 500

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
	args := []any{replace}
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
		text, err := json.Marshal(t)
		if err != nil {
			return fmt.Errorf("put into the catalogue: %w", err)
		}
		args = append(args, key.String(), t.Content, text)
	}
	c.sharing.Lock()
	defer c.sharing.Unlock()
	answer, err := putScript.Run(ctx, c.rdb, []string{catalogueKey}, args...).Slice()
	if err != nil {
		return fmt.Errorf("put into the catalogue: %w", err)
	}
	if answer[0] == int64(0) {
		return collision(fmt.Sprint(answer[2]), fmt.Sprint(answer[1]))
	}
	version, _ := answer[1].(int64)
	grew, _ := answer[2].(int64)
	c.remember(targets...)
	// When another node's change is in between, Run shall see it.
	if uint64(version) == c.Version()+uint64(grew) {
		c.setVersion(uint64(version))
	}
	return nil
}

func collision(content, other trail.ContentID) error {
	return trail.Problemf(trail.Conflict, "The content ID %q cannot be told apart from %q in a link (one chance in a trillion); choose another.", content, other)
}

// ByURL returns the content that a URL leads to, whatever tracking parameters
// it carries. Of several it is the one whose ID sorts first.
func (c *Catalogue) ByURL(url string) (trail.ContentID, bool) {
	if clean, err := cleanTarget(url); err == nil {
		url = clean // as registered ones are kept
	}
	normal := trail.NormalURL(url)
	c.mu.RLock()
	defer c.mu.RUnlock()
	if contents := c.urls[normal]; normal != "" && len(contents) > 0 {
		return contents[0], true
	}
	return "", false
}

// All returns every target, sorted by content.
func (c *Catalogue) All() []trail.Target {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.SortedFunc(maps.Values(c.targets), func(a, b trail.Target) int { return cmp.Compare(a.Content, b.Content) })
}

// Version counts the changes of all nodes together: it grows with each content
// that is registered or changed.
func (c *Catalogue) Version() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.version
}

func (c *Catalogue) inMemory(key trail.ContentKey) (trail.Target, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	t, ok := c.targets[key]
	return t, ok
}

// setVersion comes after what the version stands for is in memory.
func (c *Catalogue) setVersion(version uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed = c.changed || version != c.version
	c.version = version
}

// remember takes targets into memory.
func (c *Catalogue) remember(targets ...trail.Target) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range targets {
		key := trail.KeyOf(t.Content)
		delete(c.misses, key)
		old, ok := c.targets[key]
		if ok && same(old, t) {
			continue
		}
		for _, u := range normalURLs(old) {
			c.urls[u] = slices.DeleteFunc(c.urls[u], func(id trail.ContentID) bool { return id == old.Content })
		}
		for _, u := range normalURLs(t) {
			c.urls[u] = append(c.urls[u], t.Content)
			slices.Sort(c.urls[u])
		}
		c.targets[key] = t
		c.changed = true
	}
}

func same(a, b trail.Target) bool {
	return slices.Equal(a.OtherURLs, b.OtherURLs) && a.Content == b.Content && a.Title == b.Title && a.URL == b.URL &&
		a.File == b.File && a.FileName == b.FileName && a.FileType == b.FileType &&
		a.ExpiresAt.Equal(b.ExpiresAt) && a.Successor == b.Successor
}

// normalURLs returns the URLs that lead to a content, each once.
func normalURLs(t trail.Target) (urls []string) {
	for _, raw := range append([]string{t.URL}, t.OtherURLs...) {
		if u := trail.NormalURL(raw); u != "" && !slices.Contains(urls, u) {
			urls = append(urls, u)
		}
	}
	return urls
}
