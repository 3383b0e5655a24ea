package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

const (
	// excludedKey is a hash: a keyed hash of rep and who is excluded to the exclusion as JSON, in which the latter is
	// sealed: somebody who is to leave no trace is named in clear nowhere.
	excludedKey = "dealtrail:mailboxes:excluded"
	// pausedByKey is a hash: the name of a mailbox to who paused it and when, as JSON.
	pausedByKey = "dealtrail:mailboxes:paused:by"
)

// exclusion is an exclusion as Redis has it.
type exclusion struct {
	Rep    string    `json:"rep"`
	Sealed string    `json:"who"`
	By     string    `json:"by,omitempty"`
	At     time.Time `json:"at"`
}

// pausing is who paused a mailbox, and when.
type pausing struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// Exclude has mail of or to an address, or a domain and all below it, leave no trace
// in one rep's mailboxes from now on: at the next look of every node, until Include.
// What was kept before stays. Excluding again changes nothing.
func (m *Mailboxes) Exclude(ctx context.Context, rep, who, by string) (trail.Exclusion, error) {
	who, err := trail.ParseExclusion(who)
	if err != nil {
		return trail.Exclusion{}, err
	}
	rep = trail.NormalAddress(rep)
	if rep == who || trail.Domain(rep) == who {
		return trail.Exclusion{}, trail.Problemf(trail.Invalid, "%s is on your own side: every mail would be excluded. To have no mail read, pause the mailbox.", who)
	}
	for _, x := range m.Exclusions(rep) {
		if x.Who == who {
			return x, nil
		}
	}
	sealer, err := m.exclusionSealer()
	if err != nil {
		return trail.Exclusion{}, err
	}
	x := trail.Exclusion{Who: who, By: by, At: m.Now().UTC().Truncate(time.Millisecond)}
	text, err := json.Marshal(exclusion{Rep: rep, Sealed: sealer.Seal(who, rep), By: by, At: x.At})
	if err != nil {
		return x, err
	}
	field := m.exclusionField(rep, who)
	err = m.Redis.HSet(ctx, excludedKey, field, text).Err()
	if err == nil {
		err = m.count(ctx)
	}
	return x, m.done(ctx, "told whom to exclude", field, err)
}

// Include takes an exclusion back: mail is read again from now on.
func (m *Mailboxes) Include(ctx context.Context, rep, who string) error {
	rep, who = trail.NormalAddress(rep), strings.TrimPrefix(trail.NormalAddress(who), "@")
	field := m.exclusionField(rep, who)
	n, err := m.Redis.HDel(ctx, excludedKey, field).Result()
	if err == nil && n == 0 {
		return trail.Problemf(trail.NotFound, "%s is not excluded from the mail of %s.", who, rep)
	}
	if err == nil {
		err = m.count(ctx)
	}
	return m.done(ctx, "told whom to include again", field, err)
}

// forgetExcluded takes back the exclusions of addresses, whoever's they are, and returns
// how many there were: nothing is kept of people who were erased, and the exclusion
// would name them.
func (m *Mailboxes) forgetExcluded(ctx context.Context, addresses []string) (n uint64, err error) {
	sealed, _, err := readExclusions(ctx, m.Redis)
	if err != nil {
		return 0, err
	}
	sealer, err := m.exclusionSealer()
	if err != nil {
		return 0, err
	}
	for _, text := range sealed {
		var x exclusion
		if json.Unmarshal([]byte(text), &x) != nil {
			continue
		}
		if who, ok := sealer.Open(x.Sealed, x.Rep); ok && slices.Contains(addresses, who) {
			n++
			if err := m.Include(ctx, x.Rep, who); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// Exclusions returns who is excluded from the mail of a rep, in order.
func (m *Mailboxes) Exclusions(rep string) []trail.Exclusion {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.excluded[trail.NormalAddress(rep)])
}

// Excludes reports whether a rep excluded an address.
func (m *Mailboxes) Excludes(rep, address string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.ContainsFunc(m.excluded[trail.NormalAddress(rep)], func(x trail.Exclusion) bool { return trail.Covers(x.Who, address) })
}

// PausedBy returns who paused a mailbox, "" if nobody knows, and when.
func (m *Mailboxes) PausedBy(name string) (by string, at time.Time) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.pausedBy[name].By, m.pausedBy[name].At
}

// takeExclusions makes what Redis says of exclusions, and of who paused, the state in
// memory. One that cannot be opened is an error: without it mail would be read that
// must not be. The caller holds mu.
func (m *Mailboxes) takeExclusions(fields, pausedBy map[string]string) error {
	sealer, err := m.exclusionSealer()
	if err != nil {
		return err
	}
	excluded := map[string][]trail.Exclusion{}
	for _, text := range fields {
		var x exclusion
		if err := json.Unmarshal([]byte(text), &x); err != nil {
			return err
		}
		who, ok := sealer.Open(x.Sealed, x.Rep)
		if !ok {
			return trail.Problemf(trail.Invalid, "An exclusion of %s was stored under another contact_key; remove %s from Redis and exclude again.", x.Rep, excludedKey)
		}
		excluded[x.Rep] = append(excluded[x.Rep], trail.Exclusion{Who: who, By: x.By, At: x.At})
	}
	for _, all := range excluded {
		slices.SortFunc(all, func(a, b trail.Exclusion) int { return cmp.Compare(a.Who, b.Who) })
	}
	m.excluded, m.pausedBy = excluded, map[string]pausing{}
	for name, text := range pausedBy {
		var p pausing
		_ = json.Unmarshal([]byte(text), &p) // else nobody knows
		m.pausedBy[name] = p
	}
	return nil
}

func (m *Mailboxes) exclusionSealer() (*Sealer, error) { return NewSealer(m.Key, "exclusions") }

// exclusionField names an exclusion in Redis. No address has a space in it.
func (m *Mailboxes) exclusionField(rep, who string) string {
	return string(m.Key.ID(rep + " " + who))
}

// readExclusions reads what takeExclusions takes.
func readExclusions(ctx context.Context, rdb redis.UniversalClient) (fields, pausedBy map[string]string, err error) {
	if fields, err = rdb.HGetAll(ctx, excludedKey).Result(); err != nil {
		return nil, nil, err
	}
	pausedBy, err = rdb.HGetAll(ctx, pausedByKey).Result()
	return fields, pausedBy, err
}
