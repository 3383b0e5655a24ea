package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"dealtrail/api"
	"dealtrail/dashboards"
	"dealtrail/ingest"
	"dealtrail/ingest/track"
	"dealtrail/trail"
)

// errTrouble ends status with exit code 1 after it said why.
var errTrouble = errors.New("something needs a person")

// client speaks to the server that --url or the configuration names.
func (e *env) client() (*api.Client, error) {
	c := &api.Client{URL: e.URL, Key: e.Key}
	if c.URL != "" && c.Key != "" {
		return c, nil
	}
	config, secrets, err := e.load()
	if _, missing := os.Stat(e.Config); errors.Is(missing, os.ErrNotExist) || errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("%w (or name the server with --url and --key)", err)
	}
	if err != nil {
		return nil, err
	}
	if c.URL == "" {
		c.URL = config.address()
	}
	if c.Key == "" {
		c.Key = secrets.AdminKey.Reveal()
	}
	return c, nil
}

// get asks the API and decodes the answer.
func get[T any](e *env, path string, params map[string]string) (out T, err error) {
	c, err := e.client()
	if err != nil {
		return out, err
	}
	return out, wrong(c.Get(e.ctx, path, params, &out))
}

// format is the --format flag of the reports.
type format struct {
	Format string `default:"table" enum:"table,json,csv" help:"table, json or csv."`
}

// print writes a report: v as JSON, or the rows under the header.
func (f format) print(e *env, v any, header []string, rows [][]string) error {
	switch f.Format {
	case "json":
		enc := json.NewEncoder(e.out)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	case "csv":
		w := csv.NewWriter(e.out)
		for _, row := range append([][]string{header}, rows...) {
			for i := range row {
				row[i] = dashboards.Harmless(row[i])
			}
			if err := w.Write(row); err != nil {
				return err
			}
		}
		w.Flush()
		return w.Error()
	}
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// lens are the flags that say which numbers a report shows.
type lens struct {
	Agents string `default:"likely" enum:"all,likely,strict" help:"Whose clicks count: all, likely or strict."`
	Model  string `default:"linear" help:"The credit model, such as linear, markov or one of your own."`
}

func (l lens) params() map[string]string {
	return map[string]string{"agents": l.Agents, "model": l.Model}
}

// title says on a terminal which numbers these are.
func (l lens) title(e *env, format string) {
	if format == "table" {
		fmt.Fprintf(e.out, "Model %s, agents %s\n", l.Model, l.Agents)
	}
}

type contentCmd struct {
	format
	lens
}

func (cmd contentCmd) Run(e *env) error {
	report, err := get[struct {
		Rows   []trail.ContentRow `json:"rows"`
		Agents trail.Level        `json:"agents"`
		Model  string             `json:"model"`
	}](e, "/v1/content", cmd.params())
	if err != nil {
		return err
	}
	var rows [][]string
	for _, r := range report.Rows {
		credit, value, currency := "", "", ""
		if r.Credit != nil {
			credit, value, currency = fmt.Sprintf("%.4f", r.Credit.Credit), r.Credit.Value.Amount, r.Credit.Value.Currency
		}
		rows = append(rows, []string{r.ID, r.Title, r.Kind, num(r.Sent), num(r.Reached), num(r.Opened), num(r.Clicked), num(r.Replied), num(r.Deals), num(r.Won), credit, value, currency, num(r.Stale), num(r.Observable), num(r.Observed), r.Cost.Amount, r.Cost.Currency})
	}
	cmd.title(e, cmd.Format)
	return cmd.print(e, report, []string{"id", "title", "kind", "sent", "reached", "opened", "clicked", "replied", "deals", "won", "credit", "value", "currency", "stale", "observable", "observed", "cost", "cost_currency"}, rows)
}

type dealCmd struct {
	ID string `arg:"" help:"The deal's ID in the CRM."`
	format
	lens
}

func (cmd dealCmd) Run(e *env) error {
	d, err := get[trail.DealDetail](e, "/v1/deals/"+url.PathEscape(cmd.ID), cmd.params())
	if err != nil {
		return err
	}
	if cmd.Format == "table" {
		fmt.Fprintf(e.out, "%s  %s  %s %s  %s  %s\n", d.ID, d.Name, d.Value.Amount, d.Value.Currency, d.Status, d.Stage)
	}
	cmd.title(e, cmd.Format)
	return cmd.print(e, d, trailHeader, trailRows(d.Events))
}

type contactCmd struct {
	Email string `arg:"" help:"The contact's address."`
	format
	lens
}

func (cmd contactCmd) Run(e *env) error {
	d, err := get[trail.ContactDetail](e, "/v1/contacts/"+url.PathEscape(cmd.Email), cmd.params())
	if err != nil {
		return err
	}
	cmd.title(e, cmd.Format)
	return cmd.print(e, d, trailHeader, trailRows(d.Events))
}

var trailHeader = []string{"at", "kind", "content", "who", "rep", "deal", "stage", "verdict", "credit"}

func trailRows(events []trail.TrailRow) (rows [][]string) {
	for _, v := range events {
		who := strings.Join(v.Contacts, " ")
		if len(v.Contacts) > 1 {
			who = fmt.Sprintf("one of %d: %s", len(v.Contacts), who)
		}
		credit := ""
		if v.Credit != nil {
			credit = v.Credit.Value.Amount
		}
		rows = append(rows, []string{v.At.Format(time.RFC3339), string(v.Kind), v.Content, who, v.Rep, v.Deal, v.Stage, string(v.Verdict), credit})
	}
	return rows
}

type shareCmd struct {
	Content string   `required:"" help:"The content's ID."`
	Rep     string   `required:"" help:"The rep who shares it."`
	To      []string `help:"Who it is for; repeat for several people."`
	Deal    string   `help:"The deal it is for."`
	HTML    bool     `help:"Print the HTML snippet with link and pixel instead of the link."`

	Permanent bool `help:"The rep's one link to the content, for signatures and templates: for nobody in particular."`
}

func (cmd shareCmd) Run(e *env) error {
	for _, a := range append([]string{cmd.Rep}, cmd.To...) {
		if _, err := mail.ParseAddress(a); err != nil {
			return usageError{fmt.Errorf("%q is not an email address", a)}
		}
	}
	c, err := e.client()
	if err != nil {
		return err
	}
	var share ingest.Share
	if err := c.Post(e.ctx, "/v1/shares", ingest.ShareRequest{Content: cmd.Content, Rep: cmd.Rep, To: cmd.To, Deal: cmd.Deal, Permanent: cmd.Permanent}, &share); err != nil {
		return err
	}
	for _, w := range share.Warnings {
		fmt.Fprintln(e.err, w)
	}
	text := share.URL
	if cmd.HTML {
		text = share.HTML
		if share.PixelURL == "" {
			fmt.Fprintln(e.err, "Without a pixel: tracking.pixel is off, or is consent and not everybody it is for has agreed.")
		}
	}
	_, err = fmt.Fprintln(e.out, text)
	return err
}

type statusCmd struct {
	JSON bool `help:"Print JSON."`

	Ready bool `help:"Only ask whether this process can do its work, without a key, and exit 1 if not: for health checks."`
}

func (cmd statusCmd) Run(e *env) error {
	if cmd.Ready {
		return ready(e)
	}
	s, err := get[trail.Status](e, "/v1/status", nil)
	if err != nil {
		return err
	}
	if cmd.JSON {
		if err := (format{"json"}).print(e, s, nil, nil); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(e.out, "events %d  content %d  deals %d  contacts %d  backlog %d (oldest %.0f s)  lost %d  bad %d\n", s.Events, s.Contents, s.Deals, s.Contacts, s.Backlog.Events, s.Backlog.Age, s.Lost, s.Bad)
		if b := s.Balance; !b.At.IsZero() {
			fmt.Fprintf(e.out, "accepted %d = stored %d + revisions %d + duplicates %d + bad %d + erased %d + expired %d + in flight %d; missing %d, surplus %d\n",
				b.Accepted, b.Stored, b.Revisions, b.Duplicates, b.Bad, b.Erased, b.Expired, b.InFlight(), b.Missing, b.Surplus)
		}
		for _, n := range s.Nodes {
			fmt.Fprintf(e.out, "process %s (%s): %d accepted, %d loaded, %d on its disk\n", n.Node, strings.Join(n.Roles, ", "), n.Accepted, n.Loaded, n.Spooled)
		}
		for _, m := range s.Mailboxes {
			fmt.Fprintf(e.out, "mailbox %s: %s, %d messages read since the start, %d events %s\n", m.Rep, m.State, m.Messages, m.Events, m.Reason)
		}
		if r := s.LastRun; r != nil {
			fmt.Fprintf(e.out, "last run %s at %s: %d won deals, %d touches\n", r.ID, r.FinishedAt.Format(time.RFC3339), r.Deals, r.Touches)
		}
		for _, t := range s.Trouble {
			fmt.Fprintf(e.out, "NEEDS A PERSON: %s\n", t)
		}
	}
	if len(s.Trouble) > 0 {
		return errTrouble
	}
	return nil
}

type judgeCmd struct {
	File string `arg:"" help:"Recorded requests: {\"cases\": [...]} or {\"public\": [...]}." type:"existingfile"`
}

func (cmd judgeCmd) Run(e *env) error {
	f, err := os.Open(cmd.File)
	if err != nil {
		return err
	}
	defer f.Close()
	verdicts, err := track.JudgeRecorded(f)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.File, err)
	}
	enc := json.NewEncoder(e.out)
	for _, v := range verdicts {
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
	return nil
}

func num(n uint64) string { return fmt.Sprint(n) }

// formatOf is the format that the name of a file asks for: one of those that there are.
// Without a file, or an ending, it is the first.
func formatOf(output string, formats ...string) (string, error) {
	ending := strings.ToLower(strings.TrimPrefix(filepath.Ext(output), "."))
	if ending == "" {
		return formats[0], nil
	}
	if !slices.Contains(formats, ending) {
		return "", usageError{fmt.Errorf("what %s should be is not told by its ending; let it end in .%s, or choose with --format", output, strings.Join(formats, ", ."))}
	}
	return ending, nil
}
