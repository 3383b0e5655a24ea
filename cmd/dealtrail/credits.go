package main

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"dealtrail/trail"
)

// only are the flags that credits are filtered by.
type only struct {
	Content []string `sep:"none" help:"Only what this content earned; (none): what no content did. Each of these may be repeated."`
	Rep     []string `sep:"none" help:"Only what this rep sent."`
	Kind    []string `sep:"none" help:"Only this kind of content."`
	Persona []string `sep:"none" help:"Only content for this persona."`
	Owner   []string `sep:"none" help:"Only deals of this owner."`
	Team    []string `sep:"none" help:"Only deals of this team."`
	Source  []string `sep:"none" help:"Only deals of this source."`
	Stage   []string `sep:"none" help:"Only deals in this stage."`
	Segment []string `sep:"none" help:"Only deals of this segment."`
	Size    []string `sep:"none" help:"Only deals of this size."`
	Account []string `sep:"none" help:"Only deals with the company of this domain."`
	Month   []string `sep:"none" help:"Only deals closed in this month, as 2026-11."`
	Deal    []string `sep:"none" help:"Only this deal."`
}

// in adds the filters to the parameters of a request.
func (o only) in(q url.Values) url.Values {
	for name, values := range map[string][]string{
		"content": o.Content, "rep": o.Rep, "kind": o.Kind, "persona": o.Persona, "owner": o.Owner, "team": o.Team, "source": o.Source,
		"stage": o.Stage, "segment": o.Segment, "size": o.Size, "account": o.Account, "month": o.Month, "deal": o.Deal,
	} {
		if len(values) > 0 {
			q[name] = values
		}
	}
	return q
}

// words says what the filters leave, as "month 2026-11; rep ana@example.com"; "" for all.
func (o only) words() string {
	filters := o.in(url.Values{})
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(filters)) {
		parts = append(parts, name+" "+strings.Join(filters[name], ", "))
	}
	return strings.Join(parts, "; ")
}

// query returns parameters of a request, without those that are empty.
func query(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

// wrong makes what the server cannot make sense of a mistake on the command line.
func wrong(err error) error {
	if p := (*trail.Problem)(nil); errors.As(err, &p) && p.Code == trail.Invalid {
		return usageError{errors.New(p.Text)}
	}
	return err
}

type attributeCmd struct {
	format
	only
	Model  string `default:"linear" help:"The credit model: first, last, linear, decay, u, w, full, markov, markov:2, markov:3, shapley or one of your own."`
	Agents string `default:"likely" enum:"all,likely,strict" help:"Whose clicks count."`
	By     string `default:"content" help:"content, rep, kind, persona, owner, team, source, stage, segment, size, account or month."`
	From   string `help:"Deals closed at or after this date."`
	To     string `help:"Deals closed up to and including this date."`
	AsOf   string `help:"Only what was known by then."`
}

func (cmd attributeCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	q := query("model", cmd.Model, "agents", cmd.Agents, "from", cmd.From, "to", cmd.To, "by", cmd.By)
	// A model or a key that nobody knows is better told before a run than after it.
	err = wrong(c.Do(e.ctx, "GET", "/v1/attribution?"+q.Encode(), "", nil, nil))
	if p := (*trail.Problem)(nil); err != nil && !(errors.As(err, &p) && p.Code == trail.NoRun) {
		return err
	}
	// All models at once: the pages compare them, and a run of one alone would set it beside older ones. Those with an
	// order are computed only when they are asked for by name.
	request := map[string]any{"agents": cmd.Agents, "from": cmd.From, "to": cmd.To, "as_of": cmd.AsOf}
	if strings.Contains(cmd.Model, ":") {
		request["models"] = []string{cmd.Model}
	}
	run, err := calculate(e, c, request)
	if err != nil {
		return wrong(err)
	}
	q.Set("run", run.ID)
	var report trail.Attribution
	if err := c.Do(e.ctx, "GET", "/v1/attribution?"+cmd.in(q).Encode(), "", nil, &report); err != nil {
		return wrong(err)
	}
	if cmd.Format == "table" {
		fmt.Fprintf(e.out, "Model %s, agents %s, %d won deals, as of %s\n%s\n", report.Model, report.Agents, run.Deals, report.AsOf.Format(time.RFC3339), report.Note)
		if run.LeftOut > 0 {
			fmt.Fprintf(e.out, "Left out: %d won deals without an amount, a closing date or a rate for their currency\n", run.LeftOut)
		}
		if only := cmd.words(); only != "" {
			fmt.Fprintf(e.out, "Deals above are all of the run; below is only %s\n", only)
		}
		if report.Reason != "" {
			_, err := fmt.Fprintf(e.out, "No result: %s\n", report.Reason)
			return err
		}
		if report.Few {
			fmt.Fprintf(e.out, "These are credits of fewer than %d deals: read the intervals, not the order. Rows of one tie do not differ by more than chance.\n", trail.FewDeals)
		}
	}
	header, rows := creditTable(report)
	if cmd.Format == "table" {
		header, rows = forPeople(header, rows, report.Few)
	}
	return cmd.print(e, report, header, rows)
}

// creditTable is a report as a table, with what no content earned and the total as
// last rows.
func creditTable(report trail.Attribution) (header []string, rows [][]string) {
	header = []string{
		report.By, "title", "deals", "credit", "value", "currency", "low", "high", "value_low", "value_high", "tie",
		"effect", "effect_low", "effect_high", "model_value", "model_value_low", "model_value_high", "cost", "credit_per_cost", "credit_per_cost_low", "credit_per_cost_high",
	}
	deals := func(f float64) string { return fmt.Sprintf("%.4f", f) }
	for _, r := range report.Rows {
		row := make([]string, len(header))
		copy(row, []string{r.Key, r.Title, num(r.Deals), deals(r.Credit), r.Value.Amount, r.Value.Currency})
		if r.CreditEnds != nil {
			copy(row[6:], []string{deals(r.Low), deals(r.High), r.ValueLow.Amount, r.ValueHigh.Amount})
		}
		if r.Tie > 0 {
			row[10] = fmt.Sprint(r.Tie)
		}
		if r.ModelCredit != nil {
			copy(row[11:], []string{deals(r.Effect), deals(r.EffectLow), deals(r.EffectHigh), r.ModelValue.Amount, r.ModelValueLow.Amount, r.ModelValueHigh.Amount})
		}
		if r.CreditCost != nil {
			if row[17] = r.Cost.Amount; r.PerCost != nil {
				copy(row[18:], []string{deals(r.Per), deals(r.PerLow), deals(r.PerHigh)})
			}
		}
		rows = append(rows, row)
	}
	for _, sum := range []struct {
		name string
		trail.Sum
	}{{"(no content seen)", report.Unattributed}, {"(total)", report.Total}} {
		row := make([]string, len(header))
		copy(row, []string{sum.name, "", "", deals(sum.Credit), sum.Value.Amount, sum.Value.Currency})
		rows = append(rows, row)
	}
	return header, rows
}

// forPeople leaves out columns that say nothing, and puts the intervals first where
// the numbers alone would mislead.
func forPeople(header []string, rows [][]string, intervalsFirst bool) ([]string, [][]string) {
	order := []int{0, 1, 10, 2, 3, 6, 7, 4, 8, 9, 5, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}
	if intervalsFirst {
		order = []int{0, 1, 10, 2, 6, 7, 3, 8, 9, 4, 5, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}
	}
	kept := order[:0]
	for _, i := range order {
		for _, row := range rows {
			if row[i] != "" {
				kept = append(kept, i)
				break
			}
		}
	}
	pick := func(row []string) (cells []string) {
		for _, i := range kept {
			cells = append(cells, row[i])
		}
		return cells
	}
	shown := make([][]string, len(rows))
	for i, row := range rows {
		shown[i] = pick(row)
	}
	return pick(header), shown
}

type whyCmd struct {
	format
	only
	Model  string `default:"linear" help:"The credit model."`
	Agents string `default:"likely" enum:"all,likely,strict" help:"Whose clicks count."`
	From   string `help:"Of the run: deals closed at or after this date."`
	To     string `help:"Of the run: deals closed up to and including this date."`
	OfRun  string `name:"run" help:"One run, by its ID, instead of the newest."`
	Limit  int    `default:"50" help:"Deals to show: those with the most money."`
	After  string `help:"Where to go on, as it said before."`
}

func (cmd whyCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	q := query("model", cmd.Model, "agents", cmd.Agents, "from", cmd.From, "to", cmd.To, "run", cmd.OfRun, "limit", fmt.Sprint(cmd.Limit), "after", cmd.After)
	var why trail.Why
	if err := c.Do(e.ctx, "GET", "/v1/attribution/why?"+cmd.in(q).Encode(), "", nil, &why); err != nil {
		return wrong(err)
	}
	if cmd.Format == "table" {
		fmt.Fprintf(e.out, "Model %s, agents %s, run %s, as of %s\n%s\n", why.Model, why.Agents, why.Run, why.AsOf.Format(time.RFC3339), why.Note)
		if why.Reason != "" {
			fmt.Fprintf(e.out, "No result: %s\n", why.Reason)
		}
	}
	if err := cmd.print(e, why, whyHeader, whyRows(why)); err != nil || cmd.Format != "table" {
		return err
	}
	if _, err := fmt.Fprintf(e.out, "%d deals give %.4f deals and %s %s in all.\n", why.Deals, why.Total.Credit, why.Total.Value.Amount, why.Total.Value.Currency); err != nil {
		return err
	}
	if why.Next != "" {
		_, err = fmt.Fprintf(e.out, "There are more: --after %s\n", why.Next)
	}
	return err
}

var whyHeader = []string{"deal", "name", "closed", "deal_value", "at", "kind", "content", "who", "rep", "tied_by", "confidence", "place", "share", "amount", "currency"}

// whyRows has a line for each touch, and one for a deal that no touch earned.
func whyRows(why trail.Why) (rows [][]string) {
	for _, d := range why.Rows {
		deal := []string{d.Deal, d.Name, d.ClosedAt.Format(time.DateOnly), d.Value.Amount}
		if len(d.Touches) == 0 {
			rows = append(rows, append(deal, "", "", "(no content seen)", "", "", "", "", "", fmt.Sprintf("%.4f", d.Share), d.Amount.Amount, d.Amount.Currency))
		}
		for _, t := range d.Touches {
			who, place := strings.Join(t.Contacts, " "), ""
			switch {
			case t.Withheld != "":
				who = "(withheld: " + string(t.Withheld) + ")"
			case len(t.Contacts) > 1:
				who = fmt.Sprintf("one of %d: %s", len(t.Contacts), who)
			}
			if t.Place > 0 {
				place = fmt.Sprintf("%d of %d", t.Place, d.Path)
			}
			rows = append(rows, append(deal[:4:4], t.At.Format(time.RFC3339), string(t.Kind), t.Content, who, t.Rep, t.Rule, fmt.Sprintf("%.2f", t.Confidence), place,
				fmt.Sprintf("%.4f", t.Share), t.Amount.Amount, t.Amount.Currency))
		}
	}
	return rows
}

type spendCmd struct {
	format
	lens
}

func (cmd spendCmd) Run(e *env) error {
	s, err := get[trail.Spend](e, "/v1/spend", cmd.params())
	if err != nil {
		return err
	}
	if cmd.Format == "table" {
		for _, sum := range []struct {
			name string
			trail.Spent
		}{{"cost", s.Total}, {"never sent", s.NeverSent}, {"sent, never used", s.NeverUsed}, {"used", s.Used}} {
			fmt.Fprintf(e.out, "%s: %s %s for %d pieces\n", sum.name, sum.Cost.Amount, sum.Cost.Currency, sum.Contents)
		}
		if s.NoCost+s.NoRate > 0 {
			fmt.Fprintf(e.out, "in no sum: %d pieces without a cost, %d in a currency without a rate\n", s.NoCost, s.NoRate)
		}
	}
	var rows [][]string
	for _, r := range s.Rows {
		row := []string{r.Content, r.Title, r.Kind, r.State, r.Told.Amount, r.Told.Currency, "", num(r.Sent), "", "", "", ""}
		if r.Cost != nil {
			row[6] = r.Cost.Amount
		}
		if r.Value != nil {
			row[8] = r.Value.Amount
		}
		if r.PerCost != nil {
			row[9], row[10], row[11] = fmt.Sprintf("%.4f", r.Per), fmt.Sprintf("%.4f", r.PerLow), fmt.Sprintf("%.4f", r.PerHigh)
		}
		rows = append(rows, row)
	}
	return cmd.print(e, s, []string{"id", "title", "kind", "state", "told", "currency", "cost", "sent", "value", "credit_per_cost", "credit_per_cost_low", "credit_per_cost_high"}, rows)
}
