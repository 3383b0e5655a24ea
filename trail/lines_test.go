package trail_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"dealtrail/trail"
)

func TestLinesAreFewOfEachKindAndThenTold(t *testing.T) {
	t.Parallel()
	var l trail.Lines[string]
	var told []string
	more := func(kind string, n int, since time.Time) {
		told = append(told, fmt.Sprint(kind, " ", n, " ", since.Format(time.TimeOnly)))
	}
	begin := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	lines := map[string]int{}
	add := func(kind string, times int, now time.Time) {
		for range times {
			if l.Add(kind, now, more) {
				lines[kind]++
			}
		}
	}
	add("many", 100, begin)
	add("few", trail.LinesAMinute, begin.Add(59*time.Second))
	add("another", trail.LinesAMinute+1, begin.Add(59*time.Second))
	if lines["many"] != trail.LinesAMinute || lines["few"] != trail.LinesAMinute || len(told) != 0 {
		t.Errorf("within a minute: %v, %q", lines, told)
	}
	add("few", 1, begin.Add(time.Minute))
	add("few", 1, begin.Add(3*time.Minute))
	if want := []string{"another 1 08:00:00", "many 70 08:00:00"}; !slices.Equal(told, want) || lines["few"] != trail.LinesAMinute+2 {
		t.Errorf("later: %v, %q, want %q", lines, told, want)
	}
}
