package store_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// company is made by hand, so that every number below can be counted:
//
//	D1 alpha  won on the 15th, with Ann and Bob
//	D2 beta   open, with Cara, moved on the 13th
//	D3 gamma  lost on the 14th, nobody on it; Dan is of gamma and known from mail only
//	D4 delta  open, created on the 13th
//	D5 delta  open, silent since November
//	D6        won in December, without anything
func company() []trail.Event {
	verdict := func(agent trail.Agent, p float32) trail.Verdict {
		return trail.Verdict{Agent: agent, Probability: p, Rules: []string{"r1"}}
	}
	var events []trail.Event
	add := func(e trail.Event, change func(e *trail.Event)) {
		change(&e)
		events = append(events, e)
	}
	as := func(p trail.Person, account string) func(e *trail.Event) {
		return func(e *trail.Event) { e.Person, e.Account = &p, account }
	}
	keep := func(*trail.Event) {}
	add(registered(trail.ContentKind, "deck", day(1), "title", "The Deck", "kind", "slides", "url", "https://x.example/deck", "tags", "a b"), keep)
	add(registered(trail.ContentKind, "case", day(1), "title", "The Case", "kind", "story", "published_at", "2026-01-01T08:00:00Z"), keep)
	add(registered(trail.ContactKind, string(ann), day(1), "account", "Alpha", "source", "web"), as(trail.Person{Address: "ann@alpha.example", Name: "Ann A"}, "alpha.example"))
	add(registered(trail.ContactKind, string(bob), day(1), "domain", "alpha.example"), as(trail.Person{Address: "bob@alpha.example"}, "alpha.example"))
	add(registered(trail.ContactKind, string(cara), day(1), "source", "fair"), as(trail.Person{Address: "cara@beta.example", Name: "Cara C"}, "beta.example"))
	deal := func(id string, kv ...string) { add(registered(trail.DealKind, id, day(2), kv...), keep) }
	deal("D1", "name", "One", "account", "Alpha", "domain", "alpha.example", "amount", "1000.5", "currency", "EUR", "stage", "Won", "status", "won", "owner", "rita@us.example",
		"created_at", "2026-01-02T00:00:00Z", "closed_at", "2026-01-15T00:00:00Z", "contacts", string(bob)+" "+string(ann), "team", "north")
	deal("D2", "domain", "beta.example", "amount", "500", "currency", "EUR", "owner", "sam@us.example", "created_at", "2026-01-03T00:00:00Z", "contacts", string(cara))
	deal("D3", "domain", "gamma.example", "amount", "70", "status", "lost", "owner", "sam@us.example", "created_at", "2026-01-03T00:00:00Z", "closed_at", "2026-01-14T00:00:00Z")
	deal("D4", "domain", "delta.example", "created_at", "2026-01-13T00:00:00Z")
	deal("D5", "domain", "delta.example", "created_at", "2025-11-01T00:00:00Z")
	deal("D6", "amount", "10", "currency", "EUR", "status", "won", "closed_at", "2025-12-01T00:00:00Z")
	staged := func(id, stage string, at time.Time) {
		add(event(trail.Staged, id+stage, at), func(e *trail.Event) { e.Deal, e.Stage = id, stage })
	}
	staged("D2", "Proposal", day(13))
	staged("D4", "First", day(13))
	staged("D1", "Won", day(15))
	sent := func(message, share, content, rep string, contact trail.ContactID, at time.Time, p *trail.Person) {
		add(event(trail.Sent, message+content+string(contact), at), func(e *trail.Event) {
			e.Message, e.Share, e.Content, e.Rep, e.Contact, e.Person = message, trail.ShareID(share), content, rep, contact, p
			if p != nil {
				e.Account = trail.Domain(p.Address)
			}
		})
	}
	sent("m1", "s1", "deck", "rita@us.example", ann, day(5), &trail.Person{Address: "ann@alpha.example", Name: "annie"})
	for _, c := range []trail.ContactID{ann, bob} {
		sent("m2", "s2", "case", "rita@us.example", c, day(6), nil)
	}
	sent("m5", "s7", "case", "rita@us.example", cara, day(6), nil)
	sent("m3", "s3", "deck", "sam@us.example", dan, day(7), &trail.Person{Address: "dan@gamma.example", Name: "Dan"})
	sent("m4", "s4", "deck", "sam@us.example", cara, day(8), nil)
	sent("m4", "s5", "case", "sam@us.example", cara, day(8), nil)
	add(event(trail.Shared, "s6", day(4)), func(e *trail.Event) { e.Share, e.Content, e.Rep, e.Deal = "s6", "deck", "sam@us.example", "D2" })
	touch := func(kind trail.Kind, share, content string, v trail.Verdict, at time.Time) {
		add(event(kind, fmt.Sprint(kind, share, v.Agent), at), func(e *trail.Event) { e.Share, e.Content, e.Verdict = trail.ShareID(share), content, v })
	}
	touch(trail.Clicked, "s1", "deck", verdict(trail.Human, 0.99), day(9))
	touch(trail.Clicked, "s1", "deck", verdict(trail.Scanner, 0.99), day(9).Add(time.Hour))
	touch(trail.Opened, "s1", "deck", verdict(trail.Proxy, 0.99), day(9).Add(2*time.Hour))
	touch(trail.Clicked, "s2", "case", verdict(trail.Human, 0.8), day(10))
	touch(trail.Clicked, "s6", "deck", verdict(trail.Self, 0.99), day(10))
	touch(trail.Clicked, "s3", "deck", verdict(trail.Human, 0.9), day(13))
	touch(trail.Clicked, "s6", "deck", verdict(trail.Human, 0.95), day(16))
	add(event(trail.Replied, "r4", day(14)), func(e *trail.Event) { e.Message, e.Contact = "m4", cara })
	add(event(trail.Viewed, "v1", day(11)), func(e *trail.Event) { e.Content, e.Contact = "case", ann })
	return events
}

// divided writes a complete run over the company: D1 in three parts, D6 to nobody.
func divided(t testing.TB, db *store.DB) {
	t.Helper()
	for _, statement := range []string{`
		INSERT INTO credits (run, model, deal, touch, content, rep, kind, rule, confidence, share, value)
		SELECT 'R2', 'linear', 'D1', id, content, rep, kind, rule, confidence, 1 / 3, 33350 FROM deal_touches(as_of = '2026-02-01 00:00:00')
		WHERE deal = 'D1' AND level >= 2 AND kind IN ('clicked', 'viewed')
		UNION ALL SELECT 'R2', 'linear', 'D6', toFixedString('', 16), '', '', '', '', 0, 1, 1000`, `
		INSERT INTO run_deals (run, deal, status, value, closed_at, owner, team, source, stage, domain, touches)
		VALUES ('R2', 'D1', 'won', 100050, '2026-01-15 00:00:00', 'rita@us.example', 'north', 'web', 'Won', 'alpha.example', 3), ('R2', 'D6', 'won', 1000, '2025-12-01 00:00:00', '', '', '', '', '', 0)`, `
		INSERT INTO runs (id, models, version, config, agents, as_of, currency, digits)
		VALUES ('R1', ['linear'], '1', 'c', 'likely', '2026-01-20 00:00:00', 'EUR', 2), ('R2', ['first', 'linear'], '1', 'c', 'likely', '2026-02-01 00:00:00', 'EUR', 2)`} {
		if err := db.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

func openCompany(t *testing.T) *store.DB {
	t.Helper()
	db := storetest.Open(t)
	insert(t, db, company()...)
	divided(t, db)
	layOut(t, db)
	return db
}

func check[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// must ends the test on an error. It takes what a method returns, then the test.
func must[T any](answer T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
}

func TestContentsCountWhatHappened(t *testing.T) {
	db := openCompany(t)
	// Columns: reps sent reached opened clicked clicks replied machine deals won lost.
	for level, want := range map[trail.Level]string{
		trail.All:    "case 2 4 3 0 1 1 1 0 2 1 0, deck 2 3 3 1 3 4 1 1 3 1 1",
		trail.Likely: "case 2 4 3 0 1 1 1 0 2 1 0, deck 2 3 3 1 3 3 1 1 3 1 1",
		trail.Strict: "case 2 4 3 0 0 0 1 0 2 1 0, deck 2 3 3 0 3 3 1 1 3 1 1",
	} {
		var got []string
		for _, c := range must(db.Contents(t.Context(), store.Filter{Agents: level}))(t) {
			got = append(got, fmt.Sprint(c.ID, " ", c.Reps, c.Sent, c.Reached, c.Opened, c.Clicked, c.Clicks, c.Replied, c.Machine, c.Deals, c.Won, c.Lost))
		}
		check(t, string(level), strings.Join(got, ", "), want)
	}
	deck := must(db.Contents(t.Context(), store.Filter{}))(t)[1]
	check(t, "title, tags, last sent", fmt.Sprint(deck.Title, deck.Kind, deck.Tags, deck.LastSent), fmt.Sprint("The Deck", "slides", []string{"a", "b"}, day(8)))
	check(t, "credit", *deck.Credit, trail.Sum{Credit: 0.333333333, Value: trail.Money{Amount: "333.50", Currency: "EUR"}})
	if c := must(db.Contents(t.Context(), store.Filter{Agents: trail.Strict}))(t)[1].Credit; c != nil {
		t.Errorf("got credit %+v without a run at that level", c)
	}
}

func TestContentShowsItsDealsAndNewestEvents(t *testing.T) {
	db := openCompany(t)
	c := must(db.Content(t.Context(), "deck", store.Filter{}))(t)
	var deals []string
	for _, d := range c.DealRows {
		deals = append(deals, fmt.Sprint(d.ID, " ", d.Touches, d.Credit))
	}
	check(t, "deals", deals, []string{fmt.Sprint("D1 ", 3, c.DealRows[0].Credit), "D2 2 <nil>", "D3 1 <nil>"})
	check(t, "credit of D1", c.DealRows[0].Credit.Value.Amount, "333.50")
	check(t, "newest event", fmt.Sprint(c.Events[0].Kind, c.Events[0].At, c.Events[0].Deal), fmt.Sprint("clicked", day(16), "D2"))
	// registration, shared, three sends, an open, five clicks and a reply
	check(t, "events", len(c.Events), 12)
	check(t, "limited", len(must(db.Content(t.Context(), "deck", store.Filter{Limit: 2}))(t).Events), 2)
	_, err := db.Content(t.Context(), "nothing", store.Filter{})
	problem(t, err, trail.NotFound)
}

func TestDealsComeInPagesWithTheirTouches(t *testing.T) {
	db := openCompany(t)
	for level, want := range map[trail.Level]string{
		trail.All: "D1 4, D2 2, D3 1, D4 0, D5 0, D6 0", trail.Likely: "D1 3, D2 2, D3 1, D4 0, D5 0, D6 0", trail.Strict: "D1 2, D2 2, D3 1, D4 0, D5 0, D6 0",
	} {
		var got []string
		f := store.Filter{Agents: level, Limit: 4}
		for range 2 {
			for _, d := range must(db.Deals(t.Context(), f))(t) {
				got, f.After = append(got, fmt.Sprint(d.ID, " ", d.Touches)), d.ID
			}
		}
		check(t, string(level), strings.Join(got, ", "), want)
	}
	check(t, "D1", must(db.Deals(t.Context(), store.Filter{Limit: 1}))(t)[0], trail.DealRow{
		ID: "D1", Name: "One", Account: "Alpha", Domain: "alpha.example", Value: trail.Money{Amount: "1000.50", Currency: "EUR"}, Stage: "Won", Status: "won",
		Owner: "rita@us.example", CreatedAt: day(2), ClosedAt: day(15), Touches: 3, LastTouch: day(11),
	})
}

func TestDealShowsItsTrailAndCredits(t *testing.T) {
	db := openCompany(t)
	d := must(db.Deal(t.Context(), "D1", store.Filter{}))(t)
	var got []string
	for _, e := range d.Events {
		line := fmt.Sprint(e.At.Day(), " ", e.Kind, " ", e.Content, e.Stage, " ", strings.Join(e.Contacts, "+"), " ", e.Verdict, " ", e.Rule)
		if e.Credit != nil {
			line += " " + e.Credit.Value.Amount
		}
		got = append(got, strings.Join(strings.Fields(strings.ReplaceAll(line, "@alpha.example", "")), " "))
	}
	slices.Sort(got[2:4]) // one mail to two is two events of one time
	check(t, "trail", got, []string{
		"2 deal explicit", "5 sent deck ann contact", "6 sent case ann contact", "6 sent case bob contact", "9 clicked deck ann human contact 333.50", "9 clicked deck ann scanner contact",
		"9 opened deck ann proxy contact", "10 clicked case ann+bob human contact 333.50", "11 viewed case ann contact 333.50", "15 staged Won explicit",
	})
	check(t, "title", d.Events[1].Title, "The Deck")
	check(t, "contacts", []string{d.Contacts[0].Name, d.Contacts[1].Address, d.Contacts[1].Account}, []string{"Ann A", "bob@alpha.example", "alpha.example"})
	check(t, "credits", d.Credits, []trail.CreditRow{
		{Key: "case", Title: "The Case", Deals: 1, Credit: 0.666666667, Value: trail.Money{Amount: "667.00", Currency: "EUR"}},
		{Key: "deck", Title: "The Deck", Deals: 1, Credit: 0.333333333, Value: trail.Money{Amount: "333.50", Currency: "EUR"}},
	})
	check(t, "unattributed", d.Unattributed.Value.Amount, "0.00")
	check(t, "run and model", d.Run+d.Model, "R2linear")

	d = must(db.Deal(t.Context(), "D2", store.Filter{}))(t)
	rules := map[string]int{}
	for _, e := range d.Events {
		rules[fmt.Sprint(e.Kind, " ", e.Rule)]++
	}
	check(t, "rules of D2", rules, map[string]int{"deal explicit": 1, "staged explicit": 1, "shared explicit": 1, "sent contact": 3, "clicked explicit": 2, "replied contact": 2})
	check(t, "no run divided D2", d.Run == "" && d.Unattributed == nil && d.Credits != nil, true)
	d = must(db.Deal(t.Context(), "D3", store.Filter{}))(t)
	check(t, "rule and contact of D3", d.Events[len(d.Events)-1].Rule+" "+d.Events[len(d.Events)-1].Contacts[0], "account dan@gamma.example")
}

func TestContactAccountAndRepsAddUp(t *testing.T) {
	db := openCompany(t)
	c := must(db.Contact(t.Context(), ann, store.Filter{}))(t)
	check(t, "contact", fmt.Sprint(c.Name, c.Account, c.Domain, len(c.Deals), len(c.Events)), fmt.Sprint("Ann A", "Alpha", "alpha.example", 1, 8))
	if !slices.IsSortedFunc(c.Events, func(a, b trail.TrailRow) int { return a.At.Compare(b.At) }) {
		t.Error("a contact's trail is not in order")
	}
	check(t, "from mail", must(db.Contact(t.Context(), dan, store.Filter{}))(t).Name, "Dan")
	a := must(db.Account(t.Context(), "Alpha.example", store.Filter{}))(t)
	// what Ann's trail has, Bob's registration and mail, the deal's registration and stage
	check(t, "account", fmt.Sprint(a.Domain, len(a.Deals), len(a.Contacts), len(a.Events)), fmt.Sprint("alpha.example", 1, 2, 12))
	check(t, "reps", must(db.Reps(t.Context(), store.Filter{}))(t), []trail.RepRow{
		{Rep: "rita@us.example", Sent: 4, Seen: trail.Seen{Observable: 4, Observed: 1}, Content: 2, Reached: 3, Clicked: 2, Replied: 0, Won: 1},
		{Rep: "sam@us.example", Sent: 3, Seen: trail.Seen{Observable: 3}, Content: 2, Reached: 2, Clicked: 2, Replied: 1, Won: 0},
	})
}

func TestAttributionAddsUpByEveryKey(t *testing.T) {
	db := openCompany(t)
	for by, want := range map[string]string{
		"content": "case The Case 1 0.666666667 667.00, deck The Deck 1 0.333333333 333.50",
		"rep":     "rita@us.example rita@us.example 1 0.666666667 667.00, (none) (none) 1 0.333333333 333.50",
		"kind":    "story story 1 0.666666667 667.00, slides slides 1 0.333333333 333.50",
		"owner":   "rita@us.example rita@us.example 1 1 1000.50",
		"source":  "web web 1 1 1000.50",
		"team":    "north north 1 1 1000.50",
	} {
		a := must(db.Attribution(t.Context(), by, store.Filter{}))(t)
		var got []string
		for _, r := range a.Rows {
			got = append(got, fmt.Sprint(r.Key, " ", r.Title, " ", r.Deals, " ", r.Credit, " ", r.Value.Amount))
		}
		check(t, by, strings.Join(got, ", "), want)
		check(t, by+": unattributed and total", fmt.Sprint(a.Unattributed, a.Total), "{1 {10.00 EUR}} {2 {1010.50 EUR}}")
		check(t, by+": run", fmt.Sprint(a.Run, a.Model, a.By, a.Agents, a.AsOf), fmt.Sprint("R2", "linear", by, "likely", time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)))
	}
	check(t, "as of an earlier time", must(db.NewestRun(t.Context(), store.Filter{AsOf: day(25)}))(t).ID, "R1")
	for _, f := range []store.Filter{{Model: "shapley"}, {Agents: trail.All}, {From: day(1)}, {To: day(1)}, {AsOf: day(10)}} {
		_, err := db.NewestRun(t.Context(), f)
		problem(t, err, trail.NoRun)
	}
	check(t, "runs", fmt.Sprint(must(db.Runs(t.Context(), 10))(t)[0].ID, len(must(db.Runs(t.Context(), 10))(t))), "R22")
}

func TestReviewPutsEachDealIntoOneSection(t *testing.T) {
	db := openCompany(t)
	// The run is of a later time than that on which the review was due.
	r := must(db.WeekReview(t.Context(), "2026-W03", time.UTC, day(30), store.Filter{AsOf: day(40)}))(t)
	var got []string
	for _, row := range r.Rows {
		line := fmt.Sprint(row.Section, " ", row.Deal.ID, " ", row.Stages, " clicks ", row.Clicks, " replies ", row.Replies, " sent ", row.Sent, " touches ", row.Deal.Touches)
		for _, c := range row.Contributed {
			line += fmt.Sprint(" ", c.Content, " ", c.Touches)
			if c.Value != nil {
				line += " " + c.Value.Amount
			}
		}
		got = append(got, line)
	}
	check(t, "rows", got, []string{
		"won D1 [Won] clicks 0 replies 0 sent 0 touches 3 case 2 667.00 deck 1 333.50",
		"lost D3 [] clicks 1 replies 0 sent 0 touches 1 deck 1",
		"moved D2 [Proposal] clicks 1 replies 1 sent 0 touches 2 deck 2 case 1",
		"new D4 [First] clicks 0 replies 0 sent 0 touches 0",
		"silent D5 [] clicks 0 replies 0 sent 0 touches 0",
	})
	check(t, "contacts in the deal's order", r.Rows[0].Contacts, []string{"bob@alpha.example", "Ann A"})
	check(t, "week", fmt.Sprint(r.Week, r.From, r.To, r.Run), fmt.Sprint("2026-W03", day(12), day(19), "R2"))
	rows, _, err := db.Review(t.Context(), day(5), day(12), store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	check(t, "the week before", fmt.Sprint(len(rows), rows[0].Section, rows[0].Deal.ID), "1silentD5")
}

func TestStatesKnownTargetsAndCountsTellWhatIsThere(t *testing.T) {
	db := openCompany(t)
	ctx := t.Context()
	states := must(db.States(ctx, trail.ContactKind, []string{string(ann), string(dan), "nobody"}))(t)
	check(t, "contacts registered", len(states), 1)
	check(t, "person: the CRM's word, though mail came later", *states[string(ann)].Person, trail.Person{Address: "ann@alpha.example", Name: "Ann A"})
	check(t, "attrs", states[string(ann)].Attrs, pairs("account", "Alpha", "source", "web"))
	all := company()
	known := must(db.Known(ctx, []trail.ID{all[0].ID, {9}, all[20].ID}))(t)
	check(t, "known", fmt.Sprint(len(known), known[all[0].ID].Kind, known[all[20].ID].Kind == all[20].Kind), "2contenttrue")
	targets := must(db.Targets(ctx))(t)
	check(t, "targets", fmt.Sprint(len(targets), targets[1].Content, targets[1].URL), "2deckhttps://x.example/deck")
	target, ok, err := db.Target(ctx, trail.KeyOf("case"))
	check(t, "target", fmt.Sprint(target.Title, ok, err), "The Casetrue <nil>")
	_, ok, err = db.Target(ctx, trail.KeyOf("other"))
	check(t, "no target", fmt.Sprint(ok, err), "false <nil>")
	check(t, "counts", must(db.Counts(ctx))(t), store.Counts{
		Events: uint64(len(all)), Contents: 2, Deals: 6, Contacts: 4, Shares: 7, Clicks: 6, LastReceived: day(16), CRMContacts: 3,
	})
}

// TestAnyOrderOfArrivalGivesEqualReports inserts the company in other orders, in
// small parts and partly twice, the copies received later.
func TestAnyOrderOfArrivalGivesEqualReports(t *testing.T) {
	want := must(answers(t.Context(), openCompany(t), store.Filter{}))(t)
	random := rand.New(rand.NewPCG(1, 2))
	for range 2 {
		db := storetest.Open(t)
		events := company()
		for _, e := range events[:len(events)/2] {
			e.ReceivedAt = e.ReceivedAt.Add(time.Hour)
			events = append(events, e)
		}
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		for part := range slices.Chunk(events, 7) {
			insert(t, db, part...)
		}
		divided(t, db)
		layOut(t, db)
		got := must(answers(t.Context(), db, store.Filter{}))(t)
		for name := range want {
			check(t, name, got[name], want[name])
		}
	}
}
