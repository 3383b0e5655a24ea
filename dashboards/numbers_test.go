package dashboards

import (
	"bytes"
	"context"
	"encoding/csv"
	"html"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"dealtrail/store"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

func TestContentAddsUpToAllWonDeals(t *testing.T) {
	t.Parallel()
	e := readSite(t)
	for _, model := range []string{"first", "last", "linear"} {
		rows := readCSV(t, e, "/?format=csv&model="+model)
		sum, total := new(big.Rat), new(big.Rat)
		value := slices.Index(rows[0], "value")
		for _, row := range rows[1:] {
			v, _ := new(big.Rat).SetString(row[value])
			switch {
			case row[1] == "Total":
				total = v
			case v != nil:
				sum.Add(sum, v)
			}
		}
		if total.Sign() <= 0 || sum.Cmp(total) != 0 {
			t.Errorf("%s: the rows add up to %s of %s", model, sum.FloatString(2), total.FloatString(2))
		}
		body := read(t, e, "/?model="+model)
		if !strings.Contains(body, "No content seen") || !strings.Contains(body, string(money(trail.Money{Amount: total.FloatString(2), Currency: "EUR"}))) {
			t.Errorf("%s: the page lacks the row without content or the total", model)
		}
	}
}

func TestAllNumbersOfAPageComeFromOneRun(t *testing.T) {
	t.Parallel()
	db := readCompany(t)
	s, e := newSite(t, db, nil)
	var mu sync.Mutex
	asked := map[string][]string{} // runs by what was asked
	note := func(what string, f store.Filter) {
		mu.Lock()
		defer mu.Unlock()
		asked[what] = append(asked[what], f.Run)
	}
	s.source.Run = func(ctx context.Context, f store.Filter) (*trail.Run, error) {
		note("run", f)
		return db.NewestRun(ctx, f)
	}
	s.source.Contents = func(ctx context.Context, f store.Filter) ([]trail.ContentRow, error) {
		note("contents", f)
		return db.Contents(ctx, f)
	}
	s.source.Content = func(ctx context.Context, id string, f store.Filter) (*trail.ContentDetail, error) {
		note("content", f)
		return db.Content(ctx, id, f)
	}
	s.source.Deal = func(ctx context.Context, id string, f store.Filter) (*trail.DealDetail, error) {
		note("deal", f)
		return db.Deal(ctx, id, f)
	}
	s.source.Attribution = func(ctx context.Context, by string, f store.Filter) (*trail.Attribution, error) {
		note("attribution", f)
		return db.Attribution(ctx, by, f)
	}
	s.source.Credits = func(ctx context.Context, content string, f store.Filter) ([]trail.CreditRow, error) {
		note("credits", f)
		return db.ContentCredits(ctx, content, f)
	}
	newest, err := db.NewestRun(t.Context(), store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	deal := "/deals/" + wonDeal(t).ID
	const nobodys = "?agents=all&from=2026-01-02" // nobody has calculated it
	for _, x := range []struct {
		page, run string
		want      []string
	}{
		{"/", newest.ID, []string{"contents", "attribution"}},
		{"/content/" + synth.Popular, newest.ID, []string{"content", "credits"}},
		{deal, newest.ID, []string{"deal"}},
		{"/" + nobodys, "none", []string{"contents"}},
		{"/content/" + synth.Popular + nobodys, "none", []string{"content"}},
		{deal + nobodys, "none", []string{"deal"}},
	} {
		clear(asked)
		read(t, e, x.page)
		if runs := asked["run"]; !slices.Equal(runs, []string{""}) {
			t.Errorf("%s looks for a run %d times", x.page, len(runs))
		}
		for _, what := range x.want {
			if runs := slices.Compact(asked[what]); !slices.Equal(runs, []string{x.run}) {
				t.Errorf("%s asks for %s of the runs %q, want %q", x.page, what, runs, x.run)
			}
		}
	}
}

func TestADealAddsUpToItsAmount(t *testing.T) {
	t.Parallel()
	db := readCompany(t)
	deals, err := db.Deals(t.Context(), store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, row := range deals {
		if row.Status != "won" || n == 5 {
			continue
		}
		n++
		d, err := db.Deal(t.Context(), row.ID, store.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		parts := dealParts(d)
		if total := totalOf(parts); amount(total).Cmp(amount(d.Value)) != 0 {
			t.Errorf("%s: parts add up to %v of %v", d.ID, total, d.Value)
		}
		if !parts[len(parts)-1].None {
			t.Errorf("%s: the last part is %q, not what no content earned", d.ID, parts[len(parts)-1].Title)
		}
	}
}

func TestContentSaysWhatItsNumbersRestOn(t *testing.T) {
	t.Parallel()
	d, err := readCompany(t).Content(t.Context(), synth.Popular, store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	body := read(t, readSite(t), "/content/"+synth.Popular)
	i := slices.IndexFunc(d.Events, func(e trail.TrailRow) bool { return len(e.Rules) > 0 })
	if says := "% sure: " + html.EscapeString(why(d.Events[i].Rules)) + "."; !strings.Contains(body, says) {
		t.Errorf("the page does not say %q", says)
	}
	if got, want := why([]string{"unfurler", "ua_bot", "of-a-later-version"}), "a chat made a preview, because somebody passed the link on; the program says that it is a robot; of-a-later-version"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestMoneyIsShownExactly(t *testing.T) {
	t.Parallel()
	for m, want := range map[trail.Money]string{
		{Amount: "1234567.80", Currency: "EUR"}: `<span class="money">€1,234,567<span class="cents">.80</span></span>`,
		{Amount: "999", Currency: "JPY"}:        `<span class="money">¥999</span>`,
		{Amount: "-1500.00", Currency: "CHF"}:   `<span class="money">−1,500<span class="cents">.00</span> CHF</span>`,
		{Amount: "0.00", Currency: "<b>"}:       `<span class="money zero">0<span class="cents">.00</span> &lt;b&gt;</span>`,
	} {
		if got := string(money(m)); got != want {
			t.Errorf("%v is shown as %s", m, got)
		}
	}
	if got := moneyShort(trail.Money{Amount: "12345.67", Currency: "EUR"}); got != "€12.3k" {
		t.Errorf("short: %s", got)
	}
}

func TestReviewCSVIsHarmlessInSpreadsheets(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	row := trail.ReviewRow{
		Section: "won", Deal: trail.DealRow{ID: "=1+1", Name: "@SUM(A1)", Account: "+49", Owner: "-x", Value: trail.Money{Amount: "-12.50", Currency: "EUR"}},
		Contacts: []string{"\tMarie"}, Contributed: []trail.Touched{{Title: "=HYPERLINK(1)", Touches: 2, Credit: .5}, {Content: "faq", Touches: 1}},
	}
	if err := ReviewCSV(&b, trail.Review{Week: "2026-W47", Rows: []trail.ReviewRow{row}}); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"2026-W47", "won", "'=1+1", "'@SUM(A1)", "'+49", "-12.50", "EUR", "", "", "'-x", "", "'\tMarie", "0", "0", "0", "", "'=HYPERLINK(1) (2 touches, 50.0%); faq (1 touch)"}
	if !slices.Equal(rows[1][:len(want)], want) {
		t.Errorf("got  %q\nwant %q", rows[1], want)
	}
	if got := strings.Join(rows[0], ","); got != byteOrderMark+"week,section,deal,name,account,value,currency,status,stage,owner,stages_entered,contacts,sent,clicks,replies,last_touch,contributed,"+
		"lead,email,lead_status,why,seen,last_mail,loss_reason,crm_url,quality,needs,state,reason,decision,decision_owner,due,done,kept" {
		t.Errorf("header %s", got)
	}
}

func TestNegativeNumbersStayNumbersInCSV(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{"-500.00": "-500.00", "-7": "-7", "-1+1": "'-1+1", "+1": "'+1", "=A1": "'=A1", "a=1": "a=1", "": ""} {
		if got := Harmless(cell); got != want {
			t.Errorf("%q becomes %q, want %q", cell, got, want)
		}
	}
}
