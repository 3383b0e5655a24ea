package store

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

// lead is a lead that there may be a reason to talk about.
type lead struct {
	trail.Lead
	lately uint64 // touches within engagement
}

// candidates returns the leads that a review may have a reason to talk about, with what
// they did within engagement before the end of the week.
func (db *DB) candidates(ctx context.Context, f Filter, from, to, until time.Time) ([]lead, error) {
	return query(ctx, db, "Leads", func(rows driver.Rows, l *lead) error {
		c := &l.ContactRow
		err := rows.Scan((*string)(&c.Contact), &c.Address, &c.Name, &c.Title, &c.Account, &c.Domain, &c.Role, &c.Owner, &c.Status, &c.Source, when{&c.CreatedAt},
			&l.Sent, &l.Clicks, &l.Views, &l.Replies, &l.lately, when{&l.LastTouch}, when{&l.LastMail})
		c.Account = cmp.Or(c.Account, c.Domain)
		return err
	}, f.args(instant("from", from), instant("to", to), instant("since", to.Add(-engagement)), instant("born", until.Add(-newFor)),
		clickhouse.Named("clicks", uint64(clicksEnough)), clickhouse.Named("touches", uint64(touchesEnough)))...)
}

// leads returns whom a review talks about: those of candidates with a reason, the
// strongest first, at most trail.MaxLeads. Rows are those of the review's deals, states
// all deals; until is the end of the week or, while it runs, now.
func (db *DB) leads(ctx context.Context, f Filter, from, to, until time.Time, candidates []lead, states []dealState, rows []trail.ReviewRow) ([]trail.Lead, error) {
	theirs := dealsOfLeads(states, rows, to)
	picked := []trail.Lead{}
	weights := map[trail.ContactID]int{}
	for _, l := range candidates {
		d, known := theirs[string(l.Contact)]
		if known {
			l.Deal, l.Section, l.Contributed, l.CRM = &d.deal, d.section, d.contributed, db.crm(d.deal.ID)
		}
		if weights[l.Contact] = reasons(&l.Lead, d.open, l.lately, until, f.Agents); weights[l.Contact] > 0 {
			picked = append(picked, l.Lead)
		}
	}
	slices.SortStableFunc(picked, func(a, b trail.Lead) int {
		return cmp.Or(cmp.Compare(weights[b.Contact], weights[a.Contact]), cmp.Compare(b.Replies, a.Replies), cmp.Compare(b.Clicks, a.Clicks),
			cmp.Compare(worth(b.Deal), worth(a.Deal)), cmp.Compare(a.Contact, b.Contact))
	})
	picked = picked[:min(len(picked), trail.MaxLeads)]
	if len(picked) == 0 {
		return picked, nil
	}
	g, asking := errgroup.WithContext(ctx)
	g.Go(func() error { return db.seen(asking, f, to, picked) })
	g.Go(func() error { return db.lasts(asking, f, to, picked) })
	g.Go(func() error { return db.touchesOfLeads(asking, f, from, to, picked) })
	return picked, g.Wait()
}

// worth is the amount of a deal, only for an order.
func worth(d *trail.DealRow) float64 {
	if d == nil {
		return 0
	}
	v, _ := strconv.ParseFloat(d.Value.Amount, 64)
	return v
}

// lasts writes into leads when they last had a touch, and when a rep last wrote to them,
// however long ago.
func (db *DB) lasts(ctx context.Context, f Filter, to time.Time, leads []trail.Lead) error {
	ids := make([]string, len(leads))
	for i := range leads {
		ids[i] = string(leads[i].Contact)
	}
	_, err := query(ctx, db, "LeadLasts", func(rows driver.Rows, id *string) error {
		var touched, mailed time.Time
		if err := rows.Scan(id, when{&touched}, when{&mailed}); err != nil {
			return err
		}
		l := &leads[slices.Index(ids, *id)]
		l.LastTouch, l.LastMail = touched, mailed
		return nil
	}, f.args(instant("to", to), clickhouse.Named("leads", ids))...)
	return err
}

// touchesOfLeads writes into the deals of leads how much touched them: of deals that are
// in no section nobody counted that yet.
func (db *DB) touchesOfLeads(ctx context.Context, f Filter, from, to time.Time, leads []trail.Lead) error {
	var deals []*trail.DealRow
	var ids []string
	for i := range leads { // others write into other fields meanwhile, so that no lead is copied
		if d := leads[i].Deal; d != nil && leads[i].Section == "" {
			deals, ids = append(deals, d), append(ids, d.ID)
		}
	}
	if len(deals) == 0 {
		return nil
	}
	touches, err := db.dealTouches(ctx, f, from, to, ids...)
	for _, d := range deals {
		t := touches[d.ID]
		d.Touches, d.LastTouch = t.touches, t.last
	}
	return err
}

// seen writes into leads what they had and did with it.
func (db *DB) seen(ctx context.Context, f Filter, to time.Time, leads []trail.Lead) error {
	ids, contents := []string{}, []string{}
	for i := range leads {
		leads[i].Seen = []trail.LeadContent{}
		ids = append(ids, string(leads[i].Contact))
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
