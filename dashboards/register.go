package dashboards

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

const (
	maxUpload = 200 << 20 // bytes of one form with its files
	maxFiles  = 100       // files of one upload
)

// newContentPage is the form for registering content, with what was typed and
// what is wrong with it.
type newContentPage struct {
	frame
	Form     contentForm
	Problem  string
	Wanted   string   // the name of a file that was seen in mails
	Accepted []string // contents that were taken before the problem
}

type contentForm struct {
	ID, Title, Kind, URL, OtherURLs, Stage, Persona, Owner, Tags, Version, PublishedAt, ExpiresAt string
}

func readContentForm(c echo.Context) contentForm {
	value := func(name string) string { return strings.TrimSpace(c.FormValue(name)) }
	return contentForm{
		ID: value("id"), Title: value("title"), Kind: value("kind"), URL: value("url"), OtherURLs: value("other_urls"),
		Stage: value("stage"), Persona: value("persona"), Owner: value("owner"), Tags: value("tags"),
		Version: value("version"), PublishedAt: value("published_at"), ExpiresAt: value("expires_at"),
	}
}

// attrs returns what the form says of the content. What it leaves open stays as
// it is when the content is registered already.
func (f contentForm) attrs(zone *time.Location) (map[string]string, error) {
	attrs := map[string]string{
		"title": f.Title, "kind": f.Kind, "url": f.URL, "other_urls": f.OtherURLs, "stage": f.Stage,
		"persona": f.Persona, "owner": f.Owner, "tags": strings.ReplaceAll(f.Tags, ",", " "), "version": f.Version,
	}
	for _, said := range [][2]string{{"published_at", f.PublishedAt}, {"expires_at", f.ExpiresAt}} {
		at, err := day(said[1], zone, 0)
		if err != nil {
			return nil, err
		}
		attrs[said[0]] = stamp(at)
	}
	maps.DeleteFunc(attrs, func(_, value string) bool { return value == "" })
	return attrs, nil
}

// newContent shows the form, for a file that was seen in mails with its name and,
// if it is a version of some content, that one's ID.
func (s *Site) newContent(c echo.Context) error {
	page := newContentPage{Wanted: c.QueryParam("file"), Form: contentForm{ID: c.QueryParam("id")}}
	if page.Wanted != "" && page.Form.ID == "" {
		page.Form.Title = titleOf(page.Wanted)
	}
	return s.renderNewContent(c, http.StatusOK, page)
}

func (s *Site) renderNewContent(c echo.Context, status int, p newContentPage) error {
	p.frame = s.frame(c, "Register content", "new", lens{})
	return s.render(c, status, "new", p)
}

// registerContent takes the form or files. Files are registered one after the
// other; what was taken before one fails stays, and the page says so.
func (s *Site) registerContent(c echo.Context) error {
	if err := unhurried(c); err != nil {
		return err
	}
	c.Request().Body = http.MaxBytesReader(c.Response(), c.Request().Body, maxUpload)
	m, err := c.MultipartForm()
	var files []*multipart.FileHeader
	switch tooLarge := (*http.MaxBytesError)(nil); {
	case errors.As(err, &tooLarge):
		return trail.Problemf(trail.TooLarge, "The upload is larger than the %d MB that are allowed.", maxUpload>>20)
	case err == nil:
		defer m.RemoveAll()
		files = m.File["files"]
	case !errors.Is(err, http.ErrNotMultipart):
		return trail.Problemf(trail.Invalid, "The upload broke off. Try again.")
	}
	form := readContentForm(c)
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
	attrs, err := form.attrs(s.Zone)
	if err != nil {
		return nil, err
	}
	switch {
	case len(files) > maxFiles:
		return nil, trail.Problemf(trail.TooLarge, "These are %d files; upload at most %d at once.", len(files), maxFiles)
	case len(files) == 0:
		id, err := s.takeURL(ctx, form, attrs)
		if err != nil {
			return nil, err
		}
		return []string{id}, nil
	case len(files) > 1 && (form.ID != "" || form.Title != "" || form.URL != ""):
		return nil, trail.Problemf(trail.Invalid, "ID, title and URL belong to one piece of content; leave them empty to upload several files.")
	}
	for _, f := range files {
		ids, err := s.takeFile(ctx, form.ID, f, attrs, taken)
		if taken = append(taken, ids...); err != nil {
			return taken, err
		}
	}
	return taken, nil
}

// takeURL registers content that is elsewhere, under an ID that is new.
func (s *Site) takeURL(ctx context.Context, form contentForm, attrs map[string]string) (string, error) {
	id := form.ID
	if id == "" {
		id = slug(form.Title)
	}
	switch {
	case form.URL == "":
		return "", trail.Problemf(trail.Invalid, "Give the URL where the content is, or choose a file.")
	case form.Title == "":
		return "", trail.Problemf(trail.Invalid, "Give the content a title: it is what reports call it.")
	case id == "" || ownAddress(id):
		return "", trail.Problemf(trail.Invalid, "No ID can be made of the title %q; give one.", form.Title)
	}
	used, err := s.source.Accepted(ctx, id)
	if err == nil && used {
		err = trail.Problemf(trail.Conflict, "Another content has the ID %q already.", id)
	}
	if err == nil {
		_, err = s.source.Register(ctx, id, attrs)
	}
	return id, err
}

// ownAddress reports whether an ID is where one of our pages is.
func ownAddress(id string) bool { return id == "new" || id == "found" }

// takeFile registers a file. The same name as before is a new version of the
// same content, but within one upload each file is its own: of two whose names
// make the same ID, as deck.pdf and deck.pptx do, the second keeps its ending. A
// ZIP is the files that it holds.
func (s *Site) takeFile(ctx context.Context, id string, f *multipart.FileHeader, attrs map[string]string, taken []string) (ids []string, err error) {
	name := path.Base(strings.ReplaceAll(f.Filename, `\`, "/")) // some browsers send the whole path
	if slices.Contains(taken, slug(strings.TrimSuffix(name, path.Ext(name)))) {
		if id = slug(name); slices.Contains(taken, id) {
			return nil, trail.Problemf(trail.Conflict, "Another file of this upload has the ID %q too; upload %s alone, with an ID.", id, name)
		}
	}
	body, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("open upload: %w", err)
	}
	defer body.Close()
	reports, err := s.source.AddFile(ctx, name, body, f.Size, id, attrs)
	var refused []string
	for _, r := range reports {
		if r.Reason != "" {
			refused = append(refused, r.Name+": "+r.Reason)
			continue
		}
		ids = append(ids, r.Content)
	}
	if err == nil && len(refused) > 0 {
		err = trail.Problemf(trail.Invalid, "Not all of %s could be registered. %s", name, strings.Join(refused, " "))
	}
	return ids, err
}

// slug makes an ID of a title as the registry does of a file's name: words in
// lower case with hyphens between.
func slug(title string) string {
	words := strings.FieldsFunc(strings.ToLower(title), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return strings.Join(words, "-")
}
