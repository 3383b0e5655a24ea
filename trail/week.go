package trail

import (
	"fmt"
	"strings"
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

// WeekTime is a moment of every week by the wall clock.
type WeekTime struct {
	Day          time.Weekday
	Hour, Minute int
}

// UsualReview is when the review of a week is due unless somebody says otherwise.
var UsualReview = WeekTime{time.Monday, 7, 0}

// ParseWeekTime reads what String writes: "Monday 07:00".
func ParseWeekTime(text string) (WeekTime, error) {
	day, clock, _ := strings.Cut(strings.TrimSpace(text), " ")
	t, err := time.Parse("15:04", strings.TrimSpace(clock))
	for d := time.Sunday; d <= time.Saturday && err == nil; d++ {
		if strings.EqualFold(d.String(), day) {
			return WeekTime{d, t.Hour(), t.Minute()}, nil
		}
	}
	return WeekTime{}, Problemf(Invalid, "The time is %q; write a day in English and a time by the clock, such as Monday 07:00.", text)
}

func (w WeekTime) String() string { return fmt.Sprintf("%s %02d:%02d", w.Day, w.Hour, w.Minute) }

// After returns the moment in the week that begins on a Monday 00:00, in its zone. One
// that the clock skips is as far from it as the clock jumps.
func (w WeekTime) After(monday time.Time) time.Time {
	days := (int(w.Day) + 6) % 7
	return time.Date(monday.Year(), monday.Month(), monday.Day()+days, w.Hour, w.Minute, 0, 0, monday.Location())
}

// Due returns the last week of which the review is due by a time, and since when: the
// moment in the week after it.
func (w WeekTime) Due(now time.Time, zone *time.Location) (week string, since time.Time) {
	monday := func(weeks int) time.Time {
		t := now.In(zone)
		return time.Date(t.Year(), t.Month(), t.Day()-(int(t.Weekday())+6)%7-7*weeks, 0, 0, 0, 0, zone)
	}
	weeks := 0
	if now.Before(w.After(monday(0))) {
		weeks = 1
	}
	return WeekOf(monday(weeks+1), zone), w.After(monday(weeks))
}

// WeeksBefore is the Monday on which the ISO week so many weeks before a moment's began.
func WeeksBefore(t time.Time, weeks int, zone *time.Location) time.Time {
	t = t.In(zone)
	return time.Date(t.Year(), t.Month(), t.Day()-(int(t.Weekday())+6)%7-7*weeks, 0, 0, 0, 0, zone)
}
