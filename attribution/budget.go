package attribution

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"dealtrail/store"
	"dealtrail/trail"
)

// Budgets makes budget pages: what content earned and cost, frozen as one run found
// it. Job and Holdouts say what runs and holdouts know.
type Budgets struct {
	DB       *store.DB
	Job      *Job
	Holdouts *Holdouts
	Emit     trail.Emit
	Settle   func(ctx context.Context) error // returns when all that was accepted before is loaded; nil: it is at once
	Zone     *time.Location                  // the company's
	Now      func() time.Time                // nil: time.Now
}

// New freezes a budget page and returns it. visible is false when it is accepted and
// reports do not show it within some seconds. source says who told us ("api", "ui").
// Without a run that answers what is asked it returns a trail.NoRun problem.
func (x *Budgets) New(ctx context.Context, q trail.BudgetAsked, source string) (b trail.Budget, visible bool, err error) {
	if q, err = q.Check(); err != nil {
		return b, false, err
	}
	run, err := x.run(ctx, &q)
	if err != nil {
		return b, false, err
	}
	if b, err = x.page(ctx, q, run); err != nil {
		return b, false, err
	}
	e, b, err := b.Event(source, x.now())
	if err != nil {
		return b, false, err
	}
	if err := x.Emit(ctx, e); err != nil {
		return b, false, fmt.Errorf("%w (%w)", trail.Problemf(trail.Unavailable, "This cannot be written at the moment; try again in a few seconds."), err)
	}
	if x.Settle == nil {
		return b, true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, holdoutPatience)
	defer cancel()
	return b, x.Settle(ctx) == nil, nil
}

// run finds the run that is asked for, and completes what is asked.
func (x *Budgets) run(ctx context.Context, q *trail.BudgetAsked) (*trail.Run, error) {
	f := store.Filter{Model: q.Model, Agents: q.Agents, From: q.From, To: q.To, Run: q.Run}
	if q.Model != "" {
		if err := x.Job.Options.CheckModel(q.Model); err != nil {
			return nil, err
		}
	}
	run, err := x.DB.NewestRun(ctx, f)
	if p := (*trail.Problem)(nil); q.Run != "" && errors.As(err, &p) && p.Code == trail.NoRun {
		return nil, trail.Problemf(trail.NotFound, "There is no run %q with the model %s; choose one of: dealtrail runs.", q.Run, cmp.Or(q.Model, store.UsualModel))
	}
	if err != nil {
		return nil, err
	}
	q.Model = cmp.Or(q.Model, store.UsualModel)
	if q.Currency != "" && !strings.EqualFold(q.Currency, run.Currency) {
		return nil, trail.Problemf(trail.Invalid, "The run counts in %s, and a page of it can be in no other currency; set attribution.currency and calculate again for %s.", run.Currency, q.Currency)
	}
	q.Title = cmp.Or(q.Title, "What content earned, "+x.period(run))
	return run, nil
}

// page reads all that the page says.
func (x *Budgets) page(ctx context.Context, q trail.BudgetAsked, run *trail.Run) (b trail.Budget, err error) {
	f := store.Filter{Run: run.ID, Model: q.Model, Agents: run.Agents, AsOf: run.AsOf}
	var contents, kinds *trail.Attribution
	var spend *trail.Spend
	var lifts *trail.LiftReport
	var readouts []trail.Readout
	g, asking := errgroup.WithContext(ctx)
	g.Go(func() (err error) { contents, err = x.DB.Attribution(asking, "content", f); return err })
	g.Go(func() (err error) { kinds, err = x.DB.Attribution(asking, "kind", f); return err })
	g.Go(func() (err error) { spend, err = x.DB.Spend(asking, f, store.RatesOf(*run)); return err })
	g.Go(func() (err error) { lifts, err = x.lifts(asking, run); return err })
	if x.Holdouts != nil {
		g.Go(func() (err error) {
			readouts, err = x.Holdouts.Readouts(asking, store.Filter{Agents: run.Agents})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return b, err
	}
	b = trail.Budget{
		By: q.By, Title: q.Title, Note: q.Note, Zone: x.Zone.String(), Run: run.ID, Model: q.Model, ModelTitle: q.Model, Agents: run.Agents, AsOf: run.AsOf, From: run.From, To: run.To,
		Currency: run.Currency, Deals: run.Deals, Few: contents.Few, Reason: contents.Reason, Total: contents.Total, Unattributed: contents.Unattributed,
		Spent: spend.Total, NeverSent: spend.NeverSent, NeverUsed: spend.NeverUsed, Proven: []string{},
	}
	if m, err := x.Job.Options.Model(q.Model); err == nil {
		b.ModelTitle = m.Title
	}
	x.fill(&b, run, contents, kinds, spend)
	withLifts(&b, lifts)
	withProofs(&b, readouts)
	b.Assumed = x.assumed(b, run, spend)
	return b, nil
}

// lifts are those of the run or, if it compared nothing, of the newest that did; nil
// without one.
func (x *Budgets) lifts(ctx context.Context, run *trail.Run) (*trail.LiftReport, error) {
	for _, id := range []string{run.ID, ""} {
		report, err := x.Job.Lift(ctx, LiftQuestion{Agents: run.Agents, Run: id})
		if p := (*trail.Problem)(nil); errors.As(err, &p) && p.Code == trail.NoRun {
			continue
		}
		if err != nil || len(report.Rows) > 0 {
			return report, err
		}
	}
	return nil, nil
}

// fill puts in what contents and kinds earned and cost.
func (x *Budgets) fill(b *trail.Budget, run *trail.Run, contents, kinds *trail.Attribution, spend *trail.Spend) {
	sums := store.RatesOf(*run)
	costs := map[string]trail.SpendRow{}
	kindCosts := map[string][]trail.Money{}
	for _, s := range spend.Rows {
		if costs[s.Content] = s; s.Cost != nil {
			kindCosts[kindKey(s.Kind)] = append(kindCosts[kindKey(s.Kind)], *s.Cost)
		}
	}
	var all []trail.BudgetRow
	for _, r := range contents.Rows {
		s, spent := costs[r.Key]
		row := budgetRow(r)
		row.Kind, row.State = s.Kind, s.State
		if r.CreditCost != nil {
			row.Cost, row.PerCost = &r.Cost, r.PerCost
		}
		if delete(costs, r.Key); spent || r.Credit != 0 || r.Deals > 0 {
			all = append(all, row)
		}
	}
	for _, s := range costs {
		all = append(all, trail.BudgetRow{Key: s.Content, Title: cmp.Or(s.Title, s.Content), Kind: s.Kind, Cost: s.Cost, Value: sums.Sum(), PerCost: s.PerCost, State: s.State})
	}
	b.Contents, b.Rest = x.most(sums, all, trail.BudgetContents)

	var byKind []trail.BudgetRow
	for _, r := range kinds.Rows {
		row := budgetRow(r)
		if told := kindCosts[r.Key]; len(told) > 0 {
			cost := sums.Sum(told...)
			row.Cost, row.Contents = &cost, uint64(len(told))
			row.PerCost = sums.Per(row.Value, row.Low, row.High, cost)
		}
		delete(kindCosts, r.Key)
		byKind = append(byKind, row)
	}
	for kind, told := range kindCosts {
		cost := sums.Sum(told...)
		byKind = append(byKind, trail.BudgetRow{Key: kind, Title: kind, Contents: uint64(len(told)), Cost: &cost, Value: sums.Sum()})
	}
	named, rest := x.most(sums, byKind, trail.BudgetKinds)
	if b.Kinds = named; rest != nil {
		rest.Title = "other kinds"
		b.Kinds = append(b.Kinds, *rest)
	}
}

func kindKey(kind string) string { return cmp.Or(kind, trail.Nobody) }

func budgetRow(r trail.CreditRow) trail.BudgetRow {
	row := trail.BudgetRow{Key: r.Key, Title: cmp.Or(r.Title, r.Key), Deals: r.Deals, Value: r.Value}
	if r.CreditEnds != nil {
		row.Low, row.High = &r.ValueLow, &r.ValueHigh
	}
	return row
}

// most returns the first rows, by what they earned and then by what they cost, and the
// sum of the others, nil if there are none.
func (x *Budgets) most(sums store.Rates, all []trail.BudgetRow, n int) (first []trail.BudgetRow, rest *trail.BudgetRow) {
	cost := func(r trail.BudgetRow) trail.Money {
		if r.Cost == nil {
			return trail.Money{}
		}
		return *r.Cost
	}
	slices.SortFunc(all, func(a, b trail.BudgetRow) int {
		return cmp.Or(sums.Compare(b.Value, a.Value), sums.Compare(cost(b), cost(a)), cmp.Compare(a.Key, b.Key))
	})
	if all == nil {
		all = []trail.BudgetRow{}
	}
	if len(all) <= n {
		return all, nil
	}
	rest = &trail.BudgetRow{Title: "all others"}
	var values, costs []trail.Money
	for _, r := range all[n:] {
		rest.Contents += max(r.Contents, 1)
		if values = append(values, r.Value); r.Cost != nil {
			costs = append(costs, *r.Cost)
		}
	}
	if rest.Value = sums.Sum(values...); len(costs) > 0 {
		cost := sums.Sum(costs...)
		rest.Cost = &cost
	}
	return all[:n], rest
}

// withLifts puts in what similar deals say.
func withLifts(b *trail.Budget, report *trail.LiftReport) {
	if report == nil {
		b.NoLift = "No run has compared deals with and without each content yet."
		return
	}
	b.LiftRun, b.Warning = report.Run, report.Warning
	for i := range b.Contents {
		for _, l := range report.Rows {
			if l.Content == b.Contents[i].Key && l.Lift != nil && l.Low != nil && l.High != nil {
				b.Contents[i].Lift = &trail.BudgetLift{Verdict: l.Verdict, Lift: *l.Lift, Low: *l.Low, High: *l.High}
			}
		}
	}
}

// withProofs puts in what holdouts decided.
func withProofs(b *trail.Budget, readouts []trail.Readout) {
	for _, r := range readouts {
		if r.Verdict != trail.ProvenFor && r.Verdict != trail.Against && r.Verdict != trail.NoEffect {
			continue
		}
		if len(b.Proven) < 5 {
			b.Proven = append(b.Proven, cmp.Or(r.Title, r.Content)+": "+r.Sentence)
		}
		for i := range b.Contents {
			if b.Contents[i].Key == r.Content && b.Contents[i].Proof == "" { // the newest comes first
				b.Contents[i].Proof = r.Verdict
			}
		}
	}
}

func (x *Budgets) now() time.Time {
	if x.Now == nil {
		return milli(time.Now())
	}
	return milli(x.Now())
}
