// Package workbook bounds what somebody's XLSX may take, before excelize reads it.
package workbook

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// What a workbook's texts may be, before excelize reads them: it holds a row in memory, and
// makes each cell's text anew even where a thousand cells share one. A spreadsheet's cell
// has 32,767 characters at most.
const (
	maxShared  = 256 << 10 // bytes of one text that cells share, as it is written
	maxRowText = 256 << 20 // bytes of a row, were all of its cells the longest text
	maxInRow   = 64 << 20  // bytes of a row's own texts
	maxTag     = 1 << 20
	maxPart    = 1 << 30 // bytes of a part that are looked at
)

// ErrTexts is a workbook whose texts take more memory than any spreadsheet's.
var ErrTexts = errors.New("its texts are longer than a spreadsheet's can be")

// Bound looks through a workbook without holding any of it, and returns ErrTexts if a
// row of it could take much memory. Which parts are sheets only their contents tell, so
// that cells are counted in all of them.
func Bound(z *zip.Reader) error {
	var cells, shared int
	for _, part := range z.File {
		in, err := part.Open()
		if err != nil {
			return err
		}
		s, err := measure(io.LimitReader(in, maxPart))
		if err = errors.Join(err, in.Close()); err != nil {
			return err
		}
		cells = max(cells, s.cells)
		switch p := strings.ToLower(strings.ReplaceAll(part.Name, "\\", "/")); {
		case p == "xl/sharedstrings.xml":
			if shared = max(shared, s.text); shared > maxShared || s.tag > maxTag {
				return ErrTexts
			}
		case strings.HasPrefix(p, "xl/worksheets/sheet") && (s.row > maxInRow || s.tag > maxTag):
			return ErrTexts
		}
	}
	if cells*shared > maxRowText {
		return ErrTexts
	}
	return nil
}

// measures are the largest of what a part has: cells and bytes of text of a row, bytes of a
// cell's or shared text, bytes of a tag.
type measures struct{ cells, row, text, tag int }

// measure reads XML as far as that takes: what is none has few rows and cells.
func measure(part io.Reader) (most measures, err error) {
	in := bufio.NewReaderSize(part, 64<<10)
	var is measures
	for {
		n, _, err := until(in, '<')
		is.row, is.text = is.row+n, is.text+n
		most.row, most.text = max(most.row, is.row), max(most.text, is.text)
		if err != nil {
			return most, ignoreEOF(err)
		}
		n, begin, err := until(in, '>')
		most.tag = max(most.tag, n)
		if err != nil {
			return most, ignoreEOF(err)
		}
		switch tagName(begin) {
		case "row", "/row":
			is = measures{}
		case "c":
			is.cells++
			is.text = 0
		case "/c", "si", "/si":
			is.text = 0
		}
		most.cells = max(most.cells, is.cells)
	}
}

// until reads up to a byte and returns how many came before it, and the first of them.
func until(in *bufio.Reader, end byte) (n int, begin []byte, err error) {
	for {
		part, err := in.ReadSlice(end)
		if n == 0 {
			begin = bytes.Clone(part[:min(len(part), 64)])
		}
		n += len(part)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return n, begin, err
		}
	}
}

// tagName returns a tag's name without the prefix of its namespace, with a slash in front if it ends.
func tagName(tag []byte) string {
	ends := bytes.HasPrefix(tag, []byte("/"))
	tag = bytes.TrimPrefix(tag, []byte("/"))
	if i := bytes.IndexAny(tag, " \t\r\n/>"); i >= 0 {
		tag = tag[:i]
	}
	tag = tag[bytes.IndexByte(tag, ':')+1:]
	if ends {
		return "/" + string(tag)
	}
	return string(tag)
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
