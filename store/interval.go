package store

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// PoissonEnds returns the ends of a 95 % interval for the expected value of a sum
// of parts, none of them negative, of which there are as many as chance gave: a sum
// over deals, each of which might have come not at all or twice. squares is the sum
// of the parts' squares, largest the largest part.
//
// It is the gamma interval for a sum of weighted Poisson counts (Fay and Feuer,
// Statistics in Medicine 16, 1997, 791). With many parts it is that of the Poisson
// bootstrap per deal, whose variance is the sum of squares; with few, where the
// bootstrap and the normal approximation are too narrow, it still covers. With equal
// parts it is the exact interval of a Poisson count. It is never narrower than that:
// with few deals it is rather too wide.
func PoissonEnds(sum, squares, largest float64) (low, high float64) {
	if squares <= 0 {
		return sum, sum // only parts of nothing
	}
	low = squares / (2 * sum) * distuv.ChiSquared{K: 2 * sum * sum / squares}.Quantile(0.025)
	next, more := sum+largest, squares+largest*largest
	high = more / (2 * next) * distuv.ChiSquared{K: 2 * next * next / more}.Quantile(0.975)
	return min(low, sum), max(high, sum)
}

// parts is a sum over deals of parts of one sign, with what its interval needs.
type parts struct{ sum, squares, largest float64 }

// atLeast is the parts as if the largest were no smaller.
func (p parts) atLeast(largest float64) parts {
	p.largest = max(p.largest, largest)
	return p
}

// endsOf returns the ends of a 95 % interval for a sum of positive parts less a sum
// of others, such as credit notes: each has its own, and they are put together as
// those of independent estimates (Zou and Donner, Statistics in Medicine 27, 2008,
// 1693).
func endsOf(plus, minus parts) (low, high float64) {
	low, high = PoissonEnds(plus.sum, plus.squares, plus.largest)
	if minus.squares == 0 {
		return low, high
	}
	less, more := PoissonEnds(minus.sum, minus.squares, minus.largest)
	sum := plus.sum - minus.sum
	return sum - math.Hypot(plus.sum-low, more-minus.sum), sum + math.Hypot(high-plus.sum, minus.sum-less)
}
