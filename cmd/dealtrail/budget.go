package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"dealtrail/api"
	"dealtrail/attribution"
	"dealtrail/dashboards"
	"dealtrail/ingest"
	"dealtrail/trail"
)

type budgetCmd struct {
	New    budgetNewCmd    `cmd:"" help:"Freeze a page of what content earned and cost, as one run found it."`
	List   budgetListCmd   `cmd:"" help:"The pages, the newest first."`
	Show   budgetShowCmd   `cmd:"" help:"One page, as a table, JSON, CSV, HTML to print or PDF."`
	Link   budgetLinkCmd   `cmd:"" help:"Make a link by which anybody who has it reads one page."`
	Links  budgetLinksCmd  `cmd:"" help:"The links to one page, and when each was last used."`
	Revoke budgetRevokeCmd `cmd:"" help:"End a link."`
}

type budgetNewCmd struct {
	Of       string `name:"run" help:"The run. Default: the newest complete one of --model, --agents, --from and --to."`
	Model    string `default:"linear" help:"The credit model."`
	Agents   string `default:"" enum:",all,likely,strict" help:"Whose clicks count: all, likely or strict. Default: likely."`
	From     string `help:"Deals closed on or after this day."`
	To       string `help:"Deals closed up to and including this day."`
	Currency string `help:"Refuse a run that does not count in this currency."`
	Title    string `help:"The page's title."`
	Note     string `help:"What to decide, or what to know."`
	By       string `help:"Who makes it, by address."`
}

func (cmd budgetNewCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var b trail.Budget
	body := map[string]string{"run": cmd.Of, "model": cmd.Model, "agents": cmd.Agents, "from": cmd.From, "to": cmd.To, "currency": cmd.Currency, "title": cmd.Title, "note": cmd.Note, "by": cmd.By}
	if err := c.Post(e.ctx, "/v1/budgets", body, &b); err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, b.ID)
	return err
}

type budgetListCmd struct{ format }

func (cmd budgetListCmd) Run(e *env) error {
	list, err := get[struct {
		Rows []trail.BudgetListed `json:"rows"`
	}](e, "/v1/budgets", nil)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, b := range list.Rows {
		rows = append(rows, []string{b.ID.String(), b.At.Format(time.RFC3339), b.By, b.Model, b.Run, b.Title})
	}
	return cmd.print(e, list, []string{"id", "made_at", "by", "model", "run", "title"}, rows)
}

type budgetShowCmd struct {
	ID     string `arg:"" help:"The page's ID, as list has it."`
	Format string `default:"" enum:",table,json,csv,html,pdf" help:"table, json, csv, html or pdf. Default: as the file that -o names ends, else table."`
	Output string `short:"o" help:"A file to write; default: the terminal." type:"path"`
}

func (cmd budgetShowCmd) Run(e *env) error {
	if cmd.Format == "" {
		cmd.Format = "table"
		if cmd.Output != "" {
			var err error
			if cmd.Format, err = formatOf(cmd.Output, "pdf", "html", "csv", "json"); err != nil {
				return err
			}
		}
	}
	if cmd.Format == "table" && cmd.Output != "" {
		return usageError{errors.New("a table is for the terminal; leave out -o, or name a file that ends in .pdf, .html, .csv or .json")}
	}
	if cmd.Format == "pdf" && cmd.Output == "" && e.tty {
		return usageError{errors.New("a PDF file is not for a terminal; name a file with -o")}
	}
	path := "/v1/budgets/" + url.PathEscape(cmd.ID)
	if cmd.Format == "table" {
		b, err := get[trail.Budget](e, path, nil)
		if err != nil {
			return err
		}
		return cmd.table(e, b)
	}
	c, err := e.client()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := c.Do(e.ctx, "GET", path+"?format="+cmd.Format, "", nil, io.Writer(&out)); err != nil {
		return err
	}
	if cmd.Output != "" {
		return os.WriteFile(cmd.Output, out.Bytes(), 0o600)
	}
	_, err = out.WriteTo(e.out)
	return err
}

// table prints what the page says of contents.
func (cmd budgetShowCmd) table(e *env, b trail.Budget) error {
	fmt.Fprintf(e.out, "%s\n%s, %s, run %s\n", b.Title, b.ModelTitle, b.Agents, b.Run)
	fmt.Fprintf(e.out, "won %s %s, no content seen %s, spent %s, never used %s and never sent %s\n", b.Total.Value.Amount, b.Currency, b.Unattributed.Value.Amount, b.Spent.Cost.Amount, b.NeverUsed.Cost.Amount, b.NeverSent.Cost.Amount)
	var rows [][]string
	add := func(what string, r trail.BudgetRow) {
		row := []string{what, r.Title, "", r.Value.Amount, "", "", "", ""}
		if r.Cost != nil {
			row[2] = r.Cost.Amount
		}
		if r.Low != nil && r.High != nil {
			row[4], row[5] = r.Low.Amount, r.High.Amount
		}
		if r.PerCost != nil {
			row[6] = fmt.Sprintf("%.2f", r.Per)
		}
		if row[7] = r.Proof; r.Lift != nil {
			row[7] = strings.TrimSpace(fmt.Sprintf("%s %s %+.1f points", r.Proof, r.Lift.Verdict, 100*r.Lift.Lift))
		}
		rows = append(rows, row)
	}
	for _, r := range b.Kinds {
		add("kind", r)
	}
	for _, r := range b.Contents {
		add("content", r)
	}
	if b.Rest != nil {
		add("rest", *b.Rest)
	}
	return format{Format: "table"}.print(e, b, []string{"", "title", "spent", "credit", "low", "high", "per unit", "lift or holdout"}, rows)
}

type budgetLinkCmd struct {
	ID   string `arg:"" help:"The page's ID."`
	Days int    `default:"90" help:"For how many days it works."`
	By   string `help:"Who makes it, by address."`
}

func (cmd budgetLinkCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var made struct {
		trail.Link
		URL string `json:"url"`
	}
	if err := c.Post(e.ctx, "/v1/budgets/"+url.PathEscape(cmd.ID)+"/links", map[string]any{"days": cmd.Days, "by": cmd.By}, &made); err != nil {
		return err
	}
	fmt.Fprintf(e.err, "Link %s works until %s. It is kept nowhere: copy it now.\n", made.ID, made.ExpiresAt.Format(time.DateOnly))
	_, err = fmt.Fprintln(e.out, made.URL)
	return err
}

type budgetLinksCmd struct {
	format
	ID string `arg:"" help:"The page's ID."`
}

func (cmd budgetLinksCmd) Run(e *env) error {
	list, err := get[struct {
		Rows []trail.Link `json:"rows"`
	}](e, "/v1/budgets/"+url.PathEscape(cmd.ID)+"/links", nil)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, l := range list.Rows {
		seen := ""
		if !l.SeenAt.IsZero() {
			seen = l.SeenAt.Format(time.RFC3339)
		}
		rows = append(rows, []string{l.ID, l.By, l.MadeAt.Format(time.RFC3339), l.ExpiresAt.Format(time.RFC3339), seen})
	}
	return cmd.print(e, list, []string{"link", "by", "made_at", "expires_at", "seen_at"}, rows)
}

type budgetRevokeCmd struct {
	ID   string `arg:"" help:"The page's ID."`
	Link string `arg:"" help:"The link's, as links has it."`
}

func (cmd budgetRevokeCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	if err := c.Do(e.ctx, "DELETE", "/v1/budgets/"+url.PathEscape(cmd.ID)+"/links/"+url.PathEscape(cmd.Link), "", nil, nil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "%s leads nowhere any more\n", cmd.Link)
	return err
}

// pages is how our own people reach the pages.
func (c *Config) pages() string { return cmp.Or(c.Server.PagesURL, c.Server.PublicURL) }

// openBudgets wires budget pages and the links to them.
func (p *program) openBudgets() {
	p.budgets = &attribution.Budgets{DB: p.db, Job: p.job, Holdouts: p.holdouts, Emit: p.buffer.Append, Settle: p.buffer.Settle, Zone: p.zone, Now: time.Now}
	p.links = &ingest.Links{Redis: p.redis, Now: time.Now}
}

// budgetActions are what the API does about them.
func (p *program) budgetActions() api.Budgets {
	files := map[string]api.BudgetFile{}
	for name, f := range dashboards.BudgetFormats {
		files[name] = api.BudgetFile{Type: f.Type, Write: f.Write}
	}
	return api.Budgets{New: p.budgets.New, Files: files, Links: p.links, Link: (&dashboards.Budgets{Address: p.config.pages()}).Link}
}
