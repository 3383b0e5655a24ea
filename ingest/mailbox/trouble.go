package mailbox

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/emersion/go-imap/v2"

	"dealtrail/trail"
)

var (
	errPassword   = errors.New("password cannot be read")
	errNoTLS      = errors.New("server refuses STARTTLS")
	errIncomplete = errors.New("a message does not arrive whole")
	errStore      = errors.New("events or cursors cannot be stored")
)

// refusal is a sign-in that the server refused.
type refusal struct {
	code imap.ResponseCode
	text string // the server's, without secrets and control characters
}

func (r *refusal) Error() string { return "sign-in refused " + string(r.code) }

// final reports whether the server said that the name or the password is wrong,
// rather than that it has some trouble of its own.
func (r *refusal) final() bool { return r.code == imap.ResponseCodeAuthenticationFailed }

// passing reports whether the server only asks for patience.
func (r *refusal) passing() bool {
	switch r.code {
	case imap.ResponseCodeUnavailable, imap.ResponseCodeInUse, imap.ResponseCodeLimit, imap.ResponseCodeServerBug:
		return true
	}
	return false
}

// explain returns what a mailbox's owner should know and do about an error, in
// words without secrets, and one word for the log.
func explain(b *Box, err error) (reason, cause string) {
	var (
		problem *trail.Problem
		refused *refusal
		no      *imap.Error
		dns     *net.DNSError
		cert    *tls.CertificateVerificationError
		record  tls.RecordHeaderError
	)
	at := b.address()
	switch {
	case errors.As(err, &problem):
		return problem.Text, string(problem.Code)
	case errors.Is(err, errStore):
		return "What was read cannot be looked up or stored right now. The mail is read again until it can.", "store"
	case errors.As(err, &refused):
		return refusedReason(b, refused), "refused"
	case errors.Is(err, errPassword):
		return fmt.Sprintf("The password of mailbox %q cannot be read; check its password or password_file.", b.Name), "password"
	case errors.Is(err, errIncomplete):
		return fmt.Sprintf("The mail server %s does not deliver one of the messages whole; it is tried again.", at), "incomplete"
	case errors.Is(err, errNoTLS):
		return fmt.Sprintf("The mail server %s refuses STARTTLS; set security to tls, with the port for it (usually 993).", at), "tls"
	case errors.Is(err, errSilent):
		return fmt.Sprintf("The mail server %s did not answer in time; check host, port and security.", at), "silent"
	case errors.As(err, &cert):
		return fmt.Sprintf("The certificate of %s is not valid for that name or not signed by an authority this machine trusts; check host.", at), "certificate"
	case errors.As(err, &record):
		return fmt.Sprintf("The mail server %s does not speak TLS on this port; check port and security.", at), "tls"
	case errors.As(err, &dns):
		return fmt.Sprintf("No server named %s is known; check host.", b.Host), "dns"
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("Nothing answers at %s; check host and port.", at), "unreachable"
	case errors.As(err, &no):
		return fmt.Sprintf("The mail server %s answered %s: %s", at, no.Type, displayName(no.Text)), "no"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Sprintf("The mail server %s closed the connection.", at), "closed"
	case errors.As(err, new(net.Error)):
		return fmt.Sprintf("The mail server %s cannot be reached; check host and port, and this machine's network.", at), "network"
	}
	return fmt.Sprintf("The mail server %s answered in a way that cannot be understood; check host, port and security.", at), "protocol"
}

func refusedReason(b *Box, r *refusal) string {
	who := b.Username
	host := strings.ToLower(b.Host)
	said := ""
	if r.text != "" {
		said = fmt.Sprintf(" The server says: %s", r.text)
	}
	switch {
	case r.passing():
		return fmt.Sprintf("The server does not let %s in right now.%s", who, said)
	case strings.HasSuffix(host, "gmail.com") || strings.HasSuffix(host, "googlemail.com") || strings.HasSuffix(host, "google.com"):
		return fmt.Sprintf("The server refused the password for %s: for Gmail turn on IMAP and use an app password.%s", who, said)
	case strings.HasSuffix(host, "office365.com") || strings.HasSuffix(host, "outlook.com"):
		return fmt.Sprintf("The server refused the password for %s: Microsoft 365 takes no passwords over IMAP.%s", who, said)
	}
	return fmt.Sprintf("The server refused the password for %s: check username and password, and that IMAP is turned on for the mailbox.%s", who, said)
}
