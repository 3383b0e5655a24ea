package trail

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Decision is what a weekly lead review said of one lead or one deal: how good it
// is, what it needs, whether it goes on, and what somebody will do about it by when.
// The latest word on a subject in a week counts; it keeps its ID through all of
// them, so that it can be marked done weeks later.
type Decision struct {
	ID      string    `json:"id"`               // a function of week and subject
	Week    string    `json:"week"`             // "2026-W47": the review it was made in
	Contact ContactID `json:"contact,omitzero"` // the lead that it is about, or else
	Deal    string    `json:"deal,omitzero"`    // the deal
	Address string    `json:"email,omitzero"`   // of the lead, as a report knows it
	Title   string    `json:"title,omitzero"`   // of lead or deal, as a report knows it

	Quality string    `json:"quality,omitzero"`  // good, fair or poor
	Needs   string    `json:"needs,omitzero"`    // in words
	State   string    `json:"state,omitzero"`    // accepted, rejected or recycled
	Reason  string    `json:"reason,omitzero"`   // why it was rejected or recycled
	Text    string    `json:"decision,omitzero"` // what will be done
	Owner   string    `json:"owner,omitzero"`    // who does it
	Due     string    `json:"due,omitzero"`      // the last day on which it is in time, as 2026-11-30 in the company's zone
	Done    bool      `json:"done"`              //
	DoneAt  time.Time `json:"done_at,omitzero"`  // when it was marked done

	By   string    `json:"by,omitzero"`   // who of us had the latest word; empty: a program
	At   time.Time `json:"at,omitzero"`   // when that was
	Kept Kept      `json:"kept,omitzero"` // what became of it, see Judge
}

// Kept is what became of a decision.
type Kept string

// A decision is kept when it was marked done on the due day or before.
const (
	KeptInTime Kept = "kept"
	KeptLate   Kept = "late"   // done, after the due day
	KeptNot    Kept = "missed" // not done, and the due day is over
	KeptOpen   Kept = "open"   // not done, and there is time
)

// DecisionFields are what a decision is filled in with, by the names that forms,
// JSON and files give them.
var DecisionFields = []string{"quality", "needs", "state", "reason", "decision", "owner", "due", "done"}

// The words that fields with a choice take; empty says nothing.
var (
	Qualities      = []string{"good", "fair", "poor"}
	DecisionStates = []string{"accepted", "rejected", "recycled"}
)

// NewDecision returns the decision on a lead or a deal in the review of a week,
// with nothing said yet.
func NewDecision(week string, contact ContactID, deal string) (Decision, error) {
	if (contact == "") == (deal == "") {
		return Decision{}, Problemf(Invalid, "Say what the decision is about: either one lead by email, or one deal by its ID.")
	}
	id := IDFrom(time.Time{}, "review", string(Decided), week, string(contact), deal)
	return Decision{ID: id.String(), Week: week, Contact: contact, Deal: deal}, nil
}

// Field returns one of DecisionFields as text.
func (d Decision) Field(name string) string {
	switch name {
	case "quality":
		return d.Quality
	case "needs":
		return d.Needs
	case "state":
		return d.State
	case "reason":
		return d.Reason
	case "decision":
		return d.Text
	case "owner":
		return d.Owner
	case "due":
		return d.Due
	case "done":
		if d.Done {
			return "yes"
		}
		return ""
	}
	panic("trail: a decision has no field " + name)
}

// With returns the decision with some of DecisionFields replaced, said at a time.
// What cannot be is a Problem that says what can.
func (d Decision) With(fields map[string]string, now time.Time) (Decision, error) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := strings.TrimSpace(strings.ToValidUTF8(fields[name], ""))
		switch name {
		case "quality":
			d.Quality = strings.ToLower(value)
		case "needs":
			d.Needs = value
		case "state":
			d.State = strings.ToLower(value)
		case "reason":
			d.Reason = value
		case "decision":
			d.Text = value
		case "owner":
			d.Owner = value
		case "due":
			d.Due = value
		case "done":
			done, err := yesOrNo(value)
			if err != nil {
				return d, err
			}
			if d.Done != done {
				d.Done, d.DoneAt = done, time.Time{}
				if done {
					d.DoneAt = now.UTC().Truncate(time.Millisecond)
				}
			}
		default:
			return d, Problemf(Invalid, "A decision has no %q; it has %s.", name, strings.Join(DecisionFields, ", "))
		}
	}
	return d, d.Validate()
}

func yesOrNo(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "yes", "true", "1", "x", "on":
		return true, nil
	case "", "no", "false", "0":
		return false, nil
	}
	return false, Problemf(Invalid, "Done is %q; write yes, or no or nothing.", s)
}

// Validate returns a Problem that says what is missing or cannot be.
func (d Decision) Validate() error {
	for _, name := range DecisionFields {
		if n := utf8.RuneCountInString(d.Field(name)); n > MaxText {
			return Problemf(Invalid, "The %s has %d characters; at most %d are allowed.", name, n, MaxText)
		}
	}
	switch {
	case d.Quality != "" && !slices.Contains(Qualities, d.Quality):
		return Problemf(Invalid, "The quality is %q; it must be good, fair or poor, or empty.", d.Quality)
	case d.State != "" && !slices.Contains(DecisionStates, d.State):
		return Problemf(Invalid, "The state is %q; it must be accepted, rejected or recycled, or empty.", d.State)
	case (d.State == "rejected" || d.State == "recycled") && d.Reason == "":
		return Problemf(Invalid, "Say the reason why it is %s: marketing learns from it.", d.State)
	case d.Text != "" && (d.Owner == "" || d.Due == ""):
		return Problemf(Invalid, "A decision needs an owner and a due date, so that next week can tell whether it was kept.")
	case d.Text == "" && d.Done:
		return Problemf(Invalid, "There is no decision that could be done; write what was decided.")
	}
	if d.Due != "" {
		if day, err := time.Parse(time.DateOnly, d.Due); err != nil || day.Year() < 1970 || day.Year() > MaxYear {
			return Problemf(Invalid, "The due date is %q; write it as 2026-11-30.", d.Due)
		}
	}
	return nil
}

// Says reports whether two words on one subject say the same.
func (d Decision) Says(e Decision) bool {
	return d.ID == e.ID && !slices.ContainsFunc(DecisionFields, func(name string) bool { return d.Field(name) != e.Field(name) })
}

// Empty reports whether nothing was said.
func (d Decision) Empty() bool {
	return !slices.ContainsFunc(DecisionFields, func(name string) bool { return d.Field(name) != "" })
}

// Judge returns the decision with what became of it by a time; days are those of
// the zone. Where nothing was decided there is nothing to keep.
func (d Decision) Judge(now time.Time, zone *time.Location) Decision {
	day := func(t time.Time) string { return t.In(zone).Format(time.DateOnly) }
	switch {
	case d.Text == "":
		d.Kept = ""
	case d.Done && day(d.DoneAt) <= d.Due:
		d.Kept = KeptInTime
	case d.Done:
		d.Kept = KeptLate
	case d.Due < day(now):
		d.Kept = KeptNot
	default:
		d.Kept = KeptOpen
	}
	return d
}

// Event returns the event that says so from now on. It is later than the word that
// it replaces, whose time is At, whatever the clock says.
func (d Decision) Event(source, by string, now time.Time) Event {
	now = now.UTC().Truncate(time.Millisecond)
	at := now
	if !at.After(d.At) {
		at = d.At.Add(time.Millisecond)
	}
	attrs := map[string]string{"week": d.Week}
	for _, name := range DecisionFields {
		if v := d.Field(name); v != "" {
			attrs[name] = v
		}
	}
	if d.Done {
		attrs["done_at"] = d.DoneAt.Format(time.RFC3339Nano)
	}
	return Event{
		ID: NewID(now), Kind: Decided, Source: source, At: at, ReceivedAt: now,
		Contact: d.Contact, Deal: d.Deal, Rep: by, Attrs: attrs, Note: d.note(),
	}
}

// note says on a trail what the review said.
func (d Decision) note() string {
	var parts []string
	for _, part := range [][2]string{{"quality: ", d.Quality}, {"needs: ", d.Needs}, {"", d.State}, {"reason: ", d.Reason}, {"decided: ", d.Text}, {"by whom: ", d.Owner}, {"until ", d.Due}} {
		if part[1] != "" {
			parts = append(parts, part[0]+part[1])
		}
	}
	if d.Done {
		parts = append(parts, "done")
	}
	if len(parts) == 0 {
		parts = []string{"what was said is taken back"}
	}
	return "Review of " + d.Week + ": " + strings.Join(parts, "; ") + "."
}

// DecisionOf reads what Event writes.
func DecisionOf(contact ContactID, deal string, attrs map[string]string) (Decision, error) {
	d, err := NewDecision(attrs["week"], contact, deal)
	d.Quality, d.Needs, d.State, d.Reason = attrs["quality"], attrs["needs"], attrs["state"], attrs["reason"]
	d.Text, d.Owner, d.Due, d.Done = attrs["decision"], attrs["owner"], attrs["due"], attrs["done"] == "yes"
	d.DoneAt, _ = time.Parse(time.RFC3339Nano, attrs["done_at"]) // it was written by us; zero if it is not done
	return d, err
}
