package trail

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

func zoneOf(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestPeriodsBeginAtTheCompanysMidnight(t *testing.T) {
	for _, x := range []struct{ zone, name, from, to, hours string }{
		{"Australia/Sydney", "2026-10", "2026-09-30T14:00:00Z", "2026-10-31T13:00:00Z", "743h0m0s"}, // summer time begins on the 4th
		{"Australia/Sydney", "2026-04", "2026-03-31T13:00:00Z", "2026-04-30T14:00:00Z", "721h0m0s"}, // and ends on the 5th
		{"America/New_York", "2026-11", "2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z", "721h0m0s"},
		{"America/New_York", "2026-Q1", "2026-01-01T05:00:00Z", "2026-04-01T04:00:00Z", "2159h0m0s"},
		{"UTC", "2026-Q4", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z", "2208h0m0s"},
		{"UTC", "2024", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z", "8784h0m0s"},
	} {
		zone := zoneOf(t, x.zone)
		p, err := ParsePeriod(x.name, zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.From.UTC().Format(time.RFC3339) + " " + p.To.UTC().Format(time.RFC3339) + " " + p.To.Sub(p.From).String(); got != x.from+" "+x.to+" "+x.hours {
			t.Errorf("%s in %s: %s", x.name, x.zone, got)
		}
		for _, inside := range []time.Time{p.From, p.To.Add(-time.Millisecond)} {
			if q := PeriodOf(p.Unit(), inside, zone); q != p {
				t.Errorf("%s is in %s, not in %s", inside, q.Name, p.Name)
			}
		}
		if p.Before().After() != p || p.After().Before() != p {
			t.Errorf("%s: %s and %s are its neighbours", p.Name, p.Before().Name, p.After().Name)
		}
		if steps := p.Steps(); !steps[len(steps)-1].Equal(p.To) {
			t.Errorf("%s: the last step ends %s", p.Name, steps[len(steps)-1])
		}
	}
	for _, wrong := range []string{"", "26", "2026-13", "2026-00", "2026-Q5", "2026-Q0", "2026-1", "2026-W47", "2026-10-01", "20a6", "1999-01", "2026-q", "9999"} {
		if _, err := ParsePeriod(wrong, time.UTC); !isInvalid(err) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if got := PeriodOf(Quarter, time.Date(2026, 12, 31, 23, 59, 0, 0, time.UTC), time.UTC).Name; got != "2026-Q4" {
		t.Error(got)
	}
}

func isInvalid(err error) bool {
	var p *Problem
	return errors.As(err, &p) && p.Code == Invalid
}

func TestWorkingTimeFollowsTheClock(t *testing.T) {
	sydney := zoneOf(t, "Australia/Sydney")
	ny := zoneOf(t, "America/New_York")
	// October 2026 in Sydney: 22 weekdays, whatever the clock does on Sunday the 4th.
	p, _ := ParsePeriod("2026-10", sydney)
	if d := WorkDays(p.From, p.To, sydney); math.Abs(d-22) > 1e-9 {
		t.Errorf("%v working days", d)
	}
	if d := WorkDays(p.From, time.Date(2026, 10, 5, 12, 0, 0, 0, sydney), sydney); math.Abs(d-2.5) > 1e-9 { // Thursday, Friday, half of Monday
		t.Errorf("%v working days until Monday noon", d)
	}
	office, err := ParseHours("Mon-Fri 09:00-17:00")
	if err != nil {
		t.Fatal(err)
	}
	at := func(z *time.Location, day, hour, minute int) time.Time {
		return time.Date(2026, 11, day, hour, minute, 0, 0, z)
	}
	for _, x := range []struct {
		from, to time.Time
		want     string
	}{
		{at(ny, 2, 9, 0), at(ny, 2, 17, 0), "8h0m0s"},
		{at(ny, 2, 8, 0), at(ny, 2, 18, 0), "8h0m0s"},
		{at(ny, 6, 16, 0), at(ny, 9, 10, 0), "2h0m0s"}, // over a weekend
		{at(ny, 7, 16, 0), at(ny, 8, 10, 0), "0s"},
		{time.Date(2026, 10, 30, 16, 0, 0, 0, ny), at(ny, 2, 10, 0), "2h0m0s"}, // clocks change on the 1st
		{at(ny, 2, 17, 0), at(ny, 2, 9, 0), "0s"},
	} {
		if got := office.Between(x.from, x.to, ny).String(); got != x.want {
			t.Errorf("from %s to %s: %s, want %s", x.from, x.to, got, x.want)
		}
	}
	if due := office.After(at(ny, 6, 16, 0), 10*time.Hour, ny); !due.Equal(at(ny, 10, 10, 0)) {
		t.Errorf("ten working hours after Friday 16:00 is %s", due)
	}
	if due := office.After(at(ny, 7, 3, 0), 8*time.Hour, ny); !due.Equal(at(ny, 9, 17, 0)) {
		t.Errorf("eight working hours after a Saturday is %s", due)
	}
	if around := (Hours{}); around.Between(at(ny, 1, 0, 0), at(ny, 2, 0, 0), ny) != 25*time.Hour || !around.After(at(ny, 1, 0, 0), 24*time.Hour, ny).Equal(at(ny, 1, 23, 0)) {
		t.Error("around the clock, an hour that comes twice counts twice")
	}
	for _, wrong := range []string{"Mon-Fri", "9-17", "Mon-Fri 17:00-09:00", "Mon-Fry 09:00-17:00", "Mon 9-17", "Mon 25:00-26:00", "Mon 09:00-09:00"} {
		if _, err := ParseHours(wrong); !isInvalid(err) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if h, err := ParseHours("Sun-Thu 00:00-24:00"); err != nil || h.Between(at(ny, 6, 0, 0), at(ny, 9, 0, 0), ny) != 24*time.Hour {
		t.Errorf("Sunday to Thursday: %v", err)
	}
}

func TestAGoalIsSaidInOneForm(t *testing.T) {
	now := time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)
	good := Goal{Measure: "won_amount", Period: "2026-q4", Target: " 250,000.5 ", Sales: "Rita  R", Marketing: "Mia", By: "Mia@US.example"}
	e, g, err := good.Event(nil, 2, "ui", now)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Validate(); err != nil || g.Target != "250000.50" || g.Period != "2026-Q4" || g.Sales != "Rita R" || e.Rep != "mia@us.example" || len(g.History) != 1 {
		t.Errorf("%v %+v", err, g)
	}
	again, g2, err := good.Event(&g, 2, "ui", now)
	if err != nil || !again.At.After(e.At) || len(g2.History) != 2 || !g2.Same(g) {
		t.Errorf("%v %+v", err, g2)
	}
	for want, change := range map[string]func(*Goal){
		"no measure":           func(g *Goal) { g.Measure = "luck" },
		"write a month":        func(g *Goal) { g.Period = "next year" },
		"number over zero":     func(g *Goal) { g.Target = "0" },
		"over zero":            func(g *Goal) { g.Target = "1e9" },
		"such as 250000":       func(g *Goal) { g.Target = "" },
		"whole numbers":        func(g *Goal) { g.Measure, g.Target = "won_deals", "1.5" },
		"at most 100":          func(g *Goal) { g.Measure, g.Target = "leads_in_time", "101 %" },
		"who agreed":           func(g *Goal) { g.Sales = " " },
		"an address, such as":  func(g *Goal) { g.By = "" },
		"characters":           func(g *Goal) { g.Marketing = strings.Repeat("x", 201) },
		"is not an address":    func(g *Goal) { g.By = "mia" },
		"The text has 2001 ch": func(g *Goal) { g.Note = strings.Repeat("x", 2001) },
	} {
		bad := good
		change(&bad)
		if _, _, err := bad.Event(nil, 2, "ui", now); !isInvalid(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}

func TestAGoalSaysHowItStands(t *testing.T) {
	p, _ := ParsePeriod("2026-10", time.UTC) // 22 working days
	day := func(n int) time.Time { return time.Date(2026, 10, n, 0, 0, 0, 0, time.UTC) }
	judge := func(measure, target string, now time.Time, days ...Tally) *GoalResult {
		g := Goal{Measure: measure, Period: "2026-10", Target: target}
		g.Judge(p, days, 2, now)
		return g.Result
	}
	half := time.Date(2026, 10, 16, 0, 0, 0, 0, time.UTC) // 11 of 22
	for _, x := range []struct {
		measure, target string
		now             time.Time
		n               int64
		state           GoalState
		numbers         string // actual, pace, projected, low, high
	}{
		// What is to come after 10 in half the time is negative binomial with shape 10.5 and p 1/2: 80 of 100 lie from 5 to 17.
		{"won_deals", "20", half, 10, GoalUnclear, "10 10 20 15 27"},
		{"won_deals", "14", half, 10, GoalAhead, "10 7 20 15 27"},
		{"won_deals", "30", half, 10, GoalBehind, "10 15 20 15 27"},
		{"won_deals", "10", half, 10, GoalReached, "10 5 20 15 27"},
		{"won_deals", "30", half, 0, GoalBehind, "0 15 0 0 2"},
		{"won_deals", "30", day(2), 1, GoalEarly, "1 1.4   "},
		{"won_deals", "30", day(1).Add(-time.Hour), 0, GoalFuture, "0 0   "},
		{"won_deals", "30", p.To, 29, GoalMissed, "29 30   "},
		{"contents_used", "30", half, 29, GoalEarly, "29    "},
	} {
		r := judge(x.measure, x.target, x.now, Tally{Day: day(1), N: x.n})
		if got := strings.Join([]string{r.Actual, r.Pace, r.Expected, r.Low, r.High}, " "); got != x.numbers || r.State != x.state {
			t.Errorf("%s of %s at %s: %s %s, want %s %s", x.measure, x.target, x.now.Format(time.DateOnly), r.State, got, x.state, x.numbers)
		}
	}
	// Six deals of 100.00 in half the time: 600.00, so 1200.00 give or take 1.2816 √(6·100²·½)/½.
	r := judge("won_amount", "2000.00", half, Tally{Day: day(1), N: 6, Value: 60000, Squares: 6e8})
	if got := fmt.Sprint(r.Actual, " ", r.Expected, " ", r.Low, " ", r.High, " ", r.State); got != "600.00 1200.00 756.00 1640.00 behind" {
		t.Error(got)
	}
	if r := judge("won_amount", "2000.00", half, Tally{Day: day(1), N: 6, LeftOut: 2, Value: 60000, Squares: 6e8}); r.State != GoalEarly || !strings.Contains(r.Says, "fewer than 5 deals") {
		t.Errorf("with four deals of a known amount: %+v", r)
	}
	if r := judge("leads_in_time", "90", half, Tally{Day: day(1), N: 8, Of: 10}); r.Actual != "80" || r.Pace != "90" || r.State != GoalUnclear || r.Low != "60.2" && r.Low != "60.3" {
		t.Errorf("8 of 10: %+v", r)
	}
	if r := judge("leads_in_time", "90", half); r.Actual != "" || r.State != GoalEarly || !strings.Contains(r.Says, "Nothing is due") {
		t.Errorf("none of none: %+v", r)
	}
	if r := judge("won_deals", "20", half, Tally{Day: day(5), N: 4}, Tally{Day: day(31), N: 4}); len(r.Steps) != 5 || r.Steps[0].Actual != "0" || r.Steps[1].Actual != "4" || r.Steps[3].Actual != "" {
		t.Errorf("steps: %+v", r.Steps)
	}
}

func TestSmallTeamsAreNotShown(t *testing.T) {
	monday := time.Date(2026, 10, 5, 9, 0, 0, 0, time.UTC)
	terms := ServiceTerms{Answer: 24 * time.Hour, Zone: time.UTC}
	for _, x := range []struct{ reps, want string }{ // a letter a rep by team: n north, s south, e east, - none
		{"nnnnnsssss", "north 5, south 5"},
		{"nnnnnsss", "Other teams 8"}, // south would be what is left
		{"nnnnnsseee", "north 5, Other teams 5"},
		{"nnnnnnsssss--", "north 6, Other teams 7"}, // the smallest joins them
		{"nnss", "hidden"},
		{"", ""},
	} {
		var leads []ServiceLead
		teams := map[string]string{}
		for i, c := range x.reps {
			rep := fmt.Sprintf("%c%d@us.example", c, i)
			teams[rep] = map[rune]string{'n': "north", 's': "south", 'e': "east"}[c]
			leads = append(leads, ServiceLead{Contact: ContactID(rep), CreatedAt: monday, Rep: strings.ToUpper(rep)})
		}
		s := NewService(leads, teams, terms, monday, monday.AddDate(0, 0, 7), monday.AddDate(0, 0, 3))
		var got []string
		for _, r := range s.Teams {
			got = append(got, fmt.Sprint(r.Name, " ", r.Reps))
		}
		if s.Hidden {
			got = append(got, "hidden")
		}
		if text := strings.Join(got, ", "); text != x.want {
			t.Errorf("%s: %s, want %s", x.reps, text, x.want)
		}
	}
}
