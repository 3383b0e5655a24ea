package api

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/attribution"
	"dealtrail/trail"
)

// lifts answers with how much more often deals went on with each content than
// without.
func (s *Server) lifts(c echo.Context) error {
	q, err := liftQuestion(c)
	if err != nil {
		return err
	}
	report, err := s.Job.Lift(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return s.rows(c, "lift", report)
}

// lift answers with one content's lift and the table behind it.
func (s *Server) lift(c echo.Context) error {
	q, err := liftQuestion(c)
	if err != nil {
		return err
	}
	detail, err := s.Job.LiftOf(c.Request().Context(), param(c, "content"), q)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, detail)
}

// liftQuestion reads the parameters of a lift. One that is misspelt must not be
// taken for none: the answer would be about all deals.
func liftQuestion(c echo.Context) (q attribution.LiftQuestion, err error) {
	into := map[string]*string{
		"outcome": &q.Outcome, "agents": (*string)(&q.Agents), "run": &q.Run, "content": &q.Content, "kind": &q.Kind, "persona": &q.Persona,
		"stage": &q.Stage, "segment": &q.Segment, "size": &q.Size, "owner": &q.Owner, "team": &q.Team, "source": &q.Source,
	}
	if c.Param("content") != "" {
		delete(into, "content")
	}
	asked := c.QueryParams()
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		to, ok := into[name]
		if !ok {
			return q, trail.Problemf(trail.Invalid, "A lift takes no %q; it takes %s.", name, strings.Join(slices.Sorted(maps.Keys(into)), ", "))
		}
		*to = strings.TrimSpace(asked[name][0])
	}
	return q, nil
}
