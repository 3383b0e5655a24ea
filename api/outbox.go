package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/trail"
)

// Outbox is what the program sends to people by itself.
type Outbox struct {
	Channels func(ctx context.Context) ([]trail.Channel, error)
	// Test sends a test to a chat, by name, or to an address, and returns what to say. A Problem says why not.
	Test       func(ctx context.Context, to string) (said string, err error)
	WantDigest func(ctx context.Context, rep string, wanted bool) error
}

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
	said, err := s.Outbox.Test(c.Request().Context(), strings.TrimSpace(in.To))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]string{"said": said})
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
	if !access.From(c.Request().Context()).OfMail(rep) {
		return trail.Problemf(trail.Forbidden, "The digest of %s is theirs to end.", rep)
	}
	if err := s.Outbox.WantDigest(c.Request().Context(), rep, *in.On); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"rep": rep, "on": *in.On})
}
