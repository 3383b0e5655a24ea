package dashboards

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/ingest"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// connecting is a site on which mailboxes can be connected at one provider, for
// nobody who is signed in. What was connected is kept.
func connecting(t *testing.T, connected map[string]string, change func(*Site)) *echo.Echo {
	t.Helper()
	sealer, err := ingest.NewSealer(contactKey, "test")
	if err != nil {
		t.Fatal(err)
	}
	paused := map[string]bool{}
	_, e := newSite(t, storetest.Open(t), func(s *Site) {
		s.SignedIn = func(echo.Context) string { return "" }
		s.Connect = &Connect{
			Since: "12 months", Excluded: []string{"Private"}, Sealer: sealer,
			Providers: []ConnectProvider{{
				Name: "google", Title: "Google",
				ConsentURL: func(state, verifier, redirect, hint string) string {
					return "https://provider.example/?" + url.Values{"state": {state}, "verifier": {verifier}, "redirect": {redirect}, "hint": {hint}}.Encode()
				},
				Exchange: func(_ context.Context, code, verifier, redirect string) (string, ingest.Secret, error) {
					return "anna@example.com", ingest.Secret(code + verifier + redirect), nil
				},
			}},
			Add: func(_ context.Context, provider, address string, refresh ingest.Secret) (string, error) {
				connected[address] = refresh.Reveal()
				return "box", nil
			},
			Pause:  func(_ context.Context, name string) error { paused[name] = true; return nil },
			Resume: func(_ context.Context, name string) error { delete(paused, name); return nil },
			State: func(_ context.Context, name string) (trail.MailboxStatus, error) {
				state := "connecting"
				if paused[name] {
					state = "paused"
				}
				return trail.MailboxStatus{Name: name, Rep: "anna@example.com", State: state}, nil
			},
		}
		if change != nil {
			change(s)
		}
	})
	return e
}

// getWith asks with the cookies of an earlier answer.
func getWith(t *testing.T, e http.Handler, to string, earlier *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	t.Helper()
	q := httptest.NewRequestWithContext(t.Context(), "GET", to, nil)
	for _, c := range earlier.Result().Cookies() {
		q.AddCookie(c)
	}
	r := httptest.NewRecorder()
	e.ServeHTTP(r, q)
	return r
}

func TestWithoutAProviderTheConnectPageSaysWhomToAsk(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Site){
		"nothing is set up": func(s *Site) { s.Connect = nil }, "no provider is": func(s *Site) { s.Connect.Providers = nil },
	} {
		body := read(t, connecting(t, nil, change), "/connect")
		if !strings.Contains(body, "Ask whoever runs dealtrail") || !strings.Contains(body, "Never kept:") || strings.Contains(body, "Continue with") {
			t.Errorf("%s, and the page says:\n%s", name, body)
		}
	}
}

func TestConnectPageIsForWhoeverComesAndHoldsNothingInline(t *testing.T) {
	t.Parallel()
	e := connecting(t, map[string]string{}, nil)
	r := get(t, e, "/connect?for=Anna@example.com")
	body := r.Body.String()
	if r.Code != http.StatusOK || r.Header().Get("Content-Security-Policy") != policy || regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:`).MatchString(body) {
		t.Errorf("%d %v\n%s", r.Code, r.Header(), body)
	}
	for _, part := range []string{`<form method="post" action="/connect/google"><input type="hidden" name="for" value="anna@example.com">`, "nearly that of a registered one", "Continue with Google", "12 months back", "nothing that lies in Private", "dealtrail mailbox pause"} {
		if !strings.Contains(body, part) {
			t.Errorf("the page lacks %q:\n%s", part, body)
		}
	}
	if strings.Contains(body, "<nav") {
		t.Error("a stranger sees the navigation")
	}
}

// TestConsentComesBackToThePagesWhereLinksHaveAHostOfTheirOwn: that host serves nothing
// but links.
func TestConsentComesBackToThePagesWhereLinksHaveAHostOfTheirOwn(t *testing.T) {
	t.Parallel()
	e := connecting(t, nil, func(s *Site) {
		s.PublicURL, s.Connect.Address = "https://go.example.com", "https://deals.example.com"
	})
	begin := post(t, e, "/connect/google", url.Values{"for": {"anna@example.com"}})
	to := begin.Header().Get("Refresh")
	if begin.Code != http.StatusOK || !strings.Contains(to, url.QueryEscape("https://deals.example.com/connect/google/callback")) {
		t.Errorf("%d, and the browser goes to %q", begin.Code, to)
	}
}

func TestConsentComesBackOnceToTheBrowserThatBeganIt(t *testing.T) {
	t.Parallel()
	connected := map[string]string{}
	now := today
	e := connecting(t, connected, func(s *Site) { s.Now = func() time.Time { return now } })
	begin := post(t, e, "/connect/google", url.Values{"for": {"anna@example.com"}})
	refresh, ok := strings.CutPrefix(begin.Header().Get("Refresh"), "0; url=")
	to, err := url.Parse(refresh)
	if err != nil || !ok || begin.Code != http.StatusOK || !strings.Contains(begin.Body.String(), "On to Google") {
		t.Fatalf("%d %v %v", begin.Code, begin.Header(), err)
	}
	asked := to.Query()
	if len(asked.Get("verifier")) < 43 || asked.Get("redirect") != "https://go.example.com/connect/google/callback" || asked.Get("hint") != "anna@example.com" {
		t.Errorf("the provider is asked %v", asked)
	}
	cookie := begin.Result().Cookies()[0]
	if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/connect" || cookie.MaxAge > 1000 ||
		strings.Contains(cookie.Value, asked.Get("state")) || strings.Contains(cookie.Value, asked.Get("verifier")) {
		t.Errorf("the cookie is %v", cookie)
	}
	back := "/connect/google/callback?code=c0de&state=" + asked.Get("state")

	now = today.Add(time.Hour)
	if r := getWith(t, e, back, begin); r.Code != http.StatusBadRequest || len(connected) > 0 {
		t.Errorf("an hour later it answers %d", r.Code)
	}
	now = today
	for what, r := range map[string]*httptest.ResponseRecorder{"no cookie": get(t, e, back), "no state": getWith(t, e, "/connect/google/callback?code=c0de", begin)} {
		if r.Code != http.StatusBadRequest || len(connected) > 0 {
			t.Errorf("%s: it answers %d", what, r.Code)
		}
	}
	r := getWith(t, e, back, begin)
	if r.Code != http.StatusSeeOther || connected["anna@example.com"] != "c0de"+asked.Get("verifier")+asked.Get("redirect") {
		t.Fatalf("%d, connected %v", r.Code, connected)
	}
	if ended := r.Result().Cookies()[0]; ended.MaxAge >= 0 || ended.Value != "" {
		t.Errorf("the cookie stays: %v", ended)
	}
	own := r.Header().Get("Location")
	if body := read(t, e, own); !strings.Contains(body, "Connected.") || !strings.Contains(body, "anna@example.com") || strings.Contains(body, "c0de") {
		t.Errorf("then:\n%s", body)
	}
	key := regexp.MustCompile(`mailbox=(.*)`).FindStringSubmatch(own)[1]
	for _, step := range []struct{ do, shows string }{{"pause", "Paused."}, {"resume", "Connected."}} {
		r := post(t, e, "/connect", url.Values{"mailbox": {key}, "do": {step.do}})
		if body := read(t, e, r.Header().Get("Location")); r.Code != http.StatusSeeOther || !strings.Contains(body, step.shows) {
			t.Errorf("%s answers %d, then:\n%s", step.do, r.Code, body)
		}
	}
}

// A link that leads straight to the provider would have people allow something
// that they did not read, and any site could begin it.
func TestNobodyIsSentToTheProviderWithoutThePageThatAsks(t *testing.T) {
	t.Parallel()
	e := connecting(t, map[string]string{}, nil)
	r := get(t, e, "/connect/google?for=anna@example.com")
	if r.Code != http.StatusSeeOther || r.Header().Get("Location") != "/connect?for=anna%40example.com" || len(r.Result().Cookies()) > 0 {
		t.Errorf("a link answers %d %v", r.Code, r.Header())
	}
	q := httptest.NewRequestWithContext(t.Context(), "POST", "/connect/google", strings.NewReader("for=anna@example.com"))
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Origin", "http://10.0.0.7:8080") // another name of ours, where the cookie would be lost
	w := httptest.NewRecorder()
	e.ServeHTTP(w, q)
	if to := w.Header().Get("Refresh"); to != "0; url=https://go.example.com/connect?for=anna%40example.com" || len(w.Result().Cookies()) > 0 {
		t.Errorf("under another name it leads to %q", to)
	}
}

func TestAConnectedMailboxThatCannotBeReadSaysSoToItsRep(t *testing.T) {
	t.Parallel()
	box := trail.MailboxStatus{Rep: "anna@example.com"}
	key := ""
	e := connecting(t, map[string]string{}, func(s *Site) {
		key = s.Connect.Sealer.Seal("box", "mailbox")
		s.Connect.State = func(context.Context, string) (trail.MailboxStatus, error) { return box, nil }
	})
	for name, x := range map[string]struct {
		state, reason string
		says          []string
		not           string
	}{
		"read":           {"ok", "", []string{"Connected.", "nothing else for you to do"}, "Continue with"},
		"not yet":        {"connecting", "", []string{"Connected.", "Reload this page"}, "nothing else for you to do"},
		"tried again":    {"retrying", "IMAP is off.", []string{"cannot be read right now", "send this to whoever runs dealtrail: IMAP is off.", "Try again", "Continue with Google", `name="for" value="anna@example.com"`}, "nothing else for you to do"},
		"refused":        {"parked", "IMAP is off.", []string{"it cannot be read.", "Connect your mailbox again below", "IMAP is off.", "Try again", "Continue with Google", ">Pause<"}, "nothing else for you to do"},
		"consent ended":  {"parked", "The rep has to connect this mailbox again: Google no longer accepts it.", []string{"no longer accepts what you allowed", "Continue with Google"}, "The rep"},
		"paused by them": {"paused", "", []string{"Paused.", "Read it again"}, "Continue with"},
	} {
		box.State, box.Reason = x.state, x.reason
		body := read(t, e, "/connect?new=1&mailbox="+key)
		for _, says := range x.says {
			if !strings.Contains(body, says) {
				t.Errorf("%s: the page does not say %q:\n%s", name, says, body)
			}
		}
		if strings.Contains(body, x.not) {
			t.Errorf("%s: the page says %q", name, x.not)
		}
	}
	t.Run("without a provider it says whom to ask", func(t *testing.T) {
		bare := connecting(t, nil, func(s *Site) {
			s.Connect.Providers = nil
			key = s.Connect.Sealer.Seal("box", "mailbox")
			s.Connect.State = func(context.Context, string) (trail.MailboxStatus, error) { return box, nil }
		})
		box.State, box.Reason = "parked", "IMAP is off."
		body := read(t, bare, "/connect?mailbox="+key)
		if strings.Contains(body, "again below") || !strings.Contains(body, "Ask whoever runs dealtrail to connect it again, and send them this: IMAP is off.") {
			t.Errorf("%s", body)
		}
	})
}

func TestTooManyAreToldToWaitInWords(t *testing.T) {
	t.Parallel()
	e := connecting(t, nil, func(s *Site) { s.Connect.Limit = func(string) bool { return false } })
	r := get(t, e, "/connect")
	if r.Code != http.StatusTooManyRequests || !strings.Contains(r.Body.String(), "wait a minute") || strings.Contains(r.Body.String(), "Too Many Requests") || r.Header().Get("Retry-After") == "" {
		t.Errorf("%d\n%s", r.Code, r.Body)
	}
}
