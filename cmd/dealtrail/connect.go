package main

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"dealtrail/dashboards"
	"dealtrail/ingest"
	"dealtrail/ingest/mailbox"
	"dealtrail/trail"
)

// connect is what the page does on which reps connect their own mailboxes.
func (p *program) connect() (*dashboards.Connect, error) {
	sealer, err := ingest.NewSealer(trail.ContactKey(p.secrets.ContactKey), "connecting mailboxes")
	if err != nil {
		return nil, err
	}
	c := &dashboards.Connect{
		Since: p.config.Mailboxes.Since.String(), Excluded: p.config.Mailboxes.ExcludeFolders, Sealer: sealer, Limit: strangers(),
		Add: p.connectMailbox, Pause: p.mailboxes.Pause, Resume: p.mailboxes.Resume,
		State: func(ctx context.Context, name string) (trail.MailboxStatus, error) {
			rows, err := p.mailboxRows(ctx)
			for _, r := range rows {
				if r.Name == name {
					return r.MailboxStatus, nil
				}
			}
			return trail.MailboxStatus{}, cmp.Or(err, trail.Problemf(trail.NotFound, "This mailbox is not connected any more."))
		},
	}
	for _, name := range slices.Sorted(maps.Keys(p.providers)) {
		provider := p.providers[name]
		c.Providers = append(c.Providers, dashboards.ConnectProvider{
			Name: name, Title: providerTitle(provider), ConsentURL: provider.ConsentURL,
			Exchange: func(ctx context.Context, code, verifier, redirect string) (string, ingest.Secret, error) {
				grant, err := provider.Exchange(ctx, code, verifier, redirect)
				return grant.Address, ingest.Secret(grant.Refresh), err
			},
		})
	}
	return c, nil
}

func providerTitle(p *mailbox.Provider) string {
	return cmp.Or(map[string]string{mailbox.Google: "Google", mailbox.Microsoft: "Microsoft"}[p.Kind], p.Name)
}

// connectMailbox adds the mailbox that a rep allowed to be read, and returns its
// name.
func (p *program) connectMailbox(ctx context.Context, provider, address string, refresh ingest.Secret) (string, error) {
	if !p.ownAddress(address) {
		return "", trail.Problemf(trail.Forbidden, "You signed in as %s, which is not an address of this company. Nothing was connected. Sign in with your address at work; in your account's security settings you can withdraw what you just allowed.", address)
	}
	rep, known := p.repOf(address)
	if !known {
		rep = address
	}
	name, _, err := p.addMailbox(ctx, ingest.Mailbox{Rep: rep, Username: address, Provider: provider, SignIn: ingest.ByConsent, Secret: refresh}, false)
	return name, err
}

// ownAddress reports whether an address is in one of company.domains.
func (p *program) ownAddress(address string) bool {
	domain := trail.Domain(address)
	return slices.ContainsFunc(p.config.Company.Domains, func(own string) bool {
		own = strings.Trim(strings.ToLower(strings.TrimSpace(own)), ".@")
		return own != "" && (domain == own || strings.HasSuffix(domain, "."+own))
	})
}
