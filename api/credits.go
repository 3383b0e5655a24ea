package api

import (
	"maps"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/trail"
)

// lensParams are the parameters that say which run a report reads.
var lensParams = []string{"agents", "model", "from", "to", "as_of", "run", "format"}

// credits reads the parameters of a report of credits: those of every report, and a
// value for each of store.Filters that it is filtered by, several for any of them. A
// parameter that means nothing is refused: without it the numbers would be others
// than those asked for.
func (s *Server) credits(c echo.Context, more ...string) (store.Filter, error) {
	f, err := s.filter(c)
	if err != nil {
		return f, err
	}
	f.Zone = s.Zone
	for _, name := range slices.Sorted(maps.Keys(c.QueryParams())) {
		values := slices.DeleteFunc(c.QueryParams()[name], func(v string) bool { return v == "" })
		switch {
		case slices.Contains(lensParams, name), slices.Contains(more, name):
		case !slices.Contains(store.Filters(), name):
			return f, trail.Problemf(trail.Invalid, "There is no parameter %q here; filter by %s.", name, strings.Join(store.Filters(), ", "))
		case len(values) > 0:
			if f.Only == nil {
				f.Only = map[string][]string{}
			}
			f.Only[name] = values
		}
	}
	if err := s.byRep(c, c.QueryParam("by"), f.Only); err != nil {
		return f, err
	}
	return f, viewOf(c).Narrows(c.QueryParam("by"), f.Only, s.dealsNamed(c))
}

func (s *Server) attribution(c echo.Context) error {
	f, err := s.credits(c, "by")
	if err != nil {
		return err
	}
	by := c.QueryParam("by")
	if by == "" {
		by = "content"
	}
	report, err := s.DB.Attribution(c.Request().Context(), by, f)
	if err != nil {
		return err
	}
	return s.rows(c, "attribution", report)
}

func (s *Server) why(c echo.Context) error {
	f, err := s.credits(c, "limit", "after")
	if err != nil {
		return err
	}
	why, err := s.DB.Why(c.Request().Context(), f)
	if err != nil {
		return err
	}
	why.Rows = viewOf(c).Why(why.Rows)
	return s.rows(c, "why", why)
}

func (s *Server) spend(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	o := s.Job.Options
	spend, err := s.DB.Spend(c.Request().Context(), f, store.Rates{Currency: o.Currency, Digits: attribution.Digits(o.Currency), Of: o.Rates})
	if err != nil {
		return err
	}
	return s.rows(c, "spend", spend)
}
