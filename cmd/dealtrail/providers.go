package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"dealtrail/ingest"
	"dealtrail/ingest/mailbox"
	"dealtrail/trail"
)

// Provider is one [[provider]]: how mailboxes are signed in to by OAuth2.
type Provider struct {
	Name               string   `toml:"name" doc:"What mailboxes call it by."`
	Kind               string   `toml:"kind" doc:"google, microsoft or other."`
	ClientID           string   `toml:"client_id" doc:"The app's ID: Google Cloud console > APIs & Services > Credentials, or Microsoft Entra > App registrations. Not needed with service_account_file alone."`
	ClientSecretFile   string   `toml:"client_secret_file" doc:"A file that holds the app's secret, readable by dealtrail only."`
	Tenant             string   `toml:"tenant" doc:"Microsoft: the directory's ID or domain. Empty: reps of any organization may connect; mailboxes needs it set."`
	ServiceAccountFile string   `toml:"service_account_file" doc:"Google: the JSON key of a service account with domain-wide delegation for https://mail.google.com/ (Admin console > Security > API controls)."`
	Mailboxes          []string `toml:"mailboxes" doc:"Mailboxes that are read without their reps' doing, with service_account_file or, at Microsoft, IMAP.AccessAsApp: addresses, each its own rep's, or mailbox=rep, such as sales@example.com=ana@example.com."`

	AuthURL  string `toml:"auth_url" doc:"Where people consent. Only kind other must set this and what follows; empty: what the kind knows."`
	TokenURL string `toml:"token_url" doc:"Where tokens are handed out."`
	Scope    string `toml:"scope" doc:"What is asked for, separated by spaces. Reps who connect need openid and email in it, and mostly offline_access."`
	Host     string `toml:"host" doc:"The IMAP server."`
	Port     int    `toml:"port" doc:"0: 993 with tls, else 143."`
	Security string `toml:"security" doc:"tls, starttls, or none (this machine only). Empty: tls."`
}

// provider returns what the block says, for the mailbox package.
func (c *Config) provider(p Provider) *mailbox.Provider {
	out := &mailbox.Provider{
		Name: p.Name, Kind: p.Kind, ClientID: p.ClientID, Tenant: p.Tenant,
		AuthURL: p.AuthURL, TokenURL: p.TokenURL, Scope: p.Scope, Host: p.Host, Port: p.Port, Security: p.Security,
	}
	if p.ClientSecretFile != "" {
		out.ClientSecret = func() (string, error) { return readSecret(c.beside(p.ClientSecretFile)) }
	}
	if p.ServiceAccountFile != "" {
		out.ServiceAccount = func() ([]byte, error) { return os.ReadFile(c.beside(p.ServiceAccountFile)) }
	}
	return out
}

// providers returns the providers of the configuration by name. An error names
// the key and what is expected. Each call makes new ones, which share no tokens
// with those of another.
func (c *Config) providers() (map[string]*mailbox.Provider, error) {
	out := map[string]*mailbox.Provider{}
	for i, p := range c.Providers {
		name := fmt.Sprintf("%s: provider %d (%s)", c.path, i+1, p.Name)
		if out[p.Name] != nil {
			return nil, fmt.Errorf("%s: name is another provider's too; expected a name of its own", name)
		}
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[p.Name] = c.provider(p)
	}
	return out, nil
}

// check refuses values that cannot work, each with its key.
func (p Provider) check() error {
	need := func(why string, keys ...string) error {
		values := map[string]string{
			"name": p.Name, "kind": p.Kind, "client_id": p.ClientID, "client_secret_file": p.ClientSecretFile, "tenant": p.Tenant,
			"service_account_file": p.ServiceAccountFile, "auth_url": p.AuthURL, "token_url": p.TokenURL, "scope": p.Scope, "host": p.Host,
		}
		for _, key := range keys {
			if values[key] == "" {
				return fmt.Errorf("%s is missing%s", key, why)
			}
		}
		return nil
	}
	err := need("", "name", "kind")
	switch {
	case err != nil:
		return err
	case !slices.Contains([]string{mailbox.Google, mailbox.Microsoft, mailbox.Other}, p.Kind):
		return fmt.Errorf("kind is %q; expected one of google, microsoft, other", p.Kind)
	case p.Kind == mailbox.Other:
		err = need("; kind other must set it", "auth_url", "token_url", "scope", "host")
	case p.Kind != mailbox.Google && p.ServiceAccountFile != "":
		err = errors.New("service_account_file is for kind google; expected client_id and client_secret_file")
	}
	if p.ServiceAccountFile == "" {
		err = cmp.Or(err, need("", "client_id"))
	}
	if len(p.Mailboxes) > 0 {
		const why = "; mailboxes cannot be read without it"
		switch p.Kind {
		case mailbox.Google:
			err = cmp.Or(err, need(why, "service_account_file"))
		case mailbox.Microsoft:
			err = cmp.Or(err, need(why, "tenant", "client_secret_file"))
		default:
			err = cmp.Or(err, need(why, "client_secret_file"))
		}
	}
	for _, at := range [][2]string{{"auth_url", p.AuthURL}, {"token_url", p.TokenURL}} {
		key, value := at[0], at[1]
		u, bad := url.Parse(value)
		if value != "" && (bad != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname()))) {
			err = cmp.Or(err, fmt.Errorf("%s is %q; expected an address that begins with https://", key, value))
		}
	}
	if !slices.Contains([]string{"", "tls", "starttls", "none"}, p.Security) {
		err = cmp.Or(err, fmt.Errorf("security is %q; expected one of tls, starttls, none", p.Security))
	}
	if p.Security == "none" && !isLoopback(p.Host) {
		err = cmp.Or(err, errors.New("security none would send tokens in the clear; it is for this machine only, use tls"))
	}
	if p.Port < 0 || p.Port > 65535 {
		err = cmp.Or(err, fmt.Errorf("port is %d; expected 0 to 65535", p.Port))
	}
	for _, entry := range p.Mailboxes {
		address, rep := p.mailbox(entry)
		if trail.Domain(address) == "" || trail.Domain(rep) == "" {
			err = cmp.Or(err, fmt.Errorf("mailboxes has %q; expected an address such as ana@example.com, or sales@example.com=ana@example.com for a mailbox that is the rep ana's", entry))
		}
	}
	return err
}

// mailbox reads an entry of mailboxes.
func (p Provider) mailbox(entry string) (address, rep string) {
	address, rep, shared := strings.Cut(entry, "=")
	if !shared {
		rep = address
	}
	return trail.NormalAddress(address), trail.NormalAddress(rep)
}

// checkMailboxes refuses mailboxes that cannot be signed in to, or two times.
func (c *Config) checkMailboxes() error {
	providers, err := c.providers()
	if err != nil {
		return err
	}
	seen := map[string]string{} // where a provider's mailbox stands
	for i, m := range c.Boxes {
		name := fmt.Sprintf("mailbox %d (%s)", i+1, m.Rep)
		if err := m.check(providers); err != nil {
			return fmt.Errorf("%s: %s: %w", c.path, name, err)
		}
		seen[trail.NormalAddress(m.Username)] = name
	}
	for i, p := range c.Providers {
		name := fmt.Sprintf("provider %d (%s)", i+1, p.Name)
		for _, entry := range p.Mailboxes {
			address, _ := p.mailbox(entry)
			if seen[address] != "" {
				return fmt.Errorf("%s: %s: mailboxes has %q, which is in %s too; expected it once", c.path, name, entry, seen[address])
			}
			seen[address] = name
		}
	}
	return nil
}

// check refuses values that cannot work, each with its key.
func (m Mailbox) check(providers map[string]*mailbox.Provider) error {
	ways := 0
	for _, way := range []string{m.PasswordFile, m.PasswordEnv, m.Provider} {
		if way != "" {
			ways++
		}
	}
	provider := providers[m.Provider]
	switch {
	case m.Rep == "":
		return errors.New("rep is missing")
	case m.Provider != "" && provider == nil:
		return fmt.Errorf("provider is %q; expected the name of a [[provider]]: %s", m.Provider, cmp.Or(strings.Join(slices.Sorted(maps.Keys(providers)), ", "), "there is none yet"))
	case m.Host == "":
		return errors.New("host is missing")
	case ways == 0:
		return errors.New("password_file is missing; expected exactly one of password_file, password_env and provider")
	case ways > 1:
		return errors.New("password_file, password_env and provider exclude each other; expected exactly one")
	case m.RefreshTokenFile != "" && provider == nil:
		return errors.New("refresh_token_file needs provider; expected the name of a [[provider]]")
	case provider != nil && m.RefreshTokenFile == "" && provider.Kind == mailbox.Google && provider.ServiceAccount == nil:
		return fmt.Errorf("refresh_token_file is missing; or set service_account_file of the provider %s", m.Provider)
	case provider != nil && m.RefreshTokenFile == "" && provider.Kind == mailbox.Microsoft && provider.Tenant == "":
		return fmt.Errorf("refresh_token_file is missing; or set tenant of the provider %s to read the mailbox with the app's own credentials", m.Provider)
	case !slices.Contains([]string{"tls", "starttls", "none"}, m.Security):
		return fmt.Errorf("security is %q; expected one of tls, starttls, none", m.Security)
	case m.Security == "none" && !isLoopback(m.Host):
		return errors.New("security none would send the password in the clear; it is for this machine only, use tls")
	}
	return nil
}

// fill sets what a mailbox's block leaves open.
func (c *Config) fill(m *Mailbox) {
	i := slices.IndexFunc(c.Providers, func(p Provider) bool { return p.Name == m.Provider })
	if i >= 0 && m.Provider != "" && m.Host == "" {
		host, port, security := c.provider(c.Providers[i]).Server()
		m.Host, m.Port, m.Security = host, cmp.Or(m.Port, port), cmp.Or(m.Security, security)
	}
	m.Security = cmp.Or(m.Security, "tls")
	if m.Port == 0 {
		m.Port = map[string]int{"tls": 993, "starttls": 143, "none": 143}[m.Security]
	}
	m.Username = cmp.Or(m.Username, m.Rep)
}

// signIn sets how a mailbox of a block is signed in to.
func (c *Config) signIn(b *mailbox.Box, m Mailbox, providers map[string]*mailbox.Provider) {
	provider := providers[m.Provider]
	switch {
	case m.PasswordEnv != "":
		b.Password = func() (string, error) {
			password, ok := os.LookupEnv(m.PasswordEnv)
			if !ok {
				return "", fmt.Errorf("password_env: there is no variable %s", m.PasswordEnv)
			}
			return password, nil
		}
	case m.Provider == "":
		b.Password = func() (string, error) { return readPassword(c.beside(m.PasswordFile)) }
	case provider == nil: // check refuses it before
	case m.RefreshTokenFile == "":
		b.Token = provider.AppTokens(m.Username)
	default:
		b.Token = fileTokens(provider, c.beside(m.RefreshTokenFile))
	}
}

// fileTokens returns the tokens of a rep whose refresh token is in a file. The
// file is read each time, so that a new one is seen, and written when the
// provider renews it.
func fileTokens(p *mailbox.Provider, path string) mailbox.TokenSource {
	var mu sync.Mutex
	var current string
	var tokens mailbox.TokenSource
	keep := func(renewed string) error {
		mu.Lock()
		defer mu.Unlock()
		if err := replaceSecret(path, renewed); err != nil {
			// The tokens stay, and with them the renewed one: the next try writes it.
			return trail.Problemf(trail.Forbidden, "Check that refresh_token_file and its folder can be written.")
		}
		current = renewed
		return nil
	}
	return func(ctx context.Context, refused string) (string, error) {
		stored, err := readSecret(path)
		if err != nil || stored == "" {
			return "", trail.Problemf(trail.Forbidden, "The refresh token cannot be read; check that refresh_token_file names a file that holds it.")
		}
		mu.Lock()
		if tokens == nil || stored != current {
			current, tokens = stored, p.Tokens(stored, keep)
		}
		ask := tokens
		mu.Unlock()
		return ask(ctx, refused)
	}
}

// readSecret reads a secret from a file, without the line end.
func readSecret(path string) (string, error) {
	text, err := os.ReadFile(path)
	return strings.TrimRight(string(text), "\r\n"), err
}

// replaceSecret writes a secret in place of an older one, whole or not at all.
func replaceSecret(path, secret string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".renewed-*") // for its owner only
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(secret + "\n")
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// providerBoxes are the mailboxes that the configuration's providers let us
// read, as the poller takes them.
func (c *Config) providerBoxes(contacts trail.ContactKey, providers map[string]*mailbox.Provider) []mailbox.Box {
	var boxes []mailbox.Box
	for _, p := range c.Providers {
		provider := providers[p.Name]
		if provider == nil {
			continue
		}
		for _, entry := range p.Mailboxes {
			address, rep := p.mailbox(entry)
			host, port, security := provider.Server()
			b := mailbox.Box{
				Name: ingest.MailboxName(contacts, rep, address), Rep: rep, Host: host, Port: port, Security: security, Username: address,
				Token: provider.AppTokens(address),
				Since: time.Since(c.Mailboxes.Since.From(time.Now())), DailyBytes: int64(c.Mailboxes.DailyMB) << 20,
			}
			if address != rep {
				b.Aliases = []string{address}
			}
			boxes = append(boxes, b)
		}
	}
	return boxes
}
