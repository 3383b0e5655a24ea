package ingest_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"dealtrail/store"
	"dealtrail/trail"
)

// badOnes are what became of bad entries, as the API shows them.
func (p *pipe) badOnes(t *testing.T) []store.Bad {
	t.Helper()
	bad, err := p.db.BadEntries(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	return bad
}

func TestOneEntryAmongTenThousandThatIsNoEventIsKeptByteForByte(t *testing.T) {
	for _, c := range []struct{ what, raw, stage, reason, origin string }{
		{"not JSON", "\x00\xff{\"id\":\n\t'\xc3\x28", "decode", "invalid", ""},
		{"cut off", `{"id":"01M7W2Y7QVAQ4V4X5BKDKBNPHN","kind":"clicked"`, "decode", "", ""},
		{
			"a year that cannot be", `{"id":"01M7W2Y7QVAQ4V4X5BKDKBNPHN","kind":"clicked","at":"0001-11-20T09:00:00Z","received_at":"2026-11-20T09:00:00Z","source":"webhook/test","content":"deck"}`,
			"validate", "year 1 cannot be stored", "webhook/test",
		},
		{"an unknown kind", `{"kind":"danced",   "source":"webhook/test"}`, "validate", `kind "danced" is not known`, "webhook/test"},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := newPipe(t)
			events := clicks(0, 9_999)
			p.append(t, events[:5_000]...)
			id, err := p.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: stream(3), Values: []any{"e", c.raw}}).Result()
			if err != nil {
				t.Fatal(err)
			}
			p.append(t, events[5_000:]...)
			p.load(t)
			p.settle(t)
			if got := p.counts(t); got.Events != 9_999 || got.Clicks != 9_999 || got.Bad != 1 {
				t.Errorf("%d events and %d bad are known, want 9999 and 1", got.Events, got.Bad)
			}
			bad := p.badOnes(t)
			if len(bad) != 1 {
				t.Fatalf("there are %d bad entries", len(bad))
			}
			b := bad[0]
			if b.Raw != c.raw || b.Stage != c.stage || b.Origin != c.origin || b.Reason == "" || !strings.Contains(b.Reason, c.reason) {
				t.Errorf("the bad entry is %+v", b)
			}
			if !strings.HasSuffix(b.Entry.String(), "-3-"+id) {
				t.Errorf("its place is %s, want entry %s of partition 3", b.Entry, id)
			}
			p.wantBalance(t, "in the end", trail.Balance{Accepted: 10_000, Stored: 9_999, Bad: 1})
		})
	}
}

// What is kept of an event that the store refuses is what was accepted, not what
// we have made of it meanwhile: it may be why.
func TestAnEventThatTheStoreRefusesIsKeptByteForByte(t *testing.T) {
	p := newPipe(t)
	p.exec(t, "ALTER TABLE events ADD CONSTRAINT taste CHECK note != 'poison'")
	raw := `{"id":"01M7W2Y7QVAQ4V4X5BKDKBNPHN", "kind":"replied", "at":"2026-11-20T09:00:00+01:00","received_at":"2026-11-20T09:00:00Z","source":"webhook/test",
		"contact":"c1","person":{"address":"ann@acme.example"},"note":"poison","later":"a field of a newer program"}`
	if err := p.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: stream(3), Values: []any{"e", raw}}).Err(); err != nil {
		t.Fatal(err)
	}
	p.append(t, clicks(0, 20)...)
	p.load(t)
	p.settle(t)
	bad := p.badOnes(t)
	if len(bad) != 1 || bad[0].Stage != "insert" || bad[0].Origin != "webhook/test" || !strings.Contains(bad[0].Reason, "taste") {
		t.Fatalf("bad entries are %+v", bad)
	}
	if bad[0].Raw != raw {
		t.Errorf("kept is\n%s\nwant the bytes that were accepted\n%s", bad[0].Raw, raw)
	}
	p.wantBalance(t, "in the end", trail.Balance{Accepted: 21, Stored: 20, Bad: 1})
}
