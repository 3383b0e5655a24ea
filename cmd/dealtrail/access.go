package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"dealtrail/access"
	"dealtrail/outbox/guard"
	"dealtrail/trail"
)

// issuerWait is how long a whole answer of the issuer may take.
const issuerWait = 10 * time.Second

// openAccess wires who may do what.
func (p *program) openAccess(ctx context.Context, contacts trail.ContactKey) error {
	pages := p.config.pages()
	p.access = &access.Access{
		Redis: p.redis, AdminKey: p.secrets.AdminKey, Public: pages, Contacts: contacts, Now: time.Now, Log: p.log,
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
	for value, role := range o.Roles {
		if out.Roles[value], err = access.ParseRoles(role); err != nil {
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
	}
	return nil
}
