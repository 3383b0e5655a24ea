package trail

import (
	"encoding/json"
	"fmt"
	"time"
)

// Baseline is where a company stands: what its mail and its deals say of its
// content over a period. What is of today and not of the period says so.
type Baseline struct {
	At   time.Time `json:"at"`            // when it was measured
	From time.Time `json:"from,omitzero"` // when the period begins: with the first mail that is known, unless asked for
	To   time.Time `json:"to"`            // when it ends

	Mailboxes    uint64 `json:"mailboxes,omitzero"` // read when it was measured: of other people nothing is known
	Contents     uint64 `json:"contents"`           // registered today
	Unsent       uint64 `json:"unsent"`             // of these, not sent in the period
	Unregistered uint64 `json:"unregistered"`       // links and files that three or more reps send, as of today
	NearCopies   uint64 `json:"near_copies"`        // files that are nearly a registered one, as of today

	Sends      uint64 `json:"sends"`       // one per content, mail and contact
	Tracked    uint64 `json:"tracked"`     // of these, with a tracked link
	Files      uint64 `json:"files"`       // without one, as a file
	PlainLinks uint64 `json:"plain_links"` // without either, as a plain link
	Stale      uint64 `json:"stale"`       // of an older version
	Observable uint64 `json:"observable"`  // whose opens can be seen
	Reps       uint64 `json:"reps"`        // who sent content
	Recipients uint64 `json:"recipients"`  // contacts it was sent to

	Written    uint64 `json:"written"`    // contacts to whom a mail went, with content or without
	Unanswered uint64 `json:"unanswered"` // of these, those of whom no answer was seen by mail

	Won     uint64 `json:"won"`      // deals won
	WonWith uint64 `json:"won_with"` // of these, those that content was part of: sent, read, clicked or answered before the close

	Rows []BaselineRow `json:"rows"` // the most sent first
}

// BaselineRow is one content in a period.
type BaselineRow struct {
	Content    ContentID `json:"content"`
	Title      string    `json:"title,omitzero"`
	Sends      uint64    `json:"sends,omitzero"`
	Reps       uint64    `json:"reps,omitzero"`
	Recipients uint64    `json:"recipients,omitzero"`
	Stale      uint64    `json:"stale,omitzero"`
	Won        uint64    `json:"won,omitzero"` // won deals that it was part of
}

// keptRows is how many contents a kept baseline has, the most sent first: an
// event is read as a whole.
const keptRows = 1000

// Event returns the event that keeps a baseline. The one that is taken by itself
// happens once, whoever takes it.
func (b Baseline) Event(source string, byItself bool) (Event, error) {
	kept := b
	kept.Rows = nil
	for _, r := range b.Rows {
		if (r.Sends > 0 || r.Won > 0) && len(kept.Rows) < keptRows {
			r.Title = "" // it is called what it is called by then
			kept.Rows = append(kept.Rows, r)
		}
	}
	report, err := json.Marshal(kept)
	if err != nil {
		return Event{}, fmt.Errorf("keep the baseline: %w", err)
	}
	at := b.At.UTC().Truncate(time.Millisecond)
	e := Event{ID: NewID(at), Kind: Measured, Source: source, At: at, ReceivedAt: at, Attrs: map[string]string{"report": string(report)}}
	if byItself {
		e.ID = IDFrom(time.Time{}, source, string(Measured))
	}
	return e, nil
}

// ByContent returns how each content stood in a kept baseline. known is false of one
// that may have been left out: what it was nobody knows, which is not nothing.
func (b *Baseline) ByContent() func(ContentID) (r BaselineRow, known bool) {
	rows := make(map[ContentID]BaselineRow, len(b.Rows))
	for _, r := range b.Rows {
		rows[r.Content] = r
	}
	return func(content ContentID) (BaselineRow, bool) {
		r, found := rows[content]
		return r, found || len(rows) < keptRows
	}
}

// ParseBaseline reads what Event keeps under the attribute report.
func ParseBaseline(report string) (*Baseline, error) {
	var b Baseline
	if err := json.Unmarshal([]byte(report), &b); err != nil {
		return nil, fmt.Errorf("read the baseline: %w", err)
	}
	return &b, nil
}

// Baselines is the answer of GET /v1/baseline: the kept one, if there is one, and
// today's over a period of the same length.
type Baselines struct {
	Kept *Baseline `json:"kept"`
	Now  *Baseline `json:"now"`
}
