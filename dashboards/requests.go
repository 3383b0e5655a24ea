package dashboards

import (
	"cmp"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"dealtrail/access"
	"dealtrail/store"
	"dealtrail/trail"
)

// requestsPage is what reps ask marketing for, and the forms to ask and to answer.
type requestsPage struct {
	frame
	Rows     []trail.Request
	Query    string
	State    string // open, answered or declined; empty: all
	Counts   requestCounts
	Waiting  []trail.Money // of all that match, whatever their state
	Days     int           // within which an answer is agreed
	Deals    []store.OpenDeal
	Stages   []store.StageDeals
	Personas []string
	Contents []trail.ContentRow
	More     int // requests there are when only the first are shown
	Form     requestForm
	Answer   answerForm
	Said     string // what was just done
}

// requestsAtFirst is how many requests the page shows until asked for all.
const requestsAtFirst = 100

type requestCounts struct{ All, Open, Late, Answered, Declined uint64 }

// requestForm is what was typed to ask, and what is wrong with it.
type requestForm struct {
	Rep, Text, Deal, Stage, Persona, Problem string
}

// reply is an answer with where its links lead.
type reply struct {
	trail.Answer
	Lens lens
}

// Reply prepares an answer for the template that shows it.
func (f frame) Reply(a *trail.Answer) reply { return reply{*a, f.Lens} }

// answering is one request with the form to answer it, as it was typed if there is a
// problem with it.
type answering struct {
	Page    requestsPage
	Request trail.Request
	Form    answerForm
}

// Answering prepares the form of one request.
func (p requestsPage) Answering(q trail.Request) answering {
	form := answerForm{By: p.Answer.By}
	if p.Answer.ID == q.ID.String() {
		form = p.Answer
	}
	return answering{p, q, form}
}

// DueDays is within how many days an answer is agreed.
func (p requestsPage) DueDays() uint64 { return uint64(p.Days) }

// answerForm is what was typed to answer one request, and what is wrong with it.
type answerForm struct {
	ID, By, Text, Content, Problem string
}

// requestRoutes mounts the pages of requests and notes.
func (s *Site) requestRoutes(in *echo.Group) {
	in.GET("/requests", s.requests)
	in.POST("/requests", s.ask)
	in.POST("/requests/:id/answer", s.answer)
	in.GET("/notes", s.notes)
	in.POST("/notes/:id/vote", s.vote)
	in.POST("/content/:id/notes", s.note)
}

func (s *Site) requests(c echo.Context) error {
	l, err := s.readLens(c, "q", "state")
	if err != nil {
		return err
	}
	if wantsFile(c) {
		page := requestsPage{Query: c.QueryParam("q"), State: c.QueryParam("state")}
		if err := s.readRequests(c, &page); err != nil {
			return err
		}
		return s.sendRows(c, "requests", requestsCSV(page.Rows))
	}
	form := requestForm{Deal: c.QueryParam("deal"), Stage: c.QueryParam("stage"), Persona: c.QueryParam("persona"), Rep: c.QueryParam("rep")}
	return s.renderRequests(c, http.StatusOK, l, form, answerForm{})
}

// readRequests reads what matches the page's search into it, and counts it.
func (s *Site) readRequests(c echo.Context, page *requestsPage) error {
	all, err := s.DB.Requests(c.Request().Context(), "", s.Registry.AnswerDays, s.Now(), store.Filter{})
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(q trail.Request) bool { return !q.Has(page.Query) })
	page.Waiting = trail.AmountWaiting(all)
	for _, q := range all {
		page.Counts.All++
		switch q.State {
		case trail.RequestOpen:
			page.Counts.Open++
		case trail.RequestAnswered:
			page.Counts.Answered++
		case trail.RequestDeclined:
			page.Counts.Declined++
		}
		if q.Late {
			page.Counts.Late++
		}
	}
	page.Rows = slices.DeleteFunc(all, func(q trail.Request) bool { return page.State != "" && string(q.State) != page.State })
	return nil
}

func (s *Site) renderRequests(c echo.Context, status int, l lens, form requestForm, answer answerForm) error {
	page := requestsPage{
		frame: s.frame(c, "What do reps miss?", "requests", l), Query: strings.TrimSpace(c.QueryParam("q")), State: c.QueryParam("state"),
		Days: cmp.Or(s.Registry.AnswerDays, trail.AnswerDays), Form: form, Answer: answer,
	}
	switch {
	case c.QueryParam("asked") != "":
		page.Said = "Asked. Marketing sees it here, with what waits for it."
	case c.QueryParam("answered") != "":
		page.Said = "Answered. Whoever asked sees it here and on the deal's page."
	}
	page.Form.Rep = cmp.Or(page.User, form.Rep)
	page.Answer.By = cmp.Or(page.User, answer.By)
	g, ctx := errgroup.WithContext(c.Request().Context())
	g.Go(func() error { return s.readRequests(c, &page) })
	g.Go(func() (err error) { page.Stages, err = s.DB.OpenStages(ctx); return err })
	g.Go(func() (err error) { page.Contents, err = s.source.Shareable(ctx, store.Filter{}); return err })
	if page.Form.Rep != "" {
		g.Go(func() (err error) {
			page.Deals, err = s.source.OpenDeals(ctx, page.Form.Rep, false, store.Filter{})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if len(page.Rows) > requestsAtFirst && c.QueryParam("all") == "" {
		page.More, page.Rows = len(page.Rows), page.Rows[:requestsAtFirst]
	}
	page.Deals = page.Deals[:min(len(page.Deals), namesAtOnce)]
	page.Personas = personasOf(page.Contents)
	return s.render(c, status, "requests", page)
}

// personasOf are the personas that contents are for, in order.
func personasOf(contents []trail.ContentRow) (all []string) {
	for _, r := range contents {
		if r.Persona != "" {
			all = append(all, r.Persona)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// ask takes a rep's request.
func (s *Site) ask(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	value := func(name string) string { return strings.TrimSpace(c.FormValue(name)) }
	form := requestForm{Rep: cmp.Or(s.who(c), value("rep")), Text: value("text"), Deal: value("deal"), Stage: value("stage"), Persona: value("persona")}
	ctx := c.Request().Context()
	q := trail.Request{Rep: form.Rep, Text: form.Text, Deal: form.Deal, Stage: form.Stage, Persona: form.Persona}
	err = access.From(ctx).View.MustSee(form.Deal, s.dealsNamed(ctx)) // the list tells of the deal
	if err == nil {
		q, _, err = s.Registry.Ask(ctx, q, "ui")
	}
	if text, ok := problemText(err); ok {
		form.Problem = text
		return s.renderRequests(c, http.StatusUnprocessableEntity, l, form, answerForm{})
	}
	if err != nil {
		return err
	}
	return seeOther(c, link("asked=1", "requests")+"#r-"+template.URL(q.ID.String()))
}

// answer takes marketing's word on a request.
func (s *Site) answer(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	l.path = join("requests") // also for the form that is shown again
	value := func(name string) string { return strings.TrimSpace(c.FormValue(name)) }
	form := answerForm{ID: strings.ToUpper(param(c, "id")), By: cmp.Or(s.who(c), value("by")), Text: value("text"), Content: value("content")}
	q, _, err := s.Registry.Answer(c.Request().Context(), form.ID, trail.Answer{By: form.By, Text: form.Text, Content: form.Content, Declined: value("declined") != ""}, "ui")
	if text, ok := problemText(err); ok {
		form.Problem = text
		return s.renderRequests(c, http.StatusUnprocessableEntity, l, requestForm{}, form)
	}
	if err != nil {
		return err
	}
	return seeOther(c, link("answered=1", "requests")+"#r-"+template.URL(q.ID.String()))
}

func requestsCSV(all []trail.Request) [][]string {
	out := [][]string{{"id", "at", "rep", "text", "deal", "deal_name", "deal_status", "amount", "currency", "stage", "persona", "state", "due_at", "late", "answered_at", "answered_by", "answer", "content"}}
	for _, q := range all {
		line := []string{
			q.ID.String(), stamp(q.At), q.Rep, q.Text, q.Deal, q.DealName, q.DealStatus, q.DealValue.Amount, q.DealValue.Currency, q.Stage, q.Persona,
			string(q.State), stamp(q.DueAt), map[bool]string{true: "yes", false: "no"}[q.Late], "", "", "", "",
		}
		if a := q.Answer; a != nil {
			line[14], line[15], line[16], line[17] = stamp(a.At), a.By, a.Text, a.Content
		}
		out = append(out, line)
	}
	return out
}
