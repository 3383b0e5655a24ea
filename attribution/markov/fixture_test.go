package markov

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"
)

// table reads a CSV of testdata as maps from column to value.
func table(t testing.TB, name string) []map[string]string {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]string
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, column := range rows[0] {
			m[column] = row[i]
		}
		all = append(all, m)
	}
	return all
}

func number(t testing.TB, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// synthetic reads the committed path set: 15 contents, values in cents.
func synthetic(t testing.TB) (contents []string, paths []Path) {
	t.Helper()
	for i := range 15 {
		contents = append(contents, fmt.Sprintf("doc_%02d", i))
	}
	for _, row := range table(t, "synthetic_paths_input.csv") {
		p := Path{
			Conversions: int64(number(t, row["total_conversions"])), Nulls: int64(number(t, row["total_null"])),
			Value: int64(math.Round(100 * number(t, row["total_conversion_value"]))),
		}
		for _, c := range strings.Split(row["path"], " > ") {
			i, ok := slices.BinarySearch(contents, c)
			if !ok {
				t.Fatalf("no content %q", c)
			}
			p.Contents = append(p.Contents, uint32(i+1))
		}
		paths = append(paths, p)
	}
	return contents, paths
}

// named returns n contents.
func named(n int) (contents []string) {
	for i := range n {
		contents = append(contents, fmt.Sprintf("C%04d", i+1))
	}
	return contents
}

// chainOf is FromPaths, with or without need for nulls.
func chainOf(t testing.TB, contents []string, order int, paths []Path, needNulls bool) *Chain {
	t.Helper()
	moves, err := movesOf(len(contents), order, paths)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newChain(contents, order, moves, needNulls)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func effects(t testing.TB, c *Chain) *Result {
	t.Helper()
	r, err := c.Effects()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// text is every byte of a result.
func text(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance*max(1, math.Abs(b)) }

// drawPaths draws counted paths over n contents; one is lost, empty paths and repeats are common.
func drawPaths(t *rapid.T, n int) []Path {
	paths := []Path{{Nulls: 1}}
	for range rapid.IntRange(1, 25).Draw(t, "paths") {
		p := Path{Contents: rapid.SliceOfN(rapid.Uint32Range(1, uint32(n)), 0, 8).Draw(t, "path")}
		p.Conversions, p.Nulls = rapid.Int64Range(0, 9).Draw(t, "conversions"), rapid.Int64Range(0, 9).Draw(t, "nulls")
		if p.Conversions > 0 {
			p.Value = rapid.Int64Range(0, 1_000_000).Draw(t, "value")
		}
		paths = append(paths, p)
	}
	return paths
}

// solved is P and the value per journey by the definition alone: transition counts with
// their self-loops, shares of rows, one linear system; entering a state with a content
// for which gone is true ends the journey as lost.
func solved(t testing.TB, order int, paths []Path, gone func(content uint32) bool) Pair {
	t.Helper()
	states := map[Gram]int{{}: 0}
	type row struct {
		to          map[int]float64
		left, r, rv float64
	}
	rows := []*row{{to: map[int]float64{}}}
	for _, p := range paths {
		n, at := float64(p.Conversions+p.Nulls), 0
		for i := 0; i < len(p.Contents) && (i == 0 || i+order <= len(p.Contents)); i++ {
			gram := p.Contents[i:min(i+order, len(p.Contents))]
			var name Gram
			copy(name[:], gram)
			s, ok := states[name]
			if !ok {
				s = len(rows)
				states[name] = s
				rows = append(rows, &row{to: map[int]float64{}})
			}
			rows[at].left += n
			if !slices.ContainsFunc(gram, gone) {
				rows[at].to[s] += n
			}
			at = s
		}
		rows[at].left += n
		rows[at].r += float64(p.Conversions)
		rows[at].rv += float64(p.Value)
	}
	a, b := mat.NewDense(len(rows), len(rows), nil), mat.NewDense(len(rows), 2, nil)
	for s, r := range rows {
		a.Set(s, s, 1)
		if r.left == 0 {
			continue
		}
		for to, n := range r.to {
			a.Set(s, to, a.At(s, to)-n/r.left)
		}
		b.Set(s, 0, r.r/r.left)
		b.Set(s, 1, r.rv/r.left)
	}
	var x mat.Dense
	if err := x.Solve(a, b); err != nil {
		t.Fatal(err)
	}
	return Pair{x.At(0, 0), x.At(0, 1)}
}

func nothing(uint32) bool { return false }

// known is a chain given by probabilities: rows of contents and the start (last), columns contents, won, lost.
type known [][]float64

// deal draws one deal.
func (k known) deal(source *rand.Rand) (path []uint32, won bool) {
	n := len(k) - 1
	for s := n; ; {
		u, to := source.Float64(), 0
		for ; to < n+1 && u >= k[s][to]; to++ {
			u -= k[s][to]
		}
		if to >= n {
			return path, to == n
		}
		path = append(path, uint32(to+1))
		s = to
	}
}

// success is the chance of winning when content gone (0-based; none: -1) ends the journey.
func (k known) success(t testing.TB, gone int) float64 {
	return k.successOf(t, func(content int) bool { return content != gone })
}

// successOf is the chance of winning when any content but those kept ends the journey.
func (k known) successOf(t testing.TB, kept func(content int) bool) float64 {
	n := len(k) - 1
	a, b := mat.NewDense(n+1, n+1, nil), mat.NewVecDense(n+1, nil)
	for s, row := range k {
		a.Set(s, s, 1)
		for to := range n {
			if kept(to) {
				a.Set(s, to, a.At(s, to)-row[to])
			}
		}
		b.SetVec(s, row[n])
	}
	var x mat.VecDense
	if err := x.SolveVec(a, b); err != nil {
		t.Fatal(err)
	}
	return x.AtVec(n)
}
