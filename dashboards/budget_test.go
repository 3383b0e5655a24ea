package dashboards

import (
	"bytes"
	"context"
	"encoding/csv"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/attribution"
	"dealtrail/ingest"
	"dealtrail/ingest/redistest"
	"dealtrail/store"
	"dealtrail/trail"
)

// budgeting is a site over the made-up company that can freeze budget pages, at a time
// that the test moves.
func budgeting(t testing.TB) (db *store.DB, e *echo.Echo, now *time.Time) {
	t.Helper()
	_, rdb := redistest.Start(t)
	at := today
	db = openCompany(t)
	_, e = newSite(t, db, func(s *Site) {
		clock := func() time.Time { return at }
		s.Now = clock
		s.SignedIn = func(c echo.Context) string { return c.Request().Header.Get("Test-User") }
		budgets := &attribution.Budgets{
			DB: db, Job: s.Job, Holdouts: s.Holdouts, Zone: s.Zone, Now: clock,
			Emit: func(ctx context.Context, events ...trail.Event) error { return db.InsertEvents(ctx, events) },
		}
		s.Budgets = &Budgets{New: budgets.New, Links: &ingest.Links{Redis: rdb, Now: clock}, Address: "https://pages.example.com"}
	})
	return db, e, &at
}

// as asks as somebody who is signed in.
func as(user string, e http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		q.Header.Set("Test-User", user)
		e.ServeHTTP(w, q)
	})
}

const budgetNote = "Łódź and Zürich: 10 % of €1,000 – ä ö ü ß <b>not bold</b>"

func TestABudgetPageStaysAsItWasWhateverComesLater(t *testing.T) {
	t.Parallel()
	db, e, now := budgeting(t)
	lee := as("lee@us.example", e)
	shows(t, lee, "/budget", true, budgetQuestion, "No page has been made yet", "likely people, deals of any time, EUR", `<option value="linear" selected>`)
	answer := post(t, lee, "/budget", url.Values{"title": {bad}, "note": {budgetNote}, "model": {"linear"}})
	to := answer.Header().Get("Location")
	if answer.Code != http.StatusSeeOther || !strings.HasSuffix(to, "?said=made") {
		t.Fatalf("%d to %q\n%s", answer.Code, to, answer.Body)
	}
	path := strings.TrimSuffix(to, "?said=made")
	shows(t, lee, to, true, "Frozen. Whatever comes later", bad, budgetNote, "No content seen", "Does it move deals?", "lee@us.example", "It says what was part of wins, not what caused them")
	if body := read(t, lee, to); strings.Contains(body, bad) || strings.Contains(body, "<b>not bold") {
		t.Error("what was typed is taken for markup")
	}
	b, err := db.Budget(t.Context(), strings.TrimPrefix(path, "/budget/"))
	if err != nil {
		t.Fatal(err)
	}
	checkBudgetNumbers(t, db, *b)
	before := map[string][]byte{}
	for _, ending := range []string{".csv", ".html", ".pdf"} {
		before[ending] = get(t, lee, path+ending).Body.Bytes()
	}
	checkBudgetFiles(t, *b, before)

	// Another won deal, another calculation, another title of a content: the page stays.
	deal := trail.Registration("csv", trail.DealKind, "NEW", trail.State{}, trail.State{Attrs: map[string]string{"name": "New", "status": "won", "amount": "999999", "currency": "EUR", "closed_at": today.Format(time.RFC3339)}}, today.Add(time.Minute))
	if err := db.InsertEvents(t.Context(), []trail.Event{deal}); err != nil {
		t.Fatal(err)
	}
	*now = now.Add(time.Hour)
	job := newJob(db)
	job.Now = func() time.Time { return *now }
	if _, err := job.Once(t.Context(), attribution.Request{Models: []string{"linear"}}); err != nil {
		t.Fatal(err)
	}
	for ending, was := range before {
		if is := get(t, lee, path+ending).Body.Bytes(); !bytes.Equal(is, was) {
			t.Errorf("the page's %s changed", ending)
		}
	}
	if r := post(t, lee, "/budget", url.Values{"title": {"Budget of later"}, "model": {"linear"}}); r.Code != http.StatusSeeOther {
		t.Fatalf("%d", r.Code)
	}
	later, err := db.Budgets(t.Context())
	if err != nil || len(later) != 2 || later[0].Title != "Budget of later" || later[0].Run == b.Run || later[1].ID != b.ID {
		t.Errorf("%+v, %v", later, err)
	}
	checkBudgetForm(t, lee)
	checkSharing(t, e, now, *b, before[".pdf"])
}

// checkBudgetNumbers compares a page with what the reports of its run say.
func checkBudgetNumbers(t *testing.T, db *store.DB, b trail.Budget) {
	t.Helper()
	f := store.Filter{Run: b.Run, Model: b.Model, Agents: b.Agents}
	report, err := db.Attribution(t.Context(), "content", f)
	if err != nil {
		t.Fatal(err)
	}
	if b.Total != report.Total || b.Unattributed != report.Unattributed || len(b.Contents) != trail.BudgetContents || b.Rest == nil {
		t.Errorf("total %+v, %d contents, rest %+v; the report has %+v", b.Total, len(b.Contents), b.Rest, report.Total)
	}
	sum := amount(b.Unattributed.Value)
	for i, r := range b.Contents {
		sum.Add(sum, amount(r.Value))
		if i > 0 && amount(r.Value).Cmp(amount(b.Contents[i-1].Value)) > 0 {
			t.Errorf("%s is not in order", r.Key)
		}
		for _, row := range report.Rows {
			if row.Key == r.Key && (row.Value != r.Value || row.ValueLow != *r.Low || r.Cost != nil && row.CreditCost != nil && row.Cost != *r.Cost || r.PerCost != nil && row.Per != r.Per) {
				t.Errorf("%s is %+v, the report has %+v", r.Key, r, row)
			}
		}
	}
	if sum.Add(sum, amount(b.Rest.Value)).Cmp(amount(b.Total.Value)) != 0 {
		t.Errorf("contents, the rest and no content add up to %s, won was %s", sum.FloatString(2), b.Total.Value.Amount)
	}
	kinds := amount(b.Unattributed.Value)
	spent := amount(trail.Money{Amount: "0"})
	for _, k := range b.Kinds {
		if kinds.Add(kinds, amount(k.Value)); k.Cost != nil {
			spent.Add(spent, amount(*k.Cost))
		}
	}
	if kinds.Cmp(amount(b.Total.Value)) != 0 || spent.Cmp(amount(b.Spent.Cost)) != 0 {
		t.Errorf("kinds add up to %s and cost %s; won was %s, spent %s", kinds.FloatString(2), spent.FloatString(2), b.Total.Value.Amount, b.Spent.Cost.Amount)
	}
	if b.LiftRun == "" || b.Contents[0].Key == "" || !strings.Contains(strings.Join(b.Assumed, " "), "clicks, replies and views") || b.By != "lee@us.example" || b.Zone != "Europe/Berlin" {
		t.Errorf("%+v", b)
	}
}

// checkBudgetFiles reads a page's files back.
func checkBudgetFiles(t *testing.T, b trail.Budget, files map[string][]byte) {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(files[".csv"])).ReadAll()
	if err != nil || len(rows) != 1+len(b.Kinds)+len(b.Contents)+3 || rows[len(rows)-1][10] != b.Total.Value.Amount || rows[len(rows)-1][9] != b.Spent.Cost.Amount {
		t.Errorf("%q, %v", rows, err)
	}
	page := string(files[".html"])
	if strings.Contains(page, bad) || strings.Contains(page, "src=") || strings.Contains(page, "href=") || !strings.Contains(page, "noindex") {
		t.Errorf("the file to print needs something else, or takes a title for markup:\n%s", page)
	}
	text := pdfText(t, files[".pdf"])
	for _, w := range []string{budgetNote, bad, b.Contents[0].Title, b.Contents[len(b.Contents)-1].Title, moneyWhole(b.Total.Value), moneyWhole(b.Contents[0].Value), b.Run, "No content seen"} {
		if !strings.Contains(text, w) {
			t.Errorf("the PDF lacks %q:\n%s", w, text)
		}
	}
}

// pdfText returns the text of a PDF, which must have one page, with single spaces.
func pdfText(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.pdf")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "pdftotext", "-enc", "UTF-8", "-layout", path, "-").Output()
	if err != nil {
		t.Fatalf("pdftotext: %v (run `make deps-test`)", err)
	}
	text := string(out)
	if n := strings.Count(text, "\f"); n != 1 {
		t.Errorf("the PDF has %d pages", n)
	}
	return regexp.MustCompile(`\s+`).ReplaceAllString(text, " ")
}

func checkBudgetForm(t *testing.T, e http.Handler) {
	t.Helper()
	for want, form := range map[string]url.Values{
		"121 characters": {"title": {strings.Repeat("ä", 121)}, "note": {"typed"}}, "601 characters": {"note": {strings.Repeat("typed ", 100) + "x"}},
		"There is no run": {"run": {trail.NewID(today).String()}, "note": {"typed"}},
	} {
		answer := post(t, e, "/budget", form)
		if body := html.UnescapeString(answer.Body.String()); answer.Code != http.StatusUnprocessableEntity || !strings.Contains(body, want) || !strings.Contains(body, ">typed") {
			t.Errorf("%v: %d; want %q", form, answer.Code, want)
		}
	}
	for _, path := range []string{"/budget/" + trail.NewID(today).String(), "/budget/x", "/budget/x.pdf"} {
		if r := get(t, e, path); r.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, r.Code)
		}
	}
}

// checkSharing makes a link, reads by it without signing in, and ends it.
func checkSharing(t *testing.T, e http.Handler, now *time.Time, b trail.Budget, pdf []byte) {
	t.Helper()
	lee, path := as("lee@us.example", e), "/budget/"+b.ID.String()
	if answer := post(t, lee, path+"/links", url.Values{"days": {"0"}}); answer.Code != http.StatusOK { // the usual time
		t.Errorf("%d", answer.Code)
	}
	if answer := post(t, lee, path+"/links", url.Values{"days": {"x"}}); answer.Code != http.StatusUnprocessableEntity || !strings.Contains(answer.Body.String(), "1 to 366 days") {
		t.Errorf("%d", answer.Code)
	}
	made := post(t, lee, path+"/links", url.Values{"days": {"30"}})
	found := regexp.MustCompile(`value="https://pages\.example\.com(/shared/([A-Z0-9]{26,}))"`).FindStringSubmatch(made.Body.String())
	if made.Code != http.StatusOK || found == nil {
		t.Fatalf("%d\n%s", made.Code, made.Body)
	}
	link, token := found[1], found[2]
	if strings.Contains(read(t, lee, path), token) {
		t.Error("the page shows the link again")
	}
	r := get(t, e, link)
	body := r.Body.String()
	if r.Code != http.StatusOK || !strings.Contains(html.UnescapeString(body), bad) || strings.Contains(body, bad) || strings.Contains(body, "/budget/") || strings.Contains(body, "Revoke") || r.Result().Header.Get("Set-Cookie") != "" {
		t.Errorf("by the link: %d\n%s", r.Code, body)
	}
	for name, want := range map[string]string{"X-Robots-Tag": "noindex", "Referrer-Policy": "no-referrer", "Content-Security-Policy": "default-src 'none'", "Cache-Control": "no-store"} {
		if !strings.Contains(r.Header().Get(name), want) {
			t.Errorf("%s is %q", name, r.Header().Get(name))
		}
	}
	if file := get(t, e, link+"/budget.pdf"); file.Code != http.StatusOK || file.Header().Get("Content-Type") != "application/pdf" || !bytes.Equal(file.Body.Bytes(), pdf) {
		t.Errorf("the PDF by the link: %d", file.Code)
	}
	for _, other := range []string{path, path + ".pdf", "/budget", "/"} {
		if r := get(t, e, other); r.Code != http.StatusUnauthorized {
			t.Errorf("without signing in %s answers %d", other, r.Code)
		}
	}
	ends := regexp.MustCompile(`action="(`+path+`/links/\w+/revoke)"`).FindAllStringSubmatch(read(t, lee, path), -1)
	if len(ends) != 2 {
		t.Fatalf("%q", ends)
	}
	shows(t, lee, path, true, "lee@us.example", "Works until")
	for _, end := range ends {
		if answer := post(t, lee, end[1], nil); answer.Code != http.StatusSeeOther {
			t.Errorf("%d", answer.Code)
		}
	}
	if answer := post(t, lee, ends[0][1], nil); answer.Code != http.StatusUnprocessableEntity {
		t.Errorf("revoked twice: %d", answer.Code)
	}
	short := regexp.MustCompile(`/shared/[A-Z0-9]+`).FindString(post(t, lee, path+"/links", url.Values{"days": {"1"}}).Body.String())
	*now = now.AddDate(0, 0, 2)
	var answers []*httptest.ResponseRecorder
	for _, dead := range []string{link, link + "/budget.pdf", short, "/shared/NEVER", strings.ToLower(link)} {
		answers = append(answers, get(t, e, dead))
	}
	for _, r := range answers[:4] {
		if r.Code != http.StatusNotFound || r.Body.String() != answers[0].Body.String() || !strings.Contains(r.Body.String(), "does not work") || r.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("a link that does not work answers %d %s", r.Code, r.Body)
		}
	}
	q := httptest.NewRequestWithContext(t.Context(), "GET", "https://go.example.com"+strings.ReplaceAll(regexp.MustCompile(`/shared/[A-Z0-9]+`).FindString(post(t, lee, path+"/links", url.Values{"days": {"1"}}).Body.String()), " ", ""), nil)
	rec := httptest.NewRecorder()
	if e.ServeHTTP(rec, q); rec.Code != http.StatusNotFound {
		t.Errorf("the host of tracked links answers %d", rec.Code)
	}
}

// longBudget is a page on which everything is as long as it may be.
func longBudget() trail.Budget {
	money := func(amount string) *trail.Money { return &trail.Money{Amount: amount, Currency: "EUR"} }
	long := strings.Repeat("Whitepaper_without_end_", 9)
	row := trail.BudgetRow{
		Key: "deck", Title: long, Kind: long[:60], Contents: 999, Deals: 999, Cost: money("123456789.00"), Value: *money("1234567890.12"), Low: money("-234567890.12"), High: money("12345678901.12"),
		PerCost: &trail.PerCost{Per: 12345.678, PerLow: -2345.6, PerHigh: 99999.9}, State: trail.NeverUsed, Lift: &trail.BudgetLift{Verdict: trail.For, Lift: .1234, Low: .01, High: .2345}, Proof: trail.ProvenFor,
	}
	b := trail.Budget{
		By: longRep, Title: strings.Repeat("W", 120), Note: strings.Repeat(strings.Repeat("W", 71)+"\n", 7) + strings.Repeat("W", 96), Zone: "Europe/Berlin", Run: trail.NewID(today).String(), Model: "linear", ModelTitle: "Linear",
		Agents: trail.Likely, AsOf: today, Currency: "EUR", Deals: 12345, Total: trail.Sum{Value: *money("1234567890.12")}, Unattributed: trail.Sum{Value: *money("234567890.12")}, Spent: trail.Spent{Contents: 9999, Cost: *money("123456789.00")},
		NeverSent: trail.Spent{Contents: 999, Cost: *money("3456789.00")}, NeverUsed: trail.Spent{Contents: 999, Cost: *money("3456789.00")}, Rest: &row, Warning: strings.Repeat("Selection is visible. ", 10),
	}
	for range trail.BudgetContents {
		b.Contents = append(b.Contents, row)
	}
	for range trail.BudgetKinds + 1 {
		b.Kinds = append(b.Kinds, row)
	}
	for range 5 {
		b.Proven = append(b.Proven, long[:80]+": Proven: deals that were recommended it advanced 12.3 points more often within 6 weeks than those held back (95 % interval +1.0 to +23.4): chance, not people, chose.")
		b.Assumed = append(b.Assumed, strings.Repeat("What it rests on in many words. ", 9))
	}
	return b
}

func TestABudgetPageIsMadeOfWhatOtherPagesShowUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	run := func(id string, agents trail.Level, from time.Time) budgetRun {
		return budgetRun{Run: trail.Run{ID: id, Agents: agents, From: from}}
	}
	newestFirst := []budgetRun{run("surely", trail.Strict, time.Time{}), run("october", trail.Likely, today), run("usual", trail.Likely, time.Time{}), run("older", trail.Likely, time.Time{})}
	if got := usualRun(newestFirst); got != "usual" {
		t.Errorf("the run chosen is %q", got)
	}
	if got := usualRun(newestFirst[:2]); got != "" {
		t.Errorf("without a usual run %q is chosen", got)
	}
}

func TestABudgetPageIsOnePageHoweverLongItsWords(t *testing.T) {
	t.Parallel()
	_, b, err := longBudget().Event("test", today)
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	for _, out := range []*bytes.Buffer{&first, &second} {
		if err := BudgetPDF(out, b); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same page is not the same bytes")
	}
	if text := pdfText(t, first.Bytes()); !strings.Contains(text, "whatever comes later") || !strings.Contains(text, "proven: moves") {
		t.Errorf("the end of the page is cut off:\n%s", text)
	}
	if end := newPaper(b).budget(viewOf(b), 3.2); end > paperHeight-paperMargin/2 {
		t.Errorf("the page ends at %.0f mm of %.0f", end, paperHeight)
	}
	b.Title, b.Note = "Ł € ß “quotes” – 測試", ""
	first.Reset()
	if err := BudgetPDF(&first, b); err != nil {
		t.Fatal(err)
	}
	if text := pdfText(t, first.Bytes()); !strings.Contains(text, "Ł € ß “quotes” – ??") {
		t.Errorf("letters are lost:\n%.300s", text)
	}
	for f, want := range map[float64]string{0: "0.0", 84.6: "84.6", 99.94: "99.9", 99.96: "100", 1234.5: "1,234", -2345.6: "−2,346", 12345678: "12,345,678"} {
		if got := times(f); got != want {
			t.Errorf("%v is written %q, want %q", f, got, want)
		}
	}
}

func TestPagesOfMailAndMoneyFitABrowser(t *testing.T) {
	t.Parallel()
	e, _ := keeping(t, longRep)
	id := longBudget()
	event, b, err := id.Event("test", today)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.insert(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	if answer := post(t, e, "/mailbox/exclusions", url.Values{"rep": {longRep}, "who": {strings.Repeat("a-long-name-", 9) + "@clinic.example"}}); answer.Code != http.StatusSeeOther {
		t.Fatalf("%d", answer.Code)
	}
	path := "/budget/" + b.ID.String()
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:`)
	for _, page := range []string{"/mailbox", "/mailbox?rep=else@us.example", "/budget", path} {
		if found := inline.FindString(read(t, e, page)); found != "" {
			t.Errorf("%s holds %q, which the policy refuses", page, found)
		}
	}
	printed := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path != "/printed" {
			e.ServeHTTP(w, q)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", budgetPolicy)
		if err := printBudget(w, b, "/shared/x/budget.pdf"); err != nil {
			t.Error(err)
		}
	})
	fits(t, printed, "/mailbox", "/mailbox?said=paused&kind=clicked", "/mailbox?rep=else@us.example", "/budget", path, "/printed")
}
