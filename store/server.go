package store

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Server is what a database says of itself and of who asks.
type Server struct {
	Version  string // such as 24.8.4.13
	Readonly uint64 // as ClickHouse has it: 0 writes, 1 changes not even settings, 2 reads
}

// AskServer asks the server of a URL, see [Options], in no database of it, and makes
// nothing there.
func AskServer(ctx context.Context, address string) (s Server, err error) {
	d, err := Options{URL: address}.driver()
	if err != nil {
		return s, err
	}
	d.Auth.Database = ""
	conn, err := clickhouse.Open(d)
	if err != nil {
		return s, err
	}
	defer conn.Close()
	// Servers of any age have this table.
	err = conn.QueryRow(ctx, "SELECT version(), toUInt64(max(value)) FROM system.settings WHERE name = 'readonly'").Scan(&s.Version, &s.Readonly)
	return s, err
}
