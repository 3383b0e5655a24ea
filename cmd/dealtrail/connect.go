package main

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"dealtrail/api"
	"dealtrail/dashboards"
	"dealtrail/ingest"
	"dealtrail/ingest/mailbox"
	"dealtrail/trail"
)

// connectBurst is how many requests to the page one network may make at once: when
// a company is asked to connect its mailboxes, all its reps come from one address.
const connectBurst = 600

// connect is what the page does on which reps connect their own mailboxes.
func (p *program) connect() (*dashboards.Connect, error) {
	sealer, err := ingest.NewSealer(trail.ContactKey(p.secrets.ContactKey), "connecting mailboxes")
	if err != nil {
		return nil, err
	}
	c := &dashboards.Connect{
		Since: p.config.Mailboxes.Since.String(), Excluded: p.config.Mailboxes.ExcludeFolders, Sealer: sealer, Address: p.config.pages(), Limit: strangersAt(connectBurst),
		Add: p.connectMailbox, Resume: p.mailboxes.Resume,
		Pause: func(ctx context.Context, name string) error {
			m, _ := p.mailboxes.Get(name) // it is its rep who has the link
			return p.mailboxes.Pause(ctx, name, m.Rep)
		},
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
// name. What the list says of its aliases and Sent folder stays.
func (p *program) connectMailbox(ctx context.Context, provider, address string, refresh ingest.Secret) (string, error) {
	if !p.ownAddress(address) {
		return "", trail.Problemf(trail.Forbidden, "You signed in as %s, which is not an address of this company. Nothing was connected. Sign in with your address at work; in your account's security settings you can withdraw what you just allowed.", address)
	}
	rep, known := p.repOf(address)
	if !known {
		rep = address
	}
	m, err := p.complete(ingest.Mailbox{Rep: rep, Username: address, Provider: provider, SignIn: ingest.ByConsent, Secret: refresh})
	if err != nil {
		return "", err
	}
	if p.configured()[m.Name] {
		return "", trail.Problemf(trail.Conflict, "The mailbox of %s is connected already: whoever runs dealtrail set it up. There is nothing for you to do, and nothing was changed.", address)
	}
	if m, err = p.proven(ctx, m); err != nil {
		return "", err
	}
	if old, ok := p.mailboxes.Get(m.Name); ok {
		m.Aliases, m.SentFolder = old.Aliases, old.SentFolder
	}
	name, _, err := p.addMailbox(ctx, m, false)
	if problem := (*trail.Problem)(nil); errors.As(err, &problem) && problem.Code == trail.Conflict {
		err = trail.Problemf(trail.Conflict, "The mailbox of %s is read already, as that of somebody else. Nothing was changed. Tell whoever runs dealtrail if that is wrong.", address)
	}
	return name, err
}

// provenWait is how long a new sign-in may take that is tried first. The rep's
// browser waits meanwhile.
const provenWait = 12 * time.Second

// proven lets a new sign-in take the place of another that may well work only once
// it worked itself: whoever gets a token for an address, and cannot read its mail
// with it, ends no reading. It returns the mailbox with the refresh token that is
// good after the try.
func (p *program) proven(ctx context.Context, m ingest.Mailbox) (ingest.Mailbox, error) {
	if _, known := p.mailboxes.Get(m.Name); !known {
		return m, nil
	}
	rows, err := p.mailboxRows(ctx)
	if err != nil {
		return m, err
	}
	i := slices.IndexFunc(rows, func(r api.MailboxRow) bool { return r.Name == m.Name })
	if i >= 0 && (rows[i].State == string(mailbox.Parked) || rows[i].State == string(mailbox.Retrying)) {
		return m, nil
	}
	provider := p.providers[m.Provider]
	if provider == nil {
		return m, trail.Problemf(trail.Invalid, "This mail provider is no longer set up here.")
	}
	trying, cancel := context.WithTimeout(ctx, provenWait)
	defer cancel()
	b := p.addedBox(m, func(string) (ingest.Secret, error) { return m.Secret, nil })
	b.Token = provider.Tokens(m.Secret.Reveal(), func(renewed string) error { m.Secret = ingest.Secret(renewed); return nil })
	if _, err = p.poller.Check(trying, b); err == nil {
		return m, nil
	}
	why := "the mail server did not answer in time"
	if problem := (*trail.Problem)(nil); errors.As(err, &problem) {
		why = strings.TrimRight(problem.Text, ".")
	}
	return m, trail.Problemf(trail.Conflict, "The mailbox of %s is connected already, and stays connected as it was: what you just allowed does not open it. (%s.) Try again, or tell whoever runs dealtrail.", m.Username, why)
}

// ownAddress reports whether an address is in one of company.domains.
func (p *program) ownAddress(address string) bool {
	domain := trail.Domain(address)
	return slices.ContainsFunc(p.config.Company.Domains, func(own string) bool {
		own = strings.Trim(strings.ToLower(strings.TrimSpace(own)), ".@")
		return own != "" && (domain == own || strings.HasSuffix(domain, "."+own))
	})
}
