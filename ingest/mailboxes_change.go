package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// putMailboxScript writes a mailbox, or removes it if ARGV[2] is empty. KEYS[1]
// is the hash; ARGV are name and settings.
var putMailboxScript = redis.NewScript(`
if ARGV[2] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return redis.call('HINCRBY', KEYS[1], '` + versionField + `', 1)`)

// renewScript replaces a mailbox's settings if they are still what they were.
// KEYS[1] is the hash; ARGV are name, old and new settings.
var renewScript = redis.NewScript(`
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return redis.call('HINCRBY', KEYS[1], '` + versionField + `', 1)`)

// Add stores a mailbox, in place of the one of the same rep and sign-in name if
// there is one, and returns it without its secret. Every node reads it, or sees
// its new settings, within seconds.
func (m *Mailboxes) Add(ctx context.Context, b Mailbox) (Mailbox, error) {
	b.Rep, b.Aliases = trail.NormalAddress(b.Rep), normalAddresses(b.Aliases)
	b.Name, b.AddedAt = MailboxName(m.Key, b.Rep, b.Username), m.Now().UTC()
	if err := b.Validate(); err != nil {
		return b, err
	}
	text, err := m.seal(b)
	if err != nil {
		return b, fmt.Errorf("add a mailbox: %w", err)
	}
	b.Secret = ""
	known, err := m.Redis.HExists(ctx, mailboxesKey, b.Name).Result()
	if err == nil && !known { // what read it may have written once more after it was removed
		err = m.forgetReading(ctx, b.Name)
	}
	if err != nil {
		return b, fmt.Errorf("add a mailbox: %w", err)
	}
	err = putMailboxScript.Run(ctx, m.Redis, []string{mailboxesKey}, b.Name, text).Err()
	return b, m.done(ctx, "added", b.Name, err)
}

// seal returns a mailbox as it stands in Redis.
func (m *Mailboxes) seal(b Mailbox) (string, error) {
	s := storedMailbox{Mailbox: b}
	if b.Secret != "" {
		sealer, err := m.sealer()
		if err != nil {
			return "", err
		}
		s.Sealed = sealer.Seal(b.Secret.Reveal(), b.bound()...)
	}
	text, err := json.Marshal(s)
	return string(text), err
}

// Renew stores the refresh token that a provider gave in place of an older one.
// It changes nothing if the mailbox was added anew or removed meanwhile.
func (m *Mailboxes) Renew(ctx context.Context, name string, old, renewed Secret) error {
	known, err := m.Secret(name)
	if err != nil || known != old {
		return err
	}
	m.mu.RLock()
	s := m.stored[name]
	m.mu.RUnlock()
	b := s.Mailbox
	b.Secret = renewed
	text, err := m.seal(b)
	if err != nil {
		return fmt.Errorf("renew a sign-in: %w", err)
	}
	err = renewScript.Run(ctx, m.Redis, []string{mailboxesKey}, name, s.text, text).Err()
	return m.done(ctx, "renewed", name, err)
}

// Adjust changes of a mailbox what its sign-in does not depend on, which may be
// renewed meanwhile. What is empty stays as it is.
func (m *Mailboxes) Adjust(ctx context.Context, name string, aliases []string, sentFolder string) error {
	for range 5 {
		m.mu.RLock()
		s, ok := m.stored[name]
		m.mu.RUnlock()
		if !ok {
			return trail.Problemf(trail.NotFound, "The mailbox was removed.")
		}
		if len(aliases) > 0 {
			s.Aliases = normalAddresses(aliases)
		}
		s.SentFolder = cmp.Or(sentFolder, s.SentFolder)
		b := s.Mailbox
		b.Secret = Secret(s.Sealed) // Validate wants one
		if err := b.Validate(); err != nil {
			return err
		}
		text, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("adjust a mailbox: %w", err)
		}
		version, err := renewScript.Run(ctx, m.Redis, []string{mailboxesKey}, name, s.text, text).Int64()
		if err := m.done(ctx, "changed", name, err); err != nil || version > 0 {
			return err
		}
	}
	return trail.Problemf(trail.Conflict, "The mailbox is being changed by somebody else; try again.")
}

func normalAddresses(addresses []string) []string {
	all := slices.Clone(addresses)
	for i, a := range all {
		all[i] = trail.NormalAddress(a)
	}
	return all
}

// forgetReading forgets how far a mailbox was read, so that all of it is read when it is added
// again. How much was read today stays: providers count that too.
func (m *Mailboxes) forgetReading(ctx context.Context, name string) error {
	var fields []string
	scan := m.Redis.HScan(ctx, MailCursorsKey, 0, "mailbox/"+name+"/*", 1000).Iterator()
	for scan.Next(ctx) {
		if what := strings.TrimPrefix(scan.Val(), "mailbox/"+name+"/"); what == "catalogue" || strings.HasPrefix(what, "folder/") {
			fields = append(fields, scan.Val())
		}
		scan.Next(ctx) // its value
	}
	if err := scan.Err(); err != nil || len(fields) == 0 {
		return err
	}
	return m.Redis.HDel(ctx, MailCursorsKey, fields...).Err()
}

// Remove forgets a mailbox that was added, its secret and how far it was read. What
// was read of it stays.
func (m *Mailboxes) Remove(ctx context.Context, name string) error {
	err := m.Redis.SRem(ctx, pausedKey, name).Err()
	if err == nil {
		err = m.Redis.HDel(ctx, resumedKey, name).Err()
	}
	if err == nil {
		err = putMailboxScript.Run(ctx, m.Redis, []string{mailboxesKey}, name, "").Err()
	}
	if err == nil {
		err = m.forgetReading(ctx, name)
	}
	return m.done(ctx, "removed", name, err)
}

// Pause ends the reading of a mailbox, configured or added, until Resume. by is who
// wants that, "" for a program.
func (m *Mailboxes) Pause(ctx context.Context, name, by string) error {
	who, err := json.Marshal(pausing{By: by, At: m.Now().UTC().Truncate(time.Millisecond)})
	if err == nil {
		err = m.Redis.HSet(ctx, pausedByKey, name, who).Err()
	}
	if err == nil {
		err = m.Redis.SAdd(ctx, pausedKey, name).Err()
	}
	if err == nil {
		err = m.count(ctx)
	}
	return m.done(ctx, "paused", name, err)
}

// Resume reads a mailbox again: one that was paused, and at once one that is
// parked or waits for its next try.
func (m *Mailboxes) Resume(ctx context.Context, name string) error {
	err := m.Redis.SRem(ctx, pausedKey, name).Err()
	if err == nil {
		err = m.Redis.HIncrBy(ctx, resumedKey, name, 1).Err()
	}
	if err == nil {
		err = m.count(ctx)
	}
	return m.done(ctx, "resumed", name, err)
}

// count makes all nodes look. It comes after what they are to see.
func (m *Mailboxes) count(ctx context.Context) error {
	return m.Redis.HIncrBy(ctx, mailboxesKey, versionField, 1).Err()
}

// done takes over at once what was written here.
func (m *Mailboxes) done(ctx context.Context, what, name string, err error) error {
	if err == nil {
		err = m.refresh(ctx)
	}
	if err != nil {
		m.Log.Error("mailbox was not "+what, "mailbox", name, "err", err)
		return trail.Problemf(trail.Unavailable, "The mailbox was not %s, because Redis does not answer; try again in a moment.", what)
	}
	m.Log.Info("mailbox was "+what, "mailbox", name)
	return nil
}
