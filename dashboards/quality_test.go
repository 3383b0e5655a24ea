package dashboards

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dealtrail/trail"
)

// told returns what an importer tells of a new thing.
func told(kind trail.Kind, subject string, attrs ...string) trail.Event {
	state := trail.State{Attrs: map[string]string{}}
	for i := 0; i < len(attrs); i += 2 {
		state.Attrs[attrs[i]] = attrs[i+1]
	}
	e := trail.Registration("csv", kind, subject, trail.State{}, state, today.AddDate(0, 0, -30))
	e.Account = state.Attrs["domain"]
	return e
}

func TestWhatIsWrongIsShownAndDoubtsAreDecidedByAClick(t *testing.T) {
	t.Parallel()
	var clicks atomic.Int64
	e, r := registering(t, func(s *Site) { // no two clicks are at once
		s.Now = func() time.Time { return today.Add(time.Duration(clicks.Add(1)) * time.Millisecond) }
		s.Job = newJob(s.DB)
		s.Job.Options.Stages = []string{"Demo", "Proposal"}
	})
	marie := contactKey.ID("marie@bolt.example")
	person := told(trail.ContactKind, string(marie), "domain", "bolt.example")
	person.Person = &trail.Person{Address: "marie@bolt.example"}
	events := []trail.Event{
		person, told(trail.ContentKind, "deck", "title", "The Deck"),
		told(trail.DealKind, "=SUM(A1)", "name", "<b>First</b>", "amount", "10", "currency", "EUR", "contacts", string(marie), "stage", "<i>Odd</i>"),
		told(trail.DealKind, "D2", "name", "Second", "amount", "-5", "currency", "EUR", "contacts", string(marie)),
		told(trail.DealKind, "D3", "name", `=HYPERLINK("https://evil.example")`, "status", "won", "amount", "7", "currency", "XTS", "closed_at", today.AddDate(0, 0, -3).Format(time.RFC3339)),
	}
	for i := range 3 {
		at := today.AddDate(0, 0, -9).Add(time.Duration(i) * time.Hour)
		events = append(events, trail.Event{ID: trail.NewID(at), Kind: trail.Viewed, Source: "csv", At: at, ReceivedAt: today, Content: "deck", Contact: marie})
	}
	if err := r.DB.InsertEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	body := read(t, e, "/quality")
	for _, words := range []string{
		"&lt;b&gt;First&lt;/b&gt;", "&lt;i&gt;Odd&lt;/i&gt;", `href="/deals/=SUM%28A1%29?`, "Deals in a currency without a rate", "7 XTS", "Won deals without any touch", "still counted as won deals",
		`href="/contacts/marie@bolt.example?`, "on several open deals", `name="deal" value="=SUM(A1)"`, "None of these", "None of these was found: ",
	} {
		if !strings.Contains(body, words) {
			t.Errorf("the page does not say %q", words)
		}
	}
	if found := regexp.MustCompile(`(?i)<b>First|<i>Odd|<style|\sstyle=|\son[a-z]+=|javascript:`).FindString(body); found != "" {
		t.Errorf("the page holds %q", found)
	}
	cells := map[string]bool{}
	for _, row := range readCSV(t, e, "/quality?format=csv") {
		for _, cell := range row {
			cells[cell] = true
			if strings.HasPrefix(cell, "=") || strings.HasPrefix(cell, "-") && cell != "-5" {
				t.Errorf("a spreadsheet takes %q for a formula", cell)
			}
		}
	}
	for _, cell := range []string{"'=SUM(A1); D2", "no_rate", `'=HYPERLINK("https://evil.example")`, "stage_unknown"} {
		if !cells[cell] {
			t.Errorf("the CSV has no cell %q", cell)
		}
	}

	// One click decides, and what is decided is not asked again.
	about := url.Values{"kind": {"contact"}, "subject": {string(marie)}, "candidate": {"=SUM(A1)", "D2"}}
	decide := func(form url.Values, status int) {
		t.Helper()
		if answer := post(t, e, "/quality/decide", form); answer.Code != status {
			t.Fatalf("%d to %q", answer.Code, answer.Header().Get("Location"))
		}
		r.state("")
	}
	about.Set("deal", "D2")
	decide(about, http.StatusSeeOther)
	if body := read(t, e, "/quality"); strings.Contains(body, "on several open deals") {
		t.Error("what was decided is asked again")
	}
	d, err := r.DB.Deal(t.Context(), "D2", (lens{}).filter())
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]int{}
	for _, e := range d.Events {
		rules[fmt.Sprint(e.Kind, " ", e.Rule)]++
	}
	if rules["viewed assigned"] != 3 {
		t.Errorf("the deal's trail has %v", rules)
	}
	about.Set("deal", "Z9")
	decide(about, http.StatusNotFound)
	about.Del("deal") // none of these
	decide(about, http.StatusSeeOther)
	if body := read(t, e, "/quality"); strings.Contains(body, "on several open deals") || !strings.Contains(body, "People who touched content and are on no deal") {
		t.Error("none of these leaves a doubt")
	}
	decide(url.Values{"kind": {"contact"}, "subject": {string(marie)}}, http.StatusBadRequest)
	decide(url.Values{"kind": {"mood"}, "subject": {"x"}, "deal": {"D2"}}, http.StatusBadRequest)
}

func TestWithoutDataNothingIsWrong(t *testing.T) {
	t.Parallel()
	e, _ := registering(t)
	if body := read(t, e, "/quality"); !strings.Contains(body, "No touch is in doubt") || strings.Contains(body, "<details") {
		t.Error("an empty installation has something wrong")
	}
}
