package ingest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"syscall"
	"time"
)

// A segment is a file of frames, one after the other. A frame is a header of
// 32 bytes, little-endian, and the record's bytes:
//
//	 0  magic "\xf5dt\xfa"; neither 0xf5 nor 0xfa occurs in UTF-8, so no JSON holds it
//	 4  length of the record, uint32
//	 8  sequence number of the record, uint64; the next one's is greater by one
//	16  when it was accepted, Unix milliseconds
//	24  CRC-32C of the record
//	28  CRC-32C of the segment's salt (8 bytes), the frame's place in the file (8 bytes) and the header so far
//
// The salt is random and stands in the file's name only. With it and the place, no copy of a frame passes for a frame:
// neither in another segment (blocks of a deleted file that the file system gives out again), nor elsewhere in its own (a
// misplaced block), nor inside a record (somebody's fake). Since the header has a checksum of its own, a damaged record is
// stepped over as a whole; only where a header is damaged is the next frame searched for.
const (
	frameMagic = "\xf5dt\xfa"
	headerSize = 32
	// maxRecord is what one record may hold, in bytes.
	maxRecord = 1 << 20
	// readWindow is how many bytes are read at once, and readBlock how many are given up when the disk cannot read them.
	readWindow = 256 << 10
	readBlock  = 4 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// segment is one file of the spool. Its records have the numbers from base up
// to, not including, next.
type segment struct {
	number uint64 // in the order of writing
	base   uint64
	salt   uint64
	path   string

	size int64    // bytes of frames that are durable
	next uint64   // also the base of the segment after it
	file *os.File // for the writer, while this is the segment being written
}

// segmentName names a segment's file.
func segmentName(number, base, salt uint64) string {
	return fmt.Sprintf("%010d-%016x-%016x.spool", number, base, salt)
}

// parseSegmentName reads what segmentName wrote; other files are not ours.
func parseSegmentName(name string) (seg segment, ok bool) {
	if _, err := fmt.Sscanf(name, "%d-%x-%x.spool", &seg.number, &seg.base, &seg.salt); err != nil {
		return segment{}, false
	}
	return seg, name == segmentName(seg.number, seg.base, seg.salt)
}

// appendFrame reserves a header and adds the record. The rest of the header is
// known, and filled in by seal, when the frame's place is.
func appendFrame(b, record []byte, at time.Time) []byte {
	var h [headerSize]byte
	copy(h[:], frameMagic)
	binary.LittleEndian.PutUint32(h[4:], uint32(len(record)))
	binary.LittleEndian.PutUint64(h[16:], uint64(at.UnixMilli()))
	return append(append(b, h[:]...), record...)
}

// seal completes the frames in b, which begin at a place in the segment, with
// numbers from seq on.
func (g *segment) seal(b []byte, place int64, seq uint64) {
	for len(b) > 0 {
		h := b[:headerSize]
		end := headerSize + int(binary.LittleEndian.Uint32(h[4:]))
		binary.LittleEndian.PutUint64(h[8:], seq)
		binary.LittleEndian.PutUint32(h[24:], crc32.Checksum(b[headerSize:end], castagnoli))
		binary.LittleEndian.PutUint32(h[28:], headerSum(g.salt, place, h))
		b, place, seq = b[end:], place+int64(end), seq+1
	}
}

func headerSum(salt uint64, place int64, h []byte) uint32 {
	var b [16 + 28]byte
	binary.LittleEndian.PutUint64(b[0:], salt)
	binary.LittleEndian.PutUint64(b[8:], uint64(place))
	copy(b[16:], h[:28])
	return crc32.Checksum(b[:], castagnoli)
}

// hole is what could not be read: bytes from one place to another, and how many
// records are known to be missing.
type hole struct {
	from, to int64
	records  uint64
}

func (h hole) empty() bool { return h.from == h.to && h.records == 0 }

// frames reads a segment, whatever its bytes are. What it returns was written.
type frames struct {
	read  func(b []byte, at int64) (int, error) // as io.ReaderAt
	base  uint64
	salt  uint64
	end   int64  // where the segment ends
	limit uint64 // records of this number and above are not in it

	place int64  // of the next frame
	seq   uint64 // of the next record

	unreadable bool // the disk could not read some of it

	window   []byte // bytes that were read; never reused, records point into it
	windowAt int64
}

// next returns the next record that can be read, and what could not be read
// before it. At the end of the segment ok is false.
func (f *frames) next() (r Record, skipped hole, ok bool, err error) {
	skipped.from = f.place
	for f.end-f.place >= headerSize {
		h, err := f.at(f.place, headerSize)
		if err != nil {
			return Record{}, hole{}, false, err
		}
		seq, size, ok := f.header(h)
		if !ok {
			if f.place, err = f.search(f.place + 1); err != nil {
				return Record{}, hole{}, false, err
			}
			continue
		}
		sum, at := binary.LittleEndian.Uint32(h[24:]), binary.LittleEndian.Uint64(h[16:])
		b, err := f.at(f.place, headerSize+size)
		if err != nil {
			return Record{}, hole{}, false, err
		}
		data := b[headerSize : headerSize+size : headerSize+size]
		start := f.place
		f.place += int64(headerSize + size)
		if crc32.Checksum(data, castagnoli) != sum {
			continue
		}
		skipped.to, skipped.records = start, seq-f.seq
		f.seq = seq + 1
		return Record{Seq: seq, At: time.UnixMilli(int64(at)).UTC(), Data: data}, skipped, true, nil
	}
	skipped.to, skipped.records = f.end, f.limit-f.seq
	f.place, f.seq = f.end, f.limit
	return Record{}, skipped, false, nil
}

// header checks a header at f.place. A number that so many bytes before it
// cannot have led to is refused too.
func (f *frames) header(h []byte) (seq uint64, size int, ok bool) {
	if string(h[:4]) != frameMagic || binary.LittleEndian.Uint32(h[28:]) != headerSum(f.salt, f.place, h) {
		return 0, 0, false
	}
	size, seq = int(binary.LittleEndian.Uint32(h[4:])), binary.LittleEndian.Uint64(h[8:])
	ok = size <= maxRecord && f.place+int64(headerSize+size) <= f.end &&
		seq >= f.seq && seq < f.limit && seq-f.base <= uint64(f.place)/headerSize
	return seq, size, ok
}

// search returns where the magic comes next, or the segment's end.
func (f *frames) search(from int64) (int64, error) {
	for f.end-from >= headerSize {
		b, err := f.at(from, headerSize)
		if err != nil {
			return 0, err
		}
		if i := bytes.Index(b, []byte(frameMagic)); i >= 0 {
			return from + int64(i), nil
		}
		from += int64(len(b) - len(frameMagic) + 1)
	}
	return f.end, nil
}

// at returns the bytes from a place on: n at least, and as many more as happen
// to be in memory.
func (f *frames) at(place int64, n int) ([]byte, error) {
	if place < f.windowAt || place+int64(n) > f.windowAt+int64(len(f.window)) {
		f.window, f.windowAt = make([]byte, min(int64(max(n, readWindow)), f.end-place)), place
		if err := f.fill(); err != nil {
			f.window = nil
			return nil, err
		}
	}
	return f.window[place-f.windowAt:], nil
}

// fill reads the window. Bytes that the file does not have, or that the disk
// cannot read, become zeros: they are damage like any other, and the frames
// after them can still be read.
func (f *frames) fill() error {
	n, err := f.read(f.window, f.windowAt)
	switch {
	case err == nil || n == len(f.window):
		return nil
	case errors.Is(err, io.EOF):
		clear(f.window[n:])
		return nil
	case !errors.Is(err, syscall.EIO):
		return err
	}
	f.unreadable = true
	for from := 0; from < len(f.window); from += readBlock {
		b := f.window[from:min(from+readBlock, len(f.window))]
		n, err := f.read(b, f.windowAt+int64(from))
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.EIO) {
			return err
		}
		clear(b[n:])
	}
	return nil
}
