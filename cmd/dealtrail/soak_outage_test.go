package main

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// yardstick measures how long this machine's disk takes to sync a small record, while
// other programs may use it too. A redirect waits for syncs: for Redis's for a while,
// then for what the spool syncs before its own, while the spool is moved and Redis
// syncs that. syncsEach is how many of them are granted to it.
type yardstick struct {
	mu   sync.Mutex
	took []time.Duration
}

const syncsEach = 5

func measureDisk(t *testing.T) *yardstick {
	t.Helper()
	f, err := os.Create(filepath.Join(shortDir(t), "record"))
	if err != nil {
		t.Fatal(err)
	}
	y, end, done := &yardstick{}, make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(end); <-done; f.Close() })
	const every = 20 * time.Millisecond
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-end:
				return
			}
			began := time.Now()
			_, err := f.Write(make([]byte, 600))
			if err := errors.Join(err, f.Sync()); err != nil {
				t.Errorf("the disk does not sync: %v", err)
				return
			}
			y.mu.Lock()
			// During a long sync others would have begun: each counts, as each click does.
			for took := time.Since(began); took > 0; took -= every {
				y.took = append(y.took, took)
			}
			y.mu.Unlock()
		}
	}()
	return y
}

// since returns the syncs after the first n, the quickest first.
func (y *yardstick) since(n int) []time.Duration {
	y.mu.Lock()
	defer y.mu.Unlock()
	return slices.Sorted(slices.Values(y.took[n:]))
}

// TestEveryRedirectAnswersInTimeWhileEngineAndRedisAreAway takes the engine away,
// then Redis too, then brings both back, while people click all the time.
func TestEveryRedirectAnswersInTimeWhileEngineAndRedisAreAway(t *testing.T) {
	away := either(3*time.Second, time.Minute)
	out := startOutside(t)
	s := site(t, out.text(), nil).start()
	urls := []string{s.url + s.link("deck"), s.url + s.link("case"), s.url + s.link("prices")}

	disk := measureDisk(t)
	const rate = 300
	people := startLoad(rate, urls...)
	defer people.stop()
	// granted is how many syncs of this machine's disk may come on top.
	inTime := func(what string, took, syncs []time.Duration, granted int, judge bool) {
		t.Helper()
		p99, own := part(.99, took), part(.99, syncs)
		t.Logf("%s: %d clicks promised; p50 %s, p99 %s, slowest %s; a sync of the disk takes p50 %s, p99 %s",
			what, len(took), part(.5, took), p99, part(1, took), part(.5, syncs), own)
		// In the short form other tests use this machine too.
		if limit := either(time.Second, 50*time.Millisecond) + time.Duration(granted)*own; judge && p99 > limit {
			t.Errorf("%s: the 99th percentile of redirects is %s, over %s", what, p99, limit)
		}
	}
	phase := func(what string, lasts time.Duration, granted int) {
		t.Helper()
		clicks, syncs := people.size(), len(disk.since(0))
		people.more(t, int(lasts.Seconds()*rate))
		took := people.since(clicks)
		inTime(what, took, disk.since(syncs), granted, soaking) // one stall of a busy machine is all of a short phase
		if n := len(took); n < int(lasts.Seconds()*rate)/2 {
			t.Errorf("%s: only %d clicks were answered in %s", what, n, lasts)
		}
	}
	phase("all well", either(time.Second, 20*time.Second), syncsEach)
	go out.engine.Close() // so that the phase begins with the end
	phase("engine away", away, 0)
	go out.redis.Close()
	phase("engine and Redis away", away, 0)
	out.engine.Close() // both have long ended
	out.redis.Close()
	out.startRedis()
	out.startEngine()
	phase("both back", either(time.Second, 20*time.Second), syncsEach)
	people.stop()
	inTime("in all", people.since(0), disk.since(0), either(syncsEach, 0), true)
	if people.fails > 0 {
		t.Errorf("%d clicks got no redirect: %q", people.fails, people.failed)
	}
	t.Logf("balance: %+v", settled(t, s))
	neverMissing(t, s)
	checkLedger(t, s, out.socket(), true, people)
}

// TestKnownLinksRedirectAfterAStartWithoutEngineAndRedis starts the program while
// neither answers: what it knew before is on its disk, and so is what it learns.
func TestKnownLinksRedirectAfterAStartWithoutEngineAndRedis(t *testing.T) {
	beside(t)
	out := startOutside(t)
	s := site(t, out.text(), nil).start()
	url := s.url + s.link("deck")
	early := startLoad(100, url)
	eventually(t, "people click", func() bool { return early.size() >= 20 })
	early.stop()
	s.stop()
	out.redis.Close()
	out.engine.Close()

	s.start()
	people := startLoad(100, url)
	defer people.stop()
	eventually(t, "people click", func() bool { return people.size() >= 200 })
	people.stop()
	if people.fails+early.fails > 0 {
		t.Errorf("clicks got no redirect: %q %q", early.failed, people.failed)
	}
	if code, text := s.page("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "load: redis does not answer and clickhouse does not answer") {
		t.Errorf("/readyz answers %d: %s", code, text)
	}
	if code, text := s.page("/metrics"); code != http.StatusOK || !strings.Contains(text, "dealtrail_spool_events ") || strings.Contains(text, "dealtrail_spool_events 0\n") {
		t.Errorf("/metrics answers %d and counts no events on the disk:\n%s", code, text)
	}
	// What cannot be known now is said, and what waits is counted.
	if st, err := s.status(); err != nil || len(st.Trouble) == 0 || st.Backlog.Events < uint64(people.size()) {
		t.Errorf("status while both are away: %v, %+v", err, st)
	}

	out.startRedis()
	out.startEngine()
	settled(t, s)
	neverMissing(t, s)
	checkLedger(t, s, out.socket(), true, early, people)
}
