package dashboards

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"path"
	"strconv"
	"strings"
	"unicode"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

const (
	maxFile  = 200 << 20 // bytes of one file
	maxFiles = 100       // files of one upload
)

// newContentPage is the form for registering content, with what was typed and
// what is wrong with it.
type newContentPage struct {
	frame
	Form     contentForm
	Problem  string
	Accepted []string // files that were taken before the problem
}

type contentForm struct {
	ID, Title, Kind, URL, OtherURLs, Stage, Persona, Owner, Tags, Version, PublishedAt, ExpiresAt string
}

// upload is a file on its way in.
type upload struct {
	Name, Type string
	Body       io.Reader
}

func (s *Site) newContent(c echo.Context) error {
	return s.renderNewContent(c, http.StatusOK, newContentPage{})
}

func (s *Site) renderNewContent(c echo.Context, status int, p newContentPage) error {
	p.frame = s.frame(c, "Register content", "content", lens{})
	return s.render(c, status, "new", p)
}

// registerContent takes the form or files. Files are registered one after the
// other; what was taken before one fails stays, and the page says so.
func (s *Site) registerContent(c echo.Context) error {
	form := contentForm{
		ID: c.FormValue("id"), Title: c.FormValue("title"), Kind: c.FormValue("kind"), URL: c.FormValue("url"), OtherURLs: c.FormValue("other_urls"),
		Stage: c.FormValue("stage"), Persona: c.FormValue("persona"), Owner: c.FormValue("owner"), Tags: c.FormValue("tags"),
		Version: c.FormValue("version"), PublishedAt: c.FormValue("published_at"), ExpiresAt: c.FormValue("expires_at"),
	}
	var files []*multipart.FileHeader
	if m, err := c.MultipartForm(); err == nil {
		files = m.File["files"]
	} else if !errors.Is(err, http.ErrNotMultipart) {
		return trail.Problemf(trail.Invalid, "The upload broke off. Try again.")
	}
	taken, err := s.take(c.Request().Context(), form, files)
	if text, ok := problemText(err); ok {
		return s.renderNewContent(c, http.StatusUnprocessableEntity, newContentPage{Form: form, Problem: text, Accepted: taken})
	}
	if err != nil {
		return err
	}
	if len(taken) == 1 {
		return seeOther(c, link("new=1", "content", taken[0]))
	}
	return seeOther(c, link("new="+strconv.Itoa(len(taken))))
}

// take registers the form's content or each file and returns their IDs.
func (s *Site) take(ctx context.Context, form contentForm, files []*multipart.FileHeader) (taken []string, err error) {
	switch {
	case len(files) > maxFiles:
		return nil, trail.Problemf(trail.TooLarge, "These are %d files; upload at most %d at once.", len(files), maxFiles)
	case len(files) == 0 && strings.TrimSpace(form.URL) == "":
		return nil, trail.Problemf(trail.Invalid, "Give the URL where the content is, or choose a file.")
	case len(files) == 0:
		id, err := s.takeOne(ctx, form, nil)
		return append(taken, id), err
	case len(files) > 1 && (form.ID != "" || form.Title != "" || form.URL != ""):
		return nil, trail.Problemf(trail.Invalid, "ID, title and URL belong to one piece of content; leave them empty to upload several files.")
	}
	for _, f := range files {
		id, err := s.takeFile(ctx, form, f)
		if err != nil {
			return taken, err
		}
		taken = append(taken, id)
	}
	return taken, nil
}

func (s *Site) takeFile(ctx context.Context, form contentForm, f *multipart.FileHeader) (string, error) {
	body, err := f.Open()
	if err != nil {
		return "", fmt.Errorf("open upload: %w", err)
	}
	defer body.Close()
	name := path.Base(strings.ReplaceAll(f.Filename, `\`, "/"))
	if form.Title == "" {
		form.Title = titleOf(name)
	}
	u := upload{Name: name, Type: mime.TypeByExtension(path.Ext(name)), Body: body}
	if u.Type == "" {
		u.Type = "application/octet-stream"
	}
	if form.Kind == "" {
		form.Kind = strings.ToUpper(strings.TrimPrefix(path.Ext(name), "."))
	}
	return s.takeOne(ctx, form, &u)
}

// takeOne registers one piece of content. An ID that the form does not give is
// made of the title; if another content has it, a number is added.
func (s *Site) takeOne(ctx context.Context, form contentForm, u *upload) (string, error) {
	attrs := map[string]string{}
	for key, value := range map[string]string{
		"title": form.Title, "kind": form.Kind, "url": form.URL, "other_urls": strings.Join(strings.Fields(form.OtherURLs), " "), "stage": form.Stage,
		"persona": form.Persona, "owner": form.Owner, "tags": strings.Join(strings.Fields(strings.ReplaceAll(form.Tags, ",", " ")), " "), "version": form.Version,
	} {
		if value = strings.TrimSpace(value); value != "" {
			attrs[key] = value
		}
	}
	for key, value := range map[string]string{"published_at": form.PublishedAt, "expires_at": form.ExpiresAt} {
		at, err := day(value, s.Zone, 0)
		if err != nil {
			return "", err
		}
		if !at.IsZero() {
			attrs[key] = stamp(at)
		}
	}
	if attrs["title"] == "" {
		return "", trail.Problemf(trail.Invalid, "Give the content a title: it is what reports call it.")
	}
	if url := attrs["url"]; url != "" {
		if err := trail.CheckTarget(url); err != nil {
			return "", err
		}
	}
	id, err := s.freeID(ctx, strings.TrimSpace(form.ID), attrs["title"])
	if err != nil {
		return "", err
	}
	if u != nil {
		sha, size, err := s.source.Keep(*u)
		if err != nil {
			return "", err
		}
		attrs["file"], attrs["file_name"], attrs["file_type"], attrs["file_size"] = sha, u.Name, u.Type, strconv.FormatInt(size, 10)
	}
	_, err = s.source.Register(ctx, id, attrs)
	return id, err
}

func (s *Site) freeID(ctx context.Context, given, title string) (string, error) {
	if given != "" {
		used, err := s.source.Accepted(ctx, given)
		if err == nil && used {
			err = trail.Problemf(trail.Conflict, "Another content has the ID %q already.", given)
		}
		return given, err
	}
	base := slug(title)
	for n := 1; n < 1000; n++ {
		id := base
		if n > 1 {
			id += "-" + strconv.Itoa(n)
		}
		if used, err := s.source.Accepted(ctx, id); err != nil || !used {
			return id, err
		}
	}
	return "", trail.Problemf(trail.Conflict, "Too many pieces of content are called %q; give this one an ID.", title)
}

// slug returns a title as an ID: letters and digits in lower case, the rest as
// single hyphens.
func slug(title string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(title) {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() > 60 {
			break
		}
	}
	if s := strings.Trim(b.String(), "-"); s != "" && s != "new" {
		return s
	}
	return "content"
}

// titleOf makes a title of a file's name: "pricing_2026.pdf" is "pricing 2026".
func titleOf(name string) string {
	title := strings.TrimSuffix(name, path.Ext(name))
	return strings.Join(strings.FieldsFunc(title, func(r rune) bool { return r == '_' || unicode.IsSpace(r) }), " ")
}
