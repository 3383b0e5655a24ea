package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// redisDirEnv makes this program the parent of a redis-server, for the test that kills it.
const redisDirEnv = "DEALTRAIL_TEST_REDIS_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(redisDirEnv); dir != "" {
		r, err := ingest.StartRedis(context.Background(), ingest.RedisOptions{Dir: dir, Log: quiet()})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(r.Pid())
		select {} // until it is killed
	}
	logging.Disable() // go-redis's own words about a server that we killed
	storetest.Main(m)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// startRedis starts a server that ends with the test.
func startRedis(t testing.TB, dir string) *ingest.Redis {
	t.Helper()
	r, err := ingest.StartRedis(t.Context(), ingest.RedisOptions{Dir: dir, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func connect(t testing.TB, r *ingest.Redis) redis.UniversalClient {
	t.Helper()
	rdb, err := ingest.Connect(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

// noLeaks fails the test if it leaves goroutines that were not there before it.
// Call it first.
func noLeaks(t testing.TB) {
	t.Helper()
	already := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, already) })
}

// pipe is a buffer with a loader into a fresh database.
type pipe struct {
	redis  *ingest.Redis
	rdb    redis.UniversalClient
	buffer *ingest.Buffer
	db     *store.DB
}

func newPipe(t testing.TB) *pipe {
	t.Helper()
	p := &pipe{db: storetest.Open(t)}
	p.redis = startRedis(t, t.TempDir())
	p.rdb = connect(t, p.redis)
	p.buffer = ingest.NewBuffer(p.rdb, quiet())
	return p
}

// load runs a loader until the test ends or stop is called.
func (p *pipe) load(t testing.TB) (l *ingest.Loader, stop func()) {
	t.Helper()
	// A machine that is busy for less than a lease must not make it load anything twice.
	l = &ingest.Loader{Buffer: p.buffer, DB: p.db, Log: quiet(), Node: "test-node", Lease: time.Minute}
	return l, background(t, l.Run)
}

// background runs something until the test ends or stop is called.
func background(t testing.TB, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx); close(done) }()
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func (p *pipe) append(t testing.TB, events ...trail.Event) {
	t.Helper()
	if err := p.buffer.Append(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
}

func (p *pipe) settle(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.buffer.Settle(ctx); err != nil {
		t.Fatal(err)
	}
}

func (p *pipe) counts(t testing.TB) store.Counts {
	t.Helper()
	c, err := p.db.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// streamLength is how many entries the streams hold.
func streamLength(t testing.TB, rdb redis.UniversalClient) (n int64) {
	t.Helper()
	for p := range ingest.Partitions {
		l, err := rdb.XLen(context.Background(), stream(p)).Result()
		if err != nil {
			t.Fatal(err)
		}
		n += l
	}
	return n
}

func stream(partition int) string { return fmt.Sprintf("dealtrail:{p%02d}:events", partition) }

// text returns the values of a query of one column of strings.
func (p *pipe) text(t testing.TB, query string) (values []string) {
	t.Helper()
	rows, err := p.db.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return values
}

// clicks returns events that are known by their number.
func clicks(from, n int) []trail.Event {
	at := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	events := make([]trail.Event, n)
	for i := range events {
		events[i] = trail.Event{
			ID: trail.IDFrom(at, "test", fmt.Sprint(from+i)), Kind: trail.Clicked, At: at, ReceivedAt: at, Source: "test",
			Content: "deck", Share: trail.ShareID(fmt.Sprintf("aaaaaa%04d", (from+i)%100)), Verdict: trail.Verdict{Agent: trail.Human, Probability: 0.9, Rules: []string{"browser"}},
		}
	}
	return events
}

// patience is for what comes in a moment, unless the machine is very busy.
const patience = 3 * time.Minute

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		if holds() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s, still not: %s", patience, what)
		}
	}
}

// wantProblem fails unless the error is a problem of a code whose text holds all parts.
func wantProblem(t testing.TB, err error, code trail.Code, parts ...string) {
	t.Helper()
	var p *trail.Problem
	if !errors.As(err, &p) || p.Code != code {
		t.Fatalf("got error %v, want a problem %s", err, code)
	}
	for _, part := range parts {
		if !strings.Contains(p.Text, part) {
			t.Errorf("problem %q does not mention %q", p.Text, part)
		}
	}
}
