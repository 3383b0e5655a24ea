package attribution

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

//go:embed sql/*.sql
var statements embed.FS

// args are values for the {name:Type} of a statement.
type args map[string]any

// exec runs sql/name.sql.
func (j *Job) exec(ctx context.Context, name string, given ...args) error {
	text, values, err := bind(name, given)
	if err != nil {
		return err
	}
	return j.DB.Exec(ctx, text, values...)
}

// rows runs sql/name.sql and returns its rows.
func (j *Job) rows(ctx context.Context, name string, given ...args) (driver.Rows, error) {
	text, values, err := bind(name, given)
	if err != nil {
		return nil, err
	}
	return j.DB.Query(ctx, text, values...)
}

// one runs sql/name.sql and reads its one row.
func (j *Job) one(ctx context.Context, name string, into []any, given ...args) error {
	rows, err := j.rows(ctx, name, given...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if rows.Next() {
		err = rows.Scan(into...)
	}
	return errors.Join(err, rows.Err())
}

// bind reads a statement and names its values.
func bind(name string, given []args) (string, []any, error) {
	text, err := statements.ReadFile("sql/" + name + ".sql")
	if err != nil {
		return "", nil, err
	}
	var values []any
	for _, g := range given {
		for k, v := range g {
			if t, ok := v.(time.Time); ok {
				values = append(values, clickhouse.DateNamed(k, t, clickhouse.MilliSeconds))
				continue
			}
			values = append(values, clickhouse.Named(k, v))
		}
	}
	return string(text), values, nil
}

// milli returns t in UTC at the precision that the tables keep.
func milli(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// bound returns the end of a period in milliseconds since 1970, 0 for none.
func bound(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func (j *Job) now() time.Time {
	if j.Now == nil {
		return milli(time.Now())
	}
	return milli(j.Now())
}

func (j *Job) log() *slog.Logger { return cmp.Or(j.Log, slog.New(slog.DiscardHandler)) }
