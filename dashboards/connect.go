package dashboards

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// Connect is the page on which a rep, who has no account here, allows the own
// mailbox to be read.
type Connect struct {
	Providers []ConnectProvider
	Since     string   // how far back a new mailbox is read, in words
	Excluded  []string // folders that are never read
	Sealer    *ingest.Sealer
	Address   string // of the pages, where the provider sends browsers back to; empty: PublicURL

	// Add stores what was allowed and returns the mailbox's name. A Problem is shown.
	Add    func(ctx context.Context, provider, address string, refresh ingest.Secret) (name string, err error)
	Pause  func(ctx context.Context, name string) error
	Resume func(ctx context.Context, name string) error
	State  func(ctx context.Context, name string) (trail.MailboxStatus, error)
	Limit  func(address string) bool // false: this address asked too often
}

// ConnectProvider is a mail provider at which people can allow it.
type ConnectProvider struct {
	Name       string // in paths
	Title      string // for people
	ConsentURL func(state, verifier, redirect, hint string) string
	Exchange   func(ctx context.Context, code, verifier, redirect string) (address string, refresh ingest.Secret, err error)
}

// connectLife is how long somebody may take at the provider, and connectCookie
// holds meanwhile, sealed, what is to come back.
const (
	connectLife   = 15 * time.Minute
	connectCookie = "dealtrail-connect"
)

// begun is a consent under way. It stays in the browser that began it: nobody
// else can end it, and strangers take no memory here.
type begun struct {
	Provider string    `json:"provider"`
	State    string    `json:"state"`
	Verifier string    `json:"verifier"` // PKCE, RFC 7636
	Until    time.Time `json:"until"`
}

type connectPage struct {
	frame
	Buttons  []connectButton // none while no provider is configured
	Back     string          // how far back a new mailbox is read: "12 months back"
	Excluded []string
	For      string       // whose mailbox it is about, as the link here said
	On       string       // the provider's title: the browser is on its way there
	To       template.URL // and this is where
	Problem  string       // why nothing was connected
	Key      string       // of a connected mailbox
	Own      template.URL // the page of that mailbox
	New      bool         // just now
	Mailbox  trail.MailboxStatus
}

// Failing reports whether the mailbox is connected and yet cannot be read.
func (p connectPage) Failing() bool {
	return p.Mailbox.State == "parked" || p.Mailbox.State == "retrying"
}

// Reason says to a rep why the mailbox cannot be read and what to do. What only
// who runs dealtrail understands comes last, to be passed on.
func (p connectPage) Reason() string {
	why, again, pass := p.Mailbox.Reason, "Connect your mailbox again below", "send this to whoever runs dealtrail: "
	if len(p.Buttons) == 0 { // it was connected with an app password, which is not given here
		again = "Ask whoever runs dealtrail to connect it again"
	}
	switch {
	case strings.HasPrefix(why, "The rep has to connect"): // as the mailbox package says of a consent that ended
		return "Your mail provider no longer accepts what you allowed. That happens when your password changes, and after a long time. " + again + "."
	case p.Mailbox.State == "parked" && why == "":
		return "The mail server does not let dealtrail in. " + again + "."
	case p.Mailbox.State == "parked" && len(p.Buttons) == 0:
		return "The mail server does not let dealtrail in. " + again + ", and send them this: " + why
	case p.Mailbox.State == "parked":
		return "The mail server does not let dealtrail in. " + again + "; if that does not help, " + pass + why
	case why == "":
		return "It is tried again by itself."
	case len(p.Buttons) == 0:
		return "It is tried again by itself. If it stays like this, " + pass + why
	}
	return "It is tried again by itself. If it stays like this, connect your mailbox again below, or " + pass + why
}

type connectButton struct {
	Title string
	Path  template.URL // to post to
}

// connectRoutes mounts the page. It is for reps without an account, so nobody
// has to be signed in.
func (s *Site) connectRoutes(g *echo.Group) {
	open := g.Group("/connect", s.limited)
	open.GET("", s.connectPage)
	open.POST("", s.connectChange)
	open.GET("/:provider", s.connectAsk)
	open.POST("/:provider", s.connectBegin)
	open.GET("/:provider/callback", s.connectEnd)
}

// limited bounds how often one network may ask.
func (s *Site) limited(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if s.Connect != nil && s.Connect.Limit != nil && !s.Connect.Limit(c.RealIP()) {
			c.Response().Header().Set("Retry-After", "60")
			return s.refused(c, http.StatusTooManyRequests, "Too many people in your network use this page right now. Nothing is lost: wait a minute, then reload the page or begin again.")
		}
		return next(c)
	}
}

func (s *Site) connectPage(c echo.Context) error {
	if key := c.QueryParam("mailbox"); key != "" {
		return s.connected(c, key)
	}
	p := connectPage{}
	if a, err := mail.ParseAddress(c.QueryParam("for")); err == nil {
		p.For = trail.NormalAddress(a.Address)
	}
	return s.renderConnect(c, http.StatusOK, p)
}

func (s *Site) renderConnect(c echo.Context, status int, p connectPage) error {
	title := "May dealtrail read your mail?"
	switch {
	case p.Key != "":
		title = "Your mailbox"
	case p.On != "":
		title = "On to " + p.On
	}
	p.frame = s.frame(c, title, "", lens{})
	if s.Connect != nil {
		p.Excluded, p.Back = s.Connect.Excluded, s.Connect.Since+" back"
		if _, err := time.Parse(time.DateOnly, s.Connect.Since); err == nil {
			p.Back = "back to " + s.Connect.Since
		}
		for _, provider := range s.Connect.Providers {
			p.Buttons = append(p.Buttons, connectButton{provider.Title, template.URL("/connect/" + url.PathEscape(provider.Name))})
		}
	}
	if p.Key != "" {
		p.Own = template.URL(s.connectURL() + "?mailbox=" + url.QueryEscape(p.Key))
	}
	return s.render(c, status, "connect", p)
}

// connectAddress is where this page is for browsers. A host of its own for links
// serves nothing else, so public_url may be the wrong one.
func (s *Site) connectAddress() string {
	if s.Connect == nil || s.Connect.Address == "" {
		return s.PublicURL
	}
	return s.Connect.Address
}

// connectURL returns an address below /connect. It begins with the address of the
// pages, for the provider sends the browser back there, and the cookie has to be there then.
func (s *Site) connectURL(segments ...string) string {
	to := strings.TrimRight(s.connectAddress(), "/") + "/connect"
	for _, segment := range segments {
		to += "/" + url.PathEscape(segment)
	}
	return to
}

// refused is the page again, with what went wrong.
func (s *Site) refused(c echo.Context, status int, problem string) error {
	return s.renderConnect(c, status, connectPage{Problem: problem})
}

// provider returns the one that the path names.
func (s *Site) provider(c echo.Context) (ConnectProvider, string, error) {
	name := param(c, "provider")
	if s.Connect != nil {
		i := slices.IndexFunc(s.Connect.Providers, func(p ConnectProvider) bool { return p.Name == name })
		if i >= 0 {
			return s.Connect.Providers[i], s.connectURL(name, "callback"), nil
		}
	}
	return ConnectProvider{}, "", trail.Problemf(trail.NotFound, "No mail provider of that name is set up here.")
}

// connectAsk leads whoever comes by a link to the page that asks: nobody is to
// allow something at the provider without having read what.
func (s *Site) connectAsk(c echo.Context) error {
	if _, _, err := s.provider(c); err != nil {
		return err
	}
	return seeOther(c, template.URL("/connect?for="+url.QueryEscape(c.QueryParam("for"))))
}

// connectBegin sends the browser from the page that asks to the provider. It is
// posted, so that no other site can begin it in a rep's browser.
func (s *Site) connectBegin(c echo.Context) error {
	provider, redirect, err := s.provider(c)
	if err != nil {
		return err
	}
	hint := ""
	if a, err := mail.ParseAddress(c.FormValue("for")); err == nil {
		hint = a.Address
	}
	if origin := c.Request().Header.Get(echo.HeaderOrigin); origin != "" && origin != "null" && !strings.EqualFold(origin, s.publicOrigin()) {
		// Opened under another name of this machine, where the provider does not come back to.
		return s.leave(c, "the public address", s.connectURL()+"?for="+url.QueryEscape(hint))
	}
	b := begun{Provider: provider.Name, State: rand.Text(), Verifier: rand.Text() + rand.Text(), Until: s.Now().Add(connectLife)}
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	s.setBegun(c, s.Connect.Sealer.Seal(string(text), "begun"), int(connectLife.Seconds()))
	return s.leave(c, provider.Title, provider.ConsentURL(b.State, b.Verifier, redirect, hint))
}

// leave sends the browser on, by a page: a redirect would be the form's target to
// browsers, and the policy lets forms go nowhere else.
func (s *Site) leave(c echo.Context, title, to string) error {
	c.Response().Header().Set("Refresh", "0; url="+to)
	return s.renderConnect(c, http.StatusOK, connectPage{On: title, To: template.URL(to)})
}

// publicOrigin is what browsers call the address of this site.
func (s *Site) publicOrigin() string {
	u, err := url.Parse(s.connectAddress())
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// setBegun sets the cookie, or ends it when the age is negative.
func (s *Site) setBegun(c echo.Context, value string, age int) {
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer") // the address holds state or code
	c.SetCookie(&http.Cookie{
		Name: connectCookie, Value: value, Path: "/connect", MaxAge: age, HttpOnly: true,
		Secure: strings.HasPrefix(s.connectAddress(), "https:"), SameSite: http.SameSiteLaxMode, // comes along from the provider
	})
}

// connectEnd takes what the provider sent back.
func (s *Site) connectEnd(c echo.Context) error {
	provider, redirect, err := s.provider(c)
	if err != nil {
		return err
	}
	b, ok := s.begun(c)
	s.setBegun(c, "", -1) // it works once
	if !ok || b.Provider != provider.Name || subtle.ConstantTimeCompare([]byte(b.State), []byte(c.QueryParam("state"))) != 1 {
		return s.refused(c, http.StatusBadRequest, "Nothing was connected: this was not begun in this browser, or it took longer than a quarter of an hour. Please begin again here.")
	}
	if code := c.QueryParam("error"); code != "" {
		return s.refused(c, http.StatusOK, denied(provider.Title, code))
	}
	address, refresh, err := provider.Exchange(c.Request().Context(), c.QueryParam("code"), b.Verifier, redirect)
	if err == nil {
		var name string
		if name, err = s.Connect.Add(c.Request().Context(), provider.Name, address, refresh); err == nil {
			// On to an address without the code, which the rep can keep.
			return seeOther(c, template.URL("/connect?new=1&mailbox="+s.Connect.Sealer.Seal(name, "mailbox")))
		}
	}
	var problem *trail.Problem
	if !errors.As(err, &problem) {
		return err
	}
	status := map[trail.Code]int{trail.Forbidden: http.StatusForbidden, trail.Conflict: http.StatusConflict, trail.Unavailable: http.StatusServiceUnavailable}[problem.Code]
	if status == 0 {
		status = http.StatusBadRequest
	}
	return s.refused(c, status, problem.Text)
}

// begun returns the consent that this browser began.
func (s *Site) begun(c echo.Context) (b begun, ok bool) {
	cookie, err := c.Cookie(connectCookie)
	if err != nil {
		return b, false
	}
	text, ok := s.Connect.Sealer.Open(cookie.Value, "begun")
	return b, ok && json.Unmarshal([]byte(text), &b) == nil && b.State != "" && s.Now().Before(b.Until)
}

// errorCode is how RFC 6749 writes one. What else stands in its place is not
// shown: anybody can write a link.
var errorCode = regexp.MustCompile(`^[a-z_]{1,40}$`)

// denied says what an error of the provider means.
func denied(title, code string) string {
	switch {
	case code == "access_denied":
		return "Nothing was connected, because it was not allowed at " + title + ". If that was not you, your administrator may have to allow this program first."
	case code == "consent_required" || code == "interaction_required" || code == "admin_policy_enforced" || code == "unauthorized_client":
		return "Nothing was connected: " + title + " wants your administrator to allow this program first (" + code + ")."
	case errorCode.MatchString(code):
		return "Nothing was connected: " + title + " answered " + code + ". Try again; if it stays, tell whoever runs dealtrail."
	}
	return "Nothing was connected: " + title + " reported an error. Try again; if it stays, tell whoever runs dealtrail."
}

// connected shows a mailbox to whoever has its key: the rep who connected it.
func (s *Site) connected(c echo.Context, key string) error {
	name, err := s.mailboxOf(key)
	if err != nil {
		return err
	}
	m, err := s.Connect.State(c.Request().Context(), name)
	if err != nil {
		return err
	}
	return s.renderConnect(c, http.StatusOK, connectPage{Key: key, For: m.Rep, New: c.QueryParam("new") != "", Mailbox: m})
}

func (s *Site) mailboxOf(key string) (string, error) {
	if s.Connect != nil {
		if name, ok := s.Connect.Sealer.Open(key, "mailbox"); ok {
			return name, nil
		}
	}
	return "", trail.Problemf(trail.NotFound, "This link is incomplete. Connect the mailbox again to get a new one; nothing is read twice.")
}

// connectChange pauses or resumes a mailbox.
func (s *Site) connectChange(c echo.Context) error {
	key := c.FormValue("mailbox")
	name, err := s.mailboxOf(key)
	if err != nil {
		return err
	}
	switch c.FormValue("do") {
	case "pause":
		err = s.Connect.Pause(c.Request().Context(), name)
	case "resume":
		err = s.Connect.Resume(c.Request().Context(), name)
	default:
		err = trail.Problemf(trail.Invalid, "Choose whether to pause or to resume.")
	}
	if err != nil {
		return err
	}
	return seeOther(c, template.URL("/connect?mailbox="+url.QueryEscape(key)))
}
