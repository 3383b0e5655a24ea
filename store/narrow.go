package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// Narrow is which events content is counted over; the zero value is all. What is of
// deals, credit above all, goes by Filter.Only.
type Narrow struct {
	Reps          []string  // only what these sent and what came of it, by address
	Segment, Size string    // only with people of such deals, or of their companies
	Since, Until  time.Time // only what happened at or after, and before; zero: no bound
}

// Any reports whether anything is left out.
func (n Narrow) Any() bool {
	return len(n.Reps) > 0 || n.Segment != "" || n.Size != "" || !n.Since.IsZero() || !n.Until.IsZero()
}

// countedOf returns what happened to contents within the filter's Narrow, with how the
// sends were.
func (db *DB) countedOf(ctx context.Context, f Filter) ([]trail.ContentRow, map[string]sends, error) {
	sent := map[string]sends{}
	until := f.Narrow.Until
	if until.IsZero() {
		until = forever
	}
	reps := f.Narrow.Reps
	if reps == nil {
		reps = []string{}
	}
	counted, err := query(ctx, db, "ContentCountsOf", func(rows driver.Rows, c *trail.ContentRow) error {
		var s sends
		err := rows.Scan(&c.ID, &c.Reps, &c.Sent, &c.Reached, &c.Opened, &c.Opens, &c.Clicked, &c.Clicks, &c.Nameless, &c.Replied, &c.Machine,
			&c.Deals, &c.Won, &c.Lost, when{&c.LastSent}, &s.stale, &s.Observable, &s.Observed)
		sent[c.ID] = s
		return err
	}, f.args(clickhouse.Named("reps", reps), clickhouse.Named("segment", f.Narrow.Segment), clickhouse.Named("size", f.Narrow.Size),
		instant("since", f.Narrow.Since), instant("until", until))...)
	return counted, sent, err
}

// ContentChoices are what content can be narrowed to.
type ContentChoices struct {
	Segments, Sizes []string
	Reps            []string          // who sent content
	Team            map[string]string // of those who own deals whose team is known
}

// ContentChoices returns what content can be narrowed to; reps by name only if asked for.
func (db *DB) ContentChoices(ctx context.Context, names bool, f Filter) (c ContentChoices, err error) {
	if f, err = f.complete(); err != nil {
		return c, err
	}
	if c.Segments, c.Sizes, err = db.segments(ctx, f); err != nil {
		return c, err
	}
	if c.Team, err = db.teamOf(ctx, f); err != nil || !names {
		return c, err
	}
	c.Reps, err = query(ctx, db, "RepList", func(rows driver.Rows, rep *string) error { return rows.Scan(rep) }, f.args()...)
	return c, err
}

// Weeks returns how many engaged with each content in each week, by content. starts are
// the beginnings of the weeks, in order, and the end of the last.
func (db *DB) Weeks(ctx context.Context, starts []time.Time, f Filter) (map[string][]uint64, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	key := fmt.Sprint("weeks ", f.key(), " ", starts[0].Unix(), " ", len(starts))
	return perLayout(ctx, db, f, key, func(ctx context.Context) (map[string][]uint64, error) { return db.weeks(ctx, starts, f) })
}

func (db *DB) weeks(ctx context.Context, starts []time.Time, f Filter) (map[string][]uint64, error) {
	all := map[string][]uint64{}
	edges := make([]string, len(starts)-1)
	for i := range edges {
		edges[i] = moment(starts[i]).Format("2006-01-02 15:04:05.000")
	}
	_, err := query(ctx, db, "ContentWeeks", func(rows driver.Rows, content *string) error {
		var pairs [][]any
		if err := rows.Scan(content, &pairs); err != nil {
			return err
		}
		weeks := make([]uint64, len(edges))
		for _, p := range pairs {
			week, _ := p[0].(uint8)
			weeks[week-1], _ = p[1].(uint64)
		}
		all[*content] = weeks
		return nil
	}, f.args(clickhouse.Named("starts", edges), instant("from", starts[0]), instant("to", starts[len(starts)-1]))...)
	return all, err
}

// Sender is one rep who sent a content, with what came of it.
type Sender struct {
	Rep                             string
	Sent, Reached, Clicked, Replied uint64
}

// Senders returns who sent a content, by address, and in which team each is.
func (db *DB) Senders(ctx context.Context, content trail.ContentID, f Filter) ([]Sender, map[string]string, error) {
	f, err := f.complete()
	if err != nil {
		return nil, nil, err
	}
	rows, err := query(ctx, db, "Senders", func(rows driver.Rows, s *Sender) error {
		return rows.Scan(&s.Rep, &s.Sent, &s.Reached, &s.Clicked, &s.Replied)
	}, f.args(clickhouse.Named("content", content))...)
	if err != nil {
		return nil, nil, err
	}
	team, err := db.teamOf(ctx, f)
	return rows, team, err
}

// teamOf returns the team of reps who own deals whose team is known.
func (db *DB) teamOf(ctx context.Context, f Filter) (map[string]string, error) {
	return perLayout(ctx, db, f, "teams", func(ctx context.Context) (map[string]string, error) {
		team := map[string]string{}
		_, err := query(ctx, db, "Teams", func(r driver.Rows, rep *string) error {
			var name string
			err := r.Scan(rep, &name)
			team[*rep] = name
			return err
		}, f.args()...)
		return team, err
	})
}

// segments returns which segments and sizes of deals there are, A to Z.
func (db *DB) segments(ctx context.Context, f Filter) (segments, sizes []string, err error) {
	found, err := perLayout(ctx, db, f, "segments", func(ctx context.Context) (all [2][]string, err error) {
		_, err = query(ctx, db, "Segments", func(rows driver.Rows, _ *struct{}) error { return rows.Scan(&all[0], &all[1]) }, f.args()...)
		return all, err
	})
	return found[0], found[1], err
}
