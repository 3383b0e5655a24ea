package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// earnedTouch is a touch of a won deal with what it earned of it under linear.
type earnedTouch struct {
	event        trail.Event
	content, rep string
	share        int64 // in 1e-12
	value        int64
}

// wonDeal is a won deal as a run knew it.
type wonDeal struct {
	id, owner, team, source, stage, segment, size, domain string
	value                                                 int64
	closed                                                time.Time
	touches                                               []earnedTouch
}

// traits are what a touch of a deal is grouped and filtered by; nil is nobody's part.
func (d wonDeal) traits(t *earnedTouch) map[string]string {
	all := map[string]string{
		"owner": d.owner, "team": d.team, "source": d.source, "stage": d.stage, "segment": d.segment, "size": d.size, "account": d.domain,
		"month": d.closed.In(berlin).Format("2006-01"), "deal": d.id,
	}
	if t != nil {
		c := creditContents[t.content]
		all["content"], all["rep"], all["kind"], all["persona"] = t.content, t.rep, c["kind"], c["persona"]
	}
	for k, v := range all {
		if v == "" {
			all[k] = trail.Nobody
		}
	}
	return all
}

var (
	berlin = must2(time.LoadLocation("Europe/Berlin"))
	odd    = []string{"größe", "=SUM(A1)", `it's "so"`, ""} // names of all sorts

	creditContents = map[string]map[string]string{
		"=SUM(A1)": {"title": "=SUM(A1)", "kind": "größe", "persona": "CFO", "cost": "100.50", "currency": "EUR"},
		"größe":    {"title": "Die Größe", "kind": "=SUM(A1)", "persona": "größe", "cost": "1000", "currency": "USD"},
		"it's":     {"title": "It's \\ so", "kind": "größe", "cost": "7", "currency": "XXX"},
		"plain":    {},
		"unsent":   {"title": "Nobody sent it", "kind": "deck", "cost": "50.005", "currency": "EUR"},
	}
)

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// creditCompany is 40 won deals at random, some worth less than nothing, a few
// without a touch.
func creditCompany() (deals []wonDeal) {
	random := rand.New(rand.NewPCG(3, 3))
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	for i := range 40 {
		d := wonDeal{
			id: fmt.Sprintf("D%02d", i), owner: pick(odd), team: pick(odd), source: pick(odd), stage: pick(odd), segment: pick(odd), size: pick(odd), domain: pick([]string{"a.example", "größe.example", ""}),
			value: random.Int64N(1e7) - 5e5, closed: day(31).Add(time.Duration(random.IntN(60)-30)*24*time.Hour + 23*time.Hour + 30*time.Minute), // half an hour later it is another day, in Berlin it is
		}
		n, left := random.IntN(5), d.value
		for j := range n {
			t := earnedTouch{content: pick([]string{"=SUM(A1)", "größe", "it's", "plain"}), rep: pick(odd), share: 1_000_000_000_000 / int64(n), value: d.value / int64(n)}
			if j == n-1 {
				t.value = left
			}
			left -= t.value
			t.event = event(trail.Clicked, fmt.Sprint(d.id, j), day(1).Add(time.Duration(random.IntN(1000))*time.Hour))
			t.event.Content, t.event.Contact, t.event.Deal, t.event.Verdict = t.content, []trail.ContactID{ann, bob}[j%2], d.id, trail.Verdict{Agent: trail.Human, Probability: 0.99}
			if j == 2 {
				t.event.Contact, t.event.Withheld = "", trail.OptOut
			}
			d.touches = append(d.touches, t)
		}
		deals = append(deals, d)
	}
	return deals
}

// openCredits stores a company with its contents, the run and what it found.
func openCredits(t *testing.T, deals []wonDeal) *store.DB {
	t.Helper()
	db := storetest.Open(t)
	var events []trail.Event
	for id, attrs := range creditContents {
		e := event(trail.ContentKind, id, day(1))
		e.Content, e.Attrs = id, attrs
		events = append(events, e)
	}
	e := registered(trail.ContactKind, string(ann), day(1))
	e.Person = &trail.Person{Address: "ann@alpha.example"}
	events = append(events, e, registered(trail.DealKind, "D00", day(1), "name", "The first"))
	credits := must2(db.Batch(t.Context(), "INSERT INTO credits (run, model, deal, touch, content, rep, kind, rule, confidence, share, value)"))
	known := must2(db.Batch(t.Context(), "INSERT INTO run_deals (run, deal, status, value, closed_at, owner, team, source, segment, size, stage, domain, touches)"))
	for _, d := range deals {
		if err := known.Append("R", d.id, "won", d.value, d.closed, d.owner, d.team, d.source, d.segment, d.size, d.stage, d.domain, uint32(len(d.touches))); err != nil {
			t.Fatal(err)
		}
		for _, x := range d.touches {
			events = append(events, x.event)
			if err := credits.Append("R", "linear", d.id, x.event.ID[:], x.content, x.rep, "clicked", "contact", float32(0.95), float64(x.share)/1e12, x.value); err != nil {
				t.Fatal(err)
			}
		}
		if len(d.touches) == 0 {
			if err := credits.Append("R", "linear", d.id, make([]byte, 16), "", "", "", "", float32(0), 1.0, d.value); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, send := range []func() error{credits.Send, known.Send, func() error {
		return db.Exec(t.Context(), `INSERT INTO runs (id, models, version, config, agents, as_of, currency, digits, settings)
			VALUES ('R', ['linear', 'markov', 'markov:2'], '1', 'c', 'likely', '2026-06-01 00:00:00', 'EUR', 2, 'currency EUR\ndigits 2\nrate EUR 1\nrate USD 0.92\nrates from the bank\n')`)
	}} {
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	insert(t, db, events...)
	return db
}

// tally is what Go counts of a company, for comparing.
type tally struct {
	credit, value int64
	deals         map[string]bool
}

// count groups what passes a filter, and what of it is nobody's.
func count(deals []wonDeal, by string, only map[string][]string) (keys map[string]tally, nobodys, total tally) {
	keys = map[string]tally{}
	for _, d := range deals {
		touches := []*earnedTouch{}
		for i := range d.touches {
			touches = append(touches, &d.touches[i])
		}
		if len(touches) == 0 {
			touches = append(touches, nil)
		}
		for _, t := range touches {
			traits, passes := d.traits(t), true
			for name, values := range only {
				passes = passes && slices.Contains(values, traits[name])
			}
			if !passes {
				continue
			}
			into, credit, value := &nobodys, int64(1e12), d.value
			if t != nil {
				credit, value = t.share, t.value
				k := keys[traits[by]]
				into = &k
			}
			if into.deals == nil {
				into.deals = map[string]bool{}
			}
			for _, x := range []*tally{into, &total} {
				x.credit += credit
				x.value += value
			}
			if into.deals[d.id] = true; t != nil {
				keys[traits[by]] = *into
			}
		}
	}
	return keys, nobodys, total
}

func money(minor int64) string {
	sign := ""
	if minor < 0 {
		sign, minor = "-", -minor
	}
	return fmt.Sprintf("%s%d.%02d", sign, minor/100, minor%100)
}

// someFilters are each alone and two together, of every sort.
func someFilters(deals []wonDeal) []map[string][]string {
	filters := []map[string][]string{nil}
	for _, name := range store.Filters() {
		seen := map[string]bool{}
		for _, d := range deals {
			for i := range d.touches {
				if v := d.traits(&d.touches[i])[name]; !seen[v] && len(seen) < 4 {
					seen[v] = true
					filters = append(filters, map[string][]string{name: {v}})
				}
			}
		}
	}
	return append(filters,
		map[string][]string{"team": {"größe"}, "rep": {"=SUM(A1)"}}, map[string][]string{"kind": {"größe"}, "owner": {trail.Nobody}},
		map[string][]string{"content": {"=SUM(A1)", "it's"}, "month": {"2026-02"}}, map[string][]string{"persona": {"CFO", trail.Nobody}, "deal": {"D03", "D05"}})
}

func TestCreditsAddUpUnderEveryKeyAndFilter(t *testing.T) {
	deals := creditCompany()
	db := openCredits(t, deals)
	for i, only := range someFilters(deals) {
		for j, by := range store.Keys() {
			if i > 0 && (i+j)%4 != 0 && len(only) < 2 {
				continue // each filter under some keys
			}
			what := fmt.Sprint(by, " of ", only)
			a := must(db.Attribution(t.Context(), by, store.Filter{Only: only, Zone: berlin}))(t)
			keys, nobodys, total := count(deals, by, only)
			if len(a.Rows) != len(keys) {
				t.Errorf("%s: %d rows, want %d", what, len(a.Rows), len(keys))
			}
			for _, r := range a.Rows {
				k := keys[r.Key]
				if r.Value.Amount != money(k.value) || int(r.Deals) != len(k.deals) || fmt.Sprintf("%.9f", r.Credit) != fmt.Sprintf("%.9f", float64(k.credit)/1e12) {
					t.Errorf("%s: %q has %v of %d deals, %s; want %d of %d, %s", what, r.Key, r.Credit, r.Deals, r.Value.Amount, k.credit, len(k.deals), money(k.value))
				}
				if r.CreditEnds == nil || !(r.Low <= r.Credit && r.Credit <= r.High) {
					t.Errorf("%s: %q has %v in %+v", what, r.Key, r.Credit, r.CreditEnds)
				}
			}
			if a.Unattributed.Value.Amount != money(nobodys.value) || a.Total.Value.Amount != money(total.value) {
				t.Errorf("%s: unattributed %s of %s, want %s of %s", what, a.Unattributed.Value.Amount, a.Total.Value.Amount, money(nobodys.value), money(total.value))
			}
			if a.Note != trail.CreditNote || a.Few != (a.Total.Credit < 20) {
				t.Errorf("%s: note %q, few %v of %v", what, a.Note, a.Few, a.Total.Credit)
			}
		}
	}
}

func TestUnknownKeysAndValuesAreRefusedWithThoseThereAre(t *testing.T) {
	db := openCredits(t, creditCompany())
	for _, x := range []struct {
		by   string
		only map[string][]string
		says string
	}{
		{"colour", nil, "content, rep, kind, persona, owner, team, source, stage, segment, size, account, month."},
		{"content", map[string][]string{"colour": {"red"}}, "account, month, deal."},
		{"content", map[string][]string{"team": {"grösse"}}, `team is "grösse", which nothing in this run has; choose from (none), =SUM(A1), größe, it's "so".`},
		{"content", map[string][]string{"kind": {"Größe"}}, "choose from (none), =SUM(A1), deck, größe"},
		{"content", map[string][]string{"rep": {"x"}}, "größe"},
		{"content", map[string][]string{"content": {"x"}}, "plain, unsent"},
		{"content", map[string][]string{"month": {"2025-01"}}, "2026-0"},
		{"content", map[string][]string{"deal": {"D99"}}, "D19 and 20 others"},
	} {
		_, err := db.Attribution(t.Context(), x.by, store.Filter{Only: x.only, Zone: berlin})
		problem(t, err, trail.Invalid)
		if err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("by %s of %v: %v does not say %q", x.by, x.only, err, x.says)
		}
	}
	// What there is and earned nothing is an answer.
	if a := must(db.Attribution(t.Context(), "content", store.Filter{Only: map[string][]string{"content": {"unsent"}}}))(t); len(a.Rows) != 0 || a.Total.Credit != 0 {
		t.Errorf("a content that earned nothing: %+v", a)
	}
}

func TestDataDrivenModelsSpeakForThemselves(t *testing.T) {
	db := openCredits(t, creditCompany())
	for _, statement := range []string{
		"INSERT INTO credits SELECT run, m, deal, touch, content, rep, kind, rule, confidence, share, value FROM credits ARRAY JOIN ['markov', 'markov:2'] AS m WHERE model = 'linear'",
		`INSERT INTO effects (run, model, player, credit, credit_low, credit_high, value, value_low, value_high, effect, effect_low, effect_high, error)
		VALUES ('R', 'markov', 'plain', 3.5, 2.5, 4.5, 123456, 100000, 200000, 0.2, 0.1, 0.3, 0), ('R', 'markov', 'unsent', 0.1, 0, 0.2, 100, 0, 200, 0.01, 0, 0.02, 0), ('R', 'markov:2', '(none)', 1, 0, 2, 3, 2, 4, 0.5, 0.4, 0.6, 0)`,
	} {
		if err := db.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	rows := func(by, model string, only map[string][]string) map[string]trail.CreditRow {
		t.Helper()
		all := map[string]trail.CreditRow{}
		for _, r := range must(db.Attribution(t.Context(), by, store.Filter{Model: model, Only: only}))(t).Rows {
			all[r.Key] = r
		}
		return all
	}
	linear := rows("content", "linear", nil)
	own := rows("content", "markov", nil)
	check(t, "credit and ends are the model's", fmt.Sprint(own["plain"].Credit, own["plain"].Low, own["plain"].High, own["plain"].Effect), "3.5 2.5 4.5 0.2")
	check(t, "its value stands beside", *own["plain"].ModelCredit, trail.ModelCredit{
		Effect: 0.2, EffectLow: 0.1, EffectHigh: 0.3,
		ModelValue: trail.Money{Amount: "1234.56", Currency: "EUR"}, ModelValueLow: trail.Money{Amount: "1000.00", Currency: "EUR"}, ModelValueHigh: trail.Money{Amount: "2000.00", Currency: "EUR"},
	})
	check(t, "the money is the sum of the splits", own["plain"].Value, linear["plain"].Value)
	check(t, "its ends too", own["plain"].ValueLow, linear["plain"].ValueLow)
	check(t, "a player without a split", fmt.Sprint(own["unsent"].Deals, own["unsent"].Value.Amount, own["unsent"].Credit, own["unsent"].Title), "00.000.1Nobody sent it")
	if r := own["größe"]; r.ModelCredit != nil || r.Credit != linear["größe"].Credit {
		t.Errorf("of whom the model says nothing: %+v", r)
	}
	check(t, "by rep it says nothing", rows("rep", "markov", nil)["größe"].ModelCredit == nil, true)
	check(t, "nor with a filter", rows("content", "markov", map[string][]string{"team": {"größe"}})["plain"].ModelCredit == nil, true)
	check(t, "order 2 speaks of kinds", rows("kind", "markov:2", nil)[trail.Nobody].Effect, 0.5)
	check(t, "and not of contents", rows("content", "markov:2", nil)["plain"].ModelCredit == nil, true)
	byModel := map[string]trail.CreditRow{}
	for _, r := range must(db.ContentCredits(t.Context(), "plain", store.Filter{}))(t) {
		byModel[r.Key] = r
	}
	for model, want := range map[string]trail.CreditRow{"linear": linear["plain"], "markov": own["plain"]} {
		got := byModel[model]
		got.Key, want.Title, want.Tie = "plain", "", 0
		check(t, "one content under "+model, got, want)
	}
}

func TestTiesAreRowsWhoseIntervalsOverlapWithTheFirst(t *testing.T) {
	var deals []wonDeal
	add := func(content string, n int, each int64) {
		for range n {
			d := wonDeal{id: fmt.Sprintf("D%03d", len(deals)), value: each, closed: day(5)}
			e := event(trail.Clicked, d.id, day(2))
			d.touches = []earnedTouch{{event: e, content: content, share: 1e12, value: each}}
			deals = append(deals, d)
		}
	}
	add("=SUM(A1)", 100, 1000) // 813 to 1216
	add("größe", 90, 1000)     // up to 1106
	add("it's", 60, 1000)      // up to 772: below the first's 813
	add("plain", 55, 1000)
	a := must(openCredits(t, deals).Attribution(t.Context(), "content", store.Filter{}))(t)
	var got []string
	for _, r := range a.Rows {
		got = append(got, fmt.Sprint(r.Key, r.Tie))
	}
	check(t, "ties", got, []string{"=SUM(A1)1", "größe1", "it's2", "plain2"})
	check(t, "few", a.Few, false)
}
