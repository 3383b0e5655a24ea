package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"dealtrail/ingest"
)

// tinyDisk returns a directory on a file system of 1 MiB, and the options for
// it. Where none may be mounted, a disk that refuses stands for it.
func tinyDisk(t *testing.T) ingest.SpoolOptions {
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m")
	if err == nil {
		t.Cleanup(func() {
			if err := syscall.Unmount(dir, 0); err != nil {
				t.Error(err)
			}
		})
		return ingest.SpoolOptions{Dir: dir}
	}
	t.Logf("no file system of 1 MiB (%v), its answers are made up", err)
	return ingest.SpoolOptions{Dir: dir, Write: func(f *os.File, b []byte) (int, error) {
		used := int64(0)
		for _, name := range segmentFiles(t, dir) {
			if info, err := os.Stat(name); err == nil {
				used += info.Size()
			}
		}
		n, err := f.Write(b[:min(int64(len(b)), 1<<20-used)])
		if err == nil && n < len(b) {
			err = syscall.ENOSPC
		}
		return n, err
	}}
}

func TestFullDiskKeepsTheOldestAndRecovers(t *testing.T) {
	o := tinyDisk(t)
	o.Segment = 100_000
	s := openSpool(t, o)
	t.Cleanup(func() { closeSpool(t, s) }) // before the disk is unmounted
	var want [][]byte
	refused := 0
	for i := range 3000 {
		r := fmt.Appendf(nil, "%d %s", i, strings.Repeat("y", 600))
		switch err := s.Append(t.Context(), r); {
		case err == nil:
			want = append(want, r)
		case errors.Is(err, ingest.ErrSpoolFull) && errors.Is(err, syscall.ENOSPC):
			refused++
		default:
			t.Fatal(err)
		}
	}
	if len(want) < 1000 || refused < 1000 {
		t.Fatalf("%d records went onto 1 MiB, %d were refused", len(want), refused)
	}
	if n := len(segmentFiles(t, o.Dir)); n > 20 {
		t.Errorf("%d files are left after %d refusals", n, refused)
	}
	records := readAll(t, s)
	wantRecords(t, records, want)
	done(t, s, records[len(records)-1].Seq)
	spoolAppend(t, s, want[:100]...)
	closeSpool(t, s)
	s = openSpool(t, o)
	wantRecords(t, readAll(t, s), want[:100])
	if d := s.Damage(); d.Records != 0 || d.Bytes != 0 {
		t.Errorf("a full disk left damage: %+v", d)
	}
}

func TestFailedSyncIsNeverRetriedOnTheSameSegment(t *testing.T) {
	for _, op := range []string{"write", "sync"} {
		t.Run(op, func(t *testing.T) {
			o := ingest.SpoolOptions{Dir: t.TempDir()}
			var fails atomic.Bool
			failed := map[string]bool{}
			check := func(f *os.File) error {
				if failed[f.Name()] {
					t.Errorf("%s is used after it failed", f.Name())
				}
				if fails.Load() {
					failed[f.Name()] = true
					return syscall.EIO
				}
				return nil
			}
			if op == "sync" {
				o.Sync = check
			} else {
				o.Write = func(f *os.File, b []byte) (int, error) {
					if err := check(f); err != nil {
						n, _ := f.Write(b[:len(b)/2])
						return n, err
					}
					return f.Write(b)
				}
			}
			s := openSpool(t, o)
			var want [][]byte
			for i, r := range numbered(0, 60) {
				fails.Store(i%6 > 3)
				err := s.Append(t.Context(), r)
				if fails.Load() != (err != nil) || err != nil && (!errors.Is(err, syscall.EIO) || errors.Is(err, ingest.ErrSpoolFull)) {
					t.Fatalf("record %d: %v", i, err)
				}
				if err == nil {
					want = append(want, r)
				}
			}
			fails.Store(false)
			wantRecords(t, readAll(t, s), want)
			closeSpool(t, s)
			clear(failed) // opening makes sure of what a crash may have left in memory only
			s = openSpool(t, o)
			wantRecords(t, readAll(t, s), want)
			if d := s.Damage(); len(d.Places) != 0 {
				t.Errorf("damage %+v", d)
			}
		})
	}
}

func TestSegmentThatIsDoneGoesEvenWhenItsLastWriteFails(t *testing.T) {
	dir := t.TempDir()
	entered, answer := make(chan bool), make(chan error)
	s := openSpool(t, ingest.SpoolOptions{Dir: dir, Sync: func(*os.File) error { entered <- true; return <-answer }})
	appended := make(chan error, 1)
	add := func() { appended <- s.Append(context.Background(), []byte("x")) }
	go add()
	<-entered
	answer <- nil
	if err := <-appended; err != nil {
		t.Fatal(err)
	}
	go add()
	<-entered
	done(t, s, 1)
	if n := len(segmentFiles(t, dir)); n != 1 {
		t.Fatalf("%d segments while one is written to", n)
	}
	answer <- syscall.EIO
	if err := <-appended; !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	wantEmpty(t, s, dir)
}

func TestAppendGivesUpWithItsContextWhileTheDiskHangs(t *testing.T) {
	noLeaks(t)
	hang, hangs := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(hangs) })
	s := openSpool(t, ingest.SpoolOptions{Dir: t.TempDir(), Sync: func(*os.File) error { once(); <-hang; return nil }})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-hangs; cancel() }()
	for range 3 {
		if err := s.Append(ctx, []byte("x")); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v", err)
		}
	}
	if n := len(readAll(t, s)); n != 0 {
		t.Errorf("%d records are read before they are durable", n)
	}
	close(hang)
	if err := s.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, readAll(t, s), [][]byte{[]byte("x")})
}

func TestMissingSegmentIsCountedAndTheRestIsRead(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, ingest.SpoolOptions{Dir: dir, Segment: 1})
	want := numbered(0, 5)
	for _, r := range want {
		spoolAppend(t, s, r)
	}
	if err := os.Remove(segmentFiles(t, dir)[2]); err != nil {
		t.Fatal(err)
	}
	want = append(want[:2:2], want[3:]...)
	wantRecords(t, readAll(t, s), want)
	if d := s.Damage(); d.Records != 1 {
		t.Errorf("damage %+v", d)
	}
	closeSpool(t, s)
	s = openSpool(t, ingest.SpoolOptions{Dir: dir})
	wantRecords(t, readAll(t, s), want)
	if d := s.Damage(); d.Records != 1 {
		t.Errorf("after a restart, damage %+v", d)
	}
}
