package feed

import (
	"context"
	"strings"
	"testing"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// Of a CRM that is never asked a delivery is all that there ever is: that somebody whom it
// names is erased while it waits, or that it asks for what cannot be, must not lose what it
// and others say of deals.
func TestErasingLosesNoDelivery(t *testing.T) {
	s := standardSource("shop")
	w := newWorld(t, s)
	deal := func(id, stage, email string) string {
		return `{"type":"deal.created","timestamp":"2026-11-20T10:00:00Z","data":{"deal_id":"` + id + `","stage":"` + stage + `","status":"open","contacts":[{"email":"` + email + `","name":"Ann Canary"},{"email":"joann@acme.example","name":"Jo"},{"email":"none"}]}}`
	}
	t.Run("of whom it names", func(t *testing.T) {
		w.send("shop", "1", deal("S-1", "Offer", "ann@acme.example"))
		n, err := ingest.SweepState(t.Context(), w.Redis, trail.WithoutNames(trail.NamesPattern([]string{"ann@acme.example"}, []string{"Ann Canary"})))
		if n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if left := w.Redis.XRange(t.Context(), s.key("inbox"), "-", "+").Val(); len(left) != 1 || strings.Contains(left[0].Values["body"].(string), `"ann@`) || strings.Contains(left[0].Values["body"].(string), "Canary") {
			t.Fatalf("%+v", left)
		}
		w.turn(s)
		w.want("deals", dealsNow, "S-1 open Offer 1970-01-01 1")
		w.want("contacts", contactsNow, "joann@acme.example Jo")
	})
	t.Run("that cannot be", func(t *testing.T) {
		w.Erase = func(_ context.Context, person string) error {
			return trail.Problemf(trail.Invalid, "%s is on your own side.", person)
		}
		w.send("shop", "2", `{"type":"contact.erased","timestamp":"2026-11-20T11:00:00Z","data":{"email":"rita@ours.example"}}`)
		w.send("shop", "3", deal("S-2", "Demo", "bo@acme.example"))
		w.turn(s)
		if got := w.status("shop"); got.Aside != 1 || got.Waiting != 0 || got.Trouble != "" {
			t.Errorf("%+v", got)
		}
		if rows, err := w.Aside(t.Context(), "shop"); err != nil || len(rows) != 1 || !strings.Contains(rows[0].Reason, "own side") {
			t.Errorf("%+v, %v", rows, err)
		}
		w.want("deals", dealsNow, "S-1 open Offer 1970-01-01 1", "S-2 open Demo 1970-01-01 2")
	})
}
