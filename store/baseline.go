package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

// Baseline returns where the company stands, over a period of which both ends
// count. The zero time for from lets it begin with the first mail, for deals as
// for mail: else the wins of years would stand beside the mail of one.
func (db *DB) Baseline(ctx context.Context, from, to time.Time) (*trail.Baseline, error) {
	f, err := Filter{}.complete()
	if err != nil {
		return nil, err
	}
	if from.IsZero() {
		if _, err := query(ctx, db, "FirstMail", func(rows driver.Rows, _ *struct{}) error { return rows.Scan(when{&from}) }, f.args(instant("to", to))...); err != nil {
			return nil, err
		}
	}
	period := f.args(instant("from", from), instant("to", to))
	b := &trail.Baseline{At: to.UTC().Truncate(time.Millisecond), From: from.UTC(), To: to.UTC().Truncate(time.Millisecond)}
	contents, won := map[string]trail.BaselineRow{}, map[string]uint64{}
	var sighted []trail.SightedRow
	var targets []trail.Target
	g, asking := errgroup.WithContext(ctx)
	g.Go(func() error {
		_, err := query(asking, db, "BaselineMail", func(rows driver.Rows, _ *struct{}) error {
			return rows.Scan(&b.Sends, &b.Tracked, &b.Files, &b.PlainLinks, &b.Stale, &b.Observable, &b.Reps, &b.Recipients, &b.Written, &b.Unanswered)
		}, period...)
		return err
	})
	g.Go(func() error {
		_, err := query(asking, db, "BaselineContents", func(rows driver.Rows, r *trail.BaselineRow) error {
			err := rows.Scan(&r.Content, &r.Sends, &r.Reps, &r.Recipients, &r.Stale)
			contents[r.Content] = *r
			return err
		}, period...)
		return err
	})
	g.Go(func() error {
		_, err := query(asking, db, "BaselineWon", func(rows driver.Rows, content *string) error {
			var deals uint64
			err := rows.Scan(content, &deals)
			won[*content] = deals
			return err
		}, period...)
		return err
	})
	g.Go(func() error {
		_, err := query(asking, db, "WonDeals", func(rows driver.Rows, _ *struct{}) error { return rows.Scan(&b.Won) }, period...)
		return err
	})
	g.Go(func() (err error) { sighted, err = db.Sighted(asking, to, f); return err })
	g.Go(func() (err error) { targets, err = db.Targets(asking); return err })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, r := range sighted {
		switch {
		case r.Dismissed:
		case r.Found == trail.Unregistered:
			b.Unregistered++
		case r.Found == trail.NearCopy:
			b.NearCopies++
		}
	}
	b.Contents, b.WonWith = uint64(len(targets)), won[""]
	b.Rows = baselineRows(targets, contents, won)
	for _, t := range targets {
		if contents[t.Content].Sends == 0 {
			b.Unsent++
		}
	}
	return b, nil
}

// baselineRows returns every content that is registered or was sent, the most
// sent first.
func baselineRows(targets []trail.Target, sent map[string]trail.BaselineRow, won map[string]uint64) []trail.BaselineRow {
	all := maps.Clone(sent)
	for _, t := range targets {
		r := all[t.Content]
		r.Content, r.Title = t.Content, t.Title
		all[t.Content] = r
	}
	for content, deals := range won {
		if r := all[content]; content != "" {
			r.Content, r.Won = content, deals
			all[content] = r
		}
	}
	rows := slices.AppendSeq([]trail.BaselineRow{}, maps.Values(all))
	slices.SortFunc(rows, func(a, b trail.BaselineRow) int {
		return cmp.Or(cmp.Compare(b.Sends, a.Sends), cmp.Compare(b.Won, a.Won), cmp.Compare(a.Content, b.Content))
	})
	return rows
}

// KeptBaseline returns the baseline that was kept last, nil if none was.
func (db *DB) KeptBaseline(ctx context.Context) (*trail.Baseline, error) {
	reports, err := query(ctx, db, "Measured", func(rows driver.Rows, report *string) error { return rows.Scan(report) }, instant("as_of", forever))
	if err != nil || len(reports) == 0 {
		return nil, err
	}
	return trail.ParseBaseline(reports[0])
}

// Baselines returns the baseline that was kept last, and where the company stands
// now over a period of the same length: sums over more time would only grow. While
// none is kept the period begins at since, which is how far back mail is read.
func (db *DB) Baselines(ctx context.Context, since, now time.Time) (both trail.Baselines, err error) {
	if both.Kept, err = db.KeptBaseline(ctx); err != nil {
		return both, err
	}
	from := since
	if k := both.Kept; k != nil && !k.From.IsZero() {
		from = now.Add(-k.To.Sub(k.From))
	}
	found, err := once(ctx, db, fmt.Sprint("baseline ", now.Sub(from).Round(time.Hour)), func(ctx context.Context) (*trail.Baseline, error) {
		return db.Baseline(ctx, from, now)
	})
	if err == nil {
		own := *found // the caller may add to it
		both.Now = &own
	}
	return both, err
}
