package attribution_test

import (
	"testing"
	"time"

	"dealtrail/attribution"
	"dealtrail/store/storetest"
	"dealtrail/trail"
)

// names returns the names of the touches of credits, in the order of touch.
func touched(all []credit) string {
	var s string
	for _, c := range all {
		s += string(c.touch[6:7])
	}
	return s
}

func TestWindowIncludesBothEnds(t *testing.T) {
	db := storetest.Open(t)
	closed, tick := day.AddDate(0, 0, 30), time.Millisecond
	insert(t, db, won("D", "100", closed),
		touch("a", closed.Add(-24*time.Hour-tick), trail.Clicked, "A", "p", "D"),
		touch("b", closed.Add(-24*time.Hour), trail.Clicked, "B", "p", "D"),
		touch("c", closed, trail.Clicked, "C", "p", "D"),
		touch("d", closed.Add(tick), trail.Clicked, "D", "p", "D"))
	j := job(db)
	j.Options.Window = 24 * time.Hour
	if got := touched(of("linear", credits(t, db, once(t, j, attribution.Request{}).ID))); got != "bc" {
		t.Errorf("touches %q earn credit; want b and c", got)
	}
	j.Options.Window = 0
	if got := touched(of("linear", credits(t, db, once(t, j, attribution.Request{}).ID))); got != "abc" {
		t.Errorf("without a window touches %q earn credit; want a, b and c", got)
	}
}

func TestBurstCountsOnceFromItsFirstTouch(t *testing.T) {
	db := storetest.Open(t)
	at := func(d time.Duration) time.Time { return day.Add(d) }
	const half = 30 * time.Minute
	insert(t, db, won("D", "100", day.AddDate(0, 0, 30)),
		touch("a", at(0), trail.Clicked, "A", "p", "D"),
		touch("b", at(half), trail.Clicked, "A", "p", "D"),                    // exactly 30 minutes: the same burst
		touch("c", at(2*half), trail.Clicked, "A", "p", "D"),                  // an hour after a, and still the same chain
		touch("d", at(3*half+time.Millisecond), trail.Clicked, "A", "p", "D"), // a new burst
		touch("e", at(time.Minute), trail.Viewed, "A", "p", "D"),              // another kind
		touch("f", at(2*time.Minute), trail.Clicked, "A", "q", "D"),           // another contact
		touch("g", at(3*time.Minute), trail.Clicked, "B", "p", "D"),           // another content
		touch("h", at(half+time.Minute), trail.Clicked, "B", "p", "D"),        // the burst of g
	)
	j := job(db)
	run := once(t, j, attribution.Request{})
	all := credits(t, db, run.ID)
	counted := map[string]bool{}
	for _, c := range of("linear", all) {
		counted[touched([]credit{c})] = true
	}
	if len(counted) != 5 || !counted["a"] || !counted["d"] || !counted["e"] || !counted["f"] || !counted["g"] {
		t.Errorf("touches %v earn credit; want a, d, e, f and g", counted)
	}
	if first, last := touched(of("first", all)), touched(of("last", all)); first != "a" || last != "d" {
		t.Errorf("first is %q, last is %q; want a and d", first, last)
	}
	if run.Touches != 5 {
		t.Errorf("the run counts %d touches, want 5", run.Touches)
	}
	j.Options.Burst = 0
	if run := once(t, j, attribution.Request{}); run.Touches != 8 {
		t.Errorf("without bursts the run counts %d touches, want 8", run.Touches)
	}
}

func TestCentsGoToTheLargestRemainderOfContents(t *testing.T) {
	db := storetest.Open(t)
	// A has four of seven touches, B two, C one: 0.10 EUR is 5.71, 2.86 and 1.43 cents.
	insert(t, db, won("D", "0.10", day.AddDate(0, 0, 30)), won("E", "-0.10", day.AddDate(0, 0, 30)))
	for _, d := range []string{"D", "E"} {
		for i, content := range []string{"C", "A", "B", "A", "B", "A", "A"} {
			insert(t, db, touch(string(rune('1'+i))+d, day.AddDate(0, 0, i), trail.Clicked, content, "p", d))
		}
	}
	got := map[string]int64{}
	values := map[string]string{}
	for _, c := range of("linear", credits(t, db, once(t, job(db), attribution.Request{}).ID)) {
		got[c.deal+c.content] += c.value
		values[c.deal+c.content] += string(rune('0' + max(c.value, -c.value)))
	}
	for key, want := range map[string]int64{"DA": 6, "DB": 3, "DC": 1, "EA": -6, "EB": -3, "EC": -1} {
		if got[key] != want {
			t.Errorf("%s earns %d cents, want %d", key, got[key], want)
		}
	}
	// Within A, 6 cents over four equal touches: the earlier ones get the cents that are left. B likewise.
	if values["DA"] != "2211" || values["EA"] != "2211" || values["DB"] != "21" {
		t.Errorf("cents per touch %v; want 2211 for A and 21 for B", values)
	}
}

func TestMoneyIsConvertedExactly(t *testing.T) {
	closed := day.AddDate(0, 0, 30).Format(time.RFC3339)
	f := func(name, currency, amount, of string, rates map[string]string, want int64) {
		t.Helper()
		db := storetest.Open(t)
		insert(t, db, deal("D", "status", "won", "amount", amount, "currency", of, "closed_at", closed))
		j := job(db)
		j.Options.Currency, j.Options.Rates = currency, rates
		all := credits(t, db, once(t, j, attribution.Request{Models: []string{"last"}}).ID)
		if len(all) != 1 || all[0].value != want || all[0].share != 1 || all[0].content != "" || !all[0].touch.IsZero() {
			t.Errorf("%s: %v; want one unattributed row of %d", name, all, want)
		}
	}
	f("half a cent goes up", "EUR", "1.005", "EUR", nil, 101)
	f("half a cent goes away from zero", "EUR", "-1.005", "EUR", nil, -101)
	f("rates are decimal", "EUR", "0.35", "USD", map[string]string{"usd": "0.3"}, 11) // 10.5 cents; 0.35*0.3 in floating point is less
	f("no currency is the reporting currency", "EUR", "7", "", nil, 700)
	f("case of a currency does not matter", "EUR", "7", "eur", nil, 700)
	f("a yen has no cents", "JPY", "1000.5", "JPY", nil, 1001)
	f("a dinar has 1000 fils", "KWD", "1.2345", "KWD", nil, 1235)
	f("large amounts keep every cent", "EUR", "90071992547409.93", "EUR", nil, 9007199254740993)
	f("nothing is a value", "EUR", "0", "EUR", nil, 0)
}

func TestDealsThatCannotBeDividedAreCounted(t *testing.T) {
	db := storetest.Open(t)
	closed := day.AddDate(0, 0, 30).Format(time.RFC3339)
	insert(t, db,
		won("good", "10", day.AddDate(0, 0, 30)),
		deal("no amount", "status", "won", "currency", "EUR", "closed_at", closed),
		deal("no rate", "status", "won", "amount", "10", "currency", "SEK", "closed_at", closed),
		deal("no day", "status", "won", "amount", "10", "currency", "EUR"),
		deal("lost", "status", "lost", "amount", "10", "currency", "EUR", "closed_at", closed),
		deal("open", "amount", "10", "currency", "EUR"))
	run := once(t, job(db), attribution.Request{})
	if run.Deals != 1 || run.LeftOut != 3 {
		t.Errorf("%d deals divided and %d left out; want 1 and 3", run.Deals, run.LeftOut)
	}
	if all := of("first", credits(t, db, run.ID)); len(all) != 1 || all[0].deal != "good" {
		t.Errorf("credits %v; want one, of the good deal", all)
	}
}

func TestPeriodIsOverTheCloseAndHalfOpen(t *testing.T) {
	db := storetest.Open(t)
	to := day.AddDate(0, 1, 0)
	insert(t, db, won("before", "1", day.Add(-time.Millisecond)), won("begin", "2", day), won("end", "4", to.Add(-time.Millisecond)), won("after", "8", to))
	f := func(from, to time.Time, want int64) {
		t.Helper()
		var sum int64
		run := once(t, job(db), attribution.Request{From: from, To: to})
		for _, c := range of("linear", credits(t, db, run.ID)) {
			sum += c.value
		}
		if sum != want*100 || !run.From.Equal(from) || !run.To.Equal(to) {
			t.Errorf("from %v to %v: %d cents in %+v; want %d", from, to, sum, run, want*100)
		}
	}
	f(time.Time{}, time.Time{}, 15)
	f(day, to, 6)
	f(day, time.Time{}, 14)
	f(time.Time{}, to, 7)
}
