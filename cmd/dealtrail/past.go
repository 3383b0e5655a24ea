package main

import (
	"fmt"
	"strings"
	"time"
)

// Past is how far back, as people say it: "30 days", "12 months", "1 year", or a
// date.
type Past struct {
	text string
	n    int
	unit string // day, week, month or year; empty: date holds
	date time.Time
}

// UnmarshalText reads what a person writes.
func (p *Past) UnmarshalText(text []byte) error {
	*p = Past{text: strings.TrimSpace(string(text))}
	if date, err := time.Parse(time.DateOnly, p.text); err == nil {
		p.date = date
		return nil
	}
	_, err := fmt.Sscanf(p.text, "%d %s", &p.n, &p.unit)
	p.unit = strings.TrimSuffix(p.unit, "s")
	if err != nil || p.n < 1 || p.n > 10_000 || p.From(time.Now()).IsZero() {
		return fmt.Errorf("want \"30 days\", \"12 months\" or a date such as \"2026-01-01\", not %q", p.text)
	}
	return nil
}

// String returns what was written.
func (p Past) String() string { return p.text }

// From returns when that was, seen from now; zero for a unit that is not known.
func (p Past) From(now time.Time) time.Time {
	switch p.unit {
	case "":
		return p.date
	case "day":
		return now.AddDate(0, 0, -p.n)
	case "week":
		return now.AddDate(0, 0, -7*p.n)
	case "month":
		return now.AddDate(0, -p.n, 0)
	case "year":
		return now.AddDate(-p.n, 0, 0)
	}
	return time.Time{}
}
