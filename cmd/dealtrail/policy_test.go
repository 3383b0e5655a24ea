package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/api"
	"dealtrail/dashboards"
	"dealtrail/ingest"
	"dealtrail/ingest/redistest"
	"dealtrail/ingest/track"
	"dealtrail/trail"
)

// guarded is the program's own wiring of HTTP over a real Redis, with everything that
// stands in front of the handlers and, in their place, one that says yes.
type guarded struct {
	*testing.T
	p       *program
	handler http.Handler
	routes  []string // all that are mounted, as "METHOD /path"
}

func newGuarded(t *testing.T) *guarded {
	config, err := loadConfig(writeConfig(t, ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &program{config: config, secrets: &Secrets{AdminKey: "dt_admin-of-this-test"}, log: slog.New(slog.DiscardHandler)}
	_, p.redis = redistest.Start(t)
	if err := p.openAccess(t.Context(), trail.ContactKey("a key of contacts, long enough for it")); err != nil {
		t.Fatal(err)
	}
	p.tracker = &track.Tracker{Stop: (&ingest.Consents{}).Stop, NotFound: func(c echo.Context) error { return c.NoContent(http.StatusNotFound) }}
	p.server = &api.Server{Access: p.access, Metrics: http.NotFoundHandler()}
	if p.site, err = dashboards.New(dashboards.Site{Demo: &dashboards.Demo{}, Erase: p.eraser.Erase, Access: p.access, SignedIn: p.access.User, SignIn: p.access.SignIn, SignOut: p.access.SignOut}); err != nil {
		t.Fatal(err)
	}
	p.routes = (&demo{}).landing
	p.guarded = func(c echo.Context) error { return c.String(http.StatusTeapot, "yes") }
	g := &guarded{T: t, p: p}
	e := p.newEcho()
	p.mount(e)
	g.handler = e
	for _, r := range e.Routes() {
		if r.Method != echo.RouteNotFound {
			g.routes = append(g.routes, r.Method+" "+r.Path)
		}
	}
	slices.Sort(g.routes)
	return g
}

// ask returns the status of a request for a route, for somebody.
func (g *guarded) ask(route string, as http.Header) int {
	method, path, _ := strings.Cut(route, " ")
	for _, part := range strings.Split(path, "/") {
		if strings.HasPrefix(part, ":") || part == "*" {
			path = strings.Replace(path, part, "x", 1)
		}
	}
	q := httptest.NewRequestWithContext(g.Context(), method, path, nil)
	q.RemoteAddr = "127.0.0.1:1"
	for name, values := range as {
		q.Header[name] = values
	}
	r := httptest.NewRecorder()
	g.handler.ServeHTTP(r, q)
	return r.Code
}

// everybody are people of each role, signed in by their link, and keys of each scope; and
// nobody.
func (g *guarded) everybody() map[string]http.Header {
	as := map[string]http.Header{"nobody": {}}
	admin := access.Admin
	if _, err := g.p.access.Set(g.Context(), "first@ours.test", access.Change{Roles: &admin}); err != nil {
		g.Fatal(err)
	}
	for _, name := range access.Everybody.Names() {
		roles, _ := access.ParseRoles(name)
		if _, err := g.p.access.Set(g.Context(), name+"@ours.test", access.Change{Roles: &roles}); err != nil {
			g.Fatal(err)
		}
		link, err := g.p.access.SignInLink(g.Context(), name+"@ours.test")
		if err != nil {
			g.Fatal(err)
		}
		u, _ := url.Parse(link)
		q := httptest.NewRequestWithContext(g.Context(), "POST", "/signin", strings.NewReader(u.RawQuery))
		q.RemoteAddr = "127.0.0.1:1"
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r := httptest.NewRecorder()
		e := g.p.newEcho()
		e.POST("/signin", func(c echo.Context) error {
			return g.p.access.SignIn(c, access.SignInForm{Code: c.FormValue("code")})
		}, echo.WrapMiddleware(g.p.access.Sessions.LoadAndSave))
		if e.ServeHTTP(r, q); len(r.Result().Cookies()) != 1 {
			g.Fatalf("%s: %d %s", name, r.Code, r.Body)
		}
		c := r.Result().Cookies()[0]
		as[name] = http.Header{"Cookie": {c.Name + "=" + c.Value}}
	}
	for _, scope := range []string{"ingest", "read", "people", "all"} {
		key, _, err := g.p.access.NewKey(g.Context(), access.KeyRequest{Name: scope, Scope: []string{scope}})
		if err != nil {
			g.Fatal(err)
		}
		as["key "+scope] = http.Header{"Authorization": {"Bearer " + key.Reveal()}}
	}
	as["key admin"] = http.Header{"Authorization": {"Bearer " + g.p.secrets.AdminKey.Reveal()}}
	return as
}

// rolesOf are the roles or scopes that somebody of everybody has.
func rolesOf(name string) access.Roles {
	scope, isKey := strings.CutPrefix(name, "key ")
	switch {
	case name == "nobody":
		return 0
	case isKey && scope == "admin":
		return access.All
	case isKey && scope == "people":
		return access.Read | access.Named
	case isKey:
		roles, _ := access.ParseScopes(scope)
		return roles
	}
	roles, _ := access.ParseRoles(name)
	return roles
}

// TestEveryRouteAsksThePolicy takes every route that is mounted, and every one of
// openapi.yaml, times every role and scope, through the middleware of the program.
func TestEveryRouteAsksThePolicy(t *testing.T) {
	g := newGuarded(t)
	as := g.everybody()
	t.Run("every mounted route is in the policy, and the other way round", func(t *testing.T) {
		for _, route := range g.routes {
			if _, _, known := access.Allowed(route); !known {
				t.Errorf("%s is mounted and in no area of the policy: nobody can open it", route)
			}
		}
		for _, route := range access.Routes() {
			if !slices.Contains(g.routes, route) {
				t.Errorf("%s is in the policy and not mounted", route)
			}
		}
		for _, route := range describedRoutes(t) {
			if !slices.Contains(g.routes, route) {
				t.Errorf("openapi.yaml describes %s, which is not mounted", route)
			}
		}
	})
	t.Run("each role gets what the policy says", func(t *testing.T) {
		asked := 0
		for _, route := range g.routes {
			who, open, _ := access.Allowed(route)
			if _, path, _ := strings.Cut(route, " "); open && (tracked(path) || path == "/healthz" || path == "/readyz" || path == "/metrics") {
				continue // served outside: TestTheTrackingHostServesNothingElse, and every process
			}
			for name, header := range as {
				want := http.StatusForbidden
				switch roles := rolesOf(name); {
				case open, who.Has(roles):
					want = http.StatusTeapot
				case roles == 0:
					want = http.StatusUnauthorized
				}
				if asked++; g.ask(route, header) != want {
					t.Errorf("%s for %s: %d, want %d", route, name, g.ask(route, header), want)
				}
			}
		}
		if asked < 1500 {
			t.Errorf("only %d were asked", asked)
		}
	})
	// What must hold whatever the table says.
	t.Run("promises", func(t *testing.T) {
		for _, c := range []struct {
			route string
			may   string
		}{
			{"GET /deals/:id", "rep manager marketer facilitator admin, key read, key people, key all, key admin"},
			{"GET /v1/contacts/:email", "rep manager marketer facilitator admin, key read, key people, key all, key admin"},
			{"GET /access", "auditor admin, key all, key admin"},
			{"POST /people", "admin, key all, key admin"},
			{"POST /v1/keys", "admin, key all, key admin"},
			{"PUT /v1/users/:email", "admin, key all, key admin"},
			{"POST /v1/imports/:table", "admin, key ingest, key all, key admin"},
			{"POST /v1/shares", "rep manager marketer admin, key ingest, key all, key admin"},
			{"POST /v1/mailboxes", "admin, key all, key admin"},
			{"GET /v1/bad", "admin, key all, key admin"},
		} {
			for name, header := range as {
				plain := strings.ReplaceAll(c.may, ",", "")
				may := slices.Contains(strings.Fields(plain), name) && !strings.HasPrefix(name, "key") || strings.Contains(c.may, ", "+name)
				if got := g.ask(c.route, header) == http.StatusTeapot; got != may {
					t.Errorf("%s for %s: %v, want %v", c.route, name, got, may)
				}
			}
		}
		for _, route := range g.routes {
			method, path, _ := strings.Cut(route, " ")
			if method != "GET" && method != "HEAD" {
				for _, name := range []string{"key read", "key people"} {
					if _, open, _ := access.Allowed(route); !open && g.ask(route, as[name]) != http.StatusForbidden {
						t.Errorf("%s may %s", name, route)
					}
				}
				if strings.HasPrefix(path, "/me/") {
					continue
				}
				if _, open, _ := access.Allowed(route); !open && !strings.HasPrefix(path, "/demo") && g.ask(route, as["auditor"]) != http.StatusForbidden {
					t.Errorf("an auditor may %s", route)
				}
			}
		}
	})
	t.Run("no other site changes anything in somebody's name", func(t *testing.T) {
		whole := g.p.handler()
		for _, route := range g.routes {
			method, path, _ := strings.Cut(route, " ")
			if method == "GET" || method == "HEAD" {
				continue
			}
			q := httptest.NewRequestWithContext(t.Context(), method, strings.NewReplacer(":", "", "*", "x").Replace(path), nil)
			q.RemoteAddr, q.Header = "127.0.0.1:1", as["admin"].Clone()
			q.Header.Set("Sec-Fetch-Site", "cross-site")
			r := httptest.NewRecorder()
			if whole.ServeHTTP(r, q); r.Code != http.StatusForbidden {
				t.Errorf("%s from another site: %d", route, r.Code)
			}
		}
	})
	t.Run("a route that is not in the policy is refused", func(t *testing.T) {
		for _, route := range []string{"GET /nothing/here", "GET /v1/nothing", "DELETE /deals", "POST /v1/deals"} {
			if s := g.ask(route, as["key admin"]); s != http.StatusNotFound && s != http.StatusMethodNotAllowed {
				t.Errorf("%s: %d", route, s)
			}
		}
	})
}

func tracked(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(strings.ToLower(path), "/"), "/")
	return first == "c" || first == "o" || first == "stop"
}

// describedRoutes are the routes of openapi.yaml, but for those that the tracker names otherwise.
func describedRoutes(t *testing.T) (all []string) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths.Map() {
		if tracked(path) {
			continue
		}
		parts := strings.Split(path, "/")
		for i, p := range parts {
			if strings.HasPrefix(p, "{") {
				parts[i] = ":" + strings.Trim(p, "{}")
			}
		}
		for method := range item.Operations() {
			all = append(all, method+" "+strings.Join(parts, "/"))
		}
	}
	return all
}

func TestTheTrackingHostServesNothingElse(t *testing.T) {
	g := newGuarded(t)
	host := httptest.NewServer(g.p.trackingHandler())
	defer host.Close()
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, route := range g.routes {
		method, path, _ := strings.Cut(route, " ")
		if tracked(path) {
			continue
		}
		q, err := http.NewRequestWithContext(t.Context(), method, host.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+g.p.secrets.AdminKey.Reveal())
		r, err := client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusNotFound || len(r.Cookies()) > 0 {
			t.Errorf("the tracking host answers %s with %d", route, r.StatusCode)
		}
	}
}

// TestThePolicyIsWrittenDown holds the table of docs/access.md and the policy together.
func TestThePolicyIsWrittenDown(t *testing.T) {
	text, err := os.ReadFile("../../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), access.Table()) {
		t.Errorf("docs/access.md does not hold the policy's table; it is:\n%s", access.Table())
	}
}
