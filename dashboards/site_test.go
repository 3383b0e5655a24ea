package dashboards

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/attribution"
	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/trail"
)

// newSite returns the pages over a database, with a status as a busy
// installation has it. Problems get their statuses as in the program.
func newSite(t testing.TB, db *store.DB, change func(*Site)) (*Site, *echo.Echo) {
	t.Helper()
	site := Site{
		DB: db, Job: newJob(db), Holdouts: &attribution.Holdouts{DB: db, Now: func() time.Time { return today }}, Registry: &ingest.Registry{Contacts: contactKey},
		Zone: zone(t, "Europe/Berlin"), Version: "test", PublicURL: "https://go.example.com", Now: func() time.Time { return today },
		Status: func(ctx context.Context) (trail.Status, error) {
			c, err := db.Counts(ctx)
			return trail.Status{
				Trouble:   []string{"The mailbox of hugo.martin@example.com is parked: the server refuses the password. Mend it, then `dealtrail mailbox resume hugo.martin@example.com`."},
				Mailboxes: []trail.MailboxStatus{{Name: "anna.berg@example.com", Rep: "anna.berg@example.com", State: "ok", SentFolder: "Sent", LastPoll: today.Add(-20 * time.Second), Messages: 1204, Events: 311}, {Name: "hugo.martin@example.com", Rep: "hugo.martin@example.com", State: "parked", Reason: "the server refuses the password"}},
				Events:    c.Events, Bad: 2, Contents: c.Contents, Deals: c.Deals, Contacts: c.Contacts, Shares: c.Shares, Clicks: c.Clicks, Received: c.LastReceived,
			}, err
		},
	}
	if change != nil {
		change(&site)
	}
	s, err := New(site)
	if err != nil {
		t.Fatal(err)
	}
	if s.Registry.Catalogue == nil {
		s.source.Accepted = func(context.Context, string) (bool, error) { return false, nil }
	}
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		status, p := 500, (*trail.Problem)(nil)
		if errors.As(err, &p) {
			status = map[trail.Code]int{trail.NotFound: 404, trail.Invalid: 400, trail.Conflict: 409, trail.Unauthorized: 401, trail.Forbidden: 403, trail.TooMany: 429, trail.NoRun: 404, trail.TooLarge: 413, trail.Unavailable: 503}[p.Code]
			if status == 503 {
				t.Logf("%s: %v", c.Request().URL, err) // the page does not tell the cause
			}
		} else if h := (*echo.HTTPError)(nil); errors.As(err, &h) {
			status = h.Code
		} else {
			t.Errorf("%s: %v", c.Request().URL, err)
		}
		if err := s.Error(c, status, p, "req-1"); err != nil {
			t.Error(err)
		}
	}
	s.Routes(e.Group("", s.asEverybody))
	return s, e
}

// asEverybody stands in the place of access.Guard: whoever is signed in sees all.
func (s *Site) asEverybody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if _, open, _ := access.Allowed(c.Request().Method + " " + c.Path()); !open && s.SignedIn != nil && s.SignedIn(c) == "" {
			return trail.Problemf(trail.Unauthorized, "Sign in.")
		}
		ctx := access.With(c.Request().Context(), access.Asker{Roles: access.Everybody | access.All, View: access.Everything})
		c.SetRequest(c.Request().WithContext(ctx))
		return next(c)
	}
}

func get(t testing.TB, e http.Handler, url string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRecorder()
	e.ServeHTTP(r, httptest.NewRequestWithContext(t.Context(), "GET", url, nil))
	return r
}
