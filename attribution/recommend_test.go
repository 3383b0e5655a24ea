package attribution_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func TestWhatIsHeldBackIsNotRecommendedToTheDealNorToNobody(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	now := day.AddDate(0, 0, 1)
	x := holdouts(db, &now)
	j := &attribution.Job{DB: db, Options: attribution.Options{Currency: "EUR"}, Now: func() time.Time { return now }}
	events := []trail.Event{registeredContent("case"), registeredContent("deck")}
	for i := range 20 {
		events = append(events, deal(fmt.Sprintf("D-%d", i), "status", "open", "stage", "Demo", "name", "The deal"))
	}
	insert(t, db, append(events, deal("L", "status", "lost"), touch("early", day, trail.Viewed, "deck", "c", "D-7"))...)
	if _, err := db.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask := func(q attribution.SendQuestion) (ids string, answer *trail.Recommendations) {
		t.Helper()
		answer, err := attribution.WhatToSend(t.Context(), j, x, q, store.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range answer.Rows {
			ids += r.Content + " "
		}
		return ids, answer
	}
	if ids, a := ask(attribution.SendQuestion{Deal: "D-1"}); ids != "case deck " || a.Stage != "Demo" || a.DealName != "The deal" || len(a.Notes) != 0 || a.Rows[0].Why != "Nobody has sent it yet." {
		t.Errorf("without a holdout and a run: %+v", a)
	}
	if _, a := ask(attribution.SendQuestion{Deal: "D-7"}); a.Rows[0].HadAt.IsZero() == a.Rows[1].HadAt.IsZero() {
		t.Errorf("what the people had: %+v", a.Rows)
	}
	if _, a := ask(attribution.SendQuestion{Deal: "L"}); len(a.Notes) != 1 || !strings.Contains(a.Notes[0], "lost already") {
		t.Errorf("a lost deal: %+v", a)
	}

	h, _, err := x.Start(t.Context(), trail.Holdout{Content: "case", Part: 0.5}, "api")
	if err != nil {
		t.Fatal(err)
	}
	asked := map[trail.Arm]int{}
	for i := range 20 {
		id := fmt.Sprintf("D-%d", i)
		want := "case deck "
		if h.Arm(id) == trail.HeldBack {
			want = "deck "
		}
		if asked[h.Arm(id)]++; asked[h.Arm(id)] > 2 {
			continue
		}
		ids, a := ask(attribution.SendQuestion{Deal: id})
		if ids != want || len(a.Notes) != 0 {
			t.Errorf("%s is in the arm %s and gets %s%v", id, h.Arm(id), ids, a.Notes)
		}
	}
	if len(asked) != 2 {
		t.Fatal("all deals are in one arm: the test tests nothing")
	}
	if ids, a := ask(attribution.SendQuestion{Stage: "Demo"}); ids != "deck " || len(a.Notes) != 1 || strings.Contains(a.Notes[0], "case") {
		t.Errorf("to no deal in particular: %s%v", ids, a.Notes)
	}
	// The draws are in the ledger, and it holds until the horizon is over.
	if ledger, err := db.HoldoutLedger(t.Context(), store.Filter{}, h.ID); err != nil || len(ledger) != min(asked[trail.HeldBack], 2)+min(asked[trail.Recommended], 2) {
		t.Errorf("%d draws, %v", len(ledger), err)
	}
	now = now.AddDate(0, 0, 1)
	if _, _, err := x.End(t.Context(), h.ID, time.Time{}, "api"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	if ids, _ := ask(attribution.SendQuestion{Stage: "Demo"}); ids != "deck " {
		t.Errorf("after the end, while deals are held back: %s", ids)
	}
	now = now.Add(h.Horizon())
	if ids, _ := ask(attribution.SendQuestion{Stage: "Demo"}); ids != "case deck " {
		t.Errorf("after the horizon: %s", ids)
	}
	for want, q := range map[string]attribution.SendQuestion{"Say for which deal": {}, `no deal "X"`: {Deal: "X"}} {
		if _, err := attribution.WhatToSend(t.Context(), j, x, q, store.Filter{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}
