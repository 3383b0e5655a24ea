package outbox_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/outbox"
	"dealtrail/trail"
)

func TestAMessageIsTriedUntilItIsTakenUnderOneID(t *testing.T) {
	w := newWorld(t)
	r := receive(t)
	w.request(rita, "D1", "nothing for banks", 20)
	fresh := func(t *testing.T) *outbox.Outbox {
		w.t, w.now = t, monday
		w.must(w.rdb.FlushDB(t.Context()).Err())
		r.take()
		r.says(nil)
		return w.outbox(func(x *outbox.Outbox) {
			x.Chats = []outbox.Chat{r.chat("sales", outbox.Generic, func(c *outbox.Chat) { c.Events = []string{outbox.LateRequest} })}
		})
	}
	id := func(p []posted) string {
		if len(p) == 0 {
			return ""
		}
		return p[len(p)-1].header.Get("webhook-id")
	}

	t.Run("a crash between sending and noting", func(t *testing.T) {
		x := fresh(t)
		x.Redis = w.dying()
		for range 2 {
			if err := x.TellChats(t.Context()); !errors.Is(err, errDied) {
				t.Fatal(err)
			}
		}
		before := r.take()
		w.request(rita, "D1", "asked meanwhile", 30) // goes into the next message: this one is what it was
		again := w.outbox(func(y *outbox.Outbox) { y.Chats = x.Chats })
		w.must(again.TellChats(t.Context()))
		after := r.take()
		if len(before) != 1 || len(after) != 1 || id(before) != id(after) {
			t.Fatalf("%d messages before the crash, %d after: %s %s", len(before), len(after), id(before), id(after))
		}
		w.must(again.TellChats(t.Context()))
		if next := r.take(); len(next) != 1 || id(next) == id(after) {
			t.Errorf("what came meanwhile: %d messages", len(next))
		}
	})

	t.Run("two processes", func(t *testing.T) {
		x := fresh(t)
		y := w.outbox(func(y *outbox.Outbox) { y.Chats = x.Chats })
		var both sync.WaitGroup
		for _, one := range []*outbox.Outbox{x, y} {
			both.Go(func() {
				for range 4 {
					if err := one.TellChats(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		both.Wait()
		if got := r.take(); len(got) != 1 {
			t.Errorf("%d messages", len(got))
		}
	})

	t.Run("backoff", func(t *testing.T) {
		x := fresh(t)
		ids := map[string]bool{}
		tries := []time.Duration{}
		r.says(status(503))
		for w.now.Before(monday.Add(26 * time.Hour)) {
			w.must(x.TellChats(t.Context()))
			for _, p := range r.take() {
				p.notices(t, w.now)
				ids[p.header.Get("webhook-id")] = true
				tries = append(tries, w.now.Sub(monday))
			}
			if told := w.troubles(); len(told) != 1 || strings.Contains(told[0], "secret-path") || !strings.Contains(told[0], "503") {
				t.Fatalf("status tells %q", told)
			}
			w.now = w.now.Add(min(time.Minute+w.now.Sub(monday), time.Hour)) // whenever it is due
		}
		if len(ids) != 1 || len(tries) < 25 || len(tries) > 32 || tries[1] != time.Minute || tries[2] != 3*time.Minute || tries[len(tries)-1] < 23*time.Hour || tries[len(tries)-1] > 25*time.Hour {
			t.Errorf("%d IDs, tried at %v", len(ids), tries)
		}
		if told := w.troubles(); !strings.Contains(told[0], "given up") || !strings.Contains(told[0], "dealtrail outbox test sales") {
			t.Errorf("status tells %q", told)
		}
		r.says(nil)
		w.must(x.Test(t.Context(), "sales"))
		if len(r.take()) != 1 || len(w.troubles()) != 0 {
			t.Errorf("after a test that works status tells %q", w.troubles())
		}
	})

	t.Run("429 is waited for", func(t *testing.T) {
		x := fresh(t)
		r.says(status(429, "Retry-After", "600"))
		w.must(x.TellChats(t.Context()))
		r.says(nil)
		w.now = monday.Add(599 * time.Second)
		w.must(x.TellChats(t.Context()))
		if got := r.take(); len(got) != 1 {
			t.Errorf("%d tries within ten minutes", len(got))
		}
		w.now = monday.Add(601 * time.Second)
		w.must(x.TellChats(t.Context()))
		if got := r.take(); len(got) != 1 || len(w.troubles()) != 0 {
			t.Errorf("%d tries after, status tells %q", len(got), w.troubles())
		}
	})

	for name, answer := range map[string]func(http.ResponseWriter){"404": status(404), "410": status(410), "redirect": status(307, "Location", r.URL+"/elsewhere")} {
		t.Run(name+" is final", func(t *testing.T) {
			x := fresh(t)
			r.says(answer)
			for range 3 {
				w.must(x.TellChats(t.Context()))
				w.now = w.now.Add(2 * time.Hour)
			}
			told := w.troubles()
			if got := r.take(); len(got) != 1 || len(told) != 1 || !strings.Contains(told[0], "refused a message") || strings.Contains(told[0], "elsewhere") || strings.Contains(told[0], r.URL) {
				t.Errorf("%d tries, status tells %q", len(got), told)
			}
		})
	}

	t.Run("no private address unless allowed, and no redirect to one", func(t *testing.T) {
		x := fresh(t)
		x.Chats[0].AllowPrivate = false
		x.Chats[0].URL = func() (ingest.Secret, error) {
			return ingest.Secret(strings.Replace(r.URL, "http:", "https:", 1) + "/secret-path"), nil
		}
		w.must(x.TellChats(t.Context()))
		told := w.troubles()
		if got := r.take(); len(got) != 0 || len(told) != 1 || !strings.Contains(told[0], "private network") || !strings.Contains(told[0], "allow_private") || strings.Contains(told[0], "secret") {
			t.Errorf("%d messages, status tells %q", len(got), told)
		}
		var p *trail.Problem
		if err := x.Test(t.Context(), "sales"); !errors.As(err, &p) || !strings.Contains(p.Text, "private network") {
			t.Error(err)
		}
		if err := x.Test(t.Context(), "nobody"); !errors.As(err, &p) || p.Code != trail.NotFound {
			t.Error(err)
		}
	})

	t.Run("a huge answer is not read, and one that never ends neither", func(t *testing.T) {
		x := fresh(t)
		r.says(func(w http.ResponseWriter) {
			w.WriteHeader(200)
			for range 64 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		})
		w.must(x.TellChats(t.Context()))
		if len(w.troubles()) != 0 {
			t.Errorf("status tells %q", w.troubles())
		}
	})
}
