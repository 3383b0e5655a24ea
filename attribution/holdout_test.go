package attribution_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// holdouts are those of a database, at a time that the test moves.
func holdouts(db *store.DB, now *time.Time) *attribution.Holdouts {
	return &attribution.Holdouts{DB: db, Emit: func(ctx context.Context, events ...trail.Event) error {
		for i := range events {
			if err := events[i].Validate(); err != nil {
				return err
			}
		}
		return db.InsertEvents(ctx, events)
	}, Now: func() time.Time { return *now }}
}

func registeredContent(id string) trail.Event {
	return trail.Registration("csv", trail.ContentKind, id, trail.State{}, trail.State{Attrs: map[string]string{"title": "The " + id, "url": "https://x.example/" + id}}, day)
}

// liveOn lets the 200 deals of a holdout, but for the one that is not in it, move on
// and get the content, in both arms, in no order and some of it twice, and returns
// what the readout must count.
func liveOn(t *testing.T, db *store.DB, h trail.Holdout, now time.Time) trail.ReadoutRow {
	t.Helper()
	var events []trail.Event
	want := map[trail.Arm]*trail.ReadoutArm{trail.Recommended: {}, trail.HeldBack: {}}
	for i := range 200 {
		id := fmt.Sprintf("D-%d", i)
		if i == 7 {
			continue
		}
		at := now.Add(time.Duration(i) * time.Hour)
		held, sum := h.Arm(id) == trail.HeldBack, want[h.Arm(id)]
		sum.Assigned++
		sum.Over++
		if !held && i%10 < 7 || held && i%10 < 2 {
			sum.Got++
			events = append(events, touch("got", at, trail.Viewed, "case", "c", id))
		}
		if !held && i%10 < 8 || held && i%10 < 3 {
			sum.Reached++
			e := touch("on", at.Add(time.Hour), trail.Staged, "", "", id)
			e.Stage = "Proposal"
			events = append(events, e)
		}
	}
	rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	insert(t, db, append(events, events[:50]...)...)
	return trail.ReadoutRow{Recommended: *want[trail.Recommended], HeldBack: *want[trail.HeldBack]}
}

func TestAHoldoutIsStartedDrawnRecommendedAndReadOut(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	now := day.AddDate(0, 0, 1)
	x := holdouts(db, &now)
	events := []trail.Event{registeredContent("case"), registeredContent("deck"), won("W", "1", day)}
	for i := range 200 {
		events = append(events, deal(fmt.Sprintf("D-%d", i), "status", "open", "stage", "Demo"))
	}
	insert(t, db, append(events, touch("early", day, trail.Viewed, "case", "c", "D-7"))...)

	h, visible, err := x.Start(t.Context(), trail.Holdout{Content: "case", Part: 0.5, By: "mia"}, "api")
	if err != nil || !visible || h.Name != "The case" || h.ID == "" {
		t.Fatalf("%+v, %v, %v", h, visible, err)
	}
	// Who asks before the others are drawn draws for the deal.
	may, err := x.Recommend(t.Context(), "D-3", "deck", "case")
	if err != nil || slices.Contains(may, "case") != (h.Arm("D-3") == trail.Recommended) || !slices.Contains(may, "deck") {
		t.Errorf("for D-3: %v, %v", may, err)
	}
	now = now.Add(time.Hour)
	for i, want := range []int{198, 0} { // all but D-3 and D-7, who has it, and each once
		if n, err := x.Draw(t.Context()); err != nil || n != want {
			t.Errorf("draw %d: %d, %v", i, n, err)
		}
	}
	both := map[bool]string{}
	for i := range 20 {
		id := fmt.Sprintf("D-%d", i)
		may, err := x.Recommend(t.Context(), id, "case")
		if err != nil {
			t.Fatal(err)
		}
		want := id == "D-7" || h.Arm(id) == trail.Recommended
		if (len(may) == 1) != want {
			t.Errorf("%s may be recommended %v, want %v", id, may, want)
		}
		both[want] = id
	}
	if len(both) != 2 {
		t.Fatal("all are in one arm: this proves nothing")
	}
	for _, id := range []string{"W", "unknown"} {
		if may, err := x.Recommend(t.Context(), id, "case"); err != nil || len(may) != 1 {
			t.Errorf("%s is in no arm, and may be recommended %v, %v", id, may, err)
		}
	}

	want := liveOn(t, db, h, now)
	now = now.AddDate(0, 0, 41)
	if may, err := x.Recommend(t.Context(), both[false], "case"); err != nil || len(may) != 0 {
		t.Errorf("%s moved on and may be recommended %v, %v", both[false], may, err)
	}
	early, err := x.Readout(t.Context(), h.ID, store.Filter{})
	if err != nil || early.Total.Recommended.Running+early.Total.HeldBack.Running != 199 || early.Effect != nil || early.Verdict != trail.TooLittle {
		t.Errorf("%+v, %v", early.Total, err)
	}
	now = now.AddDate(0, 0, 2)
	if may, err := x.Recommend(t.Context(), both[false], "case"); err != nil || len(may) != 1 {
		t.Errorf("after its time %s may still not be recommended it: %v, %v", both[false], may, err)
	}
	// Nobody is drawn any more once it is ended.
	if _, _, err := x.End(t.Context(), h.ID, time.Time{}, "api"); err != nil {
		t.Fatal(err)
	}
	insert(t, db, deal("late", "status", "open", "stage", "Demo"))
	if n, err := x.Draw(t.Context()); err != nil || n != 0 {
		t.Errorf("an ended holdout draws %d, %v", n, err)
	}
	if may, err := x.Recommend(t.Context(), "late", "case"); err != nil || len(may) != 1 {
		t.Errorf("an ended holdout holds back: %v, %v", may, err)
	}
	r, err := x.Readout(t.Context(), h.ID, store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict != trail.ProvenFor || r.Effect.Method != "newcombe" || len(r.Rows) != 1 || r.Rows[0].Stage != "Demo" || r.Total != want {
		t.Errorf("%s %+v %+v\n%+v, want\n%+v", r.Verdict, r.Effect, r.Rows, r.Total, want)
	}
	deals, err := x.Deals(t.Context(), h.ID, store.Filter{Limit: 2, After: "D-3"})
	if err != nil || len(deals) != 2 || deals[0].Deal != "D-30" || deals[0].Arm != h.Arm("D-30") {
		t.Errorf("%+v, %v", deals, err)
	}
	before, err := x.Readouts(t.Context(), store.Filter{AsOf: day})
	if err != nil || len(before) != 0 {
		t.Errorf("as of before it: %+v, %v", before, err)
	}
}

func TestAHoldoutThatCannotBeIsRefusedWithWhatCan(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	now := day.AddDate(0, 0, 1)
	x := holdouts(db, &now)
	insert(t, db, registeredContent("case"), registeredContent("deck"), deal("D", "status", "open", "stage", "Demo"))
	refused := func(want string, code trail.Code, err error) {
		t.Helper()
		if p := (*trail.Problem)(nil); !errors.As(err, &p) || p.Code != code || !strings.Contains(p.Text, want) {
			t.Errorf("%v; want %s that says %q", err, code, want)
		}
	}
	start := func(h trail.Holdout) error { _, _, err := x.Start(t.Context(), h, "api"); return err }
	end := func(id string, at time.Time) error { _, _, err := x.End(t.Context(), id, at, "api"); return err }
	refused(`no content "caes"; registered: case, deck`, trail.Invalid, start(trail.Holdout{Content: "caes", Part: 0.5}))
	refused(`stage "demo"; leave it empty for every open deal; deals are in: Demo`, trail.Invalid, start(trail.Holdout{Content: "case", Part: 0.5, Stage: "demo"}))
	refused("from 0.1 to 0.9", trail.Invalid, start(trail.Holdout{Content: "case", Part: 0.05}))
	refused("later than", trail.Invalid, start(trail.Holdout{Content: "case", Part: 0.5, EndedAt: day}))
	h, _, err := x.Start(t.Context(), trail.Holdout{Content: "case", Part: 0.5, Stage: "Demo", EndedAt: now.AddDate(0, 0, 9)}, "api")
	if err != nil {
		t.Fatal(err)
	}
	refused("is running since 2026-03-03; end that first", trail.Conflict, start(trail.Holdout{Content: "case", Part: 0.2}))
	if err := start(trail.Holdout{Content: "deck", Part: 0.2}); err != nil {
		t.Errorf("another content: %v", err)
	}
	refused("no holdout", trail.NotFound, end("X", time.Time{}))
	refused("must be later than", trail.Invalid, end(h.ID, day))
	if _, err := x.Readout(t.Context(), "X", store.Filter{}); err == nil {
		t.Error("there is a readout of no holdout")
	}
	now = now.AddDate(0, 0, 10) // its end came by itself
	refused("ended on 2026-03-12", trail.Conflict, end(h.ID, time.Time{}))
	second, _, err := x.Start(t.Context(), trail.Holdout{Content: "case", Part: 0.2}, "api")
	if err != nil {
		t.Errorf("after the first: %v", err)
	}
	x.Alone = func(ctx context.Context) (context.Context, func(), bool) { return ctx, nil, false }
	refused("try again", trail.Unavailable, start(trail.Holdout{Content: "case", Part: 0.2}))
	var lose context.CancelCauseFunc
	x.Alone = func(ctx context.Context) (context.Context, func(), bool) {
		ctx, lose = context.WithCancelCause(ctx)
		return ctx, func() { lose(nil) }, true
	}
	x.Settle = func(context.Context) error {
		lose(trail.Problemf(trail.Unavailable, "Another took it over."))
		return nil
	}
	refused("took it over", trail.Unavailable, end(second.ID, time.Time{}))
	x.Alone, x.Settle = nil, func(context.Context) error { return errors.New("not loaded") }
	refused("try again", trail.Unavailable, start(trail.Holdout{Content: "case", Part: 0.2}))
}

func TestRunDrawsUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	now := day
	x := holdouts(db, &now)
	insert(t, db, registeredContent("case"), deal("D", "status", "open"))
	if _, _, err := x.Start(t.Context(), trail.Holdout{Content: "case", Part: 0.5}, "api"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	x.Settle = func(context.Context) error { cancel(); return nil } // after a draw that drew somebody
	if err := x.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if draws, err := db.HoldoutDraws(t.Context(), "D"); err != nil || len(draws) != 1 {
		t.Errorf("%v, %v", draws, err)
	}
}
