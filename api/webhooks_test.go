package api_test

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/api"
	"dealtrail/ingest"
	"dealtrail/ingest/crm/feed"
	"dealtrail/ingest/redistest"
)

// crms are two CRMs before a real Redis, and how a body is delivered to them.
func crms(t *testing.T) (feeds *feed.Feeds, redis *ingest.Redis, post func(path, body string, header map[string]string) *http.Response, log *strings.Builder) {
	t.Helper()
	redis, rdb := redistest.Start(t)
	log = &strings.Builder{}
	secrets := func() ([]string, error) { return []string{"app-secret"}, nil }
	feeds = &feed.Feeds{
		Redis: rdb, Now: time.Now, Log: slog.New(slog.NewTextHandler(log, nil)), Public: "https://go.example.com",
		Sources: []*feed.Source{
			{Name: "hubspot", Kind: feed.HubSpot, Secrets: secrets, Token: func() (string, error) { return "", nil }},
			{Name: "sf", Kind: feed.Salesforce, Secrets: secrets, Organization: "00D50000000JG4b"},
			{Name: "pulled", Kind: feed.Close, Token: func() (string, error) { return "", nil }},
		},
	}
	s := &api.Server{Metrics: http.NotFoundHandler(), Log: feeds.Log, Feeds: feeds}
	e := echo.New()
	e.HTTPErrorHandler = api.ErrorHandler(feeds.Log, nil)
	s.Routes(e.Group(""))
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	return feeds, redis, func(path, body string, header map[string]string) *http.Response {
		t.Helper()
		q, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range header {
			q.Header.Set(k, v)
		}
		r, err := server.Client().Do(q)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Body.Close() })
		return r
	}, log
}

// signed are the headers by which HubSpot proves a body that it sends to an address.
func signed(address, body string) map[string]string {
	stamp := strconv.FormatInt(time.Now().UnixMilli(), 10)
	h := hmac.New(sha256.New, []byte("app-secret"))
	io.WriteString(h, "POST"+address+body+stamp)
	return map[string]string{"X-HubSpot-Request-Timestamp": stamp, "X-HubSpot-Signature-v3": base64.StdEncoding.EncodeToString(h.Sum(nil))}
}

func TestADeliveryIsAnsweredOnceItIsDurable(t *testing.T) {
	feeds, redis, post, log := crms(t)
	const path, public = "/v1/webhooks/hubspot", "https://go.example.com"
	want := func(what string, r *http.Response, code int) {
		t.Helper()
		if r.StatusCode != code {
			body, _ := io.ReadAll(r.Body)
			t.Errorf("%s: %d, want %d: %s", what, r.StatusCode, code, body)
		}
	}
	const body = `[{"subscriptionType":"deal.creation","objectId":1,"portalId":1,"canary":"bo@acme.example"}]`
	want("as signed", post(path, body, signed(public+path, body)), http.StatusNoContent)
	want("with a query", post(path+"?a=b%40c", body, signed(public+path+"?a=b@c", body)), http.StatusNoContent)
	want("again", post(path, body, signed(public+path, body)), http.StatusNoContent)
	if s, err := feeds.StatusOf(t.Context(), "hubspot"); err != nil || s.Waiting != 1 || s.Accepted != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	want("for another address", post(path, body, signed("https://evil.example"+path, body)), http.StatusUnauthorized)
	want("unsigned", post(path, body, nil), http.StatusUnauthorized)
	forged := signed(public+path, body)
	r := post(path, strings.Replace(body, "1", "2", 1), forged)
	want("another body", r, http.StatusUnauthorized)
	if answer, _ := io.ReadAll(r.Body); bytes.Contains(answer, []byte("canary")) || !bytes.Contains(answer, []byte(`"code":"unauthorized"`)) {
		t.Errorf("the answer is %s", answer)
	}
	if strings.Contains(log.String(), "acme.example") || strings.Count(log.String(), "was refused") != 3 {
		t.Errorf("the log is %s", log)
	}
	want("no such CRM", post("/v1/webhooks/nobody", body, nil), http.StatusNotFound)
	want("one that delivers nothing", post("/v1/webhooks/pulled", body, nil), http.StatusNotFound)

	large := "[" + strings.Repeat(" ", 1<<20) + "]"
	want("too large", post(path, large, signed(public+path, large)), http.StatusRequestEntityTooLarge)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write(make([]byte, 10<<20))
	z.Close()
	h := signed(public+path, bomb.String())
	h["Content-Encoding"] = "gzip"
	want("compressed", post(path, bomb.String(), h), http.StatusUnsupportedMediaType)

	soap := `<e><notifications><OrganizationId>00D50000000JG4bEAG</OrganizationId><SessionId>00D!session-secret</SessionId></notifications></e>`
	r = post("/v1/webhooks/sf?key=app-secret", soap, nil)
	want("an outbound message", r, http.StatusOK)
	if answer, _ := io.ReadAll(r.Body); string(answer) != feed.SalesforceAck || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/xml") {
		t.Errorf("Salesforce hears %s", answer)
	}
	if kept := feeds.Redis.XRange(t.Context(), "dealtrail:crm:{sf}:inbox", "-", "+").Val(); len(kept) != 1 || strings.Contains(kept[0].Values["body"].(string), "session-secret") {
		t.Errorf("kept %v", kept)
	}
	want("an outbound message without its key", post("/v1/webhooks/sf", soap, nil), http.StatusUnauthorized)

	redis.Close()
	r = post(path, body, signed(public+path, body))
	want("without Redis", r, http.StatusServiceUnavailable)
	if r.Header.Get("Retry-After") == "" {
		t.Error("nobody is told when to try again")
	}
}
