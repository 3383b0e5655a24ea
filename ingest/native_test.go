package ingest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dealtrail/ingest"
	"dealtrail/store"
)

// oldTables are ours in the types that a server of 2018 has, without what only
// reports need.
var oldTables = []string{
	`CREATE TABLE events (id FixedString(16), revision UInt16, kind String, at DateTime, received_at DateTime, revised_at DateTime, source String,
		content String, share String, message String, contact String, account String, rep String, deal String, stage String, agent String,
		probability Float32, rules Array(String), signal String, rule_set UInt16, signs UInt32, network String, origin String, device String, led_to String, withheld String, note String, attrs String) ENGINE = ReplacingMergeTree(revision) PARTITION BY toYYYYMM(received_at) ORDER BY id`,
	`CREATE TABLE people (contact String, address String, name String, title String, rank UInt64) ENGINE = ReplacingMergeTree(rank) PARTITION BY tuple() ORDER BY contact`,
	`CREATE TABLE arrivals (id FixedString(16), revision UInt16, epoch String, partition UInt8, ms UInt64, seq UInt64) ENGINE = ReplacingMergeTree PARTITION BY tuple() ORDER BY (id, revision, epoch, partition, ms, seq)`,
	`CREATE TABLE bad_entries (epoch String, partition UInt8, ms UInt64, seq UInt64, at DateTime, stage String, reason String, origin String, raw String, replayed_at DateTime)
		ENGINE = ReplacingMergeTree(replayed_at) PARTITION BY tuple() ORDER BY (epoch, partition, ms, seq)`,
}

// clickhouseServer is Debian's clickhouse-server, which speaks the native protocol.
type clickhouseServer struct {
	config, port string
	cmd          *exec.Cmd
}

func newClickhouseServer(t *testing.T) *clickhouseServer {
	t.Helper()
	dir := t.TempDir()
	s := &clickhouseServer{config: filepath.Join(dir, "config.xml"), port: freePorts(t, 1)[0]}
	files := map[string]string{
		s.config: fmt.Sprintf(`<yandex><logger><level>warning</level><log>%[1]s/log</log><errorlog>%[1]s/errors</errorlog></logger><tcp_port>%[2]s</tcp_port><listen_host>127.0.0.1</listen_host>
			<path>%[1]s/data/</path><tmp_path>%[1]s/tmp/</tmp_path><users_config>users.xml</users_config><default_profile>default</default_profile><default_database>default</default_database>
			<mark_cache_size>536870912</mark_cache_size></yandex>`, dir, s.port),
		filepath.Join(dir, "users.xml"): `<yandex><profiles><default/></profiles><quotas><default/></quotas><users><default><password></password>
			<networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users></yandex>`,
	}
	for path, text := range files {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { s.end(syscall.SIGKILL) })
	return s
}

func (s *clickhouseServer) start(t *testing.T) {
	t.Helper()
	program, err := exec.LookPath("clickhouse-server")
	for _, dir := range []string{"/usr/sbin", "/usr/bin"} {
		if err != nil {
			program, err = exec.LookPath(filepath.Join(dir, "clickhouse-server"))
		}
	}
	if err != nil {
		t.Fatalf("%v; `make deps-test` installs it", err)
	}
	s.cmd = exec.Command(program, "--config-file="+s.config)
	s.cmd.Dir = filepath.Dir(s.config)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func (s *clickhouseServer) end(signal syscall.Signal) {
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(signal)
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// The loader's own way, over the native protocol, into a server that is stopped,
// killed and started meanwhile. It knows no insert tokens: that each event is
// there once rests on its ID.
func TestLoaderSpeaksTheNativeProtocolToAServerThatComesAndGoes(t *testing.T) {
	server := newClickhouseServer(t)
	server.start(t)
	db, err := store.Open(t.Context(), store.Options{URL: "clickhouse://127.0.0.1:" + server.port + "/default", Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	eventually(t, "the server answers", func() bool { return db.Ping(t.Context()) == nil })
	if s, err := store.AskServer(t.Context(), "clickhouse://127.0.0.1:"+server.port); err != nil || !strings.HasPrefix(s.Version, "18.") || s.Readonly != 0 {
		t.Errorf("the server says %+v: %v", s, err)
	}
	for _, table := range oldTables {
		if err := db.Exec(t.Context(), table); err != nil {
			t.Fatal(err)
		}
	}
	p := &pipe{db: db, rdb: connect(t, startRedis(t, t.TempDir()))}
	p.buffer = ingest.NewBuffer(p.rdb, quiet())
	_, stop := p.load(t)
	n := 0
	more := func(count int) {
		events := clicks(n, count)
		events[0].Attrs = map[string]string{"title": "Deck"}
		p.append(t, events...)
		n += count
	}
	more(2000)
	p.settle(t)
	server.end(syscall.SIGTERM)
	more(2000)
	server.start(t)
	p.settle(t)
	for range 3 {
		more(40_000)
		began := p.text(t, "SELECT toString(count()) FROM events")[0]
		eventually(t, "the batch is on its way", func() bool {
			rows, err := db.Query(t.Context(), "SELECT toString(count()) FROM system.processes WHERE query LIKE 'INSERT%'")
			if err != nil {
				return false
			}
			defer rows.Close()
			var open string
			return rows.Next() && rows.Scan(&open) == nil && open != "0" || p.text(t, "SELECT toString(count()) FROM events")[0] != began
		})
		server.end(syscall.SIGKILL)
		server.start(t)
		p.settle(t)
	}
	stop()
	want := fmt.Sprint(n)
	for _, when := range []string{"before", "after"} {
		if got := p.text(t, "SELECT toString(count()) FROM (SELECT id FROM events GROUP BY id)")[0]; got != want {
			t.Errorf("%s merging %s events are stored, want %s", when, got, want)
		}
		p.exec(t, "OPTIMIZE TABLE events FINAL")
	}
	if rows := p.text(t, "SELECT toString(count()) FROM events FINAL")[0]; rows != want {
		t.Errorf("%s rows are left of %s", rows, want)
	}
	if got := p.text(t, "SELECT attrs FROM events FINAL WHERE attrs LIKE '%Deck%' LIMIT 1"); len(got) != 1 || !strings.Contains(got[0], `{"title":"Deck"}`) {
		t.Errorf("attributes came as %q", got)
	}
}
