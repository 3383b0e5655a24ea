package attribution_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"math/big"
	"math/bits"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"gonum.org/v1/gonum/mat"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/trail"
)

// The oracle divides deals as docs/models.md says, in plain Go and with exact fractions, from the touches that the store ties
// to deals. It shares nothing with the SQL, nor with package markov.

// tied is a touch of a deal as the store tells it; row is all that it tells, of its burst the first event.
type tied struct {
	deal, content, contacts, rep string
	row                          string
	id                           trail.ID
	kind                         trail.Kind
	trail.Verdict
	at time.Time
}

// ties returns the touches of all deals.
func ties(t testing.TB, db *store.DB, asOf time.Time) []tied {
	t.Helper()
	rows, err := db.Query(t.Context(), `
		SELECT deal, content, toString(contacts), rep, id, kind, agent, probability, at,
			formatRow('TSV', deal, toUnixTimestamp64Milli(at), hex(id), content, rep, kind, hex(min(id) OVER (PARTITION BY deal, contacts, content, kind)), level, rule, toUInt16(round(1000 * confidence)))
		FROM deal_touches(as_of = {as_of:DateTime64(3)}) AS t`, clickhouse.DateNamed("as_of", asOf, clickhouse.MilliSeconds))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []tied
	for rows.Next() {
		var x tied
		var id string
		if err := rows.Scan(&x.deal, &x.content, &x.contacts, &x.rep, &id, (*string)(&x.kind), (*string)(&x.Agent), &x.Probability, &x.at, &x.row); err != nil {
			t.Fatal(err)
		}
		copy(x.id[:], id)
		all = append(all, x)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// counts reports whether a touch of a deal that closed then may earn.
func (x tied) counts(o attribution.Options, level trail.Level, closed time.Time) bool {
	switch {
	case !slices.Contains(o.Kinds, x.kind), x.at.After(closed), o.Window > 0 && x.at.Before(closed.Add(-o.Window)):
		return false
	case level == trail.All:
		return x.Agent != trail.Self
	case level == trail.Likely:
		return x.Agent == "" || x.Agent == trail.Human || x.Agent == trail.Proxy
	}
	return x.Agent == "" || x.Agent == trail.Human && x.Probability >= 0.9
}

// pathOf returns the touches that count, in order and without the later ones of each burst.
func pathOf(touches []tied, burst time.Duration) []tied {
	inOrder := func(a, b tied) int {
		return cmp.Or(a.at.Compare(b.at), slices.Compare(a.id[:], b.id[:]), cmp.Compare(a.content, b.content))
	}
	slices.SortFunc(touches, inOrder)
	last := map[string]time.Time{}
	var path []tied
	for _, x := range touches {
		chain := x.contacts + "|" + x.content + "|" + string(x.kind)
		if before, ok := last[chain]; !ok || x.at.Sub(before) > burst {
			path = append(path, x)
		}
		last[chain] = x.at
	}
	return path
}

// minor returns a deal's value in minor units, rounded half away from zero, and whether it has one.
func minor(attrs map[string]string, o attribution.Options) (int64, bool) {
	amount, ok := new(big.Rat).SetString(attrs["amount"])
	currency := cmp.Or(attrs["currency"], o.Currency)
	rate, known := new(big.Rat).SetString(o.Rates[currency])
	if currency == o.Currency {
		rate, known = big.NewRat(1, 1), true
	}
	if !ok || !known {
		return 0, false
	}
	value := amount.Mul(amount, rate)
	for range attribution.Digits(o.Currency) {
		value.Mul(value, big.NewRat(10, 1))
	}
	half := big.NewRat(int64(value.Sign()), 2)
	value.Add(value, half)
	return new(big.Int).Quo(value.Num(), value.Denom()).Int64(), true // Quo cuts towards zero
}

// split divides an amount in proportion to weights, by largest remainder.
func split(amount int64, weights []*big.Rat) []int64 {
	sign := int64(1)
	if amount < 0 {
		sign, amount = -1, -amount
	}
	total := sum(weights)
	parts, rest, left := make([]int64, len(weights)), make([]*big.Rat, len(weights)), amount
	order := make([]int, len(weights))
	for i, w := range weights {
		quota := new(big.Rat).Quo(w, total)
		quota.Mul(quota, new(big.Rat).SetInt64(amount))
		parts[i] = new(big.Int).Quo(quota.Num(), quota.Denom()).Int64()
		rest[i] = quota.Sub(quota, new(big.Rat).SetInt64(parts[i]))
		left -= parts[i]
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return rest[b].Cmp(rest[a]) })
	for _, i := range order[:left] {
		parts[i]++
	}
	for i := range parts {
		parts[i] *= sign
	}
	return parts
}

func sum(all []*big.Rat) *big.Rat {
	total := new(big.Rat)
	for _, x := range all {
		total.Add(total, x)
	}
	return total
}

// exactly is a weight as it was written.
func exactly(x float64) *big.Rat {
	r, _ := new(big.Rat).SetString(fmt.Sprint(x))
	return r
}

// shapes are the rules as docs/models.md has them.
var shapes = map[string]attribution.Weights{
	"first":  {First: 1},
	"last":   {Last: 1},
	"linear": {Others: 1},
	"u":      {First: .4, Last: .4, Others: .2},
	"w":      {First: .3, Lead: .3, Opportunity: .3, Others: .1, EarlyOnly: true},
	"full":   {First: .225, Lead: .225, Opportunity: .225, Last: .225, Others: .1},
}

// journey is a closed deal with its path.
type journey struct {
	deal              string
	value             int64
	won               bool
	path              []tied
	lead, opportunity time.Time // zero: not known
}

// hasTies reports whether two touches are of one time.
func (j journey) hasTies() bool {
	times := map[time.Time]bool{}
	for _, x := range j.path {
		times[x.at] = true
	}
	return len(times) < len(j.path)
}

// lastBy returns the place of the last touch by then, -1 for none.
func (j journey) lastBy(then time.Time) int {
	last := -1
	for i, x := range j.path {
		if !then.IsZero() && !x.at.After(then) {
			last = i
		}
	}
	return last
}

// weigh returns what each touch weighs by a rule: its part of each group that it is in, times its factors. Groups without
// touches weigh nothing, so that their part goes to the others in proportion when the deal is split.
func (j journey) weigh(w attribution.Weights) []*big.Rat {
	lead, opportunity := j.lastBy(j.lead), j.lastBy(j.opportunity)
	weights, named := make([]*big.Rat, len(j.path)), make([]bool, len(j.path))
	for i := range weights {
		weights[i] = new(big.Rat)
	}
	for _, g := range []struct {
		weight float64
		at     int
	}{{w.First, 0}, {w.Lead, lead}, {w.Opportunity, opportunity}, {w.Last, len(j.path) - 1}} {
		if g.weight > 0 && g.at >= 0 && g.at < len(j.path) {
			weights[g.at].Add(weights[g.at], exactly(g.weight))
			named[g.at] = true
		}
	}
	var others []int
	for i := range j.path {
		if !named[i] && (!w.EarlyOnly || i <= max(lead, opportunity)) {
			others = append(others, i)
		}
	}
	for _, i := range others {
		weights[i].Quo(exactly(w.Others), big.NewRat(int64(len(others)), 1))
	}
	for i, x := range j.path {
		if f, ok := w.Kinds[x.kind]; ok {
			weights[i].Mul(weights[i], exactly(f))
		}
		if f, ok := w.Contents[x.content]; ok {
			weights[i].Mul(weights[i], exactly(f))
		}
	}
	return weights
}

// decay returns what each touch weighs by its age at the last one, in whole parts of 1e-12.
func (j journey) decay(halfLife time.Duration) []*big.Rat {
	var weights []*big.Rat
	for _, x := range j.path {
		age := j.path[len(j.path)-1].at.Sub(x.at)
		weights = append(weights, new(big.Rat).SetFloat64(math.Round(1e12*math.Exp2(-float64(age)/float64(halfLife)))))
	}
	return weights
}

// drive returns what each touch weighs by the effects of players, in whole parts of 1e-12: each player's is shared by its
// touches, what is left over one each by the first.
func (j journey) drive(effects map[string]float64, player func(content string) string) []*big.Rat {
	touches := map[string]int64{}
	for _, x := range j.path {
		touches[player(x.content)]++
	}
	nth := map[string]int64{}
	var weights []*big.Rat
	for _, x := range j.path {
		p := player(x.content)
		nth[p]++
		whole := int64(math.Round(1e12 * effects[p]))
		w := whole / touches[p]
		if nth[p] <= whole%touches[p] {
			w++
		}
		weights = append(weights, big.NewRat(w, 1))
	}
	return weights
}

// divide returns the credits of one deal under one model.
func (j journey) divide(model string, weights []*big.Rat) []credit {
	if len(j.path) == 0 {
		return []credit{{model: model, deal: j.deal, share: 1, value: j.value}}
	}
	total := sum(weights)
	if total.Sign() == 0 {
		for i := range weights {
			weights[i] = big.NewRat(1, 1)
		}
		total = sum(weights)
	}
	byContent := map[string][]int{}
	for i, x := range j.path {
		if weights[i].Sign() > 0 {
			byContent[x.content] = append(byContent[x.content], i)
		}
	}
	contents := slices.Sorted(maps.Keys(byContent))
	weightsOf := func(places []int) (own []*big.Rat) {
		for _, k := range places {
			own = append(own, weights[k])
		}
		return own
	}
	var sums []*big.Rat
	for _, c := range contents {
		sums = append(sums, sum(weightsOf(byContent[c])))
	}
	var all []credit
	for i, part := range split(j.value, sums) {
		for n, v := range split(part, weightsOf(byContent[contents[i]])) {
			k := byContent[contents[i]][n]
			share, _ := new(big.Rat).Quo(weights[k], total).Float64()
			all = append(all, credit{model, j.deal, contents[i], j.path[k].id, j.path[k].rep, share, v})
		}
	}
	return all
}

// credits returns the credits of one deal under all models that have a result.
func (j journey) credits(c company, effects map[string]map[string]float64, reasons map[string]string) (all []credit) {
	for _, m := range c.request.Models {
		own := slices.IndexFunc(c.options.Custom, func(own attribution.Custom) bool { return own.Name == m })
		shape, isRule := shapes[m]
		var weights []*big.Rat
		switch {
		case reasons[m] != "":
			continue
		case isRule:
			weights = j.weigh(shape)
		case own >= 0:
			weights = j.weigh(c.options.Custom[own].Weights)
		case m == "decay":
			weights = j.decay(c.options.HalfLife)
		default:
			weights = j.drive(effects[m], c.player(m))
		}
		all = append(all, j.divide(m, weights)...)
	}
	return all
}

// journeys returns the closed deals that a run is about, and how many won ones are left out.
func (c company) journeys(touches []tied) (all []journey, leftOut uint64) {
	for _, d := range c.deals {
		status := d.Attrs["status"]
		closed, err := time.Parse(time.RFC3339Nano, d.Attrs["closed_at"])
		value, usable := minor(d.Attrs, c.options)
		switch {
		case c.gone[d.Deal], status != "won" && status != "lost", status == "lost" && err != nil,
			err == nil && (!c.request.From.IsZero() && closed.Before(c.request.From) || !c.request.To.IsZero() && !closed.Before(c.request.To)):
			continue
		case status == "won" && (err != nil || !usable):
			leftOut++
			continue
		}
		var own []tied
		for _, x := range touches {
			if x.deal == d.Deal && x.counts(c.options, c.request.Agents, closed) {
				own = append(own, x)
			}
		}
		all = append(all, journey{
			deal: d.Deal, value: value, won: status == "won", path: pathOf(own, c.options.Burst), lead: c.leadOf(d), opportunity: c.opportunityOf(d),
		})
	}
	return all, leftOut
}

// entered returns when a deal first entered a stage.
func (c company) entered(deal, stage string) (first time.Time) {
	for _, e := range c.other {
		if e.Kind == trail.Staged && e.Deal == deal && e.Stage == stage && (first.IsZero() || e.At.Before(first)) {
			first = e.At
		}
	}
	return first
}

func (c company) leadOf(d trail.Event) (first time.Time) {
	if c.options.LeadStage != "" {
		return c.entered(d.Deal, c.options.LeadStage)
	}
	for _, name := range strings.Fields(d.Attrs["contacts"]) {
		var said trail.Event // the last that was said of since when the contact is there
		for _, e := range c.other {
			if e.Kind == trail.ContactKind && string(e.Contact) == name && e.Attrs["created_at"] != "" && e.At.After(said.At) {
				said = e
			}
		}
		if at, err := time.Parse(time.RFC3339Nano, said.Attrs["created_at"]); err == nil && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

func (c company) opportunityOf(d trail.Event) time.Time {
	if c.options.OpportunityStage != "" {
		return c.entered(d.Deal, c.options.OpportunityStage)
	}
	at, _ := time.Parse(time.RFC3339Nano, d.Attrs["created_at"])
	return at
}

// expect returns all credits of a run, sorted as credits sorts them.
func (c company) expect(journeys []journey, effects map[string]map[string]float64, reasons map[string]string) (all []credit) {
	for _, j := range journeys {
		if j.won {
			all = append(all, j.credits(c, effects, reasons)...)
		}
	}
	slices.SortFunc(all, func(a, b credit) int {
		return cmp.Or(cmp.Compare(a.model, b.model), cmp.Compare(a.deal, b.deal), cmp.Compare(a.content, b.content), slices.Compare(a.touch[:], b.touch[:]))
	})
	return all
}

// differ says where two lists of credits first differ, "" if nowhere. Shares are fractions here and floating point there.
func differ(got, want []credit) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Sprintf("there is no %v", want[i])
		case i >= len(want):
			return fmt.Sprintf("there is %v, which should not be", got[i])
		}
		g, w := got[i], want[i]
		apart := math.Abs(g.share - w.share)
		if g.share, w.share = 0, 0; g != w || apart > 1e-11 {
			return fmt.Sprintf("there is %v; want %v", got[i], want[i])
		}
	}
	return ""
}

// chain is a Markov chain by its definition alone: how often each state follows each, self-loops included, and one linear
// system. A state is the last so many players of a journey, a line each.
type chain struct {
	journeys [][]string // the states of each, in order
	won      []bool
	value    []float64
	players  []string
}

func chainOf(journeys []journey, order int, player func(content string) string) (c chain) {
	seen := map[string]bool{}
	for _, j := range journeys {
		var names, states []string
		for _, x := range j.path {
			names = append(names, player(x.content))
			seen[player(x.content)] = true
		}
		for i := 0; i < len(names) && (i == 0 || i+order <= len(names)); i++ {
			states = append(states, strings.Join(names[i:min(i+order, len(names))], "\n"))
		}
		value := 0.0
		if j.won {
			value = max(0, float64(j.value))
		}
		c.journeys, c.won, c.value = append(c.journeys, states), append(c.won, j.won), append(c.value, value)
	}
	c.players = slices.Sorted(maps.Keys(seen))
	return c
}

// success returns the chance to win, and the value to be expected, when journeys that enter a state with any of the players are
// lost there.
func (c chain) success(gone func(player string) bool) (count, value float64) {
	number := map[string]int{"": 0}
	for _, states := range c.journeys {
		for _, s := range states {
			if _, ok := number[s]; !ok {
				number[s] = len(number)
			}
		}
	}
	n := len(number)
	steps, left, ends := mat.NewDense(n, n, nil), make([]float64, n), mat.NewDense(n, 2, nil)
	for i, states := range c.journeys {
		at := 0
		for _, s := range states {
			left[at]++
			to := number[s]
			if !slices.ContainsFunc(strings.Split(s, "\n"), gone) {
				steps.Set(at, to, steps.At(at, to)+1)
			}
			at = to
		}
		left[at]++
		if c.won[i] {
			ends.Set(at, 0, ends.At(at, 0)+1)
			ends.Set(at, 1, ends.At(at, 1)+c.value[i])
		}
	}
	for i := range n {
		for k := range n {
			steps.Set(i, k, -steps.At(i, k)/left[i])
		}
		steps.Set(i, i, steps.At(i, i)+1)
		ends.Set(i, 0, ends.At(i, 0)/left[i])
		ends.Set(i, 1, ends.At(i, 1)/left[i])
	}
	var x mat.Dense
	if err := x.Solve(steps, ends); err != nil {
		panic(err)
	}
	return x.At(0, 0), x.At(0, 1)
}

// removal returns which part of the conversions, and of the value, is lost without each player.
func (c chain) removal() (counts, values map[string]float64) {
	counts, values = map[string]float64{}, map[string]float64{}
	count, value := c.success(func(string) bool { return false })
	for _, p := range c.players {
		less, lessValue := c.success(func(name string) bool { return name == p })
		counts[p], values[p] = part(count-less, count), part(value-lessValue, value)
	}
	return counts, values
}

// shapley returns the Shapley value of each player, in conversions and in value per journey.
func (c chain) shapley() (counts, values map[string]float64) {
	counts, values = map[string]float64{}, map[string]float64{}
	n := len(c.players)
	worth := make([][2]float64, 1<<n)
	for s := range worth {
		worth[s][0], worth[s][1] = c.success(func(name string) bool { return s>>slices.Index(c.players, name)&1 == 0 })
	}
	for i, p := range c.players {
		for s := range worth {
			if s>>i&1 == 0 {
				chance := 1 / float64(n) / float64(new(big.Int).Binomial(int64(n-1), int64(bits.OnesCount(uint(s)))).Int64())
				counts[p] += chance * (worth[s|1<<i][0] - worth[s][0])
				values[p] += chance * (worth[s|1<<i][1] - worth[s][1])
			}
		}
	}
	return counts, values
}

// part is x of all, 0 of nothing.
func part(x, all float64) float64 {
	if all == 0 {
		return 0
	}
	return x / all
}
