package dashboards

import (
	"context"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// hostile is what a page must show and neither run nor calculate.
const hostile = "=SUM(A1) <script>alert(1)</script>\n\"nothing\" for <b>banks</b>"

// asking is a site over a real registry that is loaded as it is written, with three
// deals and a content, at a time that the test moves, for whoever the test says is
// signed in.
func asking(t *testing.T, more ...func(s *Site)) (e *echo.Echo, now *time.Time, user *string) {
	t.Helper()
	at, who := today, "anna@us.example"
	e, r := registering(t, func(s *Site) {
		s.Now = func() time.Time { return at }
		s.SignedIn = func(echo.Context) string { return who }
		for _, change := range more {
			change(s)
		}
	})
	r.Now, r.Patience = func() time.Time { return at }, 3*time.Minute
	ctx, stop := context.WithCancel(t.Context())
	loaded := make(chan error, 1)
	go func() {
		loaded <- (&ingest.Loader{Buffer: r.Buffer, DB: r.DB, Log: slog.New(slog.DiscardHandler), Node: "test-load"}).Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-loaded; err != nil {
			t.Error(err)
		}
	})
	deal := func(id string, attrs ...string) trail.Event {
		state := map[string]string{"name": "The " + id, "status": "open", "stage": "Demo", "owner": who, "currency": "EUR"}
		for i := 0; i+1 < len(attrs); i += 2 {
			state[attrs[i]] = attrs[i+1]
		}
		return trail.Registration("csv", trail.DealKind, id, trail.State{}, trail.State{Attrs: state}, today)
	}
	if err := r.DB.InsertEvents(t.Context(), []trail.Event{deal("D-1", "amount", "1000.50"), deal("D-2", "amount", "200"), deal("D-3", "amount", "7", "status", "won")}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Register(t.Context(), "faq", map[string]string{"title": "Security <i>FAQ</i>", "url": "https://www.example.com/faq", "persona": "CISO"}, "csv"); err != nil {
		t.Fatal(err)
	}
	return e, &at, &who
}

// shows looks for words on a page as it is read, or for their absence.
func shows(t *testing.T, e http.Handler, page string, wanted bool, words ...string) {
	t.Helper()
	body := html.UnescapeString(read(t, e, page))
	for _, w := range words {
		if strings.Contains(body, w) != wanted {
			t.Errorf("%s says %q: %v, want %v", page, w, !wanted, wanted)
		}
	}
}

func TestARequestIsAskedSeenWaitingAndAnswered(t *testing.T) {
	t.Parallel()
	e, now, user := asking(t)
	shows(t, e, "/requests", true, "Nobody has asked for content yet", "within 14 days", `<option value="D-1">The D-1`, `<option value="CISO">`)
	shows(t, e, "/requests?deal=D-1", true, `name="deal" value="D-1"`)
	checkRequestForm(t, e)

	answer := post(t, e, "/requests", url.Values{"text": {hostile}, "deal": {"D-1"}, "persona": {"CISO"}, "rep": {"else@us.example"}})
	to := answer.Header().Get("Location")
	if answer.Code != http.StatusSeeOther || !strings.HasPrefix(to, "/requests?asked=1#r-") {
		t.Fatalf("%d to %q\n%s", answer.Code, to, answer.Body)
	}
	id := to[strings.Index(to, "#r-")+3:]
	*now = now.Add(time.Hour)
	for _, form := range []url.Values{{"text": {"and a price list"}, "deal": {"D-1"}}, {"text": {"for all of them"}, "stage": {"Proposal"}}, {"text": {"after the fact"}, "deal": {"D-3"}}} {
		if answer := post(t, e, "/requests", form); answer.Code != http.StatusSeeOther {
			t.Fatalf("%v: %d %s", form, answer.Code, answer.Body)
		}
	}
	// D-1 waits twice and counts once, D-3 is won and waits no more.
	shows(t, e, "/requests?asked=1", true, "Asked. Marketing sees it", "The D-1", "anna@us.example", `<td data-l="Stage">Demo`, `<td data-l="Stage">Proposal`)
	if body := read(t, e, "/requests"); !strings.Contains(body, `>Open</a></dt><dd>4</dd>`) || !regexp.MustCompile(`wait</a></dt><dd>[^/]*1,000`).MatchString(body) || strings.Contains(body, "<script>alert") || strings.Contains(body, "<b>banks") {
		t.Errorf("the amount that waits is wrong, or what was typed is taken for markup:\n%s", body)
	}
	shows(t, e, "/requests", false, "else@us.example", "! late")
	*now = now.AddDate(0, 0, 15)
	shows(t, e, "/requests?state=open", true, "! late", `<dd class="sub">4 late</dd>`)
	shows(t, e, "/requests?q=BANKS+ciso", true, `for <b>banks</b>`, "All <span class=\"count\">1<")
	shows(t, e, "/requests?q=banks+dairy", true, "No request has all of these words")
	shows(t, e, "/deals/D-1", true, "What it waits for", "and a price list", "/requests?agents=likely&deal=D-1&model=linear#ask", "! late")

	*user = "mia@us.example"
	if answer := post(t, e, "/requests/"+id+"/answer", url.Values{"declined": {"yes"}}); answer.Code != http.StatusUnprocessableEntity || !strings.Contains(answer.Body.String(), "Say why there will be no such content") || !strings.Contains(answer.Body.String(), "<details open>") {
		t.Errorf("declined without a reason: %d", answer.Code)
	}
	if answer := post(t, e, "/requests/"+id+"/answer", url.Values{"content": {"fqa"}, "text": {"typed text"}}); answer.Code != http.StatusUnprocessableEntity || !strings.Contains(answer.Body.String(), "no content &#34;fqa&#34;") || !strings.Contains(answer.Body.String(), ">typed text</textarea>") {
		t.Errorf("an unknown content: %d", answer.Code)
	}
	if answer := post(t, e, "/requests/"+trail.NewID(today).String()+"/answer", url.Values{"text": {"x"}}); answer.Code != http.StatusUnprocessableEntity || !strings.Contains(answer.Body.String(), "There is no request") {
		t.Errorf("an unknown request: %d", answer.Code)
	}
	if answer := post(t, e, "/requests/"+id+"/answer", url.Values{"text": {"not <u>this</u> year"}, "declined": {"yes"}}); answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/requests?answered=1#r-"+id {
		t.Fatalf("%d to %q", answer.Code, answer.Header().Get("Location"))
	}
	shows(t, e, "/requests?state=declined", true, "not <u>this</u> year", "mia@us.example", "✕ declined")
	if answer := post(t, e, "/requests/"+id+"/answer", url.Values{"content": {"faq"}}); answer.Code != http.StatusSeeOther {
		t.Fatalf("answered again: %d", answer.Code)
	}
	shows(t, e, "/requests?state=answered", true, "Here it is.", "Security <i>FAQ</i>", "✓ answered", `Declined <span class="count">0`)
	shows(t, e, "/deals/D-1", true, "Here it is.", "Content requested")
	checkRequestFile(t, e, id)
}

// checkRequestForm fills in what cannot be: that is said beside the form, with what
// was typed.
func checkRequestForm(t *testing.T, e http.Handler) {
	t.Helper()
	for want, form := range map[string]url.Values{
		"Say what is missing":     {"deal": {"D-1"}, "persona": {"typed persona"}},
		`There is no deal "D-9"`:  {"deal": {"D-9"}, "text": {"x"}, "persona": {"typed persona"}},
		"for which deal":          {"text": {"x"}, "persona": {"typed persona"}},
		"2001 characters; at mos": {"text": {strings.Repeat("ä", 2001)}, "stage": {"Demo"}, "persona": {"typed persona"}},
	} {
		answer := post(t, e, "/requests", form)
		body := html.UnescapeString(answer.Body.String())
		if answer.Code != http.StatusUnprocessableEntity || !strings.Contains(body, want) || !strings.Contains(body, `value="typed persona"`) {
			t.Errorf("%v: %d; want %q", form, answer.Code, want)
		}
	}
}

func checkRequestFile(t *testing.T, e http.Handler, id string) {
	t.Helper()
	rows := readCSV(t, e, "/requests?format=csv")
	at := slices.IndexFunc(rows, func(row []string) bool { return row[0] == id })
	if len(rows) != 5 || at < 0 {
		t.Fatalf("%q", rows)
	}
	column := func(name string) string { return rows[at][slices.Index(rows[0], name)] }
	if column("text") != "'"+hostile || column("amount") != "1000.50" || column("state") != "answered" || column("content") != "faq" || column("answered_by") != "mia@us.example" || column("late") != "no" {
		t.Errorf("%q", rows[at])
	}
	if some := readCSV(t, e, "/requests?format=csv&q=price&state=open"); len(some) != 2 || some[1][13] != "yes" {
		t.Errorf("of a search: %q", some)
	}
}

func TestNotesAreWrittenFoundAndVotedForOncePerPerson(t *testing.T) {
	t.Parallel()
	e, now, user := asking(t)
	shows(t, e, "/content/faq", true, "No rep has noted yet", `action="/content/faq/notes"`)
	if answer := post(t, e, "/content/faq/notes", url.Values{"text": {"typed text"}, "deal": {"D-9"}}); answer.Code != http.StatusUnprocessableEntity || !strings.Contains(answer.Body.String(), "There is no deal") || !strings.Contains(answer.Body.String(), ">typed text</textarea>") {
		t.Errorf("about an unknown deal: %d", answer.Code)
	}
	if answer := post(t, e, "/content/fqa/notes", url.Values{"text": {"x"}}); answer.Code != http.StatusNotFound {
		t.Errorf("on an unknown content: %d", answer.Code)
	}
	for _, form := range []url.Values{{"text": {hostile}, "deal": {"D-1"}}, {"text": {"page three convinces lawyers"}}} {
		if answer := post(t, e, "/content/faq/notes", form); answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/content/faq?noted=1#notes" {
			t.Fatalf("%d to %q", answer.Code, answer.Header().Get("Location"))
		}
		*now = now.Add(time.Hour)
	}
	shows(t, e, "/content/faq?noted=1", true, "Noted. Others find it", hostile, "page three")
	if body := read(t, e, "/content/faq"); strings.Contains(body, "<script>alert") {
		t.Error("a note is taken for markup")
	}
	shows(t, e, "/notes?q=LAWYERS+faq", true, "page three")
	shows(t, e, "/notes?q=LAWYERS+faq", false, "alert(1)")
	shows(t, e, "/notes?q=judges", true, "No note has all of these words")

	ids := regexp.MustCompile(`action="/notes/(\w+)/vote"`).FindAllStringSubmatch(read(t, e, "/notes"), -1)
	if len(ids) != 2 {
		t.Fatalf("%q", ids)
	}
	older := ids[1][1] // without votes the newest is first
	vote := func(form url.Values) {
		t.Helper()
		form.Set("back", "/notes?q=banks")
		if answer := post(t, e, "/notes/"+older+"/vote", form); answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/notes?q=banks#n-"+older {
			t.Fatalf("%d to %q", answer.Code, answer.Header().Get("Location"))
		}
	}
	vote(url.Values{})
	vote(url.Values{"by": {"somebody@else.example"}})
	*user = "mia@us.example"
	shows(t, e, "/notes?q=banks", true, "This helped")
	vote(url.Values{})
	shows(t, e, "/notes?q=banks", true, "Take my vote back", `title="anna@us.example, mia@us.example">2<`)
	if first := regexp.MustCompile(`action="/notes/(\w+)/vote"`).FindStringSubmatch(read(t, e, "/notes")); first[1] != older {
		t.Error("the note with the most votes is not first")
	}
	vote(url.Values{"not": {"yes"}})
	shows(t, e, "/content/faq", true, `title="anna@us.example">1<`)
	if answer := post(t, e, "/notes/"+older+"/vote", url.Values{"back": {"//evil.example"}}); answer.Header().Get("Location") != "/#n-"+older {
		t.Errorf("a vote leads to %q", answer.Header().Get("Location"))
	}
	rows := readCSV(t, e, "/notes?format=csv")
	if len(rows) != 3 || rows[2][6] != "'"+hostile || rows[2][8] != "anna@us.example; mia@us.example" {
		t.Errorf("%q", rows)
	}
}

func TestWithoutSignInTheFormsAskWhoItIs(t *testing.T) {
	t.Parallel()
	_, e := newSite(t, readCompany(t), nil)
	shows(t, e, "/requests", true, `type="email" name="rep"`)
	shows(t, e, "/notes", true, `type="email" name="by"`, "This helped")
	if rows := readCSV(t, e, "/notes?format=csv"); len(rows) < 5 {
		t.Errorf("the made-up company has %d notes", len(rows)-1)
	}
}

// askedSite has a request and a note without a space in them, as long as they may be,
// and a request that was answered.
func askedSite(t *testing.T) http.Handler {
	t.Helper()
	e, now, _ := asking(t)
	long := strings.Repeat("W", trail.MaxText)
	for to, form := range map[string]url.Values{
		"/requests": {"text": {long}, "deal": {"D-1"}, "persona": {strings.Repeat("P", 200)}}, "/content/faq/notes": {"text": {long}, "deal": {"D-1"}},
	} {
		if answer := post(t, e, to, form); answer.Code != http.StatusSeeOther {
			t.Fatalf("%s: %d %s", to, answer.Code, answer.Body)
		}
	}
	answer := post(t, e, "/requests", url.Values{"text": {"short"}, "deal": {"D-2"}})
	_, id, _ := strings.Cut(answer.Header().Get("Location"), "#r-")
	if answer := post(t, e, "/requests/"+id+"/answer", url.Values{"text": {long}, "content": {"faq"}}); answer.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	*now = now.AddDate(0, 0, 20)
	return e
}
