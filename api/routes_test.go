package api_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/api"
	"dealtrail/trail"
)

// document reads openapi.yaml and checks it against the OpenAPI rules.
func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestRoutesAndDocumentAgree(t *testing.T) {
	e := echo.New()
	s := &api.Server{Access: &access.Access{}, Metrics: http.NotFoundHandler()}
	s.Operations(e.Group(""))
	s.Routes(e.Group(""))
	var mounted, documented []string
	for _, r := range e.Routes() {
		if r.Method == echo.RouteNotFound {
			continue
		}
		parts := strings.Split(r.Path, "/")
		for i, p := range parts {
			if name, ok := strings.CutPrefix(p, ":"); ok {
				parts[i] = "{" + name + "}"
			}
		}
		mounted = append(mounted, r.Method+" "+strings.Join(parts, "/"))
	}
	for path, item := range document(t).Paths.Map() {
		if strings.HasPrefix(path, "/c/") || strings.HasPrefix(path, "/o/") || strings.HasPrefix(path, "/stop/") {
			continue // mounted by the tracker, see ingest/track
		}
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	slices.Sort(mounted)
	slices.Sort(documented)
	for _, r := range mounted {
		if !slices.Contains(documented, r) {
			t.Errorf("openapi.yaml does not describe %s", r)
		}
	}
	for _, r := range documented {
		if !slices.Contains(mounted, r) {
			t.Errorf("openapi.yaml describes %s, which is not mounted", r)
		}
	}
}

func TestEveryErrorIsAProblemThatHidesInternals(t *testing.T) {
	var log strings.Builder
	e := echo.New()
	e.HTTPErrorHandler = api.ErrorHandler(slog.New(slog.NewTextHandler(&log, nil)), func(c echo.Context, status int, p *trail.Problem, _ string) error {
		return c.HTML(status, "<p>"+p.Text)
	})
	e.GET("/v1/boom", func(echo.Context) error { return io.ErrUnexpectedEOF })
	e.GET("/v1/gone", func(echo.Context) error { return trail.Problemf(trail.NotFound, "There is no such deal.") })
	e.GET("/page", func(echo.Context) error { return trail.Problemf(trail.NotFound, "There is no such page.") })

	get := func(path, accept string) (int, string, string) {
		req := httptest.NewRequest(http.MethodGet, path, nil)
		req.Header.Set("Accept", accept)
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, req)
		return rec.Code, rec.Header().Get("Content-Type"), rec.Body.String()
	}
	code, kind, body := get("/v1/boom", "*/*")
	if code != 500 || kind != "application/problem+json" || strings.Contains(body, "EOF") || !strings.Contains(log.String(), "EOF") {
		t.Errorf("internal error: %d %s %s; log %s", code, kind, body, &log)
	}
	if code, _, body := get("/v1/gone", "text/html"); code != 404 || !strings.Contains(body, `"code":"not_found"`) || !strings.Contains(body, "no such deal") {
		t.Errorf("problem: %d %s", code, body)
	}
	if code, kind, body := get("/page", "text/html"); code != 404 || !strings.HasPrefix(kind, "text/html") || !strings.Contains(body, "no such page") {
		t.Errorf("page: %d %s %s", code, kind, body)
	}
}

func TestMetricsAreForTheNeighbours(t *testing.T) {
	e := echo.New()
	e.IPExtractor = echo.ExtractIPDirect()
	e.HTTPErrorHandler = api.ErrorHandler(slog.New(slog.DiscardHandler), nil)
	s := &api.Server{Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "dealtrail_events 1\n") })}
	s.Operations(e.Group(""))
	for from, want := range map[string]int{
		"127.0.0.1:5000": 200, "[::1]:5000": 200, "10.1.2.3:5000": 200, "[fd00::1]:5000": 200, "[::ffff:192.168.0.9]:5000": 200,
		"8.8.8.8:5000": 404, "[2600::1]:5000": 404, "[::ffff:8.8.8.8]:5000": 404, "nobody": 404,
	} {
		req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		req.RemoteAddr = from
		answer := httptest.NewRecorder()
		if e.ServeHTTP(answer, req); answer.Code != want || strings.Contains(answer.Body.String(), "dealtrail_events") != (want == 200) {
			t.Errorf("%s is answered %d %q, want %d", from, answer.Code, answer.Body, want)
		}
	}
}
