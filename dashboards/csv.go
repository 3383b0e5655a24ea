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

func writeCSV(w io.Writer, rows [][]string) error {
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
	return writeCSV(c.Response(), rows)
}

// ReviewCSV writes the weekly lead review, one row a deal, with a header. Times
// are RFC 3339 in UTC, lists are separated by "; ", what contributed is the
// content's title and its share of the credit.
func ReviewCSV(w io.Writer, r trail.Review) error { return writeCSV(w, reviewRows(r)) }

func reviewRows(r trail.Review) [][]string {
	rows := [][]string{{"week", "section", "deal", "name", "account", "value", "currency", "status", "stage", "owner",
		"stages_entered", "contacts", "sent", "clicks", "replies", "last_touch", "contributed"}}
	for _, row := range r.Rows {
		d := row.Deal
		var contributed []string
		for _, t := range row.Contributed {
			contributed = append(contributed, contributedText(t))
		}
		rows = append(rows, []string{r.Week, row.Section, d.ID, d.Name, accountName(d), d.Value.Amount, d.Value.Currency, d.Status, d.Stage, d.Owner,
			strings.Join(row.Stages, "; "), strings.Join(row.Contacts, "; "), count(row.Sent), count(row.Clicks), count(row.Replies),
			stamp(row.LastTouch), strings.Join(contributed, "; ")})
	}
	return rows
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
