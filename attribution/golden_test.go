package attribution_test

import (
	"encoding/csv"
	"math"
	"os"
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

// The golden file has no window, counts every kind, and knows EUR at 1.1 USD.
func TestRulesGiveTheGoldenShares(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t)
	kinds := map[string]trail.Kind{"open": trail.Opened, "auto_open": trail.Opened, "click": trail.Clicked, "read": trail.Viewed, "reply": trail.Replied}
	for _, d := range table(t, "rules_golden_deals.csv") {
		insert(t, db, deal(d["deal"], "status", "won", "amount", d["value"], "currency", d["currency"], "closed_at", d["closed_at"]+"T23:59:59Z"))
	}
	for _, x := range table(t, "rules_golden_touches.csv") {
		insert(t, db, touch(x["touch"], moment(t, x["at"]), kinds[x["type"]], x["content"], x["contact"], x["deal"]))
	}
	j := job(db)
	j.Options.Currency, j.Options.Rates = "USD", map[string]string{"EUR": "1.1"}
	j.Options.Window = 0
	j.Options.Kinds = []trail.Kind{trail.Opened, trail.Clicked, trail.Viewed, trail.Replied}
	run := once(t, j, attribution.Request{})
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
		k := key{want["model"], want["deal"], want["touch"]}
		if want["model"] != "first" && want["model"] != "last" && want["model"] != "linear" {
			continue
		}
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
