package trail

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Goal is what sales and marketing agreed to reach together in a period.
type Goal struct {
	ID        string    `json:"id"`      // measure and period: "new_customers/2026-Q4"
	Measure   string    `json:"measure"` // the ID of a Measure
	Period    string    `json:"period"`  // "2026-10", "2026-Q4" or "2026"
	Target    string    `json:"target"`  // plain decimal: a count, a percentage, or money in the reporting currency
	Sales     string    `json:"sales"`   // who agreed for sales, by name
	Marketing string    `json:"marketing"`
	Note      string    `json:"note,omitzero"` // why it is this, or was changed
	Dropped   bool      `json:"dropped"`       // they gave it up; it stays in the history
	By        string    `json:"by"`            // who wrote that down last, by address
	At        time.Time `json:"at"`            // when

	History []GoalChange `json:"history"` // every word on it, the newest first

	// What reports add.
	Title  string      `json:"title,omitzero"` // of the measure
	Unit   string      `json:"unit,omitzero"`  // count, percent, or the currency
	Result *GoalResult `json:"result,omitempty"`
}

// GoalChange is one word on a goal.
type GoalChange struct {
	At        time.Time `json:"at"`
	By        string    `json:"by"`
	Target    string    `json:"target"`
	Sales     string    `json:"sales"`
	Marketing string    `json:"marketing"`
	Note      string    `json:"note,omitzero"`
	Dropped   bool      `json:"dropped"`
}

// Measure is a number that a goal can be about.
type Measure struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Unit   string `json:"unit"`   // count, percent or money
	Course string `json:"course"` // how it grows: even, steady or once
	Means  string `json:"means"`  // in one sentence
	Term   string `json:"term"`   // its entry in the dictionary
	Page   string `json:"page"`   // where the events behind it are
}

// How a measure grows within a period.
const (
	Even   = "even"   // it adds up, about as much on every working day
	Steady = "steady" // a share: it is what it is from the first day
	Once   = "once"   // different things, each counted once: it grows ever slower
)

// Measures are all that goals can be about.
func Measures() []Measure {
	return []Measure{
		{"new_customers", "New paying customers", "count", Even, "Companies whose first won deal closed in the period.", "new-customers", "deals"},
		{"won_deals", "Won deals", "count", Even, "Deals won that closed in the period.", "won-deals", "deals"},
		{"won_amount", "Won amount", "money", Even, "What these deals are worth, in the reporting currency.", "won-amount", "deals"},
		{"leads_accepted", "Leads accepted", "count", Even, "Leads that a weekly review accepted for the first time in the period.", "leads-accepted", "review"},
		{"leads_in_time", "Leads answered in time", "percent", Steady, "Of the leads created in the period whose time is up, those to whom a rep wrote in time.", "share-in-time", "numbers"},
		{"requests_in_time", "Requests answered in time", "percent", Steady, "Of the requests for content asked in the period whose time is up, those that marketing answered in time.", "requests-in-time", "requests"},
		{"contents_used", "Content used", "count", Once, "Different contents that at least one rep sent in the period.", "content-used", "content"},
	}
}

// MeasureOf returns the measure of an ID.
func MeasureOf(id string) (Measure, bool) {
	all := Measures()
	if i := slices.IndexFunc(all, func(m Measure) bool { return m.ID == id }); i >= 0 {
		return all[i], true
	}
	return Measure{}, false
}

// Event returns the event that sets a goal, and the goal as it was understood. before
// is what was said of it last, nil for nothing; the event is later than that, whatever
// the clock says. digits are those of the reporting currency's minor unit.
func (g Goal) Event(before *Goal, digits int, source string, now time.Time) (Event, Goal, error) {
	var err error
	if g.By, err = colleague(g.By, "Say who writes the goal down: an address, such as anna@example.com."); err != nil {
		return Event{}, g, err
	}
	g.Measure = strings.TrimSpace(g.Measure)
	m, ok := MeasureOf(g.Measure)
	if !ok {
		var ids []string
		for _, m := range Measures() {
			ids = append(ids, m.ID)
		}
		return Event{}, g, Problemf(Invalid, "There is no measure %q; a goal is about one of %s.", g.Measure, strings.Join(ids, ", "))
	}
	g.Period = strings.ToUpper(strings.TrimSpace(g.Period))
	if _, err = ParsePeriod(g.Period, time.UTC); err != nil {
		return Event{}, g, err
	}
	if g.Target, err = target(m, g.Target, digits); err != nil {
		return Event{}, g, err
	}
	if g.Sales, err = oneLine(g.Sales, "name for sales"); err != nil {
		return Event{}, g, err
	}
	if g.Marketing, err = oneLine(g.Marketing, "name for marketing"); err != nil {
		return Event{}, g, err
	}
	if g.Sales == "" || g.Marketing == "" {
		return Event{}, g, Problemf(Invalid, "Say who agreed for sales and who for marketing: a joint goal is one that both chose.")
	}
	if g.Note != "" {
		if g.Note, err = text(g.Note, ""); err != nil {
			return Event{}, g, err
		}
	}
	g.ID, g.Title, g.At = g.Measure+"/"+g.Period, m.Title, now.UTC().Truncate(time.Millisecond)
	if before != nil {
		g.At = after(g.At, before.At)
		g.History = before.History
	}
	g.History = append([]GoalChange{{At: g.At, By: g.By, Target: g.Target, Sales: g.Sales, Marketing: g.Marketing, Note: g.Note, Dropped: g.Dropped}}, g.History...)
	attrs := map[string]string{"measure": g.Measure, "period": g.Period, "target": g.Target, "sales": g.Sales, "marketing": g.Marketing}
	if g.Dropped {
		attrs["dropped"] = "yes"
	}
	return Event{ID: NewID(g.At), Kind: Agreed, Source: source, At: g.At, ReceivedAt: g.At, Rep: g.By, Note: g.Note, Attrs: attrs}, g, nil
}

// Same reports whether a goal says what another did, whoever wrote it down.
func (g Goal) Same(as Goal) bool {
	return g.ID == as.ID && g.Target == as.Target && g.Sales == as.Sales && g.Marketing == as.Marketing && g.Note == as.Note && g.Dropped == as.Dropped
}

// target returns a target in the one form that it is kept in.
func target(m Measure, written string, digits int) (string, error) {
	clean := strings.NewReplacer(" ", "", ",", "", "%", "", "\u00a0", "").Replace(written)
	v, ok := new(big.Rat).SetString(clean)
	if !ok || strings.ContainsAny(clean, "/eExXpP_") || v.Sign() <= 0 || len(clean) > 18 {
		return "", Problemf(Invalid, "The target is %q; write a number over zero, such as %s.", written, map[string]string{"count": "12", "percent": "90", "money": "250000"}[m.Unit])
	}
	switch {
	case m.Unit == "money":
		return v.FloatString(digits), nil
	case m.Unit == "percent" && v.Cmp(big.NewRat(100, 1)) > 0:
		return "", Problemf(Invalid, "The target is %q; a share is at most 100 percent.", written)
	case m.Unit == "percent":
		return strings.TrimSuffix(v.FloatString(1), ".0"), nil
	case !v.IsInt():
		return "", Problemf(Invalid, "The target is %q; %s are counted in whole numbers.", written, strings.ToLower(m.Title))
	}
	return v.FloatString(0), nil
}

// GoalsOf puts every word on goals, in any order, together: each goal as it was said
// last, with its history.
func GoalsOf(words []Goal) []Goal {
	byID := map[string][]Goal{}
	for _, w := range words {
		w.ID = w.Measure + "/" + w.Period
		byID[w.ID] = append(byID[w.ID], w)
	}
	all := []Goal{}
	for _, said := range byID {
		slices.SortFunc(said, func(a, b Goal) int { return b.At.Compare(a.At) })
		g := said[0]
		g.History = nil
		for _, w := range said {
			g.History = append(g.History, GoalChange{At: w.At, By: w.By, Target: w.Target, Sales: w.Sales, Marketing: w.Marketing, Note: w.Note, Dropped: w.Dropped})
		}
		m, _ := MeasureOf(g.Measure)
		g.Title = m.Title
		all = append(all, g)
	}
	order := map[string]int{}
	for i, m := range Measures() {
		order[m.ID] = i
	}
	slices.SortFunc(all, func(a, b Goal) int {
		return cmp.Or(cmp.Compare(order[a.Measure], order[b.Measure]), cmp.Compare(a.Period, b.Period))
	})
	return all
}

// Changed says what a change changed of what was said before, nil for the first word,
// as the end of a sentence.
func (c GoalChange) Changed(before *GoalChange) string {
	switch {
	case c.Dropped:
		return "gave it up"
	case before == nil:
		return "set it to " + thousands(c.Target)
	case before.Dropped:
		return "took it up again, at " + thousands(c.Target)
	case before.Target != c.Target:
		return fmt.Sprintf("changed the target from %s to %s", thousands(before.Target), thousands(c.Target))
	case before.Sales != c.Sales || before.Marketing != c.Marketing:
		return "changed who agreed"
	}
	return "changed the note"
}
