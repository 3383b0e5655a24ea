package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// erase removes a person for ever. What takes longer than the answer may goes on by
// itself, and the report tells so.
func (s *Server) erase(c echo.Context) error {
	takesLong(c)
	r, err := s.Eraser.Erase(c.Request().Context(), param(c, "email"), s.by(c, ""))
	if err != nil {
		return err
	}
	if r.State != trail.ErasureComplete {
		return c.JSON(http.StatusAccepted, r)
	}
	return c.JSON(http.StatusOK, r)
}

// personData is all that is stored of a person.
func (s *Server) personData(c echo.Context) error {
	takesLong(c)
	address := trail.NormalAddress(param(c, "email"))
	d, err := s.DB.PersonData(c.Request().Context(), s.Registry.Contacts.ID(address), address)
	if err != nil {
		return err
	}
	viewOf(c).Saw(address)
	d.At, d.Address, d.Why = s.Now().UTC(), address, "GET /v1/privacy says what is kept for which purpose, for how long, and who can see it."
	return c.JSON(http.StatusOK, d)
}

// privacy is the record of processing, from the configuration that is in force.
func (s *Server) privacy(c echo.Context) error {
	r, err := s.Processing()
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, r)
}

func (s *Server) erasures(c echo.Context) error {
	all, err := s.Eraser.Reports(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, listOf(all))
}

// erasure is a signed report, which anybody can check who has the public key.
func (s *Server) erasure(c echo.Context) error {
	signed, err := s.Eraser.Signed(c.Request().Context(), param(c, "tombstone"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, signed)
}
