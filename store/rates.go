package store

import (
	"cmp"
	"math"
	"math/big"
	"strconv"
	"strings"

	"dealtrail/trail"
)

// Rates turn money into the reporting currency.
type Rates struct {
	Currency string            // the reporting currency
	Digits   uint8             // of its minor unit after the point
	Of       map[string]string // what one unit of a currency is worth in it, as decimal text
}

// RatesOf returns the rates that a run went by, as its settings have them.
func RatesOf(run trail.Run) Rates {
	rates := Rates{Currency: run.Currency, Digits: 2, Of: map[string]string{}}
	for line := range strings.Lines(run.Settings) {
		switch f := strings.Fields(line); {
		case len(f) == 3 && f[0] == "rate":
			rates.Of[f[1]] = f[2]
		case len(f) == 2 && f[0] == "digits":
			if n, err := strconv.ParseUint(f[1], 10, 8); err == nil {
				rates.Digits = uint8(n)
			}
		}
	}
	return rates
}

// minor returns money in minor units of the reporting currency, rounded half away
// from zero in exact decimals, as the values of deals are. Without a currency it is
// in the reporting currency; without a rate, or unreadable, it is not ok.
func (r Rates) minor(m trail.Money) (units int64, ok bool) {
	amount, ok := new(big.Rat).SetString(m.Amount)
	if !ok {
		return 0, false
	}
	if m.Currency != "" && !strings.EqualFold(m.Currency, r.Currency) {
		rate, ok := r.of(m.Currency)
		if !ok {
			return 0, false
		}
		amount.Mul(amount, rate)
	}
	text := strings.Replace(amount.FloatString(int(r.Digits)), ".", "", 1) // which rounds half away from zero
	units, err := strconv.ParseInt(text, 10, 64)
	return units, err == nil
}

// Convert returns money in the reporting currency; not ok without a rate, or when
// there is none.
func (r Rates) Convert(m trail.Money) (trail.Money, bool) {
	units, ok := r.minor(m)
	if !ok {
		return trail.Money{}, false
	}
	return r.money(units), true
}

// of returns what one unit of a currency is worth.
func (r Rates) of(currency string) (*big.Rat, bool) {
	for c, rate := range r.Of {
		if strings.EqualFold(c, currency) {
			return new(big.Rat).SetString(rate)
		}
	}
	return nil, false
}

// money returns minor units as money.
func (r Rates) money(minor int64) trail.Money {
	return trail.Money{Amount: decimal(minor, int(r.Digits)), Currency: r.Currency}
}

// cost is what a content cost under the run's rates and what it earned for each
// unit of that; nil without a cost.
func (e earning) cost(r *run, told trail.Money) *trail.CreditCost {
	rates := RatesOf(r.Run)
	units, ok := rates.minor(told)
	if !ok {
		return nil
	}
	c := &trail.CreditCost{Cost: rates.money(units)}
	if units > 0 {
		low, high := e.valueEnds(r)
		c.PerCost = perCost(float64(e.sum.value), low, high, units)
	}
	return c
}

// perCost divides money earned, in minor units, by what it cost, to six decimals.
func perCost(value, low, high float64, cost int64) *trail.PerCost {
	each := func(units float64) float64 { return math.Round(units/float64(cost)*1e6) / 1e6 }
	return &trail.PerCost{Per: each(value), PerLow: each(low), PerHigh: each(high)}
}

// Sum adds up money in the reporting currency; of nothing it is zero.
func (r Rates) Sum(all ...trail.Money) trail.Money {
	total := int64(0)
	for _, m := range all {
		units, _ := r.minor(m) // it was written by money
		total += units
	}
	return r.money(total)
}

// Compare compares money in the reporting currency; what cannot be read is zero.
func (r Rates) Compare(a, b trail.Money) int {
	left, _ := r.minor(a)
	right, _ := r.minor(b)
	return cmp.Compare(left, right)
}

// Per divides money earned, with the ends of its interval, by what it cost; nil if
// that is nothing or there are no ends.
func (r Rates) Per(value trail.Money, low, high *trail.Money, cost trail.Money) *trail.PerCost {
	units, _ := r.minor(cost)
	if units <= 0 || low == nil || high == nil {
		return nil
	}
	earned, _ := r.minor(value)
	least, _ := r.minor(*low)
	most, _ := r.minor(*high)
	return perCost(float64(earned), float64(least), float64(most), units)
}
