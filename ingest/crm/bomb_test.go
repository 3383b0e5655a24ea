package crm_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"testing"

	"dealtrail/ingest/crm"
	"dealtrail/trail"
)

// part is a file of an archive: what it holds, and how much it says that it does.
type part struct {
	name     string
	content  []byte
	declared uint64
}

// forged writes an archive whose parts say of themselves what they like.
func forged(t *testing.T, parts ...part) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, p := range parts {
		var packed bytes.Buffer
		f, err := flate.NewWriter(&packed, flate.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		f.Write(p.content)
		f.Close()
		if p.declared == 0 {
			p.declared = uint64(len(p.content))
		}
		w, err := z.CreateRaw(&zip.FileHeader{Name: p.name, Method: zip.Deflate, CRC32: crc32.ChecksumIEEE(p.content), CompressedSize64: uint64(packed.Len()), UncompressedSize64: p.declared})
		if err != nil {
			t.Fatal(err)
		}
		w.Write(packed.Bytes())
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// shared is a part with one text that cells share, in some runs, behind a short one.
func shared(tag string, run, runs int) []byte {
	return []byte("<sst><" + tag + "><t>short</t></" + tag + "><" + tag + ">" + strings.Repeat("<r><t>"+strings.Repeat("a", run)+"</t></r>", runs) + "</" + tag + "></sst>")
}

// wide is a part with a row of so many cells.
func wide(tag string, cells int) []byte {
	return []byte("<sheetData><row r=\"1\">" + strings.Repeat("<"+tag+" t=\"s\"><v>1</v></"+tag+">", cells) + "</row></sheetData>")
}

// TestAWorkbookUnpacksIntoNoMoreThanIsAllowed imports archives that say too much, too
// little, and so much that the sum of it begins anew at zero, and small ones of which a row
// would take much memory.
func TestAWorkbookUnpacksIntoNoMoreThanIsAllowed(t *testing.T) {
	book := part{"xl/workbook.xml", []byte("<workbook/>"), 11}
	zeros := make([]byte, 8<<20)
	l := newLedger(t)
	for name, c := range map[string]struct {
		parts []part
		code  trail.Code
	}{
		"a large picture":           {[]part{book, {"xl/media/a.png", nil, 65 << 20}}, trail.TooLarge},
		"many small pictures":       {[]part{book, {"xl/media/a.png", nil, 40 << 20}, {"xl/media/b.png", nil, 40 << 20}}, trail.TooLarge},
		"a large sheet":             {[]part{book, {"xl/worksheets/sheet1.xml", zeros, 2 << 30}}, trail.TooLarge},
		"sizes that add up to zero": {[]part{book, {"xl/worksheets/sheet1.xml", zeros, math.MaxUint64 - 10}}, trail.TooLarge},
		"pictures that do":          {[]part{book, {"xl/media/a.png", zeros, math.MaxUint64 - 10}}, trail.TooLarge},
		"a sheet that says less":    {[]part{book, {"xl/worksheets/sheet1.xml", zeros, 100}}, trail.Invalid},
		"a part that says less":     {[]part{book, {"[Content_Types].xml", zeros, 100}}, trail.Invalid},
		"a text that is no cell's":  {[]part{book, {"xl/sharedStrings.xml", shared("si", 300<<10, 1), 0}}, trail.TooLarge},
		"a text in many pieces":     {[]part{book, {"xl/SharedStrings.xml", shared("x:si", 2<<10, 150), 0}}, trail.TooLarge},
		"a row that shares a text":  {[]part{book, {"xl/sharedStrings.xml", shared("si", 200<<10, 1), 0}, {"xl/media/a.png", wide("c", 2000), 0}}, trail.TooLarge},
		"a row of long texts":       {[]part{book, {"xl/worksheets/sheet1.xml", slices.Concat([]byte("<row><c><is><t>"), bytes.Repeat([]byte("a"), 65<<20), []byte("</t></is></c></row>")), 0}}, trail.TooLarge},
		"a tag that does not end":   {[]part{book, {"xl/worksheets/sheet1.xml", slices.Concat([]byte(`<row><c r="`), bytes.Repeat([]byte("A"), 2<<20)), 0}}, trail.TooLarge},
		"many cells of short texts": {[]part{book, {"xl/sharedStrings.xml", shared("si", 1<<10, 1), 0}, {"xl/worksheets/sheet1.xml", wide("x:c", 2000), 0}}, trail.Invalid},
		"a name beside the folder":  {[]part{book, {"../../../tmp/dealtrail-escaped.xml", []byte("x"), 1}}, trail.Invalid},
	} {
		_, err := l.importer().Import(context.Background(), "deals", "book.xlsx", strings.NewReader(forged(t, c.parts...)), false)
		if p := (*trail.Problem)(nil); !errors.As(err, &p) || p.Code != c.code {
			t.Errorf("%s: %v, want a problem %s", name, err, c.code)
		}
	}
	if n := len(l.states(trail.DealKind)); n != 0 {
		t.Errorf("%d deals came out of it", n)
	}
}

// TestQuotesThatNeverCloseAreNotReadForEver reads lines of which each closes a quote and
// opens another, so that every row goes on to the end of the file. A few of them cost
// their rows alone; of many, each of which reads all others, there is an end.
func TestQuotesThatNeverCloseAreNotReadForEver(t *testing.T) {
	file := func(lines int) string {
		return "email,name\n" + strings.Repeat("x\",\"\n", lines) + "good@buyer.test,Good\n"
	}
	found, refused, err := crm.Addresses(t.Context(), "list.csv", strings.NewReader(file(1000)))
	if err != nil || refused != 1000 || len(found) != 1 || found[0] != "good@buyer.test" {
		t.Errorf("a few: %v, %d refused, %v", found, refused, err)
	}
	_, refused, err = crm.Addresses(t.Context(), "list.csv", strings.NewReader(file(8000)))
	if p := (*trail.Problem)(nil); !errors.As(err, &p) || p.Code != trail.Invalid {
		t.Errorf("many: %d refused, %v", refused, err)
	}
	// What was read ahead in vain is read again as it was, also behind what was taken of it.
	text := "email,name\na@buyer.test,\"one\nb@buyer.test,\"two\nlines\"\nc@buyer.test,\"open\nd@buyer.test,plain\n"
	found, refused, err = crm.Addresses(t.Context(), "list.csv", strings.NewReader(text))
	if err != nil || refused != 2 || strings.Join(found, " ") != "b@buyer.test d@buyer.test" {
		t.Errorf("read again: %v, %d refused, %v", found, refused, err)
	}
}
