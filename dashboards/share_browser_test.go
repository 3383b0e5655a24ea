package dashboards

import (
	"context"
	"net/http"
	"net/http/httptest"
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
	"dealtrail/trail"
)

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
	given := map[string]bool{} // each copy is a link of its own, so that each mail is told apart
	check := func(how string) {
		t.Helper()
		waitFor(t, ctx, how+": the page says that the link is copied", `document.getElementById("said").textContent.startsWith("Copied")`)
		links, images, text, plain := pasted(t, ctx, server)
		link := plain
		if given[link] || !strings.HasPrefix(link, server+"/c/") {
			t.Errorf("%s: the text that is copied is %q, want a link of its own", how, link)
		}
		given[link] = true
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
	waitFor(t, ctx, "the link is ready for Ctrl-C", `(f => f?.id === "url" && f.value.slice(f.selectionStart, f.selectionEnd).startsWith("`+server+`/c/"))(document.activeElement)`)
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
