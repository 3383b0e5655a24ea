package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
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
