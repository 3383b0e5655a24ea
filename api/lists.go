package api

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/attribution"
	"dealtrail/ingest/crm"
	"dealtrail/trail"
)

// maxList is the largest file of a list that is taken.
const maxList = 20 << 20

// listAnswer is a list that was saved.
type listAnswer struct {
	trail.LeadList
	Visible bool `json:"visible"`
}

// lists answers with the lists of leads, the newest first.
func (s *Server) lists(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	all, err := s.DB.Lists(c.Request().Context(), f)
	if err != nil {
		return err
	}
	return s.rows(c, "lists", page(all, f.After, f.Limit, func(l trail.LeadList) string { return l.ID.String() }))
}

// addList keeps a list: of whom a filter finds, as JSON, or of a file's addresses.
func (s *Server) addList(c echo.Context) error {
	ctx, kind := c.Request().Context(), c.Request().Header.Get(echo.HeaderContentType)
	if strings.HasPrefix(kind, echo.MIMEApplicationJSON) {
		var in struct {
			Name   string           `json:"name"`
			By     string           `json:"by"`
			Filter trail.LeadFilter `json:"filter"`
		}
		if err := decode(c, &in); err != nil {
			return err
		}
		kept, visible, err := s.Registry.FindList(ctx, trail.LeadList{Name: in.Name, By: s.by(c, in.By)}, in.Filter, "api")
		if err != nil {
			return err
		}
		return accepted(c, visible, listAnswer{kept, visible})
	}
	file := c.QueryParam("file")
	if file == "" && strings.Contains(kind, "spreadsheetml") {
		file = "body.xlsx"
	}
	addresses, refused, err := crm.Addresses(ctx, file, http.MaxBytesReader(c.Response(), c.Request().Body, maxList))
	if err != nil {
		return err
	}
	list := trail.LeadList{Name: c.QueryParam("name"), By: s.by(c, c.QueryParam("by")), How: "the file " + cmp.Or(file, "body.csv")}
	kept, visible, err := s.Registry.AddList(ctx, list, addresses, "api")
	if err != nil {
		return err
	}
	kept.Refused = refused
	return accepted(c, visible, listAnswer{kept, visible})
}

// list answers with how one list responded to which content.
func (s *Server) list(c echo.Context) error {
	f, err := s.filter(c)
	if err != nil {
		return err
	}
	r, err := attribution.ResponseOf(c.Request().Context(), s.DB, strings.ToUpper(param(c, "id")), f)
	if err != nil {
		return err
	}
	viewOf(c).Response(r)
	return s.rows(c, "list", r)
}
