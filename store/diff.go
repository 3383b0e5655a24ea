package store

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"golang.org/x/sync/errgroup"

	"dealtrail/trail"
)

// The words that stand for a run where two are compared: the newest complete one
// that answers a filter, and the one before the other.
const (
	NewestRun   = "newest"
	PreviousRun = "previous"
)

// RunPage returns complete runs, newest first: those before the run after, if that
// is not empty, and at most limit.
func (db *DB) RunPage(ctx context.Context, after string, limit int) ([]trail.Run, error) {
	rows, err := db.runPage(ctx, limit, after, nil, "", "")
	runs := make([]trail.Run, len(rows))
	for i, r := range rows {
		runs[i] = r.Run
	}
	return runs, err
}

// Run returns one complete run. Another is a Problem not_found.
func (db *DB) Run(ctx context.Context, id string) (*trail.Run, error) {
	r, err := db.runOf(ctx, id)
	if err != nil {
		return nil, err
	}
	return &r.Run, nil
}

func (db *DB) runOf(ctx context.Context, id string) (*run, error) {
	rows, err := db.runPage(ctx, 1, "", []string{id}, "", "")
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, trail.Problemf(trail.NotFound, "There is no complete run %q.", id)
	}
	return &rows[0], nil
}

// before returns the run before another: of its level and period, with the model,
// and what was known before.
func (db *DB) before(ctx context.Context, r *run, model string) (*run, error) {
	rows, err := db.runPage(ctx, 1, "", nil, r.ID, model)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, trail.Problemf(trail.NoRun, "Run %s is the first of its level and period with model %s: there is none before to compare it with.", r.ID, model)
	}
	return &rows[0], nil
}

func (db *DB) runPage(ctx context.Context, limit int, after string, ids []string, than, model string) ([]run, error) {
	return query(ctx, db, "RunPage", scanRun, clickhouse.Named("limit", uint64(max(limit, 0))), clickhouse.Named("after", after),
		clickhouse.Named("ids", list(ids)), clickhouse.Named("than", than), clickhouse.Named("model", model))
}

// pair is two runs that are compared, and how.
type pair struct {
	a, b      *run
	model, by string
	zone      string
	rules     rulePair
}

// compare finds the two runs that are named, by ID or by one of the words, and
// refuses what does not compare.
func (db *DB) compare(ctx context.Context, a, b, by string, f Filter) (*pair, error) {
	if err := checkKeys(by, nil); err != nil {
		return nil, err
	}
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	if a == PreviousRun && b == PreviousRun {
		return nil, trail.Problemf(trail.Invalid, "Only one of the two runs can be the one before the other.")
	}
	find := func(name string) (*run, error) {
		switch name {
		case PreviousRun:
			return nil, nil
		case NewestRun:
			f := f
			f.Run = ""
			return db.mustRun(ctx, f)
		}
		return db.runOf(ctx, name)
	}
	p := &pair{model: f.Model, by: by, zone: "UTC"}
	if f.Zone != nil {
		p.zone = f.Zone.String()
	}
	if p.a, err = find(a); err != nil {
		return nil, err
	}
	if p.b, err = find(b); err != nil {
		return nil, err
	}
	switch {
	case p.a == nil:
		p.a, err = db.before(ctx, p.b, p.model)
	case p.b == nil:
		p.b, err = db.before(ctx, p.a, p.model)
	}
	if err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	p.rules = rulesOf(p)
	return p, nil
}

// check refuses runs that do not compare.
func (p *pair) check() error {
	a, b := &p.a.Run, &p.b.Run
	switch {
	case a.ID == b.ID:
		return trail.Problemf(trail.Invalid, "Both are run %s; compare two different runs.", a.ID)
	case a.Agents != b.Agents:
		return trail.Problemf(trail.Invalid, "Run %s counts agents %s and run %s %s; only runs of one level compare.", a.ID, a.Agents, b.ID, b.Agents)
	case !a.From.Equal(b.From) || !a.To.Equal(b.To):
		return trail.Problemf(trail.Invalid, "Run %s and run %s are over deals closed in different periods; only runs of one period compare.", a.ID, b.ID)
	case a.Currency != b.Currency || p.a.digits != p.b.digits:
		return trail.Problemf(trail.Invalid, "Run %s is in %s and run %s in %s; only runs in one currency compare.", a.ID, a.Currency, b.ID, b.Currency)
	}
	for _, r := range []*trail.Run{a, b} {
		if !slices.Contains(r.Models, p.model) {
			return trail.Problemf(trail.Invalid, "Run %s did not compute model %q; it has %s.", r.ID, p.model, strings.Join(r.Models, ", "))
		}
		if why := r.Reasons[p.model]; why != "" {
			return trail.Problemf(trail.Invalid, "Model %s has no result in run %s: %s", p.model, r.ID, why)
		}
	}
	return nil
}

// Diff returns what changed from run a to run b of each key under the filter's
// model, and why. Runs are named by ID, NewestRun or PreviousRun; by is one of Keys.
// What does not compare is a Problem that says why.
func (db *DB) Diff(ctx context.Context, a, b, by string, f Filter) (*trail.Diff, error) {
	p, err := db.compare(ctx, a, b, by, f)
	if err != nil {
		return nil, err
	}
	var before, after []earning
	causes := causeSums{}
	g, asking := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		before, err = db.earnings(asking, p.filter(), p.a, by, math.MaxInt64, 0)
		return err
	})
	g.Go(func() (err error) {
		after, err = db.earnings(asking, p.filter(), p.b, by, math.MaxInt64, 0)
		return err
	})
	g.Go(func() error {
		return db.eachChanged(asking, p, func(d *dealChange) { causes.add(d) })
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	d := p.diff(before, after, causes)
	return d, db.entitle(ctx, d)
}

func (p *pair) filter() Filter {
	zone, _ := time.LoadLocation(p.zone)
	return Filter{Model: p.model, Zone: zone}
}

// diffPlace is where a row of a difference.
type diffPlace struct {
	ofAll, unattributed bool
	key                 string
}

// causeSum is what one cause changed, in how many deals.
type causeSum struct {
	deals uint64
	sum   sum
}

// causeSums are what each cause changed, by row.
type causeSums map[diffPlace]map[trail.Cause]causeSum

// add takes a deal in. It counts once for the total, whatever its keys.
func (c causeSums) add(d *dealChange) {
	var all sum
	one := func(at diffPlace, by sum) {
		if c[at] == nil {
			c[at] = map[trail.Cause]causeSum{}
		}
		s := c[at][d.cause]
		s.deals++
		s.sum.add(by)
		c[at][d.cause] = s
	}
	for _, k := range d.keys {
		by := k.by()
		all.add(by)
		one(diffPlace{unattributed: k.unattributed, key: k.key}, by)
	}
	one(diffPlace{ofAll: true}, all)
}

// of returns the causes of one row, the largest first.
func (c causeSums) of(p *pair, at diffPlace) []trail.CauseChange {
	causes := []trail.CauseChange{}
	order := trail.Causes()
	slices.SortStableFunc(order, func(x, y trail.Cause) int {
		a, b := c[at][x].sum, c[at][y].sum
		return cmp.Or(cmp.Compare(abs(b.value), abs(a.value)), cmp.Compare(abs(b.credit), abs(a.credit)))
	})
	for _, cause := range order {
		if s, ok := c[at][cause]; ok {
			by := s.sum.in(p.b)
			causes = append(causes, trail.CauseChange{Cause: cause, Deals: s.deals, Change: by.Value, CreditChange: by.Credit})
		}
	}
	return causes
}

// diff makes the report of what each key earned in both runs and what each cause
// changed.
func (p *pair) diff(before, after []earning, causes causeSums) *trail.Diff {
	d := &trail.Diff{
		A: p.a.Run, B: p.b.Run, Model: p.model, By: p.by, Agents: p.a.Agents, From: p.a.From, To: p.a.To,
		Inputs: inputs(p.a.Inputs, p.b.Inputs), Settings: p.rules.change, Rows: []trail.DiffRow{},
	}
	sums := map[diffPlace][2]sum{{ofAll: true}: {}, {unattributed: true}: {}}
	for i, earned := range [][]earning{before, after} {
		for _, e := range earned {
			for _, at := range []diffPlace{{unattributed: e.unattributed, key: e.key}, {ofAll: true}} {
				both := sums[at]
				both[i].add(e.sum)
				sums[at] = both
			}
		}
	}
	by := func(at diffPlace) int64 { return abs(sums[at][1].value - sums[at][0].value) }
	order := slices.SortedFunc(maps.Keys(sums), func(x, y diffPlace) int {
		return cmp.Or(cmp.Compare(by(y), by(x)), cmp.Compare(len(causes[y]), len(causes[x])), cmp.Compare(sums[y][1].value, sums[x][1].value), strings.Compare(x.key, y.key))
	})
	for _, at := range order {
		row := trail.DiffRow{Change: p.change(sums[at][0], sums[at][1]), Causes: causes.of(p, at)}
		switch {
		case at.ofAll:
			d.Total = row
		case at.unattributed:
			d.Unattributed = row
		default:
			row.Key = cmp.Or(at.key, trail.Nobody)
			d.Rows = append(d.Rows, row)
		}
	}
	return d
}

func abs(n int64) int64 { return max(n, -n) }

// change returns an amount in both runs.
func (p *pair) change(before, after sum) trail.Change {
	x, y := before.in(p.a), after.in(p.b)
	return trail.Change{Before: x.Value, After: y.Value, Change: p.b.money(after.value - before.value), CreditBefore: x.Credit, CreditAfter: y.Credit}
}

// inputs sets the counts of two runs side by side, by name.
func inputs(before, after map[string]uint64) []trail.InputChange {
	all := []trail.InputChange{}
	for name, n := range before {
		all = append(all, trail.InputChange{Name: name, Before: n, After: after[name]})
	}
	for name, n := range after {
		if _, ok := before[name]; !ok {
			all = append(all, trail.InputChange{Name: name, After: n})
		}
	}
	slices.SortFunc(all, func(x, y trail.InputChange) int { return strings.Compare(x.Name, y.Name) })
	return all
}

// entitle gives the rows the titles of contents.
func (db *DB) entitle(ctx context.Context, d *trail.Diff) error {
	titles := map[string]string{}
	if d.By == "content" {
		var contents []string
		for _, r := range d.Rows {
			contents = append(contents, r.Key)
		}
		var err error
		if titles, err = db.titles(ctx, Filter{AsOf: forever}, contents); err != nil {
			return err
		}
	}
	for i := range d.Rows {
		d.Rows[i].Title = cmp.Or(titles[d.Rows[i].Key], d.Rows[i].Key)
	}
	return nil
}
