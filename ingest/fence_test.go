package ingest_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// midInsert stops a process between the word of Redis that it may insert and the insert.
type midInsert struct {
	stopped atomic.Bool
	thawed  chan struct{}
}

func (s *midInsert) hold() {
	if s.stopped.Load() {
		<-s.thawed
	}
}

func (s *midInsert) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s *midInsert) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		s.hold()
		err := next(ctx, cmd)
		if err == nil && slices.Contains(cmd.Args(), any(ingest.LoadingKey)) && s.stopped.CompareAndSwap(false, true) {
			<-s.thawed
		}
		return err
	}
}

func (s *midInsert) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		s.hold()
		return next(ctx, cmds)
	}
}

// A process that was stopped knows nothing of who was erased meanwhile, and still nobody
// who was gets into the tables by it.
func TestAProcessThatWasStoppedLoadsNobodyWhoWasErased(t *testing.T) {
	const who = "perdita@buyer.test"
	contact := string(erasureKey.ID(who))
	named := func(t *testing.T, p *pipe, where string) {
		t.Helper()
		for _, table := range []string{"events FINAL WHERE contact = '" + contact + "'", "people WHERE contact = '" + contact + "'", "bad_entries WHERE position(raw, '" + who + "') > 0"} {
			if n := p.text(t, "SELECT toString(count()) FROM "+table); n[0] != "0" {
				t.Errorf("%s: %s rows of %s", where, n[0], table)
			}
		}
	}
	// stale is a process that is not told what others erase.
	stale := func(t *testing.T, rdb redis.UniversalClient, p *pipe) *ingest.Loader {
		b := ingest.NewBuffer(rdb, quiet())
		b.Tombstones = &ingest.Tombstones{Redis: rdb, Key: erasureKey, Path: filepath.Join(t.TempDir(), "tombstones"), Log: quiet()}
		return &ingest.Loader{Buffer: b, DB: p.db, Log: quiet(), Node: "stale", Lease: time.Second}
	}
	t.Run("what comes later", func(t *testing.T) {
		p := newPipe(t)
		background(t, stale(t, p.rdb, p).Run)
		x := p.eraser(t, t.TempDir())
		p.append(t, mailTo("otto@buyer.test", 1))
		p.settle(t)
		if r, err := x.Erase(t.Context(), who, ""); err != nil || r.State != trail.ErasureComplete {
			t.Fatalf("%+v, %v", r, err)
		}
		raw := fmt.Sprintf(`{"id":%q,"kind":"sent","at":"2026-01-02T03:04:05Z","received_at":"2026-01-02T03:04:05Z","source":"mail","content":"deck","contact":%q,"rep":"rita@ours.test","person":{"address":%q}}`,
			trail.NewID(time.Now()).String(), contact, who)
		if err := p.buffer.Replay(t.Context(), raw, `{"no":"event of `+who+`"}`); err != nil { // as another process that had not heard of it lets it in
			t.Fatal(err)
		}
		p.settle(t)
		named(t, p, "loaded by a process that had not heard of it")
	})
	t.Run("what it had in hand", func(t *testing.T) {
		p := newPipe(t)
		rdb, s := connect(t, p.redis), &midInsert{thawed: make(chan struct{})}
		rdb.AddHook(s)
		stopped := stale(t, rdb, p)
		background(t, stopped.Run)
		thaw := sync.OnceFunc(func() { close(s.thawed) })
		t.Cleanup(thaw) // before it is waited for
		p.append(t, mailTo(who, 1))
		eventually(t, "it is stopped", s.stopped.Load)

		x := p.eraser(t, t.TempDir())
		p.load(t) // takes over once the leases ran out
		eventually(t, "another loads what it has in hand", func() bool { return p.counts(t).Events == 1 })
		if err := x.Begin(t.Context(), who, ""); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if err := ingest.Fence(x, short); err == nil {
			t.Error("an erasing goes on while an insert from before is under way")
		}
		thaw()
		eventually(t, "it inserted what it had", func() bool { return stopped.Stats().Loaded == 1 })
		if err := x.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r, err := x.Report(t.Context(), erasureKey.Tombstone(erasureKey.ID(who))); err != nil || r.State != trail.ErasureComplete {
			t.Errorf("%+v, %v", r, err)
		}
		named(t, p, "had in hand")
	})
}
