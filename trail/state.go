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
}

// Same reports whether two states say the same of the thing.
func (s State) Same(t State) bool {
	samePerson := (s.Person == nil) == (t.Person == nil) && (s.Person == nil || *s.Person == *t.Person)
	return samePerson && maps.Equal(s.Attrs, t.Attrs)
}

// With returns the state with the given keys replaced; an empty value removes
// its key, keys that are not given stay as they are.
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
	s.Attrs = next
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
	at := now
	if !at.After(before.At) {
		at = before.At.Add(time.Millisecond)
	}
	e := Event{
		ID: IDFrom(time.Time{}, source, key...), Kind: kind, Source: source,
		At: at, ReceivedAt: now, Attrs: after.Attrs, Person: after.Person,
	}
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
	return e
}
