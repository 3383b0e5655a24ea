package ingest_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"dealtrail/ingest"
)

// FuzzSpool reads arbitrary bytes: every record that comes out has a valid frame
// in them, numbers rise, and the same is read again.
func FuzzSpool(f *testing.F) {
	// Short ones: the fuzzer takes a minute to shorten what is long.
	inner := frame(32, 2, []byte("{}"))
	file, starts := segmentOf([][]byte{[]byte("{}"), nil, []byte(frameMagic), inner, []byte(`{"n":1}`)})
	f.Add(file, uint64(0))
	f.Add(file[:starts[4]+35], uint64(6))
	f.Add(slices.Concat(file[starts[1]:starts[2]], file), uint64(5))
	f.Add(slices.Concat(file[:starts[3]], file[starts[2]:]), uint64(0))
	f.Add([]byte(frameMagic), uint64(1))
	f.Add(frame(0, 1<<63, nil), uint64(0))
	f.Fuzz(func(t *testing.T, file []byte, next uint64) {
		dir := t.TempDir()
		type found struct {
			seq  uint64
			data string
		}
		valid := map[found]bool{}
		for at := range max(len(file)-31, 0) {
			h := file[at:]
			if !strings.HasPrefix(string(h[:4]), frameMagic) {
				continue
			}
			size, seq := int(binary.LittleEndian.Uint32(h[4:])), binary.LittleEndian.Uint64(h[8:])
			if size > len(h)-32 {
				continue
			}
			want := frame(at, seq, h[32:32+size])
			copy(want[16:24], h[16:24]) // any time
			salted := append(binary.LittleEndian.AppendUint64(nil, testSalt), binary.LittleEndian.AppendUint64(nil, uint64(at))...)
			binary.LittleEndian.PutUint32(want[28:], crc32.Checksum(append(salted, want[:28]...), castagnoli))
			if bytes.Equal(want, h[:32+size]) {
				valid[found{seq, string(h[32 : 32+size])}] = true
			}
		}
		records, _ := readSegment(t, dir, file, next)
		for _, r := range records {
			if !valid[found{r.Seq, string(r.Data)}] {
				t.Fatalf("record %d has no valid frame: %q", r.Seq, r.Data)
			}
		}
		s := openSpool(t, ingest.SpoolOptions{Dir: dir, Sync: noSync})
		again := readAll(t, s)
		if !slices.EqualFunc(records, again, func(a, b ingest.Record) bool { return a.Seq == b.Seq && bytes.Equal(a.Data, b.Data) }) {
			t.Fatalf("%d records, then %d", len(records), len(again))
		}
	})
}
