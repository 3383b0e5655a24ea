package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dealtrail/trail"
)

// closeServer answers as Close does, with one opportunity.
func closeServer(t *testing.T) *httptest.Server {
	answers := map[string]string{
		"/api/v1/pipeline/":                           `{"data":[{"id":"p","name":"Sales","statuses":[{"id":"s1","label":"Active","type":"active"},{"id":"s2","label":"Won","type":"won"}]}]}`,
		"/api/v1/opportunity/":                        `{"data":[{"id":"oppo_1","lead_id":"lead_1","lead_name":"Acme","status_id":"s2","status_type":"won","pipeline_id":"p","value":125050,"value_currency":"EUR","user_id":"u","date_created":"2026-09-01T08:00:00+00:00","date_updated":"2026-11-20T08:00:00+00:00","date_won":"2026-11-20"}],"has_more":false}`,
		"/api/v1/user/":                               `{"data":[{"id":"u","email":"anna@example.com"}],"has_more":false}`,
		"/api/v1/lead/lead_1/":                        `{"display_name":"Acme","url":"https://acme.example","contacts":[{"id":"c","name":"Cy","emails":[{"email":"cy@acme.example"}]}]}`,
		"/api/v1/activity/status_change/opportunity/": `{"data":[{"new_status_id":"s2","date_created":"2026-11-20T08:00:00+00:00"}],"has_more":false}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if key, _, _ := q.BasicAuth(); key != "api-key" || answers[q.URL.Path] == "" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprint(w, answers[q.URL.Path])
	}))
	t.Cleanup(server.Close)
	return server
}

// A CRM delivers a deal and another one is asked, and within seconds there are deals with
// their contacts, as the API, the commands and the status say.
func TestWhatCRMsTellAreDeals(t *testing.T) {
	t.Parallel()
	asked := closeServer(t)
	if r, err := askingClient(false).Get(asked.URL); err == nil {
		r.Body.Close()
		t.Error("a CRM on this machine is asked although nobody allowed it")
	}
	key := bytes.Repeat([]byte("k"), 32)
	r := start(t, func(c *Config) {
		if err := os.WriteFile(filepath.Join(filepath.Dir(c.path), "shop-secret"), []byte("whsec_"+base64.StdEncoding.EncodeToString(key)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(c.path), "close-key"), []byte("api-key\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c.CRMs = map[string]CRM{"shop": {Type: "standard", SecretFile: "shop-secret"}, "close": {TokenFile: "close-key", URL: asked.URL, AllowPrivate: true}}
	})
	deliver := func(id, body string) int {
		t.Helper()
		stamp := fmt.Sprint(time.Now().Unix())
		h := hmac.New(sha256.New, key)
		fmt.Fprintf(h, "%s.%s.%s", id, stamp, body)
		q, err := http.NewRequestWithContext(t.Context(), "POST", r.api.URL+"/v1/webhooks/shop", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("webhook-id", id)
		q.Header.Set("webhook-timestamp", stamp)
		q.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil)))
		answer, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	const deal = `{"type":"deal.stage_changed","timestamp":"2026-11-20T10:00:00Z","data":{"deal_id":"X-1","name":"Acme","stage":"Demo","status":"open","amount":"1250.50","currency":"EUR","contacts":[{"email":"bo@acme.example","name":"Bo"}]}}`
	for id, body := range map[string]string{"m1": deal, "m2": `{"type":"deal.unheard-of","data":{}}`} {
		if code := deliver(id, body); code != http.StatusNoContent {
			t.Fatalf("%s: %d", id, code)
		}
	}
	eventually(t, "the delivered deal is there and the other one set aside", func() bool {
		var d trail.DealDetail
		err := r.api.Get(t.Context(), "/v1/deals/X-1", nil, &d)
		list := r.command("crm", "list", "--format", "csv")
		return err == nil && d.Stage == "Demo" && len(d.Contacts) == 1 && d.Contacts[0].Address == "bo@acme.example" && strings.Contains(list, "shop,standard,0,") && strings.Contains(list, ",0,1,0,")
	})
	eventually(t, "the CRM that is asked was", func() bool {
		var d trail.DealDetail
		err := r.api.Get(t.Context(), "/v1/deals/oppo_1", nil, &d)
		out, _ := r.try("crm", "compare", "close") // before it was asked there is nothing to compare
		return err == nil && d.Status == "won" && d.Owner == "anna@example.com" && len(d.Contacts) == 1 && strings.Contains(out, "Sales, won: CRM 1, here 1")
	})
	if out := r.command("crm", "check", "close"); !strings.Contains(out, "pipeline Sales: Active > Won (won)") || !strings.Contains(out, "oppo_1") {
		t.Errorf("check: %s", out)
	}
	if out := r.command("crm", "pull", "close", "--full"); !strings.Contains(out, "close is asked") {
		t.Errorf("pull: %s", out)
	}
	if _, err := r.try("crm", "pull", "shop"); err == nil {
		t.Error("a tool that only delivers is asked")
	}
	if out := r.command("crm", "aside", "shop"); !strings.Contains(out, "unheard-of") || !strings.Contains(out, "its type is none of") {
		t.Errorf("aside: %s", out)
	}
	s := ask1[trail.Status](r, "/v1/status")
	if !strings.Contains(strings.Join(s.Trouble, "\n"), "dealtrail crm aside shop") {
		t.Errorf("status: %q", s.Trouble)
	}
}
