package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"dealtrail/trail"
)

const (
	// lookupWait is what a redirect may wait for a content registered elsewhere a moment ago.
	lookupWait = 200 * time.Millisecond
	// missFor is how long a key that nobody knows is not asked for again, and maxMisses how many such keys are kept.
	missFor   = 2 * time.Second
	maxMisses = 10_000
)

// Lookup returns the target of a key: from memory, else from Redis, else from
// the store, within 200 ms. The error says that one of them did not answer, so
// that the key may be known after all.
func (c *Catalogue) Lookup(ctx context.Context, key trail.ContentKey) (trail.Target, bool, error) {
	return c.find(ctx, key, lookupWait)
}

// Find is [Catalogue.Lookup] for a person, who waits longer than a redirect may.
func (c *Catalogue) Find(ctx context.Context, key trail.ContentKey) (trail.Target, bool, error) {
	return c.find(ctx, key, defaultPatience)
}

// find asks Redis for half of the wait at most.
func (c *Catalogue) find(ctx context.Context, key trail.ContentKey, wait time.Duration) (trail.Target, bool, error) {
	if t, ok := c.inMemory(key); ok {
		return t, true, nil
	}
	if c.missed(key) {
		return trail.Target{}, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	t, ok, errRedis := c.lookupRedis(ctx, key, wait/2)
	if ok {
		c.remember(t)
		return t, true, nil
	}
	t, ok, errStore := c.db.Target(ctx, key)
	if ok && errStore == nil {
		c.remember(t)
		return t, true, nil
	}
	if err := errors.Join(errRedis, errStore); err != nil {
		return trail.Target{}, false, fmt.Errorf("look up a content: %w", err)
	}
	c.miss(key)
	return trail.Target{}, false, nil
}

func (c *Catalogue) lookupRedis(ctx context.Context, key trail.ContentKey, wait time.Duration) (t trail.Target, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	text, err := c.rdb.HGet(ctx, catalogueKey, key.String()).Bytes()
	if err != nil {
		return t, false, ignoreNil(err)
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return t, false, err
	}
	return t, trail.KeyOf(t.Content) == key, nil
}

func (c *Catalogue) missed(key trail.ContentKey) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return time.Now().Before(c.misses[key])
}

func (c *Catalogue) miss(key trail.ContentKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.misses) >= maxMisses {
		clear(c.misses)
	}
	c.misses[key] = time.Now().Add(missFor)
}
