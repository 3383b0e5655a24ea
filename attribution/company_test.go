package attribution_test

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func TestMain(m *testing.M) {
	flag.Set("rapid.checks", "4") // each is a few runs on a real engine; -rapid.checks asks for more
	storetest.Main(m)
}

// day is when the made-up companies of these tests do business.
var day = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// now is when their reports are made.
var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// deal returns the event that registers a deal; attrs are pairs, as trail.State lists them.
func deal(id string, attrs ...string) trail.Event {
	e := trail.Event{
		ID: trail.IDFrom(time.Time{}, "test", "deal", id, fmt.Sprint(attrs)), Kind: trail.DealKind, Source: "csv",
		At: day, ReceivedAt: day, Deal: id, Attrs: map[string]string{},
	}
	for i := 0; i < len(attrs); i += 2 {
		e.Attrs[attrs[i]] = attrs[i+1]
	}
	return e
}

// won returns a deal that was won in EUR.
func won(id, amount string, closed time.Time) trail.Event {
	return deal(id, "status", "won", "amount", amount, "currency", "EUR", "closed_at", closed.Format(time.RFC3339Nano))
}

// person returns the event that registers a contact, with since when the CRM has it.
func person(contact string, created time.Time) trail.Event {
	return trail.Event{
		ID: trail.IDFrom(time.Time{}, "test", "contact", contact), Kind: trail.ContactKind, Source: "csv", At: day, ReceivedAt: day,
		Contact: trail.ContactID(contact), Attrs: map[string]string{"created_at": created.Format(time.RFC3339Nano)},
	}
}

// touch returns an event of a content by a contact that is tied to a deal; name, of at most five bytes, orders touches of one
// time on one deal.
func touch(name string, at time.Time, kind trail.Kind, content, contact, deal string) trail.Event {
	e := trail.Event{
		ID: trail.IDFrom(at, "test", deal), Kind: kind, Source: "csv", At: at, ReceivedAt: at,
		Content: content, Contact: trail.ContactID(contact), Deal: deal,
	}
	copy(e.ID[6:11], name+"\x00\x00\x00\x00\x00")
	return e
}

// name returns the name that touch gave to what earned a credit, "" for the unattributed.
func (c credit) name() string { return strings.TrimRight(string(c.touch[6:11]), "\x00") }

// credit is a row of the table credits, without its run.
type credit struct {
	model, deal, content string
	touch                trail.ID
	rep                  string
	share                float64
	value                int64
}

func (c credit) String() string {
	return fmt.Sprintf("%s %s touch %s of %q by %q: %v, %d", c.model, c.deal, hex.EncodeToString(c.touch[:]), c.content, c.rep, c.share, c.value)
}

// credits returns what a run wrote, sorted by everything.
func credits(t testing.TB, db *store.DB, run string) []credit {
	t.Helper()
	rows, err := db.Query(t.Context(),
		"SELECT model, deal, content, touch, rep, share, value FROM credits WHERE run = {run:String} ORDER BY ALL", clickhouse.Named("run", run))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []credit
	for rows.Next() {
		var c credit
		var id string
		if err := rows.Scan(&c.model, &c.deal, &c.content, &id, &c.rep, &c.share, &c.value); err != nil {
			t.Fatal(err)
		}
		copy(c.touch[:], id)
		all = append(all, c)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func insert(t testing.TB, db *store.DB, events ...trail.Event) {
	t.Helper()
	for i := range events {
		if err := events[i].Validate(); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.InsertEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
}

func exec(t testing.TB, db *store.DB, sql string, args ...any) {
	t.Helper()
	if err := db.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func job(db *store.DB) *attribution.Job {
	return &attribution.Job{DB: db, Options: attribution.DefaultOptions("EUR"), Now: func() time.Time { return now }}
}

func once(t testing.TB, j *attribution.Job, r attribution.Request) *trail.Run {
	t.Helper()
	run, err := j.Once(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// lines returns the rows of a statement with one column of text.
func lines(t testing.TB, db *store.DB, sql string, args ...any) (all []string) {
	t.Helper()
	rows, err := db.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		err = errors.Join(err, rows.Scan(&s))
		all = append(all, s)
	}
	if err := errors.Join(err, rows.Err()); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return all
}

// count returns the one number that a statement gives.
func count(t testing.TB, db *store.DB, sql string, args ...any) int {
	t.Helper()
	n, err := strconv.Atoi(lines(t, db, "SELECT toString(("+sql+"))", args...)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// allOf returns every byte that a run wrote, by table.
func allOf(t testing.TB, db *store.DB, run string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, table := range attribution.RunTables {
		rows := lines(t, db, "SELECT formatRow('TSV', * EXCEPT run) FROM "+table+" WHERE run = {run:String}", clickhouse.Named("run", run))
		slices.Sort(rows)
		all[table] = strings.Join(rows, "")
	}
	return all
}
