package dashboards

import (
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
)

// stay is local for what a request asks to go on to. One that leads elsewhere leaves a line,
// which does not say where to.
func (s *Site) stay(c echo.Context, path string) string {
	here := local(path)
	if here == path || path == "" || s.Log == nil {
		return here
	}
	more := func(route string, n int, since time.Time) {
		s.Log.Warn("more addresses of another site were not gone on to", "route", route, "n", n, "since", since)
	}
	if s.left.Add(c.Path(), s.Now(), more) {
		s.Log.Warn("an address of another site was not gone on to", "route", c.Path(), "who", access.From(c.Request().Context()).Name())
	}
	return here
}
