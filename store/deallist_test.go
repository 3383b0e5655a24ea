package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/trail"
)

func TestAListOfDealsIsOrderedNarrowedAndCounted(t *testing.T) {
	t.Parallel()
	db := openCompany(t)
	all := must(db.Deals(t.Context(), store.Filter{}))(t)
	by := map[string]trail.DealRow{}
	for _, d := range all {
		by[d.ID] = d
	}
	told := func(q store.DealQuery, f store.Filter) (ids string, n store.DealSums) {
		t.Helper()
		rows, n, err := db.DealList(t.Context(), q, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range rows {
			ids += d.ID + " "
			check(t, d.ID, d, by[d.ID])
		}
		return strings.TrimSpace(ids), n
	}
	ids, n := told(store.DealQuery{Every: true}, store.Filter{})
	if len(strings.Fields(ids)) != len(all) || n.All != uint64(len(all)) || n.Won+n.Lost > n.All || n.Won == 0 {
		t.Fatalf("%s: %+v of %d", ids, n, len(all))
	}
	for _, order := range []string{"touched", "closed", "touches", "value", "name", "account", "status", "stage", "owner"} {
		up, _ := told(store.DealQuery{Every: true, Order: order}, store.Filter{})
		down, _ := told(store.DealQuery{Every: true, Order: "-" + order}, store.Filter{})
		if len(up) != len(ids) || len(down) != len(ids) {
			t.Errorf("by %s: %s and %s", order, up, down)
		}
	}
	newest, _, err := db.DealList(t.Context(), store.DealQuery{Every: true, Order: "-touched"}, store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(newest); i++ {
		if newest[i].LastTouch.After(newest[i-1].LastTouch) {
			t.Errorf("%s was touched after %s", newest[i].ID, newest[i-1].ID)
		}
	}
	for _, status := range []string{"open", "won", "lost"} {
		ids, same := told(store.DealQuery{Every: true, Status: status}, store.Filter{})
		if same != n {
			t.Errorf("of %s deals there are %+v in all, want %+v", status, same, n)
		}
		for _, id := range strings.Fields(ids) {
			check(t, id+"'s status", by[id].Status, status)
		}
	}
	if ids, none := told(store.DealQuery{}, store.Filter{}); ids != "" || none.All != 0 {
		t.Errorf("nobody's deals are %s: %+v", ids, none)
	}
	for _, d := range all { // each in the hands of its owner alone, and until it closed
		q := store.DealQuery{Reps: []store.Owned{{Rep: d.Owner}}}
		if ids, _ := told(q, store.Filter{}); d.Owner != "" && !strings.Contains(" "+ids+" ", " "+d.ID+" ") {
			t.Errorf("%s has not %s but %s", d.Owner, d.ID, ids)
		}
		q.Reps[0].Last = d.ClosedAt.Add(time.Millisecond)
		ids, _ := told(q, store.Filter{})
		if has := strings.Contains(" "+ids+" ", " "+d.ID+" "); d.Owner != "" && has != !d.ClosedAt.IsZero() {
			t.Errorf("who left the team after %s closed has it: %v", d.ID, has)
		}
		if !d.ClosedAt.IsZero() {
			ids, _ := told(store.DealQuery{Every: true}, store.Filter{From: d.ClosedAt, To: d.ClosedAt.Add(time.Millisecond)})
			if !strings.Contains(" "+ids+" ", " "+d.ID+" ") {
				t.Errorf("%s is not in the period in which it closed: %s", fmt.Sprint(d.ID), ids)
			}
		}
	}
}
