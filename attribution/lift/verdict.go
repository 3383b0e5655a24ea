package lift

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Verdict is what may be said about a content. A number is only shown with the
// first three.
type Verdict string

// The verdicts.
const (
	For       Verdict = "for"        // enough evidence that deals advance more often
	Against   Verdict = "against"    // enough evidence that deals advance less often
	None      Verdict = "none"       // enough data, but no evidence of an effect
	TooLittle Verdict = "too_little" // below the minimum of data: no number
)

// Evidence is what is known of one content.
type Evidence struct {
	Content string // its ID; one Evidence each
	Tables  []Table
}

// Finding is what comes out for one content. With TooLittle only Content, Total,
// Compared, Verdict and Short are set.
type Finding struct {
	Content    string
	Total      Table    // all stage entries, over all strata
	Compared   Table    // those in strata that have both sides: what the numbers rest on
	Verdict    Verdict  // at FalseDiscovery within all findings of one Judge
	With       float64  // how often the exposed advanced, 0 to 1, strata weighted as the difference weighs them
	Without    float64  // the same of the controls
	Difference Estimate // Mantel-Haenszel risk difference; 0.10 is ten points
	Shrunk     Estimate // the same with its luck taken out, for the order of a list
	Odds       Estimate // common odds ratio; zero if not defined
	P, Q       float64  // of the CMH test; Q is adjusted for the number of contents
	MDE        float64  // smallest rise these counts would have found; 0 if none would be
	EValue     EValue   // how strong a hidden cause it takes; zero if not defined
	Short      []Need   // what is missing below the minimum of data
}

// Judge compares all contents of a report as one family. Findings come by shrunk
// difference, largest first, those with too little data last, equal ones by
// content. The order of evidence and of tables changes nothing. Counts that cannot
// be, or a content given twice, are an error.
func Judge(evidence []Evidence) ([]Finding, Library, error) {
	findings := make([]Finding, 0, len(evidence))
	for _, e := range evidence {
		f, err := e.weigh()
		if err != nil {
			return nil, Library{}, fmt.Errorf("content %q: %w", e.Content, err)
		}
		findings = append(findings, f)
	}
	slices.SortFunc(findings, func(a, b Finding) int { return cmp.Compare(a.Content, b.Content) })
	var p []float64
	var effects []Estimate
	for i, f := range findings {
		if i > 0 && f.Content == findings[i-1].Content {
			return nil, Library{}, fmt.Errorf("content %q is given twice", f.Content)
		}
		if f.Verdict != TooLittle {
			p = append(p, f.P)
			effects = append(effects, f.Difference)
		}
	}
	q, err := Adjust(p)
	if err != nil {
		return nil, Library{}, err
	}
	shrunk, lib, err := Shrink(effects)
	if err != nil {
		return nil, Library{}, err
	}
	at := 0
	for i := range findings {
		f := &findings[i]
		if f.Verdict == TooLittle {
			continue
		}
		f.Q, f.Shrunk = q[at], shrunk[at]
		at++
		switch {
		case f.Q > FalseDiscovery:
			f.Verdict = None
		case f.Difference.Value > 0:
			f.Verdict = For
		default:
			f.Verdict = Against
		}
	}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(last(a), last(b)), cmp.Compare(b.Shrunk.Value, a.Shrunk.Value))
	})
	return findings, lib, nil
}

// last is 1 for findings at the end of a list.
func last(f Finding) int {
	if f.Verdict == TooLittle {
		return 1
	}
	return 0
}

// weigh computes what needs no other content.
func (e Evidence) weigh() (Finding, error) {
	s, err := Stratify(e.Tables)
	if err != nil {
		return Finding{}, err
	}
	f := Finding{Content: e.Content, Total: s.Total(), Compared: s.Compared().Total(), Verdict: TooLittle, Short: s.Short()}
	if len(f.Short) > 0 {
		return f, nil
	}
	test, err := s.CMH()
	if errors.Is(err, ErrUndefined) {
		f.Short = []Need{{"strata in which some advanced and others did not", 0, 1}}
		return f, nil
	}
	if err != nil {
		return Finding{}, err
	}
	if f.Difference, err = s.RiskDifference(); err != nil {
		// Above the minimum only this is left: one side advanced to the last, the other
		// not at all. Then the strata say no more than their sum, which has an interval.
		c := f.Compared
		if f.Difference, err = Newcombe(c.ExposedAdvanced, c.Exposed, c.ControlAdvanced, c.Control); err != nil {
			return Finding{}, err
		}
		f.Difference.SE = (f.Difference.High - f.Difference.Low) / (2 * z95)
	}
	f.With, f.Without = s.Rates()
	f.P, f.Verdict = test.P, None
	// These three may be undefined above the minimum, when no exposed entry advanced
	// say; they then stay zero.
	if or, err := s.OddsRatio(); err == nil {
		f.Odds = or
	}
	if rr, err := s.RiskRatio(); err == nil {
		f.EValue = EValueOf(rr)
	}
	if mde, err := s.MDE(); err == nil {
		f.MDE = mde
	}
	return f, nil
}

// Sentence says the verdict in words. closed is the number of closed deals behind
// the counts, from which it foresees how many more are needed.
func (f Finding) Sentence(closed int64) string {
	d := f.Difference
	switch f.Verdict {
	case For, Against:
		more := "more"
		if f.Verdict == Against {
			more = "less"
		}
		low, high := math.Abs(d.Low), math.Abs(d.High)
		if d.Low < 0 && d.High > 0 { // the test and the interval may differ at the edge
			return fmt.Sprintf("Enough evidence %s: similar deals that saw it advanced %.1f points %s often (95 %% interval %+.1f to %+.1f).",
				f.Verdict, 100*math.Abs(d.Value), more, 100*d.Low, 100*d.High)
		}
		return fmt.Sprintf("Enough evidence %s: similar deals that saw it advanced %.1f points %s often (95 %% interval %.1f to %.1f).",
			f.Verdict, 100*math.Abs(d.Value), more, 100*min(low, high), 100*max(low, high))
	case None:
		if f.MDE == 0 {
			return "No evidence of an effect; these counts could not have shown any."
		}
		return fmt.Sprintf("No evidence of an effect; a rise of %.1f points or more would probably have shown.", 100*f.MDE)
	}
	return fmt.Sprintf("Too little data: %s.", MoreDealsText(f.Short, closed))
}
