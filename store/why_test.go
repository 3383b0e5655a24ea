package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"dealtrail/store"
	"dealtrail/trail"
)

func TestWhyAddsUpToTheCreditThatItExplains(t *testing.T) {
	deals := creditCompany()
	db := openCredits(t, deals)
	ask := func(only map[string][]string) (*trail.Why, []trail.WhyDeal) {
		t.Helper()
		f := store.Filter{Only: only, Zone: berlin, Limit: 15}
		first := must(db.Why(t.Context(), f))(t)
		all, page := first.Rows, first
		for page.Next != "" {
			f.After = page.Next
			page = must(db.Why(t.Context(), f))(t)
			all = append(all, page.Rows...)
		}
		return first, all
	}
	for _, by := range []string{"content", "kind", "owner", "month"} {
		for _, row := range must(db.Attribution(t.Context(), by, store.Filter{Zone: berlin}))(t).Rows {
			what := fmt.Sprintf("%s %q", by, row.Key)
			why, all := ask(map[string][]string{by: {row.Key}})
			if why.Total != (trail.Sum{Credit: row.Credit, Value: row.Value}) || why.Deals != row.Deals || len(all) != int(row.Deals) {
				t.Errorf("%s: %d of %d deals and %+v explain %+v", what, len(all), why.Deals, why.Total, row)
			}
			var sum int64
			for _, d := range all {
				var touches int64
				for _, x := range d.Touches {
					touches += minor(t, x.Amount)
				}
				if sum += minor(t, d.Amount); minor(t, d.Amount) != touches {
					t.Errorf("%s: %s is %s, its touches add up to %s", what, d.Deal, d.Amount.Amount, money(touches))
				}
			}
			if money(sum) != row.Value.Amount {
				t.Errorf("%s: the deals add up to %s, not %s", what, money(sum), row.Value.Amount)
			}
		}
	}
	nobodys, all := ask(map[string][]string{"content": {trail.Nobody}})
	if a := must(db.Attribution(t.Context(), "content", store.Filter{}))(t); nobodys.Total != a.Unattributed || len(all[0].Touches) != 0 {
		t.Errorf("what nothing earned: %+v, want %+v", nobodys.Total, a.Unattributed)
	}
	everything, all := ask(nil)
	check(t, "deals in all", int(everything.Deals+nobodys.Deals), len(deals))
	check(t, "the most first", slices.IsSortedFunc(all, func(a, b trail.WhyDeal) int { return int(minor(t, b.Amount) - minor(t, a.Amount)) }), true)
	d := deals[slices.IndexFunc(deals, func(d wonDeal) bool { return len(d.touches) > 3 })]
	_, all = ask(map[string][]string{"deal": {d.id}})
	var got []string
	for i, x := range all[0].Touches {
		got = append(got, fmt.Sprint(x.Place, x.Kind, x.Rule, x.Confidence, x.Contacts, x.Withheld))
		if i > 0 && x.At.Before(all[0].Touches[i-1].At) {
			t.Errorf("touch %d is before the one before", i)
		}
	}
	slices.SortFunc(d.touches, func(a, b earnedTouch) int { return a.event.At.Compare(b.event.At) })
	var want []string
	for i, x := range d.touches {
		who := []string{"ann@alpha.example"}
		if x.event.Contact == bob {
			who = []string{string(bob)} // nobody knows his address
		} else if x.event.Withheld != "" {
			who = []string{}
		}
		want = append(want, fmt.Sprint(i+1, "clicked", "contact", 0.95, who, x.event.Withheld))
	}
	check(t, "touches of "+d.id, got, want)
	if _, all := ask(map[string][]string{"deal": {"D00"}, "content": {trail.Nobody, "=SUM(A1)", "größe", "it's", "plain"}}); all[0].Name != "The first" || all[0].Value.Amount != money(deals[0].value) {
		t.Errorf("D00 is %+v", all[0])
	}
	_, err := db.Why(t.Context(), store.Filter{After: "D1"})
	problem(t, err, trail.Invalid)
}

func minor(t *testing.T, m trail.Money) (units int64) {
	t.Helper()
	if _, err := fmt.Sscan(strings.Replace(m.Amount, ".", "", 1), &units); err != nil {
		t.Fatal(err)
	}
	return units
}

func TestSpendSaysWhatBecameOfTheMoney(t *testing.T) {
	deals := creditCompany()
	db := openCredits(t, deals)
	s := must(db.Spend(t.Context(), store.Filter{}, store.Rates{}))(t)
	spent := func(n uint64, amount string) trail.Spent {
		return trail.Spent{Contents: n, Cost: trail.Money{Amount: amount, Currency: "EUR"}}
	}
	check(t, "total", s.Total, spent(3, "1070.51")) // 100.50, 1000 USD at 0.92, 50.005 rounded to the cent
	check(t, "never sent", s.NeverSent, spent(1, "50.01"))
	check(t, "never used", s.NeverUsed, spent(0, "0.00"))
	check(t, "used", s.Used, spent(2, "1020.50"))
	check(t, "no rate, no cost", fmt.Sprint(s.NoRate, " ", s.NoCost, " ", s.Run), "1 1 R")
	var got []string
	a := must(db.Attribution(t.Context(), "content", store.Filter{}))(t)
	for _, r := range s.Rows {
		line := fmt.Sprint(r.Content, " ", r.State, " ", r.Told.Amount, r.Told.Currency)
		if r.Cost != nil {
			line += " " + r.Cost.Amount
		}
		got = append(got, line)
		i := slices.IndexFunc(a.Rows, func(x trail.CreditRow) bool { return x.Key == r.Content })
		if r.Content == "unsent" {
			check(t, "earned by what nobody sent", r.Value.Amount, "0.00")
			continue
		}
		row := a.Rows[i]
		check(t, "value of "+r.Content, *r.Value, row.Value)
		if r.Cost != nil && (*r.Cost != row.Cost || *r.PerCost != *row.PerCost || fmt.Sprintf("%.6f", r.Per) != fmt.Sprintf("%.6f", float64(minor(t, row.Value))/float64(minor(t, row.Cost))) || !(r.PerLow < r.Per && r.Per < r.PerHigh)) {
			t.Errorf("%s: %+v, in the report %+v", r.Content, r.PerCost, row.CreditCost)
		}
	}
	check(t, "rows", got, []string{"größe used 1000USD 920.00", "=SUM(A1) used 100.50EUR 100.50", "unsent never_sent 50.005EUR 50.01", "it's used 7XXX"})
	none := must(db.Spend(t.Context(), store.Filter{Agents: trail.Strict}, store.Rates{Currency: "EUR", Digits: 2}))(t)
	check(t, "without a run", fmt.Sprint(none.Run, none.NoRate, " ", none.Total.Contents, " ", none.Rows[0].Value), "2 2 <nil>")
}
