package dashboards

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// decisionForm is the form of one lead or deal.
type decisionForm struct {
	trail.Decision
	Key, Whom string
	Open      bool // it was refused, and shows what was typed
	Lens      lens
	Week      string
}

// Form returns the form of a lead or of a deal.
func (p reviewPage) Form(d *trail.Decision, contact trail.ContactID, deal, whom string) decisionForm {
	f := decisionForm{Key: formKey(contact, deal), Whom: whom, Lens: p.Lens, Week: p.Review.Week}
	if d != nil {
		f.Decision = *d
	}
	f.Contact, f.Deal, f.Open = contact, deal, p.At != "" && p.At == f.Key
	if f.Open {
		f.Decision, _ = f.Decision.With(p.Typed, p.Review.To) // what is wrong with it the page says already
	}
	return f
}

// formKey names the form of a lead or a deal within the page.
func formKey(contact trail.ContactID, deal string) string {
	if deal != "" {
		return "deal-" + deal
	}
	return "lead-" + string(contact)
}

// Qualities are the words for how good a lead is.
func (decisionForm) Qualities() []string { return trail.Qualities }

// States are the words for what becomes of a lead.
func (decisionForm) States() []string { return trail.DecisionStates }

// decide writes down what a form says: of a subject, or that a decision is done. One
// that is refused is shown again with what was typed.
func (s *Site) decide(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	form, err := c.FormParams()
	if err != nil {
		return trail.Problemf(trail.Invalid, "The form broke off. Try again.")
	}
	said := ingest.Said{ID: form.Get("id"), Contact: trail.ContactID(form.Get("contact")), Deal: form.Get("deal"), Email: strings.TrimSpace(form.Get("email")), Fields: map[string]string{}}
	for _, name := range trail.DecisionFields {
		if form.Has(name) {
			said.Fields[name] = form.Get(name)
		} else if name == "done" {
			said.Fields[name] = "" // a box without a tick is not sent
		}
	}
	week := param(c, "week")
	outcomes, visible, err := s.source.Decide(c.Request().Context(), week, "ui", s.who(c), said)
	if err == nil {
		err = outcomes[0].Refused
	}
	if text, ok := problemText(err); ok {
		page := reviewPage{Problem: text, Typed: said.Fields}
		if said.ID == "" && said.Email == "" {
			page.At = formKey(said.Contact, said.Deal)
		}
		return s.renderReview(c, http.StatusUnprocessableEntity, week, page)
	}
	if err != nil {
		return err
	}
	word := "decided"
	if !visible {
		word = "soon"
	}
	l.path, l.keep = "/review", nil
	to := l.With("week", week, "said", word)
	if said.ID == "" {
		to += template.URL("#" + url.PathEscape(formKey(outcomes[0].Decision.Contact, outcomes[0].Decision.Deal)))
	}
	return seeOther(c, to)
}

// takeReview takes a workbook that somebody filled in, and says what became of it.
func (s *Site) takeReview(c echo.Context) error {
	if err := unhurried(c); err != nil {
		return err
	}
	c.Request().Body = http.MaxBytesReader(c.Response(), c.Request().Body, MaxReviewFile+1<<20)
	week := param(c, "week")
	taken, err := s.takeUpload(c, week)
	if text, ok := problemText(err); ok {
		return s.renderReview(c, http.StatusUnprocessableEntity, week, reviewPage{Problem: text})
	}
	if err != nil {
		return err
	}
	return s.renderReview(c, http.StatusOK, week, reviewPage{Taken: &taken})
}

func (s *Site) takeUpload(c echo.Context, week string) (ReviewTaken, error) {
	header, err := c.FormFile("file")
	if form := c.Request().MultipartForm; form != nil {
		defer form.RemoveAll()
	}
	switch tooLarge := (*http.MaxBytesError)(nil); {
	case errors.As(err, &tooLarge):
		return ReviewTaken{}, trail.Problemf(trail.TooLarge, "The file is larger than the %d MB that are allowed.", MaxReviewFile>>20)
	case err != nil || header.Size == 0:
		return ReviewTaken{}, trail.Problemf(trail.Invalid, "Choose the XLSX file of this review first.")
	}
	file, err := header.Open()
	if err != nil {
		return ReviewTaken{}, err
	}
	defer file.Close()
	return s.TakeReview(c.Request().Context(), week, "xlsx", s.who(c), file)
}
