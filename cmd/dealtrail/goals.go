package main

import (
	"fmt"
	"strconv"
	"time"

	"dealtrail/trail"
)

type goalsCmd struct {
	List goalsListCmd `cmd:"" help:"What sales and marketing agreed to reach, and how it stands."`
	Set  goalsSetCmd  `cmd:"" help:"Agree on a goal, change it or give it up; everybody sees who changed what."`
}

type goalsListCmd struct {
	format
	Period  string `help:"Only the goals of a period, such as 2026-10, 2026-Q4 or 2026."`
	History bool   `help:"Every word on each goal instead, the newest first."`
}

func (cmd goalsListCmd) Run(e *env) error {
	list, err := get[struct {
		Rows     []trail.Goal    `json:"rows"`
		Measures []trail.Measure `json:"measures"`
	}](e, "/v1/goals", map[string]string{"period": cmd.Period})
	if err != nil {
		return err
	}
	if cmd.Format == "csv" && !cmd.History {
		rows := trail.GoalsTable(list.Rows)
		return cmd.print(e, list, rows[0], rows[1:])
	}
	var rows [][]string
	if cmd.History {
		for _, g := range list.Rows {
			for i, c := range g.History {
				var before *trail.GoalChange
				if i+1 < len(g.History) {
					before = &g.History[i+1]
				}
				rows = append(rows, []string{g.ID, c.At.Format(time.RFC3339), c.By, c.Changed(before), c.Sales, c.Marketing, c.Note})
			}
		}
		return cmd.print(e, list, []string{"goal", "at", "by", "what", "sales", "marketing", "note"}, rows)
	}
	for _, g := range list.Rows {
		r := g.Result
		if r == nil {
			r = &trail.GoalResult{State: "given up"}
		}
		ends := ""
		if r.Low != "" {
			ends = r.Low + " to " + r.High
		}
		rows = append(rows, []string{g.Title, g.Period, g.Target, g.Unit, r.Actual, r.Pace, ends, string(r.State), g.Sales, g.Marketing})
	}
	return cmd.print(e, list, []string{"goal", "period", "target", "unit", "so far", "pace", "projection", "state", "sales", "marketing"}, rows)
}

type goalsSetCmd struct {
	Measure   string `arg:"" help:"new_customers, won_deals, won_amount, leads_accepted, leads_in_time, requests_in_time or contents_used."`
	Period    string `arg:"" help:"A month as 2026-10, a quarter as 2026-Q4 or a year as 2026."`
	Target    string `arg:"" help:"A count, a percentage, or money in the reporting currency."`
	Sales     string `required:"" help:"Who agreed for sales, by name."`
	Marketing string `required:"" help:"Who agreed for marketing, by name."`
	By        string `required:"" help:"Who writes it down, by address."`
	Note      string `help:"Why it is this, or was changed."`
	Drop      bool   `help:"They give it up."`
}

func (cmd goalsSetCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var g trail.Goal
	body := map[string]any{"measure": cmd.Measure, "period": cmd.Period, "target": cmd.Target, "sales": cmd.Sales, "marketing": cmd.Marketing, "by": cmd.By, "note": cmd.Note, "dropped": cmd.Drop}
	if err := c.Post(e.ctx, "/v1/goals", body, &g); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "%s: %s\n", g.ID, map[bool]string{false: g.Target, true: "given up"}[g.Dropped])
	return err
}

type monthCmd struct {
	format
	Month  string `help:"The month, such as 2026-10. Default: the last complete one."`
	Agents string `default:"likely" enum:"all,likely,strict" help:"Whose touches count as seen: all, likely or strict."`
}

func (cmd monthCmd) Run(e *env) error {
	r, err := get[trail.MonthReport](e, "/v1/month", map[string]string{"month": cmd.Month, "agents": cmd.Agents})
	if err != nil {
		return err
	}
	rows := r.Table()
	if cmd.Format == "table" {
		running := ""
		if r.Running {
			running = ", still running"
		}
		fmt.Fprintf(e.out, "%s in %s%s, agents %s, leads answered %s\n", r.Name, r.Zone, running, r.Agents, r.Terms)
	}
	return cmd.print(e, r, rows[0], rows[1:])
}

type serviceCmd struct {
	format
	From string `help:"The first day on which leads were created. Default: 13 weeks ago."`
	To   string `help:"The last day. Default: now."`
}

func (cmd serviceCmd) Run(e *env) error {
	s, err := get[trail.Service](e, "/v1/service", map[string]string{"from": cmd.From, "to": cmd.To})
	if err != nil {
		return err
	}
	rows := s.Table()
	if cmd.Format == "table" {
		fmt.Fprintf(e.out, "Leads created from %s; answered within %s hours counts as in time\n", s.From.Format(time.DateOnly), strconv.FormatFloat(s.AnswerHours, 'f', -1, 64))
		if s.InTouch > 0 {
			fmt.Fprintf(e.out, "Left out, since a rep had written to them before: %d\n", s.InTouch)
		}
	}
	return cmd.print(e, s, rows[0], rows[1:])
}
