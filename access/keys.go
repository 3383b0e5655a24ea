package access

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// Key is one API key as it is listed: never the key itself.
type Key struct {
	Name      string    `json:"name"`
	Prefix    string    `json:"prefix"` // the first characters, to tell keys apart
	Scope     Roles     `json:"scope"`
	Owner     string    `json:"owner,omitzero"` // the person who may do no more with it than without; "" for a key of the company
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // zero: never
	UsedAt    time.Time `json:"used_at,omitzero"`    // to the minute
}

const (
	maxKeyDays = 3650
	maxKeys    = 1000
)

// KeyRequest is a key that somebody wants.
type KeyRequest struct {
	Name  string   `json:"name"`
	Scope []string `json:"scope"` // empty: all for the company's, read for one's own
	Days  int      `json:"days"`  // 0: it does not expire
	Owner string   `json:"-"`
}

// NewKey makes a key and returns it, once: only its hash is kept.
func (a *Access) NewKey(ctx context.Context, want KeyRequest) (trail.Secret, Key, error) {
	k := Key{Name: strings.TrimSpace(want.Name), Owner: want.Owner, CreatedAt: a.Now().UTC().Truncate(time.Second)}
	if k.Name == "" || len(k.Name) > 100 {
		return "", k, trail.Problemf(trail.Invalid, "A key needs a name that says what it is for, of 100 characters at most.")
	}
	if want.Days < 0 || want.Days > maxKeyDays {
		return "", k, trail.Problemf(trail.Invalid, "A key lives 1 to %d days, or as long as nobody revokes it.", maxKeyDays)
	}
	var err error
	if k.Scope, err = ParseScopes(want.Scope...); err != nil {
		return "", k, err
	}
	if k.Scope == 0 {
		k.Scope = All
		if k.Owner != "" {
			k.Scope = Read
		}
	}
	if k.Owner != "" && k.Scope.Has(All|Ingest) {
		return "", k, trail.Problemf(trail.Forbidden, "A key of your own can read, and see people by name where you do: scope read or people. An admin makes other keys.")
	}
	if k.Scope == Named {
		k.Scope |= Read // to see people by name is to read
	}
	if want.Days > 0 {
		k.ExpiresAt = k.CreatedAt.AddDate(0, 0, want.Days)
	}
	existing, err := a.Keys(ctx)
	if err != nil {
		return "", k, err
	}
	if len(existing) >= maxKeys {
		return "", k, trail.Problemf(trail.Conflict, "There are %d keys. Revoke those that nobody uses first.", maxKeys)
	}
	if slices.ContainsFunc(existing, func(o Key) bool { return o.Name == k.Name }) {
		return "", k, trail.Problemf(trail.Conflict, "There is a key named %q already; revoke it first or choose another name.", k.Name)
	}
	key := "dt_" + rand.Text() + rand.Text()
	k.Prefix = key[:7]
	value, err := json.Marshal(k)
	if err == nil {
		err = a.Redis.HSet(ctx, keysHash, hashed(key), value).Err()
	}
	if err != nil {
		return "", k, a.unavailable("make a key", err)
	}
	return trail.Secret(key), k, nil
}

// Keys lists the keys by name.
func (a *Access) Keys(ctx context.Context) ([]Key, error) {
	byHash, err := a.keys(ctx)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, 0, len(byHash))
	for _, k := range byHash {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b Key) int { return cmp.Compare(a.Name, b.Name) })
	return keys, nil
}

// Revoke ends a key by its name; with an owner only a key of theirs.
func (a *Access) Revoke(ctx context.Context, name, owner string) error {
	byHash, err := a.keys(ctx)
	if err != nil {
		return err
	}
	for hash, k := range byHash {
		if k.Name == name && (owner == "" || k.Owner == owner) {
			if err := a.Redis.HDel(ctx, keysHash, hash).Err(); err != nil {
				return a.unavailable("revoke a key", err)
			}
			a.Redis.HDel(ctx, keyUseHash, hash)
			return nil
		}
	}
	return trail.Problemf(trail.NotFound, "There is no key named %q.", name)
}

func (a *Access) keys(ctx context.Context) (map[string]Key, error) {
	texts, err := a.Redis.HGetAll(ctx, keysHash).Result()
	if err != nil {
		return nil, a.unavailable("list keys", err)
	}
	used, err := a.Redis.HGetAll(ctx, keyUseHash).Result()
	if err != nil {
		return nil, a.unavailable("list keys", err)
	}
	keys := map[string]Key{}
	for hash, text := range texts {
		k, err := decodeKey([]byte(text))
		if err != nil {
			return nil, err
		}
		if at, err := strconv.ParseInt(used[hash], 10, 64); err == nil {
			k.UsedAt = time.Unix(at, 0).UTC()
		}
		keys[hash] = k
	}
	return keys, nil
}

// decodeKey reads a key as it is kept. Of before there were scopes it may do all.
func decodeKey(text []byte) (k Key, err error) {
	err = json.Unmarshal(text, &k)
	if k.Scope == 0 {
		k.Scope = All
	}
	return k, err
}

// keyAsker returns who asks with a key.
func (a *Access) keyAsker(ctx context.Context, key string) (Asker, error) {
	hash := hashed(key)
	if a.AdminKey != "" && subtle.ConstantTimeCompare([]byte(hash), []byte(hashed(a.AdminKey.Reveal()))) == 1 {
		return Asker{Key: "admin", Roles: All, View: viewOf(All, Person{}, nil)}, nil
	}
	unknown := trail.Problemf(trail.Unauthorized, "The API key is not known, has expired or was revoked; make one with: dealtrail key new")
	if a.Redis == nil {
		return Asker{}, unknown
	}
	text, err := a.Redis.HGet(ctx, keysHash, hash).Bytes()
	if errors.Is(err, redis.Nil) {
		return Asker{}, unknown
	}
	if err != nil {
		return Asker{}, a.unavailable("check a key", err)
	}
	k, err := decodeKey(text)
	if err != nil {
		return Asker{}, err
	}
	if !k.ExpiresAt.IsZero() && !a.Now().Before(k.ExpiresAt) {
		return Asker{}, unknown
	}
	a.used.note(ctx, a.Redis, hash, a.Now())
	asker := Asker{Key: k.Name, Roles: k.Scope, Who: k.Owner}
	if k.Owner == "" {
		asker.View = viewOf(k.Scope, Person{}, nil)
		return asker, nil
	}
	all, err := a.accounts(ctx)
	if err != nil {
		return Asker{}, err
	}
	i := slices.IndexFunc(all, func(p account) bool { return p.Email == k.Owner && !p.Disabled })
	if i < 0 {
		return Asker{}, unknown
	}
	asker.View = viewOf(all[i].Roles, all[i].Person, all).within(k.Scope)
	asker.owner = all[i].Roles
	return asker, nil
}

// lastUse remembers which uses of keys are written, so that a busy key costs one write
// a minute.
type lastUse struct {
	mu      sync.Mutex
	written map[string]int64
}

func (u *lastUse) note(ctx context.Context, rdb redis.UniversalClient, hash string, now time.Time) {
	minute := now.Unix() / 60 * 60
	if u.due(hash, minute) {
		rdb.HSet(ctx, keyUseHash, hash, minute) // if it fails, the next minute writes it
	}
}

func (u *lastUse) due(hash string, minute int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.written[hash] == minute {
		return false
	}
	if u.written == nil || len(u.written) > maxKeys {
		u.written = map[string]int64{}
	}
	u.written[hash] = minute
	return true
}
