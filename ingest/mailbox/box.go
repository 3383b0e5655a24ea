package mailbox

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/emersion/go-imap/v2"

	"dealtrail/trail"
)

// Box is one mailbox as the configuration names it.
type Box struct {
	Name     string   // short and unique; it names the mailbox in status, logs and cursors, so it should not be an address
	Rep      string   // whose mailbox it is, by address
	Aliases  []string // other addresses that the rep writes from
	Host     string
	Port     int            // 0: 993 for tls, 143 otherwise
	Security string         // "tls" (or empty), "starttls", or "none", which only this machine's own addresses may have
	CAs      *x509.CertPool // whom to trust for the server's certificate; nil: the system's

	Username string
	Password func() (string, error) // asked at every sign-in, so that a changed file is seen; never printed
	SignIn   string                 // what Password or Token comes from: of another, another is asked
	Token    TokenSource            // an OAuth2 access token, instead of a password; never printed

	SentFolder string        // overrides what the server says; usually empty
	Since      time.Duration // how far back the first reading goes; 0: 30 days
	DailyBytes int64         // bytes that are read a day at most, by UTC; 0: no bound
}

// Memory is where cursors are kept between runs, and which mail yielded events.
// All must be set.
type Memory struct {
	Load     func(ctx context.Context, key string) (string, error) // "" for a key never saved
	Save     func(ctx context.Context, key, value string) error
	MarkSent func(ctx context.Context, messages ...string) error // message hashes
	WasSent  func(ctx context.Context, messages ...string) (map[string]bool, error)
	// Sight notes that a rep sends something, and returns how many different reps have by now. thing is a hash.
	Sight func(ctx context.Context, thing, rep string) (reps int, err error)
}

// month is how far back mail is read again when it may now mean more.
const month = 30 * 24 * time.Hour

func (b *Box) since() time.Duration {
	if b.Since > 0 {
		return b.Since
	}
	return month
}

func (b *Box) security() string {
	if b.Security == "" {
		return "tls"
	}
	return b.Security
}

func (b *Box) address() string {
	port := b.Port
	switch {
	case port != 0:
	case b.security() == "tls":
		port = 993
	default:
		port = 143
	}
	return net.JoinHostPort(b.Host, strconv.Itoa(port))
}

// Validate returns what is wrong with a mailbox's settings, as a Problem that
// names the setting.
func (b *Box) Validate() error {
	if b.Name == "" {
		return trail.Problemf(trail.Invalid, "A mailbox has no name.")
	}
	for _, set := range [][2]string{{"host", b.Host}, {"username", b.Username}, {"rep", b.Rep}} {
		if set[1] == "" {
			return trail.Problemf(trail.Invalid, "Mailbox %q: %s must be set.", b.Name, set[0])
		}
	}
	if trail.Domain(b.Rep) == "" {
		return trail.Problemf(trail.Invalid, "Mailbox %q: rep must be an address, not %q.", b.Name, b.Rep)
	}
	if b.Port < 0 || b.Port > 65535 {
		return trail.Problemf(trail.Invalid, "Mailbox %q: port %d is not between 1 and 65535.", b.Name, b.Port)
	}
	if b.Password == nil && b.Token == nil {
		return trail.Problemf(trail.Invalid, "Mailbox %q: a password or a sign-in by OAuth2 must be set.", b.Name)
	}
	switch b.security() {
	case "tls", "starttls":
	case "none":
		if ip := net.ParseIP(b.Host); b.Host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return trail.Problemf(trail.Invalid, "Mailbox %q: security may be none only for a server on this machine; use tls or starttls.", b.Name)
		}
	default:
		return trail.Problemf(trail.Invalid, "Mailbox %q: security is %q; it must be tls, starttls or none.", b.Name, b.Security)
	}
	return nil
}

// secret returns what the box signs in with: a token, but not the refused one, or
// else the password.
func (b *Box) secret(ctx context.Context, refused string) (string, error) {
	if b.Token == nil {
		password, err := b.Password()
		if err != nil {
			return "", fmt.Errorf("read password: %w", errors.Join(errPassword, err))
		}
		return password, nil
	}
	token, err := b.Token(ctx, refused)
	problem := (*trail.Problem)(nil)
	switch {
	case err == nil:
		return token, nil
	case errors.As(err, &problem) && problem.Code == trail.Unauthorized: // as good as a refused password: only the rep can mend it
		err = errors.Join(&refusal{code: imap.ResponseCodeAuthenticationFailed}, err)
	case problem == nil:
		err = errors.Join(errToken, err)
	}
	return "", fmt.Errorf("ask for a token: %w", err)
}
