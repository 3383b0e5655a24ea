package api

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/trail"
)

// said is an event with a person's word on who made it, or without it again.
type said struct {
	ID      trail.ID        `json:"id"`
	Kind    trail.Kind      `json:"kind"`
	Verdict trail.Agent     `json:"verdict"`
	Rules   []string        `json:"rules"`
	Said    *trail.SaidWord `json:"said"` // null: machines judge it
	Changed bool            `json:"changed"`
	Visible bool            `json:"visible"`
}

// rep returns the rep whom a path names. What is kept of mail is for the rep alone, and
// for who has a key to everything.
func rep(c echo.Context) (string, error) {
	address := trail.NormalAddress(param(c, "email"))
	if !isAddress(address) {
		return "", trail.Problemf(trail.Invalid, "%q is not an address; name the rep as anna@example.com.", address)
	}
	if asker := access.From(c.Request().Context()); !asker.OfMail(address) {
		return "", trail.Problemf(trail.Forbidden, "What is kept of the mail of %s is theirs to see.", address)
	}
	return address, nil
}

// kept answers with what is kept about the mail of a rep.
func (s *Server) kept(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	rep, err := rep(c)
	if err != nil {
		return err
	}
	kept, err := s.DB.Kept(c.Request().Context(), rep, trail.Kind(c.QueryParam("kind")), f)
	if err != nil {
		return err
	}
	viewOf(c).SawKept(kept.Rows)
	return c.JSON(http.StatusOK, kept)
}

// exclusions answers with whom a rep does not want mail read of.
func (s *Server) exclusions(c echo.Context) error {
	rep, err := rep(c)
	if err != nil {
		return err
	}
	all, err := s.Mailbox.Exclusions(rep)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, listOf(all))
}

// exclude has mail of somebody leave no trace from now on.
func (s *Server) exclude(c echo.Context) error {
	var in struct {
		Who string `json:"who"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	rep, err := rep(c)
	if err != nil {
		return err
	}
	x, err := s.Mailbox.Exclude(c.Request().Context(), rep, in.Who, s.user(c))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, x)
}

// include takes that back.
func (s *Server) include(c echo.Context) error {
	rep, err := rep(c)
	if err != nil {
		return err
	}
	if err := s.Mailbox.Include(c.Request().Context(), rep, param(c, "who")); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// say takes a person's word on who made a click or an open.
func (s *Server) say(c echo.Context) error {
	var in trail.Word
	if err := decode(c, &in); err != nil {
		return err
	}
	id, err := trail.ParseID(strings.ToUpper(param(c, "id")))
	if err != nil {
		return trail.Problemf(trail.NotFound, "There is no event %q.", param(c, "id"))
	}
	in.By = cmp.Or(s.user(c), in.By)
	e, changed, visible, err := s.Corrector.Say(c.Request().Context(), id, in)
	if err != nil {
		return err
	}
	answer := said{ID: e.ID, Kind: e.Kind, Verdict: e.Agent, Rules: append([]string{}, e.Rules...), Said: trail.WordOn(e.Attrs, e.RevisedAt), Changed: changed, Visible: visible}
	if !changed {
		return c.JSON(http.StatusOK, answer)
	}
	return accepted(c, visible, answer)
}
