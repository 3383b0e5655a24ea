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
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/labstack/echo/v4"

	"dealtrail/dashboards/browsertest"
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
	for _, part := range []string{`autofocus form="finder" formmethod="post" name="content" value="` + synth.Popular + `"`, `name="to" value="anna@acme.example"`, `name="deal" value="D-1"`, `aria-current="page">Share<`} {
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

// sharing is a real site on a real port, whose rep is signed in and whose
// registry makes links with a pixel. /mail is where a mail is written.
func sharing(t testing.TB, contents map[string]string) (address string) {
	t.Helper()
	_, reg := registering(t)
	keys, err := trail.ParseKeys(trail.NewKey('a'))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	reg.Keys, reg.PublicURL, reg.AllowLocal = keys, server.URL, true
	reg.MayEmbed = func(map[trail.ContactID]string) bool { return true }
	for id, title := range contents {
		if _, err := reg.Register(t.Context(), id, map[string]string{"title": title, "url": "https://www.example.com/" + id}, "ui"); err != nil {
			t.Fatal(err)
		}
	}
	reg.state("") // what was registered is visible
	_, e := newSite(t, reg.DB, func(s *Site) {
		s.Registry, s.SignedIn = reg.Registry, func(echo.Context) string { return "rita@vendor.example" }
	})
	mux.Handle("/", e)
	mux.HandleFunc("/o/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("/mail", func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`<!doctype html><title>A mail</title><link rel="icon" href="data:,"><div id="mail" contenteditable>Hello: </div><textarea id="plain"></textarea>`))
	})
	return server.URL
}

// waitFor waits until a script's expression is true.
func waitFor(t *testing.T, ctx context.Context, what, expression string) {
	t.Helper()
	for !evaluate[bool](t, ctx, expression) {
		if ctx.Err() != nil {
			t.Fatalf("still not: %s", what)
		}
	}
}

func press(t *testing.T, ctx context.Context, keys string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.KeyEvent(keys)); err != nil {
		t.Fatal(err)
	}
}

// find opens the finder as the address bar does, and waits for what a reader sees:
// that the first result's button has the focus.
func find(t *testing.T, ctx context.Context, server, query string) {
	t.Helper()
	visit(t, ctx, server+"/share?q="+query)
	waitFor(t, ctx, "the first result has the focus", `document.activeElement === document.querySelector("button[name=content]")`)
}

// pasted pastes into a new mail and returns what it holds: the links as text and
// target, the pictures, the words, and what the clipboard has as plain text.
func pasted(t *testing.T, ctx context.Context, server string) (links, images []string, text, plain string) {
	t.Helper()
	visit(t, ctx, server+"/mail")
	for _, field := range []string{"mail", "plain"} {
		evaluate[bool](t, ctx, `(f => { f.focus(); if (f.isContentEditable) getSelection().selectAllChildren(f), getSelection().collapseToEnd(); return true; })(document.getElementById("`+field+`"))`)
		paste := func(p *input.DispatchKeyEventParams) { p.Commands = []string{"paste"} } // what the browser's own keys do is not for pages to ask
		if err := chromedp.Do(ctx, chromedp.KeyEvent("v", chromedp.KeyModifiers(chromedp.ModifierCtrl), paste)); err != nil {
			t.Fatal(err)
		}
	}
	links = evaluate[[]string](t, ctx, `[...document.querySelectorAll("#mail a")].map(a => a.textContent + " > " + a.getAttribute("href"))`)
	images = evaluate[[]string](t, ctx, `[...document.querySelectorAll("#mail img")].map(i => i.getAttribute("src") + " " + i.width + "x" + i.height)`)
	return links, images, evaluate[string](t, ctx, `document.getElementById("mail").textContent.replace(/\s+/g, " ")`), evaluate[string](t, ctx, `document.getElementById("plain").value`)
}

func TestTwoKeystrokesCopyALinkThatPastesIntoAMail(t *testing.T) {
	t.Parallel()
	const title = `Prices & <terms>, "new"`
	server := sharing(t, map[string]string{"prices": title, "other": "Other prices"})
	ctx := browsertest.Open(t)
	console := listen(ctx)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	link := ""
	check := func(how string) {
		t.Helper()
		waitFor(t, ctx, how+": the page says that the link is copied", `document.getElementById("said").textContent.startsWith("Copied")`)
		links, images, text, plain := pasted(t, ctx, server)
		if link == "" {
			link = plain
		}
		if plain != link || !strings.HasPrefix(link, server+"/c/") {
			t.Errorf("%s: the text that is copied is %q, want the rep's link to it %q", how, plain, link)
		}
		token := strings.TrimPrefix(link, server+"/c/")
		if !slices.Equal(links, []string{title + " > " + link}) || !slices.Equal(images, []string{server + "/o/" + token + ".gif 1x1"}) || text != "Hello:"+title {
			t.Errorf("%s: the mail has %q, %q and reads %q", how, links, images, text)
		}
	}
	find(t, ctx, server, "prices") // the first: Enter in the address bar
	press(t, ctx, kb.Enter)        // the second
	check("Enter on the first result")

	find(t, ctx, server, "terms")
	evaluate[bool](t, ctx, `document.querySelector("[name=q]").focus(), true`)
	press(t, ctx, kb.Enter)
	check("Enter in the search box")

	find(t, ctx, server, "terms")
	evaluate[bool](t, ctx, `document.querySelector("[name=q]").focus(), document.querySelector("[name=q]").select(), true`)
	press(t, ctx, "other")
	press(t, ctx, kb.Enter)
	waitFor(t, ctx, "other words are searched for", `location.search.includes("q=other") && document.readyState === "complete"`)
	waitFor(t, ctx, "the first result has the focus", `document.activeElement.getAttribute("aria-label") === "Copy link to Other prices"`)

	// The page that a reader without scripts sees has buttons for those with.
	visit(t, ctx, server+"/content/prices")
	evaluate[bool](t, ctx, `document.querySelector("#share form").requestSubmit(), true`)
	waitFor(t, ctx, "the link is ready for Ctrl-C", `(f => f?.id === "url" && f.value.slice(f.selectionStart, f.selectionEnd) === "`+link+`")(document.activeElement)`)
	if err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS("[data-copy=html]"))); err != nil {
		t.Fatal(err)
	}
	check("the button of the snippet")
	if all := console.take(); len(all) > 0 {
		t.Errorf("the console says %q", all)
	}
}

// Where pages come over plain HTTP, browsers have no clipboard for scripts but the
// old one.
func TestALinkIsCopiedWithoutTheNewClipboard(t *testing.T) {
	t.Parallel()
	server := sharing(t, map[string]string{"prices": "Prices"})
	ctx := browsertest.Open(t)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	find(t, ctx, server, "prices")
	evaluate[bool](t, ctx, `Object.defineProperty(navigator, "clipboard", { value: undefined }), true`)
	press(t, ctx, kb.Enter)
	waitFor(t, ctx, "the page says that the link is copied", `document.getElementById("said").textContent.startsWith("Copied")`)
	links, _, _, plain := pasted(t, ctx, server)
	if len(links) != 1 || links[0] != "Prices > "+plain || !strings.HasPrefix(plain, server+"/c/") {
		t.Errorf("the mail has %q, the text is %q", links, plain)
	}
}

func TestTheFinderFitsAPhoneAndHoldsNothingInline(t *testing.T) {
	t.Parallel()
	s, e, _ := repSite(t)
	var refused atomic.Bool
	s.source.Share = func(context.Context, ingest.ShareRequest) (ingest.Share, error) {
		if refused.Load() {
			return ingest.Share{}, trail.Problemf(trail.Conflict, "Somebody else was faster.")
		}
		return ingest.Share{URL: "https://go.example.com/c/k", HTML: "<a>x</a>", Text: "x", Warnings: []string{"ben@vendor.example sent it."}}, nil
	}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	ctx := browsertest.Open(t)
	console := listen(ctx)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:`).FindString(read(t, e, "/share?q=case")); inline != "" {
		t.Errorf("the page holds %q", inline)
	}
	for _, size := range []chromedp.Action[chromedp.Void]{chromedp.EmulateViewport(1280, 900), chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile)} {
		if err := chromedp.Do(ctx, size); err != nil {
			t.Fatal(err)
		}
		for _, page := range []string{"/share", "/share?q=case", "/share?q=nothing+at+all"} {
			visit(t, ctx, server.URL+page)
			if over := evaluate[string](t, ctx, overflow); over != "" {
				t.Errorf("%s reaches beyond the page: %s", page, over)
			}
		}
	}
	if all := console.take(); len(all) > 0 {
		t.Errorf("the console says %q", all)
	}
	// What colleagues sent is told with the link; that there is none, too.
	find(t, ctx, server.URL, "case")
	press(t, ctx, kb.Enter)
	waitFor(t, ctx, "the page warns", `document.getElementById("said").innerText.replace(/\s+/g, " ") === "Copied: x ben@vendor.example sent it."`)
	refused.Store(true)
	press(t, ctx, kb.Enter)
	waitFor(t, ctx, "the page says what is wrong", `document.getElementById("said").className.includes("bad")`)
}
