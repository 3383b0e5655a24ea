package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"dealtrail/api"
	"dealtrail/ingest"
	"dealtrail/ingest/mailbox"
	"dealtrail/trail"
)

type mailboxCmd struct {
	Add    mailboxAddCmd    `cmd:"" help:"Connect the mailboxes of a CSV file, while serve runs."`
	Check  mailboxCheckCmd  `cmd:"" help:"Sign in, show the folders and what the last 20 mails would yield; store nothing."`
	List   mailboxListCmd   `cmd:"" help:"How each mailbox is doing."`
	Pause  mailboxPauseCmd  `cmd:"" help:"Read a rep's mailboxes no more, until resume."`
	Resume mailboxResumeCmd `cmd:"" help:"Read them again; a parked one is tried at once."`
	Remove mailboxRemoveCmd `cmd:"" help:"Forget a mailbox that was added, its password and how far it was read."`

	Facts    mailboxFactsCmd    `cmd:"" help:"What is kept of a rep's mail."`
	Exclude  mailboxExcludeCmd  `cmd:"" help:"Read no mail with somebody any more in a rep's mailboxes."`
	Include  mailboxIncludeCmd  `cmd:"" help:"Take an exclusion back."`
	Excluded mailboxExcludedCmd `cmd:"" help:"Whom a rep excluded."`
}

type mailboxAddCmd struct {
	File    string `arg:"" help:"A CSV file, or - for standard input." type:"path"`
	NoCheck bool   `help:"Take the mailboxes without signing in first."`
}

// Help lists the columns, which kong shows with --help.
func (cmd mailboxAddCmd) Help() string {
	return `Columns, in any order: rep,host,port,security,username,password,provider,aliases,sent_folder

Only rep is needed always. host and password are for a sign-in by password; provider names a [[provider]] block of the
configuration, which knows the host. Empty: port 993, security tls, username as rep. Several aliases are separated by
spaces. The same rep and username again replaces what was added before. Of a mailbox that its rep connected at /connect, a
row with neither host, password nor provider changes aliases and sent_folder only. Remove the file afterwards: it holds
passwords.`
}

// Run sends the file and prints a line for each row. What the file says of
// passwords is never printed.
func (cmd mailboxAddCmd) Run(e *env) error {
	var file io.Reader = os.Stdin
	if cmd.File != "-" {
		f, err := os.Open(cmd.File)
		if err != nil {
			return err
		}
		defer f.Close()
		file = f
	}
	body, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	c, err := e.client()
	if err != nil {
		return err
	}
	if !cmd.NoCheck {
		fmt.Fprintln(e.err, "Signing in to each mailbox; this takes up to half a minute for every eight that do not answer.")
	}
	var report api.MailboxReport
	path := "/v1/mailboxes?check=" + strconv.FormatBool(!cmd.NoCheck)
	if err := c.Do(e.ctx, "POST", path, "text/csv", bytes.NewReader(body), &report); err != nil {
		return err
	}
	for _, r := range report.Rows {
		what := "accepted, its reading begins within seconds"
		if !r.Accepted {
			what = "not accepted. " + r.Reason
		} else if r.Note != "" {
			what = "accepted. " + r.Note
		}
		fmt.Fprintf(e.out, "line %d: %s: %s\n", r.Line, cmp.Or(r.Rep, "(no address)"), what)
	}
	fmt.Fprintf(e.out, "%d accepted, %d not\n", report.Accepted, report.Rejected)
	if report.Rejected > 0 {
		return errTrouble
	}
	return nil
}

type mailboxCheckCmd struct {
	Rep string `arg:"" optional:"" help:"The rep's address, or the mailbox's name in the list. Default: every mailbox."`
}

// Run signs in to the mailboxes and prints what it saw.
func (cmd mailboxCheckCmd) Run(e *env) error {
	c, s, err := e.load()
	if err != nil {
		return err
	}
	failed := 0
	checked, err := cmd.each(e, c, s, func(rep string, report mailbox.CheckReport, err error) {
		if err != nil {
			failed++
		}
		printCheck(e.out, rep, report, err)
	})
	switch {
	case checked == 0:
		return cmd.nothing(e, err)
	case err != nil:
		fmt.Fprintf(e.err, "Mailboxes that were added are not checked: %v\n", err)
	}
	if failed > 0 {
		return errTrouble
	}
	return nil
}

// each signs in to the mailboxes and returns how many those were. For those of the
// configuration it needs no running server, so they can be tried before the first serve;
// those that were added are the server's to try, and err says why it was not asked.
func (cmd mailboxCheckCmd) each(e *env, c *Config, s *Secrets, tell func(rep string, report mailbox.CheckReport, err error)) (checked int, err error) {
	keys, err := trail.ParseKeys(s.TokenKeys...)
	if err != nil {
		return 0, err
	}
	providers, err := c.providers()
	if err != nil {
		return 0, err
	}
	poller := mailbox.Poller{
		Now: time.Now, Log: logger(e.err),
		Reader: &mailbox.Reader{
			Keys: keys, Contacts: trail.ContactKey(s.ContactKey), OwnDomains: c.Company.Domains,
			// Without the store a tracked link is known by its token alone.
			ByKey: func(k trail.ContentKey) (trail.ContentID, bool, error) { return "content " + k.String(), true, nil },
		},
	}
	who := trail.NormalAddress(cmd.Rep)
	for _, box := range c.boxes(trail.ContactKey(s.ContactKey), providers) {
		if who == "" || box.Rep == who || box.Name == who {
			checked++
			report, err := poller.Check(e.ctx, box)
			tell(box.Rep, report, err)
		}
	}
	if who != "" && checked > 0 {
		return checked, nil
	}
	added, err := cmd.added(e, who, tell)
	return checked + added, err
}

// added has the server check the mailboxes that were added, and returns how many.
func (cmd mailboxCheckCmd) added(e *env, who string, tell func(string, mailbox.CheckReport, error)) (checked int, err error) {
	list, err := mailboxRows(e)
	if err != nil {
		return 0, err
	}
	c, err := e.client()
	if err != nil {
		return 0, err
	}
	for _, m := range list {
		if m.Source == "added" && (who == "" || m.Rep == who || m.Name == who) {
			checked++
			var report mailbox.CheckReport
			err := c.Post(e.ctx, "/v1/mailboxes/"+m.Name+"/check", nil, &report)
			tell(m.Rep, report, err)
		}
	}
	return checked, nil
}

// nothing says why no mailbox was checked. err is why the server was not asked
// for those that were added, if it was not.
func (cmd mailboxCheckCmd) nothing(e *env, err error) error {
	added := ", and none was added"
	if err != nil {
		added = fmt.Sprintf("; whether one was added cannot be told: %v", err)
	}
	if cmd.Rep != "" {
		return usageError{fmt.Errorf("%s has no mailbox of %s%s", e.Config, cmd.Rep, added)}
	}
	return fmt.Errorf("%s has no [[mailbox]] block and no mailboxes of a [[provider]]%s; add some with: dealtrail mailbox add FILE.csv", e.Config, added)
}

func printCheck(w io.Writer, rep string, report mailbox.CheckReport, err error) {
	if err != nil {
		fmt.Fprintf(w, "%s: %v\n", rep, err)
		return
	}
	fmt.Fprintf(w, "%s: signed in; Sent is %q; folders: %s\n", rep, report.SentFolder, strings.Join(report.Folders, ", "))
	if report.Problem != "" {
		fmt.Fprintf(w, "  %s\n", report.Problem)
	}
	for _, m := range report.Mails {
		yields := fmt.Sprint(len(m.Events), " events")
		if m.Reason != "" {
			yields += ": " + m.Reason
		}
		fmt.Fprintf(w, "  %s %s, %s\n", m.At.Format(time.DateOnly), m.Folder, yields)
	}
}

type mailboxListCmd struct{ format }

func (cmd mailboxListCmd) Run(e *env) error {
	list, err := mailboxRows(e)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, m := range list {
		rows = append(rows, []string{m.Rep, m.Username, m.Name, m.Source, progress(m.MailboxStatus), m.SentFolder, thousands(m.Messages), thousands(m.Events), counts(m.Wrapped), counts(m.Trackers), m.Reason})
	}
	return cmd.print(e, list, []string{"rep", "username", "name", "from", "state", "sent folder", "messages", "events", "wrapped links", "other trackers", "reason"}, rows)
}

func mailboxRows(e *env) ([]api.MailboxRow, error) {
	list, err := get[struct{ Rows []api.MailboxRow }](e, "/v1/mailboxes", nil)
	return list.Rows, err
}

// counts writes what was counted by name, the most first: "safelinks 12, urldefense 3".
func counts(by map[string]uint64) string {
	var parts []string
	for _, name := range slices.SortedFunc(maps.Keys(by), func(a, b string) int { return cmp.Or(cmp.Compare(by[b], by[a]), strings.Compare(a, b)) }) {
		parts = append(parts, name+" "+thousands(by[name]))
	}
	return strings.Join(parts, ", ")
}

// thousands writes a number as 4,200.
func thousands(n uint64) string {
	s := num(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// mailboxArg is whose mailboxes a command is about.
type mailboxArg struct {
	Rep string `arg:"" help:"The rep's address, for all mailboxes of the rep, or one mailbox's name in the list."`
}

// tell sends a command about mailboxes and prints what it did.
func (a mailboxArg) tell(e *env, method, action, done string) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	if err := c.Do(e.ctx, method, "/v1/mailboxes/"+url.PathEscape(a.Rep)+action, "", nil, nil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, done+"\n", a.Rep)
	return err
}

type mailboxPauseCmd struct{ mailboxArg }

func (cmd mailboxPauseCmd) Run(e *env) error {
	return cmd.tell(e, "POST", "/pause", "%[1]s is paused: nothing is read until: dealtrail mailbox resume %[1]s")
}

type mailboxResumeCmd struct{ mailboxArg }

func (cmd mailboxResumeCmd) Run(e *env) error {
	return cmd.tell(e, "POST", "/resume", "%s is read again; see how with: dealtrail mailbox list")
}

type mailboxRemoveCmd struct{ mailboxArg }

func (cmd mailboxRemoveCmd) Run(e *env) error {
	return cmd.tell(e, "DELETE", "", "%s is removed, the password too; what was read of it stays")
}

// progress says in words how far the reading of a mailbox is.
func progress(m trail.MailboxStatus) string {
	if m.Left > 0 && (m.State == string(mailbox.OK) || m.State == string(mailbox.Connecting)) {
		return fmt.Sprintf("reading, %s left", thousands(m.Left))
	}
	return m.State
}

// boxes are the mailboxes of the configuration as the poller takes them. In
// logs and cursors a mailbox goes by a hash: addresses have no place there.
func (c *Config) boxes(contacts trail.ContactKey, providers map[string]*mailbox.Provider) []mailbox.Box {
	var boxes []mailbox.Box
	for _, m := range c.Boxes {
		b := mailbox.Box{
			Name: ingest.MailboxName(contacts, m.Rep, m.Username), Rep: trail.NormalAddress(m.Rep), Aliases: m.Aliases,
			Host: m.Host, Port: m.Port, Security: m.Security, Username: m.Username, SentFolder: m.SentFolder,
			Since: time.Since(c.Mailboxes.Since.From(time.Now())), DailyBytes: int64(c.Mailboxes.DailyMB) << 20,
		}
		c.signIn(&b, m, providers)
		boxes = append(boxes, b)
	}
	return append(boxes, c.providerBoxes(contacts, providers)...)
}
