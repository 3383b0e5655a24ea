package attribution_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// effect is a row of the table effects, without its run and intervals.
type effect struct {
	model, player               string
	credit, effect, valueEffect float64
	value                       int64
}

func effectsOf(t testing.TB, db *store.DB, run string) []effect {
	t.Helper()
	rows, err := db.Query(t.Context(), "SELECT model, player, credit, effect, value_effect, value FROM effects WHERE run = {run:String} ORDER BY ALL", clickhouse.Named("run", run))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []effect
	for rows.Next() {
		var e effect
		if err := rows.Scan(&e.model, &e.player, &e.credit, &e.effect, &e.valueEffect, &e.value); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// byPlayer returns effects by model and player.
func byPlayer(effects []effect) map[string]map[string]float64 {
	all := map[string]map[string]float64{}
	for _, e := range effects {
		if all[e.model] == nil {
			all[e.model] = map[string]float64{}
		}
		all[e.model][e.player] = e.effect
	}
	return all
}

// checkEffects says how what a run found of each player differs from the oracle.
func (c company) checkEffects(run *trail.Run, effects []effect, journeys []journey) (differences []string) {
	var won, lost int
	for _, j := range journeys {
		if j.won {
			won++
		} else {
			lost++
		}
	}
	for model, order := range map[string]int{"markov": 1, "shapley": 1, "markov:2": 2, "markov:3": 3} {
		stored := map[string]effect{}
		for _, e := range effects {
			if e.model == model {
				stored[e.player] = e
			}
		}
		if (run.Reasons[model] != "") != (lost == 0) || lost == 0 && len(stored) > 0 {
			differences = append(differences, fmt.Sprintf("%s of %d won and %d lost deals has %v; reasons %v", model, won, lost, stored, run.Reasons))
		}
		if lost == 0 {
			continue
		}
		x := chainOf(journeys, order, c.player(model))
		want, wantValue := x.removal()
		if model == "shapley" {
			want, wantValue = x.shapley()
		}
		for _, d := range compareEffects(stored, want, wantValue, journeys) {
			differences = append(differences, fmt.Sprintf("%s of %d won and %d lost deals: %s", model, won, lost, d))
		}
	}
	return differences
}

// compareEffects says how stored rows differ from what each player loses, or adds, in conversions and in value. A player's credit
// is its share of the conversions that had any content, and of their value.
func compareEffects(stored map[string]effect, want, wantValue map[string]float64, journeys []journey) (differences []string) {
	var touched, worth, total, totalValue float64
	for _, j := range journeys {
		if j.won && len(j.path) > 0 {
			touched++
			worth += max(0, float64(j.value))
		}
	}
	for p := range want {
		total += want[p]
		totalValue += wantValue[p]
	}
	for p, e := range want {
		s, ok := stored[p]
		credit, value := touched*part(e, total), worth*part(wantValue[p], totalValue)
		switch {
		case !ok && e > 1e-12:
			differences = append(differences, fmt.Sprintf("nothing of %q; want an effect of %v", p, e))
		case ok && (!agree(s.effect, e) || !agree(s.valueEffect, wantValue[p]) || !agree(s.credit, credit) || math.Abs(float64(s.value)-value) > 0.5+1e-6):
			differences = append(differences, fmt.Sprintf("%+v; want an effect of %v and %v, a credit of %v and %v", s, e, wantValue[p], credit, value))
		}
	}
	for p, s := range stored {
		if _, ok := want[p]; !ok {
			differences = append(differences, fmt.Sprintf("%+v, who is in no path", s))
		}
	}
	return differences
}

func agree(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(b)) }

// synthetic are the 6,000 deals of the research's path set, won and lost, each with a click for each step of its path, an hour
// apart. Each content is of a kind of its own.
func synthetic(t *testing.T) (events []trail.Event) {
	for i := range 15 {
		id := fmt.Sprintf("doc_%02d", i)
		events = append(events, trail.Event{ID: trail.IDFrom(time.Time{}, "test", id), Kind: trail.ContentKind, Source: "api", At: day, ReceivedAt: day, Content: id, Attrs: map[string]string{"kind": id}})
	}
	for i, row := range table(t, "../markov/testdata/synthetic_paths_input.csv") {
		wins, losses := int(number(t, row["total_conversions"])), int(number(t, row["total_null"]))
		cents := int64(math.Round(100 * number(t, row["total_conversion_value"])))
		for n := range wins + losses {
			id := fmt.Sprintf("%d-%d", i, n)
			if n < wins {
				own := cents / int64(wins-n)
				cents -= own
				events = append(events, won(id, fmt.Sprintf("%d.%02d", own/100, own%100), closed))
			} else {
				events = append(events, deal(id, "status", "lost", "closed_at", closed.Format(time.RFC3339)))
			}
			for step, content := range strings.Split(row["path"], " > ") {
				events = append(events, touch("", day.Add(time.Duration(step)*time.Hour), trail.Clicked, content, "p", id))
			}
		}
	}
	return events
}

func TestMarkovOfTheSyntheticDealsIsExact(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, synthetic(t)...)
	j := job(db)
	j.Options.Replicates = 40
	run := once(t, j, attribution.Request{Models: []string{"markov", "shapley", "markov:2", "markov:3"}})
	if run.Deals != 1596 || run.Inputs["lost"] != 4404 || len(run.Reasons) > 0 {
		t.Errorf("%d won and %d lost deals; want 1596 and 4404; reasons %v", run.Deals, run.Inputs["lost"], run.Reasons)
	}
	got := map[[2]string]effect{}
	var worth float64
	for _, e := range effectsOf(t, db, run.ID) {
		got[[2]string{e.model, e.player}] = e
		if e.model == "shapley" {
			worth += e.effect
		}
	}
	if !agree(worth, 1596.0/6000) {
		t.Errorf("Shapley values add up to %v, want the chance to win, .266", worth)
	}
	compared := 0
	for _, row := range table(t, "../markov/testdata/synthetic_paths_markov_exact.csv") {
		if row["use_null"] == "0" || row["self_loops"] == "0" {
			continue // without lost deals there is no model; self-loops change nothing
		}
		compared++
		model := map[string]string{"1": "markov", "2": "markov:2", "3": "markov:3"}[row["order"]]
		e := got[[2]string{model, row["channel_name"]}]
		if !agree(e.effect, number(t, row["removal_effect_conversion"])) || !agree(e.valueEffect, number(t, row["removal_effect_value"])) ||
			!agree(e.credit, number(t, row["total_conversions"])) || math.Abs(float64(e.value)-100*number(t, row["total_conversion_value"])) > 0.51 {
			t.Errorf("%s: %+v, want %v", model, e, row)
		}
	}
	if compared != 45 {
		t.Errorf("%d rows of the exact file compared, want 45", compared)
	}
	within := count(t, db, `SELECT countIf(effect_low <= effect AND effect <= effect_high AND credit_low <= credit AND credit <= credit_high AND value_low <= value AND value <= value_high)
		FROM effects WHERE run = {run:String}`, clickhouse.Named("run", run.ID))
	if within != 60 {
		t.Errorf("%d of 60 numbers are in their intervals", within)
	}
	for _, m := range run.Models {
		uneven := count(t, db, `SELECT countIf(c.value != d.value OR abs(c.share - 1) > 1e-9)
			FROM (SELECT deal, sum(value) AS value, sum(share) AS share FROM credits WHERE run = {run:String} AND model = {model:String} GROUP BY deal) AS c
			FULL JOIN (SELECT deal, value FROM run_deals WHERE run = {run:String} AND status = 'won') AS d ON d.deal = c.deal`,
			clickhouse.Named("run", run.ID), clickhouse.Named("model", m))
		if uneven > 0 {
			t.Errorf("%s: %d deals are not divided to the cent", m, uneven)
		}
	}
}

// Contents B and C take part in the same ways; D is only in lost deals, E in none.
func TestShapleyKnowsTwinsAndThoseWhoAddNothing(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	insert(t, db, trail.Event{ID: trail.IDFrom(day, "test", "E"), Kind: trail.ContentKind, Source: "api", At: day, ReceivedAt: day, Content: "E"})
	n := 0
	deals := func(wins, losses int, path string) {
		for i := range wins + losses {
			n++
			id := fmt.Sprint("deal ", n)
			d := deal(id, "status", "lost", "closed_at", closed.Format(time.RFC3339))
			if i < wins {
				d = won(id, "10.01", closed)
			}
			insert(t, db, d)
			for k, content := range strings.Split(path, "") {
				insert(t, db, touch(fmt.Sprint(k), day.Add(time.Duration(k)*time.Hour), trail.Clicked, content, "p", id))
			}
		}
	}
	deals(3, 1, "AB")
	deals(3, 1, "AC")
	deals(1, 2, "BA")
	deals(1, 2, "CA")
	deals(0, 2, "AD")
	run := once(t, job(db), attribution.Request{Models: []string{"shapley"}})
	got := byPlayer(effectsOf(t, db, run.ID))["shapley"]
	if !agree(got["B"], got["C"]) || got["A"] <= got["B"] || got["B"] <= 0 || len(got) != 3 {
		t.Errorf("Shapley values %v; want those of A, and of B and C who are twins", got)
	}
	all := credits(t, db, run.ID)
	if got := path(all, "shapley", "deal 1"); got == "" || path(all, "shapley", "deal 5") != got {
		t.Errorf("A and B get %s, A and C %s of a deal", got, path(all, "shapley", "deal 5"))
	}
}

// A content of every deal has all the credit, whatever chance sends; but that is of as many wins as chance sends.
func TestACreditIsNoSurerThanTheWinsItIsOf(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	var events []trail.Event
	for i := range 80 {
		id := fmt.Sprint("deal ", i)
		d := deal(id, "status", "lost", "closed_at", closed.Format(time.RFC3339))
		if i < 40 {
			d = won(id, "10.00", closed)
		}
		events = append(events, d, touch("a", day, trail.Clicked, "A", "p", id))
	}
	insert(t, db, events...)
	run := once(t, job(db), attribution.Request{Models: []string{"markov", "shapley"}})
	rows := lines(t, db, "SELECT formatRow('CSV', model, credit, credit_low, credit_high, value_low, value_high) FROM effects WHERE run = {run:String}", clickhouse.Named("run", run.ID))
	for _, row := range rows {
		var model string
		var credit, low, high float64
		var valueLow, valueHigh int64
		if _, err := fmt.Sscanf(strings.ReplaceAll(row, ",", " "), "%q %g %g %g %d %d", &model, &credit, &low, &high, &valueLow, &valueHigh); err != nil {
			t.Fatal(err)
		}
		// Of 40 wins that may come or not, 95 in 100 are about 40 ± 2 √40; each is of 1,000 cents.
		if credit != 40 || low < 20 || low > 32 || high < 48 || high > 60 || math.Abs(float64(valueLow)-1000*low) > 1 || math.Abs(float64(valueHigh)-1000*high) > 1 {
			t.Errorf("credit and interval, and that of the value: %s", row)
		}
	}
	if len(rows) != 2 {
		t.Errorf("effects are %q", rows)
	}
}
