package trail

import (
	"context"
	"fmt"
	"time"
)

// Event is one fact. One flat struct serves all kinds; [Event.Validate] says
// which fields each kind needs. Fields that do not apply are empty.
//
// A correction is the whole event again: same ID, next Revision, the same At
// and ReceivedAt, and RevisedAt set.
type Event struct {
	ID       ID     `json:"id"`
	Revision uint16 `json:"revision,omitzero"`
	Kind     Kind   `json:"kind"`

	At         time.Time `json:"at"`                  // when it happened
	ReceivedAt time.Time `json:"received_at"`         // when we learned it, at the edge; never changes
	RevisedAt  time.Time `json:"revised_at,omitzero"` // when this revision was made

	Source string `json:"source"` // who told us: "track", "mail", "csv", "api", "crm/hubspot"

	Content ContentID `json:"content,omitzero"`
	Share   ShareID   `json:"share,omitzero"`
	Message string    `json:"message,omitzero"` // MessageHash of the mail, for a reply that of the mail it answers
	Contact ContactID `json:"contact,omitzero"`
	Account string    `json:"account,omitzero"` // the contact's or the deal's company, by registrable domain
	Rep     string    `json:"rep,omitzero"`     // a person on our side, by address in lower case
	Deal    string    `json:"deal,omitzero"`    // the CRM's own deal ID
	Stage   string    `json:"stage,omitzero"`   // the stage a deal entered

	Verdict
	Evidence

	LedTo    ContentID `json:"led_to,omitzero"`   // the content that a link to an expired one led to, or Fallback
	Withheld Withheld  `json:"withheld,omitzero"` // why it names no person; empty: nothing was left out

	Note  string            `json:"note,omitzero"`  // what a rep learned, in words
	Attrs map[string]string `json:"attrs,omitzero"` // the state that a registration carries, see State; of some other kinds what no column has, see Kind

	// Person is who the contact is. The loader moves it to the one table that
	// knows people and never stores it with the event.
	Person *Person `json:"person,omitzero"`
}

// Person is what we know of a contact by name. It never enters the event log.
type Person struct {
	Address string `json:"address"`
	Name    string `json:"name,omitzero"`
	Title   string `json:"title,omitzero"`
}

// ContentID is a marketer's own name for a piece of content, as registered.
type ContentID = string

// These stand where a content's ID would; no content has one of them.
const (
	Fallback ContentID = "."  // where links to expired content without a successor lead: tracking.fallback_url, or our page that says so
	Trap     ContentID = ".." // what the link in a mail that no person sees stands for
)

// Emit takes events over from a source. It returns nil only once the events are
// durable; a source that keeps a cursor saves it after Emit returned nil.
type Emit func(ctx context.Context, events ...Event) error

// Kind says which fact an event is. Kinds of things that happen are in the past
// tense; registrations are nouns and carry the whole state of the thing.
type Kind string

// The kinds of events. What each carries in Attrs:
//
//	bounced    severity (hard or soft) and status (such as 5.1.1), if known
//	forwarded  nothing; its contact is who has the content now
//	sighted    what (link or file), url or name and size, and reps: how many sent it; its content, if any, is the one it
//	           is nearly a copy of
//	retracted  of a deal that was merged: into, the deal that it went into
//	rescanned  mailbox, folder (sent or inbox), why (uidvalidity), from, to and messages
//	measured   the numbers of a baseline, see Baseline
//	agreed     measure, period, target, sales, marketing, and dropped if they gave it up, see Goal
//	assigned   holdout, arm, and stage when it was drawn, see Holdout; of a person's word not (yes), see Assignment
//	requested  persona, if the content is for one, see Request
//	answered   request, and declined if there will be no such content, see Answer
//	voted      note, and not if the vote is taken back, see Vote
//	listed     list, and of the list itself how its leads were chosen, see LeadList
//	budgeted   title, run, lift_run and model, and page: all that it says, see Budget
//	clicked    or opened, with a person's word on who made it: was, said_by and judged, see Word
//	decided    what a review said of its contact or deal: week, the fields of a Decision, and done_at
const (
	Shared      Kind = "shared"      // a rep made a tracked link
	Sent        Kind = "sent"        // a mail went to one contact; without a content it is a bare fact about a known contact
	Opened      Kind = "opened"      // the pixel was fetched, or the contact's mail program says that the mail was shown
	Clicked     Kind = "clicked"     // the link was followed
	Viewed      Kind = "viewed"      // content was read elsewhere, as another tool tells
	Replied     Kind = "replied"     // a contact answered
	Bounced     Kind = "bounced"     // a mail did not arrive
	Autoreplied Kind = "autoreplied" // a machine answered for the contact
	Trapped     Kind = "trapped"     // the link that no person sees was followed: by a machine
	Forwarded   Kind = "forwarded"   // a mail with content was passed on to a contact
	Sighted     Kind = "sighted"     // reps send something that looks like content and is not registered; names nobody
	Rescanned   Kind = "rescanned"   // a folder was read again from its beginning, because its server had reset it
	Measured    Kind = "measured"    // where the company stood, to be compared with later
	Agreed      Kind = "agreed"      // sales and marketing agreed on a goal, or changed it
	OptedOut    Kind = "optedout"
	Consented   Kind = "consented"
	Staged      Kind = "staged"    // a deal entered a stage
	Assigned    Kind = "assigned"  // who a deal belongs to, or does not, by a person's word; or the arm of a holdout that chance drew for it
	Noted       Kind = "noted"     // a rep learned what worked
	Requested   Kind = "requested" // a rep asked marketing for content
	Answered    Kind = "answered"  // marketing answered that
	Voted       Kind = "voted"     // somebody found a note useful
	Decided     Kind = "decided"
	Listed      Kind = "listed"    // leads were put on a list: the list itself, or one contact on it
	Budgeted    Kind = "budgeted"  // somebody froze a budget page
	Retracted   Kind = "retracted" // the deal or contact that it names is gone; naming none, and with a revision: what this event told never was
	Erased      Kind = "erased"

	ContentKind Kind = "content"
	ContactKind Kind = "contact"
	DealKind    Kind = "deal"
	HoldoutKind Kind = "holdout"
)

// needs says which fields a kind cannot do without, besides ID, At, ReceivedAt
// and Source.
var needs = map[Kind][]string{
	Shared:      {"content", "share", "rep"},
	Sent:        {"contact", "rep"},
	Opened:      {},
	Clicked:     {"content"},
	Viewed:      {"content"},
	Replied:     {"contact"},
	Bounced:     {"message"},
	Autoreplied: {"contact"},
	Trapped:     {"share"},
	Forwarded:   {"content"},
	Sighted:     {},
	Rescanned:   {"rep"},
	Measured:    {},
	Agreed:      {"rep"},
	OptedOut:    {},
	Consented:   {},
	Staged:      {"deal", "stage"},
	Assigned:    {"deal"},
	Noted:       {"rep", "note"},
	Requested:   {"rep", "note"},
	Answered:    {"note"},
	Voted:       {"rep"},
	Decided:     {"note"},
	Listed:      {"note"},
	Budgeted:    {},
	Retracted:   {},
	Erased:      {},
	ContentKind: {"content"},
	ContactKind: {"contact"},
	DealKind:    {"deal"},
	HoldoutKind: {"content"},
}

// Retract returns the next revision of a fact, made at the given time: it never
// was. What it told of whom is left out, so that no report finds it.
func (e Event) Retract(now time.Time) Event {
	return Event{ID: e.ID, Revision: e.Revision + 1, Kind: Retracted, At: e.At, ReceivedAt: e.ReceivedAt, RevisedAt: now, Source: e.Source}
}

// KnownKind reports whether the vocabulary has the kind.
func KnownKind(k Kind) bool { _, ok := needs[k]; return ok }

// MaxYear is the last whole year whose times count their nanoseconds in 64 bits,
// in which the database's driver passes them.
const MaxYear = 2261

// Validate returns what is missing, as an error for the source that made the
// event. A valid event can be stored.
func (e *Event) Validate() error {
	fields, ok := needs[e.Kind]
	if !ok {
		return fmt.Errorf("event kind %q is not known", e.Kind)
	}
	if e.ID.IsZero() || e.Source == "" || e.At.IsZero() || e.ReceivedAt.IsZero() {
		return fmt.Errorf("event %s: id, source, at and received_at must be set", e.Kind)
	}
	for _, t := range []time.Time{e.At, e.ReceivedAt, e.RevisedAt} {
		if !t.IsZero() && (t.Year() < 1900 || t.Year() > MaxYear) {
			return fmt.Errorf("event %s: year %d cannot be stored", e.Kind, t.Year())
		}
	}
	if !(e.Probability >= 0 && e.Probability <= 1) { // NaN too: JSON has no word for it
		return fmt.Errorf("event %s: probability %v is not between 0 and 1", e.Kind, e.Probability)
	}
	for _, f := range fields {
		if e.field(f) == "" {
			return fmt.Errorf("event %s: %s must be set", e.Kind, f)
		}
	}
	if e.Kind == Opened && e.Content == "" && e.Message == "" {
		return fmt.Errorf("event %s: content or message must be set", e.Kind)
	}
	if (e.Kind == OptedOut || e.Kind == Consented) && e.Contact == "" && e.Account == "" && e.Share == "" {
		return fmt.Errorf("event %s: contact, account or share must be set", e.Kind)
	}
	return nil
}

func (e *Event) field(name string) string {
	switch name {
	case "content":
		return e.Content
	case "share":
		return string(e.Share)
	case "message":
		return e.Message
	case "contact":
		return string(e.Contact)
	case "rep":
		return e.Rep
	case "deal":
		return e.Deal
	case "stage":
		return e.Stage
	case "note":
		return e.Note
	}
	panic("trail: no field " + name)
}
