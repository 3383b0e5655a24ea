package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/store"
	"dealtrail/trail"
)

// filter reads the parameters that reports take: agents, model, from, to,
// as_of, run, limit and after.
func (s *Server) filter(c echo.Context) (f store.Filter, err error) {
	if f.Agents, err = trail.ParseLevel(c.QueryParam("agents")); err != nil {
		return f, err
	}
	f.Model = store.UsualModel
	if m := c.QueryParam("model"); m != "" {
		f.Model = m
	}
	f.After, f.Run = c.QueryParam("after"), c.QueryParam("run")
	if err = s.Job.Options.CheckModel(f.Model); err != nil {
		return f, err
	}
	for _, p := range []struct {
		name string
		to   *time.Time
	}{{"from", &f.From}, {"to", &f.To}, {"as_of", &f.AsOf}} {
		if *p.to, err = s.moment(p.name, c.QueryParam(p.name)); err != nil {
			return f, err
		}
	}
	f.Limit, err = limit(c)
	return f, err
}

// limit reads how many rows are asked for, 0 if nobody says.
func limit(c echo.Context) (int, error) {
	text := c.QueryParam("limit")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 5000 {
		return 0, trail.Problemf(trail.Invalid, "limit is %q; it must be a number from 1 to 5000.", text)
	}
	return n, nil
}

// moment reads a time or a date, which is midnight in the company's zone; as
// the end of a period a date includes its day.
func (s *Server) moment(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	t, err := time.ParseInLocation(time.DateOnly, text, s.Zone)
	if err != nil {
		return t, trail.Problemf(trail.Invalid, "%s is %q; write it as 2026-11-22 or 2026-11-22T15:04:05Z.", name, text)
	}
	if name == "to" {
		t = t.AddDate(0, 0, 1)
	}
	return t.UTC(), nil
}

func (s *Server) contents(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	rows, err := s.DB.Contents(c.Request().Context(), f)
	if err != nil {
		return err
	}
	return s.rows(c, "content", reportOf(rows, f))
}

func (s *Server) content(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	detail, err := s.DB.Content(c.Request().Context(), param(c, "id"), f)
	if err != nil {
		return err
	}
	viewOf(c).Content(detail)
	detail.Agents = f.Agents
	return c.JSON(http.StatusOK, detail)
}

func (s *Server) deals(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	if f.Limit == 0 {
		f.Limit = 500
	}
	f.From, f.To = time.Time{}, time.Time{} // of runs
	var rows []trail.DealRow
	if v := viewOf(c); v.All {
		rows, err = s.DB.Deals(c.Request().Context(), f)
	} else { // nor must the end of a page tell of others'
		var own store.DealQuery
		v.Reps(own.Of)
		rows, _, err = s.DB.DealList(c.Request().Context(), own, f)
	}
	if err != nil {
		return err
	}
	page := reportOf(rows, f)
	if len(rows) == f.Limit {
		page.Next = rows[len(rows)-1].ID
	}
	return s.rows(c, "deals", page)
}

func (s *Server) deal(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	detail, err := s.DB.Deal(c.Request().Context(), param(c, "id"), f)
	if err != nil {
		return viewOf(c).Missing("deal", err)
	}
	if err := viewOf(c).Deal(detail); err != nil {
		return err
	}
	detail.Agents = f.Agents
	return c.JSON(http.StatusOK, detail)
}

func (s *Server) contact(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	detail, err := s.DB.Contact(c.Request().Context(), s.Registry.Contacts.ID(param(c, "email")), f)
	if err != nil {
		return viewOf(c).Missing("contact", err)
	}
	if err := viewOf(c).Contact(detail); err != nil {
		return err
	}
	detail.Agents = f.Agents
	return c.JSON(http.StatusOK, detail)
}

func (s *Server) account(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	detail, err := s.DB.Account(c.Request().Context(), param(c, "domain"), f)
	if err != nil {
		return viewOf(c).Missing("account", err)
	}
	if err := viewOf(c).Account(detail); err != nil {
		return err
	}
	detail.Agents = f.Agents
	return c.JSON(http.StatusOK, detail)
}

func (s *Server) reps(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	teams, rows, err := s.DB.Teams(c.Request().Context(), f)
	if err != nil {
		return err
	}
	rows, left := teams.Rows(s.viewer(c), rows)
	return s.rows(c, "reps", repList{reportOf(rows, f), left})
}

// repList is the numbers of reps as who asks may see them.
type repList struct {
	list[trail.RepRow]
	NotShown int `json:"not_shown,omitzero"` // reps who would be too few to hide among
}

// viewer is what who asks may see of reps: a key of the company is a program's, and sees
// them by name; one of a person's own sees what they do.
func (s *Server) viewer(c echo.Context) trail.Viewer {
	asker := access.From(c.Request().Context())
	if asker.Key != "" && asker.Who == "" {
		return trail.Viewer{Names: true}
	}
	return s.Names.Viewer(asker.Who)
}

// dealsNamed returns a deal by its ID, to tell whether it is seen.
func (s *Server) dealsNamed(c echo.Context) func(id string) ([]trail.DealRow, error) {
	return func(id string) ([]trail.DealRow, error) { return s.DB.OwnersOf(c.Request().Context(), "", id) }
}

// byRep refuses numbers by rep, or of another rep, to who may not see reps by name.
func (s *Server) byRep(c echo.Context, by string, only map[string][]string) error {
	v := s.viewer(c)
	if v.Names {
		return nil
	}
	asked := slices.Concat(only["rep"], only["owner"])
	if by == "rep" || by == "owner" || slices.ContainsFunc(asked, func(rep string) bool { return v.Rep == "" || trail.NormalAddress(rep) != v.Rep }) {
		return trail.Problemf(trail.Invalid, "Numbers by rep are for the rep alone: company.rep_names is teams. Ask by team, or with an API key.")
	}
	return nil
}

// sighted answers with what reps send and nobody keeps up to date. What was
// dismissed is left out unless it is asked for.
func (s *Server) sighted(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	rows, err := s.DB.Sighted(c.Request().Context(), s.Now(), f)
	if err != nil {
		return err
	}
	answer := listOf(rows[:0])
	for _, r := range rows {
		if !r.Dismissed || c.QueryParam("dismissed") == "true" {
			answer.Rows = append(answer.Rows, r)
		}
	}
	return s.rows(c, "sighted", answer)
}

// param returns a path parameter as it was meant: echo leaves it encoded when
// the path was sent encoded, and only then.
func param(c echo.Context, name string) string {
	if c.Request().URL.RawPath != "" {
		if s, err := url.PathUnescape(c.Param(name)); err == nil {
			return s
		}
	}
	return c.Param(name)
}
