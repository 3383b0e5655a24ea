package trail

import (
	"encoding/json"
	"slices"
	"time"
)

// RuleSaid is the rule of a verdict that is a person's word. No machine judges again
// what has it.
const RuleSaid = "said"

// Word is what a person says of who made a request that machines judged: that it was
// theirs, a colleague's or a program's, and not the contact's.
type Word struct {
	Was string `json:"was"`          // me, colleague or machine
	By  string `json:"by"`           // who says so, by address
	Not bool   `json:"not,omitzero"` // the word is taken back: machines judge again
}

// wordAgents are who made a request, by what a person says it was.
var wordAgents = map[string]Agent{"me": Self, "colleague": Self, "machine": Scanner}

// Keys of Attrs in an event that a person's word is on.
const (
	attrWas    = "was"
	attrSaidBy = "said_by"
	attrJudged = "judged" // the verdict of before, as JSON, for when the word is taken back
)

// wordStep is by how much a person's word raises the revision, to the next multiple.
// The revisions between are the corrections that machines make after it. So one that
// a machine had begun before the word came is never newer than the word.
const wordStep = 256

// Said reports whether a person's word is on the event.
func (e Event) Said() bool { return slices.Contains(e.Rules, RuleSaid) }

// With returns the event with a person's word on it, or without it once that is taken
// back: the whole event again, as its next revision. changed is false if it says no
// more than the event does. A *Problem says why the word cannot be on this event.
func (e Event) With(w Word, now time.Time) (next Event, changed bool, err error) {
	by, err := colleague(w.By, "Say who says so: an address, such as anna@example.com.")
	if err != nil {
		return e, false, err
	}
	if e.Kind != Opened && e.Kind != Clicked || e.Agent == "" {
		return e, false, Problemf(Invalid, "Only of a click or an open can it be said who made it; this is %q.", e.Kind)
	}
	agent, known := wordAgents[w.Was]
	if !known && !w.Not {
		return e, false, Problemf(Invalid, "was is %q; it must be one of me, colleague and machine.", w.Was)
	}
	before := e.Verdict
	if e.Said() {
		if !w.Not && e.Attrs[attrWas] == w.Was {
			return e, false, nil
		}
		if err := json.Unmarshal([]byte(e.Attrs[attrJudged]), &before); err != nil {
			return e, false, err
		}
	} else if w.Not {
		return e, false, nil
	}
	if e.Revision >= 255*wordStep {
		return e, false, Problemf(Conflict, "This was said and taken back too often; it stays as it is.")
	}
	next = e
	next.Revision = (e.Revision/wordStep + 1) * wordStep
	next.RevisedAt = now.UTC().Truncate(time.Millisecond)
	next.Verdict, next.Attrs = before, nil
	if !w.Not {
		judged, err := json.Marshal(before)
		if err != nil {
			return e, false, err
		}
		next.Verdict = Verdict{Agent: agent, Probability: 1, Rules: []string{RuleSaid}, RuleSet: before.RuleSet}
		next.Attrs = map[string]string{attrWas: w.Was, attrSaidBy: by, attrJudged: string(judged)}
	}
	return next, true, nil
}

// WordOn returns the word on an event, by its attributes, and when it was said; nil
// for none.
func WordOn(attrs map[string]string, at time.Time) *SaidWord {
	if attrs[attrWas] == "" {
		return nil
	}
	return &SaidWord{Was: attrs[attrWas], By: attrs[attrSaidBy], At: at}
}

// SaidWord is a person's word on who made a request.
type SaidWord struct {
	Was string    `json:"was"` // me, colleague or machine
	By  string    `json:"by"`
	At  time.Time `json:"at"`
}
