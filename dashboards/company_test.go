package dashboards

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// today is when the tests look at the made-up company: a Monday morning.
var today = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

var contactKey = trail.ContactKey("key of the made-up company's contacts")

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func newCompany() *synth.Company {
	return synth.New(synth.Options{Seed: 1, End: today, Contacts: contactKey})
}

func newJob(db *store.DB) *attribution.Job {
	return &attribution.Job{DB: db, Options: attribution.Options{Currency: "EUR"}, Now: func() time.Time { return today }}
}

// layOut lays out what is known by now, so that many pages can be read quickly.
func layOut(t testing.TB, db *store.DB) {
	t.Helper()
	db.Wrote()
	if _, err := db.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// lasting is a test whose end ends nothing: what it opens lasts until the
// engine stops.
type lasting struct{ testing.TB }

func (lasting) Cleanup(func())           {}
func (lasting) Context() context.Context { return context.Background() }

// shared is something that is made for the first test that needs it and serves
// all others.
type shared[T any] struct {
	once sync.Once
	made bool
	it   T
}

func (s *shared[T]) get(t testing.TB, make func() T) T {
	t.Helper()
	s.once.Do(func() { s.it, s.made = make(), true })
	if !s.made {
		t.Fatal("what this test shares with an earlier one could not be made then")
	}
	return s.it
}

var (
	oneCompany shared[*store.DB]
	oneSite    shared[http.Handler]
	oneDeal    shared[*trail.DealDetail]
)

// readCompany returns the made-up company for tests that only read: one
// database, with the latest state laid out, serves all of them.
func readCompany(t testing.TB) *store.DB {
	t.Helper()
	return oneCompany.get(t, func() *store.DB {
		db := openCompany(lasting{t})
		if _, err := db.Refresh(context.Background()); err != nil {
			t.Fatal(err)
		}
		return db
	})
}

// readSite returns the pages over the company of readCompany. A page is rendered
// once for all tests that look at it: most of what they take is the engine's time.
func readSite(t testing.TB) http.Handler {
	t.Helper()
	db := readCompany(t)
	return oneSite.get(t, func() http.Handler {
		_, e := newSite(lasting{t}, db, func(s *Site) { s.Demo = &Demo{Loved: synth.Popular} })
		return remembering(e)
	})
}

// remembering answers the GET of a page as it did the first time.
func remembering(h http.Handler) http.Handler {
	var mu sync.Mutex
	seen := map[string]*httptest.ResponseRecorder{}
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodGet || strings.HasPrefix(q.URL.Path, "/static/") {
			h.ServeHTTP(w, q)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		key := q.URL.String() + q.Header.Get("Cookie")
		r := seen[key]
		if r == nil {
			r = httptest.NewRecorder()
			h.ServeHTTP(r, q)
			seen[key] = r
		}
		maps.Copy(w.Header(), r.Header())
		w.WriteHeader(r.Code)
		w.Write(r.Body.Bytes())
	})
}

// openCompany loads the company into a fresh database and computes the usual run.
func openCompany(t testing.TB, more ...trail.Event) *store.DB {
	t.Helper()
	db := loadCompany(t, more...)
	if _, err := newJob(db).Once(t.Context(), attribution.Request{}); err != nil {
		t.Fatal(err)
	}
	return db
}

// loadCompany loads the company and more into a fresh database.
func loadCompany(t testing.TB, more ...trail.Event) *store.DB {
	t.Helper()
	db := storetest.Open(t)
	if err := db.InsertEvents(t.Context(), append(newCompany().Events(), more...)); err != nil {
		t.Fatal(err)
	}
	return db
}
