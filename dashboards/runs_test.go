package dashboards

import (
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"dealtrail/attribution"
	"dealtrail/dashboards/browsertest"
	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

// reckoned is a company with two runs at the usual level: before the second an amount changed, and a click came late.
func reckoned(t *testing.T) (db *store.DB, runs []trail.Run, deal string) {
	t.Helper()
	db = openCompany(t)
	ctx, since := t.Context(), today.Add(time.Hour)
	rows, err := db.Deals(ctx, store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	var won []string
	for _, d := range rows {
		if d.Status == "won" {
			won = append(won, d.ID)
		}
	}
	states, err := db.States(ctx, trail.DealKind, won)
	if err != nil {
		t.Fatal(err)
	}
	before := states[won[0]]
	amount := trail.Registration("csv", trail.DealKind, won[0], before, before.With(map[string]string{"amount": "123456.78"}), since)
	closed, err := time.Parse(time.RFC3339, states[won[1]].Attrs["closed_at"])
	if err != nil {
		t.Fatal(err)
	}
	click := trail.Event{ID: trail.IDFrom(closed.Add(-time.Hour), "test", "late"), Kind: trail.Clicked, Source: "csv", At: closed.Add(-time.Hour), ReceivedAt: since, Content: synth.Popular, Contact: "somebody", Deal: won[1]}
	if err := db.InsertEvents(ctx, []trail.Event{amount, click}); err != nil {
		t.Fatal(err)
	}
	j := newJob(db)
	j.Now = func() time.Time { return today.Add(2 * time.Hour) }
	if _, err := j.Once(ctx, attribution.Request{}); err != nil {
		t.Fatal(err)
	}
	if runs, err = db.RunPage(ctx, "", 10); err != nil || len(runs) != 2 {
		t.Fatal(runs, err)
	}
	return db, runs, won[0]
}

func TestTheRunsAndWhatChangedBetweenThemAreOnPages(t *testing.T) {
	t.Parallel()
	db, runs, deal := reckoned(t)
	_, e := newSite(t, db, func(s *Site) { s.Names = &ingest.RepNames{Mode: trail.RepsByName} }) // who may see numbers by owner
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script(?: defer)?>`)
	says := func(page string, words ...string) {
		t.Helper()
		body := html.UnescapeString(read(t, e, page))
		for _, w := range words {
			if !strings.Contains(body, w) {
				t.Errorf("%s does not say %q", page, w)
			}
		}
		if found := inline.FindString(body); found != "" {
			t.Errorf("%s holds %q, which the policy refuses", page, found)
		}
	}
	older, newer := runs[1].ID, runs[0].ID
	says("/runs", `id="r-`+newer+`"`, `href="/runs/previous/diff/`+newer+`"`, "likely people, deals closed at any time", "a person", "currency EUR")
	diff := "/runs/" + older + "/diff/" + newer
	says(diff, "Why did the numbers change?", "Amounts or rates changed", "Events that came late", "What went in", "Settings and version are the same", "add up to the change")
	says("/runs/previous/diff/newest?model=linear&agents=likely", "Amounts or rates changed", `href="`+diff+`?agents=likely&model=linear"`)
	says(diff+"?by=owner&cause=amount", "The deals behind it: Amounts or rates changed", `href="/deals/`+deal, "Its value is 123456.78 EUR; before, it was")
	says(diff+"?cause=late_events&key="+synth.Popular, "One touch of its path was received", "came in: Link clicked")
	says(diff+"?cause=deal_gone", "No deal has this cause")
	rows := readCSV(t, e, diff+"?cause=amount&format=csv")
	if len(rows) < 2 || rows[1][0] != deal || rows[1][3] != "amount" {
		t.Errorf("%v", rows)
	}
	if rows := readCSV(t, e, "/runs?format=csv"); len(rows) != 3 || rows[1][0] != newer {
		t.Errorf("%v", rows)
	}
	for page, want := range map[string]int{"/runs/" + older + "/diff/" + older: http.StatusBadRequest, "/runs/X/diff/" + newer: http.StatusNotFound, diff + "?model=best": http.StatusBadRequest, diff + "?by=colour": http.StatusBadRequest} {
		if r := get(t, e, page); r.Code != want {
			t.Errorf("%s answers %d, want %d", page, r.Code, want)
		}
	}
	fits(t, e, "/runs", diff+"?cause=late_events", diff)
}

// fits looks whether pages fit a browser, wide and narrow.
func fits(t *testing.T, e http.Handler, pages ...string) {
	t.Helper()
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	ctx := browsertest.Open(t)
	console := listen(ctx)
	for _, width := range []int64{1280, 390} {
		size := chromedp.EmulateViewport(width, 900)
		if width == 390 {
			size = chromedp.EmulateViewport(width, 844, chromedp.EmulateMobile)
		}
		if err := chromedp.Do(ctx, size); err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			visit(t, ctx, server.URL+page)
			if over := evaluate[string](t, ctx, overflow); over != "" {
				t.Errorf("%s at %d: reaches beyond the page: %s", page, width, over)
			}
		}
	}
	if all := console.take(); len(all) > 0 {
		t.Errorf("the console says %q", all)
	}
}

func TestARunUnderWayShowsItsStepAndIsStopped(t *testing.T) {
	t.Parallel()
	db := loadCompany(t)
	_, e := newSite(t, db, nil)
	id := trail.NewID(today).String()
	state := func(state, note string) {
		t.Helper()
		if err := db.Exec(t.Context(), "INSERT INTO run_steps (run, at, state, step, done, of, request, note) VALUES ('"+id+"', '2026-11-23 07:59:00', '"+state+"', 1, 1, 4, '{\"agents\":\"strict\"}', '"+note+"')"); err != nil {
			t.Fatal(err)
		}
	}
	if body := read(t, e, "/runs"); !strings.Contains(body, "Nothing was calculated yet") || strings.Contains(body, "refresh") {
		t.Error("an empty installation does not say so")
	}
	state("running", "find the paths")
	body := read(t, e, "/runs")
	for _, w := range []string{"Calculating: surely people, deals closed at any time", "Step 2 of 5: find the paths, 1 of 4 parts", `width="25.00%"`, `action="/runs/` + id + `/stop"`, `http-equiv="refresh"`} {
		if !strings.Contains(body, w) {
			t.Errorf("the page does not say %q", w)
		}
	}
	if r := post(t, e, "/runs/"+id+"/stop", nil); r.Code != http.StatusSeeOther || r.Header().Get("Location") != "/runs?stopped=1" {
		t.Errorf("stopping answers %d to %q", r.Code, r.Header().Get("Location"))
	}
	if body := read(t, e, "/runs?stopped=1"); !strings.Contains(body, "Asked to stop") || !strings.Contains(body, "Stopping: surely people") {
		t.Error("the page does not say that it is being stopped")
	}
	state("failed", "divide the won deals: no room")
	if body := read(t, e, "/runs"); !strings.Contains(body, "no room") || strings.Contains(body, "/stop") {
		t.Error("the page does not say why it failed")
	}
	if r := post(t, e, "/runs/"+id+"/stop", nil); r.Code != http.StatusNotFound {
		t.Errorf("stopping what has ended answers %d", r.Code)
	}
}
