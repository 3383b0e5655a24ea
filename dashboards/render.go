package dashboards

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/trail"
)

//go:embed templates
var templateFiles embed.FS

// policy is the content security policy of every page: nothing from elsewhere,
// nothing inline. Charts set their styles through the DOM, which it allows.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// pages are the parsed templates by name, each with the shared frame.
type pages map[string]*template.Template

// frame is what every page has around its own part.
type frame struct {
	Title   string // the question that the page answers: heading and <title>
	Nav     string // the page of the navigation that this is or belongs to
	Lens    lens
	User    string // who is signed in; empty where sign-in is not asked for
	Asker   access.Asker
	Bare    bool // no navigation: the reader is not signed in
	Demo    bool
	Theme   string // light or dark, chosen by the reader; empty: as the system is
	Version string
	Zone    string    // name of the zone that times are in
	Here    string    // this page's path and query, for coming back
	KnownAt time.Time // the page tells what was known then; zero: this moment's
}

// frame returns the frame of a page of this request.
func (s *Site) frame(c echo.Context, title, nav string, l lens) frame {
	f := frame{Title: title, Nav: nav, Lens: l, Demo: s.Demo != nil, Version: s.Version, Zone: s.Zone.String(), Here: c.Request().URL.RequestURI()}
	if l.path != "" && c.Request().Method != http.MethodGet { // what was posted is shown again
		f.Here = string(l.With())
	}
	if l.Model == "" { // a page without the four still leads to pages with them
		f.Lens = lens{Model: usual, Agents: trail.Likely, zone: s.Zone}
	}
	if s.SignedIn != nil {
		f.User = s.SignedIn(c)
		f.Bare = f.User == ""
	}
	f.Asker = access.From(c.Request().Context())
	if s.DB != nil && !f.Bare {
		f.KnownAt = s.DB.KnownAt(c.Request().Context())
	}
	if cookie, err := c.Cookie("theme"); err == nil && (cookie.Value == "light" || cookie.Value == "dark") {
		f.Theme = cookie.Value
	}
	return f
}

func (s *Site) parsePages() (pages, error) {
	base, err := template.New("frame.html").Funcs(s.funcs()).ParseFS(templateFiles, "templates/frame.html", "templates/parts.html", "templates/print/budget_body.html")
	if err != nil {
		return nil, fmt.Errorf("parse templates: %w", err)
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	p := pages{}
	for _, f := range files {
		name := strings.TrimSuffix(path.Base(f), ".html")
		if name == "frame" || name == "parts" {
			continue
		}
		t, err := base.Clone()
		if err == nil {
			_, err = t.ParseFS(templateFiles, f)
		}
		if err != nil {
			return nil, fmt.Errorf("parse page %s: %w", name, err)
		}
		p[name] = t
	}
	return p, nil
}

func (s *Site) funcs() template.FuncMap {
	return template.FuncMap{
		"static": s.assets.url,
		"num":    number, "credit": credit, "money": money, "moneyText": moneyText, "percent": percent,
		"kind": kindWord, "glyph": glyph, "what": what, "openRate": openRate, "verdict": verdict, "why": why, "besides": besides, "plural": plural[uint64], "join": strings.Join,
		"link":  func(segments ...string) template.URL { return template.URL(join(segments...)) },
		"date":  func(t time.Time) template.HTML { return s.moment(t, "2 Jan 2006") },
		"time":  func(t time.Time) template.HTML { return s.moment(t, "2 Jan 2006, 15:04") },
		"ago":   func(t time.Time) string { return ago(t, s.Now()) },
		"clock": func(t time.Time) template.HTML { return s.moment(t, "15:04:05") },
		"prob":  func(p float32) string { return fmt.Sprintf("%.0f%%", 100*p) },
		"term":  term, "where": pageTitle, "hours": hoursWords, "unanswered": unanswered, "inTime": inTime, "outOf": outOf, "points": pointsWords, "chance": stageChance, "about": func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }, "judged": judged, "machines": machineShares,
		"name": repName, "contact": contactLink,
		"how": seenHow, "first10": func(all []trail.LeadContent) []trail.LeadContent { return all[:min(len(all), 10)] },
		"first": firstTouched, "rest": func(all []trail.Touched) int { return len(all) - len(firstTouched(all)) },
		"balance": balanceLines, "size": fileSize, "tied": func(rule string) string { return tiedWords[rule] },
		"stuck": func(m trail.MailboxStatus) bool { return m.Stuck(s.Now()) },
		"len64": func(list []string) uint64 { return uint64(len(list)) },
	}
}

// firstTouched are the contents that the review names; the deal's page has all.
func firstTouched(all []trail.Touched) []trail.Touched { return all[:min(len(all), 4)] }

// moment writes a time in the company's zone, with the exact one for programs.
func (s *Site) moment(t time.Time, layout string) template.HTML {
	if t.IsZero() || t.Year() <= 1970 {
		return `<span class="zero">–</span>`
	}
	local := t.In(s.Zone)
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`,
		t.UTC().Format(time.RFC3339), local.Format("Monday, 2 January 2006, 15:04:05 MST"), local.Format(layout)))
}

// repName shortens a rep's address to what people call them: the part before
// the @. The whole address stays in the title.
func repName(address string) template.HTML {
	who, _, _ := strings.Cut(address, "@")
	return template.HTML(fmt.Sprintf(`<span title="%s">%s</span>`, template.HTMLEscapeString(address), template.HTMLEscapeString(who)))
}

// contactLink writes a person as a link to their page; one who is shown as job role and
// account has no page to lead to.
func contactLink(l lens, address, name string) template.HTML {
	said := template.HTMLEscapeString(cmp.Or(name, address))
	if !strings.Contains(address, "@") {
		return template.HTML(said)
	}
	return template.HTML(fmt.Sprintf(`<a href="%s" title="%s">%s</a>`, template.HTMLEscapeString(string(l.Link("contacts", address))), template.HTMLEscapeString(address), said))
}

// render writes a page. It renders into memory first, so that a failing
// template gives a whole error page and not half a page. Asked for one of the page's
// tables as a file, it answers with that.
func (s *Site) render(c echo.Context, status int, page string, data any) error {
	var b bytes.Buffer
	if err := s.pages[page].ExecuteTemplate(&b, "frame.html", data); err != nil {
		return fmt.Errorf("render page %s: %w", page, err)
	}
	if name, format := c.QueryParam("table"), c.QueryParam("format"); status == http.StatusOK && name != "" && (format == "csv" || format == "xlsx") {
		t, ok := pageTable(b.Bytes(), name)
		if !ok {
			return trail.Problemf(trail.NotFound, "This page has no table %q, or there is nothing in it now.", name)
		}
		t.Name = page + "-" + name
		return s.sendFile(c, t)
	}
	h := c.Response().Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store") // pages name people
	body := b.Bytes()
	if page, ok := data.(interface {
		Files(table string) template.HTML
	}); ok {
		body = withFiles(body, page.Files)
	}
	return c.HTMLBlob(status, withoutClosed(body, access.From(c.Request().Context())))
}

// seeOther answers a form that was done: the browser goes on to a page.
func seeOther(c echo.Context, to template.URL) error {
	return c.Redirect(http.StatusSeeOther, string(to))
}
