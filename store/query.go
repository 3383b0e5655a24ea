package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/store/chdb"
	"dealtrail/trail"
)

// query runs query/name.sql and reads each row with scan.
func query[T any](ctx context.Context, db *DB, name string, scan func(driver.Rows, *T) error, args ...any) ([]T, error) {
	text, ok := db.text.query[name]
	if !ok {
		panic("store: there is no query/" + name + ".sql") // every method has a test
	}
	if laid, ok := db.text.laid[name]; ok {
		if id := db.layoutFor(ctx, args); id != "" {
			text, args = laid, append(args[:len(args):len(args)], clickhouse.Named("layout", id))
		}
	}
	started := time.Now()
	defer func() { db.log.Debug("asked", "query", name, "took", time.Since(started)) }()
	rows, err := db.Query(ctx, text, args...)
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", name, err)
	}
	defer rows.Close()
	all := []T{} // an empty list is [] in JSON
	for rows.Next() {
		all = append(all, *new(T))
		if err := scan(rows, &all[len(all)-1]); err != nil {
			return nil, fmt.Errorf("query %s: read row %d: %w", name, len(all), err)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("query %s: %w", name, explain(err))
	}
	return all, nil
}

// away is an error because the database does not answer: a Problem for whoever
// asked, and the cause for whoever looks with errors.Is.
type away struct {
	problem trail.Problem
	cause   error
}

func (a *away) Error() string   { return a.problem.Text + " (" + a.cause.Error() + ")" }
func (a *away) Unwrap() []error { return []error{&a.problem, a.cause} }

// isAway reports whether an error is one that passes by itself.
func isAway(err error) bool {
	var a *away
	return errors.As(err, &a)
}

// explain makes a Problem of an error that passes by itself.
func explain(err error) error {
	var lost *net.OpError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, chdb.ErrRestarting):
		return &away{trail.Problem{Code: trail.Unavailable, Text: "The database is restarting; try again in a moment."}, err}
	case isAway(err):
		return err
	case beyond(err) != nil:
		return beyond(err)
	case errors.As(err, &lost), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, clickhouse.ErrAcquireConnTimeout):
		return &away{trail.Problem{Code: trail.Unavailable, Text: "The database does not answer; try again in a moment."}, err}
	}
	return err
}
