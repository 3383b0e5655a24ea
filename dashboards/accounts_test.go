package dashboards

import (
	"context"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/ingest"
	"dealtrail/ingest/redistest"
	"dealtrail/trail/synth"
)

// accounts is the pages over the made-up company behind the real guard, with people,
// sessions and keys in a real Redis.
type accounts struct {
	*testing.T
	*access.Access
	handler http.Handler
}

const fineWords = "a fine long evening walk"

func newAccounts(t *testing.T) *accounts {
	t.Helper()
	_, rdb := redistest.Start(t)
	a := &accounts{T: t, Access: &access.Access{
		Redis: rdb, Public: "https://go.example.com", Contacts: contactKey, Sessions: access.NewSessions(rdb, false), Now: time.Now, Log: slog.New(slog.DiscardHandler),
		OIDC: &access.OIDC{Name: "Acme"},
	}}
	s, e := newSite(t, readCompany(t), func(s *Site) {
		s.Access, s.SignedIn, s.SignIn, s.SignOut = a.Access, a.User, a.Access.SignIn, a.Access.SignOut
	})
	s.source.Share = func(context.Context, ingest.ShareRequest) (ingest.Share, error) {
		return ingest.Share{URL: "https://go.example.com/c/kabc"}, nil
	}
	guarded := echo.New()
	guarded.HTTPErrorHandler = e.HTTPErrorHandler
	s.Routes(guarded.Group("", echo.WrapMiddleware(a.Sessions.LoadAndSave), a.Guard))
	a.handler = guarded
	return a
}

// as adds somebody with roles and returns their browser's cookie, signed in.
func (a *accounts) as(email string, roles access.Roles) string {
	a.Helper()
	if _, err := a.Set(a.Context(), email, access.Change{Roles: &roles}); err != nil {
		a.Fatal(err)
	}
	if err := a.SetPassword(a.Context(), email, fineWords, ""); err != nil {
		a.Fatal(err)
	}
	r := a.do("", "POST", "/signin", url.Values{"email": {email}, "password": {fineWords}})
	if r.Code != http.StatusSeeOther || len(r.Result().Cookies()) != 1 {
		a.Fatalf("%s: %d %s", email, r.Code, r.Body)
	}
	c := r.Result().Cookies()[0]
	return c.Name + "=" + c.Value
}

// do sends a request from a browser on this machine.
func (a *accounts) do(cookie, method, path string, form url.Values) *httptest.ResponseRecorder {
	a.Helper()
	q := httptest.NewRequestWithContext(a.Context(), method, path, strings.NewReader(form.Encode()))
	q.RemoteAddr = "127.0.0.1:1"
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.Header.Set("Accept", "text/html")
	q.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	if cookie != "" {
		q.Header.Set("Cookie", cookie)
	}
	r := httptest.NewRecorder()
	a.handler.ServeHTTP(r, q)
	return r
}

// accountSite is the pages for an admin who is signed in, with the longest that people
// may make them show.
func accountSite(t *testing.T) http.Handler {
	t.Helper()
	a := newAccounts(t)
	cookie := a.as("ada@lumen.example", access.Everybody)
	a.as(longRep, access.Rep|access.Auditor)
	name, team := strings.Repeat("Wolfeschlegelsteinhausenbergerdorff ", 3), strings.Repeat("North", 8)
	if _, err := a.Set(t.Context(), longRep, access.Change{Name: &name, Team: &team}); err != nil {
		t.Fatal(err)
	}
	for _, owner := range []string{"", "ada@lumen.example"} {
		scope := []string{"read"}
		if _, _, err := a.NewKey(t.Context(), access.KeyRequest{Name: strings.Repeat("long", 20) + owner, Scope: scope, Days: 90, Owner: owner}); err != nil {
			t.Fatal(err)
		}
	}
	a.do(cookie, "GET", "/deals/"+wonDeal(t).ID, nil) // is written down
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Add("Cookie", cookie)
		a.handler.ServeHTTP(w, r)
	})
}

func TestPagesShowEachRoleWhatIsTheirs(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	d := wonDeal(t)
	admin, owner := a.as("ada@lumen.example", access.Admin), a.as(d.Owner, access.Rep)
	other, marketer, auditor := a.as("nobodys@lumen.example", access.Rep), a.as("mia@lumen.example", access.Marketer), a.as("aud@lumen.example", access.Auditor)
	person := d.Contacts[0]
	names := func(r *httptest.ResponseRecorder) bool {
		body := html.UnescapeString(r.Body.String())
		return strings.Contains(body, person.Name) || strings.Contains(body, person.Address)
	}
	for _, c := range []struct {
		who, cookie, path string
		status            int
		named             bool
	}{
		{"the owner", owner, "/deals/" + d.ID, 200, true},
		{"another rep", other, "/deals/" + d.ID, 404, false},
		{"a marketer", marketer, "/deals/" + d.ID, 200, false},
		{"an auditor", auditor, "/deals/" + d.ID, 403, false},
		{"an admin", admin, "/deals/" + d.ID, 200, true},
		{"nobody", "", "/deals/" + d.ID, 401, false},
		{"the owner", owner, "/deals/" + d.ID + "?format=csv", 200, true},
		{"a marketer", marketer, "/deals/" + d.ID + "?format=csv", 200, false},
		{"the owner", owner, "/contacts/" + person.Address, 200, true},
		{"a marketer", marketer, "/contacts/" + person.Address, 403, false},
		{"another rep", other, "/contacts/" + person.Address, 404, false},
		{"a marketer", marketer, "/accounts/" + d.Domain, 200, false},
		{"another rep", other, "/accounts/" + d.Domain, 404, false},
		{"a marketer", marketer, "/quality", 200, false},
		{"a marketer", marketer, "/review?week=2026-W47", 200, false},
		{"a marketer", marketer, "/review?week=2026-W47&format=csv", 200, false},
		{"an auditor", auditor, "/", 200, false},
		{"a rep", owner, "/mailbox?rep=somebody@lumen.example", 403, false},
		{"an admin", admin, "/mailbox?rep=" + d.Owner, 403, false},
		{"a rep", owner, "/people", 403, false},
		{"another rep", other, "/send?deal=" + d.ID, 404, false},
		{"the owner", owner, "/send?deal=" + d.ID, 200, false},
		{"an auditor", auditor, "/people", 200, false},
	} {
		r := a.do(c.cookie, "GET", c.path, nil)
		if r.Code != c.status {
			t.Errorf("%s for %s: %d, want %d", c.path, c.who, r.Code, c.status)
		}
		if names(r) != c.named && c.path != "/contacts/"+person.Address {
			t.Errorf("%s for %s: named is %v", c.path, c.who, !c.named)
		}
	}
	// A link for a deal is made by who sees the deal: what comes of it would be the deal's.
	for who, c := range map[string]struct {
		cookie, rep, deal string
		status            int
	}{
		"another rep":              {other, "nobodys@lumen.example", d.ID, 404},
		"another rep, of no deal":  {other, "nobodys@lumen.example", "none", 404},
		"another rep, for no deal": {other, "nobodys@lumen.example", "", 201},
		"the owner":                {owner, d.Owner, d.ID, 201},
		"a marketer":               {marketer, d.Owner, d.ID, 201},
	} {
		if r := a.do(c.cookie, "POST", "/share", url.Values{"content": {synth.Popular}, "rep": {c.rep}, "deal": {c.deal}}); r.Code != c.status {
			t.Errorf("a link for a deal by %s: %d", who, r.Code)
		}
	}
	list := a.do(other, "GET", "/deals?format=csv", nil).Body.String()
	if strings.Contains(list, d.ID) || strings.Count(list, "\n") != 1 {
		t.Errorf("a rep without deals lists some: %.300s", list)
	}
	t.Run("the navigation leads where one may go", func(t *testing.T) {
		for who, c := range map[string]struct{ cookie, there, away string }{"rep": {owner, "/deals", "/people"}, "auditor": {auditor, "/access", "/deals"}} {
			body := a.do(c.cookie, "GET", "/start", nil).Body.String()
			head := body[:strings.Index(body, "<main")]
			if !strings.Contains(head, `href="/me"`) || strings.Contains(head, `href="`+c.away) {
				t.Errorf("a %s is led to %s, or not to their account", who, c.away)
			}
		}
	})
	t.Run("no page leads where its reader may not go", func(t *testing.T) {
		led := regexp.MustCompile(`<(?:a|form)\b[^>]* (?:href|action)="(/[^"?#]*)`)
		for _, c := range []struct {
			role   access.Roles
			cookie string
		}{{access.Rep, owner}, {access.Marketer, marketer}, {access.Auditor, auditor}} {
			for _, path := range []string{"/", "/content/" + synth.Popular, "/content/new", "/numbers", "/month?month=2026-10", "/dictionary", "/runs", "/deals", "/deals/" + d.ID, "/requests", "/notes", "/review?week=2026-W47", "/start", "/quality", "/people"} {
				r := a.do(c.cookie, "GET", path, nil)
				for _, m := range led.FindAllStringSubmatch(r.Body.String(), -1) {
					method := "GET"
					if strings.HasPrefix(m[0], "<form") && strings.Contains(m[0], `method="post"`) {
						method = "POST"
					}
					if may, who := (access.Asker{Roles: c.role}).MayReach(method, m[1]); !may {
						t.Errorf("%s leads a %s to %s %s, which takes %s", path, c.role, method, m[1], who.Who())
					}
				}
			}
		}
		page := a.do(auditor, "GET", "/content/"+synth.Popular, nil).Body.String()
		if strings.Contains(page, "No deal yet") || strings.Contains(page, "Nothing has happened") {
			t.Error("an auditor reads that nothing happened")
		}
		for _, left := range []string{"Only a rep, a manager, a marketer or an admin can do this.", "Only a marketer or an admin can do this."} {
			if !strings.Contains(page, left) {
				t.Errorf("an auditor does not learn: %s", left)
			}
		}
		for who, cookie := range map[string]string{"a marketer": marketer, "an admin": admin} {
			if page := a.do(cookie, "GET", "/content/"+synth.Popular, nil).Body.String(); !strings.Contains(page, `/change"`) || strings.Contains(page, "can do this.") {
				t.Errorf("%s lost a form", who)
			}
		}
	})
	t.Run("who is refused learns what to do", func(t *testing.T) {
		for path, says := range map[string]string{
			"/people":       "You are signed in as " + d.Owner + ", a rep. This takes an auditor or an admin.",
			"/nothing/here": "This page does not exist.",
			"/runs/previous/diff/newest?from=2019-01-01&to=2019-02-01": "Not calculated yet",
		} {
			if body := html.UnescapeString(a.do(owner, "GET", path, nil).Body.String()); !strings.Contains(body, says) || strings.Contains(body, "a key with") {
				t.Errorf("%s does not say %q: %s", path, says, body)
			}
		}
		if body := a.do(owner, "POST", "/content/new", url.Values{}).Body.String(); !strings.Contains(body, "This is not yours to do") {
			t.Errorf("%s", body)
		}
		ended := a.as("gone@lumen.example", access.Rep)
		if err := a.EndSessions(t.Context(), "gone@lumen.example", ""); err != nil {
			t.Fatal(err)
		}
		if body := a.do(ended, "GET", "/deals", nil).Body.String(); !strings.Contains(body, "Your session has ended") || !strings.Contains(body, `name="next" value="/deals"`) {
			t.Errorf("%s", body)
		}
		if body := a.do("", "GET", "/deals", nil).Body.String(); strings.Contains(body, "has ended") {
			t.Error("a session has ended that never was")
		}
		if r := a.do(ended, "POST", "/requests", url.Values{"text": {"x"}}); r.Code != http.StatusUnauthorized || !strings.Contains(r.Body.String(), "reload it") || !strings.Contains(r.Body.String(), `href="/signin" target="_blank"`) {
			t.Errorf("%d %s", r.Code, r.Body)
		}
	})
	t.Run("who is refused finds the way back", func(t *testing.T) {
		for _, path := range []string{"/people", "/nothing/here"} {
			if body := a.do(owner, "GET", path, nil).Body.String(); !strings.Contains(body, `href="/me"`) || !strings.Contains(body, `aria-label="Main"`) {
				t.Errorf("%s leads nowhere", path)
			}
		}
	})
	t.Run("who looked is written down", func(t *testing.T) {
		body := a.do(auditor, "GET", "/access?contact="+url.QueryEscape(person.Address), nil).Body.String()
		if !strings.Contains(body, d.Owner) || !strings.Contains(body, "GET /contacts/:email") || strings.Contains(body, "mia@") {
			t.Errorf("%s", body)
		}
		if csv := a.do(auditor, "GET", "/access?format=csv", nil).Body.String(); strings.Contains(csv, person.Address) || !strings.Contains(csv, "GET /deals/:id") {
			t.Errorf("%.500s", csv)
		}
	})
}

func TestAnAdminLetsPeopleIn(t *testing.T) {
	t.Parallel()
	a := newAccounts(t)
	admin := a.as("ada@lumen.example", access.Admin)
	link := regexp.MustCompile(`/signin\?code=(\w+)`)
	r := a.do(admin, "POST", "/people", url.Values{"email": {"New@lumen.example"}, "role": {"rep", "manager"}, "team": {"North"}})
	m := link.FindStringSubmatch(r.Body.String())
	if r.Code != http.StatusCreated || m == nil {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	if body := a.do("", "GET", "/signin?code="+m[1], nil).Body.String(); !strings.Contains(body, `name="code" value="`+m[1]) {
		t.Error("the link has no button")
	}
	if r := a.do("", "POST", "/signin", url.Values{"code": {m[1]}, "password": {"short"}}); r.Code != http.StatusUnprocessableEntity || !strings.Contains(r.Body.String(), `value="`+m[1]) {
		t.Errorf("a short password: %d, and the code is gone", r.Code)
	}
	r = a.do("", "POST", "/signin", url.Values{"code": {m[1]}, "password": {fineWords}})
	if r.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	cookie := r.Result().Cookies()[0].Name + "=" + r.Result().Cookies()[0].Value
	p, err := a.Person(t.Context(), "new@lumen.example")
	if err != nil || p.Roles != access.Rep|access.Manager || p.Team() != "North" || !p.Password {
		t.Errorf("%+v %v", p, err)
	}

	t.Run("the last admin, whom the provider gave another role", func(t *testing.T) {
		const says = "ada@lumen.example is an admin still because nobody else is"
		stored := a.Redis.HGet(t.Context(), "dealtrail:people", "ada@lumen.example").Val()
		if err := a.Redis.HSet(t.Context(), "dealtrail:people", "ada@lumen.example", strings.Replace(stored, "{", `{"kept_admin":"2026-11-23T08:00:00Z",`, 1)).Err(); err != nil {
			t.Fatal(err)
		}
		if body := a.do(admin, "GET", "/people", nil).Body.String(); !strings.Contains(body, says) {
			t.Errorf("%s", body)
		}
		if err := a.Redis.HSet(t.Context(), "dealtrail:people", "ada@lumen.example", stored).Err(); err != nil {
			t.Fatal(err)
		}
		if body := a.do(admin, "GET", "/people", nil).Body.String(); strings.Contains(body, says) {
			t.Error("it is said of everybody")
		}
	})
	t.Run("one's own account", func(t *testing.T) {
		body := a.do(cookie, "GET", "/me", nil).Body.String()
		if !strings.Contains(body, "Firefox on Linux") || !strings.Contains(body, "rep, manager") || !strings.Contains(body, "North") {
			t.Errorf("%s", body)
		}
		r := a.do(cookie, "POST", "/me/keys", url.Values{"name": {"my script"}, "scope": {"read"}})
		if r.Code != http.StatusCreated || !strings.Contains(r.Body.String(), "dt_") || strings.Contains(a.do(cookie, "GET", "/me", nil).Body.String(), "<code>dt_"+strings.Repeat("X", 30)) {
			t.Errorf("%d", r.Code)
		}
		for _, c := range []url.Values{{"name": {"x"}, "scope": {"all"}}, {"name": {""}}, {"name": {"x"}, "days": {"soon"}}} {
			if r := a.do(cookie, "POST", "/me/keys", c); r.Code != http.StatusUnprocessableEntity {
				t.Errorf("%v: %d", c, r.Code)
			}
		}
		if r := a.do(cookie, "POST", "/me/keys", url.Values{"do": {"revoke"}, "name": {"my script"}}); r.Code != http.StatusSeeOther {
			t.Errorf("%d", r.Code)
		}
		if r := a.do(cookie, "POST", "/me/password", url.Values{"old": {"not it, not it"}, "password": {"another long evening"}}); r.Code != http.StatusUnprocessableEntity {
			t.Errorf("%d", r.Code)
		}
		if r := a.do(cookie, "POST", "/me/password", url.Values{"old": {fineWords}, "password": {"another long evening"}}); r.Code != http.StatusSeeOther || a.do(cookie, "GET", "/me", nil).Code != 200 {
			t.Errorf("%d", r.Code)
		}
		r = a.do(cookie, "POST", "/me/sessions", url.Values{"do": {"all"}})
		if r.Code != http.StatusSeeOther || r.Header().Get("Location") != "/signin" || r.Header().Get("Clear-Site-Data") != `"cache", "storage"` || a.do(cookie, "GET", "/me", nil).Code != 401 {
			t.Errorf("signed out everywhere: %d", r.Code)
		}
	})
	t.Run("changes", func(t *testing.T) {
		cookie := a.as("rita@lumen.example", access.Rep)
		r := a.do(admin, "POST", "/people/rita@lumen.example", url.Values{"role": {"auditor"}, "disabled": {"1"}})
		if p, _ := a.Person(t.Context(), "rita@lumen.example"); r.Code != http.StatusSeeOther || p.Roles != access.Auditor || !p.Disabled || a.do(cookie, "GET", "/", nil).Code != 401 {
			t.Errorf("%d %+v", r.Code, p)
		}
		for path, form := range map[string]url.Values{"/people": {"email": {"rita@lumen.example"}, "role": {"rep"}}, "/people/rita@lumen.example": {}, "/people/ada@lumen.example": {"role": {"rep"}}, "/people/keys": {"name": {"x"}}} {
			if r := a.do(admin, "POST", path, form); r.Code != http.StatusUnprocessableEntity {
				t.Errorf("%s %v: %d", path, form, r.Code)
			}
		}
		r = a.do(admin, "POST", "/people/keys", url.Values{"name": {"crm"}, "scope": {"ingest"}, "days": {"30"}})
		if r.Code != http.StatusCreated || !strings.Contains(r.Body.String(), "dt_") {
			t.Errorf("%d", r.Code)
		}
		if r := a.do(admin, "POST", "/people/keys", url.Values{"name": {"crm"}, "do": {"revoke"}}); r.Code != http.StatusSeeOther {
			t.Errorf("%d", r.Code)
		}
	})
	t.Run("to the provider", func(t *testing.T) {
		if r := a.do("", "POST", "/signin/oidc", nil); r.Code != http.StatusUnauthorized || !strings.Contains(r.Body.String(), "Signing in with Acme did not work") {
			t.Errorf("without an issuer: %d %s", r.Code, r.Body)
		}
		var issuer *httptest.Server
		issuer = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"issuer": %q, "authorization_endpoint": "https://acme.example/ask", "token_endpoint": "https://acme.example/token", "jwks_uri": "https://acme.example/keys"}`, issuer.URL)
		}))
		defer issuer.Close()
		a.OIDC = &access.OIDC{Name: "Acme", Issuer: issuer.URL, ClientID: "dealtrail", Client: issuer.Client()}
		r := a.do("", "POST", "/signin/oidc", url.Values{"next": {"/deals"}})
		if to := r.Header().Get("Refresh"); r.Code != http.StatusOK || !strings.HasPrefix(to, "0; url=https://acme.example/ask?client_id=dealtrail&code_challenge=") || !strings.Contains(r.Body.String(), `href="https://acme.example/ask?`) || len(r.Result().Cookies()) != 1 {
			t.Errorf("%d %q %s", r.Code, to, r.Body)
		}
		if r := a.do("", "GET", "/signin/oidc/callback?code=x&state=y", nil); r.Code != http.StatusUnauthorized {
			t.Errorf("an end without a beginning: %d", r.Code)
		}
	})
	t.Run("a wrong password", func(t *testing.T) {
		r := a.do("", "POST", "/signin", url.Values{"email": {"ada@lumen.example"}, "password": {"wrong wrong wrong"}, "next": {"/deals"}})
		if r.Code != http.StatusUnauthorized || strings.Contains(r.Body.String(), "wrong wrong") || !strings.Contains(r.Body.String(), `value="/deals"`) {
			t.Errorf("%d %s", r.Code, r.Body)
		}
	})
}
