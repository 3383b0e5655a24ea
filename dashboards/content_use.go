package dashboards

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"dealtrail/store"
	"dealtrail/trail"
)

// sender is one rep who sent a content, or the reps of a team, as who looks may see it.
type sender struct {
	Rep, Team                       string
	Reps                            uint64 // of a team
	Sent, Reached, Clicked, Replied uint64
}

// sendersFor groups who sent a content for who looks: themselves, then teams of five or
// more of these senders. left is how many are in none.
func sendersFor(v trail.Viewer, all []store.Sender, team map[string]string) (shown []sender, left int) {
	reps, rows := make([]string, len(all)), make([]trail.RepRow, len(all))
	for i, s := range all {
		reps[i] = s.Rep
		rows[i] = trail.RepRow{Rep: s.Rep, Sent: s.Sent, Reached: s.Reached, Clicked: s.Clicked, Replied: s.Replied}
	}
	seen, left := trail.NewTeams(reps, team).Rows(v, rows)
	for _, r := range seen {
		shown = append(shown, sender{r.Rep, r.Team, r.Reps, r.Sent, r.Reached, r.Clicked, r.Replied})
	}
	return shown, left
}

// stageLine is to whom a content was sent in one stage, and what became of the deals.
type stageLine struct {
	store.SentStage
	Known uint64 // deals whose 30 days are over, or that moved or were lost before
}

// Moving is how many of the known deals moved on, in words.
func (s stageLine) Moving() string {
	if s.Known == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d", s.Moved, s.Known)
}

func stageLines(all []store.SentStage) (lines []stageLine) {
	for _, s := range all {
		lines = append(lines, stageLine{s, s.Moved + s.Lost + s.Stayed})
	}
	return lines
}

// inWords explains the numbers of a content in sentences: what was sent, what came back,
// what it was part of, and how sure that is.
func inWords(r trail.ContentRow, m *modelCredit, l lens) string {
	if r.Sent == 0 {
		return "No mail with it has been seen, so there is nothing to tell yet."
	}
	text := fmt.Sprintf("It was sent %s to %s by %s. ", plural(r.Sent, "time", "times"), plural(r.Reached, "person", "different people"), plural(r.Reps, "rep", "reps"))
	text += fmt.Sprintf("Counting %s, %s clicked and %s answered. ", l.LevelWords(), plural(r.Clicked, "link was", "links were"), plural(r.Replied, "mail was", "mails were"))
	switch ended := r.Won + r.Lost; {
	case r.Deals == 0:
		return text + "Nobody on a deal clicked, read or answered it."
	case ended == 0:
		text += fmt.Sprintf("People on %s clicked, read or answered it; none of these has ended.", plural(r.Deals, "deal", "deals"))
	default:
		text += fmt.Sprintf("People on %s clicked, read or answered it; of the %d that ended, %d %s won.", plural(r.Deals, "deal", "deals"), ended, r.Won, map[bool]string{true: "was", false: "were"}[r.Won == 1])
	}
	if m == nil || m.Credit == nil || m.Credit.CreditEnds == nil || m.NoRun {
		return text
	}
	c := m.Credit
	text += fmt.Sprintf(" %s gives it %s of what was won by deals %s; with the chance there is in which deals came to be won that could as well be %s to %s.",
		m.Title, moneyText(c.Value), l.Period(), moneyText(c.ValueLow), moneyText(c.ValueHigh))
	if c.Tie > 0 {
		text += fmt.Sprintf(" It has rank %d, with all others whose credit does not differ by more than chance.", c.Tie)
	}
	return text + " That says what was part of wins, not what caused them."
}

// withoutReps takes the names of reps out of a trail, for who may not see them: many lines
// of one content add up to numbers of a rep.
func withoutReps(v trail.Viewer, events []trail.TrailRow) []trail.TrailRow {
	if v.Names {
		return events
	}
	events = slices.Clone(events)
	for i := range events {
		if events[i].Rep != v.Rep {
			events[i].Rep = ""
		}
	}
	return events
}

// creditsTable is what each content earned of a deal under every model that has a result:
// a column for each, which adds up to the deal's amount.
type creditsTable struct {
	Models []string // titles
	Rows   []creditsRow
	Total  creditsRow
}

type creditsRow struct {
	Content, Title string // without a content: what none earned
	Values         []trail.Money
	Shares         []string
}

// newCreditsTable lays out the credits of a deal by model and content, "" for none.
func newCreditsTable(models []model, credits map[string]map[string]trail.Sum, titles map[string]string) *creditsTable {
	t := &creditsTable{}
	contents := map[string]bool{}
	var shown []string
	for _, m := range models {
		if len(credits[m.Name]) == 0 {
			continue
		}
		t.Models, shown = append(t.Models, m.Title), append(shown, m.Name)
		for content := range credits[m.Name] {
			contents[content] = contents[content] || content != ""
		}
	}
	if len(shown) == 0 {
		return nil
	}
	var names []string
	for content, is := range contents {
		if is {
			names = append(names, content)
		}
	}
	currency, digits := "", 0
	for _, sum := range credits[shown[0]] {
		_, cents, _ := strings.Cut(sum.Value.Amount, ".")
		currency, digits = sum.Value.Currency, len(cents)
	}
	nothing := trail.Money{Amount: strings.TrimSuffix("0."+strings.Repeat("0", digits), "."), Currency: currency}
	line := func(content, title string) creditsRow {
		row := creditsRow{Content: content, Title: title}
		for _, m := range shown {
			s, ok := credits[m][content]
			if !ok {
				s.Value = nothing
			}
			row.Values, row.Shares = append(row.Values, s.Value), append(row.Shares, percent(s.Credit))
		}
		return row
	}
	for _, content := range names {
		t.Rows = append(t.Rows, line(content, cmp.Or(titles[content], content)))
	}
	slices.SortFunc(t.Rows, func(a, b creditsRow) int {
		return cmp.Or(amount(b.Values[0]).Cmp(amount(a.Values[0])), strings.Compare(a.Title, b.Title), strings.Compare(a.Content, b.Content))
	})
	t.Rows = append(t.Rows, line("", "No content seen"))
	t.Total.Title = "The deal"
	for i := range shown {
		parts := make([]dealPart, len(t.Rows))
		for y, r := range t.Rows {
			parts[y] = dealPart{CreditRow: trail.CreditRow{Value: r.Values[i]}}
		}
		t.Total.Values = append(t.Total.Values, totalOf(parts))
	}
	return t
}
