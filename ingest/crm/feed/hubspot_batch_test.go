package feed

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// What HubSpot leaves out of an answer, and says so, is asked again, and what it never tells
// is listed: nothing of it is taken for deleted, and no deal for one with nobody on it.
func TestWhatHubSpotLeavesOutIsAskedAgainOrListed(t *testing.T) {
	h := newHubspotServer(t)
	s := h.source()
	w := newWorld(t, s)
	h.page = 10
	for id := 1; id <= 3; id++ {
		h.set(id, w.clock.Add(-time.Hour), "dealname", fmt.Sprint("D", id), "dealstage", "demo", "amount", "10")
	}
	deals := func(want ...string) {
		t.Helper()
		w.want("deals", "SELECT concat(deal, ' ', name, ' ', status, ' ', toString(length(contacts))) FROM deals(as_of = '2200-01-01 00:00:00') ORDER BY deal", want...)
	}
	silent := func(want ...string) {
		t.Helper()
		if got := w.status("hubspot"); !slices.Equal(got.Silent, want) || got.Trouble != "" {
			t.Errorf("listed are %q (%s), want %q", got.Silent, got.Trouble, want)
		}
	}
	const read, ties, people = "/crm/v3/objects/deals/batch/read", "/crm/v4/associations/deals/contacts/batch/read", "/crm/v3/objects/contacts/batch/read"
	pull := func(path string, p *partial) {
		t.Helper()
		h.mu.Lock()
		h.partial = map[string]*partial{path: p}
		h.mu.Unlock()
		if err := w.Ask(t.Context(), "hubspot", true); err != nil {
			t.Fatal(err)
		}
		w.turn(s)
		if p.times == 100 {
			t.Fatalf("%s was not asked", path)
		}
	}
	always := func(category string, ids ...string) *partial { return &partial{ids, category, 100} }
	pull(read, &partial{[]string{"2"}, "INTERNAL_ERROR", 2})
	deals("1 D1 open 2", "2 D2 open 2", "3 D3 open 2")
	silent()
	h.set(1, w.clock, "dealname", "E1")
	for _, path := range []string{read, ties, people} {
		left := []string{"1"}
		if path == people {
			left = []string{"502"}
		}
		p := always("INTERNAL_ERROR", left...)
		pull(path, p)
		if path == people { // everybody has one on their deals who is not told
			silent("1", "2", "3")
		} else {
			silent("1")
		}
		deals("1 D1 open 2", "2 D2 open 2", "3 D3 open 2")
	}
	pull(read, &partial{})
	deals("1 E1 open 2", "2 D2 open 2", "3 D3 open 2")
	silent()
	pull(ties, &partial{[]string{"3"}, "OBJECT_NOT_FOUND", 100}) // as HubSpot says that nobody is on it
	deals("1 E1 open 2", "2 D2 open 2", "3 D3 open 0")
	pull(read, always("OBJECT_NOT_FOUND", "2"))
	deals("1 E1 open 2", "3 D3 open 2")
	silent()
}

func TestWhomHubSpotWantsErasedAndWhoIsOnNoDeal(t *testing.T) {
	h := newHubspotServer(t)
	s := h.source()
	w := newWorld(t, s)
	h.names = map[string]string{"701 false": "di@acme.example", "702 true": "Ed@acme.example"}
	deliver := func(body string) {
		t.Helper()
		if err := w.deliver(body); err != nil {
			t.Fatal(err)
		}
		w.turn(s)
	}
	erase := func(id int) string {
		return fmt.Sprintf(`[{"subscriptionType":"contact.privacyDeletion","objectId":%d,"portalId":62515}]`, id)
	}
	deliver(`[{"subscriptionType":"contact.propertyChange","objectId":700,"portalId":62515,"propertyName":"email","propertyValue":"Cy@acme.example"}]`)
	for id := 700; id < 704; id++ {
		deliver(erase(id))
	}
	if want := []string{string(contactKey.ID("cy@acme.example")), "di@acme.example", "ed@acme.example"}; !slices.Equal(w.erased, want) {
		t.Errorf("erased are %q, want %q", w.erased, want)
	}
	got := w.status("hubspot")
	if len(got.Unmatched) != 1 || got.Unmatched[0].ID != "703" || got.Unmatched[0].At.IsZero() || got.Aside+got.Waiting > 0 {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(w.log.String(), "whose address is not known") {
		t.Errorf("the log says %s", w.log.String())
	}

	t.Run("what is set aside goes by its age", func(t *testing.T) {
		w.clock = time.Now()
		old := w.clock.Add(-asideLife - time.Hour)
		for _, at := range []time.Time{old, old.Add(2 * time.Hour)} {
			err := w.Redis.XAdd(t.Context(), &redis.XAddArgs{Stream: s.key("aside"), ID: ms(at) + "-0", Values: []any{"body", `{"canary":1}`, "at", ms(at), "reason", "old"}}).Err()
			if err != nil {
				t.Fatal(err)
			}
		}
		w.swept.Clear()
		w.turn(s)
		if n := w.status("hubspot").Aside; n != 1 {
			t.Errorf("%d are left, want the one that is younger than %s", n, asideLife)
		}
		w.clock = w.clock.Add(59 * time.Minute)
		w.turn(s)
		w.clock = w.clock.Add(2 * time.Hour)
		w.turn(s)
		if n := w.status("hubspot").Aside; n != 0 {
			t.Errorf("%d are left", n)
		}
		deliver(`{"canary":2}`)
		if left := w.Redis.PTTL(t.Context(), s.key("aside")).Val(); left <= 0 || left > asideLife {
			t.Errorf("what is set aside goes in %s", left)
		}
	})
	t.Run("what is read again counts as what waits", func(t *testing.T) {
		bytes := func() string { return w.Redis.HGet(t.Context(), s.key("status"), "bytes").Val() }
		if n, err := w.Again(t.Context(), "hubspot"); n != 1 || err != nil || bytes() != fmt.Sprint(len(`{"canary":2}`)) {
			t.Errorf("%d, %v, %s bytes", n, err, bytes())
		}
		w.turn(s)
		if got := w.status("hubspot"); got.Aside != 1 || got.Waiting != 0 || bytes() != "0" {
			t.Errorf("%+v, %s bytes", got, bytes())
		}
		if err := w.deliver(`{"canary":3}`); err != nil {
			t.Fatal(err)
		}
		if err := w.Redis.HSet(t.Context(), s.key("status"), "bytes", inboxBytes).Err(); err != nil {
			t.Fatal(err)
		}
		if n, err := w.Again(t.Context(), "hubspot"); n != 0 || err == nil || !strings.Contains(err.Error(), "Too many deliveries") || w.status("hubspot").Aside != 1 {
			t.Errorf("a full inbox takes %d, %v", n, err)
		}
	})
}
