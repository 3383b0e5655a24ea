package ingest_test

import (
	"fmt"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// revised returns the next revision of events: a verdict that was judged again.
func revised(events []trail.Event) []trail.Event {
	for i := range events {
		events[i].Revision, events[i].RevisedAt, events[i].Agent = 1, events[i].At.Add(time.Hour), trail.Scanner
	}
	return events
}

func TestATruncatedStoreIsMissedToTheEventAndFilledFromTheReserve(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	p.append(t, clicks(0, 40)...)
	p.append(t, clicks(0, 3)...)
	p.append(t, revised(clicks(10, 5))...)
	p.garbage(t, "{")
	p.settle(t)
	whole := trail.Balance{Accepted: 49, Stored: 40, Revisions: 5, Duplicates: 3, Bad: 1}
	p.wantBalance(t, "loaded", whole)
	p.exec(t, "TRUNCATE TABLE events")
	empty := whole
	empty.Stored, empty.Missing = 0, 40
	p.wantBalance(t, "truncated", empty)
	background(t, p.auditor().Run)
	eventually(t, "nothing is missing any more", func() bool {
		b, err := p.buffer.Balance(t.Context())
		return err == nil && b.Stored == 40 && b.Missing == 0
	})
	p.wantBalance(t, "filled again", whole)
	if got := p.text(t, "SELECT toString(count()) FROM facts(as_of = '2200-01-01 00:00:00') WHERE agent = 'scanner'"); got[0] != "5" {
		t.Errorf("%s of 5 revisions came back", got[0])
	}
}

func TestAnErasedEventIsErasedOnceWhateverItsCopiesAndRevisions(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	p.append(t, clicks(0, 10)...)
	p.append(t, clicks(0, 4)...)
	p.append(t, revised(clicks(2, 4))...)
	p.settle(t)
	p.wantBalance(t, "loaded", trail.Balance{Accepted: 18, Stored: 10, Revisions: 4, Duplicates: 4})
	gone := fmt.Sprintf("SELECT DISTINCT id FROM events WHERE id IN (SELECT id FROM events WHERE revision = 1) LIMIT %d", 3)
	p.exec(t, "INSERT INTO removed SELECT id, 'erased', now64(3) FROM ("+gone+")")
	p.exec(t, "INSERT INTO removed SELECT id, 'erased', now64(3) + 1 FROM (SELECT DISTINCT id FROM removed)") // an erasure that was repeated
	p.exec(t, "ALTER TABLE events DELETE WHERE id IN (SELECT id FROM removed) SETTINGS mutations_sync = 2")
	want := trail.Balance{Accepted: 18, Stored: 7, Revisions: 4, Duplicates: 4, Erased: 3}
	p.wantBalance(t, "erased", want)
	p.exec(t, "ALTER TABLE events DELETE WHERE id NOT IN (SELECT id FROM (SELECT DISTINCT id FROM events ORDER BY id LIMIT 5)) SETTINGS mutations_sync = 2")
	want.Stored, want.Missing = 5, 2
	p.wantBalance(t, "erased, and others lost", want)
}

// lives loads events through three lives of a Redis that loses its data while the
// loader is at work, and checks the balance after each.
func (p *pipe) lives(t *testing.T, check func(n uint64, b trail.Balance)) {
	t.Helper()
	p.load(t)
	p.append(t, clicks(0, 30)...)
	p.settle(t)
	for n := 30; n < 90; n += 20 {
		if err := p.rdb.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		p.append(t, clicks(n, 20)...)
		p.settle(t)
		b, err := p.auditor().Strike(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		check(uint64(n+20), b)
	}
}

func TestNothingIsMissingAfterRedisLostItsDataUnderALoader(t *testing.T) {
	p := newPipe(t)
	p.lives(t, func(n uint64, b trail.Balance) {
		if b.Stored != n || b.Missing+b.Surplus+b.InFlight() != 0 || b.Accepted != b.Right() {
			t.Errorf("after %d events the balance is %+v", n, b)
		}
		if c := p.counts(t); c.Events != n {
			t.Errorf("%d events are known, want %d", c.Events, n)
		}
	})
}

func TestEntriesThatAreGoneBeforeTheyAreLoadedAreMissing(t *testing.T) {
	p := newPipe(t)
	events := clicks(0, 10)
	for i := range events {
		events[i].Share = "aaaaaaaaaa" // one partition
	}
	p.append(t, events...)
	for i := range ingest.Partitions { // somebody else's hand
		if err := p.rdb.XTrimMaxLen(t.Context(), stream(i), 6).Err(); err != nil {
			t.Fatal(err)
		}
	}
	p.load(t)
	p.garbage(t, "{")
	p.settle(t)
	p.wantBalance(t, "trimmed", trail.Balance{Accepted: 11, Stored: 6, Bad: 1, Missing: 4})
	p.exec(t, "TRUNCATE TABLE bad_entries")
	p.wantBalance(t, "and the bad entry is lost", trail.Balance{Accepted: 11, Stored: 6, Missing: 5})
}

func TestTwoClicksOfOnePersonInTheSameSecondAreBothThere(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	first := clicks(0, 1)[0]
	first.Contact = "c1"
	second := first
	first.ID, second.ID = trail.NewID(first.At), trail.NewID(first.At)
	for range 3 { // each comes more than once, in batches of their own
		p.append(t, first, second)
		p.settle(t)
	}
	for _, when := range []string{"before", "after"} {
		if c := p.counts(t); c.Events != 2 || c.Clicks != 2 {
			t.Errorf("%s merging %d events with %d clicks are known, want 2", when, c.Events, c.Clicks)
		}
		p.wantBalance(t, when+" merging", trail.Balance{Accepted: 6, Stored: 2, Duplicates: 4})
		p.exec(t, "OPTIMIZE TABLE events FINAL")
	}
	if got := p.text(t, "SELECT toString(count()) FROM events WHERE contact = 'c1' AND share = '"+string(first.Share)+"'"); got[0] != "2" {
		t.Errorf("%s rows are left, want 2", got[0])
	}
}
