package ingest_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// stall stops a process's talk with Redis in the middle of a batch: what it read
// is stored, and the position is not yet moved on. From then on nothing is sent,
// as of a process that was stopped or killed.
type stall struct {
	thawed  chan struct{} // closed by thaw
	stalled atomic.Bool
	moved   atomic.Bool // the move that stalled was answered, after the thaw
	thaw    func()
}

// stallWhenMovingOn makes a client of its own that stalls at the first move.
func stallWhenMovingOn(t *testing.T, r *ingest.Redis) (redis.UniversalClient, *stall) {
	rdb := connect(t, r)
	s := &stall{thawed: make(chan struct{})}
	s.thaw = sync.OnceFunc(func() { close(s.thawed) })
	rdb.AddHook(s)
	return rdb, s
}

// hold keeps a command back. A stopped process does not notice that its time is up.
func (s *stall) hold() {
	if s.stalled.Load() {
		<-s.thawed
	}
}

func (s *stall) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s *stall) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		s.hold()
		return next(ctx, cmd)
	}
}

func (s *stall) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		// Only a loader that moves on sends scripts in a pipeline.
		first := cmds[0].Name() == "eval" && s.stalled.CompareAndSwap(false, true)
		s.hold()
		err := next(ctx, cmds)
		if first {
			s.moved.Store(true)
		}
		return err
	}
}

func TestLeasesOfWhoLeavesAreFreeAtOnceAndOfWhoDiesWhenTheyRunOut(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	ctx := t.Context()
	a, b, c := leases(rdb, "a", 16), leases(rdb, "b", 16), leases(rdb, "c", 16)
	a.TTL, b.TTL, c.TTL = time.Hour, time.Hour, time.Hour
	stop := background(t, a.Keep)
	eventually(t, "the first has everything", func() bool { return len(a.Held()) == 16 })
	ingest.Turn(b, ctx)
	if held := b.Held(); len(held) != 0 {
		t.Fatalf("%v is held by two", held)
	}
	stop()
	ingest.Turn(b, ctx) // leaves no time for anything to run out
	if held := b.Held(); len(held) != 16 {
		t.Errorf("after the first left in order the second has %v", held)
	}

	// The second dies. Its leases have this long to go:
	const left = 500 * time.Millisecond
	died := time.Now()
	for _, name := range b.Names {
		if err := rdb.PExpire(ctx, name, left).Err(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the third has its share", func() bool { ingest.Turn(c, ctx); return len(c.Held()) == 8 })
	if took := time.Since(died); took < left {
		t.Errorf("the third took over after %s, before the leases ran out", took)
	}
}

// A process that is killed in the middle of a batch and comes back under another
// name, because its data directory is another, is to Redis a stranger.
func TestABatchOfALoaderThatIsRenamedIsLoadedUnderTheNewName(t *testing.T) {
	p := newPipe(t)
	rdb, stall := stallWhenMovingOn(t, p.redis)
	before := &ingest.Loader{Buffer: ingest.NewBuffer(rdb, quiet()), DB: p.db, Log: quiet(), Node: "before", Lease: time.Second}
	background(t, before.Run)
	t.Cleanup(stall.thaw) // before it is waited for
	p.append(t, clicks(0, 500)...)
	eventually(t, "it stalls", stall.stalled.Load)
	stored := before.Stats().Loaded
	if stored == 0 {
		t.Fatal("it stalled before anything was stored; the test needs a batch half done")
	}

	const left = 700 * time.Millisecond
	died := time.Now()
	for i := range ingest.Partitions {
		if err := p.rdb.PExpire(t.Context(), fmt.Sprintf("dealtrail:{p%02d}:lease", i), left).Err(); err != nil {
			t.Fatal(err)
		}
	}
	after := &ingest.Loader{Buffer: p.buffer, DB: p.db, Log: quiet(), Node: "after", Lease: 4 * time.Second}
	background(t, after.Run)
	p.append(t, clicks(500, 100)...)
	p.settle(t)
	if took := time.Since(died); took < left {
		t.Errorf("the leases were taken after %s, before they ran out", took)
	}
	if s := after.Stats(); s.Loaded != 600 || s.Lost != 0 {
		t.Errorf("under the new name it counts %+v, want all 600: it cannot know that %d were stored", s, stored)
	}
	if c := p.counts(t); c.Events != 600 || c.Clicks != 600 {
		t.Errorf("%d events are known, want 600", c.Events)
	}
	p.wantBalance(t, "in the end", trail.Balance{Accepted: 600, Stored: 600})
	rdb.Close() // the dead one never gets to move on
	stall.thaw()
}

// The worst that leases allow: a process that was stopped for longer than its
// lease wakes up, and goes on with what has long been another's.
func TestALoaderThatWakesUpLateMovesNothingAndDoublesNothing(t *testing.T) {
	p := newPipe(t)
	lively := &ingest.Loader{Buffer: p.buffer, DB: p.db, Log: quiet(), Node: "lively", Lease: 500 * time.Millisecond}
	background(t, lively.Run)
	p.append(t, clicks(0, 100)...)
	p.settle(t)
	rdb, stall := stallWhenMovingOn(t, p.redis)
	sleepy := &ingest.Loader{Buffer: ingest.NewBuffer(rdb, quiet()), DB: p.db, Log: quiet(), Node: "sleepy", Lease: 500 * time.Millisecond}
	background(t, sleepy.Run)
	t.Cleanup(stall.thaw) // before it is waited for
	n := 100
	more := func() {
		p.append(t, clicks(n, 200)...)
		n += 200
	}
	// The partitions are divided once the other has something to move on from.
	eventually(t, "the second loader has partitions", func() bool { more(); return stall.stalled.Load() })
	more()
	p.settle(t) // the first has taken over
	more()
	p.settle(t)
	held := sleepy.Stats().Loaded
	before := positions(t, p.rdb)
	stall.thaw()
	eventually(t, "the late move is answered", stall.moved.Load)
	// Now, before the next events: the first loader would put right what went wrong.
	for i, at := range positions(t, p.rdb) {
		if at != before[i] {
			t.Errorf("partition %d was moved from %s to %s", i, before[i], at)
		}
	}
	if d, err := p.buffer.Depth(t.Context()); err != nil || d.Waiting != 0 {
		t.Errorf("after the late move depth is %+v, %v", d, err)
	}
	eventually(t, "the second loader is at work again", func() bool { more(); return sleepy.Stats().Loaded > held })
	p.settle(t)
	if s := sleepy.Stats(); s.Lost != 0 {
		t.Errorf("it counts %+v", s)
	}
	if c := p.counts(t); c.Events != uint64(n) {
		t.Errorf("%d events are known, want %d", c.Events, n)
	}
	p.wantBalance(t, "in the end", trail.Balance{Accepted: uint64(n), Stored: uint64(n)})
}

// positions are up to where the partitions are loaded.
func positions(t *testing.T, rdb redis.UniversalClient) (all []string) {
	t.Helper()
	for i := range ingest.Partitions {
		groups, err := rdb.XInfoGroups(t.Context(), stream(i)).Result()
		if err != nil || len(groups) != 1 {
			t.Fatalf("groups of partition %d are %+v, %v", i, groups, err)
		}
		all = append(all, groups[0].LastDeliveredID)
	}
	return all
}
