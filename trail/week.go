package trail

import (
	"fmt"
	"time"
)

// WeekOf returns the name of the ISO week that a moment falls into in a zone,
// as "2026-W47".
func WeekOf(t time.Time, zone *time.Location) string {
	year, week := t.In(zone).ISOWeek()
	return fmt.Sprintf("%04d-W%02d", year, week)
}

// ParseWeek returns the bounds of an ISO week in a zone: Monday 00:00 and the
// Monday after, by the wall clock, so that a week in which summer time begins
// has 167 hours. Empty means the last complete week before now.
func ParseWeek(week string, zone *time.Location, now time.Time) (from, to time.Time, err error) {
	if week == "" {
		week = WeekOf(now.In(zone).AddDate(0, 0, -7), zone)
	}
	var year, n int
	if _, err := fmt.Sscanf(week, "%4d-W%2d", &year, &n); err != nil || len(week) != 8 {
		return from, to, Problemf(Invalid, "The week is %q; write it as 2026-W47.", week)
	}
	// 4 January is always in week 1.
	jan4 := time.Date(year, 1, 4, 0, 0, 0, 0, zone)
	monday := 4 - (int(jan4.Weekday())+6)%7 + 7*(n-1)
	from = time.Date(year, 1, monday, 0, 0, 0, 0, zone)
	if WeekOf(from, zone) != week {
		return from, to, Problemf(Invalid, "The year %d has no week %d.", year, n)
	}
	if from.After(now) {
		return from, to, Problemf(Invalid, "The week %s has not begun.", week)
	}
	return from, time.Date(year, 1, monday+7, 0, 0, 0, 0, zone), nil
}
