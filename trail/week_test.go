package trail_test

import (
	"testing"
	"time"

	"dealtrail/trail"
)

func TestWeeksFollowTheWallClockThroughSummerTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 12, 30, 0, 0, 0, 0, time.UTC)
	hours := func(week string) float64 {
		t.Helper()
		from, to, err := trail.ParseWeek(week, berlin, now)
		if err != nil {
			t.Fatal(err)
		}
		if from.Weekday() != time.Monday || from.Hour() != 0 || trail.WeekOf(from, berlin) != week || trail.WeekOf(to.Add(-time.Second), berlin) != week {
			t.Errorf("%s is %s to %s", week, from, to)
		}
		return to.Sub(from).Hours()
	}
	if h := hours("2026-W13"); h != 167 {
		t.Errorf("the week in which summer time begins has %v hours", h)
	}
	if h := hours("2026-W43"); h != 169 {
		t.Errorf("the week in which it ends has %v hours", h)
	}
	hours("2026-W01")
	hours("2020-W53")
	for _, week := range []string{"2026-47", "2026-W00", "2026-W54", "2025-W53", "W47-2026", "2026-W4x", "2027-W10"} {
		if _, _, err := trail.ParseWeek(week, berlin, now); err == nil {
			t.Errorf("%s was accepted", week)
		}
	}
	if from, _, _ := trail.ParseWeek("", berlin, time.Date(2026, 11, 22, 12, 0, 0, 0, berlin)); trail.WeekOf(from, berlin) != "2026-W46" {
		t.Errorf("the last complete week before Sunday of week 47 is %s", trail.WeekOf(from, berlin))
	}
}
