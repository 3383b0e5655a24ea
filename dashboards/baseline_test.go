package dashboards

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func TestTheFirstDaysNumbersAreKeptByAClickAndComparedWith(t *testing.T) {
	t.Parallel()
	e, r := registering(t)
	sent := func(message, content string, rules ...string) trail.Event {
		e := trail.Event{ID: trail.IDFrom(today, "mail", message), Kind: trail.Sent, Source: "mail", At: today.AddDate(0, 0, -3), ReceivedAt: today, Content: content, Contact: contactKey.ID(message + "@bolt.example"), Rep: "anna@example.com", Message: message}
		e.Verdict = trail.Verdict{Rules: rules, Signal: trail.Unobservable}
		return e
	}
	content := func(id, title string) trail.Event {
		return trail.Registration("csv", trail.ContentKind, id, trail.State{}, trail.State{Attrs: map[string]string{"title": title, "url": "https://www.example.com/" + id}}, today)
	}
	insert := func(events ...trail.Event) {
		t.Helper()
		if err := r.DB.InsertEvents(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	insert(content("deck", "The Deck"), content("faq", "Nobody's questions"), sent("m1", "deck", trail.RuleFile), sent("m2", "deck", trail.RulePlainLink), sent("m3", ""))
	body := read(t, e, "/baseline")
	for _, words := range []string{"Where you stand", "1 (50%)", "no answer seen by mail", "3 (100%)", "Never sent in that time", "Nobody&#39;s questions", "content was part of it", "Keep today"} {
		if !strings.Contains(body, words) {
			t.Errorf("the page does not say %q", words)
		}
	}
	for _, words := range []string{"Then and now", "moves", "anna", "bolt.example"} {
		if strings.Contains(body, words) {
			t.Errorf("the page says %q", words)
		}
	}
	if answer := post(t, e, "/baseline/keep", nil); answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/baseline?kept=1" {
		t.Fatalf("%d to %q", answer.Code, answer.Header().Get("Location"))
	}
	r.state("")
	tracked := sent("m4", "faq", trail.RuleTracked)
	tracked.Share, tracked.Signal = "share00000", ""
	insert(tracked)
	body = html.UnescapeString(read(t, e, "/baseline?kept=1"))
	for _, words := range []string{"Then and now", "Kept.", "+33 points", "−17 points", "+1", `then <span class="zero">0</span>`, "then 2"} {
		if !strings.Contains(body, words) {
			t.Errorf("with a kept baseline the page does not say %q", words)
		}
	}
	rows := readCSV(t, e, "/baseline?format=csv")
	faq := rows[slices.IndexFunc(rows, func(r []string) bool { return r[0] == "faq" })]
	if faq[slices.Index(rows[0], "sends")] != "1" || faq[slices.Index(rows[0], "sends_then")] != "0" {
		t.Errorf("%v\n%v", rows[0], faq)
	}
}

func TestAPartChangesInPointsAndAWholeInNumbers(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		then, from, now, of uint64
		part                bool
		want                string
	}{
		{10, 0, 12, 0, false, "+2"},
		{1200, 0, 0, 0, false, "−1,200"},
		{3, 0, 3, 0, false, "same"},
		{10, 100, 15, 100, true, "+5 points"},
		{10, 100, 20, 400, true, "−5 points"},
		{10, 100, 11, 100, true, "+1 point"},
		{58, 100, 57, 100, true, "−1 point"},
		{10, 100, 20, 200, true, "same"},
		{0, 0, 1, 2, true, "–"},
		{1, 2, 0, 0, true, "–"},
	} {
		if got := change(x.then, x.from, x.now, x.of, x.part); got != x.want {
			t.Errorf("%+v: %q", x, got)
		}
	}
}

func TestWithoutMailTheBaselineSaysSo(t *testing.T) {
	t.Parallel()
	_, e := newSite(t, storetest.Open(t), func(s *Site) { s.Since = func(now time.Time) time.Time { return now.AddDate(-1, 0, 0) } })
	if body := read(t, e, "/baseline"); !strings.Contains(body, "No mail of that time has been seen yet") || !strings.Contains(body, "23 Nov 2025") {
		t.Error("the page does not say what is missing")
	}
}

func TestWhatTheKeptBaselineLeftOutIsNotSaidToHaveBeenNothing(t *testing.T) {
	t.Parallel()
	site, e := newSite(t, storetest.Open(t), nil)
	b := trail.Baseline{At: today, From: today.AddDate(-1, 0, 0), To: today}
	for i := range 1005 {
		b.Rows = append(b.Rows, trail.BaselineRow{Content: fmt.Sprintf("c%04d", i), Sends: 5})
	}
	event, err := b.Event("ui", false)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := trail.ParseBaseline(event.Attrs["report"])
	if err != nil {
		t.Fatal(err)
	}
	site.source.Baselines = func(context.Context, time.Time) (trail.Baselines, error) {
		return trail.Baselines{Kept: kept, Now: &b}, nil
	}
	if body := read(t, e, "/baseline?all=1"); strings.Count(body, "then 5") != 1000*1 || strings.Count(body, `then <span class="zero">0</span>`) != 1000*4 {
		t.Errorf("%d contents had sends then", strings.Count(body, "then 5"))
	}
	rows := readCSV(t, e, "/baseline?format=csv")
	then := slices.Index(rows[0], "sends_then")
	if rows[1][then] != "5" || rows[1005][then] != "" {
		t.Errorf("%v, %v", rows[1], rows[1005])
	}
	if body := read(t, e, "/baseline"); !strings.Contains(body, "Mailboxes read") {
		t.Error("the page does not say of how many mailboxes it is")
	}
}
