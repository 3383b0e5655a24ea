package dashboards

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"dealtrail/store"
	"dealtrail/trail"
)

// foundPage lists what reps send that nobody keeps up to date.
type foundPage struct {
	frame
	Old, Near, New, Dismissed []trail.SightedRow
	Said                      string // what was just done
}

// foundCounts is how much of that there is.
type foundCounts struct{ Old, Near, New uint64 }

// Any reports whether there is anything.
func (n foundCounts) Any() bool { return n.Old+n.Near+n.New > 0 }

// String says it within a sentence.
func (n foundCounts) String() string {
	var parts []string
	for _, p := range []struct {
		n         uint64
		one, many string
	}{
		{n.Old, "piece of content in an old version", "pieces of content in old versions"},
		{n.Near, "file that is nearly a registered one", "files that are nearly registered ones"},
		{n.New, "link or file that is not registered", "links or files that are not registered"},
	} {
		if p.n > 0 {
			parts = append(parts, plural(p.n, p.one, p.many))
		}
	}
	return strings.Join(parts, ", ")
}

// countFound counts what was not dismissed.
func countFound(rows []trail.SightedRow) (n foundCounts) {
	for _, r := range rows {
		switch {
		case r.Dismissed:
		case r.Found == trail.OldVersion:
			n.Old++
		case r.Found == trail.NearCopy:
			n.Near++
		default:
			n.New++
		}
	}
	return n
}

func (s *Site) found(c echo.Context) error {
	l, err := s.readLens(c)
	if err != nil {
		return err
	}
	rows, err := s.source.Sighted(c.Request().Context(), s.Now(), store.Filter{})
	if err != nil {
		return err
	}
	page := foundPage{frame: s.frame(c, "What do reps send that nobody keeps up to date?", "found", l)}
	for _, r := range rows {
		switch {
		case r.Dismissed:
			page.Dismissed = append(page.Dismissed, r)
		case r.Found == trail.OldVersion:
			page.Old = append(page.Old, r)
		case r.Found == trail.NearCopy:
			page.Near = append(page.Near, r)
		default:
			page.New = append(page.New, r)
		}
	}
	page.Said = map[string]string{"1": "Dismissed. It is at the end of this page, should you want it back.", "0": "It is listed again."}[c.QueryParam("dismissed")]
	return s.render(c, http.StatusOK, "found", page)
}

// dismiss takes something off the list, or puts it back.
func (s *Site) dismiss(c echo.Context) error {
	size, _ := strconv.ParseUint(c.FormValue("size"), 10, 64) // a link has none
	r := trail.SightedRow{What: c.FormValue("what"), URL: c.FormValue("url"), Name: c.FormValue("name"), Size: size}
	dismissed := c.FormValue("undo") == ""
	if err := s.source.Dismiss(c.Request().Context(), r, dismissed); err != nil {
		return err
	}
	said := map[bool]string{true: "1", false: "0"}[dismissed]
	return seeOther(c, link("dismissed="+said, "content", "found"))
}

// registerFound registers a link as content under a title that is guessed from
// it, and leads to where that is mended.
func (s *Site) registerFound(c echo.Context) error {
	target := strings.TrimSpace(c.FormValue("url"))
	title := titleOf(target)
	id, err := s.freeID(c.Request().Context(), cmp.Or(slug(title), "page"))
	if err != nil {
		return err
	}
	if _, err := s.source.Register(c.Request().Context(), id, map[string]string{"title": title, "url": target}); err != nil {
		return err
	}
	return seeOther(c, link("new=1", "content", id)+"#target")
}

// freeID returns the ID, or the first of ID-2, ID-3... that no content has.
func (s *Site) freeID(ctx context.Context, id string) (string, error) {
	for n := 1; n < 100; n++ {
		next := id
		if n > 1 {
			next += "-" + strconv.Itoa(n)
		}
		used, err := s.source.Accepted(ctx, next)
		if err != nil {
			return "", err
		}
		if !used && !ownAddress(next) {
			return next, nil
		}
	}
	return "", trail.Problemf(trail.Conflict, "A hundred pieces of content are called %q already; register this one by hand.", id)
}

// titleOf makes a title of a URL's path or of a file's name: its last part that
// names anything, in words.
func titleOf(raw string) string {
	name, host := raw, ""
	if u, err := url.Parse(raw); err == nil && u.Host != "" {
		name, host = u.Path, u.Hostname()
	}
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '\\' })
	for i := len(parts) - 1; i >= 0; i-- {
		stem := parts[i]
		if ext := path.Ext(stem); len(ext) <= 6 && !strings.ContainsAny(ext, " _-") {
			stem = strings.TrimSuffix(stem, ext)
		}
		words := strings.FieldsFunc(stem, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("-_+.", r) })
		title := strings.Join(words, " ")
		if title == "" || strings.EqualFold(title, "index") || !strings.ContainsFunc(title, unicode.IsLetter) && i > 0 {
			continue
		}
		first, size := utf8.DecodeRuneInString(title)
		return string(unicode.ToUpper(first)) + title[size:]
	}
	return cmp.Or(host, raw)
}

// record writes events and waits a little until reports show them: a person reads
// what they did. They are safe whenever that is.
func (s *Site) record(ctx context.Context, events ...trail.Event) error {
	if err := s.Registry.Buffer.Append(ctx, events...); err != nil {
		return trail.Problemf(trail.Unavailable, "This cannot be written at the moment; try again in a few seconds.")
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.Registry.Patience, 5*time.Second))
	defer cancel()
	_ = s.Registry.Buffer.Settle(ctx)
	return nil
}
