package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"dealtrail/access"
	"dealtrail/outbox/guard"
	"dealtrail/trail"
)

// OIDC is [oidc]: the provider by which people sign in.
type OIDC struct {
	Issuer           string            `toml:"issuer" default:"" doc:"Where your people sign in by OpenID Connect, such as https://login.microsoftonline.com/TENANT/v2.0. Register SERVER/signin/oidc/callback there as redirect address. Empty: passwords and links alone."`
	ClientID         string            `toml:"client_id" default:"" doc:"The client's ID at the issuer."`
	ClientSecretFile string            `toml:"client_secret_file" default:"" doc:"A file that holds the client's secret, readable by dealtrail only. Empty: a public client."`
	Name             string            `toml:"name" default:"your company account" doc:"What the button says after \"Sign in with\"."`
	RoleClaim        string            `toml:"role_claim" default:"" doc:"The claim that tells what somebody may do, such as groups or roles. It decides at every sign-in. Empty: admins of dealtrail decide."`
	Roles            map[string]string `toml:"roles" example:"{ \"sales-leads\" = \"manager\" }" doc:"Which value of the claim is which role: rep, manager, marketer, facilitator, auditor or admin."`
	DefaultRole      string            `toml:"default_role" default:"" doc:"The role of who has none by the claim. Empty: they do not get in."`
	AllowedDomains   []string          `toml:"allowed_domains" default:"[]" doc:"Domains of addresses that may sign in by the issuer, which must say that they are verified. Empty: company.domains."`
	Private          bool              `toml:"private" default:"false" doc:"Whether the issuer may be at an address of a private network or of this machine."`
}

// issuerWait is how long a whole answer of the issuer may take.
const issuerWait = 10 * time.Second

// openAccess wires who may do what.
func (p *program) openAccess(ctx context.Context, contacts trail.ContactKey) error {
	pages := p.config.pages()
	p.access = &access.Access{
		Redis: p.redis, AdminKey: p.secrets.AdminKey, Public: pages, Contacts: contacts, Now: time.Now, Log: p.log, LogMonths: p.config.Retention.AccessMonths,
		Sessions: access.NewSessions(p.redis, strings.HasPrefix(pages, "https:")),
	}
	var err error
	if p.access.OIDC, err = p.config.oidc(); err != nil {
		return err
	}
	if p.access.OIDC != nil && p.config.OIDC.ClientSecretFile != "" {
		secret, err := readPassword(p.config.beside(p.config.OIDC.ClientSecretFile))
		if err != nil {
			return fmt.Errorf("oidc.client_secret_file: %w", err)
		}
		p.access.OIDC.Secret = trail.Secret(secret)
	}
	if p.roles.has("web") {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		if err := p.access.Adopt(ctx); err != nil {
			p.log.Warn("people of before there were roles are taken over at the next start", "err", err)
		}
	}
	return nil
}

// checkOIDC says what is wrong with [oidc].
func (c *Config) checkOIDC() error {
	if _, err := c.oidc(); err != nil {
		return fmt.Errorf("%s: %w", c.path, err)
	}
	return nil
}

// oidc is the provider by which people sign in, without its secret; nil for none.
func (c *Config) oidc() (*access.OIDC, error) {
	o := c.OIDC
	if o.Issuer == "" {
		return nil, nil
	}
	domains := o.AllowedDomains
	if len(domains) == 0 {
		domains = c.Company.Domains
	}
	out := &access.OIDC{
		Issuer: o.Issuer, ClientID: o.ClientID, Name: o.Name, Redirect: c.pages() + "/signin/oidc/callback", RoleClaim: o.RoleClaim, Domains: domains,
		Roles: map[string]access.Roles{}, Client: guard.Client(o.Private, issuerWait),
	}
	var err error
	for _, value := range slices.Sorted(maps.Keys(o.Roles)) {
		if out.Roles[value], err = access.ParseRoles(o.Roles[value]); err != nil {
			return nil, fmt.Errorf("oidc.roles.%s: %w", value, err)
		}
	}
	if o.DefaultRole != "" {
		if out.Default, err = access.ParseRoles(o.DefaultRole); err != nil {
			return nil, fmt.Errorf("oidc.default_role: %w", err)
		}
	}
	return out, out.Check()
}

// sayFirstLink prints the link by which whoever started the program becomes its first
// admin, while there is none.
func (p *program) sayFirstLink(ctx context.Context, w io.Writer) error {
	if !p.roles.has("web") {
		return nil
	}
	link, err := p.access.FirstLink(ctx)
	if err != nil {
		p.log.Warn("whether somebody can sign in is not known yet; make a link with: dealtrail user add EMAIL", "err", err)
		return nil
	}
	if link != "" {
		fmt.Fprintf(w, "Nobody can sign in yet. Become the first admin within half an hour: %s\n", link)
		if here := p.config.address(); !strings.HasPrefix(link, here) {
			fmt.Fprintf(w, "As long as that address does not lead here yet, use the same link in a browser on this machine: %s%s\n", here, strings.TrimPrefix(link, strings.TrimSuffix(p.config.pages(), "/")))
		}
	}
	return nil
}
