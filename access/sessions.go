package access

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/redis/go-redis/v9"
)

// How long a session lasts: at most, and without use.
const (
	sessionLife = 12 * time.Hour
	sessionIdle = 2 * time.Hour
)

// Session is one browser in which a person is signed in.
type Session struct {
	ID    string    `json:"id"`
	Since time.Time `json:"since"`
	Seen  time.Time `json:"seen"` // to the minute
	Agent string    `json:"agent"`
}

// NewSessions returns sessions that live in Redis. With secure the cookie goes over TLS
// alone and to this host alone, which its name makes browsers hold.
func NewSessions(rdb redis.UniversalClient, secure bool) *scs.SessionManager {
	m := scs.New()
	m.Store = sessionStore{rdb}
	m.Lifetime, m.IdleTimeout = sessionLife, sessionIdle
	m.ErrorFunc = func(w http.ResponseWriter, _ *http.Request, _ error) {
		w.Header().Set("Retry-After", "2")
		http.Error(w, "Redis, which knows who is signed in, is restarting; try again in a moment.", http.StatusServiceUnavailable)
	}
	m.Cookie.Name = "dealtrail"
	if secure {
		m.Cookie.Name = "__Host-dealtrail"
	}
	m.Cookie.HttpOnly, m.Cookie.Secure, m.Cookie.SameSite, m.Cookie.Path = true, secure, http.SameSiteLaxMode, "/"
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

// What a session holds. The list of a person's sessions is what counts: one that is not
// in it has ended, even where an answer that was on its way has kept it once more.
const (
	sessionUser = "user"
	sessionID   = "id"
)

// begin signs a person in: the session gets a new token, so that whoever knew the one
// of before has nothing of it. how is password, link or provider.
func (a *Access) begin(ctx context.Context, email, userAgent, how string) error {
	if err := a.Sessions.RenewToken(ctx); err != nil {
		return err
	}
	now := a.Now().UTC().Truncate(time.Second)
	s := Session{ID: rand.Text(), Since: now, Seen: now, Agent: family(userAgent)}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	pipe := a.Redis.TxPipeline()
	pipe.HSet(ctx, sessionsOf+email, s.ID, text)
	pipe.Expire(ctx, sessionsOf+email, sessionLife)
	if _, err := pipe.Exec(ctx); err != nil {
		return a.unavailable("begin a session", err)
	}
	a.Sessions.Put(ctx, sessionUser, email)
	a.Sessions.Put(ctx, sessionID, s.ID)
	_, err = a.change(ctx, email, func(p *account, _ []account, known bool) error {
		if !known {
			return noPerson(email)
		}
		p.SignedInAt = now
		return nil
	})
	if err == nil && a.Log != nil {
		a.Log.Info("signed in", "account", hashed(email)[:12], "by", how)
	}
	return err
}

// sessionAsker returns who is signed in by the request's session; nobody if it ended.
func (a *Access) sessionAsker(ctx context.Context) (Asker, error) {
	email, id := a.Sessions.GetString(ctx, sessionUser), a.Sessions.GetString(ctx, sessionID)
	if email == "" || id == "" {
		return Asker{}, nil
	}
	text, err := a.Redis.HGet(ctx, sessionsOf+email, id).Bytes()
	if errors.Is(err, redis.Nil) {
		return Asker{}, nil
	}
	if err != nil {
		return Asker{}, a.unavailable("look up a session", err)
	}
	var s Session
	if err := json.Unmarshal(text, &s); err != nil {
		return Asker{}, err
	}
	now := a.Now().UTC()
	if now.Sub(s.Since) >= sessionLife || now.Sub(s.Seen) >= sessionIdle+time.Minute {
		return Asker{}, nil
	}
	p, known, err := a.account(ctx, email)
	if err != nil || !known || p.Disabled {
		return Asker{}, err
	}
	if minute := now.Truncate(time.Minute); minute.After(s.Seen) {
		s.Seen = minute
		if text, err := json.Marshal(s); err == nil {
			a.touch(ctx, email, id, text)
		}
	}
	var all []account
	if p.Roles.Has(Manager) {
		if all, err = a.accounts(ctx); err != nil {
			return Asker{}, err
		}
	}
	return Asker{Who: email, Roles: p.Roles, View: viewOf(p.Roles, p.Person, all), Session: id}, nil
}

// touchScript notes a use of a session, unless it has ended meanwhile.
var touchScript = redis.NewScript(`if redis.call("HEXISTS", KEYS[1], ARGV[1]) == 1 then redis.call("HSET", KEYS[1], ARGV[1], ARGV[2]) end return 1`)

func (a *Access) touch(ctx context.Context, email, id string, text []byte) {
	touchScript.Run(ctx, a.Redis, []string{sessionsOf + email}, id, text) // the next minute tries again
}

// SessionsOf lists where a person is signed in, the newest first.
func (a *Access) SessionsOf(ctx context.Context, email string) ([]Session, error) {
	texts, err := a.Redis.HVals(ctx, sessionsOf+email).Result()
	if err != nil {
		return nil, a.unavailable("list sessions", err)
	}
	var all []Session
	for _, text := range texts {
		var s Session
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return nil, err
		}
		if now := a.Now(); now.Sub(s.Since) < sessionLife && now.Sub(s.Seen) < sessionIdle+time.Minute {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b Session) int { return cmp.Or(b.Since.Compare(a.Since), cmp.Compare(a.ID, b.ID)) })
	return all, nil
}

// EndSession ends one session of a person.
func (a *Access) EndSession(ctx context.Context, email, id string) error {
	if err := a.Redis.HDel(ctx, sessionsOf+email, id).Err(); err != nil {
		return a.unavailable("end a session", err)
	}
	return nil
}

// EndSessions ends all sessions of a person but one; "" spares none.
func (a *Access) EndSessions(ctx context.Context, email, but string) error {
	ids, err := a.Redis.HKeys(ctx, sessionsOf+email).Result()
	if err != nil {
		return a.unavailable("end sessions", err)
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return id == but })
	if len(ids) == 0 {
		return nil
	}
	if err := a.Redis.HDel(ctx, sessionsOf+email, ids...).Err(); err != nil {
		return a.unavailable("end sessions", err)
	}
	return nil
}

// family is which browser a user agent belongs to, and on what: enough to know one's
// own sessions apart, and no more is kept.
func family(userAgent string) string {
	find := func(words ...string) string {
		for i := 0; i < len(words); i += 2 {
			if strings.Contains(userAgent, words[i]) {
				return words[i+1]
			}
		}
		return ""
	}
	browser := find("Edg/", "Edge", "OPR/", "Opera", "Firefox/", "Firefox", "Chrome/", "Chrome", "CriOS/", "Chrome", "Safari/", "Safari")
	system := find("Android", "Android", "iPhone", "iPhone", "iPad", "iPad", "Windows", "Windows", "Mac OS", "macOS", "CrOS", "ChromeOS", "Linux", "Linux")
	switch {
	case browser == "":
		return "A program"
	case system == "":
		return browser
	}
	return browser + " on " + system
}
