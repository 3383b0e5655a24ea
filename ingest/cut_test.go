package ingest_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// cutter is a line to a database on which the first insert into each table is done
// and its answer never arrives: the line is cut instead.
type cutter struct {
	listener net.Listener
	dial     func() (net.Conn, error)
	replies  int       // that come before an insert's answer
	direct   *store.DB // past the line, to see what is done

	mu   sync.Mutex
	lost map[string]string // rows of a table when the line was cut
}

// insertInto finds the table, in a statement as well as in an address.
var insertInto = regexp.MustCompile(`INSERT[ +]INTO[ +](\w+)`)

func newCutter(t *testing.T, replies int, dial func() (net.Conn, error)) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{listener: listener, dial: dial, replies: replies, lost: map[string]string{}}
	var lines sync.WaitGroup
	lines.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			lines.Go(func() { c.carry(client) })
		}
	})
	t.Cleanup(lines.Wait)
	t.Cleanup(func() { listener.Close() })
	return c
}

// carry carries bytes both ways until one end leaves or the line is cut.
func (c *cutter) carry(client net.Conn) {
	defer client.Close()
	server, err := c.dial()
	if err != nil {
		return
	}
	var mu sync.Mutex
	var table string // whose insert's answer is to be lost
	var replies int  // since its statement
	var asked bool   // the client spoke last
	var both sync.WaitGroup
	both.Go(func() {
		defer server.Close()
		pump(client, server, func(b []byte) bool {
			mu.Lock()
			defer mu.Unlock()
			asked = true
			if found := insertInto.FindSubmatch(b); found != nil && c.due(string(found[1])) {
				table, replies = string(found[1]), 0
			}
			return true
		})
	})
	pump(server, client, func([]byte) bool {
		mu.Lock()
		defer mu.Unlock()
		if asked {
			asked = false
			replies++
		}
		if table == "" || replies <= c.replies {
			return true
		}
		c.cut(table)
		return false
	})
	client.Close()
	both.Wait()
}

// pump carries what see lets pass.
func pump(from io.Reader, to io.Writer, see func([]byte) bool) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			if !see(b[:n]) {
				return
			}
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// due reports whether no answer from a table was lost yet.
func (c *cutter) due(table string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, lost := c.lost[table]
	return !lost
}

// cut notes what the insert has done by now.
func (c *cutter) cut(table string) {
	rows := "unknown"
	if found, err := c.direct.Query(context.Background(), "SELECT toString(count()) FROM "+table); err == nil {
		if found.Next() {
			_ = found.Scan(&rows)
		}
		found.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost[table] = rows
}

// cuts are what was stored by inserts whose answer was lost.
func (c *cutter) cuts() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.lost)
}

// throughCuts loads events, people and a bad entry while answers are lost, and
// checks that each is there once, before and after the copies are merged.
func (p *pipe) throughCuts(t *testing.T, c *cutter) {
	t.Helper()
	events := clicks(0, 300)
	events[7].Contact, events[7].Person = "c7", &trail.Person{Address: "ann@acme.example"}
	p.append(t, events...)
	p.garbage(t, "{")
	p.load(t)
	p.settle(t)
	want := map[string]string{"events": "300", "arrivals": "300", "bad_entries": "1", "people": "1"}
	cuts := c.cuts() // in the first batch, which need not have all
	for table := range want {
		if stored, err := strconv.Atoi(cuts[table]); err != nil || stored == 0 {
			t.Fatalf("when answers were lost, stored were %v; the test needs some of each table", cuts)
		}
	}
	for table, rows := range want {
		for _, when := range []string{"before", "after"} {
			if got := p.text(t, "SELECT toString(count()) FROM "+table+" FINAL")[0]; got != rows {
				t.Errorf("%s has %s rows %s merging, want %s", table, got, when, rows)
			}
			p.exec(t, "OPTIMIZE TABLE "+table+" FINAL")
		}
	}
}

func openDB(t *testing.T, o store.Options) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestLostAnswersToInsertsOfAnyKindChangeNoCount(t *testing.T) {
	engine := storetest.Engine(t)
	line := newCutter(t, 0, func() (net.Conn, error) { return engine.DialContext(context.Background(), "") })
	o := storetest.Options(t)
	line.direct = openDB(t, o)
	if err := line.direct.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.Dial = func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", line.listener.Addr().String())
	}
	p := &pipe{db: openDB(t, o), rdb: connect(t, startRedis(t, t.TempDir()))}
	p.buffer = ingest.NewBuffer(p.rdb, quiet())
	p.throughCuts(t, line)
	if c := p.counts(t); c.Events != 300 || c.Clicks != 300 || c.Contacts != 1 || c.Bad != 1 {
		t.Errorf("known are %+v", c)
	}
	p.wantBalance(t, "in the end", trail.Balance{Accepted: 301, Stored: 300, Bad: 1})
}

func TestLostAnswersOfTheNativeProtocolChangeNoCount(t *testing.T) {
	server := newClickhouseServer(t)
	server.start(t)
	// The server first says which columns it expects.
	line := newCutter(t, 1, func() (net.Conn, error) { return net.Dial("tcp", "127.0.0.1:"+server.port) })
	url := "clickhouse://%s/default"
	line.direct = openDB(t, store.Options{URL: fmt.Sprintf(url, "127.0.0.1:"+server.port)})
	eventually(t, "the server answers", func() bool { return line.direct.Ping(t.Context()) == nil })
	p := &pipe{db: openDB(t, store.Options{URL: fmt.Sprintf(url, line.listener.Addr())}), rdb: connect(t, startRedis(t, t.TempDir()))}
	for _, table := range oldTables {
		p.exec(t, table)
	}
	p.buffer = ingest.NewBuffer(p.rdb, quiet())
	p.throughCuts(t, line)
}
