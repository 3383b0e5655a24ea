package ingest_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"dealtrail/ingest"
)

func noSync(*os.File) error { return nil }

// The frame, written down a second time: what these tests take for true.
const (
	frameMagic   = "\xf5dt\xfa"
	testSalt     = 0x5eed
	testSegment  = "0000000007-0000000000000001-0000000000005eed.spool"
	testNextName = "0000000008-%016x-0000000000000bad.spool"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func frame(place int, seq uint64, record []byte) []byte {
	h := []byte(frameMagic)
	h = binary.LittleEndian.AppendUint32(h, uint32(len(record)))
	h = binary.LittleEndian.AppendUint64(h, seq)
	h = binary.LittleEndian.AppendUint64(h, 1_800_000_000_000)
	h = binary.LittleEndian.AppendUint32(h, crc32.Checksum(record, castagnoli))
	salted := binary.LittleEndian.AppendUint64(nil, testSalt)
	salted = binary.LittleEndian.AppendUint64(salted, uint64(place))
	h = binary.LittleEndian.AppendUint32(h, crc32.Checksum(append(salted, h...), castagnoli))
	return append(h, record...)
}

// segmentOf returns a segment's bytes, and where each frame begins.
func segmentOf(records [][]byte) (file []byte, starts []int) {
	for i, r := range records {
		starts = append(starts, len(file))
		file = append(file, frame(len(file), uint64(i+1), r)...)
	}
	return file, starts
}

// readSegment returns what is read of a segment with these bytes, followed by
// an empty one that begins with the number next unless that is 0.
func readSegment(t testing.TB, dir string, file []byte, next uint64) (records []ingest.Record, damage ingest.Damage) {
	t.Helper()
	old, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, name := range old {
		os.Remove(name)
	}
	err := os.WriteFile(filepath.Join(dir, testSegment), file, 0o600)
	if err == nil && next > 0 {
		err = os.WriteFile(filepath.Join(dir, fmt.Sprintf(testNextName, next)), nil, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := ingest.OpenSpool(ingest.SpoolOptions{Dir: dir, Sync: noSync})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 2 { // damage counts once however often it is read
		if records = readAll(t, s); i == 1 {
			damage = s.Damage()
		}
	}
	return records, damage
}

func TestSegmentCutAtAnyByteReadsBackThePrefix(t *testing.T) {
	records := numbered(0, 30)
	file, starts := segmentOf(records)
	dir := t.TempDir()
	whole := 0
	for cut := range len(file) + 1 {
		for whole < len(records) && starts[whole]+32+len(records[whole]) <= cut {
			whole++
		}
		got, d := readSegment(t, dir, file[:cut], 0)
		wantRecords(t, got, records[:whole])
		torn := 0
		if cut < len(file) && !slices.Contains(starts, cut) {
			torn = 1
		}
		if d.Torn != torn || d.Records != 0 || len(d.Places) != torn {
			t.Fatalf("cut at %d: damage %+v", cut, d)
		}
		if cut%4 > 0 {
			continue
		}
		// The same with a segment after it, which says how many are missing.
		got, d = readSegment(t, dir, file[:cut], 31)
		wantRecords(t, got, records[:whole])
		if d.Records != uint64(30-whole) || d.Torn != 0 {
			t.Fatalf("cut at %d in the middle: damage %+v", cut, d)
		}
	}
}

func TestTornEndIsReportedOnceAndWritingGoesOnBehindIt(t *testing.T) {
	dir := t.TempDir()
	want := numbered(0, 10)
	s := openSpool(t, ingest.SpoolOptions{Dir: dir})
	spoolAppend(t, s, want...)
	closeSpool(t, s)
	name := segmentFiles(t, dir)[0]
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(frameMagic + strings.Repeat("z", 100)); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for i := range 3 {
		s = openSpool(t, ingest.SpoolOptions{Dir: dir})
		more := numbered(100+i, 1)
		spoolAppend(t, s, more...)
		want = append(want, more...)
		wantRecords(t, readAll(t, s), want)
		d := s.Damage()
		if reported := d.Torn == 1 && d.Bytes == 104 && d.Places[0].File == filepath.Base(name); reported != (i == 0) || len(d.Places) > 1-min(i, 1) {
			t.Errorf("start %d: damage %+v", i, d)
		}
		if n := len(segmentFiles(t, dir)); n != i+2 {
			t.Errorf("start %d: %d segments", i, n)
		}
		closeSpool(t, s)
	}
}

// without fails unless what was read is the records with at most allowed of them missing, and returns how many are.
func without(t testing.TB, got []ingest.Record, records [][]byte, allowed int) (missing int) {
	t.Helper()
	for _, r := range got {
		if r.Seq < 1 || r.Seq > uint64(len(records)) || !bytes.Equal(r.Data, records[r.Seq-1]) {
			t.Fatalf("record %d was never written: %q", r.Seq, r.Data)
		}
	}
	if missing = len(records) - len(got); missing > allowed {
		t.Fatalf("%d records are missing, at most %d may", missing, allowed)
	}
	return missing
}

// hostile returns records some of which hold the magic, whole frames of this
// segment as they are and as they would have to be inside, and headers.
func hostile() [][]byte {
	records := numbered(0, 40)
	plain, starts := segmentOf(records)
	records[5] = []byte(strings.Repeat(frameMagic, 50))
	records[11] = slices.Clone(plain[starts[3]:starts[5]])
	records[12] = slices.Clone(plain[starts[12] : starts[12]+32])
	records[20] = frame(0, 30, []byte("a fake"))
	records[39] = []byte(frameMagic + "at the end" + frameMagic)
	// A frame that knows its place and the number that would be right, but not the salt.
	file, _ := segmentOf(records[:26])
	fake := frame(len(file)+32, 27, []byte("forged"))
	binary.LittleEndian.PutUint32(fake[28:], crc32.Checksum(fake[:28], castagnoli))
	records[26] = bytes.Repeat(fake, 3)
	return records
}

func TestOneFlippedBitCostsOneRecordAtMost(t *testing.T) {
	const seed = 3
	rng := rand.New(rand.NewPCG(seed, seed))
	records := hostile()
	file, _ := segmentOf(records)
	dir := t.TempDir()
	lost := 0
	for i := range 10_000 {
		bit := rng.IntN(len(file) * 8)
		flipped := slices.Clone(file)
		flipped[bit/8] ^= 1 << (bit % 8)
		next := uint64(i%2) * 41
		got, d := readSegment(t, dir, flipped, next)
		missing := without(t, got, records, 1)
		lost += missing
		if next > 0 && d.Records != uint64(missing) || len(d.Places) != missing || missing == 1 && d.Bytes == 0 {
			t.Fatalf("seed %d, bit %d flipped: %d missing, damage %+v", seed, bit, missing, d)
		}
	}
	if lost < 9_990 { // every bit is under a checksum
		t.Errorf("only %d of 10,000 flipped bits were noticed", lost)
	}
}

func TestTwoDamagesCostTwoRecordsAtMost(t *testing.T) {
	const seed = 4
	rng := rand.New(rand.NewPCG(seed, seed))
	records := hostile()
	file, _ := segmentOf(records)
	dir := t.TempDir()
	for range 1000 {
		flipped := slices.Clone(file)
		a, b := rng.IntN(len(file)*8), rng.IntN(len(file)*8)
		flipped[a/8] ^= 1 << (a % 8)
		flipped[b/8] ^= 1 << (b % 8)
		got, d := readSegment(t, dir, flipped, 41)
		if missing := without(t, got, records, 2); d.Records != uint64(missing) {
			t.Fatalf("seed %d, bits %d and %d flipped: %d missing, damage %+v", seed, a, b, missing, d)
		}
	}
	// A block of the file is overwritten by another one of it.
	for range 1000 {
		misplaced := slices.Clone(file)
		from, to := rng.IntN(len(file)-512), rng.IntN(len(file)-512)
		copy(misplaced[to:to+512], file[from:from+512])
		got, d := readSegment(t, dir, misplaced, 41)
		if missing := without(t, got, records, 20); d.Records != uint64(missing) {
			t.Fatalf("seed %d, block from %d to %d: %d missing, damage %+v", seed, from, to, missing, d)
		}
	}
}

func TestFrameOfAnotherSegmentIsNotARecord(t *testing.T) {
	records := numbered(0, 20)
	file, starts := segmentOf(records)
	dir := t.TempDir()
	// The numbers and the places are right, only the file is another.
	stale := slices.Clone(file[:starts[10]])
	for i := 10; i < 20; i++ {
		f := frame(starts[i], uint64(i+1), records[i])
		salted := append(binary.LittleEndian.AppendUint64(nil, testSalt+1), binary.LittleEndian.AppendUint64(nil, uint64(starts[i]))...)
		binary.LittleEndian.PutUint32(f[28:], crc32.Checksum(append(salted, f[:28]...), castagnoli))
		stale = append(stale, f...)
	}
	got, d := readSegment(t, dir, stale, 0)
	wantRecords(t, got, records[:10])
	if d.Torn != 1 {
		t.Errorf("damage %+v", d)
	}
}

func TestFrameWithANumberThatCannotBeIsNotARecord(t *testing.T) {
	records := numbered(0, 20)
	file, _ := segmentOf(records)
	dir := t.TempDir()
	for _, seq := range []uint64{0, 1, 20, 10_000, 1 << 63} {
		got, _ := readSegment(t, dir, append(file[:len(file):len(file)], frame(len(file), seq, []byte("wrong"))...), 0)
		wantRecords(t, got, records)
	}
	// What a failed write left behind has the numbers of what was written after it.
	got, d := readSegment(t, dir, file, 11)
	wantRecords(t, got, records[:10])
	if d.Records != 0 {
		t.Errorf("damage %+v", d)
	}
}

func TestFrameAfterALongDamagedOneIsFound(t *testing.T) {
	dir := t.TempDir()
	for i := range 8 { // around the end of what is read at once
		records := [][]byte{bytes.Repeat([]byte("l"), 256<<10-32-i), []byte("after")}
		file, _ := segmentOf(records)
		file[9] ^= 1
		got, d := readSegment(t, dir, file, 3)
		if without(t, got, records, 1) != 1 || d.Records != 1 {
			t.Errorf("%d: damage %+v", i, d)
		}
	}
}

func TestDamageThatWasPassedIsNotReportedAgain(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, ingest.SpoolOptions{Dir: dir, Segment: 1000})
	want := numbered(0, 10)
	spoolAppend(t, s, want...)
	spoolAppend(t, s, numbered(10, 1)...)
	name := segmentFiles(t, dir)[0]
	file, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	file[0] ^= 1
	file[bytes.Index(file, want[3])] ^= 1
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, s); without(t, got, append(want, numbered(10, 1)...), 2) != 2 {
		t.Fatal("nothing is damaged")
	}
	if n, _ := s.Len(); n != 10 {
		t.Errorf("%d records are left behind the first, which is damaged", n)
	}
	done(t, s, 6)
	closeSpool(t, s)
	s = openSpool(t, ingest.SpoolOptions{Dir: dir})
	if n := len(readAll(t, s)); n != 5 {
		t.Errorf("%d records are read", n)
	}
	if d := s.Damage(); len(d.Places) != 0 {
		t.Errorf("damage %+v", d)
	}
	done(t, s, 10)
	if err := os.WriteFile(name, file, 0o600); err != nil { // as if a crash had undone its removal
		t.Fatal(err)
	}
	closeSpool(t, s)
	s = openSpool(t, ingest.SpoolOptions{Dir: dir})
	if n := len(readAll(t, s)); n != 1 || len(segmentFiles(t, dir)) != 1 {
		t.Errorf("%d records are read of %q", n, segmentFiles(t, dir))
	}
}

func TestDamageAtTheEndOfTheSpoolHoldsNothingUp(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, ingest.SpoolOptions{Dir: dir})
	want := numbered(0, 3)
	spoolAppend(t, s, want...)
	damage := func(offset int64) {
		f, err := os.OpenFile(segmentFiles(t, dir)[0], os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt([]byte("#"), offset); err != nil {
			t.Fatal(err)
		}
	}
	damage(int64(3*32 + len(want[0]) + len(want[1]))) // in the third record
	wantRecords(t, readAll(t, s), want[:2])
	more := numbered(3, 2)
	spoolAppend(t, s, more...)
	wantRecords(t, readAll(t, s), append(want[:2:2], more...))
	if d := s.Damage(); d.Records != 1 || len(d.Places) != 1 {
		t.Fatalf("damage %+v", d)
	}
	done(t, s, 4)
	_, size := s.Len()
	damage(size - 1)
	if got := readAll(t, s); len(got) != 0 {
		t.Fatalf("read %d records", len(got))
	}
	if d := s.Damage(); d.Records != 2 {
		t.Errorf("damage %+v", d)
	}
	wantEmpty(t, s, dir)
}

func TestBlockThatTheDiskCannotReadIsDamageOnly(t *testing.T) {
	dir := t.TempDir()
	bad := int64(-1)
	o := ingest.SpoolOptions{Dir: dir, ReadAt: func(f *os.File, b []byte, at int64) (int, error) {
		if bad >= at && bad < at+int64(len(b)) {
			return int(bad - at), &os.PathError{Op: "read", Path: f.Name(), Err: syscall.EIO}
		}
		return f.ReadAt(b, at)
	}}
	s := openSpool(t, o)
	want := numbered(0, 200)
	spoolAppend(t, s, want...)
	bad = 20_000
	got := readAll(t, s)
	if missing := without(t, got, want, 40); missing == 0 || s.Damage().Records != uint64(missing) {
		t.Errorf("%d records missing, damage %+v", missing, s.Damage())
	}
	closeSpool(t, s)
	// Nor is a newest segment cut short for what the disk may read again.
	info, err := os.Stat(segmentFiles(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	bad = info.Size() - 10
	s = openSpool(t, o)
	if got := readAll(t, s); without(t, got, want, 40) == 0 {
		t.Error("a block that cannot be read was read")
	}
	closeSpool(t, s)
	bad = -1
	s = openSpool(t, o)
	wantRecords(t, readAll(t, s), want)
}
