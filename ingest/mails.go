package ingest

import (
	"context"
	"slices"
	"strings"
	"time"

	"dealtrail/ingest/track"
	"dealtrail/store"
	"dealtrail/trail"
)

// mails is what is known of the mails that shares were seen in.
type mails struct {
	all      map[trail.ShareID]bool
	found    map[trail.ShareID]time.Time                // when its last mail was found
	links    map[string]map[trail.ShareID]bool          // by message
	sent     map[trail.ShareID][]store.Sighting         // mailed, in order of time
	people   map[trail.ShareID]map[trail.ContactID]bool // made for or mailed to
	provider map[trail.ContactID]string
}

func (c *Corrector) mails(ctx context.Context, shares []trail.ShareID) (*mails, error) {
	sightings, err := c.DB.Sightings(ctx, shares)
	if err != nil {
		return nil, err
	}
	m := &mails{
		all: map[trail.ShareID]bool{}, found: map[trail.ShareID]time.Time{}, links: map[string]map[trail.ShareID]bool{}, sent: map[trail.ShareID][]store.Sighting{},
		people: map[trail.ShareID]map[trail.ContactID]bool{}, provider: map[trail.ContactID]string{},
	}
	for _, s := range shares {
		m.all[s] = true
	}
	var contacts []string
	for _, s := range sightings {
		m.all[s.Share] = true
		if s.Message != "" {
			m.sent[s.Share] = append(m.sent[s.Share], s)
			if s.FoundAt.After(m.found[s.Share]) {
				m.found[s.Share] = s.FoundAt
			}
			if m.links[s.Message] == nil {
				m.links[s.Message] = map[trail.ShareID]bool{}
			}
			m.links[s.Message][s.Share] = true
		}
		if s.Contact != "" {
			if m.people[s.Share] == nil {
				m.people[s.Share] = map[trail.ContactID]bool{}
			}
			m.people[s.Share][s.Contact] = true
			contacts = append(contacts, string(s.Contact))
		}
	}
	people, err := c.DB.People(ctx, contacts)
	if err != nil {
		return nil, err
	}
	for contact, p := range people {
		m.provider[trail.ContactID(contact)] = Provider(trail.Domain(p.Address))
	}
	return m, nil
}

// shares are those that were seen in a mail, and the others.
func (m *mails) shares() (mailed, unmailed []trail.ShareID) {
	for s := range m.all {
		if len(m.sent[s]) > 0 {
			mailed = append(mailed, s)
		} else {
			unmailed = append(unmailed, s)
		}
	}
	return mailed, unmailed
}

// seen is a request with what is known around it.
func (m *mails) seen(e *trail.Event) track.Seen {
	s := track.Seen{
		Kind: e.Kind, At: e.At, Evidence: e.Evidence, Link: string(e.Share), For: m.who(e.Share), Trap: e.Kind == trail.Trapped,
		Circumstances: track.Circumstances{Self: e.Agent == trail.Self},
	}
	sent := m.sent[e.Share]
	if len(sent) == 0 {
		return s
	}
	// The last mail that it can have come from.
	mail := sent[0]
	for _, other := range sent {
		if !other.At.After(e.At) {
			mail = other
		}
	}
	s.Mail, s.Links = mail.Message, len(m.links[mail.Message])
	s.Timed, s.Since = true, e.At.Sub(mail.At)
	if !track.MailProxy(e.Evidence) {
		s.Since += clockDoubt
	}
	for _, other := range sent {
		if other.Message != mail.Message {
			continue
		}
		p := m.provider[other.Contact]
		if p == "" { // one of them may use any
			s.Providers = nil
			return s
		}
		s.Providers = append(s.Providers, p)
	}
	return s
}

// who names the one person of a share; "" if nobody or several are known: two
// links of several people may be one person's.
func (m *mails) who(share trail.ShareID) string {
	if people := m.people[share]; len(people) == 1 {
		for p := range people {
			return string(p)
		}
	}
	return ""
}

// clockDoubt is how much later than it seems a request may have come: a mail's
// Date is its writer's clock, in whole seconds, before the mail was on its way.
// The proxy of a mail provider gets no such benefit: right after sending it shows
// the rep the copy in Sent.
const clockDoubt = 10 * time.Second

// longAfter is how long after the first click of a link another device is
// somebody else's rather than the same person's telephone.
const longAfter = time.Hour

// passedOn flags clicks, in order of time, of links that one person has, from
// another device and place long after that person's: most likely the mail was
// forwarded. Origins under different keys cannot be compared, and count as others.
func (m *mails) passedOn(requests []trail.Event, verdicts []trail.Verdict) {
	before := map[trail.ShareID][]int{} // people's clicks
	for i, e := range requests {
		v := &verdicts[i]
		if e.Kind != trail.Clicked || v.Agent != trail.Human || len(m.people[e.Share]) != 1 {
			continue
		}
		earlier := before[e.Share]
		before[e.Share] = append(earlier, i)
		if len(earlier) == 0 || e.At.Sub(requests[earlier[0]].At) < longAfter {
			continue
		}
		known := slices.ContainsFunc(earlier, func(j int) bool {
			o := requests[j]
			return track.SameDevice(o.Evidence, e.Evidence) || e.Origin != "" && o.Origin == e.Origin || e.Origin == "" && o.Origin == ""
		})
		if !known {
			v.Signal = trail.PassedOnSignal
		}
	}
}

// Provider returns which large provider hosts the mailboxes of a domain that
// anybody can have one at: google, yahoo, apple or microsoft. It is "" for all
// other domains: who hosts a company's mail does not show.
func Provider(domain string) string {
	switch first, rest, _ := strings.Cut(domain, "."); {
	case domain == "gmail.com" || domain == "googlemail.com":
		return "google"
	case rest != "" && (first == "yahoo" || first == "ymail" || first == "rocketmail" || first == "aol"):
		return "yahoo"
	case domain == "icloud.com" || domain == "me.com" || domain == "mac.com":
		return "apple"
	case rest != "" && (first == "outlook" || first == "hotmail" || first == "live" || first == "msn"):
		return "microsoft"
	}
	return ""
}
