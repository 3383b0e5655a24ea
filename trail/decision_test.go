package trail_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"dealtrail/trail"
)

func TestADecisionKeepsItsIDAndSaysWhatIsWrong(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	d, err := trail.NewDecision("2026-W47", "", "D1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trail.NewDecision("2026-W47", "c", "D1"); err == nil {
		t.Error("two subjects are taken")
	}
	other, _ := trail.NewDecision("2026-W48", "", "D1")
	if d.ID == other.ID {
		t.Error("two weeks share an ID")
	}
	for want, fields := range map[string]map[string]string{
		"good, fair or poor":     {"quality": "great"},
		"accepted, rejected":     {"state": "lost"},
		"Say the reason":         {"state": "recycled"},
		"an owner and a due":     {"decision": "call", "owner": "ana"},
		"write it as 2026-11-30": {"due": "30.11."},
		"no decision that":       {"done": "yes"},
		"write yes":              {"done": "perhaps"},
		"has no \"colour\"":      {"colour": "red"},
		"at most 2000":           {"needs": strings.Repeat("x", 2001)},
	} {
		if _, err := d.With(fields, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", fields, err, want)
		}
	}
	said, err := d.With(map[string]string{"quality": " Good", "state": "rejected", "reason": "too small", "decision": "call", "owner": "ana", "due": "2026-11-27", "needs": "prices\nand time"}, now)
	if err != nil {
		t.Fatal(err)
	}
	e := said.Event("api", "mia", now)
	if err := e.Validate(); err != nil || e.Kind != trail.Decided || e.Deal != "D1" || !strings.Contains(e.Note, "too small") {
		t.Errorf("%+v: %v", e, err)
	}
	back, err := trail.DecisionOf(e.Contact, e.Deal, maps.Clone(e.Attrs))
	if err != nil || !back.Says(said) || back.ID != d.ID {
		t.Errorf("%+v: %v", back, err)
	}
	// A word of the same moment is later than the one that it replaces.
	said.At = e.At
	if next := said.Event("api", "", now); !next.At.After(e.At) {
		t.Error("the later word is not later")
	}
}

func TestADecisionIsKeptWhenDoneOnItsDayInTheCompanysZone(t *testing.T) {
	zone, err := time.LoadLocation("Australia/Sydney")
	if err != nil {
		t.Fatal(err)
	}
	d, _ := trail.NewDecision("2026-W47", "", "D1")
	d, err = d.With(map[string]string{"decision": "call", "owner": "ana", "due": "2026-11-27"}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	at := func(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 30, 0, 0, zone) }
	done := func(when time.Time) trail.Decision {
		d, err := d.With(map[string]string{"done": "yes"}, when)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, c := range []struct {
		d    trail.Decision
		now  time.Time
		want trail.Kept
	}{
		{d, at(27, 23), trail.KeptOpen},
		{d, at(28, 0), trail.KeptNot},
		{done(at(27, 23)), at(30, 0), trail.KeptInTime}, // in UTC it is another day's noon
		{done(at(28, 0)), at(30, 0), trail.KeptLate},    // in UTC it is still the 27th
	} {
		if got := c.d.Judge(c.now, zone).Kept; got != c.want {
			t.Errorf("at %s: %s, want %s", c.now, got, c.want)
		}
	}
	again, _ := done(at(27, 9)).With(map[string]string{"done": "yes", "needs": "x"}, at(29, 9))
	if !again.DoneAt.Equal(at(27, 9)) {
		t.Error("saying again that it is done makes it late")
	}
}

func TestAReviewIsDueByTheClockWhereverItChanges(t *testing.T) {
	for name, c := range map[string]struct{ monday, due string }{
		"Australia/Sydney":   {"2026-10-05", "2026-10-04T20:00:00Z"}, // summer time began on Sunday: UTC+11
		"America/New_York":   {"2026-11-02", "2026-11-02T12:00:00Z"}, // it ended on Sunday: UTC-5
		"Europe/Berlin":      {"2026-11-23", "2026-11-23T06:00:00Z"},
		"Pacific/Kiritimati": {"2026-11-23", "2026-11-22T17:00:00Z"},
	} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		monday, _ := time.ParseInLocation(time.DateOnly, c.monday, zone)
		due := trail.UsualReview.After(monday)
		if got := due.UTC().Format(time.RFC3339); got != c.due {
			t.Errorf("%s: due %s, want %s", name, got, c.due)
		}
		before, _ := trail.UsualReview.Due(due.Add(-time.Second), zone)
		after, since := trail.UsualReview.Due(due, zone)
		if want := trail.WeekOf(monday.AddDate(0, 0, -7), zone); after != want || !since.Equal(due) {
			t.Errorf("%s: %s since %s, want %s", name, after, since, want)
		}
		if want := trail.WeekOf(monday.AddDate(0, 0, -14), zone); before != want {
			t.Errorf("%s: a second before it is %s, want %s", name, before, want)
		}
	}
	friday, err := trail.ParseWeekTime(" friday 16:30")
	if err != nil || friday.String() != "Friday 16:30" {
		t.Errorf("%v %v", friday, err)
	}
	for _, bad := range []string{"", "Monday", "Montag 07:00", "Monday 25:00", "07:00"} {
		if _, err := trail.ParseWeekTime(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
