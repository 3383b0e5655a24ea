package lift

import (
	"fmt"
	"math"
)

// The minimum of data of a lift. Below it there is no number.
//
// Advances are counted as expected from the margins of each stratum, not as seen: a
// minimum of seen advances among the exposed would let a content through because
// it was lucky, and the CMH test is exact given the margins.
const (
	MinExposed  = 30 // exposed stage entries in strata that have controls
	MinControl  = 30 // controls in strata that have exposed entries
	MinExpected = 10 // expected advances, and expected entries that do not advance, on either side
)

// z80 is the one-sided 80 % point of the normal distribution: the power of plans.
const z80 = 0.8416212335729143

// perArm returns how many exposed entries show a difference between the rates p1 and
// p0 with 80 % power at 5 %, if there are k controls for each: the larger of the
// pooled and the unpooled normal formula (Fleiss, Levin and Paik, Statistical
// Methods for Rates and Proportions, 2003, ch. 4), because which of them is too
// small depends on k.
func perArm(p1, p0, k float64) float64 {
	pooled := (p1 + k*p0) / (1 + k)
	own := p1*(1-p1) + p0*(1-p0)/k
	a := z95*math.Sqrt((1+1/k)*pooled*(1-pooled)) + z80*math.Sqrt(own)
	b := (z95 + z80) * math.Sqrt(own)
	return math.Pow(max(a, b)/(p1-p0), 2)
}

// SampleSize returns how many exposed entries it takes to find a rise from base by
// gain (0.10 is ten points) with 80 % power at 5 %, if there are k controls for
// each. Rates outside 0 to 1 and a k that is not positive are an error.
func SampleSize(base, gain, k float64) (int64, error) {
	if !(base >= 0 && gain > 0 && base+gain <= 1 && k > 0 && !math.IsInf(k, 1)) {
		return 0, fmt.Errorf("sample size for a rise from %g by %g with %g controls each: %w", base, gain, k, ErrUndefined)
	}
	return int64(math.Ceil(perArm(base+gain, base, k))), nil
}

// MDE returns the minimum detectable effect: the smallest rise in the share that
// advances that these numbers of entries would find in four of five cases, at 5 %.
// It is the rise from the controls' rate, both weighted as the risk difference
// weights strata. It is ErrUndefined if no stratum has both sides, or if even a
// rise to all would go unnoticed.
func (s Strata) MDE() (float64, error) {
	var weight, exposed, hits float64
	for _, t := range s.Compared() {
		_, n1, c, n0, n := t.counts()
		weight += n1 * n0 / n
		exposed += n1
		hits += n1 * c / n // the weight times the controls' rate
	}
	if weight == 0 {
		return 0, fmt.Errorf("minimum detectable effect: %w", ErrUndefined)
	}
	// One table with as many exposed has the same precision at this many controls each.
	k := weight / (exposed - weight)
	base := hits / weight
	low, high := 0.0, 1-base
	if high <= 0 || perArm(base+high, base, k) > exposed {
		return 0, fmt.Errorf("minimum detectable effect: %w", ErrUndefined)
	}
	for range 60 { // bisection: what is needed falls as the effect grows
		if mid := (low + high) / 2; perArm(base+mid, base, k) > exposed {
			low = mid
		} else {
			high = mid
		}
	}
	return high, nil
}

// Need is a count that is short of its minimum.
type Need struct {
	What string // "exposed", "controls", "advances among exposed" and so on
	Have float64
	Want float64
}

// Short returns which counts are short of the minimum; none means that there may be
// a number.
func (s Strata) Short() []Need {
	var n1Sum, n0Sum, hits1, hits0 float64
	for _, t := range s.Compared() {
		a, n1, c, n0, n := t.counts()
		n1Sum, n0Sum = n1Sum+n1, n0Sum+n0
		hits1 += n1 * (a + c) / n
		hits0 += n0 * (a + c) / n
	}
	return short([]Need{
		{"exposed", n1Sum, MinExposed},
		{"controls", n0Sum, MinControl},
		{"advances among exposed", hits1, MinExpected},
		{"advances among controls", hits0, MinExpected},
		{"exposed that stay", n1Sum - hits1, MinExpected},
		{"controls that stay", n0Sum - hits0, MinExpected},
	})
}

// short keeps the needs that are not met. The tolerance is for sums of shares that
// come to a whole number.
func short(needs []Need) []Need {
	var open []Need
	for _, n := range needs {
		if n.Have < n.Want-1e-9 {
			open = append(open, n)
		}
	}
	return open
}

// MoreDeals returns about how many more closed deals it takes until no need is open,
// if all counts keep growing with closed deals as they did over the first closed
// ones. The answer is rounded up to one or two digits (57 is 60, 132 is 140),
// because it is an estimate. It is false if there is no pace to go by: something is
// still at zero, or no deal is closed. No needs are zero more.
func MoreDeals(needs []Need, closed int64) (int64, bool) {
	var more float64
	for _, n := range needs {
		if closed < 1 || n.Have <= 0 {
			return 0, false
		}
		more = max(more, float64(closed)*(n.Want/n.Have-1))
	}
	more = math.Ceil(more - 1e-9)
	step := 1.0
	for more/step >= 20 { // up to 20 in ones, up to 200 in tens, then hundreds
		step *= 10
	}
	return int64(math.Ceil(more/step) * step), true
}

// MoreDealsText says MoreDeals in words: "about 60 more closed deals".
func MoreDealsText(needs []Need, closed int64) string {
	more, ok := MoreDeals(needs, closed)
	switch {
	case !ok && len(needs) > 0 && needs[0].What == "exposed" && needs[0].Have == 0:
		return "no stage entry has it to compare yet, so it cannot be said how many more deals it takes"
	case !ok:
		return "it cannot be said yet how many more deals it takes"
	case more == 1:
		return "about 1 more closed deal"
	}
	return fmt.Sprintf("about %d more closed deals", more)
}
