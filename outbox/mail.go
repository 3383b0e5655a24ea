package outbox

import (
	"bytes"
	"context"
	"crypto/tls"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// Mailer hands mails over to the company's mail server.
type Mailer struct {
	Host     string
	Port     int
	TLS      string // starttls, tls or none
	Username string // empty: the server wants no sign-in
	Password func() (ingest.Secret, error)
	From     mail.Address
	Trust    *tls.Config // nil: the machine's certificates
}

// letter is a mail as this package writes them: a plain text, and the same as HTML.
type letter struct {
	ID      string // determined: the name under which everybody who gets it twice finds it once
	At      time.Time
	To      string
	Subject string // names nobody
	Lead    string
	Parts   []part
	Foot    []line
	Stop    string // where one click ends such mails; empty: nowhere
	File    *file
}

// part is lines with a title.
type part struct {
	Title string
	Lines []line
}

// line is a text with where it leads, and perhaps what more there is to say.
type line struct {
	Text, Link, Hint string
	Under            bool // it belongs to the line before
}

type file struct {
	Name, Type string
	Content    []byte
}

// mailWait is how long one mail may take.
const mailWait = 30 * time.Second

//go:embed letter.html
var templates embed.FS

var letterHTML = template.Must(template.ParseFS(templates, "letter.html"))

// text is the letter in plain text.
func (l letter) text() string {
	var b strings.Builder
	b.WriteString(l.Lead + "\n")
	for _, p := range l.Parts {
		b.WriteString("\n" + p.Title + "\n")
		for _, n := range p.Lines {
			b.WriteString(n.text())
		}
	}
	b.WriteString("\n-- \n")
	for _, n := range l.Foot {
		b.WriteString(strings.TrimSuffix(n.Text+": "+n.Link, ": ") + "\n")
	}
	return b.String()
}

func (n line) text() string {
	mark, indent := "* ", "  "
	if n.Under {
		mark, indent = "  - ", "    "
	}
	s := mark + n.Text + "\n"
	for _, more := range []string{n.Hint, n.Link} {
		if more != "" {
			s += indent + more + "\n"
		}
	}
	return s
}

// message is the letter as it travels.
func (m *Mailer) message(l letter) (*gomail.Msg, error) {
	var html bytes.Buffer
	if err := letterHTML.Execute(&html, l); err != nil {
		return nil, fmt.Errorf("write a mail: %w", err)
	}
	to, err := mail.ParseAddress(l.To)
	if err != nil {
		return nil, fmt.Errorf("write a mail to %q: %w", l.To, err)
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&m.From)
	msg.AddToMailAddress(&mail.Address{Address: to.Address})
	msg.Subject(plain(l.Subject))
	msg.SetMessageIDWithValue(l.ID + "@" + trail.Domain(m.From.Address))
	msg.SetDateWithValue(l.At)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no machine answers
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")
	if strings.HasPrefix(l.Stop, "https://") {
		if err := msg.SetListUnsubscribeOneClick(l.Stop); err != nil {
			return nil, fmt.Errorf("write a mail: %w", err)
		}
	} else if l.Stop != "" {
		msg.SetListUnsubscribe(l.Stop)
	}
	msg.SetBodyString(gomail.TypeTextPlain, l.text())
	msg.AddAlternativeString(gomail.TypeTextHTML, html.String())
	if l.File != nil {
		if err := msg.AttachReader(l.File.Name, bytes.NewReader(l.File.Content), gomail.WithFileContentType(gomail.ContentType(l.File.Type))); err != nil {
			return nil, fmt.Errorf("attach %s: %w", l.File.Name, err)
		}
	}
	return msg, nil
}

// errAddress is the error of an address that the mail server will not have.
var errAddress = errors.New("the mail server refuses the address")

// send hands a letter over. It returns nil once the server has taken it, whatever
// becomes of the connection afterwards.
func (m *Mailer) send(ctx context.Context, l letter) error {
	msg, err := m.message(l)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, mailWait)
	defer cancel()
	options := []gomail.Option{gomail.WithPort(m.Port), gomail.WithTimeout(mailWait), gomail.WithDialContextFunc(m.dial(ctx))}
	switch m.TLS {
	case "tls":
		options = append(options, gomail.WithSSL())
	case "none":
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if m.Trust != nil {
		options = append(options, gomail.WithTLSConfig(m.Trust))
	}
	if m.Username != "" {
		password, err := m.Password()
		if err != nil {
			return fmt.Errorf("smtp.password_file: %w", err)
		}
		options = append(options, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(m.Username), gomail.WithPassword(password.Reveal()))
	}
	client, err := gomail.NewClient(m.Host, options...)
	if err != nil {
		return fmt.Errorf("mail server %s: %w", m.Host, err)
	}
	err = client.DialAndSendWithContext(ctx, msg)
	if err == nil || msg.IsDelivered() {
		return nil
	}
	if e := (*gomail.SendError)(nil); errors.As(err, &e) && e.Reason == gomail.ErrSMTPRcptTo && e.ErrorCode() >= 500 {
		return fmt.Errorf("%w: %w", errAddress, err)
	}
	return fmt.Errorf("mail server %s: %w", m.Host, err)
}

// dial returns how the mail server is connected to: a connection ends with the
// context, so that a server which says nothing holds up no stop.
func (m *Mailer) dial(ctx context.Context) gomail.DialContextFunc {
	dial := (&net.Dialer{}).DialContext
	if m.TLS == "tls" {
		config := m.Trust.Clone()
		if config == nil {
			config = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: m.Host}
		}
		dial = (&tls.Dialer{Config: config}).DialContext
	}
	return func(dialling context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(dialling, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	}
}

// letterID names a letter by what it is, for this installation alone.
func (x *Outbox) letterID(what string, parts ...string) string {
	return what + "-" + x.Contacts.MessageHash("outbox "+what+" "+strings.Join(parts, " "))
}
