package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/trail"
)

// Digest is the daily mail to each rep: what came of what they sent, which of their
// deals are hot, and what to send there next.
type Digest struct {
	At   DayTime
	Reps func() []string // by address: those whose mailboxes are connected
	// Recommend says what to send to a deal, the best first.
	Recommend func(ctx context.Context, deal string) ([]trail.Recommendation, error)
	// StopPath is the page on which a rep ends or begins these mails, sealed so that nobody can guess it.
	StopPath func(rep string) string
}

const (
	// digestsOff is the set of reps, by address, who want no digest.
	digestsOff = "dealtrail:outbox:digest:off"
	// digestSent holds the last attempt that worked, whoever's.
	digestSent = "dealtrail:outbox:digest:sent"
	// overlap is how much of what was told already is looked at again: mail that was read late is not lost.
	overlap = 24 * time.Hour
	// longestGap is how far back a digest reaches at most, after holidays or an outage.
	longestGap = 7 * 24 * time.Hour

	digestLines = 20 // of each kind at most
	nextDeals   = 3  // for how many deals there is something to send
	nextEach    = 2  // and how much

	digestTrouble = "digest"
)

// digested is what a rep was told, as Redis has it.
type digested struct {
	Through time.Time  `json:"through,omitzero"` // when the last one was due, sent or with nothing to say
	Told    []trail.ID `json:"told,omitempty"`   // the clicks and answers near that
	Attempt attempt    `json:"attempt"`          // at the one that is due now
}

// DigestWanted reports whether a rep gets the digest.
func (x *Outbox) DigestWanted(ctx context.Context, rep string) (bool, error) {
	off, err := x.Redis.SIsMember(ctx, digestsOff, trail.NormalAddress(rep)).Result()
	return !off, err
}

// WantDigest takes a rep's word on whether they want the digest.
func (x *Outbox) WantDigest(ctx context.Context, rep string, wanted bool) error {
	if wanted {
		return x.Redis.SRem(ctx, digestsOff, trail.NormalAddress(rep)).Err()
	}
	return x.Redis.SAdd(ctx, digestsOff, trail.NormalAddress(rep)).Err()
}

func (x *Outbox) digestKey(rep string) string {
	return "dealtrail:outbox:digest:" + string(x.Contacts.ID(rep))
}

// MailDigests mails what is due to each rep who wants it and has something to read.
func (x *Outbox) MailDigests(ctx context.Context) error {
	if x.Mail == nil || x.Digest == nil {
		return nil
	}
	now := x.now()
	due, ok := x.Digest.At.Due(now, x.Zone)
	if !ok || x.isFinished("digest", due) {
		return nil
	}
	ctx, release, ok := ingest.Alone(ctx, x.Redis, digestLease)
	if !ok {
		return nil
	}
	defer release()
	off, err := x.Redis.SMembers(ctx, digestsOff).Result()
	if err != nil {
		return err
	}
	states := map[string]*digested{}
	oldest := due
	for _, rep := range x.Digest.Reps() {
		rep = trail.NormalAddress(rep)
		s := &digested{}
		if err := x.read(ctx, x.digestKey(rep), s); err != nil {
			return err
		}
		if slices.Contains(off, rep) || !s.Through.Before(due) {
			continue
		}
		if s.Attempt.Since.Before(due) {
			s.Attempt = attempt{} // at another day's
		}
		states[rep] = s
		if from := x.digestFrom(s, due).Add(-overlap); from.Before(oldest) {
			oldest = from
		}
	}
	if len(states) == 0 {
		x.finish("digest", due)
		return x.tell(ctx, digestTrouble, "")
	}
	waiting := func(s *digested) bool { return s.Attempt.over() || now.Before(s.Attempt.Next) }
	if allOf(states, waiting) {
		if allOf(states, func(s *digested) bool { return s.Attempt.over() }) {
			x.finish("digest", due) // what was given up stays told
		}
		return nil
	}
	all, err := x.engaged(ctx, oldest, now.Add(-settled))
	if err != nil {
		return errors.Join(err, x.tell(ctx, digestTrouble, fmt.Sprintf("The digests of today cannot be made: %s. It is tried again every minute.", why(err))))
	}
	for _, rep := range slices.Sorted(maps.Keys(states)) {
		if err := x.mailDigest(ctx, rep, states[rep], all, due); err != nil {
			return err
		}
	}
	return x.tell(ctx, digestTrouble, digestTold(states))
}

// digestFrom is since when a digest tells: since the last one, however long the
// weekend was.
func (x *Outbox) digestFrom(s *digested, due time.Time) time.Time {
	if s.Through.IsZero() {
		return x.Digest.At.Before(due, x.Zone)
	}
	if first := due.Add(-longestGap); s.Through.Before(first) {
		return first
	}
	return s.Through
}

// engaged reads what happened in a time and what there is to say of it.
func (x *Outbox) engaged(ctx context.Context, from, to time.Time) (*trail.Engaged, error) {
	rows, err := x.DB.Engagements(ctx, from, to, store.Filter{})
	if err != nil {
		return nil, err
	}
	return x.DB.Engaged(ctx, rows, store.Filter{})
}

// mailDigest mails one rep's, if there is something in it and it is time to try.
func (x *Outbox) mailDigest(ctx context.Context, rep string, s *digested, all *trail.Engaged, due time.Time) error {
	if s.Attempt.over() || x.now().Before(s.Attempt.Next) {
		return nil
	}
	news, deals, ids := x.newsFor(rep, s, all, due)
	done := &digested{Through: due, Told: ids}
	if len(news)+len(deals) == 0 {
		return x.write(ctx, x.digestKey(rep), done)
	}
	l := x.digestLetter(ctx, rep, x.digestFrom(s, due), due, news, deals)
	if err := x.post(ctx, l, &s.Attempt); err != nil {
		return err
	}
	if s.Attempt.Sent.IsZero() {
		return x.write(ctx, x.digestKey(rep), s)
	}
	if err := x.write(ctx, x.digestKey(rep), done); err != nil {
		return err
	}
	x.forget(l.ID + " " + l.To)
	return x.write(ctx, digestSent, s.Attempt)
}

// allOf reports whether something holds for all.
func allOf(states map[string]*digested, holds func(*digested) bool) bool {
	for _, s := range states {
		if !holds(s) {
			return false
		}
	}
	return true
}

func digestTold(states map[string]*digested) string {
	var failing []string
	last := ""
	for _, rep := range slices.Sorted(maps.Keys(states)) {
		if a := states[rep].Attempt; a.Error != "" {
			failing, last = append(failing, rep), a.Error
		}
	}
	if len(failing) == 0 {
		return ""
	}
	return fmt.Sprintf("The digest of today could not be mailed to %s, such as %s: %s. It is tried again until midnight; look at [smtp] in dealtrail.toml.", count(len(failing), "rep", "reps"), failing[0], last)
}

// personNews is what one person did with one content.
type personNews struct {
	contact         trail.ContactRow
	content, title  string
	clicks, answers int
	last            time.Time
}

// dealNews is what happened in one deal.
type dealNews struct {
	trail.DealRow
	clicks, answers int
}

// newsFor picks what is new to a rep: who clicked or answered on what they sent, as far
// as only that person can have done it, and their open deals in which something
// happened, whoever sent it. ids are of all that was picked or was told before.
func (x *Outbox) newsFor(rep string, s *digested, all *trail.Engaged, due time.Time) (people []personNews, deals []dealNews, ids []trail.ID) {
	from := x.digestFrom(s, due)
	told := map[trail.ID]bool{}
	for _, id := range s.Told {
		told[id] = true
	}
	type who struct {
		contact trail.ContactID
		content string
	}
	byPerson, byDeal, counted := map[who]*personNews{}, map[string]*dealNews{}, map[trail.ID]bool{}
	for _, e := range all.Rows {
		// What was told is remembered as long as it is looked at again; what came before the first digest is old.
		if e.At.Before(from.Add(-overlap)) || s.Through.IsZero() && e.At.Before(from) {
			continue
		}
		mine := e.Rep == rep && len(e.Contacts) == 1
		var hot []string
		for _, id := range e.Deals {
			if d := all.Deals[id]; d.Status == "open" && trail.NormalAddress(d.Owner) == rep {
				hot = append(hot, id)
			}
		}
		if !mine && len(hot) == 0 {
			continue
		}
		again := counted[e.ID] // an answer to a mail with two contents
		if !again && e.At.After(due.Add(-2*overlap)) {
			ids = append(ids, e.ID)
		}
		counted[e.ID] = true
		if told[e.ID] {
			continue
		}
		clicked := 0
		if e.Kind == trail.Clicked {
			clicked = 1
		}
		if p, known := all.People[first(e.Contacts)]; mine && known {
			k := who{p.Contact, e.Content}
			if byPerson[k] == nil {
				byPerson[k] = &personNews{contact: p, content: e.Content, title: cmp.Or(all.Titles[e.Content], e.Content)}
			}
			n := byPerson[k]
			n.clicks, n.answers = n.clicks+clicked, n.answers+1-clicked
			if e.At.After(n.last) {
				n.last = e.At
			}
		}
		for _, id := range hot {
			if byDeal[id] == nil {
				byDeal[id] = &dealNews{DealRow: all.Deals[id]}
			}
			if n := byDeal[id]; !again {
				n.clicks, n.answers = n.clicks+clicked, n.answers+1-clicked
			}
		}
	}
	for _, n := range byPerson {
		people = append(people, *n)
	}
	for _, n := range byDeal {
		deals = append(deals, *n)
	}
	slices.SortFunc(people, func(a, b personNews) int {
		return cmp.Or(cmp.Compare(min(b.answers, 1), min(a.answers, 1)), b.last.Compare(a.last), cmp.Compare(a.contact.Contact, b.contact.Contact), cmp.Compare(a.content, b.content))
	})
	slices.SortFunc(deals, func(a, b dealNews) int {
		return cmp.Or(cmp.Compare(b.answers, a.answers), cmp.Compare(b.clicks, a.clicks), cmp.Compare(a.ID, b.ID))
	})
	return people, deals, ids
}

// first is the first of a list, "" of none.
func first(all []trail.ContactID) trail.ContactID {
	if len(all) == 0 {
		return ""
	}
	return all[0]
}
