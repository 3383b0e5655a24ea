package dashboards

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// monthPage is one month for those who pay for it.
type monthPage struct {
	frame
	R            trail.MonthReport
	Words        string
	Earlier      string
	Later        string // empty: it has not begun
	Before       string // both in words
	After        string
	Goals        []goalCard
	AnswerDays   uint64
	SeenShare    string // of the won amount, with content seen
	ServiceTerms string
}

func (s *Site) month(c echo.Context) error {
	l, err := s.readLens(c, "month")
	if err != nil {
		return err
	}
	ctx, now := c.Request().Context(), s.Now()
	var connected uint64
	if s.Status != nil {
		if st, err := s.Status(ctx); err == nil { // the rest is worth showing without
			connected = st.MailboxesRead()
		}
	}
	r, err := s.DB.MonthReport(ctx, c.QueryParam("month"), s.terms(), connected, now, l.filter())
	if err != nil {
		return err
	}
	if wantsFile(c) {
		return s.sendRows(c, "month-"+r.Name, r.Table())
	}
	page := monthPage{frame: s.frame(c, "What did "+r.Period.Words()+" bring?", "month", l), R: *r, Words: r.Period.Words(), Earlier: r.Period.Before().Name, Before: r.Period.Before().Words(), SeenShare: seenShare(r)}
	page.AnswerDays, page.ServiceTerms = uint64(s.Registry.AnswerDays), r.Terms
	if page.AnswerDays == 0 {
		page.AnswerDays = trail.AnswerDays
	}
	if next := r.Period.After(); !next.From.After(now) {
		page.Later, page.After = next.Name, next.Words()
	}
	for _, g := range r.Goals {
		page.Goals = append(page.Goals, newGoalCard(g, l, s.Zone, ""))
	}
	return s.render(c, http.StatusOK, "month", page)
}

// seenShare is the part of the won amount with content seen.
func seenShare(r *trail.MonthReport) string {
	if amount(r.Won.Value).Sign() <= 0 {
		return ""
	}
	return strconv.FormatFloat(100*ratio(r.WonSeen.Value, r.Won.Value), 'f', 0, 64) + "%"
}

// outOf writes a part of a whole as a percentage, nothing of nothing.
func outOf(n, of uint64) string {
	if of == 0 {
		return "–"
	}
	return strconv.FormatFloat(100*float64(n)/float64(of), 'f', 0, 64) + "%"
}

// pointsWords writes by how much a share moved.
func pointsWords(p *float64) string {
	if p == nil {
		return "too few to compare"
	}
	text := strconv.FormatFloat(*p, 'f', 0, 64)
	switch {
	case text == "0" || text == "-0":
		return "same"
	case *p > 0:
		return "+" + text + pointsUnit(text)
	}
	return group(text) + pointsUnit(text)
}

// pointsUnit follows a whole number of points.
func pointsUnit(number string) string {
	if strings.TrimPrefix(number, "-") == "1" {
		return " point"
	}
	return " points"
}
