package access_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"dealtrail/access"
)

func readAll(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// cookie returns the session's cookie of a browser.
func (o *office) cookie(b *http.Client) string {
	u, _ := url.Parse(o.url)
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == "dealtrail" {
			return c.Value
		}
	}
	return ""
}

func TestTheAnswerDoesNotTellWhoIsKnown(t *testing.T) {
	o := newOffice(t)
	o.add("ada@ours.test", good, access.Admin)
	o.add("none@ours.test", "", access.Rep)
	yes := true
	o.add("off@ours.test", good, access.Rep)
	if _, err := o.Set(t.Context(), "off@ours.test", access.Change{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	answers, took := map[string]bool{}, map[string]time.Duration{}
	for _, email := range []string{"ada@ours.test", "none@ours.test", "off@ours.test", "nobody@ours.test", "not an address"} {
		begin := time.Now()
		s, body := o.signIn(o.browser(), email, "some other long words")
		took[email] = time.Since(begin)
		answers[fmt.Sprint(s, body)] = true
	}
	if s, _ := o.signIn(o.browser(), "off@ours.test", good); s != 401 {
		t.Errorf("somebody disabled signs in: %d", s)
	}
	if len(answers) != 1 {
		t.Errorf("%d different answers: %v", len(answers), answers)
	}
	// One hash each: who is not there is not refused in no time. (A hash takes tens of ms.)
	for email, d := range took {
		if d < 5*time.Millisecond {
			t.Errorf("%s is refused after %v, without any work", email, d)
		}
	}
	if strings.Contains(o.log.String(), "ours.test") || !strings.Contains(o.log.String(), "sign-in refused") {
		t.Errorf("the log: %s", &o.log)
	}
}

func TestGuessingPasswordsIsSlowedDown(t *testing.T) {
	o := newOffice(t)
	o.add("ada@ours.test", good, access.Admin)
	known, unknown := []int{}, []int{}
	for range 12 {
		s, _ := o.signIn(o.browser(), "ada@ours.test", "wrong wrong wrong")
		known = append(known, s)
		s, _ = o.signIn(o.browser(), "nobody@ours.test", "wrong wrong wrong")
		unknown = append(unknown, s)
	}
	if fmt.Sprint(known) != fmt.Sprint(unknown) || known[9] != 401 || known[10] != 429 {
		t.Errorf("known %v, unknown %v", known, unknown)
	}
	if s, _ := o.signIn(o.browser(), "ada@ours.test", good); s != 429 {
		t.Errorf("the right password tells that it is right: %d", s)
	}
	// A link lets her in all the same, and gives her tries back.
	link, err := o.SignInLink(t.Context(), "ada@ours.test")
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(link)
	if s, _ := o.do(o.browser(), "POST", "/signin", url.Values{"code": {u.Query().Get("code")}}); s != 204 {
		t.Errorf("the link: %d", s)
	}
	if s, _ := o.signIn(o.browser(), "ada@ours.test", good); s != 204 {
		t.Errorf("after the link: %d", s)
	}
	last := 0
	for i := range 70 {
		last, _ = o.do(o.browser(), "POST", "/signin", url.Values{"code": {fmt.Sprint("GUESS", i)}})
	}
	if last != 429 {
		t.Errorf("codes can be guessed: %d", last)
	}
}

func TestPasswordsThatAreGuessedFirstAreRefused(t *testing.T) {
	o := newOffice(t)
	o.add("ada.lovelace@ours.test", "", access.Admin)
	for _, p := range []string{"", "short", "elevenchars", "passwordpassword", "Qwertyuiop123", "aaaaaaaaaaaaaa", "abababababab", "abcdefghijklm", "123456789012", "ada.lovelace1", "Dealtrail2026", "Password12345", "dealtrail dealtrail", strings.Repeat("long ", 60)} {
		if err := o.SetPassword(t.Context(), "ada.lovelace@ours.test", p, ""); err == nil {
			t.Errorf("%q is taken", p)
		}
	}
	for _, p := range []string{good, "überall Öl im Tee", "kjhsd76%&/sdf9", "once I had a password for work", "sixty-four characters and some more are nothing that stops somebody at work"} {
		if err := o.SetPassword(t.Context(), "ada.lovelace@ours.test", p, ""); err != nil {
			t.Errorf("%q is refused: %v", p, err)
		}
	}
	if kept := fmt.Sprint(server.HGetAll(t.Context(), "dealtrail:people").Val()); !strings.Contains(kept, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("kept as %s", kept)
	}
}

func TestTheFirstLinkMakesOneAdmin(t *testing.T) {
	o := newOffice(t)
	link, err := o.FirstLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(link)
	form := url.Values{"code": {u.Query().Get("code")}, "email": {"ada@ours.test"}, "password": {"short"}}
	if s, _ := o.do(o.browser(), "POST", "/signin", form); s != 400 {
		t.Errorf("a short password: %d", s)
	}
	form.Set("password", good)
	b := o.browser()
	if s, body := o.do(b, "POST", "/signin", form); s != 204 {
		t.Fatalf("%d %s", s, body)
	}
	if s := o.status(b, "/people"); s != 200 {
		t.Errorf("the first admin gets %d", s)
	}
	form.Set("email", "eve@ours.test")
	if s, _ := o.do(o.browser(), "POST", "/signin", form); s != 401 {
		t.Errorf("the link makes two: %d", s)
	}
	if s, _ := o.signIn(o.browser(), "ada@ours.test", good); s != 204 {
		t.Errorf("the password was not kept: %d", s)
	}
	for _, by := range []string{"by=link", "by=password"} {
		if log := o.log.String(); !strings.Contains(log, "signed in") || strings.Count(log, by) != 1 || strings.Contains(log, "ours.test") {
			t.Errorf("the log does not say once who signed in %s: %s", by, log)
		}
	}
}

func TestASessionThatSomebodyElseBeganIsOfNoUse(t *testing.T) {
	o := newOffice(t)
	o.add("ada@ours.test", good, access.Admin)
	// A session of the attacker's, set into the victim's browser before the sign-in.
	attacker, victim := o.browser(), o.browser()
	o.OIDC = &access.OIDC{} // nobody is there; the attempt alone begins nothing
	o.do(attacker, "POST", "/signin/oidc", nil)
	u, _ := url.Parse(o.url)
	fixed := &http.Cookie{Name: "dealtrail", Value: "fixed-by-the-attacker", Path: "/"}
	victim.Jar.SetCookies(u, []*http.Cookie{fixed})
	if s, _ := o.signIn(victim, "ada@ours.test", good); s != 204 {
		t.Fatal(s)
	}
	if o.cookie(victim) == fixed.Value || o.cookie(victim) == "" {
		t.Error("the token is the one that the attacker knows")
	}
	attacker.Jar.SetCookies(u, []*http.Cookie{fixed})
	if s := o.status(attacker, "/me"); s != 401 {
		t.Errorf("the attacker gets %d", s)
	}
	// Signing in again renews the token too.
	before := o.cookie(victim)
	o.signIn(victim, "ada@ours.test", good)
	old := o.browser()
	old.Jar.SetCookies(u, []*http.Cookie{{Name: "dealtrail", Value: before, Path: "/"}})
	if s := o.status(old, "/me"); s != 401 || o.cookie(victim) == before {
		t.Errorf("the token of before the sign-in works: %d", s)
	}
}

func TestNoOtherSiteSignsAnybodyIn(t *testing.T) {
	o := newOffice(t)
	o.add("ada@ours.test", good, access.Admin)
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		b := o.browser()
		if s, _ := o.do(b, "POST", "/signin", url.Values{"email": {"ada@ours.test"}, "password": {good}}, header...); s != 403 || o.cookie(b) != "" {
			t.Errorf("%v: %d", header, s)
		}
	}
}

func TestSessionsEnd(t *testing.T) {
	o := newOffice(t)
	begin := o.now
	o.add("ada@ours.test", good, access.Admin)
	o.add("rita@ours.test", good, access.Rep)
	in := func(email string) *http.Client {
		t.Helper()
		b := o.browser()
		if s, body := o.signIn(b, email, good); s != 204 {
			t.Fatalf("%d %s", s, body)
		}
		return b
	}
	t.Run("without use", func(t *testing.T) {
		b := in("rita@ours.test")
		o.now = o.now.Add(119 * time.Minute)
		if s := o.status(b, "/me"); s != 200 {
			t.Errorf("after less than two hours: %d", s)
		}
		o.now = o.now.Add(122 * time.Minute)
		if s := o.status(b, "/me"); s != 401 {
			t.Errorf("after two hours without use: %d", s)
		}
	})
	t.Run("after twelve hours", func(t *testing.T) {
		o.now = begin
		b := in("rita@ours.test")
		for range 11 {
			o.now = o.now.Add(time.Hour)
			if s := o.status(b, "/me"); s != 200 {
				t.Fatalf("at %v: %d", o.now.Sub(begin), s)
			}
		}
		o.now = o.now.Add(time.Hour)
		if s := o.status(b, "/me"); s != 401 {
			t.Errorf("after twelve hours: %d", s)
		}
		o.now = begin
	})
	t.Run("one, and all", func(t *testing.T) {
		a, b, c := in("rita@ours.test"), in("rita@ours.test"), in("rita@ours.test")
		_, body := o.do(a, "GET", "/me", nil)
		if err := o.EndSession(t.Context(), "rita@ours.test", asker(t, body).Session); err != nil {
			t.Fatal(err)
		}
		if x, y := o.status(a, "/me"), o.status(b, "/me"); x != 401 || y != 200 {
			t.Errorf("the ended one %d, the other %d", x, y)
		}
		_, body = o.do(b, "GET", "/me", nil)
		if err := o.EndSessions(t.Context(), "rita@ours.test", asker(t, body).Session); err != nil {
			t.Fatal(err)
		}
		if x, y := o.status(b, "/me"), o.status(c, "/me"); x != 200 || y != 401 {
			t.Errorf("this one %d, the other %d", x, y)
		}
		o.do(b, "POST", "/signout", nil)
		if s := o.status(b, "/me"); s != 401 {
			t.Errorf("signed out: %d", s)
		}
	})
	t.Run("when roles change", func(t *testing.T) {
		b, roles := in("rita@ours.test"), access.Rep|access.Marketer
		if _, err := o.Set(t.Context(), "rita@ours.test", access.Change{Roles: &roles}); err != nil {
			t.Fatal(err)
		}
		if s := o.status(b, "/me"); s != 401 {
			t.Errorf("the session of before has what? %d", s)
		}
	})
	t.Run("when the password changes", func(t *testing.T) {
		b := in("rita@ours.test")
		if err := o.ChangePassword(t.Context(), "rita@ours.test", "not the one of today", "another fine long walk", ""); err == nil {
			t.Error("whoever finds a browser open changes the password")
		}
		if err := o.ChangePassword(t.Context(), "rita@ours.test", good, "another fine long walk", ""); err != nil {
			t.Fatal(err)
		}
		if s := o.status(b, "/me"); s != 401 {
			t.Errorf("the session of before: %d", s)
		}
	})
	t.Run("when somebody is disabled", func(t *testing.T) {
		o.add("rita@ours.test", good, access.Rep)
		b, yes := in("rita@ours.test"), true
		if _, err := o.Set(t.Context(), "rita@ours.test", access.Change{Disabled: &yes}); err != nil {
			t.Fatal(err)
		}
		if s := o.status(b, "/me"); s != 401 {
			t.Errorf("%d", s)
		}
		if _, err := o.SignInLink(t.Context(), "rita@ours.test"); err == nil {
			t.Error("a link is made for somebody disabled")
		}
	})
}

func TestTheCookieIsBoundToTheHost(t *testing.T) {
	m := access.NewSessions(server, true)
	if c := m.Cookie; c.Name != "__Host-dealtrail" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("%+v", c)
	}
	if c := access.NewSessions(server, false).Cookie; c.Name != "dealtrail" || !c.HttpOnly {
		t.Errorf("%+v", c)
	}
	jar, _ := cookiejar.New(nil)
	o := newOffice(t)
	o.add("ada@ours.test", good, access.Admin)
	b := &http.Client{Jar: jar}
	o.signIn(b, "ada@ours.test", good)
	token := o.cookie(b)
	for _, key := range server.Keys(t.Context(), "*").Val() {
		if token == "" || strings.Contains(key, token) {
			t.Errorf("Redis holds the token: %s", key)
		}
	}
	all, err := o.SessionsOf(t.Context(), "ada@ours.test")
	if err != nil || len(all) != 1 || all[0].Agent != "A program" {
		t.Errorf("%+v %v", all, err)
	}
}

func TestTeamsAreRemembered(t *testing.T) {
	o := newOffice(t)
	set := func(team string) access.Person {
		t.Helper()
		p, err := o.Set(t.Context(), "rita@ours.test", access.Change{Team: &team})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	set("North")
	moved := o.now.AddDate(0, 1, 0)
	o.now = moved
	p := set("South")
	set("South")
	for at, want := range map[time.Time]string{moved.AddDate(-3, 0, 0): "North", moved.Add(-time.Second): "North", moved: "South", moved.AddDate(1, 0, 0): "South"} {
		if got := p.TeamAt(at); got != want {
			t.Errorf("at %v in %q, want %q", at, got, want)
		}
	}
	if p.Team() != "South" || len(p.Teams) != 2 {
		t.Errorf("%+v", p)
	}
}
