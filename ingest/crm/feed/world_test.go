package feed

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/ingest/crm"
	"dealtrail/ingest/redistest"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var contactKey = trail.ContactKey("0123456789abcdef0123456789abcdef")

func noPause(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// world is feeds before a real Redis and a real database, without a process that works on
// them: a test takes the turns.
type world struct {
	*Feeds
	t      testing.TB
	db     *store.DB
	clock  time.Time
	events []trail.Event
	log    strings.Builder
	erased []string
}

func newWorld(t testing.TB, sources ...*Source) *world {
	t.Helper()
	w := &world{t: t, db: storetest.Open(t), clock: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	log := slog.New(slog.NewTextHandler(&w.log, nil))
	_, rdb := redistest.Start(t)
	now := func() time.Time { w.clock = w.clock.Add(time.Millisecond); return w.clock }
	w.Feeds = &Feeds{
		Redis: rdb, Sources: sources, Public: "https://go.example.com", Now: now, Log: log,
		Erase: func(_ context.Context, person string) error { w.erased = append(w.erased, person); return nil },
		Importer: &crm.Importer{
			Emit: func(ctx context.Context, events ...trail.Event) error {
				for _, e := range events {
					if err := e.Validate(); err != nil {
						t.Fatalf("not a valid event: %v", err)
					}
				}
				w.events = append(w.events, events...)
				return w.db.InsertEvents(ctx, events)
			},
			States: w.db.States, Known: w.db.Known, SubjectsOf: w.db.SubjectsOf, FactsOf: w.db.FactsOf, Contacts: contactKey, Now: now,
		},
	}
	return w
}

// turn takes one turn of a source and returns how many events it made.
func (w *world) turn(s *Source) int {
	w.t.Helper()
	n := len(w.events)
	api, _ := s.asks()
	if err := w.Feeds.turn(w.t.Context(), s, api); err != nil {
		w.t.Fatal(err)
	}
	return len(w.events) - n
}

// deliver hands a body over as HubSpot signs it.
func (w *world) deliver(body string) error {
	stamp := fmt.Sprint(w.clock.UnixMilli())
	const uri = "https://go.example.com/v1/webhooks/hubspot"
	signature := base64.StdEncoding.EncodeToString(mac([]byte("app-secret"), []byte("POST"), []byte(uri), []byte(body), []byte(stamp)))
	return w.Receive(w.t.Context(), "hubspot", Delivery{"POST", uri, header("X-HubSpot-Request-Timestamp", stamp, "X-HubSpot-Signature-v3", signature), []byte(body)})
}

// send hands a body over after Standard Webhooks.
func (w *world) send(name, id, body string) {
	w.t.Helper()
	stamp := fmt.Sprint(w.clock.Unix())
	key, _, err := ParseKey(standardSecret)
	if err != nil {
		w.t.Fatal(err)
	}
	signature := "v1," + base64.StdEncoding.EncodeToString(mac(key, []byte(id+"."+stamp+"."), []byte(body)))
	d := Delivery{Method: http.MethodPost, Header: header("webhook-id", id, "webhook-timestamp", stamp, "webhook-signature", signature), Body: []byte(body)}
	if err := w.Receive(w.t.Context(), name, d); err != nil {
		w.t.Fatal(err)
	}
}

const standardSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func standardSource(name string) *Source {
	return &Source{Name: name, Kind: Standard, Secrets: func() ([]string, error) { return []string{standardSecret}, nil }}
}

const (
	dealsNow    = "SELECT concat(deal, ' ', name, ' ', status, ' ', stage, ' ', attrs['amount'], ' ', attrs['currency'], ' ', owner, ' ', attrs['account'], ' ', toString(toDate(closed_at)), ' ', toString(length(contacts))) FROM deals(as_of = '2200-01-01 00:00:00') ORDER BY deal"
	stagesNow   = "SELECT concat(deal, ' ', stage, ' ', toString(at)) FROM staged(as_of = '2200-01-01 00:00:00') ORDER BY deal, at, stage"
	contactsNow = "SELECT concat(address, ' ', who.name, ' ', who.title, ' ', attrs['role'], ' ', account) FROM contacts(as_of = '2200-01-01 00:00:00') AS who ORDER BY address"
)

func (w *world) rows(statement string) []string {
	w.t.Helper()
	rows, err := w.db.Query(w.t.Context(), statement)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	all := []string{}
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			w.t.Fatal(err)
		}
		all = append(all, strings.Join(strings.Fields(s), " "))
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return all
}

func (w *world) want(what, statement string, want ...string) {
	w.t.Helper()
	if got := w.rows(statement); !slices.Equal(got, want) {
		w.t.Fatalf("%s:\n got %q\nwant %q", what, got, want)
	}
}

func (w *world) status(name string) trail.CRMSource {
	w.t.Helper()
	one, err := w.StatusOf(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	return one
}
