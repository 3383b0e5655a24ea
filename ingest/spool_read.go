package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// nextBytes is how many bytes of records Next returns, about, however many it may return.
	nextBytes = 8 << 20
	// clickSize is what a click takes at most, about.
	clickSize = 1 << 10
	// maxPlaces is how many places of damage are kept and logged.
	maxPlaces = 100
)

// Record is one record of a spool.
type Record struct {
	Seq  uint64    // its number; grows by one from record to record
	At   time.Time // when it was accepted, in UTC, to the millisecond
	Data []byte
}

// Damage is what was found unreadable since the spool was opened.
type Damage struct {
	Records uint64        // records that are lost
	Bytes   int64         // bytes that were skipped
	Torn    int           // segments whose end was cut off, as a crash does: a record that was perhaps never accepted
	Places  []DamagePlace // of these, the first hundred
}

// DamagePlace is a stretch of a segment that is unreadable.
type DamagePlace struct {
	File    string // name of the segment, which is gone once its other records are done
	Offset  int64
	Bytes   int64
	Records uint64 // records that are lost with it
	Torn    bool
}

// place is a place between two records.
type place struct {
	number uint64 // of the segment
	offset int64
	seq    uint64 // of the record behind it
}

// frames reads a segment from a place on.
func (s *Spool) frames(seg *segment, file *os.File, at place) *frames {
	read := func(b []byte, at int64) (int, error) { return s.o.ReadAt(file, b, at) }
	if file == nil {
		read = func([]byte, int64) (int, error) { return 0, io.EOF }
	}
	return &frames{read: read, base: seg.base, salt: seg.salt, end: seg.size, limit: seg.next, place: at.offset, seq: at.seq}
}

// Next returns the oldest records that are not done: max at most, 8 MiB or one
// record in any case, and none when there are none. Until they are done it
// returns them again. Records may share memory; treat it as read-only.
func (s *Spool) Next(ctx context.Context, max int) ([]Record, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	b := page{max: max}
	if err := s.peek(ctx, &b); err != nil {
		return nil, fmt.Errorf("read the spool: %w", err)
	}
	s.ends = b.ends
	return b.records, nil
}

// page is records that are read together.
type page struct {
	max     int
	bytes   int
	records []Record
	ends    []place // behind each record
}

func (b *page) full() bool { return len(b.records) >= b.max || b.bytes >= nextBytes }

// peek fills a page. The caller holds reading.
func (s *Spool) peek(ctx context.Context, b *page) error {
	s.mu.Lock()
	segments := make([]segment, len(s.segments))
	for i, seg := range s.segments {
		segments[i] = *seg
	}
	cursor, closed := s.cursor, s.closed
	s.mu.Unlock()
	if closed {
		return ErrSpoolClosed
	}
	at := s.at
	for i := range segments {
		seg := &segments[i]
		if seg.number < at.number || b.full() {
			continue
		}
		if seg.number > at.number {
			at = place{number: seg.number, seq: seg.base}
		}
		if err := s.peekSegment(ctx, seg, &at, cursor, b); err != nil {
			return err
		}
	}
	if len(b.records) > 0 {
		s.skip(b.records[0].Seq)
		return nil
	}
	if b.full() || at.seq <= cursor {
		return nil
	}
	s.at = at // nothing can be read up to here
	return s.advance(at.seq)
}

// peekSegment reads records of one segment from a place on, and moves it.
func (s *Spool) peekSegment(ctx context.Context, seg *segment, at *place, cursor uint64, b *page) error {
	if at.offset == seg.size && at.seq == seg.next {
		return nil
	}
	file, err := os.Open(seg.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) { // one that is gone is damage
		return err
	}
	defer file.Close()
	f := s.frames(seg, file, *at)
	for !b.full() {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, skipped, ok, err := f.next()
		if err != nil {
			return err
		}
		*at = place{number: seg.number, offset: f.place, seq: f.seq}
		following := r.Seq
		if !ok {
			following = f.seq
		}
		if following > cursor {
			s.lost(seg, skipped, following)
		}
		switch {
		case !ok:
			return nil
		case r.Seq < cursor:
			s.at = *at
		default:
			b.records, b.ends = append(b.records, r), append(b.ends, *at)
			b.bytes += len(r.Data)
		}
	}
	return nil
}

// lost counts a hole before the record with the number following, once however
// often it is read.
func (s *Spool) lost(seg *segment, h hole, following uint64) {
	if h.empty() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	first := following - h.records
	if s.reported.number == seg.number {
		h.from, first = max(h.from, s.reported.offset), max(first, s.reported.seq)
	}
	if s.reported.number > seg.number || h.from >= h.to && first >= following {
		return
	}
	s.reported = place{number: seg.number, offset: h.to, seq: following}
	s.note(DamagePlace{File: filepath.Base(seg.path), Offset: h.from, Bytes: max(h.to-h.from, 0), Records: following - first})
}

// note counts damage and says it. The caller holds mu.
func (s *Spool) note(d DamagePlace) {
	s.damage.Records += d.Records
	s.damage.Bytes += d.Bytes
	if d.Torn {
		s.damage.Torn++
	}
	if len(s.damage.Places) == maxPlaces {
		return
	}
	s.damage.Places = append(s.damage.Places, d)
	s.log.Error("spool is damaged", "file", d.File, "offset", d.Offset, "bytes", d.Bytes, "n", d.Records, "torn", d.Torn)
}

// Damage returns what was found unreadable since the spool was opened. A record
// is found unreadable when Next comes to it.
func (s *Spool) Damage() Damage {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.damage
	d.Places = slices.Clone(d.Places)
	return d
}

// Done says that the records up to and including number upTo need not be read
// again, also after a crash, and deletes the segments that hold no others. After
// an error they may be read again after a crash.
func (s *Spool) Done(upTo uint64) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	s.mu.Lock()
	next, closed := s.next, s.closed
	s.mu.Unlock()
	if closed {
		return fmt.Errorf("move on in the spool: %w", ErrSpoolClosed)
	}
	if upTo >= next {
		return fmt.Errorf("move on in the spool: there is no record %d yet", upTo)
	}
	for _, end := range s.ends {
		if end.seq <= upTo+1 {
			s.at = end
		}
	}
	if err := s.advance(upTo + 1); err != nil {
		return fmt.Errorf("move on in the spool: %w", err)
	}
	return nil
}

// skip moves the cursor over records that cannot be read.
func (s *Spool) skip(next uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursor = max(s.cursor, next)
}

// advance moves the cursor, here and on disk, and deletes what is done. The
// caller holds reading.
func (s *Spool) advance(next uint64) error {
	s.skip(next)
	err := s.saveCursor()
	s.mu.Lock()
	gone := s.retire()
	s.mu.Unlock()
	s.remove(gone)
	if err != nil && len(gone) > 0 {
		return s.saveCursor() // a full disk has room now
	}
	return err
}

// Wait waits until a record is there that is not done.
func (s *Spool) Wait(ctx context.Context) error {
	for {
		s.mu.Lock()
		some, closed, grown := s.next > s.cursor, s.closed, s.grown
		s.mu.Unlock()
		switch {
		case closed:
			return ErrSpoolClosed
		case some:
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Len returns how many records are not done, damaged ones included until Next
// has come to them, and how many bytes of disk the spool takes, which is what
// MaxBytes bounds: that of records that are done becomes free by the segment.
func (s *Spool) Len() (records int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.next - s.cursor), s.disk
}

// Failing reports whether the spool takes no records: there is no room for a
// click, or the last write did not work.
func (s *Spool) Failing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed || s.failing || s.disk+s.reserved+clickSize > s.o.MaxBytes
}

// Oldest returns when the oldest record that is not done was accepted, and the
// zero time when there is none or the disk does not say.
func (s *Spool) Oldest() time.Time {
	s.reading.Lock()
	defer s.reading.Unlock()
	b := page{max: 1}
	if err := s.peek(context.Background(), &b); err != nil || len(b.records) == 0 {
		return time.Time{}
	}
	return b.records[0].At
}
