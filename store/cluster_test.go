package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/trail"
)

// oldTables are ours in the types that a server of 2018 has, without what only reports
// need; the cluster is told of them in the words that it is told of the schema in.
var oldTables = []string{
	`CREATE TABLE IF NOT EXISTS events (id FixedString(16), revision UInt16, kind String, at DateTime, received_at DateTime, revised_at DateTime, source String,
		content String, share String, message String, contact String, account String, rep String, deal String, stage String, agent String,
		probability Float32, rules Array(String), signal String, rule_set UInt16, signs UInt32, network String, origin String, device String, led_to String, withheld String, note String, attrs String)
	ENGINE = ReplacingMergeTree(revision) PARTITION BY toYYYYMM(received_at) ORDER BY id`,
	`CREATE TABLE IF NOT EXISTS people (contact String, address String, name String, title String, rank UInt64) ENGINE = ReplacingMergeTree(rank) PARTITION BY tuple() ORDER BY contact`,
	`CREATE TABLE IF NOT EXISTS arrivals (id FixedString(16), revision UInt16, epoch String, partition UInt8, ms UInt64, seq UInt64)
	ENGINE = ReplacingMergeTree PARTITION BY tuple() ORDER BY (id, revision, epoch, partition, ms, seq)`,
	`CREATE TABLE IF NOT EXISTS bad_entries (epoch String, partition UInt8, ms UInt64, seq UInt64, at DateTime, stage String, reason String, origin String, raw String, replayed_at DateTime)
	ENGINE = ReplacingMergeTree(replayed_at) PARTITION BY tuple() ORDER BY (epoch, partition, ms, seq)`,
}

// number1 asks for one number; -1 when there is no answer, or half of one: a server of 2018
// may send what it has before it says that the rest is missing.
func number1(db *store.DB, statement string) int64 {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	rows, err := db.Query(ctx, statement)
	if err != nil {
		return -1
	}
	defer rows.Close()
	var text string
	if !rows.Next() || rows.Scan(&text) != nil || rows.Next() || rows.Err() != nil {
		return -1
	}
	var n int64
	if _, err := fmt.Sscan(text, &n); err != nil {
		return -1
	}
	return n
}

// TestClusterLosesNothingWhenANodeIsKilled loads events into two servers of 2018 and
// their ZooKeeper: each shard gets its own, a node dies while they are loaded, and every
// copy of an ID meets the others.
func TestClusterLosesNothingWhenANodeIsKilled(t *testing.T) {
	t.Parallel()
	zookeeper := startZooKeeper(t)
	nodes, tcp := startNodes(t, zookeeper)
	ctx := t.Context()
	open := func(port int) *store.DB {
		t.Helper()
		var db *store.DB
		var last error
		defer func() {
			if last != nil {
				t.Log(last)
			}
		}()
		soon(t, "the cluster is there", func() bool {
			if db, last = store.Open(ctx, store.Options{URL: fmt.Sprintf("clickhouse://127.0.0.1:%d/default?dial_timeout=1s", port), Cluster: "both"}); last == nil {
				last = db.Ping(ctx)
			}
			return last == nil
		})
		t.Cleanup(func() { db.Close() })
		return db
	}
	first, second := open(tcp[0]), open(tcp[1])
	for _, table := range oldTables {
		if err := first.Exec(ctx, table); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
	}
	// Each of the batches is sent until it is taken, as the loader does; some twice on top.
	var batches atomic.Int64
	random := rand.New(rand.NewPCG(1, 2))
	var all []trail.Event
	for range 40 {
		for range 500 {
			at := time.Unix(1_760_000_000+random.Int64N(1_000_000), 0)
			e := trail.Event{
				ID: trail.NewID(at), Kind: "clicked", At: at, ReceivedAt: at, Share: trail.ShareID(fmt.Sprint("s", random.IntN(99))), Contact: "c1",
				Person: &trail.Person{Address: "ann@theirs.test", Name: "Ann"},
			}
			all = append(all, e)
		}
	}
	var loading sync.WaitGroup
	loading.Go(func() {
		for n := 0; n < len(all); n += 500 {
			part := all[n : n+500]
			for times := 0; times < 1+n/500%2; {
				some, cancel := context.WithTimeout(ctx, 20*time.Second)
				err := first.InsertEvents(some, part)
				cancel()
				if err == nil {
					times++
				} else if ctx.Err() != nil {
					return
				}
			}
			batches.Add(1)
		}
	})
	soon(t, "some are loaded", func() bool { return batches.Load() >= 5 })
	nodes[1].kill()
	// What the other shard has, and the small tables, can still be written and read there.
	soon(t, "the node that lives has events", func() bool { return number1(first, "SELECT toString(count()) FROM events_local") > 0 })
	if n := number1(first, "SELECT toString(count()) FROM events"); n >= 0 {
		t.Errorf("a report of half the events says %d", n)
	}
	nodes[1].start(t)
	loading.Wait()
	// A revision meets what it revises, wherever it is sent from.
	revised := all[7]
	revised.Revision, revised.Share, revised.Contact, revised.Person = 1, "another", "another", nil
	taken := func(what string, send func() error) {
		t.Helper()
		var last error
		defer func() {
			if last != nil {
				t.Log(last)
			}
		}()
		soon(t, what, func() bool { last = send(); return last == nil }) // all may have been loaded before the node is back
	}
	taken("the node that is back takes a revision", func() error { return second.InsertEvents(ctx, []trail.Event{revised}) })
	want := int64(len(all))
	for _, db := range []*store.DB{first, second} {
		soon(t, "every event is there once", func() bool {
			return number1(db, "SELECT toString(count()) FROM events FINAL") == want && number1(db, "SELECT toString(uniqExact(id)) FROM events") == want
		})
		soon(t, "the revision is there once", func() bool {
			return number1(db, "SELECT toString(count()) FROM events FINAL WHERE revision = 1 AND share = 'another'") == 1
		})
		if n := number1(db, "SELECT toString(count()) FROM events"); n <= want {
			t.Errorf("no copies were sent: %d rows of %d events", n, want)
		}
		// The small tables are whole on each node.
		soon(t, "who a contact is, is known on each node", func() bool { return number1(db, "SELECT toString(count()) FROM people FINAL WHERE name = 'Ann'") == 1 })
		local := number1(db, "SELECT toString(uniqExact(id)) FROM events_local")
		if local < want/3 || local > want*2/3 {
			t.Errorf("a shard has %d of %d events", local, want)
		}
	}
	if n := number1(first, "SELECT toString(uniqExact(id)) FROM events_local") + number1(second, "SELECT toString(uniqExact(id)) FROM events_local"); n != want {
		t.Errorf("the shards have %d IDs together, want %d: some are on both", n, want)
	}
	// A server that inserts by itself puts them in the same places.
	taken("a server inserts by itself", func() error {
		return second.Exec(ctx, "INSERT INTO events (id, revision, share) SELECT id, toUInt16(2), 'moved' FROM events_local")
	})
	if n := number1(second, "SELECT toString(uniqExact(id)) FROM events_local WHERE revision = 2") - number1(second, "SELECT toString(uniqExact(id)) FROM events_local"); n != 0 {
		t.Errorf("the table of all pieces put %d events elsewhere than we do", -n)
	}
}

func TestClusterIsToldOfEveryTable(t *testing.T) {
	var told strings.Builder
	files, err := filepath.Glob("schema/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	views, err := filepath.Glob("view/*.sql")
	if err != nil || len(files) < 40 || len(views) < 10 {
		t.Fatalf("%d files of schema and %d of view: %v", len(files), len(views), err)
	}
	golden := map[string]bool{
		"0000_migrations.sql": true, "0001_events.sql": true, "0002_people.sql": true, "0006_arrivals.sql": true, "0009_no_bad.sql": true, "0010_evidence.sql": true,
		"0011_shares.sql": true, "0014_credits.sql": true, "0043_layout_totals.sql": true, "1_facts.sql": true,
	}
	for _, file := range append(files, views...) {
		statements, err := store.OnCluster("prod", "dealtrail", file)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		for _, s := range statements {
			// Replicas tell each other what is altered in a table that is whole on each.
			whole := strings.HasPrefix(s, "ALTER TABLE ") && !strings.HasPrefix(s, "ALTER TABLE dealtrail.")
			if !strings.Contains(s, " ON CLUSTER 'prod'") && !whole {
				t.Errorf("%s is told to one node alone:\n%s", file, s)
			}
			if strings.Contains(s, "MergeTree") && !strings.Contains(s, "Replicated") {
				t.Errorf("%s has no replicas:\n%s", file, s)
			}
			if golden[filepath.Base(file)] {
				fmt.Fprintf(&told, "%s;\n\n", strings.TrimSpace(s))
			}
		}
	}
	want, err := os.ReadFile("testdata/cluster.sql")
	if err != nil {
		t.Fatal(err)
	}
	if told.String() != string(want) {
		t.Errorf("the cluster is told other than testdata/cluster.sql says:\n%s", told.String())
	}
}

func TestClusterRefusesWhatOneNodeCannotDoForAll(t *testing.T) {
	for _, statement := range []string{"ALTER TABLE events UPDATE contact = '' WHERE 1", "ALTER TABLE people DELETE WHERE 1", "ALTER TABLE credits\n  DELETE WHERE 1"} {
		_, err := store.ClusterStatements("prod", "dealtrail", statement)
		problem(t, err, trail.Unavailable)
	}
}

func TestClusterIsAskedForTheBlocksOfEveryNode(t *testing.T) {
	query := store.LayoutsOf("prod", "dealtrail")
	for _, want := range []string{"FROM clusterAllReplicas('prod', system.parts)", "database = 'dealtrail' AND table IN ('events_local', 'people')", "GROUP BY hostName(), table"} {
		if !strings.Contains(query, want) {
			t.Errorf("the query lacks %s:\n%s", want, query)
		}
	}
}
