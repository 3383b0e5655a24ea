package ingest

import (
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// cursorFile says which record is the first that is not done.
const cursorFile = "cursor"

// open reads what the directory holds.
func (s *Spool) open() error {
	if err := os.MkdirAll(s.o.Dir, 0o700); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(s.o.Dir)); err != nil {
		return err
	}
	entries, err := os.ReadDir(s.o.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(s.o.Dir, e.Name())
		if strings.HasPrefix(e.Name(), "."+cursorFile+"-") {
			_ = os.Remove(path) // a crash left it
		}
		seg, ok := parseSegmentName(e.Name())
		if !ok {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		seg.path, seg.size, seg.next = path, info.Size(), seg.base
		s.segments = append(s.segments, &seg)
	}
	slices.SortFunc(s.segments, func(a, b *segment) int { return cmp.Compare(a.number, b.number) })
	s.cursor = s.readCursor()
	s.saved, s.next = s.cursor, max(s.cursor, 1)
	for i, seg := range s.segments {
		if i+1 < len(s.segments) {
			seg.next = max(s.segments[i+1].base, seg.base)
		} else if err := s.findEnd(seg); err != nil {
			return err
		}
		s.number, s.next = seg.number, max(s.next, seg.next)
		s.disk += seg.size
	}
	if len(s.segments) > 0 {
		s.cursor = max(s.cursor, s.segments[0].base)
	}
	s.cursor = max(s.cursor, 1)
	s.remove(s.retire())
	return nil
}

// findEnd finds the last record of the newest segment and removes what is cut
// off behind it. What the crash left in memory only is made durable, so that the
// numbers given out from here on follow those on the disk.
func (s *Spool) findEnd(seg *segment) error {
	file, err := os.OpenFile(seg.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	f := s.frames(seg, file, place{seq: seg.base})
	f.limit = math.MaxUint64
	end := int64(0)
	for {
		r, skipped, ok, err := f.next()
		if err != nil {
			return err
		}
		if !ok {
			if end < skipped.to {
				s.note(DamagePlace{File: filepath.Base(seg.path), Offset: end, Bytes: skipped.to - end, Torn: true})
			}
			break
		}
		end, seg.next = f.place, r.Seq+1
	}
	if seg.size == 0 {
		return nil
	}
	if seg.size = end; f.unreadable {
		return nil // it may be there yet; nothing is removed that we did not see
	}
	if end < f.end {
		if err := file.Truncate(end); err != nil {
			s.log.Error("end of a spool segment is not removed", "file", filepath.Base(seg.path), "err", err)
		}
	}
	if err := s.o.Sync(file); err != nil {
		s.log.Error("spool cannot write", "err", err)
	}
	return nil
}

// saveCursor replaces the cursor's file. Without it records are read again, from
// the oldest segment on.
func (s *Spool) saveCursor() error {
	s.mu.Lock()
	cursor := s.cursor
	s.mu.Unlock()
	if cursor == s.saved {
		return nil
	}
	number := fmt.Sprint(cursor)
	line := fmt.Sprintf("%s %08x\n", number, crc32.Checksum([]byte(number), castagnoli))
	if err := writeFile(filepath.Join(s.o.Dir, cursorFile), []byte(line)); err != nil {
		return err
	}
	s.saved = cursor
	return nil
}

// readCursor returns the number of the first record that is not done, or 0 when
// nobody knows: a damaged cursor must not skip records.
func (s *Spool) readCursor() uint64 {
	line, err := os.ReadFile(filepath.Join(s.o.Dir, cursorFile))
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	var cursor uint64
	var sum uint32
	if err == nil {
		_, err = fmt.Sscanf(string(line), "%d %08x\n", &cursor, &sum)
	}
	if err == nil && sum != crc32.Checksum([]byte(fmt.Sprint(cursor)), castagnoli) {
		err = errors.New("the checksum is wrong")
	}
	if err != nil {
		s.log.Error("spool cursor cannot be read, records are read again", "err", err)
		return 0
	}
	return cursor
}
