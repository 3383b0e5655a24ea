package crm_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/ingest/crm"
	"dealtrail/trail"
)

// ledger is buffer, store and catalogue in memory: states are folded from the
// events as the store folds them, newest by (At, ReceivedAt, ID).
type ledger struct {
	t      testing.TB
	events []trail.Event
	listed []trail.Target
	asked  int // calls to Settle
	clock  time.Time
	emit   trail.Emit // set to interfere
}

var key = trail.ContactKey("0123456789abcdef0123456789abcdef")

func newLedger(t testing.TB) *ledger {
	return &ledger{t: t, clock: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
}

func (l *ledger) importer() *crm.Importer {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		l.t.Fatal(err)
	}
	return &crm.Importer{
		Emit: func(ctx context.Context, events ...trail.Event) error {
			if l.emit != nil {
				if err := l.emit(ctx, events...); err != nil {
					return err
				}
			}
			for _, e := range events {
				if err := e.Validate(); err != nil {
					l.t.Fatalf("not a valid event: %v", err)
				}
				if e.Kind == trail.ContentKind && !slices.ContainsFunc(l.listed, func(x trail.Target) bool { return x.Content == e.Content }) {
					l.t.Fatalf("content %q was emitted before it was listed", e.Content)
				}
				l.events = append(l.events, e)
			}
			return nil
		},
		Settle: func(context.Context) error { l.asked++; return nil },
		States: func(_ context.Context, kind trail.Kind, subjects []string) (map[string]trail.State, error) {
			if l.asked == 0 {
				l.t.Fatal("states were read before Settle")
			}
			all := l.states(kind) // the ledger knows of no retraction
			maps.DeleteFunc(all, func(s string, _ trail.State) bool { return !slices.Contains(subjects, s) })
			return all, nil
		},
		Known: func(_ context.Context, ids []trail.ID) (map[trail.ID]trail.Event, error) {
			known := map[trail.ID]trail.Event{}
			for _, e := range l.events {
				if before, has := known[e.ID]; slices.Contains(ids, e.ID) && (!has || e.Revision > before.Revision) {
					known[e.ID] = e
				}
			}
			return known, nil
		},
		Listed: func(_ context.Context, targets ...trail.Target) error {
			l.listed = append(l.listed, targets...)
			return nil
		},
		Contacts: key, Zone: berlin, Dir: l.t.TempDir(),
		Now: func() time.Time { l.clock = l.clock.Add(time.Second); return l.clock },
	}
}

func (l *ledger) states(kind trail.Kind) map[string]trail.State {
	newest := map[string]trail.Event{}
	for _, e := range l.events {
		if e.Kind != kind {
			continue
		}
		subject := e.Content + string(e.Contact) + e.Deal
		if old, has := newest[subject]; !has || older(old, e) {
			newest[subject] = e
		}
	}
	states := map[string]trail.State{}
	for subject, e := range newest {
		states[subject] = trail.State{Event: e.ID, Attrs: e.Attrs, Person: e.Person}
	}
	return states
}

func older(a, b trail.Event) bool {
	if c := a.At.Compare(b.At); c != 0 {
		return c < 0
	}
	if c := a.ReceivedAt.Compare(b.ReceivedAt); c != 0 {
		return c < 0
	}
	return a.ID.String() < b.ID.String()
}

// load imports a text and returns the report and what was emitted.
func (l *ledger) load(table, body string) (crm.Report, []trail.Event) {
	l.t.Helper()
	n := len(l.events)
	report, err := l.importer().Import(context.Background(), table, table+".csv", strings.NewReader(body), false)
	if err != nil {
		l.t.Fatalf("import %s: %v", table, err)
	}
	if report.Read != report.Accepted+report.Rejected || report.Accepted != report.New+report.Changed+report.Unchanged {
		l.t.Fatalf("the report does not add up: %+v", report)
	}
	return report, l.events[n:]
}

func (l *ledger) wantCounts(r crm.Report, added, changed, same, rejected int) {
	l.t.Helper()
	if r.New != added || r.Changed != changed || r.Unchanged != same || r.Rejected != rejected {
		l.t.Fatalf("new %d, changed %d, unchanged %d, rejected %d; want %d, %d, %d, %d: %+v",
			r.New, r.Changed, r.Unchanged, r.Rejected, added, changed, same, rejected, r)
	}
}

func (l *ledger) wantAttrs(kind trail.Kind, subject string, want map[string]string) {
	l.t.Helper()
	got := l.states(kind)[subject].Attrs
	if !maps.Equal(got, want) {
		l.t.Fatalf("%s %s:\n got %s\nwant %s", kind, subject, show(got), show(want))
	}
}

func show(m map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "%s=%q ", k, m[k])
	}
	return b.String()
}

func file(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func ids(events []trail.Event) (s []string) {
	for _, e := range events {
		s = append(s, e.ID.String())
	}
	slices.Sort(s)
	return s
}

// hasWarning reports whether one of the report's warnings holds the words.
func hasWarning(r crm.Report, words string) bool {
	return slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.Contains(w, words) })
}
