package main

import (
	"cmp"
	"context"
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

// mailboxActions are what the API does with mailboxes.
func (p *program) mailboxActions() api.Mailboxes {
	return api.Mailboxes{
		List: p.mailboxRows, Add: p.addMailbox, Remove: p.removeMailbox, Check: p.checkMailbox,
		Pause: p.pauseMailbox, Resume: p.eachNamed(p.mailboxes.Resume),
		Exclusions: p.exclusions, Exclude: p.mailboxes.Exclude, Include: p.mailboxes.Include,
	}
}

// mailboxPage is what the page of a rep's mail does.
func (p *program) mailboxPage() *dashboards.Mailbox {
	return &dashboards.Mailbox{
		Of: func(ctx context.Context, rep string) (of []trail.MailboxStatus, err error) {
			rows, err := p.mailboxRows(ctx)
			for _, r := range rows {
				if r.Rep == rep {
					of = append(of, r.MailboxStatus)
				}
			}
			return of, err
		},
		Pause: p.pauseMailbox, Resume: p.eachNamed(p.mailboxes.Resume),
		Exclusions: p.exclusions, Exclude: p.mailboxes.Exclude, Include: p.mailboxes.Include, Say: p.corrector.Say,
	}
}

// mailboxRows are all mailboxes as status shows them, and where they come from.
func (p *program) mailboxRows(ctx context.Context) ([]api.MailboxRow, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	nodes, err := p.nodes.All(ctx)
	if err != nil || !p.mailboxes.Loaded() {
		return nil, trail.Problemf(trail.Unavailable, "Redis does not answer, so nothing is known of mailboxes; try again in a moment.")
	}
	s := trail.Status{Nodes: nodes}
	p.tellMailboxes(&s, func(string, ...any) {})
	configured, boxes, providers := p.configured(), map[string]mailbox.Box{}, map[string]string{}
	for _, b := range p.allBoxes() {
		boxes[b.Name] = b
	}
	for _, m := range p.mailboxes.All() {
		providers[m.Name] = m.Provider
	}
	rows := []api.MailboxRow{}
	for _, m := range s.Mailboxes {
		b := boxes[m.Name]
		row := api.MailboxRow{MailboxStatus: m, Source: "added", Username: b.Username, Aliases: b.Aliases, Host: b.Host, Provider: providers[m.Name]}
		if configured[m.Name] {
			row.Source = "config"
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// named returns the mailboxes of a rep, or the one of a name.
func (p *program) named(who string) ([]mailbox.Box, error) {
	who = trail.NormalAddress(who)
	var found []mailbox.Box
	for _, b := range p.allBoxes() {
		if b.Rep == who || b.Name == who {
			found = append(found, b)
		}
	}
	if len(found) == 0 {
		return nil, trail.Problemf(trail.NotFound, "There is no mailbox of %s; see them with: dealtrail mailbox list", who)
	}
	return found, nil
}

// eachNamed does something with the mailboxes of a rep, or the one of a name.
func (p *program) eachNamed(do func(context.Context, string) error) func(context.Context, string) error {
	return func(ctx context.Context, who string) error {
		found, err := p.named(who)
		for _, b := range found {
			if err == nil {
				err = do(ctx, b.Name)
			}
		}
		return err
	}
}

// pauseMailbox pauses the mailboxes of a rep, or the one of a name.
func (p *program) pauseMailbox(ctx context.Context, who, by string) error {
	return p.eachNamed(func(ctx context.Context, name string) error { return p.mailboxes.Pause(ctx, name, by) })(ctx, who)
}

// exclusions are whom a rep excluded.
func (p *program) exclusions(rep string) ([]trail.Exclusion, error) {
	if !p.mailboxes.Loaded() {
		return nil, trail.Problemf(trail.Unavailable, "Redis does not answer, so nothing is known of mailboxes; try again in a moment.")
	}
	return p.mailboxes.Exclusions(rep), nil
}

// removeMailbox removes what was added of a rep, or the one of a name.
func (p *program) removeMailbox(ctx context.Context, who string) error {
	found, err := p.named(who)
	if err != nil {
		return err
	}
	configured := p.configured()
	found = slices.DeleteFunc(found, func(b mailbox.Box) bool { return configured[b.Name] })
	if len(found) == 0 {
		return trail.Problemf(trail.Conflict, "The mailbox of %s is in the configuration: remove its block there and start again, or pause it with: dealtrail mailbox pause %s", who, who)
	}
	for _, b := range found {
		if err := p.mailboxes.Remove(ctx, b.Name); err != nil {
			return err
		}
	}
	return nil
}

// checkMailbox signs in to one mailbox and shows what is there.
func (p *program) checkMailbox(ctx context.Context, who string) (any, error) {
	found, err := p.named(who)
	if err != nil {
		return nil, err
	}
	if len(found) > 1 {
		return nil, trail.Problemf(trail.Conflict, "%s has %d mailboxes; say which by its name, as the list has it.", who, len(found))
	}
	return p.poller.Check(ctx, found[0])
}

// addMailbox completes what somebody wrote of a mailbox and stores it, if check is
// set only once a sign-in worked. note is what is missing although it did.
func (p *program) addMailbox(ctx context.Context, m ingest.Mailbox, check bool) (name, note string, err error) {
	if name, err := p.adjust(ctx, m); name != "" || err != nil {
		return name, p.pausedNote(name), err
	}
	if m, err = p.complete(m); err != nil {
		return "", "", err
	}
	if err := m.Validate(); err != nil {
		return "", "", err
	}
	if check {
		report, err := p.poller.Check(ctx, p.addedBox(m, func(string) (ingest.Secret, error) { return m.Secret, nil }))
		if err != nil {
			return "", "", err
		}
		note = report.Problem
	}
	p.adding.Lock() // or two could be added of which only one may be
	defer p.adding.Unlock()
	if err := p.mayAdd(m); err != nil {
		return "", "", err
	}
	_, err = p.mailboxes.Add(ctx, m)
	return m.Name, strings.TrimSpace(note + " " + p.pausedNote(m.Name)), err
}

// adjust changes aliases and Sent folder of a mailbox that its rep connected, if
// somebody wrote of it nothing that a sign-in needs. Its name is empty otherwise.
func (p *program) adjust(ctx context.Context, m ingest.Mailbox) (name string, err error) {
	if m.Secret != "" || m.Provider != "" || m.Host != "" || m.SignIn != "" {
		return "", nil
	}
	name = ingest.MailboxName(trail.ContactKey(p.secrets.ContactKey), m.Rep, m.Username)
	old, ok := p.mailboxes.Get(name)
	if !ok || old.SignIn != ingest.ByConsent || p.configured()[name] {
		return "", nil
	}
	return name, p.mailboxes.Adjust(ctx, name, m.Aliases, m.SentFolder)
}

// pausedNote says that nothing is read of a mailbox although it was added.
func (p *program) pausedNote(name string) string {
	if m, ok := p.mailboxes.Get(name); ok && p.mailboxes.Paused()[name] {
		return "It is paused, so nothing is read until: dealtrail mailbox resume " + m.Rep
	}
	return ""
}

// complete fills in what was left open.
func (p *program) complete(m ingest.Mailbox) (ingest.Mailbox, error) {
	m.Rep = trail.NormalAddress(m.Rep)
	m.Username = cmp.Or(strings.TrimSpace(m.Username), m.Rep)
	m.Name = ingest.MailboxName(trail.ContactKey(p.secrets.ContactKey), m.Rep, m.Username)
	if m.Provider != "" {
		provider := p.providers[m.Provider]
		if provider == nil {
			return m, trail.Problemf(trail.Invalid, "The provider is none of the configuration's. It has: %s.", cmp.Or(strings.Join(slices.Sorted(maps.Keys(p.providers)), ", "), "no [[provider]] block"))
		}
		if m.Host == "" {
			m.Host, m.Port, m.Security = provider.Server()
		}
		if m.SignIn == "" && m.Secret == "" {
			m.SignIn = ingest.ByApp
		}
	}
	m.SignIn = cmp.Or(m.SignIn, ingest.ByPassword)
	if m.Host == "" {
		return m, trail.Problemf(trail.Invalid, "host is missing: %s", hostHint(m.Rep))
	}
	m.Security = cmp.Or(m.Security, "tls")
	if m.Port == 0 {
		m.Port = map[string]int{"tls": 993}[m.Security]
		m.Port = cmp.Or(m.Port, 143)
	}
	return m, nil
}

// hostHint says what the host of an address is likely to be.
func hostHint(rep string) string {
	const microsoft = "Microsoft takes no passwords over IMAP: set provider to a [[provider]] block of kind microsoft, whose host is known."
	hints := map[string]string{
		"gmail.com": "for Gmail it is imap.gmail.com, with an app password; or set provider to a [[provider]] block of kind google.", "googlemail.com": "for Gmail it is imap.gmail.com, with an app password.",
		"outlook.com": microsoft, "hotmail.com": microsoft, "live.com": microsoft, "msn.com": microsoft,
		"icloud.com": "for iCloud it is imap.mail.me.com, with an app-specific password.", "me.com": "for iCloud it is imap.mail.me.com, with an app-specific password.",
		"yahoo.com": "for Yahoo it is imap.mail.yahoo.com, with an app password.", "gmx.net": "for GMX it is imap.gmx.net.", "gmx.de": "for GMX it is imap.gmx.net.",
		"web.de": "for WEB.DE it is imap.web.de.", "fastmail.com": "for Fastmail it is imap.fastmail.com, with an app password.", "zoho.com": "for Zoho it is imap.zoho.com, or imappro.zoho.com for companies.",
	}
	return cmp.Or(hints[trail.Domain(rep)], "name the IMAP server, such as imap.gmail.com for Google Workspace; for Microsoft 365 set provider to a [[provider]] block of kind microsoft.")
}

// mayAdd refuses a mailbox that the configuration has, or that is another rep's.
func (p *program) mayAdd(m ingest.Mailbox) error {
	if p.configured()[m.Name] {
		return trail.Problemf(trail.Conflict, "This mailbox is in the configuration already; change its block there, or remove it and start again first.")
	}
	for _, b := range p.allBoxes() {
		if b.Rep != m.Rep && strings.EqualFold(b.Host, m.Host) && trail.NormalAddress(b.Username) == trail.NormalAddress(m.Username) {
			return trail.Problemf(trail.Conflict, "This mailbox is read as that of %s already, and a mailbox has one rep; remove it there first.", b.Rep)
		}
	}
	return nil
}
