package ingest_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// answersLost returns a way to the engine on which every second answer to an
// insert of events never arrives, although the insert was done. lost counts them.
func answersLost(t *testing.T) (o store.Options, lost *atomic.Int64) {
	t.Helper()
	engine := storetest.Engine(t)
	lost = new(atomic.Int64)
	var n atomic.Int64
	direct := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return engine.DialContext(ctx, "") }}
	t.Cleanup(direct.CloseIdleConnections)
	proxy := &httputil.ReverseProxy{Transport: direct, Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "engine" }}
	proxy.ModifyResponse = func(r *http.Response) error {
		if strings.Contains(r.Request.URL.Query().Get("query"), "INSERT INTO events") && r.StatusCode == 200 && n.Add(1)%2 == 1 {
			lost.Add(1)
			return fmt.Errorf("the line is cut")
		}
		return nil
	}
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			c.Close()
		}
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	o = storetest.Options(t)
	o.Dial = func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}
	return o, lost
}

func TestInsertsThatAreDoneAndTimeOutChangeNoCount(t *testing.T) {
	p := newPipe(t)
	o, lost := answersLost(t)
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.db = db
	p.load(t)
	for i := range 5 {
		p.append(t, clicks(i*100, 100)...)
		p.settle(t)
	}
	if lost.Load() < 2 {
		t.Fatalf("%d answers were lost; the test needs some", lost.Load())
	}
	if rows := p.text(t, "SELECT toString(count() > 500) FROM events"); rows[0] != "true" && rows[0] != "1" {
		t.Log("the engine had merged the copies already")
	}
	for _, when := range []string{"before", "after"} {
		if c := p.counts(t); c.Events != 500 || c.Clicks != 500 {
			t.Errorf("%s merging %d events with %d clicks are known, want 500", when, c.Events, c.Clicks)
		}
		p.wantBalance(t, when+" merging", trail.Balance{Accepted: 500, Stored: 500})
		p.exec(t, "OPTIMIZE TABLE events FINAL")
	}
}

func TestOneBadEventAmongTenThousandIsOneBadEntry(t *testing.T) {
	p := newPipe(t)
	p.exec(t, "ALTER TABLE events ADD CONSTRAINT taste CHECK note != 'poison'")
	events := clicks(0, 10_000)
	events[6_789].Note, events[6_789].Source = "poison", "webhook/test"
	p.append(t, events...)
	began := time.Now()
	p.load(t)
	p.settle(t)
	if c := p.counts(t); c.Events != 9_999 || c.Bad != 1 {
		t.Errorf("%d events and %d bad are known, want 9999 and 1", c.Events, c.Bad)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the others waited %s for it", took)
	}
	got := p.text(t, "SELECT concat(stage, '|', origin, '|', raw, '|', reason) FROM bad_entries FINAL")
	if len(got) != 1 || !strings.HasPrefix(got[0], `insert|webhook/test|{"id":"`+events[6_789].ID.String()) || !strings.Contains(got[0], "taste") {
		t.Errorf("bad entries are %q", got)
	}
	p.wantBalance(t, "in the end", trail.Balance{Accepted: 10_000, Stored: 9_999, Bad: 1})
}

func TestARedisOutOfMemorySendsEventsToTheSpoolAndIsEmptied(t *testing.T) {
	p := newPipe(t)
	p.redis = nil
	r, err := ingest.StartRedis(t.Context(), ingest.RedisOptions{Dir: t.TempDir(), Memory: 6 << 20, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	p.rdb = connect(t, r)
	p.buffer = ingest.NewBuffer(p.rdb, quiet())
	p.buffer.Reserve = 1 << 20
	p.buffer.Spool = openSpool(t, ingest.SpoolOptions{Dir: t.TempDir(), Log: quiet()})
	const n = 60_000
	p.append(t, clicks(0, n)...)
	if spooled, _ := p.buffer.Spool.Len(); spooled == 0 {
		t.Fatal("nothing went to the spool; the test needs a smaller Redis")
	}
	if depth, err := p.buffer.Depth(t.Context()); err != nil || depth.Waiting == 0 || depth.Waiting+depth.Spooled < n {
		t.Fatalf("accepted are %+v, %v", depth, err)
	}
	p.load(t)
	background(t, p.buffer.Run)
	p.settle(t)
	if c := p.counts(t); c.Events != n || c.Bad != 0 {
		t.Errorf("%d events and %d bad are known, want %d and 0", c.Events, c.Bad, n)
	}
}

func TestAFullSpoolRefusesWithAProblemAndLosesNothingAccepted(t *testing.T) {
	p := newPipe(t)
	p.buffer.Spool = openSpool(t, ingest.SpoolOptions{Dir: t.TempDir(), MaxBytes: 64 << 10, Log: quiet()})
	pid := p.redis.Pid()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(pid, syscall.SIGCONT)
	accepted, events := 0, clicks(0, 2000)
	var refused error
	for ; accepted < len(events) && refused == nil; accepted++ {
		if refused = p.buffer.Append(t.Context(), events[accepted]); refused != nil {
			break
		}
	}
	wantProblem(t, refused, trail.Unavailable, "disk spool is full")
	if accepted == 0 || !p.buffer.Spool.Failing() {
		t.Errorf("%d were accepted, the spool says failing: %v", accepted, p.buffer.Spool.Failing())
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	p.load(t)
	background(t, p.buffer.Run)
	eventually(t, "events are taken again", func() bool { return p.buffer.Append(t.Context(), events[accepted]) == nil })
	p.settle(t)
	if c := p.counts(t); c.Events != uint64(accepted)+1 {
		t.Errorf("%d events are known, want the %d accepted", c.Events, accepted+1)
	}
}
