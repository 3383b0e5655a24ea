package main

import (
	"fmt"
	"strings"
	"time"

	"dealtrail/ingest/mailbox"
	"dealtrail/trail"
)

type mailboxCmd struct {
	Check mailboxCheckCmd `cmd:"" help:"Sign in, show the folders and what the last 20 mails would yield; store nothing."`
	List  mailboxListCmd  `cmd:"" help:"How each mailbox is doing."`
}

type mailboxCheckCmd struct {
	Rep string `arg:"" optional:"" help:"The rep's address. Default: every mailbox."`
}

// Run signs in to the mailboxes of the configuration. It needs no running
// server, so it can be tried before the first serve.
func (cmd mailboxCheckCmd) Run(e *env) error {
	c, s, err := e.load()
	if err != nil {
		return err
	}
	keys, err := trail.ParseKeys(s.TokenKeys...)
	if err != nil {
		return err
	}
	poller := mailbox.Poller{
		Now: time.Now, Log: logger(e.err),
		Reader: &mailbox.Reader{
			Keys: keys, Contacts: trail.ContactKey(s.ContactKey), OwnDomains: c.Company.Domains,
			// Without the store a tracked link is known by its token alone.
			ByURL: func(string) (trail.ContentID, bool) { return "", false },
			ByKey: func(k trail.ContentKey) (trail.ContentID, bool, error) { return "content " + k.String(), true, nil },
		},
	}
	checked, failed := 0, 0
	for _, box := range c.boxes(trail.ContactKey(s.ContactKey)) {
		if cmd.Rep != "" && box.Rep != trail.NormalAddress(cmd.Rep) {
			continue
		}
		checked++
		report, err := poller.Check(e.ctx, box)
		if err != nil {
			failed++
			fmt.Fprintf(e.out, "%s: %v\n", box.Rep, err)
			continue
		}
		fmt.Fprintf(e.out, "%s: signed in; Sent is %q; folders: %s\n", box.Rep, report.SentFolder, strings.Join(report.Folders, ", "))
		if report.Problem != "" {
			fmt.Fprintf(e.out, "  %s\n", report.Problem)
		}
		for _, m := range report.Mails {
			fmt.Fprintf(e.out, "  %s %s: %d events %s\n", m.At.Format(time.DateOnly), m.Folder, len(m.Events), m.Reason)
		}
	}
	switch {
	case checked == 0 && cmd.Rep != "":
		return usageError{fmt.Errorf("%s has no mailbox of %s", e.Config, cmd.Rep)}
	case checked == 0:
		return fmt.Errorf("%s has no [[mailbox]] block yet; its last lines show one", e.Config)
	case failed > 0:
		return errTrouble
	}
	return nil
}

type mailboxListCmd struct{ format }

func (cmd mailboxListCmd) Run(e *env) error {
	s, err := get[trail.Status](e, "/v1/status", nil)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, m := range s.Mailboxes {
		rows = append(rows, []string{m.Rep, m.Name, m.State, m.SentFolder, num(m.Messages), num(m.Events), m.Reason})
	}
	return cmd.print(e, s.Mailboxes, []string{"rep", "name", "state", "sent folder", "messages", "events", "reason"}, rows)
}

// boxes are the mailboxes of the configuration as the poller takes them. In
// logs and cursors a mailbox goes by a hash: addresses have no place there.
func (c *Config) boxes(contacts trail.ContactKey) []mailbox.Box {
	var boxes []mailbox.Box
	for _, m := range c.Boxes {
		boxes = append(boxes, mailbox.Box{
			Name: boxName(contacts, m.Rep), Rep: trail.NormalAddress(m.Rep), Host: m.Host, Port: m.Port, Security: m.Security, Username: m.Username, SentFolder: m.SentFolder,
			Password: func() (string, error) { return readPassword(c.beside(m.PasswordFile)) },
			Since:    time.Since(c.Mailboxes.Since.From(time.Now())),
		})
	}
	return boxes
}

func boxName(contacts trail.ContactKey, rep string) string {
	return string(contacts.ID(rep))[:10]
}
