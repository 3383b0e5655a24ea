package dashboards

import (
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/trail"
)

// serviceWeeks is over how many ISO weeks, this one included, the page tells service.
const serviceWeeks = 8

// serviceView is how fast leads are answered, as pages show it.
type serviceView struct {
	trail.Service
	Terms string // what was agreed, in words
	Lens  lens
}

// recentService is the service of the last weeks.
func (s *Site) recentService(c echo.Context) (*trail.Service, error) {
	now := s.Now()
	service, err := s.DB.Service(c.Request().Context(), s.terms(), trail.WeeksBefore(now, serviceWeeks-1, s.Zone), trail.WeeksBefore(now, -1, s.Zone), now)
	if err == nil {
		access.From(c.Request().Context()).View.Service(service)
	}
	return service, err
}

// inTime writes the share that was answered in time, with the counts.
func inTime(r trail.ServiceRow) string {
	if r.Share == nil {
		return "–"
	}
	return strconv.FormatFloat(100**r.Share, 'f', 0, 64) + "%"
}

// hoursWords writes hours as people say them: 40 min, 3.2 h, 5 days. missing is for what
// is not known.
func hoursWords(hours *float64, missing string) string {
	switch {
	case hours == nil:
		return missing
	case *hours < 1.0/60:
		return "at once"
	case *hours < 1:
		return strconv.FormatFloat(60**hours, 'f', 0, 64) + " min"
	case *hours < 72:
		return strings.TrimSuffix(strconv.FormatFloat(*hours, 'f', 1, 64), ".0") + " h"
	}
	return strings.TrimSuffix(strconv.FormatFloat(*hours/24, 'f', 1, 64), ".0") + " days"
}

// unanswered says of a quantile that is not known why.
func unanswered(r trail.ServiceRow) string {
	if r.Due == 0 {
		return "–"
	}
	return "not answered"
}
