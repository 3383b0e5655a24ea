package dashboards

import (
	"cmp"
	"errors"
	"html/template"
	"net/http"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/trail"
)

// signInPage shows a button for a one-time code, else a form for address and password.
// Only the button uses the code up: mail scanners and previews that follow the link do
// not.
type signInPage struct {
	frame
	Code     string
	First    bool // the code makes the first admin
	Email    string
	Next     string
	Provider string // name of the provider by which people sign in too; "" for none
	Problem  string
	Ended    bool // a session that was there has ended
}

func (s *Site) signInPage(c echo.Context) error {
	return s.renderSignIn(c, http.StatusOK, signInPage{Code: c.QueryParam("code"), Next: c.QueryParam("next")})
}

func (s *Site) renderSignIn(c echo.Context, status int, p signInPage) error {
	p.frame = s.frame(c, "Sign in", "", lens{})
	p.Bare = true
	p.Next = s.stay(c, p.Next)
	if s.Access != nil {
		if p.Code != "" {
			var whose string
			whose, p.First = s.Access.Whose(c.Request().Context(), p.Code)
			p.Email = cmp.Or(whose, p.Email)
		}
		if s.Access.OIDC != nil {
			p.Provider = s.Access.OIDC.Name
		}
	}
	if p.First {
		p.Title = "Begin with dealtrail"
	}
	return s.render(c, status, "signin", p)
}

// signIn takes a code, or address and password. What is wrong is said on the page, with
// the code still good where it is.
func (s *Site) signIn(c echo.Context) error {
	f := access.SignInForm{Code: c.FormValue("code"), Email: c.FormValue("email"), Password: trail.Secret(c.FormValue("password"))}
	p := signInPage{Code: f.Code, Email: f.Email, Next: s.stay(c, c.FormValue("next"))}
	err := s.SignIn(c, f)
	if problem := (*trail.Problem)(nil); errors.As(err, &problem) && problem.Code != trail.Unavailable {
		p.Problem = problem.Text
		status := map[trail.Code]int{trail.TooMany: http.StatusTooManyRequests, trail.Invalid: http.StatusUnprocessableEntity}[problem.Code]
		if status == 0 {
			p.Code, status = "", http.StatusUnauthorized
		}
		return s.renderSignIn(c, status, p)
	}
	if err != nil {
		return err
	}
	return seeOther(c, template.URL(p.Next))
}

func (s *Site) signOut(c echo.Context) error {
	if err := s.SignOut(c); err != nil {
		return err
	}
	return seeOther(c, "/signin")
}

// oidcRoutes mounts the way through the provider.
func (s *Site) oidcRoutes(g *echo.Group) {
	g.POST("/signin/oidc", func(c echo.Context) error { return s.toProvider(c, s.stay(c, c.FormValue("next")), false) })
	g.GET("/signin/oidc/callback", s.fromProvider)
	g.POST("/me/oidc", func(c echo.Context) error { return s.toProvider(c, "/me?said=linked", true) })
}

// toProvider shows the page from which the browser goes on to the provider: the policy
// of pages lets forms lead nowhere else, and a redirect of a form counts as the form.
func (s *Site) toProvider(c echo.Context, next string, link bool) error {
	if s.Access == nil {
		return noAccounts()
	}
	to, err := s.Access.OIDCBegin(c, next, link)
	if text, ok := signInProblem(err); ok {
		return s.renderSignIn(c, http.StatusUnauthorized, signInPage{Next: next, Problem: text})
	}
	if err != nil {
		return err
	}
	// The address was made here from what the provider says of itself.
	c.Response().Header().Set("Refresh", "0; url="+to)
	return s.render(c, http.StatusOK, "signin_provider", providerPage{s.frame(c, "Sign in", "", lens{}), s.Access.OIDC.Name, template.URL(to)})
}

type providerPage struct {
	frame
	Provider string
	To       template.URL
}

func (s *Site) fromProvider(c echo.Context) error {
	if s.Access == nil {
		return noAccounts()
	}
	next, err := s.Access.OIDCEnd(c)
	if text, ok := signInProblem(err); ok {
		return s.renderSignIn(c, http.StatusUnauthorized, signInPage{Problem: text})
	}
	if err != nil {
		return err
	}
	return seeOther(c, template.URL(local(next)))
}

// signInProblem is what may be told of why somebody could not sign in.
func signInProblem(err error) (string, bool) {
	p := (*trail.Problem)(nil)
	if errors.As(err, &p) && p.Code != trail.Unavailable && p.Code != trail.NotFound {
		return p.Text, true
	}
	return "", false
}

func noAccounts() error { return trail.Problemf(trail.NotFound, "Nobody signs in here.") }
