package trail

import (
	"fmt"
	"strings"
	"time"
)

// Hours are the working hours of a week by the wall clock. The zero value is around
// the clock.
type Hours struct {
	days     [7]bool // by time.Weekday
	from, to int     // minutes of the day
	text     string
}

var shortDays = [...]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

// ParseHours reads "Mon-Fri 09:00-17:00", or single days as "Mon,Wed,Fri 08:30-12:00".
// Empty is around the clock.
func ParseHours(text string) (Hours, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Hours{}, nil
	}
	wrong := Problemf(Invalid, "The working hours are %q; write days and times such as Mon-Fri 09:00-17:00.", text)
	h := Hours{text: text}
	days, clock, _ := strings.Cut(text, " ")
	for part := range strings.SplitSeq(days, ",") {
		first, last, span := strings.Cut(part, "-")
		a, b := shortDay(first), shortDay(last)
		if !span {
			b = a
		}
		if a < 0 || b < 0 {
			return Hours{}, wrong
		}
		for d := a; ; d = (d + 1) % 7 {
			h.days[d] = true
			if d == b {
				break
			}
		}
	}
	from, to, _ := strings.Cut(strings.TrimSpace(clock), "-")
	a, err := time.Parse("15:04", from)
	if err != nil {
		return Hours{}, wrong
	}
	if to == "24:00" {
		h.to = 24 * 60
	} else {
		b, err := time.Parse("15:04", to)
		if err != nil {
			return Hours{}, wrong
		}
		h.to = b.Hour()*60 + b.Minute()
	}
	if h.from = a.Hour()*60 + a.Minute(); h.from >= h.to {
		return Hours{}, wrong
	}
	return h, nil
}

func shortDay(name string) int {
	for i, d := range shortDays {
		if strings.EqualFold(d, strings.TrimSpace(name)) {
			return i
		}
	}
	return -1
}

// String is what ParseHours reads.
func (h Hours) String() string { return h.text }

// Always reports whether every hour of the week counts.
func (h Hours) Always() bool { return h.text == "" }

// windows calls f with each working window that ends after a moment, in order, until
// it returns false. The clock is that of the moment's zone.
func (h Hours) windows(after time.Time, f func(from, to time.Time) bool) {
	at := func(d time.Time, minutes int) time.Time {
		return time.Date(d.Year(), d.Month(), d.Day(), 0, minutes, 0, 0, d.Location())
	}
	for d := at(after, 0); ; d = time.Date(d.Year(), d.Month(), d.Day()+1, 0, 0, 0, 0, d.Location()) {
		if !h.days[d.Weekday()] {
			continue
		}
		if from, to := at(d, h.from), at(d, h.to); to.After(after) && !f(from, to) {
			return
		}
	}
}

// Between is how much working time lies between two moments, by the clock of a zone.
func (h Hours) Between(from, to time.Time, zone *time.Location) (sum time.Duration) {
	if !to.After(from) {
		return 0
	}
	if h.Always() {
		return to.Sub(from)
	}
	h.windows(from.In(zone), func(begin, end time.Time) bool {
		if !begin.Before(to) {
			return false
		}
		if begin.Before(from) {
			begin = from
		}
		if to.Before(end) {
			end = to
		}
		sum += max(0, end.Sub(begin))
		return true
	})
	return sum
}

// After is the moment at which so much working time has passed.
func (h Hours) After(from time.Time, left time.Duration, zone *time.Location) (due time.Time) {
	if h.Always() {
		return from.Add(left)
	}
	h.windows(from.In(zone), func(begin, end time.Time) bool {
		if begin.Before(from) {
			begin = from
		}
		if span := end.Sub(begin); span < left {
			left -= span
			return true
		}
		due = begin.Add(left)
		return false
	})
	return due
}

// Words says which hours count, for a sentence.
func (h Hours) Words() string {
	if h.Always() {
		return "around the clock"
	}
	return fmt.Sprintf("in working hours (%s)", h.text)
}
