package access

import (
	"cmp"
	"context"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// keyTries is how many unknown keys one network may send within throttleFor.
const keyTries = 200

// Guard stands in front of every page and of the API: it finds out who asks, asks the
// policy, and puts the asker on the request's context. Whoever opened a page about
// people is written into the access log.
func (a *Access) Guard(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		asker, err := a.ask(c)
		asker.seen = &sighting{}
		if asker.View.seen = asker.seen; asker.Who != "" || asker.Key != "" { // for the page that refuses, too
			c.SetRequest(c.Request().WithContext(With(c.Request().Context(), asker)))
		}
		who, known := policy[c.Request().Method+" "+c.Path()]
		if !known {
			return trail.Problemf(trail.NotFound, "There is nothing at this address.")
		}
		if err != nil && !who.Has(anyone) {
			return err
		}
		if err := asker.decide(who); err != nil {
			return err
		}
		// An answer that broke off has named people all the same.
		err = next(c)
		return cmp.Or(err, a.wrote(c, asker))
	}
}

// ask finds out who asks.
func (a *Access) ask(c echo.Context) (Asker, error) {
	ctx := c.Request().Context()
	if header := c.Request().Header.Get(echo.HeaderAuthorization); header != "" {
		key, ok := strings.CutPrefix(header, "Bearer ")
		if !ok {
			return Asker{}, trail.Problemf(trail.Unauthorized, "Send an API key as \"Authorization: Bearer KEY\".")
		}
		return a.askByKey(c, key)
	}
	if a.Sessions == nil {
		return Asker{}, nil
	}
	return a.sessionAsker(ctx)
}

func (a *Access) askByKey(c echo.Context, key string) (Asker, error) {
	asker, err := a.keyAsker(c.Request().Context(), key)
	if err == nil || a.Redis == nil {
		return asker, err
	}
	if problem, ok := err.(*trail.Problem); ok && problem.Code == trail.Unauthorized {
		if tooMany := a.try(c.Request().Context(), "key", network(c.RealIP()), keyTries); tooMany != nil {
			return asker, tooMany
		}
	}
	return asker, err
}

// decide returns nil if who asks may, else a Problem that says who could.
func (a Asker) decide(who Roles) error {
	switch {
	case who.Has(anyone):
		return nil
	case a.Roles == 0:
		return trail.Problemf(trail.Unauthorized, "Send an API key as \"Authorization: Bearer KEY\", or sign in.")
	case !who.Has(a.Roles), a.owner != 0 && !who.Has(a.owner):
		if a.Session != "" { // people cannot become a key
			who &= Everybody
		}
		return trail.Problemf(trail.Forbidden, "You may not do this: it takes %s.", who.Who())
	}
	return nil
}

// SignedIn reports whether a session that was loaded is somebody's. It asks no further,
// because a click waits for it.
func (a *Access) SignedIn(ctx context.Context) bool {
	return a.Sessions.GetString(ctx, sessionUser) != ""
}

// User returns who is signed in by the request's session, or "".
func (a *Access) User(c echo.Context) string {
	if asker := From(c.Request().Context()); asker.Session != "" {
		return asker.Who
	}
	return ""
}
