package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// TestAReportThatAsksForTooMuchIsEnded asks what no machine answers in time, and what needs
// more memory than a report may take.
func TestAReportThatAsksForTooMuchIsEnded(t *testing.T) {
	o := storetest.Options(t)
	o.Memory = 64 << 20 // no schema: what is asked needs none
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	ask := func(ctx context.Context, statement string) error {
		rows, err := db.Query(ctx, statement)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
		}
		return store.Explain(rows.Err())
	}
	const endless, hungry = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))", "SELECT length(groupArray(number)) FROM numbers(50000000)"
	for statement, want := range map[string]string{endless: "took longer than", hungry: "more memory"} {
		db.Limit(time.Minute)
		if statement == endless {
			db.Limit(300 * time.Millisecond)
		}
		began := time.Now()
		err := ask(store.AsReader(t.Context()), statement)
		problem(t, err, trail.Unavailable)
		if p := (*trail.Problem)(nil); !errors.As(err, &p) || !strings.Contains(p.Text, want) || strings.Contains(p.Text, "DB::") {
			t.Errorf("%s: a person reads %v", statement, err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%s: ended after %s", statement, took)
		}
	}
	if err := ask(t.Context(), hungry); err != nil {
		t.Errorf("a job has the limits of a reader: %v", err)
	}
	if err := ask(store.AsReader(t.Context()), "SELECT sum(number) FROM numbers(1000)"); err != nil {
		t.Errorf("a report within the limits: %v", err)
	}
}

// TestReadersAskByTheirOwnAddress gives readers another database, in which nothing is.
func TestReadersAskByTheirOwnAddress(t *testing.T) {
	o, other := storetest.Options(t), storetest.Options(t)
	for _, each := range []*store.Options{&o, &other} { // makes the databases
		db, err := store.Open(t.Context(), *each)
		if err != nil {
			t.Fatal(err)
		}
		db.Close()
	}
	o.ReadURL = "unix://" + storetest.Engine(t).Socket() + "?database=" + other.Database
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	where := func(ctx context.Context) (name string) {
		t.Helper()
		rows, err := db.Query(ctx, "SELECT currentDatabase()")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		if !rows.Next() || rows.Scan(&name) != nil {
			t.Fatal(rows.Err())
		}
		return name
	}
	if got := where(t.Context()); got != o.Database {
		t.Errorf("jobs ask %s, want %s", got, o.Database)
	}
	if got := where(store.AsReader(t.Context())); got != other.Database {
		t.Errorf("readers ask %s, want %s", got, other.Database)
	}
	if err := db.Exec(store.AsReader(t.Context()), "CREATE TABLE written (x UInt8) ENGINE = MergeTree ORDER BY x"); err != nil || number(t, db, "SELECT count() FROM system.tables WHERE name = 'written' AND database = '"+o.Database+"'") != 1 {
		t.Errorf("what a reader's request writes does not go to where all is written: %v", err)
	}
}
