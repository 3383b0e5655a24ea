package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"dealtrail/api"
	"dealtrail/dashboards"
	"dealtrail/ingest"
	"dealtrail/trail"
)

type reviewCmd struct {
	Week   string `help:"The ISO week, such as 2026-W47. Default: the last complete one."`
	Format string `default:"" enum:",csv,xlsx,html,json" help:"csv, xlsx, html (to print) or json. Default: as the file that -o names ends, else csv."`
	Output string `short:"o" help:"A file to write; default: the terminal." type:"path"`
	Import string `help:"Bring back an XLSX of a review in which the meeting filled in its decisions." type:"existingfile" placeholder:"FILE"`
}

func (cmd reviewCmd) Run(e *env) error {
	if cmd.Import != "" {
		return cmd.bringBack(e)
	}
	if cmd.Format == "" {
		var err error
		if cmd.Format, err = formatOf(cmd.Output, "csv", "xlsx", "html", "json"); err != nil {
			return err
		}
	}
	if cmd.Format == "xlsx" && cmd.Output == "" && e.tty {
		return usageError{errors.New("an XLSX file is not for a terminal; name a file with -o")}
	}
	c, err := e.client()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	q := url.Values{"week": {cmd.Week}, "format": {cmd.Format}}
	if err := c.Do(e.ctx, "GET", "/v1/review?"+q.Encode(), "", nil, io.Writer(&b)); err != nil {
		return wrong(err)
	}
	if cmd.Output != "" {
		return os.WriteFile(cmd.Output, b.Bytes(), 0o600)
	}
	_, err = b.WriteTo(e.out)
	return err
}

// bringBack sends a workbook that was filled in, and prints what became of it. Rows
// that were not taken are an error.
func (cmd reviewCmd) bringBack(e *env) error {
	if info, err := os.Stat(cmd.Import); err != nil || info.Size() > dashboards.MaxReviewFile {
		return errors.Join(err, fmt.Errorf("%s is larger than a review can be (%d MB)", cmd.Import, dashboards.MaxReviewFile>>20))
	}
	content, err := os.ReadFile(cmd.Import)
	if err != nil {
		return err
	}
	back, err := dashboards.ReadReview(content)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.Import, err)
	}
	c, err := e.client()
	if err != nil {
		return err
	}
	week := back.Week
	if cmd.Week != "" {
		week = cmd.Week // the server says when they differ
	}
	var taken dashboards.ReviewTaken
	if err := c.Do(e.ctx, "POST", "/v1/review/"+url.PathEscape(week)+"/xlsx", dashboards.ReviewFormats["xlsx"].Type, bytes.NewReader(content), &taken); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "Review of %s: %d rows changed, %d as before, %d not taken\n", taken.Week, taken.Changed, taken.Unchanged, len(taken.Faults))
	for _, f := range taken.Faults {
		fmt.Fprintf(e.out, "%s, row %d: %s\n", f.Sheet, f.Row, f.Reason)
	}
	if len(taken.Faults) > 0 {
		return fmt.Errorf("%d rows were not taken", len(taken.Faults))
	}
	return nil
}

// openReviews wires the weekly review and what is decided in it.
func (p *program) openReviews(contacts trail.ContactKey) (err error) {
	p.db.CRM = p.config.Company.CRMURL
	p.reviews = &ingest.Reviews{
		DB: p.db, Emit: p.buffer.Append, Settle: p.buffer.Settle, Contacts: contacts, Zone: p.zone, Now: p.clock,
		Alone: p.alone(ingest.DecideLease),
	}
	p.db.ReviewAt, err = trail.ParseWeekTime(p.config.Review.At)
	return err
}

// listFormats are the formats of lists besides JSON.
func listFormats(zone *time.Location) map[string]api.TableFormat {
	all := map[string]api.TableFormat{}
	for name, f := range dashboards.TableFormats(zone) {
		all[name] = api.TableFormat{Type: f.Type, Write: f.Write}
	}
	return all
}

// exports are the formats of the review besides JSON.
func exports() map[string]api.Export {
	all := map[string]api.Export{}
	for name, f := range dashboards.ReviewFormats {
		all[name] = api.Export{Type: f.Type, Write: f.Write}
	}
	return all
}

// takeReview takes a workbook that comes back through the API.
func (p *program) takeReview(ctx context.Context, week, by string, r io.Reader) (any, bool, error) {
	taken, err := p.site.TakeReview(ctx, week, "xlsx", by, r)
	return taken, taken.Visible, err
}

// reviewFiles writes the review of every week.
func (p *program) reviewFiles() *ingest.ReviewFiles {
	return &ingest.ReviewFiles{
		DB: p.db, Redis: p.redis, Dir: p.config.beside(p.config.Review.Dir), At: p.db.ReviewAt, Zone: p.zone, Settle: p.buffer.Settle, Log: p.log, Now: time.Now,
		Write: []ingest.ReviewFormat{{Ending: "xlsx", Write: dashboards.ReviewXLSX}, {Ending: "html", Write: dashboards.ReviewHTML}},
	}
}

// runReviewFiles does so until ctx ends, where a folder is named.
func (p *program) runReviewFiles(ctx context.Context) error {
	if p.config.Review.Dir == "" {
		_ = ingest.EndTrouble(ctx, p.redis, ingest.ReviewFilesTrouble) // nobody wants them any more
		<-ctx.Done()
		return nil
	}
	return p.reviewFiles().Run(ctx)
}

// checkReview refuses a time and an address that cannot work.
func (c *Config) checkReview() error {
	if _, err := trail.ParseWeekTime(c.Review.At); err != nil {
		return fmt.Errorf("%s: review.at: %w", c.path, err)
	}
	if c.Company.CRMURL == "" {
		return nil
	}
	u, err := url.Parse(strings.ReplaceAll(c.Company.CRMURL, "{id}", "1"))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || !strings.Contains(c.Company.CRMURL, "{id}") {
		return fmt.Errorf("%s: company.crm_url is %q; expected an address with {id}, such as https://crm.example.com/deals/{id}", c.path, c.Company.CRMURL)
	}
	return nil
}
