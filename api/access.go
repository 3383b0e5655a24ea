package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/mail"
	"sort"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// Access decides who may ask. Programs carry a key in the Authorization header,
// people a session that a one-time link began. Keys and links are kept as
// SHA-256, so that whoever reads Redis cannot use them.
type Access struct {
	Redis    redis.UniversalClient
	AdminKey string // the key that the commands on this machine use, from the secrets file
	Sessions *scs.SessionManager
	Public   string // server.public_url
	Now      func() time.Time
}

// Key is one API key as it is listed: never the key itself.
type Key struct {
	Name      string    `json:"name"`
	Prefix    string    `json:"prefix"` // the first characters, to tell keys apart
	CreatedAt time.Time `json:"created_at"`
}

const (
	keysHash   = "dealtrail:keys"
	usersSet   = "dealtrail:users"
	linkPrefix = "dealtrail:signin:"
	// linkLife is how long a sign-in link works; it works once.
	linkLife = 30 * time.Minute
)

// NewSessions returns sessions that live in Redis, 12 hours at most and 2 hours
// without use.
func NewSessions(rdb redis.UniversalClient, secure bool) *scs.SessionManager {
	m := scs.New()
	m.Store = sessionStore{rdb}
	m.Lifetime, m.IdleTimeout = 12*time.Hour, 2*time.Hour
	m.ErrorFunc = func(w http.ResponseWriter, _ *http.Request, _ error) {
		w.Header().Set("Retry-After", "2")
		http.Error(w, "Redis, which knows who is signed in, is restarting; try again in a moment.", http.StatusServiceUnavailable)
	}
	m.Cookie.Name = "dealtrail"
	m.Cookie.HttpOnly, m.Cookie.Secure, m.Cookie.SameSite = true, secure, http.SameSiteLaxMode
	return m
}

// sessionStore keeps scs's sessions in Redis. scs hands it the token; Redis sees
// its hash.
type sessionStore struct{ rdb redis.UniversalClient }

func (s sessionStore) key(token string) string { return "dealtrail:session:" + hashed(token) }

func (s sessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	b, err := s.rdb.Get(ctx, s.key(token)).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, false, nil
	}
	return b, err == nil, err
}

func (s sessionStore) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	return s.rdb.Set(ctx, s.key(token), b, time.Until(expiry)).Err()
}

func (s sessionStore) DeleteCtx(ctx context.Context, token string) error {
	return s.rdb.Del(ctx, s.key(token)).Err()
}

// scs prefers the methods with a context and asks for the others by type only.

func (s sessionStore) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

func (s sessionStore) Commit(token string, b []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, b, expiry)
}

func (s sessionStore) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

// Require lets a request pass that carries a key or a session.
func (a *Access) Require(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if key, ok := strings.CutPrefix(c.Request().Header.Get("Authorization"), "Bearer "); ok {
			if known, err := a.knows(c.Request().Context(), key); err != nil {
				return err
			} else if !known {
				return trail.Problemf(trail.Unauthorized, "The API key is not known or was revoked; make one with: dealtrail key new")
			}
			return next(c)
		}
		if a.User(c) == "" {
			return trail.Problemf(trail.Unauthorized, "Send an API key as \"Authorization: Bearer KEY\", or sign in.")
		}
		return next(c)
	}
}

// User returns who is signed in, or "".
func (a *Access) User(c echo.Context) string {
	return a.Sessions.GetString(c.Request().Context(), "user")
}

func (a *Access) knows(ctx context.Context, key string) (bool, error) {
	if a.AdminKey != "" && subtle.ConstantTimeCompare([]byte(hashed(key)), []byte(hashed(a.AdminKey))) == 1 {
		return true, nil
	}
	known, err := a.Redis.HExists(ctx, keysHash, hashed(key)).Result()
	if err != nil {
		return false, trail.Problemf(trail.Unavailable, "API keys cannot be checked at the moment; try again.")
	}
	return known, nil
}

// NewKey makes a key and returns it, once: only its hash is kept.
func (a *Access) NewKey(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", trail.Problemf(trail.Invalid, "A key needs a name that says what it is for.")
	}
	existing, err := a.Keys(ctx)
	if err != nil {
		return "", err
	}
	for _, k := range existing {
		if k.Name == name {
			return "", trail.Problemf(trail.Conflict, "There is a key named %q already; revoke it first or choose another name.", name)
		}
	}
	key := "dt_" + rand.Text()
	value, err := json.Marshal(Key{Name: name, Prefix: key[:7], CreatedAt: a.Now().UTC()})
	if err != nil {
		return "", err
	}
	return key, a.Redis.HSet(ctx, keysHash, hashed(key), value).Err()
}

// Keys lists the keys by name.
func (a *Access) Keys(ctx context.Context) ([]Key, error) {
	all, err := a.Redis.HGetAll(ctx, keysHash).Result()
	if err != nil {
		return nil, err
	}
	var keys []Key
	for _, value := range all {
		var k Key
		if err := json.Unmarshal([]byte(value), &k); err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i].Name < keys[j].Name })
	return keys, nil
}

// Revoke ends a key by its name.
func (a *Access) Revoke(ctx context.Context, name string) error {
	all, err := a.Redis.HGetAll(ctx, keysHash).Result()
	if err != nil {
		return err
	}
	for hash, value := range all {
		var k Key
		if json.Unmarshal([]byte(value), &k) == nil && k.Name == name {
			return a.Redis.HDel(ctx, keysHash, hash).Err()
		}
	}
	return trail.Problemf(trail.NotFound, "There is no key named %q.", name)
}

// SignInLink makes a link that signs the user in once, within half an hour.
func (a *Access) SignInLink(ctx context.Context, user string) (string, error) {
	if _, err := mail.ParseAddress(user); err != nil {
		return "", trail.Problemf(trail.Invalid, "%q is not an email address.", user)
	}
	user = trail.NormalAddress(user)
	code := rand.Text()
	if err := a.Redis.SAdd(ctx, usersSet, user).Err(); err != nil {
		return "", err
	}
	if err := a.Redis.Set(ctx, linkPrefix+hashed(code), user, linkLife).Err(); err != nil {
		return "", err
	}
	return strings.TrimSuffix(a.Public, "/") + "/signin?code=" + code, nil
}

// SignIn trades a code for a session. Over an unencrypted connection from
// another machine it refuses: the cookie could be read on the way.
func (a *Access) SignIn(c echo.Context, code string) error {
	host, _, _ := net.SplitHostPort(c.Request().RemoteAddr)
	if ip := net.ParseIP(host); c.Request().TLS == nil && (ip == nil || !ip.IsLoopback()) {
		return trail.Problemf(trail.Forbidden, "Sign-in needs TLS or this machine itself. Set server.listen to 127.0.0.1 and put a TLS proxy on this machine in front of it.")
	}
	ctx := c.Request().Context()
	user, err := a.Redis.GetDel(ctx, linkPrefix+hashed(code)).Result()
	if errors.Is(err, redis.Nil) {
		return trail.Problemf(trail.Unauthorized, "This sign-in link was used or is older than half an hour. Ask for a new one, or make one with: dealtrail user add EMAIL")
	}
	if err != nil {
		return trail.Problemf(trail.Unavailable, "Sign-in is not possible at the moment; try again.")
	}
	if err := a.Sessions.RenewToken(ctx); err != nil {
		return err
	}
	a.Sessions.Put(ctx, "user", user)
	return nil
}

// SignOut ends the session.
func (a *Access) SignOut(c echo.Context) error {
	return a.Sessions.Destroy(c.Request().Context())
}

func hashed(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func (s *Server) keys(c echo.Context) error {
	keys, err := s.Access.Keys(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, listOf(keys))
}

func (s *Server) newKey(c echo.Context) error {
	var in struct {
		Name string `json:"name"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	key, err := s.Access.NewKey(c.Request().Context(), in.Name)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, map[string]string{"name": in.Name, "key": key})
}

func (s *Server) revokeKey(c echo.Context) error {
	if err := s.Access.Revoke(c.Request().Context(), param(c, "name")); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (s *Server) addUser(c echo.Context) error {
	var in struct {
		Email string `json:"email"`
	}
	if err := decode(c, &in); err != nil {
		return err
	}
	link, err := s.Access.SignInLink(c.Request().Context(), in.Email)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, map[string]string{"email": in.Email, "signin_url": link})
}
