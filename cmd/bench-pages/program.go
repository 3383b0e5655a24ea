package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/pelletier/go-toml/v2"

	"dealtrail/api"
	"dealtrail/store"
	"dealtrail/store/chdb"
	"dealtrail/trail"
)

//go:embed grow.sql
var growth string

//go:embed mail.sql
var mail string

// How the company grows with its events: a mail has 1.9 events after it, contacts and deals are 0.6 of ten.
const (
	perMail     = 2.88
	perAccount  = 160 // events for each company, of five people
	perDeal     = 120
	mailAtOnce  = 400_000
	address     = "person%d@co%d.example"
	secretsFile = "dealtrail.secrets.toml"
)

func (b *bench) accounts() uint64 { return max(b.events/perAccount, 10) }
func (b *bench) deals() uint64    { return max(b.events/perDeal, 10) }

// install makes a fresh installation, and its events right in the database: through
// mail and clicks they would take hours.
func (b *bench) install(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(b.dir, "dealtrail.toml")); err == nil {
		return nil
	}
	if text, err := b.run(ctx, "", "init", "--yes").CombinedOutput(); err != nil {
		return fmt.Errorf("init: %w: %s", err, text)
	}
	var secrets struct {
		ContactKey string `toml:"contact_key"`
	}
	text, err := os.ReadFile(filepath.Join(b.dir, secretsFile))
	if err == nil {
		err = toml.Unmarshal(text, &secrets)
	}
	if err != nil {
		return err
	}
	library, err := chdb.FindLibrary("")
	if err != nil {
		return err
	}
	engine, err := chdb.Start(ctx, chdb.Options{Dir: filepath.Join(b.dir, "data", "clickhouse"), Library: library, Log: quiet})
	if err != nil {
		return err
	}
	defer engine.Close()
	db, err := store.Open(ctx, store.Options{Dial: engine.DialContext, Migrate: true, Log: quiet})
	if err != nil {
		return err
	}
	defer db.Close()
	return b.grow(ctx, db, trail.ContactKey(secrets.ContactKey))
}

func (b *bench) grow(ctx context.Context, db *store.DB, key trail.ContactKey) error {
	if err := db.Exec(ctx, "CREATE TABLE bench_contacts (no UInt32, contact String, address String) ENGINE = Join(ANY, LEFT, no)"); err != nil {
		return err
	}
	batch, err := db.Batch(ctx, "INSERT INTO bench_contacts (no, contact, address)")
	if err != nil {
		return err
	}
	for no := range uint32(b.accounts() * 5) {
		mail := fmt.Sprintf(address, no, no/5)
		if err := batch.Append(no, string(key.ID(mail)), mail); err != nil {
			return err
		}
	}
	if err := batch.Send(); err != nil {
		return err
	}
	until := clickhouse.DateNamed("until", time.Now().UTC().Truncate(time.Hour), clickhouse.MilliSeconds)
	accounts := clickhouse.Named("accounts", b.accounts())
	for _, statement := range strings.Split(growth, ";\n") {
		if err := db.Exec(ctx, statement, until, accounts, clickhouse.Named("deals", b.deals())); err != nil {
			return err
		}
	}
	mails := uint64(float64(b.events) / perMail)
	for from := uint64(0); from < mails; from += mailAtOnce {
		err := db.Exec(ctx, mail, until, accounts, clickhouse.Named("from", from), clickhouse.Named("n", min(mailAtOnce, mails-from)), clickhouse.Named("all", mails))
		if err != nil {
			return err
		}
	}
	return db.Exec(ctx, "DROP TABLE bench_contacts")
}

// run is the program on the installation.
func (b *bench) run(ctx context.Context, listen string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.dealtrail, append([]string{"--config", filepath.Join(b.dir, "dealtrail.toml")}, args...)...)
	cmd.Env = append(os.Environ(), "DEALTRAIL_SERVER_LISTEN="+listen, "DEALTRAIL_SERVER_PUBLIC_URL=http://"+listen, "DEALTRAIL_TRACKING_ALLOW_LOCAL=true")
	if listen == "" {
		cmd.Env = os.Environ()
	}
	return cmd
}

// program is a dealtrail that runs on the installation, with somebody signed in.
type program struct {
	cmd    *exec.Cmd
	listen string
	url    string
	api    *api.Client
	client *http.Client
}

func (b *bench) start(ctx context.Context) (*program, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	listen := ln.Addr().String()
	ln.Close()
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	p := &program{listen: listen, url: "http://" + listen, cmd: b.run(ctx, listen, "serve"), client: &http.Client{Jar: jar}}
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if err := p.ready(ctx, b, listen); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// ready waits until the program answers, what is known is laid out, and all runs are complete.
func (p *program) ready(ctx context.Context, b *bench, listen string) error {
	if err := wait(ctx, time.Minute, func() bool {
		resp, err := p.client.Get(p.url + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}); err != nil {
		return fmt.Errorf("the program does not come up: %w", err)
	}
	key, err := b.run(ctx, listen, "key", "new", fmt.Sprint("bench-", time.Now().UnixMilli())).Output()
	if err != nil {
		return fmt.Errorf("key new: %w", err)
	}
	p.api = &api.Client{URL: p.url, Key: strings.TrimSpace(string(key))}
	if err := wait(ctx, 30*time.Minute, func() bool {
		var runs struct{ Rows []trail.Run }
		err := p.api.Get(ctx, "/v1/runs", nil, &runs)
		done := 0
		for _, r := range runs.Rows {
			if !r.FinishedAt.IsZero() {
				done++
			}
		}
		return err == nil && done >= 3
	}); err != nil {
		return fmt.Errorf("runs are not complete: %w", err)
	}
	// What was known when the review was due is laid out, and what is counted over everything is counted, for the first time.
	for _, path := range []string{"/v1/review", "/v1/quality", "/v1/baseline"} {
		if err := wait(ctx, 15*time.Minute, func() bool { return p.api.Get(ctx, path, nil, nil) == nil }); err != nil {
			return fmt.Errorf("%s does not answer: %w", path, err)
		}
	}
	link, err := b.link(ctx, listen)
	if err != nil {
		return err
	}
	resp, err := p.client.Get(link)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	code := resp.Request.URL.Query().Get("code")
	resp, err = p.client.PostForm(p.url+"/signin", map[string][]string{"code": {code}})
	if err != nil {
		return err
	}
	resp.Body.Close()
	return nil
}

// link makes a link that signs in once.
func (b *bench) link(ctx context.Context, listen string) (string, error) {
	text, err := b.run(ctx, listen, "user", "add", "rep17@us.example", "--role", "admin", "--role", "rep").Output()
	if err != nil {
		return "", fmt.Errorf("user add: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// wait asks every half second until ok.
func wait(ctx context.Context, patience time.Duration, ok func() bool) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			return errors.New("it took too long")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

func (p *program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}
