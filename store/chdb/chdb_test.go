package chdb_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"dealtrail/store/chdb"
)

func TestMain(m *testing.M) {
	if chdb.IsChild() {
		os.Exit(chdb.ServeChild())
	}
	if dir := os.Getenv(envParent); dir != "" {
		beParent(dir)
	}
	code := m.Run()
	if shared.child != nil {
		shared.child.Close()
		os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// shared is one engine for the tests that do not kill it; each has a database of its own.
var shared struct {
	once  sync.Once
	dir   string
	child *chdb.Child
	err   error
}

func engine(t *testing.T) *chdb.Child {
	t.Helper()
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "chdb-test-"); shared.err == nil {
			shared.child, shared.err = chdb.Start(t.Context(), chdb.Options{Dir: shared.dir, Log: quiet})
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err) // names `make deps` when libchdb is missing
	}
	return shared.child
}

var quiet = slog.New(slog.DiscardHandler)

// database opens a new database of the shared engine.
func database(t *testing.T, change ...func(*clickhouse.Options)) driver.Conn {
	t.Helper()
	child := engine(t)
	name := fmt.Sprintf("%s %x", strings.ReplaceAll(t.Name(), "/", "-"), time.Now().UnixNano())
	do(t, open(t, child, "default"), "CREATE DATABASE `"+name+"`")
	return open(t, child, name, change...)
}

func open(t *testing.T, c *chdb.Child, database string, change ...func(*clickhouse.Options)) driver.Conn {
	t.Helper()
	o := &clickhouse.Options{
		Protocol:    clickhouse.HTTP,
		Addr:        []string{"localhost"},
		Auth:        clickhouse.Auth{Database: database},
		DialContext: c.DialContext,
	}
	for _, f := range change {
		f(o)
	}
	db, err := clickhouse.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func do(t *testing.T, db driver.Conn, sql string, args ...any) {
	t.Helper()
	if err := db.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// one returns the only value of a query.
func one[T any](t *testing.T, db driver.Conn, sql string, args ...any) T {
	t.Helper()
	return oneIn[T](t, t.Context(), db, sql, args...)
}

func oneIn[T any](t *testing.T, ctx context.Context, db driver.Conn, sql string, args ...any) (v T) {
	t.Helper()
	if err := db.QueryRow(ctx, sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func want[T any](t *testing.T, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, want %#v", got, want)
	}
}

// code is the ClickHouse code of err, 0 when it is not the driver's exception.
func code(err error) int32 {
	var e *clickhouse.Exception
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// patience is for what comes in a moment, unless the machine is very busy.
const patience = 3 * time.Minute

// until polls until done says so, and fails the test when that takes longer than limit.
func until(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	late, again := time.NewTimer(limit), time.NewTicker(5*time.Millisecond)
	defer late.Stop()
	defer again.Stop()
	for !done() {
		select {
		case <-again.C:
		case <-late.C:
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// batch inserts n rows, each made by row.
func batch(t *testing.T, ctx context.Context, db driver.Conn, sql string, n int, row func(i int) []any) {
	t.Helper()
	b, err := db.PrepareBatch(ctx, sql)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := b.Append(row(i)...); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Send(); err != nil {
		t.Fatal(err)
	}
}

func TestTypesComeBackAsInserted(t *testing.T) {
	db := database(t)
	do(t, db, `CREATE TABLE t (
		word LowCardinality(String), at DateTime64(3, 'UTC'), attrs Map(LowCardinality(String), String), list Array(UInt32),
		none Nullable(Float64), some Nullable(String), id UUID, money Decimal(18, 4), fixed FixedString(16), yes Bool,
		words Array(LowCardinality(Nullable(String)))
	) ENGINE = MergeTree ORDER BY at`)
	text, word := "a\n\n\x00'\\\t", "w"
	row := []any{
		"sent", time.UnixMilli(1_700_000_000_123).UTC(),
		map[string]string{"k": "v\n\nw", "": "x"},
		[]uint32{1, 10, 1 << 30},
		(*float64)(nil), &text, uuid.MustParse("0194fdc2-fa2f-4cc0-81d3-ff12045b73c8"), decimal.RequireFromString("-1234.5678"),
		"0123456789abcde\n", true,
		[]*string{&word, nil},
	}
	batch(t, t.Context(), db, "INSERT INTO t", 2, func(int) []any { return row })
	rows, err := db.Query(t.Context(), "SELECT * FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		into := make([]any, len(row))
		for i, v := range row {
			into[i] = reflect.New(reflect.TypeOf(v)).Interface()
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for i, v := range row {
			got := reflect.ValueOf(into[i]).Elem().Interface()
			if d, ok := v.(decimal.Decimal); ok {
				want(t, got.(decimal.Decimal).String(), d.String())
			} else {
				want(t, got, v)
			}
		}
	}
	want(t, n, 2)
	want(t, rows.Err(), nil)
}

func TestLargeBatchKeepsEveryRow(t *testing.T) {
	db := database(t)
	do(t, db, "CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
	began := time.Now()
	batch(t, t.Context(), db, "INSERT INTO t (a, b)", 100_000, func(i int) []any { return []any{uint64(i), fmt.Sprintf("\n\nline %d\n\n", i)} })
	t.Logf("100,000 rows inserted in %v", time.Since(began))
	want(t, one[uint64](t, db, "SELECT count() FROM t WHERE b = format('\n\nline {}\n\n', toString(a))"), 100_000)
	want(t, one[uint64](t, db, "SELECT uniqExact(a) FROM t"), 100_000)
}

func TestInsertInEveryForm(t *testing.T) {
	db := database(t)
	ctx := t.Context()
	do(t, db, "CREATE TABLE t (a UInt32, b String) ENGINE = MergeTree ORDER BY a")
	f := func(n uint64, insert func() error) {
		t.Helper()
		do(t, db, "TRUNCATE TABLE t")
		if err := insert(); err != nil {
			t.Error(err)
		}
		want(t, one[uint64](t, db, "SELECT count() FROM t WHERE b = 'x;\n\n-- y'"), n)
	}
	f(2, func() error { return db.Exec(ctx, "INSERT INTO t VALUES (1, 'x;\n\n-- y'), (2, 'x;\n\n-- y')") })
	f(1, func() error {
		return db.Exec(ctx, "INSERT INTO t VALUES ({a:UInt32}, {b:String})", clickhouse.Named("a", 7), clickhouse.Named("b", "x;\n\n-- y"))
	})
	f(2, func() error {
		return db.Exec(ctx, "INSERT INTO t FORMAT JSONEachRow\n"+`{"a": 1, "b": "x;\n\n-- y"}`+"\n\n"+`{"a": 2, "b": "x;\n\n-- y"}`)
	})
	f(3, func() error { return db.Exec(ctx, "INSERT INTO t SELECT number, 'x;\n\n-- y' FROM numbers(3)") })
	f(3, func() error {
		return db.Exec(ctx, "INSERT INTO t WITH 'x;\n\n-- y' AS y SELECT number, y FROM numbers(3)")
	})
	//lint:ignore SA1019 users of the driver still call it, and the engine must answer
	f(1, func() error { return db.AsyncInsert(ctx, "INSERT INTO t VALUES (1, 'x;\n\n-- y')", true) })
	f(5, func() error {
		b, err := db.PrepareBatch(ctx, "INSERT INTO t (b, a) SETTINGS async_insert = 1, wait_for_async_insert = 1")
		if err != nil {
			return err
		}
		for i := range 5 {
			if err := b.Append("x;\n\n-- y", uint32(i)); err != nil {
				return err
			}
		}
		return b.Send()
	})
}

func TestNewestVersionOfARowWins(t *testing.T) {
	db := database(t)
	do(t, db, `CREATE TABLE events (id FixedString(16), revision UInt32, verdict LowCardinality(String),
		rank UInt64 MATERIALIZED toUInt64(revision) * 1000 + length(verdict))
		ENGINE = ReplacingMergeTree(rank) ORDER BY id SETTINGS non_replicated_deduplication_window = 100`)
	for revision := range uint32(3) {
		batch(t, t.Context(), db, "INSERT INTO events (id, revision, verdict)", 10, func(i int) []any {
			return []any{fmt.Sprintf("%016d", i), revision, fmt.Sprintf("v%d", revision)}
		})
	}
	want(t, one[uint64](t, db, "SELECT count() FROM events"), 30)
	want(t, one[uint64](t, db, "SELECT count() FROM events FINAL"), 10)
	want(t, one[[]string](t, db, "SELECT groupUniqArray(verdict) FROM events FINAL"), []string{"v2"})
	want(t, one[uint64](t, db, "SELECT max(rank) FROM events"), 2002)
}

// The driver's retries rely on this, and it goes through FROM INFILE.
func TestInsertTokenDropsTheCopy(t *testing.T) {
	db := database(t)
	do(t, db, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100")
	for _, token := range []string{"one", "one", "two"} {
		ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": token, "async_insert": 0}))
		batch(t, ctx, db, "INSERT INTO t", 10, func(i int) []any { return []any{uint32(i)} })
	}
	want(t, one[uint64](t, db, "SELECT count() FROM t"), 20)
}
