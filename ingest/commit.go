package ingest

import (
	"context"
	"runtime"
	"sync"
)

// convoys lets concurrent callers share a write: what is brought while one is on
// its way travels in the next. That is what makes a durable click cheap: one
// sync of the disk serves all who wait for it.
type convoys[T any] struct {
	write    func([]T) error // makes all of them durable
	parallel int             // writes that may be on their way at once

	mu      sync.Mutex
	next    *convoy[T] // those who wait for the next write
	running int
	workers sync.WaitGroup
}

// convoy is what travels in one write.
type convoy[T any] struct {
	items []T
	done  chan struct{} // closed when err is set
	err   error
}

// join puts items into the next write, in the order given and next to each other.
func (c *convoys[T]) join(items ...T) *convoy[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		c.next = &convoy[T]{done: make(chan struct{})}
	}
	g := c.next
	g.items = append(g.items, items...)
	if c.running < c.parallel {
		c.running++
		c.workers.Go(c.work)
	}
	return g
}

// wait returns how the write went; when ctx ends first it may still go well.
func (g *convoy[T]) wait(ctx context.Context) error {
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work writes convoy after convoy until nobody waits.
func (c *convoys[T]) work() {
	for {
		// Whom the last write has released may have more; let them join.
		runtime.Gosched()
		c.mu.Lock()
		g := c.next
		c.next = nil
		if g == nil {
			c.running--
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		g.err = c.write(g.items)
		g.items = nil
		close(g.done)
	}
}
