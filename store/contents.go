package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

// Contents returns every content with what happened to it, by ID. A content that
// was touched but never registered is there under its ID. Credit is nil unless a
// run answers the filter.
func (db *DB) Contents(ctx context.Context, f Filter) ([]trail.ContentRow, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	r, err := db.newestRun(ctx, f)
	if err != nil {
		return nil, err
	}
	return db.contents(ctx, f, r, "")
}

// Content returns one content with its newest events, newest first, and the
// deals it touched or earned of, the won ones with what it earned: at most f.Limit
// of each, the deals that it earned most of. An unknown content is a Problem.
func (db *DB) Content(ctx context.Context, id trail.ContentID, f Filter) (*trail.ContentDetail, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	r, err := db.newestRun(ctx, f)
	if err != nil {
		return nil, err
	}
	var rows []trail.ContentRow
	var earned map[string]sum
	var events []trail.TrailRow
	var deals []string
	var versions []trail.ContentVersion
	g, asking := errgroup.WithContext(ctx)
	g.Go(func() (err error) { versions, err = db.versions(asking, f, id); return err })
	g.Go(func() (err error) { rows, err = db.contents(asking, f, r, id); return err })
	g.Go(func() (err error) { earned, err = db.sums(asking, f, r, "ContentDeals", id); return err })
	g.Go(func() (err error) {
		deals, err = query(asking, db, "ContentTouched", func(rows driver.Rows, deal *string) error { return rows.Scan(deal) }, f.args(clickhouse.Named("content", id))...)
		return err
	})
	g.Go(func() (err error) {
		events, _, err = db.trail(asking, f, "ContentTrail", f.limit(pageLimit), clickhouse.Named("content", id))
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if len(rows) == 0 || id == "" {
		return nil, trail.Problemf(trail.NotFound, "There is no content %q.", id)
	}
	detail := &trail.ContentDetail{ContentRow: rows[0], Events: events, Versions: versions}
	for deal := range earned {
		deals = append(deals, deal)
	}
	slices.Sort(deals)
	deals = slices.Compact(deals)
	slices.SortStableFunc(deals, func(a, b string) int { return cmp.Compare(earned[b].value, earned[a].value) })
	deals = deals[:min(len(deals), cmp.Or(f.Limit, pageLimit))]
	if detail.DealRows, err = db.deals(ctx, f, "id", deals...); err != nil {
		return nil, err
	}
	for i := range detail.DealRows {
		if d := &detail.DealRows[i]; r != nil && d.Status == "won" {
			d.Credit = earned[d.ID].in(r)
		}
	}
	return detail, nil
}

// contents returns one content, or all by ID when id is empty.
func (db *DB) contents(ctx context.Context, f Filter, r *run, id trail.ContentID) ([]trail.ContentRow, error) {
	all := map[string]trail.ContentRow{}
	var registered map[string]trail.ContentRow
	var happened []trail.ContentRow
	var sent map[string]sends
	var earned map[string]sum
	g, asking := errgroup.WithContext(ctx)
	g.Go(func() (err error) { registered, err = db.registered(asking, f, id); return err })
	if narrow := id == "" && f.Narrow.Any(); narrow {
		g.Go(func() (err error) { happened, sent, err = db.countedOf(asking, f); return err })
	} else {
		g.Go(func() (err error) { happened, err = db.counted(asking, f, id); return err })
		g.Go(func() (err error) { sent, err = db.sends(asking, f, "content", id); return err })
	}
	g.Go(func() (err error) { earned, err = db.sums(asking, f, r, "ContentCredits", id); return err })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for key, row := range registered {
		all[key] = row
	}
	for _, c := range happened {
		all[c.ID] = counted(all[c.ID], c)
	}
	rows := make([]trail.ContentRow, 0, len(all))
	for key, c := range all {
		c.ID, c.Title = key, cmp.Or(c.Title, key)
		c.Stale, c.Seen = sent[key].stale, sent[key].Seen
		if r != nil {
			c.Credit = earned[key].in(r)
		}
		rows = append(rows, c)
	}
	slices.SortFunc(rows, func(a, b trail.ContentRow) int { return cmp.Compare(a.ID, b.ID) })
	return rows, nil
}

// counted returns what happened to one content, or to all when id is empty.
func (db *DB) counted(ctx context.Context, f Filter, id trail.ContentID) ([]trail.ContentRow, error) {
	return query(ctx, db, "ContentCounts", func(rows driver.Rows, c *trail.ContentRow) error {
		return rows.Scan(&c.ID, &c.Reps, &c.Sent, &c.Reached, &c.Opened, &c.Opens, &c.Clicked, &c.Clicks, &c.Nameless, &c.Replied, &c.Machine,
			&c.Deals, &c.Won, &c.Lost, when{&c.LastSent})
	}, f.args(clickhouse.Named("content", id))...)
}

// registered returns what is registered of one content, or of all when id is
// empty, by ID.
func (db *DB) registered(ctx context.Context, f Filter, id trail.ContentID) (map[string]trail.ContentRow, error) {
	all := map[string]trail.ContentRow{}
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	_, err = query(ctx, db, "Contents", func(rows driver.Rows, c *trail.ContentRow) error {
		err := rows.Scan(&c.ID, &c.Title, &c.Kind, &c.URL, words{&c.OtherURLs}, &c.Stage, &c.Persona, &c.Version, &c.Owner,
			words{&c.Tags}, &c.File, &c.FileName, when{&c.PublishedAt}, when{&c.ExpiresAt}, &c.Successor, &c.Cost.Amount, &c.Cost.Currency)
		if c.Cost.Amount == "" {
			c.Cost = trail.Money{}
		}
		all[c.ID] = *c
		return err
	}, f.args(clickhouse.Named("content", id))...)
	return all, err
}

// counted returns the content with the counts of another.
func counted(c, n trail.ContentRow) trail.ContentRow {
	c.Reps, c.Sent, c.Reached, c.LastSent = n.Reps, n.Sent, n.Reached, n.LastSent
	c.Opened, c.Opens, c.Clicked, c.Clicks, c.Nameless, c.Replied, c.Machine = n.Opened, n.Opens, n.Clicked, n.Clicks, n.Nameless, n.Replied, n.Machine
	c.Deals, c.Won, c.Lost = n.Deals, n.Won, n.Lost
	return c
}

// sends is how the sends of a content or of a rep were.
type sends struct {
	stale uint64
	trail.Seen
}

// sends returns how sends were, by what by names: content or rep; of one content,
// or of all when it is empty.
func (db *DB) sends(ctx context.Context, f Filter, by string, content trail.ContentID) (map[string]sends, error) {
	all := map[string]sends{}
	_, err := query(ctx, db, "Sends", func(rows driver.Rows, key *string) error {
		var s sends
		err := rows.Scan(key, &s.stale, &s.Observable, &s.Observed)
		all[*key] = s
		return err
	}, f.args(clickhouse.Named("by", by), clickhouse.Named("content", content))...)
	return all, err
}

// sums returns what a query of a key and a sum finds in a run, by key; nothing
// without a run.
func (db *DB) sums(ctx context.Context, f Filter, r *run, name string, content trail.ContentID) (map[string]sum, error) {
	sums := map[string]sum{}
	if r == nil {
		return sums, nil
	}
	_, err := query(ctx, db, name, func(rows driver.Rows, key *string) error {
		var s sum
		err := rows.Scan(key, &s.credit, &s.value)
		sums[*key] = s
		return err
	}, r.param(), clickhouse.Named("model", f.Model), clickhouse.Named("content", content))
	return sums, err
}
