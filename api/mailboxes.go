package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"dealtrail/ingest"
	"dealtrail/trail"
)

const (
	// sideBySide is how many mailboxes are signed in to at once, and signInWait how long each may take.
	sideBySide = 8
	signInWait = 30 * time.Second
	// maxMailboxes is how many one request may add.
	maxMailboxes = 1000
)

// Mailboxes is what the program does with mailboxes. who is a rep's address, for
// all mailboxes of the rep, or the name of one.
type Mailboxes struct {
	List   func(ctx context.Context) ([]MailboxRow, error)
	Add    func(ctx context.Context, m ingest.Mailbox, check bool) (name, note string, err error)
	Remove func(ctx context.Context, who string) error
	Pause  func(ctx context.Context, who, by string) error
	Resume func(ctx context.Context, who string) error
	Check  func(ctx context.Context, who string) (any, error)

	// Whom a rep, by address, does not want mail read of.
	Exclusions func(rep string) ([]trail.Exclusion, error)
	Exclude    func(ctx context.Context, rep, who, by string) (trail.Exclusion, error)
	Include    func(ctx context.Context, rep, who string) error
}

// MailboxRow is one mailbox in the list.
type MailboxRow struct {
	trail.MailboxStatus
	Source   string   `json:"source"` // config, or added while running
	Username string   `json:"username"`
	Aliases  []string `json:"aliases,omitempty"`
	Host     string   `json:"host"`
	Provider string   `json:"provider,omitzero"`
}

// MailboxReport is what became of the mailboxes that somebody wanted to add.
type MailboxReport struct {
	Rows     []MailboxAdded `json:"rows"`
	Accepted int            `json:"accepted"`
	Rejected int            `json:"rejected"`
}

// MailboxAdded is what became of one. Nothing of it repeats what may be a
// password.
type MailboxAdded struct {
	Line     int    `json:"line"` // in the file; of a JSON list the position, from 1
	Rep      string `json:"rep,omitzero"`
	Name     string `json:"name,omitzero"`
	Accepted bool   `json:"accepted"`
	Reason   string `json:"reason,omitzero"` // why not
	Note     string `json:"note,omitzero"`   // what is missing all the same, such as the Sent folder
}

// mailboxBody is a mailbox as somebody writes it.
type mailboxBody struct {
	Rep        string        `json:"rep"`
	Host       string        `json:"host"`
	Port       int           `json:"port"`
	Security   string        `json:"security"`
	Username   string        `json:"username"`
	Password   ingest.Secret `json:"password"`
	Provider   string        `json:"provider"`
	Aliases    []string      `json:"aliases"`
	SentFolder string        `json:"sent_folder"`

	line  int
	fault string // why it cannot be read
}

func (b mailboxBody) mailbox() ingest.Mailbox {
	return ingest.Mailbox{
		Rep: trail.NormalAddress(b.Rep), Aliases: b.Aliases, Host: b.Host, Port: b.Port, Security: strings.ToLower(b.Security), Username: b.Username,
		SentFolder: b.SentFolder, Provider: b.Provider, Secret: b.Password,
	}
}

func (s *Server) mailboxes(c echo.Context) error {
	rows, err := s.Mailbox.List(c.Request().Context())
	if err != nil {
		return err
	}
	return s.rows(c, "mailboxes", listOf(rows))
}

// addMailboxes takes a JSON list or a CSV. The rows are signed in to side by side,
// so that one that does not answer costs the others no time.
func (s *Server) addMailboxes(c echo.Context) error {
	takesLong(c)
	bodies, err := readMailboxes(c)
	if err != nil {
		return err
	}
	if len(bodies) > maxMailboxes {
		return trail.Problemf(trail.TooLarge, "These are %d mailboxes; add %d at once at most.", len(bodies), maxMailboxes)
	}
	check := c.QueryParam("check") == "true"
	report := MailboxReport{Rows: make([]MailboxAdded, len(bodies))}
	lines := map[string]int{}
	var all errgroup.Group
	all.SetLimit(sideBySide)
	for i, b := range bodies {
		row := &report.Rows[i]
		m := b.mailbox()
		row.Line, row.Reason = b.line, b.fault
		if isAddress(m.Rep) {
			row.Rep = m.Rep // else it may be anything, a password included
		}
		key := m.Rep + " " + cmp.Or(trail.NormalAddress(m.Username), m.Rep)
		if first, twice := lines[key]; twice && row.Reason == "" {
			row.Reason = trail.Problemf(trail.Invalid, "The same mailbox stands in line %d already.", first).Error()
		}
		if row.Reason != "" {
			continue
		}
		lines[key] = b.line
		all.Go(func() error {
			s.addMailbox(c.Request().Context(), m, check, row)
			return nil
		})
	}
	_ = all.Wait() // no row's fault ends the others
	for _, r := range report.Rows {
		if r.Accepted {
			report.Accepted++
		} else {
			report.Rejected++
		}
	}
	return c.JSON(http.StatusOK, report)
}

// addMailbox adds one and notes what became of it.
func (s *Server) addMailbox(ctx context.Context, m ingest.Mailbox, check bool, row *MailboxAdded) {
	ctx, cancel := context.WithTimeout(ctx, signInWait)
	defer cancel()
	name, note, err := s.Mailbox.Add(ctx, m, check)
	var problem *trail.Problem
	switch {
	case err == nil:
		row.Name, row.Note, row.Accepted = name, note, true
	case errors.As(err, &problem):
		row.Reason = problem.Text
	case ctx.Err() != nil:
		row.Reason = "The mail server did not answer in time; check host, port and security."
	default:
		s.Log.Error("mailbox was not added", "line", row.Line, "err", err)
		row.Reason = "This did not work; the log says why."
	}
}

func (s *Server) removeMailbox(c echo.Context) error {
	return s.mailboxDo(c, s.Mailbox.Remove)
}

func (s *Server) pauseMailbox(c echo.Context) error {
	return s.mailboxDo(c, func(ctx context.Context, who string) error { return s.Mailbox.Pause(ctx, who, s.user(c)) })
}

func (s *Server) resumeMailbox(c echo.Context) error {
	return s.mailboxDo(c, s.Mailbox.Resume)
}

func (s *Server) mailboxDo(c echo.Context, do func(context.Context, string) error) error {
	if err := do(c.Request().Context(), param(c, "rep")); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (s *Server) checkMailbox(c echo.Context) error {
	takesLong(c)
	ctx, cancel := context.WithTimeout(c.Request().Context(), signInWait)
	defer cancel()
	report, err := s.Mailbox.Check(ctx, param(c, "rep"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, report)
}
