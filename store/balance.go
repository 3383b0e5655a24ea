package store

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Cut is where the partitions stood at one time: their entries up to Ms and Seq
// were loaded, of the life that Epochs names. All have one element for each partition.
type Cut struct {
	Epochs  []string
	Ms, Seq []uint64
}

func (c Cut) args() []any {
	return []any{clickhouse.Named("epochs", c.Epochs), clickhouse.Named("ms", c.Ms), clickhouse.Named("seq", c.Seq)}
}

// Arrivals is what became of the entries up to a cut.
type Arrivals struct {
	Entries    uint64 // that became events
	Events     uint64 // that they became
	Revisions  uint64 // further revisions of these
	Duplicates uint64 // further copies of a revision
	Bad        uint64 // entries that became no event
	Former     uint64 // of all these entries, those of earlier lives of the streams
	Loaded     uint64 // events of all entries, those after the cut included
}

// Arrivals counts the entries that were loaded up to a cut. The events that they
// became are counted by Stored, from the table of events itself.
func (db *DB) Arrivals(ctx context.Context, cut Cut) (Arrivals, error) {
	rows, err := query(ctx, db, "BalanceArrivals", func(rows driver.Rows, a *Arrivals) error {
		return rows.Scan(&a.Entries, &a.Events, &a.Revisions, &a.Duplicates, &a.Loaded, &a.Former)
	}, cut.args()...)
	if err != nil || len(rows) == 0 {
		return Arrivals{}, err
	}
	a := rows[0]
	_, err = query(ctx, db, "BalanceBad", func(rows driver.Rows, former *uint64) error {
		err := rows.Scan(&a.Bad, former)
		a.Former += *former
		return err
	}, cut.args()...)
	return a, err
}

// Stored is how many events there are.
type Stored struct {
	Events  uint64
	Erased  uint64 // removed because a person asked
	Expired uint64 // removed because they were old
}

// Stored counts events in their own table, each once.
func (db *DB) Stored(ctx context.Context) (Stored, error) {
	rows, err := query(ctx, db, "BalanceStored", func(rows driver.Rows, s *Stored) error {
		return rows.Scan(&s.Events, &s.Erased, &s.Expired)
	})
	if err != nil || len(rows) == 0 {
		return Stored{}, err
	}
	return rows[0], nil
}
