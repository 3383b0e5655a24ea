// Package storetest gives tests a fresh database on the real embedded engine.
package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"dealtrail/store"
	"dealtrail/store/chdb"
)

// One process of tests shares one engine: loading libchdb takes longer than
// most tests.
var (
	mu     sync.Mutex
	dir    string
	engine *chdb.Child
	opened atomic.Uint64
)

// Main runs the tests of a package and then ends the engine. It is all that the
// package's TestMain does; the engine is this program, started again.
func Main(m *testing.M) {
	if chdb.IsChild() {
		os.Exit(chdb.ServeChild())
	}
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "storetest:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Engine returns the engine of this test binary and starts it when there is
// none. A test that kills it must wait until it is back.
func Engine(t testing.TB) *chdb.Child {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if engine != nil {
		return engine
	}
	library, err := chdb.FindLibrary("")
	if err != nil {
		t.Fatalf("the database engine is missing: %v (run `make deps`)", err)
	}
	if dir, err = os.MkdirTemp("", "dealtrail-store-"); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	// Not the test's context: other tests go on with the engine.
	if engine, err = chdb.Start(context.WithoutCancel(t.Context()), chdb.Options{Dir: dir, Library: library, Log: log}); err != nil {
		engine = nil
		os.RemoveAll(dir)
		t.Fatal(err)
	}
	return engine
}

func stop() error {
	mu.Lock()
	defer mu.Unlock()
	if engine == nil {
		return nil
	}
	err := engine.Close()
	engine = nil
	if removed := os.RemoveAll(dir); err == nil {
		err = removed
	}
	return err
}

// Options returns how to open a database of its own, which does not exist yet
// and is dropped when the test ends.
func Options(t testing.TB) store.Options {
	t.Helper()
	o := store.Options{
		Dial:     Engine(t).DialContext,
		Database: fmt.Sprintf("test_%d", opened.Add(1)),
		Log:      slog.New(slog.DiscardHandler),
	}
	t.Cleanup(func() {
		other := o
		other.Database = "default"
		db, err := store.Open(context.Background(), other)
		if err == nil {
			err = db.Exec(context.Background(), "DROP DATABASE IF EXISTS "+o.Database)
			db.Close()
		}
		if err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return o
}

// Open returns a fresh database with its schema, dropped when the test ends.
func Open(t testing.TB) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), Options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}
