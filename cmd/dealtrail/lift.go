package main

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"dealtrail/trail"
)

type liftCmd struct {
	Outcome string `default:"stage" enum:"stage,won" help:"stage: the deal went on to a later stage or was won; won: it was won."`
	Content string `help:"One content's ID: its number and the table behind it."`
	Agents  string `default:"likely" enum:"all,likely,strict" help:"Whose clicks count: all, likely or strict."`
	Of      string `name:"run" help:"One run. Default: the newest."`
	Stage   string `help:"Only deals that entered this stage."`
	Segment string `help:"Only deals of this segment."`
	Size    string `help:"Only deals of this size."`
	Owner   string `help:"Only this rep's deals."`
	Team    string `help:"Only this team's deals."`
	Source  string `help:"Only deals from this source."`
	Kind    string `help:"Judge only contents of this kind."`
	Persona string `help:"Judge only contents for this persona."`
	format
}

func (cmd liftCmd) params() map[string]string {
	return map[string]string{
		"outcome": cmd.Outcome, "agents": cmd.Agents, "run": cmd.Of, "stage": cmd.Stage, "segment": cmd.Segment, "size": cmd.Size,
		"owner": cmd.Owner, "team": cmd.Team, "source": cmd.Source, "kind": cmd.Kind, "persona": cmd.Persona,
	}
}

func (cmd liftCmd) Run(e *env) error {
	if cmd.Content != "" {
		return cmd.why(e)
	}
	r, err := get[trail.LiftReport](e, "/v1/lift", cmd.params())
	if err != nil {
		return err
	}
	if cmd.Format == "table" {
		cmd.head(e, r.LiftHead, r.Leading)
	}
	var rows [][]string
	for _, row := range r.Rows {
		rows = append(rows, liftCells(row))
	}
	if err := cmd.print(e, r, liftHeader, rows); err != nil || cmd.Format != "table" {
		return err
	}
	if len(r.PartOfWon) > 0 {
		fmt.Fprintf(e.out, "\nPart of won deals (of %d; not why they were won):\n", r.Won)
		rows = nil
		for _, p := range r.PartOfWon {
			rows = append(rows, []string{p.Content, p.Title, num(p.Deals)})
		}
		return cmd.print(e, nil, []string{"content", "title", "won_deals"}, rows)
	}
	return nil
}

// why prints one content's lift and the table behind it.
func (cmd liftCmd) why(e *env) error {
	d, err := get[trail.LiftDetail](e, "/v1/lift/"+url.PathEscape(cmd.Content), cmd.params())
	if err != nil {
		return err
	}
	if cmd.Format == "table" {
		cmd.head(e, d.LiftHead, d.Row.Title+": "+d.Row.Text)
		if err := cmd.print(e, nil, liftHeader, [][]string{liftCells(d.Row)}); err != nil {
			return err
		}
		if h := d.Row.Hazard; h != nil {
			said := h.Note
			if h.Odds != nil {
				said = fmt.Sprintf("odds of advancing in a week %.2f times (%.2f to %.2f)", h.Odds[0], h.Odds[1], h.Odds[2])
			}
			fmt.Fprintf(e.out, "Weekly model: %s\n", said)
		}
		if p := d.Row.Placebo; p != nil {
			fmt.Fprintf(e.out, "Placebo: z %.2f, p %.4f\n", p.Z, p.P)
		}
		fmt.Fprintf(e.out, "\n%s\n", d.Formula)
	}
	var rows [][]string
	for _, t := range d.Table {
		rows = append(rows, []string{t.Stage, t.Segment, t.Age, t.Others, fmt.Sprint(t.Exposed), fmt.Sprint(t.ExposedAdvanced), fmt.Sprint(t.Control), fmt.Sprint(t.ControlAdvanced), fmt.Sprintf("%.4f", t.Weight)})
	}
	return cmd.print(e, d, []string{"stage", "segment", "age", "others_seen", "exposed", "exposed_advanced", "control", "control_advanced", "weight"}, rows)
}

// head says what the numbers are about, and what they are worth.
func (cmd liftCmd) head(e *env, h trail.LiftHead, leading string) {
	fmt.Fprintln(e.out, leading)
	if h.Warning != "" {
		fmt.Fprintf(e.out, "WARNING: %s\n", h.Warning)
	}
	over := fmt.Sprintf("%d closed deals", h.Closed)
	if len(h.Filter) > 0 {
		over += ", " + strings.Join(h.Filter, ", ")
	}
	fmt.Fprintf(e.out, "%s\n%s; outcome %s within %d weeks of the landmark, agents %s, as of %s\n\n", h.Caution, over, h.Outcome, h.Horizon, h.Agents, h.AsOf.Format(time.RFC3339))
}

var liftHeader = []string{"content", "title", "verdict", "lift", "low", "high", "with", "without", "q", "seen", "exposed", "exposed_advanced", "control", "control_advanced", "group", "more_deals", "expected_at"}

func liftCells(r trail.LiftRow) []string {
	cells := []string{r.Content, r.Title, r.Verdict}
	for _, f := range []*float64{r.Lift, r.Low, r.High, r.With, r.Without, r.Q} {
		text := ""
		if f != nil {
			text = fmt.Sprintf("%.4f", *f)
		}
		cells = append(cells, text)
	}
	cells = append(cells, num(r.Seen), num(r.Exposed), num(r.ExposedAdvanced), num(r.Control), num(r.ControlAdvanced))
	group, more, expected := "", "", ""
	if r.Group > 0 {
		group = fmt.Sprint(r.Group)
	}
	if r.MoreDeals > 0 {
		more = num(r.MoreDeals)
	}
	if !r.Expected.IsZero() {
		expected = r.Expected.Format("2006-01")
	}
	return append(cells, group, more, expected)
}
