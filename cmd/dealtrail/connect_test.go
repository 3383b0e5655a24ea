package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

// consentServer is a mail provider where the next person to sign in is who the
// test says, and which tells Dovecot whose its tokens are.
type consentServer struct {
	*httptest.Server
	mu        sync.Mutex
	who       string // signs in next
	deny      bool
	challenge map[string]string // by code
	of        map[string]string // whose a code or token is
	reads     string            // whose mail the tokens open instead
	claims    map[string]any    // of the next ID token, besides the address; nil: that it is verified
}

func newConsentServer(t *testing.T) *consentServer {
	s := &consentServer{challenge: map[string]string{}, of: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", s.authorize)
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("POST /introspect", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		who := s.of[r.PostFormValue("token")]
		if s.reads != "" && who != "" {
			who = s.reads
		}
		json.NewEncoder(w).Encode(map[string]any{"active": who != "", "email": who})
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *consentServer) next(who string, deny bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.who, s.deny = who, deny
}

func (s *consentServer) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *consentServer) authorize(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	back := url.Values{"state": {q.Get("state")}}
	if s.deny {
		back.Set("error", "access_denied")
	} else {
		code := "code-" + fmt.Sprint(len(s.of))
		s.of[code], s.challenge[code] = s.who, q.Get("code_challenge")
		back.Set("code", code)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (s *consentServer) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.PostFormValue("refresh_token")
	if r.PostFormValue("grant_type") == "authorization_code" {
		key = r.PostFormValue("code")
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if s.challenge[key] != base64.RawURLEncoding.EncodeToString(sum[:]) {
			key = "" // somebody else's browser
		}
	}
	who := s.of[key]
	if who == "" {
		http.Error(w, `{"error": "invalid_grant"}`, http.StatusBadRequest)
		return
	}
	n := fmt.Sprint(len(s.of))
	s.of["access-"+n], s.of["refresh-swordfish-"+n] = who, who
	said := map[string]any{"email": who, "email_verified": true}
	maps.Copy(said, s.claims)
	claims, _ := json.Marshal(said)
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"access_token": "access-" + n, "refresh_token": "refresh-swordfish-" + n, "token_type": "Bearer", "expires_in": 3600,
		"id_token": "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".",
	})
}

// colleague is a browser that follows redirects only when told to.
type colleague struct {
	*http.Client
	t *testing.T
}

func newColleague(t *testing.T) *colleague {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &colleague{&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, t}
}

func (p *colleague) open(address string) (status int, body, next string) {
	p.t.Helper()
	return p.ask(http.MethodGet, address, "")
}

func (p *colleague) ask(method, address, form string) (status int, body, next string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, address, strings.NewReader(form))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := p.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	next = strings.TrimPrefix(resp.Header.Get("Refresh"), "0; url=")
	if to, err := resp.Location(); err == nil {
		next = to.String()
	} else if !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		p.t.Errorf("%s has no strict policy", address)
	}
	return resp.StatusCode, string(text), next
}

// consent begins by a button of ours and returns where the provider sends the
// browser back to.
func (p *colleague) consent(begin string) string {
	p.t.Helper()
	_, _, provider := p.ask(http.MethodPost, begin, "for=ana@ours.test")
	_, _, back := p.open(provider)
	if back == "" {
		p.t.Fatalf("%s leads nowhere", begin)
	}
	return back
}

func connectable(t *testing.T, edit func(*Config), users ...string) (*running, *consentServer, *mailtest.Server) {
	t.Helper()
	provider := newConsentServer(t)
	server := mailtest.DovecotOAuth2(t, provider.URL+"/introspect", "xoauth2", users...)
	r := start(t, func(c *Config) {
		c.Company.Domains = []string{"ours.test"}
		c.Providers = []Provider{{
			Name: "acme mail", Kind: "other", ClientID: "id", AuthURL: provider.URL + "/authorize", TokenURL: provider.URL + "/token",
			Scope: "openid email offline_access mail", Host: server.Host, Port: server.Port, Security: "none",
		}}
		if edit != nil {
			edit(c)
		}
	})
	return r, provider, server
}

func TestRepConnectsTheOwnMailboxInTheBrowser(t *testing.T) {
	const ana = "ana@ours.test"
	r, provider, server := connectable(t, nil, ana)
	r.command("import", "content", r.file("content.csv", caseCSV))
	server.Append(ana, mailtest.SentFolder, letter(ana, "bo@buyer.test"))

	browser := newColleague(t)
	status, page, _ := browser.open(r.api.URL + "/connect?for=" + ana)
	button := regexp.MustCompile(`action="(/connect/acme%20mail)"`).FindStringSubmatch(page)
	if status != 200 || button == nil || !strings.Contains(page, "Continue with acme mail") || !strings.Contains(page, "12 months back") {
		t.Fatalf("%d, and the page has no button:\n%s", status, page)
	}
	provider.next(ana, false)
	begin := r.api.URL + button[1]
	back := browser.consent(begin)
	status, _, own := browser.open(back)
	if status != http.StatusSeeOther || strings.Contains(own, "code") {
		t.Fatalf("the callback answers %d to %s", status, own)
	}
	if _, page, _ = browser.open(own); !strings.Contains(page, "Connected.") || !strings.Contains(page, ana) || !strings.Contains(page, "12 months back") {
		t.Errorf("after consenting:\n%s", page)
	}
	eventually(t, "the mail is read", func() bool { return sentBy(r, "CASE-1")[ana] == 1 })

	change := func(do, shows string) {
		t.Helper()
		u, err := url.Parse(own)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := browser.PostForm(r.api.URL+"/connect", url.Values{"mailbox": {u.Query().Get("mailbox")}, "do": {do}})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		to, err := resp.Location()
		if err != nil {
			t.Fatalf("%s answers %s", do, resp.Status)
		}
		eventually(t, "the page shows it", func() bool { _, page, _ := browser.open(to.String()); return strings.Contains(page, shows) })
	}
	change("pause", "Paused.")
	if got := mailboxOf(r, ana); got.State != "paused" || got.Provider != "acme mail" || got.Source != "added" {
		t.Errorf("paused in the browser: %+v", got)
	}
	change("resume", "Being read.")

	// Connecting again replaces what was stored, and the same code is worth nothing.
	if status, page, _ := browser.open(back); status != http.StatusBadRequest || !strings.Contains(page, "begin again") {
		t.Errorf("the callback a second time answers %d", status)
	}
	if status, _, _ := browser.open(browser.consent(begin)); status != http.StatusSeeOther || len(r.mailboxes.All()) != 1 {
		t.Errorf("connecting again answers %d, and there are %d mailboxes", status, len(r.mailboxes.All()))
	}
	raw, err := r.redis.HGetAll(t.Context(), "dealtrail:mailboxes").Result()
	if err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(ask1[any](r, "/v1/mailboxes"))
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{"Redis": fmt.Sprint(raw), "the API": string(list), "the log": r.log.String(), "the page": page} {
		if strings.Contains(text, "swordfish") || strings.Contains(text, "code-") {
			t.Errorf("a token or code is in %s", where)
		}
	}
	notOnDisk(t, r, "swordfish")
}

func TestConsentThatIsNotOursIsRefusedInPlainWords(t *testing.T) {
	const ana, ben = "ana@ours.test", "ben@ours.test"
	r, provider, _ := connectable(t, func(c *Config) {
		m, _ := configured(t, ben, 1, "pw")
		c.Boxes = []Mailbox{m}
	}, ana)
	begin := r.api.URL + "/connect/acme%20mail"
	refused := func(what string, p *colleague, address string, want int, says string) {
		t.Helper()
		status, page, next := p.open(address)
		if status != want || next != "" || !strings.Contains(page, says) || !strings.Contains(page, "Connect your mailbox") {
			t.Errorf("%s: %d %s, without %q:\n%s", what, status, next, says, page)
		}
	}
	browser := newColleague(t)
	provider.next(ana, false)
	back := browser.consent(begin)
	refused("another browser", newColleague(t), back, 400, "not begun in this browser")
	refused("a wrong state", browser, regexp.MustCompile(`state=[^&]*`).ReplaceAllString(back, "state=guessed"), 400, "not begun in this browser")
	refused("the right state after a wrong one", browser, back, 400, "begin again")

	provider.next("ana@elsewhere.test", false)
	refused("an address outside", browser, browser.consent(begin), 403, "ana@elsewhere.test, which is not an address of this company")
	provider.next(ben, false)
	refused("a configured mailbox", browser, browser.consent(begin), 409, "whoever runs dealtrail set it up")
	provider.next(ana, true)
	refused("denied", browser, browser.consent(begin), 200, "it was not allowed at acme mail")
	forged := regexp.MustCompile(`error=[^&]*`).ReplaceAllString(browser.consent(begin), "error=Call+0900+now")
	if _, page, _ := browser.open(forged); strings.Contains(page, "0900") {
		t.Error("the page repeats what anybody can write into a link")
	}
	provider.next(ana, false)
	refused("a made-up code", browser, regexp.MustCompile(`code=[^&]*`).ReplaceAllString(browser.consent(begin), "code=made-up"), 400, "")
	if all := r.mailboxes.All(); len(all) != 0 {
		t.Errorf("refused, and yet there are %+v", all)
	}
	for path, want := range map[string]int{"/connect/nobody": 404, "/connect/nobody/callback": 404, "/connect?mailbox=AAAA": 404} {
		if status, _, _ := browser.open(r.api.URL + path); status != want {
			t.Errorf("%s answers %d", path, status)
		}
	}
	var slowed bool
	for range 700 {
		status, _, _ := browser.open(r.api.URL + "/connect")
		slowed = slowed || status == http.StatusTooManyRequests
	}
	if !slowed {
		t.Error("a stranger may ask without end")
	}
	if s := ask1[trail.Status](r, "/v1/status"); len(s.Mailboxes) != 1 {
		t.Errorf("status has %+v", s.Mailboxes)
	}
}
