package attribution

import (
	"fmt"
	"math"
	"strings"

	"dealtrail/attribution/lift"
	"dealtrail/trail"
)

// readout finds words for a readout.
type readout struct{ *trail.Readout }

// conclude sets the verdict, and says it and what else to know.
func (r readout) conclude() {
	over := r.Total.Recommended.Over + r.Total.HeldBack.Over
	through := !r.Running(r.AsOf) && r.Total.Recommended.Running+r.Total.HeldBack.Running == 0
	switch e := r.Effect; {
	case e == nil:
		r.Verdict = trail.TooLittle
	case over < r.Plan.Deals && !through:
		r.Verdict = trail.SoFar
	case e.Q > ProofLevel:
		r.Verdict = trail.NoEffect
	case e.Difference > 0:
		r.Verdict = trail.ProvenFor
	default:
		r.Verdict = trail.Against
	}
	r.Sentence = r.sentence(through)
	r.Notes = append(r.Notes, r.notes(over)...)
}

// only is why a readout is worth more than any other number of ours.
const only = "This is the only proof here: chance, not people, chose which deals were recommended it."

func (r readout) sentence(through bool) string {
	switch r.Verdict {
	case trail.TooLittle:
		if through {
			return "Nothing can be said: it ended with too few deals."
		}
		return "Nothing can be said yet. " + r.needs() + " It will be the only proof here: chance, not people, chooses which deals are recommended it."
	case trail.SoFar:
		return "Not decided yet: so far " + r.difference() + ". " + r.needs() + " Only then is it proof: chance, not people, chooses which deals are recommended it."
	case trail.NoEffect:
		could := "these counts could not have shown any"
		if r.MDE > 0 {
			could = fmt.Sprintf("a rise of %.1f points or more would probably have shown", 100*r.MDE)
		}
		return fmt.Sprintf("No effect is proven: %s, which chance alone may make; %s. %s", r.difference(), could, only)
	case trail.Against:
		return "Proven to harm: " + r.difference() + ". " + only
	}
	return "Proven: " + r.difference() + ". " + only
}

// difference says the effect within a sentence.
func (r readout) difference() string {
	did := "advanced"
	if r.Outcome == trail.ToWin {
		did = "were won"
	}
	more := "more"
	if r.Effect.Difference < 0 {
		more = "less"
	}
	return fmt.Sprintf("deals that were recommended it %s %.1f points %s often within %s than those held back (95 %% interval %+.1f to %+.1f)",
		did, 100*math.Abs(r.Effect.Difference), more, inWeeks(r.Weeks), 100*r.Effect.Low, 100*r.Effect.High)
}

// needs says what it takes until there is a decision.
func (r readout) needs() string {
	const month = "January 2006"
	p := r.Plan
	switch {
	case p.More == 0 && r.Running(r.AsOf) && p.Expected.IsZero():
		return "All the deals that it needs are drawn."
	case p.More == 0 && r.Running(r.AsOf):
		return "All the deals that it needs are drawn; it can be decided in " + p.Expected.Format(month) + "."
	case p.More == 0:
		return "It was ended and draws no more; the last deal's time is over in " + p.Expected.Format(month) + "."
	}
	more := fmt.Sprintf("It needs about %d more deals", p.More)
	if p.More == 1 {
		more = "It needs about 1 more deal"
	}
	if p.Expected.IsZero() {
		return more + "; when they will be there cannot be told at the pace so far."
	}
	return more + "; at this pace it can be decided in " + p.Expected.Format(month) + "."
}

// notes are what to know before believing a readout.
func (r readout) notes(over uint64) (all []string) {
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if d := r.Draw; d.Skewed {
		add("The draw is skewed: %d deals are held back where chance would have held back about %.0f. Something besides chance decides who is in the ledger; believe no number here before that is found.", d.HeldBack, d.Expected)
	}
	if decided := r.Verdict == trail.ProvenFor || r.Verdict == trail.Against || r.Verdict == trail.NoEffect; decided && over < r.Plan.Deals {
		add("It was ended after %d of the %d deals that were planned. Who ends when the numbers please finds effects that are not there.", over, r.Plan.Deals)
	}
	rec, held := r.Total.Recommended, r.Total.HeldBack
	if rec.Over >= lift.MinExposed && held.Over >= lift.MinControl {
		if got, also := float64(rec.Got)/float64(rec.Over), float64(held.Got)/float64(held.Over); got-also < plannedGain {
			add("Of the deals that were recommended it %.0f%% got it, of those held back %.0f%%: the recommendation hardly changes who gets it, so it can hardly show an effect.", 100*got, 100*also)
		}
	}
	if n := rec.LeftOut + held.LeftOut; n > 0 {
		add("%s left out: closed before the draw, as the CRM told only later.", strings.Replace(fmt.Sprintf("%d deals are", n), "1 deals are", "1 deal is", 1))
	}
	return all
}

func inWeeks(n int) string {
	if n == 1 {
		return "a week"
	}
	return fmt.Sprintf("%d weeks", n)
}
