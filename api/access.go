package api

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/trail"
)

// newKeyBody is the answer that holds a key, once.
type newKeyBody struct {
	access.Key
	Secret string `json:"key"`
}

// userBody is a person with a link that signs them in once.
type userBody struct {
	access.Person
	SignInURL string `json:"signin_url,omitzero"`
}

// viewOf is what who asks sees of deals and people.
func viewOf(c echo.Context) access.View { return access.From(c.Request().Context()).View }

func (s *Server) keys(c echo.Context) error {
	keys, err := s.Access.Keys(c.Request().Context())
	if err != nil {
		return err
	}
	return s.rows(c, "keys", listOf(keys))
}

func (s *Server) newKey(c echo.Context) error {
	var in access.KeyRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	key, k, err := s.Access.NewKey(c.Request().Context(), in)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, newKeyBody{k, key.Reveal()})
}

func (s *Server) revokeKey(c echo.Context) error {
	if err := s.Access.Revoke(c.Request().Context(), param(c, "name"), ""); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (s *Server) users(c echo.Context) error {
	people, err := s.Access.People(c.Request().Context())
	if err != nil {
		return err
	}
	return s.rows(c, "people", listOf(people))
}

// addUser adds a person, or changes one, and makes a link that signs them in.
func (s *Server) addUser(c echo.Context) error {
	var in struct {
		Email string `json:"email"`
		access.Change
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	p, err := s.Access.Set(c.Request().Context(), in.Email, in.Change)
	if err != nil {
		return err
	}
	link, err := s.Access.SignInLink(c.Request().Context(), p.Email)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, userBody{p, link})
}

// changeUser changes a person who is there.
func (s *Server) changeUser(c echo.Context) error {
	var in access.Change
	if err := decode(c, &in); err != nil {
		return err
	}
	p, err := s.Access.Person(c.Request().Context(), param(c, "email"))
	if err != nil {
		return err
	}
	if p, err = s.Access.Set(c.Request().Context(), p.Email, in); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, p)
}

// accessLog answers with who saw whom by name, the newest first.
func (s *Server) accessLog(c echo.Context) error {
	most, err := limit(c)
	if err != nil {
		return err
	}
	if most == 0 {
		most = 500
	}
	q := c.QueryParam
	rows, next, err := s.Access.Entries(c.Request().Context(), trail.NormalAddress(q("who")), strings.TrimSpace(q("contact")), q("after"), most)
	if err != nil {
		return err
	}
	answer := listOf(rows)
	answer.Next = next
	return s.rows(c, "access", answer)
}
