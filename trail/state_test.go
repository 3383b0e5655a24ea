package trail_test

import (
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
