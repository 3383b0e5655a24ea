// Package store keeps events in ClickHouse and answers every report from them.
//
// There is one table of events; all else is computed from it by the views in
// view/, each of which takes as_of: what we had learned by then. Copies and
// older revisions of an event are stored as they come and count once, because
// every query reads the view facts. Each method runs the statement in query/
// that bears its name.
//
// All SQL goes through clickhouse-go: to a ClickHouse server, or over HTTP to
// the embedded engine of package chdb.
package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

//go:embed schema/*.sql view/*.sql query/*.sql layout/*.sql
var files embed.FS

// Options say where the database is. One of Dial, URL and Addr is set.
type Options struct {
	Dial     func(ctx context.Context, addr string) (net.Conn, error) // the embedded engine, spoken to in HTTP
	URL      string                                                   // clickhouse://user:password@host:9000/database, http://host:8123/database or unix:///path of an engine's socket
	Addr     []string                                                 // host:port of a server's native protocol
	Database string                                                   // default: the URL's, else "dealtrail"; made when missing
	Cluster  string                                                   // name of a cluster in system.clusters, on which the tables are made: see cluster
	ReadURL  string                                                   // as URL, for a user who may only read (readonly=2): whoever asks with AsReader reads by it; empty: as everybody
	Memory   uint64                                                   // bytes that one report of a reader may take; 0: what the server allows
	Migrate  bool                                                     // bring the schema up to date whenever a connection is made
	Log      *slog.Logger                                             // nil: nothing is logged
}

// readTimeout is how long an answer may take to begin: attribution over tens of
// millions of events is one statement.
const readTimeout = 30 * time.Minute

// driver returns the options of the driver.
func (o Options) driver() (*clickhouse.Options, error) {
	d := &clickhouse.Options{Addr: o.Addr}
	dial := o.Dial
	if o.URL != "" {
		u, err := url.Parse(o.URL)
		if err == nil && u.Scheme == "unix" {
			dial = func(ctx context.Context, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", u.Path)
			}
			d.Auth.Database = u.Query().Get("database")
		} else if d, err = clickhouse.ParseDSN(o.URL); err != nil {
			if unread := new(url.Error); errors.As(err, &unread) { // it repeats the address with its password
				err = errors.New("it looks like clickhouse://user:password@host:9000/database or http://host:8123/database")
			}
			return nil, fmt.Errorf("the address cannot be read: %w", err)
		}
	}
	if dial != nil {
		// No proxy of the environment is asked for localhost.
		d.Protocol, d.Addr, d.DialContext = clickhouse.HTTP, []string{"localhost"}, dial
	}
	if len(d.Addr) == 0 {
		return nil, errors.New("no ClickHouse address is set")
	}
	if o.Database != "" {
		d.Auth.Database = o.Database
	} else if d.Auth.Database == "" {
		d.Auth.Database = "dealtrail"
	}
	d.ReadTimeout = readTimeout
	return d, nil
}

// DB is the database. Its methods may be called from several goroutines; an
// error while the database is away is a Problem with code Unavailable.
type DB struct {
	// Definition, if set, is the version of the models and the hash of the
	// settings, with a space between, that reports' runs must have: what was
	// computed under other rates or windows answers nobody.
	Definition string

	ReviewAt trail.WeekTime // when the review of a week is due, in the week after it
	CRM      string         // where the CRM shows a deal, with {id} for its ID; "": nobody said

	options *clickhouse.Options
	cluster cluster // of no name: one server
	migrate bool
	reader  *DB                 // whom readers ask; nil: this one
	limits  clickhouse.Settings // of what a reader asks
	log     *slog.Logger
	text    texts

	layouts layouts
	health  health
	answers answers

	ready atomic.Pointer[connection]
	mu    sync.Mutex
	last  *attempt // to connect; nil before the first
}

// connection is what a database that answered once is spoken to with.
type connection struct {
	driver.Conn
	shards []driver.Conn // of a cluster
}

// attempt is one try to connect, which all who ask meanwhile wait for.
type attempt struct {
	done  chan struct{} // closed when the others are set
	err   error
	ended time.Time
}

const (
	// reconnectAfter is how long nobody tries a database again that did not answer.
	reconnectAfter = 250 * time.Millisecond
	// connectWait is for one try: hello, the settings that the server knows, and the schema.
	connectWait = time.Minute
)

// Open returns the database and makes it when it is missing. One that does not
// answer is no error: each method tries again, since a node must serve its links
// while ClickHouse is away.
func Open(ctx context.Context, o Options) (*DB, error) {
	d, err := o.driver()
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	db := &DB{ReviewAt: trail.UsualReview, options: d, cluster: cluster{o.Cluster, d.Auth.Database}, migrate: o.Migrate, log: o.Log, text: readTexts(), limits: limits(o.Memory)}
	db.health.turn = make(chan struct{}, 1)
	if o.Cluster != "" {
		db.text.query["Layouts"] = db.cluster.layouts(db.text.query["Layouts"])
	}
	if db.reader, err = o.reader(); err != nil {
		return nil, fmt.Errorf("open the database for readers: %w", err)
	}
	if db.reader != nil {
		db.reader.text = db.text
	}
	if _, err := db.connect(ctx); err != nil && !isAway(err) {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return db, nil
}

// connect returns the connection, which is made when there is none.
func (db *DB) connect(ctx context.Context) (driver.Conn, error) {
	if c := db.ready.Load(); c != nil {
		return c, nil
	}
	db.mu.Lock()
	a := db.last
	if a == nil || !a.ended.IsZero() && time.Since(a.ended) > reconnectAfter {
		a = &attempt{done: make(chan struct{})}
		db.last = a
		// Whoever asked may not have the patience that the others have.
		go db.try(context.WithoutCancel(ctx), a)
	}
	db.mu.Unlock()
	select {
	case <-a.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if a.err != nil {
		return nil, a.err
	}
	return db.ready.Load(), nil
}

// try connects and tells all who wait how it went.
func (db *DB) try(ctx context.Context, a *attempt) {
	ctx, cancel := context.WithTimeout(ctx, connectWait)
	defer cancel()
	c, err := db.dial(ctx)
	if err == nil {
		db.ready.Store(c)
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	a.err, a.ended = explain(err), time.Now()
	close(a.done)
}

func (db *DB) dial(ctx context.Context) (*connection, error) {
	d := *db.options
	var err error
	if d.Settings, err = prepare(ctx, d, db.cluster); err != nil {
		return nil, err
	}
	conn, err := clickhouse.Open(&d)
	if err != nil {
		return nil, err
	}
	c := &connection{Conn: conn}
	if db.cluster.name != "" {
		c.shards, err = db.cluster.connectShards(ctx, conn, d)
	}
	if err == nil && db.migrate {
		err = db.bringUp(ctx, conn)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close(), closeAll(c.shards))
	}
	return c, nil
}

// wanted are the settings of every query. The defaults of servers differ between
// versions, so all that matter are set, as far as a server knows them.
var wanted = clickhouse.Settings{
	"async_insert": 0, "join_use_nulls": 0, "session_timezone": "UTC",
	// Exactness rests on the events' IDs. A server that dropped what it took for a copy of a block would break it.
	"insert_deduplicate": 0, "deduplicate_insert": "disable",
}

// prepare makes the database and returns the settings of every query.
func prepare(ctx context.Context, d clickhouse.Options, on cluster) (clickhouse.Settings, error) {
	name := d.Auth.Database
	wanted := maps.Clone(wanted)
	if on.name != "" {
		maps.Copy(wanted, on.wanted())
	}
	d.Auth.Database = "" // the driver cannot even say hello in a database that is not there
	conn, err := clickhouse.Open(&d)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	var databases uint64
	var known []string
	err = conn.QueryRow(ctx, readTexts().query["Server"], clickhouse.Named("database", name), clickhouse.Named("wanted", slices.Sorted(maps.Keys(wanted)))).Scan(&databases, &known)
	if err != nil {
		return nil, err
	}
	if databases == 0 { // asked first, since making may be forbidden where the database exists
		statement := "CREATE DATABASE IF NOT EXISTS {database:Identifier}"
		if on.name != "" {
			statement += " ON CLUSTER '" + on.name + "'"
		}
		if err := conn.Exec(ctx, statement, clickhouse.Named("database", name)); err != nil {
			return nil, err
		}
	}
	settings := clickhouse.Settings{}
	maps.Copy(settings, d.Settings) // those of the URL
	for _, k := range known {
		// Servers before 20.1, which know no session_timezone, cannot be sent texts.
		if _, text := wanted[k].(string); !text || slices.Contains(known, "session_timezone") {
			settings[k] = wanted[k]
		}
	}
	if slices.Contains(known, "deduplicate_insert") { // it overrules the older one, and both are too many
		delete(settings, "insert_deduplicate")
	}
	return settings, nil
}

// Close closes the connections. Nothing that was inserted waits in them.
func (db *DB) Close() error {
	if db.reader != nil {
		defer db.reader.Close()
	}
	if c := db.ready.Load(); c != nil {
		return errors.Join(c.Close(), closeAll(c.shards))
	}
	return nil
}

// Ping asks the database whether it answers.
func (db *DB) Ping(ctx context.Context) error {
	conn, err := db.connect(ctx)
	if err != nil {
		return err
	}
	return explain(conn.Ping(ctx))
}

// Exec runs a statement that returns no rows; args are made by clickhouse.Named.
func (db *DB) Exec(ctx context.Context, statement string, args ...any) error {
	conn, err := db.connect(ctx)
	if err != nil {
		return err
	}
	return explain(db.exec(ctx, conn, statement, args...))
}

// Query runs a statement that returns rows, which the caller closes; args are
// made by clickhouse.Named.
func (db *DB) Query(ctx context.Context, statement string, args ...any) (driver.Rows, error) {
	limited, db := db.whom(ctx)
	conn, err := db.connect(ctx) // without limits: it may have to make the schema
	if err != nil {
		return nil, err
	}
	ctx = limited
	rows, err := conn.Query(ctx, statement, args...)
	return rows, explain(err)
}

// Batch begins an insert of many rows.
func (db *DB) Batch(ctx context.Context, statement string) (driver.Batch, error) {
	conn, err := db.connect(ctx)
	if err != nil {
		return nil, err
	}
	b, err := conn.PrepareBatch(ctx, statement)
	return b, explain(err)
}
