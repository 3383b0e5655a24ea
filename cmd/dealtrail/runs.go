package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"dealtrail/api"
	"dealtrail/attribution"
	"dealtrail/trail"
)

type runsCmd struct {
	List runsListCmd `cmd:"" default:"withargs" help:"Complete runs, newest first, and those under way."`
	Diff runsDiffCmd `cmd:"" help:"What changed between two runs, and why."`
	Stop runsStopCmd `cmd:"" help:"Stop a run that is under way."`
}

// runs is the answer of GET /v1/runs.
type runs struct {
	Rows     []trail.Run   `json:"rows"`
	Next     string        `json:"next,omitempty"`
	UnderWay []runProgress `json:"under_way"`
}

type runProgress struct {
	attribution.Progress
	attribution.Request
}

type runsListCmd struct {
	format
	Limit int `default:"20" help:"How many at most."`
}

func (cmd runsListCmd) Run(e *env) error {
	list, err := get[runs](e, "/v1/runs", map[string]string{"limit": fmt.Sprint(cmd.Limit)})
	if err != nil {
		return err
	}
	var rows [][]string
	for _, p := range list.UnderWay {
		rows = append(rows, []string{p.Run, p.State, string(p.Agents), dateOf(p.From), dateOf(p.To), stampOf(p.AsOf), "", "", "", asked(!p.Schedule), p.words()})
	}
	for _, r := range list.Rows {
		notes := slices.Sorted(maps.Keys(r.Reasons))
		for i, model := range notes {
			if notes[i] = model + ": " + r.Reasons[model]; cmd.Format == "table" {
				notes[i] = "no " + model
			}
		}
		rows = append(rows, []string{r.ID, "complete", string(r.Agents), dateOf(r.From), dateOf(r.To), stampOf(r.AsOf), num(r.Deals), num(r.Touches), num(r.LeftOut), asked(r.Asked), strings.Join(notes, "; ")})
	}
	return cmd.print(e, list, []string{"run", "state", "agents", "from", "to", "as_of", "deals", "touches", "left_out", "by", "notes"}, rows)
}

func asked(by bool) string {
	if by {
		return "a person"
	}
	return "itself"
}

func dateOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

func stampOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

type runsDiffCmd struct {
	A      string `arg:"" optional:"" default:"previous" help:"The first run: an ID, newest, or previous, the one before the other."`
	B      string `arg:"" optional:"" default:"newest" help:"The second run, in the same way."`
	Model  string `default:"linear" help:"The credit model."`
	By     string `default:"content" help:"content, rep, kind, persona, owner, team, source, stage, segment, size, account or month."`
	Agents string `default:"likely" enum:"all,likely,strict" help:"Of newest: whose clicks count."`
	Deals  bool   `help:"List the deals behind it, the largest change first, instead of the sums."`
	Cause  string `help:"With --deals: only those of one cause."`
	Of     string `help:"With --deals: only those of one key."`
	format
}

func (cmd runsDiffCmd) Run(e *env) error {
	path := "/v1/runs/" + url.PathEscape(cmd.A) + "/diff/" + url.PathEscape(cmd.B)
	params := map[string]string{"model": cmd.Model, "by": cmd.By, "agents": cmd.Agents}
	if cmd.Deals {
		return cmd.deals(e, path+"/deals", params)
	}
	if cmd.Cause+cmd.Of != "" {
		return usageError{errors.New("--cause and --of belong to --deals")}
	}
	d, err := get[trail.Diff](e, path, params)
	if err != nil {
		return wrong(err)
	}
	if cmd.Format == "table" {
		fmt.Fprintf(e.out, "Model %s, agents %s: from run %s, as of %s, to run %s, as of %s\n", d.Model, d.Agents, d.A.ID, stampOf(d.A.AsOf), d.B.ID, stampOf(d.B.AsOf))
		for _, in := range d.Inputs {
			if in.Before != in.After {
				fmt.Fprintf(e.out, "%s: %d, before %d\n", strings.ReplaceAll(in.Name, "_", " "), in.After, in.Before)
			}
		}
		for _, line := range d.Settings.Before {
			fmt.Fprintf(e.out, "setting - %s\n", line)
		}
		for _, line := range d.Settings.After {
			fmt.Fprintf(e.out, "setting + %s\n", line)
		}
	}
	var rows [][]string
	add := func(name string, r trail.DiffRow) {
		line := func(cause, deals string, before, after, change trail.Money) {
			rows = append(rows, []string{name, r.Title, cause, deals, before.Amount, after.Amount, change.Amount, change.Currency})
		}
		line("", "", r.Before, r.After, r.Change.Change)
		for _, c := range r.Causes {
			line(string(c.Cause), num(c.Deals), trail.Money{}, trail.Money{}, c.Change)
		}
	}
	for _, r := range d.Rows {
		if len(r.Causes) > 0 || cmd.Format != "table" {
			add(r.Key, r)
		}
	}
	add("(no content seen)", d.Unattributed)
	add("(total)", d.Total)
	return cmd.print(e, d, []string{cmd.By, "title", "cause", "deals", "before", "after", "change", "currency"}, rows)
}

// deals prints the deals behind a difference, all pages of them.
func (cmd runsDiffCmd) deals(e *env, path string, params map[string]string) error {
	params["cause"], params["key"] = cmd.Cause, cmd.Of
	var all []trail.DiffDeal
	for {
		page, err := get[struct {
			Rows []trail.DiffDeal
			Next string
		}](e, path, params)
		if err != nil {
			return wrong(err)
		}
		if all = append(all, page.Rows...); page.Next == "" {
			break
		}
		params["after"] = page.Next
	}
	var rows [][]string
	for _, d := range all {
		rows = append(rows, []string{d.Deal, d.Key, string(d.Cause), d.Before.Amount, d.After.Amount, d.Change.Change.Amount, d.Change.Change.Currency, d.Why})
	}
	return cmd.print(e, map[string]any{"rows": all}, []string{"deal", cmd.By, "cause", "before", "after", "change", "currency", "why"}, rows)
}

type runsStopCmd struct {
	ID string `arg:"" help:"The run, as list has it."`
}

func (cmd runsStopCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	if err := c.Post(e.ctx, "/v1/runs/"+url.PathEscape(cmd.ID)+"/stop", nil, nil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "Run %s ends within seconds and leaves nothing.\n", cmd.ID)
	return err
}

// words says how far a run is, or how it ended.
func (p runProgress) words() string {
	if p.State == "stopped" || p.State == "failed" {
		return p.Doing
	}
	text := fmt.Sprintf("step %d of %d: %s", p.Step+1, p.Steps, p.Doing)
	if p.Of > 1 {
		text += fmt.Sprintf(", %d of %d parts", p.Done, p.Of)
	}
	return text
}

// thousandths is how much of a run is done.
func (p runProgress) thousandths() int {
	part := 0.0
	if p.Of > 0 {
		part = float64(p.Done) / float64(p.Of)
	}
	return int(1000 * (float64(p.Step) + min(part, 1)) / float64(max(p.Steps, 1)))
}

// pollEvery is how often a command that waits for a run looks how far it is.
const pollEvery = 500 * time.Millisecond

// stopWait is how long a command that was interrupted waits for its run to end.
const stopWait = 20 * time.Second

// calculate has the server compute a run, and shows how far it is. When the command
// is interrupted it asks the server to stop the run, and waits until it has.
func calculate(e *env, c *api.Client, request map[string]any) (run trail.Run, err error) {
	watch := &watcher{env: e, known: map[string]bool{}}
	watch.look(e.ctx, c) // those that are there are somebody else's
	watch.started = true
	ctx, cancel := context.WithCancel(context.WithoutCancel(e.ctx)) // to hear how it ends, whatever the person does
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.Post(ctx, "/v1/runs", request, &run) }()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var tooLong <-chan time.Time
	for interrupted := e.ctx.Done(); ; {
		select {
		case err := <-done:
			watch.end(err)
			if p := (*trail.Problem)(nil); interrupted == nil && err == nil {
				err = fmt.Errorf("interrupted; run %s was complete before it could be stopped", run.ID)
			} else if interrupted == nil && !errors.As(err, &p) {
				err = errors.New("interrupted")
			}
			return run, err
		case <-tick.C:
			watch.look(ctx, c)
		case <-interrupted:
			interrupted, tooLong = nil, time.After(stopWait)
			if !watch.stop(ctx, c) {
				cancel() // it waits for its turn, or has not begun
			}
		case <-tooLong:
			cancel()
		}
	}
}

// watcher shows how far a run is: a bar on a terminal, lines elsewhere.
type watcher struct {
	*env
	known   map[string]bool // runs that were there before
	started bool
	ours    string // the run, once it is known
	bar     *progressbar.ProgressBar
	said    string
}

// look asks how far the run is. What goes wrong with that is no harm to the run.
func (w *watcher) look(ctx context.Context, c *api.Client) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var list runs
	if err := c.Get(ctx, "/v1/runs", map[string]string{"limit": "1"}, &list); err != nil {
		return
	}
	for _, p := range list.UnderWay {
		if !w.started {
			w.known[p.Run] = true
			continue
		}
		going := p.State == "running" || p.State == "stopping"
		switch {
		case going && (p.Run == w.ours || w.ours == "" && !w.known[p.Run] && !p.Schedule):
			w.ours = p.Run
			w.show(p.thousandths(), p.words())
			return
		case going && w.ours == "":
			w.show(0, "waiting for another run, "+p.words())
			return
		}
	}
}

func (w *watcher) show(thousandths int, words string) {
	if !w.tty {
		if words != w.said {
			fmt.Fprintln(w.err, words)
		}
		w.said = words
		return
	}
	if w.bar == nil {
		w.bar = progressbar.NewOptions(1000, progressbar.OptionSetWriter(w.err), progressbar.OptionSetWidth(20), progressbar.OptionSetElapsedTime(true),
			progressbar.OptionSetPredictTime(false), progressbar.OptionClearOnFinish())
	}
	w.bar.Describe(words)
	_ = w.bar.Set(min(thousandths, 999))
}

// stop asks the server to stop the run, and reports whether it could be asked.
func (w *watcher) stop(ctx context.Context, c *api.Client) bool {
	w.look(ctx, c)
	if w.ours == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	fmt.Fprintln(w.err, "\nStopping the run; it ends within seconds.")
	return c.Post(ctx, "/v1/runs/"+url.PathEscape(w.ours)+"/stop", nil, nil) == nil
}

// end takes the bar away.
func (w *watcher) end(err error) {
	if w.bar == nil {
		return
	}
	if err == nil {
		_ = w.bar.Finish()
		return
	}
	_ = w.bar.Exit()
	fmt.Fprintln(w.err)
}
