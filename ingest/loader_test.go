package ingest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func TestSettledEventsAreVisible(t *testing.T) {
	p := newPipe(t)
	if err := p.buffer.Settle(t.Context()); err != nil {
		t.Fatalf("an empty buffer: %v", err)
	}
	l, stop := p.load(t)
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range 5 {
				e := clicks(1000*w+i, 1)[0]
				e.Note = fmt.Sprintf("w%d-%d", w, i)
				if err := p.buffer.Append(t.Context(), e); err != nil {
					t.Error(err)
				}
				if err := p.buffer.Settle(t.Context()); err != nil {
					t.Error(err)
				}
				if got := p.text(t, "SELECT note FROM events WHERE note = '"+e.Note+"'"); len(got) != 1 {
					t.Errorf("event %s is settled and not visible", e.Note)
				}
			}
		})
	}
	writers.Wait()
	stop()
	if s := l.Stats(); s.Loaded != 20 || s.Bad != 0 || s.Batches == 0 || s.Err != "" {
		t.Errorf("the loader counts %+v", s)
	}
}

func TestUnloadedEventsAreNotSettled(t *testing.T) {
	p := newPipe(t)
	p.append(t, clicks(0, 3)...)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	wantProblem(t, p.buffer.Settle(ctx), trail.Unavailable, "not yet visible")

	d, err := p.buffer.Depth(t.Context())
	if err != nil || d.Waiting != 3 || d.Oldest <= 0 || d.Oldest > time.Minute {
		t.Errorf("depth is %+v, %v", d, err)
	}
}

func TestLoaderKilledBetweenInsertAndMovingOnDoublesNothing(t *testing.T) {
	p := newPipe(t)
	events := clicks(0, 100)
	p.append(t, events...)
	if err := p.db.InsertEvents(t.Context(), events[:60]); err != nil {
		t.Fatal(err)
	}
	l, _ := p.load(t)
	p.settle(t)
	if c := p.counts(t); c.Events != 100 {
		t.Errorf("%d events are known, want 100", c.Events)
	}
	if s := l.Stats(); s.Loaded != 100 {
		t.Errorf("the loader loaded %d, want all 100: it cannot know which were inserted", s.Loaded)
	}
}

// The other loader neither loads nor gives anything back: it is a process that
// was killed, or whose name changed at its restart.
func TestPartitionsOfALoaderThatIsGoneAreTakenOver(t *testing.T) {
	p := newPipe(t)
	gone := &ingest.Leases{Redis: p.rdb, Node: "a host that is gone", Group: "load", TTL: time.Minute, Log: quiet()}
	for i := range ingest.Partitions {
		gone.Names = append(gone.Names, fmt.Sprintf("dealtrail:{p%02d}:lease", i))
	}
	ingest.Turn(gone, t.Context())
	if n := len(gone.Held()); n != ingest.Partitions {
		t.Fatalf("it holds %d partitions", n)
	}
	for _, name := range gone.Names { // its leases have this long to go
		if err := p.rdb.PExpire(t.Context(), name, 300*time.Millisecond).Err(); err != nil {
			t.Fatal(err)
		}
	}
	p.append(t, clicks(0, 100)...)
	l := &ingest.Loader{Buffer: p.buffer, DB: p.db, Log: quiet(), Node: "here", Lease: time.Second}
	background(t, l.Run)
	p.settle(t)
	if c := p.counts(t); c.Events != 100 {
		t.Errorf("%d events are known, want 100", c.Events)
	}
}

func TestPoisonBecomesBadRowsAndBlocksNothing(t *testing.T) {
	p := newPipe(t)
	p.append(t, clicks(0, 5)...)
	for _, values := range [][]any{
		{"e", "{not JSON"},
		{"x", "no such field"},
		{"e", `{"id":"00000000000000000000000001","kind":"clicked","source":"mars"}`},
		{"e", `{"id":"00000000000000000000000001","kind":"danced","at":"2026-11-20T09:00:00Z","received_at":"2026-11-20T09:00:00Z","source":"mars"}`},
	} {
		if err := p.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: stream(3), Values: values}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	p.append(t, clicks(5, 5)...)
	l, _ := p.load(t)
	p.settle(t)
	if c := p.counts(t); c.Events != 10 || c.Bad != 4 {
		t.Errorf("%d events and %d bad are known, want 10 and 4", c.Events, c.Bad)
	}
	if s := l.Stats(); s.Loaded != 10 || s.Bad != 4 {
		t.Errorf("the loader counts %+v", s)
	}
	got := p.text(t, "SELECT concat(stage, ' ', origin, ' ', raw) FROM bad_entries ORDER BY ms, seq")
	if len(got) != 4 || got[0] != "decode  {not JSON" || got[1] != `decode  {"x":"no such field"}` || !strings.HasPrefix(got[2], `validate mars {"id"`) {
		t.Errorf("bad rows are %q", got)
	}
}

// The store itself refuses one event of many: a constraint stands for whatever
// a later version of the table may not take.
func TestEventThatTheStoreRefusesIsSetAside(t *testing.T) {
	p := newPipe(t)
	if err := p.db.Exec(t.Context(), "ALTER TABLE events ADD CONSTRAINT taste CHECK note != 'poison'"); err != nil {
		t.Fatal(err)
	}
	events := clicks(0, 40)
	events[0].Note, events[27].Note = "poison", "poison"
	p.append(t, events...)
	p.load(t)
	p.settle(t)
	if c := p.counts(t); c.Events != 38 || c.Bad != 2 {
		t.Errorf("%d events and %d bad are known, want 38 and 2", c.Events, c.Bad)
	}
	if got := p.text(t, "SELECT stage FROM bad_entries"); !slices.Equal(got, []string{"insert", "insert"}) {
		t.Errorf("bad rows are of stage %q", got)
	}
}

func TestEventsOutlastAnEngineThatIsKilled(t *testing.T) {
	p := newPipe(t)
	engine := storetest.Engine(t)
	p.load(t)
	p.append(t, clicks(0, 50)...)
	pid := engine.Pid()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.append(t, clicks(50, 50)...)
	p.settle(t)
	eventually(t, "another engine", func() bool { return engine.Pid() != 0 && engine.Pid() != pid })
	if c := p.counts(t); c.Events != 100 || c.Bad != 0 {
		t.Errorf("%d events and %d bad are known, want 100 and 0", c.Events, c.Bad)
	}
}

func TestLoaderGoesOnAfterRedisIsKilled(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	p.append(t, clicks(0, 10)...)
	p.settle(t)
	pid := p.redis.Pid()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another server", func() bool { return p.redis.Pid() != 0 && p.redis.Pid() != pid })
	p.append(t, clicks(10, 10)...)
	p.settle(t)
	if c := p.counts(t); c.Events != 20 {
		t.Errorf("%d events are known, want 20", c.Events)
	}
}

func TestOnlyLoadedEntriesAreTrimmedHoweverLargeTheStreams(t *testing.T) {
	p := newPipe(t)
	p.buffer.Reserve = 1 // byte: nothing that is loaded need stay
	p.append(t, clicks(0, 5000)...)
	// Another group that was handed all and has finished nothing holds its partition.
	if err := p.rdb.XGroupCreate(t.Context(), stream(1), "another", "0").Err(); err != nil {
		t.Fatal(err)
	}
	if err := p.rdb.XReadGroup(t.Context(), &redis.XReadGroupArgs{Group: "another", Consumer: "c", Streams: []string{stream(1), ">"}, Count: 10_000}).Err(); err != nil {
		t.Fatal(err)
	}
	held := p.rdb.XLen(t.Context(), stream(1)).Val()
	if err := ingest.Trim(p.buffer, t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := streamLength(t, p.rdb); n != 5000 {
		t.Fatalf("%d of 5000 entries are there before any was loaded", n)
	}
	_, stop := p.load(t)
	p.settle(t)
	stop()
	if err := ingest.Trim(p.buffer, t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := p.rdb.XLen(t.Context(), stream(1)).Val(); n != held {
		t.Errorf("%d of the %d entries are left that another group has not finished", n, held)
	}
	if n := streamLength(t, p.rdb); n > held+ingest.Partitions {
		t.Errorf("%d entries are left, want one in each of the other partitions", n-held)
	}
	if c := p.counts(t); c.Events != 5000 {
		t.Errorf("%d events are known, want 5000", c.Events)
	}
	d, err := p.buffer.Depth(t.Context())
	if err != nil || d != (ingest.Depth{}) {
		t.Errorf("depth is %+v, %v; want none", d, err)
	}
}

func TestStreamsKeepAReserveOfBoundedSize(t *testing.T) {
	p := newPipe(t)
	p.buffer.Reserve = 4 << 20
	_, stop := p.load(t)
	for i := range 10 {
		p.append(t, clicks(5000*i, 5000)...)
		p.settle(t)
	}
	stop()
	if err := ingest.Trim(p.buffer, t.Context()); err != nil {
		t.Fatal(err)
	}
	var size int64
	for i := range ingest.Partitions {
		size += p.rdb.MemoryUsage(t.Context(), stream(i)).Val()
	}
	if n := streamLength(t, p.rdb); n >= 40_000 || n < 1000 || size > p.buffer.Reserve {
		t.Errorf("%d entries of 50,000 are kept in %d bytes; want as many as %d bytes hold", n, size, p.buffer.Reserve)
	}
}

func TestTrimmingByOthersIsCounted(t *testing.T) {
	p := newPipe(t)
	events := clicks(0, 5)
	for i := range events {
		events[i].Share = "aaaaaaaaaa" // one partition
	}
	p.append(t, events...)
	for i := range ingest.Partitions {
		if err := p.rdb.XTrimMaxLen(t.Context(), stream(i), 2).Err(); err != nil {
			t.Fatal(err)
		}
	}
	l, stop := p.load(t)
	p.settle(t)
	stop() // it counts after it has moved on
	if s := l.Stats(); s.Lost != 3 || s.Loaded != 2 {
		t.Errorf("the loader counts %+v, want 3 lost and 2 loaded", s)
	}
	if d, err := p.buffer.Depth(t.Context()); err != nil || d.Waiting != 0 {
		t.Errorf("depth is %+v, %v", d, err)
	}
}

func TestBatchesFormUnderLoadAndNothingIsMissing(t *testing.T) {
	p := newPipe(t)
	const n = 25_000
	p.append(t, clicks(0, n)...)
	l, stop := p.load(t)
	p.settle(t)
	stop()
	if c := p.counts(t); c.Events != n {
		t.Errorf("%d events are known, want %d", c.Events, n)
	}
	// Some partitions may be taken a moment after the others, on a busy machine each for itself.
	if s := l.Stats(); s.Batches > ingest.Partitions {
		t.Errorf("%d batches, want few", s.Batches)
	}
}

func TestLoaderKnowsTheAccountAndMovesPeople(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	at := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	f := func(kind trail.Kind, name, address string, attrs map[string]string) trail.Event {
		e := trail.Event{ID: trail.IDFrom(at, "test", name), Kind: kind, At: at, ReceivedAt: at, Source: "test", Note: name, Attrs: attrs}
		if address != "" {
			e.Contact, e.Person = trail.ContactID("c"+name), &trail.Person{Address: address}
		}
		if kind == trail.DealKind {
			e.Deal = name
		}
		return e
	}
	set := f(trail.ContactKind, "set", "ann@other.example", nil)
	set.Account = "chosen.example"
	p.append(t, set,
		f(trail.Replied, "person", "Ann@mail.Acme.co.uk", nil),
		f(trail.Replied, "free", "ann@gmail.com", nil),
		f(trail.ContactKind, "contact", "ann@gmail.com", map[string]string{"domain": "www.acme.com"}),
		f(trail.DealKind, "deal", "", map[string]string{"domain": "https://acme.de/"}),
		f(trail.DealKind, "nothing", "", nil),
	)
	p.settle(t)
	got := p.text(t, "SELECT concat(note, ' ', account) FROM events ORDER BY note")
	want := []string{"contact acme.com", "deal acme.de", "free ", "nothing ", "person acme.co.uk", "set chosen.example"}
	if !slices.Equal(got, want) {
		t.Errorf("accounts are %q, want %q", got, want)
	}
	if got := p.text(t, "SELECT address FROM people WHERE contact = 'cfree'"); !slices.Equal(got, []string{"ann@gmail.com"}) {
		t.Errorf("the person is %q", got)
	}
}

func TestStoppedLoaderFinishesWhatItTook(t *testing.T) {
	storetest.Engine(t) // which outlasts the test
	noLeaks(t)
	p := newPipe(t)
	for i := range 5 {
		p.append(t, clicks(1000*i, 1000)...)
		_, stop := p.load(t)
		eventually(t, "something is loaded", func() bool { return p.counts(t).Events > uint64(1000*i) })
		stop()
		d, err := p.buffer.Depth(t.Context())
		if n := p.counts(t).Events + d.Waiting; err != nil || n != uint64(1000*(i+1)) {
			t.Fatalf("depth is %+v, %v, and with what is stored that is %d: some were stored and not finished", d, err, n)
		}
	}
}
