package mailbox_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dealtrail/ingest/mailbox"
	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

// ground is what pollers stand on in a test: memory that outlives them, and the
// events they emitted.
type ground struct {
	mu     sync.Mutex
	keys   map[string]string
	sent   map[string]bool
	sights map[string]map[string]bool // who sent what is not registered
	events []trail.Event
	refuse atomic.Bool                 // Emit fails
	onEmit func(events ...trail.Event) // called before Emit keeps events
}

func newGround() *ground {
	return &ground{keys: map[string]string{}, sent: map[string]bool{}, sights: map[string]map[string]bool{}}
}

func (g *ground) memory() mailbox.Memory {
	return mailbox.Memory{
		Load: func(_ context.Context, key string) (string, error) {
			g.mu.Lock()
			defer g.mu.Unlock()
			return g.keys[key], nil
		},
		Save: func(_ context.Context, key, value string) error {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.keys[key] = value
			return nil
		},
		MarkSent: func(_ context.Context, messages ...string) error {
			g.mu.Lock()
			defer g.mu.Unlock()
			for _, m := range messages {
				g.sent[m] = true
			}
			return nil
		},
		WasSent: func(_ context.Context, messages ...string) (map[string]bool, error) {
			g.mu.Lock()
			defer g.mu.Unlock()
			known := map[string]bool{}
			for _, m := range messages {
				known[m] = g.sent[m]
			}
			return known, nil
		},
		Sight: func(_ context.Context, thing, rep string) (int, error) {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.sights[thing] == nil {
				g.sights[thing] = map[string]bool{}
			}
			g.sights[thing][rep] = true
			return len(g.sights[thing]), nil
		},
	}
}

func (g *ground) emit(_ context.Context, events ...trail.Event) error {
	if g.onEmit != nil {
		g.onEmit(events...)
	}
	if g.refuse.Load() {
		return errors.New("the buffer is away")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.events = append(g.events, events...)
	return nil
}

// got returns the kinds and contents of the events so far, each ID once, sorted.
func (g *ground) got() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	byID := map[trail.ID]string{}
	for _, e := range g.events {
		line := string(e.Kind) + " " + e.Content
		if e.Person != nil {
			line += " " + e.Person.Address
		}
		byID[e.ID] = line
	}
	return slices.Sorted(maps.Values(byID))
}

func (g *ground) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.events)
}

// poller returns a quick poller on the ground.
func (g *ground) poller(t testing.TB, boxes ...mailbox.Box) *mailbox.Poller {
	return &mailbox.Poller{
		Boxes: boxes, Reader: reader(t), Emit: g.emit, Memory: g.memory(), Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Every: 50 * time.Millisecond, Settle: 20 * time.Millisecond, Patience: time.Minute,
		Backoff: func(int) time.Duration { return 20 * time.Millisecond },
	}
}

// run runs a poller until the test ends or stop is called.
func run(t testing.TB, p *mailbox.Poller) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run does not return after its context ended")
		}
	})
	t.Cleanup(stop)
	return stop
}

// patience is for what comes in a moment, unless the machine is very busy.
const patience = 3 * time.Minute

// eventually polls a condition until it holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	over := time.After(patience)
	for !holds() {
		select {
		case <-over:
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

// looked waits until each mailbox was looked into from now on, twice, so that
// one look began and ended after the call.
func looked(t testing.TB, p *mailbox.Poller) {
	t.Helper()
	for range 2 {
		began := time.Now()
		eventually(t, "a look into each mailbox", func() bool {
			return !slices.ContainsFunc(p.Status(), func(s mailbox.BoxStatus) bool { return !s.LastPoll.After(began) })
		})
	}
}

func box(s *mailtest.Server, user string) mailbox.Box {
	return mailbox.Box{
		Name: user, Rep: user + "@harbor.example", Host: s.Host, Port: s.Port, Security: "none",
		Username: user, Password: func() (string, error) { return s.Password(user), nil },
	}
}

func want(t testing.TB, g *ground, lines ...string) {
	t.Helper()
	slices.Sort(lines)
	eventually(t, strings.Join(lines, "; "), func() bool { return slices.Equal(g.got(), lines) })
}
