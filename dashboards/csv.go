package dashboards

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

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
