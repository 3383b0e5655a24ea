package dashboards

import (
	"errors"
	"html/template"
	"net/http"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// signInPage shows a button for a one-time code. Only the button uses the code
// up: mail scanners and previews that follow the link do not.
type signInPage struct {
	frame
	Code    string
	Next    string
	Problem string
}

func (s *Site) signInPage(c echo.Context) error {
	return s.renderSignIn(c, http.StatusOK, signInPage{Code: c.QueryParam("code"), Next: c.QueryParam("next")})
}

func (s *Site) renderSignIn(c echo.Context, status int, p signInPage) error {
	p.frame = s.frame(c, "Sign in", "", lens{})
	p.Bare = true
	p.Next = local(p.Next)
	return s.render(c, status, "signin", p)
}

func (s *Site) signIn(c echo.Context) error {
	p := signInPage{Code: c.FormValue("code"), Next: local(c.FormValue("next"))}
	err := s.SignIn(c, p.Code)
	if problem := (*trail.Problem)(nil); errors.As(err, &problem) {
		p.Code, p.Problem = "", problem.Text
		return s.renderSignIn(c, http.StatusUnauthorized, p)
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
