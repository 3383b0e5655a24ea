package attribution

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"dealtrail/attribution/markov"
	"dealtrail/trail"
)

// effect is a row of the table of that name: what a driven model says of one player.
type effect struct {
	player                string
	credit                spread
	value                 [3]int64 // value, low, high
	effect                spread
	valueEffect, sampling float64
}

// spread is a number with its interval.
type spread struct{ value, low, high float64 }

// effects computes the data-driven models of a run and stores what they say. A
// model that these deals cannot bear is left out, with the reason.
func (c *computation) effects(ctx context.Context) error {
	for _, order := range orders(c.models) {
		players, moves, err := c.moves(ctx, order)
		var chain *markov.Chain
		if err == nil {
			chain, err = markov.New(players, order, moves)
		}
		if err != nil {
			if !c.leaveOut(order, err) {
				return err
			}
			continue
		}
		around, err := c.around(ctx, order, players)
		if err != nil {
			return err
		}
		for _, m := range c.models {
			if !m.Driven || m.order != order {
				continue
			}
			var rows []effect
			if m.Name == "shapley" {
				started := time.Now()
				rows, err = shapley(ctx, chain, around)
				c.job.time("shapley", started)
			} else {
				rows, err = removal(chain, around)
			}
			if err != nil {
				return fmt.Errorf("model %s: %w", m.Name, err)
			}
			if err := c.storeEffects(ctx, m.Name, rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// leaveOut notes why the models of an order have no result, if a person can mend it.
func (c *computation) leaveOut(order int, err error) bool {
	var p *trail.Problem
	if !errors.As(err, &p) {
		return false
	}
	for _, m := range c.models {
		if m.Driven && m.order == order {
			c.reasons[m.Name] = p.Text
		}
	}
	return true
}

// removal returns what the removal effects of a chain say.
func removal(chain *markov.Chain, around *markov.Intervals) ([]effect, error) {
	r, err := chain.Effects()
	if err != nil {
		return nil, err
	}
	touched := float64(r.Conversions - r.Untouched.Conversions)
	worth := float64(r.Totals.Value - r.Untouched.Value)
	var rows []effect
	for i, e := range r.Contents {
		in := around.Contents[i]
		rows = append(rows, effect{
			player: e.Content,
			credit: spread{e.Share.Count * touched, in.Credit.Low * touched, in.Credit.High * touched},
			value:  whole(e.Share.Value*worth, in.CreditOfValue.Low*worth, in.CreditOfValue.High*worth),
			effect: spread{e.Removal.Count, in.Removal.Low, in.Removal.High}, valueEffect: e.Removal.Value,
		})
	}
	return rows, nil
}

// whole rounds a value and the ends of its interval to minor units.
func whole(value, low, high float64) [3]int64 {
	return [3]int64{int64(math.Round(value)), int64(math.Round(low)), int64(math.Round(high))}
}

// shapley returns what the Shapley values of a chain say.
func shapley(ctx context.Context, chain *markov.Chain, around *markov.Intervals) ([]effect, error) {
	g, err := chain.Shapley(ctx, markov.Sampling{Seed: 1, Permutations: permutationsFor(len(around.Contents))})
	if err != nil {
		return nil, err
	}
	touched := float64(g.Conversions - g.Untouched.Conversions)
	worth := float64(g.Value - g.Untouched.Value)
	about := func(value float64, moved markov.Interval, times float64) spread {
		return spread{value * times, max(value+moved.Low, 0) * times, (value + moved.High) * times}
	}
	var rows []effect
	for i, p := range g.Contents {
		in := around.Contents[i]
		value := about(p.Share.Value, in.PlayedValue, worth)
		rows = append(rows, effect{
			player: p.Content,
			credit: about(p.Share.Count, in.Played, touched),
			value:  whole(value.value, value.low, value.high),
			effect: about(p.Worth.Count, in.Worth, 1), valueEffect: p.Worth.Value, sampling: p.StdErr.Count,
		})
	}
	return rows, nil
}

// moves returns the players of a chain and the steps that deals made between them.
func (c *computation) moves(ctx context.Context, order int) ([]string, []markov.Move, error) {
	players, err := c.players(ctx, order)
	if err != nil {
		return nil, nil, err
	}
	rows, err := c.job.rows(ctx, "moves", c.args, args{"order": uint8(order), "players": players})
	if err != nil {
		return nil, nil, fmt.Errorf("count steps: %w", err)
	}
	defer rows.Close()
	var moves []markov.Move
	worth := 0.0
	for rows.Next() {
		var m markov.Move
		var from, to []uint32
		if err := rows.Scan(&from, &to, &m.Conversions, &m.Nulls, &m.Value); err != nil {
			return nil, nil, err
		}
		copy(m.From[:], from)
		copy(m.To[:], to)
		moves = append(moves, m)
		if m.To == (markov.Gram{}) {
			worth += float64(m.Value)
		}
	}
	if worth > markov.MaxSum {
		return nil, nil, trail.Problemf(trail.Invalid, "The won deals are worth %.0f minor units together, and a Markov or Shapley model is exact up to %d; choose a shorter period.", worth, int64(markov.MaxSum))
	}
	return players, moves, rows.Err()
}

func (c *computation) players(ctx context.Context, order int) ([]string, error) {
	rows, err := c.job.rows(ctx, "players", c.args, args{"order": uint8(order)})
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var players []string
	for rows.Next() {
		var p string
		if err := rows.Scan(&p); err != nil {
			return nil, err
		}
		players = append(players, p)
	}
	return players, rows.Err()
}

// manyDeals is how many closed deals the bootstrap takes at most: about 100 bytes
// of memory each. Of more, one in so many is taken, by hash; the intervals are then
// wider than they need be.
const manyDeals = 1_500_000

// around returns the intervals of a chain's numbers.
func (c *computation) around(ctx context.Context, order int, players []string) (*markov.Intervals, error) {
	defer c.job.time("intervals", time.Now())
	every := uint64(c.snapshot.deals/manyDeals + 1)
	rows, err := c.job.rows(ctx, "journeys", c.args, args{"order": uint8(order), "players": players, "every": every})
	if err != nil {
		return nil, fmt.Errorf("read journeys: %w", err)
	}
	defer rows.Close()
	var deals []markov.Deal
	for rows.Next() {
		var d markov.Deal
		if err := rows.Scan(&d.Key, &d.Contents, &d.Won, &d.Value); err != nil {
			return nil, err
		}
		deals = append(deals, d)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	resampling := markov.Resampling{Replicates: c.options.Replicates}
	if c.plays() && order == 1 {
		resampling.Pairs = pairsFor(len(players))
	}
	in, err := markov.Bootstrap(ctx, players, order, deals, resampling)
	if err != nil {
		return nil, fmt.Errorf("intervals: %w", err)
	}
	return in, nil
}

// permutationsFor returns how many permutations Shapley values are drawn from at
// most, so that they take some seconds for any number of contents. Their sampling
// error is stored beside them.
func permutationsFor(contents int) int {
	n := float64(contents)
	return int(min(max(3e10/(n*n*n+1), 64), 1000))
}

// pairsFor returns how many pairs of permutations each replicate gets: a pair takes
// the third power of the number of contents.
func pairsFor(contents int) int {
	n := float64(contents)
	return int(min(max(2e7/(n*n*n+1), 1), 16))
}

// plays reports whether Shapley values are wanted.
func (c *computation) plays() bool {
	for _, m := range c.models {
		if m.Name == "shapley" {
			return true
		}
	}
	return false
}

// storeEffects writes what a model says.
func (c *computation) storeEffects(ctx context.Context, model string, all []effect) error {
	batch, err := c.job.DB.Batch(ctx, "INSERT INTO effects (run, model, player, credit, credit_low, credit_high, value, value_low, value_high, effect, effect_low, effect_high, value_effect, error)")
	if err != nil {
		return err
	}
	defer batch.Abort()
	for _, e := range all {
		if e.effect.value == 0 && e.credit.value == 0 {
			continue // it was in no path
		}
		err := batch.Append(c.run.ID, model, e.player, e.credit.value, e.credit.low, e.credit.high, e.value[0], e.value[1], e.value[2],
			e.effect.value, e.effect.low, e.effect.high, e.valueEffect, e.sampling)
		if err != nil {
			return err
		}
	}
	return batch.Send()
}
