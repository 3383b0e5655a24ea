package ingest_test

import (
	"strings"
	"testing"

	"dealtrail/ingest"
)

func TestALoaderEmptiesAFullRedisByItselfAndThenTheSpoolFollows(t *testing.T) {
	p := newPipe(t)
	r, err := ingest.StartRedis(t.Context(), ingest.RedisOptions{Dir: t.TempDir(), Memory: 6 << 20, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	p.redis, p.rdb = r, connect(t, r)
	p.buffer = ingest.NewBuffer(p.rdb, quiet())
	p.buffer.Reserve = 1 << 20
	p.buffer.Spool = openSpool(t, ingest.SpoolOptions{Dir: t.TempDir(), Log: quiet()})
	const n = 4000
	events := clicks(0, n)
	for i := range events {
		events[i].Note = strings.Repeat("long ", 500)
	}
	p.append(t, events...)
	spooled, _ := p.buffer.Spool.Len()
	if spooled == 0 || spooled == n {
		t.Fatalf("%d of %d events are spooled; the test needs some in both", spooled, n)
	}
	// What was refused were many bytes at once. From here on not one has room.
	limit := func(bytes string) {
		if err := p.rdb.ConfigSet(t.Context(), "maxmemory", bytes).Err(); err != nil {
			t.Fatal(err)
		}
	}
	limit("1mb")
	if err := p.rdb.Set(t.Context(), "anything", "", 0).Err(); err == nil || !strings.HasPrefix(err.Error(), "OOM") {
		t.Fatalf("Redis says %v; the test needs a full one", err)
	}
	p.load(t)
	eventually(t, "the full Redis is loaded", func() bool {
		d, err := p.buffer.Depth(t.Context())
		return err == nil && d.Waiting == 0
	})
	if still, _ := p.buffer.Spool.Len(); still != spooled {
		t.Errorf("%d are spooled, want %d: nobody moves them", still, spooled)
	}
	if err := p.rdb.Set(t.Context(), "anything", "", 0).Err(); err == nil {
		t.Error("Redis had room meanwhile; the test needs a full one all the time")
	}
	limit("6mb")
	background(t, p.buffer.Run)
	p.settle(t)
	if c := p.counts(t); c.Events != n || c.Bad != 0 {
		t.Errorf("%d events and %d bad are known, want %d and 0", c.Events, c.Bad, n)
	}
	b, err := p.auditor().Strike(t.Context())
	if err != nil || b.Stored != n || b.Missing+b.Surplus+b.InFlight() != 0 || b.Accepted != b.Right() {
		t.Errorf("the balance is %+v, %v", b, err)
	}
}
