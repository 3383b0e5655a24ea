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
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"path"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

//go:embed schema/*.sql view/*.sql query/*.sql
var files embed.FS

// Options say where the database is. One of Dial, URL and Addr is set.
type Options struct {
	Dial     func(ctx context.Context, addr string) (net.Conn, error) // the embedded engine, spoken to in HTTP
	URL      string                                                   // clickhouse://user:password@host:9000/database, http://host:8123/database or unix:///path of an engine's socket
	Addr     []string                                                 // host:port of a server's native protocol
	Database string                                                   // default: the URL's, else "dealtrail"; made when missing
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
			return nil, fmt.Errorf("read the ClickHouse URL: %w", err)
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

	conn driver.Conn
	log  *slog.Logger
	text texts
}

// Open connects to the database, and makes it when it is missing. Migrate comes
// next, once per start.
func Open(ctx context.Context, o Options) (*DB, error) {
	d, err := o.driver()
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if d.Settings, err = prepare(ctx, *d); err != nil {
		return nil, fmt.Errorf("open the database: %w", explain(err))
	}
	conn, err := clickhouse.Open(d)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", explain(err))
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &DB{conn: conn, log: o.Log, text: readTexts()}, nil
}

// prepare makes the database and returns the settings of every query. The
// server's defaults differ between versions, so that all that matter are set.
func prepare(ctx context.Context, d clickhouse.Options) (clickhouse.Settings, error) {
	name := d.Auth.Database
	d.Auth.Database = "" // the driver cannot even say hello in a database that is not there
	conn, err := clickhouse.Open(&d)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	var databases, switches uint64
	if err := conn.QueryRow(ctx, readTexts().query["Server"], clickhouse.Named("database", name)).Scan(&databases, &switches); err != nil {
		return nil, err
	}
	if databases == 0 { // asked first, since making may be forbidden where the database exists
		if err := conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS {database:Identifier}", clickhouse.Named("database", name)); err != nil {
			return nil, err
		}
	}
	settings := clickhouse.Settings{}
	maps.Copy(settings, d.Settings) // those of the URL
	settings["async_insert"], settings["join_use_nulls"], settings["session_timezone"] = 0, 0, "UTC"
	if switches > 0 { // where there is this one, it overrules insert_deduplicate
		settings["deduplicate_insert"] = "disable"
	} else {
		settings["insert_deduplicate"] = 0
	}
	return settings, nil
}

// Close closes the connections. Nothing that was inserted waits in them.
func (db *DB) Close() error { return db.conn.Close() }

// Ping asks the database whether it answers.
func (db *DB) Ping(ctx context.Context) error { return explain(db.conn.Ping(ctx)) }

// Exec runs a statement that returns no rows; args are made by clickhouse.Named.
func (db *DB) Exec(ctx context.Context, statement string, args ...any) error {
	return explain(db.conn.Exec(ctx, statement, args...))
}

// Query runs a statement that returns rows, which the caller closes; args are
// made by clickhouse.Named.
func (db *DB) Query(ctx context.Context, statement string, args ...any) (driver.Rows, error) {
	rows, err := db.conn.Query(ctx, statement, args...)
	return rows, explain(err)
}

// Migrate brings the schema up to date: it applies each file of schema/ once, in
// the order of names, and replaces all views. A file that was applied and has
// changed since is an error that names it.
func (db *DB) Migrate(ctx context.Context) error {
	tables := sqlFiles("schema")
	// The first file makes the table of what was applied; it may run again.
	if err := db.apply(ctx, tables[0]); err != nil {
		return err
	}
	type migration struct{ name, checksum string }
	applied, err := query(ctx, db, "Migrations", func(rows driver.Rows, m *migration) error {
		return rows.Scan(&m.name, &m.checksum)
	})
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	checksums := map[string]string{}
	for _, m := range applied {
		checksums[m.name] = m.checksum
	}
	for _, file := range tables {
		b, _ := files.ReadFile(file)
		sum := sha256.Sum256(b)
		name, checksum := path.Base(file), hex.EncodeToString(sum[:])
		switch before, known := checksums[name]; {
		case known && before != checksum:
			return fmt.Errorf("migrate: %s was applied to this database and has changed since; put the old text back and make the change in a new file", name)
		case known:
			continue
		}
		if err := db.apply(ctx, file); err != nil {
			return err
		}
		err := db.Exec(ctx, db.text.query["InsertMigrations"], clickhouse.Named("name", name), clickhouse.Named("checksum", checksum))
		if err != nil {
			return fmt.Errorf("migrate: note that %s is applied: %w", name, err)
		}
		db.log.Debug("schema file applied", "source", name)
	}
	for _, file := range sqlFiles("view") {
		if err := db.apply(ctx, file); err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) apply(ctx context.Context, file string) error {
	if err := db.Exec(ctx, db.text.expand(readFile(file))); err != nil {
		return fmt.Errorf("migrate: apply %s: %w", file, err)
	}
	return nil
}
