package main

import (
	"context"
	"maps"
	"sync"
	"time"

	"dealtrail/ingest"
	"dealtrail/ingest/mailbox"
	"dealtrail/trail"
)

// allBoxes are the configuration's mailboxes and those that were added, which
// never take the place of the former.
func (p *program) allBoxes() []mailbox.Box {
	boxes := p.config.boxes(trail.ContactKey(p.secrets.ContactKey), p.providers)
	configured := p.configured()
	for _, m := range p.mailboxes.All() {
		if !configured[m.Name] {
			boxes = append(boxes, p.addedBox(m, p.mailboxes.Secret))
		}
	}
	return boxes
}

// configured are the names of the mailboxes of the configuration.
func (p *program) configured() map[string]bool {
	names := map[string]bool{}
	for _, b := range p.config.boxes(trail.ContactKey(p.secrets.ContactKey), p.providers) {
		names[b.Name] = true
	}
	return names
}

// addedBox is a mailbox that was added, as the poller takes it. secret is asked
// at every sign-in, so that a new one is seen.
func (p *program) addedBox(m ingest.Mailbox, secret func(name string) (ingest.Secret, error)) mailbox.Box {
	b := mailbox.Box{
		Name: m.Name, Rep: m.Rep, Aliases: m.Aliases, Host: m.Host, Port: m.Port, Security: m.Security, Username: m.Username, SentFolder: m.SentFolder, SignIn: string(m.SignIn) + " " + m.Provider,
		Since: time.Since(p.config.Mailboxes.Since.From(time.Now())), DailyBytes: int64(p.config.Mailboxes.DailyMB) << 20,
	}
	provider := p.providers[m.Provider]
	switch {
	case m.SignIn == ingest.ByPassword:
		b.Password = func() (string, error) {
			s, err := secret(m.Name)
			return s.Reveal(), err
		}
	case provider == nil:
		b.Token = func(context.Context, string) (string, error) {
			return "", trail.Problemf(trail.Forbidden, "The [[provider]] block of %s is no longer in the configuration; put it back, or remove the mailbox.", m.Provider)
		}
	case m.SignIn == ingest.ByApp:
		b.Token = provider.AppTokens(m.Username)
	default:
		b.Token = p.consented(m.Name, provider, secret)
	}
	return b
}

// consented returns the tokens of a mailbox that its rep connected, by the
// refresh token that is stored at the time: both the rep, by connecting again,
// and the provider may have replaced it.
func (p *program) consented(name string, provider *mailbox.Provider, secret func(name string) (ingest.Secret, error)) mailbox.TokenSource {
	var mu sync.Mutex
	var current ingest.Secret
	var tokens mailbox.TokenSource
	keep := func(renewed string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		mu.Lock()
		defer mu.Unlock()
		if err := p.mailboxes.Renew(ctx, name, current, ingest.Secret(renewed)); err != nil {
			return err
		}
		current = ingest.Secret(renewed)
		return nil
	}
	return func(ctx context.Context, refused string) (string, error) {
		stored, err := secret(name)
		if err != nil {
			return "", err
		}
		mu.Lock()
		if tokens == nil || stored != current {
			current, tokens = stored, provider.Tokens(stored.Reveal(), keep)
		}
		ask := tokens
		mu.Unlock()
		return ask(ctx, refused)
	}
}

// takeMailboxes hands the poller what it is to read now. again are the names of
// mailboxes that are to be tried at once.
func (p *program) takeMailboxes(again []string) {
	boxes := p.allBoxes()
	reps := repsOf(boxes)
	p.reps.Store(&reps)
	p.poller.Set(boxes, p.mailboxes.Paused())
	for _, name := range again {
		p.poller.Poke(name)
	}
}

// repOf returns the rep whose address it is: one that reads mail, an alias, or a
// mailbox that several people may use and one answers for.
func (p *program) repOf(address string) (rep string, ok bool) {
	rep = (*p.reps.Load())[trail.NormalAddress(address)]
	return rep, rep != ""
}

// repsOf maps addresses to reps: their own first, then aliases, then sign-in
// names. What two reps claim is neither's, and maps to "".
func repsOf(boxes []mailbox.Box) map[string]string {
	reps := map[string]string{}
	for _, b := range boxes {
		reps[b.Rep] = b.Rep
	}
	for _, claims := range []func(mailbox.Box) []string{
		func(b mailbox.Box) []string { return b.Aliases },
		func(b mailbox.Box) []string { return []string{b.Username} },
	} {
		claimed := map[string]string{}
		for _, b := range boxes {
			for _, address := range claims(b) {
				address = trail.NormalAddress(address)
				if by, twice := claimed[address]; twice && by != b.Rep {
					claimed[address] = ""
				} else if trail.Domain(address) != "" {
					claimed[address] = b.Rep
				}
			}
		}
		maps.DeleteFunc(claimed, func(address, _ string) bool { _, known := reps[address]; return known })
		maps.Copy(reps, claimed)
	}
	return reps
}

// boxName is the name of a rep's own mailbox.
func boxName(contacts trail.ContactKey, rep string) string {
	return ingest.MailboxName(contacts, rep, rep)
}
