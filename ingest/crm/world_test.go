package crm_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/ingest/crm"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// world is an importer before a real database.
type world struct {
	*crm.Importer
	t      testing.TB
	db     *store.DB
	events []trail.Event // all that was emitted
	clock  time.Time
	stop   func(n int) error // set to interfere: an error for the nth event
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, db: storetest.Open(t), clock: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	w.Importer = &crm.Importer{
		Emit: func(ctx context.Context, events ...trail.Event) error {
			for _, e := range events {
				if err := e.Validate(); err != nil {
					t.Fatalf("not a valid event: %v", err)
				}
				if w.stop != nil {
					if err := w.stop(len(w.events)); err != nil {
						return err
					}
				}
				w.events = append(w.events, e)
			}
			return w.db.InsertEvents(ctx, events)
		},
		States: w.db.States, Known: w.db.Known, SubjectsOf: w.db.SubjectsOf, FactsOf: w.db.FactsOf,
		Contacts: key, Dir: t.TempDir(),
		Now: func() time.Time { w.clock = w.clock.Add(time.Minute); return w.clock },
	}
	return w
}

// load imports rows, the first of which is the header, and returns the report and what was emitted.
func (w *world) load(table string, rows ...string) (crm.Report, []trail.Event) {
	w.t.Helper()
	n := len(w.events)
	r, err := w.Import(w.t.Context(), table, table+".csv", strings.NewReader(strings.Join(rows, "\n")+"\n"), false)
	return w.added(r, err), w.events[n:]
}

// put imports rows as all there is.
func (w *world) put(table string, rows ...string) (crm.Report, []trail.Event) {
	w.t.Helper()
	n := len(w.events)
	r, err := w.try(table, false, false, rows...)
	return w.added(r, err), w.events[n:]
}

func (w *world) try(table string, dry, force bool, rows ...string) (crm.Report, error) {
	w.t.Helper()
	return w.Replace(w.t.Context(), table, table+".csv", strings.NewReader(strings.Join(rows, "\n")+"\n"), dry, force)
}

func (w *world) added(r crm.Report, err error) crm.Report {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("import %s: %v", r.Table, err)
	}
	if r.Read != r.Accepted+r.Rejected || r.Accepted != r.New+r.Changed+r.Unchanged {
		w.t.Fatalf("the report does not add up: %+v", r)
	}
	return r
}

const (
	dealsNow    = "SELECT concat(deal, ' ', name, ' ', status, ' ', stage, ' ', attrs['amount'], ' ', attrs['currency']) FROM deals(as_of = '2200-01-01 00:00:00') ORDER BY deal"
	contactsNow = "SELECT concat(address, ' ', who.name, ' ', account) FROM contacts(as_of = '2200-01-01 00:00:00') AS who ORDER BY address"
	factsNow    = "SELECT concat(toString(at), ' ', kind, ' ', content, ' ', contact, ' ', deal, ' ', stage, ' ', agent) FROM facts(as_of = '2200-01-01 00:00:00') WHERE kind IN ('staged', 'clicked', 'viewed', 'opened', 'sent', 'replied') ORDER BY at, id"
)

// rows runs a statement of one text column.
func (w *world) rows(statement string) []string {
	w.t.Helper()
	return rowsOf(w.t, w.db, statement)
}

func rowsOf(t testing.TB, db *store.DB, statement string) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := []string{}
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func (w *world) want(what, statement string, want ...string) {
	w.t.Helper()
	got := w.rows(statement)
	for i := range got {
		got[i] = strings.Join(strings.Fields(got[i]), " ")
	}
	if !slices.Equal(got, want) {
		w.t.Fatalf("%s:\n got %q\nwant %q", what, got, want)
	}
}

func wantReport(t testing.TB, r crm.Report, added, changed, same, retracted int) {
	t.Helper()
	if r.New != added || r.Changed != changed || r.Unchanged != same || r.Retracted != retracted || r.Rejected != 0 {
		t.Fatalf("want %d new, %d changed, %d unchanged, %d retracted, none rejected: %+v", added, changed, same, retracted, r)
	}
}
