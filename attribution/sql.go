package attribution

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
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
	started := time.Now()
	err = j.DB.Exec(ctx, text, values...)
	j.time(name, started)
	return err
}

// time notes how long a part of a run took, for benchmarks.
func (j *Job) time(part string, started time.Time) {
	j.log().Debug("done", "part", part, "took", time.Since(started))
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

// drop removes a run or a snapshot from tables that have a partition of each. IDs
// are made by us, of letters and digits.
func (j *Job) drop(ctx context.Context, id string, tables ...string) error {
	for _, table := range tables {
		if err := j.DB.Exec(ctx, "ALTER TABLE "+table+" DROP PARTITION '"+id+"'"); err != nil {
			return fmt.Errorf("remove %s of %s: %w", table, id, err)
		}
	}
	return nil
}

// closing ends a list that ends in a comma or is empty.
func closing(list string) string { return strings.TrimSuffix(list, ",") + "]" }

// quoted is a text in ClickHouse's quotes, within a parameter: the driver escapes backslashes and tabs in the whole.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// tuple is a rule as the SQL takes it.
func (w Weights) tuple(name string) string {
	early := 0
	if w.EarlyOnly {
		early = 1
	}
	kinds, contents := "{", "{"
	for _, k := range slices.Sorted(maps.Keys(w.Kinds)) {
		kinds += fmt.Sprintf("%s:%d,", quoted(string(k)), thousandths(w.Kinds[k]))
	}
	for _, id := range slices.Sorted(maps.Keys(w.Contents)) {
		contents += fmt.Sprintf("%s:%d,", quoted(id), thousandths(w.Contents[id]))
	}
	return fmt.Sprintf("('%s',%d,%d,%d,%d,%d,%d,%s},%s})", name, thousandths(w.First), thousandths(w.Lead), thousandths(w.Opportunity), thousandths(w.Last), thousandths(w.Others), early,
		strings.TrimSuffix(kinds, ","), strings.TrimSuffix(contents, ","))
}
