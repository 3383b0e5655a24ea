package attribution_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// company is a made-up company and a question about it.
type company struct {
	deals   []trail.Event     // the last word on each
	gone    map[string]bool   // deals that were deleted, or merged into another
	kinds   map[string]string // of registered contents
	other   []trail.Event     // first words on deals, contacts, contents, links, mails, touches, stages
	options attribution.Options
	request attribution.Request
}

func (c company) events() []trail.Event { return slices.Concat(c.deals, c.other) }

// player returns who plays for a content in a data-driven model.
func (c company) player(model string) func(content string) string {
	return func(content string) string {
		if !strings.Contains(model, ":") {
			return content
		}
		if kind := c.kinds[content]; kind != "" {
			return kind
		}
		return "(none)"
	}
}

// job returns a job with the company's settings.
func (c company) job(db *store.DB) *attribution.Job {
	j := job(db)
	j.Options = c.options
	return j
}

// upTo draws 0 to n, each as likely as the others; rapid prefers small numbers.
func upTo(t *rapid.T, label string, n int) int {
	all := make([]int, n+1)
	for i := range all {
		all[i] = i
	}
	return rapid.SampledFrom(all).Draw(t, label)
}

// oneIn is true once in so many times.
func oneIn(t *rapid.T, n int, label string) bool { return upTo(t, label, n-1) == n-1 }

func pick(t *rapid.T, label string, from ...string) string {
	return rapid.SampledFrom(from).Draw(t, label)
}

// within draws a time in the days of these companies, of which there are n steps.
func within(t *rapid.T, label string, n int, step time.Duration) time.Time {
	return day.Add(time.Duration(upTo(t, label, n)) * step)
}

// contentNames are the contents of these companies; one is hard to quote.
var contentNames = []string{"C0", "C1", "C2", "Ç", `it's "\` + "\t," + `{]`}

// dealNames are their deals, and none.
var dealNames = []string{"", "D0", "D1", "D2", "D3", "D4", "D5", "D6", "D7"}

// drawCompany draws a small company in which everything that the rules tell apart happens often.
func drawCompany(t *rapid.T) company {
	c := company{options: drawOptions(t), gone: map[string]bool{}, kinds: map[string]string{}}
	for _, m := range c.options.Models() {
		c.request.Models = append(c.request.Models, m.Name)
	}
	c.request.Models = append(c.request.Models, "markov:2", "markov:3")
	c.request.Agents = rapid.SampledFrom([]trail.Level{trail.All, trail.Likely, trail.Strict}).Draw(t, "agents")
	if oneIn(t, 6, "period") {
		c.request.From, c.request.To = day.AddDate(0, 0, 2), day.AddDate(0, 0, 4)
	}
	for _, name := range dealNames[1:] {
		c.drawDeal(t, name)
	}
	c.drawPeople(t)
	for i := range 30 + upTo(t, "touches", 50) {
		c.drawTouch(t, i)
	}
	return c
}

// drawOptions draws settings.
func drawOptions(t *rapid.T) attribution.Options {
	o := attribution.DefaultOptions(pick(t, "currency", "EUR", "JPY"))
	o.Rates = map[string]string{"USD": "0.9137"}
	o.Window = rapid.SampledFrom([]time.Duration{0, 24 * time.Hour, 365 * 24 * time.Hour}).Draw(t, "window")
	o.Burst = rapid.SampledFrom([]time.Duration{0, 30 * time.Minute}).Draw(t, "burst")
	o.HalfLife = rapid.SampledFrom([]time.Duration{time.Hour, 36 * time.Hour, 7 * 24 * time.Hour}).Draw(t, "half-life")
	o.LeadStage, o.OpportunityStage = pick(t, "lead stage", "", "Demo"), pick(t, "opportunity stage", "", "Proposal", "None")
	o.Replicates = 40
	if rapid.Bool().Draw(t, "opens earn") {
		o.Kinds = append(o.Kinds, trail.Opened)
	}
	factor := func(label string) float64 {
		return rapid.SampledFrom([]float64{0, 0.125, 1, 2.5, 1000}).Draw(t, label)
	}
	o.Custom = []attribution.Custom{
		{Name: "ours", Weights: attribution.Weights{
			First: factor("first"), Lead: factor("lead"), Opportunity: factor("opportunity"), Last: factor("last"), Others: 0.001, EarlyOnly: rapid.Bool().Draw(t, "early only"),
			Kinds:    map[trail.Kind]float64{trail.Replied: factor("replies"), trail.Viewed: 0.333},
			Contents: map[trail.ContentID]float64{contentNames[4]: factor("quoted"), "Ç": 3, "not here": 7},
		}},
		{Name: "lead-only", Weights: attribution.Weights{Lead: 1}},
	}
	return o
}

// drawDeal draws one deal, with what was said of it before and the stages that it entered.
func (c *company) drawDeal(t *rapid.T, name string) {
	attrs := []string{
		"status", pick(t, "status", "won", "won", "won", "won", "lost", "lost", "lost", ""),
		"currency", pick(t, "deal currency", "EUR", "EUR", "EUR", "USD", "USD", "", "SEK"),
		"contacts", pick(t, "contacts", "", "p", "q", "p q", "r", "p q s"),
		"team", pick(t, "team", "", "east"), "size", pick(t, "size", "", "large"),
	}
	if !oneIn(t, 10, "no amount") {
		attrs = append(attrs, "amount", fmt.Sprintf("%d.%0*d", upTo(t, "amount", 100_999)-999, 1+upTo(t, "places", 3), upTo(t, "decimals", 9)))
	}
	if !oneIn(t, 10, "no closing date") {
		attrs = append(attrs, "closed_at", within(t, "closed", 432, 10*time.Minute).Add(24*time.Hour).Format(time.RFC3339))
	}
	if rapid.Bool().Draw(t, "created?") {
		attrs = append(attrs, "created_at", within(t, "created", 576, 10*time.Minute).Format(time.RFC3339))
	}
	d := deal(name, attrs...)
	d.Account = pick(t, "account", "", "a.example", "b.example")
	c.deals = append(c.deals, d)
	before := deal(name, "status", "won", "amount", "77", "closed_at", day.Format(time.RFC3339))
	before.At, before.ReceivedAt = day.Add(-time.Hour), day.Add(-time.Hour)
	c.other = append(c.other, before)
	if oneIn(t, 12, "gone") {
		c.gone[name] = true
		c.other = append(c.other, trail.Event{
			ID: trail.IDFrom(day, "test", "gone", name), Kind: trail.Retracted, Source: "csv", At: day.Add(time.Hour), ReceivedAt: day.Add(time.Hour),
			Deal: name, Attrs: map[string]string{"into": pick(t, "into", "", "D0", "D1", "D7")},
		})
	}
	for range upTo(t, "stages", 3) {
		at, stage := within(t, "entered", 57, 100*time.Minute), pick(t, "stage", "Demo", "Proposal")
		c.other = append(c.other, trail.Event{ID: trail.IDFrom(at, "test", "staged", name, stage), Kind: trail.Staged, Source: "csv", At: at, ReceivedAt: at, Deal: name, Stage: stage})
	}
}

// drawPeople draws contacts, contents, links and mails.
func (c *company) drawPeople(t *rapid.T) {
	add := func(kind trail.Kind, at time.Time, key string, e trail.Event) {
		e.ID, e.Kind, e.Source, e.At, e.ReceivedAt = trail.IDFrom(at, "test", string(kind), key), kind, "api", at, at
		c.other = append(c.other, e)
	}
	for i, contact := range []string{"p", "q", "r", "s"} {
		for n := range upTo(t, "registrations", 2) {
			attrs := map[string]string{}
			if !oneIn(t, 4, "nobody knows since when") {
				attrs["created_at"] = within(t, "since", 96, time.Hour).Format(time.RFC3339)
			}
			add(trail.ContactKind, day.Add(time.Duration(n)*time.Hour), contact, trail.Event{Contact: trail.ContactID(contact), Account: []string{"a.example", "b.example"}[i%2], Attrs: attrs})
		}
	}
	for _, content := range contentNames {
		if kind := pick(t, "content kind", "", "case study", `o'kind \`); kind != "" {
			c.kinds[content] = kind
			add(trail.ContentKind, day, content, trail.Event{Content: content, Attrs: map[string]string{"kind": kind}})
		}
	}
	for i, to := range []string{"p", "p q", "s"} {
		for n, contact := range strings.Fields(to) {
			link := trail.Event{Content: contentNames[i], Share: trail.ShareID(fmt.Sprint("s", i)), Rep: "rep@example.com", Contact: trail.ContactID(contact)}
			add(trail.Shared, day, fmt.Sprint(i, contact), link)
			link.Message = fmt.Sprint("mail ", i, n)
			add(trail.Sent, day.Add(time.Duration(1+n*upTo(t, "hours between mails", 60))*time.Hour), fmt.Sprint(i, contact), link)
		}
	}
	for _, content := range []string{"C1", "Ç"} { // a mail with two contents
		add(trail.Sent, day, content, trail.Event{Content: content, Message: "mail", Rep: "other@example.com", Contact: "p"})
	}
	for i := range upTo(t, "people's words", 3) {
		word := trail.Event{Deal: pick(t, "deal that a person names", "D0", "D1", "D2"), Rep: "rep@example.com", Attrs: map[string]string{"not": pick(t, "or not", "", "", "yes")}}
		switch pick(t, "word on", "contact", "contact", "account", "share") {
		case "contact":
			word.Contact = "q"
		case "account":
			word.Account = pick(t, "account that a person names", "a.example", "b.example")
		case "share":
			word.Share = "s1"
		}
		add(trail.Assigned, day.Add(time.Duration(i)*time.Minute), fmt.Sprint(i), word)
	}
}

// drawTouch draws one touch: through a link, as the answer to a mail, or by a contact that another tool names.
func (c *company) drawTouch(t *rapid.T, i int) {
	at := within(t, "at", 576, 10*time.Minute)
	e := trail.Event{
		ID: trail.IDFrom(at, "test", fmt.Sprint(i)), Source: "csv", At: at, ReceivedAt: at.Add(time.Duration(upTo(t, "delay", 60)) * time.Minute),
		Kind: trail.Kind(pick(t, "kind", "clicked", "clicked", "viewed", "opened", "replied")),
	}
	switch {
	case e.Kind != trail.Replied && oneIn(t, 4, "through a link"):
		e.Share = trail.ShareID(pick(t, "share", "s0", "s1", "s2"))
		e.Content = "C" + string(e.Share[1:])
	case e.Kind == trail.Replied && rapid.Bool().Draw(t, "answer?"):
		e.Contact, e.Message = trail.ContactID(pick(t, "who answers", "p", "q")), "mail"
	default:
		e.Contact = trail.ContactID(pick(t, "known contact", "p", "q", "r", "s"))
		e.Content, e.Deal = pick(t, "content", contentNames...), pick(t, "deal", dealNames...)
		if e.Kind != trail.Replied && oneIn(t, 8, "nobody is named") {
			e.Contact, e.Account, e.Withheld = "", pick(t, "company that is named", "a.example", "b.example"), "consent"
		}
	}
	e.Agent = trail.Agent(pick(t, "agent", "", "", "human", "human", "human", "proxy", "scanner", "self", "unknown"))
	e.Probability = rapid.SampledFrom([]float32{0.5, 0.9, 0.99}).Draw(t, "probability")
	c.other = append(c.other, e)
	if oneIn(t, 16, "never was") {
		c.other = append(c.other, e.Retract(now.Add(-time.Hour)))
	}
}

// load puts batches of events into a database that has nothing else.
func load(t testing.TB, db *store.DB, batches ...[]trail.Event) {
	t.Helper()
	for _, table := range []string{"events", "credits", "runs", "effects", "run_deals"} {
		exec(t, db, "TRUNCATE TABLE "+table)
	}
	for _, events := range batches {
		insert(t, db, events...)
	}
}

// shuffled returns the events in another order, some of them twice.
func shuffled(t *rapid.T, events []trail.Event) []trail.Event {
	copies := events[:upTo(t, "copies", len(events))]
	return rapid.Permutation(slices.Concat(events, copies)).Draw(t, "order")
}

// The same events give the same bytes when they come in another order, some twice, in batches cut anywhere, and when deals are
// computed a few at a time.
func TestEveryCompanyIsDividedToTheCentAndAlwaysTheSame(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	rapid.Check(t, func(rt *rapid.T) {
		c := drawCompany(rt)
		load(t, db, c.events())
		run := c.checkRun(t, rt, db)
		want := allOf(t, db, run.ID)

		var batches [][]trail.Event
		for rest := shuffled(rt, c.events()); len(rest) > 0; {
			n := min(1+upTo(rt, "batch", len(c.events())), len(rest))
			batches, rest = append(batches, rest[:n]), rest[n:]
		}
		load(t, db, batches...)
		j := c.job(db)
		j.InChunksOf(rapid.SampledFrom([]int{2, 4, 7}).Draw(rt, "chunk"))
		other := once(t, j, c.request)
		for table, rows := range allOf(t, db, other.ID) {
			if rows != want[table] {
				rt.Errorf("%s in another order\n%s\nwant\n%s", table, rows, want[table])
			}
		}
		if !maps.Equal(run.Reasons, other.Reasons) || !maps.Equal(run.Inputs, other.Inputs) {
			rt.Errorf("run %+v in another order, want %+v", other, run)
		}
	})
}

// checkRun computes a run of the company and compares all of it with the oracle, and what it was computed from with the views.
func (c company) checkRun(t *testing.T, rt *rapid.T, db *store.DB) *trail.Run {
	snapshot, err := c.job(db).TakeSnapshot(t.Context(), now)
	if err != nil {
		rt.Fatal(err)
	}
	touches := ties(t, db, now)
	for _, d := range checkSnapshot(t, db, snapshot, now, touches) {
		rt.Errorf("snapshot: %s", d)
	}
	for _, d := range checkLayout(t, db, now) {
		rt.Errorf("layout: %s", d)
	}
	run := once(t, c.job(db), c.request) // which finds the snapshot
	if left := leftOf(t, db, snapshot); left != nil {
		rt.Errorf("of the snapshot there is left %v", left)
	}
	journeys, leftOut := c.journeys(touches)
	if run.LeftOut != leftOut {
		rt.Errorf("%d deals left out, want %d", run.LeftOut, leftOut)
	}
	if n := uint64(len(slices.DeleteFunc(slices.Clone(journeys), func(j journey) bool { return !j.won || !j.hasTies() }))); run.Inputs["tied"] != n {
		rt.Errorf("%d won deals have ties, want %d", run.Inputs["tied"], n)
	}
	effects := effectsOf(t, db, run.ID)
	for _, d := range c.checkEffects(run, effects, journeys) {
		rt.Error(d)
	}
	got := credits(t, db, run.ID)
	if d := differ(got, c.expect(journeys, byPlayer(effects), run.Reasons)); d != "" {
		rt.Errorf("%s", d)
	}
	sums := map[[2]string]int64{}
	for _, x := range got {
		sums[[2]string{x.model, x.deal}] += x.value
	}
	for _, j := range journeys {
		for _, m := range c.request.Models {
			sum, divided := sums[[2]string{m, j.deal}]
			if divided != (j.won && run.Reasons[m] == "") || divided && sum != j.value {
				rt.Errorf("%s of %s adds up to %d, want %d", m, j.deal, sum, j.value)
			}
		}
	}
	return run
}
