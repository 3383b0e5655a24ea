package dashboards

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"dealtrail/ingest"
	"dealtrail/trail"
	"dealtrail/trail/workbook"
)

// What a workbook may be that comes back: far more than we write.
const (
	MaxReviewFile   = 10 << 20 // bytes
	maxReviewParts  = 200      // files in the archive
	maxReviewUnzip  = 64 << 20 // bytes of all of them
	maxReviewRows   = 5000     // of one sheet
	maxReviewColumn = 100
)

// ReviewChange is what was changed in one row of a workbook that came back.
type ReviewChange struct {
	Sheet string
	Row   int // 1 is the header
	ingest.Said
}

// ReviewFault is a row that cannot be understood, and why.
type ReviewFault struct {
	Sheet  string `json:"sheet"`
	Row    int    `json:"row"`
	Reason string `json:"reason"` // a sentence
}

// ReturnedReview is what a workbook of ReviewXLSX says when it comes back.
type ReturnedReview struct {
	Week    string
	Changes []ReviewChange // rows in which nothing was changed are left out
	Rows    int            // rows that were read
	Faults  []ReviewFault
}

// ReadReview reads a workbook that ReviewXLSX wrote and people filled in. What was not
// changed since is no change, whatever was said elsewhere meanwhile. A *trail.Problem
// says that it is no such workbook, or too large.
func ReadReview(content []byte) (back *ReturnedReview, err error) {
	defer func() {
		if p := recover(); p != nil { // a forged file must not end a server
			back, err = nil, noReview(fmt.Errorf("panic: %v", p))
		}
	}()
	if err := checkReviewZIP(content); err != nil {
		return nil, err
	}
	book, err := excelize.OpenReader(bytes.NewReader(content), excelize.Options{RawCellValue: true, UnzipSizeLimit: maxReviewUnzip, UnzipXMLSizeLimit: maxReviewUnzip})
	if err != nil {
		return nil, noReview(err)
	}
	defer book.Close()
	props, err := book.GetWorkbookProps()
	if err != nil {
		return nil, noReview(err)
	}
	week, before, err := readExported(book)
	if err != nil {
		return nil, err
	}
	back = &ReturnedReview{Week: week}
	x := returned{ReturnedReview: back, book: book, before: before, from1904: props.Date1904 != nil && *props.Date1904}
	for _, name := range book.GetSheetList() {
		if name == exportedSheet || name == aboutSheet {
			continue
		}
		if err := x.sheet(name); err != nil {
			return nil, err
		}
	}
	return back, nil
}

// checkReviewZIP refuses what unpacks into too much before anything is unpacked.
func checkReviewZIP(content []byte) error {
	tooLarge := trail.Problemf(trail.TooLarge, "The file is larger than a review can be (%d MB); send the file that was downloaded, with its decisions filled in.", MaxReviewFile>>20)
	if len(content) > MaxReviewFile {
		return tooLarge
	}
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return noReview(err)
	}
	var size uint64
	for _, part := range z.File {
		if size += part.UncompressedSize64; size > maxReviewUnzip || part.UncompressedSize64 > maxReviewUnzip || len(z.File) > maxReviewParts {
			return tooLarge
		}
	}
	switch err := workbook.Bound(z); {
	case errors.Is(err, workbook.ErrTexts):
		return tooLarge
	case err != nil:
		return noReview(err)
	}
	return nil
}

func noReview(err error) error {
	return fmt.Errorf("%w (%w)", trail.Problemf(trail.Invalid, "This is not the XLSX file of a review. Download it from the page of the review, fill it in, and save it as XLSX."), err)
}

// readExported reads what decisions were when the file was written.
func readExported(book *excelize.File) (week string, before map[string]map[string]string, err error) {
	rows, err := book.Rows(exportedSheet)
	if err != nil {
		return "", nil, noReview(err)
	}
	defer rows.Close()
	before = map[string]map[string]string{}
	for n := 0; rows.Next() && n < maxReviewRows; n++ {
		cells, err := rows.Columns()
		if err != nil {
			return "", nil, noReview(err)
		}
		if n == 0 && len(cells) > 1 && cells[0] == "week" {
			week = cells[1]
			continue
		}
		if len(cells) == 0 {
			continue
		}
		fields := map[string]string{}
		for i, name := range trail.DecisionFields {
			if i+1 < len(cells) {
				fields[name] = meant(cells[i+1])
			}
		}
		before[meant(cells[0])] = fields
	}
	if err := rows.Error(); err != nil {
		return "", nil, noReview(err)
	}
	if week == "" {
		return "", nil, noReview(fmt.Errorf("no week"))
	}
	return week, before, nil
}

// returned is a workbook that is being read.
type returned struct {
	*ReturnedReview
	book     *excelize.File
	before   map[string]map[string]string
	from1904 bool
}

func (x *returned) fault(sheet string, row int, format string, args ...any) {
	x.Faults = append(x.Faults, ReviewFault{sheet, row, fmt.Sprintf(format, args...)})
}

// sheet reads one sheet. One without the columns that are filled in is none of ours.
func (x *returned) sheet(name string) error {
	rows, err := x.book.Rows(name)
	if err != nil {
		return noReview(err)
	}
	defer rows.Close()
	var at map[string]int // place of a column by name
	for n := 1; rows.Next(); n++ {
		cells, err := rows.Columns()
		if err != nil {
			return noReview(err)
		}
		if n > maxReviewRows || len(cells) > maxReviewColumn {
			x.fault(name, n, "The sheet is larger than a review can be; what follows was not read.")
			return nil
		}
		if n == 1 {
			at = map[string]int{}
			for i, c := range cells {
				at[strings.ToLower(strings.TrimSpace(c))] = i
			}
			if missing := x.missing(at); missing != "" {
				x.fault(name, 1, "The sheet has no column %s, so nothing of it was read; the header must stay as it was.", missing)
				return nil
			}
			continue
		}
		if err := x.row(name, n, cells, at); err != nil {
			return err
		}
	}
	if err := rows.Error(); err != nil {
		return noReview(err)
	}
	return nil
}

// missing returns a column that a sheet needs and does not have.
func (x *returned) missing(at map[string]int) string {
	for _, c := range decisionColumns {
		if _, ok := at[c]; !ok {
			return c
		}
	}
	for _, key := range []string{"id", "email", "deal"} {
		if _, ok := at[key]; ok {
			return ""
		}
	}
	return "email, deal or id"
}

// row reads one row and notes what was changed in it.
func (x *returned) row(sheet string, n int, cells []string, at map[string]int) error {
	cell := func(column string) string {
		if i, ok := at[column]; ok && i < len(cells) {
			return strings.TrimSpace(meant(cells[i]))
		}
		return ""
	}
	fields := map[string]string{}
	for i, column := range decisionColumns {
		name := trail.DecisionFields[i]
		place, err := excelize.CoordinatesToCellName(at[column]+1, n)
		if err != nil {
			return noReview(err)
		}
		if formula, err := x.book.GetCellFormula(sheet, place); err != nil || formula != "" {
			x.fault(sheet, n, "The cell %s holds a formula; write its result.", place)
			return nil
		}
		if fields[name] = cell(column); name == "due" {
			fields[name] = dueOf(fields[name], x.from1904)
		}
	}
	said, key := subjectOf(cell, at)
	before := x.before[key]
	maps.DeleteFunc(fields, func(name, value string) bool { return same(name, value, before[name]) })
	if strings.Join(cells, "") != "" {
		x.Rows++
	}
	if len(fields) == 0 {
		return nil
	}
	if key == "" {
		x.fault(sheet, n, "The row does not say whom or what it is about: there is neither email nor deal.")
		return nil
	}
	said.Fields = fields
	x.Changes = append(x.Changes, ReviewChange{sheet, n, said})
	return nil
}

// subjectOf returns whom or what a row is about, by the first key that its sheet has.
func subjectOf(cell func(string) string, at map[string]int) (said ingest.Said, key string) {
	has := func(column string) bool { _, ok := at[column]; return ok }
	switch {
	case has("id"):
		if id := cell("id"); id != "" {
			return ingest.Said{ID: id}, "id " + id
		}
	case has("lead"):
		if who := cell("email"); strings.Contains(who, "@") {
			return ingest.Said{Email: who}, "lead " + who
		} else if who != "" {
			return ingest.Said{Contact: trail.ContactID(who)}, "lead " + who
		}
	default:
		if deal := cell("deal"); deal != "" {
			return ingest.Said{Deal: deal}, "deal " + deal
		}
	}
	return ingest.Said{}, ""
}

// same reports whether a cell says what it said before: case does not matter where
// words are chosen, nor how somebody says that something is not done.
func same(name, value, before string) bool {
	if slices.Contains([]string{"quality", "state", "done"}, name) {
		value, before = strings.ToLower(value), strings.ToLower(before)
	}
	if name == "done" && slices.Contains([]string{"no", "false", "0"}, value) {
		value = ""
	}
	return value == before || strings.ReplaceAll(value, "\r\n", "\n") == strings.ReplaceAll(before, "\r\n", "\n")
}

// dueOf returns the date that a cell holds, typed as one or written as text. What is
// neither is returned as it is.
func dueOf(cell string, from1904 bool) string {
	days, err := strconv.ParseFloat(cell, 64)
	if err != nil || days < 24000 || days > 150000 { // 1965 to 2310
		return strings.TrimSuffix(cell, "T00:00:00Z")
	}
	t, err := excelize.ExcelDateToTime(days, from1904)
	if err != nil {
		return cell
	}
	return t.Format(time.DateOnly)
}
