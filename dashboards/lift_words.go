package dashboards

import (
	"fmt"
	"strings"

	"dealtrail/trail"
)

// liftWords are the words for lifts: of advancing or of winning, and of data in which
// selection is visible, where nothing is said to move deals.
type liftWords struct{ won, selected bool }

func (w liftWords) outcome() string {
	if w.won {
		return "wins"
	}
	return "advances"
}

// verdict says a verdict in a word or two.
func (w liftWords) verdict(verdict string) string {
	switch {
	case verdict == trail.TooLittle:
		return "too little data"
	case verdict == trail.NoEffect:
		return "no evidence"
	case w.selected && verdict == trail.For:
		return "goes with more " + w.outcome()
	case w.selected:
		return "goes with fewer " + w.outcome()
	case verdict == trail.For:
		return "moves deals"
	}
	return "holds deals back"
}

func (w liftWords) heading(verdict string) string {
	switch {
	case verdict == trail.NoEffect:
		return "No evidence either way"
	case w.selected && verdict == trail.For:
		return "Goes with more " + w.outcome()
	case w.selected:
		return "Goes with fewer " + w.outcome()
	case verdict == trail.For:
		return "Enough evidence that it moves deals"
	}
	return "Enough evidence that it holds deals back"
}

func (w liftWords) hint(verdict string) string {
	if verdict == trail.NoEffect {
		return "That no effect shows does not mean that there is none. What these counts would have shown stands beside each."
	}
	return "Of ten contents that stand here about one does so by chance."
}

// Word says the verdict in a word or two.
func (r liftRow) Word() string { return r.words.verdict(r.Verdict) }

// Decided reports whether there is enough evidence for a verdict to go by.
func (r liftRow) Decided() bool {
	return (r.Verdict == trail.For || r.Verdict == trail.Against) && !r.words.selected
}

// Number writes the lift with its interval in points.
func (r liftRow) Number() string {
	if r.Lift == nil {
		return "no number yet"
	}
	return points(*r.Lift) + " points (" + points(*r.Low) + " to " + points(*r.High) + ")"
}

// Rise says what would have shown, where nothing does.
func (r liftRow) Rise() string {
	switch {
	case r.Verdict != trail.NoEffect:
		return ""
	case r.MDE == nil:
		return "could not have shown any rise"
	}
	return fmt.Sprintf("would have shown a rise of %.1f points", 100**r.MDE)
}

// Takes says how much more data it takes.
func (r liftRow) Takes() string {
	text := strings.TrimPrefix(r.Text, "Too little data: ")
	return strings.ToUpper(text[:min(len(text), 1)]) + text[min(len(text), 1):]
}

// Evidence says q in words.
func (r liftRow) Evidence() string { return "q " + chance(*r.Q) }

// Hidden says the E-value in words.
func (r liftRow) Hidden() string {
	if r.EValue == nil || r.Verdict == trail.NoEffect || r.Verdict == trail.TooLittle {
		return ""
	}
	s := fmt.Sprintf("To explain it away, a hidden cause would have to make both seeing it and %s at least %.1f times as likely", map[bool]string{true: "winning", false: "advancing"}[r.words.won], *r.EValue)
	if r.Verdict == trail.Against {
		s = fmt.Sprintf("To explain it away, a hidden cause would have to go with seeing it and against %s, each by at least %.1f times", map[bool]string{true: "winning", false: "advancing"}[r.words.won], *r.EValue)
	}
	if r.ELimit != nil && *r.ELimit > 1 {
		s += fmt.Sprintf("; %.1f times to make it uncertain", *r.ELimit)
	}
	return s + "."
}

// Second says the second opinion, the weekly model, in words; "" where there is none.
func (r liftRow) Second() string {
	h := r.Hazard
	if h == nil {
		return ""
	}
	if h.Odds == nil {
		return "Weekly model: " + h.Note
	}
	odds := fmt.Sprintf("odds of advancing in a week %.2f times (%.2f to %.2f)", h.Odds[0], h.Odds[1], h.Odds[2])
	up, down := h.Odds[1] > 1, h.Odds[2] < 1
	switch {
	case r.Verdict == trail.For && up, r.Verdict == trail.Against && down, r.Verdict == trail.NoEffect && !up && !down:
		return "Weekly model agrees: " + odds
	case r.Verdict == trail.For && down, r.Verdict == trail.Against && up:
		return "Weekly model says the opposite: " + odds
	case up:
		return "Weekly model finds a rise: " + odds
	case down:
		return "Weekly model finds a fall: " + odds
	}
	return "Weekly model cannot tell: " + odds
}

// Gain says how having seen it changes how often deals advance, as the weekly model has it.
func (r liftRow) Gain() string {
	if r.Hazard == nil || r.Hazard.Gain == nil {
		return ""
	}
	g := *r.Hazard.Gain
	return "By it, having seen it changes how often deals advance by " + points(g[0]) + " points (" + points(g[1]) + " to " + points(g[2]) + ")."
}

// Lost says what the weekly model has of losing.
func (r liftRow) Lost() string {
	if r.Hazard == nil || r.Hazard.LostOdds == nil {
		return ""
	}
	o := *r.Hazard.LostOdds
	return fmt.Sprintf("The odds of being lost in a week are %.2f times (%.2f to %.2f).", o[0], o[1], o[2])
}

// Points is the lift alone.
func (r liftRow) Points() string {
	if r.Lift == nil {
		return "–"
	}
	return points(*r.Lift)
}

// Tested says how the placebo went, in words.
func (r liftRow) Tested() string {
	p := r.Placebo
	switch {
	case p == nil:
		return "Placebo: too little data"
	case p.P >= 0.05:
		return "Placebo passed"
	case p.Z > 0:
		return "Placebo failed: deals that saw it had been faster before"
	}
	return "Placebo failed: deals that saw it had been slower before"
}

// rate writes n of all in percent.
func rate(n, of int64) string {
	if of == 0 {
		return "–"
	}
	return percent(float64(n) / float64(of))
}

// With is how often those that had seen it advanced.
func (t stratumRow) With() string { return rate(t.ExposedAdvanced, t.Exposed) }

// Without is the same of those that had not.
func (t stratumRow) Without() string { return rate(t.ControlAdvanced, t.Control) }

// Points is the difference.
func (t stratumRow) Points() string {
	if t.Control == 0 || t.Exposed == 0 {
		return "–"
	}
	return points(float64(t.ExposedAdvanced)/float64(t.Exposed) - float64(t.ControlAdvanced)/float64(t.Control))
}

// Part is its weight in the lift.
func (t stratumRow) Part() string {
	if t.Control == 0 {
		return "–"
	}
	return percent(t.Weight)
}
