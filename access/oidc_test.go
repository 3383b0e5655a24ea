package access_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"dealtrail/access"
	"dealtrail/outbox/guard"
)

// issuer is a real provider: its own server, its own sign-in page, its own keys.
type issuer struct {
	*storage.Storage
	users  map[string]*storage.User // by ID
	groups map[string][]string      // by ID: what the claim groups tells
	url    string
}

func (i *issuer) GetUserByID(id string) *storage.User { return i.users[id] }

func (i *issuer) GetUserByUsername(name string) *storage.User {
	for _, u := range i.users {
		if u.Username == name {
			return u
		}
	}
	return nil
}

func (*issuer) ExampleClientID() string { return "none" }

// SetUserinfoFromToken adds the groups, as providers do at their userinfo endpoint.
func (i *issuer) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, subject, origin string) error {
	err := i.Storage.SetUserinfoFromToken(ctx, info, tokenID, subject, origin)
	if g := i.groups[subject]; g != nil {
		info.AppendClaims("groups", g)
	}
	return err
}

// newIssuer starts one, at which the office is a client.
func newIssuer(t *testing.T, o *office) *issuer {
	t.Helper()
	was := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(was) })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{users: map[string]*storage.User{}, groups: map[string][]string{}, url: "http://" + ln.Addr().String() + "/"}
	client := storage.WebClient("dealtrail", "a secret of the client", o.url+"/signin/oidc/callback")
	i.Storage = storage.NewStorageWithClients(i, map[string]*storage.Client{"dealtrail": client})
	s := &httptest.Server{Listener: ln, Config: &http.Server{Handler: exampleop.SetupServer(i.url, i, nil, false)}}
	s.Start()
	t.Cleanup(s.Close)
	o.OIDC = &access.OIDC{
		Issuer: i.url, ClientID: "dealtrail", Secret: "a secret of the client", Name: "Acme", Redirect: o.url + "/signin/oidc/callback",
		Domains: []string{"ours.test"}, Default: access.Rep, Client: guard.Client(true, 5*time.Second),
	}
	return i
}

// user adds somebody who has an account at the provider.
func (i *issuer) user(id, email string, verified bool) {
	i.users[id] = &storage.User{ID: id, Username: id, Password: "secret", FirstName: "Some", LastName: "Body", Email: email, EmailVerified: verified}
}

// at signs somebody in at the provider, from the address that it was sent to, and
// returns the address that the provider sends the browser back to.
func (i *issuer) at(t *testing.T, to, user string) string {
	t.Helper()
	o := office{t: t}
	last := ""
	b := o.browser()
	b.CheckRedirect = func(q *http.Request, _ []*http.Request) error {
		if last = q.URL.String(); strings.Contains(last, "/signin/oidc/callback") {
			return http.ErrUseLastResponse
		}
		return nil
	}
	r, err := b.Get(to)
	if err != nil {
		t.Fatal(err)
	}
	page := readAll(t, r)
	if r.StatusCode != 200 {
		t.Fatalf("the provider: %s %s", r.Status, page)
	}
	form := url.Values{"username": {user}, "password": {"secret"}, "id": {r.Request.URL.Query().Get("authRequestID")}}
	if r, err = b.PostForm(strings.TrimSuffix(i.url, "/")+"/login/username", form); err != nil {
		t.Fatal(err)
	}
	if page = readAll(t, r); !strings.Contains(last, "code=") {
		t.Fatalf("the provider: %s %s %s", r.Status, last, page)
	}
	return last
}

// through goes the whole way in a browser and returns status and answer of its end.
func (o *office) through(i *issuer, b *http.Client, user, begin string) (int, string) {
	o.t.Helper()
	s, to := o.do(b, "POST", begin, nil)
	if s != 200 {
		return s, to
	}
	back := i.at(o.t, to, user)
	return o.do(b, "GET", strings.TrimPrefix(back, o.url), nil)
}

func TestPeopleSignInByTheirProvider(t *testing.T) {
	o := newOffice(t)
	i := newIssuer(t, o)
	o.add("ada@ours.test", good, access.Admin)
	i.user("u1", "Rita@ours.test", true)

	t.Run("who is new", func(t *testing.T) {
		b := o.browser()
		s, to := o.do(b, "POST", "/signin/oidc", nil)
		if q, _ := url.Parse(to); s != 200 || q.Query().Get("code_challenge_method") != "S256" || len(q.Query().Get("state")) < 26 || len(q.Query().Get("nonce")) < 26 {
			t.Fatalf("%d %s", s, to)
		}
		if s, body := o.through(i, b, "u1", "/signin/oidc"); s != 200 || body != "in, to /deals" {
			t.Fatalf("%d %s", s, body)
		}
		if s, body := o.do(b, "GET", "/me", nil); s != 200 || asker(t, body).Who != "rita@ours.test" {
			t.Errorf("%d %s", s, body)
		}
		if p, err := o.Person(t.Context(), "rita@ours.test"); err != nil || !p.OIDC || p.Roles != access.Rep || p.Name != "Some Body" {
			t.Errorf("%+v %v", p, err)
		}
	})
	t.Run("who has another address at the provider by now", func(t *testing.T) {
		i.user("u1", "rita.berg@ours.test", true)
		b := o.browser()
		if s, body := o.through(i, b, "u1", "/signin/oidc"); s != 200 {
			t.Fatalf("%d %s", s, body)
		}
		if _, body := o.do(b, "GET", "/me", nil); asker(t, body).Who != "rita@ours.test" {
			t.Errorf("the subject is somebody else: %s", body)
		}
	})
	t.Run("who came by somebody's address", func(t *testing.T) {
		i.user("u2", "rita@ours.test", true)
		if s, _ := o.through(i, o.browser(), "u2", "/signin/oidc"); s != 401 {
			t.Errorf("another subject with a linked address: %d", s)
		}
		i.user("u3", "ada@ours.test", true) // she has a password here
		if s, body := o.through(i, o.browser(), "u3", "/signin/oidc"); s != 409 || !strings.Contains(body, "link it on the page of your account") {
			t.Errorf("an address alone takes an account over: %d %s", s, body)
		}
		b := o.browser()
		o.signIn(b, "ada@ours.test", good)
		if s, body := o.through(i, b, "u3", "/me/oidc"); s != 200 {
			t.Errorf("she cannot link herself: %d %s", s, body)
		}
		if s, _ := o.through(i, o.browser(), "u3", "/signin/oidc"); s != 200 {
			t.Errorf("linked, and yet: %d", s)
		}
	})
	t.Run("who was invited", func(t *testing.T) {
		o.add("mia@ours.test", "", access.Marketer)
		i.user("u4", "mia@ours.test", true)
		if s, _ := o.through(i, o.browser(), "u4", "/signin/oidc"); s != 200 {
			t.Errorf("%d", s)
		}
		if p, _ := o.Person(t.Context(), "mia@ours.test"); p.Roles != access.Marketer {
			t.Errorf("%+v", p)
		}
	})
	t.Run("who may not", func(t *testing.T) {
		i.user("u5", "unverified@ours.test", false)
		i.user("u6", "else@theirs.test", true)
		i.user("u7", "else@evil-ours.test", true)
		for _, id := range []string{"u5", "u6", "u7"} {
			if s, _ := o.through(i, o.browser(), id, "/signin/oidc"); s != 401 {
				t.Errorf("%s: %d", i.users[id].Email, s)
			}
		}
		yes := true
		if _, err := o.Set(t.Context(), "rita@ours.test", access.Change{Disabled: &yes}); err != nil {
			t.Fatal(err)
		}
		if s, _ := o.through(i, o.browser(), "u1", "/signin/oidc"); s != 401 {
			t.Errorf("somebody disabled: %d", s)
		}
	})
}

func TestTheProviderTellsRoles(t *testing.T) {
	o := newOffice(t)
	i := newIssuer(t, o)
	o.add("ada@ours.test", good, access.Admin)
	o.OIDC.RoleClaim, o.OIDC.Default = "groups", 0
	o.OIDC.Roles = map[string]access.Roles{"leads": access.Manager, "content": access.Marketer}
	i.user("u1", "rita@ours.test", true)
	if s, body := o.through(i, o.browser(), "u1", "/signin/oidc"); s != 403 || !strings.Contains(body, "nobody gave you a role") {
		t.Errorf("without a group: %d %s", s, body)
	}
	i.groups["u1"] = []string{"all", "leads", "content"}
	first := o.browser()
	if s, body := o.through(i, first, "u1", "/signin/oidc"); s != 200 {
		t.Fatalf("%d %s", s, body)
	}
	if p, _ := o.Person(t.Context(), "rita@ours.test"); p.Roles != access.Manager|access.Marketer {
		t.Errorf("%+v", p)
	}
	i.groups["u1"] = []string{"content"}
	if s, _ := o.through(i, o.browser(), "u1", "/signin/oidc"); s != 200 || o.status(first, "/me") != 401 {
		t.Errorf("what the provider took away is left in another session: %d", s)
	}
	second := o.browser()
	o.through(i, second, "u1", "/signin/oidc")
	i.groups["u1"] = []string{"all"}
	if s, _ := o.through(i, o.browser(), "u1", "/signin/oidc"); s != 403 || o.status(second, "/me") != 401 {
		t.Errorf("without a group any more: %d", s)
	}
}

// Whatever the provider says, somebody stays who can let others in.
func TestTheProviderTakesTheLastAdminFromNobody(t *testing.T) {
	o := newOffice(t)
	i := newIssuer(t, o)
	o.add("ada@ours.test", "", access.Admin)
	o.OIDC.RoleClaim, o.OIDC.Default = "groups", 0
	o.OIDC.Roles = map[string]access.Roles{"leads": access.Manager, "it": access.Admin}
	i.user("u1", "ada@ours.test", true)
	signIn := func(want access.Roles, kept bool, groups ...string) {
		t.Helper()
		i.groups["u1"] = groups
		if s, body := o.through(i, o.browser(), "u1", "/signin/oidc"); s != 200 && want != 0 {
			t.Fatalf("%v: %d %s", groups, s, body)
		}
		if p, err := o.Person(t.Context(), "ada@ours.test"); err != nil || want != 0 && p.Roles != want || p.KeptAdmin.IsZero() == kept {
			t.Errorf("%v: %+v, %v", groups, p, err)
		}
	}
	signIn(access.Manager|access.Admin, true, "leads")
	if !strings.Contains(o.log.String(), "the last one stays one") || !strings.Contains(o.log.String(), "person=ada@ours.test") {
		t.Errorf("the log says %s", &o.log)
	}
	signIn(access.Admin, true, "none that is known")
	signIn(access.Admin, false, "it")
	signIn(access.Manager|access.Admin, true, "leads")
	o.add("mia@ours.test", good, access.Admin)
	signIn(access.Manager, false, "leads")
}

func TestTheWayThroughTheProviderCannotBeForged(t *testing.T) {
	o := newOffice(t)
	i := newIssuer(t, o)
	o.add("ada@ours.test", good, access.Admin)
	i.user("u1", "rita@ours.test", true)
	b := o.browser()
	_, to := o.do(b, "POST", "/signin/oidc", nil)
	back := strings.TrimPrefix(i.at(t, to, "u1"), o.url)
	if s, _ := o.do(o.browser(), "GET", back, nil); s != 401 {
		t.Errorf("the end is taken in a browser that did not begin: %d", s)
	}
	wrong, _ := url.Parse(back)
	q := wrong.Query()
	q.Set("state", "another")
	if s, _ := o.do(b, "GET", wrong.Path+"?"+q.Encode(), nil); s != 401 {
		t.Errorf("another state: %d", s)
	}
	if s, _ := o.do(b, "GET", back, nil); s != 401 {
		t.Errorf("the right state after a wrong one: %d", s)
	}
	// A code that was begun with another verifier and nonce.
	_, to = o.do(b, "POST", "/signin/oidc", nil)
	theirs, _ := url.Parse(i.at(t, to, "u1"))
	mine := o.browser()
	_, to = o.do(mine, "POST", "/signin/oidc", nil)
	own, _ := url.Parse(to)
	if s, _ := o.do(mine, "GET", "/signin/oidc/callback?"+url.Values{"code": {theirs.Query().Get("code")}, "state": {own.Query().Get("state")}}.Encode(), nil); s != 401 {
		t.Errorf("a code of another browser: %d", s)
	}
	_, to = o.do(b, "POST", "/signin/oidc", nil)
	back = strings.TrimPrefix(i.at(t, to, "u1"), o.url)
	o.now = o.now.Add(31 * time.Minute)
	if s, _ := o.do(b, "GET", back, nil); s != 401 {
		t.Errorf("half an hour later: %d", s)
	}
}

func TestTheIssuerIsNoWayIntoTheNetwork(t *testing.T) {
	o := newOffice(t)
	var asked atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer inside.Close()
	for _, address := range []string{inside.URL, strings.Replace(inside.URL, "127.0.0.1", "localhost", 1), "http://[::1]:1", "http://169.254.169.254", "https://10.0.0.1"} {
		o.OIDC = &access.OIDC{Issuer: address, ClientID: "x", Name: "Acme", Client: guard.Client(false, 2*time.Second)}
		s, body := o.do(o.browser(), "POST", "/signin/oidc", nil)
		if s != 401 || strings.Contains(body, "private network") {
			t.Errorf("%s: %d %s", address, s, body)
		}
	}
	if asked.Load() != 0 || !strings.Contains(o.log.String(), "private network") {
		t.Errorf("%d requests arrived inside; the log: %s", asked.Load(), &o.log)
	}
}
