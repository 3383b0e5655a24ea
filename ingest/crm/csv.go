package crm

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"dealtrail/trail"
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
	back  []line // lines that were read ahead, behind a quote that opened
	at    int    // of these the next to take
	again int    // what the lines weigh that were read ahead in vain
}

// A quote that never closes has lines read in vain, and so may every quote in them. What
// they weigh is bounded, for a row and for a file: else a small file takes hours.
const (
	lineWeight = 64       // bytes that a line weighs besides its own
	maxAhead   = 16 << 20 // for a row
	maxAgain   = 256 << 20
)

// errQuotes is a file that no row can be read of with any confidence.
var errQuotes = trail.Problemf(trail.Invalid, "Too many quotes open in this file and are not closed. Save it anew as CSV, with quotes inside a quoted cell written twice.")

type line struct {
	text []byte
	long bool // over the limit; the text was dropped
}

// next is a records function. Blank lines are rows without cells.
func (r *csvReader) next() (record, error) {
	first, err := r.take(false)
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
	begin, weight := r.at, 0
	for p.fault == "" && p.mode == inQuotes {
		l, err := r.take(true)
		if errors.Is(err, io.EOF) {
			p.fault = faultQuote
			break
		}
		if err != nil {
			return record{}, err
		}
		if weight += len(l.text) + lineWeight; l.long || weight > maxAhead {
			p.fault = faultQuote
			break
		}
		p.cell = append(p.cell, '\n')
		p.feed(l.text)
	}
	if p.fault != "" {
		r.line -= r.at - begin
		r.at = begin
		if r.again += weight; r.again > maxAgain {
			return record{}, errQuotes
		}
		rec.fault = p.fault
		return rec, nil
	}
	rec.cells = p.cells
	return rec, nil
}

// take returns the next line without its end. Ahead of a row's end it can be taken again;
// else its text is valid until the next call.
func (r *csvReader) take(ahead bool) (line, error) {
	if !ahead && r.at > len(r.back)/2 {
		r.back, r.at = slices.Delete(r.back, 0, r.at), 0
	}
	if r.at < len(r.back) {
		r.at++
		r.line++
		return r.back[r.at-1], nil
	}
	l, err := r.read()
	if err != nil {
		return line{}, err
	}
	r.line++
	if ahead {
		l.text = bytes.Clone(l.text)
		r.back = append(r.back, l)
		r.at++
	}
	return l, nil
}

// read reads a line, whose text is valid until the next call.
func (r *csvReader) read() (line, error) {
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
