package dashboards

import (
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
)

// leftLines is how many addresses of other sites are logged within a minute.
const leftLines = 30

// left counts what was asked to be gone on to and leads elsewhere.
type left struct {
	mu     sync.Mutex
	minute time.Time
	n      int
}

// stay is local for what a request asks to go on to. One that leads elsewhere leaves a line,
// which does not say where to.
func (s *Site) stay(c echo.Context, path string) string {
	here := local(path)
	if here == path || path == "" || s.Log == nil {
		return here
	}
	s.left.mu.Lock()
	defer s.left.mu.Unlock()
	if now := s.Now(); now.Sub(s.left.minute) >= time.Minute {
		s.left.minute, s.left.n = now, 0
	}
	if s.left.n++; s.left.n <= leftLines {
		s.Log.Warn("an address of another site was not gone on to", "route", c.Path(), "who", access.From(c.Request().Context()).Name())
	}
	return here
}
