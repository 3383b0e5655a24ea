package dashboards

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// erasePage asks whether a person is to be erased, and tells what was done.
type erasePage struct {
	frame
	Address string
	Problem string
	Report  *trail.Erasure // nil: nothing was done
}

func (s *Site) eraseRoutes(in *echo.Group) {
	if s.Erase == nil {
		return
	}
	in.GET("/contacts/:email/erase", s.askErase)
	in.POST("/contacts/:email/erase", s.erase)
}

func (s *Site) askErase(c echo.Context) error {
	return s.render(c, http.StatusOK, "erase", erasePage{frame: s.frame(c, "Erase a person", "deals", lens{}), Address: trail.NormalAddress(param(c, "email"))})
}

// erase erases whom both the address and the form name: nobody does it by a slip.
func (s *Site) erase(c echo.Context) error {
	if err := unhurried(c); err != nil {
		return err
	}
	p := erasePage{frame: s.frame(c, "Erase a person", "deals", lens{}), Address: trail.NormalAddress(param(c, "email"))}
	if trail.NormalAddress(c.FormValue("address")) != p.Address {
		p.Problem = "That is not the address of this page. Nothing was done."
		return s.render(c, http.StatusBadRequest, "erase", p)
	}
	r, err := s.Erase(c.Request().Context(), p.Address, p.User)
	if err != nil {
		return err
	}
	p.Title, p.Address, p.Here, p.Report = "Erased", "", "/", &r // no address of theirs is on the page any more
	return s.render(c, http.StatusOK, "erase", p)
}
