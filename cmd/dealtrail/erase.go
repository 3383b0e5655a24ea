package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"dealtrail/trail"
)

type eraseCmd struct {
	Email string `arg:"" help:"The person's address."`
	Yes   bool   `help:"Do not ask first. Without a terminal nobody is asked."`
	JSON  bool   `help:"Print JSON."`
}

// Run erases a person and prints the report.
func (cmd eraseCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	if !cmd.Yes && e.tty && isTerminal(os.Stdin) {
		fmt.Fprintf(e.err, "All that is stored of %s goes, for ever, and nothing is kept of them again. Counts and credits stay. Type the address again to go on: ", cmd.Email)
		again, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if err != nil || trail.NormalAddress(again) != trail.NormalAddress(cmd.Email) {
			return fmt.Errorf("that is another address; nothing was done")
		}
	}
	var r trail.Erasure
	if err := c.Do(e.ctx, http.MethodDelete, "/v1/contacts/"+url.PathEscape(cmd.Email), "", nil, &r); err != nil {
		return wrong(err)
	}
	if cmd.JSON {
		return (format{"json"}).print(e, r, nil, nil)
	}
	return printErasure(e.out, r)
}

func printErasure(w io.Writer, r trail.Erasure) error {
	var b strings.Builder
	switch {
	case r.State != trail.ErasureComplete:
		fmt.Fprintf(&b, "Under way since %s. %s\nSee how far it is: dealtrail privacy erasures\n", r.Asked.Format(time.RFC3339), r.Waiting)
	case !r.Known:
		b.WriteString("Nothing was stored of them. From now on nothing is kept of them either.\n")
	default:
		b.WriteString("Erased. What was removed:\n")
	}
	for _, x := range r.Removed {
		fmt.Fprintf(&b, "  %6d  %s: %s\n", x.N, x.Where, x.What)
	}
	for _, m := range r.Mailed {
		fmt.Fprintf(&b, "Mailed before: the review of %s, to %s\n", m.Week, strings.Join(m.To, ", "))
	}
	for _, l := range r.Left {
		fmt.Fprintf(&b, "What stays: %s\n", l)
	}
	if r.State == trail.ErasureComplete {
		fmt.Fprintf(&b, "The signed report: dealtrail privacy erasures %s\n", r.Tombstone)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

type exportCmd struct {
	Email string `arg:"" help:"The person's address."`
	Out   string `short:"o" help:"The file to write. Default: the terminal." type:"path"`
}

// Run writes all that is stored of a person, as JSON.
func (cmd exportCmd) Run(e *env) error {
	d, err := get[json.RawMessage](e, "/v1/contacts/"+url.PathEscape(cmd.Email)+"/data", nil)
	if err != nil {
		return err
	}
	out := e.out
	if cmd.Out != "" {
		f, err := os.OpenFile(cmd.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		out = f
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(d)
}

type privacyCmd struct {
	Report   privacyReportCmd   `cmd:"" help:"The record of processing, from the configuration that is in force."`
	Erasures privacyErasuresCmd `cmd:"" help:"Who was erased, as hashes, or the signed report of one."`
	Check    privacyCheckCmd    `cmd:"" help:"Whether a report is signed by this installation."`
}

type privacyErasuresCmd struct {
	Tombstone string `arg:"" optional:"" help:"Of which to print the signed report, as JSON."`
	format
}

func (cmd privacyErasuresCmd) Run(e *env) error {
	if cmd.Tombstone != "" {
		signed, err := get[trail.SignedErasure](e, "/v1/erasures/"+url.PathEscape(cmd.Tombstone), nil)
		if err != nil {
			return err
		}
		return (format{"json"}).print(e, signed, nil, nil)
	}
	list, err := get[struct {
		Rows []trail.Erasure `json:"rows"`
	}](e, "/v1/erasures", nil)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, r := range list.Rows {
		n := uint64(0)
		for _, x := range r.Removed {
			n += x.N
		}
		rows = append(rows, []string{r.Tombstone, r.State, r.Asked.Format(time.RFC3339), r.By, num(n), r.Waiting})
	}
	return cmd.print(e, list, []string{"tombstone", "state", "asked", "by", "removed", "waiting"}, rows)
}

type privacyCheckCmd struct {
	File string `arg:"" help:"A signed report, as privacy erasures TOMBSTONE prints it." type:"existingfile"`
}

func (cmd privacyCheckCmd) Run(e *env) error {
	text, err := os.ReadFile(cmd.File)
	if err != nil {
		return err
	}
	var signed trail.SignedErasure
	if err := json.Unmarshal(text, &signed); err != nil {
		return fmt.Errorf("%s is no signed report: %w", cmd.File, err)
	}
	_, secrets, err := e.load()
	if err != nil {
		return err
	}
	key, err := trail.ContactKey(secrets.ContactKey).ReportKey()
	if err != nil {
		return err
	}
	switch {
	case !signed.Check():
		return fmt.Errorf("the signature is not of this report: it was changed")
	case signed.PublicKey != key:
		return fmt.Errorf("the report is signed, but by another installation")
	}
	_, err = fmt.Fprintln(e.out, "The report is as this installation signed it.")
	return err
}
