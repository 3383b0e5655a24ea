package api

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// channels answers with what is sent by itself, to whom, and how that goes.
func (s *Server) channels(c echo.Context) error {
	all, err := s.Outbox.Channels(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, listOf(all))
}

// testOutbox sends a test to a chat, or to an address of ours or of the review's list.
func (s *Server) testOutbox(c echo.Context) error {
	var in struct {
		To string `json:"to"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	ctx, to := c.Request().Context(), strings.TrimSpace(in.To)
	if !strings.Contains(to, "@") {
		if err := s.Outbox.Test(ctx, to); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, map[string]string{"said": "The chat " + to + " took the message."})
	}
	if !s.MayMail(to) {
		return trail.Problemf(trail.Forbidden, "A test is mailed only to addresses of company.domains and of review.mail_to, and %s is neither.", to)
	}
	if err := s.Outbox.TestMail(ctx, to); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]string{"said": "The mail server took the mail to " + to + "."})
}

// wantDigest takes a rep's word on whether they want the daily digest.
func (s *Server) wantDigest(c echo.Context) error {
	var in struct {
		On *bool `json:"on"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	rep := trail.NormalAddress(param(c, "rep"))
	if in.On == nil || !isAddress(rep) {
		return trail.Problemf(trail.Invalid, "Say of which rep, by address, and whether they want the digest, as {\"on\": true}.")
	}
	if err := s.Outbox.WantDigest(c.Request().Context(), rep, *in.On); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"rep": rep, "on": *in.On})
}
