package feed

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"dealtrail/trail"
)

func day(s string) time.Time {
	at, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		panic(err)
	}
	return at
}

// HubSpot from the first day: everything is read, then what is delivered or changed, in a
// server that pages, is busy and is broken now and then.
func TestHubSpotIsReadInFullAndThenByWhatChanges(t *testing.T) {
	h := newHubspotServer(t)
	s := h.source()
	w := newWorld(t, s)
	h.set(1, day("2026-09-01 10:00"), "dealname", "Acme (ask bo@acme.example)", "dealstage", "demo", "amount", "1200.50", "deal_currency_code", "USD", "hubspot_owner_id", "11", "closedate", "2026-12-31T00:00:00Z")
	h.set(1, day("2026-10-01 10:00"), "dealstage", "offer")
	h.set(2, day("2026-09-02 10:00"), "dealname", "Beta", "dealstage", "demo", "amount", "700")
	h.set(2, day("2026-10-02 10:00"), "dealstage", "closedwon")
	h.set(3, day("2023-01-01 10:00"), "dealname", "Long ago", "dealstage", "closedlost")
	h.set(4, day("2026-09-04 10:00"), "dealname", "Delta", "dealstage", "demo")
	h.set(5, day("2026-09-05 10:00"), "dealname", "Epsilon", "dealstage", "demo")
	h.answers = []func(http.ResponseWriter){
		func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "3")
			w.WriteHeader(http.StatusTooManyRequests)
		},
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) },
	}
	acme := "1 Acme (ask (address)) open Offer 1200.5 USD anna@example.com Acme 1970-01-01 2"
	beta := "2 Beta won Won 700 EUR Acme 2026-10-02 2"
	delta, epsilon := "4 Delta open Demo Acme 1970-01-01 2", "5 Epsilon open Demo Acme 1970-01-01 2"
	stages := []string{"1 Demo 2026-09-01 10:00:00.000", "1 Offer 2026-10-01 10:00:00.000", "2 Demo 2026-09-02 10:00:00.000", "2 Won 2026-10-02 10:00:00.000", "4 Demo 2026-09-04 10:00:00.000", "5 Demo 2026-09-05 10:00:00.000"}
	check := func(t *testing.T, deals ...string) {
		t.Helper()
		w.want("deals", dealsNow, deals...)
	}

	t.Run("a check stores nothing", func(t *testing.T) {
		c, err := w.Check(t.Context(), "hubspot")
		if err != nil || len(c.Deals) != 4 || len(c.Pipelines) != 1 || len(c.Pipelines[0].Stages) != 4 || len(w.events) != 0 {
			t.Fatalf("%+v, %v, %d events", c, err, len(w.events))
		}
		if d := c.Deals[0]; d.ID != "1" || d.Stage != "Offer" || d.Contacts != 2 || d.Stages != 2 {
			t.Fatalf("%+v", d)
		}
		if _, err := w.Reconcile(t.Context(), "hubspot", time.Time{}, time.Time{}); err == nil {
			t.Fatal("there is something to compare with")
		}
	})
	t.Run("everything", func(t *testing.T) {
		if n := w.turn(s); n == 0 {
			t.Fatal("nothing was pulled")
		}
		check(t, acme, beta, delta, epsilon)
		w.want("stages", stagesNow, stages...)
		w.want("contacts", contactsNow, "bo@acme.example Bo Acme Buyer DECISION_MAKER", "cy@acme.example Cy Acme Buyer DECISION_MAKER")
		if got := w.status("hubspot"); got.Deals != 4 || got.FullAt.IsZero() || got.Trouble != "" || got.NextAt.Sub(got.PulledAt) < 59*time.Minute || got.Pipelines[0].Stages[2].Means != "won" {
			t.Fatalf("%+v", got)
		}
	})
	t.Run("nothing changed", func(t *testing.T) {
		asked := len(h.asked)
		if n := w.turn(s); n != 0 || len(h.asked) != asked {
			t.Fatalf("%d events, %d questions", n, len(h.asked)-asked)
		}
		w.clock = w.clock.Add(time.Hour)
		if n := w.turn(s); n != 0 || len(h.asked) == asked {
			t.Fatalf("%d events after an hour, %d questions", n, len(h.asked)-asked)
		}
	})
	t.Run("a missed change is pulled", func(t *testing.T) {
		h.set(4, w.clock, "dealstage", "closedlost", "closed_lost_reason", "Too dear")
		w.clock = w.clock.Add(time.Hour)
		w.turn(s)
		delta = "4 Delta lost Lost Acme 2026-11-22 2"
		check(t, acme, beta, delta, epsilon)
	})
	t.Run("a delivery makes us look, once", func(t *testing.T) {
		h.set(5, w.clock, "dealstage", "offer")
		body := events(w.clock, 5, 5, 123456)
		for range 3 {
			if err := w.deliver(body); err != nil {
				t.Fatal(err)
			}
		}
		if got := w.status("hubspot"); got.Waiting != 1 || got.Accepted != 1 {
			t.Fatalf("%+v", got)
		}
		if n := w.turn(s); n != 2 { // the deal, and the stage that it entered
			t.Fatalf("%d events", n)
		}
		epsilon = "5 Epsilon open Offer Acme 1970-01-01 2"
		check(t, acme, beta, delta, epsilon)
		var many []int
		for i := range 100 {
			many = append(many, i)
		}
		if err := w.deliver(events(w.clock, many...)); err != nil {
			t.Fatal(err)
		}
		if n := w.turn(s); n == 0 { // deal 3 too: somebody spoke of it
			t.Fatal("a hundred changes said nothing")
		}
		h.remove(3)
		if err := w.deliver(events(w.clock, 3)); err != nil {
			t.Fatal(err)
		}
		w.turn(s)
		check(t, acme, beta, delta, epsilon)
	})
	t.Run("what is not the CRM's", func(t *testing.T) {
		before := w.status("hubspot").Refused
		d := Delivery{"POST", "https://go.example.com/v1/webhooks/hubspot", header("X-HubSpot-Request-Timestamp", "1", "X-HubSpot-Signature-v3", hubspotSignature), []byte(`[{"secret":"canary"}]`)}
		err := w.Receive(t.Context(), "hubspot", d)
		if p := (*trail.Problem)(nil); !errors.As(err, &p) || p.Code != trail.Unauthorized {
			t.Fatal(err)
		}
		if w.Receive(t.Context(), "nobody", d) == nil {
			t.Fatal("a CRM that is not there takes deliveries")
		}
		got := w.status("hubspot")
		if log := w.log.String(); got.Refused != before+1 || strings.Contains(log, "canary") || strings.Count(log, "was refused") != 1 {
			t.Fatalf("%+v\n%s", got, log)
		}
	})
	t.Run("what is not understood", func(t *testing.T) {
		if err := w.deliver(`{"canary":1}`); err != nil {
			t.Fatal(err)
		}
		w.turn(s)
		rows, err := w.Aside(t.Context(), "hubspot")
		if err != nil || len(rows) != 1 || rows[0].Body != `{"canary":1}` || !strings.Contains(rows[0].Reason, "not expected") {
			t.Fatalf("%+v, %v", rows, err)
		}
		if n, err := w.Again(t.Context(), "hubspot"); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		w.turn(s)
		if got := w.status("hubspot"); got.Aside != 1 || got.Waiting != 0 {
			t.Fatalf("%+v", got)
		}
		if err := w.Redis.Del(t.Context(), s.key("aside")).Err(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a person is to be erased", func(t *testing.T) {
		const body = `[{"subscriptionType":"contact.privacyDeletion","objectId":501,"portalId":62515},{"subscriptionType":"contact.privacyDeletion","objectId":999,"portalId":62515}]`
		if err := w.deliver(body); err != nil {
			t.Fatal(err)
		}
		w.turn(s)
		if len(w.erased) != 1 || w.erased[0] != string(contactKey.ID("bo@acme.example")) {
			t.Fatalf("erased %q", w.erased)
		}
		erase := w.Erase
		w.Erase = nil
		if err := w.deliver(strings.Replace(body, "501", "502", 1)); err != nil {
			t.Fatal(err)
		}
		w.turn(s)
		if rows, _ := w.Aside(t.Context(), "hubspot"); len(rows) != 1 || !strings.Contains(rows[0].Reason, "erase") {
			t.Fatalf("%+v", rows)
		}
		w.Erase = erase
		if _, err := w.Again(t.Context(), "hubspot"); err != nil {
			t.Fatal(err)
		}
		w.turn(s)
		if len(w.erased) != 2 || w.status("hubspot").Aside != 0 {
			t.Fatalf("erased %q", w.erased)
		}
	})
	t.Run("everything again tells what is gone, merged or called otherwise", func(t *testing.T) {
		h.remove(4)
		h.remove(5)
		h.set(1, w.clock, "hs_merged_object_ids", "5")
		if err := w.SetStages(t.Context(), "hubspot", map[string]trail.CRMMeaning{"demo": {Name: "First call"}, "offer": {Means: "won"}, "closedwon": {Name: "Won"}}); err != nil {
			t.Fatal(err)
		}
		w.turn(s)
		check(t, "1 Acme (ask (address)) won Offer 1200.5 USD anna@example.com Acme 2026-12-31 2", beta)
		w.want("stages", stagesNow+" LIMIT 2", "1 First call 2026-09-01 10:00:00.000", "1 Offer 2026-10-01 10:00:00.000")
		if n := w.turn(s); n != 0 {
			t.Fatalf("%d events for nothing", n)
		}
		if err := w.SetStages(t.Context(), "hubspot", map[string]trail.CRMMeaning{"demo": {Means: "maybe"}}); err == nil {
			t.Fatal("a meaning that is none")
		}
		if err := w.SetStages(t.Context(), "hubspot", map[string]trail.CRMMeaning{"nothing": {}}); err == nil {
			t.Fatal("a stage that is none")
		}
		if err := w.SetStages(t.Context(), "hubspot", map[string]trail.CRMMeaning{"demo": {}, "offer": {}}); err != nil {
			t.Fatal(err)
		}
		w.turn(s)
		check(t, acme, beta)
		w.want("stages", stagesNow+" LIMIT 1", "1 Demo 2026-09-01 10:00:00.000")
	})
	t.Run("the two are compared", func(t *testing.T) {
		r, err := w.Reconcile(t.Context(), "hubspot", day("2026-10-01 00:00"), day("2026-11-01 00:00"))
		if err != nil || len(r.Rows) != 0 || len(r.Counts) != 2 || r.Counts[0] != (trail.ReconciledCount{Pipeline: "Sales", Status: "won", CRM: 1, Here: 1}) {
			t.Fatalf("%+v, %v", r, err)
		}
		// A file says otherwise later, and knows a deal that the CRM does not.
		if _, err := w.Importer.Import(t.Context(), "deals", "deals.csv", strings.NewReader("id,status,closed_at\n2,lost,2026-10-05\n77,won,2026-10-05\n"), false); err != nil {
			t.Fatal(err)
		}
		r, err = w.Reconcile(t.Context(), "hubspot", day("2026-10-01 00:00"), day("2026-11-01 00:00"))
		if err != nil || len(r.Rows) != 1 || r.Rows[0].ID != "2" || r.Rows[0].CRM != "won" || r.Rows[0].Here != "lost" || !strings.Contains(r.Rows[0].Reason, "a file") {
			t.Fatalf("%+v, %v", r, err)
		}
		if r, err = w.Reconcile(t.Context(), "hubspot", day("2026-11-01 00:00"), time.Time{}); err != nil || len(r.Rows) != 0 || len(r.Counts) != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
	})
	t.Run("what is wrong is said", func(t *testing.T) {
		for want, answer := range map[string]func(http.ResponseWriter){
			"does not accept the token": func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) },
			"scopes":                    func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) },
			"cannot be read":            func(w http.ResponseWriter) { io.WriteString(w, "<html>maintenance</html>") },
		} {
			if err := w.Ask(t.Context(), "hubspot", false); err != nil {
				t.Fatal(err)
			}
			h.answers = []func(http.ResponseWriter){answer}
			api, _ := s.asks()
			err := w.Feeds.turn(t.Context(), s, api)
			w.trouble(t.Context(), s, err)
			if got := w.status("hubspot").Trouble; !strings.Contains(got, want) || strings.Contains(w.log.String(), "pat-token") {
				t.Fatalf("trouble %q, want %q", got, want)
			}
		}
		// A delivery that HubSpot refuses to answer for does not hold up the others.
		for _, id := range []int{1, 2} {
			if err := w.deliver(events(w.clock, id)); err != nil {
				t.Fatal(err)
			}
		}
		refuse := func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadRequest) }
		h.answers = []func(http.ResponseWriter){refuse, refuse}
		w.note(t.Context(), s, "next_at", ms(w.clock.Add(time.Hour)), "want", "")
		w.turn(s)
		if got := w.status("hubspot"); got.Waiting != 0 || got.Aside != 1 {
			t.Fatalf("%+v", got)
		}
	})
}

// A tool that signs its deliveries needs no more. Two deliveries of one name with different
// bodies: the first one counts, the other is kept. And nobody looks after a feed that runs:
// it takes turns until it is told to end.
func TestAnyToolMayDeliver(t *testing.T) {
	s := standardSource("shop")
	w := newWorld(t, s)
	w.send("shop", "m1", strings.Replace(standardBody, "Acme", "First", 1))
	w.send("shop", "m1", strings.Replace(standardBody, "Acme", "Second", 1))
	w.turn(s)
	w.want("deals", dealsNow, "X-1 First open Demo 1250.5 EUR anna@example.com 1970-01-01 1")
	if rows, err := w.Aside(t.Context(), "shop"); err != nil || len(rows) != 1 || !strings.Contains(rows[0].Reason, "same name") || !strings.Contains(rows[0].Body, "Second") {
		t.Fatalf("%+v, %v", rows, err)
	}
	// Stages that only deliveries tell of can be said to mean something.
	if got := w.status("shop").Pipelines; len(got) != 1 || got[0].Stages[0].ID != "Demo" {
		t.Fatalf("%+v", got)
	}
	if err := w.Ask(t.Context(), "shop", true); err == nil {
		t.Fatal("a tool that only delivers is asked")
	}
	// An inbox has room for so much; what is in it counts no more once it was read.
	if bytes := w.Redis.HGet(t.Context(), s.key("status"), "bytes").Val(); bytes != "0" {
		t.Fatalf("%s bytes wait", bytes)
	}

	ctx, cancel := context.WithCancel(t.Context())
	emit, done := w.Importer.Emit, make(chan struct{}, 10)
	w.Importer.Emit = func(ctx context.Context, events ...trail.Event) error {
		defer func() { done <- struct{}{} }()
		return emit(ctx, events...)
	}
	w.Share = func(ctx context.Context, names []string, work func(context.Context, string)) error {
		work(ctx, names[0])
		return nil
	}
	w.Now, w.Importer.Now = time.Now, time.Now
	w.clock = time.Now()
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()
	w.send("shop", "m2", `{"type":"deal.updated","timestamp":"2026-11-20T11:00:00Z","data":{"deal_id":"X-2","name":"Beta"}}`)
	<-done
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	w.want("deals", dealsNow, "X-1 First open Demo 1250.5 EUR anna@example.com 1970-01-01 1", "X-2 Beta open 1970-01-01 0")
}

// TestForgedDeliveriesDoNotFillTheLog sends many, as anybody can who knows the address.
func TestForgedDeliveriesDoNotFillTheLog(t *testing.T) {
	h := newHubspotServer(t)
	w := newWorld(t, h.source())
	forged := func(n int) {
		t.Helper()
		for range n {
			d := Delivery{"POST", "https://go.example.com/v1/webhooks/hubspot", header("X-HubSpot-Request-Timestamp", "1", "X-HubSpot-Signature-v3", hubspotSignature), []byte(`[]`)}
			if p := (*trail.Problem)(nil); !errors.As(w.Receive(t.Context(), "hubspot", d), &p) || p.Code != trail.Unauthorized {
				t.Fatal("taken")
			}
		}
	}
	forged(100)
	if n := strings.Count(w.log.String(), "was refused"); n != 30 {
		t.Errorf("%d lines of 100 deliveries", n)
	}
	w.clock = w.clock.Add(time.Minute)
	forged(1)
	log := w.log.String()
	if n := strings.Count(log, "was refused"); n != 31 || !strings.Contains(log, "more deliveries were refused") || !strings.Contains(log, "n=70") {
		t.Errorf("%d lines, and of the others:\n%s", n, log)
	}
	if got := w.status("hubspot"); got.Refused != 101 {
		t.Errorf("%d are counted", got.Refused)
	}
}
