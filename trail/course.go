package trail

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Tally is what one day added to a measure.
type Tally struct {
	Day     time.Time // its midnight in the company's zone
	N       int64     // what is counted; of a share, what was in time
	Of      int64     // of a share: of how many
	Value   int64     // money, in minor units
	Squares float64   // the sum of the squares of what each deal added to Value
	LeftOut int64     // won deals without an amount or a rate
}

// GoalResult is how a goal stands at a moment. Numbers are texts in the goal's unit;
// an empty one cannot be told.
type GoalResult struct {
	At       time.Time  `json:"at"`
	From     time.Time  `json:"from"`
	To       time.Time  `json:"to"`
	Actual   string     `json:"actual"`             // so far
	Of       int64      `json:"of,omitzero"`        // of a share: of how many
	Pace     string     `json:"pace,omitzero"`      // what the target asks for by now, see Course
	Elapsed  float64    `json:"elapsed_days"`       // working days so far
	Days     float64    `json:"days"`               // working days of the period
	Expected string     `json:"projected,omitzero"` // at the end, if it goes on as until now
	Low      string     `json:"low,omitzero"`       // in four of five cases the end lies between
	High     string     `json:"high,omitzero"`
	State    GoalState  `json:"state"`
	Says     string     `json:"says"`              // all of that in words
	LeftOut  int64      `json:"left_out,omitzero"` // won deals without an amount or a rate, that are in no sum
	Steps    []GoalStep `json:"steps"`             // how it came there
	Page     string     `json:"page"`              // where the events behind it are
}

// GoalStep is how a goal stood at the end of a week or month within its period.
type GoalStep struct {
	Until  time.Time `json:"until"`
	Actual string    `json:"actual,omitzero"` // empty: it is yet to come
	Pace   string    `json:"pace,omitzero"`   // what an even pace asks for by then

	Share, PaceShare float64 `json:"-"` // of the target, for drawing; negative: it is yet to come
}

// GoalState says how a goal stands.
type GoalState string

// The states of a goal.
const (
	GoalReached GoalState = "reached"
	GoalMissed  GoalState = "missed"  // the period is over
	GoalAhead   GoalState = "ahead"   // even the low end of the projection reaches it
	GoalBehind  GoalState = "behind"  // even the high end of the projection does not
	GoalUnclear GoalState = "unclear" // the range of the projection holds the target
	GoalEarly   GoalState = "early"   // too little has passed, or is known, to project
	GoalFuture  GoalState = "future"  // the period has not begun
)

const (
	early    = 0.1    // part of a period before which nothing is projected
	fewDeals = 5      // with fewer deals no money is projected: one of them is most of it
	z80      = 1.2816 // standard normal quantile of 0.9
)

// Scale is what the numbers of a goal are written in.
type Scale struct {
	Unit   string // count, percent or money
	Digits int    // of money
}

// write writes a number of a scale: a count, tenths of a percent, or minor units.
func (s Scale) write(v float64) string {
	switch s.Unit {
	case "money":
		return minorText(int64(math.Round(v)), s.Digits)
	case "percent":
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	}
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

// about writes a number that is not known to the cent: money to three digits.
func (s Scale) about(v float64) string {
	if s.Unit == "money" && v > 0 {
		unit := math.Pow10(max(0, int(math.Floor(math.Log10(v)))-2))
		v = math.Round(v/unit) * unit
	}
	return s.write(v)
}

// read reads what write wrote.
func (s Scale) read(text string) float64 {
	f, _ := strconv.ParseFloat(text, 64)
	if s.Unit == "money" {
		f *= math.Pow10(s.Digits)
	}
	return f
}

// minorText writes minor units as a plain decimal.
func minorText(minor int64, digits int) string {
	return new(big.Rat).SetFrac(big.NewInt(minor), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)).FloatString(digits)
}

// Judge fills in how a goal stands at a moment, from what each day of its period added.
// Pace is even over working days; see docs/numbers.md for the projection.
func (g *Goal) Judge(p Period, days []Tally, digits int, now time.Time) {
	m, _ := MeasureOf(g.Measure)
	zone := p.From.Location()
	s := Scale{m.Unit, digits}
	until := now
	if until.After(p.To) {
		until = p.To
	}
	r := &GoalResult{At: now.UTC().Truncate(time.Millisecond), From: p.From, To: p.To, Page: m.Page, Days: WorkDays(p.From, p.To, zone)}
	if until.After(p.From) {
		r.Elapsed = WorkDays(p.From, until, zone)
	}
	sum := sumOf(days, p.To)
	target := s.read(g.Target)
	actual, known := sum.of(m)
	if known || m.Course != Steady {
		r.Actual = s.write(actual)
	}
	r.Of, r.LeftOut = sum.Of, sum.LeftOut
	passed := r.Elapsed / max(r.Days, 1)
	switch m.Course {
	case Even:
		r.Pace = s.write(target * passed)
	case Steady:
		r.Pace = g.Target
	}
	over := !now.Before(p.To)
	var low, high float64
	projected := false
	if passed >= early && !over {
		var mid float64
		if mid, low, high, projected = sum.project(m, passed); projected {
			r.Expected, r.Low, r.High = s.about(mid), s.about(low), s.about(high)
		}
	}
	r.State = goalState(m, now.Before(p.From), over, known, projected, actual, target, low, high)
	r.Steps = goalSteps(p, m, s, days, target, now)
	g.Result = r
	r.Says = g.says(m)
}

// goalState says how a goal stands. A share that is over the target today may fall
// below it, so it is reached only when the period is over.
func goalState(m Measure, future, over, known, projected bool, actual, target, low, high float64) GoalState {
	switch {
	case future:
		return GoalFuture
	case known && actual >= target && (m.Course != Steady || over):
		return GoalReached
	case over:
		return GoalMissed
	case !projected:
		return GoalEarly
	case low >= target:
		return GoalAhead
	case high < target:
		return GoalBehind
	}
	return GoalUnclear
}

// sumOf adds up the days before a moment.
func sumOf(days []Tally, before time.Time) (sum Tally) {
	for _, d := range days {
		if d.Day.Before(before) {
			sum.N, sum.Of, sum.Value, sum.Squares, sum.LeftOut = sum.N+d.N, sum.Of+d.Of, sum.Value+d.Value, sum.Squares+d.Squares, sum.LeftOut+d.LeftOut
		}
	}
	return sum
}

// of is the number that a measure takes from a sum; a share of nothing is not known.
func (t Tally) of(m Measure) (v float64, known bool) {
	switch m.Unit {
	case "money":
		return float64(t.Value), true
	case "percent":
		if t.Of == 0 {
			return 0, false
		}
		return 100 * float64(t.N) / float64(t.Of), true
	}
	return float64(t.N), true
}

// project says where a measure will be at the end of a period of which a part has
// passed, with the range that holds four of five ends if it goes on as until now.
// Counts: what is to come is negative binomial (Poisson with an unknown rate, Jeffreys'
// prior). Money: compound Poisson, by its first two moments. Shares: Wilson's interval.
func (t Tally) project(m Measure, passed float64) (mid, low, high float64, ok bool) {
	switch {
	case m.Course == Once:
		return 0, 0, 0, false
	case m.Course == Steady && t.Of == 0:
		return 0, 0, 0, false
	case m.Course == Steady:
		low, high = wilson(t.N, t.Of)
		return 100 * float64(t.N) / float64(t.Of), 100 * low, 100 * high, true
	case m.Unit == "money":
		if t.N-t.LeftOut < fewDeals {
			return 0, 0, 0, false
		}
		mid = float64(t.Value) / passed
		sd := math.Sqrt(t.Squares*(1-passed)) / passed
		return mid, max(float64(t.Value), mid-z80*sd), mid + z80*sd, true
	}
	more := float64(t.N) * (1 - passed) / passed
	a, b := toCome(t.N, passed)
	return float64(t.N) + more, float64(t.N) + a, float64(t.N) + b, true
}

// toCome returns the quantiles 0.1 and 0.9 of how many will come in the rest of a
// period after n came in the part that has passed.
func toCome(n int64, passed float64) (low, high float64) {
	r := float64(n) + 0.5
	mean, sd := r*(1-passed)/passed, math.Sqrt(r*(1-passed))/passed
	if passed >= 1 {
		return 0, 0
	}
	if n > 2000 {
		return math.Floor(max(0, mean-z80*sd)), math.Ceil(mean + z80*sd)
	}
	low = -1
	log := r * math.Log(passed) // of the probability of k
	sum := 0.0
	for k := 0.0; ; k++ {
		sum += math.Exp(log)
		if low < 0 && sum >= 0.1 {
			low = k
		}
		if sum >= 0.9 || k > mean+20*sd+20 {
			return max(low, 0), k
		}
		log += math.Log((k+r)/(k+1)) + math.Log1p(-passed)
	}
}

// wilson is Wilson's score interval of a share, at 80 percent, from 0 to 1.
func wilson(n, of int64) (low, high float64) {
	total, p := float64(of), float64(n)/float64(of)
	center := (p + z80*z80/(2*total)) / (1 + z80*z80/total)
	half := z80 / (1 + z80*z80/total) * math.Sqrt(p*(1-p)/total+z80*z80/(4*total*total))
	return max(0, center-half), min(1, center+half)
}

// goalSteps is how a goal came where it is.
func goalSteps(p Period, m Measure, s Scale, days []Tally, target float64, now time.Time) (steps []GoalStep) {
	zone := p.From.Location()
	all := max(WorkDays(p.From, p.To, zone), 1)
	begun := p.From
	for _, end := range p.Steps() {
		step := GoalStep{Until: end, Share: -1}
		pace := target
		if m.Course == Even {
			pace = target * WorkDays(p.From, end, zone) / all
		}
		if m.Course != Once {
			step.Pace, step.PaceShare = s.write(pace), pace/target
		}
		if v, known := sumOf(days, end).of(m); begun.Before(now) && known {
			step.Actual, step.Share = s.write(v), v/target
		}
		begun = end
		steps = append(steps, step)
	}
	return steps
}

// thousands puts a comma between each three digits of the whole part, and leaves out
// cents that are none.
func thousands(text string) string {
	whole, part, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if strings.Trim(part, "0") == "" {
		return whole
	}
	return whole + "." + part
}

// says says how a goal stands in a sentence or two.
func (g *Goal) says(m Measure) string {
	r := g.Result
	unit := map[string]string{"percent": "%", "money": cmp.Or(" "+g.Unit, "")}[m.Unit]
	so := fmt.Sprintf("%s%s of %s%s", cmp.Or(thousands(r.Actual), "nothing"), unit, thousands(g.Target), unit)
	ends := fmt.Sprintf("If it goes on as until now, it ends between %s and %s%s in four of five cases", thousands(r.Low), thousands(r.High), unit)
	if m.Course == Steady {
		ends = fmt.Sprintf("Going by %d so far, the share lies between %s and %s%s in four of five cases", r.Of, r.Low, r.High, unit)
	}
	switch r.State {
	case GoalFuture:
		return "The period has not begun."
	case GoalReached:
		return "Reached: " + so + "."
	case GoalMissed:
		return "Not reached: " + so + "."
	case GoalAhead:
		return ends + ": the target is likely reached."
	case GoalBehind:
		return ends + ": the target is likely missed."
	case GoalUnclear:
		return ends + ": whether the target is reached cannot be told yet."
	}
	switch {
	case m.Course == Once:
		return "Each content counts once, so it grows ever slower; an even pace and a projection would mislead."
	case m.Course == Steady && r.Of == 0:
		return "Nothing is due yet, so there is no share."
	case m.Unit == "money" && r.Elapsed >= early*r.Days:
		return fmt.Sprintf("With fewer than %d deals, one of them would decide a projection; there is none.", fewDeals)
	}
	return "Less than a tenth of the period has passed; that is too little to project."
}
