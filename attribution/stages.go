package attribution

import (
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
)

// maxStages is how many stages are put in order; beyond it the names are no stages.
const maxStages = 100

// isEnd matches the names of stages that deals are in when they are over: "Closed
// Won", "closedlost".
var isEnd = regexp.MustCompile(`(?i)(^|[^a-z]|closed)(won|lost)($|[^a-z])`)

// stages returns the stages of deals in order: as they are set or, if they are not,
// as most deals go through them. Stages in which deals are only when they are over
// are none: a deal that enters one has not advanced, it has ended.
func (c *computation) stages(ctx context.Context) ([]string, error) {
	if len(c.options.Stages) > 0 {
		return slices.DeleteFunc(slices.Clone(c.options.Stages), isEnd.MatchString), nil
	}
	rows, err := c.job.rows(ctx, "stage_order", c.args)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	before := map[[2]string]uint64{}
	ended := map[string]uint64{}
	for rows.Next() {
		var one, other string
		var deals, last uint64
		if err := rows.Scan(&one, &other, &deals, &last); err != nil {
			return nil, err
		}
		before[[2]string{one, other}] = deals
		if one == other {
			ended[one] = last
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return orderStages(before, ended), nil
}

// orderStages orders stages by how many deals entered one before another; of a stage
// with itself, how many entered it. A stage in which nine of ten deals ended when
// they entered it is an end. The method is Schulze's (Social Choice and Welfare 36,
// 2011, 267): where few deals entered two stages, those that lie between decide.
func orderStages(before map[[2]string]uint64, ended map[string]uint64) []string {
	deals := map[string]uint64{}
	for pair, n := range before {
		if pair[0] == pair[1] && !isEnd.MatchString(pair[0]) && 10*ended[pair[0]] < 9*n {
			deals[pair[0]] = n
		}
	}
	all := slices.SortedFunc(maps.Keys(deals), func(a, b string) int {
		return cmp.Or(cmp.Compare(deals[b], deals[a]), cmp.Compare(a, b))
	})
	all = all[:min(len(all), maxStages)]
	// path is how many deals at least say so on each step of the best way from one to another.
	path := make([][]uint64, len(all))
	for i, one := range all {
		path[i] = make([]uint64, len(all))
		for j, other := range all {
			if n := before[[2]string{one, other}]; i != j && n > before[[2]string{other, one}] {
				path[i][j] = n
			}
		}
	}
	for via := range all {
		for i := range all {
			for j := range all {
				path[i][j] = max(path[i][j], min(path[i][via], path[via][j]))
			}
		}
	}
	later := map[string]int{} // of each stage, how many come after it
	for i, one := range all {
		for j := range all {
			if path[i][j] > path[j][i] {
				later[one]++
			}
		}
	}
	slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(later[b], later[a]) })
	return all
}
