package main

import (
	"fmt"
	"net/url"
	"time"

	"dealtrail/api"
)

type keyCmd struct {
	New    keyNewCmd    `cmd:"" help:"Make a key and print it, once."`
	List   keyListCmd   `cmd:"" help:"List the keys."`
	Revoke keyRevokeCmd `cmd:"" help:"End a key."`
}

type keyNewCmd struct {
	Name string `arg:"" help:"What the key is for."`
}

func (cmd keyNewCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var out struct{ Key string }
	if err := c.Post(e.ctx, "/v1/keys", map[string]string{"name": cmd.Name}, &out); err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, out.Key)
	return err
}

type keyListCmd struct{ format }

func (cmd keyListCmd) Run(e *env) error {
	list, err := get[struct{ Rows []api.Key }](e, "/v1/keys", nil)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, k := range list.Rows {
		rows = append(rows, []string{k.Name, k.Prefix + "…", k.CreatedAt.Format(time.RFC3339)})
	}
	return cmd.print(e, list.Rows, []string{"name", "key", "created"}, rows)
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

type userCmd struct {
	Add userAddCmd `cmd:"" help:"Print a link that signs a person in once, within half an hour."`
}

type userAddCmd struct {
	Email string `arg:"" help:"The person's address."`
}

func (cmd userAddCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var out struct {
		URL string `json:"signin_url"`
	}
	if err := c.Post(e.ctx, "/v1/users", map[string]string{"email": cmd.Email}, &out); err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, out.URL)
	return err
}
