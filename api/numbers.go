package api

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/store"
	"dealtrail/trail"
)

// terms are what shared numbers are held against.
func (s *Server) terms() store.NumberTerms {
	return s.Job.Options.NumberTerms(s.Zone, s.Service, s.Registry.AnswerDays)
}

// goals answers with what sales and marketing agreed on, how it stands, and what else
// goals can be about.
func (s *Server) goals(c echo.Context) error {
	all, err := s.DB.Goals(c.Request().Context(), s.terms(), s.Now())
	if err != nil {
		return err
	}
	if p := c.QueryParam("period"); p != "" {
		all = goalsOf(all, p)
	}
	if format, ok := asTable(c); ok {
		return s.sendTable(c, format, "goals", trail.GoalsTable(all))
	}
	return c.JSON(http.StatusOK, struct {
		list[trail.Goal]
		Measures []trail.Measure `json:"measures"`
	}{listOf(all), trail.Measures()})
}

// goalsOf are the goals of one period.
func goalsOf(all []trail.Goal, period string) (of []trail.Goal) {
	for _, g := range all {
		if strings.EqualFold(g.Period, period) {
			of = append(of, g)
		}
	}
	return of
}

// agree sets a goal, changes it or gives it up.
func (s *Server) agree(c echo.Context) error {
	var in struct {
		Measure   string `json:"measure"`
		Period    string `json:"period"`
		Target    string `json:"target"`
		Sales     string `json:"sales"`
		Marketing string `json:"marketing"`
		Note      string `json:"note"`
		Dropped   bool   `json:"dropped"`
		By        string `json:"by"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	t := s.terms()
	g := trail.Goal{Measure: in.Measure, Period: in.Period, Target: in.Target, Sales: in.Sales, Marketing: in.Marketing, Note: in.Note, Dropped: in.Dropped, By: s.by(c, in.By)}
	g, visible, err := s.Registry.Agree(c.Request().Context(), g, int(t.Rates.Digits), "api")
	if err != nil {
		return err
	}
	return accepted(c, visible, struct {
		trail.Goal
		Visible bool `json:"visible"`
	}{g, visible})
}

// serviceWeeks is over how many weeks service is told unless asked for.
const serviceWeeks = 13

// service answers with how fast leads are answered.
func (s *Server) service(c echo.Context) error {
	now := s.Now()
	from, err := s.moment("from", c.QueryParam("from"))
	if err != nil {
		return err
	}
	to, err := s.moment("to", c.QueryParam("to"))
	if err != nil {
		return err
	}
	if to.IsZero() {
		to = now
	}
	if from.IsZero() {
		from = trail.WeeksBefore(to, serviceWeeks, s.Zone)
	}
	if !from.Before(to) {
		return trail.Problemf(trail.Invalid, "The period ends before it begins.")
	}
	if to.Sub(from) > 5*366*24*time.Hour {
		return trail.Problemf(trail.Invalid, "The period is longer than five years; ask for less.")
	}
	answer, err := s.DB.Service(c.Request().Context(), s.terms(), from, to, now)
	if err != nil {
		return err
	}
	viewOf(c).Service(answer)
	if format, ok := asTable(c); ok {
		return s.sendTable(c, format, "service", answer.Table())
	}
	return c.JSON(http.StatusOK, answer)
}

// month answers with the report of one month.
func (s *Server) month(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	var connected uint64
	if st, err := s.Status(c.Request().Context()); err == nil {
		connected = st.MailboxesRead()
	}
	r, err := s.DB.MonthReport(c.Request().Context(), c.QueryParam("month"), s.terms(), connected, s.Now(), f)
	if err != nil {
		return err
	}
	if format, ok := asTable(c); ok {
		return s.sendTable(c, format, "month-"+r.Name, r.Table())
	}
	return c.JSON(http.StatusOK, r)
}

// dictionary answers with what every number means.
func (s *Server) dictionary(c echo.Context) error {
	return c.JSON(http.StatusOK, listOf(trail.Terms()))
}

// asTable reports whether a table is asked for, and in which format.
func asTable(c echo.Context) (format string, ok bool) {
	format = c.QueryParam("format")
	if format == "" && strings.HasPrefix(c.Request().Header.Get(echo.HeaderAccept), "text/csv") {
		format = "csv"
	}
	return format, format == "csv" || format == "xlsx"
}

// sendTable answers with a file to keep.
func (s *Server) sendTable(c echo.Context, format, name string, rows [][]string) error {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, s.Tables[format].Type)
	h.Set(echo.HeaderContentDisposition, fmt.Sprintf("attachment; filename=%q", name+"."+format))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	return s.WriteRows(c.Response(), format, name, rows, s.Zone)
}
