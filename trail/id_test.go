package trail_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/trail"
)

func TestIDRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var id trail.ID
		for i := range id {
			id[i] = byte(rng.Uint32())
		}
		s := id.String()
		for _, text := range []string{s, strings.ToLower(s)} {
			if back, err := trail.ParseID(text); err != nil || back != id {
				t.Fatalf("ParseID(%q) = %v, %v, want %v", text, back, err, id)
			}
		}
	}
}

func TestIDReadsAsULID(t *testing.T) {
	// The example of the ULID specification: 01ARZ3NDEKTSV4RRFFQ69G5FAV was made at 1469922850259.
	id, err := trail.ParseID("01ARZ3NDEKTSV4RRFFQ69G5FAV")
	if err != nil {
		t.Fatal(err)
	}
	if got := id.Time().UnixMilli(); got != 1469922850259 {
		t.Errorf("time is %d ms", got)
	}
}

func TestParseIDRefusesWhatIsNoULID(t *testing.T) {
	good := trail.NewID(time.Now()).String()
	for _, s := range []string{
		"", good[:25], good + "0", "8" + good[1:], "Z" + good[1:], good[:25] + "U", good[:25] + "I", good[:25] + "L",
		good[:25] + "O", good[:25] + "-", " " + good[:25], good[:24] + "ſ", good[:24] + "é", good[:25] + "\x00",
	} {
		if id, err := trail.ParseID(s); err == nil {
			t.Errorf("ParseID(%q) = %v, want an error", s, id)
		}
	}
}

func TestOrderByIDIsOrderByTime(t *testing.T) {
	start := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	var ids []trail.ID
	for i := range 500 {
		at := start.Add(time.Duration(i) * time.Millisecond)
		id := trail.NewID(at)
		if i%2 == 0 {
			id = trail.IDFrom(at, "mail", "some message", at.String())
		}
		if !id.Time().Equal(at) {
			t.Fatalf("ID of %v carries %v", at, id.Time())
		}
		ids = append(ids, id)
	}
	if !slices.IsSortedFunc(ids, func(a, b trail.ID) int { return bytes.Compare(a[:], b[:]) }) {
		t.Error("bytes are not in order of time")
	}
	if !slices.IsSortedFunc(ids, func(a, b trail.ID) int { return strings.Compare(a.String(), b.String()) }) {
		t.Error("texts are not in order of time")
	}
}

func TestTimesThatAnIDCannotHoldCountAsNone(t *testing.T) {
	for _, at := range []time.Time{{}, time.Unix(0, 0), time.Date(1969, 12, 31, 23, 0, 0, 0, time.UTC)} {
		if id := trail.NewID(at); !id.Time().IsZero() || id.IsZero() {
			t.Errorf("NewID(%v) = %v with time %v, want random bits without time", at, id, id.Time())
		}
	}
}

func TestNewIDNeverRepeats(t *testing.T) {
	seen, at := map[trail.ID]bool{}, time.Now()
	for range 10000 {
		id := trail.NewID(at)
		if seen[id] {
			t.Fatalf("%v came twice", id)
		}
		seen[id] = true
	}
}

func TestIDFromIsAFunctionOfTheFact(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 8_000_000, time.UTC)
	a := trail.IDFrom(at, "mail", "m1", "c1")
	if b := trail.IDFrom(at.In(time.FixedZone("", 3600)), "mail", "m1", "c1"); b != a {
		t.Error("the zone in which a time is written changes the ID")
	}
	if got := a.String(); got != trail.IDFrom(at, "mail", "m1", "c1").String() || len(got) != 26 {
		t.Errorf("ID is %q", got)
	}
	for name, b := range map[string]trail.ID{
		"time": trail.IDFrom(at.Add(time.Millisecond), "mail", "m1", "c1"), "source": trail.IDFrom(at, "csv", "m1", "c1"),
		"key": trail.IDFrom(at, "mail", "m1", "c2"), "order": trail.IDFrom(at, "mail", "c1", "m1"),
		"empty": trail.IDFrom(at, "mail", "m1", "c1", ""), "no time": trail.IDFrom(time.Time{}, "mail", "m1", "c1"),
	} {
		if a == b {
			t.Errorf("another %s gives the same ID", name)
		}
	}
}

// Two ways to cut the same letters into parts are two facts.
func TestIDFromKeepsPartsApart(t *testing.T) {
	seen := map[trail.ID][]string{}
	for _, parts := range [][]string{
		{"abc"},
		{"ab", "c"},
		{"a", "bc"},
		{"a", "b", "c"},
		{"", "abc"},
		{"abc", ""},
		{"a", "", "bc"},
		{"ab\x00c"},
		{"ab", "\x00c"},
		{"a\x00\x00\x00\x00\x00\x00\x00\x02bc"},
	} {
		id := trail.IDFrom(time.Time{}, parts[0], parts[1:]...)
		if other := seen[id]; other != nil {
			t.Errorf("%q and %q have the same ID", other, parts)
		}
		seen[id] = parts
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("01ARZ3NDEKTSV4RRFFQ69G5FAV")
	f.Add("7zzzzzzzzzzzzzzzzzzzzzzzzz")
	f.Add("0000000000000000000000000ſ")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := trail.ParseID(s); err == nil && id.String() != strings.ToUpper(s) {
			t.Errorf("ParseID(%q) reads %v", s, id)
		}
	})
}
