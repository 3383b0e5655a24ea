package access_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"

	"dealtrail/access"
	"dealtrail/ingest"
	"dealtrail/trail"
)

// server is the Redis of all tests of the package, which run one after another.
var server redis.UniversalClient

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "dealtrail-access")
	if err != nil {
		panic(err)
	}
	child, err := ingest.StartRedis(context.Background(), ingest.RedisOptions{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	if server, err = ingest.Connect(child.URL()); err != nil {
		panic(err)
	}
	code := m.Run()
	server.Close()
	child.Close()
	os.RemoveAll(dir)
	os.Exit(code)
}

// office is an Access over an empty Redis, behind a real server, with a clock that the
// test sets.
type office struct {
	*access.Access
	t   *testing.T
	now time.Time
	log strings.Builder
	url string
}

// newOffice starts one. Its routes answer with who asks, as JSON.
func newOffice(t *testing.T) *office {
	t.Helper()
	if err := server.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, now: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
	o.Access = &access.Access{
		Redis: server, AdminKey: "dt_admin-canary-0123456789", Contacts: trail.ContactKey("a key of contacts, long enough for it"), Now: func() time.Time { return o.now },
		Sessions: access.NewSessions(server, false), Log: slog.New(slog.NewTextHandler(&o.log, nil)),
	}
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		p := (*trail.Problem)(nil)
		if !errors.As(err, &p) {
			t.Errorf("%s %s: %v", c.Request().Method, c.Request().URL, err)
			p = &trail.Problem{}
		}
		status := map[trail.Code]int{trail.Unauthorized: 401, trail.Forbidden: 403, trail.NotFound: 404, trail.TooMany: 429, trail.Invalid: 400, trail.Conflict: 409}[p.Code]
		c.String(max(status, 100), p.Text)
	}
	g := e.Group("", echo.WrapMiddleware(o.Sessions.LoadAndSave), o.Guard)
	who := func(c echo.Context) error {
		a := access.From(c.Request().Context())
		return c.JSON(http.StatusOK, map[string]any{"who": a.Who, "key": a.Key, "roles": a.Roles, "session": a.Session})
	}
	for _, path := range []string{"/deals", "/me", "/people", "/v1/deals", "/v1/keys", "/v1/status"} {
		g.GET(path, who)
	}
	g.GET("/not/in/the/policy", who)
	g.POST("/signin", func(c echo.Context) error {
		err := o.SignIn(c, access.SignInForm{Code: c.FormValue("code"), Email: c.FormValue("email"), Password: trail.Secret(c.FormValue("password"))})
		if err != nil {
			return err
		}
		return c.NoContent(http.StatusNoContent)
	})
	g.POST("/signout", func(c echo.Context) error { return o.SignOut(c) })
	g.POST("/signin/oidc", func(c echo.Context) error { return o.toProvider(c, false) })
	g.POST("/me/oidc", func(c echo.Context) error { return o.toProvider(c, true) })
	g.GET("/signin/oidc/callback", func(c echo.Context) error {
		next, err := o.OIDCEnd(c)
		if err != nil {
			return err
		}
		return c.String(http.StatusOK, "in, to "+next)
	})
	s := httptest.NewServer(http.NewCrossOriginProtection().Handler(e))
	t.Cleanup(s.Close)
	o.url, o.Public = s.URL, s.URL
	return o
}

func (o *office) toProvider(c echo.Context, link bool) error {
	to, err := o.OIDCBegin(c, "/deals", link)
	if err != nil {
		return err
	}
	return c.String(http.StatusOK, to)
}

// browser is a client with cookies of its own.
func (o *office) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		o.t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

// do sends a request and returns status and body.
func (o *office) do(b *http.Client, method, path string, form url.Values, header ...string) (int, string) {
	o.t.Helper()
	q, err := http.NewRequestWithContext(o.t.Context(), method, o.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		o.t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	r, err := b.Do(q)
	if err != nil {
		o.t.Fatal(err)
	}
	defer r.Body.Close()
	var body strings.Builder
	if _, err := fmt.Fprint(&body, readAll(o.t, r)); err != nil {
		o.t.Fatal(err)
	}
	return r.StatusCode, body.String()
}

// status is do for who wants to know the status alone.
func (o *office) status(b *http.Client, path string, header ...string) int {
	o.t.Helper()
	status, _ := o.do(b, "GET", path, nil, header...)
	return status
}

// add adds a person with roles and, unless it is empty, a password.
func (o *office) add(email, password string, roles access.Roles) access.Person {
	o.t.Helper()
	p, err := o.Set(o.t.Context(), email, access.Change{Roles: &roles})
	if err == nil && password != "" {
		err = o.SetPassword(o.t.Context(), p.Email, password, "")
	}
	if err != nil {
		o.t.Fatal(err)
	}
	return p
}

// signIn signs in with a password and returns the status.
func (o *office) signIn(b *http.Client, email, password string) (int, string) {
	o.t.Helper()
	return o.do(b, "POST", "/signin", url.Values{"email": {email}, "password": {password}})
}

const good = "a fine long evening walk"

func TestThePolicyRefusesWhatItDoesNotKnow(t *testing.T) {
	o := newOffice(t)
	key := []string{"Authorization", "Bearer " + o.AdminKey.Reveal()}
	b := o.browser()
	if s := o.status(b, "/not/in/the/policy", key...); s != 404 {
		t.Errorf("a route that no area has answers %d", s)
	}
	if s := o.status(b, "/v1/deals", key...); s != 200 {
		t.Errorf("the admin key gets %d", s)
	}
	for _, header := range [][]string{nil, {"Authorization", "Bearer "}, {"Authorization", "Bearer dt_nobody"}, {"Authorization", "Basic YTpi"}, {"Cookie", "dealtrail=made-up"}} {
		if s := o.status(b, "/v1/deals", header...); s != 401 {
			t.Errorf("%v gets %d", header, s)
		}
	}
	o.add("ada@ours.test", "", access.Admin)
	o.add("aud@ours.test", good, access.Auditor)
	o.signIn(b, "aud@ours.test", good)
	if s, body := o.do(b, "GET", "/deals", nil); s != 403 || !strings.Contains(body, "a rep, a manager") {
		t.Errorf("an auditor gets %d %s", s, body)
	}
}

func TestKeysHaveScopesAndEnds(t *testing.T) {
	o := newOffice(t)
	b := o.browser()
	ask := func(key trail.Secret, path string) int {
		return o.status(b, path, "Authorization", "Bearer "+key.Reveal())
	}
	make := func(r access.KeyRequest) trail.Secret {
		t.Helper()
		key, _, err := o.NewKey(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	all, read, in := make(access.KeyRequest{Name: "all"}), make(access.KeyRequest{Name: "read", Scope: []string{"read"}, Days: 2}), make(access.KeyRequest{Name: "in", Scope: []string{"ingest"}})
	for _, c := range []struct {
		key  trail.Secret
		path string
		want int
	}{{all, "/v1/keys", 200}, {read, "/v1/deals", 200}, {read, "/v1/keys", 403}, {in, "/v1/deals", 403}, {in, "/v1/keys", 403}} {
		if got := ask(c.key, c.path); got != c.want {
			t.Errorf("%s: %d, want %d", c.path, got, c.want)
		}
	}
	o.now = o.now.Add(49 * time.Hour)
	if s := ask(read, "/v1/deals"); s != 401 {
		t.Errorf("an expired key gets %d", s)
	}
	keys, err := o.Keys(t.Context())
	if err != nil || len(keys) != 3 || keys[0].UsedAt.IsZero() || keys[2].UsedAt != time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC) {
		t.Errorf("%+v %v", keys, err)
	}
	if err := o.Revoke(t.Context(), "all", ""); err != nil || ask(all, "/v1/keys") != 401 {
		t.Errorf("a revoked key works: %v", err)
	}
	for _, c := range []access.KeyRequest{{}, {Name: "read"}, {Name: "x", Scope: []string{"admin"}}, {Name: "x", Days: -1}, {Name: "x", Scope: []string{"all"}, Owner: "a@ours.test"}} {
		if _, _, err := o.NewKey(t.Context(), c); err == nil {
			t.Errorf("%+v is made", c)
		}
	}
	if stored, err := server.HGetAll(t.Context(), "dealtrail:keys").Result(); err != nil || strings.Contains(fmt.Sprint(stored), in.Reveal()[7:]) {
		t.Error("Redis holds a key itself")
	}
}

func TestAKeyOfOnesOwnMayNoMoreThanItsOwner(t *testing.T) {
	o := newOffice(t)
	b := o.browser()
	o.add("ada@ours.test", "", access.Admin)
	o.add("aud@ours.test", "", access.Auditor)
	key, _, err := o.NewKey(t.Context(), access.KeyRequest{Name: "mine", Owner: "aud@ours.test"})
	if err != nil {
		t.Fatal(err)
	}
	header := []string{"Authorization", "Bearer " + key.Reveal()}
	if s := o.status(b, "/v1/deals", header...); s != 403 {
		t.Errorf("an auditor's key reads deals: %d", s)
	}
	if s := o.status(b, "/v1/status", header...); s != 200 {
		t.Errorf("an auditor's key does not read the status: %d", s)
	}
	yes := true
	if _, err := o.Set(t.Context(), "aud@ours.test", access.Change{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	if s := o.status(b, "/v1/status", header...); s != 401 {
		t.Errorf("the key of somebody disabled gets %d", s)
	}
}

func TestGuessingKeysIsSlowedDown(t *testing.T) {
	o := newOffice(t)
	b, last := o.browser(), 0
	for i := range 205 {
		last = o.status(b, "/v1/deals", "Authorization", fmt.Sprintf("Bearer dt_guess%d", i))
	}
	if last != 429 {
		t.Errorf("the 205th guess gets %d", last)
	}
	if s := o.status(b, "/v1/deals", "Authorization", "Bearer "+o.AdminKey.Reveal()); s != 200 {
		t.Errorf("a good key from the same network gets %d", s)
	}
}

func TestSomebodyCanAlwaysLetOthersIn(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	if nobody, err := o.Nobody(ctx); err != nil || !nobody {
		t.Fatalf("%v %v", nobody, err)
	}
	first, err := o.Set(ctx, " Ada@Ours.test", access.Change{})
	if err != nil || first.Roles != access.Admin || first.Email != "ada@ours.test" {
		t.Fatalf("%+v %v", first, err)
	}
	if second, err := o.Set(ctx, "rita@ours.test", access.Change{}); err != nil || second.Roles != access.Rep {
		t.Errorf("%+v %v", second, err)
	}
	yes, rep := true, access.Rep
	for _, c := range []access.Change{{Roles: &rep}, {Disabled: &yes}} {
		if _, err := o.Set(ctx, "ada@ours.test", c); err == nil {
			t.Error("the last admin is none any more")
		}
	}
	if link, err := o.FirstLink(ctx); err != nil || link != "" {
		t.Errorf("there is an admin, and a first link %q %v", link, err)
	}
}

func TestWhoSignedInBeforeThereWereRolesIsTakenOver(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	for i, want := range []access.Roles{access.Admin, access.Rep} {
		email := fmt.Sprintf("p%d@ours.test", i)
		if err := errors.Join(server.SAdd(ctx, "dealtrail:users", email).Err(), o.Adopt(ctx)); err != nil {
			t.Fatal(err)
		}
		if p, err := o.Person(ctx, email); err != nil || p.Roles != want {
			t.Errorf("%+v %v, want %s", p, err, want)
		}
	}
	if n := server.Exists(ctx, "dealtrail:users").Val(); n != 0 {
		t.Error("they would be taken over again")
	}
}

// asker is what the office answers with.
func asker(t *testing.T, body string) (a struct{ Who, Session string }) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return a
}
