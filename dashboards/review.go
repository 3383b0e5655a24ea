package dashboards

import (
	"net/http"
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
}

type reviewSection struct {
	Name, Title, Hint string
	Rows              []trail.ReviewRow
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

func (s *Site) review(c echo.Context) error {
	l, err := s.readLens(c, "week")
	if err != nil {
		return err
	}
	r, err := s.source.Review(c.Request().Context(), c.QueryParam("week"), s.Zone, s.Now(), l.filter())
	if err != nil {
		return err
	}
	if c.QueryParam("format") == "csv" {
		return sendCSV(c, "review-"+r.Week+".csv", reviewRows(*r))
	}
	page := reviewPage{frame: s.frame(c, "What happened to our leads this week?", "review", l), Review: *r, Sections: reviewSections()}
	page.Running = s.Now().Before(r.To)
	page.Previous = trail.WeekOf(r.From.Add(-time.Hour), s.Zone)
	if !page.Running {
		page.Next = trail.WeekOf(r.To.Add(time.Hour), s.Zone)
	}
	for _, row := range r.Rows {
		page.Clicks += row.Clicks
		page.Sent += row.Sent
		for i := range page.Sections {
			if page.Sections[i].Name == row.Section {
				page.Sections[i].Rows = append(page.Sections[i].Rows, row)
			}
		}
	}
	return s.render(c, http.StatusOK, "review", page)
}

// Last is the review's last day, a Sunday.
func (p reviewPage) Last() time.Time { return p.Review.To.AddDate(0, 0, -1) }
