package ingest_test

import (
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/trail"
)

func TestAChangeOfHowRepsAreShownIsKeptWithItsTime(t *testing.T) {
	t.Parallel()
	rdb := connect(t, startRedis(t, t.TempDir()))
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	since := func(mode trail.RepNames, later time.Duration) time.Time {
		t.Helper()
		n := &ingest.RepNames{Redis: rdb, Mode: mode, Now: func() time.Time { return now.Add(later) }} // a new start
		at, err := n.Since(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for i, x := range []struct {
		mode  trail.RepNames
		later time.Duration
		want  time.Duration
	}{{trail.RepsAsTeams, 0, 0}, {trail.RepsAsTeams, time.Hour, 0}, {trail.RepsByName, 2 * time.Hour, 2 * time.Hour}, {trail.RepsByName, 3 * time.Hour, 2 * time.Hour}, {trail.RepsAsTeams, 4 * time.Hour, 4 * time.Hour}} {
		if got := since(x.mode, x.later); !got.Equal(now.Add(x.want)) {
			t.Errorf("start %d, %s: since %s, want %s", i, x.mode, got, now.Add(x.want))
		}
	}
	var none *ingest.RepNames
	if v := none.Viewer(" Ana@Us.Example "); v.Names || v.Rep != "ana@us.example" {
		t.Errorf("%+v", v)
	}
}
