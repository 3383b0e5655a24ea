package api

import (
	"context"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// consentBody is what POST /v1/consents takes: the choice of one person or of one
// company.
type consentBody struct {
	Email   string `json:"email"`
	Domain  string `json:"domain"`
	Allowed *bool  `json:"allowed"`
	Basis   string `json:"basis"` // how and where it was given
	At      string `json:"at"`    // when; empty: now
}

// consent records what somebody chose about tracking.
func (s *Server) consent(c echo.Context) error {
	var in consentBody
	if err := decode(c, &in); err != nil {
		return err
	}
	if in.Allowed == nil || (in.Email == "") == (in.Domain == "") {
		return trail.Problemf(trail.Invalid, "Say whether tracking is allowed, and for whom: either email or domain.")
	}
	at, err := s.moment("at", in.At)
	if err != nil {
		return err
	}
	contact, account, err := s.subject(in.Email, in.Domain)
	if err != nil {
		return err
	}
	if err := s.Consents.Choose(c.Request().Context(), "api", contact, account, *in.Allowed, at, strings.TrimSpace(in.Basis)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), 5*time.Second)
	defer cancel()
	return accepted(c, s.Buffer.Settle(ctx) == nil, trail.Choice{Allowed: *in.Allowed, Basis: strings.TrimSpace(in.Basis), At: at})
}

// subject returns who is meant.
func (s *Server) subject(email, domain string) (trail.ContactID, string, error) {
	if email != "" {
		if !strings.Contains(email, "@") {
			return "", "", trail.Problemf(trail.Invalid, "%q is not a mail address.", email)
		}
		return s.Registry.Contacts.ID(email), "", nil
	}
	account := ingest.Account(domain)
	if account == "" {
		return "", "", trail.Problemf(trail.Invalid, "%q is no company's domain; those where anybody has a mailbox are not.", domain)
	}
	return "", account, nil
}
