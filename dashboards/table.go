package dashboards

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"mime"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/xuri/excelize/v2"

	"dealtrail/trail"
)

// Table is rows to keep as a file, CSV or XLSX. A cell is a string, a Figure, a
// time.Time, or nil for none.
type Table struct {
	Name    string // of the file without its ending, and of the sheet
	Columns []string
	Rows    [][]any
}

// Figure is a decimal number as text, such as "1234.50": exact in CSV, a number in XLSX.
type Figure string

// figures are the columns that hold numbers, by name: one name means one thing in all
// files. Times are those called at or something_at, last_touch and until. What is in
// neither is text, so that an ID of digits stays an ID.
var figures = setOf(`sends reps recipients stale won_deals_part_of sends_then reps_then recipients_then stale_then won_deals_part_of_then
	sent reached opened opens clicked clicks clicks_without_person replied views replies machine deals won lost contents leads engaged people moved events
	value value_low value_high credit credit_low credit_high cost credit_cost told deal_value amount share observable observed low high rate rest rate_low rate_high
	confidence place touches probability part weeks difference p q mde minimum_detectable lift shrunk with without e_value e_value_limit group age others
	exposed exposed_advanced control control_advanced weight votes left_out before after change credit_before credit_after rank tie seen more_deals
	effect effect_low effect_high model_value model_value_low model_value_high credit_per_cost credit_per_cost_low credit_per_cost_high`)

func setOf(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[w] = true
	}
	return set
}

func isMoment(column string) bool {
	return column == "at" || column == "until" || column == "last_touch" || strings.HasSuffix(column, "_at")
}

// typed makes a table of texts below a header: numbers and times become such by the
// name of their column.
func typed(name string, texts [][]string) Table {
	t := Table{Name: name, Columns: texts[0]}
	for _, line := range texts[1:] {
		row := make([]any, len(line))
		for i, text := range line {
			row[i] = text
			column := t.Columns[i]
			if figures[column] && plainNumber.MatchString(text) {
				row[i] = Figure(text)
			} else if isMoment(column) {
				if at, err := time.Parse(time.RFC3339, text); err == nil {
					row[i] = at
				}
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// text is a cell as CSV has it: a time in RFC 3339 as it was given.
func text(cell any) string {
	switch v := cell.(type) {
	case nil:
		return ""
	case string:
		return v
	case Figure:
		return string(v)
	case time.Time:
		return zoned(v)
	}
	panic(fmt.Sprintf("dashboards: a table has no cell of type %T", cell))
}

// byteOrderMark makes Excel read a file as UTF-8, which it takes for the machine's old
// code page otherwise.
const byteOrderMark = "\uFEFF"

// CSV writes the table in UTF-8 with a header.
func (t Table) CSV(w io.Writer) error {
	if _, err := io.WriteString(w, byteOrderMark); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	line := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		line[i] = Harmless(c)
	}
	if err := out.Write(line); err != nil {
		return err
	}
	for _, row := range t.Rows {
		line = line[:0]
		for _, cell := range row {
			line = append(line, Harmless(text(cell)))
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// maxSheetRows is how many rows a sheet of XLSX can have.
const maxSheetRows = 1 << 20

// XLSX writes the table as a workbook of one sheet: the header stays in sight and has
// filters; numbers and times are typed cells, times by the clock of the zone. More rows
// than a sheet can have is a Problem.
func (t Table) XLSX(w io.Writer, zone *time.Location) error {
	if len(t.Rows)+1 > maxSheetRows {
		return trail.Problemf(trail.TooLarge, "These are %s rows; a workbook has room for %s. Take the CSV, or filter.", group(count(uint64(len(t.Rows)))), group(count(maxSheetRows-1)))
	}
	book := excelize.NewFile()
	defer book.Close()
	styles, err := newStyles(book)
	if err != nil {
		return err
	}
	sheet := sheetName(t.Name)
	if err := book.SetSheetName("Sheet1", sheet); err != nil {
		return err
	}
	out, err := book.NewStreamWriter(sheet)
	if err != nil {
		return err
	}
	if err := t.layOut(out); err != nil {
		return err
	}
	line := make([]any, len(t.Columns))
	for i, c := range t.Columns {
		line[i] = excelize.Cell{StyleID: styles.head, Value: Harmless(c)}
	}
	if err := out.SetRow("A1", line); err != nil {
		return err
	}
	for y, row := range t.Rows {
		line = line[:0]
		for _, cell := range row {
			line = append(line, sheetCell(cell, zone, styles))
		}
		if err := out.SetRow(fmt.Sprintf("A%d", y+2), line); err != nil {
			return err
		}
	}
	if len(t.Columns) > 0 {
		last, err := excelize.CoordinatesToCellName(len(t.Columns), len(t.Rows)+1)
		if err == nil {
			err = book.AutoFilter(sheet, "A1:"+last, nil)
		}
		if err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err = book.WriteTo(w)
	return err
}

// layOut sets how wide the columns are, by what is in the first rows, and keeps the
// header in sight.
func (t Table) layOut(out *excelize.StreamWriter) error {
	for i, c := range t.Columns {
		wide := len([]rune(c)) + 2
		for _, row := range t.Rows[:min(len(t.Rows), 200)] {
			if i < len(row) {
				wide = max(wide, min(len([]rune(text(row[i]))), 48)+1)
			}
		}
		if err := out.SetColWidth(i+1, i+1, float64(wide)); err != nil {
			return err
		}
	}
	return out.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"})
}

func sheetCell(cell any, zone *time.Location, styles styles) any {
	switch v := cell.(type) {
	case Figure:
		f := approx(trail.Money{Amount: string(v)})
		if strings.Contains(string(v), ".") {
			return excelize.Cell{StyleID: styles.figure, Value: f}
		}
		return excelize.Cell{StyleID: styles.whole, Value: f}
	case time.Time:
		if v.IsZero() {
			return nil
		}
		local := v.In(zone)
		// A cell has no zone: the clock's time is what is meant.
		return excelize.Cell{StyleID: styles.moment, Value: time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), 0, time.UTC)}
	}
	return excelize.Cell{StyleID: styles.wrap, Value: Harmless(text(cell))}
}

// sheetName makes a name of a tab, which may have 31 characters and not all.
func sheetName(name string) string {
	name = strings.Trim(strings.Map(func(r rune) rune {
		if strings.ContainsRune(`:\/?*[]`, r) {
			return ' '
		}
		return r
	}, name), "' ")
	return string([]rune(cmp.Or(name, "table"))[:min(31, len([]rune(cmp.Or(name, "table"))))])
}

// MIME types of the files.
const (
	csvType  = "text/csv; charset=utf-8"
	xlsxType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
)

// wantsFile reports whether a page is asked for as a file: its main table, not one of
// those that render takes from the page.
func wantsFile(c echo.Context) bool {
	f := c.QueryParam("format")
	return (f == "csv" || f == "xlsx") && c.QueryParam("table") == ""
}

// sendFile answers with a table as the file that the URL asks for.
func (s *Site) sendFile(c echo.Context, t Table) error {
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	name := t.Name + "." + c.QueryParam("format")
	h.Set("Content-Disposition", cmp.Or(mime.FormatMediaType("attachment", map[string]string{"filename": name}), "attachment"))
	if c.QueryParam("format") == "xlsx" {
		h.Set("Content-Type", xlsxType)
		return t.XLSX(c.Response(), s.Zone)
	}
	h.Set("Content-Type", csvType)
	return t.CSV(c.Response())
}

// sendRows answers with rows below a header as the file that the URL asks for.
func (s *Site) sendRows(c echo.Context, name string, rows [][]string) error {
	return s.sendFile(c, typed(name, rows))
}

// WriteRows writes rows below a header as csv or xlsx.
func WriteRows(w io.Writer, format, name string, rows [][]string, zone *time.Location) error {
	if format == "xlsx" {
		return typed(name, rows).XLSX(w, zone)
	}
	return typed(name, rows).CSV(w)
}

// TableFormats write a table in the formats that lists have besides JSON.
func TableFormats(zone *time.Location) map[string]TableFormat {
	return map[string]TableFormat{
		"csv":  {csvType, func(w io.Writer, name string, rows any) error { return TableOf(name, rows).CSV(w) }},
		"xlsx": {xlsxType, func(w io.Writer, name string, rows any) error { return TableOf(name, rows).XLSX(w, zone) }},
	}
}

// TableFormat is how rows, a slice of what JSON has, become a file.
type TableFormat struct {
	Type  string // of MIME
	Write func(w io.Writer, name string, rows any) error
}
