package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// reports returns what every report says at every level of agents, in JSON, by name.
func reports(t *testing.T, db *store.DB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, level := range []trail.Level{trail.All, trail.Likely, trail.Strict} {
		found, err := answers(t.Context(), db, store.Filter{Agents: level})
		if err != nil {
			t.Fatal(err)
		}
		for name, answer := range found {
			text, err := json.Marshal(answer)
			if err != nil {
				t.Fatal(err)
			}
			all[name+" "+string(level)] = string(text)
		}
	}
	return all
}

func TestWhatIsLaidOutSaysWhatTheViewsSay(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, company()...)
	divided(t, db)
	want := reports(t, db)
	if took, err := db.Refresh(t.Context()); err != nil || took == 0 {
		t.Fatalf("took %v: %v", took, err)
	}
	if db.Layout(t.Context()) == "" {
		t.Fatal("what is laid out is not read")
	}
	for name, got := range reports(t, db) {
		check(t, name, got, want[name])
	}
	if took, err := db.Refresh(t.Context()); err != nil || took != 0 {
		t.Errorf("laid out again in %v though nothing came: %v", took, err)
	}
}

func TestALayoutIsReadUntilSomethingMustBeSeen(t *testing.T) {
	t.Parallel()
	db := openCompany(t)
	clicks := func() (n uint64) {
		for _, c := range must(db.Contents(t.Context(), store.Filter{}))(t) {
			n += c.Clicks
		}
		return n
	}
	refresh := func() {
		if _, err := db.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		store.LookAgain(db)
	}
	before := clicks()
	refresh()
	late := event(trail.Clicked, "late", day(17))
	late.Share, late.Content, late.Verdict = "s1", "deck", trail.Verdict{Agent: trail.Human, Probability: 0.99}
	if err := db.InsertEvents(t.Context(), []trail.Event{late}); err != nil {
		t.Fatal(err)
	}
	if got := clicks(); got != before {
		t.Errorf("%d clicks before it is laid out, want %d", got, before)
	}
	db.Wrote()
	if got := clicks(); got != before+1 {
		t.Errorf("%d clicks after one must be seen, want %d", got, before+1)
	}
	refresh()
	if got := clicks(); got != before+1 || db.Layout(t.Context()) == "" {
		t.Errorf("%d clicks once it is laid out, want %d", got, before+1)
	}
	for range 3 { // old ones go
		insert(t, db, event(trail.OptedOut, fmt.Sprint(time.Now()), day(18)))
		refresh()
	}
	if n := number(t, db, "SELECT count() FROM (SELECT DISTINCT layout FROM layout_events)"); n != 2 {
		t.Errorf("%d layouts are kept, want 2", n)
	}
}

// Whoever lays out died after the first one.
func TestAnOldLayoutIsNotRead(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, company()...)
	if err := db.Exec(context.Background(), "INSERT INTO layouts (layout, as_of, at, inserts, took_ms) SELECT 'old"+store.LaidBy(db)+"', toDateTime64(0, 3), now64(3) - 60, 0, 10"); err != nil {
		t.Fatal(err)
	}
	if id := db.Layout(t.Context()); id != "" {
		t.Errorf("layout %s of a minute ago is read", id)
	}
	if n := len(must(db.Contents(t.Context(), store.Filter{}))(t)); n == 0 {
		t.Error("there is no content")
	}
}

// A version before this one laid out what it knew, and perhaps not all that this one reads.
func TestWhatAnotherVersionLaidOutIsNotRead(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, company()...)
	layOut(t, db)
	mine := db.Layout(t.Context())
	if err := db.Exec(t.Context(), "INSERT INTO layouts (layout, as_of, at, inserts, took_ms) SELECT '9999999999999-00000000-layout', as_of, at + 1, inserts, took_ms FROM layouts WHERE layout = '"+mine+"'"); err != nil {
		t.Fatal(err)
	}
	store.LookAgain(db)
	if id := db.Layout(t.Context()); id != mine || mine == "" {
		t.Errorf("%q is read, want %q", id, mine)
	}
}

// Rows of a table go when copies are merged: one new event and one copy less must not look like nothing new.
func TestAMergeHidesNoNewEvent(t *testing.T) {
	t.Parallel()
	db := openCompany(t)
	insert(t, db, company()[0]) // a copy
	layOut(t, db)
	if err := db.Exec(t.Context(), "OPTIMIZE TABLE events FINAL"); err != nil {
		t.Fatal(err)
	}
	insert(t, db, event(trail.OptedOut, "new", day(18)))
	if took, err := db.Refresh(t.Context()); err != nil || took == 0 {
		t.Errorf("the new event is not laid out: %v", err)
	}
}

// In a large company what is counted over everything is told again, but not what may name somebody who was erased since:
// their layouts are gone.
func TestWhatWasCountedBeforeAnErasingIsNotToldAgain(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, company()...)
	layout := func(begun string) {
		t.Helper()
		if err := db.Exec(t.Context(), "INSERT INTO layouts (layout, as_of, at, inserts, took_ms) SELECT 'x"+store.LaidBy(db)+"', toDateTime64(0, 3), now64(3) "+begun+", 0, 9000"); err != nil {
			t.Fatal(err)
		}
	}
	counted := func(n int) time.Time {
		t.Helper()
		return must(db.Quality(t.Context(), store.NewTerms("EUR", nil, nil, day(n)), store.Filter{}))(t).At
	}
	layout("- 600")
	check(t, "at first", counted(20), day(20))
	check(t, "told again", counted(21), day(20))
	if err := db.Exec(t.Context(), "TRUNCATE TABLE layouts"); err != nil {
		t.Fatal(err)
	}
	// Readers look at the table now and then; who erases waits for that.
	deadline := time.Now().Add(3 * time.Minute)
	for !counted(22).Equal(day(22)) {
		if time.Now().After(deadline) {
			t.Fatal("what was counted is told without a layout")
		}
	}
	layout("+ 1")
	for n := 23; ; n++ {
		at := counted(n)
		if at.Equal(day(20)) || time.Now().After(deadline) {
			t.Fatalf("after an erasing it is as of %s", at)
		}
		if !at.Equal(day(n)) {
			return // a new answer is told again
		}
	}
}
