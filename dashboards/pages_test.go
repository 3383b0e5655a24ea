package dashboards

import (
	"cmp"
	"encoding/csv"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

// read returns a page that must be there.
func read(t testing.TB, e http.Handler, url string) string {
	t.Helper()
	r := get(t, e, url)
	if r.Code != http.StatusOK {
		t.Fatalf("GET %s: status %d\n%s", url, r.Code, r.Body)
	}
	return r.Body.String()
}

func readCSV(t testing.TB, e http.Handler, url string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(read(t, e, url), byteOrderMark))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// wonDeal is the won deal of readCompany's company with the most touches.
func wonDeal(t testing.TB) *trail.DealDetail {
	t.Helper()
	db := readCompany(t)
	return oneDeal.get(t, func() *trail.DealDetail {
		rows, err := db.Deals(t.Context(), store.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		rows = slices.DeleteFunc(rows, func(r trail.DealRow) bool { return r.Status != "won" })
		most := slices.MaxFunc(rows, func(a, b trail.DealRow) int { return cmp.Compare(a.Touches, b.Touches) })
		d, err := db.Deal(t.Context(), most.ID, store.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	})
}

// everyPage lists all pages over the made-up company.
func everyPage(d *trail.DealDetail) []string {
	return []string{
		"/", "/?kind=video&size=under+10k", "/lists", "/content/compare?a=" + synth.Popular + "&b=" + synth.Best, "/?model=first&agents=all", "/?agents=strict", "/?sort=title", "/content/" + synth.Popular, "/content/new", "/deals", "/deals?status=won&sort=-value",
		"/deals/" + d.ID, "/contacts/" + d.Contacts[0].Address, "/accounts/" + d.Domain, "/reps", "/review?week=2026-W47", "/status", "/quality", "/signin?code=abc",
		"/start", "/models", "/numbers", "/month?month=2026-10", "/dictionary", "/content/found", "/content/new?file=Deck.pdf&id=deck", "/baseline", "/holdouts", "/requests", "/requests?q=bank&deal=" + d.ID, "/notes", "/notes?q=a", "/send", "/send?deal=" + d.ID, "/send?stage=Demo&persona=CFO", "/why", "/why?content=" + synth.Popular, "/share", "/share?q=product", "/demo", "/own-data", "/nothing-here", "/mailbox", "/mailbox?rep=anna@us.example", "/budget",
	}
}

func TestPagesHoldNothingInline(t *testing.T) {
	t.Parallel()
	e := readSite(t)
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script(?: defer)?>`)
	elsewhere := regexp.MustCompile(`<(?:script|link|img)[^>]*(?:src|href)="(?:https?:)?//`)
	title := regexp.MustCompile(`<title>[^<]+ · dealtrail</title>`)
	for _, page := range everyPage(wonDeal(t)) {
		r := get(t, e, page)
		body := r.Body.String()
		if found := inline.FindString(body); found != "" {
			t.Errorf("%s holds %q, which the policy refuses", page, found)
		}
		if found := elsewhere.FindString(body); found != "" {
			t.Errorf("%s loads from elsewhere: %s", page, found)
		}
		if r.Header().Get("Content-Security-Policy") != policy {
			t.Errorf("%s has no policy", page)
		}
		for _, part := range []string{`class="skip"`, `<main id="main">`, "dealtrail test"} {
			if !strings.Contains(body, part) {
				t.Errorf("%s lacks %s", page, part)
			}
		}
		if !title.MatchString(body) {
			t.Errorf("%s has no title", page)
		}
	}
}

func TestTheLensIsInEveryLinkToAReport(t *testing.T) {
	t.Parallel()
	_, e := newSite(t, readCompany(t), nil) // without the links of the demo
	links := regexp.MustCompile(`href="(/[^"]*)"`)
	asked := "model=first&agents=all&from=2026-06-01&to=2026-10-31"
	for _, page := range []string{"/", "/deals", "/deals/" + wonDeal(t).ID, "/content/" + synth.Popular, "/why", "/review", "/reps"} {
		for _, m := range links.FindAllStringSubmatch(read(t, e, page+"?"+asked), -1) {
			u, err := url.Parse(html.UnescapeString(m[1]))
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains([]string{"/static", "/models", "/dictionary", "/start", "/status", "/content/new", "/opensearch.xml"}, u.Path) || strings.HasPrefix(u.Path, "/static/") {
				continue
			}
			q := u.Query()
			model := q.Get("model") == "first" || strings.HasPrefix(page, "/content/") && q.Get("model") != "" // its table switches models
			if !model || q.Get("agents") != "all" || q.Get("from") != "2026-06-01" || q.Get("to") != "2026-10-31" {
				t.Errorf("%s links to %s, which forgets what was asked", page, u)
			}
		}
	}
}

func TestSortingNeedsNoScript(t *testing.T) {
	t.Parallel()
	e := readSite(t)
	column := func(sort, name string) []string {
		rows := readCSV(t, e, "/?format=csv&sort="+sort)
		i := slices.Index(rows[0], name)
		var cells []string
		for _, r := range rows[1 : len(rows)-2] {
			cells = append(cells, r[i])
		}
		return cells
	}
	titles := column("title", "title")
	if !slices.IsSortedFunc(titles, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }) {
		t.Errorf("sorted by title: %q", titles)
	}
	if clicked := column("-clicked", "clicked"); !slices.IsSortedFunc(clicked, func(a, b string) int { return amount(trail.Money{Amount: b}).Cmp(amount(trail.Money{Amount: a})) }) {
		t.Errorf("most clicked first: %q", clicked)
	}
	body := read(t, e, "/?sort=-clicked")
	if !strings.Contains(body, `aria-sort="descending"><a href="/?agents=likely&amp;model=linear&amp;sort=clicked"`) {
		t.Error("the head of the sorted column does not say so or does not turn it around")
	}
}

func TestWithoutARunThePageOffersToCalculate(t *testing.T) {
	t.Parallel()
	_, e := newSite(t, loadCompany(t), nil)
	if body := read(t, e, "/?agents=strict"); !strings.Contains(body, "Calculate now") || !strings.Contains(body, "surely people") {
		t.Fatal("the page does not offer to calculate what nobody has")
	}
	r := post(t, e, "/calculate", url.Values{"model": {"last"}, "agents": {"strict"}, "from": {""}, "to": {""}, "back": {"/?agents=strict"}})
	if r.Code != http.StatusSeeOther || r.Header().Get("Location") != "/?agents=strict&model=last" {
		t.Fatalf("calculate answers %d and goes to %q", r.Code, r.Header().Get("Location"))
	}
	if body := read(t, e, r.Header().Get("Location")); strings.Contains(body, "Calculate now") || !strings.Contains(body, "No content seen") {
		t.Error("after calculating, the page shows no credit")
	}
}

func TestAnEmptyInstallationShowsWhatIsLeftToDo(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	_, e := newSite(t, db, nil)
	body := read(t, e, "/")
	for _, step := range []string{"A mailbox is connected", "Content is registered", "The first click has come", "dealtrail import deals FILE"} {
		if !strings.Contains(body, step) {
			t.Errorf("the checklist lacks %q", step)
		}
	}
	for _, page := range []string{"/deals", "/reps", "/review", "/status", "/start"} {
		read(t, e, page)
	}
}

func TestTheTrailSaysInWordsWhoCausedAnEvent(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		row  trail.TrailRow
		want string
		out  bool
	}{
		{trail.TrailRow{Verdict: trail.Human, Probability: .8}, "probably a person", false},
		{trail.TrailRow{Verdict: trail.Human, Probability: .95}, "surely a person", false},
		{trail.TrailRow{Verdict: trail.Proxy}, "the mail provider, for a person", false},
		{trail.TrailRow{Verdict: trail.Scanner}, "a machine", true},
		{trail.TrailRow{Verdict: trail.Unknown}, "cannot be told", true},
		{trail.TrailRow{Verdict: trail.Self}, "our own rep", true},
		{trail.TrailRow{Kind: trail.Sent}, "", false},
	} {
		if got := verdict(x.row); got != x.want {
			t.Errorf("%s at %v: %q, want %q", x.row.Verdict, x.row.Probability, got, x.want)
		}
		if got := discounted(x.row, trail.Likely); got != x.out {
			t.Errorf("%s: left out %v", x.row.Verdict, got)
		}
	}
}

func TestTheReviewWalksFromWeekToWeek(t *testing.T) {
	t.Parallel()
	e := readSite(t)
	body := read(t, e, "/review?week=2026-W47")
	if !strings.Contains(body, "16 Nov 2026") || !strings.Contains(body, "22 Nov 2026") || !strings.Contains(body, "week=2026-W46") || !strings.Contains(body, "week=2026-W48") {
		t.Error("the review lacks its days or its neighbours")
	}
	if body := read(t, e, "/review?week=2026-W48"); !strings.Contains(body, "still running") || strings.Contains(body, "2026-W49") {
		t.Error("the week that runs offers the next")
	}
	if rows := readCSV(t, e, "/review?week=2026-W47&format=csv"); len(rows) < 2 {
		t.Error("the CSV of a busy week is empty")
	}
	if r := get(t, e, "/review?week=2026-W60"); r.Code != http.StatusBadRequest {
		t.Errorf("a week that no year has answers %d", r.Code)
	}
}

func TestStaticFilesAreKeptUntilTheyChange(t *testing.T) {
	t.Parallel()
	s, e := newSite(t, storetest.Open(t), nil)
	at := s.assets.url("site.css")
	r := get(t, e, at)
	if r.Code != http.StatusOK || !strings.Contains(r.Header().Get("Cache-Control"), "immutable") || !strings.HasPrefix(r.Header().Get("Content-Type"), "text/css") {
		t.Errorf("%s: %d %v", at, r.Code, r.Header())
	}
	if r := get(t, e, "/static/000000/site.css"); r.Header().Get("Cache-Control") != "no-cache" {
		t.Error("an old address of a file is kept for long")
	}
	if r := get(t, e, "/static/x/vendor/README.md"); r.Code != http.StatusNotFound {
		t.Errorf("README: %d", r.Code)
	}
	q := httptest.NewRequestWithContext(t.Context(), "GET", at, nil)
	q.Header.Set("Accept-Encoding", "br, gzip")
	zipped := httptest.NewRecorder()
	e.ServeHTTP(zipped, q)
	if zipped.Header().Get("Content-Encoding") != "gzip" || zipped.Body.Len() >= r.Body.Len() {
		t.Error("gzip is not used")
	}
}

func TestPagesWorkWithoutVendorFiles(t *testing.T) {
	t.Parallel()
	s, e := newSite(t, readCompany(t), nil)
	delete(s.assets.byName, "vendor/echarts.common.min.js")
	delete(s.assets.byName, "vendor/htmx.min.js")
	body := read(t, e, "/")
	if strings.Contains(body, "<figure") || strings.Contains(body, "vendor/") || !strings.Contains(body, "<table") {
		t.Error("without the chart library the page is not just its table")
	}
	read(t, e, "/status")
}

func TestADamagedLinkGetsAPageThatStandsAlone(t *testing.T) {
	t.Parallel()
	s, e := newSite(t, storetest.Open(t), nil)
	e.GET("/c/:token", s.LinkNotFound)
	r := get(t, e, "/c/broken")
	body := r.Body.String()
	if r.Code != http.StatusNotFound || !strings.Contains(body, "Go back to the mail") {
		t.Errorf("%d %s", r.Code, body)
	}
	if strings.Contains(body, "/static/") || strings.Contains(body, "<nav") || r.Header().Get("Set-Cookie") != "" {
		t.Error("the page leans on others")
	}
}

func TestAWrongParameterIsNamed(t *testing.T) {
	t.Parallel()
	_, e := newSite(t, storetest.Open(t), nil)
	for q, says := range map[string]string{"model=best": "best", "agents=nobody": "nobody", "from=yesterday": "yesterday", "from=2026-02-01&to=2026-01-01": "2026-01-01"} {
		if r := get(t, e, "/?"+q); r.Code != http.StatusBadRequest || !strings.Contains(r.Body.String(), says) {
			t.Errorf("%s: %d, and the page does not name it", q, r.Code)
		}
	}
}
