package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// problem is the body of every error, after RFC 9457.
type problem struct {
	Type    string     `json:"type"`
	Title   string     `json:"title"`
	Status  int        `json:"status"`
	Detail  string     `json:"detail"`
	Code    trail.Code `json:"code"`
	Request string     `json:"request"` // the request ID, as in the log
}

// statuses gives each code its HTTP status; what is not here is a 500.
var statuses = map[trail.Code]int{
	trail.Invalid:      http.StatusBadRequest,
	trail.NotFound:     http.StatusNotFound,
	trail.NoRun:        http.StatusNotFound,
	trail.Unauthorized: http.StatusUnauthorized,
	trail.Forbidden:    http.StatusForbidden,
	trail.Conflict:     http.StatusConflict,
	trail.TooMany:      http.StatusTooManyRequests,
	trail.TooLarge:     http.StatusRequestEntityTooLarge,
	trail.Unavailable:  http.StatusServiceUnavailable,
	trail.LocalAddress: http.StatusUnprocessableEntity,
}

// ErrorHandler is the one place where errors become responses: JSON for
// programs, page for browsers. A trail.Problem is shown; anything else is
// logged with the request's ID and shown as an internal error. What is refused is logged
// too, as far as somebody may want to know that it was tried.
func ErrorHandler(log *slog.Logger, page func(c echo.Context, status int, p *trail.Problem, request string) error) echo.HTTPErrorHandler {
	refused := &refusals{log: log, now: time.Now}
	return func(err error, c echo.Context) {
		if c.Response().Committed {
			log.Error("response was cut short", "request", requestID(c), "err", err)
			return
		}
		p, status := shown(err)
		if status == http.StatusInternalServerError {
			log.Error("request failed", "request", requestID(c), "method", method(c.Request().Method), "route", c.Path(), "err", err)
		}
		refused.note(c, status, p)
		if status == http.StatusServiceUnavailable {
			c.Response().Header().Set("Retry-After", "2")
		}
		if c.Request().Method == http.MethodHead {
			err = c.NoContent(status)
		} else if strings.HasPrefix(c.Request().URL.Path, "/v1/") || !strings.Contains(c.Request().Header.Get("Accept"), "text/html") {
			c.Response().Header().Set(echo.HeaderContentType, "application/problem+json")
			c.Response().WriteHeader(status)
			err = json.NewEncoder(c.Response()).Encode(problem{"about:blank", http.StatusText(status), status, p.Text, p.Code, requestID(c)})
		} else {
			err = page(c, status, p, requestID(c))
		}
		if err != nil {
			log.Error("error was not delivered", "request", requestID(c), "err", err)
		}
	}
}

// shown returns what a caller may see of an error.
func shown(err error) (*trail.Problem, int) {
	var p *trail.Problem
	var he *echo.HTTPError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		if status := statuses[p.Code]; status != 0 {
			return p, status
		}
	case errors.As(err, &tooLarge):
		return &trail.Problem{Code: trail.TooLarge, Text: "The body is larger than this address takes."}, http.StatusRequestEntityTooLarge
	case errors.As(err, &he) && he.Code < 500:
		code := map[int]trail.Code{404: trail.NotFound, 405: trail.Invalid, 413: trail.TooLarge}[he.Code]
		if code == "" {
			code = trail.Invalid
		}
		return &trail.Problem{Code: code, Text: http.StatusText(he.Code) + "."}, he.Code
	case errors.Is(err, context.DeadlineExceeded):
		return &trail.Problem{Code: trail.Unavailable, Text: "The answer took too long; try again in a moment."}, http.StatusServiceUnavailable
	}
	return &trail.Problem{Code: "internal", Text: "Internal error. The log has the details under the request ID."}, http.StatusInternalServerError
}

func requestID(c echo.Context) string {
	return c.Response().Header().Get(echo.HeaderXRequestID)
}
