package lift_test

import (
	"fmt"
	"math"

	"dealtrail/attribution/lift"
	"dealtrail/attribution/lift/lifttest"
)

// weekOf is a week at risk: everything about a cell but its outcome.
type weekOf struct{ stage, segment, week, mask int }

// cells groups person-weeks; the content asked about is Seen, the others are
// covariates in their order.
func cells(w lifttest.World, deals []lifttest.Deal, asked int) []lift.Cell {
	groups := map[weekOf]*lift.Cell{}
	lifttest.Entries(deals, func(e lifttest.Entry) {
		for week := e.At; week < e.Left; week++ {
			key := weekOf{e.Stage, e.Deal.Segment, week - e.At, 0}
			for k, seen := range e.Deal.Seen {
				if int(seen) <= week { // seen before the draw of that week
					key.mask |= 1 << k
				}
			}
			c := groups[key]
			if c == nil {
				made := cell(w, key, asked)
				c = &made
				groups[key] = c
			}
			c.AtRisk++
			if week == e.Left-1 && e.Advanced {
				c.Advanced++
			}
			if week == e.Left-1 && !e.Advanced && e.Deal.Lost {
				c.Lost++
			}
		}
	})
	all := make([]lift.Cell, 0, len(groups))
	for _, c := range groups { // in no order: that must not matter
		all = append(all, *c)
	}
	return all
}

func cell(w lifttest.World, key weekOf, asked int) lift.Cell {
	c := lift.Cell{Stage: fmt.Sprint(key.stage), Segment: fmt.Sprint(key.segment), Week: int64(key.week), Seen: key.mask>>asked&1 == 1}
	for k := range w.Contents {
		if k != asked {
			c.Covariates = append(c.Covariates, int64(key.mask>>k&1))
		}
	}
	return c
}

// model is the hazard for these cells.
func model(w lifttest.World, asked int) lift.Hazard {
	var h lift.Hazard
	for k, c := range w.Contents {
		if k != asked {
			h.Covariates = append(h.Covariates, lift.Covariate{Name: c.ID})
		}
	}
	return h
}

// startsOf are the deals as they first saw a content, and the true gain within weeks:
// by how much more often they advance than if they had not, other contents staying
// as they were.
func startsOf(w lifttest.World, deals []lifttest.Deal, asked, within int) (starts []lift.Start, truth float64) {
	lifttest.Entries(deals, func(e lifttest.Entry) {
		at := int(e.Deal.Seen[asked])
		if at < e.At || at >= e.Left {
			return
		}
		key := weekOf{e.Stage, e.Deal.Segment, at - e.At, 1 << asked}
		others := 0.0
		for k, seen := range e.Deal.Seen {
			if k != asked && int(seen) <= at {
				key.mask |= 1 << k
				others += w.Contents[k].Effect
			}
		}
		c := cell(w, key, asked)
		starts = append(starts, lift.Start{Stage: c.Stage, Segment: c.Segment, Week: c.Week, Covariates: c.Covariates, Deals: 1})
		for arm, sign := range []float64{-1, 1} {
			a, l := lifttest.Chances(e.Stage, e.Deal.Segment, others+float64(arm)*w.Contents[asked].Effect, 0)
			stay := 1 - a - l
			truth += sign * a * (1 - math.Pow(stay, float64(within))) / (1 - stay)
		}
	})
	return starts, truth / float64(len(starts))
}
