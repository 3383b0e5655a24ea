// Package storetest gives tests an empty database on the real embedded engine.
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
	o := options(t, fmt.Sprintf("test_%d", opened.Add(1)))
	t.Cleanup(func() {
		if err := besides(o, func(ctx context.Context, other *store.DB) error { return drop(ctx, other, o.Database) }); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return o
}

func options(t testing.TB, database string) store.Options {
	t.Helper()
	return store.Options{Dial: Engine(t).DialContext, Database: database, Log: slog.New(slog.DiscardHandler)}
}

// besides does something to a database from another.
func besides(o store.Options, do func(context.Context, *store.DB) error) error {
	ctx := context.Background() // the test's has ended
	o.Database = "default"
	other, err := store.Open(ctx, o)
	if err != nil {
		return err
	}
	defer other.Close()
	return do(ctx, other)
}

func drop(ctx context.Context, other *store.DB, database string) error {
	return other.Exec(ctx, "DROP DATABASE IF EXISTS "+database)
}

// Open returns an empty database with its schema, which nobody else has until the test
// ends. To make the schema takes longer than most tests: a database that is as its
// schema made it, but for rows, is emptied and serves another test.
func Open(t testing.TB) *store.DB {
	t.Helper()
	o := options(t, emptied.take())
	fresh := o.Database == ""
	if fresh {
		o.Database = fmt.Sprintf("test_%d", opened.Add(1))
	}
	t.Cleanup(func() {
		err := besides(o, func(ctx context.Context, other *store.DB) error {
			if t.Failed() {
				return drop(ctx, other, o.Database)
			}
			return emptied.put(ctx, other, o.Database)
		})
		if err != nil {
			t.Errorf("empty or drop the test's database: %v", err)
		}
	})
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if fresh {
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := emptied.learn(t.Context(), db, o.Database); err != nil {
			t.Fatal(err)
		}
	}
	return db
}
