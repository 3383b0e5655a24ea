package crm

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"dealtrail/trail"
	"dealtrail/trail/workbook"
)

const (
	maxUnzipped = 1 << 30  // bytes of a whole workbook
	maxUnzipRAM = 16 << 20 // bytes of a sheet or of its texts above which they go to disk
	maxUnzipRed = 64 << 20 // bytes of all other parts, which are held in memory
)

// openXLSX opens the first sheet of a workbook. Cells are read as they are
// stored, not as they are shown: a format may hide cents and the day of a date.
func openXLSX(name string, f *os.File, size int64, dir string) (src *source, err error) {
	defer func() {
		if p := recover(); p != nil { // excelize may panic on a forged file; that must not end a server
			src, err = nil, damaged(name, fmt.Errorf("panic: %v", p))
		}
	}()
	if err := checkZIP(name, f, size); err != nil {
		return nil, err
	}
	book, err := excelize.OpenFile(f.Name(), excelize.Options{
		RawCellValue: true, UnzipSizeLimit: maxUnzipped, UnzipXMLSizeLimit: maxUnzipRAM, TmpDir: dir,
	})
	if err != nil {
		return nil, damaged(name, err)
	}
	sheets := book.GetSheetList()
	if len(sheets) == 0 {
		book.Close()
		return nil, damaged(name, fmt.Errorf("no sheet"))
	}
	props, err := book.GetWorkbookProps()
	if err != nil {
		book.Close()
		return nil, damaged(name, err)
	}
	rows, err := book.Rows(sheets[0])
	if err != nil {
		book.Close()
		return nil, damaged(name, err)
	}
	src = &source{xlsx: true, next: sheetRows(name, rows), from1904: props.Date1904 != nil && *props.Date1904}
	src.close = func() error {
		rows.Close()
		book.Close()
		return f.Close()
	}
	if len(sheets) > 1 {
		src.warnings = append(src.warnings, fmt.Sprintf("Only the first of %d sheets, %q, was read.", len(sheets), short(sheets[0])))
	}
	return src, nil
}

// sheetRows reads a sheet row by row.
func sheetRows(name string, rows *excelize.Rows) records {
	n := 0
	return func() (rec record, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = damaged(name, fmt.Errorf("panic: %v", p))
			}
		}()
		if !rows.Next() {
			if err := rows.Error(); err != nil {
				return record{}, damaged(name, err)
			}
			return record{}, io.EOF
		}
		n++
		rec.line = n
		if rec.cells, err = rows.Columns(); err != nil {
			return record{}, damaged(name, err)
		}
		for _, c := range rec.cells {
			if len(c) > maxCell {
				rec.fault = faultCell
			}
		}
		return rec, nil
	}
}

// checkZIP refuses archives that are no workbook, parts that excelize would hold in
// memory whole, texts of which a row would take much of it, and sizes whose sum no number holds: a sum that begins anew at zero
// is under every limit.
func checkZIP(name string, f *os.File, size int64) error {
	z, err := zip.NewReader(f, size)
	if err != nil {
		return damaged(name, err)
	}
	var book bool
	var whole, other uint64
	for _, part := range z.File {
		if whole += min(part.UncompressedSize64, maxUnzipped+1); whole > maxUnzipped {
			return trail.Problemf(trail.TooLarge, "%s unpacks into more than %d MB; import it in parts, or as CSV.", name, maxUnzipped>>20)
		}
		p := strings.ToLower(strings.ReplaceAll(part.Name, "\\", "/"))
		book = book || p == "xl/workbook.xml"
		if !strings.HasPrefix(p, "xl/worksheets/sheet") && p != "xl/sharedstrings.xml" {
			if other += part.UncompressedSize64; other > maxUnzipRed {
				return trail.Problemf(trail.TooLarge, "%s holds more than %d MB of pictures and other parts; save the sheet alone, or as CSV.", name, maxUnzipRed>>20)
			}
		}
	}
	if !book {
		return trail.Problemf(trail.Invalid, "%s is a ZIP file and not an Excel workbook; send CSV or XLSX.", name)
	}
	switch err := workbook.Bound(z); {
	case errors.Is(err, workbook.ErrTexts):
		return trail.Problemf(trail.TooLarge, "%s has texts that are longer than a spreadsheet's cells can be; save the sheet anew, or as CSV.", name)
	case err != nil:
		return damaged(name, err)
	}
	return nil
}

func damaged(name string, err error) error {
	return fmt.Errorf("%w (%w)", trail.Problemf(trail.Invalid, "%s cannot be read as an Excel workbook; open it, save it anew as XLSX or CSV, and try again.", name), err)
}

var (
	plainNumber    = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
	floatingNumber = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
)

// excelDate turns the number under which spreadsheets store a date, days since
// the end of 1899 or since 1904, into ISO text. Other text, and numbers before
// 1970 (a mere year, for example), are left for the column's reader to judge.
func excelDate(cell string, from1904 bool) string {
	if !plainNumber.MatchString(cell) {
		return cell
	}
	days, err := strconv.ParseFloat(cell, 64)
	if err != nil || days < 24000 || days > 150000 {
		return cell
	}
	t, err := excelize.ExcelDateToTime(days, from1904)
	if err != nil {
		return cell
	}
	if days == math.Trunc(days) {
		return t.Format(time.DateOnly)
	}
	return t.Round(time.Millisecond).Format("2006-01-02 15:04:05.000")
}

// excelNumber writes a stored number as a person would: 15 digits, which is all
// that a spreadsheet shows, and no exponent.
func excelNumber(cell string) string {
	if !floatingNumber.MatchString(cell) || len(cell) < 16 && !strings.ContainsAny(cell, "eE") {
		return cell
	}
	v, err := strconv.ParseFloat(cell, 64)
	if err != nil || math.Abs(v) >= 1e15 {
		return cell
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 15, 64), 64)
	if err != nil {
		return cell
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}
