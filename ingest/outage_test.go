package ingest_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dealtrail/ingest"
)

func TestConcurrentAppendsShareWritesAndAllArrive(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	b := ingest.NewBuffer(rdb, quiet())
	b.Spool = openSpool(t, ingest.SpoolOptions{Dir: t.TempDir(), Log: quiet()})
	var wait sync.WaitGroup
	for worker := range 64 {
		wait.Go(func() {
			for _, e := range clicks(worker*50, 50) {
				if err := b.Append(t.Context(), e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	spooled, _ := b.Spool.Len()
	if n := streamLength(t, rdb); n+int64(spooled) < 3200 {
		t.Errorf("of 3200 events %d are in the stream and %d in the spool", n, spooled)
	}
	stats := rdb.Info(t.Context(), "commandstats").Val()
	var writes int
	for line := range strings.Lines(stats) {
		if rest, ok := strings.CutPrefix(line, "cmdstat_exec:calls="); ok {
			fmt.Sscanf(rest, "%d", &writes)
		}
	}
	if writes == 0 || writes > 1600 {
		t.Errorf("3200 events from 64 callers took %d transactions", writes)
	}
}

func TestEventsOfAnOutageMoveToTheStreamOnceRedisIsBack(t *testing.T) {
	redis := startRedis(t, t.TempDir())
	rdb := connect(t, redis)
	b := ingest.NewBuffer(rdb, quiet())
	b.Spool = openSpool(t, ingest.SpoolOptions{Dir: t.TempDir(), Log: quiet()})
	defer background(t, b.Run)()
	pid := redis.Pid()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(pid, syscall.SIGCONT)
	for _, e := range clicks(0, 100) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := b.Append(ctx, e); err != nil {
			t.Error(err)
		}
		cancel()
	}
	if n, _ := b.Spool.Len(); n == 0 {
		t.Error("nothing was spooled")
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the spool is empty", func() bool { n, _ := b.Spool.Len(); return n == 0 })
	if n := streamLength(t, rdb); n < 100 {
		t.Errorf("%d of 100 events are in the stream", n)
	}
}

func TestSettleWaitsForTheSpool(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	b := ingest.NewBuffer(rdb, quiet())
	b.Spool = openSpool(t, ingest.SpoolOptions{Dir: t.TempDir(), Log: quiet()})
	if err := b.Spool.Append(t.Context(), []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := b.Settle(ctx); err == nil {
		t.Error("Settle returned while an accepted event was in the spool")
	}
	if d, err := b.Depth(t.Context()); err != nil || d.Spooled != 1 || d.Oldest <= 0 {
		t.Errorf("depth %+v, %v", d, err)
	}
}

func TestACallerWhoLeavesIsNoOutage(t *testing.T) {
	rdb := connect(t, startRedis(t, t.TempDir()))
	b := ingest.NewBuffer(rdb, quiet())
	b.Spool = openSpool(t, ingest.SpoolOptions{Dir: t.TempDir(), Log: quiet()})
	gone, leave := context.WithCancel(t.Context())
	leave()
	n := 0
	// A Redis that a busy machine holds up for a moment is an outage.
	eventually(t, "events of who left, and of the next, go to Redis", func() bool {
		before, _ := b.Spool.Len()
		events := clicks(n, 2)
		n += 2
		if err := b.Append(gone, events[0]); err != nil {
			t.Error(err)
		}
		if err := b.Append(t.Context(), events[1]); err != nil {
			t.Error(err)
		}
		after, _ := b.Spool.Len()
		return after == before
	})
}
