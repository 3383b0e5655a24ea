package ingest

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// ErrSpoolFull is returned when the spool holds as many bytes as it may, or the
// disk has no room. The records that it holds stay, the new ones are refused.
var ErrSpoolFull = errors.New("the spool is full")

// ErrSpoolClosed is returned by a spool that was closed.
var ErrSpoolClosed = errors.New("the spool is closed")

const (
	defaultSpoolBytes   = 1 << 30
	defaultSpoolSegment = 16 << 20
	// segmentsPerSpool is in how many pieces at least the space becomes free again.
	segmentsPerSpool = 8
)

// SpoolOptions say where a spool keeps its records and how many. Write, Sync
// and ReadAt are the disk; tests replace them by one that fails.
type SpoolOptions struct {
	Dir      string // this spool's alone, which is for the caller to see to; made when missing
	MaxBytes int64  // of all segments together; default 1 GiB
	Segment  int64  // bytes after which a new segment is begun; default 16 MiB, and at most an eighth of MaxBytes
	Log      *slog.Logger

	Write  func(f *os.File, b []byte) (int, error)
	Sync   func(f *os.File) error // what was written to a segment must be on the disk afterwards
	ReadAt func(f *os.File, b []byte, at int64) (int, error)
}

// Spool keeps records on disk, in order, until they are read and done with. It
// is where events are durable while Redis does not answer.
//
// Records are bytes that the spool does not look into, up to 1 MiB each. After a
// crash records may be read again, and records whose Append had not returned may
// be there; none whose Append returned is missing. A damaged record is lost alone,
// and [Spool.Damage] says so.
type Spool struct {
	o   SpoolOptions
	log *slog.Logger

	reading sync.Mutex // taken before mu; guards the next three
	at      place      // of the first record that is not done, or before it
	ends    []place    // behind each record that Next returned
	saved   uint64     // the cursor on disk

	writes convoys[accepted] // what callers bring, on its way to the disk

	mu       sync.Mutex
	segments []*segment // with durable records that are not all done, oldest first
	active   *segment   // being written, or nil; in segments once it has a durable record
	next     uint64     // number of the next record to become durable
	cursor   uint64     // number of the first record that is not done
	number   uint64     // of the newest segment
	disk     int64      // bytes of segments
	reserved int64      // bytes that callers bring and that are not yet durable
	failing  bool       // the last commit failed
	closed   bool
	grown    chan struct{} // closed and replaced when records become durable
	damage   Damage
	reported place // holes up to here are in damage
}

// accepted is a record on its way to the disk.
type accepted struct {
	data []byte
	at   time.Time
}

// OpenSpool opens the spool in a directory. A record at the end that a crash cut
// off is reported and removed; new records go into a new segment.
func OpenSpool(o SpoolOptions) (*Spool, error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultSpoolBytes
	}
	if o.Segment <= 0 {
		o.Segment = defaultSpoolSegment
	}
	o.Segment = min(o.Segment, max(o.MaxBytes/segmentsPerSpool, 1))
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Write == nil {
		o.Write = (*os.File).Write
	}
	if o.Sync == nil {
		o.Sync = syncData
	}
	if o.ReadAt == nil {
		o.ReadAt = (*os.File).ReadAt
	}
	s := &Spool{o: o, log: o.Log, grown: make(chan struct{})}
	s.writes = convoys[accepted]{write: s.commit, parallel: 1}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	return s, nil
}

// syncData makes a file's bytes and its length durable.
func syncData(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// Append makes records durable, in the order given; nil means that they are on
// the disk. Callers that wait at the same time share one write. After an error
// of the disk the records are not there, unless a crash follows at once; after
// the context's they may be.
func (s *Spool) Append(ctx context.Context, records ...[]byte) error {
	if err := ctx.Err(); err != nil || len(records) == 0 {
		return err
	}
	g, err := s.join(records)
	if err == nil {
		err = g.wait(ctx)
	}
	if err != nil {
		return fmt.Errorf("append to the spool: %w", err)
	}
	return nil
}

// join adds records to what is committed next, if there is room for them.
func (s *Spool) join(records [][]byte) (*convoy[accepted], error) {
	var size int64
	items, now := make([]accepted, len(records)), time.Now()
	for i, r := range records {
		if len(r) > maxRecord {
			return nil, fmt.Errorf("a record of %d bytes is longer than the %d that are allowed", len(r), maxRecord)
		}
		size += int64(headerSize + len(r))
		items[i] = accepted{data: r, at: now}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrSpoolClosed
	}
	if s.disk+s.reserved+size > s.o.MaxBytes {
		return nil, ErrSpoolFull
	}
	s.reserved += size
	return s.writes.join(items...), nil
}

// commit writes records and makes them durable. After any error the segment is
// not written again: what a failed fsync left on the disk is unknown, and a
// second fsync would say that all is well.
func (s *Spool) commit(records []accepted) error {
	var b []byte
	for _, r := range records {
		b = appendFrame(b, r.data, r.at)
	}
	seg, err := s.writable()
	if err == nil {
		seg.seal(b, seg.size, seg.next)
		if _, err = s.o.Write(seg.file, b); err == nil {
			err = s.o.Sync(seg.file)
		}
	}
	if err != nil {
		s.abandon(seg)
	}
	gone, err := s.committed(seg, int64(len(b)), uint64(len(records)), err)
	s.remove(gone)
	return err
}

// committed notes how a commit went, and returns the segments that are done with
// now that nobody writes.
func (s *Spool) committed(seg *segment, size int64, records uint64, err error) ([]*segment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reserved -= size
	if failed := err != nil; failed != s.failing {
		s.failing = failed
		if failed {
			s.log.Error("spool cannot write", "err", err)
		} else {
			s.log.Info("spool can write again")
		}
	}
	if err == nil {
		if seg != s.active {
			s.active = seg
			s.segments = append(s.segments, seg)
		}
		seg.size += size
		seg.next += records
		s.next = seg.next
		s.disk += size
		close(s.grown)
		s.grown = make(chan struct{})
	} else if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = fmt.Errorf("%w: %w", ErrSpoolFull, err)
	}
	return s.retire(), err
}

// writable returns the segment to write to. A commit is never split, so a segment
// may become longer than Segment by one. On an error it returns the segment
// as far as it was begun.
func (s *Spool) writable() (*segment, error) {
	s.mu.Lock()
	if s.active != nil && s.active.size < s.o.Segment {
		defer s.mu.Unlock()
		return s.active, nil
	}
	if s.active != nil {
		s.active.file.Close() // all of it is durable
		s.active.file, s.active = nil, nil
	}
	var salt [8]byte
	_, _ = rand.Read(salt[:]) // never fails
	s.number++
	seg := &segment{number: s.number, base: s.next, next: s.next, salt: binary.LittleEndian.Uint64(salt[:])}
	s.mu.Unlock()
	seg.path = filepath.Join(s.o.Dir, segmentName(seg.number, seg.base, seg.salt))
	var err error
	if seg.file, err = os.OpenFile(seg.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return seg, err
	}
	return seg, syncDir(s.o.Dir)
}

// abandon ends a segment after an error. What was durable before stays; the rest
// is removed if the disk still lets us, and is not read in any case.
func (s *Spool) abandon(seg *segment) {
	s.mu.Lock()
	file := seg.file
	s.active, seg.file = nil, nil
	s.mu.Unlock()
	if file != nil {
		_ = file.Truncate(seg.size)
		file.Close()
	}
	if seg.size == 0 {
		_ = os.Remove(seg.path)
	}
}

// retire takes the segments whose records are all done off the list; the one
// being written only while nobody writes. The caller holds mu.
func (s *Spool) retire() (gone []*segment) {
	for len(s.segments) > 0 {
		seg := s.segments[0]
		if seg.next > s.cursor || seg == s.active && s.reserved > 0 {
			break
		}
		if seg == s.active {
			s.active = nil
		}
		s.segments[0] = nil
		s.segments = s.segments[1:]
		s.disk -= seg.size
		gone = append(gone, seg)
	}
	return gone
}

// remove deletes segments that are off the list. One that stays is found done,
// and deleted, when the spool is opened again.
func (s *Spool) remove(gone []*segment) {
	for _, seg := range gone {
		if seg.file != nil {
			seg.file.Close()
		}
		if err := os.Remove(seg.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.log.Error("spool segment is not deleted", "file", filepath.Base(seg.path), "err", err)
		}
	}
}

// Close waits until what was appended is durable, and ends the spool.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.writes.workers.Wait()
	close(s.grown) // nobody replaces it any more
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.active == nil {
		return nil
	}
	err := s.active.file.Close()
	s.active = nil
	return err
}
