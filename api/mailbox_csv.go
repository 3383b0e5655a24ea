package api

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
	"golang.org/x/text/encoding/unicode"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// mailboxColumns are those of the CSV; only the first must be there.
var mailboxColumns = []string{"rep", "host", "port", "security", "username", "password", "provider", "aliases", "sent_folder"}

// readMailboxes reads the body of a request. Files of passwords are read here and
// not as imports are: these go through the disk.
func readMailboxes(c echo.Context) ([]mailboxBody, error) {
	if strings.HasPrefix(c.Request().Header.Get(echo.HeaderContentType), echo.MIMEApplicationJSON) {
		var bodies []mailboxBody
		if err := decode(c, &bodies); err != nil {
			return nil, err
		}
		for i := range bodies {
			bodies[i].line = i + 1
		}
		return bodies, nil
	}
	text, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, maxJSON))
	if err != nil {
		return nil, err
	}
	return parseMailboxes(text)
}

// parseMailboxes reads a CSV as spreadsheets write it: UTF-8, or UTF-16 with a
// mark, with commas, semicolons or tabs. No error repeats anything of the file.
func parseMailboxes(text []byte) ([]mailboxBody, error) {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		decoded, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Bytes(text)
		if err != nil {
			return nil, trail.Problemf(trail.Invalid, "The file is not valid UTF-16; save it as UTF-8.")
		}
		text = decoded
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	var delimiter rune
	if said := sepLine.FindSubmatch(text); said != nil { // Excel's own first line; without it, lines keep their numbers
		delimiter, _ = utf8.DecodeRune(said[1])
		text = text[len(said[0]):]
		text = append([]byte("\n"), text...)
	}
	if !utf8.Valid(text) {
		return nil, trail.Problemf(trail.Invalid, "The file is not UTF-8, so that passwords in it may be read wrong; save it as CSV UTF-8.")
	}
	first, _, _ := bytes.Cut(bytes.TrimLeft(text, "\r\n"), []byte("\n"))
	in := csv.NewReader(bytes.NewReader(text))
	in.Comma = slices.MaxFunc([]rune{',', ';', '\t'}, func(a, b rune) int {
		return bytes.Count(first, []byte(string(a))) - bytes.Count(first, []byte(string(b)))
	})
	in.FieldsPerRecord = -1
	if delimiter != 0 {
		in.Comma = delimiter
	}
	header, err := in.Read()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, trail.Problemf(trail.Invalid, "The first line cannot be read; it must name the columns: %s.", strings.Join(mailboxColumns, ","))
	}
	at, err := columnsOf(header)
	if err != nil {
		return nil, err
	}
	var bodies []mailboxBody
	for {
		cells, err := in.Read()
		last := lineBefore(text, in.InputOffset())
		var wrong *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return bodies, nil
		case errors.As(err, &wrong):
			bodies = append(bodies, mailboxBody{line: wrong.StartLine, fault: swallowed(wrong.StartLine, last)})
			continue
		case err != nil:
			return nil, err
		}
		line, _ := in.FieldPos(0)
		if cells = filled(cells); len(cells) == 0 {
			continue
		}
		b := mailboxOf(line, cells, at)
		if last > line && strings.ContainsAny(b.Rep+b.Host+b.Security+b.Username+b.Password.Reveal()+b.Provider+b.SentFolder, "\r\n") {
			b.fault = swallowed(line, last)
		}
		bodies = append(bodies, b)
	}
}

// sepLine is the line by which Excel is told a delimiter.
var sepLine = regexp.MustCompile(`^(?i)"?sep=([,;\t|])"?[,;\t|]*\r?\n`)

// lineBefore returns the number of the line that ends before an offset.
func lineBefore(text []byte, offset int64) int {
	return max(1, 1+bytes.Count(bytes.TrimRight(text[:min(int(offset), len(text))], "\r\n"), []byte("\n")))
}

// swallowed says what a wrong quote does. It names all lines that it cost: of the
// others in them nothing is heard.
func swallowed(first, last int) string {
	if last <= first {
		return "The row has a quote where none may be; write a quote inside a quoted cell twice."
	}
	return fmt.Sprintf("Lines %d to %d were read as one row and none of them is taken, because a cell begins with a quote and does not end in its line: "+
		"put a cell that has a quote in quotes, and write the quote inside it twice.", first, last)
}

// filled returns the cells up to the last that is not empty: spreadsheets write
// empty columns too.
func filled(cells []string) []string {
	for len(cells) > 0 && strings.TrimSpace(cells[len(cells)-1]) == "" {
		cells = cells[:len(cells)-1]
	}
	return cells
}

// columnsOf returns where each column stands.
func columnsOf(header []string) (map[string]int, error) {
	at := map[string]int{}
	for i, h := range filled(header) {
		name := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(h)), " ", "_")
		if !slices.Contains(mailboxColumns, name) {
			return nil, trail.Problemf(trail.Invalid, "Column %d of the first line is not one of: %s.", i+1, strings.Join(mailboxColumns, ","))
		}
		if _, twice := at[name]; twice {
			return nil, trail.Problemf(trail.Invalid, "The column %s is there twice; remove one.", name)
		}
		at[name] = i
	}
	if _, ok := at["rep"]; !ok {
		return nil, trail.Problemf(trail.Invalid, "The column rep is missing. The first line names the columns: %s.", strings.Join(mailboxColumns, ","))
	}
	return at, nil
}

func mailboxOf(line int, cells []string, at map[string]int) mailboxBody {
	cell := func(column string) string {
		if i, ok := at[column]; ok && i < len(cells) {
			return strings.TrimSpace(cells[i])
		}
		return ""
	}
	b := mailboxBody{
		line: line, Rep: cell("rep"), Host: cell("host"), Security: cell("security"), Username: cell("username"), Provider: cell("provider"),
		SentFolder: cell("sent_folder"), Password: ingest.Secret(cell("password")),
		Aliases: strings.FieldsFunc(cell("aliases"), func(r rune) bool { return strings.ContainsRune(" ,;|\n", r) }),
	}
	if len(cells) > len(at) {
		b.fault = fmt.Sprintf("The row has %d cells and the first line %d; a cell that holds the delimiter must be quoted.", len(cells), len(at))
	}
	if port := cell("port"); port != "" && b.fault == "" {
		var err error
		if b.Port, err = strconv.Atoi(port); err != nil || b.Port < 1 || b.Port > 65535 {
			b.fault = "port must be a number from 1 to 65535; leave it empty for the usual one."
		}
	}
	return b
}

func isAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s
}
