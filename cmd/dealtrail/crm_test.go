package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dealtrail/trail"
)

// A CRM delivers a deal, and within seconds it is a deal with its contact, as the API, the
// commands and the status say.
func TestADealThatIsDeliveredIsADeal(t *testing.T) {
	key := bytes.Repeat([]byte("k"), 32)
	r := start(t, func(c *Config) {
		if err := os.WriteFile(filepath.Join(filepath.Dir(c.path), "shop-secret"), []byte("whsec_"+base64.StdEncoding.EncodeToString(key)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c.CRMs = map[string]CRM{"shop": {Type: "standard", SecretFile: "shop-secret"}}
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
	if out := r.command("crm", "aside", "shop"); !strings.Contains(out, "unheard-of") || !strings.Contains(out, "its type is none of") {
		t.Errorf("aside: %s", out)
	}
	s := ask1[trail.Status](r, "/v1/status")
	if !strings.Contains(strings.Join(s.Trouble, "\n"), "dealtrail crm aside shop") {
		t.Errorf("status: %q", s.Trouble)
	}
}
