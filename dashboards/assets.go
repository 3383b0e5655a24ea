package dashboards

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

//go:embed all:static
var staticFiles embed.FS

// asset is one static file. Its URL carries a hash of its content, so browsers
// keep it for a year and never see an old one.
type asset struct {
	hash string
	kind string // media type
	body []byte
	gzip func() []byte // compressed on first use; nil if that gains nothing
}

type assets struct{ byName map[string]*asset }

func readAssets() (*assets, error) {
	a := &assets{byName: map[string]*asset{}}
	err := fs.WalkDir(staticFiles, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := staticFiles.ReadFile(name)
		if err != nil {
			return err
		}
		kind := mime.TypeByExtension(path.Ext(name))
		if kind == "" || path.Ext(name) == ".md" {
			return nil // the vendor folder's README is for people who read the source
		}
		sum := sha256.Sum256(body)
		a.byName[strings.TrimPrefix(name, "static/")] = &asset{
			hash: hex.EncodeToString(sum[:6]), kind: kind, body: body,
			gzip: sync.OnceValue(func() []byte { return compress(body) }),
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read static files: %w", err)
	}
	return a, nil
}

func compress(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(body) // writes to memory do not fail
	w.Close()
	return b.Bytes()
}

// url returns where a static file is, or "" if it is not there: the vendor
// files exist only after `make assets`.
func (a *assets) url(name string) string {
	f := a.byName[name]
	if f == nil {
		return ""
	}
	return "/static/" + f.hash + "/" + name
}

func (s *Site) static(c echo.Context) error {
	f := s.assets.byName[param(c, "*")]
	if f == nil {
		return trail.Problemf(trail.NotFound, "There is no such file.")
	}
	h := c.Response().Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	if param(c, "hash") == f.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	if strings.Contains(c.Request().Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		return c.Blob(http.StatusOK, f.kind, f.gzip())
	}
	return c.Blob(http.StatusOK, f.kind, f.body)
}
