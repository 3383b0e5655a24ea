package ingest

import (
	"context"
	"time"
)

// committers is how many convoys may be on their way to Redis at once: while
// Redis syncs one, the next is sent.
const committers = 2

// convoy is entries that travel to the stream in one write. Redis syncs once for
// all of them, which is what makes a durable click cheap under load.
type convoy struct {
	entries [][]byte
	done    chan struct{} // closed when err is set
	err     error
}

// commit adds entries to the stream together with those of others who wait at
// the same time. nil means that Redis has synced them; an error that it may have.
func (b *Buffer) commit(ctx context.Context, entries [][]byte) error {
	b.mu.Lock()
	if b.next == nil {
		b.next = &convoy{done: make(chan struct{})}
	}
	g := b.next
	g.entries = append(g.entries, entries...)
	if b.committing < committers {
		b.committing++
		go b.commitAll()
	}
	b.mu.Unlock()
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commitAll commits convoy after convoy until nobody waits.
func (b *Buffer) commitAll() {
	for {
		b.mu.Lock()
		g := b.next
		b.next = nil
		if g == nil {
			b.committing--
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), redisTime(len(g.entries)))
		g.err = b.add(ctx, g.entries)
		cancel()
		close(g.done)
	}
}

// redisTime is how long so many entries may take: those of an import take longer
// than a click.
func redisTime(entries int) time.Duration {
	return redisWait * time.Duration(1+entries/100)
}
