package crm

import (
	"fmt"
	"strings"
	"time"

	"dealtrail/trail"
)

// dateOrder is what the rows of one column say about dates like 1/2/2026. Only
// dates that exist in one order and not in the other testify.
type dateOrder struct {
	dayFirst, monthFirst bool
	sample               string // a date that exists in both orders and differs
}

func (o *dateOrder) see(cell string) {
	p, ok := splitDate(cell)
	if !ok || p.yearFirst || p.sep == '.' {
		return
	}
	day, month := exists(p.c, p.b, p.a), exists(p.c, p.a, p.b)
	switch {
	case day && month && p.a != p.b && o.sample == "":
		o.sample = cell
	case day && !month:
		o.dayFirst = true
	case month && !day:
		o.monthFirst = true
	}
}

// decide refuses a column whose dates can be read in two ways.
func (o *dateOrder) decide(header string) error {
	if o.sample != "" && o.dayFirst == o.monthFirst {
		return trail.Problemf(trail.Invalid, "The dates in column %q may begin with the day or the month, such as %q; write them as 2026-01-31.", header, short(o.sample))
	}
	return nil
}

// read returns the time that a cell names, in UTC. Times without a zone are in
// the given one. A date without a time is the day's first moment, or, for what
// ends on that day, its last second. The reason is for a person.
func (o *dateOrder) read(cell string, zone *time.Location, ends bool) (t time.Time, reason string) {
	const want = "is not a date; write it as 2026-01-31 or 2026-01-31T15:04:05Z"
	outside := fmt.Sprintf("has a year outside 1970 to %d", trail.MaxYear)
	p, ok := splitDate(cell)
	if !ok {
		return t, want
	}
	y, m, d := p.c, p.b, p.a
	switch {
	case p.yearFirst:
		y, d = p.a, p.c
	case p.sep != '.' && (o.monthFirst && !o.dayFirst || o.dayFirst == o.monthFirst && !exists(y, m, d)):
		m, d = p.a, p.b
	}
	if !exists(y, m, d) {
		return t, "is a day that does not exist"
	}
	if y < 1970 || y > trail.MaxYear {
		return t, outside
	}
	clock, ok := splitClock(p.rest)
	if !ok {
		return t, want
	}
	if clock.zone != nil {
		zone = clock.zone
	}
	t = time.Date(y, time.Month(m), d, clock.h, clock.m, clock.s, clock.ns, zone)
	if (clock.h != t.Hour() || clock.m != t.Minute()) && p.rest != "" {
		return t, fmt.Sprintf("is an hour that clocks in %s skip on that day; write the time with its zone", zone)
	}
	if ends && p.rest == "" {
		t = time.Date(y, time.Month(m), d+1, 0, 0, -1, 0, zone)
	}
	if t = t.UTC().Truncate(time.Millisecond); t.Year() < 1970 || t.Year() > trail.MaxYear {
		return t, outside
	}
	return t, ""
}

func exists(y, m, d int) bool {
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	return t.Year() == y && int(t.Month()) == m && t.Day() == d
}

// dateParts are the three numbers of a date as written, and what follows them.
type dateParts struct {
	a, b, c   int
	yearFirst bool
	sep       byte // . / or -
	rest      string
}

// splitDate reads 2026-01-31, 2026/01/31, 31.1.2026, 1/31/2026 and 31-01-2026.
func splitDate(s string) (p dateParts, ok bool) {
	a, na, s := digits(s)
	if na == 0 || len(s) < 2 || !strings.Contains("./-", s[:1]) {
		return p, false
	}
	p.sep = s[0]
	b, nb, s := digits(s[1:])
	if nb == 0 || nb > 2 || len(s) < 2 || s[0] != p.sep {
		return p, false
	}
	c, nc, s := digits(s[1:])
	p.a, p.b, p.c, p.rest = a, b, c, s
	p.yearFirst = na == 4
	return p, p.yearFirst && p.sep != '.' && (nc == 1 || nc == 2) || na <= 2 && nc == 4
}

// digits reads the number, at most nine digits, at the beginning of s.
func digits(s string) (v, n int, rest string) {
	for n < len(s) && n < 9 && '0' <= s[n] && s[n] <= '9' {
		v = 10*v + int(s[n]-'0')
		n++
	}
	return v, n, s[n:]
}

type clockTime struct {
	h, m, s, ns int
	zone        *time.Location // nil: not said
}

// splitClock reads what may follow a date: nothing, or a time as in 15:04,
// 15:04:05.999, 3:04 PM, with a zone such as Z, UTC, +01:00 or +0100.
func splitClock(s string) (c clockTime, ok bool) {
	if s == "" {
		return c, true
	}
	s, lead := strings.TrimLeft(s, " ,"), s
	if s == lead {
		if s, ok = strings.CutPrefix(s, "T"); !ok {
			return c, false
		}
	}
	var n int
	if c.h, n, s = digits(s); n == 0 || n > 2 || !strings.HasPrefix(s, ":") {
		return c, false
	}
	if c.m, n, s = digits(s[1:]); n != 2 {
		return c, false
	}
	if strings.HasPrefix(s, ":") {
		if c.s, n, s = digits(s[1:]); n != 2 {
			return c, false
		}
		if s != "" && (s[0] == '.' || s[0] == ',') {
			if c.ns, n, s = digits(s[1:]); n == 0 {
				return c, false
			}
			for ; n < 9; n++ {
				c.ns *= 10
			}
		}
	}
	s = strings.ToUpper(strings.TrimSpace(s))
	if half := strings.HasPrefix(s, "AM") || strings.HasPrefix(s, "PM"); half {
		if c.h < 1 || c.h > 12 {
			return c, false
		}
		c.h %= 12
		if s[0] == 'P' {
			c.h += 12
		}
		s = strings.TrimSpace(s[2:])
	}
	if c.h > 23 || c.m > 59 || c.s > 59 {
		return c, false
	}
	c.zone, ok = readZone(s)
	return c, ok
}

func readZone(s string) (*time.Location, bool) {
	switch s {
	case "":
		return nil, true
	case "Z", "UTC", "GMT":
		return time.UTC, true
	}
	if s[0] != '+' && s[0] != '-' {
		return nil, false
	}
	h, m := s[1:], ""
	if strings.Contains(h, ":") {
		h, m, _ = strings.Cut(h, ":")
	} else if len(h) == 4 {
		h, m = h[:2], h[2:]
	}
	hours, nh, restH := digits(h)
	minutes, nm, restM := digits(m)
	if nh != 2 || restH != "" || restM != "" || nm != 0 && nm != 2 || hours > 14 || minutes > 59 {
		return nil, false
	}
	offset := 3600*hours + 60*minutes
	if s[0] == '-' {
		offset = -offset
	}
	return time.FixedZone("", offset), true
}
