package dashboards

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

// seen returns what the mail reader tells of something that reps send.
func seen(reps int, content string, attrs ...string) trail.Event {
	e := trail.Event{ID: trail.IDFrom(time.Time{}, "mail", fmt.Sprint(attrs, reps)), Kind: trail.Sighted, Source: "mail", At: today.AddDate(0, 0, -2), ReceivedAt: today, Content: content, Attrs: map[string]string{"reps": strconv.Itoa(reps)}}
	for i := 0; i < len(attrs); i += 2 {
		e.Attrs[attrs[i]] = attrs[i+1]
	}
	return e
}

func TestWhatRepsSendUnregisteredIsRegisteredOrDismissedByAClick(t *testing.T) {
	t.Parallel()
	var clicks atomic.Int64
	e, r := registering(t, func(s *Site) { // no two clicks are at once
		s.Now = func() time.Time { return today.Add(time.Duration(clicks.Add(1)) * time.Millisecond) }
	})
	stale := trail.Event{
		ID: trail.NewID(today), Kind: trail.Sent, Source: "mail", At: today.AddDate(0, 0, -5), ReceivedAt: today, Content: "deck", Contact: contactKey.ID("marie@bolt.example"), Rep: "anna@example.com", Message: "m1",
		Verdict: trail.Verdict{Rules: []string{trail.RuleFile, trail.RuleStale}},
	}
	err := r.DB.InsertEvents(t.Context(), []trail.Event{
		trail.Registration("csv", trail.ContentKind, "deck", trail.State{}, trail.State{Attrs: map[string]string{"title": "The Deck", "url": "https://www.example.com/deck"}}, today),
		stale, seen(5, "", "what", "link", "url", "https://www.example.com/guides/first-steps.html"), seen(1, "deck", "what", "file", "name", "Deck (mine).pptx", "size", "1370000"),
		seen(3, "", "what", "file", "name", "Prices_2026.xlsx", "size", "13700"), seen(2, "", "what", "link", "url", "https://www.example.com/two-reps-only"),
	})
	if err != nil {
		t.Fatal(err)
	}
	says := func(page string, wanted bool, words ...string) {
		t.Helper()
		body := read(t, e, page)
		for _, w := range words {
			if strings.Contains(body, w) != wanted {
				t.Errorf("%s says %q: %v, want %v", page, w, !wanted, wanted)
			}
		}
	}
	says("/", true, "1 piece of content in an old version, 1 file that is nearly a registered one, 2 links or files that are not registered", `href="/content/found?`)
	says("/content/found", true, "The Deck", "first-steps.html", "Deck (mine).pptx", "1.0 MB", "Prices_2026.xlsx", `href="/content/new?file=Prices_2026.xlsx"`, `/content/new?file=Deck%20%28mine%29.pptx&amp;id=deck`)
	says("/content/found", false, "two-reps-only", "anna", "marie")

	// One click registers a link and leads to where the guess is mended.
	answer := post(t, e, "/content/found/register", url.Values{"url": {"https://www.example.com/guides/first-steps.html"}})
	if answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/content/first-steps?new=1#target" {
		t.Fatalf("%d to %q", answer.Code, answer.Header().Get("Location"))
	}
	if a := r.state("first-steps"); a["title"] != "First steps" || a["url"] != "https://www.example.com/guides/first-steps.html" {
		t.Errorf("registered as %v", a)
	}
	says("/content/found", false, "first-steps.html")
	says("/content/first-steps", true, `name="title" value="First steps"`)
	post(t, e, "/content/first-steps/change", url.Values{"title": {"Your first steps"}, "kind": {"Guide"}, "url": {"https://www.example.com/guides/first-steps.html"}})
	if a := r.state("first-steps"); a["title"] != "Your first steps" || a["kind"] != "Guide" {
		t.Errorf("mended it is %v", a)
	}
	// Another page whose title is guessed alike is another content.
	if answer := post(t, e, "/content/found/register", url.Values{"url": {"https://www.example.com/first-steps"}}); answer.Header().Get("Location") != "/content/first-steps-2?new=1#target" {
		t.Errorf("to %q", answer.Header().Get("Location"))
	}
	if answer := post(t, e, "/content/found/register", url.Values{"url": {"javascript:alert(1)"}}); answer.Code != http.StatusBadRequest {
		t.Errorf("a script is registered: %d", answer.Code)
	}

	// A file leads to the form with its name.
	says("/content/new?file=Prices_2026.xlsx", true, "Choose the file <strong>Prices_2026.xlsx</strong>", `name="title" value="Prices 2026"`)
	says("/content/new?file=Deck.pptx&id=deck", true, `name="id" value="deck"`, "the next version of <code>deck</code>")
	upload(t, e, map[string]string{"title": "Prices"}, file{"prices_2026.XLSX", "bytes"})
	r.state("")
	says("/content/found", false, "Prices_2026.xlsx")

	// One click dismisses, another takes that back.
	mine := url.Values{"what": {"file"}, "name": {"Deck (mine).pptx"}, "size": {"1370000"}}
	if answer := post(t, e, "/content/found/dismiss", mine); answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/content/found?dismissed=1" {
		t.Fatalf("%d to %q", answer.Code, answer.Header().Get("Location"))
	}
	r.state("")
	says("/", false, "nearly a registered one")
	says("/content/found", true, "<summary>Dismissed", `name="undo" value="1"`)
	mine.Set("undo", "1")
	post(t, e, "/content/found/dismiss", mine)
	r.state("")
	says("/", true, "nearly a registered one")
	says("/content/found", false, "<summary>Dismissed")
	if answer := post(t, e, "/content/found/dismiss", url.Values{"what": {"mood"}}); answer.Code != http.StatusBadRequest {
		t.Errorf("dismissed: %d", answer.Code)
	}
}

func TestATitleIsGuessedFromAnAddress(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://www.example.com/resources/white-paper_2026.pdf": "White paper 2026", "https://www.example.com/produkt/%C3%BCberblick/": "Überblick",
		"https://www.example.com/offer/index.html": "Offer", "https://www.example.com/blog/2026/05": "Blog", "https://www.example.com/": "www.example.com",
		"Product_Deck v1.3.pptx": "Product Deck v1 3", "2026.pdf": "2026",
	} {
		if got := titleOf(raw); got != want {
			t.Errorf("%s is %q, want %q", raw, got, want)
		}
	}
}

// What a page says of opens is of those sends alone whose opens can be seen.
func TestOpenRatesSayOverWhatTheyAre(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	events := []trail.Event{trail.Registration("csv", trail.ContentKind, "deck", trail.State{}, trail.State{Attrs: map[string]string{"title": "The Deck", "url": "https://www.example.com/deck"}}, today)}
	for i := range 40 {
		e := trail.Event{Kind: trail.Sent, Source: "mail", At: today.AddDate(0, 0, -9), ReceivedAt: today, Content: "deck", Contact: contactKey.ID(fmt.Sprint(i, "@bolt.example")), Rep: "anna@example.com", Message: fmt.Sprint("m", i)}
		e.ID, e.Verdict = trail.IDFrom(e.At, "mail", e.Message), trail.Verdict{Rules: []string{trail.RuleFile, trail.RuleStale}, Signal: trail.Unobservable}
		if i < 12 {
			e.Share, e.Rules, e.Signal = trail.ShareID(fmt.Sprintf("share%05d", i)), []string{trail.RuleTracked}, ""
		}
		events = append(events, e)
		if i < 3 {
			opened := e
			opened.ID, opened.Kind, opened.Contact, opened.Message, opened.Verdict = trail.NewID(today), trail.Opened, "", "", trail.Verdict{Agent: trail.Human, Probability: .95}
			events = append(events, opened)
		}
	}
	if err := db.InsertEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	_, e := newSite(t, db, func(s *Site) { s.SignedIn = func(echo.Context) string { return "anna@example.com" } }) // who sees her own numbers
	for page, all := range map[string][]string{
		"/":             {"40 sent, 12 observable", `12 observable</span>`, `28 old versions</span>`, `<span class="of">25%</span>`, "/models#observable"},
		"/content/deck": {"40 sent, 12 observable. 28 of them were older versions.", "Of the 12 observable sends 25% were opened; the others had no pixel", "No answer seen by mail."},
		"/reps":         {"40 sent, 12 observable", `<span class="of">25%</span>`},
	} {
		body := read(t, e, page)
		for _, words := range all {
			if !strings.Contains(body, words) {
				t.Errorf("%s does not say %q", page, words)
			}
		}
	}
	rows := readCSV(t, e, "/?format=csv")
	for column, want := range map[string]string{"sent": "40", "observable": "12", "observed": "3", "stale": "28"} {
		if got := rows[1][slices.Index(rows[0], column)]; got != want {
			t.Errorf("%s is %s, want %s", column, got, want)
		}
	}
}

func TestATrailSaysWhatAMailWas(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		row  trail.TrailRow
		want string
	}{
		{trail.TrailRow{Kind: trail.Sent}, "Wrote to"},
		{trail.TrailRow{Kind: trail.Replied}, "Answered"},
		{trail.TrailRow{Kind: trail.Replied, Content: "deck"}, "Replied"},
		{trail.TrailRow{Kind: trail.Sent, Content: "deck", Rules: []string{trail.RuleTracked}}, "Mail sent"},
		{trail.TrailRow{Kind: trail.Sent, Content: "deck", Rules: []string{trail.RuleFile, trail.RuleStale}}, "Mail sent An older version. As a file: whether it was read cannot be seen."},
		{trail.TrailRow{Kind: trail.Sent, Content: "deck", Rules: []string{trail.RulePlainLink}}, "Mail sent As a plain link: whether it was followed cannot be seen."},
		{trail.TrailRow{Kind: trail.Opened, Content: "deck", Verdict: trail.Human, Probability: .99, Rules: []string{trail.RuleReadReceipt}}, "Mail shown, as their mail program says"},
		{trail.TrailRow{Kind: trail.Opened, Content: "deck"}, "Mail opened"},
		{trail.TrailRow{Kind: trail.Forwarded, Content: "deck"}, "Forwarded: has it now"},
	} {
		if got := strings.TrimSpace(what(x.row) + " " + strings.Join(besides(x.row), " ")); got != x.want {
			t.Errorf("%s of %q: %q, want %q", x.row.Kind, x.row.Content, got, x.want)
		}
	}
	db := readCompany(t)
	d := wonDeal(t)
	bare := trail.Event{ID: trail.NewID(today), Kind: trail.Sent, Source: "mail", At: today, ReceivedAt: today, Contact: d.Contacts[0].Contact, Rep: "anna@example.com", Message: "bare"}
	_ = db
	own := loadCompany(t, bare)
	_, e := newSite(t, own, nil)
	for _, page := range []string{"/contacts/" + d.Contacts[0].Address, "/deals/" + d.ID, "/accounts/" + d.Domain} {
		if body := read(t, e, page); !strings.Contains(body, "Wrote to") {
			t.Errorf("%s does not say that somebody wrote", page)
		}
	}
	before, err := db.Content(t.Context(), synth.Popular, store.Filter{Run: "none"})
	if err != nil {
		t.Fatal(err)
	}
	after, err := own.Content(t.Context(), synth.Popular, store.Filter{Run: "none"})
	if err != nil || fmt.Sprint(after.ContentRow) != fmt.Sprint(before.ContentRow) {
		t.Errorf("%v: the content's numbers are %+v, were %+v", err, after, before)
	}
}
