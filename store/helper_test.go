package store_test

import (
	"strings"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/trail"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// number runs a statement of one number.
func number(t *testing.T, db *store.DB, statement string) (n int64) {
	t.Helper()
	rows, err := db.Query(t.Context(), "SELECT toInt64(x) FROM ("+strings.Replace(statement, " FROM ", " AS x FROM ", 1)+")")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if !rows.Next() {
		t.Fatalf("%s: no row: %v", statement, rows.Err())
	}
	if err := rows.Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func insert(t testing.TB, db *store.DB, events ...trail.Event) {
	t.Helper()
	if err := db.InsertEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	db.Wrote()
}

// layOut lays out what is known by now, so that many reports can be asked for quickly.
func layOut(t testing.TB, db *store.DB) {
	t.Helper()
	if _, err := db.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	store.LookAgain(db)
}

// keys makes the contacts of the tests.
var keys = trail.ContactKey("the key of the store's tests")

var (
	ann  = keys.ID("ann@alpha.example")
	bob  = keys.ID("bob@alpha.example")
	cara = keys.ID("cara@beta.example")
	dan  = keys.ID("dan@gamma.example")
)

// day is noon of a day in January 2026; the 5th, 12th and 19th are Mondays.
func day(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }

// event returns an event of a kind, known by a name within the test and received
// when it happened.
func event(kind trail.Kind, name string, at time.Time) trail.Event {
	return trail.Event{ID: trail.IDFrom(at, "test", name), Kind: kind, At: at, ReceivedAt: at, Source: "test"}
}

// clicked returns a click on a share by a human beyond doubt.
func clicked(share trail.ShareID, at time.Time) trail.Event {
	e := event(trail.Clicked, "click "+string(share), at)
	e.Content, e.Share, e.Verdict = "deck", share, trail.Verdict{Agent: trail.Human, Probability: 0.99}
	return e
}

// registered returns the registration of a new thing as the loader stores it:
// the company is set from the domain.
func registered(kind trail.Kind, subject string, at time.Time, attrs ...string) trail.Event {
	e := trail.Registration("csv", kind, subject, trail.State{}, trail.State{Attrs: pairs(attrs...)}, at)
	e.Account = e.Attrs["domain"]
	return e
}

func pairs(kv ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return m
}
