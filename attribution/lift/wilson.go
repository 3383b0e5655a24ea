package lift

import "fmt"

// Rate returns the rate of hits in n with its 95 % score interval (Wilson, JASA 22, 1927,
// 209), which holds for any counts; SE is left 0. Counts that are no rate are an error.
func Rate(hits, n int64) (Estimate, error) {
	if n < 1 || hits < 0 || hits > n {
		return Estimate{}, fmt.Errorf("rate of %d of %d: %w", hits, n, ErrUndefined)
	}
	p, low, high := wilson(hits, n)
	return Estimate{Value: p, Low: low, High: high}, nil
}
