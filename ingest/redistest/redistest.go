// Package redistest gives tests an empty Redis, a real one.
package redistest

import (
	"log/slog"
	"testing"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest"
)

// Start returns a private redis-server and a client of it. Both end with the test.
func Start(t testing.TB) (*ingest.Redis, redis.UniversalClient) {
	t.Helper()
	server, err := ingest.StartRedis(t.Context(), ingest.RedisOptions{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	rdb, err := ingest.Connect(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	return server, rdb
}
