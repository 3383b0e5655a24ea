package dashboards

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// today is when the tests look at the made-up company: a Sunday.
var today = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

var berlin = mustZone("Europe/Berlin")

func mustZone(name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return z
}

var contactKey = trail.ContactKey("key of the made-up company's contacts")

// company makes a made-up company of 8 reps, 40 contents and 150 deals over six
// months, the same one every time.
type company struct {
	rng    *rand.Rand
	events []trail.Event
	n      int
	people map[string][]trail.Person // by domain
}

var contentSpecs = []struct{ title, kind string }{
	{"How Norden Freight cut its planning time by half", "Case study"}, {"Security and compliance at a glance", "Data sheet"},
	{"The 2026 state of fleet planning", "White paper"}, {"Ten dispatchers and one very bad Monday", "Video"}, {"Price list, autumn 2026", "Pricing"},
	{"Return on investment, worked through on one page", "Data sheet"}, {"First meeting deck", "Deck"}, {"Architecture for IT departments", "Deck"},
	{"Moving from spreadsheets in four weeks", "Guide"}, {"Integration with SAP and Dynamics", "Data sheet"}, {"Live planning in three minutes", "Video"},
	{"Case study: Alpen Logistik", "Case study"}, {"Case study: Bryggen Foods", "Case study"}, {"Case study: a bakery chain with 240 vans", "Case study"},
	{"Works council and data protection: questions and answers", "Guide"}, {"Roll-out plan template", "Template"}, {"What changes for drivers", "Blog post"},
	{"Why plans break at ten in the morning", "Blog post"}, {"Webinar: planning with fewer planners", "Webinar"}, {"Webinar: electric fleets", "Webinar"},
	{"Electric vans: range, depots, charging", "White paper"}, {"Comparison with in-house planning", "Data sheet"}, {"Contract terms in plain words", "Guide"},
	{"Support and service levels", "Data sheet"}, {"Implementation team and timeline", "Deck"}, {"Board paper: one page", "Deck"},
	{"Customer reference list", "Data sheet"}, {"Proof of concept: what we need from you", "Guide"}, {"Newsletter, October", "Newsletter"},
	{"Newsletter, September", "Newsletter"}, {"Driver app tour", "Video"}, {"API reference overview", "Data sheet"}, {"Carbon report sample", "Template"},
	{"Trade fair flyer", "Flyer"}, {"Company brochure 2024", "Brochure"}, {"Old price list 2025", "Pricing"}, {"Press kit", "Brochure"},
	{"Case study: port of Hamburg pilot", "Case study"}, {"Total cost calculator", "Template"}, {"Planning maturity self-test", "Web page"},
}

var (
	reps      = []string{"anna.berg", "ben.okafor", "carla.rossi", "david.lund", "ewa.nowak", "felix.braun", "grace.liu", "hugo.martin"}
	firsts    = []string{"Maren", "Tomas", "Ines", "Jonas", "Leila", "Pavel", "Sofie", "Henrik", "Clara", "Mateo", "Nadia", "Oskar", "Petra", "Rune", "Selma", "Viktor"}
	lasts     = []string{"Adler", "Bianchi", "Cerny", "Dahl", "Engel", "Ferrari", "Gruber", "Holm", "Iversen", "Janssen", "Keller", "Lindqvist", "Moreau", "Nilsen", "Ortega", "Peeters"}
	titles    = []string{"Head of Logistics", "CFO", "Dispatcher", "IT Manager", "Managing Director", "Procurement"}
	companies = []string{"Hansa", "Nordlicht", "Alpina", "Delta", "Kompass", "Baltic", "Rhein", "Vesta", "Orion", "Atlas", "Fjord", "Merkur", "Polar", "Terra", "Linden"}
	trades    = []string{"Transport", "Foods", "Express", "Textil", "Pharma", "Bau", "Retail", "Energie", "Möbel", "Medien"}
	stages    = []string{"Qualified", "Demo held", "Proposal", "Negotiation"}
	scanners  = [][]string{{"scanner_asn", "every_link"}, {"ua_library"}, {"apple_mpp"}, {"seconds_after_sending"}}
)

func (c *company) emit(e trail.Event) {
	c.n++
	if e.ReceivedAt.IsZero() {
		e.ReceivedAt = e.At
	}
	if e.ID.IsZero() {
		e.ID = trail.IDFrom(e.At, e.Source, fmt.Sprint(c.n))
	}
	c.events = append(c.events, e)
}

func (c *company) register(kind trail.Kind, subject string, attrs map[string]string, person *trail.Person, domain string, at time.Time) {
	e := trail.Registration("csv", kind, subject, trail.State{}, trail.State{Attrs: attrs, Person: person}, at)
	e.Account = domain
	c.emit(e)
}

func newCompany() *company {
	c := &company{rng: rand.New(rand.NewPCG(1, 2)), people: map[string][]trail.Person{}}
	start := today.AddDate(0, -6, 0)
	for i, s := range contentSpecs {
		c.register(trail.ContentKind, contentID(i), map[string]string{"title": s.title, "kind": s.kind, "url": "https://www.example.com/library/" + contentID(i), "owner": "marketing@example.com",
			"published_at": start.AddDate(0, -i%7, -i).Format(time.RFC3339)}, nil, "", start)
	}
	for i := range 150 {
		c.deal(i, start)
	}
	for _, i := range []int{33, 35} { // sent, and nobody looked
		for n := range 6 {
			c.emit(trail.Event{Kind: trail.Sent, At: start.AddDate(0, 0, 10*n), Source: "mail", Content: contentID(i), Contact: contactKey.ID("nobody@elsewhere.example"), Rep: rep(n), Message: fmt.Sprint("flyer", i, n)})
		}
	}
	return c
}

func contentID(i int) string { return slug(contentSpecs[i].title) }
func rep(i int) string       { return reps[i%len(reps)] + "@example.com" }

func (c *company) deal(i int, start time.Time) {
	account := companies[i%len(companies)] + " " + trades[i/len(companies)%len(trades)]
	domain := slug(account) + ".example"
	var contacts []string
	for n := range 1 + c.rng.IntN(3) {
		first, last := firsts[(i*3+n*5)%len(firsts)], lasts[(i+n*7)%len(lasts)]
		p := trail.Person{Address: strings.ToLower(first + "." + last + "@" + domain), Name: first + " " + last, Title: titles[c.rng.IntN(len(titles))]}
		c.people[domain] = append(c.people[domain], p)
		id := string(contactKey.ID(p.Address))
		contacts = append(contacts, id)
		c.register(trail.ContactKind, id, map[string]string{"account": account, "domain": domain, "owner": rep(i)}, &p, domain, start)
	}
	created := start.Add(time.Duration(c.rng.IntN(150*24)) * time.Hour)
	length := time.Duration(20+c.rng.IntN(70)) * 24 * time.Hour
	closed := created.Add(length)
	status := []string{"won", "lost", "lost", "won", "lost"}[c.rng.IntN(5)]
	if closed.After(today) {
		status = "open"
	}
	id := fmt.Sprintf("D-%04d", 1000+i)
	attrs := map[string]string{"name": account + ", " + []string{"60 vans", "new depot", "pilot", "renewal", "all sites"}[i%5], "account": account, "domain": domain,
		"amount": fmt.Sprintf("%d.%02d", 4000+c.rng.IntN(90000), c.rng.IntN(4)*25), "currency": "EUR", "status": status, "owner": rep(i),
		"created_at": created.Format(time.RFC3339), "contacts": strings.Join(contacts, " ")}
	end := today
	if status != "open" {
		attrs["closed_at"], end = closed.Format(time.RFC3339), closed
		attrs["stage"] = "Closed " + status
	}
	if status == "lost" {
		attrs["loss_reason"] = []string{"Price", "No decision", "Chose a competitor", "Timing"}[c.rng.IntN(4)]
	}
	c.register(trail.DealKind, id, attrs, nil, domain, created)
	for n, s := range stages {
		at := created.Add(length * time.Duration(n) / 5)
		if at.Before(end) {
			c.emit(trail.Event{Kind: trail.Staged, At: at, Source: "csv", Deal: id, Stage: s})
		}
	}
	if status != "open" {
		c.emit(trail.Event{Kind: trail.Staged, At: closed, Source: "csv", Deal: id, Stage: "Closed " + status})
	}
	if i%9 == 4 {
		return // a deal that met no content
	}
	for range 2 + c.rng.IntN(6) {
		at := created.Add(time.Duration(c.rng.Float64() * float64(end.Sub(created)))).Truncate(time.Second)
		c.mail(at, end, rep(i), contacts)
	}
}

// mail is one mail with one tracked link, what machines did to it and what its
// people did.
func (c *company) mail(at, end time.Time, rep string, contacts []string) {
	which := min(int(c.rng.ExpFloat64()*8), 32)
	if c.rng.IntN(4) == 0 {
		which = 3 // the video that everybody loves
	}
	share := trail.ShareID(fmt.Sprintf("share%05d", c.n))
	to := contacts[:1+c.rng.IntN(len(contacts))]
	if c.rng.IntN(3) > 0 {
		to = to[:1]
	}
	base := trail.Event{Source: "track", Content: contentID(which), Share: share}
	for _, contact := range to {
		c.emit(trail.Event{Kind: trail.Sent, At: at, Source: "mail", Content: contentID(which), Share: share, Rep: rep, Contact: trail.ContactID(contact), Message: string(share)})
	}
	follow := func(kind trail.Kind, after time.Duration, v trail.Verdict) {
		e := base
		e.Kind, e.At, e.Verdict = kind, at.Add(after), v
		if e.At.Before(end) {
			c.emit(e)
		}
	}
	if c.rng.IntN(3) == 0 {
		follow(trail.Clicked, time.Duration(1+c.rng.IntN(9))*time.Second, trail.Verdict{Agent: trail.Scanner, Probability: .97, Rules: scanners[c.rng.IntN(len(scanners))]})
	}
	if c.rng.IntN(2) == 0 {
		follow(trail.Opened, time.Duration(5+c.rng.IntN(600))*time.Minute, trail.Verdict{Agent: trail.Proxy, Probability: .8, Rules: []string{"gmail_proxy"}})
	}
	chance := 3
	if which == 3 {
		chance = 8
	}
	for range c.rng.IntN(3) {
		if c.rng.IntN(10) < chance {
			follow(trail.Clicked, time.Duration(1+c.rng.IntN(72))*time.Hour, trail.Verdict{Agent: trail.Human, Probability: .7 + .29*c.rng.Float32(), Rules: []string{"browser_headers", "hours_after_sending"}})
		}
	}
	if c.rng.IntN(9) == 0 {
		follow(trail.Clicked, 40*time.Hour, trail.Verdict{Agent: trail.Unknown, Probability: .5, Rules: []string{"few_headers"}})
	}
	if c.rng.IntN(6) == 0 && which != 3 {
		c.emit(trail.Event{Kind: trail.Replied, At: min2(at.Add(26*time.Hour), end.Add(-time.Hour)), Source: "mail", Contact: trail.ContactID(to[0]), Message: string(share)})
	}
}

func min2(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// openCompany loads the company into a fresh database and computes the usual run.
func openCompany(t testing.TB) *store.DB {
	t.Helper()
	db := storetest.Open(t)
	if err := db.InsertEvents(t.Context(), newCompany().events); err != nil {
		t.Fatal(err)
	}
	job := &attribution.Job{DB: db, Options: attribution.Options{Currency: "EUR"}, Now: func() time.Time { return today }}
	if _, err := job.Once(t.Context(), attribution.Request{}); err != nil {
		t.Fatal(err)
	}
	return db
}
