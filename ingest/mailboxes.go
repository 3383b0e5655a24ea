package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

const (
	// mailboxesKey is a hash: the name of a mailbox to its settings as JSON, and versionField to a counter of changes of
	// all these keys.
	mailboxesKey = "dealtrail:mailboxes"
	// pausedKey is the set of names that are not read until somebody resumes them; configured ones may be among them.
	pausedKey = "dealtrail:mailboxes:paused"
	// resumedKey is a hash: the name of a mailbox to how often somebody said that it should be tried again at once.
	resumedKey = "dealtrail:mailboxes:resumed"
	// MailCursorsKey is a hash of what the poller remembers: mailbox/NAME/folder/FOLDER is how far a folder was read.
	MailCursorsKey = "dealtrail:mail:cursors"
	// mailboxesPoll is how often other nodes' changes are looked for.
	mailboxesPoll = time.Second
)

// storedMailbox is a mailbox as Redis has it.
type storedMailbox struct {
	Mailbox
	Sealed string `json:"secret,omitempty"`

	text string // as it stands in Redis, for Renew
}

// Mailboxes are those that were added while running, and which of all are
// paused. They live in Redis, secrets encrypted, and in memory on every node.
type Mailboxes struct {
	Redis redis.UniversalClient
	Key   trail.ContactKey
	Log   *slog.Logger
	Now   func() time.Time
	// Changed is called after something changed, by whomever. again are the names that are to be tried at once: their
	// settings are new, or somebody resumed them.
	Changed func(again []string)

	sharing sync.Mutex // reading Redis and taking over what it says are one step
	mu      sync.RWMutex
	version int64 // of what is in memory
	loaded  bool
	stored  map[string]storedMailbox
	paused  map[string]bool
	resumed map[string]string

	excluded map[string][]trail.Exclusion // by rep
	pausedBy map[string]pausing
}

// Load reads the mailboxes. It is no error that Redis does not answer: Run asks
// again.
func (m *Mailboxes) Load(ctx context.Context) {
	if err := m.refresh(ctx); err != nil {
		m.Log.Warn("mailboxes that were added are not known yet", "err", err)
	}
}

// Run notices what other nodes changed, until ctx ends. It returns nil.
func (m *Mailboxes) Run(ctx context.Context) error {
	failing := false
	for wait(ctx, mailboxesPoll) {
		err := m.refresh(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			m.Log.Warn("changes of mailboxes are not heard of at the moment", "err", err)
		}
		failing = err != nil
	}
	return nil
}

// refresh reads everything again if it changed. The version comes first: what
// changes meanwhile is read next time.
func (m *Mailboxes) refresh(ctx context.Context) error {
	m.sharing.Lock()
	defer m.sharing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, reloadWait)
	defer cancel()
	version, err := m.Redis.HGet(ctx, mailboxesKey, versionField).Int64()
	if ignoreNil(err) != nil {
		return err
	}
	m.mu.RLock()
	known := m.loaded && version == m.version
	m.mu.RUnlock()
	if known {
		return nil
	}
	fields, err := m.Redis.HGetAll(ctx, mailboxesKey).Result()
	if err != nil {
		return err
	}
	paused, err := m.Redis.SMembers(ctx, pausedKey).Result()
	if err != nil {
		return err
	}
	resumed, err := m.Redis.HGetAll(ctx, resumedKey).Result()
	if err != nil {
		return err
	}
	excluded, pausedBy, err := readExclusions(ctx, m.Redis)
	if err != nil {
		return err
	}
	delete(fields, versionField)
	again, err := m.take(version, fields, paused, resumed, excluded, pausedBy)
	if err != nil {
		return err
	}
	if m.Changed != nil {
		m.Changed(again)
	}
	return nil
}

// take makes what Redis says the state in memory, and returns what is to be
// tried again for it.
func (m *Mailboxes) take(version int64, fields map[string]string, paused []string, resumed, excluded, pausedBy map[string]string) (again []string, err error) {
	stored := make(map[string]storedMailbox, len(fields))
	for name, text := range fields {
		s := storedMailbox{text: text}
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			m.Log.Error("a mailbox in Redis cannot be read; add it again", "mailbox", name)
			continue
		}
		s.Name = name
		stored[name] = s
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.takeExclusions(excluded, pausedBy); err != nil {
		return nil, err
	}
	if m.loaded {
		for name, s := range stored {
			if old, ok := m.stored[name]; ok && !old.AddedAt.Equal(s.AddedAt) {
				again = append(again, name)
			}
		}
		for name, n := range resumed {
			if m.resumed[name] != n && !slices.Contains(again, name) {
				again = append(again, name)
			}
		}
	}
	m.version, m.loaded, m.stored, m.resumed = version, true, stored, resumed
	m.paused = make(map[string]bool, len(paused))
	for _, name := range paused {
		m.paused[name] = true
	}
	return again, nil
}

// Loaded reports whether it is known by now what was added and paused.
func (m *Mailboxes) Loaded() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.loaded
}

// All returns the mailboxes that were added, sorted by rep and sign-in name,
// without their secrets.
func (m *Mailboxes) All() []Mailbox {
	m.mu.RLock()
	defer m.mu.RUnlock()
	all := make([]Mailbox, 0, len(m.stored))
	for _, s := range m.stored {
		all = append(all, s.Mailbox)
	}
	slices.SortFunc(all, func(a, b Mailbox) int {
		return cmp.Or(cmp.Compare(a.Rep+" "+a.Username, b.Rep+" "+b.Username), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// Get returns the mailbox of that name that was added, without its secret.
func (m *Mailboxes) Get(name string) (Mailbox, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s, ok := m.stored[name]
	return s.Mailbox, ok
}

// LastAdded returns when a mailbox was last added, or changed; zero if there is
// none.
func (m *Mailboxes) LastAdded() (at time.Time) {
	for _, b := range m.All() {
		if b.AddedAt.After(at) {
			at = b.AddedAt
		}
	}
	return at
}

// Paused returns the names of the mailboxes that are not to be read.
func (m *Mailboxes) Paused() map[string]bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return maps.Clone(m.paused)
}

// Secret returns the password or refresh token of a mailbox that was added.
func (m *Mailboxes) Secret(name string) (Secret, error) {
	m.mu.RLock()
	s, ok := m.stored[name]
	m.mu.RUnlock()
	if !ok {
		return "", trail.Problemf(trail.NotFound, "The mailbox was removed.")
	}
	sealer, err := m.sealer()
	if err != nil {
		return "", err
	}
	text, ok := sealer.Open(s.Sealed, s.bound()...)
	if !ok {
		return "", trail.Problemf(trail.Invalid, "The password of %s was stored under another contact_key, or its settings were changed in Redis; add the mailbox again.", s.Rep)
	}
	return Secret(text), nil
}

func (m *Mailboxes) sealer() (*Sealer, error) { return NewSealer(m.Key, "mailbox secrets") }

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
