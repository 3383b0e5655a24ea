package store

import (
	"context"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// healthFor is how long what was worked out is told again: it reads everything, and a
// page that somebody leaves open asks every few seconds.
const healthFor = 2 * time.Minute

// health is what was worked out last. One asks at a time, others wait for the answer, as
// long as they like.
type health struct {
	turn chan struct{} // holds one token while somebody asks
	last *trail.Health // of whoever has the token
}

// Health returns who made the requests of the last 7 and 30 days, and what no report
// counts. It is up to two minutes old. bad is how many entries could not become events.
func (db *DB) Health(ctx context.Context, t NumberTerms, bad uint64, now time.Time) (*trail.Health, error) {
	select {
	case db.health.turn <- struct{}{}:
		defer func() { <-db.health.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if h := db.health.last; h != nil && now.Sub(h.At) < healthFor && !now.Before(h.At) {
		return h, nil
	}
	h := &trail.Health{At: now.UTC().Truncate(time.Millisecond)}
	everything := instant("as_of", forever)
	var err error
	h.Traffic, err = query(ctx, db, "HealthTraffic", func(rows driver.Rows, t *trail.Traffic) error {
		return rows.Scan((*string)(&t.Verdict), &t.Clicks7, &t.Opens7, &t.Clicks30, &t.Opens30)
	}, everything, instant("week", now.AddDate(0, 0, -7)), instant("month", now.AddDate(0, 0, -30)))
	if err != nil {
		return nil, err
	}
	codes := []string{"machine", "unknown", "self", "no_consent", "opted_out", "browser", "account_only", "retracted", "no_deal"}
	counts := map[string]uint64{"bad": bad}
	_, err = query(ctx, db, "HealthExcluded", func(rows driver.Rows, _ *struct{}) error {
		n := make([]uint64, len(codes))
		to := make([]any, len(codes))
		for i := range n {
			to[i] = &n[i]
		}
		err := rows.Scan(to...)
		for i, code := range codes {
			counts[code] = n[i]
		}
		return err
	}, everything)
	if err != nil {
		return nil, err
	}
	_, err = query(ctx, db, "HealthWindow", func(rows driver.Rows, n *uint64) error {
		err := rows.Scan(n)
		counts["out_of_window"] = *n
		return err
	}, slices.Concat(t.touches(), []any{everything})...)
	if err != nil {
		return nil, err
	}
	h.Excluded = trail.Exclusions(counts)
	db.health.last = h
	return h, nil
}
