package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/trail"
)

// runsAnswer is a page of complete runs, and all that are not complete.
type runsAnswer struct {
	list[trail.Run]
	UnderWay []runProgress `json:"under_way"` // or ended without a result, of the last day
}

// runProgress is a run that is not complete, and what it is about.
type runProgress struct {
	attribution.Progress
	attribution.Request
}

// runAnswer is one run, complete or not.
type runAnswer struct {
	ID    string `json:"id"`
	State string `json:"state"` // complete, or as the progress says
	*trail.Run
	Progress *runProgress `json:"under_way,omitempty"`
}

// runPage is the most runs of one answer unless asked for.
const runPage = 100

func (s *Server) runs(c echo.Context) error {
	most, err := limit(c)
	if err != nil {
		return err
	}
	most = cmp.Or(most, runPage)
	rows, err := s.DB.RunPage(c.Request().Context(), c.QueryParam("after"), most)
	if err != nil {
		return err
	}
	answer := runsAnswer{list: listOf(rows)}
	if len(rows) == most {
		answer.Next = rows[len(rows)-1].ID
	}
	if answer.UnderWay, err = s.underWay(c); err != nil {
		return err
	}
	return s.rows(c, "runs", answer)
}

func (s *Server) underWay(c echo.Context) ([]runProgress, error) {
	left, err := s.Job.UnderWay(c.Request().Context())
	if err != nil {
		return nil, err
	}
	all := make([]runProgress, len(left))
	for i, p := range left {
		all[i].Progress = p
		if err := json.Unmarshal([]byte(p.Request), &all[i].Request); err != nil {
			return nil, fmt.Errorf("what run %s is about: %w", p.Run, err)
		}
	}
	return all, nil
}

// runRequest is the body of POST /v1/runs; everything is optional.
type runRequest struct {
	Models []string    `json:"models,omitempty"`
	Agents trail.Level `json:"agents,omitempty"`
	From   string      `json:"from,omitempty"`
	To     string      `json:"to,omitempty"`
	AsOf   string      `json:"as_of,omitempty"`
}

func (s *Server) startRun(c echo.Context) error {
	var in runRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	level, err := trail.ParseLevel(string(in.Agents))
	if err != nil {
		return err
	}
	r := attribution.Request{Models: in.Models, Agents: level}
	if r.From, err = s.moment("from", in.From); err != nil {
		return err
	}
	if r.To, err = s.moment("to", in.To); err != nil {
		return err
	}
	if r.AsOf, err = s.moment("as_of", in.AsOf); err != nil {
		return err
	}
	takesLong(c)
	run, err := s.Job.Once(c.Request().Context(), r)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, run)
}

// run answers with one run, whether it is complete, under way or ended without a
// result.
func (s *Server) run(c echo.Context) error {
	id := param(c, "id")
	left, err := s.underWay(c)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(left, func(p runProgress) bool { return p.Run == id }); i >= 0 {
		return c.JSON(http.StatusOK, runAnswer{ID: id, State: left[i].State, Progress: &left[i]})
	}
	r, err := s.DB.Run(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, runAnswer{ID: id, State: "complete", Run: r})
}

// stopRun asks whoever computes a run to end it, which it does within seconds.
func (s *Server) stopRun(c echo.Context) error {
	id := param(c, "id")
	if err := s.Job.Stop(c.Request().Context(), id); err != nil {
		return err
	}
	return c.JSON(http.StatusAccepted, runAnswer{ID: id, State: "stopping"})
}

// diffFilter reads what a comparison of two runs takes. The model may be one that
// only they know; level and period are for newest and previous.
func (s *Server) diffFilter(c echo.Context) (f store.Filter, by string, err error) {
	f = store.Filter{Model: c.QueryParam("model"), After: c.QueryParam("after"), Zone: s.Zone}
	if f.Agents, err = trail.ParseLevel(c.QueryParam("agents")); err != nil {
		return f, "", err
	}
	if f.From, err = s.moment("from", c.QueryParam("from")); err != nil {
		return f, "", err
	}
	if f.To, err = s.moment("to", c.QueryParam("to")); err != nil {
		return f, "", err
	}
	if f.Limit, err = limit(c); err != nil {
		return f, "", err
	}
	by = cmp.Or(c.QueryParam("by"), "content")
	if err := s.byRep(c, by, nil); err != nil {
		return f, by, err
	}
	return f, by, viewOf(c).Narrows(by, nil, nil)
}

// diff answers with what changed between two runs, and why.
func (s *Server) diff(c echo.Context) error {
	f, by, err := s.diffFilter(c)
	if err != nil {
		return err
	}
	d, err := s.DB.Diff(c.Request().Context(), param(c, "a"), param(c, "b"), by, f)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, d)
}

// diffDeals answers with the deals behind a change, the largest first.
func (s *Server) diffDeals(c echo.Context) error {
	f, by, err := s.diffFilter(c)
	if err != nil {
		return err
	}
	rows, next, err := s.DB.DiffDeals(c.Request().Context(), param(c, "a"), param(c, "b"), by, trail.Cause(c.QueryParam("cause")), c.QueryParam("key"), f)
	if err != nil {
		return err
	}
	page := listOf(rows)
	page.Next = next
	return s.rows(c, "changes", page)
}
