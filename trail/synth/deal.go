package synth

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"dealtrail/trail"
)

const week = 7 * 24 * time.Hour

// live takes a deal through its weeks until it closes or the history ends.
func (c *Company) live(d *Deal, rng *rand.Rand) {
	ids := make([]string, len(d.Contacts))
	for i, p := range d.Contacts {
		ids[i] = string(p.ID)
	}
	c.enter(d, stages[0], d.Created, map[string]string{
		"name": d.Name, "account": d.Account, "domain": d.Domain, "amount": d.Amount, "currency": "EUR", "status": "open", "owner": d.Owner.Address,
		"created_at": d.Created.Format(time.RFC3339), "contacts": strings.Join(ids, " "),
	})
	for start := monday(d.Created); start.Before(c.Options.End) && d.Status == "open"; start = start.Add(week) {
		c.week(d, start, rng)
	}
}

// week lets reps mail in one week, and the deal move at most once. What it does
// is drawn from what contacts had clicked before the week.
func (c *Company) week(d *Deal, start time.Time, rng *rand.Rand) {
	advances, lost := c.draw(d, start, rng)
	moves := inWeek(start, rng)
	closing := lost || advances && d.stage == len(stages)-1
	for range 2 {
		if rng.Float64() > mailsAWeek[d.stage]/2 {
			continue
		}
		at := inWeek(start, rng)
		stage := d.stage
		if at.After(moves) && (advances || lost) {
			if closing {
				continue
			}
			stage++
		}
		if at.After(d.Created.Add(15*time.Minute)) && at.Before(c.Options.End) {
			c.mail(d, stage, at, rng)
		}
	}
	if !advances && !lost || moves.After(c.Options.End) {
		return
	}
	switch closed := moves.Format(time.RFC3339); {
	case advances && closing:
		d.Status, d.Closed = "won", moves
		c.enter(d, "Won", moves, map[string]string{"status": "won", "closed_at": closed})
	case advances:
		d.stage++
		c.enter(d, stages[d.stage], moves, nil)
	default:
		d.Status, d.Closed, d.LossReason = "lost", moves, pick(rng, lossReasons)
		c.enter(d, "Lost", moves, map[string]string{"status": "lost", "closed_at": closed, "loss_reason": d.LossReason})
	}
}

// draw decides whether a deal advances or is lost in a week. In the week in which
// it was created it does neither.
func (c *Company) draw(d *Deal, start time.Time, rng *rand.Rand) (advances, lost bool) {
	logit := advanceLogit[d.stage] + segmentLogit[d.Segment]
	for i := range c.Contents {
		if at, ok := d.seen[i]; ok && at.Before(start) {
			logit += c.Contents[i].effect
		}
	}
	advances = rng.Float64() < logistic(logit)
	lost = rng.Float64() < logistic(lossLogit[d.stage]) && !advances
	if !d.Created.Before(start) {
		return false, false
	}
	return advances, lost
}

// inWeek draws a working hour of a week.
func inWeek(start time.Time, rng *rand.Rand) time.Time {
	at := start.AddDate(0, 0, rng.IntN(5)).Add(8 * time.Hour)
	return at.Add(time.Duration(rng.Float64() * float64(10*time.Hour))).Truncate(time.Millisecond)
}

// enter tells of a stage as a CRM does: what happened, and how the deal stands.
func (c *Company) enter(d *Deal, stage string, at time.Time, attrs map[string]string) {
	d.Stage = stage
	c.add(trail.Event{
		ID: trail.IDFrom(at, "csv", "staged", d.ID, stage), Kind: trail.Staged, At: at, Source: "csv", Deal: d.ID, Stage: stage, Account: d.Domain,
	})
	next := d.state.With(attrs).With(map[string]string{"stage": stage})
	e := trail.Registration("csv", trail.DealKind, d.ID, d.state, next, at)
	e.Account = d.Domain
	c.add(e)
	d.state = next
	d.state.Event = e.ID
}

// choose draws what the rep sends in a stage; -1 if there is nothing.
func (c *Company) choose(d *Deal, stage int, rng *rand.Rand) int {
	weights, sum := make([]float64, len(c.Contents)), 0.0
	for i := range c.Contents {
		content := &c.Contents[i]
		if stage < content.from || stage > content.to {
			continue
		}
		weights[i] = content.weight * d.Owner.taste[i]
		if d.sentBefore[i] {
			weights[i] *= 0.3
		}
		sum += weights[i]
	}
	u := rng.Float64() * sum
	for i, w := range weights {
		if u -= w; u < 0 && w > 0 {
			return i
		}
	}
	return -1
}

// mail sends one content to one or two contacts of a deal.
func (c *Company) mail(d *Deal, stage int, at time.Time, rng *rand.Rand) {
	n := c.choose(d, stage, rng)
	if n < 0 {
		return
	}
	d.sentBefore[n] = true
	to := []*Contact{d.Contacts[0]}
	if i := rng.IntN(len(d.Contacts)); i > 0 && rng.Float64() < 0.5 {
		to = append(to, d.Contacts[i])
	}
	m := mail{
		deal: d, content: n, share: share(rng), to: to, at: at,
		hash: c.Options.Contacts.MessageHash(fmt.Sprintf("%s.%d.%x@%s", d.ID, at.UnixMilli(), rng.Uint32(), c.Options.Domain)),
	}
	d.shares = append(d.shares, m.share)
	made := trail.Event{Kind: trail.Shared, At: at.Add(-time.Duration(30+rng.IntN(600)) * time.Second), Source: "api", Content: c.Contents[n].ID, Share: m.share, Rep: d.Owner.Address}
	if rng.Float64() < 0.7 { // the others are found through the contact
		made.Deal = d.ID
	}
	for _, p := range to {
		made.ID, made.Contact = trail.IDFrom(made.At, "api", "shared", string(m.share), string(p.ID)), p.ID
		c.add(made)
		c.add(trail.Event{
			ID: trail.IDFrom(at, "mail", m.hash, c.Contents[n].ID, string(p.ID)), Kind: trail.Sent, At: at, Source: "mail", Content: c.Contents[n].ID,
			Share: m.share, Message: m.hash, Contact: p.ID, Account: d.Domain, Rep: d.Owner.Address,
		})
	}
	c.react(m, rng)
}
