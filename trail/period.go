package trail

import (
	"fmt"
	"strconv"
	"time"
)

// Period is a month, a quarter or a year by the calendar of a zone. From counts, To
// does not.
type Period struct {
	Name string    `json:"period"` // "2026-10", "2026-Q4" or "2026"
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// The units that a period can be one of.
const (
	Month   = "month"
	Quarter = "quarter"
	Year    = "year"
)

// PeriodOf returns the month, quarter or year that a moment falls into in a zone.
func PeriodOf(unit string, t time.Time, zone *time.Location) Period {
	t = t.In(zone)
	year, month := t.Year(), int(t.Month())
	switch unit {
	case Year:
		return periodFrom(strconv.Itoa(year), year, 1, 12, zone)
	case Quarter:
		q := (month + 2) / 3
		return periodFrom(fmt.Sprintf("%04d-Q%d", year, q), year, 3*q-2, 3, zone)
	}
	return periodFrom(fmt.Sprintf("%04d-%02d", year, month), year, month, 1, zone)
}

func periodFrom(name string, year, month, months int, zone *time.Location) Period {
	return Period{Name: name, From: time.Date(year, time.Month(month), 1, 0, 0, 0, 0, zone), To: time.Date(year, time.Month(month+months), 1, 0, 0, 0, 0, zone)}
}

// ParsePeriod returns the period of a name in a zone: "2026-10", "2026-Q4" or "2026".
// Its bounds are midnights by the wall clock, so that a month in which summer time
// begins is an hour short.
func ParsePeriod(name string, zone *time.Location) (Period, error) {
	var year, n int
	wrong := Problemf(Invalid, "The period is %q; write a month as 2026-10, a quarter as 2026-Q4 or a year as 2026.", name)
	if len(name) < 4 {
		return Period{}, wrong
	}
	year, err := strconv.Atoi(name[:4])
	if err != nil || year < 2000 || year > MaxYear {
		return Period{}, wrong
	}
	var p Period
	switch rest := name[4:]; {
	case rest == "":
		return periodFrom(name, year, 1, 12, zone), nil
	case len(rest) == 3 && rest[:2] == "-Q":
		if n, err = strconv.Atoi(rest[2:]); err != nil || n < 1 || n > 4 {
			return p, wrong
		}
		return periodFrom(name, year, 3*n-2, 3, zone), nil
	case len(rest) == 3 && rest[0] == '-':
		if n, err = strconv.Atoi(rest[1:]); err != nil || n < 1 || n > 12 {
			return p, wrong
		}
		return periodFrom(name, year, n, 1, zone), nil
	}
	return p, wrong
}

// Unit is what the period is one of: Month, Quarter or Year.
func (p Period) Unit() string {
	switch len(p.Name) {
	case 4:
		return Year
	case 7:
		if p.Name[5] == 'Q' {
			return Quarter
		}
	}
	return Month
}

// Before and After are the neighbours of the same unit.
func (p Period) Before() Period {
	return PeriodOf(p.Unit(), p.From.AddDate(0, 0, -1), p.From.Location())
}

// After is the next period of the same unit.
func (p Period) After() Period { return PeriodOf(p.Unit(), p.To, p.To.Location()) }

// Words names the period as people do: "October 2026", "the fourth quarter of 2026".
func (p Period) Words() string {
	switch p.Unit() {
	case Year:
		return p.Name
	case Quarter:
		return [...]string{"first", "second", "third", "fourth"}[p.Name[6]-'1'] + " quarter of " + p.Name[:4]
	}
	return p.From.Format("January 2006")
}

// Steps are the ends of the parts that a progress is shown in: of a year its months,
// of a quarter and a month the ISO weeks, the last one cut off at the period's end.
func (p Period) Steps() (ends []time.Time) {
	next := func(t time.Time) time.Time {
		if p.Unit() == Year {
			return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, t.Location())
		}
		return time.Date(t.Year(), t.Month(), t.Day()+7-(int(t.Weekday())+6)%7, 0, 0, 0, 0, t.Location())
	}
	for t := next(p.From); t.Before(p.To); t = next(t) {
		ends = append(ends, t)
	}
	return append(ends, p.To)
}

// WorkDays is how many working days, Monday to Friday, lie between two moments by the
// calendar of a zone; a part of a day counts as that part. Nobody told us holidays.
func WorkDays(from, to time.Time, zone *time.Location) (days float64) {
	from, to = from.In(zone), to.In(zone)
	for d := time.Date(from.Year(), from.Month(), from.Day(), 0, 0, 0, 0, zone); d.Before(to); {
		next := time.Date(d.Year(), d.Month(), d.Day()+1, 0, 0, 0, 0, zone)
		if wd := d.Weekday(); wd != time.Saturday && wd != time.Sunday {
			begin, end := d, next
			if from.After(begin) {
				begin = from
			}
			if to.Before(end) {
				end = to
			}
			if end.After(begin) {
				days += float64(end.Sub(begin)) / float64(next.Sub(d))
			}
		}
		d = next
	}
	return days
}
