package dashboards

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// repsPage is what came of the mail of reps, as who looks may see it. It is in the order
// of names and in no other: a list of people by their numbers is a league table.
type repsPage struct {
	frame
	Rows  []trail.RepRow
	Sends sendCounts // of the rows
	All   int        // how many rows there are, where the page shows a part
	Left  int        // reps who are shown to nobody else
	Names string     // how reps are shown, and since when
}

// NotShown says how many reps are in no row, and why.
func (p repsPage) NotShown() string {
	if p.Left == 0 {
		return ""
	}
	return plural(p.Left, "rep is", "reps are") + " not shown: they would be too few to stand for a team."
}

func (s *Site) reps(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	teams, rows, err := s.source.Teams(c.Request().Context(), l.filter())
	if err != nil {
		return err
	}
	page := repsPage{frame: s.frame(c, "What came of reps' mail?", "reps", l), Names: s.namesNotice(c.Request().Context())}
	page.Rows, page.Left = teams.Rows(s.viewer(c), rows)
	if wantsFile(c) {
		return s.sendRows(c, "reps", repsCSV(page.Rows))
	}
	for _, r := range page.Rows { // what is not shown is not in the sums either: nobody can subtract
		page.Sends.Sent += r.Sent
		page.Sends.Observable += r.Observable
	}
	page.Rows, page.All = firstRows(c, page.Rows, rowsAtFirst)
	return s.render(c, http.StatusOK, "reps", page)
}

func repsCSV(rows []trail.RepRow) [][]string {
	out := [][]string{{"rep", "team", "reps", "sent", "contents", "reached", "clicked", "replied", "won", "stale", "observable", "observed"}}
	for _, r := range rows {
		reps := ""
		if r.Reps > 0 {
			reps = count(r.Reps)
		}
		out = append(out, []string{r.Rep, r.Team, reps, count(r.Sent), count(r.Content), count(r.Reached), count(r.Clicked), count(r.Replied), count(r.Won), count(r.Stale), count(r.Observable), count(r.Observed)})
	}
	return out
}

// viewer is who looks at a page, and what they may see of reps.
func (s *Site) viewer(c echo.Context) trail.Viewer { return s.Names.Viewer(s.who(c)) }

// namesNotice says to everybody how reps are shown, since when, and by whose word.
func (s *Site) namesNotice(ctx context.Context) string {
	mode, since := trail.RepsAsTeams, ""
	if s.Names != nil {
		if s.Names.Mode != "" {
			mode = s.Names.Mode
		}
		if at, err := s.Names.Since(ctx); err == nil && !at.IsZero() {
			since = " since " + at.In(s.Zone).Format("2 Jan 2006")
		}
	}
	if mode == trail.RepsByName {
		return "Names of reps are shown" + since + ", set by the configuration."
	}
	return "Reps are shown in teams of five or more" + since + ", set by the configuration; yourself you see by name."
}

// byRep refuses to break numbers down by rep for who may not see reps by name.
func (s *Site) byRep(c echo.Context, by string) error {
	if (by == "rep" || by == "owner") && !s.viewer(c).Names {
		return trail.Problemf(trail.Invalid, "Numbers by rep are for the rep alone: company.rep_names is teams. Choose another way to divide them, such as team.")
	}
	return nil
}
