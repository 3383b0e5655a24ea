// Command dealtrail shows a company which marketing content moves which deals.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // zones must not depend on the machine

	"github.com/alecthomas/kong"

	"dealtrail/store/chdb"
	"dealtrail/trail"
)

// version is set by the linker, see Makefile.
var version = "dev"

// cli is the command line. Only serve and demo open the store; the others speak
// to the API of a running server.
type cli struct {
	Config string `short:"c" default:"dealtrail.toml" help:"The configuration file." type:"path"`
	URL    string `help:"Where the server answers. Default: what the configuration says."`
	Key    string `env:"DEALTRAIL_KEY" help:"An API key. Default: the admin key beside the configuration."`

	Init      initCmd      `cmd:"" help:"Write dealtrail.toml and fresh keys, with every key explained."`
	Serve     serveCmd     `cmd:"" help:"Run everything until stopped."`
	Demo      demoCmd      `cmd:"" help:"The main job on a made-up company, all on this machine."`
	Import    importCmd    `cmd:"" help:"Load content, contacts, deals, stages or touches from CSV or XLSX; content also from a folder, a ZIP or a sitemap."`
	Share     shareCmd     `cmd:"" help:"Make a tracked link."`
	Attribute attributeCmd `cmd:"" help:"Run the attribution now and print the credits."`
	Runs      runsCmd      `cmd:"" help:"List runs of the attribution, say what changed between two and why, or stop one."`
	Why       whyCmd       `cmd:"" help:"The deals and touches that a credit is made of."`
	Spend     spendCmd     `cmd:"" help:"What content cost, and how much of that nobody sent or used."`
	Content   contentCmd   `cmd:"" help:"What every piece of content did."`
	Deal      dealCmd      `cmd:"" help:"One deal with its trail and credits."`
	Contact   contactCmd   `cmd:"" help:"One contact with its trail."`
	Review    reviewCmd    `cmd:"" help:"The weekly lead review."`
	Budget    budgetCmd    `cmd:"" help:"Freeze pages of what content earned and cost, list or show them, and make or revoke links to them."`
	Lift      liftCmd      `cmd:"" help:"How much more often deals go on with each content than without, and how sure that is."`
	Holdout   holdoutCmd   `cmd:"" help:"Start, list, show or end experiments: the only proof that a content moves deals."`
	Quality   qualityCmd   `cmd:"" help:"What is wrong with the data, and what it does to the numbers."`
	Lists     listsCmd     `cmd:"" help:"Lists of leads and how they responded: add, list or show."`
	Requests  requestsCmd  `cmd:"" help:"What reps ask marketing for: list, add or answer."`
	Outbox    outboxCmd    `cmd:"" help:"What dealtrail sends to people by itself: list, or send a test."`
	Goals     goalsCmd     `cmd:"" help:"What sales and marketing agreed to reach: list or set."`
	Service   serviceCmd   `cmd:"" help:"How fast leads are answered, and which nobody has written to."`
	Month     monthCmd     `cmd:"" help:"One month on one page: who uses it, requests, leads, goals, what was won."`
	Doctor    doctorCmd    `cmd:"" help:"Look at everything from outside in, and say for each failure how to mend it; store nothing."`
	Status    statusCmd    `cmd:"" help:"How the installation is doing; exit 1 when something needs a person."`
	Judge     judgeCmd     `cmd:"" help:"Who made each recorded request, as JSON lines; stores nothing."`
	Read      readCmd      `cmd:"" help:"What mails would yield, as JSON lines; stores nothing."`
	Mailbox   mailboxCmd   `cmd:"" help:"Add, check, list, pause, resume or remove mailboxes."`
	CRM       crmCmd       `cmd:"" name:"crm" help:"CRMs that speak by themselves: list, check, ask, or compare."`
	Erase     eraseCmd     `cmd:"" help:"Remove a person for ever; counts and credits stay."`
	Export    exportCmd    `cmd:"" help:"All that is stored of a person, as JSON, for that person."`
	Privacy   privacyCmd   `cmd:"" help:"The record of processing, and who was erased."`
	Backup    backupCmd    `cmd:"" help:"Take a backup of everything, keys included, while the server runs."`
	Restore   restoreCmd   `cmd:"" help:"Bring a backup back, into an empty folder."`
	Bad       badCmd       `cmd:"" help:"List what could not become events, or hand it in again."`
	Keys      keyCmd       `cmd:"" name:"key" help:"Make, list or revoke API keys."`
	User      userCmd      `cmd:"" help:"Let people sign in, list them, say what they may, or disable them."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

// env is what a command gets besides its own flags.
type env struct {
	*cli
	ctx context.Context
	out io.Writer
	err io.Writer
	tty bool // a person watches err
}

// usageError is a mistake on the command line: exit code 2.
type usageError struct{ error }

// misused is a mistake at one command, whose help says more than that of all.
type misused struct {
	error
	command string
}

func (m misused) Unwrap() error { return m.error }

func main() {
	// The embedded engine is this program again, started by serve.
	if chdb.IsChild() {
		os.Exit(chdb.ServeChild())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	exit(err)
}

// run parses the command line and runs one command.
func run(ctx context.Context, args []string, out, errOut io.Writer) error {
	var c cli
	e := &env{cli: &c, ctx: ctx, out: out, err: errOut, tty: isTerminal(errOut)}
	parser, err := kong.New(&c, kong.Name("dealtrail"), kong.Description("Which marketing content moves which deals."),
		kong.Writers(out, errOut), kong.UsageOnError(), kong.Bind(e))
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if err != nil {
		var wrong *kong.ParseError
		if errors.As(err, &wrong) {
			command = wrong.Context
		}
		return at(command, usageError{err})
	}
	return at(command, command.Run())
}

// at adds to wrong usage of which command it is, as far as that could be read.
func at(command *kong.Context, err error) error {
	var usage usageError
	if command == nil || command.Selected() == nil || !errors.As(err, &usage) {
		return err
	}
	return misused{err, command.Selected().FullPath()}
}

func exit(err error) {
	var usage usageError
	var p *trail.Problem
	switch {
	case err == nil:
		os.Exit(0)
	case errors.As(err, &usage):
		wrong := misused{command: "dealtrail"}
		errors.As(err, &wrong)
		fmt.Fprintf(os.Stderr, "dealtrail: %v\nTry: %s --help\n", err, wrong.command)
		os.Exit(2)
	case errors.As(err, &p):
		fmt.Fprintf(os.Stderr, "dealtrail: %s\n", p.Text)
	case errors.Is(err, errTrouble):
	default:
		fmt.Fprintf(os.Stderr, "dealtrail: %v\n", err)
	}
	os.Exit(1)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func logger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, nil))
}

// logger writes the log as [log] says.
func (c *Config) logger(w io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Log.Level)); err == nil { // checked at the start
		o.Level = level
	}
	if c.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

type versionCmd struct{}

func (versionCmd) Run(e *env) error {
	_, err := fmt.Fprintln(e.out, version)
	return err
}

type serveCmd struct {
	Role []string `help:"What this process does: track, load, poll, jobs, web. Default: everything. Needs redis.url and clickhouse.url."`
}

// Run serves until SIGTERM or SIGINT.
func (cmd serveCmd) Run(e *env) error {
	c, s, err := e.load()
	if err != nil {
		return err
	}
	if err := roles(cmd.Role).check(c); err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(300) // little lives long here: memory is cheaper than looking for it
	}
	p := &program{config: c, secrets: s, roles: cmd.Role, log: c.logger(e.err)}
	slog.SetDefault(p.log) // net/http's own complaints too
	return serve(e.ctx, p, func(ctx context.Context) error {
		p.log.Info("serving", "listen", p.main.Addr().String(), "public_url", c.Server.PublicURL, "roles", p.roles.list())
		if e.tty && p.roles.has("web") {
			fmt.Fprintf(e.err, "Dashboards: %s (sign in with a link from: dealtrail user add EMAIL)\n", c.address())
		}
		if err := tellSystemd("READY=1"); err != nil {
			p.log.Warn("cannot tell systemd that we serve", "err", err)
		}
		return p.sayFirstLink(ctx, e.err)
	})
}

// load reads configuration and secrets.
func (e *env) load() (*Config, *Secrets, error) {
	c, err := loadConfig(e.Config, os.Environ())
	if err != nil {
		return nil, nil, err
	}
	s, err := loadSecrets(secretsPath(e.Config))
	return c, s, err
}
