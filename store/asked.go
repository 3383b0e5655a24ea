package store

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// Requests returns what reps ask marketing for, open ones first, each with its
// latest answer and its deal by now; late are those without an answer so many days
// after they were asked. With a deal, only what waits for it.
func (db *DB) Requests(ctx context.Context, deal string, days int, now time.Time, f Filter) ([]trail.Request, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	var deals, contents []string
	all, err := query(ctx, db, "Requests", func(rows driver.Rows, q *trail.Request) error {
		err := rows.Scan(&q.ID, when{&q.At}, &q.Rep, &q.Text, &q.Deal, &q.Stage, &q.Persona)
		deals = append(deals, q.Deal)
		return err
	}, f.args(clickhouse.Named("deal", deal))...)
	if err != nil || len(all) == 0 {
		return all, err
	}
	answers := map[string]*trail.Answer{}
	_, err = query(ctx, db, "Answers", func(rows driver.Rows, a *trail.Answer) error {
		var request string
		err := rows.Scan(&request, when{&a.At}, &a.By, &a.Text, &a.Content, &a.Declined)
		said := *a
		answers[request] = &said
		contents = append(contents, a.Content)
		return err
	}, f.args(clickhouse.Named("deal", deal))...)
	if err != nil {
		return nil, err
	}
	titles, err := db.titles(ctx, f, contents)
	if err != nil {
		return nil, err
	}
	known, err := db.DealsOf(ctx, f, deals)
	if err != nil {
		return nil, err
	}
	for i := range all {
		q := &all[i]
		if q.Answer = answers[q.ID.String()]; q.Answer != nil {
			q.Answer.Request, q.Answer.Title = q.ID, titles[q.Answer.Content]
		}
		if d, ok := known[q.Deal]; ok {
			q.DealName, q.DealStatus, q.DealValue = d.Name, d.Status, d.Value
		}
		q.Judge(days, now)
	}
	trail.SortRequests(all)
	return all, nil
}

// DealsOf returns deals by ID, without their touches; those that there are not are
// not there.
func (db *DB) DealsOf(ctx context.Context, f Filter, ids []string) (map[string]trail.DealRow, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	f.After = ""
	known := map[string]trail.DealRow{}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == "" })
	slices.Sort(ids)
	for chunk := range slices.Chunk(slices.Compact(ids), idsAtOnce) {
		states, err := db.dealStates(ctx, f, "id", clickhouse.Named("limit", uint64(math.MaxInt64)), chunk...)
		if err != nil {
			return nil, err
		}
		for _, d := range states {
			known[d.ID] = d.DealRow
		}
	}
	return known, nil
}

// Notes returns what reps noted on contents, the newest first, with the votes by now;
// of one content or deal if it is named.
func (db *DB) Notes(ctx context.Context, content, deal string, f Filter) ([]trail.Note, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	var contents []string
	all, err := query(ctx, db, "Notes", func(rows driver.Rows, n *trail.Note) error {
		err := rows.Scan(&n.ID, when{&n.At}, &n.Rep, &n.Text, &n.Content, &n.Deal)
		n.Voters = []string{}
		contents = append(contents, n.Content)
		return err
	}, f.args(clickhouse.Named("content", content), clickhouse.Named("deal", deal))...)
	if err != nil || len(all) == 0 {
		return all, err
	}
	type votes struct {
		voters []string
		last   time.Time
	}
	cast := map[string]votes{}
	_, err = query(ctx, db, "Votes", func(rows driver.Rows, v *votes) error {
		var note string
		err := rows.Scan(&note, &v.voters, when{&v.last})
		cast[note] = *v
		return err
	}, f.args()...)
	if err != nil {
		return nil, err
	}
	titles, err := db.titles(ctx, f, contents)
	for i := range all {
		n := &all[i]
		n.Title = titles[n.Content]
		if v, ok := cast[n.ID.String()]; ok {
			n.Voters, n.Votes, n.Voted = append([]string{}, v.voters...), len(v.voters), v.last
		}
	}
	return all, err
}
