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
	"regexp"
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
)

// Reader turns messages into events. It does no input or output of its own; all
// its fields may be shared by many mailboxes.
type Reader struct {
	Keys       *trail.Keyring   // opens tokens
	Contacts   trail.ContactKey // names contacts and messages
	OwnDomains []string         // the company's mail domains, their subdomains included

	// ByKey returns the content of a token. The error says that it could not be looked up, so that there may be one.
	ByKey   func(trail.ContentKey) (trail.ContentID, bool, error)
	ByURL   func(string) (trail.ContentID, bool)              // the content a plain link leads to
	WasSent func(messages ...string) (map[string]bool, error) // which message hashes are of mail that yielded sent events; nil: none
	Account func(address string) string                       // the company of an address; nil: events name none
}

// Events returns what a message says: one sent event per piece of content and
// outside recipient of a mail in a Sent folder; replied, autoreplied or bounced
// events for a mail in an Inbox. rep is the mailbox's owner. received is when
// the mail arrived: it stands in for a missing date and is the events'
// ReceivedAt until whoever emits them says better.
//
// A message that yields nothing returns a reason in words instead. The error is
// that of ByKey or WasSent: the message has to be read again. No subject and no
// text of the message ever gets into an event.
func (r *Reader) Events(raw []byte, in Folder, rep string, received time.Time) (events []trail.Event, reason string, err error) {
	if len(raw) > MaxMessage {
		return nil, fmt.Sprintf("larger than %d MB", MaxMessage>>20), nil
	}
	m, err := parse(raw)
	if err != nil {
		return nil, "cannot be read as a mail: " + err.Error(), nil
	}
	rep = trail.NormalAddress(rep)
	if in == Sent {
		return r.sent(m, rep, received)
	}
	return r.received(m, raw, rep, received)
}

func (r *Reader) sent(m *message, rep string, received time.Time) ([]trail.Event, string, error) {
	var outside []person
	for _, p := range m.to {
		if !r.own(p.address, rep) {
			outside = append(outside, p)
		}
	}
	if len(outside) == 0 {
		return nil, "no recipient outside your own domains", nil
	}
	found, why, err := r.find(m)
	if err != nil {
		return nil, "", err
	}
	found = found.written()
	if len(found) == 0 {
		return nil, why, nil
	}
	if len(outside)*len(found) > maxEvents {
		return nil, fmt.Sprintf("%d outside recipients and %d pieces of content are more than one mail may have", len(outside), len(found)), nil
	}
	var events []trail.Event
	for _, f := range found {
		for _, p := range outside {
			e := r.event(trail.Sent, m, p, rep, received)
			e.ID = trail.IDFrom(m.date, source, m.id, f.content, string(f.share), p.address)
			e.Content, e.Share = f.content, f.share
			e.Message = r.Contacts.MessageHash(m.id)
			events = append(events, e)
		}
	}
	return events, "", nil
}

// received reads a mail from outside. The order of the tests matters: bounces
// and automatic replies carry the headers of replies, and bounces may have no
// sender.
func (r *Reader) received(m *message, raw []byte, rep string, received time.Time) ([]trail.Event, string, error) {
	b, bounced := m.bounced(raw)
	switch {
	case bounced:
		return r.undelivered(m, b, rep, received)
	case b.late:
		return nil, "a report of the mail system on a mail that is late, which is still being tried", nil
	case m.bounce():
		return nil, "a report of the mail system that does not say which mail did not arrive", nil
	case m.report != "":
		return nil, "a report of the mail system, such as a read receipt", nil
	case m.from.address == "":
		return nil, "no sender address", nil
	case r.own(m.from.address, rep):
		return nil, "the sender is one of your own", nil
	}
	answered, err := r.answered(m)
	if err != nil {
		return nil, "", err
	}
	found, _, err := r.find(m)
	if err != nil {
		return nil, "", err
	}
	found = found.answered(len(m.thread) > 0)
	if answered == "" && len(found) == 0 {
		return nil, "answers no mail that carried content", nil
	}
	if answered == "" && len(m.thread) > 0 {
		answered = r.Contacts.MessageHash(m.thread[0]) // known by its token; its own mail may be read later
	}
	kind := trail.Replied
	if m.automatic() || m.away() {
		kind = trail.Autoreplied
	}
	first := r.event(kind, m, m.from, rep, received)
	first.ID = trail.IDFrom(m.date, source, m.id, string(kind))
	first.Message = answered
	events := []trail.Event{first}
	for i, f := range found {
		e := first
		if i > 0 {
			e.ID = trail.IDFrom(m.date, source, m.id, string(kind), f.content, string(f.share))
		}
		e.Content, e.Share = f.content, f.share
		events = append(events[:i], e)
	}
	return events, "", nil
}

// undelivered returns the events of a bounce: one for each outside recipient,
// or one without a contact if it names nobody.
func (r *Reader) undelivered(m *message, b bounce, rep string, received time.Time) ([]trail.Event, string, error) {
	message, err := r.lost(m, b)
	if err != nil {
		return nil, "", err
	}
	if message == "" {
		return nil, "a report of the mail system on a mail that did not arrive and is not known to have carried content", nil
	}
	var events []trail.Event
	for _, f := range b.failed {
		if f.address != "" && r.own(f.address, rep) {
			continue
		}
		e := r.event(trail.Bounced, m, person{address: f.address}, rep, received)
		if f.address == "" {
			e.Contact, e.Person, e.Account = "", nil, ""
		}
		e.ID = trail.IDFrom(m.date, source, m.id, string(trail.Bounced), f.address)
		e.Message = message
		e.Attrs = map[string]string{"severity": "soft"}
		if f.hard {
			e.Attrs["severity"] = "hard"
		}
		if f.status != "" {
			e.Attrs["status"] = f.status
		}
		events = append(events, e)
	}
	if len(events) == 0 {
		return nil, "a report of the mail system on a mail that did not arrive at one of your own", nil
	}
	return events, "", nil
}

// lost returns the hash of the mail with content that a bounce is about, or "".
// Where sent mail was not read yet, a tracked link in what came back tells; what
// that only quotes is content of an older mail.
func (r *Reader) lost(m *message, b bounce) (string, error) {
	message, err := r.known(b.messages)
	if err != nil || message != "" || len(b.messages) == 0 {
		return message, err
	}
	for _, original := range b.originals {
		found, _, err := r.find(original)
		if err != nil {
			return "", err
		}
		if slices.ContainsFunc(found.written(), func(f finding) bool { return f.share != "" }) {
			return r.Contacts.MessageHash(b.messages[0]), nil
		}
	}
	if len(b.originals) > 0 {
		return "", nil
	}
	found, _, err := r.find(m) // it came back without its headers
	if err != nil || len(found.answered(true)) == 0 {
		return "", err
	}
	return r.Contacts.MessageHash(b.messages[0]), nil
}

// answered returns the hash of the sent mail that m answers, or "". The nearest
// one counts: In-Reply-To first, then References from the newest.
func (r *Reader) answered(m *message) (string, error) {
	return r.known(m.thread)
}

// known returns the hash of the first of the messages that is sent mail, or "".
func (r *Reader) known(messages []string) (string, error) {
	if r.WasSent == nil || len(messages) == 0 {
		return "", nil
	}
	hashes := make([]string, len(messages))
	for i, id := range messages {
		hashes[i] = r.Contacts.MessageHash(id)
	}
	known, err := r.WasSent(hashes...)
	if err != nil {
		return "", fmt.Errorf("look up sent mail: %w", err)
	}
	for _, h := range hashes {
		if known[h] {
			return h, nil
		}
	}
	return "", nil
}

// event returns what all events of a message have in common.
func (r *Reader) event(kind trail.Kind, m *message, p person, rep string, received time.Time) trail.Event {
	received = received.UTC()
	at := m.date
	if at.IsZero() || !received.IsZero() && at.After(received.Add(48*time.Hour)) {
		at = received // no date, or a clock that is far ahead
	}
	e := trail.Event{
		Kind: kind, At: at, ReceivedAt: received, Source: source, Rep: rep,
		Contact: r.Contacts.ID(p.address),
		Person:  &trail.Person{Address: p.address, Name: p.name},
	}
	if r.Account != nil {
		e.Account = r.Account(p.address)
	}
	return e
}

// own reports whether an address belongs to our side.
func (r *Reader) own(address, rep string) bool {
	if address == rep {
		return true
	}
	domain := trail.Domain(address)
	for _, own := range r.OwnDomains {
		own = strings.Trim(strings.ToLower(strings.TrimSpace(own)), ".@")
		if own != "" && (domain == own || strings.HasSuffix(domain, "."+own)) {
			return true
		}
	}
	return false
}

var (
	statusField = regexp.MustCompile(`^\s*([245]\.\d{1,3}\.\d{1,3})(?:\D|$)`)
	// Versions and IP addresses look like enhanced codes, hence what has to stand before and after.
	enhancedCode = regexp.MustCompile(`(?im)(?:^[ \t>]*|\b[45][0-5]\d[- :]+#?|[#(\[<;'"] ?|\b(?:status|code|said|dsn|error|returned)[:= ]+['"]?)([45]\.\d{1,3}\.\d{1,3})\.?(?:[^.\d]|$)`)
	smtpCode     = regexp.MustCompile(`(?im)(?:^[ \t>]*|[:;'"(\[] *|\s--? ?|<<< |\b(?:error|code|reply|response|returned|said|smtp)[: ]+)([45][0-5]\d)(?:[-\s:;,.)'"\]]|$)`)
)

// codes returns the enhanced status code and the SMTP code in words of a
// server, each "" if there is none.
func codes(said string) (enhanced, smtp string) {
	if found := enhancedCode.FindStringSubmatch(said); found != nil {
		enhanced = found[1]
	}
	if found := smtpCode.FindStringSubmatch(said); found != nil {
		smtp = found[1]
	}
	return enhanced, smtp
}

// passing are the permanent errors that are not for ever, by the first digits
// of their codes. What they refuse is this mail or its sender, at this time; the
// next mail to the same address may well arrive.
var passing = []string{
	"5.1.7", "5.1.8", // the sender's address
	"5.2.2", "5.2.3", // a full mailbox is emptied, a large mail is only this one
	"5.3.",  // the receiving system: no space, not taking mail now, too large
	"5.4.7", // tried for too long, so nobody ever said no
	"5.6.",  // the content
	"5.7.",  // policy: filters, blocklists and signatures judge the sender's servers and words, and change their mind
}

// hard reports whether an address is gone for good. What is not known is soft:
// a contact must not be written off for a guess.
func hard(status, smtp string) bool {
	if status == "" {
		return strings.HasPrefix(smtp, "5") && smtp != "552" // 552 is a full mailbox too
	}
	for _, prefix := range passing {
		if strings.HasPrefix(status, prefix) && (strings.HasSuffix(prefix, ".") || status == prefix) {
			return false
		}
	}
	return strings.HasPrefix(status, "5")
}
