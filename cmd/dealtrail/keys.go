package main

import (
	"fmt"
	"net/url"
	"time"

	"dealtrail/access"
)

type keyCmd struct {
	New    keyNewCmd    `cmd:"" help:"Make a key and print it, once."`
	List   keyListCmd   `cmd:"" help:"List the keys."`
	Revoke keyRevokeCmd `cmd:"" help:"End a key."`
}

type keyNewCmd struct {
	Name  string   `arg:"" help:"What the key is for."`
	Scope []string `help:"What it may do: ingest (hand in events), read (reports, people as role and account), people (read, and people by name) or all. Default: all."`
	Days  int      `help:"For how many days it works. Default: until it is revoked."`
}

func (cmd keyNewCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var out struct{ Key string }
	if err := c.Post(e.ctx, "/v1/keys", access.KeyRequest{Name: cmd.Name, Scope: cmd.Scope, Days: cmd.Days}, &out); err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, out.Key)
	return err
}

type keyListCmd struct{ format }

func (cmd keyListCmd) Run(e *env) error {
	list, err := get[struct{ Rows []access.Key }](e, "/v1/keys", nil)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, k := range list.Rows {
		rows = append(rows, []string{k.Name, k.Prefix + "…", k.Scope.String(), k.Owner, moment(k.CreatedAt), moment(k.ExpiresAt), moment(k.UsedAt)})
	}
	return cmd.print(e, list.Rows, []string{"name", "key", "scope", "owner", "created", "expires", "used"}, rows)
}

// moment writes a time, and nothing for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

type keyRevokeCmd struct {
	Name string `arg:"" help:"The key's name."`
}

func (cmd keyRevokeCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	return c.Do(e.ctx, "DELETE", "/v1/keys/"+url.PathEscape(cmd.Name), "", nil, nil)
}
