package store

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// Decisions returns the latest word of the review of a week on each subject, of all
// reviews when it is empty, the newest week first. They are as they are now, and
// nobody is named.
func (db *DB) Decisions(ctx context.Context, week string) ([]trail.Decision, error) {
	return query(ctx, db, "Decisions", func(rows driver.Rows, d *trail.Decision) error {
		var contact, deal, by string
		var attrs map[string]string
		var at time.Time
		if err := rows.Scan(&contact, &deal, &attrs, &by, when{&at}); err != nil {
			return err
		}
		var err error
		*d, err = trail.DecisionOf(trail.ContactID(contact), deal, attrs)
		d.By, d.At = by, at
		return err
	}, instant("as_of", forever), clickhouse.Named("week", week))
}

// decide writes the decisions of a review into it: its own, also into the rows of
// their subjects, and the earlier ones that it begins with.
func (db *DB) decide(ctx context.Context, r *trail.Review, f Filter, now time.Time) error {
	all, err := db.Decisions(ctx, "")
	if err != nil {
		return err
	}
	zone := r.From.Location()
	before := trail.WeekOf(r.From.AddDate(0, 0, -7), zone)
	r.Decisions, r.Earlier = []trail.Decision{}, []trail.Decision{}
	for _, d := range all {
		d = d.Judge(now, zone)
		d.At, d.DoneAt = in(d.At, zone), in(d.DoneAt, zone)
		switch open := d.Text != "" && !d.Done; {
		case d.Empty():
		case d.Week == r.Week:
			r.Decisions = append(r.Decisions, d)
		case d.Week == before && d.Text != "", d.Week < before && open:
			r.Earlier = append(r.Earlier, d)
		}
	}
	if err := db.nameDecisions(ctx, f, r.Decisions, r.Earlier); err != nil {
		return err
	}
	slices.SortStableFunc(r.Earlier, func(a, b trail.Decision) int {
		return cmp.Or(cmp.Compare(b.Week, a.Week), cmp.Compare(a.Due, b.Due), cmp.Compare(a.ID, b.ID))
	})
	of := map[string]*trail.Decision{}
	for i, d := range r.Decisions {
		of[string(d.Contact)+" "+d.Deal] = &r.Decisions[i]
	}
	for i := range r.Leads {
		r.Leads[i].Decision = of[string(r.Leads[i].Contact)+" "]
	}
	for i := range r.Rows {
		r.Rows[i].Decision = of[" "+r.Rows[i].Deal.ID]
	}
	return nil
}

// nameDecisions writes into decisions whom and what they are about. What is gone
// since keeps its ID.
func (db *DB) nameDecisions(ctx context.Context, f Filter, lists ...[]trail.Decision) error {
	var contacts, deals []string
	for _, list := range lists {
		for _, d := range list {
			if d.Deal != "" {
				deals = append(deals, d.Deal)
			} else {
				contacts = append(contacts, string(d.Contact))
			}
		}
	}
	people, err := db.People(ctx, contacts)
	if err != nil {
		return err
	}
	names := map[string]string{}
	if len(deals) > 0 {
		f.AsOf, f.After = forever, ""
		states, err := db.dealStates(ctx, f, "id", clickhouse.Named("limit", uint64(math.MaxInt64)), deals...)
		if err != nil {
			return err
		}
		for _, s := range states {
			names[s.ID] = s.Name
		}
	}
	for _, list := range lists {
		for i := range list {
			d := &list[i]
			p := people[string(d.Contact)]
			d.Address = p.Address
			d.Title = cmp.Or(names[d.Deal], d.Deal, p.Name, p.Address, string(d.Contact))
		}
	}
	return nil
}

// in returns a time in a zone; none stays none.
func in(t time.Time, zone *time.Location) time.Time {
	if t.IsZero() {
		return t
	}
	return t.In(zone)
}
