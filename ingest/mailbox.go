package ingest

import (
	"net"
	"net/mail"
	"strconv"
	"strings"
	"time"
	"unicode"

	"dealtrail/trail"
)

// SignIn is how a mailbox is signed in to.
type SignIn string

// The ways to sign in.
const (
	ByPassword SignIn = "password"
	ByConsent  SignIn = "consent" // the rep allowed it in the browser: the secret is a refresh token of the provider
	ByApp      SignIn = "app"     // the provider lets the whole company's mail be read: there is no secret
)

// Mailbox is one that was added while running. All but the secret may be shown
// to whoever may see the status.
type Mailbox struct {
	Name       string    `json:"-"` // as status, logs and cursors have it; set by Add
	Rep        string    `json:"rep"`
	Aliases    []string  `json:"aliases,omitempty"`
	Host       string    `json:"host"`
	Port       int       `json:"port"`
	Security   string    `json:"security"` // tls, starttls or none
	Username   string    `json:"username"`
	SentFolder string    `json:"sent_folder,omitempty"`
	Provider   string    `json:"provider,omitempty"` // whose tokens to sign in with
	SignIn     SignIn    `json:"sign_in"`
	AddedAt    time.Time `json:"added_at"`
	Secret     Secret    `json:"-"` // given to Add; what All returns has none
}

// MailboxName returns the name of a rep's mailbox: a hash, for addresses have no
// place in logs and cursors. A second mailbox of the rep has another sign-in name.
func MailboxName(key trail.ContactKey, rep, username string) string {
	who := trail.NormalAddress(rep)
	if u := trail.NormalAddress(username); u != "" && u != who {
		who += " " + u // no address has a space
	}
	return string(key.ID(who))[:10]
}

// bound is what a secret is bound to: whose it is and where it may be sent, so
// that whoever can write Redis cannot have it sent elsewhere.
func (b *Mailbox) bound() []string {
	return []string{b.Name, string(b.SignIn), b.Provider, b.Host, strconv.Itoa(b.Port), b.Security, b.Username}
}

// maxSetting is far above any setting of a mailbox, in bytes. Refresh tokens of
// Microsoft have up to some 2 KB.
const maxSetting = 8 << 10

// Validate returns what is wrong with the settings, as a Problem that names the
// setting. It never repeats a value: in a file whose columns are shifted any of
// them may be the password.
func (b *Mailbox) Validate() error {
	for _, set := range [][2]string{
		{"rep", b.Rep},
		{"host", b.Host},
		{"security", b.Security},
		{"username", b.Username},
		{"sent_folder", b.SentFolder},
		{"provider", b.Provider},
		{"password", b.Secret.Reveal()},
		{"aliases", strings.Join(b.Aliases, "")},
	} {
		setting, value := set[0], set[1]
		if len(value) > maxSetting || strings.ContainsFunc(value, unicode.IsControl) {
			return trail.Problemf(trail.Invalid, "%s is too long or holds a control character.", setting)
		}
	}
	for _, address := range append([]string{b.Rep}, b.Aliases...) {
		if a, err := mail.ParseAddress(address); err != nil || a.Address != address {
			return trail.Problemf(trail.Invalid, "rep and aliases must be mail addresses, such as anna@example.com.")
		}
	}
	if b.Host == "" || strings.ContainsAny(b.Host, " /@:") && net.ParseIP(b.Host) == nil {
		return trail.Problemf(trail.Invalid, "host must be the IMAP server's name, such as imap.example.com.")
	}
	if b.Port < 1 || b.Port > 65535 {
		return trail.Problemf(trail.Invalid, "port must be a number from 1 to 65535; leave it empty for the usual one.")
	}
	if b.Security != "tls" && b.Security != "starttls" && b.Security != "none" {
		return trail.Problemf(trail.Invalid, "security must be tls, starttls or none; leave it empty for tls.")
	}
	if ip := net.ParseIP(b.Host); b.Security == "none" && b.Host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return trail.Problemf(trail.Invalid, "security none would send the password in the clear; it is for a server on this machine only, use tls.")
	}
	switch {
	case b.Username == "":
		return trail.Problemf(trail.Invalid, "username is missing.")
	case b.SignIn == ByPassword && b.Secret == "":
		return trail.Problemf(trail.Invalid, "password is missing.")
	case b.SignIn == ByConsent && (b.Secret == "" || b.Provider == ""):
		return trail.Problemf(trail.Invalid, "A sign-in by consent needs a provider and its refresh token.")
	case b.SignIn == ByApp && b.Provider == "":
		return trail.Problemf(trail.Invalid, "provider is missing.")
	}
	return nil
}
