package dashboards

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"dealtrail/access"
	"dealtrail/store"
	"dealtrail/trail"
)

// contentPage is one content: its numbers, each explained, what it earned under
// each model, its deals, who sends it, and its newest events.
type contentPage struct {
	frame
	Content   *trail.ContentDetail
	Models    []modelCredit
	Funnel    []funnelStep
	Senders   []sender
	Unshown   int    // senders who are shown to nobody else
	Names     string // how reps are shown, and since when
	Stages    []stageLine
	AllStages int  // how many lines there are, where the page shows a part
	Narrow    bool // the reader sees a part of the deals, if any
	NoteCount int
	AllNotes  int    // of notes, where the page shows a part
	Words     string // its numbers in sentences
	Trail     trailTable
	Deals     []trail.DealRow
	Cost      *trail.Money // in the reporting currency; nil without one, or without a rate
	Per       string       // credit per unit of that
	Form      shareForm
	Change    changeForm
	Notes     notesTable
	Noting    noteForm
	Noted     bool
	New       bool // just registered
	Changed   bool
	Expired   bool // its links lead elsewhere
	More      int  // events there are when only the newest are shown
}

// Note says what credit is not.
func (p contentPage) Note() string { return trail.CreditNote }

// modelCredit is what the content earned under one model.
type modelCredit struct {
	model
	Credit       *trail.CreditRow // nil: nothing
	Deals, Money creditCell
	NoRun        bool
}

// Effect says what a data-driven model says of the content itself.
func (m modelCredit) Effect() string {
	if m.Credit == nil || m.Credit.ModelCredit == nil {
		return ""
	}
	e := m.Credit.ModelCredit
	text := percent(e.Effect) + " (" + percent(e.EffectLow) + " to " + percent(e.EffectHigh) + ")"
	if m.Name == "shapley" {
		return "adds " + text + " to the chance to win, in this model"
	}
	return text + " of wins would be missing without it, in this model"
}

// funnelStep is one number of the content with its meaning.
type funnelStep struct {
	Name, Meaning string
	Count         uint64
	Width         string // percent of the longest bar
	Class         string // how much the number says: weak, plain or strong
}

// shareForm is the form for a tracked link, with what was typed and what is
// wrong with it.
type shareForm struct {
	Rep, To, Deal, Problem string
}

// atFirst is how many rows of a long list a page shows until asked for all.
const atFirst = 25

func (s *Site) content(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	return s.renderContent(c, http.StatusOK, l, param(c, "id"), contentForms{})
}

// contentForms are the forms of a content's page as they were typed, if there is a
// problem with one of them.
type contentForms struct {
	Share  shareForm
	Change changeForm
	Note   noteForm
}

// renderContent renders a content's page with its forms.
func (s *Site) renderContent(c echo.Context, status int, l lens, id string, forms contentForms) error {
	f, run, err := s.oneRun(c.Request().Context(), l.filter())
	if err != nil {
		return err
	}
	var d *trail.ContentDetail
	var models []modelCredit
	var notes []trail.Note
	var senders []store.Sender
	var team map[string]string
	var stages []store.SentStage
	g, ctx := errgroup.WithContext(c.Request().Context())
	g.Go(func() (err error) { d, err = s.source.Content(ctx, id, f); return err })
	g.Go(func() (err error) { models, err = s.modelCredits(ctx, f, run, l, id); return err })
	g.Go(func() (err error) { notes, err = s.DB.Notes(ctx, id, "", store.Filter{}); return err })
	g.Go(func() (err error) { senders, team, err = s.source.Senders(ctx, id, f); return err })
	g.Go(func() (err error) { stages, err = s.source.SentStages(ctx, id, s.Now(), f); return err })
	if err := g.Wait(); err != nil {
		if ignore(err, trail.NotFound) == nil {
			return s.notYet(c, l, id, err)
		}
		return err
	}
	viewer := s.viewer(c)
	d.Events = withoutReps(viewer, d.Events)
	if wantsFile(c) {
		return s.sendRows(c, "events", trailCSV(d.Events))
	}
	title := d.Title
	if title == "" {
		title = d.ID
	}
	l.path = join("content", id) // also after the form below it was posted
	page := contentPage{
		frame: s.frame(c, title, "content", l), Content: d, Models: models, Form: forms.Share, Change: forms.Change, Noting: forms.Note,
		New: c.QueryParam("new") != "", Changed: c.QueryParam("changed") != "", Noted: c.QueryParam("noted") != "",
	}
	if forms.Change.Problem == "" {
		page.Change = s.changeFormOf(d.ContentRow)
	}
	page.Expired = !d.ExpiresAt.IsZero() && !s.Now().Before(d.ExpiresAt)
	page.Funnel = funnelOf(d.ContentRow)
	page.cost(s.rates(run))
	page.Senders, page.Unshown = sendersFor(viewer, senders, team)
	page.Names = s.namesNotice(c.Request().Context())
	page.Stages, page.AllStages = firstRows(c, stageLines(stages), atFirst)
	page.Words = inWords(d.ContentRow, earnedUnder(models, l.Model), l)
	page.Narrow = !access.From(c.Request().Context()).View.All
	page.Deals = d.DealRows
	slices.SortStableFunc(page.Deals, func(a, b trail.DealRow) int { return valueOf(b.Credit).Cmp(valueOf(a.Credit)) })
	page.Trail = newTrailTable(l, d.Events, "content")
	if (len(page.Deals) > atFirst || len(page.Trail.Events) > atFirst) && c.QueryParam("all") == "" {
		page.More = len(page.Trail.Events)
		page.Deals, page.Trail.Events = page.Deals[:min(atFirst, len(page.Deals))], page.Trail.Events[:min(atFirst, page.More)]
	}
	page.Form.Rep, page.Noting.Rep = cmp.Or(page.Form.Rep, page.User), cmp.Or(page.User, page.Noting.Rep)
	page.Notes = newNotesTable(page.frame, notes, "content", string(l.With()))
	page.NoteCount = len(page.Notes.Rows)
	page.Notes.Rows, page.AllNotes = firstRows(c, page.Notes.Rows, notesAtOnce)
	return s.render(c, status, "content", page)
}

// earnedUnder is what the content earned under one model, nil for nothing known.
func earnedUnder(models []modelCredit, name string) *modelCredit {
	for i := range models {
		if models[i].Name == name {
			return &models[i]
		}
	}
	return nil
}

// cost fills in what the content cost and what that brought.
func (p *contentPage) cost(rates store.Rates) {
	if cost, ok := rates.Convert(p.Content.Cost); ok {
		p.Cost = &cost
	}
	for _, m := range p.Models {
		if m.Name == p.Lens.Model && m.Credit != nil && m.Credit.CreditCost != nil {
			p.Per = per(m.Credit.PerCost, m.Credit.Cost.Currency)
		}
	}
}

// acceptedPage says that a registration is safe and about to be visible.
type acceptedPage struct {
	frame
	ID string
}

// notYet answers for content that the report does not know: if it was accepted
// a moment ago, the page says so and looks again.
func (s *Site) notYet(c echo.Context, l lens, id string, notFound error) error {
	ok, err := s.source.Accepted(c.Request().Context(), id)
	if err != nil {
		return err
	}
	if !ok {
		return notFound
	}
	return s.render(c, http.StatusAccepted, "accepted", acceptedPage{s.frame(c, "Accepted, not yet visible", "content", l), id})
}

func funnelOf(r trail.ContentRow) []funnelStep {
	steps := []funnelStep{
		{Name: "Sent", Count: r.Sent, Meaning: sentMeaning(r)},
		{Name: "Reached", Count: r.Reached, Meaning: "Different people it was sent to."},
		{Name: "Opened", Count: r.Opened, Class: "weak", Meaning: openedMeaning(r)},
		{Name: "Clicked", Count: r.Clicked, Meaning: "Links that were followed at least once. " + plural(r.Clicks, "click", "clicks") + " in all" + nameless(r.Nameless) + "."},
		{Name: "Replied", Count: r.Replied, Class: "strong", Meaning: repliedMeaning(r)},
	}
	most := uint64(1)
	for _, st := range steps {
		most = max(most, st.Count)
	}
	for i := range steps {
		steps[i].Width = pct(100 * float64(steps[i].Count) / float64(most))
	}
	return steps
}

// sentMeaning says what the sends were.
func sentMeaning(r trail.ContentRow) string {
	text := "Mails with this content, counted once per recipient"
	if r.Observable < r.Sent {
		text += ": " + plural(r.Sent, "sent", "sent") + ", " + plural(r.Observable, "observable", "observable")
	}
	if text += "."; r.Stale > 0 {
		text += " " + plural(r.Stale, "of them was an older version.", "of them were older versions.")
	}
	return text
}

// openedMeaning says over which sends an open rate is, and why not over all.
func openedMeaning(r trail.ContentRow) string {
	text := "Links whose mail was opened at least once. Many mail programs hide opens, so this is a weak sign. " + plural(r.Opens, "open", "opens") + " in all."
	switch {
	case r.Sent == 0:
	case r.Observable == 0:
		text += " No mail with it had a pixel, so nobody can see whether they were opened."
	case r.Observable < r.Sent:
		text += " Of the " + plural(r.Observable, "observable send", "observable sends") + " " + openRate(r.Observed, r.Observable) + " were opened; the others had no pixel, so nobody can see whether they were."
	default:
		text += " Of the sends " + openRate(r.Observed, r.Observable) + " were opened."
	}
	return text
}

func repliedMeaning(r trail.ContentRow) string {
	if r.Sent > 0 && r.Replied == 0 {
		return "No answer seen by mail. One would be the strongest sign."
	}
	return "Mails with this content that were answered by mail: the strongest sign."
}

// openRate is how many of the sends whose opens can be seen were opened.
func openRate(observed, observable uint64) string {
	if observable == 0 {
		return ""
	}
	return strconv.FormatFloat(100*float64(observed)/float64(observable), 'f', 0, 64) + "%"
}

// nameless says how many clicks may name nobody, as the end of a sentence.
func nameless(clicks uint64) string {
	if clicks == 0 {
		return ""
	}
	return ", of which " + plural(clicks, "click", "clicks") + " without a person"
}

// share makes a tracked link to the content.
func (s *Site) share(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	id := param(c, "id")
	form := shareForm{Rep: strings.TrimSpace(c.FormValue("rep")), To: c.FormValue("recipients"), Deal: strings.TrimSpace(c.FormValue("deal"))}
	return s.makeShare(c, l, id, form, "content", func(form shareForm) error {
		return s.renderContent(c, http.StatusUnprocessableEntity, l, id, contentForms{Share: form})
	})
}
