package store

import (
	"cmp"
	"context"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/trail"
)

// Service returns how fast the leads that were created in a period were answered. From
// counts, to does not.
func (db *DB) Service(ctx context.Context, t NumberTerms, from, to, now time.Time) (*trail.Service, error) {
	leads, inTouch, err := db.serviceLeads(ctx, from, to)
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
	s := trail.NewService(leads, teams, t.Service, from.In(t.Zone), to.In(t.Zone), now)
	s.InTouch = inTouch
	return &s, nil
}

// serviceLeads returns the leads of a period, and how many are left out because a rep
// had written to them before they were a lead: they waited for nobody.
func (db *DB) serviceLeads(ctx context.Context, from, to time.Time) (leads []trail.ServiceLead, inTouch uint64, err error) {
	_, err = query(ctx, db, "ServiceLeads", func(rows driver.Rows, l *trail.ServiceLead) error {
		var rep string
		var before bool
		err := rows.Scan((*string)(&l.Contact), &l.Address, &l.Name, &l.Account, &l.Domain, &l.Owner, &l.Status, when{&l.CreatedAt}, when{&l.KnownAt}, when{&l.AnswerAt}, &rep, &before)
		l.Account, l.Rep = cmp.Or(l.Account, l.Domain), cmp.Or(rep, l.Owner)
		if before {
			inTouch++
		} else {
			leads = append(leads, *l)
		}
		return err
	}, instant("as_of", forever), instant("from", from), instant("to", to))
	return leads, inTouch, err
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
