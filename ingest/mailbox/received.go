package mailbox

import (
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"dealtrail/trail"
)

// received reads a mail from outside. The order of the tests matters: bounces
// and automatic replies carry the headers of replies, and bounces may have no
// sender.
func (r *Reader) received(m *message, rep string, received time.Time) (Reading, error) {
	b, bounced := m.bounced()
	switch {
	case bounced:
		return r.undelivered(m, b, rep, received)
	case b.late:
		return without("a report of the mail system on a mail that is late, which is still being tried"), nil
	case m.report == "disposition-notification":
		return r.receipt(m, rep, received)
	case m.bounce():
		return without("a report of the mail system that does not say which mail did not arrive"), nil
	case m.report != "":
		return without("a report of the mail system"), nil
	case m.from.address == "":
		return without("no sender address"), nil
	case r.own(m.from.address, rep):
		return without("the sender is one of your own"), nil
	}
	answered, err := r.known(m.thread)
	if err != nil {
		return Reading{}, err
	}
	has, err := r.find(m)
	if err != nil {
		return Reading{}, err
	}
	quoted := has.answered(len(m.thread) > 0)
	automatic := m.automatic()
	if answered == "" && !automatic {
		passed, err := r.passedOn(m, quoted, []person{m.from}, rep, received)
		if err != nil || len(passed.Events) > 0 {
			return passed, err
		}
	}
	bare := answered == "" && len(quoted) == 0
	if bare {
		known, err := r.acquainted(m.from)
		if err != nil || !known || automatic || m.bulk() {
			return without("answers no mail that carried content"), err
		}
	}
	if answered == "" && len(m.thread) > 0 {
		answered = r.Contacts.MessageHash(m.thread[0]) // known by its token, and its own mail may be read later; or a bare fact
	}
	kind := trail.Replied
	if automatic {
		kind = trail.Autoreplied
	}
	events := r.answers(kind, m, quoted, answered, rep, received)
	if !bare {
		for i := range events { // read before, it may have been a bare fact that named another mail
			events[i].Revision, events[i].RevisedAt = 1, received.UTC()
		}
	}
	return Reading{Events: events}, nil
}

// acquainted reports whether the CRM knows a person.
func (r *Reader) acquainted(p person) (bool, error) {
	if r.Known == nil {
		return false, nil
	}
	id := r.Contacts.ID(p.address)
	known, err := r.Known(id)
	return known[id], err
}

// answers returns the events of an answer: one for each content that it quotes,
// or one.
func (r *Reader) answers(kind trail.Kind, m *message, quoted findings, answered, rep string, received time.Time) []trail.Event {
	first := r.event(kind, m, m.from, rep, received)
	first.ID = trail.IDFrom(m.date, source, m.id, string(kind))
	first.Message = answered
	events := []trail.Event{first}
	for i, f := range quoted {
		e := first
		if i > 0 {
			e.ID = trail.IDFrom(m.date, source, m.id, string(kind), f.content, string(f.share))
		}
		e.Content, e.Share = f.content, f.share
		events = append(events[:i], e)
	}
	return events
}

// receipt returns the event of a read receipt (RFC 8098): the contact's mail
// program says that the mail was shown, and whether the contact agreed to tell.
func (r *Reader) receipt(m *message, rep string, received time.Time) (Reading, error) {
	var shown, manual bool
	var about []string
	err := walk(m.header, m.body, func(h textproto.MIMEHeader, kind string, part []byte) {
		if kind != "message/disposition-notification" {
			return
		}
		for _, fields := range statusBlocks(text(h, part)) {
			disposition := strings.ToLower(fields["disposition"])
			shown = shown || strings.Contains(disposition, "displayed")
			manual = manual || strings.HasPrefix(disposition, "manual-action")
			if id := messageID(fields["original-message-id"]); id != "" {
				about = append(about, id)
			}
		}
	})
	if err != nil || !shown || m.from.address == "" || r.own(m.from.address, rep) {
		return without("a receipt of a mail program that does not say that a mail was read"), nil
	}
	answered, err := r.known(append(about, m.thread...))
	if err != nil || answered == "" {
		return without("a read receipt of a mail that is not known to have carried content"), err
	}
	e := r.event(trail.Opened, m, m.from, rep, received)
	e.ID = trail.IDFrom(m.date, source, m.id, string(trail.Opened))
	e.Message = answered
	e.Verdict = trail.Verdict{Agent: trail.Human, Probability: 0.9, Rules: []string{trail.RuleReadReceipt}}
	if manual {
		e.Probability = 0.99
	}
	return Reading{Events: []trail.Event{e}}, nil
}

// undelivered returns the events of a bounce: one for each outside recipient,
// or one without a contact if it names nobody.
func (r *Reader) undelivered(m *message, b bounce, rep string, received time.Time) (Reading, error) {
	message, err := r.lost(m, b)
	if err != nil {
		return Reading{}, err
	}
	if message == "" {
		return without("a report of the mail system on a mail that did not arrive and is not known to have carried content"), nil
	}
	var events []trail.Event
	if r.excludedBounce(b, rep) {
		return without(excludedParty), nil
	}
	for _, f := range b.failed {
		if f.address != "" && (r.own(f.address, rep) || r.Exclude != nil && r.Exclude(rep, f.address)) {
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
		return without("a report of the mail system on a mail that did not arrive at one of your own or at somebody excluded"), nil
	}
	return Reading{Events: events}, nil
}

// excludedBounce reports whether the mail that did not arrive leaves no trace.
func (r *Reader) excludedBounce(b bounce, rep string) bool {
	return slices.ContainsFunc(b.originals, func(m *message) bool { return r.excluded(m, rep) }) || slices.ContainsFunc(b.messages, func(id string) bool { return r.private[id] })
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
		has, err := r.find(original)
		if err != nil {
			return "", err
		}
		if slices.ContainsFunc(has.written(), func(f finding) bool { return f.share != "" }) {
			return r.Contacts.MessageHash(b.messages[0]), nil
		}
	}
	if len(b.originals) > 0 {
		return "", nil
	}
	has, err := r.find(m) // it came back without its headers
	if err != nil || len(has.answered(true)) == 0 {
		return "", err
	}
	return r.Contacts.MessageHash(b.messages[0]), nil
}

// known returns the hash of the first of the messages that is mail with content,
// or "". Of a thread that is the nearest: In-Reply-To first, then References from
// the newest.
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
