package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

// SentStage is how one content was sent to people of one role while their deals were in
// one stage, and what became of these deals in the 30 days after.
type SentStage struct {
	Stage, Role                string
	Deals, People, Reps        uint64
	Moved, Lost, Stayed, Early uint64 // of the deals; early are those whose 30 days are not over
}

// SentStages returns to whom at which stage a content was sent, most deals first.
func (db *DB) SentStages(ctx context.Context, content trail.ContentID, now time.Time, f Filter) ([]SentStage, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	return query(ctx, db, "ContentStages", func(rows driver.Rows, s *SentStage) error {
		return rows.Scan(&s.Stage, &s.Role, &s.Deals, &s.People, &s.Reps, &s.Moved, &s.Lost, &s.Stayed, &s.Early)
	}, f.args(clickhouse.Named("content", content), instant("now", now))...)
}

// similarAtOnce is how many won deals one deal is held against at most, the last won.
const similarAtOnce = 200

// Similar is what won deals that are like one deal had seen by the time they left its
// stage, and which roles are on them.
type Similar struct {
	Segment, Size, Stage string // of the deal; its segment decides, else its size
	Won                  int    // deals like it; at most 200 of the last won
	Seen                 []SimilarContent
	Roles                []SimilarRole
}

// SimilarContent is a content that so many of the similar deals had seen.
type SimilarContent struct {
	Content, Title string
	Deals          uint64
}

// SimilarRole is a role that is on so many of the similar deals.
type SimilarRole struct {
	Role  string
	Deals uint64
}

// SimilarTo returns what won deals like a deal had seen. A deal that is like none, or that
// has neither segment nor size, has none won.
func (db *DB) SimilarTo(ctx context.Context, deal string, f Filter) (s Similar, err error) {
	if f, err = f.complete(); err != nil {
		return s, err
	}
	var won bool
	of, err := query(ctx, db, "SegmentOf", func(rows driver.Rows, _ *struct{}) error { return rows.Scan(&s.Segment, &s.Size, &s.Stage, &won) },
		f.args(clickhouse.Named("deal", deal))...)
	if err != nil || len(of) == 0 || s.Segment+s.Size == "" {
		return s, err
	}
	if won { // it is not like itself
		return db.similar(ctx, s, deal, f)
	}
	key := fmt.Sprintf("similar %q %q %q %s", s.Segment, s.Size, s.Stage, f.Agents)
	return perLayout(ctx, db, f, key, func(ctx context.Context) (Similar, error) { return db.similar(ctx, s, "", f) })
}

// similar finds the won deals, but one, like a deal of the segment, size and stage of s.
func (db *DB) similar(ctx context.Context, s Similar, but string, f Filter) (Similar, error) {
	var deals []string
	var until []int64
	_, err := query(ctx, db, "SimilarDeals", func(rows driver.Rows, id *string) error {
		var at int64
		var contacts []string
		err := rows.Scan(id, &at, &contacts)
		deals, until = append(deals, *id), append(until, at)
		return err
	}, f.args(clickhouse.Named("deal", but), clickhouse.Named("segment", s.Segment), clickhouse.Named("size", s.Size), clickhouse.Named("stage", s.Stage), clickhouse.Named("limit", uint64(similarAtOnce)))...)
	if s.Won = len(deals); err != nil || s.Won == 0 {
		return s, err
	}
	var titles map[string]string
	g, asking := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		var contents []string
		s.Seen, err = query(asking, db, "SimilarSeen", func(rows driver.Rows, c *SimilarContent) error {
			err := rows.Scan(&c.Content, &c.Deals)
			contents = append(contents, c.Content)
			return err
		}, f.args(clickhouse.Named("deals", deals), clickhouse.Named("until", until))...)
		if err == nil {
			titles, err = db.titles(asking, f, contents)
		}
		return err
	})
	g.Go(func() (err error) {
		s.Roles, err = query(asking, db, "SimilarRoles", func(rows driver.Rows, r *SimilarRole) error { return rows.Scan(&r.Role, &r.Deals) }, f.args(clickhouse.Named("deals", deals))...)
		return err
	})
	err = g.Wait()
	for i := range s.Seen {
		s.Seen[i].Title = titles[s.Seen[i].Content]
	}
	return s, err
}

// DealCredits returns what each content earned of a deal in a run, by model, "" for what
// no content did: in 1e-12 deals and minor units as sums in the run's currency.
func (db *DB) DealCredits(ctx context.Context, deal string, models []string, f Filter) (map[string]map[string]trail.Sum, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	r, err := db.newestRun(ctx, f)
	if err != nil || r == nil {
		return nil, err
	}
	all, err := db.credits(ctx, r, models, deal)
	if err != nil {
		return nil, err
	}
	sums := map[string]map[string]sum{}
	for _, c := range all {
		content := c.content
		if c.touch.IsZero() {
			content = ""
		}
		if sums[c.model] == nil {
			sums[c.model] = map[string]sum{}
		}
		s := sums[c.model][content]
		s.add(c.sum)
		sums[c.model][content] = s
	}
	found := map[string]map[string]trail.Sum{}
	for model, by := range sums {
		found[model] = map[string]trail.Sum{}
		for content, s := range by {
			found[model][content] = *s.in(r)
		}
	}
	return found, nil
}
