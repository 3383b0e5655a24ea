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
	More     int // events there are when only the newest are shown
	MayErase bool
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
	page := contactPage{
		frame: s.frame(c, title, "deals", l), Contact: d,
		Tracking: s.trackingForm("this person", link("", "contacts", d.Address, "tracking"), d.Tracking), DealList: dealList{l, d.Deals}, Trail: newTrailTable(l, d.Events, "contact"),
	}
	page.MayErase = s.Erase != nil && d.Address != "" && page.Reaches(string(link("", "contacts", d.Address, "erase")))
	page.Trail.Events, page.More = firstRows(c, page.Trail.Events, rowsAtFirst)
	return s.render(c, http.StatusOK, "contact", page)
}

type accountPage struct {
	frame
	Account  *trail.AccountDetail
	Tracking trackingForm
	DealList dealList
	Trail    trailTable
	More     int // events there are when only the newest are shown
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
	page := accountPage{
		frame: s.frame(c, title, "deals", l), Account: d,
		Tracking: s.trackingForm("this company", link("", "accounts", d.Domain, "tracking"), d.Tracking), DealList: dealList{l, d.Deals}, Trail: newTrailTable(l, d.Events, "account", d.Contacts...),
	}
	page.Trail.Events, page.More = firstRows(c, page.Trail.Events, rowsAtFirst)
	return s.render(c, http.StatusOK, "account", page)
}
