package mailbox

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/oauth2"

	"dealtrail/trail"
)

// The mechanisms for OAuth2 tokens. Google and Microsoft document the first,
// RFC 7628 the second.
const (
	xoauth2     = "XOAUTH2"
	oauthBearer = "OAUTHBEARER"
)

// bearer is a sasl.Client that signs in with an OAuth2 token. A server that
// refuses says why in a challenge, and ends the exchange only after an answer to
// it. go-sasl has no XOAUTH2, and its OAUTHBEARER gives no such answer.
type bearer struct {
	mechanism  string
	user       string
	address    string // of the server, host:port
	token      string
	challenged bool   // the server refused
	status     string // and this is why, such as 400 or invalid_token
}

// newBearer chooses among the mechanisms that the server offers.
func newBearer(b *Box, token string, offered []string) (*bearer, error) {
	for _, mechanism := range []string{xoauth2, oauthBearer} {
		if slices.ContainsFunc(offered, func(m string) bool { return strings.EqualFold(m, mechanism) }) {
			return &bearer{mechanism: mechanism, user: b.Username, address: b.address(), token: token}, nil
		}
	}
	slices.Sort(offered)
	return nil, trail.Problemf(trail.Invalid, "The mail server %s takes no sign-in by OAuth2 (it offers: %s); check host, or use a password instead of a provider.",
		b.address(), cmp.Or(displayName(strings.Join(offered, ", ")), "none"))
}

// Start returns the mechanism and all there is to say.
func (o *bearer) Start() (mechanism string, response []byte, err error) {
	if o.mechanism == xoauth2 {
		return xoauth2, []byte("user=" + o.user + "\x01auth=Bearer " + o.token + "\x01\x01"), nil
	}
	host, port, err := net.SplitHostPort(o.address)
	if err != nil {
		return "", nil, err
	}
	user := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(o.user) // RFC 5801 section 4
	return oauthBearer, []byte("n,a=" + user + ",\x01host=" + host + "\x01port=" + port + "\x01auth=Bearer " + o.token + "\x01\x01"), nil
}

// Next answers the challenge that a refusal begins with: by nothing in XOAUTH2,
// which go-imap sends as "=", and by one control character in OAUTHBEARER (RFC
// 7628 section 3.2.3).
func (o *bearer) Next(challenge []byte) ([]byte, error) {
	if o.challenged {
		return nil, errors.New("server goes on after it refused")
	}
	o.challenged = true
	var said struct{ Status any }
	if json.Unmarshal(challenge, &said) == nil && said.Status != nil {
		o.status = fmt.Sprint(said.Status)
	}
	if o.mechanism == xoauth2 {
		return []byte{}, nil
	}
	return []byte{1}, nil
}

// refused returns what an error of the exchange means. With a challenge it is a
// refusal even when the server does not end it well: some call the empty answer
// an invalid argument, or just hang up.
func (o *bearer) refused(err error) *refusal {
	_, sent, _ := o.Start()
	secrets := []string{o.token, base64.StdEncoding.EncodeToString(sent)}
	no := (*imap.Error)(nil)
	answered := errors.As(err, &no)
	switch {
	case answered && (no.Code != "" || !o.challenged):
		return &refusal{code: no.Code, text: displayName(redact(no.Text, secrets...)), status: displayName(redact(o.status, secrets...))}
	case o.challenged:
		code := imap.ResponseCodeAuthenticationFailed
		if strings.HasPrefix(o.status, "5") { // as in HTTP: its own trouble
			code = imap.ResponseCodeUnavailable
		}
		return &refusal{code: code, status: displayName(redact(o.status, secrets...))}
	}
	return nil
}

// cachedToken is an access token that is asked for again shortly before its end.
type cachedToken struct {
	mu     sync.Mutex
	token  string
	until  time.Time // zero: it was not said
	asking *asking   // nil: nobody asks now
}

// asking is a request under way, which all who want a token wait for: should the
// provider be silent, none waits longer than the first.
type asking struct {
	done  chan struct{}
	token string
	err   error
}

// TokenSource returns an access token. refused is one that the mail server just
// refused, so that it is not returned again although it should still be good;
// empty: none.
type TokenSource func(ctx context.Context, refused string) (string, error)

// get returns the token that is kept, or asks for one.
func (c *cachedToken) get(ctx context.Context, refused string, now func() time.Time, fetch func(context.Context) (*oauth2.Token, error)) (string, error) {
	for {
		c.mu.Lock()
		if c.token != "" && c.token != refused && (c.until.IsZero() || now().Before(c.until)) {
			defer c.mu.Unlock()
			return c.token, nil
		}
		a := c.asking
		if a == nil {
			a = &asking{done: make(chan struct{}), err: errors.New("asking for a token panicked")}
			c.asking = a
			c.mu.Unlock()
			c.ask(ctx, a, now, fetch)
			return a.token, a.err
		}
		c.mu.Unlock()
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-a.done:
		}
		// Whoever asked may have given up for reasons of its own.
		if problem := (*trail.Problem)(nil); errors.As(a.err, &problem) {
			return "", a.err
		}
	}
}

func (c *cachedToken) ask(ctx context.Context, a *asking, now func() time.Time, fetch func(context.Context) (*oauth2.Token, error)) {
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asking = nil
		close(a.done)
	}()
	t, err := fetch(ctx)
	if a.err = err; err != nil {
		return
	}
	a.token = t.AccessToken
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token, c.until = t.AccessToken, time.Time{}
	if !t.Expiry.IsZero() { // which is by the machine's clock
		c.until = now().Add(time.Until(t.Expiry) - time.Minute)
	}
}
