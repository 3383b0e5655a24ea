package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dealtrail/ingest"
)

// openSpool opens a spool that ends with the test.
func openSpool(t testing.TB, o ingest.SpoolOptions) *ingest.Spool {
	t.Helper()
	s, err := ingest.OpenSpool(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func closeSpool(t testing.TB, s *ingest.Spool) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func spoolAppend(t testing.TB, s *ingest.Spool, records ...[]byte) {
	t.Helper()
	if err := s.Append(t.Context(), records...); err != nil {
		t.Fatal(err)
	}
}

// readAll returns what is not done, which must have rising numbers.
func readAll(t testing.TB, s *ingest.Spool) (records []ingest.Record) {
	t.Helper()
	records, err := s.Next(t.Context(), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(records); i++ {
		if records[i].Seq <= records[i-1].Seq {
			t.Fatalf("record %d comes after record %d", records[i].Seq, records[i-1].Seq)
		}
	}
	return records
}

func done(t testing.TB, s *ingest.Spool, upTo uint64) {
	t.Helper()
	if err := s.Done(upTo); err != nil {
		t.Fatal(err)
	}
}

func payloads(records []ingest.Record) (data [][]byte) {
	for _, r := range records {
		data = append(data, r.Data)
	}
	return data
}

// wantRecords fails unless exactly these records are read.
func wantRecords(t testing.TB, records []ingest.Record, want [][]byte) {
	t.Helper()
	if !slices.EqualFunc(payloads(records), want, bytes.Equal) {
		t.Fatalf("read %d records, want %d, or other bytes", len(records), len(want))
	}
}

// numbered returns records of different sizes, each with its number.
func numbered(from, n int) [][]byte {
	records := make([][]byte, n)
	for i := range records {
		records[i] = fmt.Appendf(nil, `{"n":%d,"fill":%q}`, from+i, strings.Repeat("x", (from+i)*37%400))
	}
	return records
}

func segmentFiles(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.spool"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// wantEmpty waits until nothing is left: the newest segment goes when its writer
// has left it.
func wantEmpty(t testing.TB, s *ingest.Spool, dir string) {
	t.Helper()
	eventually(t, "the spool is empty", func() bool {
		n, size := s.Len()
		return n == 0 && size == 0 && len(segmentFiles(t, dir)) == 0
	})
}

func TestSpooledRecordsAreReadInOrderAndOnlyOnceWhenDone(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	s := openSpool(t, ingest.SpoolOptions{Dir: dir, Segment: 2000})
	want := numbered(0, 100)
	began := time.Now().Add(-time.Millisecond)
	for _, r := range want {
		spoolAppend(t, s, r)
	}
	spoolAppend(t, s, []byte{}, nil)
	want = append(want, nil, nil)
	wantRecords(t, readAll(t, s), want)
	if at := s.Oldest(); at.Before(began) || at.After(time.Now()) {
		t.Errorf("the oldest record is from %v, want after %v", at, began)
	}
	some, err := s.Next(t.Context(), 30)
	if err != nil || len(some) != 30 {
		t.Fatalf("read %d records, error %v", len(some), err)
	}
	done(t, s, some[29].Seq)
	wantRecords(t, readAll(t, s), want[30:])
	segments := len(segmentFiles(t, dir))
	closeSpool(t, s)

	s = openSpool(t, ingest.SpoolOptions{Dir: dir, Segment: 2000})
	if n, _ := s.Len(); n != len(want)-30 {
		t.Errorf("%d records after a restart, want %d", n, len(want)-30)
	}
	rest := readAll(t, s)
	wantRecords(t, rest, want[30:])
	done(t, s, rest[len(rest)-1].Seq)
	n, size := s.Len()
	if left := segmentFiles(t, dir); n != 0 || size != 0 || len(left) != 0 || segments < 5 || !s.Oldest().IsZero() {
		t.Errorf("when all is done, of %d segments %q are left, %d records, %d bytes, oldest %v", segments, left, n, size, s.Oldest())
	}
	spoolAppend(t, s, want[7])
	last := readAll(t, s)
	wantRecords(t, last, want[7:8])
	if d := s.Damage(); d.Records != 0 || d.Bytes != 0 || len(d.Places) != 0 || last[0].Seq != 103 {
		t.Errorf("damage %+v, last number %d", d, last[0].Seq)
	}
	if err := s.Done(104); err == nil {
		t.Error("a record that does not exist is done")
	}
}

func TestDamagedCursorReadsAgainAndSkipsNothing(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, ingest.SpoolOptions{Dir: dir})
	want := numbered(0, 20)
	spoolAppend(t, s, want...)
	done(t, s, 10)
	closeSpool(t, s)
	path := filepath.Join(dir, "cursor")
	line, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(line) * 8 {
		flipped := slices.Clone(line)
		flipped[i/8] ^= 1 << (i % 8)
		if err := os.WriteFile(path, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		s := openSpool(t, ingest.SpoolOptions{Dir: dir, Sync: noSync})
		if got := readAll(t, s); len(got) != 20 && len(got) != 10 {
			t.Fatalf("with bit %d flipped, %d records are read", i, len(got))
		}
		closeSpool(t, s)
	}
}

func TestFullSpoolKeepsTheOldest(t *testing.T) {
	s := openSpool(t, ingest.SpoolOptions{Dir: t.TempDir(), MaxBytes: 20_000})
	var want [][]byte
	for _, r := range numbered(0, 1000) {
		err := s.Append(t.Context(), r)
		if errors.Is(err, ingest.ErrSpoolFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, r)
	}
	if _, size := s.Len(); size > 20_000 || size < 19_000 {
		t.Errorf("a full spool of 20,000 bytes has %d", size)
	}
	records := readAll(t, s)
	wantRecords(t, records, want)
	done(t, s, records[len(want)/2].Seq)
	more := numbered(2000, len(want)/4)
	spoolAppend(t, s, more...)
	wantRecords(t, readAll(t, s), append(want[len(want)/2+1:], more...))
}

func TestRecordThatIsTooLongIsRefusedAlone(t *testing.T) {
	s := openSpool(t, ingest.SpoolOptions{Dir: t.TempDir()})
	long := bytes.Repeat([]byte("x"), 1<<20)
	spoolAppend(t, s, long)
	if err := s.Append(t.Context(), append(long, 'x')); err == nil || errors.Is(err, ingest.ErrSpoolFull) {
		t.Errorf("got %v for a record over 1 MiB", err)
	}
	wantRecords(t, readAll(t, s), [][]byte{long})
}

func TestConcurrentAppendsShareSyncsAndKeepTheirOrder(t *testing.T) {
	noLeaks(t)
	const writers, each = 64, 100
	var syncs atomic.Int64
	dir := t.TempDir()
	s := openSpool(t, ingest.SpoolOptions{Dir: dir, Segment: 50_000, Sync: func(f *os.File) error {
		syncs.Add(1)
		return f.Sync()
	}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := s.Append(ctx, fmt.Appendf(nil, "%d %d", w, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := make([]int, writers)
	for seq := uint64(0); seq < writers*each; {
		if err := s.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		records, err := s.Next(ctx, 1+rand.IntN(300))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			var w, i int
			if _, err := fmt.Sscan(string(r.Data), &w, &i); err != nil || i != next[w] || r.Seq != seq+1 {
				t.Fatalf("after %d of writer %d, record %d is %q", next[w], w, r.Seq, r.Data)
			}
			next[w], seq = i+1, r.Seq
		}
		done(t, s, seq)
	}
	wg.Wait()
	wantEmpty(t, s, dir)
	if n := syncs.Load(); n > writers*each/4 {
		t.Errorf("%d records of %d writers took %d syncs", writers*each, writers, n)
	} else {
		t.Logf("%d records took %d syncs", writers*each, n)
	}
}

func TestClosedSpoolHasEverythingAndReleasesWhoWaits(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	s := openSpool(t, ingest.SpoolOptions{Dir: dir})
	waited := make(chan error, 1)
	go func() { waited <- s.Wait(context.Background()) }()
	var accepted atomic.Int64
	var wg sync.WaitGroup
	begun := make(chan struct{}, 8)
	for range 8 {
		wg.Go(func() {
			for {
				if err := s.Append(context.Background(), []byte("record")); err != nil {
					if !errors.Is(err, ingest.ErrSpoolClosed) {
						t.Error(err)
					}
					return
				}
				accepted.Add(1)
				select {
				case begun <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 8 {
		<-begun
	}
	if err := <-waited; err != nil {
		t.Error(err)
	}
	closeSpool(t, s)
	wg.Wait()
	if _, err := s.Next(t.Context(), 1); !errors.Is(err, ingest.ErrSpoolClosed) {
		t.Errorf("reading a closed spool: %v", err)
	}
	if err := s.Wait(t.Context()); !errors.Is(err, ingest.ErrSpoolClosed) {
		t.Errorf("waiting for a closed spool: %v", err)
	}
	s = openSpool(t, ingest.SpoolOptions{Dir: dir})
	if n := len(readAll(t, s)); n != int(accepted.Load()) {
		t.Errorf("%d records after Close, %d were accepted", n, accepted.Load())
	}
}
