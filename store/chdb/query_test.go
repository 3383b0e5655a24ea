package chdb_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/store/chdb"
)

func TestParametersAreNotSQL(t *testing.T) {
	db := database(t)
	for _, x := range []string{"", "plain", "it's", `back\slash \n`, "tab\tline\n\nzero\x00", "'; DROP TABLE t; --", "ünï\U0001F600", "{y:String}"} {
		want(t, one[string](t, db, "SELECT {x:String}", clickhouse.Named("x", x)), x)
	}
	want(t, one[[]string](t, db, "SELECT {x:Array(String)}", clickhouse.Named("x", []string{"a'b", "c\nd"})), []string{"a'b", "c\nd"})
	want(t, one[*string](t, db, "SELECT {x:Nullable(String)}", clickhouse.Named("x", (*string)(nil))), nil)
	want(t, one[uint64](t, db, "SELECT count() FROM numbers(10) WHERE number < {n:UInt8}", clickhouse.Named("n", 4)), 4)
	long := strings.Repeat("x", 2<<20)
	want(t, one[uint64](t, db, "SELECT length({x:String})", clickhouse.Named("x", long)), 2<<20)
}

func TestErrorsHaveTheirCode(t *testing.T) {
	db := database(t)
	for sql, want := range map[string]int32{
		"SELECT * FROM missing":                      60,
		"SELEC 1":                                    62,
		"SELECT 1; SELECT 2":                         62,
		"DROP TABLE missing; SELECT 1":               62,
		"SELECT throwIf(number = 3) FROM numbers(9)": 395,
		"INSERT INTO missing VALUES (1)":             60,
	} {
		if err := db.Exec(t.Context(), sql); code(err) != want {
			t.Errorf("%s: got %v, want code %d", sql, err, want)
		}
	}
	err := db.Exec(clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"no_such_setting": 1})), "SELECT 1")
	want(t, code(err), 115)
	want(t, code(open(t, engine(t), "missing").Exec(t.Context(), "SELECT 1")), 81)
	lz4 := open(t, engine(t), "default", func(o *clickhouse.Options) {
		o.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	})
	if err := lz4.QueryRow(t.Context(), "SELECT 1").Err(); err == nil || !strings.Contains(err.Error(), "leave clickhouse.Options.Compression unset") {
		t.Errorf("LZ4: %v", err)
	}
}

func TestErrorInTheMiddleOfAnAnswerIsSeen(t *testing.T) {
	db := database(t)
	rows, err := db.Query(t.Context(), "SELECT throwIf(number = 5000000) FROM numbers(10000000)")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	want(t, code(rows.Err()), 395)
	if n == 0 || n >= 5_000_000 {
		t.Errorf("%d rows before the error", n)
	}
}

// libchdb gives what a failed query had written to the next query of its connection.
func TestFailedQueryLeavesNothingBehind(t *testing.T) {
	child := fresh(t, chdb.Options{Connections: 1})
	db := open(t, child, "default")
	get := client(child)
	for range 3 {
		for _, format := range []string{"TabSeparated", "Native", "JSON"} {
			if status, body := post(t, get, url.Values{"default_format": {format}}, "SELECT throwIf(number = 500000) FROM numbers(1000000)"); status == 200 && format != "Native" {
				t.Errorf("%s: status 200, %d bytes", format, len(body))
			}
			_, body := post(t, get, nil, "SELECT 'clean'")
			want(t, body, "clean\n")
			want(t, one[string](t, db, "SELECT 'clean'"), "clean")
		}
	}
}

func TestSettingsHoldForTheirQueryOnly(t *testing.T) {
	child := fresh(t, chdb.Options{Connections: 1})
	db := open(t, child, "default")
	threads := func(ctx context.Context) uint64 {
		return oneIn[uint64](t, ctx, db, "SELECT toUInt64(getSetting('max_threads'))")
	}
	usual := threads(t.Context())
	with := func(s clickhouse.Settings) context.Context {
		return clickhouse.Context(t.Context(), clickhouse.WithSettings(s))
	}
	want(t, threads(with(clickhouse.Settings{"max_threads": 7, "format_schema": `it's \ "x"`})), 7)
	want(t, threads(t.Context()), usual)
	want(t, oneIn[string](t, with(clickhouse.Settings{"format_schema": `it's \ "x"`}), db, "SELECT getSetting('format_schema')"), `it's \ "x"`)
	want(t, oneIn[uint64](t, with(clickhouse.Settings{"max_threads": 5}), db, "SELECT toUInt64(getSetting('max_threads')) SETTINGS max_threads = 6"), 6)
	want(t, threads(t.Context()), usual)
	do(t, db, "SET max_threads = 9")
	want(t, threads(t.Context()), usual)
	do(t, db, "USE system")
	want(t, one[string](t, db, "SELECT currentDatabase()"), "default")
	want(t, code(db.Exec(with(clickhouse.Settings{"max_execution_time": 0.2}), "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))")), 159)
	want(t, code(db.Exec(with(clickhouse.Settings{"x = 1, max_threads": 1}), "SELECT 1")), 115)
}

func TestDatabasesOfOneEngineAreApart(t *testing.T) {
	a, b := database(t), database(t)
	do(t, a, "CREATE TABLE t (x String) ENGINE = MergeTree ORDER BY x")
	do(t, b, "CREATE TABLE t (x String) ENGINE = MergeTree ORDER BY x")
	var wait sync.WaitGroup
	for name, db := range map[string]driver.Conn{"a": a, "b": b} {
		wait.Go(func() {
			for range 20 {
				if err := db.Exec(t.Context(), "INSERT INTO t VALUES ('"+name+"')"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	want(t, one[[]string](t, a, "SELECT groupUniqArray(x) FROM t"), []string{"a"})
	want(t, one[[]string](t, b, "SELECT groupUniqArray(x) FROM t"), []string{"b"})
	want(t, one[uint64](t, b, "SELECT count() FROM t"), 20)
}

// slow is a query of minutes that holds little memory; its name finds it among the running ones.
func slow(name string) string {
	return "SELECT count() AS " + name + " FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number)) SETTINGS max_threads = 1"
}

func running(t *testing.T, db driver.Conn, name string) bool {
	t.Helper()
	return one[uint64](t, db, "SELECT count() FROM system.processes WHERE query LIKE '% AS "+name+" %' AND query NOT LIKE '%system.processes%'") > 0
}

func TestCancelledQueryIsKilledAndStarvesNoOther(t *testing.T) {
	db := database(t)
	for name, query := range map[string]func(context.Context) error{
		"counting": func(ctx context.Context) error { return db.Exec(ctx, slow("counting")) },
		"streaming": func(ctx context.Context) error {
			rows, err := db.Query(ctx, "SELECT number AS streaming FROM numbers(1000000000000)")
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
			}
			return rows.Err()
		},
		"bound": func(ctx context.Context) error {
			return db.Exec(ctx, strings.Replace(slow("bound"), "WHERE", "WHERE number != {x:UInt32} AND", 1), clickhouse.Named("x", 1))
		},
		"commented": func(ctx context.Context) error {
			return db.Exec(clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"log_comment": "mine"})), slow("commented"))
		},
		"writing": func(ctx context.Context) error {
			return db.Exec(ctx, "INSERT INTO FUNCTION null('a UInt64') "+slow("writing"))
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- query(ctx) }()
		until(t, patience, name+" runs", func() bool { return running(t, db, name) })
		var beside time.Duration
		until(t, patience, "a point query is quick beside "+name, func() bool { // a busy machine delays one or another
			began := time.Now()
			want(t, one[uint8](t, db, "SELECT 1"), 1)
			beside = time.Since(began)
			return beside < 200*time.Millisecond
		})
		cancel()
		if err := <-ended; err == nil {
			t.Errorf("%s: no error", name)
		}
		began := time.Now()
		until(t, patience, name+" is killed", func() bool { return !running(t, db, name) })
		t.Logf("%s: point query beside it %v, gone after %v", name, beside, time.Since(began))
	}
}

func TestAnswersOfEveryShape(t *testing.T) {
	db := database(t)
	rows, err := db.Query(t.Context(), "SELECT number, toString(number) FROM numbers(1000000)")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var n, sum, x uint64
	var s string
	for ; rows.Next(); n++ {
		if err := rows.Scan(&x, &s); err != nil {
			t.Fatal(err)
		}
		sum += x
	}
	want(t, rows.Err(), nil)
	want(t, []uint64{n, sum}, []uint64{1_000_000, 499_999_500_000})
	var none []struct{ X uint8 }
	if err := db.Select(t.Context(), &none, "SELECT 1 AS X WHERE 0"); err != nil || len(none) != 0 {
		t.Errorf("no rows: %v, %v", none, err)
	}
	var tables []struct {
		Name string `ch:"name"`
	}
	if err := db.Select(t.Context(), &tables, "SHOW TABLES FROM system LIKE 'one'"); err != nil || len(tables) != 1 {
		t.Errorf("show tables: %v, %v", tables, err)
	}
	want(t, db.Ping(t.Context()), nil)
	version, err := db.ServerVersion()
	want(t, err, nil)
	want(t, version.Revision, 0)
	if version.Version.Major < 26 {
		t.Errorf("version %v", version)
	}
}

func TestGzip(t *testing.T) {
	db := database(t, func(o *clickhouse.Options) {
		o.Compression = &clickhouse.Compression{Method: clickhouse.CompressionGZIP, Level: 1}
	})
	do(t, db, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
	batch(t, t.Context(), db, "INSERT INTO t", 1000, func(i int) []any { return []any{uint32(i)} })
	want(t, one[uint64](t, db, "SELECT sum(a) FROM t"), 499_500)
}

// client speaks plain HTTP to the engine.
func client(c *chdb.Child) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return c.DialContext(ctx, addr) },
	}}
}

func post(t *testing.T, c *http.Client, q url.Values, body string) (status int, answer string) {
	t.Helper()
	r, err := c.Post("http://localhost/?"+q.Encode(), "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func TestPlainHTTP(t *testing.T) {
	c := client(engine(t))
	r, err := c.Get("http://localhost/ping")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(r.Body)
	r.Body.Close()
	want(t, string(b), "Ok.\n")
	f := func(q url.Values, body, want string) {
		t.Helper()
		if _, got := post(t, c, q, body); !strings.HasPrefix(got, want) {
			t.Errorf("%v %q: got %q, want %q", q, body, got, want)
		}
	}
	f(nil, "SELECT 1 + 1", "2\n")
	f(nil, "/* ; */ SELECT ';' -- ;\n;", ";\n")
	f(url.Values{"query": {"SELECT 1"}}, "+ 2", "3\n")
	f(url.Values{"query": {"SELECT {x:String}"}, "param_x": {`a\nb`}}, "", `a\nb`)
	f(nil, "SELECT 1 AS x FORMAT JSONEachRow", `{"x":1}`)
	f(url.Values{"default_format": {"CSVWithNames"}}, "SELECT 1 AS x", "\"x\"\n1\n")
	f(url.Values{"session_id": {"s"}}, "SELECT 1", "Code: 48.")
	f(nil, "CREATE TABLE IF NOT EXISTS plain (a String) ENGINE = Memory", "")
	f(url.Values{"query": {"INSERT INTO plain FORMAT TSV"}}, "x\n\n\ny\n", "")
	f(nil, "SELECT count() FROM plain", "4\n")
	f(nil, "DROP TABLE plain", "")
}
