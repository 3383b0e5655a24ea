package main

import (
	"cmp"
	"context"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"dealtrail/api"
	"dealtrail/attribution"
	"dealtrail/dashboards"
	"dealtrail/ingest"
	"dealtrail/outbox"
	"dealtrail/store"
	"dealtrail/trail"
)

// Chat is one [[chat]]: a place that is told of things by webhook.
type Chat struct {
	Name       string        `toml:"name" doc:"What it is called in commands: letters, digits and dashes."`
	Kind       string        `toml:"kind" doc:"slack, teams (a Workflows webhook), or generic (signed after Standard Webhooks)."`
	URL        ingest.Secret `toml:"url" doc:"The webhook's address. Whoever knows it can write there. Exactly one of url and url_file."`
	URLFile    string        `toml:"url_file" doc:"A file that holds it, readable by dealtrail only."`
	SecretFile string        `toml:"secret_file" doc:"Generic: a file that holds the secret by which messages are signed, whsec_ and 24 to 64 bytes in base64."`
	Events     []string      `toml:"events" doc:"What it is told: review_ready, hot_deal, late_request."`
	Rep        string        `toml:"rep" doc:"A rep's address: only their deals and requests. Empty: all."`
	Quiet      string        `toml:"quiet" doc:"Hours in which nothing is sent, such as 18:00-08:00; what comes then is sent after them, in one message."`
	Zone       string        `toml:"zone" doc:"Time zone of quiet and of times in messages. Empty: company.zone."`
	Names      bool          `toml:"names" doc:"Whether messages name people. Else they say role and account."`

	AllowPrivate bool `toml:"allow_private" doc:"Whether the address may be of this machine or a private network, and plain http."`
}

type outboxCmd struct {
	List outboxListCmd `cmd:"" help:"What dealtrail sends by itself, to whom, and how that goes."`
	Test outboxTestCmd `cmd:"" help:"Send a test message to a chat, or a test mail."`
}

type outboxListCmd struct{ format }

func (cmd outboxListCmd) Run(e *env) error {
	list, err := get[struct {
		Rows []trail.Channel `json:"rows"`
	}](e, "/v1/outbox", nil)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, c := range list.Rows {
		sent := ""
		if !c.SentAt.IsZero() {
			sent = c.SentAt.Format(time.RFC3339)
		}
		whom := cmp.Or(c.Rep, strings.Join(c.To, " "))
		if len(c.To) > 3 && cmd.Format == "table" {
			whom = fmt.Sprintf("%d reps", len(c.To))
			if c.Name == "review" {
				whom = fmt.Sprintf("%d addresses", len(c.To))
			}
		}
		rows = append(rows, []string{c.Name, c.Kind, strings.Join(c.Events, " "), whom, strings.TrimSpace(c.Quiet + " " + c.Zone), fmt.Sprint(c.Waiting), sent, c.Trouble})
	}
	return cmd.print(e, list, []string{"name", "kind", "events", "for", "quiet", "waiting", "sent_at", "trouble"}, rows)
}

type outboxTestCmd struct {
	Name string `arg:"" help:"The name of a [[chat]], or an address to mail to: one of yours, or one that gets the review."`
}

func (cmd outboxTestCmd) Run(e *env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	var answer struct {
		Said string `json:"said"`
	}
	if err := c.Post(e.ctx, "/v1/outbox/test", map[string]string{"to": cmd.Name}, &answer); err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, answer.Said)
	return err
}

// openOutbox wires what is sent by itself, and returns what reps say about their digest.
func (p *program) openOutbox(contacts trail.ContactKey) (*dashboards.Digest, error) {
	c := p.config
	sealer, err := ingest.NewSealer(contacts, "digest")
	if err != nil {
		return nil, err
	}
	p.outbox = &outbox.Outbox{
		DB: p.db, Redis: p.redis, Contacts: contacts, Pages: c.pages(), Zone: p.zone, ReviewAt: p.db.ReviewAt, AnswerDays: c.Review.AnswerDays,
		Settle: p.buffer.Settle, Mail: c.mailer(), ReviewTo: c.Review.MailTo, Log: p.log, Now: time.Now,
	}
	if c.Review.MailAttach {
		p.outbox.Attach = dashboards.ReviewXLSX
	}
	stop := &dashboards.Digest{Sealer: sealer, Wanted: p.outbox.DigestWanted, Want: p.outbox.WantDigest}
	if c.Digest.On {
		at, err := outbox.ParseDayTime(c.Digest.At)
		if err != nil {
			return nil, err
		}
		p.outbox.Digest = &outbox.Digest{At: at, Reps: p.connectedReps, Recommend: p.recommend, StopPath: stop.Path}
	}
	p.outbox.Chats, err = c.chats()
	return stop, err
}

// connectedReps are the reps whose mailboxes are read, by address.
func (p *program) connectedReps() (reps []string) {
	for _, b := range p.allBoxes() {
		reps = append(reps, b.Rep)
	}
	slices.Sort(reps)
	return slices.Compact(reps)
}

// recommend says what to send to a deal.
func (p *program) recommend(ctx context.Context, deal string) ([]trail.Recommendation, error) {
	answer, err := attribution.WhatToSend(ctx, p.job, p.holdouts, attribution.SendQuestion{Deal: deal}, store.Filter{})
	if err != nil {
		return nil, err
	}
	return answer.Rows, nil
}

// outboxActions are what the API does about it.
func (p *program) outboxActions() api.Outbox {
	return api.Outbox{Channels: p.outbox.Channels, Test: p.testOutbox, WantDigest: p.outbox.WantDigest}
}

// testOutbox sends a test to a chat, or to an address that is ours or gets the review:
// nobody can use it to write to strangers.
func (p *program) testOutbox(ctx context.Context, to string) (string, error) {
	if !strings.Contains(to, "@") {
		return "The chat " + to + " took the message.", p.outbox.Test(ctx, to)
	}
	if !p.ownAddress(to) && !slices.ContainsFunc(p.config.Review.MailTo, func(a string) bool { return trail.NormalAddress(a) == trail.NormalAddress(to) }) {
		return "", trail.Problemf(trail.Invalid, "A test is mailed only to addresses of company.domains and of review.mail_to, and %q is neither.", to)
	}
	return "The mail server took the mail to " + to + ".", p.outbox.TestMail(ctx, to)
}

// mailer is how mails are sent, nil when no server is named.
func (c *Config) mailer() *outbox.Mailer {
	s := c.SMTP
	from, err := mail.ParseAddress(s.From)
	if s.Host == "" || err != nil {
		return nil // checkOutbox said so
	}
	return &outbox.Mailer{
		Host: s.Host, Port: s.Port, TLS: s.TLS, Username: s.Username, From: *from,
		Password: func() (ingest.Secret, error) { return c.secretFile(s.PasswordFile) },
	}
}

// secretFile reads a secret, at each use: it may be replaced while we run.
func (c *Config) secretFile(path string) (ingest.Secret, error) {
	s, err := readSecret(c.beside(path))
	return ingest.Secret(strings.TrimSpace(s)), err
}

// chats are the [[chat]] blocks as the outbox takes them. An error names the block and key.
func (c *Config) chats() (all []outbox.Chat, err error) {
	for i, b := range c.Chats {
		name := fmt.Sprintf("%s: chat %d (%s)", c.path, i+1, b.Name)
		if slices.ContainsFunc(all, func(o outbox.Chat) bool { return o.Name == b.Name }) {
			return nil, fmt.Errorf("%s: name is another chat's too; expected a name of its own", name)
		}
		if err := b.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		o := outbox.Chat{Name: b.Name, Kind: b.Kind, Events: b.Events, Rep: trail.NormalAddress(b.Rep), Names: b.Names, AllowPrivate: b.AllowPrivate}
		if o.Quiet, err = outbox.ParseQuiet(b.Quiet); err != nil {
			return nil, fmt.Errorf("%s: quiet: %w", name, err)
		}
		if o.Zone, err = time.LoadLocation(cmp.Or(b.Zone, c.Company.Zone)); err != nil {
			return nil, fmt.Errorf("%s: zone is %q; expected a zone of the tz database, such as Europe/Berlin", name, b.Zone)
		}
		o.URL = func() (ingest.Secret, error) { return b.URL, nil }
		if b.URLFile != "" {
			o.URL = func() (ingest.Secret, error) { return c.secretFile(b.URLFile) }
		}
		o.Secret = func() (ingest.Secret, error) { return c.secretFile(b.SecretFile) }
		if err := o.CheckURL(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, o)
	}
	return all, nil
}

var chatName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,39}$`)

// check refuses values that cannot work, each with its key.
func (b Chat) check() error {
	switch {
	case !chatName.MatchString(b.Name):
		return fmt.Errorf("name is %q; expected letters, digits and dashes, such as sales-emea", b.Name)
	case !slices.Contains([]string{outbox.Slack, outbox.Teams, outbox.Generic}, b.Kind):
		return fmt.Errorf("kind is %q; expected one of slack, teams, generic", b.Kind)
	case (b.URL == "") == (b.URLFile == ""):
		return fmt.Errorf("expected exactly one of url and url_file")
	case b.Kind == outbox.Generic && b.SecretFile == "":
		return fmt.Errorf("secret_file is missing; generic messages are signed: echo whsec_$(openssl rand -base64 32) makes a secret")
	case len(b.Events) == 0:
		return fmt.Errorf("events is empty; expected some of %s", strings.Join(outbox.Events, ", "))
	}
	for _, e := range b.Events {
		if !slices.Contains(outbox.Events, e) {
			return fmt.Errorf("events has %q; expected some of %s", e, strings.Join(outbox.Events, ", "))
		}
	}
	if b.Rep != "" {
		if a, err := mail.ParseAddress(b.Rep); err != nil || a.Address != b.Rep {
			return fmt.Errorf("rep is %q; expected an address, such as anna@example.com", b.Rep)
		}
	}
	return nil
}

// checkOutbox refuses what could not be sent.
func (c *Config) checkOutbox() error {
	s := c.SMTP
	if p := c.Server.PagesURL; p != "" {
		u, err := url.Parse(p)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return fmt.Errorf("%s: server.pages_url is %q; expected https://host without a path", c.path, p)
		}
		c.Server.PagesURL = u.Scheme + "://" + u.Host
	}
	for _, to := range c.Review.MailTo {
		if a, err := mail.ParseAddress(to); err != nil || a.Address != to {
			return fmt.Errorf("%s: review.mail_to has %q; expected addresses, such as sales@example.com", c.path, to)
		}
	}
	if _, err := outbox.ParseDayTime(c.Digest.At); err != nil {
		return fmt.Errorf("%s: digest.at is %w", c.path, err)
	}
	from, err := mail.ParseAddress(s.From)
	switch {
	case s.Host == "" && (len(c.Review.MailTo) > 0 || c.Digest.On):
		return fmt.Errorf("%s: review.mail_to and digest.on need smtp.host and smtp.from", c.path)
	case s.Host == "":
	case err != nil || strings.ContainsFunc(from.Name, func(r rune) bool { return r < ' ' }):
		return fmt.Errorf("%s: smtp.from is %q; expected an address, such as dealtrail <dealtrail@example.com>", c.path, s.From)
	case s.Port < 1 || s.Port > 65535:
		return fmt.Errorf("%s: smtp.port is %d; expected 587 with starttls, 465 with tls", c.path, s.Port)
	case !slices.Contains([]string{"starttls", "tls", "none"}, s.TLS):
		return fmt.Errorf("%s: smtp.tls is %q; expected one of starttls, tls, none", c.path, s.TLS)
	case (s.Username == "") != (s.PasswordFile == ""):
		return fmt.Errorf("%s: expected both smtp.username and smtp.password_file, or neither", c.path)
	case s.Username != "" && s.TLS == "none":
		return fmt.Errorf("%s: smtp.tls none would send the password in the clear; use starttls or tls", c.path)
	}
	_, err = c.chats()
	return err
}
