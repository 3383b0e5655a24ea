package main

import (
	"fmt"
	"time"

	"dealtrail/api"
)

type badCmd struct {
	List   badListCmd   `cmd:"" help:"Entries that could not become events, newest first, with the reason."`
	Replay badReplayCmd `cmd:"" help:"Hand entries in again, as they came: after an update that understands them."`
}

type badListCmd struct{ format }

func (cmd badListCmd) Run(e *env) error {
	list, err := get[struct{ Rows []api.BadEntry }](e, "/v1/bad", nil)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, b := range list.Rows {
		rows = append(rows, []string{b.Entry, b.At.Format(time.RFC3339), b.Stage, b.Origin, b.Reason, b.Raw})
	}
	return cmd.print(e, list.Rows, []string{"entry", "accepted", "stage", "origin", "reason", "raw"}, rows)
}

type badReplayCmd struct {
	Entries []string `arg:"" optional:"" name:"entry" help:"Entries as bad list names them. Default: the newest thousand."`
}

func (cmd badReplayCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var out struct{ Replayed int }
	if err := c.Post(e.ctx, "/v1/bad/replay", map[string]any{"entries": cmd.Entries}, &out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "%d handed in again; what is still no event is bad once more within a second\n", out.Replayed)
	return err
}
