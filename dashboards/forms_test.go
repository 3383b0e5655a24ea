package dashboards

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/ingest"
	"dealtrail/ingest/redistest"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

func post(t testing.TB, e http.Handler, to string, form url.Values) *httptest.ResponseRecorder {
	t.Helper()
	return postBody(t, e, to, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

func postBody(t testing.TB, e http.Handler, to, kind string, body io.Reader) *httptest.ResponseRecorder {
	t.Helper()
	q := httptest.NewRequestWithContext(t.Context(), "POST", to, body)
	q.Header.Set("Content-Type", kind)
	r := httptest.NewRecorder()
	e.ServeHTTP(r, q)
	return r
}

// registry is a real one, and what it takes to read what was registered.
type registry struct {
	*ingest.Registry
	t testing.TB
}

// registering is a site over a real registry. Nothing is visible before the
// first look at a state.
func registering(t testing.TB, changes ...func(*Site)) (*echo.Echo, registry) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	_, rdb := redistest.Start(t)
	db := storetest.Open(t)
	r := registry{t: t, Registry: &ingest.Registry{
		Buffer: ingest.NewBuffer(rdb, log), DB: db, Catalogue: ingest.NewCatalogue(rdb, db, filepath.Join(t.TempDir(), "catalogue.json"), log),
		Files: &ingest.Files{Dir: t.TempDir()}, Contacts: contactKey, Patience: time.Millisecond,
	}}
	_, e := newSite(t, db, func(s *Site) {
		s.Registry = r.Registry
		for _, change := range changes {
			change(s)
		}
	})
	return e, r
}

// state returns what is registered of a content, nil for nothing.
func (r registry) state(id string) map[string]string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 3*time.Minute)
	loaded := make(chan error, 1)
	go func() {
		loaded <- (&ingest.Loader{Buffer: r.Buffer, DB: r.DB, Log: slog.New(slog.DiscardHandler), Node: "test-load"}).Run(ctx)
	}()
	err := r.Buffer.Settle(ctx)
	cancel()
	if err := errors.Join(err, <-loaded); err != nil {
		r.t.Fatal(err)
	}
	states, err := r.DB.States(r.t.Context(), trail.ContentKind, []string{id})
	if err != nil {
		r.t.Fatal(err)
	}
	return states[id].Attrs
}

func TestContentIsRegisteredByForm(t *testing.T) {
	t.Parallel()
	e, r := registering(t)
	form := url.Values{"title": {" Price list: autumn "}, "url": {"https://www.example.com/prices?x=1"}, "kind": {"Pricing"}, "tags": {"price, 2026"}, "published_at": {"2026-10-01"}}
	answer := post(t, e, "/content/new", form)
	if answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/content/price-list-autumn?new=1" {
		t.Fatalf("%d to %q", answer.Code, answer.Header().Get("Location"))
	}
	// Reports do not show it yet: the page says that it is safe.
	if r := get(t, e, "/content/price-list-autumn"); r.Code != http.StatusAccepted || !strings.Contains(r.Body.String(), "is safe") {
		t.Errorf("accepted, not yet visible: %d", r.Code)
	}
	if r := get(t, e, "/content/never-heard-of"); r.Code != http.StatusNotFound {
		t.Errorf("unknown content: %d", r.Code)
	}
	// Another with the same title must not replace it.
	if answer := post(t, e, "/content/new", form); answer.Code != http.StatusUnprocessableEntity || !strings.Contains(answer.Body.String(), "has the ID") {
		t.Errorf("the same title again: %d", answer.Code)
	}
	attrs := r.state("price-list-autumn")
	for k, want := range map[string]string{"title": "Price list: autumn", "url": "https://www.example.com/prices?x=1", "tags": "price 2026", "published_at": "2026-09-30T22:00:00Z"} {
		if attrs[k] != want {
			t.Errorf("%s is %q, want %q", k, attrs[k], want)
		}
	}
}

func TestAnyContentIDHasAPage(t *testing.T) {
	t.Parallel()
	s, e := newSite(t, storetest.Open(t), nil)
	s.source.Accepted = func(context.Context, string) (bool, error) { return true, nil }
	s.source.Content = func(context.Context, string, store.Filter) (*trail.ContentDetail, error) {
		return nil, trail.Problemf(trail.NotFound, "no")
	}
	for _, id := range []string{"decks/first meeting", "100% ö", "a%2Fb", "what?"} {
		if r := get(t, e, join("content", id)); r.Code != http.StatusAccepted || !strings.Contains(r.Body.String(), "<code>"+id+"</code>") {
			t.Errorf("%q has no page: %s answers %d", id, join("content", id), r.Code)
		}
	}
}

func TestAWrongFormKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	e, reg := registering(t)
	for _, x := range []struct{ url, title, says string }{
		{"ftp://example.com/x", "Typed by hand", "must begin with https"},
		{"", "Typed by hand", "Give the URL"},
		{"https://www.example.com/", "", "Give the content a title"},
	} {
		r := post(t, e, "/content/new", url.Values{"title": {x.title}, "url": {x.url}, "persona": {"the buyer"}})
		if body := r.Body.String(); r.Code != http.StatusUnprocessableEntity || !strings.Contains(body, x.says) || !strings.Contains(body, `value="the buyer"`) || strings.Contains(body, "Registered before") {
			t.Errorf("%v: %d, and the form does not say %q with what was typed", x, r.Code, x.says)
		}
	}
	if all := reg.Catalogue.All(); len(all) != 0 {
		t.Errorf("something was registered: %v", all)
	}
}

func TestATrackedLinkIsShownWithItsHTML(t *testing.T) {
	t.Parallel()
	s, e := newSite(t, readCompany(t), nil)
	var asked ingest.ShareRequest
	s.source.Share = func(_ context.Context, q ingest.ShareRequest) (ingest.Share, error) {
		asked = q
		if q.Rep == "" {
			return ingest.Share{}, trail.Problemf(trail.Invalid, "The rep is missing.")
		}
		return ingest.Share{URL: "https://go.example.com/c/kabc", HTML: `<a href="https://go.example.com/c/kabc">The product</a>`}, nil
	}
	r := post(t, e, "/content/"+synth.Popular+"/share", url.Values{"rep": {"a@example.com"}, "recipients": {"x@y.example; z@y.example"}, "deal": {"D-1"}})
	if r.Code != http.StatusCreated || !strings.Contains(r.Body.String(), `value="https://go.example.com/c/kabc"`) || !strings.Contains(r.Body.String(), `&lt;a href=`) {
		t.Errorf("%d %s", r.Code, r.Body)
	}
	if asked.Content != synth.Popular || len(asked.To) != 2 || asked.Deal != "D-1" {
		t.Errorf("asked for %+v", asked)
	}
	r = post(t, e, "/content/"+synth.Popular+"/share", url.Values{"deal": {"D-7"}})
	if r.Code != http.StatusUnprocessableEntity || !strings.Contains(r.Body.String(), "The rep is missing.") || !strings.Contains(r.Body.String(), `value="D-7"`) {
		t.Errorf("a wrong form answers %d without saying why", r.Code)
	}
}

func TestOnlyTheButtonUsesUpASignInCode(t *testing.T) {
	t.Parallel()
	used, in := 0, ""
	_, e := newSite(t, storetest.Open(t), func(s *Site) {
		s.SignedIn = func(echo.Context) string { return in }
		s.SignIn = func(_ echo.Context, f access.SignInForm) error {
			if used++; f.Code != "good" {
				return trail.Problemf(trail.Unauthorized, "The link was used already.")
			}
			in = "anna@example.com"
			return nil
		}
		s.SignOut = func(echo.Context) error { in = ""; return nil }
	})
	r := get(t, e, "/deals?agents=all")
	if r.Code != http.StatusUnauthorized || !strings.Contains(r.Body.String(), `value="/deals?agents=all"`) || strings.Contains(r.Body.String(), "<nav") {
		t.Errorf("a stranger sees %d", r.Code)
	}
	if r := post(t, e, "/calculate", url.Values{}); r.Code != http.StatusUnauthorized {
		t.Errorf("a stranger calculates: %d", r.Code)
	}
	if body := read(t, e, "/signin?code=good"); used != 0 || !strings.Contains(body, `name="code" value="good"`) {
		t.Error("looking at the page used the code up, or it has no button")
	}
	if r := post(t, e, "/signin", url.Values{"code": {"old"}}); r.Code != http.StatusUnauthorized || !strings.Contains(r.Body.String(), "used already") {
		t.Errorf("an old code: %d", r.Code)
	}
	for _, next := range []string{"//evil.example", "https://evil.example", `/\evil.example`} {
		if r := post(t, e, "/signin", url.Values{"code": {"good"}, "next": {next}}); r.Header().Get("Location") != "/" {
			t.Errorf("sign-in sends people to %q", r.Header().Get("Location"))
		}
	}
	if r := post(t, e, "/signin", url.Values{"code": {"good"}, "next": {"/deals?agents=all"}}); r.Code != http.StatusSeeOther || r.Header().Get("Location") != "/deals?agents=all" {
		t.Errorf("sign-in comes back to %q", r.Header().Get("Location"))
	}
	if body := read(t, e, "/status"); !strings.Contains(body, "Sign out") {
		t.Error("nothing to sign out with")
	}
	post(t, e, "/signout", nil)
	if r := get(t, e, "/status"); r.Code != http.StatusUnauthorized {
		t.Errorf("after signing out: %d", r.Code)
	}
}

func TestTheTourTicksItselfFromTheTrail(t *testing.T) {
	t.Parallel()
	c := newCompany()
	db := loadCompany(t)
	const link = "https://go.example.com/c/k7"
	var sent [2]string
	site, e := newSite(t, db, func(s *Site) {
		s.Demo = &Demo{
			Loved: synth.Popular,
			Send: func(_ context.Context, contact, content string) (string, error) {
				sent = [2]string{contact, content}
				return link, nil
			},
			Scan: func(_ context.Context, url string) error {
				if url != link {
					t.Errorf("the scanner follows %q", url)
				}
				return nil
			},
		}
	})
	contents, err := db.Contents(t.Context(), store.Filter{}) // the tour needs their titles only
	if err != nil {
		t.Fatal(err)
	}
	site.source.Contents = func(context.Context, store.Filter) ([]trail.ContentRow, error) { return slices.Clone(contents), nil }
	done := func(n int) {
		t.Helper()
		if body := read(t, e, "/demo"); strings.Count(body, `class="tick done"`) != n {
			t.Errorf("%d steps are done, want %d", strings.Count(body, `class="tick done"`), n)
		}
	}
	done(0)
	person := c.Deals[len(c.Deals)-1].Contacts[0]
	content := c.Contents[1].ID
	if r := post(t, e, "/demo/send", url.Values{"contact": {person.Address + " " + c.Deals[len(c.Deals)-1].ID}, "content": {content}}); r.Code != http.StatusSeeOther || sent != [2]string{person.Address, content} {
		t.Fatalf("send: %d, %q", r.Code, sent)
	}
	if body := read(t, e, "/demo"); !strings.Contains(body, link) || !strings.Contains(body, "every 3s") {
		t.Error("the link to click is not there, or the page does not look again")
	}
	post(t, e, "/demo/scan", nil)
	done(0) // what was asked for has not come yet
	event := trail.Event{Source: "track", At: today, ReceivedAt: today, Content: content, Share: "sharetour0"}
	mail, click, scan := event, event, event
	mail.ID, mail.Kind, mail.Contact, mail.Rep, mail.Message = trail.NewID(today), trail.Sent, person.ID, c.Reps[0].Address, "m"
	click.ID, click.Kind, click.Verdict = trail.NewID(today), trail.Clicked, trail.Verdict{Agent: trail.Human, Probability: .9}
	scan.ID, scan.Kind, scan.Verdict = trail.NewID(today), trail.Clicked, trail.Verdict{Agent: trail.Scanner, Probability: .9}
	for i, step := range []trail.Event{mail, click, scan} {
		if err := db.InsertEvents(t.Context(), []trail.Event{step}); err != nil {
			t.Fatal(err)
		}
		done(i + 1)
	}
	post(t, e, "/demo/guess", url.Values{"content": {content}})
	done(3)
	post(t, e, "/demo/guess", url.Values{"content": {synth.Popular}})
	done(4)
}
