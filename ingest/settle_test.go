package ingest_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// afterLook does something once, right after a client was told how far the streams are.
type afterLook struct {
	once sync.Once
	do   func()
}

func (a *afterLook) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (a *afterLook) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (a *afterLook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		if cmds[len(cmds)-1].Name() == "xinfo" { // not what a connection begins with
			a.once.Do(a.do)
		}
		return err
	}
}

// What is moved from the spool while Settle looks must not be in neither of its answers.
func TestSettleWaitsForWhatIsMovedWhileItLooks(t *testing.T) {
	r := startRedis(t, t.TempDir())
	spool := openSpool(t, ingest.SpoolOptions{Dir: t.TempDir(), Log: quiet()})
	if err := spool.Append(t.Context(), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	mover := ingest.NewBuffer(connect(t, r), quiet())
	mover.Spool = spool
	rdb := connect(t, r)
	rdb.AddHook(&afterLook{do: func() {
		background(t, mover.Run)
		eventually(t, "the spool is moved", func() bool { n, _ := spool.Len(); return n == 0 })
	}})
	b := ingest.NewBuffer(rdb, quiet())
	b.Spool = spool
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	// Nobody loads: an accepted event is not visible, whichever way it went.
	wantProblem(t, b.Settle(ctx), trail.Unavailable, "not yet visible")
}
