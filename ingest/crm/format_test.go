package crm_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"dealtrail/trail"
)

func TestHubSpotExportIsTakenAsItIs(t *testing.T) {
	l := newLedger(t)
	r, _ := l.load("deals", file(t, "hubspot-deals.csv"))
	l.wantCounts(r, 3, 0, 0, 0)
	l.wantAttrs(trail.DealKind, "9911223344", map[string]string{
		"name": "Acme - New Deal", "account": "Acme AG", "amount": "12500", "currency": "EUR", "stage": "Closed won (Sales Pipeline)", "status": "won",
		"owner": "Mia Sommer", "created_at": "2026-01-07T08:12:00Z", "closed_at": "2026-03-31T12:05:00Z", "contacts": string(key.ID("anna@acme.example")),
	})
	if s := l.states(trail.DealKind); s["9911223345"].Attrs["status"] != "lost" || s["9911223346"].Attrs["status"] != "open" {
		t.Fatalf("lost and open are %q and %q", s["9911223345"].Attrs["status"], s["9911223346"].Attrs["status"])
	}
	for _, w := range []string{
		`not used: "Pipeline", "Associated Contact IDs"`, "1 contacts of deals have a name and no address",
		"1 open deals have a close date", "2 owners have a name and no address",
	} {
		if !hasWarning(r, w) {
			t.Fatalf("no warning %q in %q", w, r.Warnings)
		}
	}
	r, _ = l.load("contacts", file(t, "hubspot-contacts.csv"))
	l.wantCounts(r, 1, 1, 0, 0)
	if p := l.states(trail.ContactKind)[string(key.ID("bo@acme.example"))].Person; p.Name != "Berg" {
		t.Fatalf("person is %+v", p)
	}
	l.wantAttrs(trail.ContactKind, string(key.ID("anna@acme.example")), map[string]string{
		"account": "Acme AG", "owner": "Mia Sommer", "status": "Open deal", "source": "Offline Sources", "created_at": "2026-01-02T09:00:00Z",
	})
}

func TestSalesforceExportsAreTakenAsTheyAre(t *testing.T) {
	l := newLedger(t)
	r, _ := l.load("deals", file(t, "salesforce-report.csv"))
	l.wantCounts(r, 3, 0, 0, 0)
	if r.Read != 3 || !hasWarning(r, `footer were left out: "Grand Totals (3 records)", "All opportunities", "Copyright`) || !hasWarning(r, `"Northwind Ltd"`) {
		t.Fatalf("%+v", r)
	}
	l.wantAttrs(trail.DealKind, "0065g00000ABCdeAAH", map[string]string{
		"name": "Acme rollout", "account": "Acme AG", "amount": "12000.5", "currency": "EUR", "stage": "Closed Won", "status": "won",
		"owner": "Mia Sommer", "created_at": "2026-01-06T23:00:00Z", "closed_at": "2026-03-31T21:59:59Z",
	})
	s := l.states(trail.DealKind)
	if s["0065g00000ABCdfAAH"].Attrs["amount"] != "4000" || s["0065g00000ABCdgAAH"].Attrs["amount"] != "1234.5" {
		t.Fatalf("amounts %q and %q", s["0065g00000ABCdfAAH"].Attrs["amount"], s["0065g00000ABCdgAAH"].Attrs["amount"])
	}

	r, _ = l.load("deals", file(t, "salesforce-api.csv"))
	l.wantCounts(r, 0, 3, 0, 0)
	for id, want := range map[string]string{"0065g00000ABCdeAAH": "won", "0065g00000ABCdfAAH": "lost", "0065g00000ABCdgAAH": "open"} {
		if got := l.states(trail.DealKind)[id].Attrs; got["status"] != want || got["account"] == "" {
			t.Fatalf("%s is %s", id, show(got))
		}
	}
	if r, _ := l.load("stages", "OpportunityId,StageName,CreatedDate\n0065g00000ABCde,Demo,2026-01-08T10:00:00.000Z\n"); r.New != 1 || l.events[len(l.events)-1].Deal != "0065g00000ABCdeAAH" {
		t.Fatalf("%+v", r)
	}
}

func TestEncodingsDelimitersAndXLSXGiveTheSameEvents(t *testing.T) {
	plain := "id,title,kind,tags,cost,published_at\nlösung,\"Größe; 5\" \"\"und\"\"\",page,a b,\"1200,5\",2026-01-31\nb,=SUM(A1),pdf,,7,2026-02-01 14:30\n"
	plain = strings.Replace(plain, `"Größe; 5" ""und"""`, `"Größe; 5"" und"`, 1)
	utf16 := func(e unicode.Endianness, bom unicode.BOMPolicy) string {
		s, err := unicode.UTF16(e, bom).NewEncoder().String(plain)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	windows, err := charmap.Windows1252.NewEncoder().String(plain)
	if err != nil {
		t.Fatal(err)
	}
	load := func(body string) []string {
		t.Helper()
		l := newLedger(t)
		r, events := l.load("content", body)
		l.wantCounts(r, 2, 0, 0, 0)
		if got := events[0].Attrs["title"]; got != `Größe; 5" und` {
			t.Fatalf("title is %q", got)
		}
		return ids(events)
	}
	want := load(plain)
	for name, body := range map[string]string{
		"mark":         "\xef\xbb\xbf" + plain,
		"crlf":         strings.ReplaceAll(plain, "\n", "\r\n"),
		"cr":           strings.ReplaceAll(plain, "\n", "\r"),
		"utf-16le":     utf16(unicode.LittleEndian, unicode.UseBOM),
		"utf-16be":     utf16(unicode.BigEndian, unicode.UseBOM),
		"utf-16 bare":  utf16(unicode.LittleEndian, unicode.IgnoreBOM),
		"windows-1252": windows,
		"semicolons":   delimited(t, plain, ';'),
		"tabs":         delimited(t, plain, '\t'),
		"bars":         delimited(t, plain, '|'),
		"sep line":     "sep=;\r\n" + delimited(t, plain, ';'),
		"title above":  "My content\n\n" + plain,
		"xlsx":         workbook(t, plain),
	} {
		if got := load(body); !slices.Equal(got, want) {
			t.Fatalf("%s: other events than plain CSV", name)
		}
	}
}

func delimited(t *testing.T, body string, delim rune) string {
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.Comma = delim
	if err := w.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// workbook writes a CSV as XLSX as a spreadsheet would: numbers as numbers,
// dates as days with a format that hides them.
func workbook(t testing.TB, body string) string {
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	book := excelize.NewFile()
	defer book.Close()
	style, err := book.NewStyle(&excelize.Style{NumFmt: 17}) // mmm-yy
	if err != nil {
		t.Fatal(err)
	}
	for y, row := range rows {
		for x, cell := range row {
			name, err := excelize.CoordinatesToCellName(x+1, y+1)
			if err != nil {
				t.Fatal(err)
			}
			var value any = cell
			if v, err := strconv.ParseFloat(strings.Replace(cell, ",", ".", 1), 64); err == nil && !strings.ContainsAny(cell, "eE") {
				value = v
			}
			for _, layout := range []string{"2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05"} {
				if d, err := time.Parse(layout, cell); err == nil {
					value = d
				}
			}
			if cell == "" {
				continue
			}
			if err := book.SetCellValue("Sheet1", name, value); err != nil {
				t.Fatal(err)
			}
			if _, is := value.(time.Time); is {
				if err := book.SetCellStyle("Sheet1", name, name, style); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	var b bytes.Buffer
	if err := book.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestXLSXOfEveryTableGivesTheEventsOfItsCSV(t *testing.T) {
	for _, name := range append(slices.Clone(all), "hubspot-deals", "salesforce-api") {
		table := name
		if i := strings.LastIndexByte(name, '-'); i >= 0 {
			table = "deals"
		}
		one, two := newLedger(t), newLedger(t)
		_, want := one.load(table, file(t, name+".csv"))
		r, got := two.load(table, workbook(t, file(t, name+".csv")))
		if !slices.Equal(ids(want), ids(got)) {
			t.Fatalf("%s: CSV and XLSX differ: %+v\n%+v\n%+v", name, r, want, got)
		}
	}
}

func TestXLSXFrom1904AndOtherArchives(t *testing.T) {
	book := excelize.NewFile()
	defer book.Close()
	yes := true
	if err := book.SetWorkbookProps(&excelize.WorkbookPropsOptions{Date1904: &yes}); err != nil {
		t.Fatal(err)
	}
	for cell, v := range map[string]any{"A1": "id", "B1": "closed_at", "C1": "amount", "A2": "A", "B2": 44591.5, "C2": 0.1 + 0.2, "A3": "B", "B3": 2026, "C3": 1.5e6} {
		if err := book.SetCellValue("Sheet1", cell, v); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := book.Write(&b); err != nil {
		t.Fatal(err)
	}
	l := newLedger(t)
	r, _ := l.load("deals", b.String())
	l.wantCounts(r, 1, 0, 0, 1)
	l.wantAttrs(trail.DealKind, "A", map[string]string{"closed_at": "2026-01-31T11:00:00Z", "amount": "0.3"})
	for n := 10; n < b.Len(); n += b.Len()/40 + 1 { // cut anywhere: an error or fewer rows, never a panic
		l.importer().Import(context.Background(), "deals", "", bytes.NewReader(b.Bytes()[:n]), true)
	}
}

func TestStrayQuoteCostsOneRow(t *testing.T) {
	l := newLedger(t)
	r, _ := l.load("deals", "id,name\nA,5\" pipe\nB,\"open\nC,x\nD,\"said \"\"hi\"\"\nand left\"\nE,\"a\"b\nF,y\n")
	l.wantCounts(r, 4, 0, 0, 2)
	s := l.states(trail.DealKind)
	if s["A"].Attrs["name"] != `5" pipe` || s["D"].Attrs["name"] != "said \"hi\"\nand left" || s["C"].Attrs["name"] != "x" || s["F"].Attrs["name"] != "y" {
		t.Fatalf("%+v", s)
	}
	if r.Rows[0].Line != 3 || r.Rows[1].Line != 7 {
		t.Fatalf("%+v", r.Rows)
	}
}

func TestAmounts(t *testing.T) {
	for _, c := range []struct {
		cells string // of one column, separated by |
		want  string // amounts, with the currency if one is named; ! is rejected
	}{
		{"1234.50|$1,234,567|(1,000)", "1234.5|1234567|-1000"},
		{"85.000,50|1.234,5|1.234", "85000.5|1234.5|1234"},
		{"1,234|2.50", "1234|2.5"},
		{"1,234|2,50", "1.234|2.5"},
		{"1.234|2.50", "1.234|2.5"},
		{"1.234|5", "1234|5"},
		{"1,234|1.234", "!|!"},
		{"1.5|1,5|1.234|1,234,567.5", "1.5|1.5|!|1234567.5"},
		{"EUR 1.234,50|1.234,50 EUR|€ 1.234,50|1.234,50 €|£5|¥7|CHF 85'000,50", "1234.5 EUR|1234.5 EUR|1234.5 EUR|1234.5 EUR|5 GBP|7|85000.5 CHF"},
		{"USD\u00a01\u202f234,50|1 234|12 34", "1234.5 USD|1234|!"},
		{"-5|−5|5-|+5|--5|(-5)|-$1,000.00|$-7.00", "-5|-5|-5|5|!|!|-1000|-7"},
		{"0.125|.5|5.|0|-0|007", "0.125|0.5|5|0|0|7"},
		{"12,34,567.00|1,23,4.00|1,2345,678|1.2.3|1,,2|,|.", "1234567|!|!|!|!|!|!"},
		{"12,5o|5%|abc|1e9|0x10|Infinity|NaN|EUR|1 USD EUR|12 kr", "!|!|!|!|!|!|!|!|!|!"},
		{"99999999999999|100000000000000|0.0000000000000000000001", "99999999999999|!|!"},
	} {
		l := newLedger(t)
		body := "id\tamount\n"
		for i, cell := range strings.Split(c.cells, "|") {
			body += strconv.Itoa(i) + "\t" + cell + "\n"
		}
		l.load("deals", body)
		var got []string
		s := l.states(trail.DealKind)
		for i := range strings.Split(c.cells, "|") {
			state, has := s[strconv.Itoa(i)]
			if !has {
				got = append(got, "!")
				continue
			}
			got = append(got, strings.TrimSpace(state.Attrs["amount"]+" "+state.Attrs["currency"]))
		}
		if g := strings.Join(got, "|"); g != c.want {
			t.Fatalf("%q:\n got %s\nwant %s", c.cells, g, c.want)
		}
	}
}

func TestDates(t *testing.T) {
	for _, c := range []struct{ cells, want string }{ // want in UTC without seconds of zero; the zone is Europe/Berlin
		{"2026-07-01|2026-07-01 15:04|2026-07-01 15:04:05|2026/7/1|2026-07-01T15:04", "2026-06-30T22:00:00Z|2026-07-01T13:04:00Z|2026-07-01T13:04:05Z|2026-06-30T22:00:00Z|2026-07-01T13:04:00Z"},
		{"2026-07-01T15:04:05Z|2026-07-01T15:04:05+02:00|2026-07-01T15:04:05.123+0000|2026-07-01 15:04:05 UTC|2026-07-01 15:04:05.1239 -05", "2026-07-01T15:04:05Z|2026-07-01T13:04:05Z|2026-07-01T15:04:05.123Z|2026-07-01T15:04:05Z|2026-07-01T20:04:05.123Z"},
		{"02.01.2026|31.12.2026 08:00|1.2.2026", "2026-01-01T23:00:00Z|2026-12-31T07:00:00Z|2026-01-31T23:00:00Z"},
		{"1/2/2026|1/31/2026", "2026-01-01T23:00:00Z|2026-01-30T23:00:00Z"},
		{"1/2/2026|31/1/2026", "2026-01-31T23:00:00Z|2026-01-30T23:00:00Z"},
		{"01-02-2026|31-01-2026", "2026-01-31T23:00:00Z|2026-01-30T23:00:00Z"},
		{"5/5/2026|1/1/2026", "2026-05-04T22:00:00Z|2025-12-31T23:00:00Z"},
		{"1/13/2026 3:35 PM|1/13/2026, 12:05 am|1/13/2026 13:00 PM", "2026-01-13T14:35:00Z|2026-01-12T23:05:00Z|!"},
		{"2026-02-30|30.02.2026|2026-13-01|0000-00-00|2026-00-10|29.02.2028", "!|!|!|!|!|2028-02-28T23:00:00Z"},
		{"1969-12-31|2300-01-01|9999-12-31|1970-01-02", "!|!|!|1970-01-01T23:00:00Z"},
		{"2026-03-29 02:30|2026-03-29 02:30 +01:00|2026-07-01 24:00|2026-07-01 12:60|2026-07-01 12:00:61", "!|2026-03-29T01:30:00Z|!|!|!"},
		{"soon|1/2/26|20260101|2026-07-01x|2026-07-01 noon|1 Jan 2026|45992|2026-07-01 10:00 CET|2026-07-01T10:00:00+99:00", "!|!|!|!|!|!|!|!|!"},
	} {
		l := newLedger(t)
		body := "id\tcreated_at\n"
		for i, cell := range strings.Split(c.cells, "|") {
			body += strconv.Itoa(i) + "\t" + cell + "\n"
		}
		l.load("deals", body)
		var got []string
		s := l.states(trail.DealKind)
		for i := range strings.Split(c.cells, "|") {
			if state, has := s[strconv.Itoa(i)]; has {
				got = append(got, state.Attrs["created_at"])
			} else {
				got = append(got, "!")
			}
		}
		if g := strings.Join(got, "|"); g != c.want {
			t.Fatalf("%q:\n got %s\nwant %s", c.cells, g, c.want)
		}
	}
}

func FuzzImport(f *testing.F) {
	for i, name := range append(slices.Clone(all), "hubspot-deals", "salesforce-report", "salesforce-api") {
		f.Add(min(i, 2), []byte(file(f, name+".csv")))
	}
	f.Add(2, []byte(workbook(f, "id,amount\nA,1\n")))
	f.Add(0, []byte("id;url\n\"a\"\"b;http://ü.example/ü\n\xff\xfe"))
	f.Fuzz(func(t *testing.T, which int, body []byte) {
		l := newLedger(t)
		table := all[uint(which)%uint(len(all))]
		r, err := l.importer().Import(context.Background(), table, "", bytes.NewReader(body), false) // the ledger validates what is emitted
		if err != nil {
			return
		}
		if r.Read != r.Accepted+r.Rejected || len(r.Rows)+r.Truncated != r.Rejected {
			t.Fatalf("the report does not add up: %+v", r)
		}
		n := len(l.events)
		again, err := l.importer().Import(context.Background(), table, "", bytes.NewReader(body), false)
		if err != nil || len(l.events) != n || again.Unchanged != r.Accepted {
			t.Fatalf("the second time: %v, %d events, %+v", err, len(l.events)-n, again)
		}
	})
}

func TestURLsOfAFileStayAsTheyAre(t *testing.T) {
	l := newLedger(t)
	text, err := os.ReadFile("../track/testdata/targets.txt")
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	w := csv.NewWriter(&body)
	rows := [][]string{{"id", "url", "other_urls"}}
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if target, stored, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); target != "" && target[0] != '#' {
			id := strconv.Itoa(len(rows))
			want[id] = cmp.Or(stored, target)
			rows = append(rows, []string{id, " " + target, target + "\n" + target})
		}
	}
	if err := w.WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	r, _ := l.load("content", body.String())
	l.wantCounts(r, len(want), 0, 0, 0)
	states := l.states(trail.ContentKind)
	for id, url := range want {
		if a := states[id].Attrs; a["url"] != url || a["other_urls"] != url+" "+url {
			t.Errorf("%.200q is loaded as %.200q, and as others %.400q", url, a["url"], a["other_urls"])
		}
	}
}
