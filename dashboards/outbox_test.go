package dashboards

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"dealtrail/ingest"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// sending is a site with a mail and two chats, one of which fails, and a digest that
// reps can end.
func sending(t *testing.T, user string) (e *echo.Echo, stop *Digest, off map[string]bool) {
	t.Helper()
	sealer, err := ingest.NewSealer(contactKey, "test")
	if err != nil {
		t.Fatal(err)
	}
	off = map[string]bool{}
	stop = &Digest{
		Sealer: sealer,
		Wanted: func(_ context.Context, rep string) (bool, error) { return !off[rep], nil },
		Want:   func(_ context.Context, rep string, wanted bool) error { off[rep] = !wanted; return nil },
	}
	_, e = newSite(t, storetest.Open(t), func(s *Site) {
		s.SignedIn = func(echo.Context) string { return user }
		s.Digest = stop
		s.Outbox = &Outbox{
			Channels: func(context.Context) ([]trail.Channel, error) {
				return []trail.Channel{
					{Name: "review", Kind: "mail", Events: []string{"review_ready"}, To: []string{"lee@example.com"}, SentAt: today},
					{Name: "digest", Kind: "mail", Events: []string{"digest"}, To: []string{"a@example.com", "b@example.com"}, Off: []string{"c@example.com"}},
					{Name: "sales", Kind: "teams", Events: []string{"hot_deal", "late_request"}, Rep: "a@example.com", Quiet: "18:00-08:00", Zone: "Europe/Berlin", Waiting: 3, Trouble: "The chat sales answers <b>404</b>."},
				}, nil
			},
			Test: func(_ context.Context, to string) (string, error) {
				if to != "sales" {
					return "", trail.Problemf(trail.Invalid, "No test goes to %q.", to)
				}
				return "The chat sales took the message.", nil
			},
		}
	})
	return e, stop, off
}

func TestARepEndsTheDigestByItsLinkAloneAndHasItAgain(t *testing.T) {
	t.Parallel()
	e, stop, off := sending(t, "")
	const rep = "anna@example.com"
	path := stop.Path("Anna@example.com ")
	for range 2 { // scanners follow links
		if body := read(t, e, path); !strings.Contains(body, "<strong>"+rep+"</strong> gets it") || strings.Contains(body, "<nav") || regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=`).MatchString(body) {
			t.Fatalf("the page says\n%s", body)
		}
	}
	if off[rep] {
		t.Fatal("looking ends it")
	}
	// As RFC 8058 has mail programs do it: no cookie, no page before.
	if r := post(t, e, path, url.Values{"List-Unsubscribe": {"One-Click"}}); r.Code != http.StatusOK || !off[rep] {
		t.Errorf("one click: %d, off %v", r.Code, off)
	}
	r := post(t, e, path, url.Values{"do": {"begin"}})
	if r.Code != http.StatusSeeOther || off[rep] {
		t.Errorf("again: %d, off %v", r.Code, off)
	}
	if body := read(t, e, r.Header().Get("Location")); !strings.Contains(body, "That is noted") || !strings.Contains(body, "No more of these mails") {
		t.Errorf("afterwards the page says\n%s", body)
	}
	if r := post(t, e, path, url.Values{"do": {"end"}}); r.Code != http.StatusSeeOther || !off[rep] {
		t.Errorf("by the button: %d, off %v", r.Code, off)
	}
	for _, other := range []string{path[:len(path)-2], "/digest/anna@example.com", path + "x"} {
		if r := post(t, e, other, url.Values{"do": {"begin"}}); r.Code != http.StatusNotFound || !off[rep] {
			t.Errorf("%s: %d, off %v", other, r.Code, off)
		}
	}
}

func TestThePageSaysWhatIsSentAndTestsIt(t *testing.T) {
	t.Parallel()
	e, _, _ := sending(t, "mia@example.com")
	shows(t, e, "/outbox", true, "Review of the week", "Mail to lee@example.com", "Mail to 2 reps; 1 wants none", "Teams, only of a@example.com, not 18:00-08:00 (Europe/Berlin)",
		"people click or answer in an open deal; a request is late", "The chat sales answers", `value="mia@example.com"`)
	if strings.Contains(read(t, e, "/outbox"), "<b>404") {
		t.Error("a trouble is HTML")
	}
	if r := post(t, e, "/outbox/test", url.Values{"to": {"sales"}}); r.Code != http.StatusOK || !strings.Contains(r.Body.String(), "took the message") {
		t.Errorf("%d %s", r.Code, r.Body)
	}
	if r := post(t, e, "/outbox/test", url.Values{"to": {"x@elsewhere.example"}}); r.Code != http.StatusUnprocessableEntity || !strings.Contains(r.Body.String(), "No test goes to") || !strings.Contains(r.Body.String(), `value="x@elsewhere.example"`) {
		t.Errorf("%d %s", r.Code, r.Body)
	}
	stranger, _, _ := sending(t, "")
	if r := get(t, stranger, "/outbox"); r.Code != http.StatusUnauthorized {
		t.Errorf("a stranger gets %d", r.Code)
	}
	if r := post(t, stranger, "/outbox/test", url.Values{"to": {"sales"}}); r.Code != http.StatusUnauthorized {
		t.Errorf("a stranger sends: %d", r.Code)
	}
	_, bare := newSite(t, storetest.Open(t), nil)
	shows(t, bare, "/outbox", true, "Nothing yet.", "[[chat]]")
}
