package dashboards

import (
	"cmp"
	"context"
	"html/template"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"dealtrail/access"
	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/trail"
)

// sendPage is what to send to a deal, or for a stage and persona, with why.
type sendPage struct {
	frame
	Deal, Stage, Persona string // as asked for
	Problem              string
	Answer               *trail.Recommendations // nil: nothing was asked yet
	Rows                 []recommended
	More                 int // contents there are when only the first are shown
	Deals                []store.OpenDeal
	Stages               []store.StageDeals
	Personas             []string
}

// recommended is one content with where its links lead.
type recommended struct {
	trail.Recommendation
	Lens  lens
	Share template.URL // the form that makes its link, filled in
}

// Word says in a word what it is recommended by.
func (r recommended) Word() string {
	return map[string]string{trail.ByLift: "compared", trail.ByCredit: "part of wins", trail.ByUse: "in use", trail.ByNone: "new"}[r.Evidence]
}

// Behind is the page that explains the sentence, if one does.
func (r recommended) Behind() template.URL {
	switch r.Evidence {
	case trail.ByLift:
		return r.Lens.Link("lift", r.Content)
	case trail.ByCredit:
		return r.Lens.Why("content", r.Content)
	}
	return ""
}

// sendAtFirst is how many contents the page shows until asked for all.
const sendAtFirst = 12

func (s *Site) send(c echo.Context) error {
	l, err := s.readLens(c, "deal", "stage", "persona")
	if err != nil {
		return err
	}
	value := func(name string) string { return strings.TrimSpace(c.QueryParam(name)) }
	q := attribution.SendQuestion{Deal: value("deal"), Stage: value("stage"), Persona: value("persona")}
	page := sendPage{frame: s.frame(c, "What to send?", "send", l), Deal: q.Deal, Stage: q.Stage, Persona: q.Persona}
	if err := access.From(c.Request().Context()).View.MustSee(q.Deal, s.dealsNamed(c.Request().Context())); err != nil {
		return err
	}
	var contents []trail.ContentRow
	g, ctx := errgroup.WithContext(c.Request().Context())
	g.Go(func() (err error) { page.Stages, err = s.DB.OpenStages(ctx); return err })
	g.Go(func() (err error) { contents, err = s.source.Shareable(ctx, store.Filter{}); return err })
	if page.User != "" {
		g.Go(func() (err error) {
			page.Deals, err = s.source.OpenDeals(ctx, page.User, false, store.Filter{})
			return err
		})
	}
	if q != (attribution.SendQuestion{}) {
		g.Go(func() (err error) {
			page.Answer, err = attribution.WhatToSend(ctx, s.Job, s.Holdouts, q, l.filter())
			return err
		})
	}
	status := http.StatusOK
	if err := g.Wait(); err != nil {
		var ok bool
		if page.Problem, ok = problemText(err); !ok {
			return err
		}
		status = http.StatusUnprocessableEntity
	}
	page.Deals = page.Deals[:min(len(page.Deals), namesAtOnce)]
	page.Personas = personasOf(contents)
	if page.Answer != nil {
		page.addRows(l, c.QueryParam("all") != "" || wantsFile(c))
	}
	if wantsFile(c) && page.Problem == "" {
		return s.sendRows(c, "send", sendRows(page.Rows))
	}
	return s.render(c, status, "send", page)
}

// dealsNamed returns a deal by its ID, to tell whether it is seen.
func (s *Site) dealsNamed(ctx context.Context) func(id string) ([]trail.DealRow, error) {
	return func(id string) ([]trail.DealRow, error) { return s.DB.OwnersOf(ctx, "", id) }
}

// addRows shows the first contents, or all of them.
func (p *sendPage) addRows(l lens, all bool) {
	rows := p.Answer.Rows
	if len(rows) > sendAtFirst && !all {
		p.More, rows = len(rows), rows[:sendAtFirst]
	}
	for _, r := range rows {
		share := []string{"content", r.Content}
		if p.Answer.Deal != "" {
			share = append(share, "deal", p.Answer.Deal)
		}
		p.Rows = append(p.Rows, recommended{r, l, l.Page("share", share...)})
	}
}

// For says for what it is, within a sentence.
func (p sendPage) For() string {
	a := p.Answer
	if a.Deal != "" {
		text := "the deal " + cmp.Or(a.DealName, a.Deal)
		if a.Stage != "" {
			text += ", in " + a.Stage
		}
		return text + p.forPersona()
	}
	if a.Stage != "" {
		return "deals in " + a.Stage + p.forPersona()
	}
	return "all deals" + p.forPersona()
}

func (p sendPage) forPersona() string {
	if p.Answer.Persona == "" {
		return ""
	}
	return ", for " + p.Answer.Persona
}

func sendRows(all []recommended) [][]string {
	out := [][]string{{"content", "title", "kind", "stage", "persona", "version", "evidence", "why", "credit", "currency", "had_at"}}
	for _, r := range all {
		credit := trail.Money{}
		if r.Credit != nil {
			credit = *r.Credit
		}
		out = append(out, []string{r.Content, r.Title, r.Kind, r.Stage, r.Persona, r.Version, r.Evidence, r.Why, credit.Amount, credit.Currency, stamp(r.HadAt)})
	}
	return out
}
