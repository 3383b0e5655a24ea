package store

import (
	"context"
	"encoding/hex"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

// near is an event that came, or was judged again, between two runs.
type near struct {
	trail.DiffTouch
	contact  string
	received int64 // milliseconds since 1970
	revised  bool
}

// stretchesAtOnce is in how many stretches of time events near touches are looked for.
const stretchesAtOnce = 8

// explainBursts finds the deals of which a touch entered or left the path only
// because one before it, of the same burst, came late or was judged again: that one
// need not be in any path itself.
func (db *DB) explainBursts(ctx context.Context, p *pair, deals []dealChange) error {
	reach := time.Duration(max(p.rules.a.burst, p.rules.b.burst)) * time.Millisecond
	var moved []*dealChange
	var times []time.Time
	for i := range deals {
		if d := &deals[i]; d.cause == trail.CauseMoved {
			moved = append(moved, d)
			for _, m := range d.moves {
				times = append(times, m.At)
			}
		}
	}
	if reach == 0 || len(moved) == 0 {
		return nil
	}
	found, err := db.near(ctx, p, times, reach)
	if err != nil {
		return err
	}
	slices.SortFunc(found, func(x, y near) int { return x.At.Compare(y.At) })
	for _, d := range moved {
		causes := map[trail.Cause]bool{}
		for k := range d.moves {
			m := &d.moves[k]
			from, _ := slices.BinarySearchFunc(found, m.At.Add(-reach), func(n near, t time.Time) int { return n.At.Compare(t) })
			for _, n := range found[from:] {
				if n.At.After(m.At) {
					break
				}
				if why := p.burst(*m, n); why != "" && m.why == trail.CauseMoved {
					m.why, m.burst, causes[why] = why, true, true
				}
			}
		}
		for _, cause := range []trail.Cause{trail.CauseLate, trail.CauseVerdict, trail.CauseRemoved} {
			if causes[cause] {
				d.cause = cause
				break
			}
		}
	}
	return nil
}

// burst says why an event shortly before a move explains it, "" if it does not.
func (p *pair) burst(m move, n near) trail.Cause {
	switch {
	case n.ID == m.ID,
		n.Kind != m.Kind && n.Kind != trail.Retracted,
		n.Content != "" && n.Content != m.Content,
		n.contact != "" && m.contact != "" && n.contact != m.contact:
		return ""
	}
	without := p.a // the run that has the touch lacks the one before it
	if m.Entered {
		without = p.b
	}
	switch {
	case n.received > without.AsOf.UnixMilli():
		return trail.CauseLate
	case n.Kind == trail.Retracted:
		return trail.CauseRemoved
	case n.revised:
		return trail.CauseVerdict
	}
	return ""
}

// near returns the events that are new since the earlier run, at most a burst
// before one of some times.
func (db *DB) near(ctx context.Context, p *pair, times []time.Time, reach time.Duration) ([]near, error) {
	known := min(p.a.AsOf.UnixMilli(), p.b.AsOf.UnixMilli())
	stretches := stretchesOf(times, reach)
	found := make([][]near, len(stretches))
	g, asking := errgroup.WithContext(ctx)
	for i, s := range stretches {
		g.Go(func() (err error) {
			found[i], err = query(asking, db, "DiffNear", func(rows driver.Rows, n *near) error {
				var id string
				var at int64
				err := rows.Scan(&id, (*string)(&n.Kind), &n.Content, &n.contact, &at, &n.received, &n.revised)
				if err == nil {
					n.At = time.UnixMilli(at).UTC()
					_, err = hex.Decode(n.ID[:], []byte(id))
				}
				return err
			}, clickhouse.Named("low", idFrom(s[0])), clickhouse.Named("high", idFrom(s[1].Add(time.Millisecond))), clickhouse.Named("known", known))
			return err
		})
	}
	err := g.Wait()
	return slices.Concat(found...), err
}

// idFrom is the lowest ID of a time, in hex.
func idFrom(t time.Time) string {
	id := trail.IDFrom(t, "")
	clear(id[6:])
	return hex.EncodeToString(id[:])
}

// stretchesOf returns the few stretches of time that hold some times, each with
// what is within reach before it.
func stretchesOf(times []time.Time, reach time.Duration) (all [][2]time.Time) {
	slices.SortFunc(times, time.Time.Compare)
	for _, t := range times {
		from := t.Add(-reach)
		if n := len(all); n > 0 && !from.After(all[n-1][1]) {
			all[n-1][1] = t
			continue
		}
		all = append(all, [2]time.Time{from, t})
	}
	for len(all) > stretchesAtOnce { // the two that are closest become one
		closest := 0
		for i := range len(all) - 1 {
			if all[i+1][0].Sub(all[i][1]) < all[closest+1][0].Sub(all[closest][1]) {
				closest = i
			}
		}
		all[closest][1] = all[closest+1][1]
		all = slices.Delete(all, closest+1, closest+2)
	}
	return all
}
