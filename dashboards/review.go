package dashboards

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// reviewPage is the weekly lead review: what sales and marketing go through
// together.
type reviewPage struct {
	frame
	Review         trail.Review
	Sections       []reviewSection
	Previous, Next string // weeks; Next is empty when it has not begun
	Running        bool   // the week is not over
	Clicks, Sent   uint64
	Others         []trail.Decision // on subjects that the page does not list

	Said    string            // what was just done
	Problem string            // why something was not
	At      string            // the form that it is about
	Typed   map[string]string // into that
	Taken   *ReviewTaken      // what became of a file
}

type reviewSection struct {
	Name, Title, Hint string
	Rows              []trail.ReviewRow
	Count             int // of all its deals, of which the page may show a part
}

// sections are the parts of the review in the order they are talked about.
func reviewSections() []reviewSection {
	return []reviewSection{
		{Name: "won", Title: "Won", Hint: "What was part of it? Do it again."},
		{Name: "lost", Title: "Lost", Hint: "What was missing?"},
		{Name: "moved", Title: "Moved to another stage", Hint: "What helped?"},
		{Name: "new", Title: "New", Hint: "What should they get first?"},
		{Name: "silent", Title: "Gone silent", Hint: "Open, and for 30 days no touch, no mail to them, no answer seen by mail, and no new stage. Whom to ask, with what?"},
	}
}

// ReviewFormat is one way to write the review as a file.
type ReviewFormat struct {
	Type  string // media type
	Write func(w io.Writer, r trail.Review) error
}

// ReviewFormats are the files that a review can be, by name and ending, besides JSON.
var ReviewFormats = map[string]ReviewFormat{
	"csv":  {"text/csv", ReviewCSV},
	"xlsx": {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ReviewXLSX},
	"html": {"text/html", ReviewHTML},
}

func (s *Site) review(c echo.Context) error {
	page := reviewPage{}
	switch {
	case c.QueryParam("said") == "decided":
		page.Said = "Written down."
	case c.QueryParam("said") == "soon":
		page.Said = "Written down. It is safe, and here in a moment."
	}
	return s.renderReview(c, http.StatusOK, c.QueryParam("week"), page)
}

func (s *Site) renderReview(c echo.Context, status int, week string, page reviewPage) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	r, err := s.source.Review(c.Request().Context(), week, s.Zone, s.Now(), l.filter())
	if err != nil {
		return err
	}
	if f, ok := ReviewFormats[c.QueryParam("format")]; ok {
		return sendReview(c, c.QueryParam("format"), f, *r)
	}
	// The page of a form that was refused leads to itself, not to where the form went.
	l.path, l.keep = "/review", []string{"week", r.Week}
	page.frame, page.Review, page.Sections = s.frame(c, "Which leads do we talk about this week?", "review", l), *r, reviewSections()
	page.Running = s.Now().Before(r.To)
	page.Previous = trail.WeekOf(r.From.Add(-time.Hour), s.Zone)
	if !page.Running {
		page.Next = trail.WeekOf(r.To.Add(time.Hour), s.Zone)
	}
	for _, row := range r.Rows {
		page.Clicks += row.Clicks
		page.Sent += row.Sent
		for i := range page.Sections {
			if section := &page.Sections[i]; section.Name == row.Section {
				section.add(row, c.QueryParam("all") == section.Name)
			}
		}
	}
	page.Others = others(*r)
	return s.render(c, status, "review", page)
}

// sectionRows are how many deals of a section the page shows at first: more than a
// meeting talks about, and few enough that it loads at once.
const sectionRows = 100

// add shows a deal of a section if there is room, or all are asked for, or something
// was decided on it.
func (s *reviewSection) add(row trail.ReviewRow, all bool) {
	if s.Count++; all || len(s.Rows) < sectionRows || row.Decision != nil {
		s.Rows = append(s.Rows, row)
	}
}

// More is how many deals of a section the page does not show.
func (s reviewSection) More() int { return s.Count - len(s.Rows) }

// sendReview answers with a review as a file to keep.
func sendReview(c echo.Context, ending string, f ReviewFormat, r trail.Review) error {
	h := c.Response().Header()
	h.Set("Content-Type", f.Type+"; charset=utf-8")
	if ending == "xlsx" {
		h.Set("Content-Type", f.Type)
	}
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", "review-"+r.Week+"."+ending))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	return f.Write(c.Response(), r)
}

// others are the decisions of a review on what it does not list: somebody who comes
// up in the meeting all the same.
func others(r trail.Review) []trail.Decision {
	return slices.DeleteFunc(slices.Clone(r.Decisions), func(d trail.Decision) bool {
		return slices.ContainsFunc(r.Leads, func(l trail.Lead) bool { return d.Deal == "" && l.Contact == d.Contact }) ||
			slices.ContainsFunc(r.Rows, func(row trail.ReviewRow) bool { return d.Deal != "" && row.Deal.ID == d.Deal })
	})
}

// Last is the review's last day, a Sunday.
func (p reviewPage) Last() time.Time { return p.Review.To.AddDate(0, 0, -1) }
