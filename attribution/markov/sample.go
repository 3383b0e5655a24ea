package markov

import (
	"context"
	"math"
	"math/bits"
	"math/rand/v2"
	"runtime"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/floats"
)

// batch is how many antithetic pairs are drawn between two looks at the error.
const batch = 32

// sample returns the mean of what each content adds over random permutations and
// their reverses, with its standard error from the pairs, and notes in the game
// how it went. Which cores take part changes nothing: pair i is drawn from seed
// and i alone, and pairs are added up in order.
func (m *matrix) sample(ctx context.Context, o Sampling, game *Game) (mean, stderr []Pair, err error) {
	mean, stderr = make([]Pair, m.n), make([]Pair, m.n)
	if m.n == 0 {
		game.Exact, game.Reached = true, true
		return mean, stderr, nil
	}
	squares := make([]Pair, m.n) // sums of squared differences from the mean (Welford 1962)
	pairs := make([][]Pair, batch)
	for n := 0; 2*n < o.Permutations && (o.All || !game.Reached); {
		work, ctx := errgroup.WithContext(ctx)
		work.SetLimit(runtime.GOMAXPROCS(0))
		for i := range pairs {
			work.Go(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				pairs[i] = m.pair(o.Seed, uint64(n+i))
				return nil
			})
		}
		if err := work.Wait(); err != nil {
			return nil, nil, err
		}
		for _, drawn := range pairs {
			n++
			for c, x := range drawn {
				d := Pair{x.Count - mean[c].Count, x.Value - mean[c].Value}
				mean[c].Count += d.Count / float64(n)
				mean[c].Value += d.Value / float64(n)
				squares[c].Count += d.Count * (x.Count - mean[c].Count)
				squares[c].Value += d.Value * (x.Value - mean[c].Value)
			}
		}
		game.Permutations = 2 * n
		var errors, sum Pair
		for c := range mean {
			of := float64(n) * float64(n-1)
			stderr[c] = Pair{math.Sqrt(squares[c].Count / of), math.Sqrt(squares[c].Value / of)}
			errors.Count, errors.Value = errors.Count+stderr[c].Count, errors.Value+stderr[c].Value
			sum.Count, sum.Value = sum.Count+mean[c].Count, sum.Value+mean[c].Value
		}
		halfNormal := math.Sqrt(2 / math.Pi) // mean absolute error per standard error
		game.Error = Pair{ratio(halfNormal*errors.Count, sum.Count), ratio(halfNormal*errors.Value, sum.Value)}
		game.Reached = game.Error.Count <= o.Target && game.Error.Value <= o.Target
	}
	return mean, stderr, nil
}

// pair returns the mean of what each content adds in a random order and in its reverse.
func (m *matrix) pair(seed, number uint64) []Pair {
	source := rand.NewPCG(seed, number)
	order := make([]int, m.n)
	for i := range order {
		j, _ := bits.Mul64(source.Uint64(), uint64(i+1)) // 0 to i
		order[i] = order[j]
		order[j] = i
	}
	sum := make([]Pair, m.n)
	work := make([]float64, len(m.rows))
	for range 2 {
		m.adds(order, work, sum)
		for i, j := 0, m.n-1; i < j; i, j = i+1, j-1 {
			order[i], order[j] = order[j], order[i]
		}
	}
	for c := range sum {
		sum[c].Count /= 2
		sum[c].Value /= 2
	}
	return sum
}

// adds adds to sum what each content adds to the worth of those before it in the
// order: the bordering of border, one row of L and U after the other, with r, rv
// and q taken along as two columns and a row.
func (m *matrix) adds(order []int, work []float64, sum []Pair) {
	n, width := m.n, m.n+2
	for i := range n + 1 {
		from := m.row(n)
		if i < n {
			from = m.row(order[i])
		}
		row := work[i*width : (i+1)*width]
		for j, c := range order {
			row[j] = from[c]
		}
		row[n], row[n+1] = from[n], from[n+1]
		for j := range min(i, n) {
			above := work[j*width : (j+1)*width]
			if l := row[j] / above[j]; l != 0 {
				row[j] = l
				floats.AddScaled(row[j+1:], -l, above[j+1:])
			}
		}
	}
	in := work[n*width:]
	for i, c := range order {
		row := work[i*width : (i+1)*width]
		sum[c].Count -= in[i] * row[n]
		sum[c].Value -= in[i] * row[n+1]
	}
}
