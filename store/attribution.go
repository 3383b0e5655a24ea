package store

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

// What credits are grouped and filtered by. What is of a deal is as the run knew
// it, what is of a content as it was known when the run was made.
var (
	ofTouches  = []string{"content", "rep"}
	ofContents = []string{"kind", "persona"}
	ofDeals    = []string{"owner", "team", "source", "stage", "segment", "size", "account", "month"}
)

// Keys are what credits can be grouped by, and filtered by.
func Keys() []string { return slices.Concat(ofTouches, ofContents, ofDeals) }

// Filters are what credits can be filtered by.
func Filters() []string { return append(Keys(), "deal") }

// checkKeys refuses what credits are not grouped or filtered by.
func checkKeys(by string, only map[string][]string) error {
	if !slices.Contains(Keys(), by) {
		return trail.Problemf(trail.Invalid, "by is %q; it must be one of %s.", by, strings.Join(Keys(), ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(only)) {
		if !slices.Contains(Filters(), name) {
			return trail.Problemf(trail.Invalid, "Credits are not filtered by %q; choose from %s.", name, strings.Join(Filters(), ", "))
		}
	}
	return nil
}

// earning is what one key earned.
type earning struct {
	key          string
	unattributed bool
	deals        uint64
	sum          sum
	credit       parts // in 1e-12 deals
	won, back    parts // in minor units: what was won, what was given back
	inAll        struct {
		rows uint64
		sum  sum
	}
}

// earnings returns what each key earned in a run, the most first, of a page of keys.
func (db *DB) earnings(ctx context.Context, f Filter, r *run, by string, limit, offset uint64) ([]earning, error) {
	zone := "UTC"
	if f.Zone != nil {
		zone = f.Zone.String()
	}
	uses := func(names []string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return name == by || len(f.Only[name]) > 0 })
	}
	args := []any{
		r.param(), instant("run_as_of", r.AsOf), clickhouse.Named("model", f.Model), clickhouse.Named("by", by), clickhouse.Named("zone", zone),
		clickhouse.Named("of_content", uses(ofContents)), clickhouse.Named("of_deal", uses(ofDeals)), clickhouse.Named("limit", limit), clickhouse.Named("offset", offset),
	}
	for _, name := range Filters() {
		values := []string{}
		for _, v := range f.Only[name] {
			if v == trail.Nobody {
				v = ""
			}
			values = append(values, v)
		}
		args = append(args, clickhouse.Named(name, values))
	}
	return query(ctx, db, "Attribution", scanEarning, args...)
}

func scanEarning(rows driver.Rows, e *earning) error {
	err := rows.Scan(&e.unattributed, &e.key, &e.deals, &e.sum.credit, &e.credit.squares, whole{&e.credit.largest}, &e.sum.value,
		whole{&e.won.sum}, &e.won.squares, whole{&e.won.largest}, whole{&e.back.sum}, &e.back.squares, whole{&e.back.largest},
		&e.inAll.rows, &e.inAll.sum.credit, &e.inAll.sum.value)
	e.credit.sum = float64(e.sum.credit)
	return err
}

// whole reads a whole number that is reckoned with as if it were none. It is given
// to Scan.
type whole struct{ f *float64 }

// Scan implements sql.Scanner.
func (w whole) Scan(src any) error {
	n, ok := src.(int64)
	*w.f = float64(n)
	if !ok {
		return fmt.Errorf("%T is no whole number", src)
	}
	return nil
}

// ends are the ends of the intervals of what a key earned.
func (e earning) ends(r *run) *trail.CreditEnds {
	low, high := endsOf(e.credit, parts{})
	valueLow, valueHigh := e.valueEnds(r)
	return &trail.CreditEnds{Low: deals(low), High: deals(high), ValueLow: r.money(int64(math.Round(valueLow))), ValueHigh: r.money(int64(math.Round(valueHigh)))}
}

// valueEnds are those of the value, in minor units. Few deals are mostly small ones,
// since most deals are: the largest of a key is at least what the key would get of
// the run's typical deal, or one interval in six would miss with five deals whose
// amounts differ as amounts do.
func (e earning) valueEnds(r *run) (low, high float64) {
	usual := 0.0
	if e.deals > 0 {
		usual = e.credit.sum / 1e12 / float64(e.deals) * r.typical
	}
	won, back := e.won, e.back
	if won.squares > 0 {
		won = won.atLeast(usual)
	}
	if back.squares > 0 {
		back = back.atLeast(usual)
	}
	return endsOf(won, back)
}

// deals writes a credit in 1e-12 deals as reports show it, to nine decimals.
func deals(credit float64) float64 { return math.Round(credit/1e3) / 1e9 }

// Attribution returns what each key earned in the newest run of the filter,
// highest first but months in order, as things stood at the run's as-of time. The
// rows and what is unattributed add up to the total, in deals and to the cent: to
// all won deals or, with f.Only, to what passes it. by is one of Keys. Without a
// run it returns a Problem no_run, for what it does not know a Problem that lists
// what there is.
func (db *DB) Attribution(ctx context.Context, by string, f Filter) (*trail.Attribution, error) {
	if err := checkKeys(by, f.Only); err != nil {
		return nil, err
	}
	r, err := db.mustRun(ctx, f)
	if err != nil {
		return nil, err
	}
	f, _ = f.complete()
	found, err := once(ctx, db, fmt.Sprint("attribution ", r.ID, " ", by, " ", f.key()), func(ctx context.Context) (*trail.Attribution, error) { return db.attribution(ctx, by, f, r) })
	if err != nil {
		return nil, err
	}
	own := *found
	own.Rows = slices.Clone(found.Rows) // the caller may sort and cut them
	return &own, nil
}

func (db *DB) attribution(ctx context.Context, by string, f Filter, r *run) (*trail.Attribution, error) {
	report := &trail.Attribution{
		Run: r.ID, Model: f.Model, By: by, Only: f.Only, Agents: r.Agents, AsOf: r.AsOf, From: r.From, To: r.To,
		Note: trail.CreditNote, Reason: r.Reasons[f.Model], Rows: []trail.CreditRow{},
	}
	var earned []earning
	var effects map[string]effect
	known := map[string]trail.ContentRow{}
	g, asking := errgroup.WithContext(ctx)
	g.Go(func() (err error) { earned, err = db.earnings(asking, f, r, by, math.MaxInt64, 0); return err })
	g.Go(func() error { return db.size(asking, r) })
	if by == "content" {
		g.Go(func() (err error) { known, err = db.registered(asking, Filter{AsOf: r.AsOf}, ""); return err })
	}
	if by == players(f.Model) && len(f.Only) == 0 {
		g.Go(func() (err error) { effects, err = db.effects(asking, r, f.Model, ""); return err })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if len(earned) == 0 && report.Reason == "" {
		if err := db.checkValues(ctx, f, r); err != nil {
			return nil, err
		}
	}
	var total, nobodys sum
	for _, e := range earned {
		total.add(e.sum)
		if e.unattributed {
			nobodys.add(e.sum)
			continue
		}
		row := e.row(r)
		if by == "content" {
			row.Title, row.CreditCost = known[e.key].Title, e.cost(r, known[e.key].Cost)
		}
		report.Rows = append(report.Rows, row)
	}
	report.Unattributed, report.Total = *nobodys.in(r), *total.in(r)
	report.Few = report.Total.Credit < trail.FewDeals
	if effects != nil {
		report.Rows = withEffects(report.Rows, effects, r, known)
	}
	for i := range report.Rows {
		if row := &report.Rows[i]; row.Title == "" {
			row.Title = row.Key
		}
	}
	if by == "month" {
		slices.SortFunc(report.Rows, func(a, b trail.CreditRow) int { return strings.Compare(a.Key, b.Key) })
		return report, nil
	}
	tie(report.Rows, earned, r)
	return report, nil
}

// row is what a key earned as reports show it.
func (e earning) row(r *run) trail.CreditRow {
	earned := e.sum.in(r)
	row := trail.CreditRow{Key: e.key, Deals: e.deals, Credit: earned.Credit, Value: earned.Value, CreditEnds: e.ends(r)}
	if row.Key == "" {
		row.Key = trail.Nobody
	}
	return row
}

// tie numbers the rows, which are in order of value: those of one number have
// intervals that overlap with that of the first of them, so nothing says that
// they differ.
func tie(rows []trail.CreditRow, earned []earning, r *run) {
	number, low := 0, math.Inf(1)
	i := 0
	for _, e := range earned {
		if e.unattributed {
			continue
		}
		from, to := e.valueEnds(r)
		if to < low {
			number, low = number+1, from
		}
		rows[i].Tie, i = number, i+1
	}
	for ; i < len(rows); i++ { // of which the model speaks though no deal gave it anything
		rows[i].Tie = number
	}
}

// players says what a model's own aggregate is about.
func players(model string) string {
	if strings.Contains(model, ":") {
		return "kind" // a chain of order 2 or 3
	}
	return "content"
}

// effect is what a data-driven model says of one player.
type effect struct {
	model, player     string
	credit, low, high float64
	value             [3]int64 // in minor units; with its ends
	trail.ModelCredit
}

// effects returns what a model says in aggregate by player, nil if it is a rule;
// or, of one content, what each model says by model.
func (db *DB) effects(ctx context.Context, r *run, model, content string) (map[string]effect, error) {
	all, err := query(ctx, db, "Effects", func(rows driver.Rows, e *effect) error {
		return rows.Scan(&e.model, &e.player, &e.credit, &e.low, &e.high, &e.value[0], &e.value[1], &e.value[2], &e.Effect, &e.EffectLow, &e.EffectHigh, &e.EffectError)
	}, r.param(), clickhouse.Named("model", model), clickhouse.Named("player", content))
	if err != nil || len(all) == 0 {
		return nil, err
	}
	by := map[string]effect{}
	for _, e := range all {
		e.ModelValue, e.ModelValueLow, e.ModelValueHigh = r.money(e.value[0]), r.money(e.value[1]), r.money(e.value[2])
		if content != "" {
			e.player = e.model
		}
		by[e.player] = e
	}
	return by, nil
}

// set puts what a model says in place of a sum of shares.
func (e effect) set(row *trail.CreditRow) {
	nine := func(f float64) float64 { return math.Round(f*1e9) / 1e9 }
	row.Credit, row.Low, row.High = nine(e.credit), nine(e.low), nine(e.high)
	row.ModelCredit = &e.ModelCredit
}

// withEffects puts what a model says in aggregate in place of the sums of shares,
// and adds the players that no deal gave anything.
func withEffects(rows []trail.CreditRow, effects map[string]effect, r *run, known map[string]trail.ContentRow) []trail.CreditRow {
	for i := range rows {
		if e, ok := effects[rows[i].Key]; ok {
			e.set(&rows[i])
			delete(effects, rows[i].Key)
		}
	}
	for _, player := range slices.Sorted(maps.Keys(effects)) {
		nothing := earning{key: player}
		row := nothing.row(r)
		row.Title, row.CreditCost = known[player].Title, nothing.cost(r, known[player].Cost)
		effects[player].set(&row)
		rows = append(rows, row)
	}
	return rows
}

// ContentCredits returns what one content earned under each model of the newest
// run of the filter that gave it anything, with the model's name as key. Without a
// run it returns a Problem no_run.
func (db *DB) ContentCredits(ctx context.Context, content trail.ContentID, f Filter) ([]trail.CreditRow, error) {
	r, err := db.mustRun(ctx, f)
	if err != nil {
		return nil, err
	}
	var earned []earning
	var effects map[string]effect
	var known map[string]trail.ContentRow
	g, asking := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		earned, err = query(asking, db, "ContentModels", scanEarning, r.param(), clickhouse.Named("content", content))
		return err
	})
	g.Go(func() (err error) { effects, err = db.effects(asking, r, "", content); return err })
	g.Go(func() error { return db.size(asking, r) })
	g.Go(func() (err error) { known, err = db.registered(asking, Filter{AsOf: r.AsOf}, content); return err })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	rows := []trail.CreditRow{}
	for _, e := range earned {
		row := e.row(r)
		row.Title, row.CreditCost = known[content].Title, e.cost(r, known[content].Cost)
		if model, ok := effects[e.key]; ok {
			model.set(&row)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// checkValues refuses a filter by what nothing in the run has, and says what there is.
func (db *DB) checkValues(ctx context.Context, f Filter, r *run) error {
	for _, name := range slices.Sorted(maps.Keys(f.Only)) {
		zone := "UTC"
		if f.Zone != nil {
			zone = f.Zone.String()
		}
		there, err := query(ctx, db, "RunValues", func(rows driver.Rows, v *string) error { return rows.Scan(v) },
			r.param(), instant("run_as_of", r.AsOf), clickhouse.Named("by", name), clickhouse.Named("zone", zone))
		if err != nil {
			return err
		}
		for _, v := range f.Only[name] {
			if v == trail.Nobody || slices.Contains(there, v) {
				continue
			}
			return trail.Problemf(trail.Invalid, "%s is %q, which nothing in this run has; %s.", name, v, choose(there))
		}
	}
	return nil
}

// choose names what there is to choose from.
func choose(from []string) string {
	const most = 20
	named := slices.Clone(from[:min(len(from), most)])
	for i, v := range named {
		if v == "" {
			named[i] = trail.Nobody
		}
	}
	text := "choose from " + strings.Join(named, ", ")
	switch {
	case len(from) == 0:
		return "nothing has any"
	case len(from) > most:
		text += fmt.Sprintf(" and %d others", len(from)-most)
	}
	return text
}
