package trail_test

import (
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"dealtrail/trail"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// full returns an event in which every field is set.
func full() trail.Event {
	return trail.Event{
		ID: trail.NewID(noon), Revision: 2, Kind: trail.Clicked, At: noon, ReceivedAt: noon.Add(time.Second), RevisedAt: noon.Add(time.Minute), Source: "track",
		Content: "deck", Share: "abcdefghia", Message: "m", Contact: "c", Account: "kestrel.example", Rep: "ada@lumen.example", Deal: "D-1", Stage: "Proposal",
		Verdict: trail.Verdict{Agent: trail.Human, Probability: 0.93, Rules: []string{"score"}, Signal: "shared"},
		Note:    "<b>liked</b> it", Attrs: map[string]string{"title": "Dëck"}, Person: &trail.Person{Address: "jo@kestrel.example", Name: "Jo", Title: "CFO"},
	}
}

func TestEventJSONRoundTrip(t *testing.T) {
	for name, e := range map[string]trail.Event{"full": full(), "zero": {}, "unset maps": {Kind: trail.Sent, At: noon, ReceivedAt: noon}} {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var back trail.Event
		if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, e) {
			t.Errorf("%s: %s reads back as %+v, %v", name, b, back, err)
		}
	}
}

func TestEventJSONLeavesOutWhatDoesNotApply(t *testing.T) {
	b, err := json.Marshal(trail.Event{ID: trail.IDFrom(noon, "x"), Kind: trail.Staged, At: noon, ReceivedAt: noon, Source: "csv", Deal: "D", Stage: "Won"})
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(b, &keys); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"id", "kind", "at", "received_at", "source", "deal", "stage"} {
		delete(keys, k)
	}
	if len(keys) != 0 {
		t.Errorf("%s has %v", b, keys)
	}
}

// field returns a pointer to a text field that Validate names.
func field(e *trail.Event, name string) *string {
	return map[string]*string{
		"content": &e.Content, "share": (*string)(&e.Share), "message": &e.Message, "contact": (*string)(&e.Contact), "rep": &e.Rep,
		"deal": &e.Deal, "stage": &e.Stage, "note": &e.Note,
	}[name]
}

func TestValidateAsksForWhatEachKindNeeds(t *testing.T) {
	for kind, needs := range map[trail.Kind]string{
		trail.Shared: "content share rep", trail.Sent: "contact rep", trail.Opened: "content", trail.Clicked: "content", trail.Viewed: "content",
		trail.Replied: "contact", trail.Bounced: "message", trail.Autoreplied: "contact", trail.Forwarded: "content", trail.OptedOut: "contact",
		trail.Consented: "contact", trail.Staged: "deal stage", trail.Assigned: "deal", trail.Noted: "rep note", trail.Requested: "rep note", trail.Answered: "note",
		trail.Voted: "rep", trail.Decided: "note", trail.Retracted: "", trail.Erased: "", trail.ContentKind: "content", trail.ContactKind: "contact", trail.DealKind: "deal",
		trail.Sighted: "", trail.Rescanned: "rep", trail.Measured: "", trail.Agreed: "rep", trail.HoldoutKind: "content",
	} {
		e := trail.Event{ID: trail.NewID(noon), Kind: kind, At: noon, ReceivedAt: noon, Source: "test"}
		for _, f := range strings.Fields(needs) {
			*field(&e, f) = "x"
		}
		if err := e.Validate(); err != nil || !trail.KnownKind(kind) {
			t.Errorf("%s with %q: %v", kind, needs, err)
		}
		for _, f := range strings.Fields(needs) {
			without := e
			*field(&without, f) = ""
			if err := without.Validate(); err == nil || !strings.Contains(err.Error(), f) {
				t.Errorf("%s without %s: %v", kind, f, err)
			}
		}
	}
}

func TestValidateRefusesWhatCannotBeStored(t *testing.T) {
	good := full()
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*trail.Event){
		"no kind": func(e *trail.Event) { e.Kind = "" }, "unknown kind": func(e *trail.Event) { e.Kind = "click" },
		"no id": func(e *trail.Event) { e.ID = trail.ID{} }, "no source": func(e *trail.Event) { e.Source = "" },
		"no at": func(e *trail.Event) { e.At = time.Time{} }, "no received_at": func(e *trail.Event) { e.ReceivedAt = time.Time{} },
		"year 1899": func(e *trail.Event) { e.At = time.Date(1899, 12, 31, 0, 0, 0, 0, time.UTC) },
		"year 2262": func(e *trail.Event) { e.ReceivedAt = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC) },
		"year 9999": func(e *trail.Event) { e.RevisedAt = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) },
		"over 1":    func(e *trail.Event) { e.Probability = 1.01 }, "under 0": func(e *trail.Event) { e.Probability = -0.01 },
		"not a number": func(e *trail.Event) { e.Probability = float32(math.NaN()) },
	} {
		e := full()
		spoil(&e)
		if err := e.Validate(); err == nil {
			t.Errorf("%s is valid", name)
		}
	}
}

func FuzzEventJSON(f *testing.F) {
	f.Add("clicked", "track", "deck", "<&>\u2028", "k", "v", int64(1795345200123), uint16(3), float32(0.5), true)
	f.Add("", "", "", "", "", "", int64(-1), uint16(0), float32(0), false)
	f.Fuzz(func(t *testing.T, kind, source, content, note, key, value string, ms int64, revision uint16, p float32, person bool) {
		valid := func(s string) string { return strings.ToValidUTF8(s, "?") } // JSON carries no other text
		at := time.UnixMilli(ms % 10_000_000_000_000).UTC()
		e := trail.Event{
			ID: trail.NewID(at), Kind: trail.Kind(valid(kind)), At: at, ReceivedAt: at.Add(time.Millisecond), Source: valid(source), Revision: revision,
			Content: valid(content), Note: valid(note), Attrs: map[string]string{valid(key): valid(value)},
			Verdict: trail.Verdict{Agent: trail.Agent(valid(value)), Probability: p, Rules: []string{valid(key)}},
		}
		if person {
			e.Person = &trail.Person{Address: valid(note), Name: valid(value)}
		}
		if math.IsNaN(float64(p)) || math.IsInf(float64(p), 0) {
			if e.Validate() == nil {
				t.Error("a probability that JSON cannot write is valid")
			}
			return
		}
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var back trail.Event
		if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, e) {
			t.Errorf("%s reads back as %+v, %v", b, back, err)
		}
	})
}

func TestRegistrationThereAndBackIsFourEvents(t *testing.T) {
	a := trail.State{Attrs: map[string]string{"stage": "Demo", "amount": "100.00"}}
	b := trail.State{Attrs: map[string]string{"stage": "Proposal", "amount": "100.00"}}
	now, seen := noon, map[trail.ID]int{}
	var before trail.State
	for i, after := range []trail.State{a, b, a, b} {
		now = now.Add(time.Hour)
		e := trail.Registration("csv", trail.DealKind, "D-1", before, after, now)
		again := trail.Registration("csv", trail.DealKind, "D-1", before, after, now.Add(time.Minute))
		if again.ID != e.ID {
			t.Errorf("change %d told twice is two events", i)
		}
		if other, ok := seen[e.ID]; ok {
			t.Errorf("changes %d and %d have the same ID", other, i)
		}
		if err := e.Validate(); err != nil || e.Deal != "D-1" || !e.At.Equal(now) || !maps.Equal(e.Attrs, after.Attrs) || !e.ID.Time().IsZero() {
			t.Errorf("change %d is %+v, %v", i, e, err)
		}
		seen[e.ID] = i
		before = after
		before.Event = e.ID
	}
	if len(seen) != 4 {
		t.Errorf("%d events", len(seen))
	}
}

func TestRegistrationIsAFunctionOfWhatItSays(t *testing.T) {
	state := trail.State{Attrs: map[string]string{"account": "Kestrel"}, Person: &trail.Person{Address: "jo@kestrel.example", Name: "Jo"}}
	id := func(kind trail.Kind, subject string, s trail.State) trail.ID {
		return trail.Registration("csv", kind, subject, trail.State{}, s, noon).ID
	}
	first := id(trail.ContactKind, "c1", state)
	renamed := trail.State{Attrs: state.Attrs, Person: &trail.Person{Address: "jo@kestrel.example", Name: "Joan"}}
	for name, other := range map[string]trail.ID{
		"subject": id(trail.ContactKind, "c2", state), "kind": id(trail.ContentKind, "c1", state), "name": id(trail.ContactKind, "c1", renamed),
		"attribute": id(trail.ContactKind, "c1", state.With(map[string]string{"role": "buyer"})), "nobody": id(trail.ContactKind, "c1", trail.State{Attrs: state.Attrs}),
	} {
		if other == first {
			t.Errorf("another %s gives the same ID", name)
		}
	}
	if e := trail.Registration("csv", trail.ContactKind, "c1", trail.State{}, state, noon); e.Contact != "c1" || e.Person != state.Person {
		t.Errorf("%+v", e)
	}
	if e := trail.Registration("csv", trail.ContentKind, "deck", trail.State{}, state, noon); e.Content != "deck" {
		t.Errorf("%+v", e)
	}
	defer func() {
		if recover() == nil {
			t.Error("a click was registered")
		}
	}()
	id(trail.Clicked, "x", state)
}

func TestStateWithAndSame(t *testing.T) {
	s := trail.State{Attrs: map[string]string{"title": "A", "url": "u"}}
	next := s.With(map[string]string{"title": "B", "url": "", "stage": "Demo", "owner": ""})
	if want := map[string]string{"title": "B", "stage": "Demo"}; !maps.Equal(next.Attrs, want) {
		t.Errorf("With gives %v, want %v", next.Attrs, want)
	}
	if s.Attrs["title"] != "A" || len(s.Attrs) != 2 {
		t.Errorf("With changed what it was called on: %v", s.Attrs)
	}
	jo := &trail.Person{Address: "jo@kestrel.example"}
	for _, c := range []struct {
		a, b trail.State
		same bool
	}{
		{trail.State{}, trail.State{Attrs: map[string]string{}}, true},
		{s, trail.State{Event: trail.NewID(noon), Attrs: maps.Clone(s.Attrs)}, true},
		{s, next, false},
		{trail.State{Person: jo}, trail.State{Person: &trail.Person{Address: "jo@kestrel.example"}}, true},
		{trail.State{Person: jo}, trail.State{}, false},
		{trail.State{Person: jo}, trail.State{Person: &trail.Person{Address: "jo@kestrel.example", Name: "Jo"}}, false},
	} {
		if c.a.Same(c.b) != c.same || c.b.Same(c.a) != c.same {
			t.Errorf("%+v same as %+v: want %v", c.a, c.b, c.same)
		}
	}
}

func TestContactsAreKeyedHashesOfNormalAddresses(t *testing.T) {
	k, other := trail.ContactKey("one"), trail.ContactKey("two")
	id := k.ID("jo@kestrel.example")
	if len(id) != 26 || k.ID("  Jo@Kestrel.EXAMPLE ") != id {
		t.Errorf("ID %q, in other case %q", id, k.ID("  Jo@Kestrel.EXAMPLE "))
	}
	if k.ID("jo+x@kestrel.example") == id || other.ID("jo@kestrel.example") == id || k.MessageHash("jo@kestrel.example") == string(id) {
		t.Error("another address, key or purpose gives the same hash")
	}
	if k.MessageHash("<a.b@host>") != k.MessageHash(" a.b@host ") || k.MessageHash("<A.b@host>") == k.MessageHash("<a.b@host>") {
		t.Error("a Message-ID is compared without brackets and with case")
	}
	for address, want := range map[string]string{"jo@Kestrel.Example": "kestrel.example", "a@b@c.example": "c.example", "jo@kestrel.example.": "kestrel.example", "jo": "", "": "", "jo@": ""} {
		if got := trail.Domain(address); got != want {
			t.Errorf("Domain(%q) = %q, want %q", address, got, want)
		}
	}
}

func TestParseLevel(t *testing.T) {
	for s, want := range map[string]trail.Level{"": trail.Likely, "all": trail.All, "likely": trail.Likely, "strict": trail.Strict} {
		if got, err := trail.ParseLevel(s); err != nil || got != want {
			t.Errorf("ParseLevel(%q) = %v, %v", s, got, err)
		}
	}
	if _, err := trail.ParseLevel("human"); err == nil {
		t.Error("level human is taken")
	}
}
