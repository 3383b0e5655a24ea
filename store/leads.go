package store

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// leadTouches is what one lead did before the end of a week.
type leadTouches struct {
	person                       uint64 // a hash of the contact
	sent, clicks, views, replies uint64 // in the week
	lately                       uint64 // touches within engagement
	touched, mailed              time.Time
}

// leads returns whom a review talks about: those with a reason, the strongest first,
// at most trail.MaxLeads. Rows are those of the review's deals, states all deals; until
// is the end of the week or, while it runs, now.
func (db *DB) leads(ctx context.Context, f Filter, from, to, until time.Time, states []dealState, rows []trail.ReviewRow) ([]trail.Lead, error) {
	type lead struct {
		trail.Lead
		person uint64
	}
	all, err := query(ctx, db, "Leads", func(rows driver.Rows, l *lead) error {
		c := &l.ContactRow
		err := rows.Scan(&l.person, (*string)(&c.Contact), &c.Address, &c.Name, &c.Title, &c.Account, &c.Domain, &c.Role, &c.Owner, &c.Status, &c.Source, when{&c.CreatedAt})
		c.Account = cmp.Or(c.Account, c.Domain)
		return err
	}, f.args()...)
	if err != nil {
		return nil, err
	}
	touches := map[uint64]leadTouches{}
	_, err = query(ctx, db, "LeadTouches", func(rows driver.Rows, t *leadTouches) error {
		err := rows.Scan(&t.person, &t.sent, &t.clicks, &t.views, &t.replies, &t.lately, when{&t.touched}, when{&t.mailed})
		touches[t.person] = *t
		return err
	}, f.args(instant("from", from), instant("to", to), instant("since", to.Add(-engagement)))...)
	if err != nil {
		return nil, err
	}
	theirs := dealsOfLeads(states, rows, to)
	picked := []trail.Lead{}
	weights := map[trail.ContactID]int{}
	for _, l := range all {
		t := touches[l.person]
		l.Sent, l.Clicks, l.Views, l.Replies, l.LastTouch, l.LastMail = t.sent, t.clicks, t.views, t.replies, t.touched, t.mailed
		d, known := theirs[string(l.Contact)]
		if known {
			l.Deal, l.Section, l.Contributed, l.CRM = &d.deal, d.section, d.contributed, db.crm(d.deal.ID)
		}
		if weights[l.Contact] = reasons(&l.Lead, d.open, t.lately, until, f.Agents); weights[l.Contact] > 0 {
			picked = append(picked, l.Lead)
		}
	}
	slices.SortStableFunc(picked, func(a, b trail.Lead) int {
		return cmp.Or(cmp.Compare(weights[b.Contact], weights[a.Contact]), cmp.Compare(b.Replies, a.Replies), cmp.Compare(b.Clicks, a.Clicks),
			cmp.Compare(worth(b.Deal), worth(a.Deal)), cmp.Compare(a.Contact, b.Contact))
	})
	picked = picked[:min(len(picked), trail.MaxLeads)]
	return picked, db.seen(ctx, f, to, picked)
}

// worth is the amount of a deal, only for an order.
func worth(d *trail.DealRow) float64 {
	if d == nil {
		return 0
	}
	v, _ := strconv.ParseFloat(d.Value.Amount, 64)
	return v
}

// seen writes into leads what they had and did with it.
func (db *DB) seen(ctx context.Context, f Filter, to time.Time, leads []trail.Lead) error {
	ids, contents := []string{}, []string{}
	for i := range leads {
		leads[i].Seen = []trail.LeadContent{}
		ids = append(ids, string(leads[i].Contact))
	}
	if len(ids) == 0 {
		return nil
	}
	type row struct {
		lead string
		trail.LeadContent
	}
	rows, err := query(ctx, db, "LeadContents", func(rows driver.Rows, r *row) error {
		return rows.Scan(&r.lead, &r.Content, &r.Sent, &r.Opened, &r.Clicked, &r.Viewed, &r.Replied, when{&r.Last})
	}, f.args(instant("to", to), clickhouse.Named("leads", ids))...)
	if err != nil {
		return err
	}
	for _, r := range rows {
		contents = append(contents, r.Content)
	}
	titles, err := db.titles(ctx, f, contents)
	for _, r := range rows {
		l := &leads[slices.Index(ids, r.lead)]
		r.Title = titles[r.Content]
		l.Seen = append(l.Seen, r.LeadContent)
	}
	return err
}

// leadDeal is the deal of a lead that matters most, and whether any of theirs is open.
type leadDeal struct {
	deal        trail.DealRow
	section     string
	contributed []trail.Touched
	open        bool
	place       int // of the section, the strongest first
}

// dealsOfLeads returns by contact the deal that matters most in a week: the one in
// the strongest section, else an open one, else the highest amount.
func dealsOfLeads(states []dealState, rows []trail.ReviewRow, to time.Time) map[string]leadDeal {
	row := map[string]*trail.ReviewRow{}
	for i := range rows {
		row[rows[i].Deal.ID] = &rows[i]
	}
	best := map[string]leadDeal{}
	for _, s := range states {
		open := s.Status == "open" || !s.ClosedAt.Before(to)
		d := leadDeal{deal: s.DealRow, open: open, place: len(sections)}
		if r := row[s.ID]; r != nil {
			d.deal, d.section, d.contributed, d.place = r.Deal, r.Section, r.Contributed, slices.Index(sections[:], r.Section)
		}
		for _, contact := range s.contacts {
			before, known := best[contact]
			better := !known || cmp.Or(cmp.Compare(d.place, before.place), -compareBool(s.Status == "open", before.deal.Status == "open"),
				-cmp.Compare(worth(&d.deal), worth(&before.deal))) < 0
			next := before
			if better {
				next = d
			}
			next.open = open || before.open
			best[contact] = next
		}
	}
	return best
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
