package dashboards

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"dealtrail/trail"
)

// budgetQuestion is what a budget page answers.
const budgetQuestion = "What did content earn, and what should we spend on?"

// budgetView is a budget page in words, the same for browser, paper and PDF.
type budgetView struct {
	Budget  trail.Budget
	Over    string // over which deals, model and verdict level, and when that was known
	Made    string // by whom and when
	Unit    string // of money, as in "€1"
	Tiles   []budgetTile
	Kinds   []budgetLine
	Lines   []budgetLine
	Rest    *budgetLine
	Sure    []string // how sure that is, in sentences
	Assumed []string
}

type budgetTile struct{ Name, Number, Sub string }

// budgetLine is one content or kind in words; what there is none of is empty.
type budgetLine struct {
	Key, Name, Kind, Note string
	Cost, Value, Range    string
	Per, PerRange, Unit   string // for each unit of money that it cost
	Lift, LiftRange       string
	Proven                bool // a holdout decided, or the comparison did
}

// viewOf puts a budget page into words.
func viewOf(b trail.Budget) budgetView {
	zone, err := time.LoadLocation(b.Zone)
	if err != nil {
		zone = time.UTC
	}
	day := func(t time.Time) string { return t.In(zone).Format("2 Jan 2006") }
	v := budgetView{Budget: b, Assumed: b.Assumed, Unit: moneyText(trail.Money{Amount: "1", Currency: b.Currency})}
	v.Over = plural(b.Deals, "won deal", "won deals") + " · " + b.ModelTitle + " · " + phrase(levels, string(b.Agents)) + " · as known on " + b.AsOf.In(zone).Format("2 Jan 2006, 15:04 MST")
	if v.Made = "Frozen on " + day(b.At); b.By != "" {
		v.Made += " by " + b.By
	}
	idle := trail.Spent{Contents: b.NeverSent.Contents + b.NeverUsed.Contents, Cost: addMoney(b.NeverSent.Cost, b.NeverUsed.Cost)}
	v.Tiles = []budgetTile{
		{"Won by these deals", moneyWhole(b.Total.Value), plural(b.Deals, "deal", "deals")},
		{"No content seen", shareText(b.Unattributed.Value, b.Total.Value), moneyWhole(b.Unattributed.Value)},
		{"Spent on content", moneyWhole(b.Spent.Cost), plural(b.Spent.Contents, "content with a cost", "contents with a cost")},
		{"Of that never used", moneyWhole(idle.Cost), fmt.Sprintf("%s never sent, %s sent and never used", group(count(b.NeverSent.Contents)), group(count(b.NeverUsed.Contents)))},
	}
	words := liftWords{selected: b.Warning != ""}
	for _, r := range b.Kinds {
		v.Kinds = append(v.Kinds, lineOf(r, words, v.Unit))
	}
	for _, r := range b.Contents {
		l := lineOf(r, words, v.Unit)
		l.Lift = cmp.Or(l.Lift, "too little data")
		v.Lines = append(v.Lines, l)
	}
	if b.Rest != nil {
		rest := lineOf(*b.Rest, words, v.Unit)
		rest.Name = plural(b.Rest.Contents, "other content", "other contents")
		v.Rest = &rest
	}
	v.Sure = sureOf(b)
	return v
}

// sureOf says how sure the numbers are.
func sureOf(b trail.Budget) (all []string) {
	if b.Reason != "" {
		all = append(all, b.Reason)
	}
	if b.Few {
		all = append(all, fmt.Sprintf("These are fewer than %d won deals: read the intervals, not the order.", trail.FewDeals))
	} else {
		all = append(all, "Where intervals overlap, nothing says that one earned more than the other.")
	}
	switch {
	case b.Warning != "":
		all = append(all, b.Warning)
	case b.NoLift != "":
		all = append(all, b.NoLift)
	default:
		all = append(all, "Only the last column is about what moves deals: how many points more often similar deals that had seen it went on. Credit is not.")
	}
	if len(b.Proven) == 0 {
		return append(all, "No holdout, the only proof, has decided anything yet.")
	}
	return append(all, "By holdouts, the only proof: "+strings.Join(b.Proven, " "))
}

func lineOf(r trail.BudgetRow, words liftWords, unit string) budgetLine {
	l := budgetLine{Key: r.Key, Name: r.Title, Kind: r.Kind, Value: moneyWhole(r.Value), Unit: unit}
	if l.Name == trail.Nobody {
		l.Name = "without a kind"
	}
	if r.Cost != nil {
		l.Cost = moneyWhole(*r.Cost)
	}
	if r.Low != nil && r.High != nil {
		l.Range = moneyWhole(*r.Low) + " to " + moneyWhole(*r.High)
	}
	if r.PerCost != nil {
		l.Per, l.PerRange = times(r.Per), times(r.PerLow)+" to "+times(r.PerHigh)
	}
	switch r.State {
	case trail.NeverSent:
		l.Note = "never sent"
	case trail.NeverUsed:
		l.Note = "sent, never used"
	}
	if r.Lift != nil {
		l.Lift = words.verdict(r.Lift.Verdict)
		l.LiftRange = fmt.Sprintf("%s points (%s to %s)", points(r.Lift.Lift), points(r.Lift.Low), points(r.Lift.High))
		l.Proven = (r.Lift.Verdict == trail.For || r.Lift.Verdict == trail.Against) && !words.selected
	}
	if proof := map[string]string{trail.ProvenFor: "proven: moves deals", trail.Against: "proven: holds deals back", trail.NoEffect: "tested: no effect shows"}[r.Proof]; proof != "" {
		l.Lift, l.Proven = proof, r.Proof != trail.NoEffect
	}
	return l
}

// times writes money earned per unit of cost.
func times(f float64) string {
	digits := 1
	if math.Abs(f) >= 99.95 {
		digits = 0
	}
	whole, rest, found := strings.Cut(strconv.FormatFloat(f, 'f', digits, 64), ".")
	if found {
		rest = "." + rest
	}
	return group(whole) + rest
}

// points writes a difference of rates in points, with its sign.
func points(f float64) string {
	text := strconv.FormatFloat(math.Abs(100*f), 'f', 1, 64)
	switch {
	case strings.Trim(text, "0.") == "":
		return "0.0"
	case f < 0:
		return "−" + text
	}
	return "+" + text
}

// moneyWhole writes money without its cents, rounded half away from zero.
func moneyWhole(m trail.Money) string {
	return moneyText(trail.Money{Amount: amount(m).FloatString(0), Currency: m.Currency})
}

func addMoney(a, b trail.Money) trail.Money {
	_, cents, _ := strings.Cut(a.Amount, ".")
	return trail.Money{Amount: new(big.Rat).Add(amount(a), amount(b)).FloatString(len(cents)), Currency: cmp.Or(a.Currency, b.Currency)}
}

// shareText says which part of money another is.
func shareText(part, whole trail.Money) string {
	if amount(whole).Sign() <= 0 {
		return "–"
	}
	return percent(ratio(part, whole))
}

// BudgetCSV writes the rows of a budget page, exact: of kinds, of contents, of those
// that it does not name, and of no content.
func BudgetCSV(w io.Writer, b trail.Budget) error {
	out := [][]string{{"budget", "run", "model", "row", "key", "title", "kind", "contents", "deals", "cost", "credit", "credit_low", "credit_high", "currency", "credit_per_cost", "per_low", "per_high", "state", "verdict", "lift", "lift_low", "lift_high", "holdout"}}
	add := func(what string, r trail.BudgetRow) {
		line := []string{b.ID.String(), b.Run, b.Model, what, r.Key, r.Title, r.Kind, count(r.Contents), count(r.Deals), "", r.Value.Amount, "", "", b.Currency, "", "", "", r.State, "", "", "", "", r.Proof}
		if r.Cost != nil {
			line[9] = r.Cost.Amount
		}
		if r.Low != nil && r.High != nil {
			line[11], line[12] = r.Low.Amount, r.High.Amount
		}
		if r.PerCost != nil {
			line[14], line[15], line[16] = decimal(r.Per), decimal(r.PerLow), decimal(r.PerHigh)
		}
		if r.Lift != nil {
			line[18], line[19], line[20], line[21] = r.Lift.Verdict, decimal(r.Lift.Lift), decimal(r.Lift.Low), decimal(r.Lift.High)
		}
		out = append(out, line)
	}
	for _, r := range b.Kinds {
		add("kind", r)
	}
	for _, r := range b.Contents {
		add("content", r)
	}
	if b.Rest != nil {
		add("rest", *b.Rest)
	}
	add("no content seen", trail.BudgetRow{Value: b.Unattributed.Value})
	add("total", trail.BudgetRow{Deals: b.Deals, Cost: &b.Spent.Cost, Value: b.Total.Value})
	return typed("budget", out).CSV(w)
}
