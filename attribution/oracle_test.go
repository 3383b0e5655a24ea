package attribution_test

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/trail"
)

// The oracle divides deals as docs/models.md says, in plain Go and with exact fractions, from the touches that the store ties
// to deals. It shares nothing with the SQL.

// tied is a touch of a deal as the store tells it.
type tied struct {
	deal, content, contacts, rep string
	id                           trail.ID
	kind                         trail.Kind
	trail.Verdict
	at time.Time
}

// ties returns the touches of all deals.
func ties(t testing.TB, db *store.DB, asOf time.Time) []tied {
	t.Helper()
	rows, err := db.Query(t.Context(),
		"SELECT deal, content, toString(contacts), rep, id, kind, agent, probability, at FROM deal_touches(as_of = {as_of:DateTime64(3)})",
		clickhouse.Named("as_of", asOf))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []tied
	for rows.Next() {
		var x tied
		var id string
		if err := rows.Scan(&x.deal, &x.content, &x.contacts, &x.rep, &id, (*string)(&x.kind), (*string)(&x.Agent), &x.Probability, &x.at); err != nil {
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
func split(amount int64, weights []int64) []int64 {
	sign := int64(1)
	if amount < 0 {
		sign, amount = -1, -amount
	}
	var total int64
	for _, w := range weights {
		total += w
	}
	parts, rest, left := make([]int64, len(weights)), make([]*big.Rat, len(weights)), amount
	order := make([]int, len(weights))
	for i, w := range weights {
		quota := big.NewRat(w, total)
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

// divide returns the credits of one deal under one model.
func divide(model, deal string, value int64, path []tied) []credit {
	if len(path) == 0 {
		return []credit{{model: model, deal: deal, share: 1, value: value}}
	}
	weights := make([]int64, len(path))
	var total int64
	for i := range path {
		if model == "linear" || model == "first" && i == 0 || model == "last" && i == len(path)-1 {
			weights[i] = 1
			total++
		}
	}
	byContent := map[string][]int{}
	for i, x := range path {
		if weights[i] > 0 {
			byContent[x.content] = append(byContent[x.content], i)
		}
	}
	var contents []string
	for c := range byContent {
		contents = append(contents, c)
	}
	slices.Sort(contents)
	sums := make([]int64, len(contents))
	for i, c := range contents {
		for _, k := range byContent[c] {
			sums[i] += weights[k]
		}
	}
	var all []credit
	for i, part := range split(value, sums) {
		var own []int64
		for _, k := range byContent[contents[i]] {
			own = append(own, weights[k])
		}
		for n, v := range split(part, own) {
			k := byContent[contents[i]][n]
			all = append(all, credit{model, deal, contents[i], path[k].id, path[k].rep, float64(weights[k]) / float64(total), v})
		}
	}
	return all
}

// expect returns all credits of a run, sorted as credits sorts them, and how many won deals are left out.
func expect(deals []trail.Event, touches []tied, o attribution.Options, r attribution.Request) (all []credit, leftOut uint64) {
	for _, d := range deals {
		closed, err := time.Parse(time.RFC3339Nano, d.Attrs["closed_at"])
		value, usable := minor(d.Attrs, o)
		switch {
		case d.Attrs["status"] != "won", err == nil && (!r.From.IsZero() && closed.Before(r.From) || !r.To.IsZero() && !closed.Before(r.To)):
			continue
		case err != nil || !usable:
			leftOut++
			continue
		}
		var own []tied
		for _, x := range touches {
			if x.deal == d.Deal && x.counts(o, r.Agents, closed) {
				own = append(own, x)
			}
		}
		for _, m := range attribution.Models() {
			all = append(all, divide(m.Name, d.Deal, value, pathOf(own, o.Burst))...)
		}
	}
	slices.SortFunc(all, func(a, b credit) int {
		return cmp.Or(cmp.Compare(a.model, b.model), cmp.Compare(a.deal, b.deal), cmp.Compare(a.content, b.content), slices.Compare(a.touch[:], b.touch[:]))
	})
	return all, leftOut
}

// differ says where two lists of credits first differ, "" if nowhere.
func differ(got, want []credit) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Sprintf("there is no %v", want[i])
		case i >= len(want):
			return fmt.Sprintf("there is %v, which should not be", got[i])
		case got[i] != want[i]:
			return fmt.Sprintf("there is %v; want %v", got[i], want[i])
		}
	}
	return ""
}
