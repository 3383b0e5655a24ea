package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/schollz/progressbar/v3"
	"github.com/shopspring/decimal"

	"dealtrail/access"
	"dealtrail/dashboards"
	"dealtrail/store"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

type demoCmd struct {
	Listen string `help:"Address of dashboards and links. Default: 127.0.0.1:8080, or another port if that one is taken."`
	Data   string `default:"demo" help:"A folder of its own for the demo; what an earlier demo left in it is removed." type:"path"`
	Seed   uint64 `default:"1" help:"Another seed makes another company."`
	Exit   bool   `help:"Stop when the first attribution run is complete."`
}

// errDone ends the demo from within, without trouble.
var errDone = errors.New("done")

// marker tells a demo's folder from anybody else's.
const marker = ".dealtrail-demo"

// demo is a made-up company whose past goes through the buffer and whose
// present is real: mails in an IMAP server, clicks over HTTP.
type demo struct {
	*program
	env     *env
	company *synth.Company
	post    *postOffice
}

// Run sets the demo up in a folder of its own and serves it.
func (cmd demoCmd) Run(e *env) error {
	if err := clearDemo(cmd.Data); err != nil {
		return err
	}
	ln, err := demoListener(cmd.Listen)
	if err != nil {
		return err
	}
	post, err := openPostOffice()
	if err != nil {
		return err
	}
	defer post.Close()

	c := defaults()
	c.path = filepath.Join(cmd.Data, "dealtrail.toml")
	c.Server.Listen = ln.Addr().String()
	c.Server.PublicURL = "http://" + c.Server.Listen
	c.Tracking.AllowLocal = true
	c.Tracking.Pixel = "on"
	c.Company.RepNames = string(trail.RepsByName) // its reps do not exist
	c.Mailboxes.Every = Duration(2 * time.Second)
	c.Attribution.Every = Duration(time.Minute)
	secrets := newSecrets()

	company := synth.New(synth.Options{Seed: cmd.Seed, End: time.Now(), Contacts: trail.ContactKey(secrets.ContactKey), Site: c.Server.PublicURL + "/site"})
	c.Company.Domains = []string{company.Options.Domain}
	host, port := post.address()
	for _, rep := range company.Reps {
		if err := post.addUser(rep.Address, secrets.AdminKey.Reveal()); err != nil {
			return err
		}
		c.Boxes = append(c.Boxes, Mailbox{Rep: rep.Address, Host: host, Port: port, Security: "none", Username: rep.Address, PasswordFile: "secrets/mail"})
	}
	for _, file := range []struct {
		path string
		text []byte
	}{{c.path, c.sample()}, {secretsPath(c.path), secrets.text()}, {c.beside("secrets/mail"), []byte(secrets.AdminKey.Reveal())}} {
		if err := writeNew(file.path, file.text, 0o600); err != nil {
			return err
		}
	}
	logFile, err := os.Create(filepath.Join(cmd.Data, "log"))
	if err != nil {
		return err
	}
	defer logFile.Close()

	d := &demo{env: e, company: company, post: post}
	d.program = &program{
		config: c, secrets: &secrets, log: logger(logFile), main: ln, prepare: d.loadPast, routes: d.landing,
		demo: &dashboards.Demo{Send: d.send, Scan: scan, Loved: synth.Popular},
	}
	fmt.Fprintf(e.err, "Starting a made-up company in %s; the log is %s\n", cmd.Data, logFile.Name())
	err = serve(e.ctx, d.program, func(ctx context.Context) error {
		if err := d.welcome(ctx, cmd.Exit); err != nil {
			return err
		}
		if cmd.Exit {
			return errDone
		}
		return d.live(ctx)
	})
	if errors.Is(err, errDone) {
		return d.closed
	}
	return err
}

// clearDemo empties the folder of an earlier demo and refuses any other.
func clearDemo(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, marker)); err != nil {
			return fmt.Errorf("%s holds something that is not an earlier demo; name an empty folder with --data", dir)
		}
		lock, err := lockData(filepath.Join(dir, "data"))
		if err != nil {
			return err
		}
		defer lock.Close()
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return writeNew(filepath.Join(dir, marker), nil, 0o600)
}

// demoListener takes the usual port, or any if that one is in use and nobody
// asked for it.
func demoListener(address string) (net.Listener, error) {
	if address != "" {
		return net.Listen("tcp", address)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:8080")
	if errors.Is(err, syscall.EADDRINUSE) {
		return net.Listen("tcp", "127.0.0.1:0")
	}
	return ln, err
}

// loadPast sends six months of the company through the buffer.
func (d *demo) loadPast(ctx context.Context) error {
	asked, err := d.asked()
	if err != nil {
		return err
	}
	agreed, err := d.agreed()
	if err != nil {
		return err
	}
	events := slices.Concat(d.company.Events(), asked, agreed)
	var bar *progressbar.ProgressBar
	if d.env.tty {
		bar = progressbar.Default(int64(len(events)), "six months of history")
	} else {
		fmt.Fprintf(d.env.err, "Loading six months of history: %d events\n", len(events))
	}
	for _, e := range events {
		if e.Kind == trail.ContentKind {
			if err := d.catalogue.Put(ctx, trail.TargetOf(e.Content, e.Attrs)); err != nil {
				return err
			}
		}
	}
	for len(events) > 0 {
		n := min(len(events), 1000)
		if err := d.buffer.Append(ctx, events[:n]...); err != nil {
			return err
		}
		events = events[n:]
		if bar != nil {
			_ = bar.Add(n)
		}
	}
	return d.buffer.Settle(ctx)
}

// welcome waits for the first run and says where to look, or what came of it.
func (d *demo) welcome(ctx context.Context, exit bool) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := d.db.NewestRun(ctx, store.Filter{})
		if err == nil {
			break
		}
		var p *trail.Problem
		if !errors.As(err, &p) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	if exit {
		report, err := d.db.Attribution(ctx, "content", store.Filter{})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(d.env.out, "First run complete: %s %s won, %s of it with content, %s without\n",
			report.Total.Value.Amount, report.Total.Value.Currency, sumOf(report.Rows), report.Unattributed.Value.Amount)
		return err
	}
	everything := access.Everybody // who looks at the demo plays all parts
	if _, err := d.access.Set(ctx, d.company.Reps[0].Address, access.Change{Roles: &everything}); err != nil {
		return err
	}
	signIn, err := d.access.SignInLink(ctx, d.company.Reps[0].Address)
	if err != nil {
		return err
	}
	to := d.openDeals()[0].Contacts[0]
	link, err := d.send(ctx, to.Address, synth.Popular)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.env.out, `
Dashboards   %s
Sign in      %s
             (works once; another: dealtrail --config %s user add %s)
A link       %s
             (just mailed to %s: click it and watch the deal)
`, d.config.Server.PublicURL, signIn, d.config.path, d.company.Reps[0].Address, link, to.Address)
	if !d.env.tty {
		return nil
	}
	_, err = fmt.Fprintln(d.env.out, "\nNew mail and clicks come in as you look. Ctrl-C stops the demo.")
	return err
}

// sumOf adds the rows' values up, in decimal.
func sumOf(rows []trail.CreditRow) string {
	sum := decimal.Zero
	for _, r := range rows {
		sum = sum.Add(decimal.RequireFromString(r.Value.Amount))
	}
	return sum.StringFixed(2)
}

// openDeals are the deals that still can be won.
func (d *demo) openDeals() []*synth.Deal {
	return slices.DeleteFunc(slices.Clone(d.company.Deals), func(deal *synth.Deal) bool { return deal.Status != "open" })
}

// dealOf returns the deal that a contact is on, an open one first.
func (d *demo) dealOf(address string) (*synth.Deal, *synth.Contact, bool) {
	for _, deal := range append(d.openDeals(), d.company.Deals...) {
		for _, contact := range deal.Contacts {
			if contact.Address == address {
				return deal, contact, true
			}
		}
	}
	return nil, nil, false
}

// landing serves the made-up company's own pages, so that links lead somewhere
// without leaving this machine.
func (d *demo) landing(g *echo.Group) {
	g.GET("/site/*", func(c echo.Context) error {
		path := c.Param("*")
		for _, t := range d.catalogue.All() {
			if u, err := url.Parse(t.URL); err == nil && strings.TrimPrefix(u.Path, "/site/") == path {
				return c.HTML(http.StatusOK, "<!doctype html><html lang=en><title>"+html.EscapeString(t.Title)+"</title><h1>"+html.EscapeString(t.Title)+
					"</h1><p>A page of the made-up company: what a prospect sees after the click.</p>")
			}
		}
		return trail.Problemf(trail.NotFound, "The made-up company has no such page.")
	})
}
