package dashboards

import (
	"cmp"
	"math/big"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// sorting is the order of a table as the URL says it: "-value" is by value, the
// highest first.
type sorting struct {
	Key        string
	Descending bool
}

func readSorting(c echo.Context, otherwise string) sorting {
	s := c.QueryParam("sort")
	if s == "" {
		s = otherwise
	}
	key, descending := strings.CutPrefix(s, "-")
	return sorting{Key: key, Descending: descending}
}

// String is the order as the URL says it.
func (s sorting) String() string {
	if s.Descending {
		return "-" + s.Key
	}
	return s.Key
}

// Next is the order that a click on a column's head asks for: numbers begin
// with the highest, words with A, a second click turns around.
func (s sorting) Next(key string, words bool) string {
	if s.Key == key {
		return sorting{Key: key, Descending: !s.Descending}.String()
	}
	return sorting{Key: key, Descending: !words}.String()
}

// Aria is the value of a column's aria-sort.
func (s sorting) Aria(key string) string {
	switch {
	case s.Key != key:
		return "none"
	case s.Descending:
		return "descending"
	}
	return "ascending"
}

// less compares by the key; equals keep the order that the report gave.
func (s sorting) less(order int) int {
	if s.Descending {
		return -order
	}
	return order
}

func sortContents(rows []trail.ContentRow, weeks map[string][]uint64, spend trail.Spend, s sorting) {
	costs := map[string]*big.Rat{}
	for _, r := range spend.Rows {
		if r.Cost != nil {
			costs[r.Content] = amount(*r.Cost)
		}
	}
	cost := func(r trail.ContentRow) *big.Rat { return cmp.Or(costs[r.ID], new(big.Rat)) }
	by := map[string]func(a, b trail.ContentRow) int{
		"title": func(a, b trail.ContentRow) int {
			return strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title))
		},
		"kind":    func(a, b trail.ContentRow) int { return strings.Compare(a.Kind, b.Kind) },
		"sent":    func(a, b trail.ContentRow) int { return cmp.Compare(a.Sent, b.Sent) },
		"reached": func(a, b trail.ContentRow) int { return cmp.Compare(a.Reached, b.Reached) },
		"opened":  func(a, b trail.ContentRow) int { return cmp.Compare(a.Opened, b.Opened) },
		"clicked": func(a, b trail.ContentRow) int { return cmp.Compare(a.Clicked, b.Clicked) },
		"replied": func(a, b trail.ContentRow) int { return cmp.Compare(a.Replied, b.Replied) },
		"deals":   func(a, b trail.ContentRow) int { return cmp.Compare(a.Deals, b.Deals) },
		"reps":    func(a, b trail.ContentRow) int { return cmp.Compare(a.Reps, b.Reps) },
		"engaged": func(a, b trail.ContentRow) int { return cmp.Compare(engaged(weeks[a.ID]), engaged(weeks[b.ID])) },
		"cost":    func(a, b trail.ContentRow) int { return cost(a).Cmp(cost(b)) },
		"won":     func(a, b trail.ContentRow) int { return cmp.Compare(a.Won, b.Won) },
		"credit":  func(a, b trail.ContentRow) int { return cmp.Compare(creditOf(a.Credit), creditOf(b.Credit)) },
		"value":   func(a, b trail.ContentRow) int { return valueOf(a.Credit).Cmp(valueOf(b.Credit)) },
	}[s.Key]
	if by == nil {
		return
	}
	slices.SortStableFunc(rows, func(a, b trail.ContentRow) int { return s.less(by(a, b)) })
}

func creditOf(s *trail.Sum) float64 {
	if s == nil {
		return 0
	}
	return s.Credit
}

func valueOf(s *trail.Sum) *big.Rat {
	if s == nil {
		return new(big.Rat)
	}
	return amount(s.Value)
}
