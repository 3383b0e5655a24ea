package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"dealtrail/trail"
)

// DumpTables are the tables that a backup has, in the order in which they must be read
// while others write: who finds an arrival finds its event, who finds an event finds its
// person, and who finds a run finds all of it read later. What is made from these, layouts
// and snapshots, is made again.
var DumpTables = []string{"arrivals", "bad_entries", "removed", "events", "people", "runs", "credits", "run_deals", "effects", "lifts", "lift_entries"}

// dumpRows is how many rows a block of a dump has at most, dumpBytes about how many bytes.
const (
	dumpRows  = 50_000
	dumpBytes = 16 << 20
)

// Dump reads a whole table and hands it over in blocks of ClickHouse's format Native,
// which any ClickHouse reads. It returns how many rows there were. What is inserted
// meanwhile may or may not be in it.
func (db *DB) Dump(ctx context.Context, table string, take func(block []byte) error) (rows uint64, err error) {
	if !slices.Contains(DumpTables, table) {
		return 0, fmt.Errorf("dump %s: no such table in backups", table)
	}
	type col struct{ name, kind string }
	cols, err := query(ctx, db, "Columns", func(rows driver.Rows, c *col) error { return rows.Scan(&c.name, &c.kind) }, clickhouse.Named("table", table))
	if err != nil || len(cols) == 0 {
		return 0, fmt.Errorf("dump %s: %w", table, err)
	}
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = "`" + c.name + "`"
	}
	found, err := db.Query(ctx, "SELECT "+strings.Join(names, ", ")+" FROM "+table)
	if err != nil {
		return 0, fmt.Errorf("dump %s: %w", table, err)
	}
	defer found.Close()
	targets := make([]any, len(cols))
	for i, t := range found.ColumnTypes() {
		targets[i] = reflect.New(t.ScanType()).Interface()
	}
	values := make([]any, len(cols))
	var block *proto.Block
	size := 0
	flush := func() error {
		if block == nil {
			return nil
		}
		var b chproto.Buffer
		if err := block.Encode(&b, 0); err != nil {
			return err
		}
		block, size = nil, 0
		return take(b.Buf)
	}
	for found.Next() {
		if err := found.Scan(targets...); err != nil {
			return rows, fmt.Errorf("dump %s: row %d: %w", table, rows, err)
		}
		if block == nil {
			block = proto.NewBlock()
			for _, c := range cols {
				if err := block.AddColumn(c.name, column.Type(c.kind)); err != nil {
					return rows, fmt.Errorf("dump %s: %w", table, err)
				}
			}
		}
		for i, t := range targets {
			values[i] = reflect.ValueOf(t).Elem().Interface()
			size += sizeOf(values[i])
		}
		if err := block.Append(values...); err != nil {
			return rows, fmt.Errorf("dump %s: row %d: %w", table, rows, err)
		}
		if rows++; block.Rows() >= dumpRows || size >= dumpBytes {
			if err := flush(); err != nil {
				return rows, fmt.Errorf("dump %s: %w", table, err)
			}
		}
	}
	if err := found.Err(); err != nil {
		return rows, fmt.Errorf("dump %s: %w", table, explain(err))
	}
	if err := flush(); err != nil {
		return rows, fmt.Errorf("dump %s: %w", table, err)
	}
	return rows, nil
}

// sizeOf is about how many bytes a value takes.
func sizeOf(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case map[string]string:
		n := 0
		for k, v := range v {
			n += len(k) + len(v)
		}
		return n
	}
	return 8
}

// Load inserts a block that Dump made, and returns how many rows. clean may change a
// row, by column, or leave it out; nil takes all as they are. Columns that the table has
// not are refused.
func (db *DB) Load(ctx context.Context, table string, block []byte, clean func(row map[string]any) (keep bool)) (uint64, error) {
	if !slices.Contains(DumpTables, table) {
		return 0, fmt.Errorf("load %s: no such table in backups", table)
	}
	var b proto.Block
	b.ServerContext = &column.ServerContext{}
	r := chproto.NewReader(io.NopCloser(bytes.NewReader(block)))
	if err := b.Decode(r, 0); err != nil {
		return 0, fmt.Errorf("load %s: read a block: %w", table, err)
	}
	names := b.ColumnsNames()
	quoted := make([]string, len(names))
	for i, n := range names {
		if strings.ContainsAny(n, "`\\") {
			return 0, fmt.Errorf("load %s: %q is no column of ours", table, n)
		}
		quoted[i] = "`" + n + "`"
	}
	batch, err := db.Batch(ctx, "INSERT INTO "+table+" ("+strings.Join(quoted, ", ")+")")
	if err != nil {
		return 0, fmt.Errorf("load %s: %w", table, err)
	}
	defer batch.Close()
	var n uint64
	values := make([]any, len(names))
	for i := range b.Rows() {
		for c := range names {
			values[c] = b.Columns[c].Row(i, false)
		}
		if clean != nil {
			row := map[string]any{}
			for c, name := range names {
				row[name] = values[c]
			}
			if !clean(row) {
				continue
			}
			for c, name := range names {
				values[c] = row[name]
			}
		}
		if err := batch.Append(values...); err != nil {
			return n, fmt.Errorf("load %s: row %d: %w", table, i, err)
		}
		n++
	}
	if n == 0 {
		return 0, nil
	}
	if err := batch.Send(); err != nil {
		return n, fmt.Errorf("load %s: %w", table, explain(err))
	}
	return n, nil
}

// Applied returns the files of the schema that were applied to the database, in order.
func (db *DB) Applied(ctx context.Context) ([]string, error) {
	conn, err := db.connect(ctx)
	if err != nil {
		return nil, err
	}
	all, err := db.applied(ctx, conn)
	return slices.Sorted(maps.Keys(all)), explain(err)
}

// UnknownSchema returns those files of a schema that this program has not.
func UnknownSchema(names []string) (unknown []string) {
	ours := sqlFiles("schema")
	for _, name := range names {
		if !slices.Contains(ours, "schema/"+name) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// Rows returns how many rows a table has, copies included.
func (db *DB) Rows(ctx context.Context, table string) (uint64, error) {
	all, err := query(ctx, db, "RowsOf", func(rows driver.Rows, n *uint64) error { return rows.Scan(n) }, clickhouse.Named("table", table))
	if err != nil || len(all) == 0 {
		return 0, err
	}
	return all[0], nil
}

// CleanRow leaves out of a row of a dump who was erased: text rewrites free text and
// contact contacts. Rows of people whom erased knows are not kept.
func CleanRow(table string, row map[string]any, erased func(trail.ContactID) bool, contact func(trail.ContactID) trail.ContactID, text func(string) string) (keep bool) {
	switch table {
	case "people":
		c, _ := row["contact"].(string)
		return !erased(trail.ContactID(c))
	case "bad_entries":
		for _, name := range []string{"raw", "reason"} {
			if s, ok := row[name].(string); ok {
				row[name] = text(s)
			}
		}
	case "events":
		if c, _ := row["contact"].(string); erased(trail.ContactID(c)) {
			row["contact"] = string(contact(trail.ContactID(c)))
		}
		if s, ok := row["note"].(string); ok {
			row["note"] = text(s)
		}
		if attrs, ok := row["attrs"].(map[string]string); ok {
			for k, v := range attrs {
				attrs[k] = text(v)
			}
		}
	}
	return true
}
