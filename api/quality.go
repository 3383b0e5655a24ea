package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/trail"
)

// quality answers with what is wrong with the data and what a person may decide.
func (s *Server) quality(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	o := s.Job.Options
	q, err := s.DB.Quality(c.Request().Context(), store.NewTerms(o.Currency, o.Rates, o.Stages, s.Now()), f)
	if err != nil {
		return err
	}
	viewOf(c).Quality(q)
	if format := c.QueryParam("format"); format == "" || format == "json" {
		return c.JSON(http.StatusOK, q)
	}
	var file struct{ Rows []qualityLine }
	for _, g := range q.Groups {
		for _, r := range g.Rows {
			file.Rows = append(file.Rows, qualityLine{g.Code, r})
		}
	}
	return s.rows(c, "quality", file)
}

// qualityLine is one thing that is wrong as a row of a file.
type qualityLine struct {
	Code string `json:"code"`
	trail.QualityRow
}

// assignmentBody is what POST /v1/assignments takes: who belongs to a deal, or does
// not.
type assignmentBody struct {
	Email   string          `json:"email"`
	Contact trail.ContactID `json:"contact"`
	Account string          `json:"account"`
	Share   trail.ShareID   `json:"share"`
	Deal    string          `json:"deal"`
	Not     bool            `json:"not"`
}

// assign records a person's word on who belongs to a deal.
func (s *Server) assign(c echo.Context) error {
	var in assignmentBody
	if err := decode(c, &in); err != nil {
		return err
	}
	a := trail.Assignment{Contact: in.Contact, Share: in.Share, Deal: strings.TrimSpace(in.Deal), Not: in.Not, By: s.Access.User(c)}
	if in.Email != "" {
		if in.Contact != "" {
			return trail.Problemf(trail.Invalid, "Give either email or contact, not both.")
		}
		if err := viewOf(c).ByAddress(); err != nil {
			return err
		}
		var err error
		if a.Contact, _, err = s.subject(in.Email, ""); err != nil {
			return err
		}
	}
	if in.Account != "" {
		if a.Account = ingest.Account(in.Account); a.Account == "" {
			return trail.Problemf(trail.Invalid, "%q is no company's domain; those where anybody has a mailbox are not.", in.Account)
		}
	}
	e, err := a.Event("api", s.Now())
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if err := s.DB.CheckAssignment(ctx, a); err != nil {
		return err
	}
	if err := s.Buffer.Append(ctx, e); err != nil {
		return trail.Problemf(trail.Unavailable, "This cannot be written at the moment; try again in a few seconds.")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return accepted(c, s.Buffer.Settle(ctx) == nil, a)
}
