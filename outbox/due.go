package outbox

import (
	"fmt"
	"strings"
	"time"
)

// DayTime is a moment of every working day, Monday to Friday, by the wall clock.
type DayTime struct{ Hour, Minute int }

// ParseDayTime reads "09:00".
func ParseDayTime(text string) (DayTime, error) {
	t, err := time.Parse("15:04", strings.TrimSpace(text))
	if err != nil {
		return DayTime{}, fmt.Errorf("%q is no time of the day; expected one such as 09:00", text)
	}
	return DayTime{t.Hour(), t.Minute()}, nil
}

// on is the moment of a day, which is so many days after that of t in the zone. One
// that the clock skips is as far from it as the clock jumps.
func (d DayTime) on(t time.Time, days int, zone *time.Location) time.Time {
	t = t.In(zone)
	return time.Date(t.Year(), t.Month(), t.Day()+days, d.Hour, d.Minute, 0, 0, zone)
}

// Due returns the moment of today, if today is a working day and it has come: what was
// missed on another day is not made up for.
func (d DayTime) Due(now time.Time, zone *time.Location) (time.Time, bool) {
	due := d.on(now, 0, zone)
	return due, working(due) && !now.Before(due)
}

// Before returns the moment of the working day before that of a moment.
func (d DayTime) Before(due time.Time, zone *time.Location) time.Time {
	days := -1
	for !working(d.on(due, days, zone)) {
		days--
	}
	return d.on(due, days, zone)
}

func working(t time.Time) bool { return t.Weekday() != time.Saturday && t.Weekday() != time.Sunday }

// Quiet are the hours of every day in which nobody wants to be told of anything, in
// minutes by the wall clock. From 18:00 to 08:00 is over night. The same from and to
// mean never.
type Quiet struct{ From, To int }

// ParseQuiet reads "18:00-08:00"; empty means never.
func ParseQuiet(text string) (Quiet, error) {
	if strings.TrimSpace(text) == "" {
		return Quiet{}, nil
	}
	from, to, _ := strings.Cut(text, "-")
	a, errA := ParseDayTime(from)
	b, errB := ParseDayTime(to)
	if errA != nil || errB != nil || a == b {
		return Quiet{}, fmt.Errorf("%q are no hours of the day; expected two different times, such as 18:00-08:00", text)
	}
	return Quiet{a.Hour*60 + a.Minute, b.Hour*60 + b.Minute}, nil
}

// Has reports whether a moment falls into the quiet hours.
func (q Quiet) Has(t time.Time, zone *time.Location) bool {
	t = t.In(zone)
	m := t.Hour()*60 + t.Minute()
	if q.From <= q.To {
		return m >= q.From && m < q.To
	}
	return m >= q.From || m < q.To
}

func (q Quiet) String() string {
	if q.From == q.To {
		return ""
	}
	return fmt.Sprintf("%02d:%02d-%02d:%02d", q.From/60, q.From%60, q.To/60, q.To%60)
}
