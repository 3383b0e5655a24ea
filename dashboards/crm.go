package dashboards

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// CRM is what is heard from CRMs that speak by themselves.
type CRM struct {
	Sources   func(ctx context.Context) ([]trail.CRMSource, error)
	Reconcile func(ctx context.Context, name string, from, to time.Time) (*trail.Reconciliation, error)
	SetStages func(ctx context.Context, name string, said map[string]trail.CRMMeaning) error
	Ask       func(ctx context.Context, name string, full bool) error
}

// crmPage says how each CRM is doing, what its stages mean here, and whether it has the
// same deals.
type crmPage struct {
	frame
	Sources  []crmSource
	Compared *trail.Reconciliation
	Which    string // the CRM that is compared
	From, To string
	Problem  string
	Said     string
}

// crmSource is a CRM as the page shows it.
type crmSource struct {
	trail.CRMSource
	Title string
	Order string // of its open stages, as the configuration takes it
}

// crmTitles are the names of the kinds.
var crmTitles = map[string]string{
	"hubspot": "HubSpot", "pipedrive": "Pipedrive", "salesforce": "Salesforce", "close": "Close", "attio": "Attio", "standard": "Standard Webhooks",
}

// stageOrder are the stages of a CRM that are open, in its order, as the key
// attribution.stages takes them; empty if there are fewer than two.
func stageOrder(s trail.CRMSource) string {
	var names []string
	for _, p := range s.Pipelines {
		for _, stage := range p.Stages {
			name := strconv.Quote(stage.Here)
			if cmp.Or(stage.HereMeans, stage.Means) == "open" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if len(names) < 2 {
		return ""
	}
	return "stages = [" + strings.Join(names, ", ") + "]"
}

func (s *Site) crmRoutes(in *echo.Group) {
	in.GET("/crm", s.crm)
	in.POST("/crm/:name/stages", s.setStages)
	in.POST("/crm/:name/pull", s.pullCRM)
}

func (s *Site) crm(c echo.Context) error {
	page := crmPage{Which: c.QueryParam("crm"), From: c.QueryParam("from"), To: c.QueryParam("to")}
	switch c.QueryParam("said") {
	case "stages":
		page.Said = "Recorded. The CRM is asked for everything again, and deals follow within minutes."
	case "pull":
		page.Said = "The CRM is asked; what it says is here within minutes."
	}
	return s.renderCRM(c, http.StatusOK, page)
}

func (s *Site) renderCRM(c echo.Context, status int, page crmPage) error {
	page.frame = s.frame(c, "What does the CRM tell?", "crm", lens{})
	if s.CRM == nil {
		return s.render(c, status, "crm", page)
	}
	all, err := s.CRM.Sources(c.Request().Context())
	if err != nil {
		return err
	}
	for _, one := range all {
		page.Sources = append(page.Sources, crmSource{one, crmTitles[one.Kind], stageOrder(one)})
	}
	if page.Which != "" && page.Problem == "" {
		from, to, err := s.days(page.From, page.To)
		if err == nil {
			page.Compared, err = s.CRM.Reconcile(c.Request().Context(), page.Which, from, to)
		}
		if text, ok := problemText(err); ok {
			page.Problem, status = text, http.StatusUnprocessableEntity
		} else if err != nil {
			return err
		}
	}
	return s.render(c, status, "crm", page)
}

// days reads the days of a period, both included; empty ends are open.
func (s *Site) days(first, last string) (from, to time.Time, err error) {
	if first != "" {
		if from, err = time.ParseInLocation(time.DateOnly, first, s.Zone); err != nil {
			return from, to, trail.Problemf(trail.Invalid, "The first day is %q; write it as 2026-11-22.", first)
		}
	}
	if last != "" {
		if to, err = time.ParseInLocation(time.DateOnly, last, s.Zone); err != nil {
			return from, to, trail.Problemf(trail.Invalid, "The last day is %q; write it as 2026-11-22.", last)
		}
		to = to.AddDate(0, 0, 1)
	}
	return from, to, nil
}

// setStages takes down what the stages of a form mean.
func (s *Site) setStages(c echo.Context) error {
	form, err := c.FormParams()
	if err != nil || s.CRM == nil {
		return trail.Problemf(trail.Invalid, "The form cannot be read, or no CRM is set up.")
	}
	ids, names, means := form["stage"], form["name"], form["means"]
	if len(names) != len(ids) || len(means) != len(ids) {
		return trail.Problemf(trail.Invalid, "The form is not whole; open the page again.")
	}
	said := map[string]trail.CRMMeaning{}
	for i, id := range ids {
		said[id] = trail.CRMMeaning{Name: names[i], Means: means[i]}
	}
	return s.crmDone(c, "stages", s.CRM.SetStages(c.Request().Context(), param(c, "name"), said))
}

func (s *Site) pullCRM(c echo.Context) error {
	if s.CRM == nil {
		return trail.Problemf(trail.NotFound, "No CRM is set up.")
	}
	return s.crmDone(c, "pull", s.CRM.Ask(c.Request().Context(), param(c, "name"), c.FormValue("full") != ""))
}

// crmDone goes back to the page, or says on it what was wrong.
func (s *Site) crmDone(c echo.Context, said string, err error) error {
	if text, ok := problemText(err); ok {
		return s.renderCRM(c, http.StatusUnprocessableEntity, crmPage{Problem: text})
	}
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/crm?"+url.Values{"said": {said}}.Encode())
}

// Meanings are what a stage can be said to mean.
func (crmPage) Meanings() []string { return []string{"open", "won", "lost"} }

// stageChance writes a probability of winning; one that nobody says is a dash.
func stageChance(p float64) string {
	if p < 0 {
		return "–"
	}
	return percent(p)
}
