package crm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"dealtrail/trail"
)

// source is a file opened as rows, whatever its form.
type source struct {
	next     records
	close    func() error
	xlsx     bool // cells are numbers and texts as a spreadsheet stores them, and rows end with their last cell
	from1904 bool // days are counted from 1904, as Excel for the Mac of old did
	warnings []string
}

// openSource saves the body below dir and opens it as what it is.
func openSource(ctx context.Context, t *table, name string, body io.Reader, dir string) (*source, error) {
	f, err := os.Create(filepath.Join(dir, "body"))
	if err != nil {
		return nil, fmt.Errorf("save import: %w", err)
	}
	size, err := io.Copy(f, io.LimitReader(reader{ctx, body}, maxBody+1))
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("save import: %w", err)
	}
	if size > maxBody {
		f.Close()
		return nil, trail.Problemf(trail.TooLarge, "The file is larger than %d MB; import it in parts.", maxBody>>20)
	}
	if name = filepath.Base(name); name == "." || name == string(filepath.Separator) {
		name = "the file"
	}
	src, err := openBody(t, name, f, size, dir)
	if err != nil {
		f.Close()
		return nil, err
	}
	return src, nil
}

// reader stops reading a body when the request is over.
type reader struct {
	ctx context.Context
	in  io.Reader
}

func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.in.Read(b)
}

// openBody tells from the first bytes what a file is; its name may lie.
func openBody(t *table, name string, f *os.File, size int64, dir string) (*source, error) {
	head := make([]byte, min(size, 4096))
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("read import: %w", err)
	}
	start := bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))))
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return openXLSX(name, f, size, dir)
	case bytes.HasPrefix(head, []byte("\xd0\xcf\x11\xe0")):
		return nil, trail.Problemf(trail.Invalid, "%s is an old or protected Excel file; save it as XLSX without a password, or as CSV.", name)
	case bytes.HasPrefix(start, []byte("<")):
		return nil, trail.Problemf(trail.Invalid, "%s is a web page or XML, as some exports named .xls are; export as CSV or XLSX.", name)
	case bytes.HasPrefix(head, []byte("%PDF")):
		return nil, trail.Problemf(trail.Invalid, "%s is a PDF; export as CSV or XLSX.", name)
	case len(start) == 0:
		return nil, trail.Problemf(trail.Invalid, "%s is empty.", name)
	}
	return openCSV(t, f, head)
}

// openCSV finds out encoding, line ends and delimiter.
func openCSV(t *table, f *os.File, head []byte) (*source, error) {
	src := &source{close: f.Close}
	enc, called, skip, err := sniffEncoding(f, head)
	if err != nil {
		return nil, err
	}
	if called != "" {
		src.warnings = append(src.warnings, fmt.Sprintf("The file is not UTF-8; it was read as %s.", called))
	}
	decoded := func() (*bufio.Reader, error) {
		if _, err := f.Seek(skip, io.SeekStart); err != nil {
			return nil, fmt.Errorf("read import: %w", err)
		}
		var in io.Reader = f
		if enc != nil {
			in = enc.NewDecoder().Reader(bufio.NewReaderSize(f, 256<<10))
		}
		return bufio.NewReaderSize(in, 256<<10), nil
	}
	in, err := decoded()
	if err != nil {
		return nil, err
	}
	sample, err := in.Peek(64 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read import: %w", err)
	}
	eol := byte('\n')
	if bytes.IndexByte(sample, '\n') < 0 && bytes.IndexByte(sample, '\r') >= 0 {
		eol = '\r' // spreadsheets for the Mac of old
	}
	delim := sniffDelimiter(t, string(sample), eol)
	src.next = (&csvReader{in: in, delim: delim, eol: eol}).next
	return src, nil
}

// sniffEncoding returns the encoding of a text file, nil for UTF-8, its name if
// a person should know, and the length of the mark to skip. Without a mark it
// decides from the whole file: text that is not UTF-8 is Windows-1252, unless
// more characters beyond ASCII are good UTF-8 than bytes are bad. Then rows
// with bad bytes are rejected later.
func sniffEncoding(f *os.File, head []byte) (enc encoding.Encoding, called string, skip int64, err error) {
	var odd, even int
	for i, b := range head {
		if b == 0 && i%2 == 0 {
			even++
		} else if b == 0 {
			odd++
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		return nil, "", 3, nil
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), "", 2, nil
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), "", 2, nil
	case odd > len(head)/4:
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), "UTF-16", 0, nil
	case even > len(head)/4:
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), "UTF-16", 0, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, "", 0, fmt.Errorf("read import: %w", err)
	}
	good, bad, err := countUTF8(f)
	if err != nil {
		return nil, "", 0, fmt.Errorf("read import: %w", err)
	}
	if bad > good {
		return charmap.Windows1252, "Windows-1252", 0, nil
	}
	return nil, "", 0, nil
}

// countUTF8 counts characters beyond ASCII and bytes that are not UTF-8.
func countUTF8(f io.Reader) (good, bad int, err error) {
	buf := make([]byte, 256<<10)
	var kept int
	for {
		n, err := f.Read(buf[kept:])
		b := buf[:kept+n]
		for len(b) > 0 {
			if b[0] < utf8.RuneSelf {
				b = b[1:]
				continue
			}
			if !utf8.FullRune(b) && err == nil {
				break
			}
			r, size := utf8.DecodeRune(b)
			if r == utf8.RuneError && size == 1 {
				bad++
			} else {
				good++
			}
			b = b[size:]
		}
		kept = copy(buf, b)
		if errors.Is(err, io.EOF) {
			return good, bad, nil
		}
		if err != nil {
			return 0, 0, err
		}
	}
}

// short cuts a text for showing.
func short(s string) string {
	if s = strings.ToValidUTF8(s, "\ufffd"); utf8.RuneCountInString(s) > 60 {
		return string([]rune(s)[:59]) + "…"
	}
	return s
}
