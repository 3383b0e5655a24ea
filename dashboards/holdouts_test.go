package dashboards

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// experimenting is a site over a company of open deals in one stage, at a time that
// the test moves.
func experimenting(t *testing.T, deals int) (*echo.Echo, *attribution.Holdouts, *time.Time) {
	t.Helper()
	db := storetest.Open(t)
	now := today
	x := &attribution.Holdouts{DB: db, Emit: func(ctx context.Context, events ...trail.Event) error {
		defer db.Wrote()
		return db.InsertEvents(ctx, events)
	}, Now: func() time.Time { return now }}
	events := []trail.Event{trail.Registration("csv", trail.ContentKind, "roi", trail.State{}, trail.State{Attrs: map[string]string{"title": "ROI calculator", "url": "https://www.example.com/roi"}}, today)}
	for i := range deals {
		events = append(events, trail.Registration("csv", trail.DealKind, fmt.Sprintf("D-%d", i), trail.State{}, trail.State{Attrs: map[string]string{"status": "open", "stage": "Demo"}}, today))
	}
	if err := db.InsertEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	layOut(t, db)
	_, e := newSite(t, db, func(s *Site) {
		s.Holdouts, s.Now = x, x.Now
		s.SignedIn = func(echo.Context) string { return "mia@lumen.example" }
	})
	return e, x, &now
}

func TestAHoldoutIsStartedReadAndEndedOnItsPage(t *testing.T) {
	t.Parallel()
	e, x, now := experimenting(t, 400)
	says := func(page string, wanted bool, words ...string) {
		t.Helper()
		body := html.UnescapeString(read(t, e, page))
		for _, w := range words {
			if strings.Contains(body, w) != wanted {
				t.Errorf("%s says %q: %v, want %v", page, w, !wanted, wanted)
			}
		}
	}
	says("/holdouts", true, "No holdout was started yet", "Start a holdout", `<option value="roi">ROI calculator`, "In Demo (400 open)", "only proof here, because chance, not people, chose")

	checkHoldoutForm(t, e)
	answer := post(t, e, "/holdouts", url.Values{"content": {"roi"}, "stage": {"Demo"}, "part": {"0.5"}, "outcome": {"advance"}, "name": {"Does the ROI <b>calculator</b> help?"}})
	if to := answer.Header().Get("Location"); answer.Code != http.StatusSeeOther || !strings.HasPrefix(to, "/holdouts?started=1#h-") {
		t.Fatalf("%d to %q", answer.Code, to)
	}
	if answer := post(t, e, "/holdouts", url.Values{"content": {"roi"}}); answer.Code != http.StatusUnprocessableEntity || !strings.Contains(answer.Body.String(), "is running since 2026-11-23") {
		t.Errorf("a second one: %d", answer.Code)
	}
	all, err := x.Readouts(t.Context(), store.Filter{})
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	h := all[0].Holdout
	says("/holdouts?started=1", true, "Started. Chance draws", "No deal was drawn yet", "by mia@lumen.example", "not enough data", "no number yet", "Nothing can be said yet")
	if body := read(t, e, "/holdouts"); strings.Contains(body, "<b>calculator") {
		t.Error("a name is taken for markup")
	}

	if n, err := x.Draw(t.Context()); n != 400 || err != nil {
		t.Fatal(n, err)
	}
	var events []trail.Event
	for i := range 400 {
		id := fmt.Sprintf("D-%d", i)
		held := h.Arm(id) == trail.HeldBack
		if !held && i%10 < 7 || held && i%10 < 2 {
			at := now.AddDate(0, 0, 7)
			events = append(events, trail.Event{ID: trail.IDFrom(at, "test", id), Kind: trail.Staged, Source: "csv", At: at, ReceivedAt: at, Deal: id, Stage: "Proposal"})
		}
		if !held && i%2 == 0 || held && i%5 == 0 {
			at := now.AddDate(0, 0, 3)
			events = append(events, trail.Event{ID: trail.IDFrom(at, "test", "view", id), Kind: trail.Viewed, Source: "csv", At: at, ReceivedAt: at, Deal: id, Content: "roi"})
		}
	}
	if err := x.DB.InsertEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	layOut(t, x.DB)
	*now = now.AddDate(0, 0, 43)
	says("/holdouts", true, "Not decided yet: so far deals that were recommended it advanced", "points more often within 6 weeks", "not decided", `class="hollow"`, "got it anyway", "more deals", "Permanent link")
	if answer := post(t, e, "/holdouts/"+h.ID+"/end", nil); answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/holdouts?ended=1" {
		t.Errorf("%d to %q", answer.Code, answer.Header().Get("Location"))
	}
	says("/holdouts?ended=1", true, "Ended: no more deals are drawn", "Proven: deals that were recommended it advanced", `class="solid"`, "It was ended after 400 of the", `<span class="chip won">proven`)
	says("/holdouts", false, `action="/holdouts/`+h.ID+`/end"`)
	if answer := post(t, e, "/holdouts/"+h.ID+"/end", nil); answer.Code != http.StatusConflict {
		t.Errorf("ended twice: %d", answer.Code)
	}
	checkHoldoutFiles(t, e, h)
}

// checkHoldoutForm fills in what cannot be: that is said beside the form, with what
// was typed.
func checkHoldoutForm(t *testing.T, e http.Handler) {
	t.Helper()
	for want, form := range map[string]url.Values{
		"Choose the content":              {"name": {"typed name"}},
		`no content "rio"`:                {"content": {"rio"}, "name": {"typed name"}},
		"is 0.95; it must be from":        {"content": {"roi"}, "part": {"0.95"}, "name": {"typed name"}},
		`is "half"; it must be`:           {"content": {"roi"}, "part": {"half"}, "name": {"typed name"}},
		`is "six"; it must be`:            {"content": {"roi"}, "weeks": {"six"}, "name": {"typed name"}},
		"99 weeks; it must be from 1":     {"content": {"roi"}, "weeks": {"99"}, "name": {"typed name"}},
		`is "lost"; it must be`:           {"content": {"roi"}, "outcome": {"lost"}, "name": {"typed name"}},
		"deals are in: Demo":              {"content": {"roi"}, "stage": {"Dmeo"}, "name": {"typed name"}},
		"must be later than 2026-11-23":   {"content": {"roi"}, "ended_at": {"2026-11-01"}, "name": {"typed name"}},
		"is not a date; write it as 2026": {"content": {"roi"}, "ended_at": {"tomorrow"}, "name": {"typed name"}},
	} {
		answer := post(t, e, "/holdouts", form)
		body := html.UnescapeString(answer.Body.String())
		if answer.Code != http.StatusUnprocessableEntity || !strings.Contains(body, want) || !strings.Contains(body, `value="typed name"`) {
			t.Errorf("%v: %d; want %q", form, answer.Code, want)
		}
	}
}

// checkHoldoutFiles looks at what is behind a number: the deals, and the tables as
// files.
func checkHoldoutFiles(t *testing.T, e http.Handler, h trail.Holdout) {
	t.Helper()
	rows := readCSV(t, e, "/holdouts?format=csv")
	column := func(name string) string { return rows[1][slices.Index(rows[0], name)] }
	if len(rows) != 2 || column("verdict") != "for" || column("method") != "newcombe" || column("part") != "0.5" || !strings.HasPrefix(column("difference"), "0.") || column("q") != "0.000000" {
		t.Errorf("%v", rows)
	}
	one := read(t, e, "/holdouts/"+h.ID)
	if !strings.Contains(one, `href="/deals/D-0?`) || strings.Count(one, `<td class="first"><a href="/deals/`) != 200 || !strings.Contains(one, "have all 400") {
		t.Error("the page of one does not list its deals")
	}
	deals := readCSV(t, e, "/holdouts/"+h.ID+"?format=csv")
	if len(deals) != 401 || strings.Join(deals[0], ",") != "deal,arm,stage,at,until,state,reached_at,got_at" || deals[1][0] != "D-0" || deals[1][1] != string(h.Arm("D-0")) || deals[1][5] != "over" {
		t.Errorf("%v", deals[:2])
	}
	if answer := get(t, e, "/holdouts/X"); answer.Code != http.StatusNotFound {
		t.Errorf("an unknown one: %d", answer.Code)
	}
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script(?: defer)?>`)
	for _, page := range []string{"/holdouts", "/holdouts/" + h.ID} {
		if found := inline.FindString(read(t, e, page)); found != "" {
			t.Errorf("%s holds %q, which the policy refuses", page, found)
		}
	}
}

func TestEffectsAreDrawnAroundZeroOnOneScale(t *testing.T) {
	t.Parallel()
	at := func(d, low, high float64) trail.Readout {
		return trail.Readout{Effect: &trail.HoldoutEffect{Difference: d, Low: low, High: high}}
	}
	rows, scale := holdoutRows([]trail.Readout{at(0, -0.05, 0.05), at(-0.2, -0.31, -0.1), {}}, lens{})
	if scale != "40" || rows[0].Dot != "50.00" || rows[0].Low != "44.00" || rows[1].Dot != "26.00" || rows[1].High != "38.00" || rows[2].Dot != "" {
		t.Errorf("%s %+v", scale, rows)
	}
	if rows[1].Number() != "−20.0 points (−31.0 to −10.0)" || rows[2].Number() != "no number yet" {
		t.Errorf("%q, %q", rows[1].Number(), rows[2].Number())
	}
}
