package trail

import (
	"cmp"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Request is what a rep asks marketing for: content that there is not, for a deal or
// for deals in a stage. It is open until somebody answers it.
type Request struct {
	ID      ID        `json:"id"`
	At      time.Time `json:"at"`
	Rep     string    `json:"rep"`
	Text    string    `json:"text"`
	Deal    string    `json:"deal,omitzero"`
	Stage   string    `json:"stage,omitzero"` // of the deal when it was asked, unless the rep said another
	Persona string    `json:"persona,omitzero"`

	// What reports add.
	DealName   string       `json:"deal_name,omitzero"`
	DealStatus string       `json:"deal_status,omitzero"` // open, won or lost by now
	DealValue  Money        `json:"deal_value,omitzero"`
	State      RequestState `json:"state"`
	DueAt      time.Time    `json:"due_at"` // by when an answer was agreed
	Late       bool         `json:"late"`   // it is open after that
	Answer     *Answer      `json:"answer,omitempty"`
}

// RequestState says what became of a request.
type RequestState string

// The states of a request.
const (
	RequestOpen     RequestState = "open"
	RequestAnswered RequestState = "answered"
	RequestDeclined RequestState = "declined"
)

// Answer is marketing's word on a request. Of several the last counts.
type Answer struct {
	Request  ID        `json:"request"`
	At       time.Time `json:"at"`
	By       string    `json:"by,omitzero"` // who of us; empty: a program
	Text     string    `json:"text"`
	Content  ContentID `json:"content,omitzero"` // that was made, or that there was
	Title    string    `json:"title,omitzero"`   // of the content by now
	Declined bool      `json:"declined"`         // there will be none; Text says why
}

const (
	// MaxText is how many characters a request, an answer, a note or a field of a
	// decision may have.
	MaxText = 2000
	// AnswerDays is after how many days a request without an answer is late, unless
	// the company agreed otherwise.
	AnswerDays = 14

	maxWords = 200 // characters of a stage, a persona or a deal's ID
)

// Event returns the event that asks, and the request as it was understood.
func (q Request) Event(source string, now time.Time) (Event, Request, error) {
	var err error
	if q.Rep, err = colleague(q.Rep, "Say who asks: the address of a rep, such as anna@example.com."); err != nil {
		return Event{}, q, err
	}
	if q.Text, err = text(q.Text, "Say what is missing, such as \"nothing for security reviews in banking\"."); err != nil {
		return Event{}, q, err
	}
	if q.Deal, err = dealID(q.Deal); err != nil {
		return Event{}, q, err
	}
	if q.Stage, err = oneLine(q.Stage, "stage"); err != nil {
		return Event{}, q, err
	}
	if q.Persona, err = oneLine(q.Persona, "persona"); err != nil {
		return Event{}, q, err
	}
	if q.Deal == "" && q.Stage == "" {
		return Event{}, q, Problemf(Invalid, "Say for which deal the content is, or for which stage: marketing has to know what waits for it.")
	}
	q.At = now.UTC().Truncate(time.Millisecond)
	q.ID, q.State = NewID(q.At), RequestOpen
	e := Event{ID: q.ID, Kind: Requested, Source: source, At: q.At, ReceivedAt: q.At, Rep: q.Rep, Deal: q.Deal, Stage: q.Stage, Note: q.Text}
	if q.Persona != "" {
		e.Attrs = map[string]string{"persona": q.Persona}
	}
	return e, q, nil
}

// Event returns the event that answers a request, and the answer as it was
// understood. It is later than the answer before, whatever the clock says.
func (a Answer) Event(q Request, source string, now time.Time) (Event, Answer, error) {
	var err error
	if a.By != "" {
		if a.By, err = colleague(a.By, ""); err != nil {
			return Event{}, a, err
		}
	}
	a.Content = strings.TrimSpace(a.Content)
	a.Text = strings.TrimSpace(a.Text)
	switch {
	case a.Declined && a.Content != "":
		return Event{}, a, Problemf(Invalid, "Either name the content that answers the request or decline it, not both.")
	case a.Declined:
		a.Text, err = text(a.Text, "Say why there will be no such content: whoever asked wants to know.")
	default:
		a.Text, err = text(cmp.Or(a.Text, map[bool]string{true: "Here it is."}[a.Content != ""]), "Give an answer, or the content that was made.")
	}
	if err != nil {
		return Event{}, a, err
	}
	a.Request, a.At = q.ID, now.UTC().Truncate(time.Millisecond)
	if q.Answer != nil {
		a.At = after(a.At, q.Answer.At)
	}
	attrs := map[string]string{"request": q.ID.String()}
	if a.Declined {
		attrs["declined"] = "yes"
	}
	return Event{
		ID: NewID(a.At), Kind: Answered, Source: source, At: a.At, ReceivedAt: a.At, Rep: a.By, Deal: q.Deal, Content: a.Content, Note: a.Text, Attrs: attrs,
	}, a, nil
}

// Judge fills in what a request is by now: its state, and whether it is late when an
// answer was agreed within so many days.
func (q *Request) Judge(days int, now time.Time) {
	q.State = RequestOpen
	if q.Answer != nil {
		q.State = map[bool]RequestState{false: RequestAnswered, true: RequestDeclined}[q.Answer.Declined]
	}
	q.DueAt = q.At.AddDate(0, 0, cmp.Or(days, AnswerDays))
	q.Late = q.State == RequestOpen && now.After(q.DueAt)
}

// SortRequests brings open requests to the front, the oldest first, since it waits
// longest; the others follow, the one answered last first.
func SortRequests(all []Request) {
	slices.SortStableFunc(all, func(a, b Request) int {
		switch {
		case a.Answer == nil && b.Answer == nil:
			return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID.String(), b.ID.String()))
		case a.Answer == nil:
			return -1
		case b.Answer == nil:
			return 1
		}
		return cmp.Or(b.Answer.At.Compare(a.Answer.At), cmp.Compare(a.ID.String(), b.ID.String()))
	})
}

// AmountWaiting adds up the open deals that wait for an answer, by currency. A deal
// with several open requests counts once, and one that is won or lost waits no more.
func AmountWaiting(all []Request) []Money {
	sums, digits, seen := map[string]*big.Rat{}, map[string]int{}, map[string]bool{}
	for _, q := range all {
		value, ok := new(big.Rat).SetString(q.DealValue.Amount)
		if q.State != RequestOpen || q.DealStatus != "open" || seen[q.Deal] || !ok {
			continue
		}
		seen[q.Deal] = true
		c := q.DealValue.Currency
		if sums[c] == nil {
			sums[c] = new(big.Rat)
		}
		sums[c].Add(sums[c], value)
		_, cents, _ := strings.Cut(q.DealValue.Amount, ".")
		digits[c] = max(digits[c], len(cents))
	}
	list := []Money{}
	for c, sum := range sums {
		list = append(list, Money{Amount: sum.FloatString(digits[c]), Currency: c})
	}
	slices.SortFunc(list, func(a, b Money) int { return cmp.Compare(a.Currency, b.Currency) })
	return list
}

// Has reports whether every word of a search is found somewhere in a request or in
// its answer.
func (q Request) Has(search string) bool {
	where := []string{q.Text, q.Rep, q.Deal, q.DealName, q.Stage, q.Persona}
	if a := q.Answer; a != nil {
		where = append(where, a.Text, a.By, a.Content, a.Title)
	}
	return hasWords(search, where...)
}
