package track_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/ingest/track"
	"dealtrail/trail"
)

func TestClickSurvivesABufferThatFails(t *testing.T) {
	for name, emit := range map[string]trail.Emit{
		"fails":  func(context.Context, ...trail.Event) error { return errors.New("disk is full") },
		"blocks": func(ctx context.Context, _ ...trail.Event) error { <-ctx.Done(); return ctx.Err() },
	} {
		// How long the answer may wait; how long it takes is the machine's too.
		r := newRig(t, func(tr *track.Tracker) {
			tr.Emit = func(ctx context.Context, events ...trail.Event) error {
				if until, ok := ctx.Deadline(); !ok || time.Until(until) > 50*time.Millisecond {
					t.Errorf("%s: the buffer may take until %v", name, until)
				}
				return emit(ctx, events...)
			}
		})
		token := r.add(trail.Target{Content: "deck", URL: "https://example.com/deck"})
		res, _ := r.ask("GET", "/c/"+token)
		if res.StatusCode != 302 || res.Header.Get("Location") != "https://example.com/deck" || r.Lost() != 1 {
			t.Errorf("%s: %d, %d lost", name, res.StatusCode, r.Lost())
		}
		if res, body := r.ask("GET", "/o/"+token+".gif"); res.StatusCode != 200 || len(body) != 43 || r.Lost() != 2 {
			t.Errorf("%s: pixel %d, %d lost", name, res.StatusCode, r.Lost())
		}
		if log := r.log.String(); strings.Count(log, "event lost") != 2 || strings.Contains(log, token) || strings.Contains(log, "127.0.0.1") || strings.Contains(log, "Mozilla") {
			t.Errorf("%s: log %q", name, log)
		}
	}
}

func TestALookupThatFailsIsNoServerError(t *testing.T) {
	for name, lookup := range map[string]func(context.Context, trail.ContentKey) (trail.Target, bool, error){
		"fails": func(context.Context, trail.ContentKey) (t trail.Target, ok bool, err error) {
			return t, false, errors.New("redis is gone")
		},
		"blocks": func(ctx context.Context, _ trail.ContentKey) (t trail.Target, ok bool, err error) {
			<-ctx.Done()
			return t, false, ctx.Err()
		},
	} {
		r := newRig(t, func(t *track.Tracker) { t.Lookup = lookup })
		token := r.add(trail.Target{Content: "deck", URL: "https://example.com/deck"})
		if res, body := r.ask("GET", "/c/"+token); res.StatusCode != 404 || !strings.Contains(body, "once more") || r.Lost() != 1 {
			t.Errorf("%s: %d, %d lost", name, res.StatusCode, r.Lost())
		}
		if res, body := r.ask("GET", "/o/"+token+".gif"); res.StatusCode != 200 || len(body) != 43 {
			t.Errorf("%s: pixel %d", name, res.StatusCode)
		}
		if strings.Contains(r.log.String(), token) {
			t.Errorf("%s: the log has the token", name)
		}
	}
}

// A person who closes the window at once has still clicked.
func TestClosedWindowsCount(t *testing.T) {
	emitted := make(chan error, 1)
	arrived, gone := make(chan struct{}), make(chan struct{})
	r := newRig(t)
	r.Tracker.Emit = func(ctx context.Context, _ ...trail.Event) error { emitted <- ctx.Err(); return nil }
	r.Tracker.Self = func(q *http.Request) bool { close(arrived); <-q.Context().Done(); close(gone); return false }
	token := r.add(trail.Target{Content: "deck", URL: "https://example.com/deck"})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", r.url+"/c/"+token, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-arrived; cancel() }()
	if res, err := client.Do(req); err == nil {
		res.Body.Close()
		t.Error("the request was answered")
	}
	<-gone
	select {
	case err := <-emitted:
		if err != nil {
			t.Errorf("the event's context ended with the request: %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("no event")
	}
}

func TestAThousandOpensAtOnceAreAThousandEvents(t *testing.T) {
	r := newRig(t)
	token := r.add(trail.Target{Content: "deck", URL: "https://example.com/deck"})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 20 {
				res, err := client.Get(r.url + "/o/" + token + ".gif")
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	}
	wg.Wait()
	ids := map[trail.ID]bool{}
	for _, e := range r.taken() {
		ids[e.ID] = true
	}
	if len(ids) != 1000 || r.Lost() != 0 {
		t.Errorf("%d events, %d lost", len(ids), r.Lost())
	}
}

func BenchmarkRedirect(b *testing.B) {
	r := newRig(b)
	r.Tracker.Emit = func(context.Context, ...trail.Event) error { return nil }
	token := r.add(trail.Target{Content: "deck", URL: "https://example.com/deck"})
	e := echo.New()
	r.Routes(e.Group(""))
	for name, path := range map[string]string{"click": "/c/" + token, "open": "/o/" + token + ".gif", "damaged": "/c/damaged"} {
		b.Run(name, func(b *testing.B) {
			req := httptest.NewRequest("GET", path, nil)
			req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36")
			req.Header.Set("Accept-Language", "en")
			b.ReportAllocs()
			for b.Loop() {
				e.ServeHTTP(httptest.NewRecorder(), req)
			}
		})
	}
}
