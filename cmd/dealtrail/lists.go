package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"dealtrail/trail"
)

type listsCmd struct {
	Add  listsAddCmd  `cmd:"" help:"Keep the leads of a CSV or XLSX file as a list: a column of mail addresses is enough."`
	List listsListCmd `cmd:"" help:"The lists of leads, the newest first."`
	Show listsShowCmd `cmd:"" help:"How a list responded to which content, against comparable contacts."`
}

type listsAddCmd struct {
	File string `arg:"" help:"A CSV or XLSX file." type:"existingfile"`
	Name string `help:"What the list is called. Default: the file's name."`
	By   string `help:"Whose list it is, by address."`
}

func (cmd listsAddCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	f, err := os.Open(cmd.File)
	if err != nil {
		return err
	}
	defer f.Close()
	base := filepath.Base(cmd.File)
	name := cmd.Name
	if name == "" {
		name = base[:len(base)-len(filepath.Ext(base))]
	}
	var kept trail.LeadList
	path := "/v1/lists?" + url.Values{"name": {name}, "file": {base}, "by": {cmd.By}}.Encode()
	if err := c.Do(e.ctx, "POST", path, "application/octet-stream", f, &kept); err != nil {
		return err
	}
	if kept.Refused > 0 {
		fmt.Fprintf(e.err, "%d rows have no usable address\n", kept.Refused)
	}
	_, err = fmt.Fprintf(e.out, "%s: %d leads\n", kept.ID, kept.Leads)
	return err
}

type listsListCmd struct{ format }

func (cmd listsListCmd) Run(e *env) error {
	list, err := get[struct {
		Rows []trail.LeadList `json:"rows"`
		Next string           `json:"next,omitempty"`
	}](e, "/v1/lists", nil)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, l := range list.Rows {
		rows = append(rows, []string{l.ID.String(), l.At.Format(time.DateOnly), l.Name, strconv.FormatUint(l.Leads, 10), l.How, l.By})
	}
	return cmd.print(e, list, []string{"id", "saved", "name", "leads", "from", "by"}, rows)
}

type listsShowCmd struct {
	format
	ID     string `arg:"" help:"The list's ID, as list has it."`
	Agents string `enum:"all,likely,strict" default:"likely" help:"Whose clicks count."`
}

func (cmd listsShowCmd) Run(e *env) error {
	r, err := get[trail.ListResponse](e, "/v1/lists/"+url.PathEscape(cmd.ID), map[string]string{"agents": cmd.Agents})
	if err != nil {
		return err
	}
	share := func(f *float64) string {
		if f == nil {
			return ""
		}
		return strconv.FormatFloat(*f, 'f', 4, 64)
	}
	few := func(n *uint64) string { // empty where one may not see so few
		if n == nil {
			return ""
		}
		return strconv.FormatUint(*n, 10)
	}
	var rows [][]string
	for _, x := range r.Rows {
		rows = append(rows, []string{
			x.Content, x.Title, strconv.FormatUint(x.Sent, 10), few(x.Clicked), few(x.Replied), share(x.Rate), share(x.Low), share(x.High),
			share(x.RestRate), share(x.Diff), share(x.DiffLow), share(x.DiffHigh), x.Verdict, x.Sentence,
		})
	}
	return cmd.print(e, r, []string{"content", "title", "sent", "clicked", "replied", "rate", "low", "high", "rest_rate", "difference", "difference_low", "difference_high", "verdict", "sentence"}, rows)
}
