package dashboards

import (
	"context"
	"html/template"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// trackingForm is what a person or a company chose about tracking, and the form
// to change it.
type trackingForm struct {
	Whose  string // "this person" or "this company"
	Action template.URL
	Now    *trail.Choice // nil: nothing was said
	Today  string
}

func (s *Site) trackingForm(whose string, action template.URL, now *trail.Choice) trackingForm {
	return trackingForm{Whose: whose, Action: action, Now: now, Today: s.Now().In(s.Zone).Format(time.DateOnly)}
}

// trackContact and trackAccount record a choice and go back to the page.
func (s *Site) trackContact(c echo.Context) error {
	email := trail.NormalAddress(param(c, "email"))
	return s.choose(c, link("", "contacts", email), func(ctx context.Context, allowed bool, at time.Time, basis string) error {
		return s.source.Choose(ctx, email, "", allowed, at, basis)
	})
}

func (s *Site) trackAccount(c echo.Context) error {
	domain := ingest.Account(param(c, "domain"))
	return s.choose(c, link("", "accounts", domain), func(ctx context.Context, allowed bool, at time.Time, basis string) error {
		return s.source.Choose(ctx, "", domain, allowed, at, basis)
	})
}

func (s *Site) choose(c echo.Context, back template.URL, choose func(context.Context, bool, time.Time, string) error) error {
	at, err := day(strings.TrimSpace(c.FormValue("at")), s.Zone, 0)
	if err != nil {
		return err
	}
	choice := c.FormValue("choice")
	if choice != "yes" && choice != "no" {
		return trail.Problemf(trail.Invalid, "Choose whether tracking is allowed.")
	}
	if at.In(s.Zone).Format(time.DateOnly) == s.Now().In(s.Zone).Format(time.DateOnly) {
		at = time.Time{} // today is now: a refusal of this morning comes before
	}
	if err := choose(c.Request().Context(), choice == "yes", at, strings.TrimSpace(c.FormValue("basis"))); err != nil {
		return err
	}
	return seeOther(c, back+"#tracking")
}
