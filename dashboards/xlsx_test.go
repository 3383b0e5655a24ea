package dashboards

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// oneReview is a review in Sydney with what spreadsheets stumble over.
func oneReview(t testing.TB) trail.Review {
	t.Helper()
	z := zone(t, "Australia/Sydney")
	from, to, err := trail.ParseWeek("2026-W40", z, today)
	if err != nil {
		t.Fatal(err)
	}
	late := time.Date(2026, 10, 4, 23, 30, 0, 0, z) // on the last evening of a week of 167 hours
	deal := trail.DealRow{ID: "=1+1", Name: "Größe \"M\", <b>", Account: "+49", Value: trail.Money{Amount: "1234.50", Currency: "EUR"}, Status: "lost", Stage: "@Offer", Owner: "-rita", LossReason: "price\ntime"}
	said := trail.Decision{ID: "X", Week: "2026-W40", Deal: "=1+1", Quality: "poor", State: "rejected", Reason: "=HYPERLINK(\"http://x\")", Text: "+call", Owner: "ana", Due: "2026-10-09"}
	ann := trail.Lead{
		ContactRow: trail.ContactRow{Contact: "c1", Address: "ann@a.example", Name: "Ann", Status: "lead"}, Why: "Answered once.", Deal: &deal, Section: "lost", Clicks: 2, Replies: 1, Sent: 3, LastTouch: late,
		Seen: []trail.LeadContent{{Content: "deck", Title: "The Deck", Clicked: 2, Opened: 1, Last: late}},
	}
	bob := trail.Lead{ContactRow: trail.ContactRow{Contact: "c2", Address: "bob@b.example", Status: "lead"}, Why: "Clicked twice."}
	row := trail.ReviewRow{Section: "lost", Deal: deal, Stages: []string{"Demo", "Offer"}, Contacts: []string{"\tMarie", "Ann"}, Sent: 7, LastTouch: late, Decision: &said}
	old := trail.Decision{ID: "01OLD", Week: "2026-W39", Contact: "c1", Address: "ann@a.example", Title: "Ann", Text: "send prices", Owner: "mia", Due: "2026-10-02", Kept: trail.KeptNot}
	return trail.Review{Week: "2026-W40", From: from, To: to, Zone: z.String(), AsOf: time.Date(2026, 10, 5, 7, 0, 0, 0, z), Agents: trail.Likely, Model: "linear", Leads: []trail.Lead{ann, bob}, Rows: []trail.ReviewRow{row}, Earlier: []trail.Decision{old}}
}

// shown are the cells of a sheet as a person sees them.
func shown(s sheet) [][]string {
	head := []string{}
	for _, c := range s.Columns {
		head = append(head, c.Name)
	}
	rows := [][]string{head}
	for _, r := range s.Rows {
		line := []string{}
		for _, cell := range r {
			text := ""
			switch v := cell.(type) {
			case string:
				text = Harmless(v)
			case date:
				text = string(v)
			case float64:
				text = "1,234.50"
			case uint64:
				text = fmt.Sprint(v)
			case time.Time:
				if !v.IsZero() {
					text = v.Format("2006-01-02 15:04")
				}
			}
			line = append(line, text)
		}
		rows = append(rows, line)
	}
	return rows
}

func reviewBook(t testing.TB, r trail.Review) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := ReviewXLSX(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTheWorkbookReadsBackAsItWasWritten(t *testing.T) {
	t.Parallel()
	r := oneReview(t)
	content := reviewBook(t, r)
	book, err := excelize.OpenReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	if got, want := book.GetSheetList(), []string{"Leads", "Won", "Lost", "Moved", "New", "Silent", "Earlier", "About", "exported"}; !slices.Equal(got, want) {
		t.Errorf("sheets %q, want %q", got, want)
	}
	for _, s := range reviewSheets(r) {
		rows, err := book.GetRows(s.Name)
		if err != nil {
			t.Fatal(err)
		}
		want := shown(s)
		if len(rows) != len(want) {
			t.Fatalf("%s has %d rows, want %d", s.Name, len(rows), len(want))
		}
		for i := range rows {
			for len(rows[i]) < len(want[i]) {
				rows[i] = append(rows[i], "") // rows end with their last cell
			}
			if !slices.Equal(rows[i], want[i]) {
				t.Errorf("%s row %d:\n got %q\nwant %q", s.Name, i+1, rows[i], want[i])
			}
		}
		panes, err := book.GetPanes(s.Name)
		if err != nil || !panes.Freeze || panes.YSplit != 1 {
			t.Errorf("%s: the header is not frozen: %+v %v", s.Name, panes, err)
		}
		for x := range s.Columns {
			for y := range s.Rows {
				at, _ := excelize.CoordinatesToCellName(x+1, y+2)
				if f, err := book.GetCellFormula(s.Name, at); err != nil || f != "" {
					t.Errorf("%s %s is the formula %q (%v)", s.Name, at, f, err)
				}
				kind, _ := book.GetCellType(s.Name, at)
				text := kind == excelize.CellTypeSharedString || kind == excelize.CellTypeInlineString
				switch v := s.Rows[y][x].(type) {
				case string:
					if !text {
						t.Errorf("%s %s: a text is stored as %v", s.Name, at, kind)
					}
				case time.Time:
					if text && !v.IsZero() {
						t.Errorf("%s %s: a time is stored as text", s.Name, at)
					}
				case uint64, float64:
					if text {
						t.Errorf("%s %s: a number is stored as text", s.Name, at)
					}
				}
			}
		}
	}
	sheet := unzipped(t, content, "xl/worksheets/sheet1.xml")
	if !strings.Contains(sheet, "<autoFilter ") {
		t.Error("the leads have no filter")
	}
	if !strings.Contains(sheet, "<dataValidation ") {
		t.Error("nothing is offered to choose from")
	}
}

func unzipped(t testing.TB, content []byte, name string) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// office runs LibreOffice on a file.
func office(t testing.TB, to, path string) {
	t.Helper()
	program, err := exec.LookPath("localc")
	if err != nil {
		t.Fatalf("LibreOffice is missing: %v (run `make deps-test`)", err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-env:UserInstallation=file://"+t.TempDir(), "--headless", "--norestore", "--convert-to", to, "--outdir", filepath.Dir(path)+"/out", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

func TestLibreOfficeShowsTheWorkbookAsItWasWrittenAndGivesItBackUnchanged(t *testing.T) {
	t.Parallel()
	r := oneReview(t)
	path := filepath.Join(t.TempDir(), "review.xlsx")
	if err := os.WriteFile(path, reviewBook(t, r), 0o600); err != nil {
		t.Fatal(err)
	}
	// Comma, quotes, UTF-8, from row 1, as shown, and all sheets: each to a file of its own.
	office(t, "csv:Text - txt - csv (StarCalc):44,34,76,1,,1033,false,true,true,false,false,-1", path)
	for _, s := range reviewSheets(r) {
		f, err := os.Open(filepath.Join(filepath.Dir(path), "out", "review-"+s.Name+".csv"))
		if err != nil {
			t.Fatal(err)
		}
		in := csv.NewReader(f)
		in.FieldsPerRecord = -1
		rows, err := in.ReadAll()
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if want := shown(s); !reflect.DeepEqual(rows, want) {
			t.Errorf("%s:\n got %q\nwant %q", s.Name, rows, want)
		}
	}
	// Saved by another program the file still comes back.
	office(t, "xlsx:Calc MS Excel 2007 XML", path)
	content, err := os.ReadFile(filepath.Join(filepath.Dir(path), "out", "review.xlsx"))
	if err != nil {
		t.Fatal(err)
	}
	back, err := ReadReview(content)
	if err != nil || back.Week != "2026-W40" || len(back.Changes)+len(back.Faults) > 0 || back.Rows != 4 {
		t.Errorf("unchanged: %+v, %v", back, err)
	}
}

// edited returns the workbook with some cells set, by sheet and cell.
func edited(t testing.TB, content []byte, cells map[string]any) []byte {
	t.Helper()
	book, err := excelize.OpenReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	for at, value := range cells {
		sheet, cell, _ := strings.Cut(at, "!")
		if f, ok := value.(string); ok && strings.HasPrefix(f, "=") {
			err = book.SetCellFormula(sheet, cell, f[1:])
		} else {
			err = book.SetCellValue(sheet, cell, value)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := book.WriteToBuffer()
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// cellOf returns the cell of a column in a row of a section.
func cellOf(t testing.TB, r trail.Review, sheet, column string, row int) string {
	t.Helper()
	for _, s := range reviewSheets(r) {
		for x, c := range s.Columns {
			if s.Name == sheet && c.Name == column {
				at, _ := excelize.CoordinatesToCellName(x+1, row)
				return sheet + "!" + at
			}
		}
	}
	t.Fatalf("there is no %s in %s", column, sheet)
	return ""
}

func TestOnlyWhatWasChangedInAWorkbookComesBack(t *testing.T) {
	t.Parallel()
	r := oneReview(t)
	content := reviewBook(t, r)
	at := func(sheet, column string, row int) string { return cellOf(t, r, sheet, column, row) }
	back, err := ReadReview(content)
	if err != nil || len(back.Changes)+len(back.Faults) > 0 || back.Rows != 4 {
		t.Fatalf("unchanged: %+v, %v", back, err)
	}
	back, err = ReadReview(edited(t, content, map[string]any{
		at("Leads", "quality", 2): "Good", at("Leads", "decision", 2): "'=call", at("Leads", "decision_owner", 2): "ana", at("Leads", "due", 2): time.Date(2026, 10, 9, 0, 0, 0, 0, time.UTC),
		at("Leads", "email", 4): "new@c.example", at("Leads", "needs", 4): "prices",
		at("Leads", "needs", 5): "whose?", at("Leads", "lead", 6): "only a name",
		at("Lost", "state", 2): "REJECTED", at("Lost", "due", 2): "2026-10-12",
		at("Earlier", "done", 2): "yes", at("Won", "needs", 2): "=1+1",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := []ReviewChange{
		{"Leads", 2, ingest.Said{Email: "ann@a.example", Fields: map[string]string{"quality": "Good", "decision": "=call", "owner": "ana", "due": "2026-10-09"}}},
		{"Leads", 4, ingest.Said{Email: "new@c.example", Fields: map[string]string{"needs": "prices"}}},
		{"Lost", 2, ingest.Said{Deal: "=1+1", Fields: map[string]string{"due": "2026-10-12"}}},
		{"Earlier", 2, ingest.Said{ID: "01OLD", Fields: map[string]string{"done": "yes"}}},
	}
	if !reflect.DeepEqual(back.Changes, want) {
		t.Errorf("got  %+v\nwant %+v", back.Changes, want)
	}
	var faults []string
	for _, f := range back.Faults {
		faults = append(faults, fmt.Sprint(f.Sheet, " ", f.Row, " ", f.Reason))
	}
	if got := strings.Join(faults, "\n"); len(faults) != 2 || !strings.Contains(got, "Leads 5 The row does not say") || !strings.Contains(got, "Won 2 The cell") {
		t.Errorf("faults %q", faults)
	}
	back, err = ReadReview(edited(t, content, map[string]any{at("Lost", "done", 1): "finished"}))
	if err != nil || len(back.Faults) != 1 || back.Faults[0].Row != 1 || !strings.Contains(back.Faults[0].Reason, "no column done") {
		t.Errorf("another header: %+v, %v", back, err)
	}
}

func TestWhatIsNoReviewOrTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	bomb := func(parts int, size int64) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for i := range parts {
			w, err := z.Create(fmt.Sprintf("xl/worksheets/sheet%d.xml", i))
			if err != nil {
				t.Fatal(err)
			}
			for n := int64(0); n < size; n += 1 << 20 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	var long bytes.Buffer
	z := zip.NewWriter(&long)
	w, err := z.Create("xl/sharedStrings.xml")
	if err == nil {
		_, err = io.WriteString(w, "<sst><si><r><t>"+strings.Repeat("a", 300<<10)+"</t></r></si></sst>")
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	plain := excelize.NewFile()
	b, err := plain.WriteToBuffer()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"text":               {[]byte("quality,needs\n"), "not the XLSX"},
		"nothing":            {nil, "not the XLSX"},
		"another workbook":   {b.Bytes(), "not the XLSX"},
		"an archive":         {bomb(1, 1), "not the XLSX"},
		"a bomb":             {bomb(1, 65<<20), "larger than"},
		"many parts":         {bomb(201, 0), "larger than"},
		"a text of 300 KB":   {long.Bytes(), "larger than"},
		"beyond the limit":   {make([]byte, MaxReviewFile+1), "larger than"},
		"half of a workbook": {reviewBook(t, oneReview(t))[:3000], "not the XLSX"},
	} {
		if back, err := ReadReview(c.content); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v", name, back, err)
		} else if _, ok := problemText(err); !ok {
			t.Errorf("%s: %v is no problem that may be shown", name, err)
		}
	}
}

func FuzzReadReview(f *testing.F) {
	f.Add(reviewBook(f, oneReview(f)))
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, content []byte) {
		back, err := ReadReview(content)
		if _, ok := problemText(err); err != nil && !ok {
			t.Errorf("%v is no problem that may be shown", err)
		}
		if err == nil && back.Week == "" {
			t.Error("a review without a week")
		}
	})
}
