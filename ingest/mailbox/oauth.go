package mailbox

import (
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/oauth2/jwt"

	"dealtrail/trail"
)

// The kinds of providers.
const (
	Google    = "google"
	Microsoft = "microsoft"
	Other     = "other" // says all of its addresses and scopes itself
)

// mailScope is what Google calls reading mail over IMAP; there is none for
// reading only.
const mailScope = "https://mail.google.com/"

// Provider is a mail provider whose mailboxes are signed in to by OAuth2. There
// are two ways: a rep consents once in a browser (ConsentURL, Exchange, Tokens),
// or an administrator lets this program read mailboxes (AppTokens).
//
// Every error is a *trail.Problem that names the setting to change, or the
// context's: Unauthorized when the rep has to connect again, Forbidden when an
// administrator has to change a setting, Invalid for a consent that cannot be
// used, Unavailable when it may work later. None holds a token, a code or a
// secret. Methods may be called at any time from any goroutine. A Provider must
// not be copied.
type Provider struct {
	Name string // as the configuration has it
	Kind string // Google, Microsoft or Other

	ClientID     string
	ClientSecret func() (string, error) // asked at every token, so that a changed file is seen; nil: there is none
	Tenant       string                 // Microsoft's directory, by ID or domain; "": any organization's, which is for consents only

	// ServiceAccount is the JSON of a Google service account's key. nil:
	// AppTokens uses client ID and secret.
	ServiceAccount func() ([]byte, error)

	// What Other must have and the others may: where people consent, where tokens
	// are handed out, what to ask for (separated by spaces), and the IMAP server.
	AuthURL, TokenURL, Scope string
	Host                     string
	Port                     int    // 0: 993 for tls, else 143
	Security                 string // as a Box's

	HTTP *http.Client     // nil: one that gives up after 20 seconds
	Now  func() time.Time // nil: time.Now

	app cachedToken // of the client itself: one for all mailboxes
}

// Grant is what a rep consented to.
type Grant struct {
	Address string // the mailbox, in lower case
	Refresh string // the refresh token, for Tokens: a secret
}

// Server returns the provider's IMAP server, for a Box.
func (p *Provider) Server() (host string, port int, security string) {
	host, security = p.Host, cmp.Or(p.Security, "tls")
	switch p.Kind {
	case Google:
		host = cmp.Or(host, "imap.gmail.com")
	case Microsoft:
		host = cmp.Or(host, "outlook.office365.com")
	}
	port = p.Port
	if port == 0 {
		port = map[string]int{"tls": 993}[security]
	}
	return host, cmp.Or(port, 143), security
}

// ConsentURL returns where a rep's browser is sent to consent to his mailbox
// being read. state comes back with the code; verifier is a new random text of 43
// to 128 characters (oauth2.GenerateVerifier), of which only the hash goes out
// (RFC 7636); redirect is where the browser comes back to; hint is the rep's
// address, or "".
func (p *Provider) ConsentURL(state, verifier, redirect, hint string) string {
	c := p.consent(redirect, "")
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier)}
	if hint != "" {
		options = append(options, oauth2.SetAuthURLParam("login_hint", hint))
	}
	switch p.Kind { // whoever comes sees which account it is, whatever a link hinted at
	case Google:
		options = append(options, oauth2.AccessTypeOffline, oauth2.SetAuthURLParam("prompt", "select_account consent"))
	case Other:
		options = append(options, oauth2.AccessTypeOffline, oauth2.SetAuthURLParam("prompt", "consent"))
	default: // lasting access is a scope there, and asking for consent each time may take an administrator
		options = append(options, oauth2.SetAuthURLParam("prompt", "select_account"))
	}
	return c.AuthCodeURL(state, options...)
}

// Exchange turns the code that the rep's browser brought back into a grant.
// verifier and redirect are those of ConsentURL.
func (p *Provider) Exchange(ctx context.Context, code, verifier, redirect string) (Grant, error) {
	secret, err := p.secret()
	if err != nil {
		return Grant{}, err
	}
	t, err := p.consent(redirect, secret).Exchange(p.client(ctx), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return Grant{}, p.problem(ctx, err, tokenRequest{way: consenting, redirect: redirect, secrets: []string{secret, code, verifier}})
	}
	if scope, _ := t.Extra("scope").(string); p.Kind == Google && p.Scope == "" && scope != "" && !slices.Contains(strings.Fields(scope), mailScope) {
		return Grant{}, trail.Problemf(trail.Invalid, "Google was not allowed to let mail be read: connect again and tick the box for Gmail.")
	}
	if t.RefreshToken == "" {
		return Grant{}, trail.Problemf(trail.Invalid, "%s gives no lasting access (no refresh token): the scope must include offline_access, or the earlier consent must be withdrawn in the account's settings; then connect again.", p.vendor())
	}
	idToken, _ := t.Extra("id_token").(string)
	address := p.addressIn(idToken)
	if address == "" {
		return Grant{}, trail.Problemf(trail.Invalid, "%s does not say whose mailbox it is, or not for sure: %s.", p.vendor(), p.whoseHint())
	}
	return Grant{Address: address, Refresh: t.RefreshToken}, nil
}

// addressIn returns the address in an ID token that its provider answers for, or
// "". The token came straight from the token endpoint over TLS, so that its
// signature says nothing more (OpenID Connect Core 1.0 section 3.1.3.7). What is
// said to be unverified is nobody's, and no other claim takes its place: a user
// name can be chosen freely where people register themselves. Only Microsoft's user
// names are in domains that their directory has proven to own. Its email is what an
// administrator of any directory typed in, so it counts in one directory only.
func (p *Provider) addressIn(idToken string) string {
	parts := strings.Split(idToken, ".")
	if len(parts) != 3 {
		return ""
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	var claims struct {
		Email    string `json:"email"`
		Verified any    `json:"email_verified"` // some say it in quotes
		Name     string `json:"preferred_username"`
	}
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return ""
	}
	if claims.Verified == false || claims.Verified == "false" {
		return ""
	}
	candidates := []string{claims.Email}
	if p.Kind == Microsoft {
		candidates = []string{claims.Name}
		if p.oneDirectory() {
			candidates = append(candidates, claims.Email)
		}
	}
	for _, c := range candidates {
		if trail.Domain(c) != "" {
			return trail.NormalAddress(c)
		}
	}
	return ""
}

// oneDirectory reports whether only people of one Microsoft directory can consent.
func (p *Provider) oneDirectory() bool {
	switch strings.ToLower(p.Tenant) {
	case "", "common", "organizations", "consumers":
		return false
	}
	return true
}

// whoseHint says what is missing for addressIn.
func (p *Provider) whoseHint() string {
	if p.Kind == Microsoft {
		return "the scope must include openid, profile and email, and the name of the account's sign-in must be an address"
	}
	return "the scope must include openid and email, and the account's address must be verified"
}

// Tokens returns a Box's Token for a rep who consented. It keeps an access token
// until a minute before its end, or until a server refused it, and asks for one
// at a time. Microsoft renews the refresh token now and then, and the old one
// ends 90 days after it was made: keep, if given, is told the new one, and its
// error is the sign-in's.
func (p *Provider) Tokens(refresh string, keep ...func(refresh string) error) TokenSource {
	kept := refresh
	fetch := func(ctx context.Context) (*oauth2.Token, error) {
		secret, err := p.secret()
		if err != nil {
			return nil, err
		}
		t, err := p.consent("", secret).TokenSource(p.client(ctx), &oauth2.Token{RefreshToken: refresh}).Token()
		if err != nil {
			return nil, p.problem(ctx, err, tokenRequest{way: refreshing, secrets: []string{secret, refresh}})
		}
		refresh = t.RefreshToken
		for _, k := range keep {
			if kept == refresh {
				break
			}
			if err := k(refresh); err != nil {
				return nil, notKept(p.vendor(), err)
			}
		}
		kept = refresh
		return t, nil
	}
	c := new(cachedToken)
	return func(ctx context.Context, refused string) (string, error) { return c.get(ctx, refused, p.now, fetch) }
}

// AppTokens returns a Box's Token for a mailbox that an administrator lets this
// program read: with a Google service account, which gets a token for each
// address, or with the client's own credentials, whose one token is for all
// mailboxes. It keeps tokens as Tokens does.
func (p *Provider) AppTokens(address string) TokenSource {
	if p.ServiceAccount == nil {
		return func(ctx context.Context, refused string) (string, error) {
			return p.app.get(ctx, refused, p.now, p.askAsApp)
		}
	}
	c := new(cachedToken)
	return func(ctx context.Context, refused string) (string, error) {
		return c.get(ctx, refused, p.now, func(ctx context.Context) (*oauth2.Token, error) { return p.askFor(ctx, address) })
	}
}

// askAsApp asks for a token with the client's own credentials (RFC 6749 section
// 4.4).
func (p *Provider) askAsApp(ctx context.Context) (*oauth2.Token, error) {
	switch {
	case p.Kind == Google:
		return nil, trail.Problemf(trail.Forbidden, "Provider %q: service_account_file must be set to read mailboxes whose reps did not connect them.", p.Name)
	case p.Kind == Microsoft && p.Tenant == "" && p.TokenURL == "":
		return nil, trail.Problemf(trail.Forbidden, "Provider %q: tenant must be set, to the directory's ID, to read mailboxes whose reps did not connect them.", p.Name)
	}
	secret, err := p.secret()
	if err != nil {
		return nil, err
	}
	e := p.endpoint()
	c := clientcredentials.Config{ClientID: p.ClientID, ClientSecret: secret, TokenURL: e.TokenURL, Scopes: p.appScopes(), AuthStyle: e.AuthStyle}
	t, err := c.Token(p.client(ctx))
	if err != nil {
		return nil, p.problem(ctx, err, tokenRequest{way: asApp, secrets: []string{secret}})
	}
	return t, nil
}

// askFor asks for a token for one address with a service account's key (RFC
// 7523): Google's domain-wide delegation.
func (p *Provider) askFor(ctx context.Context, address string) (*oauth2.Token, error) {
	var account struct {
		Email    string `json:"client_email"`
		ClientID string `json:"client_id"`
		KeyID    string `json:"private_key_id"`
		Key      string `json:"private_key"`
	}
	text, err := p.ServiceAccount()
	if err != nil {
		return nil, trail.Problemf(trail.Forbidden, "The service account's key of provider %q cannot be read; check service_account_file.", p.Name)
	}
	if json.Unmarshal(text, &account) != nil || account.Email == "" || !isRSAKey(account.Key) {
		return nil, trail.Problemf(trail.Forbidden, "The service_account_file of provider %q is not a service account's key; make one of type JSON in the Google Cloud console under IAM & Admin > Service Accounts > Keys.", p.Name)
	}
	c := jwt.Config{
		Email: account.Email, PrivateKey: []byte(account.Key), PrivateKeyID: account.KeyID,
		Subject: address, Scopes: p.appScopes(), TokenURL: p.endpoint().TokenURL,
	}
	t, err := c.TokenSource(p.client(ctx)).Token()
	if err == nil && t.AccessToken == "" {
		err = errors.New("no token in the answer")
	}
	if err != nil {
		return nil, p.problem(ctx, err, tokenRequest{way: delegated, address: address, service: cmp.Or(account.ClientID, account.Email), secrets: []string{account.Key}})
	}
	return t, nil
}

func isRSAKey(text string) bool {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return false
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	_, is := key.(*rsa.PrivateKey)
	return err == nil && is
}

func (p *Provider) endpoint() oauth2.Endpoint {
	e := oauth2.Endpoint{AuthURL: p.AuthURL, TokenURL: p.TokenURL, AuthStyle: oauth2.AuthStyleInParams}
	switch p.Kind {
	case Google:
		e.AuthURL = cmp.Or(e.AuthURL, "https://accounts.google.com/o/oauth2/v2/auth")
		e.TokenURL = cmp.Or(e.TokenURL, "https://oauth2.googleapis.com/token")
	case Microsoft:
		base := "https://login.microsoftonline.com/" + url.PathEscape(cmp.Or(p.Tenant, "organizations")) + "/oauth2/v2.0/"
		e.AuthURL = cmp.Or(e.AuthURL, base+"authorize")
		e.TokenURL = cmp.Or(e.TokenURL, base+"token")
	}
	return e
}

// consent returns the client as people consent to it. Google is always asked
// who that was; the others' scopes say it.
func (p *Provider) consent(redirect, secret string) *oauth2.Config {
	scopes := strings.Fields(p.Scope)
	switch {
	case p.Kind == Google:
		if len(scopes) == 0 {
			scopes = []string{mailScope}
		}
		for _, s := range []string{"openid", "email"} {
			if !slices.Contains(scopes, s) {
				scopes = append(scopes, s)
			}
		}
	case p.Kind == Microsoft && len(scopes) == 0:
		scopes = []string{"https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access", "openid", "profile", "email"}
	}
	return &oauth2.Config{ClientID: p.ClientID, ClientSecret: secret, Endpoint: p.endpoint(), RedirectURL: redirect, Scopes: scopes}
}

func (p *Provider) appScopes() []string {
	switch {
	case p.Scope != "":
		return strings.Fields(p.Scope)
	case p.Kind == Google:
		return []string{mailScope}
	case p.Kind == Microsoft:
		return []string{"https://outlook.office365.com/.default"}
	}
	return nil
}

func (p *Provider) secret() (string, error) {
	if p.ClientSecret == nil {
		return "", nil
	}
	secret, err := p.ClientSecret()
	if err != nil {
		return "", trail.Problemf(trail.Forbidden, "The client secret of provider %q cannot be read; check client_secret_file.", p.Name)
	}
	return secret, nil
}

// client puts the HTTP client into the context, as oauth2 wants it. A redirect
// is not followed: it could carry the secret elsewhere.
func (p *Provider) client(ctx context.Context) context.Context {
	c := p.HTTP
	if c == nil {
		c = &http.Client{Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return context.WithValue(ctx, oauth2.HTTPClient, c)
}

func (p *Provider) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}
