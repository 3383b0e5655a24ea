package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dealtrail/trail"
)

// load follows links at a steady rate and keeps a ledger of every event that a
// redirect promised.
type load struct {
	cancel context.CancelFunc
	done   chan struct{}
	asked  atomic.Int64 // clicks that were due until now

	mu     sync.Mutex
	ledger map[trail.ID]bool
	took   []time.Duration // of clicks that were answered, from when they were due
	failed []string        // clicks that were not answered with 302, the first of them
	fails  int
}

// clickers is how many clicks are under way at most.
const clickers = 64

// click1 is one click that is due.
type click1 struct {
	url string
	due time.Time
}

// startLoad clicks on urls in turn, rate times a second in all, until stop.
func startLoad(rate int, urls ...string) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel, done: make(chan struct{}), ledger: map[trail.ID]bool{}}
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{MaxIdleConnsPerHost: clickers},
		Timeout:       10 * time.Second,
	}
	due := make(chan click1, 10*rate)
	var all sync.WaitGroup
	for range clickers {
		all.Go(func() {
			for c := range due {
				id, err := follow(client, c.url)
				l.note(c, id, err)
			}
		})
	}
	go func() {
		defer close(l.done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		began, apart := time.Now(), time.Second/time.Duration(rate)
		for ctx.Err() == nil {
			<-tick.C
			for asked := int(l.asked.Load()); asked < int(time.Since(began)/apart); asked++ {
				due <- click1{urls[asked%len(urls)], began.Add(time.Duration(asked) * apart)}
				l.asked.Add(1)
			}
		}
		close(due)
		all.Wait()
		client.CloseIdleConnections()
	}()
	return l
}

// follow makes one click and returns the event that the redirect promised.
func follow(client *http.Client, url string) (id trail.ID, err error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return id, err
	}
	for name, value := range browser {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return id, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusFound {
		return id, fmt.Errorf("answer %s", resp.Status)
	}
	return trail.ParseID(resp.Header.Get("X-Request-Id"))
}

func (l *load) note(c click1, id trail.ID, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && l.ledger[id] {
		err = fmt.Errorf("the event %s was promised twice", id)
	}
	if err != nil {
		if l.fails++; len(l.failed) < 10 {
			l.failed = append(l.failed, err.Error())
		}
		return
	}
	l.ledger[id] = true
	l.took = append(l.took, time.Since(c.due))
}

// more waits until n more clicks were due. That is how outages last and when kills
// strike: by what people did meanwhile.
func (l *load) more(t *testing.T, n int) {
	t.Helper()
	upTo := l.asked.Load() + int64(n)
	within(t, 2*time.Minute, fmt.Sprintf("%d more clicks", n), func() bool { return l.asked.Load() >= upTo })
}

// stop ends the load and waits for the answers to what is under way.
func (l *load) stop() {
	l.cancel()
	<-l.done
}

// size is how many events were promised until now.
func (l *load) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.ledger)
}

// since returns how long the clicks took that were answered after the first n, the
// quickest first.
func (l *load) since(n int) []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(slices.Values(l.took[n:]))
}

// part returns how long a part of the clicks took at most.
func part(of float64, took []time.Duration) time.Duration {
	if len(took) == 0 {
		return 0
	}
	return took[min(len(took)-1, int(of*float64(len(took))))]
}

// overSocket returns a client that speaks to an engine on a unix socket.
func overSocket(socket string) *http.Client {
	return &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
}

// sqlOver asks an engine directly, past the program: what it answers is what is
// stored. Each line of the answer is one row.
func sqlOver(client *http.Client, text string) ([]string, error) {
	resp, err := client.Post("http://localhost/?database=dealtrail", "text/plain", bytes.NewBufferString(text))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(string(body))
	}
	return strings.FieldsFunc(string(body), func(r rune) bool { return r == '\n' }), err
}

func sql(t *testing.T, socket, text string) []string {
	t.Helper()
	client := overSocket(socket)
	defer client.CloseIdleConnections()
	rows, err := sqlOver(client, text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return rows
}

// settled waits until a balance was struck after now in which nothing waits, and
// returns it. It must add up the first time, and must always have.
func settled(t *testing.T, s *served) trail.Balance {
	t.Helper()
	since := time.Now()
	var last trail.Status
	var err error
	defer func() {
		if t.Failed() {
			t.Logf("last status: %+v, %v", last, err)
		}
	}()
	within(t, either(3*time.Minute, 5*time.Minute), "everything is loaded", func() bool {
		last, err = s.status()
		return err == nil && last.Backlog.Events == 0 && last.Balance.At.After(since) && last.Balance.InFlight() == 0
	})
	b := last.Balance
	if b.Missing+b.Surplus > 0 || b.Accepted != b.Right() || last.Lost > 0 {
		t.Errorf("the balance does not add up, or clicks were lost (%d): %+v", last.Lost, b)
	}
	return b
}

// neverMissing checks that no balance on the way said that events are missing: the
// reserve would bring them back, and hide what lost them.
func neverMissing(t *testing.T, auditors ...*served) {
	t.Helper()
	for _, s := range auditors {
		for line := range strings.Lines(s.log.String()) {
			if strings.Contains(line, "are missing in the store") || strings.Contains(line, "were trimmed") || strings.Contains(line, "unreadable") {
				t.Errorf("serve %s said: %s", s.args, line)
			}
		}
	}
}

// checkLedger holds the ledger against what is stored and what the report counts,
// before and after the copies of events are merged away. exact says that no click
// was sent whose answer we did not get.
func checkLedger(t *testing.T, s *served, socket string, exact bool, loads ...*load) {
	t.Helper()
	check := func(when string) {
		t.Helper()
		stored := map[string]string{}
		for _, row := range sql(t, socket, `SELECT hex(id), count() FROM facts(as_of = toDateTime64('2100-01-01', 3)) WHERE kind = 'clicked' GROUP BY id`) {
			id, n, _ := strings.Cut(row, "\t")
			stored[id] = n
		}
		promised, absent, several := 0, 0, 0
		for _, l := range loads {
			for id := range l.ledger {
				promised++
				switch stored[fmt.Sprintf("%X", id[:])] {
				case "1":
				case "":
					absent++
				default:
					several++
				}
			}
		}
		if absent+several > 0 {
			t.Errorf("%s: of %d events that a redirect promised %d are not stored and %d more than once", when, promised, absent, several)
		}
		distinct := sql(t, socket, `SELECT uniqExact(id), count() FROM events WHERE kind = 'clicked'`)[0]
		events, copies, _ := strings.Cut(distinct, "\t")
		reported := 0
		eventually(t, when+": the report, which is laid out every few seconds, has "+events+" clicks", func() bool {
			var list struct{ Rows []trail.ContentRow }
			err := s.api.Get(t.Context(), "/v1/content", map[string]string{"agents": "all"}, &list)
			if p := (*trail.Problem)(nil); errors.As(err, &p) && p.Code == trail.Unavailable {
				return false // a busy machine took too long for it
			}
			if err != nil {
				t.Fatal(err)
			}
			reported = 0
			for _, row := range list.Rows {
				reported += int(row.Clicks)
			}
			return fmt.Sprint(reported) == events
		})
		t.Logf("%s: %d promised, %s events in %s rows, %d in the report", when, promised, events, copies, reported)
		if fmt.Sprint(reported) != events || len(stored) != reported || reported < promised || exact && reported != promised {
			t.Errorf("%s: %d promised, %s stored, %d facts, %d in the report", when, promised, events, len(stored), reported)
		}
	}
	check("before merging")
	sql(t, socket, `OPTIMIZE TABLE events FINAL`)
	check("after merging")
}
