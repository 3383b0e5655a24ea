package synth

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"dealtrail/trail"
)

// mail is one mail with one content.
type mail struct {
	deal    *Deal
	content int
	share   trail.ShareID
	hash    string // names the message in the log
	to      []*Contact
	at      time.Time
}

func verdict(agent trail.Agent, probability float32, rules ...string) trail.Verdict {
	return trail.Verdict{Agent: agent, Probability: probability, Rules: rules}
}

// The verdicts that the tracker gives to what happens here.
var (
	byScanner = verdict(trail.Scanner, 0.99, "score", "vendor_address", "machine_within_minute", "no_language")
	byMPP     = verdict(trail.Scanner, 0.97, "apple_mpp")
	byProxy   = verdict(trail.Proxy, 0.9, "mail_proxy")
	byMail    = verdict(trail.Human, 0.9, "mail_client")
	byWebmail = verdict(trail.Human, 0.95, "score", "language", "as_image")
	byBrowser = verdict(trail.Human, 0.95, "score", "language", "navigated", "accepts_pages")
	byOffice  = verdict(trail.Unknown, 0.5, "office_probe")
)

// react plays what machines and people do with a mail.
func (c *Company) react(m mail, rng *rand.Rand) {
	if m.deal.scanned { // a gateway looks at everything before anybody can
		t := m.at.Add(time.Duration(800+rng.IntN(2500)) * time.Millisecond)
		c.hit(m, trail.Opened, t, byScanner)
		for range 1 + rng.IntN(2) {
			t = t.Add(time.Duration(100+rng.IntN(1500)) * time.Millisecond)
			c.hit(m, trail.Clicked, t, byScanner)
		}
	}
	if m.deal.provider == "apple" {
		c.hit(m, trail.Opened, m.at.Add(later(rng, 20*time.Minute, 0.8)), byMPP)
	}
	for _, p := range m.to {
		c.read(m, p, rng)
	}
}

// read plays one recipient.
func (c *Company) read(m mail, p *Contact, rng *rand.Rand) {
	appeal := c.Contents[m.content].appeal
	clicks := rng.Float64() < appeal
	last := working(m.at.Add(later(rng, 3*time.Hour, 1.2)), rng)
	if clicks || rng.Float64() < 0.5 {
		switch m.deal.provider {
		case "google", "yahoo":
			c.hit(m, trail.Opened, last, byProxy)
		case "microsoft":
			c.hit(m, trail.Opened, last, byMail)
		case "other":
			c.hit(m, trail.Opened, last, byWebmail)
		} // Apple hides it
	}
	if clicks {
		last = last.Add(time.Duration(5+rng.IntN(240)) * time.Second)
		who := byBrowser
		if m.deal.provider == "microsoft" && rng.Float64() < 0.06 {
			who = byOffice
		}
		c.hit(m, trail.Clicked, last, who)
		if first, ok := m.deal.seen[m.content]; !ok || last.Before(first) {
			m.deal.seen[m.content] = last
		}
		if rng.Float64() < 0.25 { // comes back to it
			c.hit(m, trail.Clicked, working(last.Add(later(rng, 20*time.Hour, 1)), rng), byBrowser)
		}
		if rng.Float64() < 0.04 { // passes it on in a chat
			shared := verdict(trail.Scanner, 0.99, "unfurler", "ua_bot")
			shared.Signal = "shared"
			c.hit(m, trail.Clicked, last.Add(time.Duration(60+rng.IntN(3000))*time.Second), shared)
		}
	}
	answers := 0.06
	if clicks {
		answers = 0.2
	}
	if rng.Float64() > answers {
		return
	}
	at := working(last.Add(later(rng, time.Hour, 1)), rng)
	c.add(trail.Event{
		ID: trail.IDFrom(at, "mail", "reply", m.hash, string(p.ID)), Kind: trail.Replied, At: at, Source: "mail", Message: m.hash,
		Contact: p.ID, Account: m.deal.Domain, Rep: m.deal.Owner.Address,
	})
	if rng.Float64() < 0.25 {
		at = working(at.Add(later(rng, 2*time.Hour, 0.5)), rng)
		c.add(trail.Event{
			ID: trail.IDFrom(at, "api", "noted", m.hash, string(p.ID)), Kind: trail.Noted, At: at, Source: "api", Content: c.Contents[m.content].ID,
			Contact: p.ID, Deal: m.deal.ID, Rep: m.deal.Owner.Address, Note: pick(rng, notes),
		})
	}
}

// hit is one request for the link or the pixel of a mail.
func (c *Company) hit(m mail, kind trail.Kind, at time.Time, who trail.Verdict) {
	at = at.Truncate(time.Millisecond)
	who.Rules = slices.Clone(who.Rules)
	c.add(trail.Event{
		ID: trail.IDFrom(at, "track", string(kind), string(m.share), fmt.Sprint(who.Agent)), Kind: kind, At: at, Source: "track",
		Content: c.Contents[m.content].ID, Share: m.share, Verdict: who,
	})
}

// later draws a delay around a median, with a long tail.
func later(rng *rand.Rand, median time.Duration, spread float64) time.Duration {
	return time.Duration(float64(median) * math.Exp(spread*rng.NormFloat64()))
}
