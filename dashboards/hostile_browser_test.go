package dashboards

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dealtrail/attribution"
	"dealtrail/dashboards/browsertest"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

// markup is what nobody may get a page to take for a part of itself, whether it stands in
// a text, an attribute, a script's data, a style or a field of a form.
const markup = `"'>` + "`" + `</textarea></title></script></style><b data-taken></b><img src=/taken onerror=window.taken=1><svg onload=window.taken=1><script>window.taken=1</script>{{7*7}}`

// taken lists what a page took for a part of itself.
const taken = `[
	...[...document.querySelectorAll("[data-taken], [onload], [onerror], script:not([src]):not([type='application/json'])")].map(e => "element " + e.outerHTML.slice(0, 80)),
	...[...document.querySelectorAll("[href], [src], [action]")].filter(e => /^\s*(javascript|data|vbscript):/i.test(e.getAttribute("href") || e.getAttribute("src") || e.getAttribute("action"))).map(e => "address " + e.outerHTML.slice(0, 80)),
	...(window.taken ? ["a script ran"] : []),
	...(document.body.textContent.includes("49") && document.body.textContent.includes("</script>49") ? ["a template was filled in"] : [])]`

// hostileEvents is a small company in which everybody who may write a text wrote markup:
// in CRM and files, by form, and by the name that a mail gives its writer.
func hostileEvents(t *testing.T) (all []trail.Event, deal *synth.Deal, list string) {
	t.Helper()
	c := synth.New(synth.Options{Seed: 1, End: today, Contacts: contactKey, Contents: 6, Deals: 12, Reps: 2})
	texts := []string{"title", "kind", "persona", "tags", "version", "account", "role", "name", "loss_reason", "source", "stage", "file_name", "consent_basis"}
	for _, e := range c.Events() {
		if e.Attrs = maps.Clone(e.Attrs); e.Kind == trail.ContentKind || e.Kind == trail.ContactKind || e.Kind == trail.DealKind {
			for _, name := range texts {
				if v := e.Attrs[name]; v != "" {
					e.Attrs[name] = v + markup
				}
			}
			if e.Kind == trail.ContentKind {
				e.Attrs["url"], e.Attrs["cost"], e.Attrs["currency"] = "javascript:window.taken=1//"+markup, "1", "EUR"
			}
		}
		if e.Stage != "" {
			e.Stage += markup
		}
		if e.Person != nil {
			who := *e.Person
			who.Name, who.Title = who.Name+markup, markup
			e.Person = &who
		}
		all = append(all, e)
	}
	i := slices.IndexFunc(c.Deals, func(d *synth.Deal) bool { return d.Status == "open" && len(d.Contacts) > 0 })
	deal = c.Deals[i]
	must := func(e trail.Event, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	at, rep := today.Add(-time.Hour), deal.Owner.Address
	e, q, err := trail.Request{Rep: rep, Text: markup, Deal: deal.ID, Stage: "Demo" + markup, Persona: markup[:150]}.Event("ui", at)
	must(e, err)
	e, _, err = trail.Answer{Request: q.ID, By: rep, Text: markup, Content: synth.Popular}.Event(q, "ui", at.Add(time.Minute))
	must(e, err)
	e, _, err = trail.Note{Rep: rep, Text: markup, Content: synth.Popular, Deal: deal.ID}.Event("ui", at)
	must(e, err)
	e, _, err = trail.Goal{Measure: "won_deals", Period: "2026-Q4", Target: "9", Sales: markup[:150], Marketing: markup[:150], By: rep, Note: markup[:150]}.Event(nil, 2, "ui", at)
	must(e, err)
	kept, l, err := trail.LeadList{Name: markup[:150], By: rep, How: markup}.Events([]trail.ContactID{deal.Contacts[0].ID}, "ui", at)
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, kept...)
	d, err := trail.NewDecision("2026-W47", "", deal.ID)
	d.Needs, d.Reason, d.Text, d.Owner, d.Quality = markup, markup, markup, markup, "good"
	must(d.Event("ui", rep, at), err)
	return all, deal, l.ID.String()
}

// TestWhatPeopleWroteIsEscaped shows a company that writes markup wherever it can on every
// page that shows it, in a browser: no script runs, no element comes of it, and the policy
// has nothing to stop.
func TestWhatPeopleWroteIsEscaped(t *testing.T) {
	t.Parallel()
	events, deal, list := hostileEvents(t)
	db := storetest.Open(t)
	if err := db.InsertEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	site, e := newSite(t, db, func(s *Site) {
		s.Status = func(context.Context) (trail.Status, error) {
			return trail.Status{Trouble: []string{markup}, Mailboxes: []trail.MailboxStatus{{Name: markup, Rep: markup, State: "parked", Reason: markup, SentFolder: markup}}}, nil
		}
	})
	site.source.Sighted = func(context.Context, time.Time, store.Filter) ([]trail.SightedRow, error) {
		rows := longFound(today)
		for i := range rows {
			rows[i].Name, rows[i].URL = markup, "javascript:window.taken=1//"+markup
		}
		return rows, nil
	}
	if _, err := newJob(db).Once(t.Context(), attribution.Request{}); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/taken" {
			asked.Add(1)
		}
		if q.URL.Query().Get("format") == "html" { // as somebody opens the file, without what the server says of it
			r := get(t, e, q.URL.String())
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Write(r.Body.Bytes())
			return
		}
		e.ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)
	ctx := browsertest.Open(t)
	console := listen(ctx)
	shown := 0
	for _, page := range []string{
		"/", "/content/" + synth.Popular, "/content/compare?a=" + synth.Popular + "&b=" + synth.Best, "/content/new", "/content/found", "/deals", "/deals/" + deal.ID, "/contacts/" + deal.Contacts[0].Address,
		"/accounts/" + deal.Domain, "/reps", "/review?week=2026-W47", "/review?week=2026-W47&format=html", "/send?deal=" + deal.ID, "/share?q=" + url.QueryEscape("product"), "/why?content=" + synth.Popular, "/requests", "/notes", "/numbers",
		"/lists?list=" + list, "/lift", "/quality", "/runs", "/status", "/start", "/month?month=2026-11",
		// What comes with the address.
		"/?kind=" + url.QueryEscape(markup), "/requests?q=" + url.QueryEscape(markup), "/notes?q=" + url.QueryEscape(markup), "/share?q=" + url.QueryEscape(markup), "/signin?next=" + url.QueryEscape("/"+markup) + "&code=" + url.QueryEscape(markup),
		"/content/" + url.PathEscape(markup), "/deals/" + url.PathEscape(markup), "/accounts/" + url.PathEscape(markup), "/contacts/" + url.PathEscape(markup),
	} {
		visit(t, ctx, server.URL+page)
		if page == "/" {
			// What a chart says of a dot comes with the pointer alone.
			tip := evaluate[string](t, ctx, `(() => {
				const plot = document.querySelector("[data-chart]"), chart = echarts.getInstanceByDom(plot), of = () => [...plot.querySelectorAll("text")].map(e => e.textContent).join(" ");
				const before = of();
				chart.dispatchAction({ type: "showTip", seriesIndex: 2, dataIndex: 0 });
				chart.getZr().flush();
				return of().slice(before.length);
			})()`)
			if !strings.Contains(tip, "data-taken") || !strings.Contains(tip, " deals") {
				t.Errorf("the chart's tooltip says %q", tip)
			}
		}
		if found := evaluate[[]string](t, ctx, taken); len(found) > 0 {
			t.Errorf("%.80s: %q", page, found)
		}
		if evaluate[bool](t, ctx, `document.documentElement.outerHTML.includes("data-taken")`) {
			shown++
		}
	}
	// What is on no page was not shown to be harmless.
	if shown < 20 {
		t.Errorf("only %d pages show what was written", shown)
	}
	all := slices.DeleteFunc(console.take(), func(line string) bool { return strings.HasSuffix(line, "404 (Not Found)") }) // of the last four pages
	if len(all) > 0 {
		t.Errorf("the console says %q", all[:min(len(all), 5)])
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("the browser asked %d times for what the markup names", n)
	}
}
