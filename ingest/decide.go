package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"dealtrail/store"
	"dealtrail/trail"
)

// Reviews is how people write down what they decided in the weekly lead review.
type Reviews struct {
	DB       *store.DB
	Emit     trail.Emit
	Settle   func(ctx context.Context) error // returns when all that was accepted before is loaded
	Contacts trail.ContactKey
	Zone     *time.Location

	// Alone keeps other processes from deciding until release is called; ok is false while another does. nil: there
	// are none.
	Alone func(ctx context.Context) (held context.Context, release func(), ok bool)

	Patience time.Duration    // how long a person waits for others, and to read what they wrote; default 5 s
	Now      func() time.Time // nil: time.Now

	mu sync.Mutex // from reading what was said to accepting what is new
}

// Said is what somebody says of one lead or deal in a review: of ID, Email, Contact and
// Deal one is set. Fields are those of trail.DecisionFields that are said; others stay
// as they are.
type Said struct {
	ID      string // of a decision, of whatever week
	Email   string
	Contact trail.ContactID
	Deal    string
	Fields  map[string]string
}

// Teller is who says something.
type Teller struct {
	Source string                   // who told us: "api", "ui", "xlsx"
	By     string                   // the person, if known
	Sees   func(trail.DealRow) bool // whose word counts on the deals that they see, and leads of whom they see deals; nil: on all
}

// Outcome is what became of one Said.
type Outcome struct {
	Decision trail.Decision // as it is from now on
	Changed  bool           // it says something else than before
	Refused  error          // a *trail.Problem that says why it was not taken
}

// Decide writes down what was said in the review of a week, each for itself, and
// returns what became of it in the same order. What changes nothing is no event. visible
// is false when it is accepted and reports do not show it within Patience. A
// *trail.Problem says that the week cannot be, or that it cannot be done now.
func (x *Reviews) Decide(ctx context.Context, week string, who Teller, said ...Said) (outcomes []Outcome, visible bool, err error) {
	now := x.now()
	if _, _, err := trail.ParseWeek(cmp.Or(week, "none"), x.zone(), now); err != nil {
		return nil, false, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.Alone != nil {
		held, release, ok := x.Alone(ctx)
		if !ok {
			return nil, false, trail.Problemf(trail.Unavailable, "Somebody else is writing decisions, or Redis does not answer; try again in a few seconds.")
		}
		defer release()
		ctx = held
		defer func() { err = trail.Because(ctx, err) }()
	}
	// A field that is left out stays as the last word on it was: that must be known.
	if err := x.settle(ctx); err != nil {
		return nil, false, fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "What was decided before is not loaded yet, and this could overwrite it; try again in a few seconds."), err)
	}
	known, err := x.known(ctx, said)
	if err != nil {
		return nil, false, err
	}
	var events []trail.Event
	for _, s := range said {
		before, refused := known.of(x, week, s)
		if who.Sees != nil {
			if refused, err = x.notSeen(ctx, who, before, refused); err != nil {
				return nil, false, err
			}
			if refused != nil {
				before = trail.Decision{ID: before.ID}
			}
		}
		o := Outcome{Decision: before, Refused: refused}
		if refused == nil {
			if o.Decision, o.Refused = before.With(s.Fields, now); o.Refused == nil && !o.Decision.Says(before) {
				e := o.Decision.Event(who.Source, who.By, now)
				o.Changed, o.Decision.At, o.Decision.By = true, e.At, who.By
				events = append(events, e)
				known.decisions[o.Decision.ID] = o.Decision // one subject may be there twice
			}
		}
		o.Decision = o.Decision.Judge(now, x.zone())
		outcomes = append(outcomes, o)
	}
	if len(events) == 0 {
		return outcomes, true, nil
	}
	if err := context.Cause(ctx); err != nil { // what is emitted goes out whether who asked is still there or not
		return nil, false, err
	}
	if err := x.Emit(ctx, events...); err != nil {
		return nil, false, fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "This cannot be written at the moment; try again in a few seconds."), err)
	}
	return outcomes, x.settle(ctx) == nil, nil
}

// knownSubjects is what there is to decide on, and what was said before.
type knownSubjects struct {
	decisions map[string]trail.Decision // by ID
	contacts  map[string]trail.State
	deals     map[string]trail.State
}

func (x *Reviews) known(ctx context.Context, said []Said) (k knownSubjects, err error) {
	var contacts, deals []string
	for _, s := range said {
		if c := x.contact(s); c != "" {
			contacts = append(contacts, string(c))
		}
		if s.Deal != "" {
			deals = append(deals, s.Deal)
		}
	}
	if k.contacts, err = x.DB.States(ctx, trail.ContactKind, contacts); err != nil {
		return k, err
	}
	if k.deals, err = x.DB.States(ctx, trail.DealKind, deals); err != nil {
		return k, err
	}
	all, err := x.DB.Decisions(ctx, "")
	k.decisions = map[string]trail.Decision{}
	for _, d := range all {
		k.decisions[d.ID] = d
	}
	return k, err
}

// of returns what was said before of a subject, or a Problem why it has none.
func (k knownSubjects) of(x *Reviews, week string, s Said) (trail.Decision, error) {
	if s.ID != "" {
		d, ok := k.decisions[s.ID]
		if !ok {
			return trail.Decision{ID: s.ID}, trail.Problemf(trail.NotFound, "There is no decision %q.", s.ID)
		}
		return d, nil
	}
	d, err := trail.NewDecision(week, x.contact(s), s.Deal)
	if err != nil {
		return d, err
	}
	if state, ok := k.deals[s.Deal]; s.Deal != "" && (!ok || state.Gone) {
		return d, trail.Problemf(trail.NotFound, "There is no deal %q; the CRM's own ID is wanted.", s.Deal)
	}
	if state, ok := k.contacts[string(d.Contact)]; d.Contact != "" && (!ok || state.Gone) {
		return d, trail.Problemf(trail.NotFound, "The CRM knows no contact %q.", cmp.Or(s.Email, string(s.Contact)))
	}
	if before, ok := k.decisions[d.ID]; ok {
		return before, nil
	}
	return d, nil
}

// notSeen returns why a subject is not for who says something: what they do not see, and
// what there is not, is the same to them.
func (x *Reviews) notSeen(ctx context.Context, who Teller, d trail.Decision, refused error) (error, error) {
	p := (*trail.Problem)(nil)
	if refused != nil && (!errors.As(refused, &p) || p.Code != trail.NotFound) {
		return refused, nil
	}
	sees := refused == nil && who.Sees(trail.DealRow{Owner: d.Owner})
	if refused == nil && !sees {
		owned, err := x.DB.OwnersOf(ctx, d.Contact, d.Deal)
		if err != nil {
			return nil, err
		}
		sees = slices.ContainsFunc(owned, who.Sees)
	}
	if !sees {
		return trail.Problemf(trail.NotFound, "There is no such lead or deal, or it is not yours to see."), nil
	}
	return nil, nil
}

func (x *Reviews) contact(s Said) trail.ContactID {
	if s.Email != "" {
		return x.Contacts.ID(s.Email)
	}
	return s.Contact
}

func (x *Reviews) settle(ctx context.Context) error {
	if x.Settle == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(x.Patience, defaultPatience))
	defer cancel()
	return x.Settle(ctx)
}

func (x *Reviews) now() time.Time {
	if x.Now == nil {
		return time.Now()
	}
	return x.Now()
}

func (x *Reviews) zone() *time.Location {
	if x.Zone == nil {
		return time.UTC
	}
	return x.Zone
}
