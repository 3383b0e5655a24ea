package lift_test

import (
	"fmt"
	"math"

	"dealtrail/attribution/lift"
)

// weekOf is a week at risk: everything about a cell but its outcome.
type weekOf struct{ stage, segment, week, mask int }

// cells groups person-weeks; the content asked about is Seen, the others are
// covariates in their order.
func (w world) cells(deals []deal, asked int) []lift.Cell {
	groups := map[weekOf]*lift.Cell{}
	entries(deals, func(e entry) {
		for week := e.at; week < e.left; week++ {
			key := weekOf{e.stage, e.deal.segment, week - e.at, 0}
			for k, seen := range e.deal.seen {
				if int(seen) <= week { // seen before the draw of that week
					key.mask |= 1 << k
				}
			}
			c := groups[key]
			if c == nil {
				made := w.cell(key, asked)
				c = &made
				groups[key] = c
			}
			c.AtRisk++
			if week == e.left-1 && e.advanced {
				c.Advanced++
			}
			if week == e.left-1 && !e.advanced && e.deal.lost {
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

func (w world) cell(key weekOf, asked int) lift.Cell {
	c := lift.Cell{Stage: fmt.Sprint(key.stage), Segment: fmt.Sprint(key.segment), Week: int64(key.week), Seen: key.mask>>asked&1 == 1}
	for k := range w.contents {
		if k != asked {
			c.Covariates = append(c.Covariates, int64(key.mask>>k&1))
		}
	}
	return c
}

// hazard is the model for these cells.
func (w world) hazard(asked int) lift.Hazard {
	var h lift.Hazard
	for k, c := range w.contents {
		if k != asked {
			h.Covariates = append(h.Covariates, lift.Covariate{Name: c.id})
		}
	}
	return h
}

// starts are the deals as they first saw a content, and the true gain within weeks:
// by how much more often they advance than if they had not, other contents staying
// as they were.
func (w world) starts(deals []deal, asked, within int) (starts []lift.Start, truth float64) {
	entries(deals, func(e entry) {
		at := int(e.deal.seen[asked])
		if at < e.at || at >= e.left {
			return
		}
		key := weekOf{e.stage, e.deal.segment, at - e.at, 1 << asked}
		others := 0.0
		for k, seen := range e.deal.seen {
			if k != asked && int(seen) <= at {
				key.mask |= 1 << k
				others += w.contents[k].effect
			}
		}
		c := w.cell(key, asked)
		starts = append(starts, lift.Start{Stage: c.Stage, Segment: c.Segment, Week: c.Week, Covariates: c.Covariates, Deals: 1})
		for arm, sign := range []float64{-1, 1} {
			a, l := chances(e.stage, e.deal.segment, others+float64(arm)*w.contents[asked].effect, 0)
			stay := 1 - a - l
			truth += sign * a * (1 - math.Pow(stay, float64(within))) / (1 - stay)
		}
	})
	return starts, truth / float64(len(starts))
}
