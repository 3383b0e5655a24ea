package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// cutOffs tells of connections that ended before a request of theirs was whole, such as
// those of who sends it byte by byte, or a head that is too large: once a minute at most.
type cutOffs struct {
	log *slog.Logger

	mu   sync.Mutex
	told time.Time
	n    int
	all  sync.Map // *heard by connection
}

// heard is what a connection did: it sent something, and a request of it was whole.
type heard struct{ began, whole atomic.Bool }

type heardKey struct{}

// watch has a server tell.
func (x *cutOffs) watch(s *http.Server) {
	h := s.Handler
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if a, ok := q.Context().Value(heardKey{}).(*heard); ok {
			a.whole.Store(true)
		}
		h.ServeHTTP(w, q)
	})
	s.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		a := &heard{}
		x.all.Store(conn, a)
		return context.WithValue(ctx, heardKey{}, a)
	}
	s.ConnState = func(conn net.Conn, state http.ConnState) {
		found, ok := x.all.Load(conn)
		if !ok {
			return
		}
		a := found.(*heard)
		switch state {
		case http.StateActive:
			a.began.Store(true)
			a.whole.Store(false) // of the next request
		case http.StateIdle:
			a.began.Store(false) // browsers connect ahead, and leave again
		case http.StateClosed, http.StateHijacked:
			x.all.Delete(conn)
			if state == http.StateClosed && a.began.Load() && !a.whole.Load() {
				x.note()
			}
		}
	}
}

func (x *cutOffs) note() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.n++
	if now := time.Now(); now.Sub(x.told) >= time.Minute {
		x.log.Warn("connections ended before a request was whole", "n", x.n)
		x.told, x.n = now, 0
	}
}
