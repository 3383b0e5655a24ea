package dashboards

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

type contactPage struct {
	frame
	Contact  *trail.ContactDetail
	Tracking trackingForm
	DealList dealList
	Trail    trailTable
}

func (s *Site) contact(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	d, err := s.source.Contact(c.Request().Context(), trail.NormalAddress(param(c, "email")), l.filter())
	if err != nil {
		return err
	}
	if wantsFile(c) {
		return s.sendRows(c, "contact", trailCSV(d.Events))
	}
	title := d.Name
	if title == "" {
		title = d.Address
	}
	return s.render(c, http.StatusOK, "contact", contactPage{frame: s.frame(c, title, "deals", l), Contact: d,
		Tracking: s.trackingForm("this person", link("", "contacts", d.Address, "tracking"), d.Tracking), DealList: dealList{l, d.Deals}, Trail: newTrailTable(l, d.Events, "contact")})
}

type accountPage struct {
	frame
	Account  *trail.AccountDetail
	Tracking trackingForm
	DealList dealList
	Trail    trailTable
}

func (s *Site) account(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	d, err := s.source.Account(c.Request().Context(), param(c, "domain"), l.filter())
	if err != nil {
		return err
	}
	if wantsFile(c) {
		return s.sendRows(c, "account", trailCSV(d.Events))
	}
	title := d.Domain
	for _, deal := range d.Deals {
		if deal.Account != "" {
			title = deal.Account
		}
	}
	return s.render(c, http.StatusOK, "account", accountPage{frame: s.frame(c, title, "deals", l), Account: d,
		Tracking: s.trackingForm("this company", link("", "accounts", d.Domain, "tracking"), d.Tracking), DealList: dealList{l, d.Deals}, Trail: newTrailTable(l, d.Events, "account", d.Contacts...)})
}

type repsPage struct {
	frame
	Rows  []trail.RepRow
	Sends sendCounts
}

func (s *Site) reps(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	rows, err := s.source.Reps(c.Request().Context(), l.filter())
	if err != nil {
		return err
	}
	if wantsFile(c) {
		out := [][]string{{"rep", "sent", "contents", "reached", "clicked", "replied", "won", "stale", "observable", "observed"}}
		for _, r := range rows {
			out = append(out, []string{r.Rep, count(r.Sent), count(r.Content), count(r.Reached), count(r.Clicked), count(r.Replied), count(r.Won), count(r.Stale), count(r.Observable), count(r.Observed)})
		}
		return s.sendRows(c, "reps", out)
	}
	page := repsPage{frame: s.frame(c, "What came of each rep's mail?", "reps", l), Rows: rows}
	for _, r := range rows {
		page.Sends.Sent += r.Sent
		page.Sends.Observable += r.Observable
	}
	return s.render(c, http.StatusOK, "reps", page)
}
