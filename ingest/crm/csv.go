package crm

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// record is one row of a file: its cells, or the fault that makes it unreadable.
type record struct {
	line  int
	cells []string
	fault string
}

// records returns the next row, or io.EOF after the last.
type records func() (record, error)

const (
	faultQuote = "a quote that opens in this row is not closed where a cell ends; write quotes inside a quoted cell twice"
	faultCell  = "a cell is longer than 64 KiB; a quote that is not closed may be the cause"
	faultLine  = "the line is longer than 4 MiB"
)

// csvReader reads RFC 4180 and what spreadsheets make of it. It is our own
// because encoding/csv gives up to the next quote after a stray one: here one
// bad line costs one row, and a cell has a limit.
type csvReader struct {
	in    *bufio.Reader
	delim byte
	eol   byte
	line  int    // the number of the last line taken
	back  []line // lines to take again: a quote opened before them and never closed
}

type line struct {
	text []byte
	long bool // over the limit; the text was dropped
}

// next is a records function. Blank lines are rows without cells.
func (r *csvReader) next() (record, error) {
	first, err := r.take()
	if err != nil {
		return record{}, err
	}
	rec := record{line: r.line}
	if first.long {
		rec.fault = faultLine
		return rec, nil
	}
	p := splitter{delim: r.delim}
	p.feed(first.text)
	var more []line
	for p.fault == "" && p.mode == inQuotes {
		l, err := r.take()
		if errors.Is(err, io.EOF) {
			p.fault = faultQuote
			break
		}
		if err != nil {
			return record{}, err
		}
		l.text = bytes.Clone(l.text)
		more = append(more, l)
		if l.long {
			p.fault = faultQuote
			break
		}
		p.cell = append(p.cell, '\n')
		p.feed(l.text)
	}
	if p.fault != "" {
		r.back = append(more, r.back...)
		r.line -= len(more)
		rec.fault = p.fault
		return rec, nil
	}
	rec.cells = p.cells
	return rec, nil
}

// take returns the next line without its end. The text is valid until the next call.
func (r *csvReader) take() (line, error) {
	if len(r.back) > 0 {
		l := r.back[0]
		r.back = r.back[1:]
		r.line++
		return l, nil
	}
	var l line
	var some bool
	for {
		part, err := r.in.ReadSlice(r.eol)
		some = some || len(part) > 0
		if l.long = l.long || len(l.text)+len(part) > maxLine; l.long {
			l.text = nil
		} else if l.text == nil && err == nil {
			l.text = part // the common case: no copy
		} else {
			l.text = append(l.text, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !(errors.Is(err, io.EOF) && some) {
			return line{}, err
		}
		break
	}
	l.text = bytes.TrimSuffix(l.text, []byte{r.eol})
	l.text = bytes.TrimSuffix(l.text, []byte{'\r'})
	r.line++
	return l, nil
}

type mode int

const (
	atStart  mode = iota // of a cell
	inPlain              // a cell without quotes
	inQuotes             //
	atClose              // after the closing quote
)

// splitter cuts lines into cells. A cell is quoted if it begins with a quote;
// quotes elsewhere are data.
type splitter struct {
	delim byte
	mode  mode
	cell  []byte
	cells []string
	fault string
}

// feed takes a line. Afterwards the row is complete unless the mode is inQuotes.
func (p *splitter) feed(b []byte) {
	for i := 0; i < len(b) && p.fault == ""; {
		switch p.mode {
		case atStart, inPlain:
			if p.mode == atStart && b[i] == '"' {
				p.mode = inQuotes
				i++
				continue
			}
			p.mode = inPlain
			n := bytes.IndexByte(b[i:], p.delim)
			if n < 0 {
				p.add(b[i:])
				i = len(b)
				continue
			}
			p.add(b[i : i+n])
			p.end()
			i += n + 1
		case inQuotes:
			n := bytes.IndexByte(b[i:], '"')
			if n < 0 {
				p.add(b[i:])
				return
			}
			p.add(b[i : i+n])
			if i += n + 1; i < len(b) && b[i] == '"' {
				p.add(b[i : i+1])
				i++
			} else {
				p.mode = atClose
			}
		case atClose:
			switch {
			case b[i] == p.delim:
				p.end()
			case b[i] != ' ' && b[i] != '\t':
				p.fault = faultQuote
			}
			i++
		}
	}
	if p.mode != inQuotes && p.fault == "" {
		p.end()
	}
}

func (p *splitter) add(b []byte) {
	if len(p.cell)+len(b) > maxCell {
		p.fault = faultCell
		return
	}
	p.cell = append(p.cell, b...)
}

func (p *splitter) end() {
	p.cells = append(p.cells, string(p.cell))
	p.cell, p.mode = p.cell[:0], atStart
}

// sniffDelimiter returns the delimiter under which the sample, the beginning of
// a file, shows most of the table's columns, and failing that most cells.
func sniffDelimiter(t *table, sample string, eol byte) byte {
	first, _, _ := strings.Cut(sample, string(eol))
	if d, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(first)), "sep="); ok && len(d) == 1 {
		return d[0]
	}
	best, most := byte(','), 0
	for _, delim := range []byte{',', ';', '\t', '|'} {
		r := csvReader{in: bufio.NewReaderSize(strings.NewReader(sample), 64<<10), delim: delim, eol: eol}
		for range headerWithin {
			rec, err := r.next()
			if err != nil {
				break
			}
			found, _, _ := t.match(rec.cells)
			if score := 1000*len(found) + min(len(rec.cells), 999); len(rec.cells) > 1 && score > most {
				best, most = delim, score
			}
		}
	}
	return best
}
