package main

import (
	"fmt"

	"dealtrail/dashboards"
	"dealtrail/trail"
)

type qualityCmd struct {
	format
	Agents string `default:"likely" enum:"all,likely,strict" help:"Whose touches are looked at: all, likely or strict."`
}

// Run prints what is wrong with the data: how many of each kind on a terminal, every
// row as CSV.
func (cmd qualityCmd) Run(e *env) error {
	q, err := get[trail.Quality](e, "/v1/quality", map[string]string{"agents": cmd.Agents})
	if err != nil {
		return err
	}
	if cmd.Format == "csv" {
		table := dashboards.QualityTable(q)
		return cmd.print(e, q, table[0], table[1:])
	}
	rows := [][]string{{"doubts", num(q.Open), "Touches that may be of several deals; decide them on the page /quality."}}
	for _, g := range q.Groups {
		if g.Count > 0 {
			rows = append(rows, []string{g.Code, num(g.Count), g.Title + ". " + g.Means})
		}
	}
	if err := cmd.print(e, q, []string{"code", "count", "what"}, rows); err != nil || cmd.Format != "table" {
		return err
	}
	_, err = fmt.Fprintln(e.out, "--format csv has the rows.")
	return err
}
