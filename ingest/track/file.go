package track

import (
	"errors"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
	"unicode"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// serveFile answers with a content's own file, to be shown in the browser.
func (t *Tracker) serveFile(c echo.Context, target trail.Target) error {
	if target.File == "" || t.File == nil {
		t.log().Warn("content without url and file", "content", target.Content)
		return t.nowhere(c)
	}
	f, err := t.File(target.File)
	if err != nil {
		t.log().Error("content file", "content", target.Content, "err", err)
		return t.nowhere(c)
	}
	defer f.Close()
	name, media := safeName(target.FileName), mediaType(target)
	h := c.Response().Header()
	h.Set("Content-Type", media)
	h.Set("X-Content-Type-Options", "nosniff")
	disposition := mime.FormatMediaType("inline", map[string]string{"filename": name})
	if disposition == "" {
		disposition = "inline"
	}
	h.Set("Content-Disposition", disposition)
	if active(media) {
		h.Set("Content-Security-Policy", "sandbox") // it must not act as a page of ours
	}
	http.ServeContent(&patient{c.Response(), http.NewResponseController(c.Response())}, c.Request(), name, time.Time{}, f)
	return nil
}

// stall is how long nothing of a file may get through before its reader counts
// as gone.
const stall = time.Minute

// patient lets a slow line take as long as it needs, whatever the server's
// deadline for an answer, as long as something gets through.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (p *patient) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(stall)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.ResponseWriter.Write(b)
}

// mediaType is what was registered, else what the name says, else bytes.
func mediaType(target trail.Target) string {
	for _, s := range []string{target.FileType, mime.TypeByExtension(path.Ext(target.FileName))} {
		if media, params, err := mime.ParseMediaType(s); err == nil && strings.Contains(media, "/") {
			if strings.HasPrefix(media, "text/") && params["charset"] == "" {
				params["charset"] = "utf-8"
			}
			return mime.FormatMediaType(media, params)
		}
	}
	return "application/octet-stream"
}

// active reports whether a browser would run what is in such a file.
func active(media string) bool {
	media, _, _ = strings.Cut(media, ";")
	return media == "text/html" || media == "text/xml" || media == "application/xml" || strings.HasSuffix(media, "+xml")
}

// safeName returns a file name without folders and without characters that turn
// or end text, of at most 150 bytes.
func safeName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || strings.ContainsRune(`"<>|:*?;%`, r) || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	if name = strings.Trim(name, " ."); len(name) > 150 {
		ext := path.Ext(name)
		if len(ext) > 10 {
			ext = ""
		}
		name = strings.ToValidUTF8(name[:150-len(ext)], "") + ext
	}
	if name == "" {
		return "file"
	}
	return name
}
