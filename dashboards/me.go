package dashboards

import (
	"html/template"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
)

// mePage is one's own account: what one may do, where one is signed in, one's keys.
type mePage struct {
	frame
	Me       access.Person
	Sessions []access.Session
	Session  string // this one
	Keys     []access.Key
	Key      string // a new one, shown once
	KeyName  string
	Provider string // to which the account can be linked
	Said     string
	Problem  string
}

func (s *Site) meRoutes(g *echo.Group) {
	g.GET("/me", func(c echo.Context) error { return s.renderMe(c, http.StatusOK, mePage{}) })
	g.POST("/me/password", s.changePassword)
	g.POST("/me/sessions", s.endSessions)
	g.POST("/me/keys", s.changeOwnKeys)
}

// meSaid says what was just done.
var meSaid = map[string]string{
	"password": "The password is changed. Your other sessions have ended.", "ended": "That session has ended.", "revoked": "The key is revoked.", "linked": "Your account is linked: sign in by it from now on.",
}

func (s *Site) renderMe(c echo.Context, status int, p mePage) (err error) {
	ctx, asker := c.Request().Context(), access.From(c.Request().Context())
	if s.Access == nil || asker.Session == "" {
		return noAccounts()
	}
	p.frame = s.frame(c, "My account", "me", lens{})
	p.Session, p.Said = asker.Session, meSaid[c.QueryParam("said")]
	if p.Me, err = s.Access.Person(ctx, asker.Who); err != nil {
		return err
	}
	if p.Sessions, err = s.Access.SessionsOf(ctx, asker.Who); err != nil {
		return err
	}
	if p.Keys, err = s.Access.Keys(ctx); err != nil {
		return err
	}
	p.Keys = slices.DeleteFunc(p.Keys, func(k access.Key) bool { return k.Owner != asker.Who })
	if s.Access.OIDC != nil && !p.Me.OIDC {
		p.Provider = s.Access.OIDC.Name
	}
	return s.render(c, status, "me", p)
}

// meAgain shows the page with why a form was refused, or hands on what went wrong.
func (s *Site) meAgain(c echo.Context, err error) error {
	text, ok := problemText(err)
	if !ok {
		if text, ok = signInProblem(err); !ok {
			return err
		}
	}
	return s.renderMe(c, http.StatusUnprocessableEntity, mePage{Problem: text})
}

func (s *Site) changePassword(c echo.Context) error {
	asker := access.From(c.Request().Context())
	if s.Access == nil || asker.Session == "" {
		return noAccounts()
	}
	err := s.Access.ChangePassword(c.Request().Context(), asker.Who, c.FormValue("old"), c.FormValue("password"), asker.Session)
	if err != nil {
		return s.meAgain(c, err)
	}
	return seeOther(c, "/me?said=password")
}

// endSessions ends one session, or all: then this one too.
func (s *Site) endSessions(c echo.Context) error {
	ctx, asker := c.Request().Context(), access.From(c.Request().Context())
	if s.Access == nil || asker.Session == "" {
		return noAccounts()
	}
	id := c.FormValue("id")
	err := s.Access.EndSession(ctx, asker.Who, id)
	if c.FormValue("do") == "all" {
		id, err = asker.Session, s.Access.EndSessions(ctx, asker.Who, "")
	}
	if err != nil {
		return err
	}
	if id == asker.Session {
		return s.signOut(c)
	}
	return seeOther(c, "/me?said=ended")
}

func (s *Site) changeOwnKeys(c echo.Context) error {
	ctx, asker := c.Request().Context(), access.From(c.Request().Context())
	if s.Access == nil || asker.Session == "" {
		return noAccounts()
	}
	if c.FormValue("do") == "revoke" {
		if err := s.Access.Revoke(ctx, c.FormValue("name"), asker.Who); err != nil {
			return s.meAgain(c, err)
		}
		return seeOther(c, template.URL("/me?said=revoked"))
	}
	key, k, err := s.Access.NewKey(ctx, access.KeyRequest{Name: c.FormValue("name"), Scope: c.Request().Form["scope"], Days: days(c), Owner: asker.Who})
	if err != nil {
		return s.meAgain(c, err)
	}
	return s.renderMe(c, http.StatusCreated, mePage{Key: key.Reveal(), KeyName: k.Name})
}

// Roles are the words for what somebody may.
func (p mePage) Roles() []string { return p.Me.Roles.Names() }

// Sees says what of deals and people one sees.
func (p mePage) Sees() string {
	switch r := p.Me.Roles; {
	case r.Has(access.Admin), p.Me.Named && r.Has(access.Marketer|access.Facilitator):
		return "All deals, and everybody on them by name. Whom you look at by name is written into the access log."
	case r.Has(access.Marketer | access.Facilitator):
		return "All deals. People are shown as job role and account, but on your own deals."
	case r.Has(access.Manager):
		return "The deals of your team, as it was when they closed, and everybody on them."
	case r.Has(access.Rep):
		return "Your own deals and everybody on them."
	}
	return "Settings and the access log; no deals and no people."
}

// Team is today's team.
func (p mePage) Team() string { return p.Me.Team() }
