package dashboards

import (
	"encoding/csv"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

var plainNumber = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// Harmless returns a cell that no spreadsheet takes for a formula: what begins
// like one gets an apostrophe in front. Plain numbers, -500.00 too, stay numbers.
func Harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) && !plainNumber.MatchString(cell) {
		return "'" + cell
	}
	return cell
}

// meant returns the cell that Harmless made harmless.
func meant(cell string) string {
	if plain, ok := strings.CutPrefix(cell, "'"); ok && Harmless(plain) == cell {
		return plain
	}
	return cell
}

// WriteCSV writes a table of which no cell is taken for a formula.
func WriteCSV(w io.Writer, rows [][]string) error {
	out := csv.NewWriter(w)
	for _, row := range rows {
		for i := range row {
			row[i] = Harmless(row[i])
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// sendCSV answers with a file to keep, UTF-8 with a header row.
func sendCSV(c echo.Context, name string, rows [][]string) error {
	h := c.Response().Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	return WriteCSV(c.Response(), rows)
}

// contributedText says what one content did for a deal in one line.
func contributedText(t trail.Touched) string {
	title := t.Title
	if title == "" {
		title = t.Content
	}
	text := fmt.Sprintf("%s (%s", title, plural(t.Touches, "touch", "touches"))
	if t.Credit > 0 {
		text += ", " + percent(t.Credit)
	}
	return text + ")"
}

func accountName(d trail.DealRow) string {
	if d.Account != "" {
		return d.Account
	}
	return d.Domain
}

func count(n uint64) string { return strconv.FormatUint(n, 10) }

func decimal(f float64) string { return strconv.FormatFloat(f, 'f', 6, 64) }

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
