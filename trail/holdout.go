package trail

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"
)

// Holdout is an experiment on one content. Of the deals that are eligible while it
// runs, chance draws a part that is not recommended the content; what became of both
// arms tells whether recommending it moves deals. It is by deal: whatever contact or
// rep it is about, a deal is in one arm. Nothing is blocked: a rep may send the
// content to a deal that is held back, and the deal stays in its arm.
type Holdout struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Content   ContentID `json:"content"`
	Title     string    `json:"title,omitzero"` // of the content by now
	Stage     string    `json:"stage,omitzero"` // open deals in it are eligible; empty: all open ones
	Part      float64   `json:"part"`           // of the deals that is held back: 0.1 to 0.9
	Outcome   string    `json:"outcome"`        // ToAdvance or ToWin
	Weeks     int       `json:"weeks"`          // the horizon: for so long after its draw a deal is watched and held back
	By        string    `json:"by,omitzero"`    // who started it
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"` // no deal is drawn from then on; zero: until somebody ends it

	Event ID        `json:"-"` // that brought this state; zero if it is new
	At    time.Time `json:"-"` // when that was
}

// The outcomes of a holdout.
const (
	ToAdvance = "advance" // the deal entered a later stage or was won
	ToWin     = "won"
)

// Arm is the side of a holdout that a deal was drawn for.
type Arm string

// The arms.
const (
	Recommended Arm = "recommended"
	HeldBack    Arm = "held_back"
)

// What a holdout may be, and is unless somebody says otherwise.
const (
	MinPart, MaxPart, UsualPart = 0.1, 0.9, 0.5

	AdvanceWeeks, WonWeeks, MaxWeeks = 6, 12, 52

	maxHoldoutName = 200 // bytes
)

// Complete fills in what is usual: the horizon of the outcome and the content's
// title for a name. What cannot be is a Problem that says what can.
func (h Holdout) Complete(now time.Time) (Holdout, error) {
	h.Name, h.Stage, h.Outcome = strings.TrimSpace(h.Name), strings.TrimSpace(h.Stage), strings.TrimSpace(h.Outcome)
	if h.Outcome == "" {
		h.Outcome = ToAdvance
	}
	if h.Weeks == 0 {
		h.Weeks = map[string]int{ToAdvance: AdvanceWeeks, ToWin: WonWeeks}[h.Outcome]
	}
	for _, name := range []string{h.Title, h.Content} {
		if h.Name == "" {
			h.Name = name
		}
	}
	switch {
	case h.Outcome != ToAdvance && h.Outcome != ToWin:
		return h, Problemf(Invalid, "The outcome is %q; it must be advance (the deal enters a later stage) or won.", h.Outcome)
	case !(h.Part >= MinPart && h.Part <= MaxPart):
		return h, Problemf(Invalid, "The part held back is %v; it must be from 0.1 to 0.9, such as 0.5 for one deal in two.", h.Part)
	case h.Weeks < 1 || h.Weeks > MaxWeeks:
		return h, Problemf(Invalid, "The horizon is %d weeks; it must be from 1 to 52.", h.Weeks)
	case len(h.Name) > maxHoldoutName:
		return h, Problemf(Invalid, "The name is %d bytes long; at most %d are allowed.", len(h.Name), maxHoldoutName)
	}
	h.StartedAt = now.UTC().Truncate(time.Millisecond)
	if !h.EndedAt.IsZero() && !h.EndedAt.After(h.StartedAt) {
		return h, endBeforeStart(h.StartedAt, h.EndedAt)
	}
	h.EndedAt = h.EndedAt.UTC().Truncate(time.Millisecond)
	return h, nil
}

// Ending returns the holdout with its end at a time, which is now if it is zero. Past
// draws are not undone, so it can neither end before now nor twice.
func (h Holdout) Ending(at, now time.Time) (Holdout, error) {
	now = now.UTC().Truncate(time.Millisecond)
	if at.IsZero() {
		at = now
	}
	at = at.UTC().Truncate(time.Millisecond)
	switch {
	case !h.Running(now):
		return h, Problemf(Conflict, "The holdout %q ended on %s already; deals that were drawn by then are still watched.", h.Name, h.EndedAt.Format(time.RFC3339))
	case at.Before(h.StartedAt):
		return h, endBeforeStart(h.StartedAt, at)
	case at.Before(now):
		return h, Problemf(Invalid, "The end %s is past, and deals have been drawn since; it must be now or later: give a time after %s, or none to end it now.", at.Format(time.RFC3339), now.Format(time.RFC3339))
	}
	h.EndedAt = at
	return h, nil
}

func endBeforeStart(start, end time.Time) error {
	return Problemf(Invalid, "The end %s is not after the start; it must be later than %s, or empty to run until somebody ends it.", end.UTC().Format(time.RFC3339), start.UTC().Format(time.RFC3339))
}

// Running reports whether deals are drawn at a time.
func (h Holdout) Running(now time.Time) bool { return h.EndedAt.IsZero() || h.EndedAt.After(now) }

// Horizon is for how long after its draw a deal is watched, and held back if it is.
func (h Holdout) Horizon() time.Duration { return time.Duration(h.Weeks) * 7 * 24 * time.Hour }

// Arm draws for a deal. The first eight bytes of the SHA-256 of "holdout", the
// holdout's ID and the deal's, each with its length before it in eight bytes, are a
// number from 0 to 2^64, big end first; below part of 2^64 the deal is held back. So
// nobody can choose, the draw can be made again by anybody who doubts it, and draws
// of different holdouts have nothing to do with each other.
func (h Holdout) Arm(deal string) Arm {
	b := make([]byte, 0, 64+len(h.ID)+len(deal))
	for _, s := range []string{string(HoldoutKind), h.ID, deal} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	sum := sha256.Sum256(b)
	if float64(binary.BigEndian.Uint64(sum[:])) < h.Part*math.Exp2(64) {
		return HeldBack
	}
	return Recommended
}

// Assignment returns the entry of the ledger that says which arm a deal was drawn
// for, at the time when it was first eligible, in which stage it was then. There is
// one for each holdout and deal: its ID has no time, and of copies the first counts.
func (h Holdout) Assignment(deal, stage string, at time.Time) Event {
	at = at.UTC().Truncate(time.Millisecond)
	attrs := map[string]string{"holdout": h.ID, "arm": string(h.Arm(deal))}
	if stage != "" {
		attrs["stage"] = stage
	}
	return Event{
		ID: IDFrom(time.Time{}, string(HoldoutKind), string(Assigned), h.ID, deal), Kind: Assigned, Source: string(HoldoutKind),
		At: at, ReceivedAt: at, Content: h.Content, Deal: deal, Attrs: attrs,
	}
}

// Registration returns the event that brings a holdout into its state from the one
// that Event and At tell of. It is later than that, whatever the clock says.
func (h Holdout) Registration(source string, now time.Time) Event {
	at := now.UTC().Truncate(time.Millisecond)
	if !at.After(h.At) {
		at = h.At.Add(time.Millisecond)
	}
	attrs := map[string]string{
		"id": h.ID, "name": h.Name, "part": strconv.FormatFloat(h.Part, 'f', -1, 64), "outcome": h.Outcome, "weeks": strconv.Itoa(h.Weeks),
		"started_at": h.StartedAt.Format(time.RFC3339Nano),
	}
	for key, value := range map[string]string{"stage": h.Stage, "by": h.By} {
		if value != "" {
			attrs[key] = value
		}
	}
	if !h.EndedAt.IsZero() {
		attrs["ended_at"] = h.EndedAt.Format(time.RFC3339Nano)
	}
	return Event{
		ID:   IDFrom(time.Time{}, source, string(HoldoutKind), h.ID, h.Event.String(), attrs["ended_at"]),
		Kind: HoldoutKind, Source: source, At: at, ReceivedAt: at, Content: h.Content, Attrs: attrs,
	}
}

// HoldoutOf reads what Registration writes.
func HoldoutOf(content ContentID, attrs map[string]string) Holdout {
	h := Holdout{ID: attrs["id"], Name: attrs["name"], Content: content, Stage: attrs["stage"], Outcome: attrs["outcome"], By: attrs["by"]}
	h.Part, _ = strconv.ParseFloat(attrs["part"], 64) // it was written by us; 0 draws nobody
	h.Weeks, _ = strconv.Atoi(attrs["weeks"])
	h.StartedAt, _ = time.Parse(time.RFC3339Nano, attrs["started_at"])
	h.EndedAt, _ = time.Parse(time.RFC3339Nano, attrs["ended_at"])
	return h
}

// Readout is what a holdout says by a time, by assignment: every deal counts in the
// arm that it was drawn for, whatever was sent to it.
type Readout struct {
	Holdout
	AsOf     time.Time      `json:"as_of"`
	Agents   Level          `json:"agents"` // whose opens and clicks count as having got the content
	Verdict  string         `json:"verdict"`
	Sentence string         `json:"sentence"`
	Notes    []string       `json:"notes"`  // what else to know before believing it, in sentences
	Effect   *HoldoutEffect `json:"effect"` // nil: nothing can be said yet
	MDE      float64        `json:"mde,omitzero"`
	Draw     Draw           `json:"draw"`
	Plan     Plan           `json:"plan"`
	Rows     []ReadoutRow   `json:"rows"`  // by the stage that deals were in when they were drawn
	Total    ReadoutRow     `json:"total"` // their sum
}

// The verdicts of a readout. Only the last three are a decision.
const (
	TooLittle = "too_little" // nothing can be said yet: there is no number
	SoFar     = "so_far"     // a number that is not to be decided by: the planned size is not reached
	ProvenFor = "for"        // deals that were recommended it reached the outcome more often
	Against   = "against"    // they did so less often
	NoEffect  = "none"       // enough deals, and no effect shows
)

// HoldoutEffect is by how much more often deals that were recommended the content
// reached the outcome than those held back: 0.1 is ten points. The interval is of
// 95 %.
type HoldoutEffect struct {
	Difference float64 `json:"difference"`
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	P          float64 `json:"p"`      // of the Cochran-Mantel-Haenszel test
	Q          float64 `json:"q"`      // P adjusted for all holdouts with a number
	Method     string  `json:"method"` // newcombe, or mantel_haenszel over several stages
}

// Draw compares how many deals the ledger has in an arm with how many chance should
// have drawn for it.
type Draw struct {
	HeldBack uint64  `json:"held_back"`
	Expected float64 `json:"expected"`
	P        float64 `json:"p"`
	Skewed   bool    `json:"skewed"` // P is below 0.001: something else than chance decides who is in the ledger
}

// Plan is how far a holdout is from where it can be decided.
type Plan struct {
	Deals    uint64    `json:"deals"`                // that it takes to find a difference of ten points in four cases of five
	More     uint64    `json:"more"`                 // of these, still to be drawn, roughly
	Expected time.Time `json:"expected_at,omitzero"` // when it can be decided at this pace; zero: it can be, or nobody knows
}

// ReadoutRow is both arms of the deals that were in one stage when they were drawn.
type ReadoutRow struct {
	Stage       string     `json:"stage,omitzero"`
	Recommended ReadoutArm `json:"recommended"`
	HeldBack    ReadoutArm `json:"held_back"`
}

// ReadoutArm counts the deals of one arm: Assigned is the sum of Running, LeftOut and
// Over.
type ReadoutArm struct {
	Assigned uint64 `json:"assigned"`
	Running  uint64 `json:"running"`  // the horizon is not over
	LeftOut  uint64 `json:"left_out"` // closed before they were drawn, as the CRM told later
	Over     uint64 `json:"over"`     // the horizon is over: what the effect rests on
	Reached  uint64 `json:"reached"`  // of these, the outcome
	Got      uint64 `json:"got"`      // of these, the content after the draw, whoever sent it
}

// HoldoutDeal is one deal of the ledger with what became of it.
type HoldoutDeal struct {
	Deal      string    `json:"deal"`
	Arm       Arm       `json:"arm"`
	Stage     string    `json:"stage,omitzero"` // when it was drawn
	At        time.Time `json:"at"`             // when it was drawn
	Until     time.Time `json:"until"`          // when its horizon is over
	State     string    `json:"state"`          // running, left_out or over
	ReachedAt time.Time `json:"reached_at,omitzero"`
	GotAt     time.Time `json:"got_at,omitzero"` // the content, within the horizon
}

// The states of a deal in a holdout.
const (
	HoldoutRunning = "running"
	HoldoutLeftOut = "left_out"
	HoldoutOver    = "over"
)
