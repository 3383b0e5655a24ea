package dashboards

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"dealtrail/dashboards/browsertest"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

// walker walks over pages in one browser.
type walker struct {
	*testing.T
	ctx     context.Context
	console *complaints
	axe     string   // axe-core, which is for tests alone: nothing serves it
	company string   // address of the made-up company's pages
	pages   []string // addresses of all pages
}

// walkedPages lists all pages: over the made-up company, then those with the longest
// that people, mail and settings may make them show.
func (w *walker) walkedPages() {
	sends, stop, _ := sending(w.T, longRep)
	d := wonDeal(w.T)
	crms, _, _ := crmSite(w.T)
	holdouts, holdout := holdoutSite(w.T)
	lists, list := listSite(w.T)
	for _, s := range []struct {
		site  http.Handler
		pages []string
	}{
		{readSite(w.T), []string{
			"/", "/?kind=video&since=2026-10-01", "/content/" + synth.Popular, "/content/compare?a=" + synth.Popular + "&b=" + synth.Best, "/content/new", "/content/found", "/lift", "/lift/" + synth.Best, "/holdouts", "/lists",
			"/why?content=" + synth.Popular, "/deals", "/deals/" + d.ID, "/contacts/" + d.Contacts[0].Address, "/accounts/" + d.Domain, "/reps", "/review?week=2026-W47", "/send", "/send?stage=Demo", "/send?deal=" + d.ID, "/share?q=product",
			"/requests", "/notes", "/numbers", "/month?month=2026-10", "/baseline", "/dictionary", "/models", "/status", "/quality", "/runs", "/start", "/signin?code=abc", "/demo", "/own-data",
			"/mailbox?rep=anna@us.example", "/budget",
		}},
		{askedSite(w.T), []string{"/requests", "/notes", "/content/faq", "/deals/D-1"}},
		{mailSite(w.T), []string{"/connect?for=" + longRep, "/connect?mailbox=parked", "/baseline", "/content/found", "/status", "/", "/review?week=2026-W47"}}, // nothing is there yet
		{sends, []string{"/outbox", stop.Path(longRep)}},
		{crms, []string{"/crm?crm=hubspot"}},
		{holdouts, []string{"/holdouts", holdout}},
		{lists, []string{list, "/contacts/a@us.example/erase"}},
		{accountSite(w.T), []string{"/people", "/access", "/me", "/signin"}},
		{agreedSite(w.T), []string{"/numbers", "/month?month=2026-10", "/dictionary", "/status", "/start"}},
	} {
		server := httptest.NewServer(remembering(s.site))
		w.Cleanup(server.Close)
		if w.company == "" {
			w.company = server.URL
		}
		for _, p := range s.pages {
			w.pages = append(w.pages, server.URL+p)
		}
	}
}

// holdoutSite is a site with a holdout that has drawn its deals.
func holdoutSite(t *testing.T) (e http.Handler, holdout string) {
	t.Helper()
	e, x, _ := experimenting(t, 4)
	answer := post(t, e, "/holdouts", url.Values{"content": {"roi"}, "part": {"0.5"}, "outcome": {"advance"}, "name": {strings.Repeat("W", 200)}})
	_, id, _ := strings.Cut(answer.Header().Get("Location"), "#h-")
	if _, err := x.Draw(t.Context()); err != nil || id == "" {
		t.Fatalf("%d %s: %v", answer.Code, answer.Body, err)
	}
	return e, "/holdouts/" + id
}

// listSite is a site with a list of leads, and where people can be erased.
func listSite(t *testing.T) (e http.Handler, list string) {
	t.Helper()
	e, _, _ = asking(t, func(s *Site) {
		s.Addresses = func(context.Context, string, io.Reader) ([]string, int, error) {
			return []string{"a@us.example"}, 1, nil
		}
		s.Erase = func(context.Context, string, string) (trail.Erasure, error) { return trail.Erasure{}, nil }
	})
	answer := uploadList(t, e, "/lists", strings.Repeat("W", 100), "leads.csv", "email")
	if answer.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	return e, answer.Header().Get("Location")
}

// show sets the browser's window and theme.
func (w *walker) show(width int64, theme string) {
	w.Helper()
	size := chromedp.EmulateViewport(width, 900)
	if width == 390 {
		size = chromedp.EmulateViewport(width, 844, chromedp.EmulateMobile)
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}}
	if _, err := chromedp.Call(w.ctx, emulation.SetEmulatedMedia, media); err != nil {
		w.Fatal(err)
	}
	if err := chromedp.Do(w.ctx, size); err != nil {
		w.Fatal(err)
	}
}

// where is an address without its server.
func where(address string) string {
	_, path, _ := strings.Cut(strings.TrimPrefix(address, "http://"), "/")
	return "/" + path
}

// barriers returns what axe finds wrong on the page that is shown; options narrow it
// down.
func (w *walker) barriers(options string) []string {
	w.Helper()
	if evaluate[bool](w.T, w.ctx, `typeof window.axe === "undefined"`) {
		evaluate[bool](w.T, w.ctx, w.axe+";true")
	}
	found, err := chromedp.Run(w.ctx, chromedp.Evaluate[[]string](`axe.run(document, {resultTypes: ["violations"]`+options+`}).then(r => r.violations.flatMap(v => v.nodes.slice(0, 3).map(n =>
		v.id + " at " + n.target.join(" ") + ": " + n.any.concat(n.all, n.none).map(c => c.message).join("; ") + " " + n.html.slice(0, 200))))`, chromedp.EvalAwaitPromise))
	if err != nil {
		w.Fatal(err)
	}
	return found
}

// shorter leaves the first rows of each table: the others have the same barriers, and
// axe takes its time for each.
const shorter = `document.querySelectorAll("tbody, ol, ul").forEach(e => [...e.children].slice(20).forEach(c => c.remove())), 1`

// unseen names what does not show that it has the focus: it needs an outline, or a
// rectangle of its own as marks in drawings have.
const unseen = `[...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")].filter(e => {
	if (!e.checkVisibility({ visibilityProperty: true }) || e.disabled) return false;
	e.focus({ preventScroll: true });
	const hit = e.querySelector(".hit");
	return document.activeElement !== e || (hit ? getComputedStyle(hit).stroke === "none" : getComputedStyle(e).outlineStyle === "none");
}).map(e => e.outerHTML.slice(0, 120)).slice(0, 5)`

// crowded names what is wider than its place in a card, and so covers what stands
// beside it. It is for a phone, where each row of a table is a card.
const crowded = `[...document.querySelectorAll("table.data :is(td, th), .tiles :is(dt, dd), .facts dd")].filter(e =>
	e.checkVisibility() && e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1).map(e => (e.dataset.l || e.className) + ": " + e.textContent.trim().slice(0, 80)).slice(0, 5)`

// said is all that the page says, to eyes or to screen readers: a line for each element
// without others in it, and one for the whole.
const said = `(() => {
	const all = [...document.querySelectorAll("body *")].filter(e => !e.closest("script, code, pre, kbd"));
	const lines = all.filter(e => !e.children.length).map(e => e.textContent);
	for (const name of ["title", "aria-label", "placeholder", "alt"]) lines.push(...all.map(e => e.getAttribute(name) || ""));
	const whole = document.body.cloneNode(true);
	whole.querySelectorAll("script, code, pre, kbd").forEach(e => e.remove());
	return [...new Set([...lines, whole.textContent].map(l => l.replace(/\s+/g, " ").trim()))];
})()`

// Words of programs that a page says in words of people: who counts is everyone, likely
// people or surely people; what has no content is called "no content seen".
var (
	programsWord = regexp.MustCompile(`(?i)\b(unattributed|strict|level=|agents=|ua_\w+)\b|\bNaN\b|undefined|%!\w?\(|<nil>|0001-01-01`)
	bareWord     = regexp.MustCompile(`^(all|likely|strict|human|proxy|scanner|self|unknown|null|true|false)$`)
)

// TestEveryPageIsWalked opens every page wide and narrow, light and dark, with and
// without scripts: nothing reaches beyond the page, nothing stands in anybody's way,
// and the browser has nothing to complain about.
func TestEveryPageIsWalked(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile("../node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("axe-core is missing, run `make deps`: %v", err)
	}
	w := &walker{T: t, ctx: browsertest.Open(t), axe: string(axe)}
	w.console = listen(w.ctx)
	w.walkedPages()
	for _, width := range []int64{1280, 390} {
		for _, address := range w.pages {
			w.walk(address, width)
		}
	}
	w.charts()
	w.keyboard()
	if all := w.console.take(); len(all) > 0 {
		t.Errorf("the console says %q", all)
	}
	// What the policy refuses does reach the console: the silence above means something.
	evaluate[bool](t, w.ctx, `document.body.setAttribute("style", "color: red"), true`)
	for len(w.console.take()) == 0 {
		if w.ctx.Err() != nil {
			t.Fatal("the console does not tell of a violation of the policy")
		}
		evaluate[bool](t, w.ctx, `true`)
	}
	w.withoutScripts()
}

// walk looks at one page in one width and both themes.
func (w *walker) walk(address string, width int64) {
	w.Helper()
	w.show(width, "light")
	visit(w.T, w.ctx, address)
	fits := func(how string) {
		w.Helper()
		if over := evaluate[string](w.T, w.ctx, overflow); over != "" {
			w.Errorf("%s at %d%s: reaches beyond the page: %s", where(address), width, how, over)
		}
		if width == 390 {
			for _, e := range evaluate[[]string](w.T, w.ctx, crowded) {
				w.Errorf("%s at %d%s: covers what stands beside it: %s", where(address), width, how, e)
			}
		}
	}
	fits("")
	for _, line := range evaluate[[]string](w.T, w.ctx, said) {
		if word := programsWord.FindString(line); word != "" || bareWord.MatchString(line) {
			w.Errorf("%s says %q, a program's word, in %.80q", where(address), word, line)
		}
	}
	evaluate[int](w.T, w.ctx, `document.querySelectorAll("details").forEach(d => d.open = true), 1`)
	fits(", all opened")
	evaluate[int](w.T, w.ctx, shorter)
	if width == 1280 { // all but colours and widths is the same on a phone
		w.press(kb.Tab) // browsers show the focus to who uses keys
		for _, e := range evaluate[[]string](w.T, w.ctx, unseen) {
			w.Errorf("%s: nothing shows that it has the focus: %s", where(address), e)
		}
		if n := evaluate[int](w.T, w.ctx, `[...document.querySelectorAll("table")].filter(t => getComputedStyle(t).display !== "table").length`); n > 0 {
			w.Errorf("%s: in %d tables the heads do not stand above their columns", where(address), n)
		}
		for _, b := range w.barriers("") {
			w.Errorf("%s at %d: %s", where(address), width, b)
		}
	}
	w.show(width, "dark")
	for _, b := range w.barriers(`, runOnly: ["color-contrast"]`) {
		w.Errorf("%s at %d, dark: %s", where(address), width, b)
	}
	fits(", dark")
}

func (w *walker) press(keys string) {
	w.Helper()
	if err := chromedp.Do(w.ctx, chromedp.KeyEvent(keys)); err != nil {
		w.Fatal(err)
	}
}

// charts looks for the chart's marks in both widths, also after the theme is switched,
// which the next page remembers.
func (w *walker) charts() {
	w.Helper()
	for _, width := range []int64{1280, 390} {
		w.show(width, "light")
		visit(w.T, w.ctx, w.company)
		for _, how := range []string{"", " in the other theme"} {
			if n := evaluate[int](w.T, w.ctx, `document.querySelectorAll(".plot svg path").length`); n < 10 {
				w.Errorf("at %d%s the chart has %d marks", width, how, n)
			}
			if err := chromedp.Do(w.ctx, chromedp.Click(chromedp.ID("theme"))); err != nil {
				w.Fatal(err)
			}
		}
	}
	visit(w.T, w.ctx, w.company+"/reps")
	if theme := evaluate[string](w.T, w.ctx, `document.documentElement.dataset.theme || "none"`); theme != "light" && theme != "dark" {
		w.Errorf("the chosen theme is forgotten: %s", theme)
	}
	if n := evaluate[int](w.T, w.ctx, `document.querySelectorAll("main th a:not(.term), main th button").length`); n > 0 {
		w.Errorf("reps can be sorted into a league table: %d ways", n)
	}
}

// keyboard goes with keys alone from page to page: the skip link, the header, the line
// below it, the filter, a row's link, and back.
func (w *walker) keyboard() {
	w.Helper()
	// to presses Tab until what has the focus is as the expression says.
	to := func(what, is string) {
		w.Helper()
		for range 60 {
			w.press(kb.Tab)
			if evaluate[bool](w.T, w.ctx, `!!(e => `+is+`)(document.activeElement)`) {
				return
			}
		}
		w.Fatalf("Tab does not lead to %s", what)
	}
	at := func(what, path string) {
		w.Helper()
		waitFor(w.T, w.ctx, what, `location.pathname + location.search.replace(/[?&](agents|model)=[^&]*/g, "") === "`+path+`" && document.readyState === "complete"`)
	}
	w.show(1280, "light")
	visit(w.T, w.ctx, w.company)
	w.press(kb.Tab)
	if left := evaluate[string](w.T, w.ctx, `document.activeElement.className + " " + getComputedStyle(document.activeElement).left`); left != "skip 4px" {
		w.Errorf("the first Tab leads to %q, not to a skip link that is seen", left)
	}
	w.press(kb.Enter)
	to("something within the content", `e.closest("main")`)
	if evaluate[bool](w.T, w.ctx, `document.activeElement.closest("main") !== document.querySelector("main :is(a, button, input, select)").closest("main")`) {
		w.Error("the skip link skips nothing")
	}
	visit(w.T, w.ctx, w.company)
	to("Deals in the header", `e.closest(".top nav") && e.textContent === "Deals"`)
	w.press(kb.Enter)
	at("Enter opens the deals", "/deals")
	to("Reps on the line below", `e.closest(".pages") && e.textContent === "Reps"`)
	w.press(kb.Enter)
	at("Enter opens the reps", "/reps")
	visit(w.T, w.ctx, w.company+"/deals")
	to("who counts", `e.name === "agents"`)
	w.press("E")
	waitFor(w.T, w.ctx, "a letter chooses and shows everyone", `location.search.includes("agents=all") && document.readyState === "complete"`)
	to("a deal's link", `e.closest("td.first")`)
	w.press(kb.Enter)
	waitFor(w.T, w.ctx, "Enter opens the deal, with what was chosen", `location.pathname.startsWith("/deals/") && location.search.includes("agents=all") && document.readyState === "complete"`)
	evaluate[int](w.T, w.ctx, `history.back(), 1`)
	waitFor(w.T, w.ctx, "back to the deals as they were", `location.pathname === "/deals" && document.querySelector("[name=agents]").value === "all"`)
	visit(w.T, w.ctx, w.company+"/numbers")
	evaluate[int](w.T, w.ctx, `document.querySelector("a.term").focus(), 1`)
	w.press(kb.Enter)
	waitFor(w.T, w.ctx, "Enter on a number leads to what it means", `document.querySelector("section.entry:target") !== null`)
}

// withoutScripts opens every page with scripts switched off: it is there, within the
// window, and an empty chart is not.
func (w *walker) withoutScripts() {
	w.Helper()
	w.show(390, "light")
	if _, err := chromedp.Call(w.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		w.Fatal(err)
	}
	for _, address := range slices.Backward(w.pages) {
		visit(w.T, w.ctx, address)
		got, err := chromedp.Call(w.ctx, page.GetLayoutMetrics, cdp.Empty{})
		if err != nil {
			w.Fatal(err)
		}
		if got.CSSContentSize.Width > 390 || got.CSSContentSize.Height < 200 {
			w.Errorf("%s without scripts is %v by %v", where(address), got.CSSContentSize.Width, got.CSSContentSize.Height)
		}
	}
	if err := chromedp.Do(w.ctx, chromedp.WaitNotVisible(chromedp.CSS(".chart")), chromedp.WaitVisible(chromedp.CSS("table.data tfoot .total"))); err != nil {
		w.Errorf("without scripts the table is not there or the empty chart is: %v", err)
	}
}
