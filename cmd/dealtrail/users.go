package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"

	"dealtrail/access"
)

type userCmd struct {
	Add     userAddCmd     `cmd:"" help:"Add a person, or change them, and print a link that signs them in once, within half an hour."`
	List    userListCmd    `cmd:"" help:"List who may sign in."`
	Role    userRoleCmd    `cmd:"" help:"Say what a person may do."`
	Disable userDisableCmd `cmd:"" help:"Let a person in no more; their sessions and keys end at once."`
	Enable  userEnableCmd  `cmd:"" help:"Let a person in again."`
}

type userAddCmd struct {
	Email string   `arg:"" help:"The person's address."`
	Role  []string `help:"What they may do: rep, manager, marketer, facilitator, auditor or admin; repeat for several. Default: rep; admin while there is none."`
	Team  *string  `help:"The team they are in from now on."`
	Name  *string  `help:"Their name."`
}

// personBody is a person as the API takes them.
type personBody struct {
	Email string `json:"email,omitempty"`
	access.Change
}

func (cmd userAddCmd) Run(e *env) error {
	in := personBody{cmd.Email, access.Change{Team: cmd.Team, Name: cmd.Name}}
	if len(cmd.Role) > 0 {
		roles, err := access.ParseRoles(cmd.Role...)
		if err != nil {
			return usageError{err}
		}
		in.Roles = &roles
	}
	c, err := e.client()
	if err != nil {
		return err
	}
	var out struct {
		Roles access.Roles `json:"roles"`
		URL   string       `json:"signin_url"`
	}
	if err := c.Post(e.ctx, "/v1/users", in, &out); err != nil {
		return err
	}
	fmt.Fprintf(e.err, "%s is let in as %s, once and within half an hour, by:\n", cmd.Email, out.Roles)
	_, err = fmt.Fprintln(e.out, out.URL)
	return err
}

type userListCmd struct{ format }

func (cmd userListCmd) Run(e *env) error {
	list, err := get[struct{ Rows []access.Person }](e, "/v1/users", nil)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, p := range list.Rows {
		state := map[bool]string{true: "disabled", false: ""}[p.Disabled]
		rows = append(rows, []string{p.Email, p.Name, p.Roles.String(), p.Team(), map[bool]string{true: "granted", false: "by role"}[p.Named], state, moment(p.SignedInAt)})
	}
	return cmd.print(e, list.Rows, []string{"email", "name", "roles", "team", "sees names", "state", "signed in"}, rows)
}

type userRoleCmd struct {
	Email string   `arg:"" help:"The person's address."`
	Role  []string `arg:"" help:"All roles that they are to have."`
	Names *bool    `name:"people" negatable:"" help:"Whether they see people by name on all deals that their roles show."`
}

func (cmd userRoleCmd) Run(e *env) error {
	roles, err := access.ParseRoles(cmd.Role...)
	if err != nil {
		return usageError{err}
	}
	return e.changeUser(cmd.Email, access.Change{Roles: &roles, Named: cmd.Names}, "is now "+roles.String())
}

type userDisableCmd struct {
	Email string `arg:"" help:"The person's address."`
}

func (cmd userDisableCmd) Run(e *env) error {
	yes := true
	return e.changeUser(cmd.Email, access.Change{Disabled: &yes}, "gets in no more; sessions and keys have ended")
}

type userEnableCmd struct {
	Email string `arg:"" help:"The person's address."`
}

func (cmd userEnableCmd) Run(e *env) error {
	no := false
	return e.changeUser(cmd.Email, access.Change{Disabled: &no}, "may sign in again")
}

// changeUser changes a person, and says what they are now.
func (e *env) changeUser(email string, change access.Change, done string) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	body, err := json.Marshal(change)
	if err != nil {
		return err
	}
	if err := c.Do(e.ctx, "PUT", "/v1/users/"+url.PathEscape(email), "application/json", bytes.NewReader(body), nil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "%s %s\n", email, done)
	return err
}
