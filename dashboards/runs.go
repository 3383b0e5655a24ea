package dashboards

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/trail"
)

// runsPage is what was calculated, and what is being.
type runsPage struct {
	frame
	UnderWay []runUnderWay
	Ended    []runUnderWay // without a result, lately
	Rows     []runRow
	Older    template.URL
	Said     string // what was just done
}

// Busy reports whether the page is worth looking at again soon.
func (p runsPage) Busy() bool { return len(p.UnderWay) > 0 }

// runUnderWay is a run that is not complete.
type runUnderWay struct {
	attribution.Progress
	attribution.Request
	zone *time.Location
}

// What says which numbers it is about.
func (r runUnderWay) What() string { return whatRun(r.Agents, r.From, r.To, r.zone) }

// Nth is its step, from one.
func (r runUnderWay) Nth() int { return int(r.Step) + 1 }

// Percent is how much of it is done.
func (r runUnderWay) Percent() string {
	part := 0.0
	if r.Of > 0 {
		part = min(1, float64(r.Done)/float64(r.Of))
	}
	return pct(100 * (float64(r.Step) + part) / float64(max(r.Steps, 1)))
}

// runRow is a complete run.
type runRow struct {
	trail.Run
	zone  *time.Location
	First bool // of its numbers: there is none before to compare it with
}

// What says which numbers it is about.
func (r runRow) What() string { return whatRun(r.Agents, r.From, r.To, r.zone) }

// Diff links to what changed since the run before.
func (r runRow) Diff() template.URL { return link("", "runs", store.PreviousRun, "diff", r.ID) }

// Took is how long it took.
func (r runRow) Took() string { return r.FinishedAt.Sub(r.StartedAt).Round(time.Second / 10).String() }

// Why lists, by model, why it has no result.
func (r runRow) Why() (all []string) {
	for model, why := range r.Reasons {
		all = append(all, model+": "+why)
	}
	slices.Sort(all)
	return all
}

// markFirst marks the oldest run of each kind; older ones than rows there are none.
func markFirst(rows []runRow) {
	seen := map[string]bool{}
	for i, r := range slices.Backward(rows) {
		rows[i].First = !seen[r.What()]
		seen[r.What()] = true
	}
}

func whatRun(level trail.Level, from, to time.Time, zone *time.Location) string {
	l := lens{Agents: cmp.Or(level, trail.Likely), zone: zone}.over(from, to)
	return l.LevelWords() + ", deals " + l.Period()
}

// over returns the lens with the period of a run.
func (l lens) over(from, to time.Time) lens {
	l.From, l.To = "", ""
	if !from.IsZero() {
		l.from, l.From = from.In(l.zone), from.In(l.zone).Format(time.DateOnly)
	}
	if !to.IsZero() {
		l.to, l.To = to.In(l.zone), to.In(l.zone).AddDate(0, 0, -1).Format(time.DateOnly)
	}
	return l
}

// runsAtOnce are the runs of a page.
const runsAtOnce = 50

// runRoutes mounts the pages of runs.
func (s *Site) runRoutes(in *echo.Group) {
	in.GET("/runs", s.runs)
	in.POST("/runs/:id/stop", s.stopRun)
	in.GET("/runs/:a/diff/:b", s.diff)
}

func (s *Site) runs(c echo.Context) error {
	ctx := c.Request().Context()
	page := runsPage{frame: s.frame(c, "What was calculated, and when?", "runs", lens{})}
	if c.QueryParam("stopped") != "" {
		page.Said = "Asked to stop: the calculation ends within seconds and leaves nothing."
	}
	rows, err := s.DB.RunPage(ctx, c.QueryParam("after"), runsAtOnce)
	if err != nil {
		return err
	}
	for _, r := range rows {
		page.Rows = append(page.Rows, runRow{Run: r, zone: s.Zone})
	}
	if wantsFile(c) {
		return s.sendRows(c, "runs", runsCSV(rows))
	}
	if len(rows) == runsAtOnce {
		page.Older = link(url.Values{"after": {rows[len(rows)-1].ID}}.Encode(), "runs")
	}
	if page.Older == "" {
		markFirst(page.Rows)
	}
	left, err := s.Job.UnderWay(ctx)
	if err != nil {
		return err
	}
	for _, p := range left {
		r := runUnderWay{Progress: p, zone: s.Zone}
		if err := json.Unmarshal([]byte(p.Request), &r.Request); err != nil {
			return fmt.Errorf("what run %s is about: %w", p.Run, err)
		}
		if p.State == "running" || p.State == "stopping" {
			page.UnderWay = append(page.UnderWay, r)
		} else {
			page.Ended = append(page.Ended, r)
		}
	}
	return s.render(c, http.StatusOK, "runs", page)
}

func (s *Site) stopRun(c echo.Context) error {
	if err := s.Job.Stop(c.Request().Context(), param(c, "id")); err != nil {
		return err
	}
	return seeOther(c, link("stopped=1", "runs"))
}

func runsCSV(runs []trail.Run) [][]string {
	out := [][]string{{"run", "agents", "from", "to", "as_of", "started_at", "finished_at", "version", "config", "models", "events", "deals", "touches", "left_out", "currency", "asked", "reasons"}}
	for _, r := range runs {
		out = append(out, []string{
			r.ID, string(r.Agents), stamp(r.From), stamp(r.To), stamp(r.AsOf), stamp(r.StartedAt), stamp(r.FinishedAt), r.Version, r.Config,
			strings.Join(r.Models, " "), count(r.Events), count(r.Deals), count(r.Touches), count(r.LeftOut), r.Currency, fmt.Sprint(r.Asked), strings.Join(runRow{Run: r}.Why(), "; "),
		})
	}
	return out
}
