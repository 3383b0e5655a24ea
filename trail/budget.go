package trail

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Budget is a page that says what content earned and cost, as one run found it. It is
// frozen when it is made: the event that makes it carries all that it says.
type Budget struct {
	ID    ID        `json:"id"`
	At    time.Time `json:"at"`
	By    string    `json:"by,omitzero"` // who made it; empty: a program
	Title string    `json:"title"`
	Note  string    `json:"note,omitzero"`
	Zone  string    `json:"zone"` // of the company: what the page's times are in

	Run        string    `json:"run"`
	Model      string    `json:"model"`
	ModelTitle string    `json:"model_title"`
	Agents     Level     `json:"agents"`
	AsOf       time.Time `json:"as_of"`         // what the run knew
	From       time.Time `json:"from,omitzero"` // deals closed at or after; zero: no bound
	To         time.Time `json:"to,omitzero"`   // before
	Currency   string    `json:"currency"`
	Deals      uint64    `json:"deals"`           // won deals that were divided
	Few        bool      `json:"few,omitzero"`    // so few that intervals say more than numbers
	Reason     string    `json:"reason,omitzero"` // why the model has no result in the run

	Total        Sum   `json:"total"`
	Unattributed Sum   `json:"unattributed"` // no content seen
	Spent        Spent `json:"spent"`
	NeverSent    Spent `json:"never_sent"`
	NeverUsed    Spent `json:"never_used"`

	Kinds    []BudgetRow `json:"kinds"`             // the most credit first, then the highest cost
	Contents []BudgetRow `json:"contents"`          // the first BudgetContents of these
	Rest     *BudgetRow  `json:"rest,omitempty"`    // the sum of the others
	LiftRun  string      `json:"lift_run,omitzero"` // which run compared contents
	Warning  string      `json:"warning,omitzero"`  // that selection is visible in those comparisons
	NoLift   string      `json:"no_lift,omitzero"`  // why none did
	Proven   []string    `json:"proven"`            // what holdouts decided, in sentences
	Assumed  []string    `json:"assumptions"`       // in sentences
}

// BudgetRow is what one content, or all of one kind, earned and cost.
type BudgetRow struct {
	Key      string `json:"key"`
	Title    string `json:"title"`
	Kind     string `json:"kind,omitzero"` // of a content
	Contents uint64 `json:"contents,omitzero"`
	Deals    uint64 `json:"deals,omitzero"` // won deals it was part of
	Cost     *Money `json:"cost"`           // null: nobody said
	Value    Money  `json:"value"`          // the credit
	Low      *Money `json:"value_low"`      // with the ends of its 95 % interval; null where sums have none
	High     *Money `json:"value_high"`
	*PerCost
	State string      `json:"state,omitzero"` // of a content with a cost: never_sent, never_used or used
	Lift  *BudgetLift `json:"lift,omitempty"`
	Proof string      `json:"proof,omitzero"` // what a holdout decided: for, against or none
}

// BudgetLift is what similar deals say of a content, see LiftRow.
type BudgetLift struct {
	Verdict string  `json:"verdict"`
	Lift    float64 `json:"lift"`
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
}

// BudgetAsked is what somebody wants a budget page of.
type BudgetAsked struct {
	Run      string    // empty: the newest complete run of the others
	Model    string    // empty: linear, else the run's first
	Agents   Level     //
	From, To time.Time // of the deals' closing
	Currency string    // empty: that of the run, and it can be no other
	Title    string    // empty: one is made
	Note     string
	By       string
}

const (
	// BudgetContents is how many contents a budget page names.
	BudgetContents = 20
	// BudgetKinds is how many kinds it names; the others are summed.
	BudgetKinds = 8

	maxBudgetTitle = 120 // characters: it is one page
	maxBudgetNote  = 600
	maxBudgetLines = 8 // of the note
)

// Check returns what was asked as it is understood, or a *Problem.
func (q BudgetAsked) Check() (BudgetAsked, error) {
	var err error
	if q.By != "" {
		if q.By, err = colleague(q.By, ""); err != nil {
			return q, err
		}
	}
	if q.Title, err = oneLine(q.Title, "title"); err != nil {
		return q, err
	}
	if n := utf8.RuneCountInString(q.Title); n > maxBudgetTitle {
		return q, Problemf(Invalid, "The title has %d characters; at most %d fit on the page.", n, maxBudgetTitle)
	}
	if q.Note = strings.TrimSpace(q.Note); q.Note != "" {
		if q.Note, err = text(q.Note, ""); err != nil {
			return q, err
		}
	}
	if n := utf8.RuneCountInString(q.Note); n > maxBudgetNote {
		return q, Problemf(Invalid, "The note has %d characters; at most %d fit on the page.", n, maxBudgetNote)
	}
	if n := strings.Count(q.Note, "\n") + 1; n > maxBudgetLines {
		return q, Problemf(Invalid, "The note has %d lines; at most %d fit on the page.", n, maxBudgetLines)
	}
	return q, nil
}

// Keys of Attrs in the event of a budget page.
const (
	attrTitle   = "title"
	attrRun     = "run"
	attrLiftRun = "lift_run"
	attrModel   = "model"
	attrPage    = "page"
)

// Event returns the event that makes a budget page, and the page with its ID.
func (b Budget) Event(source string, now time.Time) (Event, Budget, error) {
	b.At = now.UTC().Truncate(time.Millisecond)
	b.ID = IDFrom(b.At, source, string(Budgeted), b.Run, b.Model, b.By, b.Title, b.Note)
	page, err := json.Marshal(b)
	if err != nil {
		return Event{}, b, fmt.Errorf("freeze a budget page: %w", err)
	}
	return Event{
		ID: b.ID, Kind: Budgeted, Source: source, At: b.At, ReceivedAt: b.At, Rep: b.By, Note: b.Note,
		Attrs: map[string]string{attrTitle: b.Title, attrRun: b.Run, attrLiftRun: b.LiftRun, attrModel: b.Model, attrPage: string(page)},
	}, b, nil
}

// BudgetOf returns the page that an event made.
func BudgetOf(e Event) (b Budget, err error) {
	err = json.Unmarshal([]byte(e.Attrs[attrPage]), &b)
	return b, err
}

// BudgetListed is a budget page in the list of all.
type BudgetListed struct {
	ID    ID        `json:"id"`
	At    time.Time `json:"at"`
	By    string    `json:"by,omitzero"`
	Title string    `json:"title"`
	Note  string    `json:"note,omitzero"`
	Run   string    `json:"run"`
	Model string    `json:"model"`
}

// Link is a way to read one budget page, and nothing else, without signing in. The
// link itself is known to whoever got it alone.
type Link struct {
	ID        string    `json:"id"` // names it in the list
	Budget    ID        `json:"budget"`
	By        string    `json:"by,omitzero"` // who made it
	MadeAt    time.Time `json:"made_at"`
	ExpiresAt time.Time `json:"expires_at"`
	SeenAt    time.Time `json:"seen_at,omitzero"` // when somebody last read the page by it
}
