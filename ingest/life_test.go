package ingest_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// What a running loader reads in a new life of Redis must not be stored as an arrival
// of the old one, where it could not move on.
func TestEntriesOfANewLifeOfRedisAreCountedOnce(t *testing.T) {
	p := newPipe(t)
	p.lives(t, func(n uint64, b trail.Balance) {
		if b.Accepted != n || b.Duplicates != 0 {
			t.Errorf("%d entries were accepted, none twice; the balance says %d and %d duplicates", n, b.Accepted, b.Duplicates)
		}
	})
}

// A Redis whose clock is behind the old one's gives IDs before the position that the
// loader had reached.
func TestEntriesOfANewLifeOfRedisAreLoadedWhateverItsClockSays(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	p.append(t, clicks(0, 30)...)
	p.settle(t)
	if err := p.rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := p.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: stream(3), ID: "1000-1", Values: []any{"e", "{"}}).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the entry is loaded", func() bool {
		d, err := p.buffer.Depth(t.Context())
		return err == nil && d.Waiting == 0
	})
	p.wantBalance(t, "in another life", trail.Balance{Accepted: 31, Stored: 30, Bad: 1})
}
