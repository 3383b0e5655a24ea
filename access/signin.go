package access

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/mail"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"

	"dealtrail/trail"
)

// linkLife is how long a sign-in link works; it works once.
const linkLife = 30 * time.Minute

// firstRun stands for the address in a link that makes the first admin.
const firstRun = "first run"

// SignInLink makes a link that signs a person in once, within half an hour. The person
// must be there and not be disabled.
func (a *Access) SignInLink(ctx context.Context, email string) (string, error) {
	p, err := a.Person(ctx, email)
	if err != nil {
		return "", err
	}
	if p.Disabled {
		return "", trail.Problemf(trail.Conflict, "%s is disabled. Enable the person first.", p.Email)
	}
	return a.link(ctx, p.Email)
}

// FirstLink makes the link by which whoever runs dealtrail becomes its first admin; ""
// when there is an admin already.
func (a *Access) FirstLink(ctx context.Context) (string, error) {
	if nobody, err := a.Nobody(ctx); err != nil || !nobody {
		return "", err
	}
	return a.link(ctx, firstRun)
}

func (a *Access) link(ctx context.Context, who string) (string, error) {
	code := rand.Text()
	if err := a.Redis.Set(ctx, linkPrefix+hashed(code), who, linkLife).Err(); err != nil {
		return "", a.unavailable("make a link", err)
	}
	return strings.TrimSuffix(a.Public, "/") + "/signin?code=" + code, nil
}

// Whose says whom a code signs in, by address, or that it makes the first admin. It uses
// nothing up, and tells nothing of a code that is no longer good.
func (a *Access) Whose(ctx context.Context, code string) (email string, first bool) {
	who, err := a.Redis.Get(ctx, linkPrefix+hashed(code)).Result()
	if err != nil || who == firstRun {
		return "", err == nil
	}
	return who, false
}

// SignInForm is what the sign-in page sends: the code of a link, and perhaps a new
// password; or an address and its password.
type SignInForm struct {
	Code     string
	Email    string
	Password trail.Secret
}

// wrong is the one answer to who cannot sign in: it does not tell whether the address
// is known, disabled or without a password.
func wrong() error {
	return trail.Problemf(trail.Unauthorized, "Address and password do not belong together. If you have no password yet, ask an admin for a sign-in link.")
}

// SignIn trades a form for a session. Over an unencrypted connection from another
// machine it refuses: the cookie could be read on the way.
func (a *Access) SignIn(c echo.Context, f SignInForm) error {
	if err := private(c); err != nil {
		return err
	}
	ctx, net := c.Request().Context(), network(c.RealIP())
	if err := a.try(ctx, "network", net, networkTries); err != nil {
		return err
	}
	var email string
	var err error
	how := "password"
	if f.Code != "" {
		how = "link"
		email, err = a.byCode(ctx, f)
	} else {
		email, err = a.byPassword(ctx, trail.NormalAddress(f.Email), f.Password.Reveal())
	}
	if err != nil {
		return err
	}
	a.giveBack(ctx, "network", net)
	return a.begin(ctx, email, c.Request().UserAgent(), how)
}

// private refuses where a cookie could be read on the way.
func private(c echo.Context) error {
	host, _, _ := net.SplitHostPort(c.Request().RemoteAddr)
	if ip := net.ParseIP(host); c.Scheme() != "https" && (ip == nil || !ip.IsLoopback()) {
		return trail.Problemf(trail.Forbidden, "Sign-in needs TLS or this machine itself. Set server.listen to 127.0.0.1 and put a TLS proxy on this machine in front of it, or name the proxy in server.trusted_proxies.")
	}
	return nil
}

func (a *Access) byPassword(ctx context.Context, email, password string) (string, error) {
	if err := a.try(ctx, "account", email, accountTries); err != nil {
		return "", err
	}
	p, known, err := a.account(ctx, email)
	if err != nil {
		return "", err
	}
	kept := p.Hash
	if !known || p.Disabled {
		kept = ""
	}
	right, err := rightPassword(ctx, kept, password)
	if err != nil {
		return "", err
	}
	if !right {
		if a.Log != nil {
			a.Log.Warn("sign-in refused", "account", hashed(email)[:12]) // people type passwords into the wrong field
		}
		return "", wrong()
	}
	a.forgive(ctx, "account", email)
	return email, nil
}

// byCode uses a link's code up. What is wrong with the password is said before.
func (a *Access) byCode(ctx context.Context, f SignInForm) (string, error) {
	spent := trail.Problemf(trail.Unauthorized, "This sign-in link was used or is older than half an hour. Ask for a new one, or make one with: dealtrail user add EMAIL")
	key := linkPrefix + hashed(f.Code)
	who, err := a.Redis.Get(ctx, key).Result()
	if errors.Is(err, redis.Nil) {
		return "", spent
	}
	if err != nil {
		return "", a.unavailable("look up a link", err)
	}
	email := who
	if who == firstRun {
		if email = trail.NormalAddress(f.Email); !isAddress(email) {
			return "", trail.Problemf(trail.Invalid, "%q is not an email address.", f.Email)
		}
	}
	if f.Password != "" || who == firstRun {
		if err := checkPassword(f.Password.Reveal(), email); err != nil {
			return "", err
		}
	}
	if n, err := a.Redis.Del(ctx, key).Result(); err != nil {
		return "", a.unavailable("use a link up", err)
	} else if n == 0 {
		return "", spent // somebody was faster
	}
	if who == firstRun {
		if nobody, err := a.Nobody(ctx); err != nil || !nobody {
			return "", spent
		}
		roles := Admin // of who is here already, too
		if p, err := a.Person(ctx, email); err == nil {
			roles |= p.Roles
		}
		enabled := false
		if _, err := a.Set(ctx, email, Change{Roles: &roles, Disabled: &enabled}); err != nil {
			return "", err
		}
	}
	p, known, err := a.account(ctx, email)
	if err != nil {
		return "", err
	}
	if !known || p.Disabled {
		return "", spent
	}
	if f.Password != "" {
		if err := a.SetPassword(ctx, email, f.Password.Reveal(), ""); err != nil {
			return "", err
		}
	}
	a.forgive(ctx, "account", email)
	return email, nil
}

func isAddress(email string) bool {
	at, err := mail.ParseAddress(email)
	return err == nil && at.Name == "" && at.Address == email
}

// SignOut ends the session.
func (a *Access) SignOut(c echo.Context) error {
	ctx := c.Request().Context()
	if email, id := a.Sessions.GetString(ctx, sessionUser), a.Sessions.GetString(ctx, sessionID); email != "" && id != "" {
		if err := a.EndSession(ctx, email, id); err != nil {
			return err
		}
	}
	// What the browser kept goes too, where the address is one of TLS: others it does not hear.
	c.Response().Header().Set("Clear-Site-Data", `"cache", "storage"`)
	return a.Sessions.Destroy(ctx)
}
