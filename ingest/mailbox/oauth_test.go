package mailbox_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"dealtrail/ingest/mailbox"
	"dealtrail/trail"
)

// idp is a provider's sign-in service: it hands out tokens, and tells a mail
// server whose they are.
type idp struct {
	*httptest.Server
	mu       sync.Mutex
	requests []url.Values      // to the token endpoint
	whose    map[string]string // who an access token lets in; "*": everybody
	refresh  string            // the refresh token that holds
	rotate   bool              // each refresh gives a new one
	answer   string            // what the token endpoint answers with status 400; empty: a token
	claims   string            // of ID tokens
	scope    string            // that was granted
	blocked  bool              // no token lets anybody in
	hold     chan struct{}     // the token endpoint answers when this is closed
	key      *rsa.PrivateKey   // of the service account
}

const (
	clientSecret = "made-up-client-secret-0123456789"
	verifier     = "made-up-verifier-0123456789-0123456789-0123456789"
	code         = "made-up-code-0123456789"
	redirect     = "https://dealtrail.example/connected"
	person       = "ana@harbor.example"
)

func newIDP(t *testing.T) *idp {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := &idp{whose: map[string]string{}, refresh: "made-up-refresh-0123456789", claims: `{"email":"Ana@Harbor.example"}`, key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("POST /introspect", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		user, known := s.whose[r.FormValue("token")]
		json.NewEncoder(w).Encode(map[string]any{"active": known && !s.blocked, "email": user})
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *idp) token(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	s.mu.Lock()
	hold := s.hold
	s.requests = append(s.requests, r.PostForm)
	n := len(s.requests)
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	refuse := func(answer string) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, answer)
	}
	if s.answer != "" {
		refuse(s.answer)
		return
	}
	f, user := r.PostForm, person
	switch f.Get("grant_type") {
	case "authorization_code":
		if f.Get("code") != code || f.Get("code_verifier") != verifier || f.Get("redirect_uri") != redirect {
			refuse(`{"error":"invalid_grant","error_description":"Malformed auth code ` + f.Get("code") + `"}`)
			return
		}
	case "refresh_token":
		if f.Get("refresh_token") != s.refresh {
			refuse(`{"error":"invalid_grant","error_description":"Token has been expired or revoked: ` + f.Get("refresh_token") + `"}`)
			return
		}
		if s.rotate {
			s.refresh = fmt.Sprintf("made-up-refresh-renewed-%d", n)
		}
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		var err error
		if user, err = s.subject(f.Get("assertion")); err != nil {
			refuse(`{"error":"invalid_grant","error_description":"Invalid JWT: ` + err.Error() + `"}`)
			return
		}
	case "client_credentials":
		user = "*"
	}
	if f.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" && f.Get("client_secret") != clientSecret {
		refuse(`{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret ` + f.Get("client_secret") + `. Trace ID: 1"}`)
		return
	}
	access := fmt.Sprintf("made-up-access-token-of-32-letters-%d", n)
	s.whose[access] = user
	idToken := "e30." + base64.RawURLEncoding.EncodeToString([]byte(s.claims)) + ".c2lnbmVk"
	json.NewEncoder(w).Encode(map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 3600, "refresh_token": s.refresh, "id_token": idToken, "scope": s.scope})
}

// subject checks a service account's assertion (RFC 7523) with the public key.
func (s *idp) subject(assertion string) (string, error) {
	signed, signature, _ := cutLast(assertion, ".")
	sig, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(signed))
	if err := rsa.VerifyPKCS1v15(&s.key.PublicKey, crypto.SHA256, sum[:], sig); err != nil {
		return "", err
	}
	var header struct{ Alg, Kid string }
	var claims struct {
		Iss, Scope, Aud, Sub string
		Iat, Exp             int64
	}
	head, body, _ := strings.Cut(signed, ".")
	for text, into := range map[string]any{head: &header, body: &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err == nil {
			err = json.Unmarshal(raw, into)
		}
		if err != nil {
			return "", err
		}
	}
	now := time.Now().Unix()
	if header.Alg != "RS256" || header.Kid != "key-1" || claims.Iss != "robot@project.example" || claims.Scope != "https://mail.google.com/" || claims.Aud != s.URL+"/token" ||
		claims.Iat > now || claims.Exp <= now || claims.Exp > claims.Iat+3600 {
		return "", fmt.Errorf("claims %+v %+v", header, claims)
	}
	return claims.Sub, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	return s[:max(i, 0)], s[i+1:], i >= 0
}

// account is the service account's key file.
func (s *idp) account(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "robot@project.example", "client_id": "10987654321", "private_key_id": "key-1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// provider is a provider of a kind whose sign-in service this is.
func (s *idp) provider(kind string) *mailbox.Provider {
	return &mailbox.Provider{
		Name: "ours", Kind: kind, ClientID: "client-1", ClientSecret: func() (string, error) { return clientSecret, nil },
		AuthURL: s.URL + "/authorize", TokenURL: s.URL + "/token", Tenant: "harbor.example",
	}
}

func (s *idp) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *idp) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// quiet fails when a text for people or a log holds a secret.
func quiet(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		for _, secret := range []string{"made-up", base64.StdEncoding.EncodeToString([]byte("user=" + person))[:16], "PRIVATE KEY"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q is in: %s", secret, text)
			}
		}
	}
}

// complains fails unless an error is a Problem with a code that says all of this,
// and no secret.
func complains(t *testing.T, err error, code trail.Code, wants ...string) {
	t.Helper()
	problem := (*trail.Problem)(nil)
	if !errors.As(err, &problem) || problem.Code != code {
		t.Errorf("not a Problem with code %s: %v", code, err)
		return
	}
	for _, want := range wants {
		if !strings.Contains(problem.Text, want) {
			t.Errorf("%q is not in: %s", want, problem.Text)
		}
	}
	quiet(t, err.Error())
}

func TestConsentAsksForMailAndWhoItIs(t *testing.T) {
	for _, c := range []struct {
		p    *mailbox.Provider
		base string
		want map[string]string
	}{
		{
			&mailbox.Provider{Kind: mailbox.Google, ClientID: "client-1"}, "https://accounts.google.com/o/oauth2/v2/auth",
			map[string]string{"scope": "https://mail.google.com/ openid email", "access_type": "offline", "prompt": "select_account consent"},
		},
		{
			&mailbox.Provider{Kind: mailbox.Google, ClientID: "client-1", Scope: "https://www.googleapis.com/auth/gmail.imap_admin email"}, "https://accounts.google.com/o/oauth2/v2/auth",
			map[string]string{"scope": "https://www.googleapis.com/auth/gmail.imap_admin email openid"},
		},
		{
			&mailbox.Provider{Kind: mailbox.Microsoft, ClientID: "client-1"}, "https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize",
			map[string]string{"scope": "https://outlook.office.com/IMAP.AccessAsUser.All offline_access openid profile email", "prompt": "select_account"},
		},
		{&mailbox.Provider{Kind: mailbox.Microsoft, ClientID: "client-1", Tenant: "harbor.example"}, "https://login.microsoftonline.com/harbor.example/oauth2/v2.0/authorize", nil},
		{&mailbox.Provider{Kind: mailbox.Other, ClientID: "client-1", AuthURL: "https://sso.example/auth", Scope: "mail"}, "https://sso.example/auth", map[string]string{"scope": "mail", "prompt": "consent"}},
	} {
		u, err := url.Parse(c.p.ConsentURL("state-1", verifier, redirect, person))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		u.RawQuery = ""
		if u.String() != c.base {
			t.Errorf("consent at %s, not %s", u, c.base)
		}
		sum := sha256.Sum256([]byte(verifier))
		for key, want := range map[string]string{
			"client_id": "client-1", "state": "state-1", "redirect_uri": redirect, "login_hint": person, "response_type": "code",
			"code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method": "S256",
		} {
			if q.Get(key) != want {
				t.Errorf("%s: %s is %q, not %q", c.p.Kind, key, q.Get(key), want)
			}
		}
		for key, want := range c.want {
			if q.Get(key) != want {
				t.Errorf("%s: %s is %q, not %q", c.p.Kind, key, q.Get(key), want)
			}
		}
	}
	if c := oauth2.GenerateVerifier(); len(c) < 43 {
		t.Errorf("the verifier that ConsentURL's words name is short: %d", len(c))
	}
}

func TestExchangeNamesTheMailboxOrSaysWhatIsMissing(t *testing.T) {
	s := newIDP(t)
	grant, err := s.provider(mailbox.Google).Exchange(t.Context(), code, verifier, redirect)
	if want := (mailbox.Grant{Address: person, Refresh: s.refresh}); err != nil || grant != want {
		t.Fatalf("got %v, %v", grant, err)
	}
	tenant := ""
	claims := func(kind, text, want string) {
		t.Helper()
		s.set(func() { s.claims = text })
		p := s.provider(kind)
		p.Tenant = tenant
		grant, err := p.Exchange(t.Context(), code, verifier, redirect)
		if want == "" {
			complains(t, err, trail.Invalid, "openid")
		} else if err != nil || grant.Address != want {
			t.Errorf("%s with %s: %v, %v", kind, text, grant.Address, err)
		}
	}
	claims(mailbox.Microsoft, `{"email":"typed-in@else.example","preferred_username":"Ana@harbor.example"}`, person)
	for _, tenant = range []string{"", "organizations", "Common"} { // anybody's administrator may have typed it in
		claims(mailbox.Microsoft, `{"email":"Ana@harbor.example","preferred_username":"+49 30 1234"}`, "")
		claims(mailbox.Microsoft, `{"tid":"evil","email":"ana@harbor.example"}`, "")
	}
	tenant = "harbor.example"
	claims(mailbox.Microsoft, `{"email":"Ana@harbor.example","preferred_username":"+49 30 1234"}`, person)
	claims(mailbox.Microsoft, `{"email":"x@harbor.example","preferred_username":"Ana@harbor.example"}`, person)
	tenant = ""
	claims(mailbox.Other, `{"email":"Ana@harbor.example"}`, person)
	claims(mailbox.Other, `{"preferred_username":"ana@harbor.example"}`, "") // whoever registers chooses it
	claims(mailbox.Other, `{"email":"ana@harbor.example","email_verified":false,"preferred_username":"ana@harbor.example"}`, "")
	claims(mailbox.Microsoft, `{"email":"ana@harbor.example","email_verified":"false","preferred_username":"ana@harbor.example"}`, "")
	claims(mailbox.Google, `{"email":"ana@harbor.example","email_verified":"false"}`, "")
	claims(mailbox.Google, `not json`, "")

	_, err = s.provider(mailbox.Google).Exchange(t.Context(), "made-up-code-of-yesterday", verifier, redirect)
	complains(t, err, trail.Invalid, "connect the mailbox again", "Malformed auth code [redacted]")
	_, err = s.provider(mailbox.Google).Exchange(t.Context(), code, "made-up-other-verifier-0123456789-0123456789-0123", redirect)
	complains(t, err, trail.Invalid, "connect the mailbox again")
	s.set(func() { s.scope = "openid email" })
	_, err = s.provider(mailbox.Google).Exchange(t.Context(), code, verifier, redirect)
	complains(t, err, trail.Invalid, "tick the box for Gmail")
	s.set(func() { s.refresh = "" })
	_, err = s.provider(mailbox.Microsoft).Exchange(t.Context(), code, verifier, redirect)
	complains(t, err, trail.Invalid, "offline_access")
}

func TestRefusedTokenRequestsNameTheSettingToChange(t *testing.T) {
	s := newIDP(t)
	account := s.account(t)
	refresh := func(p *mailbox.Provider) error {
		_, err := p.Tokens(s.refresh)(t.Context(), "")
		return err
	}
	app := func(p *mailbox.Provider) error {
		_, err := p.AppTokens(person)(t.Context(), "")
		return err
	}
	service := func(p *mailbox.Provider) error {
		p.ServiceAccount = func() ([]byte, error) { return account, nil }
		return app(p)
	}
	exchange := func(p *mailbox.Provider) error {
		_, err := p.Exchange(t.Context(), code, verifier, redirect)
		return err
	}
	for _, c := range []struct {
		kind   string
		ask    func(*mailbox.Provider) error
		answer string // error, then description
		code   trail.Code
		wants  []string
	}{
		{mailbox.Google, service, "unauthorized_client Client is unauthorized", trail.Forbidden, []string{person, "Domain-wide delegation", "API controls", "10987654321", "https://mail.google.com/"}},
		{mailbox.Google, service, "invalid_grant Invalid email or User ID", trail.Forbidden, []string{person, "active user", "clock", "Invalid email"}},
		{mailbox.Google, refresh, "invalid_grant Token has been revoked", trail.Unauthorized, []string{"connect this mailbox again", "Testing"}},
		{mailbox.Google, refresh, "unauthorized_client Unauthorized", trail.Unauthorized, []string{"connect this mailbox again", "client_id"}},
		{mailbox.Google, exchange, "redirect_uri_mismatch Bad Request", trail.Forbidden, []string{redirect, "authorized redirect URIs"}},
		{mailbox.Google, exchange, "admin_policy_enforced no", trail.Forbidden, []string{"App access control", "client-1"}},
		{mailbox.Google, exchange, "invalid_client Unauthorized", trail.Forbidden, []string{"client_id", "client_secret_file", "Credentials"}},
		{mailbox.Microsoft, app, "invalid_client AADSTS7000215: Invalid client secret provided " + clientSecret, trail.Forbidden, []string{"client_secret_file", "value, not its ID"}},
		{mailbox.Microsoft, app, "invalid_client AADSTS7000222: The provided client secret keys are expired", trail.Forbidden, []string{"expired"}},
		{mailbox.Microsoft, app, "unauthorized_client AADSTS700016: Application not found in the directory", trail.Forbidden, []string{"client-1", "harbor.example", "tenant"}},
		{mailbox.Microsoft, app, "invalid_grant AADSTS65001: not consented. Trace ID: 12345", trail.Forbidden, []string{"IMAP.AccessAsApp", "grant admin consent"}},
		{mailbox.Microsoft, refresh, "invalid_grant AADSTS65001: not consented", trail.Forbidden, []string{"IMAP.AccessAsUser.All", "grant admin consent"}},
		{mailbox.Microsoft, app, "invalid_request AADSTS90002: Tenant not found", trail.Forbidden, []string{"harbor.example", "tenant"}},
		{mailbox.Microsoft, exchange, "invalid_request AADSTS50011: redirect", trail.Forbidden, []string{redirect}},
		{mailbox.Microsoft, refresh, "invalid_grant AADSTS50173: password changed", trail.Unauthorized, []string{"connect this mailbox again"}},
		{mailbox.Microsoft, refresh, "interaction_required AADSTS50076: multi-factor", trail.Unauthorized, []string{"connect this mailbox again"}},
		{mailbox.Other, refresh, "invalid_grant no " + s.refresh, trail.Unauthorized, []string{"connect this mailbox again", "[redacted]"}},
		{mailbox.Other, app, "temporarily_unavailable later", trail.Unavailable, []string{"tried again"}},
		{mailbox.Other, app, "made_up_error why", trail.Forbidden, []string{"client_id"}},
	} {
		sign, description, _ := strings.Cut(c.answer, " ")
		s.set(func() { s.answer = fmt.Sprintf(`{"error":%q,"error_description":%q}`, sign, description) })
		err := c.ask(s.provider(c.kind))
		complains(t, err, c.code, c.wants...)
		if strings.Contains(fmt.Sprint(err), "Trace ID") {
			t.Errorf("numbers for Microsoft's own people: %v", err)
		}
	}
	s.set(func() { s.answer = "<h1>not found</h1>" })
	complains(t, refresh(s.provider(mailbox.Other)), trail.Forbidden, "token_url")
	complains(t, app(&mailbox.Provider{Name: "ours", Kind: mailbox.Google}), trail.Forbidden, "service_account_file")
	complains(t, app(&mailbox.Provider{Name: "ours", Kind: mailbox.Microsoft}), trail.Forbidden, "tenant")
	for _, text := range []string{"{}", "no", `{"client_email":"robot@project.example","private_key":"made-up"}`} {
		account = []byte(text)
		complains(t, service(s.provider(mailbox.Google)), trail.Forbidden, "service_account_file")
	}
	p := s.provider(mailbox.Other)
	p.ClientSecret = func() (string, error) { return "", errors.New("no such file") }
	complains(t, refresh(p), trail.Forbidden, "client_secret_file")
	s.Close()
	complains(t, refresh(s.provider(mailbox.Other)), trail.Unavailable, "network")
}

func TestRenewedConsentIsKept(t *testing.T) {
	s := newIDP(t)
	first := s.refresh
	s.rotate = true
	clock := time.Now()
	p := s.provider(mailbox.Microsoft)
	p.Now = func() time.Time { return clock }
	var kept []string
	var full error
	tokens := p.Tokens(first, func(refresh string) error { kept = append(kept, refresh); return full })
	for range 3 {
		if _, err := tokens(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		clock = clock.Add(time.Hour)
	}
	if len(kept) != 3 || kept[2] != s.refresh || s.requests[2].Get("refresh_token") != kept[1] {
		t.Errorf("kept %v, used %v", kept, s.requests)
	}
	full = errors.New("read-only file system")
	_, err := tokens(t.Context(), "")
	complains(t, err, trail.Unavailable, "tried again")
	clock, full = clock.Add(time.Hour), trail.Problemf(trail.Forbidden, "Mend the shelf.")
	_, err = tokens(t.Context(), "")
	complains(t, err, trail.Forbidden, "Mend the shelf.")
}

func TestOneTokenIsAskedForAtATime(t *testing.T) {
	s := newIDP(t)
	s.hold = make(chan struct{})
	answer := sync.OnceFunc(func() { close(s.hold) })
	defer answer()
	token := s.provider(mailbox.Microsoft).AppTokens(person)
	hurried, giveUp := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { _, err := token(hurried, ""); first <- err }()
	eventually(t, "the token endpoint is asked", func() bool { return s.count() == 1 })
	var all sync.WaitGroup
	got := make(chan string, 20)
	for range cap(got) {
		all.Go(func() {
			access, err := token(t.Context(), "")
			if err != nil {
				t.Error(err)
			}
			got <- access
		})
	}
	// Whoever asked gives up; another has to ask for the rest.
	giveUp()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the one who gave up got %v", err)
	}
	eventually(t, "another asks", func() bool { return s.count() == 2 })
	answer()
	all.Wait()
	close(got)
	for access := range got {
		if access != "made-up-access-token-of-32-letters-2" {
			t.Errorf("got %s", access)
		}
	}
	if s.count() != 2 {
		t.Errorf("%d requests", s.count())
	}
}
