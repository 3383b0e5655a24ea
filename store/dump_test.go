package store_test

import (
	"fmt"
	"testing"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// What is dumped and loaded into another database gives the same rows, in every table.
func TestADumpIsLoadedRowByRow(t *testing.T) {
	db, other := openCompany(t), storetest.Open(t)
	err := db.InsertBad(t.Context(), []store.Bad{{Entry: store.Entry{Epoch: "e", Ms: 1}, At: day(1), Stage: "decode", Reason: "no", Raw: "\x00\xff\n\nraw"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.InsertArrivals(t.Context(), []store.Arrival{{Event: trail.NewID(day(1)), Entry: store.Entry{Epoch: "e", Partition: 3, Ms: 7, Seq: 1}}}); err != nil {
		t.Fatal(err)
	}
	if err := db.Exec(t.Context(), "INSERT INTO lift_entries (run, deal, stage, before, contents, seen) VALUES ('r', 7, 's', 'fast', ['a', 'b'], [-1, 2])"); err != nil {
		t.Fatal(err)
	}
	some := 0
	for _, table := range store.DumpTables {
		n := uint64(0)
		dumped, err := db.Dump(t.Context(), table, func(block []byte) error {
			loaded, err := other.Load(t.Context(), table, block, nil)
			n += loaded
			return err
		})
		if err != nil || n != dumped {
			t.Fatalf("%s: %d of %d rows, %v", table, n, dumped, err)
		}
		if n > 0 {
			some++
		}
		rows := func(db *store.DB) string {
			all := "*"
			if table == "events" {
				all = "* REPLACE (mapSort(attrs) AS attrs)"
			}
			return fmt.Sprint(texts(t, db, "SELECT DISTINCT toString(tuple("+all+")) AS row FROM "+table+" ORDER BY row"))
		}
		check(t, table, rows(other), rows(db))
	}
	if some < 8 {
		t.Errorf("only %d tables had rows", some)
	}
}
