package main

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"dealtrail/trail"
)

type holdoutCmd struct {
	Start holdoutStartCmd `cmd:"" help:"Hold a content back from a part of the deals that chance draws, to prove whether recommending it moves deals."`
	List  holdoutListCmd  `cmd:"" help:"Every holdout and what it says."`
	Show  holdoutShowCmd  `cmd:"" help:"What one holdout says, with the counts behind it."`
	End   holdoutEndCmd   `cmd:"" help:"Draw no more deals; those that were drawn are watched until their time is over."`
}

type holdoutStartCmd struct {
	Content string  `required:"" help:"The content's ID."`
	Name    string  `help:"What the holdout is called. Default: the content's title."`
	Stage   string  `help:"Draw only deals in this stage. Default: every open deal."`
	Part    float64 `default:"0.5" help:"The part of the deals that is held back, from 0.1 to 0.9."`
	Outcome string  `default:"advance" enum:"advance,won" help:"What is compared: advance (to a later stage) or won."`
	Weeks   int     `help:"For how long after its draw a deal is watched, from 1 to 52. Default: 6 for advance, 12 for won."`
	Until   string  `help:"The date on which it ends by itself. Default: when you end it."`
	By      string  `help:"Who starts it."`
}

func (cmd holdoutStartCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var h trail.Holdout
	err = c.Post(e.ctx, "/v1/holdouts", map[string]any{
		"content": cmd.Content, "name": cmd.Name, "stage": cmd.Stage, "part": cmd.Part, "outcome": cmd.Outcome, "weeks": cmd.Weeks, "ended_at": cmd.Until, "by": cmd.By,
	}, &h)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.err, "Started. Chance draws for the deals within a minute; see what comes of it with: dealtrail holdout show %s\n", h.ID)
	_, err = fmt.Fprintln(e.out, h.ID)
	return err
}

type holdoutListCmd struct{ format }

func (cmd holdoutListCmd) Run(e *env) error {
	list, err := get[struct {
		Rows   []trail.Readout `json:"rows"`
		Agents trail.Level     `json:"agents"`
	}](e, "/v1/holdouts", nil)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, r := range list.Rows {
		ended := "running"
		if !r.EndedAt.IsZero() {
			ended = r.EndedAt.Format(time.DateOnly)
		}
		difference, low, high, q := "", "", "", ""
		if f := r.Effect; f != nil {
			difference, low, high, q = signed(f.Difference), signed(f.Low), signed(f.High), strconv.FormatFloat(f.Q, 'f', 4, 64)
		}
		rows = append(rows, []string{
			r.ID, r.Name, r.Content, r.Outcome, strconv.Itoa(r.Weeks), r.StartedAt.Format(time.DateOnly), ended,
			num(r.Total.Recommended.Assigned), num(r.Total.HeldBack.Assigned), num(r.Total.Recommended.Over + r.Total.HeldBack.Over), r.Verdict, difference, low, high, q,
		})
	}
	return cmd.print(e, list, []string{"id", "name", "content", "outcome", "weeks", "started", "ended", "recommended", "held_back", "over", "verdict", "difference", "low", "high", "q"}, rows)
}

// signed writes a difference of two shares.
func signed(f float64) string { return fmt.Sprintf("%+.4f", f) }

type holdoutShowCmd struct {
	ID string `arg:"" help:"The holdout's ID, as list has it."`
	format
	Agents string `default:"likely" enum:"all,likely,strict" help:"Whose opens and clicks count as having got the content."`
}

func (cmd holdoutShowCmd) Run(e *env) error {
	r, err := get[trail.Readout](e, "/v1/holdouts/"+url.PathEscape(cmd.ID), map[string]string{"agents": cmd.Agents})
	if err != nil {
		return err
	}
	if cmd.Format == "table" {
		fmt.Fprintf(e.out, "%s (%s): of content %s, %v held back, %s within %d weeks, as of %s\n%s\n", r.Name, r.ID, r.Content, r.Part, r.Outcome, r.Weeks, r.AsOf.Format(time.RFC3339), r.Sentence)
		for _, n := range r.Notes {
			fmt.Fprintf(e.out, "NOTE: %s\n", n)
		}
	}
	var rows [][]string
	total := r.Total
	total.Stage = "(all)"
	for _, row := range append(r.Rows, total) {
		for _, arm := range []struct {
			name trail.Arm
			trail.ReadoutArm
		}{{trail.Recommended, row.Recommended}, {trail.HeldBack, row.HeldBack}} {
			rows = append(rows, []string{row.Stage, string(arm.name), num(arm.Assigned), num(arm.Running), num(arm.LeftOut), num(arm.Over), num(arm.Reached), num(arm.Got)})
		}
	}
	return cmd.print(e, r, []string{"stage", "arm", "assigned", "running", "left_out", "over", "reached", "got"}, rows)
}

type holdoutEndCmd struct {
	ID string `arg:"" help:"The holdout's ID, as list has it."`
	At string `help:"When, now or later. Default: now."`
}

func (cmd holdoutEndCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var h trail.Holdout
	if err := c.Post(e.ctx, "/v1/holdouts/"+url.PathEscape(cmd.ID)+"/end", map[string]string{"at": cmd.At}, &h); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "%s draws no more deals from %s on. Those that were drawn are watched, and held back, until their %d weeks are over.\n", h.Name, h.EndedAt.Format(time.RFC3339), h.Weeks)
	return err
}
