package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"dealtrail/trail"
)

type crmCmd struct {
	List    crmListCmd    `cmd:"" help:"How each CRM is doing."`
	Check   crmCheckCmd   `cmd:"" help:"Sign in, show the pipelines and five deals; store nothing."`
	Pull    crmPullCmd    `cmd:"" help:"Have a CRM asked now what changed, or for everything."`
	Compare crmCompareCmd `cmd:"" help:"Whether the CRM and dealtrail have the same deals; exit 1 if not."`
	Aside   crmAsideCmd   `cmd:"" help:"Deliveries that were not understood, or have them read again."`
}

type crmListCmd struct{ format }

func (cmd crmListCmd) Run(e *env) error {
	list, err := get[struct {
		Rows []trail.CRMSource `json:"rows"`
	}](e, "/v1/crm", nil)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, s := range list.Rows {
		rows = append(rows, []string{s.Name, s.Kind, strconv.Itoa(s.Deals), whenText(s.DeliveredAt), whenText(s.PulledAt), strconv.Itoa(s.Waiting), strconv.Itoa(s.Aside), strconv.Itoa(s.Refused), strings.TrimSpace(s.Pulling + " " + s.Trouble)})
	}
	return cmd.print(e, list, []string{"name", "kind", "deals", "delivered_at", "pulled_at", "waiting", "aside", "refused", "trouble"}, rows)
}

func whenText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.Format(time.RFC3339)
}

type crmCheckCmd struct {
	format
	Name string `arg:"" help:"As in [crm.NAME]."`
}

func (cmd crmCheckCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var check trail.CRMCheck
	if err := c.Post(e.ctx, "/v1/crm/"+url.PathEscape(cmd.Name)+"/check", nil, &check); err != nil {
		return err
	}
	if cmd.Format == "table" {
		for _, p := range check.Pipelines {
			var stages []string
			for _, s := range p.Stages {
				name := s.Here
				if means := s.HereMeans; means != "" && means != "open" || means == "" && s.Means != "open" {
					name += " (" + s.Means + ")"
				}
				stages = append(stages, name)
			}
			fmt.Fprintf(e.out, "pipeline %s: %s\n", p.Name, strings.Join(stages, " > "))
		}
	}
	var rows [][]string
	for _, d := range check.Deals {
		rows = append(rows, []string{d.ID, d.Name, d.Stage, d.Status, d.Amount, d.Owner, strconv.Itoa(d.Contacts), strconv.Itoa(d.Stages)})
	}
	return cmd.print(e, check, []string{"id", "name", "stage", "status", "amount", "owner", "contacts", "stages"}, rows)
}

type crmPullCmd struct {
	Name string `arg:"" help:"As in [crm.NAME]."`
	Full bool   `help:"For everything: open deals, and those closed within its months."`
}

func (cmd crmPullCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var s trail.CRMSource
	if err := c.Post(e.ctx, "/v1/crm/"+url.PathEscape(cmd.Name)+"/pull", map[string]bool{"full": cmd.Full}, &s); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "%s is asked within seconds; dealtrail crm list shows how far that is\n", s.Name)
	return err
}

type crmCompareCmd struct {
	format
	Name string `arg:"" help:"As in [crm.NAME]."`
	From string `help:"Deals closed from this day on, such as 2026-10-01."`
	To   string `help:"Deals closed up to this day."`
}

// Run prints the counts on a terminal and the deals that differ below them; as CSV the
// deals alone.
func (cmd crmCompareCmd) Run(e *env) error {
	r, err := get[trail.Reconciliation](e, "/v1/crm/"+url.PathEscape(cmd.Name)+"/reconciliation", map[string]string{"from": cmd.From, "to": cmd.To})
	if err != nil {
		return err
	}
	if cmd.Format == "table" {
		for _, n := range r.Counts {
			fmt.Fprintf(e.out, "%s, %s: CRM %d, here %d\n", n.Pipeline, n.Status, n.CRM, n.Here)
		}
		fmt.Fprintf(e.out, "asked %s, for everything %s\n", whenText(r.AsOf), whenText(r.FullAt))
	}
	var rows [][]string
	for _, d := range r.Rows {
		rows = append(rows, []string{d.ID, d.Name, d.Pipeline, d.CRM, d.Here, d.Reason})
	}
	if len(rows) > 0 || cmd.Format != "table" {
		if err := cmd.print(e, r, []string{"id", "name", "pipeline", "crm", "here", "reason"}, rows); err != nil {
			return err
		}
	}
	if len(rows) > 0 {
		return errTrouble
	}
	return nil
}

type crmAsideCmd struct {
	format
	Name  string `arg:"" help:"As in [crm.NAME]."`
	Again bool   `help:"Have them read once more, after an update that understands them."`
}

func (cmd crmAsideCmd) Run(e *env) error {
	path := "/v1/crm/" + url.PathEscape(cmd.Name) + "/aside"
	if cmd.Again {
		c, err := e.client()
		if err != nil {
			return err
		}
		var out struct{ Replayed int }
		if err := c.Post(e.ctx, path, nil, &out); err != nil {
			return err
		}
		_, err = fmt.Fprintln(e.out, strconv.Itoa(out.Replayed)+" are read again; what is still not understood is listed again within seconds")
		return err
	}
	list, err := get[struct {
		Rows []trail.CRMAside `json:"rows"`
	}](e, path, nil)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, a := range list.Rows {
		rows = append(rows, []string{a.ID, whenText(a.At), a.Reason, a.Body})
	}
	return cmd.print(e, list.Rows, []string{"id", "at", "reason", "body"}, rows)
}
