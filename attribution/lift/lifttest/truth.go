package lifttest

import (
	"math/bits"
	"math/rand/v2"
)

// advances returns, for one stage and segment and each set of contents seen by the
// landmark, the chance to advance within the horizon, contents going on to be seen:
// exact, by going backwards through the weeks. Heat must be off.
func (w World) advances(stage, segment int) []float64 {
	now := make([]float64, 1<<len(w.Contents))
	for range Horizon {
		if w.Later { // backwards, so this is what comes last in a week
			w.views(now, stage)
		}
		for set := range now {
			effect := 0.0
			for k, c := range w.Contents {
				effect += float64(set>>k&1) * c.Effect
			}
			a, l := Chances(stage, segment, effect, 0)
			now[set] = a + (1-a-l)*now[set]
		}
		if !w.Later {
			w.views(now, stage)
		}
	}
	return now
}

// views turns what each set of contents is worth once a week's are seen into what it
// is worth before. They are seen independently, so it goes through one at a time.
func (w World) views(worth []float64, stage int) {
	for k, c := range w.Contents {
		p := expit(c.View[stage])
		for set := range worth {
			if set>>k&1 == 0 {
				worth[set] = (1-p)*worth[set] + p*worth[set|1<<k]
			}
		}
	}
}

// Truths returns the true landmark risk differences, each stratum weighted as the
// Mantel-Haenszel estimate weights it in the long run.
func (w World) Truths(rng *rand.Rand) []float64 {
	var chance [Stages * Segments][]float64
	for at := range chance {
		chance[at] = w.advances(at/Segments, at%Segments)
	}
	type sum struct{ n1, n0, difference float64 }
	sums := make([][Strata]sum, len(w.Contents))
	Entries(w.Simulate(100_000, rng), func(e Entry) {
		if !e.Counted() {
			return
		}
		chance, set := chance[e.Stage*Segments+e.Deal.Segment], 0
		for k, seen := range e.Deal.Seen {
			if int(seen) < e.At+Landmark {
				set |= 1 << k
			}
		}
		for k := range w.Contents {
			s := &sums[k][Stratum(e, bits.OnesCount(uint(set&^(1<<k))))]
			s.difference += chance[set|1<<k] - chance[set&^(1<<k)]
			if set>>k&1 == 1 {
				s.n1++
			} else {
				s.n0++
			}
		}
	})
	truth := make([]float64, len(w.Contents))
	for k := range truth {
		weight := 0.0
		for _, s := range sums[k] {
			if n := s.n1 + s.n0; n > 0 {
				weight += s.n1 * s.n0 / n
				truth[k] += s.n1 * s.n0 / n * s.difference / n
			}
		}
		truth[k] /= weight
	}
	return truth
}
