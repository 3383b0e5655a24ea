package api

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// holdoutBody is what POST /v1/holdouts takes. What is left out is as usual.
type holdoutBody struct {
	Content string   `json:"content"`
	Name    string   `json:"name"`
	Stage   string   `json:"stage"`
	Part    *float64 `json:"part"`
	Outcome string   `json:"outcome"`
	Weeks   int      `json:"weeks"`
	EndedAt string   `json:"ended_at"`
	By      string   `json:"by"`
}

// holdoutAnswer is a holdout that was started or ended.
type holdoutAnswer struct {
	trail.Holdout
	Visible bool `json:"visible"`
}

// holdoutPage is the most deals of one answer unless asked for.
const holdoutPage = 500

// holdouts answers with what every holdout says.
func (s *Server) holdouts(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	rows, err := s.Holdouts.Readouts(c.Request().Context(), f)
	if err != nil {
		return err
	}
	answer := listOf(rows)
	answer.Agents = f.Agents
	return s.rows(c, "holdouts", answer)
}

func (s *Server) startHoldout(c echo.Context) error {
	var in holdoutBody
	if err := decode(c, &in); err != nil {
		return err
	}
	h := trail.Holdout{Content: in.Content, Name: in.Name, Stage: in.Stage, Part: trail.UsualPart, Outcome: in.Outcome, Weeks: in.Weeks, By: strings.TrimSpace(in.By)}
	if in.Part != nil {
		h.Part = *in.Part
	}
	var err error
	if h.EndedAt, err = s.moment("ended_at", in.EndedAt); err != nil {
		return err
	}
	if user := s.user(c); user != "" {
		h.By = user
	}
	h, visible, err := s.Holdouts.Start(c.Request().Context(), h, "api")
	if err != nil {
		return err
	}
	return accepted(c, visible, holdoutAnswer{h, visible})
}

// user is who is signed in; a key is nobody.
func (s *Server) user(c echo.Context) string {
	return s.Access.User(c)
}

func (s *Server) endHoldout(c echo.Context) error {
	var in struct {
		At string `json:"at"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	at, err := s.moment("at", in.At)
	if err != nil {
		return err
	}
	h, visible, err := s.Holdouts.End(c.Request().Context(), param(c, "id"), at, "api")
	if err != nil {
		return err
	}
	return accepted(c, visible, holdoutAnswer{h, visible})
}

func (s *Server) holdout(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	r, err := s.Holdouts.Readout(c.Request().Context(), param(c, "id"), f)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, r)
}

// holdoutDeals answers with a page of the ledger: the deals behind a readout.
func (s *Server) holdoutDeals(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	if f.Limit == 0 {
		f.Limit = holdoutPage
	}
	rows, err := s.Holdouts.Deals(c.Request().Context(), param(c, "id"), f)
	if err != nil {
		return err
	}
	page := listOf(rows)
	page.Agents = f.Agents
	if len(rows) == f.Limit {
		page.Next = rows[len(rows)-1].Deal
	}
	return s.rows(c, "holdout-deals", page)
}
