package store

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"dealtrail/trail"
)

// Spend returns what making the contents cost, by what became of them, with their
// credits in the newest run of the filter, if there is one, and under its rates; else
// under those given.
func (db *DB) Spend(ctx context.Context, f Filter, otherwise Rates) (*trail.Spend, error) {
	run, err := db.NewestRun(ctx, f)
	if p := (*trail.Problem)(nil); err != nil && !(errors.As(err, &p) && p.Code == trail.NoRun) {
		return nil, err
	}
	var credits *trail.Attribution
	if run == nil {
		f.Run = "none" // which no run is called
	} else {
		f.Run, otherwise = run.ID, RatesOf(*run)
		if credits, err = db.Attribution(ctx, "content", f); err != nil {
			return nil, err
		}
	}
	contents, err := db.Contents(ctx, f)
	if err != nil {
		return nil, err
	}
	s := SpendOf(contents, credits, otherwise)
	if f, err = f.complete(); err != nil {
		return nil, err
	}
	s.Model, s.Agents = f.Model, f.Agents
	return &s, nil
}

// SpendOf adds up what contents cost. credits are what they earned, nil without a
// run; the rates are those of that run.
func SpendOf(contents []trail.ContentRow, credits *trail.Attribution, rates Rates) trail.Spend {
	s := trail.Spend{Rows: []trail.SpendRow{}}
	earned := map[string]trail.CreditRow{}
	if credits != nil {
		s.Run, s.Model, s.Agents = credits.Run, credits.Model, credits.Agents
		for _, r := range credits.Rows {
			earned[r.Key] = r
		}
	}
	type spent struct {
		contents uint64
		cost     int64
	}
	sums := map[string]spent{}
	costs := map[string]int64{}
	for _, c := range contents {
		if c.Cost.Amount == "" {
			s.NoCost++
			continue
		}
		row := trail.SpendRow{Content: c.ID, Title: c.Title, Kind: c.Kind, State: c.Use(), Told: c.Cost, Sent: c.Sent}
		row.Told.Currency = cmp.Or(row.Told.Currency, rates.Currency)
		if units, ok := rates.minor(c.Cost); ok {
			cost := rates.money(units)
			row.Cost, costs[c.ID] = &cost, units
			for _, name := range []string{"", row.State} {
				sums[name] = spent{sums[name].contents + 1, sums[name].cost + units}
			}
		} else {
			s.NoRate++
		}
		if credits != nil {
			value := rates.money(0)
			if r, ok := earned[c.ID]; ok {
				value = r.Value
				if r.CreditCost != nil {
					row.PerCost = r.PerCost
				}
			}
			row.Value = &value
		}
		s.Rows = append(s.Rows, row)
	}
	for name, sum := range map[string]*trail.Spent{"": &s.Total, trail.NeverSent: &s.NeverSent, trail.NeverUsed: &s.NeverUsed, trail.Used: &s.Used} {
		*sum = trail.Spent{Contents: sums[name].contents, Cost: rates.money(sums[name].cost)}
	}
	slices.SortFunc(s.Rows, func(a, b trail.SpendRow) int {
		return cmp.Or(cmp.Compare(costs[b.Content], costs[a.Content]), cmp.Compare(a.Content, b.Content))
	})
	return s
}
