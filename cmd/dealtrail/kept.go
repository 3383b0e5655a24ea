package main

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"dealtrail/trail"
)

type mailboxFactsCmd struct {
	format
	Rep   string `arg:"" help:"The rep's address."`
	Kind  string `help:"Only facts of one kind, such as clicked."`
	Limit int    `default:"100" help:"How many facts; of the last mail all."`
	After string `help:"The next page: what the one before said at its end."`
}

func (cmd mailboxFactsCmd) Run(e *env) error {
	kept, err := get[trail.KeptMail](e, repPath(cmd.Rep, "facts"), map[string]string{"kind": cmd.Kind, "limit": strconv.Itoa(cmd.Limit), "after": cmd.After})
	if err != nil {
		return err
	}
	if cmd.Format == "table" {
		for _, c := range kept.Counts {
			fmt.Fprintf(e.out, "%s %s (%s made by machines, %s with a person's word), since %s\n", thousands(c.Facts), c.Kind, thousands(c.Machines), thousands(c.Said), c.First.Format(time.DateOnly))
		}
	}
	var rows [][]string
	for _, r := range kept.Rows {
		var who []string
		for _, n := range r.Contacts {
			who = append(who, cmp.Or(n.Address, string(n.Contact)))
		}
		word := ""
		if r.Said != nil {
			word = r.Said.Was + ", says " + r.Said.By
		}
		rows = append(rows, []string{r.ID.String(), r.At.Format(time.RFC3339), string(r.Kind), r.Content, strings.Join(who, " "), r.Deal, string(r.Verdict), strings.Join(r.Rules, " "), word, r.Source, r.Message})
	}
	if err := cmd.print(e, kept, []string{"id", "at", "kind", "content", "contacts", "deal", "verdict", "rules", "said", "source", "message"}, rows); err != nil {
		return err
	}
	if cmd.Format == "table" && kept.Next != "" {
		fmt.Fprintf(e.out, "More: --after %s\n", kept.Next)
	}
	return nil
}

// repPath is a path of the API about one rep.
func repPath(rep string, more ...string) string {
	path := "/v1/reps/" + url.PathEscape(rep)
	for _, m := range more {
		path += "/" + url.PathEscape(m)
	}
	return path
}

type mailboxExcludeCmd struct {
	Rep string `arg:"" help:"The rep's address."`
	Who string `arg:"" help:"An address, or a domain with all below it."`
}

func (cmd mailboxExcludeCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var x trail.Exclusion
	if err := c.Post(e.ctx, repPath(cmd.Rep, "exclusions"), map[string]string{"who": cmd.Who}, &x); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "%s is excluded: mail of %s with them leaves no trace from now on; what was kept before stays\n", x.Who, cmd.Rep)
	return err
}

type mailboxIncludeCmd struct {
	Rep string `arg:"" help:"The rep's address."`
	Who string `arg:"" help:"Who was excluded, as excluded lists it."`
}

func (cmd mailboxIncludeCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	if err := c.Do(e.ctx, "DELETE", repPath(cmd.Rep, "exclusions", cmd.Who), "", nil, nil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "%s is excluded no more\n", cmd.Who)
	return err
}

type mailboxExcludedCmd struct {
	format
	Rep string `arg:"" help:"The rep's address."`
}

func (cmd mailboxExcludedCmd) Run(e *env) error {
	list, err := get[struct {
		Rows []trail.Exclusion `json:"rows"`
	}](e, repPath(cmd.Rep, "exclusions"), nil)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, x := range list.Rows {
		rows = append(rows, []string{x.Who, x.At.Format(time.RFC3339), x.By})
	}
	return cmd.print(e, list, []string{"who", "since", "by"}, rows)
}
