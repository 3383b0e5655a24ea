package dashboards

import (
	"context"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/trail"
)

// qualityPage is what is wrong with the data, and the touches of which a person may
// say the deal.
type qualityPage struct {
	frame
	trail.Quality
	Doubts  []qualityDoubt
	Wrong   []qualityGroup // those with rows
	Right   []string       // the titles of the others
	Decided bool           // something was just decided
}

// qualityDoubt is a doubt with its reason in words.
type qualityDoubt struct {
	trail.Doubt
	Reason string
}

// qualityGroup is a group as the page shows it: closed when it is long.
type qualityGroup struct {
	trail.QualityGroup
	Rows []qualityRow
	Open bool
	Each struct{ Deal, Content, Contact, Detail, Events, At bool } // which columns there are
}

type qualityRow struct {
	trail.QualityRow
	What string // the detail in words
}

// openUntil is how many rows a group may have to be open.
const openUntil = 8

func (s *Site) quality(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	q, err := s.source.Quality(c.Request().Context(), l.filter())
	if err != nil {
		return err
	}
	if wantsFile(c) {
		return s.sendRows(c, "quality", QualityTable(*q))
	}
	page := qualityPage{frame: s.frame(c, "What is wrong with the data?", "quality", l), Quality: *q, Decided: c.QueryParam("decided") != ""}
	for _, d := range q.Review {
		page.Doubts = append(page.Doubts, qualityDoubt{d, doubtWords(d)})
	}
	for _, g := range q.Groups {
		if g.Count == 0 {
			page.Right = append(page.Right, g.Title)
			continue
		}
		page.Wrong = append(page.Wrong, newQualityGroup(g))
	}
	return s.render(c, http.StatusOK, "quality", page)
}

// doubtWords says why touches are in doubt.
func doubtWords(d trail.Doubt) string {
	switch {
	case len(d.People) == 0:
		return "nobody is named, and the company has several open deals"
	case d.Why == "link":
		return "people of several companies had the link"
	case d.Why == "company":
		return "on no open deal, and the company has several"
	case len(d.People) > 1:
		return "together on several open deals"
	}
	return "on several open deals"
}

func newQualityGroup(g trail.QualityGroup) qualityGroup {
	shown := qualityGroup{QualityGroup: g, Open: len(g.Rows) <= openUntil}
	for _, r := range g.Rows {
		row := qualityRow{r, qualityDetail(g.Code, r)}
		shown.Rows = append(shown.Rows, row)
		each := &shown.Each
		each.Deal, each.Content, each.Contact = each.Deal || r.Deal != "", each.Content || r.Content != "", each.Contact || r.Contact != ""
		each.Detail, each.Events, each.At = each.Detail || row.What != "", each.Events || r.Events > 1, each.At || !r.At.IsZero()
	}
	return shown
}

// qualityDetail says in words what is wrong with one row.
func qualityDetail(code string, r trail.QualityRow) string {
	first, second, _ := strings.Cut(r.Detail, ", ")
	switch code {
	case "closed_before_created":
		return "created " + first + ", closed " + second
	case "stage_backwards":
		return "from " + first + " back to " + second
	case "touch_in_future":
		return kindWord(trail.Kind(r.Detail))
	case "broken_address":
		return ""
	}
	return r.Detail
}

// QualityTable is what is wrong and what is in doubt as a table with a header.
func QualityTable(q trail.Quality) [][]string {
	rows := [][]string{{"code", "title", "deal", "name", "status", "content", "contact", "detail", "events", "at", "means"}}
	for _, d := range q.Review {
		var deals []string
		for _, c := range d.Candidates {
			deals = append(deals, c.ID)
		}
		who := strings.Join(d.People, "; ")
		if who == "" {
			who = d.Account
		}
		rows = append(rows, []string{"doubt_" + d.Why, "Whose touches are in doubt", strings.Join(deals, "; "), "", "", "", who, d.Subject, count(d.Touches), stamp(d.LastTouch), doubtWords(d)})
	}
	for _, g := range q.Groups {
		for _, r := range g.Rows {
			events := ""
			if r.Events > 0 {
				events = count(r.Events)
			}
			rows = append(rows, []string{g.Code, g.Title, r.Deal, r.Name, r.Status, r.Content, r.Contact, r.Detail, events, stamp(r.At), g.Means})
		}
	}
	return rows
}

// decideDoubt records whose deal touches are, or that they are none of the candidates'.
func (s *Site) decideDoubt(c echo.Context) error {
	form, err := c.FormParams()
	if err != nil {
		return err
	}
	about := trail.Assignment{By: repOf(s, c)}
	switch subject := form.Get("subject"); form.Get("kind") {
	case "contact":
		about.Contact = trail.ContactID(subject)
	case "link":
		about.Share = trail.ShareID(subject)
	case "account":
		about.Account = ingest.Account(subject)
	}
	var said []trail.Assignment
	if deal := form.Get("deal"); deal != "" {
		about.Deal = deal
		said = append(said, about)
	} else {
		for _, deal := range form["candidate"] {
			about.Deal, about.Not = deal, true
			said = append(said, about)
		}
	}
	if len(said) == 0 {
		return trail.Problemf(trail.Invalid, "Choose the deal, or that it is none of them.")
	}
	if err := s.source.Assign(c.Request().Context(), said); err != nil {
		return err
	}
	return seeOther(c, link("decided=1", "quality"))
}

// repOf is the address of who is signed in, "" for nobody or for who has none.
func repOf(s *Site, c echo.Context) string {
	if s.SignedIn == nil {
		return ""
	}
	if name := s.SignedIn(c); strings.Contains(name, "@") {
		return trail.NormalAddress(name)
	}
	return ""
}

// fillQuality fills what the page asks for and does.
func (s *Site) fillQuality() {
	if s.DB == nil {
		return
	}
	s.source.Quality = func(ctx context.Context, f store.Filter) (*trail.Quality, error) {
		t := store.Terms{Now: s.Now()}
		if s.Job != nil {
			o := s.Job.Options
			t = store.NewTerms(o.Currency, o.Rates, o.Stages, s.Now())
		}
		return s.DB.Quality(ctx, t, f)
	}
	s.source.Assign = func(ctx context.Context, said []trail.Assignment) error {
		var events []trail.Event
		for _, a := range said {
			e, err := a.Event("ui", s.Now())
			if err != nil {
				return err
			}
			if err := s.DB.CheckAssignment(ctx, a); err != nil {
				return err
			}
			events = append(events, e)
		}
		return s.record(ctx, events...)
	}
}
