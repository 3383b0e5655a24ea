package trail

import (
	"maps"
	"slices"
	"time"
)

// State is what a registration says of one thing: a content, a contact or a
// deal. Its keys are those below; times are RFC 3339 in UTC, amounts plain
// decimals, lists separated by single spaces. Empty values are left out.
//
//	content  title kind url other_urls stage persona version tags owner cost currency
//	         published_at expires_at successor file file_name file_type file_size
//	contact  account domain role owner status source created_at
//	         consent consent_basis consent_at
//	deal     name account domain amount currency stage status owner
//	         created_at closed_at loss_reason contacts
//
// file is the SHA-256 of a stored file in hex; contacts are ContactIDs, never
// addresses: who a contact is travels as the event's Person.
type State struct {
	Event  ID        // the event that brought this state; zero if the thing is new
	At     time.Time // when that was; states follow each other by it
	Attrs  map[string]string
	Person *Person
	Gone   bool   // it was retracted: it is not there, and the rest is how it was before
	Into   string // of a deal that is gone: the deal that it was merged into, if it was
}

// Same reports whether two states say the same of the thing.
func (s State) Same(t State) bool {
	samePerson := (s.Person == nil) == (t.Person == nil) && (s.Person == nil || *s.Person == *t.Person)
	return samePerson && maps.Equal(s.Attrs, t.Attrs) && s.Gone == t.Gone && s.Into == t.Into
}

// With returns the state of a thing that is there, with the given keys replaced;
// an empty value removes its key, keys that are not given stay as they are.
func (s State) With(attrs map[string]string) State {
	next := maps.Clone(s.Attrs)
	if next == nil {
		next = map[string]string{}
	}
	for k, v := range attrs {
		next[k] = v
		if v == "" {
			delete(next, k)
		}
	}
	s.Attrs, s.Gone, s.Into = next, false, ""
	return s
}

// Without returns the state of a deal or contact that is gone, of a deal that
// was merged with the deal that it went into.
func (s State) Without(into string) State {
	s.Gone, s.Into = true, into
	return s
}

// Registration returns the event that takes a thing from the state before to
// the state after, learned at the given time. Its ID covers the event before
// and the state after, so the same change told twice is one event, while A, B,
// A, B are four and end at B. The time part of the ID is zero: a snapshot does
// not say when it became true. It is later than the state before even if a clock
// is not, or that state would stay. Callers emit it only if the states differ.
func Registration(source string, kind Kind, subject string, before, after State, now time.Time) Event {
	key := []string{string(kind), subject, before.Event.String()}
	for _, k := range slices.Sorted(maps.Keys(after.Attrs)) {
		key = append(key, k, after.Attrs[k])
	}
	if p := after.Person; p != nil {
		key = append(key, "person", p.Address, p.Name, p.Title)
	}
	e := Event{
		ID: IDFrom(time.Time{}, source, key...), Kind: kind, Source: source,
		At: before.next(now), ReceivedAt: now, Attrs: after.Attrs, Person: after.Person,
	}
	e.name(kind, subject)
	return e
}

// Retraction returns the event that takes a deal or a contact from the state
// before to one in which it is gone, learned at the given time: reports leave it
// out until a later registration. Its ID is made as a registration's is, so A,
// gone, A, gone are four events and end at gone. A content is never retracted:
// links to it are out there, and go on leading somewhere.
func Retraction(source string, kind Kind, subject string, before State, into string, now time.Time) Event {
	if kind != DealKind && kind != ContactKind {
		panic("trail: a " + string(kind) + " cannot be retracted")
	}
	e := Event{Kind: Retracted, Source: source, At: before.next(now), ReceivedAt: now}
	key := []string{string(Retracted), string(kind), subject, before.Event.String()}
	if into != "" {
		key = append(key, "into", into)
		e.Attrs = map[string]string{"into": into}
	}
	e.ID = IDFrom(time.Time{}, source, key...)
	e.name(kind, subject)
	return e
}

// next is the time of the state after s, learned at the given time.
func (s State) next(now time.Time) time.Time {
	if now.After(s.At) {
		return now
	}
	return s.At.Add(time.Millisecond)
}

// name writes what the event is about.
func (e *Event) name(kind Kind, subject string) {
	switch kind {
	case ContentKind:
		e.Content = subject
	case ContactKind:
		e.Contact = ContactID(subject)
	case DealKind:
		e.Deal = subject
	default:
		panic("trail: " + string(kind) + " is not a registration")
	}
}
