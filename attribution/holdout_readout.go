package attribution

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"dealtrail/attribution/lift"
	"dealtrail/store"
	"dealtrail/trail"
)

const (
	// ProofLevel is the share of holdouts without an effect that are said to have one, at most.
	ProofLevel = 0.05
	// plannedGain is the difference that a holdout is planned to find: ten points.
	plannedGain = 0.10
	// hardestBase is the rate from which a rise of plannedGain takes the most deals to find.
	hardestBase = 0.45
	// skewedBelow is the p-value of a draw that chance would hardly have made.
	skewedBelow = 0.001
	// paceOf is over how long the pace of draws is taken, firstDraw how long after the start they count for none: then
	// every open deal was drawn at once.
	paceOf, firstDraw = 4 * 7 * 24 * time.Hour, 24 * time.Hour
	// leastPace is what it takes to tell a pace.
	leastPace = 7 * 24 * time.Hour
	// farthest is how far an expectation goes.
	farthest = 5 * 365 * 24 * time.Hour
	// dayOfClose is how exactly CRMs know when a deal was lost.
	dayOfClose = 24 * time.Hour
)

// Readouts returns what every holdout says as of f.AsOf, the newest first. All are
// one family: their q-values depend on each other.
func (x *Holdouts) Readouts(ctx context.Context, f store.Filter) ([]trail.Readout, error) {
	asOf := f.AsOf
	if asOf.IsZero() {
		asOf = x.now()
	}
	all, err := x.DB.Holdouts(ctx, f)
	if err != nil || len(all) == 0 {
		return []trail.Readout{}, err
	}
	ledger, err := x.DB.HoldoutLedger(ctx, f, "")
	if err != nil {
		return nil, err
	}
	order, err := x.DB.StageOrder(ctx, f)
	if err != nil {
		return nil, err
	}
	readouts, err := ReadOut(all, ledger, order, asOf)
	for i := range readouts {
		readouts[i].Agents = cmp.Or(f.Agents, trail.Likely)
	}
	return readouts, err
}

// Readout returns what one holdout says.
func (x *Holdouts) Readout(ctx context.Context, id string, f store.Filter) (*trail.Readout, error) {
	all, err := x.Readouts(ctx, f)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].ID == id {
			return &all[i], nil
		}
	}
	_, err = holdoutOf(nil, id)
	return nil, err
}

// Deals returns a page of a holdout's ledger by deal: those after f.After, at most
// f.Limit, all if that is 0.
func (x *Holdouts) Deals(ctx context.Context, id string, f store.Filter) ([]trail.HoldoutDeal, error) {
	asOf := f.AsOf
	if asOf.IsZero() {
		asOf = x.now()
	}
	all, err := x.DB.Holdouts(ctx, f)
	if err != nil {
		return nil, err
	}
	h, err := holdoutOf(all, id)
	if err != nil {
		return nil, err
	}
	ledger, err := x.DB.HoldoutLedger(ctx, f, h.ID)
	if err != nil {
		return nil, err
	}
	order, err := x.DB.StageOrder(ctx, f)
	if err != nil {
		return nil, err
	}
	deals := []trail.HoldoutDeal{}
	r := reader{h, order, asOf}
	for _, e := range ledger {
		if e.Deal > f.After {
			deals = append(deals, r.watch(e))
		}
	}
	slices.SortFunc(deals, func(a, b trail.HoldoutDeal) int { return cmp.Compare(a.Deal, b.Deal) })
	if f.Limit > 0 {
		deals = deals[:min(len(deals), f.Limit)]
	}
	return deals, nil
}

// ReadOut reads holdouts out of their ledgers, in the order in which they are given.
// The order of the ledger changes nothing.
func ReadOut(holdouts []trail.Holdout, ledger []store.HoldoutEntry, order store.StageOrder, asOf time.Time) ([]trail.Readout, error) {
	entries := map[string][]store.HoldoutEntry{}
	for _, e := range ledger {
		entries[e.Holdout] = append(entries[e.Holdout], e)
	}
	readouts := make([]trail.Readout, len(holdouts))
	var p []float64
	for i, h := range holdouts {
		r, err := reader{h, order, asOf}.count(entries[h.ID])
		if err != nil {
			return nil, err
		}
		if readouts[i] = r; r.Effect != nil {
			p = append(p, r.Effect.P)
		}
	}
	q, err := lift.Adjust(p)
	if err != nil {
		return nil, err
	}
	for i := range readouts {
		if e := readouts[i].Effect; e != nil {
			e.Q, q = q[0], q[1:]
		}
		readout{&readouts[i]}.conclude()
	}
	return readouts, nil
}

// reader reads one holdout out by a time.
type reader struct {
	trail.Holdout
	order store.StageOrder
	asOf  time.Time
}

// watch tells what became of one deal of the ledger.
func (r reader) watch(e store.HoldoutEntry) trail.HoldoutDeal {
	d := trail.HoldoutDeal{Deal: e.Deal, Arm: e.Arm, Stage: e.Stage, At: e.At, Until: e.At.Add(r.Horizon()), State: trail.HoldoutOver}
	closed := e.Status == "won" || e.Status == "lost"
	switch {
	case closed && e.EndedAt.Before(e.At):
		d.State = trail.HoldoutLeftOut
		return d
	case d.Until.After(r.asOf):
		d.State = trail.HoldoutRunning
	}
	if !e.GotAt.IsZero() && !e.GotAt.After(d.Until) {
		d.GotAt = e.GotAt
	}
	if e.Status == "won" {
		d.ReachedAt = e.EndedAt
	}
	if at := r.advanced(e); r.Outcome == trail.ToAdvance && !at.IsZero() && (d.ReachedAt.IsZero() || at.Before(d.ReachedAt)) {
		d.ReachedAt = at
	}
	if d.ReachedAt.After(d.Until) {
		d.ReachedAt = time.Time{}
	}
	return d
}

// advanced returns when a deal first entered a stage that comes after the one in
// which it was when it was drawn, by what we know of that now; zero if it did not.
// How a lost deal is called at its end is no such stage.
func (r reader) advanced(e store.HoldoutEntry) time.Time {
	from := e.Stage
	for i, at := range e.Times {
		switch {
		case !at.After(e.At):
			from = e.Stages[i]
		case e.Status == "lost" && !at.Before(e.EndedAt.Add(-dayOfClose)), strings.Contains(strings.ToLower(e.Stages[i]), "lost"):
			return time.Time{}
		case r.order.Later(from, e.Stages[i]):
			return at
		}
	}
	return time.Time{}
}

// count fills in all of a readout that needs no other holdout.
func (r reader) count(ledger []store.HoldoutEntry) (trail.Readout, error) {
	out := trail.Readout{Holdout: r.Holdout, AsOf: r.asOf, Notes: []string{}, Rows: []trail.ReadoutRow{}}
	stages := map[string]*trail.ReadoutRow{}
	var drawn []time.Time // those that are not left out
	for _, e := range ledger {
		d := r.watch(e)
		if d.State != trail.HoldoutLeftOut {
			drawn = append(drawn, d.At)
		}
		if stages[d.Stage] == nil {
			stages[d.Stage] = &trail.ReadoutRow{Stage: d.Stage}
		}
		for _, row := range []*trail.ReadoutRow{stages[d.Stage], &out.Total} {
			arm := &row.Recommended
			if d.Arm == trail.HeldBack {
				arm = &row.HeldBack
			}
			tally(arm, d)
		}
	}
	for _, row := range stages {
		out.Rows = append(out.Rows, *row)
	}
	before := func(stage string) (n int) { // how many of these stages come before it
		for other := range stages {
			if r.order.Later(other, stage) && !r.order.Later(stage, other) {
				n++
			}
		}
		return n
	}
	slices.SortFunc(out.Rows, func(a, b trail.ReadoutRow) int {
		return cmp.Or(cmp.Compare(before(a.Stage), before(b.Stage)), cmp.Compare(a.Stage, b.Stage))
	})
	out.Draw = r.checkDraw(out.Total)
	out.Plan = r.plan(drawn, out.Total)
	var err error
	out.Effect, out.MDE, err = compare(out.Rows)
	return out, err
}

func tally(arm *trail.ReadoutArm, d trail.HoldoutDeal) {
	arm.Assigned++
	switch d.State {
	case trail.HoldoutRunning:
		arm.Running++
		return
	case trail.HoldoutLeftOut:
		arm.LeftOut++
		return
	}
	arm.Over++
	if !d.ReachedAt.IsZero() {
		arm.Reached++
	}
	if !d.GotAt.IsZero() {
		arm.Got++
	}
}

// compare compares the arms: over several stages by Mantel-Haenszel, else by Newcombe.
// Below the minimum of data, as lift has it, there is no effect to tell.
func compare(rows []trail.ReadoutRow) (*trail.HoldoutEffect, float64, error) {
	var tables []lift.Table
	for _, r := range rows {
		tables = append(tables, lift.Table{
			Stratum: r.Stage, Exposed: int64(r.Recommended.Over), ExposedAdvanced: int64(r.Recommended.Reached),
			Control: int64(r.HeldBack.Over), ControlAdvanced: int64(r.HeldBack.Reached),
		})
	}
	strata, err := lift.Stratify(tables)
	if err != nil {
		return nil, 0, err
	}
	mde, err := strata.MDE()
	if err != nil { // no rise would show
		mde, err = 0, nil
	}
	if len(strata.Short()) > 0 {
		return nil, mde, nil
	}
	method, compared := "newcombe", strata.Compared()
	var d lift.Estimate
	if len(compared) > 1 {
		d, err = strata.RiskDifference()
		method = "mantel_haenszel"
	}
	if len(compared) == 1 || err != nil { // the strata say no more than their sum when all of one arm did the same
		t := compared.Total()
		method = "newcombe"
		if d, err = lift.Newcombe(t.ExposedAdvanced, t.Exposed, t.ControlAdvanced, t.Control); err != nil {
			return nil, 0, err
		}
	}
	test, err := strata.CMH()
	if errors.Is(err, lift.ErrUndefined) { // in each stage all did the same, whatever they were recommended
		return nil, mde, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return &trail.HoldoutEffect{Difference: d.Value, Low: d.Low, High: d.High, P: test.P, Method: method}, mde, nil
}

// checkDraw tests whether chance may have drawn so many deals for each arm:
// Pearson's chi-square with one degree of freedom, once five are expected in each.
func (r reader) checkDraw(total trail.ReadoutRow) trail.Draw {
	held := total.HeldBack.Assigned
	n := float64(held + total.Recommended.Assigned)
	d := trail.Draw{HeldBack: held, Expected: n * r.Part, P: 1}
	if min(n*r.Part, n*(1-r.Part)) < 5 {
		return d
	}
	z := (float64(held) - d.Expected) / math.Sqrt(n*r.Part*(1-r.Part))
	d.P = math.Erfc(math.Abs(z) / math.Sqrt2)
	d.Skewed = d.P < skewedBelow
	return d
}

// plan says how many deals it takes to find plannedGain from the rate of both arms
// together, which tells nothing of their difference, and when they are there.
func (r reader) plan(drawn []time.Time, total trail.ReadoutRow) trail.Plan {
	base := hardestBase
	if over := total.Recommended.Over + total.HeldBack.Over; over >= lift.MinExposed+lift.MinControl {
		rate := float64(total.Recommended.Reached+total.HeldBack.Reached) / float64(over)
		base = min(max(rate-plannedGain*(1-r.Part), 0), 1-plannedGain)
	}
	controls := r.Part / (1 - r.Part)
	recommended, err := lift.SampleSize(base, plannedGain, controls)
	if err != nil { // the part is that of no holdout
		return trail.Plan{}
	}
	p := trail.Plan{Deals: uint64(math.Ceil(float64(recommended) * (1 + controls)))}
	slices.SortFunc(drawn, time.Time.Compare)
	n := uint64(len(drawn))
	switch {
	case n >= p.Deals:
		p.Expected = drawn[p.Deals-1].Add(r.Horizon())
	case !r.Running(r.asOf):
		if n > 0 {
			p.Expected = drawn[n-1].Add(r.Horizon())
		}
	default:
		p.More = roughly(p.Deals - n)
		since := r.StartedAt.Add(firstDraw)
		if recent := r.asOf.Add(-paceOf); recent.After(since) {
			since = recent
		}
		first, _ := slices.BinarySearchFunc(drawn, since, time.Time.Compare)
		lately := n - uint64(first)
		if span := r.asOf.Sub(since); span >= leastPace && lately > 0 {
			wait := float64(p.Deals-n) * float64(span) / float64(lately)
			if wait < float64(farthest) {
				p.Expected = r.asOf.Add(time.Duration(wait) + r.Horizon())
			}
		}
	}
	if !p.Expected.After(r.asOf) {
		p.Expected = time.Time{}
	}
	return p
}

// roughly rounds up to two digits: 57 is 57, 132 is 140.
func roughly(n uint64) uint64 {
	step := uint64(1)
	for n/step >= 100 {
		step *= 10
	}
	return (n + step - 1) / step * step
}
