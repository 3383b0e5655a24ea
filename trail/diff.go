package trail

import "time"

// Cause is why a number differs between two runs.
type Cause string

// The causes, in the order in which they are looked for: a deal has the first
// that applies, and all that changed of it goes to that one.
const (
	CauseDealWon    Cause = "deal_won"    // the deal counts and did not: won since, or not known then, or closed outside the period
	CauseDealGone   Cause = "deal_gone"   // it counts no more: reopened, lost, deleted, merged, or closed outside the period
	CauseAmount     Cause = "amount"      // its value is another: amount, currency or rate
	CauseLate       Cause = "late_events" // something that its path has, or that decides it, was received, or loaded, after the first run
	CauseVerdict    Cause = "verdict"     // an event was judged again, or corrected
	CauseRemoved    Cause = "removed"     // an event is gone: retracted, erased or expired
	CauseClosed     Cause = "close_date"  // its closing date is another, so other touches are within reach of it
	CauseMoved      Cause = "moved"       // a touch belongs to it that belonged to another deal or to none, or the other way: contacts, companies, links, assignments, merges
	CauseContent    Cause = "content"     // another registration: a touch is of another content, or the content of another kind
	CauseRegrouped  Cause = "regrouped"   // it is of another owner, team, source..., or its touch of another rep
	CauseSettings   Cause = "settings"    // other settings, or another version of the models
	CauseWeights    Cause = "weights"     // a data-driven model weighs contents differently: other deals taught it
	CauseMilestones Cause = "milestones"  // it, or its first contact, began at another time
	CauseOther      Cause = "other"       // nothing that we know of: a mistake of ours
)

// Causes returns all causes, in the order in which they are looked for.
func Causes() []Cause {
	return []Cause{
		CauseDealWon, CauseDealGone, CauseAmount, CauseLate, CauseVerdict, CauseRemoved, CauseClosed, CauseMoved, CauseContent,
		CauseRegrouped, CauseSettings, CauseWeights, CauseMilestones, CauseOther,
	}
}

// Unattributed names what no content earned, where a key is asked for.
const Unattributed = "(unattributed)"

// Diff is what changed between two runs of one model, level and period, and why.
// The causes of each row add up to its change, and the rows and what is
// unattributed to the total, in deals and to the cent.
type Diff struct {
	A        Run            `json:"a"`
	B        Run            `json:"b"`
	Model    string         `json:"model"`
	By       string         `json:"by"`
	Agents   Level          `json:"agents"`
	From     time.Time      `json:"from,omitzero"`
	To       time.Time      `json:"to,omitzero"`
	Inputs   []InputChange  `json:"inputs"`
	Settings SettingsChange `json:"settings"`

	Rows         []DiffRow `json:"rows"` // the largest change first; those without one are there too
	Unattributed DiffRow   `json:"unattributed"`
	Total        DiffRow   `json:"total"`
}

// InputChange is one count of what went into two runs.
type InputChange struct {
	Name   string `json:"name"`
	Before uint64 `json:"before"`
	After  uint64 `json:"after"`
}

// SettingsChange are the lines of the settings, and the versions, that only one
// of two runs has.
type SettingsChange struct {
	Before []string `json:"before"`
	After  []string `json:"after"`
}

// Change is an amount in two runs. Credits are in deals.
type Change struct {
	Before       Money   `json:"before"`
	After        Money   `json:"after"`
	Change       Money   `json:"change"`
	CreditBefore float64 `json:"credit_before"`
	CreditAfter  float64 `json:"credit_after"`
}

// DiffRow is what changed of one key. The unattributed part and the total have
// none.
type DiffRow struct {
	Key   string `json:"key,omitzero"`
	Title string `json:"title,omitzero"`
	Change
	Causes []CauseChange `json:"causes"` // the largest first
}

// CauseChange is the part of a change that one cause has.
type CauseChange struct {
	Cause        Cause   `json:"cause"`
	Deals        uint64  `json:"deals"` // with this cause, whose part changed
	Change       Money   `json:"change"`
	CreditChange float64 `json:"credit_change"` // in deals
}

// DiffDeal is what changed of one key in one deal.
type DiffDeal struct {
	Deal  string `json:"deal"`
	Key   string `json:"key"` // Unattributed for what no content earned
	Title string `json:"title"`
	Cause Cause  `json:"cause"`
	Why   string `json:"why"` // a sentence
	Change
	Touches []DiffTouch `json:"touches,omitempty"` // that entered or left its path for this cause
}

// DiffTouch is a touch that is in the path of a deal in one of two runs only.
type DiffTouch struct {
	ID      ID        `json:"id"`
	At      time.Time `json:"at"`
	Kind    Kind      `json:"kind"`
	Content string    `json:"content"`
	Entered bool      `json:"entered"` // else it left
}
