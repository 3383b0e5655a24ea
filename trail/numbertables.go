package trail

import (
	"strconv"
	"strings"
	"time"
)

// GoalsTable is goals as a table with a header: one row each, as they stand.
func GoalsTable(goals []Goal) [][]string {
	rows := [][]string{{"measure", "title", "period", "unit", "target", "actual", "of", "pace", "projected", "low", "high", "state", "working_days_passed", "working_days", "left_out", "sales", "marketing", "set_by", "set_at", "dropped", "changes", "note"}}
	for _, g := range goals {
		r := g.Result
		if r == nil {
			r = &GoalResult{}
		}
		rows = append(rows, []string{
			g.Measure, g.Title, g.Period, g.Unit, g.Target, r.Actual, whole(r.Of), r.Pace, r.Expected, r.Low, r.High, string(r.State), days(r.Elapsed), days(r.Days), whole(r.LeftOut),
			g.Sales, g.Marketing, g.By, stampOf(g.At), yes(g.Dropped), strconv.Itoa(len(g.History)), g.Note,
		})
	}
	return rows
}

// Table is the service as a table with a header: all, weeks and teams; then each lead
// that was ignored.
func (s Service) Table() [][]string {
	rows := [][]string{{"of", "name", "reps", "leads", "due", "in_time", "answered", "ignored", "share_in_time", "median_hours", "p90_hours", "system_hours", "human_hours", "email", "account", "created_at", "due_at"}}
	add := func(of string, r ServiceRow) {
		rows = append(rows, []string{of, r.Name, whole(int64(r.Reps)), count(r.Leads), count(r.Due), count(r.InTime), count(r.Answered), count(r.Ignored), fraction(r.Share), fraction(r.Median), fraction(r.P90), fraction(r.System), fraction(r.Human), "", "", "", ""})
	}
	add("all", s.Total)
	for _, r := range s.Weeks {
		add("week", r)
	}
	for _, r := range s.Teams {
		add("team", r)
	}
	for _, l := range s.Ignored {
		rows = append(rows, []string{"ignored", l.Name, "", "", "", "", "", "", "", "", "", "", "", l.Address, l.Account, stampOf(l.CreatedAt), stampOf(l.DueAt)})
	}
	return rows
}

// Table is the report of a month as a table with a header: a row a number.
func (r MonthReport) Table() [][]string {
	rows := [][]string{{"month", "number", "value", "of", "unit"}}
	add := func(number, value, of, unit string) {
		rows = append(rows, []string{r.Name, number, value, of, unit})
	}
	add("reps_connected", count(r.RepsConnected), "", "mailboxes today")
	add("reps_sent", count(r.RepsSent), "", "reps")
	add("contents_used", count(r.ContentsUsed), count(r.Contents), "contents")
	add("sends", count(r.Sends), "", "sends")
	add("tracked", count(r.Tracked), count(r.Sends), "sends")
	add("stale", count(r.Stale), count(r.Sends), "sends")
	add("tracked_per_rep_median", fraction(r.TrackedPerRep), "", "sends")
	add("requests_asked", count(r.Requests.Asked), "", "requests")
	add("requests_answered", count(r.Requests.Answered), count(r.Requests.Asked), "requests")
	add("requests_in_time", count(r.Requests.InTime), count(r.Requests.Due), "requests")
	for _, m := range r.Waiting {
		add("amount_waiting", m.Amount, "", m.Currency)
	}
	add("leads", count(r.Service.Leads), "", "leads")
	add("leads_in_time", count(r.Service.InTime), count(r.Service.Due), "leads")
	add("leads_ignored", count(r.Service.Ignored), count(r.Service.Due), "leads")
	add("leads_median", fraction(r.Service.Median), "", "hours")
	add("leads_p90", fraction(r.Service.P90), "", "hours")
	add("leads_system_median", fraction(r.Service.System), "", "hours")
	add("leads_human_median", fraction(r.Service.Human), "", "hours")
	for _, g := range r.Goals {
		if g.Result != nil {
			add("goal "+g.ID, g.Result.Actual, g.Target, g.Unit)
		}
	}
	for _, w := range []struct {
		name string
		won  MonthWon
	}{{"won", r.Won}, {"won_with_content_seen", r.WonSeen}, {"won_no_content_seen", r.WonNone}} {
		add(w.name+"_deals", count(w.won.Deals), "", "deals")
		add(w.name+"_value", w.won.Value.Amount, "", w.won.Value.Currency)
		add(w.name+"_left_out", count(w.won.LeftOut), "", "deals")
	}
	for _, m := range r.Moved {
		name := "moved " + strings.ToLower(m.Name)
		add(name+", then", count(m.Then), count(m.OfThen), "")
		add(name+", now", count(m.Now), count(m.OfNow), "")
		add(name, fraction(m.Points), "", "percentage points")
	}
	return rows
}

func count(n uint64) string { return strconv.FormatUint(n, 10) }

// whole writes a count of which none means that it does not apply.
func whole(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// fraction writes a number with six decimals at most, nothing for one that is not known.
func fraction(f *float64) string {
	if f == nil {
		return ""
	}
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(*f, 'f', 6, 64), "0"), ".")
}

func days(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }

func stampOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func yes(b bool) string { return map[bool]string{true: "yes", false: "no"}[b] }
