package api

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// TestWhatIsRefusedLeavesALine refuses one thing and then far too many of another, under
// addresses that hold what nobody may find in a log.
func TestWhatIsRefusedLeavesALine(t *testing.T) {
	var log strings.Builder
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	r := &refusals{log: slog.New(slog.NewTextHandler(&log, nil)), now: func() time.Time { return now }}
	e := echo.New()
	ask := func(method, path string, code trail.Code, status int) {
		q := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
		q.Method = method
		c := e.NewContext(q, httptest.NewRecorder())
		e.Router().Find("GET", q.URL.Path, c)
		r.note(c, status, &trail.Problem{Code: code, Text: "secret words"})
	}
	e.GET("/v1/contacts/:email", func(echo.Context) error { return nil })
	ask("GET", "/v1/contacts/canary@buyer.example?canary=1", trail.Forbidden, http.StatusForbidden)
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `msg="request refused"`) || !strings.Contains(got, "route=/v1/contacts/:email status=403 code=forbidden") {
		t.Errorf("the log is %s", got)
	}
	for range 1000 {
		ask("GET", "/canary", trail.TooMany, http.StatusTooManyRequests)
	}
	ask("CANARY\nmsg=forged", "/canary", trail.TooLarge, http.StatusRequestEntityTooLarge)
	if n := strings.Count(log.String(), "status=429"); n != trail.LinesAMinute || !strings.Contains(log.String(), "status=413") {
		t.Errorf("%d lines of one status; those of the others are hidden: %v", n, !strings.Contains(log.String(), "status=413"))
	}
	now = now.Add(time.Minute)
	ask("GET", "/canary", trail.TooMany, http.StatusTooManyRequests)
	if !strings.Contains(log.String(), `msg="more requests were refused" status=429 n=970`) {
		t.Errorf("nobody is told how many more there were: %s", &log)
	}
	before := log.Len()
	ask("GET", "/", trail.Unauthorized, http.StatusUnauthorized)
	ask("GET", "/nothing", trail.NotFound, http.StatusNotFound)
	if log.Len() != before {
		t.Errorf("what happens all day is logged: %s", log.String()[before:])
	}
	if strings.Contains(strings.ToLower(log.String()), "canary") || strings.Contains(log.String(), "secret words") {
		t.Errorf("what was sent is in the log: %s", &log)
	}
}
