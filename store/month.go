package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

// MonthReport returns the report of a month, "2026-10", in the zone of the terms; empty
// means the last complete one. Connected is how many mailboxes are read.
func (db *DB) MonthReport(ctx context.Context, month string, t NumberTerms, connected uint64, now time.Time, f Filter) (*trail.MonthReport, error) {
	p := trail.PeriodOf(trail.Month, now, t.Zone)
	if month == "" {
		p = p.Before()
	} else {
		var err error
		if p, err = trail.ParsePeriod(month, t.Zone); err != nil || p.Unit() != trail.Month {
			return nil, trail.Problemf(trail.Invalid, "The month is %q; write it as 2026-10.", month)
		}
	}
	if p.From.After(now) {
		return nil, trail.Problemf(trail.Invalid, "%s has not begun.", p.Words())
	}
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	f.AsOf = forever
	key := fmt.Sprint("month ", p.Name, now.Before(p.To), connected, t, f.key())
	found, err := once(ctx, db, key, func(ctx context.Context) (*trail.MonthReport, error) {
		return db.monthReport(ctx, p, t, connected, now, f)
	})
	if err != nil {
		return nil, err
	}
	r := *found
	return &r, nil
}

func (db *DB) monthReport(ctx context.Context, p trail.Period, t NumberTerms, connected uint64, now time.Time, f Filter) (*trail.MonthReport, error) {
	r := &trail.MonthReport{Period: p, At: now.UTC().Truncate(time.Millisecond), Running: now.Before(p.To), Zone: t.Zone.String(), Agents: f.Agents, RepsConnected: connected, Terms: t.Service.Words()}
	g, asking := errgroup.WithContext(ctx)
	g.SetLimit(2) // more at once only take turns, and memory
	g.Go(func() error { return db.monthWon(asking, r, t, f) })
	g.Go(func() error { return db.monthReps(asking, r, f) })
	g.Go(func() error { return db.monthRequests(asking, r, t, now) })
	g.Go(func() error {
		s, err := db.Service(asking, t, p.From, p.To, now)
		if err == nil {
			r.Service = s.Total
		}
		return err
	})
	g.Go(func() (err error) { r.Baseline, err = db.KeptBaseline(asking); return err })
	g.Go(func() (err error) { r.Goals, err = db.monthGoals(asking, p, t, now); return err })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if r.Baseline != nil {
		r.Baseline.Rows = nil // of all contents; the sums are compared
	}
	r.Moved = r.Movement()
	return r, nil
}

// monthGoals returns the goals of the month, and of the quarter and the year that it
// is in, as they stand now.
func (db *DB) monthGoals(ctx context.Context, p trail.Period, t NumberTerms, now time.Time) ([]trail.Goal, error) {
	all, err := db.Agreed(ctx)
	if err != nil {
		return nil, err
	}
	within := []string{p.Name, trail.PeriodOf(trail.Quarter, p.From, t.Zone).Name, trail.PeriodOf(trail.Year, p.From, t.Zone).Name}
	all = slices.DeleteFunc(all, func(g trail.Goal) bool { return g.Dropped || !slices.Contains(within, g.Period) })
	return all, db.judge(ctx, t, all, now)
}

// monthReps fills in who sent what.
func (db *DB) monthReps(ctx context.Context, r *trail.MonthReport, f Filter) error {
	targets, err := db.Targets(ctx)
	if err != nil {
		return err
	}
	registered, used := map[string]bool{}, map[string]bool{}
	for _, t := range targets {
		registered[t.Content] = true
	}
	tracked := []float64{}
	_, err = query(ctx, db, "MonthReps", func(rows driver.Rows, rep *string) error {
		var sends, with, stale uint64
		var contents []string
		if err := rows.Scan(rep, &sends, &with, &stale, &contents); err != nil {
			return err
		}
		r.RepsSent++
		r.Sends, r.Tracked, r.Stale = r.Sends+sends, r.Tracked+with, r.Stale+stale
		tracked = append(tracked, float64(with))
		for _, c := range contents {
			if registered[c] {
				used[c] = true
			}
		}
		return nil
	}, f.args(instant("from", r.From), instant("to", r.To))...)
	r.Contents, r.ContentsUsed = uint64(len(registered)), uint64(len(used))
	if n := len(tracked); n >= trail.SmallestTeam {
		slices.Sort(tracked)
		middle := (tracked[(n-1)/2] + tracked[n/2]) / 2
		r.TrackedPerRep = &middle
	}
	return err
}

// monthRequests fills in what became of what reps asked for, and what waits.
func (db *DB) monthRequests(ctx context.Context, r *trail.MonthReport, t NumberTerms, now time.Time) error {
	times, err := db.requestTimes(ctx, t)
	if err != nil {
		return err
	}
	for _, q := range times {
		if q.asked.Before(r.From) || !q.asked.Before(r.To) {
			continue
		}
		r.Requests.Asked++
		if !q.answered.IsZero() {
			r.Requests.Answered++
		}
		hit, due := q.inTime(now)
		if due {
			r.Requests.Due++
		}
		if hit {
			r.Requests.InTime++
		}
	}
	r.Waiting = []trail.Money{}
	if len(times) == 0 {
		return nil
	}
	all, err := db.Requests(ctx, "", t.AnswerDays, now, Filter{})
	r.Waiting = trail.AmountWaiting(all)
	return err
}

// monthWon fills in what was won, and of what content was seen.
func (db *DB) monthWon(ctx context.Context, r *trail.MonthReport, t NumberTerms, f Filter) error {
	var all, seen, none struct {
		deals, leftOut uint64
		value          int64
	}
	_, err := query(ctx, db, "MonthWon", func(rows driver.Rows, _ *struct{}) error {
		var isSeen, isPart bool
		var deals, leftOut uint64
		var value int64
		if err := rows.Scan(&isSeen, &isPart, &deals, &value, &leftOut); err != nil {
			return err
		}
		of := &none
		if isSeen {
			of = &seen
		}
		for _, s := range []*struct {
			deals, leftOut uint64
			value          int64
		}{&all, of} {
			s.deals, s.leftOut, s.value = s.deals+deals, s.leftOut+leftOut, s.value+value
		}
		if isPart {
			r.WonPart += deals
		}
		return nil
	}, f.args(slices.Concat(t.money(), t.touches(), []any{instant("from", r.From), instant("to", r.To)})...)...)
	if err != nil {
		return fmt.Errorf("what the month won: %w", err)
	}
	r.Won = trail.MonthWon{Deals: all.deals, Value: t.Rates.money(all.value), LeftOut: all.leftOut}
	r.WonSeen = trail.MonthWon{Deals: seen.deals, Value: t.Rates.money(seen.value), LeftOut: seen.leftOut}
	r.WonNone = trail.MonthWon{Deals: none.deals, Value: t.Rates.money(none.value), LeftOut: none.leftOut}
	return nil
}
