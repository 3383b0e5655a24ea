package synth

import (
	"bytes"
	"cmp"
	"encoding/base32"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"dealtrail/trail"
)

// Options say which company to make up. Zero values take the defaults.
type Options struct {
	Seed     uint64
	Reps     int              // 8
	Contents int              // 40
	Deals    int              // 150
	Start    time.Time        // six months before End
	End      time.Time        // the morning of 23 November 2026; nothing happens after
	Contacts trail.ContactKey // names contacts in the log
	Domain   string           // of our own company: lumen.example
	Site     string           // where its content is: https://www.<Domain>/site
}

// Company is a made-up company with its history. Do not change what it holds.
type Company struct {
	Options  Options // with the defaults filled in
	Reps     []Rep
	Contents []Content
	Deals    []*Deal

	events []trail.Event
}

// Rep is a person on our side.
type Rep struct {
	Address, Name string
	taste         []float64 // by content: how much more or less than others the rep sends it
}

// Content is a thing that reps send.
type Content struct {
	ID    trail.ContentID
	Attrs map[string]string // as registered, see trail.State
	piece
}

// Deal is a deal as it stands at the end.
type Deal struct {
	ID, Name        string
	Account, Domain string
	Segment         int  // 0 small, 1 middle, 2 large
	Owner           *Rep //
	Contacts        []*Contact
	Amount          string // plain decimal, in EUR
	Stage           string // one of Qualified, Demo, Proposal, Negotiation, Won, Lost
	Status          string // open, won or lost
	LossReason      string
	Created, Closed time.Time // Closed is zero while it is open
	provider        string    // of the account's mail
	scanned         bool      // the account's mail passes a scanner that follows links
	state           trail.State
	stage           int
	seen            map[int]time.Time // by content: first click of a person
	sentBefore      map[int]bool
	shares          []trail.ShareID
}

// Contact is a person on the customer's side.
type Contact struct {
	ID   trail.ContactID
	Role string
	trail.Person
}

// account is a customer's company while deals are made.
type account struct {
	name, domain, provider string
	segment                int
	scanned                bool
	owner                  *Rep
	contacts               []*Contact
	since                  time.Time
}

// New makes up a company. It does the work at once: about 30 ms by default.
func New(o Options) *Company {
	o.Reps, o.Contents, o.Deals = cmp.Or(o.Reps, 8), cmp.Or(o.Contents, 40), cmp.Or(o.Deals, 150)
	o.Domain = cmp.Or(o.Domain, "lumen.example")
	o.Site = strings.TrimRight(cmp.Or(o.Site, "https://www."+o.Domain+"/site"), "/")
	if o.End.IsZero() {
		o.End = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	}
	o.End = o.End.UTC().Truncate(time.Millisecond)
	if o.Start.IsZero() {
		o.Start = o.End.AddDate(0, -6, 0)
	}
	o.Start = o.Start.UTC().Truncate(time.Millisecond)
	c := &Company{Options: o}
	rng := rand.New(rand.NewPCG(o.Seed, 0))
	c.makeContents()
	c.makeReps(rng)
	accounts := c.makeDeals(rng)
	for _, a := range accounts {
		c.register(a)
	}
	for i, d := range c.Deals {
		c.live(d, rand.New(rand.NewPCG(o.Seed, uint64(i)+1))) // its own: one deal more changes no other
	}
	slices.SortStableFunc(c.events, func(a, b trail.Event) int {
		return cmp.Or(a.At.Compare(b.At), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return c
}

// Events returns the whole history in order of time.
func (c *Company) Events() []trail.Event { return slices.Clone(c.events) }

// Truth returns what each content does, once a contact clicked it, to the
// log-odds that the deal advances in a week.
func (c *Company) Truth() map[trail.ContentID]float64 {
	truth := map[trail.ContentID]float64{}
	for _, content := range c.Contents {
		truth[content.ID] = content.effect
	}
	return truth
}

// add keeps an event unless it would happen after the end.
func (c *Company) add(e trail.Event) trail.Event {
	e.At = e.At.Truncate(time.Millisecond)
	e.ReceivedAt = e.At
	if !e.At.After(c.Options.End) {
		c.events = append(c.events, e)
	}
	return e
}

func (c *Company) makeContents() {
	for i := range c.Options.Contents {
		p := pieces[i%len(pieces)]
		if edition := i/len(pieces) + 1; edition > 1 {
			p.id, p.title = fmt.Sprintf("%s-%d", p.id, edition), fmt.Sprintf("%s, edition %d", p.title, edition)
			p.effect, p.weight = 0, min(p.weight, 0.5)
		}
		content := Content{ID: p.id, piece: p, Attrs: map[string]string{
			"title": p.title, "kind": p.kind, "url": c.Options.Site + "/" + p.id, "stage": stages[p.from], "persona": p.persona, "version": "1",
			"owner": "marketing@" + c.Options.Domain, "cost": fmt.Sprintf("%d.00", 300+170*(i%23)), "currency": "EUR",
			"published_at": c.Options.Start.AddDate(0, 0, -7*(i%20)).Format(time.RFC3339),
		}}
		c.Contents = append(c.Contents, content)
		c.add(trail.Registration("csv", trail.ContentKind, p.id, trail.State{}, trail.State{Attrs: content.Attrs}, c.Options.Start))
	}
}

func (c *Company) makeReps(rng *rand.Rand) {
	used := map[string]bool{}
	for range c.Options.Reps {
		name, address := person(rng, c.Options.Domain, used)
		rep := Rep{Address: address, Name: name}
		for range c.Contents {
			rep.taste = append(rep.taste, 0.4+1.2*rng.Float64())
		}
		c.Reps = append(c.Reps, rep)
	}
}

// person draws a name that is not used yet and its address at a domain.
func person(rng *rand.Rand, domain string, used map[string]bool) (name, address string) {
	first, last := pick(rng, firstNames), pick(rng, lastNames)
	local := strings.ToLower(first + "." + last)
	for n := 2; used[local+"@"+domain]; n++ {
		local = strings.ToLower(fmt.Sprintf("%s.%s%d", first, last, n))
	}
	used[local+"@"+domain] = true
	return first + " " + last, local + "@" + domain
}

// makeDeals draws accounts and their deals; one deal in eight is a second one.
func (c *Company) makeDeals(rng *rand.Rand) []*account {
	var accounts []*account
	used, domains := map[string]bool{}, map[string]bool{}
	span := c.Options.End.Sub(c.Options.Start) - 24*time.Hour
	for i := range c.Options.Deals {
		var a *account
		if i%8 == 7 {
			a = pick(rng, accounts)
		} else {
			a = c.makeAccount(rng, used, domains)
			accounts = append(accounts, a)
		}
		d := &Deal{
			ID: fmt.Sprintf("D-%04d", 1001+i), Account: a.name, Domain: a.domain, Segment: a.segment, Owner: a.owner, Status: "open",
			Name: a.name + ", " + pick(rng, projects), Created: working(c.Options.Start.Add(time.Duration(rng.Float64()*float64(span))), rng),
			Amount:   fmt.Sprintf("%d.00", int(math.Exp(math.Log(5000)+rng.Float64()*math.Log(40)))/50*50),
			provider: a.provider, scanned: a.scanned, seen: map[int]time.Time{}, sentBefore: map[int]bool{},
		}
		if d.Created.After(c.Options.End) { // a weekend at the very end
			d.Created = c.Options.End.Add(-time.Hour)
		}
		for _, j := range rng.Perm(len(a.contacts))[:1+rng.IntN(len(a.contacts))] {
			d.Contacts = append(d.Contacts, a.contacts[j])
		}
		if a.since.IsZero() || d.Created.Before(a.since) {
			a.since = d.Created
		}
		c.Deals = append(c.Deals, d)
	}
	return accounts
}

func (c *Company) makeAccount(rng *rand.Rand, used, domains map[string]bool) *account {
	name := pick(rng, companyFirst) + " " + pick(rng, companySecond)
	slug := strings.ToLower(strings.ReplaceAll(name, " ", "-"))
	domain := slug + ".example"
	for n := 2; domains[domain]; n++ {
		domain = fmt.Sprintf("%s-%d.example", slug, n)
	}
	domains[domain] = true
	a := &account{
		name: name, domain: domain, owner: &c.Reps[rng.IntN(len(c.Reps))], scanned: rng.Float64() < 0.3,
		provider: pick(rng, []string{"google", "google", "google", "microsoft", "microsoft", "microsoft", "microsoft", "apple", "yahoo", "other"}),
	}
	//lint:ignore SA4008 segment moves on, and with it what u is compared to
	for u := rng.Float64(); u >= segmentShare[a.segment]; a.segment++ {
	}
	for _, j := range rng.Perm(len(jobs))[:1+rng.IntN(4)] {
		name, address := person(rng, domain, used)
		a.contacts = append(a.contacts, &Contact{
			ID: c.Options.Contacts.ID(address), Role: jobs[j].role, Person: trail.Person{Address: address, Name: name, Title: jobs[j].title},
		})
	}
	return a
}

// register makes the contacts of an account known when its first deal begins.
func (c *Company) register(a *account) {
	for _, p := range a.contacts {
		e := trail.Registration("csv", trail.ContactKind, string(p.ID), trail.State{}, trail.State{Person: &p.Person, Attrs: map[string]string{
			"account": a.name, "domain": a.domain, "role": p.Role, "owner": a.owner.Address, "status": "lead", "source": "crm", "created_at": a.since.Format(time.RFC3339),
		}}, a.since)
		e.Account = a.domain
		c.add(e)
	}
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// working moves a time into working hours (UTC, Monday to Friday, 8 to 18), never
// back.
func working(t time.Time, rng *rand.Rand) time.Time {
	if h := t.Hour(); h >= 18 {
		t = day(t).AddDate(0, 0, 1)
	}
	for t.Weekday() == time.Saturday || t.Weekday() == time.Sunday {
		t = day(t).AddDate(0, 0, 1)
	}
	if t.Hour() < 8 {
		t = day(t).Add(8*time.Hour + time.Duration(rng.Float64()*float64(2*time.Hour)))
	}
	return t.Truncate(time.Millisecond)
}

func day(t time.Time) time.Time { return t.Truncate(24 * time.Hour) }

// monday returns the start of a time's week.
func monday(t time.Time) time.Time {
	return day(t).AddDate(0, 0, -(int(t.Weekday())+6)%7)
}

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// share draws an ID of the form that trail.NewShareID gives.
func share(rng *rand.Rand) trail.ShareID {
	n := rng.Uint64()
	return trail.ShareID(letters.EncodeToString([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24), byte(n >> 32), byte(n >> 40)}))
}
