package mailbox

import (
	"fmt"
	"time"

	"dealtrail/trail"
)

// sent reads a mail that a rep wrote.
func (r *Reader) sent(m *message, rep string, received time.Time) (Reading, error) {
	outside := r.outside(m, rep)
	has, err := r.find(m)
	if err != nil {
		return Reading{}, err
	}
	out := Reading{Sighted: has.sighted, Wrapped: has.wrapped, Trackers: has.trackers}
	written := has.written()
	switch {
	case len(written) > 0 && len(outside)*len(written) > maxEvents:
		out.Reason = fmt.Sprintf("%d outside recipients and %d pieces of content are more than one mail may have", len(outside), len(written))
		return out, nil
	case len(written) > 0:
		out.Events, out.Marks = r.sends(m, written, has.pixels, outside, rep, received)
		return out, nil
	}
	passed, err := r.passedOn(m, has.quotes(), outside, rep, received)
	out.Events, out.Marks = passed.Events, passed.Marks
	if err != nil || len(out.Events) > 0 {
		return out, err
	}
	if out.Events, err = r.wrote(m, outside, rep, received); err != nil {
		return out, err
	}
	if len(out.Events) == 0 {
		out.Reason = has.why
	}
	return out, nil
}

// wrote returns the bare fact that a rep wrote, for each recipient whom the CRM
// knows.
func (r *Reader) wrote(m *message, people []person, rep string, received time.Time) (events []trail.Event, err error) {
	if r.Known == nil || len(people) > maxKnown {
		return nil, nil
	}
	ids := make([]trail.ContactID, len(people))
	for i, p := range people {
		ids[i] = r.Contacts.ID(p.address)
	}
	known, err := r.Known(ids...)
	if err != nil {
		return nil, err
	}
	for _, p := range people {
		if e := r.event(trail.Sent, m, p, rep, received); known[e.Contact] {
			e.ID = trail.IDFrom(m.date, source, m.id, "", p.address)
			e.Message = r.Contacts.MessageHash(m.id)
			events = append(events, e)
		}
	}
	return events, nil
}

// sends returns an event for each content and recipient, and what to remember of
// them.
func (r *Reader) sends(m *message, written findings, pixels map[trail.ShareID]bool, outside []person, rep string, received time.Time) (events []trail.Event, marks []string) {
	message := r.Contacts.MessageHash(m.id)
	marks = append(marks, message)
	for _, f := range written {
		if f.share != "" {
			marks = append(marks, shareMark(f.share, ""))
		}
		for _, p := range outside {
			e := r.event(trail.Sent, m, p, rep, received)
			e.ID = trail.IDFrom(m.date, source, m.id, f.content, string(f.share), p.address)
			e.Content, e.Share, e.Message = f.content, f.share, message
			e.Rules = f.rules()
			if !pixels[f.share] {
				e.Signal = trail.Unobservable
			}
			events = append(events, e)
			if f.share != "" {
				marks = append(marks, shareMark(f.share, e.Contact))
			}
		}
	}
	return events, marks
}

// rules says what of a content a mail has.
func (f finding) rules() []string {
	rule := trail.RulePlainLink
	switch {
	case f.share != "":
		rule = trail.RuleTracked
	case f.file:
		rule = trail.RuleFile
	}
	if f.stale {
		return []string{rule, trail.RuleStale}
	}
	return []string{rule}
}

// shareMark is what is remembered of a share in a mail, and of somebody who got
// it.
func shareMark(share trail.ShareID, contact trail.ContactID) string {
	return "share:" + string(share) + ":" + string(contact)
}

// ForwardedMark begins the marks of mail that passed content on.
const ForwardedMark = "forwarded:"

// forwardMark remembers which mail brought a share to somebody: read again, it
// says the same again.
func forwardMark(share trail.ShareID, contact trail.ContactID, message string) string {
	return ForwardedMark + string(share) + ":" + string(contact) + ":" + message
}

// passedOn returns an event for each tracked content that a mail only quotes and
// each person who did not have it yet, as far as it is known who had.
func (r *Reader) passedOn(m *message, quoted findings, people []person, rep string, received time.Time) (out Reading, err error) {
	if r.WasSent == nil || len(quoted)*len(people) > maxEvents || len(quoted) == 0 {
		return out, nil
	}
	var ask []string
	message := r.Contacts.MessageHash(m.id)
	for _, f := range quoted {
		ask = append(ask, shareMark(f.share, ""))
		for _, p := range people {
			contact := r.Contacts.ID(p.address)
			ask = append(ask, shareMark(f.share, contact), forwardMark(f.share, contact, message))
		}
	}
	known, err := r.WasSent(ask...)
	if err != nil {
		return out, fmt.Errorf("look up who has a share: %w", err)
	}
	for _, f := range quoted {
		for _, p := range people {
			e := r.event(trail.Forwarded, m, p, rep, received)
			by := forwardMark(f.share, e.Contact, message)
			if !known[shareMark(f.share, "")] || known[shareMark(f.share, e.Contact)] && !known[by] {
				continue
			}
			e.ID = trail.IDFrom(m.date, source, m.id, string(trail.Forwarded), f.content, string(f.share), p.address)
			e.Content, e.Share, e.Message = f.content, f.share, message
			out.Events = append(out.Events, e)
			out.Marks = append(out.Marks, shareMark(f.share, e.Contact), by)
		}
	}
	return out, nil
}
