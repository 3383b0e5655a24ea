package api_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/api"
	"dealtrail/attribution"
	"dealtrail/ingest"
	"dealtrail/ingest/redistest"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// What a rep does not see is not told by an ID at the end of a page, a sum of one deal, a
// list of choices, another error, an answer to a decision, or a key of one's own.
func TestARepLearnsNothingOfOthersDeals(t *testing.T) {
	ctx, log := t.Context(), slog.New(slog.DiscardHandler)
	db := storetest.Open(t)
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	contacts := trail.ContactKey("a key of contacts, long enough for it")
	told := func(kind trail.Kind, id string, attrs map[string]string, person *trail.Person) trail.Event {
		return trail.Registration("csv", kind, id, trail.State{}, trail.State{Attrs: attrs, Person: person}, now.AddDate(0, -1, 0))
	}
	canary, mine := contacts.ID("canary@bolt.example"), contacts.ID("carla@acme.example")
	err := db.InsertEvents(ctx, []trail.Event{
		told(trail.DealKind, "D-1-HIDDEN", map[string]string{"name": "Hidden", "owner": "ben@ours.test", "domain": "bolt.example", "status": "open", "amount": "777.00", "currency": "EUR", "contacts": string(canary)}, nil),
		told(trail.DealKind, "D-2", map[string]string{"name": "Mine", "owner": "rita@ours.test", "domain": "acme.example", "status": "open", "contacts": string(mine)}, nil),
		told(trail.DealKind, "D-3-HIDDEN", map[string]string{"name": "Hidden", "owner": "ben@ours.test", "domain": "bolt.example", "status": "open"}, nil),
		told(trail.ContactKind, string(canary), map[string]string{"owner": "ben@ours.test"}, &trail.Person{Address: "canary@bolt.example", Name: "Hidden"}),
		told(trail.ContactKind, string(mine), map[string]string{}, &trail.Person{Address: "carla@acme.example", Name: "Carla"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Refresh(ctx); err != nil { // what is laid out is read quickly
		t.Fatal(err)
	}
	_, rdb := redistest.Start(t)
	a := &access.Access{Redis: rdb, Contacts: contacts, Now: func() time.Time { return now }, Log: log}
	for _, email := range []string{"ada@ours.test", "rita@ours.test"} { // the first is an admin
		if _, err := a.Set(ctx, email, access.Change{}); err != nil {
			t.Fatal(err)
		}
	}
	key, _, err := a.NewKey(ctx, access.KeyRequest{Name: "rita's", Owner: "rita@ours.test", Scope: []string{"read", "people"}})
	if err != nil {
		t.Fatal(err)
	}
	var decided []trail.Event
	s := &api.Server{
		DB: db, Access: a, Metrics: http.NotFoundHandler(), Log: log, Zone: time.UTC, Now: a.Now, Job: &attribution.Job{DB: db, Log: log}, Registry: &ingest.Registry{DB: db, Contacts: contacts},
		Names: &ingest.RepNames{Mode: trail.RepsAsTeams},
		Reviews: &ingest.Reviews{DB: db, Contacts: contacts, Now: a.Now, Emit: func(_ context.Context, events ...trail.Event) error {
			decided = append(decided, events...)
			defer db.Wrote()
			return db.InsertEvents(ctx, events)
		}},
	}
	e := echo.New()
	e.HTTPErrorHandler = api.ErrorHandler(log, nil)
	var rita access.Asker
	s.Routes(e.Group("", a.Guard, func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error { rita = access.From(c.Request().Context()); return next(c) }
	}))
	ask := func(method, path, body string) (int, string) {
		q := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
		q.Header.Set("Authorization", "Bearer "+key.Reveal())
		r := httptest.NewRecorder()
		e.ServeHTTP(r, q)
		return r.Code, r.Body.String()
	}
	// posts is how somebody with a session asks.
	posts := func(asker access.Asker) func(path, body string) (int, string) {
		mux := echo.New()
		mux.HTTPErrorHandler = e.HTTPErrorHandler
		s.Routes(mux.Group("", func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c echo.Context) error {
				c.SetRequest(c.Request().WithContext(access.With(c.Request().Context(), asker)))
				return next(c)
			}
		}))
		return func(path, body string) (int, string) {
			r := httptest.NewRecorder()
			mux.ServeHTTP(r, httptest.NewRequestWithContext(ctx, "POST", path, strings.NewReader(body)))
			return r.Code, r.Body.String()
		}
	}
	hides := func(t *testing.T, path, text string) {
		t.Helper()
		for _, word := range []string{"HIDDEN", "Hidden", "canary", "777", "ben@"} {
			if strings.Contains(strings.ReplaceAll(text, path, ""), word) {
				t.Errorf("%s tells %s: %s", path, word, text)
			}
		}
	}

	t.Run("pages of deals", func(t *testing.T) {
		var ids []string
		for path, n := "/v1/deals?limit=1", 0; n < 5; n++ {
			status, text := ask("GET", path, "")
			var page struct {
				Rows []trail.DealRow
				Next string
			}
			if err := json.Unmarshal([]byte(text), &page); err != nil || status != 200 {
				t.Fatal(status, text)
			}
			hides(t, "", text)
			for _, d := range page.Rows {
				ids = append(ids, d.ID)
			}
			if page.Next == "" {
				break
			}
			path = "/v1/deals?limit=1&after=" + page.Next
		}
		if !slices.Equal(ids, []string{"D-2"}) {
			t.Errorf("%v", ids)
		}
	})
	t.Run("sums", func(t *testing.T) {
		for _, path := range []string{"/v1/attribution?by=account", "/v1/attribution?account=bolt.example", "/v1/attribution?deal=D-1-HIDDEN", "/v1/attribution/why?deal=D-1-HIDDEN", "/v1/attribution/why?account=bolt.example", "/v1/runs/previous/diff/newest?by=account"} {
			status, text := ask("GET", path, "")
			if hides(t, "D-1-HIDDEN", text); status != 403 && !strings.Contains(text, "not yours to see") {
				t.Errorf("%s: %d %s", path, status, text)
			}
		}
		if _, text := ask("GET", "/v1/attribution?deal=D-2", ""); !strings.Contains(text, "no_run") {
			t.Errorf("one's own deal: %s", text)
		}
	})
	t.Run("what is not there and what is not seen", func(t *testing.T) {
		for _, paths := range [][2]string{
			{"/v1/deals/D-1-HIDDEN", "/v1/deals/NONE"},
			{"/v1/contacts/canary@bolt.example", "/v1/contacts/none@bolt.example"},
			{"/v1/accounts/bolt.example", "/v1/accounts/none.example"},
			{"/v1/recommendations?deal=D-1-HIDDEN", "/v1/recommendations?deal=NONE"},
		} {
			var said [2]string
			for i, path := range paths {
				_, text := ask("GET", path, "")
				var p trail.Problem
				if err := json.Unmarshal([]byte(text), &p); err != nil {
					t.Fatal(text)
				}
				var all map[string]any
				json.Unmarshal([]byte(text), &all)
				delete(all, "request_id")
				delete(all, "instance")
				b, _ := json.Marshal(all)
				said[i] = string(b)
			}
			if said[0] != said[1] {
				t.Errorf("%s can be told from %s: %s %s", paths[0], paths[1], said[0], said[1])
			}
		}
	})
	t.Run("numbers of reps by a key of one's own", func(t *testing.T) {
		status, text := ask("GET", "/v1/attribution?by=rep", "")
		if hides(t, "", text); status != 400 || !strings.Contains(text, "rep_names") {
			t.Errorf("%d %s", status, text)
		}
	})
	t.Run("decisions", func(t *testing.T) {
		rita.Roles, rita.Key = access.Rep, "" // as in a session
		tell := posts(rita)
		decide := func(body string) (int, string) { return tell("/v1/review/2026-W47/decisions", body) }
		// Somebody else decided something before.
		_, _, err := s.Reviews.Decide(ctx, "2026-W47", ingest.Teller{Source: "api"}, ingest.Said{Deal: "D-1-HIDDEN", Fields: map[string]string{"needs": "Hidden price"}})
		if err != nil || len(decided) != 1 {
			t.Fatal(err, len(decided))
		}
		hidden, err := trail.NewDecision("2026-W47", "", "D-1-HIDDEN")
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range []string{`{"deal":"D-1-HIDDEN","quality":"good"}`, `{"id":"` + hidden.ID + `","quality":"good"}`, `{"email":"canary@bolt.example","quality":"good"}`, `{"deal":"NONE","quality":"good"}`, `{"email":"none@bolt.example","quality":"good"}`} {
			status, text := decide(body)
			if hides(t, "", text); status != 404 || !strings.Contains(text, "not yours to see") {
				t.Errorf("%s: %d %s", body, status, text)
			}
		}
		for _, body := range []string{`{"deal":"D-2","quality":"good"}`, `{"email":"carla@acme.example","quality":"fair"}`} {
			if status, text := decide(body); status != 201 {
				t.Errorf("%s: %d %s", body, status, text)
			}
		}
		if len(decided) != 3 {
			t.Errorf("%d decisions", len(decided))
		}
	})
	t.Run("links for a deal", func(t *testing.T) {
		signed, err := a.Person(ctx, "rita@ours.test")
		if err != nil || signed.Roles != access.Rep {
			t.Fatal(signed, err)
		}
		asker := rita
		asker.Roles, asker.Key, asker.Session = access.Rep, "", "a session"
		tell := posts(asker)
		link := func(body string) (int, string) { return tell("/v1/shares", body) }
		var answers []string
		for _, deal := range []string{"D-1-HIDDEN", "NONE"} {
			status, text := link(`{"content":"deck","rep":"rita@ours.test","deal":"` + deal + `"}`)
			if hides(t, deal, text); status != 404 || !strings.Contains(text, "no such deal, or it is not yours to see") {
				t.Errorf("%s: %d %s", deal, status, text)
			}
			var p trail.Problem
			if err := json.Unmarshal([]byte(text), &p); err != nil {
				t.Fatal(err)
			}
			answers = append(answers, p.Text)
		}
		if answers[0] != answers[1] {
			t.Errorf("%q", answers)
		}
		if status, text := link(`{"content":"deck","rep":"ben@ours.test","deal":"D-1-HIDDEN"}`); status != 403 {
			t.Errorf("in another's name: %d %s", status, text)
		}
		// On one's own deal, and on none, it comes to the content, which is not there.
		for _, body := range []string{`{"content":"deck","rep":"rita@ours.test","deal":"D-2"}`, `{"content":"deck","rep":"rita@ours.test"}`} {
			if status, text := link(body); status == 403 || strings.Contains(text, "not yours to see") {
				t.Errorf("%s: %d %s", body, status, text)
			}
		}
	})
	t.Run("requests and notes for a deal", func(t *testing.T) {
		asker := rita
		asker.Roles, asker.Key, asker.Session = access.Rep, "", "a session"
		tell := posts(asker)
		s.Registry.Buffer, s.Registry.Patience = ingest.NewBuffer(rdb, log), time.Millisecond
		for path, body := range map[string]string{"/v1/requests": `{"text":"A price list","deal":"DEAL"}`, "/v1/notes": `{"text":"Too long","content":"deck","deal":"DEAL"}`} {
			var answers []string
			for _, deal := range []string{"D-1-HIDDEN", "NONE"} {
				status, text := tell(path, strings.Replace(body, "DEAL", deal, 1))
				if hides(t, deal, text); status != 404 || !strings.Contains(text, "no such deal, or it is not yours to see") {
					t.Errorf("%s for %s: %d %s", path, deal, status, text)
				}
				var p trail.Problem
				if err := json.Unmarshal([]byte(text), &p); err != nil {
					t.Fatal(err)
				}
				answers = append(answers, p.Text)
			}
			if answers[0] != answers[1] {
				t.Errorf("%s: %q", path, answers)
			}
		}
		if status, text := tell("/v1/requests", `{"text":"A price list","deal":"D-2"}`); status > 202 {
			t.Errorf("for one's own deal: %d %s", status, text)
		}
	})
	t.Run("whether an address is known, to who sees roles alone", func(t *testing.T) {
		asker := access.Asker{Who: "mia@ours.test", Roles: access.Marketer, Session: "a session", View: access.View{All: true}}
		tell := posts(asker)
		for path, body := range map[string]string{"/v1/review/2026-W47/decisions": `{"email":"EMAIL","quality":"good"}`, "/v1/assignments": `{"email":"EMAIL","deal":"D-2"}`} {
			var said [2]string
			for i, email := range []string{"canary@bolt.example", "nobody@bolt.example"} {
				status, text := tell(path, strings.Replace(body, "EMAIL", email, 1))
				var p struct{ Code, Detail string }
				if err := json.Unmarshal([]byte(text), &p); err != nil || status != 403 {
					t.Errorf("%s: %d %s", path, status, text)
				}
				said[i] = p.Code + p.Detail
			}
			if said[0] != said[1] {
				t.Errorf("%s: %q", path, said)
			}
		}
	})
}
