package access

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"
	"golang.org/x/oauth2"

	"dealtrail/trail"
)

// OIDC is the provider by which people sign in besides passwords: OpenID Connect, the
// code flow with PKCE. Its issuer is an address that somebody set, so the client must be
// one that dials public addresses only, unless that was allowed.
type OIDC struct {
	Issuer    string
	ClientID  string
	Secret    trail.Secret // "" for a public client
	Name      string       // as on the button
	Redirect  string       // where the provider sends people back: the pages' address with /signin/oidc/callback
	RoleClaim string       // the claim that tells roles; "" if none does
	Roles     map[string]Roles
	Default   Roles    // of who has no role by the claim; 0: they do not get in
	Domains   []string // of addresses that may sign in
	Client    *http.Client

	once     sync.Once
	asking   chan struct{} // holds one while somebody asks where the provider's parts are
	provider *oidc.Provider
}

const (
	// oidcWait is how long the provider may take for one step.
	oidcWait = 10 * time.Second
	// oidcTries is how many ways to the provider one network may begin within throttleFor and
	// not end: each is kept for a while, and anybody can begin one.
	oidcTries = 200
)

// errorCode is what a provider says of why it lets nobody in, such as access_denied (RFC 6749 section 4.1.2.1).
var errorCode = regexp.MustCompile(`^[a-z_]{1,60}$`)

// What the session keeps while somebody is at the provider.
const oidcStep = "oidc"

// step is where somebody is on the way through the provider.
type step struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"` // PKCE, RFC 7636
	Next     string    `json:"next"`     // the page to come back to
	Link     string    `json:"link"`     // the person who wants to be linked; "" to sign in
	Until    time.Time `json:"until"`
}

// claims are what is asked of the provider about a person.
type claims struct {
	Email    string
	Verified bool
	Name     string
	Roles    Roles
	Has      bool // the claim of roles names one at least
}

// connect asks the provider where its parts are, once it answers. While it is silent, who
// waits behind somebody else waits no longer than they would for it.
func (o *OIDC) connect(ctx context.Context) (*oidc.Provider, error) {
	o.once.Do(func() { o.asking = make(chan struct{}, 1) })
	select {
	case o.asking <- struct{}{}:
		defer func() { <-o.asking }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if o.provider != nil {
		return o.provider, nil
	}
	// Of the context only the client is kept, by which its keys are fetched later.
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, o.Client), o.Issuer)
	if err != nil {
		return nil, err
	}
	o.provider = p
	return p, nil
}

func (o *OIDC) config(p *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{ClientID: o.ClientID, ClientSecret: o.Secret.Reveal(), Endpoint: p.Endpoint(), RedirectURL: o.Redirect, Scopes: []string{oidc.ScopeOpenID, "profile", "email"}}
}

// refuse says that sign-in by the provider did not work; why is for the log alone.
func (a *Access) refuse(why string, err error) error {
	if a.Log != nil {
		a.Log.Warn("sign-in by the provider refused", "why", why, "err", err)
	}
	return trail.Problemf(trail.Unauthorized, "Signing in with %s did not work. Try again; if it stays like this, the log of dealtrail says why.", a.OIDC.Name)
}

// OIDCBegin returns the address at the provider to which the browser goes. Where link is
// true it is for the person who is signed in, to be linked.
func (a *Access) OIDCBegin(c echo.Context, next string, link bool) (string, error) {
	if a.OIDC == nil {
		return "", trail.Problemf(trail.NotFound, "No provider for signing in is set up; see [oidc] in dealtrail.toml.")
	}
	if err := private(c); err != nil {
		return "", err
	}
	if err := a.try(c.Request().Context(), "oidc", network(c.RealIP()), oidcTries); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), oidcWait)
	defer cancel()
	p, err := a.OIDC.connect(ctx)
	if err != nil {
		return "", a.refuse("the issuer does not answer", err)
	}
	s := step{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: next, Until: a.Now().Add(linkLife)}
	if link {
		s.Link = a.User(c)
	}
	text, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	a.Sessions.Put(c.Request().Context(), oidcStep, string(text))
	return a.OIDC.config(p).AuthCodeURL(s.State, oidc.Nonce(s.Nonce), oauth2.S256ChallengeOption(s.Verifier)), nil
}

// OIDCEnd takes what the provider sent back, signs the person in and returns the page to
// go on to.
func (a *Access) OIDCEnd(c echo.Context) (next string, err error) {
	if a.OIDC == nil {
		return "", trail.Problemf(trail.NotFound, "No provider for signing in is set up; see [oidc] in dealtrail.toml.")
	}
	if err := private(c); err != nil {
		return "", err
	}
	whole := c.Request().Context()
	if err := a.try(whole, "network", network(c.RealIP()), networkTries); err != nil {
		return "", err
	}
	var s step
	text := a.Sessions.PopString(whole, oidcStep)
	if text == "" || json.Unmarshal([]byte(text), &s) != nil || a.Now().After(s.Until) || s.Link != "" && s.Link != a.User(c) || subtle.ConstantTimeCompare([]byte(s.State), []byte(c.QueryParam("state"))) != 1 {
		return "", a.refuse("it was not begun in this browser, or long ago", nil)
	}
	if said := c.QueryParam("error"); said != "" {
		if !errorCode.MatchString(said) { // whoever is in this browser can have written it
			said = "no, by no code of OAuth's"
		}
		return "", a.refuse("the provider says "+said, nil)
	}
	ctx, cancel := context.WithTimeout(whole, oidcWait)
	defer cancel()
	subject, told, err := a.OIDC.exchange(ctx, c.QueryParam("code"), s)
	if err != nil {
		return "", a.refuse("the provider's answer is not good", err)
	}
	email, err := a.linked(whole, subject, told, s.Link)
	if err != nil {
		return "", err
	}
	a.giveBack(whole, "network", network(c.RealIP()))
	a.giveBack(whole, "oidc", network(c.RealIP()))
	return s.Next, a.begin(whole, email, c.Request().UserAgent(), "provider")
}

// exchange trades the code for who it is about: issuer and subject, and their claims.
func (o *OIDC) exchange(ctx context.Context, code string, s step) (subject string, told claims, err error) {
	p, err := o.connect(ctx)
	if err != nil {
		return "", told, err
	}
	ctx = oidc.ClientContext(ctx, o.Client)
	token, err := o.config(p).Exchange(ctx, code, oauth2.VerifierOption(s.Verifier))
	if err != nil {
		return "", told, err
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := p.Verifier(&oidc.Config{ClientID: o.ClientID}).Verify(ctx, raw)
	if err != nil {
		return "", told, err
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(s.Nonce)) != 1 {
		return "", told, errors.New("the nonce is another")
	}
	var all map[string]any
	if err := id.Claims(&all); err != nil {
		return "", told, err
	}
	if all["email"] == nil || o.RoleClaim != "" && all[o.RoleClaim] == nil { // some providers tell it here only
		info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil {
			return "", told, err
		}
		if info.Subject != id.Subject {
			return "", told, errors.New("the userinfo is about somebody else")
		}
		if err := info.Claims(&all); err != nil {
			return "", told, err
		}
	}
	told.Email, told.Name = trail.NormalAddress(word(all["email"])), word(all["name"])
	told.Verified = all["email_verified"] == true || all["email_verified"] == "true"
	for _, value := range words(all[o.RoleClaim]) {
		told.Roles |= o.Roles[value]
	}
	told.Has = o.RoleClaim != "" && told.Roles != 0
	return id.Issuer + " " + id.Subject, told, nil
}

func word(v any) string { s, _ := v.(string); return s }

// words reads a claim that is one text or a list.
func words(v any) (all []string) {
	switch v := v.(type) {
	case string:
		return strings.Fields(v)
	case []any:
		for _, one := range v {
			all = append(all, word(one))
		}
	}
	return all
}

// linked returns the address of the person whom the provider's subject is, links whom an
// admin invited, and adds who is new. An address alone links nobody who signed in
// otherwise before: at the provider somebody else may have come by it.
func (a *Access) linked(ctx context.Context, subject string, told claims, link string) (string, error) {
	o := a.OIDC
	at := slices.ContainsFunc(o.Domains, func(d string) bool { return trail.Domain(told.Email) == strings.ToLower(strings.Trim(d, " @")) })
	if !told.Verified || !isAddress(told.Email) || !at {
		return "", a.refuse("the address is not verified, or not of an allowed domain", nil)
	}
	email, err := a.Redis.HGet(ctx, subjectsHash, hashed(subject)).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", a.unavailable("look up a subject", err)
	}
	if link != "" && email != "" && email != link {
		return "", trail.Problemf(trail.Conflict, "This account at %s belongs to somebody else here.", o.Name)
	}
	email = cmp.Or(email, link, told.Email)
	changed, left, kept := false, false, false
	p, err := a.change(ctx, email, func(p *account, all []account, known bool) error {
		before := p.Roles
		switch {
		case p.Disabled:
			return a.refuse("the person is disabled", nil)
		case !known:
			p.CreatedAt, p.Roles = a.Now().UTC().Truncate(time.Second), o.Default
		case p.Subject != "" && p.Subject != subject:
			return a.refuse("the address is linked to another subject", nil)
		case p.Subject == "" && link == "" && (p.Hash != "" || !p.SignedInAt.IsZero()):
			return trail.Problemf(trail.Conflict, "You have an account here that is not linked to %s yet. Sign in as before, and link it on the page of your account.", o.Name)
		}
		if told.Has {
			p.Roles = told.Roles
		} else if o.RoleClaim != "" && known && p.Subject != "" {
			p.Roles = o.Default // the provider took away what it had given
		}
		kept = before.Has(Admin) && !p.Roles.Has(Admin) && admins(all) == 1
		p.KeptAdmin = time.Time{}
		if kept { // nobody could let others in, or undo it
			p.Roles |= Admin
			p.KeptAdmin = a.Now().UTC().Truncate(time.Second)
		}
		if p.Roles == 0 {
			left = known
			return trail.Problemf(trail.Forbidden, "%s knows you, but nobody gave you a role here. Ask an admin.", o.Name)
		}
		p.Subject, p.Name = subject, cmp.Or(p.Name, told.Name)
		changed = known && p.Roles != before
		return nil
	})
	if left { // the provider took the last role away: what began before ends too
		err = errors.Join(err, a.EndSessions(ctx, email, ""))
	}
	if err != nil {
		return "", err
	}
	if kept && a.Log != nil {
		a.Log.Warn("the provider would leave nobody who is an admin; the last one stays one", "person", p.Email, "roles", told.Roles.String())
	}
	if err := a.Redis.HSet(ctx, subjectsHash, hashed(subject), p.Email).Err(); err != nil {
		return "", a.unavailable("link a subject", err)
	}
	if changed {
		err = a.EndSessions(ctx, p.Email, "")
	}
	return p.Email, err
}

// Check says what is missing of a provider's settings, by the key of the configuration.
func (o *OIDC) Check() error {
	switch {
	case !strings.HasPrefix(o.Issuer, "https://") && !strings.HasPrefix(o.Issuer, "http://127.0.0.1:"):
		return fmt.Errorf("oidc.issuer is %q; expected https://", o.Issuer)
	case o.ClientID == "":
		return errors.New("oidc.client_id is missing")
	case len(o.Domains) == 0:
		return errors.New("oidc.allowed_domains is missing, and company.domains are too; name the domains of addresses that may sign in")
	case o.RoleClaim == "" && o.Default == 0:
		return errors.New("oidc.default_role is missing; without oidc.role_claim nobody would get in")
	}
	return nil
}
