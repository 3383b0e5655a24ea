package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// WeekReview returns the weekly lead review of an ISO week, "2026-W47", in a
// zone; empty means the last complete week before now.
func (db *DB) WeekReview(ctx context.Context, week string, zone *time.Location, now time.Time, f Filter) (*trail.Review, error) {
	from, to, err := trail.ParseWeek(week, zone, now)
	if err != nil {
		return nil, err
	}
	if f, err = f.complete(); err != nil {
		return nil, err
	}
	review := &trail.Review{Week: trail.WeekOf(from, zone), From: from, To: to, Zone: zone.String(), Agents: f.Agents, Model: f.Model}
	review.Rows, review.Run, err = db.Review(ctx, from, to, f)
	return review, err
}

// Review returns the deals of one week, from Monday to the next, each in its
// strongest section (won, lost, moved, new, silent), and the run that their
// credit is from, empty without one. Sections come in that order, within them
// the highest amounts first.
func (db *DB) Review(ctx context.Context, from, to time.Time, f Filter) ([]trail.ReviewRow, string, error) {
	f, err := f.complete()
	if err != nil {
		return nil, "", err
	}
	type reviewed struct {
		trail.ReviewRow
		deal dealState
	}
	states, err := query(ctx, db, "Review", func(rows driver.Rows, r *reviewed) error {
		fields := append([]any{&r.Section}, r.deal.fields()...)
		err := rows.Scan(append(fields, &r.deal.Touches, when{&r.LastTouch}, &r.Stages, &r.Clicks, &r.Replies, &r.Sent)...)
		r.deal.LastTouch = r.LastTouch
		return err
	}, f.args(instant("from", from), instant("to", to))...)
	if err != nil {
		return nil, "", err
	}
	var deals, contacts []string
	for _, s := range states {
		deals, contacts = append(deals, s.deal.ID), append(contacts, s.deal.contacts...)
	}
	people, err := db.people(ctx, contacts)
	if err != nil {
		return nil, "", err
	}
	contributed, id, err := db.contributed(ctx, f, to, deals)
	if err != nil {
		return nil, "", err
	}
	rows := make([]trail.ReviewRow, len(states))
	for i, s := range states {
		s.Deal, s.Contributed, s.Contacts = s.deal.row(), contributed[s.deal.ID], []string{}
		for _, contact := range s.deal.contacts {
			s.Contacts = append(s.Contacts, cmp.Or(people[contact].Name, people[contact].Address, contact))
		}
		rows[i] = s.ReviewRow
	}
	return rows, id, nil
}

// contributed returns the contents in the trails of deals, by deal, most touched
// first, with what they earned, and the run that says so, empty without one.
func (db *DB) contributed(ctx context.Context, f Filter, to time.Time, deals []string) (map[string][]trail.Touched, string, error) {
	type part struct{ deal, content string }
	touched, titles, earned := map[part]uint64{}, map[string]string{}, map[part]sum{}
	type contribution struct {
		part
		title   string
		touches uint64
	}
	r, err := db.newestRun(ctx, f)
	if err != nil {
		return nil, "", err
	}
	for chunk := range slices.Chunk(deals, idsAtOnce) {
		rows, err := query(ctx, db, "Contributed", func(rows driver.Rows, c *contribution) error {
			return rows.Scan(&c.deal, &c.content, &c.title, &c.touches)
		}, f.args(clickhouse.Named("deals", chunk), instant("to", to))...)
		if err != nil {
			return nil, "", err
		}
		for _, c := range rows {
			touched[c.part], titles[c.content] = c.touches, c.title
		}
		if r == nil {
			continue
		}
		credits, err := db.credits(ctx, f, r, chunk...)
		if err != nil {
			return nil, "", err
		}
		for _, c := range credits {
			if c.content == "" {
				continue
			}
			p := part{c.deal, c.content}
			s := earned[p]
			s.add(c.sum)
			earned[p], touched[p], titles[c.content] = s, touched[p], c.title
		}
	}
	all := map[string][]trail.Touched{}
	for p, touches := range touched {
		t := trail.Touched{Content: p.content, Title: titles[p.content], Touches: touches}
		if s, ok := earned[p]; ok {
			in := s.in(r)
			t.Credit, t.Value = in.Credit, &in.Value
		}
		all[p.deal] = append(all[p.deal], t)
	}
	for _, contents := range all {
		slices.SortFunc(contents, func(a, b trail.Touched) int {
			return cmp.Or(cmp.Compare(b.Touches, a.Touches), cmp.Compare(b.Credit, a.Credit), cmp.Compare(a.Content, b.Content))
		})
	}
	if r == nil {
		return all, "", nil
	}
	return all, r.ID, nil
}
