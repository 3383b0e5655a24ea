package trail_test

import (
	"reflect"
	"testing"
	"time"

	"dealtrail/trail"
)

func TestStateIsLaterThanTheOneBeforeWhateverTheClockSays(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	before := trail.State{Event: trail.NewID(noon), At: noon, Attrs: map[string]string{"title": "A"}}
	late := trail.Registration("csv", trail.ContentKind, "C1", before, before.With(map[string]string{"title": "B"}), noon.Add(-time.Minute))
	if !late.At.After(before.At) || !late.ReceivedAt.Equal(noon.Add(-time.Minute)) {
		t.Errorf("learned at %s after a state of %s: at %s", late.ReceivedAt, before.At, late.At)
	}
}

func TestGoneAndBackAreStatesLikeOthers(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	state := trail.State{Attrs: map[string]string{"name": "=SUM(A1)"}}
	first := trail.Registration("csv", trail.DealKind, "größe", trail.State{}, state, noon)
	state.Event, state.At = first.ID, first.At
	gone := trail.Retraction("csv", trail.DealKind, "größe", state, "", noon.Add(-time.Hour))
	if gone.Kind != trail.Retracted || gone.Deal != "größe" || gone.Attrs != nil || !gone.At.After(first.At) || gone.Validate() != nil {
		t.Errorf("%+v", gone)
	}
	merged := trail.Retraction("csv", trail.DealKind, "größe", state, "D2", noon)
	again := trail.Retraction("csv", trail.DealKind, "größe", state, "D2", noon.Add(time.Hour))
	if merged.Attrs["into"] != "D2" || merged.ID == gone.ID || merged.ID != again.ID || merged.ID == first.ID {
		t.Errorf("%+v\n%+v", merged, again)
	}
	if other := trail.Retraction("csv", trail.ContactKind, "größe", state, "", noon); other.Contact != "größe" || other.Deal != "" || other.ID == gone.ID {
		t.Errorf("%+v", other)
	}
	absent := state.Without("D2")
	if absent.Same(state) || absent.Same(state.Without("")) || !absent.Same(state.Without("D2")) {
		t.Error("a deal that is gone is the same as one that is there or went elsewhere")
	}
	absent.Event, absent.At = merged.ID, merged.At
	back := absent.With(nil)
	if !back.Same(state) || trail.Registration("csv", trail.DealKind, "größe", absent, back, noon).ID == first.ID {
		t.Errorf("back is %+v", back)
	}
}

func TestContentIsNeverRetracted(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a content was retracted: where would its links lead?")
		}
	}()
	trail.Retraction("csv", trail.ContentKind, "deck", trail.State{}, "", time.Now())
}

func TestARetractedFactNamesNobody(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := trail.Event{
		ID: trail.NewID(noon), Revision: 1, Kind: trail.Clicked, At: noon, ReceivedAt: noon.Add(time.Hour), RevisedAt: noon, Source: "csv",
		Content: "deck", Contact: "c", Deal: "D", Rep: "r", Account: "a", Person: &trail.Person{Address: "ann@acme.example"}, Attrs: map[string]string{"k": "v"},
	}
	got := e.Retract(noon.Add(2 * time.Hour))
	want := trail.Event{ID: e.ID, Revision: 2, Kind: trail.Retracted, At: e.At, ReceivedAt: e.ReceivedAt, RevisedAt: noon.Add(2 * time.Hour), Source: "csv"}
	if !reflect.DeepEqual(got, want) || got.Validate() != nil {
		t.Errorf("got %+v", got)
	}
}
