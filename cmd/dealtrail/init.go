package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

type initCmd struct {
	Yes  bool   `short:"y" help:"Take every default without asking."`
	Data string `help:"Folder of what will be stored: data.dir and, in it, review.dir. Default: beside the configuration."`
	Keep bool   `help:"Leave what is there already as it is, and write only what is missing."`

	Services string `help:"Folder for fresh passwords, and the addresses with them, of a Redis and a ClickHouse whose hosts are called redis and clickhouse. docker-compose.yml uses it."`
}

// question is what only a person knows, with its consequence.
type question struct {
	text  string
	field func(*Config) string
	set   func(*Config, string) error
}

var questions = []question{
	{
		"Public address of tracked links. Prospects' browsers must reach it over https; links begin with it, so keep it short.",
		func(c *Config) string { return c.Server.PublicURL },
		func(c *Config, v string) error { c.Server.PublicURL = v; return nil },
	},
	{
		"Your own mail domains, separated by spaces or commas. Mail inside them leaves no trace; everyone outside is a contact.",
		func(c *Config) string { return strings.Join(c.Company.Domains, " ") },
		func(c *Config, v string) error { c.Company.Domains = splitNames(v); return nil },
	},
	{
		"Time zone of weeks and pages, such as Europe/Berlin.",
		func(c *Config) string { return c.Company.Zone },
		func(c *Config, v string) error { c.Company.Zone = v; return nil },
	},
	{
		"Reporting currency of all values.",
		func(c *Config) string { return c.Company.Currency },
		func(c *Config, v string) error { c.Company.Currency = v; return nil },
	},
	{
		"Links: on keeps who clicked; consent keeps that only of contacts who agreed, and of others that somebody clicked; account keeps only the deal and company; off keeps nothing. Links always work.",
		func(c *Config) string { return c.Tracking.Links },
		func(c *Config, v string) error { c.Tracking.Links = v; return nil },
	},
	{
		"Pixel: off, consent (only contacts who agreed) or on. Opens are weak evidence, and in the EU a pixel needs consent.",
		func(c *Config) string { return c.Tracking.Pixel },
		func(c *Config, v string) error { c.Tracking.Pixel = v; return nil },
	},
	{
		"How far back to read mail when a mailbox is first connected, as 30 days, 12 months or a date. Only facts are kept: who sent which content to whom, and when. A year shows on the first day what is sent, what never is, and what won deals had.",
		func(c *Config) string { return c.Mailboxes.Since.String() },
		func(c *Config, v string) error { return c.Mailboxes.Since.UnmarshalText([]byte(v)) },
	},
}

// Run writes the configuration and fresh keys. It never overwrites either.
func (cmd initCmd) Run(e *env) error {
	c := defaults()
	c.path = e.Config
	if cmd.Data != "" {
		c.Data.Dir, c.Review.Dir = cmd.Data, filepath.Join(cmd.Data, "exports")
	}
	if !cmd.Yes && isTerminal(os.Stdin) && e.tty {
		if err := ask(c, os.Stdin, e.err); err != nil {
			return err
		}
	}
	if err := c.check(); err != nil {
		return err
	}
	_, missing := os.Stat(e.Config)
	if err := cmd.write(e.Config, c.sample(), 0o644); err != nil {
		return err
	}
	secrets := secretsPath(e.Config)
	if err := cmd.write(secrets, newSecrets().text(), 0o600); err != nil {
		return err
	}
	if err := cmd.writeServices(); err != nil {
		return err
	}
	if cmd.Keep && missing == nil {
		fmt.Fprintf(e.err, "Kept %s.\n", e.Config)
		return nil
	}
	fmt.Fprintf(e.err, "Wrote %s (every key explained) and %s (keys: keep it private, keep a copy).\n", e.Config, secrets)
	if !cmd.Yes { // else a package or a container starts it
		fmt.Fprintf(e.err, "Next: %s serve\n", called())
	}
	return nil
}

// called is how this program was called, so that a line it prints can be copied: bin/dealtrail
// after make build.
func called() string {
	if filepath.Base(os.Args[0]) == "dealtrail" {
		return os.Args[0]
	}
	return "dealtrail"
}

// write writes a file that must not exist yet, or is kept.
func (cmd initCmd) write(path string, text []byte, mode os.FileMode) error {
	if _, err := os.Stat(path); err == nil && cmd.Keep {
		return nil
	}
	return writeNew(path, text, mode)
}

// writeServices writes a password for each of Redis and ClickHouse, and the address
// under which we reach them with it. Who runs them has another user than we, so that
// the folder must be one that only they and we see, as a volume of containers is.
func (cmd initCmd) writeServices() error {
	if cmd.Services == "" {
		return nil
	}
	for _, service := range [][2]string{{"redis", "redis://:%s@redis:6379/0"}, {"clickhouse", "clickhouse://dealtrail:%s@clickhouse:9000/dealtrail"}} {
		name, address := service[0], service[1]
		file := filepath.Join(cmd.Services, name+"_password")
		if err := cmd.write(file, []byte(rand.Text()), 0o644); err != nil {
			return err
		}
		password, err := readPassword(file)
		if err != nil {
			return err
		}
		if err := cmd.write(filepath.Join(cmd.Services, name+"_url"), fmt.Appendf(nil, address, password), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func ask(c *Config, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for _, q := range questions {
		for {
			fmt.Fprintf(out, "%s\n  [%s] ", q.text, q.field(c))
			if !lines.Scan() {
				return errors.Join(lines.Err(), io.ErrUnexpectedEOF)
			}
			before, answer := q.field(c), strings.TrimSpace(lines.Text())
			if answer == "" {
				break
			}
			err := q.set(c, answer)
			if err == nil {
				err = c.check()
			}
			if err == nil {
				break
			}
			fmt.Fprintf(out, "  %v\n", err)
			if err := q.set(c, before); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeNew writes a file that must not exist yet.
func writeNew(path string, text []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists already and is left as it is; remove it first if you want to start over", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
