package attribution_test

import (
	"encoding/csv"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"dealtrail/attribution"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// table reads a CSV of testdata as maps from column to value.
func table(t *testing.T, name string) []map[string]string {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]string
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, column := range rows[0] {
			m[column] = row[i]
		}
		all = append(all, m)
	}
	return all
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func moment(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04:05", s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// goldenModels are the models of the golden file as they are called here. last_non_excluded is not offered: a level of agents
// and the kinds that earn leave out what it leaves out, for every model alike.
var goldenModels = map[string]string{
	"first": "first", "last": "last", "linear": "linear", "time_decay_7d": "decay", "u_40_20_40": "u", "w_30_30_30_10": "w", "full_22_5": "full",
}

// The golden file has no window, counts every kind, and knows EUR at 1.1 USD. A deal's lead is when the first of its contacts
// became one; here the other did a day later.
func TestRulesGiveTheGoldenShares(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	kinds := map[string]trail.Kind{"open": trail.Opened, "auto_open": trail.Opened, "click": trail.Clicked, "read": trail.Viewed, "reply": trail.Replied}
	for _, d := range table(t, "rules_golden_deals.csv") {
		attrs := []string{"status", "won", "amount", d["value"], "currency", d["currency"], "closed_at", d["closed_at"] + "T23:59:59Z", "contacts", "later-" + d["deal"] + " lead-" + d["deal"]}
		if d["opp_at"] != "" {
			attrs = append(attrs, "created_at", d["opp_at"]+"T23:59:59Z")
		}
		lead := moment(t, d["lead_at"]+"T23:59:59")
		insert(t, db, deal(d["deal"], attrs...), person("lead-"+d["deal"], lead), person("later-"+d["deal"], lead.Add(24*time.Hour)))
	}
	for _, x := range table(t, "rules_golden_touches.csv") {
		insert(t, db, touch(x["touch"], moment(t, x["at"]), kinds[x["type"]], x["content"], x["contact"], x["deal"]))
	}
	j := job(db)
	j.Options.Currency, j.Options.Rates = "USD", map[string]string{"EUR": "1.1"}
	j.Options.Window = 0
	j.Options.Kinds = []trail.Kind{trail.Opened, trail.Clicked, trail.Viewed, trail.Replied}
	run := once(t, j, attribution.Request{Models: slices.Collect(maps.Values(goldenModels))})
	if run.Deals != 12 || run.Touches != 27 || run.LeftOut != 0 {
		t.Errorf("run has %d deals, %d touches, %d left out; want 12, 27 and 0", run.Deals, run.Touches, run.LeftOut)
	}

	type key struct{ model, deal, touch string }
	got, sums := map[key]credit{}, map[key]int64{}
	for _, c := range credits(t, db, run.ID) {
		got[key{c.model, c.deal, c.name()}] = c
		sums[key{c.model, c.deal, ""}] += c.value
	}
	deals := map[key]float64{}
	for _, want := range table(t, "rules_golden_expected.csv") {
		model, offered := goldenModels[want["model"]]
		if !offered {
			continue
		}
		k := key{model, want["deal"], want["touch"]}
		c, ok := got[k]
		if !ok {
			t.Errorf("%v: no credit", k)
			continue
		}
		delete(got, k)
		if want["touch"] != "" && c.content != want["content"] || want["touch"] == "" && (c.content != "" || !c.touch.IsZero()) {
			t.Errorf("%v: content %q", k, c.content)
		}
		if math.Abs(c.share-number(t, want["share"])) > 1e-9 {
			t.Errorf("%v: share %v, want %s", k, c.share, want["share"])
		}
		value := 100 * number(t, want["value_usd"])
		if math.Abs(float64(c.value)-value) >= 1 { // the file does not round to cents
			t.Errorf("%v: value %d, want %v cents", k, c.value, value)
		}
		deals[key{k.model, k.deal, ""}] += value
	}
	for k, c := range got {
		t.Errorf("%v: credit %v that is not in the golden file", k, c)
	}
	for k, want := range deals {
		if sums[k] != int64(math.Round(want)) {
			t.Errorf("%v adds up to %d, want %v", k, sums[k], want)
		}
	}
}
