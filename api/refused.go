package api

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/trail"
)

// refusals writes down what was refused, so that whoever looks into the log sees that
// somebody tries. It names route, status and request, never what was sent: people type
// passwords into addresses. Requests are found in the proxy's log by their ID, with the
// address that this program does not keep.
type refusals struct {
	log   *slog.Logger
	now   func() time.Time
	lines trail.Lines[int] // by status
}

// told reports whether a refusal is worth a line: a page that asks for a sign-in is not, nor
// one that is not there, unless something was to be changed or to be reached by its path,
// nor a form that has an error.
func told(c echo.Context, status int) bool {
	switch status {
	case http.StatusUnauthorized:
		return c.Request().Header.Get(echo.HeaderAuthorization) != "" || c.Request().Method != http.MethodGet
	case http.StatusNotFound:
		return c.Request().Method != http.MethodGet && c.Request().Method != http.MethodHead || strings.Contains(c.Request().URL.Path, "..")
	case http.StatusConflict, http.StatusUnprocessableEntity:
		return false
	}
	return status >= 400 && status < 500
}

func (r *refusals) note(c echo.Context, status int, p *trail.Problem) {
	if !told(c, status) {
		return
	}
	more := func(status, n int, since time.Time) {
		r.log.Warn("more requests were refused", "status", status, "n", n, "since", since)
	}
	if !r.lines.Add(status, r.now(), more) {
		return
	}
	r.log.Warn("request refused", "request", requestID(c), "method", method(c.Request().Method), "route", c.Path(), "status", status, "code", p.Code, "who", access.From(c.Request().Context()).Name())
}

// method is a request's method, if it is one that HTTP knows: others are a stranger's text.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return m
	}
	return "other"
}
