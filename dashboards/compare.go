package dashboards

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"dealtrail/attribution/lift"
	"dealtrail/trail"
)

// comparePage holds two contents against each other, with how sure each difference is.
type comparePage struct {
	frame
	Choices  []trail.ContentRow
	A, B     *trail.ContentRow // nil: not chosen
	Rates    []rateLine
	Counts   []countLine
	Credit   *creditLine // nil without a run or a result
	Reason   string      // why there is no credit
	SparkA   template.HTML
	SparkB   template.HTML
	Headline string
}

// Note says what credit is not.
func (p comparePage) Note() string { return trail.CreditNote }

// rateLine is a rate of both, and what the difference says.
type rateLine struct {
	Term       string // in the dictionary
	Name, A, B string
	OfA, OfB   string // the counts behind it
	Difference string
	Verdict    string
	Told       bool // the two can be told apart
}

// countLine is a number of both that says nothing of which is better.
type countLine struct {
	Term string // in the dictionary; "" for none
	Name string
	A, B uint64
}

// creditLine is what both earned under the lens's model.
type creditLine struct {
	A, B, MoneyA, MoneyB creditCell
	Verdict              string // of the credit in deals
	Told                 bool
	MoneyVerdict         string
	MoneyTold            bool
}

func (s *Site) compare(c echo.Context) error {
	l, err := s.readLens(c, "a", "b")
	if err != nil {
		return err
	}
	r, err := s.readContents(c.Request().Context(), l, contentFilter{})
	if err != nil {
		return err
	}
	page := comparePage{frame: s.frame(c, "Which of the two?", "compare", l), Choices: r.rows}
	for _, x := range []struct {
		id string
		to **trail.ContentRow
	}{{c.QueryParam("a"), &page.A}, {c.QueryParam("b"), &page.B}} {
		if x.id == "" {
			continue
		}
		i := slices.IndexFunc(r.rows, func(row trail.ContentRow) bool { return row.ID == x.id })
		if i < 0 {
			return trail.Problemf(trail.NotFound, "There is no content %q; choose two of the list.", x.id)
		}
		*x.to = &r.rows[i]
	}
	if page.A == nil || page.B == nil {
		return s.render(c, http.StatusOK, "compare", page)
	}
	if page.A.ID == page.B.ID {
		return trail.Problemf(trail.Invalid, "Choose two different pieces of content: this is one.")
	}
	page.fill(l, r)
	return s.render(c, http.StatusOK, "compare", page)
}

func (p *comparePage) fill(l lens, r contentsRead) {
	a, b := *p.A, *p.B
	p.Counts = []countLine{
		{"sent", "Sent", a.Sent, b.Sent},
		{"people", "People reached", a.Reached, b.Reached},
		{"reps", "Reps who send it", a.Reps, b.Reps},
		{"deals-touched", "Deals it touched", a.Deals, b.Deals},
		{"won-touched", "of these won", a.Won, b.Won},
		{"", "of these lost", a.Lost, b.Lost},
	}
	for _, x := range []struct {
		term, name   string
		hitsA, hitsB uint64
	}{{"clicked-links", "Clicked", a.Clicked, b.Clicked}, {"replies", "Replied", a.Replied, b.Replied}} {
		p.Rates = append(p.Rates, newRateLine(x.term, x.name, min(x.hitsA, a.Sent), a.Sent, min(x.hitsB, b.Sent), b.Sent))
	}
	top := max(slices.Max(append(slices.Clone(r.weeks[a.ID]), 1)), slices.Max(append(slices.Clone(r.weeks[b.ID]), 1)))
	p.SparkA, p.SparkB = spark(r.weeks[a.ID], top), spark(r.weeks[b.ID], top)
	switch {
	case r.credits == nil:
		p.Reason = "Not calculated yet for this selection."
	case r.credits.Reason != "":
		p.Reason = r.credits.Reason
	default:
		p.Credit = newCreditLine(l, r.credits, a.ID, b.ID)
	}
	p.Headline = p.headline()
}

// minimumSends is how many sends each of two needs before their rates are compared.
const minimumSends = 10

// newRateLine compares hits of n: the difference with its 95 % interval (Newcombe's).
func newRateLine(term, name string, hitsA, a, hitsB, b uint64) rateLine {
	line := rateLine{Term: term, Name: name, OfA: fmt.Sprintf("%d of %d", hitsA, a), OfB: fmt.Sprintf("%d of %d", hitsB, b), A: "–", B: "–"}
	if a > 0 {
		line.A = percent(float64(hitsA) / float64(a))
	}
	if b > 0 {
		line.B = percent(float64(hitsB) / float64(b))
	}
	if a < minimumSends || b < minimumSends {
		line.Verdict = fmt.Sprintf("not enough: it takes %d sends of each", minimumSends)
		return line
	}
	d, err := lift.Newcombe(int64(hitsA), int64(a), int64(hitsB), int64(b))
	if err != nil {
		line.Verdict = "not enough"
		return line
	}
	line.Difference = pointsText(d.Value) + " (" + pointsText(d.Low) + " to " + pointsText(d.High) + ")"
	if line.Told = d.Low > 0 || d.High < 0; line.Told {
		line.Verdict = map[bool]string{true: "the first is higher", false: "the second is higher"}[d.Value > 0]
	} else {
		line.Verdict = together
	}
	return line
}

// pointsText writes a difference of rates in percentage points, with its sign.
func pointsText(f float64) string {
	f = math.Round(1000*f) / 10
	if f == 0 {
		return "0.0"
	}
	return map[bool]string{true: "+", false: "−"}[f > 0] + strconv.FormatFloat(math.Abs(f), 'f', 1, 64)
}

// newCreditLine compares what two earned: they are told apart where their intervals do not
// overlap and, in money, where the report does not give them one rank.
func newCreditLine(l lens, report *trail.Attribution, a, b string) *creditLine {
	of := func(id string) trail.CreditRow {
		for _, r := range report.Rows {
			if r.Key == id {
				return r
			}
		}
		return trail.CreditRow{Key: id, Value: trail.Money{Amount: "0.00", Currency: report.Total.Value.Currency}}
	}
	ra, rb := of(a), of(b)
	cell := func(r trail.CreditRow) (creditCell, creditCell) {
		if r.CreditEnds == nil {
			return creditCell{Main: credit(0)}, creditCell{Main: money(r.Value)}
		}
		return dealsCell(r, report.Few), moneyCell(r, report.Few, l.Why("content", r.Key))
	}
	line := &creditLine{}
	line.A, line.MoneyA = cell(ra)
	line.B, line.MoneyB = cell(rb)
	ends := func(r trail.CreditRow) (deals, value [2]float64) {
		if r.CreditEnds == nil {
			return deals, value
		}
		return [2]float64{r.Low, r.High}, [2]float64{approx(r.ValueLow), approx(r.ValueHigh)}
	}
	dealsA, valueA := ends(ra)
	dealsB, valueB := ends(rb)
	line.Verdict, line.Told = apart(dealsA, dealsB)
	line.MoneyVerdict, line.MoneyTold = apart(valueA, valueB)
	if ra.Tie != 0 && ra.Tie == rb.Tie {
		line.MoneyVerdict, line.MoneyTold = together, false
	}
	return line
}

const together = "cannot be told apart"

// apart says which of two intervals is the higher, if they do not overlap.
func apart(a, b [2]float64) (verdict string, told bool) {
	switch {
	case a[0] > b[1]:
		return "the first has more", true
	case b[0] > a[1]:
		return "the second has more", true
	}
	return together, false
}

// headline says in one sentence what the page shows.
func (p *comparePage) headline() string {
	a, b := cmp.Or(p.A.Title, p.A.ID), cmp.Or(p.B.Title, p.B.ID)
	var told []string
	for _, r := range p.Rates {
		if r.Told {
			told = append(told, fmt.Sprintf("%s %s more often than %s", map[bool]string{true: a, false: b}[r.Verdict == "the first is higher"],
				map[string]string{"Clicked": "is clicked", "Replied": "is answered"}[r.Name], map[bool]string{true: b, false: a}[r.Verdict == "the first is higher"]))
		}
	}
	if p.Credit != nil && p.Credit.Told {
		told = append(told, map[bool]string{true: a, false: b}[p.Credit.Verdict == "the first has more"]+" was part of more won deals")
	}
	if len(told) == 0 {
		return a + " and " + b + " cannot be told apart: every difference may be chance."
	}
	text := told[0]
	for _, t := range told[1:] {
		text += "; " + t
	}
	return text + ". That says what goes together, not what caused it."
}
