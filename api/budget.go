package api

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// Budgets is what the program does with budget pages.
type Budgets struct {
	New   func(ctx context.Context, q trail.BudgetAsked, source string) (b trail.Budget, visible bool, err error)
	Files map[string]BudgetFile // formats besides JSON, by name: csv, html, pdf
	Links *ingest.Links
	Link  func(token string) string // its address
}

// BudgetFile writes a budget page in one format.
type BudgetFile struct {
	Type  string // media type
	Write func(w io.Writer, b trail.Budget) error
}

// budgetMade is a budget page that was frozen.
type budgetMade struct {
	trail.Budget
	Visible bool `json:"visible"`
}

// linkMade is a link that was made, with its address, which no other answer has.
type linkMade struct {
	trail.Link
	URL string `json:"url"`
}

func (s *Server) budgets(c echo.Context) error {
	all, err := s.DB.Budgets(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, listOf(all))
}

// newBudget freezes a page.
func (s *Server) newBudget(c echo.Context) error {
	takesLong(c)
	var in struct {
		Run      string      `json:"run"`
		Model    string      `json:"model"`
		Agents   trail.Level `json:"agents"`
		From     string      `json:"from"`
		To       string      `json:"to"`
		Currency string      `json:"currency"`
		Title    string      `json:"title"`
		Note     string      `json:"note"`
		By       string      `json:"by"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	q := trail.BudgetAsked{Run: strings.TrimSpace(in.Run), Model: strings.TrimSpace(in.Model), Agents: in.Agents, Currency: in.Currency, Title: in.Title, Note: in.Note, By: s.by(c, in.By)}
	if q.Run != "" && in.From+in.To+string(in.Agents) != "" {
		return trail.Problemf(trail.Invalid, "A run has its period and level of agents; name either the run or these.")
	}
	var err error
	if q.From, err = s.moment("from", in.From); err != nil {
		return err
	}
	if q.To, err = s.moment("to", in.To); err != nil {
		return err
	}
	b, visible, err := s.Budgets.New(c.Request().Context(), q, "api")
	if err != nil {
		return err
	}
	return accepted(c, visible, budgetMade{b, visible})
}

// budget answers with one page, as JSON or as a file.
func (s *Server) budget(c echo.Context) error {
	format := cmp.Or(c.QueryParam("format"), "json")
	file, ok := s.Budgets.Files[format]
	if !ok && format != "json" {
		return trail.Problemf(trail.Invalid, "A budget page cannot be written as %q; use json, %s.", format, strings.Join(slices.Sorted(maps.Keys(s.Budgets.Files)), ", "))
	}
	b, err := s.DB.Budget(c.Request().Context(), strings.ToUpper(param(c, "id")))
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	if format == "json" {
		return c.JSON(http.StatusOK, b)
	}
	var out bytes.Buffer
	if err := file.Write(&out, *b); err != nil {
		return err
	}
	kind := file.Type
	if strings.HasPrefix(kind, "text/") {
		kind += "; charset=utf-8"
	}
	h.Set(echo.HeaderContentDisposition, `attachment; filename="budget-`+b.At.Format(time.DateOnly)+`.`+format+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	return c.Blob(http.StatusOK, kind, out.Bytes())
}

func (s *Server) links(c echo.Context) error {
	b, err := s.DB.Budget(c.Request().Context(), strings.ToUpper(param(c, "id")))
	if err != nil {
		return err
	}
	links, err := s.Budgets.Links.Of(c.Request().Context(), b.ID)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, listOf(links))
}

// newLink makes a link to a page.
func (s *Server) newLink(c echo.Context) error {
	var in struct {
		Days int    `json:"days"`
		By   string `json:"by"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	b, err := s.DB.Budget(c.Request().Context(), strings.ToUpper(param(c, "id")))
	if err != nil {
		return err
	}
	token, made, err := s.Budgets.Links.New(c.Request().Context(), b.ID, s.by(c, in.By), in.Days)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, linkMade{made, s.Budgets.Link(token)})
}

// revokeLink ends a link.
func (s *Server) revokeLink(c echo.Context) error {
	b, err := s.DB.Budget(c.Request().Context(), strings.ToUpper(param(c, "id")))
	if err != nil {
		return err
	}
	if err := s.Budgets.Links.Revoke(c.Request().Context(), b.ID, param(c, "link")); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
