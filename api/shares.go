package api

import (
	"net/mail"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/trail"
)

// shares answers with a rep's latest tracked links and what came of them.
func (s *Server) shares(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	rep, err := mail.ParseAddress(c.QueryParam("rep"))
	if err != nil {
		return trail.Problemf(trail.Invalid, "rep is %q; it must be the address of the rep whose links are asked for.", c.QueryParam("rep"))
	}
	if asker := access.From(c.Request().Context()); !asker.OfMail(trail.NormalAddress(rep.Address)) {
		return trail.Problemf(trail.Forbidden, "The links of %s are theirs to see.", rep.Address)
	}
	rows, err := s.DB.RepShares(c.Request().Context(), rep.Address, s.Now(), f)
	if err != nil {
		return err
	}
	viewOf(c).SawShares(rows)
	answer := listOf(rows)
	answer.Agents = f.Agents
	return s.rows(c, "links", answer)
}
