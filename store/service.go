package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// Service returns how fast the leads that were created in a period were answered. From
// counts, to does not.
func (db *DB) Service(ctx context.Context, t NumberTerms, from, to, now time.Time) (*trail.Service, error) {
	type found struct {
		leads  []trail.ServiceLead
		before uint64
	}
	all, err := once(ctx, db, fmt.Sprint("service ", from.UnixMilli(), to.UnixMilli()), func(ctx context.Context) (f found, err error) {
		f.leads, f.before, err = db.serviceLeads(ctx, from, to)
		return f, err
	})
	if err != nil {
		return nil, err
	}
	teams := map[string]string{}
	_, err = query(ctx, db, "RepTeams", func(rows driver.Rows, rep *string) error {
		var team string
		err := rows.Scan(rep, &team)
		teams[*rep] = team
		return err
	}, instant("as_of", forever))
	if err != nil {
		return nil, err
	}
	s := trail.NewService(all.leads, teams, t.Service, from.In(t.Zone), to.In(t.Zone), now)
	s.InTouch = all.before
	return &s, nil
}

// inTouch is how long before a lead was created a mail to it means that it waited for
// nobody.
const inTouch = 90 * 24 * time.Hour

// serviceLeads returns the leads of a period, and how many are left out because a rep
// had written to them before they were a lead: they waited for nobody.
func (db *DB) serviceLeads(ctx context.Context, from, to time.Time) (leads []trail.ServiceLead, before uint64, err error) {
	all, err := query(ctx, db, "ServiceLeads", func(rows driver.Rows, l *trail.ServiceLead) error {
		err := rows.Scan((*string)(&l.Contact), &l.Address, &l.Name, &l.Account, &l.Domain, &l.Owner, &l.Status, when{&l.CreatedAt}, when{&l.KnownAt})
		l.Account, l.Rep = cmp.Or(l.Account, l.Domain), l.Owner
		return err
	}, instant("as_of", forever), instant("from", from), instant("to", to))
	if err != nil {
		return nil, 0, err
	}
	mails, err := db.serviceMails(ctx, all, from.Add(-inTouch))
	for _, l := range all {
		m := mails[string(l.Contact)]
		first := slices.IndexFunc(m.at, func(at time.Time) bool { return !at.Before(l.CreatedAt) })
		if slices.ContainsFunc(m.at, func(at time.Time) bool { return at.Before(l.CreatedAt) && l.CreatedAt.Sub(at) <= inTouch }) {
			before++
			continue
		}
		if first >= 0 {
			l.AnswerAt, l.Rep = m.at[first].UTC(), cmp.Or(m.reps[first], l.Owner)
		}
		leads = append(leads, l)
	}
	return leads, before, err
}

// mailsTo is the mails that reps sent to one lead, in order.
type mailsTo struct {
	lead string
	at   []time.Time
	reps []string
}

// serviceMails returns the mails to leads since a time, by lead.
func (db *DB) serviceMails(ctx context.Context, leads []trail.ServiceLead, since time.Time) (map[string]mailsTo, error) {
	of := map[string]mailsTo{}
	for chunk := range slices.Chunk(leads, idsAtOnce) {
		ids := make([]string, len(chunk))
		for i, l := range chunk {
			ids[i] = string(l.Contact)
		}
		_, err := query(ctx, db, "ServiceMails", func(rows driver.Rows, m *mailsTo) error {
			err := rows.Scan(&m.lead, &m.at, &m.reps)
			of[m.lead] = *m
			return err
		}, instant("as_of", forever), instant("from", since), clickhouse.Named("leads", ids))
		if err != nil {
			return nil, err
		}
	}
	return of, nil
}

// serviceDays returns by day of their creation how many of the leads that are due were
// answered in time.
func serviceDays(leads []trail.ServiceLead, t NumberTerms, now time.Time) []trail.Tally {
	days := shareDays{zone: t.Zone}
	for _, l := range leads {
		due := t.Service.Hours.After(l.CreatedAt, t.Service.Answer, t.Service.Zone)
		answered := !l.AnswerAt.IsZero() && !l.AnswerAt.After(now)
		if answered || now.After(due) {
			days.add(l.CreatedAt, answered && !l.AnswerAt.After(due))
		}
	}
	return days.sorted()
}
