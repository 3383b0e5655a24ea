// Package mailbox reads what reps send and what contacts answer, from any IMAP
// server, and touches nothing there.
//
// It has two halves. [Reader] turns one message into events and is a pure
// function of the message, the keys and the catalogue. [Poller] watches
// mailboxes, hands each message to the Reader and the events to an Emit, and
// keeps a cursor per folder. The IDs of events come from the mail itself, so
// whatever is read twice is one event.
package mailbox

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"dealtrail/trail"
)

// Folder says which way the mail in a folder goes.
type Folder string

// The folders that are read.
const (
	Sent  Folder = "sent"
	Inbox Folder = "inbox"
)

// source is the Source of every event of this package.
const source = "mail"

// Bounds on one message. What is over them is set aside with a reason.
const (
	MaxMessage = 25 << 20 // bytes
	maxEvents  = 20_000   // recipients times contents
	maxThread  = 100      // references followed
	maxKnown   = 200      // recipients of a mail without content that may be kept: more is a mailing
)

// Reader turns messages into events. It does no input or output of its own; all
// its fields may be shared by many mailboxes. Functions may be nil, and then
// know nothing.
type Reader struct {
	Keys       *trail.Keyring   // opens tokens
	Contacts   trail.ContactKey // names contacts and messages
	OwnDomains []string         // the company's mail domains, their subdomains included

	// ByKey returns the content of a token. The error says that it could not be looked up, so that there may be one.
	ByKey func(trail.ContentKey) (trail.ContentID, bool, error)
	// ByURL and ByFile return the content that a plain link leads to or a file, by its SHA-256 in hex, is; until is when
	// the content got another in its place, zero if it has it still.
	ByURL      func(url string) (content trail.ContentID, until time.Time, ok bool)
	ByFile     func(sha256 string) (content trail.ContentID, until time.Time, ok bool)
	ByFileName func(name string) (trail.ContentID, bool)                  // the content whose file has nearly this name
	FileSizes  func() []int64                                             // bytes of all files that ByFile knows, ascending
	WasSent    func(marks ...string) (map[string]bool, error)             // which marks, see Reading, were made by mail that was read
	Known      func(...trail.ContactID) (map[trail.ContactID]bool, error) // whom the CRM knows, so that mail without content counts too
	RepOf      func(address string) (rep string, ok bool)                 // whose an address on our side is
	Exclude    func(rep, address string) bool                             // whether a rep's mail of or to an address leaves no trace
	Account    func(address string) string                                // the company of an address; events name none without it

	private map[string]bool // keys of mail in excluded folders
}

// Reading is what one mail says.
type Reading struct {
	Rep      string // who wrote or got it
	Events   []trail.Event
	Reason   string     // why there are no events
	Marks    []string   // hashes to remember, for WasSent: the mail if it has content, its shares, and who has them
	Sighted  []Sighting // things that look like content and are not registered
	Wrapped  []string   // who wrapped links that cannot be read
	Trackers []string   // other programs that its links go through
}

func without(reason string, args ...any) Reading {
	return Reading{Reason: fmt.Sprintf(reason, args...)}
}

// Read returns what a whole message says: see docs/mailboxes.md for the events.
// rep is the mailbox's owner. received is when the mail arrived: it stands in for
// a missing date and is the events' ReceivedAt until whoever emits them says
// better.
//
// The error is that of ByKey or WasSent: the message has to be read again. No
// subject and no text of the message ever gets into an event.
func (r *Reader) Read(raw []byte, in Folder, rep string, received time.Time) (Reading, error) {
	if len(raw) > MaxMessage {
		return without("larger than %d MB", MaxMessage>>20), nil
	}
	m, err := parse(raw)
	if err != nil {
		return without("cannot be read as a mail: %s", err), nil
	}
	more, err := r.needs(m, in, rep)
	if err != nil || more.reason != "" {
		return without("%s", more.reason), err
	}
	return r.reading(m, in, rep, received)
}

// excludedParty is why mail with an excluded party says nothing.
const excludedParty = "somebody in it is excluded"

// need is what of a mail, besides its headers, has to be known.
type need struct {
	reason string // nothing of it, and why
	all    bool   // everything: a mail system wrote it
}

// needs tells from the headers alone what has to be read of a mail. The text of
// what is nobody's business here is never fetched.
func (r *Reader) needs(m *message, in Folder, rep string) (need, error) {
	rep = trail.NormalAddress(rep)
	switch {
	case r.excluded(m, rep):
		return need{reason: excludedParty}, nil
	case r.private[m.key()] || slices.ContainsFunc(m.thread, func(id string) bool { return r.private[id] }):
		return need{reason: "it lies in an excluded folder, or answers a mail there"}, nil
	case in == Sent && m.from.address != "" && !r.own(m.from.address, rep):
		return need{reason: "somebody else wrote it; if the address is the rep's, add it to the mailbox's aliases"}, nil
	}
	if in == Sent {
		if len(r.outside(m, rep)) == 0 {
			return need{reason: "no recipient outside your own domains"}, nil
		}
		return need{}, nil
	}
	switch {
	case m.system():
		return need{all: true}, nil
	case m.from.address == "":
		return need{reason: "no sender address"}, nil
	case r.own(m.from.address, rep):
		return need{reason: "the sender is one of your own"}, nil
	case !m.bulk():
		return need{}, nil
	}
	answered, err := r.known(m.thread)
	if err != nil || answered != "" {
		return need{}, err
	}
	return need{reason: "a mail to many that answers no mail with content"}, nil
}

func (r *Reader) excluded(m *message, rep string) bool {
	if r.Exclude == nil {
		return false
	}
	return r.Exclude(rep, m.from.address) || slices.ContainsFunc(m.to, func(p person) bool { return r.Exclude(rep, p.address) })
}

// outside returns the recipients who are not on our side.
func (r *Reader) outside(m *message, rep string) (people []person) {
	for _, p := range m.to {
		if !r.own(p.address, rep) {
			people = append(people, p)
		}
	}
	return people
}

// reading returns what a mail says of which all that is needed was read.
func (r *Reader) reading(m *message, in Folder, rep string, received time.Time) (Reading, error) {
	m.name()
	rep = trail.NormalAddress(rep)
	if in == Sent {
		if writer, ok := r.repOf(m.from.address); ok {
			rep = writer // send-as, or a shared mailbox
		}
		if r.excluded(m, rep) {
			return without(excludedParty), nil
		}
		out, err := r.sent(m, rep, received)
		out.Rep = rep
		return out, err
	}
	for _, p := range m.to {
		if owner, ok := r.repOf(p.address); ok {
			rep = owner
			break
		}
	}
	if r.excluded(m, rep) {
		return without(excludedParty), nil
	}
	out, err := r.received(m, rep, received)
	out.Rep = rep
	return out, err
}

func (r *Reader) repOf(address string) (string, bool) {
	if r.RepOf == nil || address == "" {
		return "", false
	}
	return r.RepOf(address)
}

// own reports whether an address belongs to our side.
func (r *Reader) own(address, rep string) bool {
	if _, ours := r.repOf(address); ours || address == rep {
		return true
	}
	return r.ownDomain(trail.Domain(address))
}

// ownDomain reports whether a domain is the company's.
func (r *Reader) ownDomain(domain string) bool {
	for _, own := range r.OwnDomains {
		own = strings.Trim(strings.ToLower(strings.TrimSpace(own)), ".@")
		if own != "" && (domain == own || strings.HasSuffix(domain, "."+own)) {
			return true
		}
	}
	return false
}
