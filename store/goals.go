package store

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

// NumberTerms are what shared numbers are held against.
type NumberTerms struct {
	Zone       *time.Location     // the company's
	Rates      Rates              // to the reporting currency
	Service    trail.ServiceTerms // how fast a lead is answered
	AnswerDays int                // within how many days a request is; 0: trail.AnswerDays
	Kinds      []string           // what counts as seen: the kinds that earn credit
	Window     time.Duration      // and how long before the close; zero: no limit
}

// touches returns the parameters that say what counts as seen.
func (t NumberTerms) touches() []any {
	return []any{clickhouse.Named("kinds", list(t.Kinds)), clickhouse.Named("window", t.Window.Milliseconds())}
}

// Agreed returns all goals, each as it was said last and with every word on it. Nothing
// is worked out.
func (db *DB) Agreed(ctx context.Context) ([]trail.Goal, error) {
	words, err := query(ctx, db, "Agreed", func(rows driver.Rows, g *trail.Goal) error {
		return rows.Scan(when{&g.At}, &g.By, &g.Note, &g.Measure, &g.Period, &g.Target, &g.Sales, &g.Marketing, &g.Dropped)
	}, instant("as_of", forever))
	if err != nil {
		return nil, err
	}
	return trail.GoalsOf(words), nil
}

// Goals returns all goals with how they stand now. Those that were given up have no
// result.
func (db *DB) Goals(ctx context.Context, t NumberTerms, now time.Time) ([]trail.Goal, error) {
	all, err := db.Agreed(ctx)
	if err != nil {
		return nil, err
	}
	return all, db.judge(ctx, t, all, now)
}

// judge fills in how goals stand. Measures of several goals are asked for once, over
// all their periods.
func (db *DB) judge(ctx context.Context, t NumberTerms, goals []trail.Goal, now time.Time) error {
	g, asking := errgroup.WithContext(ctx)
	g.SetLimit(2)
	asked := map[string][]*trail.Goal{}
	for i := range goals {
		goal := &goals[i]
		goal.Unit = t.unit(goal.Measure)
		if goal.Dropped {
			continue
		}
		source := tallySource[goal.Measure]
		if goal.Measure == "contents_used" { // of each period by itself: what was new in one was not in another
			source += " " + goal.Period
		}
		asked[source] = append(asked[source], goal)
	}
	for _, source := range slices.Sorted(maps.Keys(asked)) {
		g.Go(func() error { return db.judgeTogether(asking, t, source, asked[source], now) })
	}
	return g.Wait()
}

// tallySource is what statement the numbers of a measure are from.
var tallySource = map[string]string{
	"new_customers": "won", "won_deals": "won", "won_amount": "won",
	"leads_accepted": "accepted", "leads_in_time": "service", "requests_in_time": "requests", "contents_used": "used",
}

// unit is what a measure's numbers are in: count, percent, or the reporting currency.
func (t NumberTerms) unit(measure string) string {
	m, _ := trail.MeasureOf(measure)
	if m.Unit == "money" {
		return t.Rates.Currency
	}
	return m.Unit
}

// judgeTogether judges goals whose numbers one statement has.
func (db *DB) judgeTogether(ctx context.Context, t NumberTerms, source string, goals []*trail.Goal, now time.Time) error {
	var from, to time.Time
	periods := make([]trail.Period, len(goals))
	for i, goal := range goals {
		p, err := trail.ParsePeriod(goal.Period, t.Zone)
		if err != nil {
			return fmt.Errorf("goal %s: %w", goal.ID, err)
		}
		periods[i] = p
		if from.IsZero() || p.From.Before(from) {
			from = p.From
		}
		if p.To.After(to) {
			to = p.To
		}
	}
	days, err := db.tallies(ctx, t, source, from, to, now)
	if err != nil {
		return err
	}
	for i, goal := range goals {
		of := days[goal.Measure]
		theirs := slices.DeleteFunc(slices.Clone(of), func(d trail.Tally) bool { return d.Day.Before(periods[i].From) || !d.Day.Before(periods[i].To) })
		goal.Judge(periods[i], theirs, int(t.Rates.Digits), now)
	}
	return nil
}

// tallies returns what each day of a span added, by measure.
func (db *DB) tallies(ctx context.Context, t NumberTerms, source string, from, to, now time.Time) (map[string][]trail.Tally, error) {
	switch name, _, _ := strings.Cut(source, " "); name {
	case "won":
		return db.wonDays(ctx, t, from, to)
	case "accepted":
		days, err := db.countDays(ctx, t, "AcceptedDays", from, to)
		return map[string][]trail.Tally{"leads_accepted": days}, err
	case "used":
		days, err := db.countDays(ctx, t, "UsedDays", from, to)
		return map[string][]trail.Tally{"contents_used": days}, err
	case "requests":
		requests, err := db.requestTimes(ctx, t)
		return map[string][]trail.Tally{"requests_in_time": requestDays(requests, t, from, to, now)}, err
	case "service":
		leads, _, err := db.serviceLeads(ctx, from, to)
		return map[string][]trail.Tally{"leads_in_time": serviceDays(leads, t, now)}, err
	}
	return nil, fmt.Errorf("no numbers are called %q", source)
}

// midnight is the beginning of a day that the database names, in a zone.
func midnight(day time.Time, zone *time.Location) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, zone)
}

// wonDays returns the won deals of a span by day, as each of the measures that are made
// of them counts them.
func (db *DB) wonDays(ctx context.Context, t NumberTerms, from, to time.Time) (map[string][]trail.Tally, error) {
	days := map[string][]trail.Tally{}
	_, err := query(ctx, db, "WonDays", func(rows driver.Rows, _ *struct{}) error {
		var day time.Time
		var deals, first, leftOut uint64
		var value int64
		var squares float64
		if err := rows.Scan(&day, &deals, &first, &value, &squares, &leftOut); err != nil {
			return err
		}
		day = midnight(day, t.Zone)
		days["new_customers"] = append(days["new_customers"], trail.Tally{Day: day, N: int64(first)})
		days["won_deals"] = append(days["won_deals"], trail.Tally{Day: day, N: int64(deals)})
		days["won_amount"] = append(days["won_amount"], trail.Tally{Day: day, N: int64(deals), Value: value, Squares: squares, LeftOut: int64(leftOut)})
		return nil
	}, append(t.money(), instant("as_of", forever), instant("from", from), instant("to", to), clickhouse.Named("zone", t.Zone.String()))...)
	return days, err
}

// money returns the parameters with which a statement turns amounts into minor units
// of the reporting currency.
func (t NumberTerms) money() []any {
	rates := map[string]string{strings.ToUpper(t.Rates.Currency): "1"}
	for c, rate := range t.Rates.Of {
		rates[strings.ToUpper(c)] = rate
	}
	var parts []string
	for _, c := range slices.Sorted(maps.Keys(rates)) {
		parts = append(parts, fmt.Sprintf("'%s':%s", c, rates[c])) // letters and decimals: the settings were checked
	}
	return []any{
		clickhouse.Named("currency", strings.ToUpper(t.Rates.Currency)), clickhouse.Named("rates", "{"+strings.Join(parts, ",")+"}"),
		clickhouse.Named("minor", int64(math.Pow10(int(t.Rates.Digits)))),
	}
}

// countDays runs a statement of which a row is a day and a count.
func (db *DB) countDays(ctx context.Context, t NumberTerms, name string, from, to time.Time) ([]trail.Tally, error) {
	return query(ctx, db, name, func(rows driver.Rows, d *trail.Tally) error {
		var day time.Time
		var n uint64
		err := rows.Scan(&day, &n)
		d.Day, d.N = midnight(day, t.Zone), int64(n)
		return err
	}, instant("as_of", forever), instant("from", from), instant("to", to), clickhouse.Named("zone", t.Zone.String()))
}

// requestTime is one request: when it was asked and first answered, and by when an
// answer was agreed.
type requestTime struct{ asked, due, answered time.Time }

// inTime reports whether a request was answered in time, and whether its time is up or
// it was answered.
func (r requestTime) inTime(now time.Time) (hit, due bool) {
	answered := !r.answered.IsZero() && !r.answered.After(now)
	return answered && !r.answered.After(r.due), answered || now.After(r.due)
}

// requestTimes returns all requests by when they were asked.
func (db *DB) requestTimes(ctx context.Context, t NumberTerms) (all []requestTime, err error) {
	place := map[string]int{}
	answered := map[string]time.Time{}
	days := t.AnswerDays
	if days == 0 {
		days = trail.AnswerDays
	}
	_, err = query(ctx, db, "RequestTimes", func(rows driver.Rows, _ *struct{}) error {
		var of string
		var id trail.ID
		var at time.Time
		if err := rows.Scan(&of, &id, when{&at}); err != nil {
			return err
		}
		if of == "" {
			place[id.String()] = len(all)
			all = append(all, requestTime{asked: at, due: at.AddDate(0, 0, days)})
		} else if _, known := answered[of]; !known { // the first answer is what whoever asked waited for
			answered[of] = at
		}
		return nil
	}, instant("as_of", forever))
	for id, i := range place {
		all[i].answered = answered[id]
	}
	return all, err
}

// requestDays returns by day of asking how many of the requests that are due were
// answered in time.
func requestDays(all []requestTime, t NumberTerms, from, to, now time.Time) []trail.Tally {
	days := shareDays{zone: t.Zone}
	for _, r := range all {
		if hit, due := r.inTime(now); due && !r.asked.Before(from) && r.asked.Before(to) {
			days.add(r.asked, hit)
		}
	}
	return days.sorted()
}

// shareDays adds up shares by day.
type shareDays struct {
	zone *time.Location
	by   map[time.Time]trail.Tally
}

func (s *shareDays) add(at time.Time, hit bool) {
	if s.by == nil {
		s.by = map[time.Time]trail.Tally{}
	}
	day := midnight(at.In(s.zone), s.zone)
	d := s.by[day]
	d.Day = day
	d.Of++
	if hit {
		d.N++
	}
	s.by[day] = d
}

func (s *shareDays) sorted() []trail.Tally {
	return slices.SortedFunc(maps.Values(s.by), func(a, b trail.Tally) int { return a.Day.Compare(b.Day) })
}
