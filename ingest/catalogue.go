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
	mailed  *mailed // what mails are compared with; nil: not made since something changed
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
	if !replace { // what we have stays, and learns what it was before
		for i, t := range targets {
			if known, ok := c.inMemory(trail.KeyOf(t.Content)); ok {
				targets[i] = known.After(t, time.Now())
			}
		}
	}
	c.remember(targets...)
	c.hasStore, c.synced = true, false
	return nil
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
	return c.sorted()
}

func (c *Catalogue) sorted() []trail.Target {
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
		t = t.After(old, time.Now()) // whoever tells may not know what it was before
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
		c.changed, c.mailed = true, nil
	}
}

func same(a, b trail.Target) bool {
	return slices.Equal(a.OtherURLs, b.OtherURLs) && a.Content == b.Content && a.Title == b.Title && a.URL == b.URL &&
		a.File == b.File && a.FileName == b.FileName && a.FileType == b.FileType && a.FileSize == b.FileSize && a.Version == b.Version &&
		a.ExpiresAt.Equal(b.ExpiresAt) && a.Successor == b.Successor &&
		slices.EqualFunc(a.Former, b.Former, func(x, y trail.Former) bool {
			sameTime := x.Until.Equal(y.Until)
			x.Until = y.Until
			return sameTime && x == y
		})
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
