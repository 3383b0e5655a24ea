package main

import (
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
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

// killer kills a program and its children.
type killer struct {
	t      *testing.T
	s      *served
	engine *http.Client
	random *rand.Rand

	kills, open map[string]int // by victim; open are those that had an insert open
	tables      map[string]int // whose inserts were open
}

// child returns the process of a child, 0 while there is none.
func (k *killer) child(victim string) int {
	for _, pid := range children(k.t, k.s.cmd.Process.Pid) {
		name, err := os.ReadFile("/proc/" + pid + "/comm")
		_, state := parentAndState("/proc/" + pid + "/stat")
		if err != nil || state == "" || state == "Z" {
			continue
		}
		if isRedis := strings.HasPrefix(string(name), "redis-server"); isRedis == (victim == killRedis) {
			n, _ := strconv.Atoi(pid)
			return n
		}
	}
	return 0
}

// one does a round.
func (k *killer) one(r round) {
	k.t.Helper()
	pass(time.Duration(k.random.Int64N(int64(either(800*time.Millisecond, 3*time.Second)))))
	var pid, stopped int
	if r.within {
		stopped = k.stopWithinInsert()
	}
	if stopped != 0 {
		k.open[r.victim]++
	}
	k.kills[r.victim]++
	if r.victim == killProgram {
		_ = k.s.cmd.Process.Kill()
		if stopped != 0 { // it finds its parent gone, in the middle of an insert
			_ = syscall.Kill(stopped, syscall.SIGCONT)
		}
		<-k.s.ended
		k.s.start()
		return
	}
	if pid = stopped; pid == 0 {
		eventually(k.t, r.victim+" runs", func() bool { pid = k.child(r.victim); return pid != 0 })
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		k.t.Logf("%s had ended by itself: %v", r.victim, err)
	}
}

// rowsFile is the file that an insert of events or arrivals reads its rows from;
// the engine removes it when the insert has ended.
var rowsFile = regexp.MustCompile(`INTO (?:dealtrail\.)?(events|arrivals)\b.*'([^']*insert-[^']*\.rows)`)

// stopWithinInsert waits for an insert and stops the engine in it. It returns the
// stopped process, or 0 when there was no insert for a while. That the file of the
// rows is there while everything stands still proves that the insert is open.
func (k *killer) stopWithinInsert() (pid int) {
	k.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		pid := k.child(killEngine)
		rows, err := sqlOver(k.engine, `SELECT query FROM system.processes WHERE query_kind = 'Insert'`)
		if err != nil || pid == 0 {
			pass(5 * time.Millisecond) // it is being started again
			continue
		}
		for _, row := range rows {
			found := rowsFile.FindStringSubmatch(strings.ReplaceAll(row, `\'`, `'`))
			if found == nil {
				continue
			}
			if syscall.Kill(pid, syscall.SIGSTOP) != nil {
				break
			}
			eventually(k.t, "the engine stands still", func() bool {
				_, state := parentAndState("/proc/" + strconv.Itoa(pid) + "/stat")
				return state == "T" || state == "" || state == "Z"
			})
			if _, err := os.Stat(found[2]); err == nil {
				k.tables[found[1]]++
				return pid
			}
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
	}
	return 0
}

// TestEveryPromisedClickIsCountedOnceWhateverIsKilled kills the program, its engine
// and its Redis while people click, and holds every redirect's promise against
// what the report says in the end.
func TestEveryPromisedClickIsCountedOnceWhateverIsKilled(t *testing.T) {
	t.Parallel()
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
	people := startLoad(either(300, 1000), urls...)
	defer people.stop()
	for _, r := range allRounds(k.random, either(2, 20)) {
		k.one(r)
		if t.Failed() {
			return
		}
	}
	pass(500 * time.Millisecond) // clicks after the last kill
	people.stop()
	took := people.since(0)
	t.Logf("seed %d: %d clicks promised and %d not answered in %s; kills %v, with an insert open %v (into %v); p50 %s, p99 %s",
		seed, people.size(), people.fails, time.Since(began).Round(time.Second), k.kills, k.open, k.tables, part(.5, took), part(.99, took))
	if people.size() < 100 || k.open[killProgram]+k.open[killEngine] == 0 {
		t.Errorf("%d clicks and %v kills within an insert prove little", people.size(), k.open)
	}
	b := settled(t, k.s)
	t.Logf("balance: %+v", b)
	neverMissing(t, k.s)
	checkLedger(t, k.s, k.s.engine(), false, people)
}
