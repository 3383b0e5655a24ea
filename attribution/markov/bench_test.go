package markov

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// company draws deals over n contents, 7 a deal on average, a quarter of them won.
func company(n, deals int) []Deal {
	source := rand.New(rand.NewPCG(7, 7))
	all := make([]Deal, deals)
	for d := range all {
		path := make([]uint32, source.IntN(15))
		for i := range path {
			path[i] = uint32(min(source.ExpFloat64()/5, 0.999)*float64(n)) + 1 // few are common, most are rare
		}
		all[d] = Deal{Key: source.Uint64(), Contents: path, Won: source.IntN(4) == 0, Value: source.Int64N(10_000_000)}
	}
	return all
}

// grouped is the rows that the database gives for the deals.
func grouped(b *testing.B, n, order int, deals []Deal) []Move {
	b.Helper()
	sum := map[[2]Gram]Move{}
	for _, d := range deals {
		p := Path{Contents: d.Contents, Nulls: 1}
		if d.Won {
			p.Conversions, p.Nulls, p.Value = 1, 0, d.Value
		}
		moves, err := movesOf(n, order, []Path{p})
		if err != nil {
			b.Fatal(err)
		}
		for _, m := range moves {
			s := sum[[2]Gram{m.From, m.To}]
			sum[[2]Gram{m.From, m.To}] = Move{From: m.From, To: m.To, Conversions: s.Conversions + m.Conversions, Nulls: s.Nulls + m.Nulls, Value: s.Value + m.Value}
		}
	}
	var rows []Move
	for _, m := range sum {
		rows = append(rows, m)
	}
	return rows
}

// From the database's rows to every content's removal effect and credit.
func BenchmarkEffects(b *testing.B) {
	for _, of := range []struct {
		name                   string
		contents, order, deals int
	}{{"500contents", 500, 1, 1_000_000}, {"50kinds-order2", 50, 2, 100_000}, {"20kinds-order3", 20, 3, 100_000}} {
		b.Run(of.name, func(b *testing.B) {
			rows := grouped(b, of.contents, of.order, company(of.contents, of.deals))
			var states int
			b.ReportAllocs()
			for b.Loop() {
				c, err := New(named(of.contents), of.order, rows)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := c.Effects(); err != nil {
					b.Fatal(err)
				}
				states = len(c.graph.grams) - 1
			}
			b.ReportMetric(float64(len(rows)), "rows")
			b.ReportMetric(float64(states), "states")
		})
	}
}

// 40 replicates, and what each costs.
func BenchmarkBootstrap500Contents1MDeals(b *testing.B) {
	deals := company(500, 1_000_000)
	for b.Loop() {
		if _, err := Bootstrap(b.Context(), named(500), 1, deals, Resampling{Replicates: 40}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/40, "ms/replicate")
}

func BenchmarkShapley(b *testing.B) {
	contents, paths := synthetic(b)
	small := chainOf(b, contents, 1, paths, true)
	b.Run("exact-15contents", func(b *testing.B) {
		for b.Loop() {
			if _, err := small.Shapley(b.Context(), Sampling{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	rows := grouped(b, 500, 1, company(500, 100_000))
	large, err := New(named(500), 1, slices.Clone(rows))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("64permutations-500contents", func(b *testing.B) {
		for b.Loop() {
			g, err := large.Shapley(b.Context(), Sampling{Permutations: 64})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(100*g.Error.Count, "%error")
		}
	})
}
