package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"dealtrail/store"
	"dealtrail/trail"
)

// amountsOf adds up a column of money, leaving out the rows that are sums themselves.
func amountsOf(t *testing.T, out, column string) (sum, total *big.Rat, header []string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	i := slices.Index(rows[0], column)
	sum, total = new(big.Rat), new(big.Rat)
	for _, r := range rows[1:] {
		v, ok := new(big.Rat).SetString(r[i])
		switch {
		case !ok:
			t.Errorf("%q is no amount", r[i])
		case r[0] == "(total)":
			total = v
		default:
			sum.Add(sum, v)
		}
	}
	return sum, total, rows[0]
}

func TestCreditsAddUpOnTheTerminalUnderEveryKeyAndFilter(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.load(nil)
	r.command("import", "content", r.file("cost.csv", "id,title,kind,url,persona,cost,currency\nC1,One pager,größe,https://www.example.com/one,=SUM(A1),10.50,EUR\nC2,=SUM(A1),deck,https://www.example.com/two,,4,USD\n"))
	r.laidOut()
	const all = "111.16"
	for _, by := range []string{"persona", "month"} { // each is a run
		sum, total, header := amountsOf(t, r.command("attribute", "--by", by, "--format", "csv"), "value")
		if sum.Cmp(total) != 0 || total.FloatString(2) != all || header[0] != by {
			t.Errorf("by %s (%s): %s of %s", by, header[0], sum.FloatString(2), total.FloatString(2))
		}
	}
	if sum, total, _ := amountsOf(t, r.command("attribute", "--by", "rep", "--format", "csv", "--kind", "größe", "--persona", "=SUM(A1)", "--kind", "video"), "value"); sum.Cmp(total) != 0 || total.Sign() == 0 {
		t.Errorf("two filters: %s of %s", sum.FloatString(2), total.FloatString(2))
	}
	for i, x := range []struct{ filter, value, total string }{
		{"", "", all},
		{"kind", "größe", ""},
		{"content", "C2", ""},
		{"persona", "=SUM(A1)", ""},
		{"owner", "rita@ours.test", "100.05"},
		{"account", "acme.test", "111.11"},
		{"month", "2026-03", "100.05"},
		{"rep", "rita@ours.test", "100.05"},
		{"deal", "D1", "100.00"},
		{"stage", "Won", "111.11"},
		{"team", "(none)", all},
		{"size", "under 10k", all},
	} {
		q := query(x.filter, x.value)
		var attributed, parts int64
		keys := store.Keys()
		if x.filter != "" { // the store's tests have all pairs
			keys = []string{keys[i%len(keys)], "content"}
		}
		for _, by := range keys {
			q.Set("by", by)
			report := ask1[trail.Attribution](r, "/v1/attribution?"+q.Encode())
			attributed = 0
			for _, row := range report.Rows {
				attributed += cents(t, row.Value)
			}
			if total := report.Total.Value; attributed+cents(t, report.Unattributed.Value) != cents(t, total) || x.total != "" && total.Amount != x.total {
				t.Errorf("%s %s by %s: %d and %s of %s, want %s", x.filter, x.value, by, attributed, report.Unattributed.Value.Amount, total.Amount, x.total)
			}
		}
		q.Del("by")
		why := ask1[trail.Why](r, "/v1/attribution/why?"+q.Encode())
		for _, d := range why.Rows {
			for _, touch := range d.Touches {
				parts += cents(t, touch.Amount)
			}
		}
		if cents(t, why.Total.Value) != attributed || parts != attributed || parts == 0 {
			t.Errorf("%s %s: %s and touches of %d explain %d", x.filter, x.value, why.Total.Value.Amount, parts, attributed)
		}
	}
	out := r.command("attribute")
	for _, part := range []string{trail.CreditNote, "fewer than 20 deals", "credit_per_cost", "value_low", "tie"} {
		if !strings.Contains(out, part) {
			t.Errorf("the table does not say %q:\n%s", part, out)
		}
	}
	if low, value := strings.Index(out, " low "), strings.Index(out, " credit "); low < 0 || low > value {
		t.Errorf("with few deals the intervals are not first:\n%s", out)
	}
	out = r.command("why", "--content", "C2", "--deal", "D1")
	for _, part := range []string{"D1", "First", "clicked", "ben@acme.test", "contact", "2 of 2", "50.00"} {
		if !strings.Contains(out, part) {
			t.Errorf("why does not say %q:\n%s", part, out)
		}
	}
	if out := r.command("attribute", "--format", "csv", "--model", "markov:2", "--by", "kind"); !strings.Contains(out, "größe") {
		t.Errorf("a model that is computed only when it is named:\n%s", out)
	}
	out = r.command("spend", "--format", "json")
	var spend trail.Spend
	if err := json.Unmarshal([]byte(out), &spend); err != nil || spend.Total.Cost.Amount != "10.50" || spend.NoRate != 1 || spend.NoCost != 1 {
		t.Errorf("spend: %v\n%s", err, out)
	}
	for _, args := range [][]string{{"attribute", "--model", "magic"}, {"attribute", "--by", "colour"}, {"attribute", "--team", "nobody"}, {"why", "--model", "magic"}, {"why", "--content", "C9"}, {"spend", "--model", "magic"}, {"content", "--model", "magic"}} {
		_, err := r.try(args...)
		if usage := (usageError{}); !errors.As(err, &usage) || !strings.Contains(err.Error(), "choose from") && !strings.Contains(err.Error(), "one of content, rep") {
			t.Errorf("%v: %v (%T)", args, err, err)
		}
	}
	err := r.api.Get(t.Context(), "/v1/attribution", map[string]string{"tean": "north"}, nil)
	if p := (*trail.Problem)(nil); !errors.As(err, &p) || p.Code != trail.Invalid || !strings.Contains(p.Text, "team") {
		t.Errorf("a misspelt filter: %v", err)
	}
}

func cents(t *testing.T, m trail.Money) int64 {
	t.Helper()
	v, ok := new(big.Rat).SetString(m.Amount)
	if !ok {
		t.Fatalf("%q is no amount", m.Amount)
	}
	v.Mul(v, big.NewRat(100, 1))
	if !v.IsInt() {
		t.Fatalf("%s is not in cents", m.Amount)
	}
	return v.Num().Int64()
}
