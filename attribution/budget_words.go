package attribution

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"dealtrail/trail"
)

// levelWords say whose clicks count, within a sentence.
var levelWords = map[trail.Level]string{trail.All: "everyone, machines included", trail.Likely: "likely people", trail.Strict: "surely people"}

var kindsWords = map[string]string{"clicked": "clicks", "viewed": "views", "replied": "replies", "opened": "opens", "sent": "mails sent"}

// period says when the deals of a run closed, in days of the company's zone.
func (x *Budgets) period(run *trail.Run) string {
	from, to := run.From.In(x.Zone).Format("2 Jan 2006"), run.To.Add(-time.Millisecond).In(x.Zone).Format("2 Jan 2006")
	switch {
	case run.From.IsZero() && run.To.IsZero():
		return "deals closed by " + run.AsOf.In(x.Zone).Format("2 Jan 2006")
	case run.To.IsZero():
		return "deals closed since " + from
	case run.From.IsZero():
		return "deals closed until " + to
	}
	return "deals closed from " + from + " to " + to
}

// assumed says in sentences what the numbers of a page rest on, by what the run wrote
// down of its settings.
func (x *Budgets) assumed(b trail.Budget, run *trail.Run, spend *trail.Spend) []string {
	var kinds, rates []string
	window, source := "at any time", ""
	for line := range strings.Lines(run.Settings) {
		f := strings.Fields(line)
		switch {
		case len(f) == 2 && f[0] == "kind":
			kinds = append(kinds, kindsWords[f[1]])
		case len(f) == 3 && f[0] == "rate" && f[1] != run.Currency:
			rates = append(rates, fmt.Sprintf("1 %s is %s %s", f[1], f[2], run.Currency))
		case len(f) == 3 && f[0] == "window" && f[1] != "0":
			if ms, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				window = fmt.Sprintf("within %d days", time.Duration(ms)*time.Millisecond/(24*time.Hour))
			}
		case len(f) > 2 && f[0] == "rates" && f[1] == "from":
			source = " (" + strings.Join(f[2:], " ") + ")"
		}
	}
	all := []string{
		fmt.Sprintf("Credit shares won value among %s of contacts %s before the close, by the model %s. It says what was part of wins, not what caused them.", listed(kinds), window, b.ModelTitle),
		fmt.Sprintf("Counted are %s, and %s. Of these, %d won deals were divided%s.", levelWords[run.Agents], x.period(run), run.Deals, leftOut(run.LeftOut)),
		"Intervals are of 95 % and hold the chance in which deals came to be won, no other doubt.",
	}
	money := "All money is in " + run.Currency + "."
	if len(rates) > 0 {
		more := ""
		if len(rates) > 4 {
			more, rates = fmt.Sprintf(" and %d others", len(rates)-4), rates[:4]
		}
		money = "Money is in " + run.Currency + ": " + strings.Join(rates, ", ") + more + source + "."
	}
	costs := " Costs are what marketing registered for making each content"
	if spend.NoCost > 0 {
		costs += fmt.Sprintf("; %d contents have none", spend.NoCost)
	}
	if spend.NoRate > 0 {
		costs += fmt.Sprintf("; %d are in a currency without a rate and in no sum", spend.NoRate)
	}
	return append(all, money+costs+".")
}

func leftOut(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %d more have no amount that can be divided", n)
}

// listed writes "a, b and c".
func listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
