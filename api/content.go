package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/ingest"
	"dealtrail/ingest/crm"
	"dealtrail/store"
	"dealtrail/trail"
)

const (
	// maxJSON is far above any body of ours in JSON, in bytes.
	maxJSON = 1 << 20
	// maxImport is the largest CSV or XLSX, in bytes.
	maxImport = 200 << 20
)

// decode reads a JSON body into in and refuses keys that in does not have, so
// that a misspelt key is not silently ignored. An empty body leaves in as it is.
func decode(c echo.Context, in any) error {
	d := json.NewDecoder(http.MaxBytesReader(c.Response(), c.Request().Body, maxJSON))
	d.DisallowUnknownFields()
	err := d.Decode(in)
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &tooLarge):
		return err
	}
	return trail.Problemf(trail.Invalid, "The body is not the JSON that is wanted here: %s.", strings.TrimPrefix(err.Error(), "json: "))
}

// takesLong lifts the deadlines that pages have: a large upload on a slow line,
// or a run, outlasts them.
func takesLong(c echo.Context) {
	control := http.NewResponseController(c.Response())
	_ = control.SetReadDeadline(time.Time{}) // not supported by test recorders, which have none
	_ = control.SetWriteDeadline(time.Time{})
}

// accepted is the answer of a write: 201, or 202 when the event is durable but
// not yet in the reports.
func accepted(c echo.Context, visible bool, body any) error {
	if !visible {
		c.Response().Header().Set("X-Dealtrail-Visible", "false")
		return c.JSON(http.StatusAccepted, body)
	}
	return c.JSON(http.StatusCreated, body)
}

// contentBody is what POST /v1/content takes as JSON; as a form the same names.
type contentBody struct {
	ID          string   `json:"id"`
	Title       string   `json:"title"`
	Kind        string   `json:"kind"`
	URL         string   `json:"url"`
	OtherURLs   []string `json:"other_urls"`
	Stage       string   `json:"stage"`
	Persona     string   `json:"persona"`
	Version     string   `json:"version"`
	Tags        []string `json:"tags"`
	Owner       string   `json:"owner"`
	Cost        string   `json:"cost"`
	Currency    string   `json:"currency"`
	PublishedAt string   `json:"published_at"`
	ExpiresAt   string   `json:"expires_at"`
	Successor   string   `json:"successor"`
}

// attrs are the content's attributes as events carry them; empty values mean
// "as it was".
func (b contentBody) attrs() (map[string]string, error) {
	attrs := map[string]string{}
	for _, said := range [][2]string{
		{"title", b.Title},
		{"kind", b.Kind},
		{"url", b.URL},
		{"other_urls", strings.Join(b.OtherURLs, " ")},
		{"stage", b.Stage},
		{"persona", b.Persona},
		{"version", b.Version},
		{"tags", strings.Join(b.Tags, " ")},
		{"owner", b.Owner},
		{"cost", b.Cost},
		{"currency", b.Currency},
		{"published_at", b.PublishedAt},
		{"expires_at", b.ExpiresAt},
		{"successor", b.Successor},
	} {
		key, value := said[0], strings.TrimSpace(said[1])
		if value == "" {
			continue
		}
		if key == "published_at" || key == "expires_at" {
			t, err := time.Parse(time.RFC3339, value)
			if err != nil {
				return nil, trail.Problemf(trail.Invalid, "%s is %q; write it as 2026-11-22T15:04:05Z.", key, value)
			}
			value = t.UTC().Format(time.RFC3339)
		}
		attrs[key] = value
	}
	return attrs, nil
}

func (s *Server) register(c echo.Context) error {
	if strings.HasPrefix(c.Request().Header.Get(echo.HeaderContentType), "multipart/") {
		return s.registerFiles(c)
	}
	var in contentBody
	if err := decode(c, &in); err != nil {
		return err
	}
	attrs, err := in.attrs()
	if err != nil {
		return err
	}
	visible, err := s.Registry.Register(c.Request().Context(), in.ID, attrs, "api")
	if err != nil {
		return err
	}
	return accepted(c, visible, map[string]any{"id": in.ID, "visible": visible})
}

// registerFiles registers every file of a multipart body; its other fields are
// the content's, by the names of contentBody. A ZIP counts as the folder that it
// holds.
func (s *Server) registerFiles(c echo.Context) error {
	takesLong(c)
	c.Request().Body = http.MaxBytesReader(c.Response(), c.Request().Body, maxImport)
	form, err := c.MultipartForm()
	if err != nil {
		return err
	}
	defer form.RemoveAll()
	files := form.File["file"]
	if len(files) == 0 {
		return trail.Problemf(trail.Invalid, "The form has no file; send at least one, in the field file.")
	}
	field := func(name string) string { return strings.Join(form.Value[name], " ") }
	attrs, err := contentBody{
		Title: field("title"), Kind: field("kind"), URL: field("url"), OtherURLs: form.Value["other_urls"], Stage: field("stage"),
		Persona: field("persona"), Version: field("version"), Tags: form.Value["tags"], Owner: field("owner"), Cost: field("cost"),
		Currency: field("currency"), PublishedAt: field("published_at"), ExpiresAt: field("expires_at"), Successor: field("successor"),
	}.attrs()
	if err != nil {
		return err
	}
	if len(files) > 1 && (field("id") != "" || len(attrs) > 0) {
		return trail.Problemf(trail.Invalid, "An id, a title and the like belong to one file; send the files one by one.")
	}
	var reports []ingest.FileReport
	visible := true
	for _, h := range files {
		f, err := h.Open()
		if err != nil {
			return err
		}
		r, err := s.Registry.AddFile(c.Request().Context(), h.Filename, f, h.Size, field("id"), attrs, "api")
		f.Close()
		if err != nil {
			return err
		}
		for _, report := range r {
			visible = visible && (report.Visible || report.Reason != "")
		}
		reports = append(reports, r...)
	}
	return accepted(c, visible, listOf(reports))
}

func (s *Server) share(c echo.Context) error {
	var in ingest.ShareRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	if asker := access.From(c.Request().Context()); !asker.LinksFor(in.Rep) {
		return access.OwnLinks()
	}
	if in.Deal = strings.TrimSpace(in.Deal); in.Deal != "" {
		deals, err := s.DB.DealsOf(c.Request().Context(), store.Filter{}, []string{in.Deal})
		if err = cmp.Or(err, access.From(c.Request().Context()).LinksOn(deals, in.Deal)); err != nil {
			return err
		}
	}
	share, err := s.Registry.Share(c.Request().Context(), in)
	if err != nil {
		return err
	}
	share.Warnings = access.From(c.Request().Context()).Warned(share.Warnings)
	return accepted(c, share.Visible, share)
}

func (s *Server) importTable(c echo.Context) error {
	r := http.MaxBytesReader(c.Response(), c.Request().Body, maxImport)
	name := c.QueryParam("name")
	if name == "" && strings.Contains(c.Request().Header.Get(echo.HeaderContentType), "spreadsheetml") {
		name = "body.xlsx"
	}
	var dry, replace, force bool
	for _, p := range []struct {
		name string
		set  *bool
	}{{"dry_run", &dry}, {"replace", &replace}, {"force", &force}} {
		// A misspelt yes must not store what was to be looked at only.
		text := c.QueryParam(p.name)
		var err error
		if *p.set, err = strconv.ParseBool(cmp.Or(text, "false")); err != nil {
			return trail.Problemf(trail.Invalid, "%s is %q; it must be true or false.", p.name, text)
		}
	}
	if force && !replace {
		return trail.Problemf(trail.Invalid, "force=true belongs to replace=true: other imports retract nothing.")
	}
	takesLong(c)
	var report crm.Report
	var err error
	if replace {
		report, err = s.Importer.Replace(c.Request().Context(), c.Param("table"), name, r, dry, force)
	} else {
		report, err = s.Importer.Import(c.Request().Context(), c.Param("table"), name, r, dry)
	}
	if err != nil {
		return err
	}
	if !report.DryRun && report.New+report.Changed+report.Retracted > 0 {
		// A person reads what they imported; a large import is visible a little later.
		ctx, cancel := context.WithTimeout(c.Request().Context(), 5*time.Second)
		defer cancel()
		_ = s.Importer.Settle(ctx)
	}
	return c.JSON(http.StatusOK, report)
}
