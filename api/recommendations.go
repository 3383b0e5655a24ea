package api

import (
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/attribution"
)

// recommendationsPage is how many contents one answer has unless asked for.
const recommendationsPage = 50

// recommendations answers with what to send. What a holdout holds back is not there.
func (s *Server) recommendations(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	limit := f.Limit
	if limit == 0 {
		limit = recommendationsPage
	}
	value := func(name string) string { return strings.TrimSpace(c.QueryParam(name)) }
	q := attribution.SendQuestion{Deal: value("deal"), Stage: value("stage"), Persona: value("persona")}
	if err := viewOf(c).MustSee(q.Deal, s.dealsNamed(c)); err != nil {
		return err
	}
	answer, err := attribution.WhatToSend(c.Request().Context(), s.Job, s.Holdouts, q, f)
	if err != nil {
		return err
	}
	answer.Rows = answer.Rows[:min(len(answer.Rows), limit)]
	return s.rows(c, "recommendations", answer)
}
