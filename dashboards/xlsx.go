package dashboards

import (
	"fmt"
	"io"
	"time"

	"github.com/xuri/excelize/v2"

	"dealtrail/trail"
)

// exportedSheet is hidden and holds what each decision was when the file was
// written: when the file comes back, only what was changed in it counts.
const exportedSheet = "exported"

// aboutSheet says what the file tells.
const aboutSheet = "About"

// ReviewXLSX writes the weekly lead review as a workbook with a sheet for each
// section. Numbers, amounts and dates are typed cells, times are those of the
// company's zone by the clock. ReadReview takes what people fill in.
func ReviewXLSX(w io.Writer, r trail.Review) error {
	book := excelize.NewFile()
	defer book.Close()
	styles, err := newStyles(book)
	if err != nil {
		return err
	}
	sheets := reviewSheets(r)
	for i, s := range sheets {
		if i == 0 {
			err = book.SetSheetName("Sheet1", s.Name)
		} else {
			_, err = book.NewSheet(s.Name)
		}
		if err == nil {
			err = writeSheet(book, s, styles)
		}
		if err != nil {
			return fmt.Errorf("write sheet %s: %w", s.Name, err)
		}
	}
	if err := writeAbout(book, r); err != nil {
		return fmt.Errorf("write sheet %s: %w", aboutSheet, err)
	}
	if err := writeExported(book, r.Week, sheets); err != nil {
		return fmt.Errorf("write sheet %s: %w", exportedSheet, err)
	}
	_, err = book.WriteTo(w)
	return err
}

// styles are the numbers under which a workbook knows how cells look.
type styles struct{ head, edit, amount, moment, date, editDate, wrap, whole, figure int }

func newStyles(book *excelize.File) (s styles, err error) {
	top := &excelize.Alignment{Vertical: "top", WrapText: true}
	tint := excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"E4F1EF"}}
	amount, moment, day, whole, figure := "#,##0.00", "yyyy-mm-dd hh:mm", "yyyy-mm-dd", "#,##0", "#,##0.00####"
	for _, x := range []struct {
		to    *int
		style excelize.Style
	}{
		{&s.head, excelize.Style{Font: &excelize.Font{Bold: true}, Alignment: top, Border: []excelize.Border{{Type: "bottom", Color: "5D646D", Style: 1}}}},
		{&s.wrap, excelize.Style{Alignment: top}},
		{&s.edit, excelize.Style{Alignment: top, Fill: tint}},
		{&s.amount, excelize.Style{Alignment: top, CustomNumFmt: &amount}},
		{&s.moment, excelize.Style{Alignment: top, CustomNumFmt: &moment}},
		{&s.date, excelize.Style{Alignment: top, CustomNumFmt: &day}},
		{&s.editDate, excelize.Style{Alignment: top, Fill: tint, CustomNumFmt: &day}},
		{&s.whole, excelize.Style{Alignment: top, CustomNumFmt: &whole}},
		{&s.figure, excelize.Style{Alignment: top, CustomNumFmt: &figure}},
	} {
		if *x.to, err = book.NewStyle(&x.style); err != nil {
			return s, err
		}
	}
	return s, nil
}

func writeSheet(book *excelize.File, s sheet, styles styles) error {
	last, err := excelize.ColumnNumberToName(len(s.Columns))
	if err != nil {
		return err
	}
	for x, c := range s.Columns {
		name, err := excelize.ColumnNumberToName(x + 1)
		if err != nil {
			return err
		}
		if err := book.SetColWidth(s.Name, name, name, c.Width); err != nil {
			return err
		}
		if err := book.SetCellStr(s.Name, name+"1", c.Name); err != nil {
			return err
		}
		if err := choose(book, s, name, c); err != nil {
			return err
		}
		for y, row := range s.Rows {
			if err := writeCell(book, s.Name, fmt.Sprintf("%s%d", name, y+2), row[x], c.Edit, styles); err != nil {
				return err
			}
		}
	}
	if err := book.SetCellStyle(s.Name, "A1", last+"1", styles.head); err != nil {
		return err
	}
	// The header and the name stay in sight.
	panes := &excelize.Panes{Freeze: true, XSplit: 1, YSplit: 1, TopLeftCell: "B2", ActivePane: "bottomRight"}
	if err := book.SetPanes(s.Name, panes); err != nil {
		return err
	}
	landscape, paper, wide, high := "landscape", 9, 1, 0 // 9 is A4
	if err := book.SetPageLayout(s.Name, &excelize.PageLayoutOptions{Orientation: &landscape, Size: &paper, FitToWidth: &wide, FitToHeight: &high}); err != nil {
		return err
	}
	return book.AutoFilter(s.Name, fmt.Sprintf("A1:%s%d", last, len(s.Rows)+1), nil)
}

// choose offers what a column may hold.
func choose(book *excelize.File, s sheet, name string, c sheetColumn) error {
	if len(c.Choices) == 0 || len(s.Rows) == 0 {
		return nil
	}
	v := excelize.NewDataValidation(true)
	v.SetSqref(fmt.Sprintf("%s2:%s%d", name, name, len(s.Rows)+1))
	if err := v.SetDropList(c.Choices); err != nil {
		return err
	}
	return book.AddDataValidation(s.Name, v)
}

func writeCell(book *excelize.File, sheet, at string, cell any, edit bool, styles styles) (err error) {
	style := styles.wrap
	if edit {
		style = styles.edit
	}
	switch v := cell.(type) {
	case string:
		err = book.SetCellStr(sheet, at, Harmless(v))
	case uint64:
		err = book.SetCellUint(sheet, at, v)
	case float64:
		style = styles.amount
		err = book.SetCellFloat(sheet, at, v, -1, 64)
	case date:
		if style = styles.date; edit {
			style = styles.editDate
		}
		if t, ok := v.time(); ok {
			err = book.SetCellValue(sheet, at, t)
		} else {
			err = book.SetCellStr(sheet, at, Harmless(string(v)))
		}
	case time.Time:
		style = styles.moment
		if !v.IsZero() {
			err = book.SetCellValue(sheet, at, v.Truncate(time.Second))
		}
	default:
		panic(fmt.Sprintf("dashboards: a sheet has no cell of type %T", cell))
	}
	if err != nil {
		return err
	}
	return book.SetCellStyle(sheet, at, at, style)
}

// writeAbout says in words which numbers these are.
func writeAbout(book *excelize.File, r trail.Review) error {
	if _, err := book.NewSheet(aboutSheet); err != nil {
		return err
	}
	asOf := "as it is now"
	if !r.AsOf.IsZero() {
		asOf = zoned(r.AsOf)
	}
	rows := [][2]string{
		{"Weekly lead review", r.Week},
		{"from", r.From.Format(time.DateOnly)},
		{"to", r.To.AddDate(0, 0, -1).Format(time.DateOnly)},
		{"time zone", r.Zone},
		{"known as of", asOf},
		{"whose clicks count", string(r.Agents)},
		{"credit model", r.Model},
		{"run", r.Run},
		{"to fill in", "The tinted columns. Save as XLSX and bring the file back: on the page of the review, or with dealtrail review --import FILE."},
	}
	for i, row := range rows {
		for j, text := range row {
			if err := book.SetCellStr(aboutSheet, fmt.Sprintf("%c%d", 'A'+j, i+1), Harmless(text)); err != nil {
				return err
			}
		}
	}
	return book.SetColWidth(aboutSheet, "A", "B", 24)
}

// writeExported writes the hidden sheet: the week, then a row for each subject with
// its key and trail.DecisionFields as they are now.
func writeExported(book *excelize.File, week string, sheets []sheet) error {
	if _, err := book.NewSheet(exportedSheet); err != nil {
		return err
	}
	rows := [][]string{{"week", week}}
	seen := map[string]bool{}
	for _, s := range sheets {
		for _, k := range s.keys {
			if seen[k.key] {
				continue
			}
			seen[k.key] = true
			row := []string{k.key}
			for _, name := range trail.DecisionFields {
				row = append(row, k.decision.Field(name))
			}
			rows = append(rows, row)
		}
	}
	for y, row := range rows {
		for x, text := range row {
			at, err := excelize.CoordinatesToCellName(x+1, y+1)
			if err == nil {
				err = book.SetCellStr(exportedSheet, at, Harmless(text))
			}
			if err != nil {
				return err
			}
		}
	}
	return book.SetSheetVisible(exportedSheet, false, true)
}
