package dashboards

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

// repSite returns the pages over the made-up company as its first rep sees them,
// and the rep's address.
func repSite(t testing.TB) (*Site, *echo.Echo, string) {
	t.Helper()
	rep := newCompany().Reps[0].Address
	s, e := newSite(t, readCompany(t), func(s *Site) { s.SignedIn = func(echo.Context) string { return rep } })
	return s, e, rep
}

// titles returns the contents of a page of results in their order.
func titles(page string) (all []string) {
	for _, m := range regexp.MustCompile(`aria-label="Copy link to ([^"]*)"`).FindAllStringSubmatch(page, -1) {
		all = append(all, m[1])
	}
	return all
}

func TestEveryWordOfASearchIsFoundSomewhere(t *testing.T) {
	t.Parallel()
	rows := []trail.ContentRow{
		{ID: "a", Title: "Case study: a dairy", Kind: "case study", Stage: "Proposal", Sent: 5},
		{ID: "b", Title: "Pricing", Kind: "page", Tags: []string{"dairy", "brewery"}, Sent: 9},
		{ID: "dairy-c", Title: "Zebra", Persona: "Buyer", Sent: 1},
		{ID: "d", Title: "Dairy in two minutes", Kind: "video", Sent: 2},
		{ID: "e", Title: "Dairy last year", Sent: 90, ExpiresAt: today},
		{ID: "f", Title: "Dairy next year", Sent: 1, ExpiresAt: today.Add(time.Hour)},
	}
	for query, want := range map[string]string{
		"":              "b a d f dairy-c e",
		"dairy":         "d f b a dairy-c e",
		" DAIRY  case":  "a",
		"brewery page":  "b",
		"buyer":         "dairy-c",
		"propos dairy":  "a",
		"dairy in two":  "d",
		"dairy tractor": "",
	} {
		var got []string
		for _, f := range findContent(rows, query, "", today) {
			got = append(got, f.ID)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q finds %q, want %s", query, got, want)
		}
	}
	if only := findContent(rows, "", "a", today); len(only) != 1 || only[0].ID != "a" {
		t.Errorf("asked for one content, it finds %v", only)
	}
}

func TestRecipientsAreReadAsPeoplePasteThem(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", " a@x.example ": "<a@x.example>", "a@x.example; b@x.example;": "<a@x.example>|<b@x.example>",
		"Schmidt Anna <a@x.example>, b@x.example\r\nc@x.example": `"Schmidt Anna" <a@x.example>|<b@x.example>|<c@x.example>`,
		"a@x.example b@x.example":                                "a@x.example|b@x.example", "nobody": "nobody",
	} {
		if got := strings.Join(recipients(text), "|"); got != want {
			t.Errorf("%q is read as %s, want %s", text, got, want)
		}
	}
}

func TestARepFindsContentAndSharesItWithoutAScript(t *testing.T) {
	t.Parallel()
	s, e, rep := repSite(t)
	var asked ingest.ShareRequest
	const made = "https://go.example.com/c/kabc"
	s.source.Share = func(_ context.Context, q ingest.ShareRequest) (ingest.Share, error) {
		if asked = q; q.Deal == "none" {
			return ingest.Share{}, trail.Problemf(trail.Invalid, "The deal is wrong.")
		}
		return ingest.Share{URL: made, HTML: `<a href="` + made + `">The product</a>`, Text: "The product", Warnings: []string{"ben@vendor.example sent it to Anna on 1 Nov 2026; no need to send it again?"}}, nil
	}
	page := read(t, e, "/share?q=product+minutes&to=anna%40acme.example&deal=D-1")
	if found := titles(page); len(found) != 1 || found[0] != "The product in two minutes" {
		t.Errorf("found are %q", found)
	}
	for _, part := range []string{`autofocus form="finder" formmethod="post" name="content" value="` + synth.Popular + `"`, `name="to" value="anna@acme.example"`, `name="deal" value="D-1"`, `aria-current="page">Tracked link<`} {
		if !strings.Contains(page, part) {
			t.Errorf("the results lack %s", part)
		}
	}
	// What the browser sends for the button: the form's fields as they are then, and the button. to is twice what it is.
	form := url.Values{"q": {"product"}, "to": {"Anna S <anna@acme.example>; bo@acme.example", "2026-10-31"}, "from": {"2026-06-01"}, "deal": {" D-1 "}, "content": {synth.Popular}, "rep": {"somebody@else.example"}}
	r := post(t, e, "/share", form)
	body := r.Body.String()
	for _, part := range []string{`<input id="url" readonly autofocus value="` + made + `"`, `&lt;a href=&#34;` + made + `&#34;&gt;The product&lt;/a&gt;</textarea>`, "no need to send it again?", `to=2026-10-31`} {
		if !strings.Contains(body, part) {
			t.Errorf("the page with the link lacks %s", part)
		}
	}
	if r.Code != http.StatusCreated || asked.Content != synth.Popular || asked.Rep != rep || asked.Deal != "D-1" || !slices.Equal(asked.To, []string{`"Anna S" <anna@acme.example>`, "<bo@acme.example>"}) {
		t.Errorf("%d, asked for %+v", r.Code, asked)
	}
	form.Set("deal", "none")
	r = post(t, e, "/share", form)
	if r.Code != http.StatusUnprocessableEntity || !strings.Contains(r.Body.String(), "The deal is wrong.") || !strings.Contains(r.Body.String(), "bo@acme.example") || len(titles(r.Body.String())) != 1 {
		t.Errorf("a wrong form answers %d without saying why or without what was typed", r.Code)
	}
	if found := titles(read(t, e, "/share")); len(found) != foundAtOnce || found[0] != "The product in two minutes" {
		t.Errorf("without a search it offers %q, want what is sent most", found)
	}
	if page := read(t, e, "/share?content="+synth.Popular+"&q=nothing+like+it"); len(titles(page)) != 0 || !strings.Contains(page, "No content has all of these words") {
		t.Error("a search without results does not say so")
	}
}

func TestTheScriptGetsTheLinkAsTheAPIGivesIt(t *testing.T) {
	t.Parallel()
	s, e, _ := repSite(t)
	made := ingest.Share{URL: "https://go.example.com/c/kabc", HTML: `<a href="https://go.example.com/c/kabc">A &amp; B</a>`, Text: "A & B", Warnings: []string{"no need?"}}
	s.source.Share = func(context.Context, ingest.ShareRequest) (ingest.Share, error) { return made, nil }
	for _, to := range []string{"/share", "/content/x/share"} {
		q := httptest.NewRequestWithContext(t.Context(), "POST", to, strings.NewReader("content=x"))
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		q.Header.Set("Accept", "application/json")
		r := httptest.NewRecorder()
		e.ServeHTTP(r, q)
		var got ingest.Share
		if err := json.Unmarshal(r.Body.Bytes(), &got); err != nil || r.Code != http.StatusCreated || got.HTML != made.HTML || got.URL != made.URL || got.Text != made.Text || !slices.Equal(got.Warnings, made.Warnings) {
			t.Errorf("%s answers %d %s", to, r.Code, r.Body)
		}
	}
}

func TestARepSeesWhoDidWhatWithTheLatestLinks(t *testing.T) {
	t.Parallel()
	db := readCompany(t)
	_, e, rep := repSite(t)
	links, err := db.RepShares(t.Context(), rep, today, store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if len(links) == 0 {
		t.Fatal("the rep made no links: the test tests nothing")
	}
	page := read(t, e, "/share")
	if n := strings.Count(page, `data-l="Made"`); n != len(links) {
		t.Errorf("%d links are shown of %d", n, len(links))
	}
	answered := 0
	for _, l := range links {
		for _, address := range slices.Concat(l.Contacts, l.ClickedBy, l.RepliedBy) {
			if !strings.Contains(page, `href="`+join("contacts", address)+"?") {
				t.Errorf("the page has no link to %s", address)
			}
		}
		if !l.Replied.IsZero() {
			answered++
		}
	}
	if answered > 0 && !strings.Contains(page, `<td class="strong" data-l="Replied"><time`) {
		t.Error("replies are not shown")
	}
	rows := readCSV(t, e, "/share?format=csv&agents=all")
	if len(rows) != len(links)+1 || rows[1][0] != string(links[0].Share) {
		t.Errorf("the CSV has %d rows and begins with %q", len(rows), rows[1])
	}
	// With nobody signed in, the page asks who looks.
	_, open := newSite(t, db, nil)
	if page := read(t, open, "/share"); strings.Contains(page, "Your latest links") || !strings.Contains(page, `name="rep"`) {
		t.Error("the page does not ask for the rep's address")
	}
	if page := read(t, open, "/share?rep="+rep); !strings.Contains(page, "Your latest links") {
		t.Error("the rep who is named sees no links")
	}
}

func TestSeveralPeopleAreOneOfN(t *testing.T) {
	t.Parallel()
	s, e, _ := repSite(t)
	many := []string{"a@x.example", "b@x.example", "c@x.example", "d@x.example"}
	s.source.Shares = func(context.Context, string, time.Time, store.Filter) ([]trail.ShareRow, error) {
		return []trail.ShareRow{
			{Share: "s1", At: today, Content: "deck", Contacts: many, Clicks: 2, Clicked: today, ClickedBy: many},
			{Share: "s2", At: today, Content: "deck", Contacts: many[:2], Clicks: 1, Clicked: today, ClickedBy: many[:2], Replied: today, RepliedBy: many[:1]},
			{Share: "s3", At: today, Content: "deck", Contacts: []string{"5fipl2udo6xin5glqkjcq4dj6q"}},
		}, nil
	}
	page := read(t, e, "/share")
	for _, part := range []string{"<summary>4 people</summary>", "<summary>one of 4 people</summary>", `<span class="oneof">one of</span> <a href="/contacts/a@x.example`, "no longer known", `<option value="d@x.example">`} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %s", part)
		}
	}
	if strings.Contains(page, "/contacts/5fipl") {
		t.Error("who was erased has a link")
	}
	// Whoever looks for something does not wait for that.
	s.source.Shares = func(context.Context, string, time.Time, store.Filter) ([]trail.ShareRow, error) {
		return nil, trail.Problemf(trail.Invalid, "This takes long.")
	}
	if found := titles(read(t, e, "/share?q=product+minutes")); len(found) != 1 {
		t.Errorf("found are %q", found)
	}
}

func TestBrowsersLearnTheSearch(t *testing.T) {
	t.Parallel()
	for public, want := range map[string]string{
		"https://go.example.com": "https://reps.example.com:8443/share?q={searchTerms}", "http://localhost:8080": "http://reps.example.com:8443/share?q={searchTerms}",
	} {
		_, e := newSite(t, storetest.Open(t), func(s *Site) {
			s.PublicURL = public
			s.SignedIn = func(echo.Context) string { return "" } // nobody need be
		})
		q := httptest.NewRequestWithContext(t.Context(), "GET", "/opensearch.xml", nil)
		q.Host = "reps.example.com:8443"
		q.Header.Set("X-Forwarded-Host", "evil.example")
		r := httptest.NewRecorder()
		e.ServeHTTP(r, q)
		var d struct {
			XMLName   xml.Name `xml:"http://a9.com/-/spec/opensearch/1.1/ OpenSearchDescription"`
			ShortName string
			URL       struct {
				Type     string `xml:"type,attr"`
				Template string `xml:"template,attr"`
			} `xml:"Url"`
		}
		if err := xml.Unmarshal(r.Body.Bytes(), &d); err != nil {
			t.Fatal(err)
		}
		if r.Header().Get("Content-Type") != "application/opensearchdescription+xml" || d.ShortName != "dealtrail" || d.URL.Type != "text/html" || d.URL.Template != want {
			t.Errorf("%s describes %+v", r.Header().Get("Content-Type"), d)
		}
		if body := get(t, e, "/signin").Body.String(); !strings.Contains(body, `rel="search" type="application/opensearchdescription+xml"`) {
			t.Error("pages do not tell of it")
		}
	}
}
