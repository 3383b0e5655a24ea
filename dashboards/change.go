package dashboards

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// changeForm is what a content is called and where its links lead, with what is wrong with what was
// typed.
type changeForm struct {
	Title, Kind, URL, Version, ExpiresAt, Successor, Problem string
}

// changeFormOf is the form of a content as it is.
func (s *Site) changeFormOf(r trail.ContentRow) changeForm {
	f := changeForm{Title: r.Title, Kind: r.Kind, URL: r.URL, Version: r.Version, Successor: r.Successor}
	if !r.ExpiresAt.IsZero() {
		f.ExpiresAt = r.ExpiresAt.In(s.Zone).Format(time.DateOnly)
	}
	return f
}

// change gives a content another title, kind, target, version, end or successor. Links that
// are out already follow.
func (s *Site) change(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	id := param(c, "id")
	value := func(name string) string { return strings.TrimSpace(c.FormValue(name)) }
	form := changeForm{Title: value("title"), Kind: value("kind"), URL: value("url"), Version: value("version"), ExpiresAt: value("expires_at"), Successor: value("successor")}
	at, err := day(form.ExpiresAt, s.Zone, 0)
	if err == nil {
		if value("withdraw") != "" {
			at = s.Now()
		}
		attrs := map[string]string{"version": form.Version, "expires_at": stamp(at), "successor": form.Successor}
		for name, v := range map[string]string{"url": form.URL, "title": form.Title, "kind": form.Kind} {
			if v != "" { // a content with a file has no URL, and none is without a title
				attrs[name] = v
			}
		}
		err = s.registerChange(c.Request().Context(), id, attrs)
	}
	if text, ok := problemText(err); ok {
		form.Problem = text
		return s.renderContent(c, http.StatusUnprocessableEntity, l, id, contentForms{Change: form})
	}
	if err != nil {
		return err
	}
	return seeOther(c, link("changed=1", "content", id)+"#target")
}

// registerChange changes a content that there is, with a successor that there is.
func (s *Site) registerChange(ctx context.Context, id string, attrs map[string]string) error {
	for _, other := range []string{id, attrs["successor"]} {
		if other == "" {
			continue
		}
		known, err := s.source.Accepted(ctx, other)
		if err != nil {
			return err
		}
		if !known {
			return trail.Problemf(trail.NotFound, "There is no content %q.", other)
		}
	}
	_, err := s.source.Register(ctx, id, attrs)
	return err
}
