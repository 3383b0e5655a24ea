package main

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// Who is killed in a round.
const (
	killProgram = "dealtrail"
	killEngine  = "the engine"
	killRedis   = "redis-server"
)

// round is one kill -9. Those within an insert strike while the engine has one
// open that moves events.
type round struct {
	victim string
	within bool
}

// allRounds returns n rounds of each victim, in random order. Half of those that
// could lose or double an insert come within one.
func allRounds(random *rand.Rand, n int) (rounds []round) {
	for i := range n {
		rounds = append(rounds, round{killProgram, i%2 == 0}, round{killEngine, i%2 == 0}, round{killRedis, false})
	}
	random.Shuffle(len(rounds), func(i, j int) { rounds[i], rounds[j] = rounds[j], rounds[i] })
	return rounds
}

// killer kills a program and its children while people click.
type killer struct {
	t      *testing.T
	s      *served
	people *load
	engine *http.Client
	random *rand.Rand

	opened      int            // events handed in to make inserts long
	kills, open map[string]int // by victim; open are those that had an insert open
	tables      map[string]int // whose inserts were open
}

// burst is how many events are handed in before a kill that is to come within an
// insert: enough for it to last for some tenths of a second.
const burst = 20_000

// handIn puts a burst into the streams as another process would. They are opens,
// which no report of clicks counts.
func (k *killer) handIn() {
	k.t.Helper()
	rdb, err := ingest.Connect("unix://" + filepath.Join(k.s.dir, "data", "redis", "redis.sock"))
	if err != nil {
		k.t.Fatal(err)
	}
	defer rdb.Close()
	now := time.Now()
	events := make([]trail.Event, burst)
	for i := range events {
		events[i] = trail.Event{ID: trail.NewID(now), Kind: trail.Opened, At: now, ReceivedAt: now, Source: "track", Content: "deck", Share: trail.NewShareID()}
	}
	buffer := ingest.NewBuffer(rdb, slog.New(slog.DiscardHandler))
	// Redis may still be on its way back from the last kill. Events that it has already are the same events.
	eventually(k.t, "the burst is accepted", func() bool { return buffer.Append(k.t.Context(), events...) == nil })
	k.opened += burst
}

// child returns the process of a child, 0 while there is none.
func (k *killer) child(victim string) int {
	for _, pid := range children(k.t, k.s.cmd.Process.Pid) {
		name, err := os.ReadFile("/proc/" + pid + "/comm")
		if err != nil || gone(pid) {
			continue
		}
		if isRedis := strings.HasPrefix(string(name), "redis-server"); isRedis == (victim == killRedis) {
			n, _ := strconv.Atoi(pid)
			return n
		}
	}
	return 0
}

// gone says that a process runs no more.
func gone(pid string) bool {
	_, state := parentAndState("/proc/" + pid + "/stat")
	return state == "" || state == "Z"
}

// rowsFile is the file that an insert of events or arrivals reads its rows from.
// The engine makes one for each insert and removes it when the insert has ended.
var rowsFile = regexp.MustCompile(`INTO (?:dealtrail\.)?(events|arrivals)\b.*'([^']*insert-[^']*\.rows)`)

// inserts asks the engine which inserts it runs: tables by their files.
func (k *killer) inserts() map[string]string {
	running := map[string]string{}
	rows, _ := sqlOver(k.engine, `SELECT query FROM system.processes WHERE query_kind = 'Insert'`) // none while it starts
	for _, row := range rows {
		if found := rowsFile.FindStringSubmatch(strings.ReplaceAll(row, `\'`, `'`)); found != nil {
			running[found[2]] = found[1]
		}
	}
	return running
}

// insertOpen waits until an insert runs when it looks, which it does at random
// moments: so kills come at any part of one.
func (k *killer) insertOpen() (running map[string]string) {
	k.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); len(running) == 0 && time.Now().Before(deadline); running = k.inserts() {
		for range 1 + k.random.IntN(20) {
			<-tick.C
		}
	}
	return running
}

// do does a round, again when its kill was to come within an insert and came just
// after: the end of an insert and a kill may cross.
func (k *killer) do(r round) {
	k.t.Helper()
	for try := 1; !k.strike(r) && r.within && try < 5; try++ {
	}
}

// strike kills the victim of a round and returns whether an insert was open: the
// engine said that it ran, and its rows are still there when the victim is gone.
func (k *killer) strike(r round) (open bool) {
	k.t.Helper()
	k.people.more(k.t, 1+k.random.IntN(either(300, 3000)))
	pid := k.s.cmd.Process.Pid
	if r.victim != killProgram {
		eventually(k.t, r.victim+" runs", func() bool { pid = k.child(r.victim); return pid != 0 })
	}
	var running map[string]string
	if r.within {
		k.handIn()
		running = k.insertOpen()
	} else {
		running = k.inserts()
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		k.t.Fatalf("%s had ended by itself: %v", r.victim, err)
	}
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for !gone(strconv.Itoa(pid)) {
		<-tick.C
	}
	k.kills[r.victim]++
	for file, table := range running {
		if _, err := os.Stat(file); err == nil {
			open = true
			k.tables[table]++
		}
	}
	if open {
		k.open[r.victim]++
	}
	if r.victim == killProgram {
		<-k.s.ended
		k.s.start()
	}
	return open
}

// TestEveryPromisedClickIsCountedOnceWhateverIsKilled kills the program, its engine
// and its Redis while people click, and holds every redirect's promise against
// what the report says in the end.
func TestEveryPromisedClickIsCountedOnceWhateverIsKilled(t *testing.T) {
	beside(t)
	seed := uint64(time.Now().UnixNano())
	k := &killer{t: t, s: site(t, "", nil).start(), random: rand.New(rand.NewPCG(seed, 0)), kills: map[string]int{}, open: map[string]int{}, tables: map[string]int{}}
	k.engine = overSocket(k.s.engine())
	defer k.engine.CloseIdleConnections()
	var urls []string
	for _, content := range []string{"deck", "case", "prices", "video", "faq"} {
		urls = append(urls, k.s.url+k.s.link(content))
	}
	if !soaking { // merges would remove the copies before the report has to tell them apart
		sql(t, k.s.engine(), `ALTER TABLE events MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1`)
	}
	began := time.Now()
	k.people = startLoad(either(300, 1000), urls...)
	defer k.people.stop()
	rounds := either(2, 20)
	for _, r := range allRounds(k.random, rounds) {
		k.do(r)
	}
	k.people.more(t, 150) // after the last kill
	k.people.stop()
	took := k.people.since(0)
	t.Logf("seed %d: %d clicks promised and %d not answered in %s; kills %v, with an insert open %v (into %v); p50 %s, p99 %s",
		seed, k.people.size(), k.people.fails, time.Since(began).Round(time.Second), k.kills, k.open, k.tables, part(.5, took), part(.99, took))
	if k.people.size() < 100 || min(k.open[killProgram], k.open[killEngine]) < rounds/2 {
		t.Errorf("%d clicks and %v kills within an insert prove little", k.people.size(), k.open)
	}
	b := settled(t, k.s)
	t.Logf("balance: %+v", b)
	neverMissing(t, k.s)
	checkLedger(t, k.s, k.s.engine(), false, k.people)
	// The bursts too are there once each.
	want := fmt.Sprintf("%d\t%d", k.opened, k.opened)
	if got := sql(t, k.s.engine(), `SELECT count(), uniqExact(id) FROM facts(as_of = toDateTime64('2100-01-01', 3)) WHERE kind = 'opened'`)[0]; got != want {
		t.Errorf("the opens that were handed in are %q facts and events; want %q", got, want)
	}
}
