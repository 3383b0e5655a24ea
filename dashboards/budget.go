package dashboards

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// Budgets is what pages do with budget pages and the links to them.
type Budgets struct {
	New     func(ctx context.Context, q trail.BudgetAsked, source string) (b trail.Budget, visible bool, err error)
	Links   *ingest.Links
	Address string // of this site, for links
}

// budgetsPage lists budget pages, with the form that makes one.
type budgetsPage struct {
	frame
	Rows    []trail.BudgetListed
	Runs    []budgetRun
	Models  []model
	Form    trail.BudgetAsked
	Problem string
}

// ModelTitle is what a model is called.
func (p budgetsPage) ModelTitle(name string) string { return modelTitle(name) }

// budgetRun is a run to make a page of, with its period in words.
type budgetRun struct {
	trail.Run
	Words string
}

// budgetRuns is how many of the newest runs the form offers.
const budgetRuns = 30

// budgetPage is one of them, with the links to it.
type budgetPage struct {
	frame
	View    budgetView
	Links   []trail.Link
	Fresh   string // a link that was just made: it is shown once
	Said    string
	Problem string
	Days    int
	MaxDays int
}

// budgetRoutes mounts the pages of those who are signed in.
func (s *Site) budgetRoutes(in *echo.Group) {
	in.GET("/budget", s.budgets)
	in.POST("/budget", s.newBudget)
	in.GET("/budget/:id", s.budget)
	in.POST("/budget/:id/links", s.newLink)
	in.POST("/budget/:id/links/:link/revoke", s.revokeLink)
}

// sharedRoutes mounts what whoever has a link can read: one page and its PDF.
func (s *Site) sharedRoutes(g *echo.Group) {
	g.GET("/shared/:token", s.sharedBudget)
	g.GET("/shared/:token/budget.pdf", s.sharedBudget)
}

func (s *Site) budgets(c echo.Context) error {
	return s.renderBudgets(c, http.StatusOK, budgetsPage{Form: trail.BudgetAsked{Run: c.QueryParam("run"), Model: c.QueryParam("model")}})
}

func (s *Site) renderBudgets(c echo.Context, status int, page budgetsPage) error {
	page.frame, page.Models = s.frame(c, budgetQuestion, "budget", lens{}), s.modelList()
	if page.Form.Model == "" {
		page.Form.Model = usual
	}
	g, ctx := errgroup.WithContext(c.Request().Context())
	g.Go(func() (err error) { page.Rows, err = s.DB.Budgets(ctx); return err })
	g.Go(func() error {
		runs, err := s.DB.Runs(ctx, budgetRuns)
		for _, r := range runs {
			page.Runs = append(page.Runs, budgetRun{r, s.runWords(r)})
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if page.Form.Run == "" {
		page.Form.Run = usualRun(page.Runs)
	}
	return s.render(c, status, "budgets", page)
}

// usualRun is the newest run that counts as the other pages do unless told otherwise:
// likely people, deals of any time. Runs come in turn, so the newest of all counts
// anybody's clicks.
func usualRun(runs []budgetRun) string {
	for _, r := range runs {
		if r.Agents == trail.Likely && r.From.IsZero() && r.To.IsZero() {
			return r.ID
		}
	}
	return ""
}

// runWords says which run it is: of when, over which deals and whose clicks.
func (s *Site) runWords(r trail.Run) string {
	day := func(t time.Time) string { return t.In(s.Zone).Format("2 Jan 2006") }
	text := r.AsOf.In(s.Zone).Format("2 Jan 2006, 15:04") + ", " + phrase(levels, string(r.Agents)) + ", deals of "
	switch {
	case r.From.IsZero() && r.To.IsZero():
		text += "any time"
	case r.To.IsZero():
		text += day(r.From) + " and later"
	case r.From.IsZero():
		text += "until " + day(r.To.Add(-time.Millisecond))
	default:
		text += day(r.From) + " to " + day(r.To.Add(-time.Millisecond))
	}
	return text + ", " + r.Currency
}

func (s *Site) newBudget(c echo.Context) error {
	if s.Budgets == nil {
		return trail.Problemf(trail.NotFound, "No budget page can be made here.")
	}
	if err := unhurried(c); err != nil {
		return err
	}
	value := func(name string) string { return strings.TrimSpace(c.FormValue(name)) }
	q := trail.BudgetAsked{Run: value("run"), Model: value("model"), Title: value("title"), Note: value("note"), By: s.who(c)}
	b, _, err := s.Budgets.New(c.Request().Context(), q, "ui")
	text, ok := problemText(err)
	if p := (*trail.Problem)(nil); errors.As(err, &p) && p.Code == trail.NoRun {
		text, ok = p.Text, true
	}
	if ok {
		return s.renderBudgets(c, http.StatusUnprocessableEntity, budgetsPage{Form: q, Problem: text})
	}
	if err != nil {
		return err
	}
	return seeOther(c, link("said=made", "budget", b.ID.String()))
}

// budget shows one page, or gives it as a file: /budget/ID.pdf, or ?format=.
func (s *Site) budget(c echo.Context) error {
	id, ending, _ := strings.Cut(param(c, "id"), ".")
	if ending == "" {
		ending = c.QueryParam("format")
	}
	b, err := s.DB.Budget(c.Request().Context(), id)
	if err != nil {
		return err
	}
	if ending != "" {
		f, ok := BudgetFormats[ending]
		if !ok {
			return trail.Problemf(trail.NotFound, "A budget page is a PDF, a CSV or an HTML file, and no %q.", ending)
		}
		return sendBudget(c, ending, f, *b)
	}
	said := map[string]string{"made": "Frozen. Whatever comes later, these numbers stay.", "revoked": "The link leads nowhere any more."}[c.QueryParam("said")]
	return s.renderBudget(c, http.StatusOK, *b, budgetPage{Said: said})
}

func (s *Site) renderBudget(c echo.Context, status int, b trail.Budget, page budgetPage) (err error) {
	page.frame = s.frame(c, b.Title, "budget", lens{})
	page.View, page.MaxDays = viewOf(b), ingest.MaxLinkDays
	if page.Days == 0 {
		page.Days = ingest.LinkDays
	}
	if s.Budgets != nil {
		if page.Links, err = s.Budgets.Links.Of(c.Request().Context(), b.ID); err != nil {
			return err
		}
	}
	return s.render(c, status, "budget", page)
}

// Why is the link to the deals and touches behind the page.
func (p budgetPage) Why() template.URL {
	b := p.View.Budget
	return template.URL("/why?" + url.Values{"model": {b.Model}, "agents": {string(b.Agents)}, "run": {b.Run}}.Encode())
}

// sendBudget answers with a budget page as a file to keep.
func sendBudget(c echo.Context, ending string, f BudgetFormat, b trail.Budget) error {
	var out bytes.Buffer
	if err := f.Write(&out, b); err != nil {
		return fmt.Errorf("write a budget page: %w", err)
	}
	kind := f.Type
	if strings.HasPrefix(kind, "text/") {
		kind += "; charset=utf-8"
	}
	h := c.Response().Header()
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", "budget-"+b.At.Format(time.DateOnly)+"."+ending))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	return c.Blob(http.StatusOK, kind, out.Bytes())
}

// newLink makes a link to a page. It stands on the answer and nowhere else.
func (s *Site) newLink(c echo.Context) error {
	b, err := s.linked(c)
	if err != nil {
		return err
	}
	days, err := strconv.Atoi(strings.TrimSpace(c.FormValue("days")))
	if err != nil {
		days = -1
	}
	token, _, err := s.Budgets.Links.New(c.Request().Context(), b.ID, s.who(c), days)
	if text, ok := problemText(err); ok {
		return s.renderBudget(c, http.StatusUnprocessableEntity, *b, budgetPage{Problem: text, Days: max(days, 0)})
	}
	if err != nil {
		return err
	}
	return s.renderBudget(c, http.StatusOK, *b, budgetPage{Fresh: s.Budgets.Link(token)})
}

// Link is the address of a page for whoever has a token.
func (x *Budgets) Link(token string) string {
	return strings.TrimSuffix(x.Address, "/") + "/shared/" + token
}

func (s *Site) revokeLink(c echo.Context) error {
	b, err := s.linked(c)
	if err != nil {
		return err
	}
	err = s.Budgets.Links.Revoke(c.Request().Context(), b.ID, param(c, "link"))
	if text, ok := problemText(err); ok {
		return s.renderBudget(c, http.StatusUnprocessableEntity, *b, budgetPage{Problem: text})
	}
	if err != nil {
		return err
	}
	return seeOther(c, link("said=revoked", "budget", b.ID.String())+"#links")
}

// linked is the page whose links a form is about.
func (s *Site) linked(c echo.Context) (*trail.Budget, error) {
	if s.Budgets == nil {
		return nil, trail.Problemf(trail.NotFound, "No link can be made here.")
	}
	return s.DB.Budget(c.Request().Context(), param(c, "id"))
}

// sharedBudget shows a page to whoever has a link to it. A link that never was, has
// expired or was revoked is answered alike.
func (s *Site) sharedBudget(c echo.Context) error {
	h := c.Response().Header()
	h.Set("Content-Security-Policy", budgetPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	if s.Budgets == nil || !s.servesPages(c) {
		return s.noSuchLink(c)
	}
	id, ok, err := s.Budgets.Links.Open(c.Request().Context(), c.Param("token"))
	if err != nil {
		return err
	}
	if !ok {
		return s.noSuchLink(c)
	}
	b, err := s.DB.Budget(c.Request().Context(), id.String())
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if strings.HasSuffix(c.Path(), ".pdf") {
		if err := BudgetPDF(&out, *b); err != nil {
			return err
		}
		return c.Blob(http.StatusOK, "application/pdf", out.Bytes())
	}
	if err := printBudget(&out, *b, c.Request().URL.Path+"/budget.pdf"); err != nil {
		return err
	}
	return c.HTMLBlob(http.StatusOK, out.Bytes())
}

// servesPages reports whether a request came for pages: where tracked links have a
// host of their own, it shows nothing else.
func (s *Site) servesPages(c echo.Context) bool {
	pages, links := hostOf(s.Budgets.Address), hostOf(s.PublicURL)
	return pages == links || !strings.EqualFold(c.Request().Host, links)
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

//go:embed templates/print/nolink.html
var noLinkText string

var noLinkPage = template.Must(template.New("nolink").Parse(noLinkText))

func (s *Site) noSuchLink(c echo.Context) error {
	var out bytes.Buffer
	if err := noLinkPage.Execute(&out, map[string]any{"Style": template.CSS(budgetStyle)}); err != nil {
		return err
	}
	return c.HTMLBlob(http.StatusNotFound, out.Bytes())
}
