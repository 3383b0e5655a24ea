package main

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"dealtrail/trail"
)

type requestsCmd struct {
	List   requestsListCmd   `cmd:"" help:"What reps ask marketing for, open ones first, with what waits for it."`
	Add    requestsAddCmd    `cmd:"" help:"Ask marketing for content, for a deal or a stage."`
	Answer requestsAnswerCmd `cmd:"" help:"Answer a request, or decline it with a reason."`
}

type requestsListCmd struct {
	format
	Query string `short:"q" help:"Words that are all found in the request, its deal or its answer."`
	State string `enum:"all,open,answered,declined" default:"all" help:"Only those that are open, answered or declined."`
	Deal  string `help:"Only what waits for this deal."`
}

func (cmd requestsListCmd) Run(e *env) error {
	params := map[string]string{"q": cmd.Query, "deal": cmd.Deal, "state": cmd.State}
	if cmd.State == "all" {
		params["state"] = ""
	}
	list, err := get[struct {
		Rows       []trail.Request `json:"rows"`
		Next       string          `json:"next,omitempty"`
		Open       int             `json:"open"`
		Late       int             `json:"late"`
		Waiting    []trail.Money   `json:"waiting"`
		AnswerDays int             `json:"answer_days"`
	}](e, "/v1/requests", params)
	if err != nil {
		return err
	}
	if cmd.Format == "table" {
		fmt.Fprintf(e.out, "%d open, %d of them late (no answer within %d days)", list.Open, list.Late, list.AnswerDays)
		for _, m := range list.Waiting {
			fmt.Fprintf(e.out, ", %s %s waiting", m.Amount, m.Currency)
		}
		fmt.Fprintln(e.out)
	}
	var rows [][]string
	for _, q := range list.Rows {
		answer, content := "", ""
		if q.Answer != nil {
			answer, content = q.Answer.Text, q.Answer.Content
		}
		rows = append(rows, []string{q.ID.String(), q.At.Format(time.DateOnly), q.Rep, string(q.State), strconv.FormatBool(q.Late), q.Deal, q.DealValue.Amount, q.DealValue.Currency, q.Stage, q.Persona, q.Text, content, answer})
	}
	return cmd.print(e, list, []string{"id", "asked", "rep", "state", "late", "deal", "amount", "currency", "stage", "persona", "text", "content", "answer"}, rows)
}

type requestsAddCmd struct {
	Text    string `arg:"" help:"What is missing, such as \"nothing for security reviews in banking\"."`
	Rep     string `required:"" help:"Who asks, by address."`
	Deal    string `help:"The ID of the deal that waits for it. One of --deal and --stage is needed."`
	Stage   string `help:"The stage of the deals that wait for it. Default: the deal's."`
	Persona string `help:"For whom it is."`
}

func (cmd requestsAddCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var q trail.Request
	body := map[string]string{"rep": cmd.Rep, "text": cmd.Text, "deal": cmd.Deal, "stage": cmd.Stage, "persona": cmd.Persona}
	if err := c.Post(e.ctx, "/v1/requests", body, &q); err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, q.ID)
	return err
}

type requestsAnswerCmd struct {
	ID      string `arg:"" help:"The request's ID, as list has it."`
	Text    string `arg:"" optional:"" help:"The answer, or why there will be none."`
	By      string `help:"Who answers, by address."`
	Content string `help:"The ID of the content that was made, or that there was."`
	Decline bool   `help:"There will be no such content; the text says why."`
}

func (cmd requestsAnswerCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var q trail.Request
	body := map[string]any{"by": cmd.By, "text": cmd.Text, "content": cmd.Content, "declined": cmd.Decline}
	if err := c.Post(e.ctx, "/v1/requests/"+url.PathEscape(cmd.ID)+"/answer", body, &q); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "%s: %s\n", q.ID, q.State)
	return err
}
