package dashboards

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"dealtrail/trail/synth"
)

// oddTable has what spreadsheets stumble over.
func oddTable() Table {
	return typed("odd: [table]", [][]string{
		{"id", "name", "amount", "closed_at", "sent"},
		{"0042", "=HYPERLINK(\"http://x\")", "-1234.50", "2026-07-01T22:30:00Z", "12"},
		{"+49", "Größe \"M\",\nzwei", "", "", "0"},
		{"@x", "-", "n/a", "soon", "1000000"},
	})
}

func TestAFileHasTypedCellsAndNoFormula(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	var text, book bytes.Buffer
	if err := oddTable().CSV(&text); err != nil {
		t.Fatal(err)
	}
	want := byteOrderMark + "id,name,amount,closed_at,sent\n" +
		"0042,\"'=HYPERLINK(\"\"http://x\"\")\",-1234.50,2026-07-01T22:30:00Z,12\n'+49,\"Größe \"\"M\"\",\nzwei\",,,0\n'@x,'-,n/a,soon,1000000\n"
	if text.String() != want {
		t.Errorf("CSV\n got %q\nwant %q", text.String(), want)
	}
	if err := oddTable().XLSX(&book, berlin); err != nil {
		t.Fatal(err)
	}
	x, err := excelize.OpenReader(bytes.NewReader(book.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	sheet := x.GetSheetName(0)
	if sheet != "odd   table" {
		t.Errorf("the tab is called %q", sheet)
	}
	rows, err := x.GetRows(sheet)
	if err != nil {
		t.Fatal(err)
	}
	wantRows := [][]string{{"id", "name", "amount", "closed_at", "sent"}, {"0042", "'=HYPERLINK(\"http://x\")", "-1,234.50", "2026-07-02 00:30", "12"}, {"'+49", "Größe \"M\",\nzwei", "", "", "0"}, {"'@x", "'-", "n/a", "soon", "1,000,000"}}
	if !reflect.DeepEqual(rows, wantRows) {
		t.Errorf("XLSX\n got %q\nwant %q", rows, wantRows)
	}
	for at, isText := range map[string]bool{"A2": true, "B2": true, "C2": false, "D2": false, "E2": false, "E4": false, "C4": true} {
		kind, _ := x.GetCellType(sheet, at)
		if f, _ := x.GetCellFormula(sheet, at); f != "" || (kind == excelize.CellTypeInlineString || kind == excelize.CellTypeSharedString) != isText {
			t.Errorf("%s has type %v and formula %q", at, kind, f)
		}
	}
	if panes, err := x.GetPanes(sheet); err != nil || !panes.Freeze || panes.YSplit != 1 {
		t.Errorf("the header is not frozen: %+v, %v", panes, err)
	}
	if !strings.Contains(unzipped(t, book.Bytes(), "xl/worksheets/sheet1.xml"), `<autoFilter ref="$A$1:$E$4"`) {
		t.Error("there is no filter")
	}
}

func TestLibreOfficeReadsATableAsItWasWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "odd.xlsx")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := oddTable().XLSX(f, time.UTC); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	office(t, "csv:Text - txt - csv (StarCalc):44,34,76,1,,1033,false,true,true", path)
	content, err := os.ReadFile(filepath.Join(filepath.Dir(path), "out", "odd.csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	want := [][]string{{"id", "name", "amount", "closed_at", "sent"}, {"0042", "'=HYPERLINK(\"http://x\")", "-1,234.50", "2026-07-01 22:30", "12"}, {"'+49", "Größe \"M\",\nzwei", "", "", "0"}, {"'@x", "'-", "n/a", "soon", "1,000,000"}}
	if err != nil || !reflect.DeepEqual(rows, want) {
		t.Errorf("%v\n got %q\nwant %q", err, rows, want)
	}
}

// shownTable is a table of a page as this test reads it, by other means than the export.
type shownTable struct {
	file   string
	marked bool
	rows   [][]string // without what is to be done
}

func shownTables(t testing.TB, page string) (tables []shownTable) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		switch {
		case n.DataAtom == atom.Table:
			file, marked := attr(n, "data-file")
			tables = append(tables, shownTable{file: file, marked: marked})
		case n.DataAtom == atom.Tr && len(tables) > 0 && n.Parent.DataAtom != atom.Thead:
			last := &tables[len(tables)-1]
			var row []string
			for c := n.FirstChild; c != nil; c = c.NextSibling {
				if c.DataAtom == atom.Td || c.DataAtom == atom.Th {
					row = append(row, strings.Join(strings.Fields(textOf(c)), " "))
				}
			}
			last.rows = append(last.rows, row)
		}
	}
	return tables
}

func TestEveryTableOfEveryPageIsAFile(t *testing.T) {
	t.Parallel()
	e := readSite(t)
	seen, fetched := map[string]bool{}, map[string]bool{}
	pages := append(everyPage(wonDeal(t)), "/lift", "/lift/"+synth.Popular, "/runs")
	for _, page := range pages {
		answer := get(t, e, page)
		if answer.Code != 200 {
			continue // everyPage has some that are not there
		}
		body := answer.Body.String()
		byFile := map[string][][]string{}
		for _, table := range shownTables(t, body) {
			if !table.marked {
				t.Errorf("%s has a table without data-file: %q", page, table.rows)
			}
			byFile[table.file] = append(byFile[table.file], table.rows...)
		}
		for file, shown := range byFile {
			seen[file] = true
			to := linkTo(t, body, file, "csv")
			if to == "" || linkTo(t, body, file, "xlsx") == "" {
				t.Errorf("%s: table %q has no link to its files", page, file)
				continue
			}
			path, _, _ := strings.Cut(page, "?")
			if file == "" && !fetched[path] { // each costs what the page costs
				fetched[path] = true
				compareFile(t, page, file, readCSV(t, e, to), shown)
			} else if file != "" {
				kept, _ := pageTable([]byte(body), file)
				compareFile(t, page, file, textsOf(kept), shown)
			}
		}
	}
	if len(seen) < 12 {
		t.Errorf("only %d kinds of tables were seen: the test tests little", len(seen))
	}
}

// textsOf are the cells of a table as CSV has them, below its header.
func textsOf(t Table) [][]string {
	rows := [][]string{t.Columns}
	for _, r := range t.Rows {
		var line []string
		for _, cell := range r {
			line = append(line, text(cell))
		}
		rows = append(rows, line)
	}
	return rows
}

func TestATableOfAPageIsAFileThatSpreadsheetsOpen(t *testing.T) {
	t.Parallel()
	e := readSite(t)
	page := "/content/" + synth.Popular
	body := read(t, e, page)
	rows := readCSV(t, e, linkTo(t, body, "deals-touched", "csv"))
	if !slices.Equal(rows[0], []string{"Deal", "Account", "Status", "Stage", "Closed", "Amount", "Amount: currency", "Credit to this content", "Credit to this content: currency"}) || len(rows) < 30 {
		t.Errorf("all deals, beyond those that are shown at first: %d, %q", len(rows), rows[0])
	}
	x, err := excelize.OpenReader(get(t, e, linkTo(t, body, "deals-touched", "xlsx")).Body)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	for at, isText := range map[string]bool{"A2": true, "E2": false, "F2": false} {
		if kind, _ := x.GetCellType(x.GetSheetName(0), at); (kind == excelize.CellTypeInlineString || kind == excelize.CellTypeSharedString) != isText {
			t.Errorf("%s has type %v", at, kind)
		}
	}
	if r := get(t, e, page+"?table=nothing&format=csv"); r.Code != 404 {
		t.Errorf("a table that is not there: %d", r.Code)
	}
}

// linkTo is the page's link to a table in a format.
func linkTo(t testing.TB, page, file, format string) string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for a := range elements(doc, atom.A) {
		href, _ := attr(a, "href")
		_, query, _ := strings.Cut(href, "?")
		parts := strings.Split(query, "&")
		named := slices.ContainsFunc(parts, func(p string) bool { return strings.HasPrefix(p, "table=") })
		if slices.Contains(parts, "format="+format) && (file == "" && !named || file != "" && slices.Contains(parts, "table="+file)) {
			return href
		}
	}
	return ""
}

// compareFile holds a file against what the page shows. The main table of a page has
// more columns and perhaps more rows there; the review's and the why's tables have rows
// within rows.
func compareFile(t testing.TB, page, file string, rows, shown [][]string) {
	t.Helper()
	if file == "" {
		if !strings.HasPrefix(page, "/review") && !strings.HasPrefix(page, "/why") && len(rows)-1 < len(shown)-2 { // a page has rows of sums
			t.Errorf("%s shows %d rows, its file has %d", page, len(shown), len(rows)-1)
		}
		return
	}
	if len(rows)-1 != len(shown) {
		t.Errorf("%s shows %d rows of %q, the file has %d", page, len(shown), file, len(rows)-1)
		return
	}
	plain := strings.NewReplacer(",", "", "€", "", "−", "-", " ", "", "'", "", "%", "", "+", "")
	for y, row := range shown {
		kept := plain.Replace(strings.Join(rows[y+1], ""))
		for x, cell := range row[:min(len(row), 2)] {
			if word, _, _ := strings.Cut(cell, " "); x == 0 && !strings.Contains(kept, plain.Replace(word)) {
				t.Errorf("%s, %q row %d: the page says %q, the file %q", page, file, y+1, cell, rows[y+1])
			}
		}
	}
}
