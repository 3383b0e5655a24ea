// Package lifttest is a company in which it is known what moves deals, for tests of
// lifts: the generator of the research behind package lift, how the statistics count
// it, and its history as events, for those who count it in a database.
package lifttest

import (
	"math"
	"math/rand/v2"
)

// What all worlds have in common.
const (
	Stages   = 4
	Segments = 3
	Weeks    = 52
	Landmark = 1 // weeks after the entry into a stage
	Horizon  = 6 // weeks after the landmark
	Never    = math.MaxInt16
)

// The names of stages, in order, and of segments.
var (
	StageNames   = [Stages]string{"Qualified", "Demo", "Proposal", "Negotiation"}
	SegmentNames = [Segments]string{"small", "middle", "large"}
)

var (
	segmentShare = [Segments]float64{0.5, 0.8, 1} // cumulative
	segmentLogit = [Segments]float64{0.2, 0, -0.35}
	advanceLogit = [Stages]float64{-2.0, -1.8, -1.7, -1.4}
	lossLogit    = [Stages]float64{-3.0, -3.1, -3.3, -3.4}
)

// Content is a content whose effect is known.
type Content struct {
	ID     string
	View   [Stages]float64 // log-odds of first being seen in a week
	Effect float64         // on the weekly log-odds of advancing, once seen
}

// Six are the contents of the research; two are seen from the third stage only.
var Six = []Content{
	{"early_null", [Stages]float64{-2.3, -3, -3.2, -3.2}, 0},
	{"late_null", [Stages]float64{-6, -6, -0.9, -1.1}, 0},
	{"true_up", [Stages]float64{-2.4, -2.4, -2.4, -2.4}, 0.470},
	{"true_down", [Stages]float64{-2.7, -2.7, -2.7, -2.5}, -0.357},
	{"late_true", [Stages]float64{-6, -6, -1.7, -1.5}, 0.405},
	{"rare_null", [Stages]float64{-4.9, -5, -5.5, -5.5}, 0},
}

// World is a company with its contents. Its deals go through four stages week by
// week. In a week, contents are first seen, then the deal advances, is lost or stays;
// one draw decides, so both chances are logistic. With Gamma, a hidden heat of each
// deal makes it advance, keeps it from being lost and lets content be seen: what no
// stratum holds. With Later, a content has its effect from the week after it was
// seen: who counts the content of a click at some time of a week can know no better.
type World struct {
	Contents []Content
	Gamma    float64
	Later    bool
}

// viewing is by how much heat goes into being seen. It is chosen so that gamma 0.5
// has the bias that the research found.
const viewing = 1.2

// Deal is what the CRM and the tracker know of a deal, in weeks since it began.
type Deal struct {
	Segment int
	Enter   [Stages + 1]int // when a stage began; Stages means won
	Stage   int             // the last one entered
	End     int             // when it was won or lost, or the end of the data
	Lost    bool
	Seen    []int16 // when each content was first seen, or Never
}

// Simulate makes up n deals.
func (w World) Simulate(n int, rng *rand.Rand) []Deal {
	deals := make([]Deal, n)
	seen := make([]int16, n*len(w.Contents))
	view := make([][Stages]float64, len(w.Contents))
	for i := range deals {
		d := &deals[i]
		d.Seen, seen = seen[:len(w.Contents):len(w.Contents)], seen[len(w.Contents):]
		heat := 0.0
		if w.Gamma != 0 {
			heat = rng.NormFloat64()
		}
		if i == 0 || w.Gamma != 0 {
			for k, c := range w.Contents {
				for s := range Stages {
					view[k][s] = expit(c.View[s] + viewing*w.Gamma*heat)
				}
			}
		}
		w.live(d, heat, view, rng)
	}
	return deals
}

// live takes one deal through its weeks.
func (w World) live(d *Deal, heat float64, view [][Stages]float64, rng *rand.Rand) {
	for k := range d.Seen {
		d.Seen[k] = Never
	}
	for at := rng.Float64(); at >= segmentShare[d.Segment]; {
		d.Segment++
	}
	d.End = Weeks
	effect := 0.0
	for week := range Weeks {
		fresh := 0.0
		for k := range d.Seen {
			if d.Seen[k] == Never && rng.Float64() < view[k][d.Stage] {
				d.Seen[k] = int16(week)
				fresh += w.Contents[k].Effect
			}
		}
		if !w.Later {
			effect, fresh = effect+fresh, 0
		}
		advance, lose := Chances(d.Stage, d.Segment, effect, w.Gamma*heat)
		effect += fresh
		u := rng.Float64()
		switch {
		case u < advance:
			d.Stage++
			d.Enter[d.Stage] = week + 1
		case u < advance+lose:
			d.Lost = true
		}
		if d.Lost || d.Stage == Stages {
			d.End = week + 1
			return
		}
	}
}

// Chances are those of a week.
func Chances(stage, segment int, effect, heat float64) (advance, lose float64) {
	return expit(advanceLogit[stage] + segmentLogit[segment] + effect + heat), expit(lossLogit[stage] - heat/2)
}

func expit(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// Entry is a deal at one stage.
type Entry struct {
	Deal     *Deal
	Stage    int
	At, Left int  // weeks in which the stage began and ended
	Advanced bool // whether it ended with the next stage
}

// Entries calls do with every stage that a deal entered.
func Entries(deals []Deal, do func(Entry)) {
	for i := range deals {
		d := &deals[i]
		for s := 0; s <= min(d.Stage, Stages-1); s++ {
			e := Entry{Deal: d, Stage: s, At: d.Enter[s], Left: d.End}
			if s < d.Stage {
				e.Left, e.Advanced = d.Enter[s+1], true
			}
			do(e)
		}
	}
}

// Naive is what a report of win rates "when seen" says of closed deals: the
// difference, with the Wald test that belongs to it.
func Naive(deals []Deal, content int) (difference, z float64) {
	var won, n [2]float64
	for _, d := range deals {
		if d.End == Weeks && d.Stage < Stages && !d.Lost {
			continue
		}
		ever := 0
		if d.Seen[content] != Never {
			ever = 1
		}
		n[ever]++
		if d.Stage == Stages {
			won[ever]++
		}
	}
	p1, p0 := won[1]/n[1], won[0]/n[0]
	return p1 - p0, (p1 - p0) / math.Sqrt(p1*(1-p1)/n[1]+p0*(1-p0)/n[0])
}
