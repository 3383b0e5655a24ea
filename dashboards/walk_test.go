package dashboards

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"dealtrail/dashboards/browsertest"
	"dealtrail/trail/synth"
)

// walkedPages lists the addresses of all pages: over the made-up company, then those
// with the longest that people, mail and settings may make them show.
func walkedPages(t *testing.T) (all []string) {
	t.Helper()
	sends, stop, _ := sending(t, longRep)
	d := wonDeal(t)
	for _, s := range []struct {
		site  http.Handler
		pages []string
	}{
		{readSite(t), []string{
			"/", "/?kind=video&since=2026-10-01", "/content/" + synth.Popular, "/content/compare?a=" + synth.Popular + "&b=" + synth.Best, "/content/new", "/content/found", "/lift", "/lift/" + synth.Best, "/holdouts", "/lists",
			"/why?content=" + synth.Popular, "/deals", "/deals/" + d.ID, "/contacts/" + d.Contacts[0].Address, "/accounts/" + d.Domain, "/reps", "/review?week=2026-W47", "/send", "/send?stage=Demo", "/send?deal=" + d.ID, "/share?q=product",
			"/requests", "/notes", "/numbers", "/month?month=2026-10", "/baseline", "/dictionary", "/models", "/status", "/quality", "/runs", "/start", "/signin?code=abc", "/demo", "/own-data",
		}},
		{askedSite(t), []string{"/requests", "/notes", "/content/faq", "/deals/D-1"}},
		{mailSite(t), []string{"/connect?for=" + longRep, "/connect?mailbox=parked", "/baseline", "/content/found", "/status"}},
		{sends, []string{"/outbox", stop.Path(longRep)}},
		{agreedSite(t), []string{"/numbers", "/month?month=2026-10", "/status", "/start"}},
	} {
		server := httptest.NewServer(s.site)
		t.Cleanup(server.Close)
		for _, p := range s.pages {
			all = append(all, server.URL+p)
		}
	}
	return all
}

// show sets the browser's window and theme.
func show(t *testing.T, ctx context.Context, width int64, theme string) {
	t.Helper()
	size := chromedp.EmulateViewport(width, 900)
	if width == 390 {
		size = chromedp.EmulateViewport(width, 844, chromedp.EmulateMobile)
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, size); err != nil {
		t.Fatal(err)
	}
}

// axe returns the text of axe-core, which is for tests alone: nothing serves it.
func axe(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("axe-core is missing, run `make deps`: %v", err)
	}
	return string(text)
}

// barriers runs axe on the page that is shown and returns what it finds serious or
// critical; only are the rules to run, none means all.
func barriers(t *testing.T, ctx context.Context, axe string, only string) []string {
	t.Helper()
	if evaluate[bool](t, ctx, `typeof window.axe === "undefined"`) {
		evaluate[bool](t, ctx, axe+";true")
	}
	options := `{resultTypes: ["violations"]` + only + `}`
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`axe.run(document, `+options+`).then(r => r.violations.filter(v => ["serious", "critical"].includes(v.impact)).flatMap(v => v.nodes.slice(0, 3).map(n =>
		v.id + " at " + n.target.join(" ") + ": " + n.any.concat(n.all, n.none).map(c => c.message).join("; ") + " " + n.html.slice(0, 200))))`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestEveryPageIsWalked(t *testing.T) {
	t.Parallel()
	pages := walkedPages(t)
	axe := axe(t)
	ctx := browsertest.Open(t)
	console := listen(ctx)
	for _, width := range []int64{1280, 390} {
		for _, address := range pages {
			show(t, ctx, width, "light")
			visit(t, ctx, address)
			where := address[strings.Index(address[8:], "/")+8:]
			for _, b := range barriers(t, ctx, axe, "") {
				t.Errorf("%s at %d: %s", where, width, b)
			}
			show(t, ctx, width, "dark")
			for _, b := range barriers(t, ctx, axe, `, runOnly: ["color-contrast"]`) {
				t.Errorf("%s at %d, dark: %s", where, width, b)
			}
			if over := evaluate[string](t, ctx, overflow); over != "" {
				t.Errorf("%s at %d: reaches beyond the page: %s", where, width, over)
			}
		}
	}
	if all := console.take(); len(all) > 0 {
		t.Errorf("the console says %q", all)
	}
}
