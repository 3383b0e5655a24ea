package store

import (
	"errors"
	"testing"
	"time"
)

func TestAnAnswerIsToldAgainUntilItIsOldOrSomethingMustBeSeen(t *testing.T) {
	t.Parallel()
	var all answers
	asked := 0
	ask := func(value any, err error) *answer {
		a := all.of("", "k", time.Time{}, func(a *answer) { asked++; a.value, a.err = value, err; close(a.made) })
		<-a.made
		return a
	}
	if a := ask(1, nil); a.value != 1 || asked != 1 {
		t.Fatalf("%v, asked %d times", a.value, asked)
	}
	if a := ask(2, nil); a.value != 1 || asked != 1 {
		t.Errorf("a young answer is not told again: %v, asked %d times", a.value, asked)
	}
	all.by["k"].at = time.Now().Add(-2 * answerFor)
	if a := ask(3, nil); a.value != 3 || a.before != 1 {
		t.Errorf("an old answer: %v, and meanwhile %v", a.value, a.before)
	}
	wrote := all.of("", "k", time.Now(), func(a *answer) { a.err = errors.New("away"); close(a.made) })
	if <-wrote.made; wrote.err == nil || wrote.before != nil {
		t.Errorf("what was found before something was written is told: %v", wrote.before)
	}
	if a := ask(4, nil); a.value != 4 {
		t.Errorf("a failure is told again: %v", a.err)
	}
	busy := all.of("", "busy", time.Time{}, func(*answer) {})
	if again := all.of("", "busy", time.Time{}, func(*answer) { t.Error("two ask for the same") }); again != busy {
		t.Error("who comes second does not wait for the first")
	}
	all.of("old", "old k", time.Time{}, func(a *answer) { close(a.made) })
	all.forget([]layout{{id: "new"}})
	if all.by["old k"] != nil || all.by["k"] == nil {
		t.Errorf("after its layout has gone an answer is kept, or another's is not: %v", all.by)
	}
}

func TestFiltersThatDifferHaveAnswersOfTheirOwn(t *testing.T) {
	t.Parallel()
	keys := map[string]Filter{}
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	for _, f := range []Filter{
		{},
		{Only: map[string][]string{"team": {"North West"}}},
		{Only: map[string][]string{"team": {"North", "West"}}},
		{Only: map[string][]string{"team": {"North]"}}},
		{Narrow: Narrow{Reps: []string{"a b"}}},
		{Narrow: Narrow{Reps: []string{"a", "b"}}},
		{Model: "first"},
		{Run: "first"},
		{From: at},
		{To: at},
		{Zone: time.UTC},
	} {
		if other, ok := keys[f.key()]; ok {
			t.Errorf("%+v and %+v are the same", f, other)
		}
		keys[f.key()] = f
	}
	one, same := Filter{From: at}, Filter{From: at}
	if one.key() != same.key() {
		t.Error("the same filter has two answers")
	}
}
