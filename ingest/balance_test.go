package ingest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest"
	"dealtrail/trail"
)

func (p *pipe) auditor() *ingest.Auditor {
	return &ingest.Auditor{Buffer: p.buffer, DB: p.db, Every: 50 * time.Millisecond, Log: quiet(), Spooled: func(context.Context) (uint64, error) {
		if p.buffer.Spool == nil {
			return 0, nil
		}
		n, _ := p.buffer.Spool.Len()
		return uint64(n), nil
	}}
}

// wantBalance strikes the balance and compares all but its time.
func (p *pipe) wantBalance(t testing.TB, what string, want trail.Balance) {
	t.Helper()
	got, err := p.auditor().Strike(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got.At, got.Took = time.Time{}, 0
	if got != want {
		t.Errorf("%s: the balance is\n%+v, want\n%+v", what, got, want)
	}
	if got.Accepted+got.Surplus != got.Right()+got.Missing {
		t.Errorf("%s: %d + %d are not %d + %d", what, got.Accepted, got.Surplus, got.Right(), got.Missing)
	}
}

func (p *pipe) exec(t testing.TB, sql string) {
	t.Helper()
	if err := p.db.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func (p *pipe) garbage(t testing.TB, text string) {
	t.Helper()
	if err := p.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: stream(3), Values: []any{"e", text}}).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestBalanceAccountsForEveryAcceptedEvent(t *testing.T) {
	p := newPipe(t)
	p.wantBalance(t, "nothing yet", trail.Balance{})
	_, stop := p.load(t)
	p.append(t, clicks(0, 100)...)
	p.append(t, clicks(0, 10)...) // a source that got no answer sends again
	revised := clicks(20, 5)
	for i := range revised {
		revised[i].Revision, revised[i].RevisedAt = 1, revised[i].At.Add(time.Hour)
	}
	p.append(t, revised...)
	p.garbage(t, "{")
	p.settle(t)
	loaded := trail.Balance{Accepted: 116, Stored: 100, Revisions: 5, Duplicates: 10, Bad: 1}
	p.wantBalance(t, "loaded", loaded)
	for _, table := range []string{"events", "arrivals", "bad_entries"} {
		p.exec(t, "OPTIMIZE TABLE "+table+" FINAL")
	}
	p.wantBalance(t, "merged", loaded)
	stop()

	p.append(t, clicks(100, 7)...)
	p.buffer.Spool = openSpool(t, ingest.SpoolOptions{Dir: t.TempDir(), Log: quiet()})
	if err := p.buffer.Spool.Append(t.Context(), []byte("{}"), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	p.wantBalance(t, "on their way", trail.Balance{Accepted: 125, Stored: 100, Revisions: 5, Duplicates: 10, Bad: 1, Waiting: 7, Spooled: 2})
	p.buffer.Spool = nil

	gone := "(SELECT id FROM events WHERE revision = 0 AND id NOT IN (SELECT id FROM events WHERE revision = 1) ORDER BY id LIMIT "
	p.exec(t, "INSERT INTO removed SELECT id, if(rowNumberInAllBlocks() < 3, 'erased', 'expired'), now64(3) FROM "+gone+"5)")
	p.exec(t, "DELETE FROM events WHERE id IN (SELECT id FROM removed)")
	p.wantBalance(t, "removed", trail.Balance{Accepted: 123, Stored: 95, Revisions: 5, Duplicates: 10, Bad: 1, Erased: 3, Expired: 2, Waiting: 7})
}

func TestEventsThatVanishAreMissedAndLoadedAgainFromTheReserve(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	p.append(t, clicks(0, 50)...)
	p.settle(t)
	// A store that was restored from yesterday's backup, or lost its newest part in a power failure.
	p.exec(t, "DELETE FROM events WHERE id IN (SELECT id FROM events ORDER BY id LIMIT 20)")
	p.wantBalance(t, "lost by the store", trail.Balance{Accepted: 50, Stored: 30, Missing: 20})
	background(t, p.auditor().Run)
	eventually(t, "nothing is missing any more", func() bool {
		b, err := p.buffer.Balance(t.Context())
		return err == nil && b.Stored == 50 && b.Missing == 0
	})
}

func TestBalanceHoldsAfterRedisLostItsData(t *testing.T) {
	p := newPipe(t)
	_, stop := p.load(t)
	p.append(t, clicks(0, 30)...)
	p.garbage(t, "{")
	p.settle(t)
	stop()
	if err := p.rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	p.load(t)
	p.append(t, clicks(20, 20)...) // ten of them once more
	p.settle(t)
	p.wantBalance(t, "in another life", trail.Balance{Accepted: 51, Stored: 40, Duplicates: 10, Bad: 1})
}

func TestABadEntryHandedInAgainIsAcceptedAgain(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	p.garbage(t, "{")
	p.settle(t)
	if err := p.buffer.Replay(t.Context(), "{", strings.TrimSpace(`{"id":"01M7W2Y7QVAQ4V4X5BKDKBNPHN","kind":"clicked","at":"2026-11-20T09:00:00Z","received_at":"2026-11-20T09:00:00Z","source":"x","content":"deck"}`)); err != nil {
		t.Fatal(err)
	}
	p.settle(t)
	p.wantBalance(t, "replayed", trail.Balance{Accepted: 3, Stored: 1, Bad: 2})
}
