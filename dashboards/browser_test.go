package dashboards

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"dealtrail/dashboards/browsertest"
	"dealtrail/trail/synth"
)

// complaints collects what the browser's console says: errors, warnings and
// violations of the content security policy.
type complaints struct {
	mu  sync.Mutex
	all []string
}

func listen(ctx context.Context) *complaints {
	c := &complaints{}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			c.mu.Lock()
			c.all = append(c.all, m.String())
			c.mu.Unlock()
		}
	}()
	return c
}

func (c *complaints) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.all
	c.all = nil
	return all
}

func evaluate[T any](t *testing.T, ctx context.Context, script string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return v
}

func visit(t *testing.T, ctx context.Context, url string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
}

func TestPagesFitABrowserWideAndNarrow(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(readSite(t))
	t.Cleanup(server.Close)
	mail := httptest.NewServer(mailSite(t)) // the pages of what mail says, with the longest that they may have to show
	t.Cleanup(mail.Close)
	asked := httptest.NewServer(askedSite(t)) // with the longest that people may write
	t.Cleanup(asked.Close)
	sends, stop, _ := sending(t, longRep)
	sent := httptest.NewServer(sends)
	t.Cleanup(sent.Close)
	ctx := browsertest.Open(t)
	console := listen(ctx)
	d := wonDeal(t)
	pages := []string{"/", "/content/" + synth.Popular, "/content/new", "/deals", "/deals/" + d.ID, "/contacts/" + d.Contacts[0].Address, "/accounts/" + d.Domain,
		"/why?content=" + synth.Popular, "/reps", "/lists", "/content/compare?a=" + synth.Popular + "&b=" + synth.Best, "/?kind=video&since=2026-10-01", "/review?week=2026-W47", "/requests", "/notes", "/send", "/send?stage=Demo", "/send?deal=" + d.ID, asked.URL + "/requests", asked.URL + "/notes", asked.URL + "/content/faq", asked.URL + "/deals/D-1", "/status", "/quality", "/signin?code=abc", "/start", "/models", "/demo", "/own-data",
		mail.URL + "/connect?for=" + longRep, mail.URL + "/connect?mailbox=parked", mail.URL + "/baseline", mail.URL + "/content/found", mail.URL + "/status", sent.URL + "/outbox", sent.URL + stop.Path(longRep)}
	resize := func(width int64) {
		size := chromedp.EmulateViewport(width, 900)
		if width == 390 {
			size = chromedp.EmulateViewport(width, 844, chromedp.EmulateMobile)
		}
		if err := chromedp.Do(ctx, size); err != nil {
			t.Fatal(err)
		}
	}
	for _, width := range []int64{1280, 390} {
		resize(width)
		for _, page := range pages {
			if !strings.HasPrefix(page, "http") {
				page = server.URL + page
			}
			visit(t, ctx, page)
			if over := evaluate[string](t, ctx, overflow); over != "" {
				t.Errorf("%s at %d: reaches beyond the page: %s", page, width, over)
			}
		}
		visit(t, ctx, server.URL)
		if n := evaluate[int](t, ctx, `document.querySelectorAll(".plot svg path").length`); n < 10 {
			t.Errorf("at %d the chart has %d marks", width, n)
		}
	}
	for _, width := range []int64{1280, 390} {
		resize(width)
		visit(t, ctx, server.URL)
		if err := chromedp.Do(ctx, chromedp.Click(chromedp.ID("theme"))); err != nil {
			t.Fatal(err)
		}
		if n := evaluate[int](t, ctx, `document.querySelectorAll(".plot svg path").length`); n < 10 {
			t.Errorf("in the other theme at %d the chart has %d marks", width, n)
		}
	}
	visit(t, ctx, server.URL)
	if theme := evaluate[string](t, ctx, `document.documentElement.dataset.theme || "none"`); theme != "light" && theme != "dark" {
		t.Errorf("the chosen theme is forgotten: %s", theme)
	}
	if outline := evaluate[string](t, ctx, `document.querySelector(".skip").focus(), getComputedStyle(document.querySelector(".skip")).left`); outline != "4px" {
		t.Errorf("the skip link stays hidden when focused: left %s", outline)
	}
	visit(t, ctx, server.URL+"/reps")
	if n := evaluate[int](t, ctx, `document.querySelectorAll("main th a, main th button").length`); n > 0 {
		t.Errorf("reps can be sorted into a league table: %d ways", n)
	}
	if all := console.take(); len(all) > 0 {
		t.Errorf("the console says %q", all)
	}
	// What the policy refuses does reach the console: the silence above means something.
	evaluate[bool](t, ctx, `document.body.setAttribute("style", "color: red"), true`)
	for len(console.take()) == 0 {
		if ctx.Err() != nil {
			t.Fatal("the console does not tell of a violation of the policy")
		}
		evaluate[bool](t, ctx, `true`)
	}
}

// overflow names an element that is wider than the page, or "".
const overflow = `(() => {
	const width = document.documentElement.clientWidth;
	if (document.documentElement.scrollWidth <= width) return "";
	for (const e of document.querySelectorAll("body *")) {
		const box = e.getBoundingClientRect();
		if (box.right > width + 1 && box.width > 0) return e.outerHTML.slice(0, 200);
	}
	return "unknown";
})()`

func TestPagesWorkWithoutScripts(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(readSite(t))
	t.Cleanup(server.Close)
	ctx := browsertest.Open(t)
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	visit(t, ctx, server.URL)
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.WaitNotVisible(chromedp.CSS(".chart")), chromedp.WaitVisible(chromedp.CSS("table.data tfoot .total"))); err != nil {
		t.Errorf("without scripts the table is not there or the empty chart is: %v", err)
	}
}
