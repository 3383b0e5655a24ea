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
	"dealtrail/ingest/redistest"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// keeping is the page of a rep's mail over a small company, with a real corrector;
// what is paused and excluded is in memory. The reader is the rep until user changes.
func keeping(t testing.TB, rep string) (kept keptSite, user *string) {
	t.Helper()
	_, rdb := redistest.Start(t)
	db := storetest.Open(t)
	if err := db.InsertEvents(t.Context(), keptEvents(rep)); err != nil {
		t.Fatal(err)
	}
	insert := func(ctx context.Context, events ...trail.Event) error { return db.InsertEvents(ctx, events) }
	corrector := &ingest.Corrector{
		Redis: rdb, DB: db, Emit: insert, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return today },
		Settle: func(context.Context) error { db.Wrote(); return nil },
	}
	by, excluded, off := "", []trail.Exclusion{}, false
	who := rep
	user = &who
	_, e := newSite(t, db, func(s *Site) {
		s.SignedIn = func(echo.Context) string { return *user }
		s.Digest = &Digest{
			Wanted: func(context.Context, string) (bool, error) { return !off, nil },
			Want:   func(_ context.Context, _ string, wanted bool) error { off = !wanted; return nil },
		}
		s.Mailbox = &Mailbox{
			Of: func(_ context.Context, of string) ([]trail.MailboxStatus, error) {
				if of != rep {
					return nil, nil
				}
				m := trail.MailboxStatus{Name: "box", Rep: of, State: "ok", SentFolder: "Sent", LastPoll: today, Messages: 1204, Events: 9}
				if by != "" {
					m.State, m.PausedBy, m.PausedAt = "paused", by, today
				}
				return []trail.MailboxStatus{m}, nil
			},
			Pause:      func(_ context.Context, _, who string) error { by = who; return nil },
			Resume:     func(context.Context, string) error { by = ""; return nil },
			Exclusions: func(string) ([]trail.Exclusion, error) { return excluded, nil },
			Exclude: func(_ context.Context, _, who, by string) (x trail.Exclusion, err error) {
				x = trail.Exclusion{By: by, At: today}
				if x.Who, err = trail.ParseExclusion(who); err == nil {
					excluded = append(excluded, x)
				}
				return x, err
			},
			Include: func(_ context.Context, _, who string) error {
				excluded = slices.DeleteFunc(excluded, func(x trail.Exclusion) bool { return x.Who == who })
				return nil
			},
			Say: corrector.Say,
		}
	})
	return keptSite{e, insert}, user
}

// keptSite is a site, and what puts more events into its database.
type keptSite struct {
	*echo.Echo
	insert trail.Emit
}

// keptEvents are the facts of a rep's mail with a person whose name is markup, and
// many older ones.
func keptEvents(rep string) []trail.Event {
	at := today.Add(-time.Hour)
	contact := contactKey.ID("ann@acme.example")
	who := trail.Registration("csv", trail.ContactKind, string(contact), trail.State{}, trail.State{Attrs: map[string]string{"role": "CFO", "account": "Acme <b>Ltd</b>", "domain": "acme.example"}, Person: &trail.Person{Address: "ann@acme.example", Name: bad}}, at)
	deck := trail.Registration("csv", trail.ContentKind, "deck", trail.State{}, trail.State{Attrs: map[string]string{"title": "The Deck", "url": "https://www.example.com/deck"}}, at)
	events := []trail.Event{who, deck}
	fact := func(kind trail.Kind, at time.Time, change func(*trail.Event)) {
		e := trail.Event{ID: trail.IDFrom(at, "test", string(kind), at.String()), Kind: kind, Source: "mail", At: at, ReceivedAt: at, Content: "deck", Contact: contact, Rep: rep}
		if change != nil {
			change(&e)
		}
		events = append(events, e)
	}
	message := contactKey.MessageHash("<1@ours>")
	fact(trail.Sent, at, func(e *trail.Event) {
		e.Message, e.Share, e.Rules = message, "share1", []string{trail.RuleTracked}
	})
	fact(trail.Clicked, at.Add(10*time.Minute), func(e *trail.Event) {
		e.Rep, e.Contact, e.Share, e.Source = "", "", "share1", "track"
		e.Verdict = trail.Verdict{Agent: trail.Human, Probability: .95, Rules: []string{"score", "language"}, RuleSet: 2}
	})
	fact(trail.Clicked, at.Add(11*time.Minute), func(e *trail.Event) {
		e.Rep, e.Contact, e.Share, e.Source = "", "", "share1", "track"
		e.Verdict = trail.Verdict{Agent: trail.Scanner, Probability: 1, Rules: []string{"ua_bot"}, RuleSet: 2}
	})
	for i := range keptAtOnce {
		fact(trail.Sent, at.AddDate(0, 0, -1-i), nil)
	}
	fact(trail.Replied, at.Add(time.Hour), func(e *trail.Event) { e.Rep = "ben@us.example" })
	return events
}

func TestARepSeesEveryFactAndCorrectsAClick(t *testing.T) {
	t.Parallel()
	const rep = "anna@us.example"
	e, user := keeping(t, rep)
	page := html.UnescapeString(read(t, e, "/mailbox"))
	for _, w := range []string{
		"No text and no subject", bad, "CFO, Acme <b>Ltd</b>", "The Deck", "surely a person", "it names a language", "a machine", "a mail you sent", "a tracked link",
		"mail " + contactKey.MessageHash("<1@ours>")[:8], "Pause the reading", "No more daily digests", "You have excluded nobody", `<td class="n" data-l="Facts">51</td>`,
	} {
		if !strings.Contains(page, w) {
			t.Errorf("the page lacks %q", w)
		}
	}
	if raw := read(t, e, "/mailbox"); strings.Contains(raw, bad) || strings.Contains(raw, "ben@us.example") {
		t.Error("a name is taken for markup, another rep's fact is shown, or the rep's own page is said to be another's")
	}
	next := regexp.MustCompile(`href="([^"]*after=[^"]*)#facts">Older`).FindStringSubmatch(read(t, e, "/mailbox"))
	if next == nil {
		t.Fatal("there is no way to older facts")
	}
	older := read(t, e, html.UnescapeString(next[1]))
	if n := strings.Count(older, `<tr id="e-`); n != 3 || strings.Contains(older, "Older</a>") {
		t.Errorf("the second page has %d facts, want the last 3 of %d", n, keptAtOnce+3)
	}
	rows := readCSV(t, e, "/mailbox?format=csv&kind=clicked")
	if len(rows) != 3 || rows[2][6] != "ann@acme.example" || rows[2][10] != "human" || rows[2][13] != "" {
		t.Fatalf("%q", rows)
	}
	checkSaid(t, e, rep, rows[2][0])
	checkReading(t, e, rep)

	*user = "lee@us.example"
	shows(t, e, "/mailbox", true, "No mailbox of lee@us.example is read", "Nothing is kept about mail of lee@us.example")
	shows(t, e, "/mailbox?rep=Anna@us.example", true, "You look at the page of <strong>anna@us.example", "The Deck")
}

// checkSaid says that a click was the rep's, and takes it back.
func checkSaid(t *testing.T, e http.Handler, rep, click string) {
	t.Helper()
	say := func(was, said string) {
		t.Helper()
		answer := post(t, e, "/mailbox/verdict", url.Values{"rep": {rep}, "id": {click}, "was": {was}})
		if to := answer.Header().Get("Location"); answer.Code != http.StatusSeeOther || to != "/mailbox?rep=anna%40us.example&said="+said+"#e-"+click {
			t.Fatalf("%d to %q\n%s", answer.Code, to, answer.Body)
		}
	}
	clicks := func() string {
		return string(regexp.MustCompile(`Clicks[^<]*<[^>]*>[^<]*`).Find([]byte(read(t, e, "/content/deck"))))
	}
	before := clicks()
	say("me", "told")
	say("me", "same")
	shows(t, e, "/mailbox?said=told", true, "anna@us.example says it was themselves", "our own rep", "Take that back", "Reports count it as you said", `data-l="Corrected">1</td>`)
	if rows := readCSV(t, e, "/mailbox?format=csv&kind=clicked"); rows[2][10] != "self" || rows[2][13] != "me" || rows[2][14] != rep {
		t.Errorf("%q", rows[2])
	}
	say("machine", "told")
	say("contact", "back")
	if rows := readCSV(t, e, "/mailbox?format=csv&kind=clicked"); rows[2][10] != "human" || rows[2][13] != "" {
		t.Errorf("%q", rows[2])
	}
	if after := clicks(); after != before {
		t.Errorf("taken back, and the content's page has %q, not %q", after, before)
	}
	if answer := post(t, e, "/mailbox/verdict", url.Values{"rep": {rep}, "id": {"X"}, "was": {"me"}}); answer.Code != http.StatusNotFound {
		t.Errorf("no click: %d", answer.Code)
	}
}

// checkReading pauses, excludes and ends the digest, and takes each back.
func checkReading(t *testing.T, e http.Handler, rep string) {
	t.Helper()
	for _, step := range []struct{ to, do, who, said, shows string }{
		{"reading", "pause", "", "paused#reading", "by anna@us.example"},
		{"reading", "resume", "", "resumed#reading", "✓ read"},
		{"exclusions", "exclude", "@Clinic.example", "excluded#excluded", "clinic.example"},
		{"exclusions", "include", "clinic.example", "included#excluded", "You have excluded nobody"},
		{"digest", "end", "", "digest#reading", "Send me the daily digest"},
		{"digest", "begin", "", "digest#reading", "No more daily digests"},
	} {
		answer := post(t, e, "/mailbox/"+step.to, url.Values{"rep": {rep}, "do": {step.do}, "who": {step.who}})
		if to := answer.Header().Get("Location"); answer.Code != http.StatusSeeOther || !strings.HasSuffix(to, "said="+step.said) {
			t.Fatalf("%s: %d to %q", step.do, answer.Code, to)
		}
		shows(t, e, "/mailbox", true, step.shows)
	}
	answer := post(t, e, "/mailbox/exclusions", url.Values{"rep": {rep}, "who": {"<b>nobody"}})
	if answer.Code != http.StatusUnprocessableEntity || !strings.Contains(answer.Body.String(), "neither an address nor a domain") || !strings.Contains(answer.Body.String(), `value="&lt;b&gt;nobody"`) {
		t.Errorf("nobody: %d", answer.Code)
	}
	if answer := post(t, e, "/mailbox/reading", url.Values{"rep": {rep}, "do": {"x"}}); answer.Code != http.StatusBadRequest {
		t.Errorf("neither paused nor resumed: %d", answer.Code)
	}
}
