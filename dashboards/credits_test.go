package dashboards

import (
	"context"
	"html"
	"maps"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"testing"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

// column returns the cells of a column of a CSV, by the cells of another.
func column(t *testing.T, rows [][]string, key, name string) map[string]string {
	t.Helper()
	k, n := slices.Index(rows[0], key), slices.Index(rows[0], name)
	if k < 0 || n < 0 {
		t.Fatalf("no column %q or %q in %q", key, name, rows[0])
	}
	cells := map[string]string{}
	for _, r := range rows[1:] {
		cells[r[k]] = r[n]
	}
	return cells
}

func TestWhyLeadsFromACreditToWhatItIsMadeOf(t *testing.T) {
	t.Parallel()
	e := readSite(t)
	for _, model := range []string{"linear", "markov", "w"} {
		credits := column(t, readCSV(t, e, "/?format=csv&model="+model), "id", "value")
		explained := 0
		for _, id := range slices.Sorted(maps.Keys(credits)) {
			value := credits[id]
			if id == "" || value == "" || value == "0.00" || explained == 4 {
				continue
			}
			explained++
			rows := readCSV(t, e, "/why?format=csv&model="+model+"&content="+url.QueryEscape(id))
			sum, amount := new(big.Rat), slices.Index(rows[0], "amount")
			for _, r := range rows[1:] {
				v, _ := new(big.Rat).SetString(r[amount])
				sum.Add(sum, v)
			}
			if sum.FloatString(2) != value {
				t.Errorf("%s: %s has %s, and its touches add up to %s", model, id, value, sum.FloatString(2))
			}
		}
	}
	body := html.UnescapeString(read(t, e, "/why?content="+synth.Popular))
	for _, part := range []string{trail.CreditNote, "Link clicked", "% sure", "the person is on the deal", "on its path", "Permanent link"} {
		if !strings.Contains(body, part) {
			t.Errorf("the page does not say %q", part)
		}
	}
	if r := get(t, e, "/why?content=nothing"); r.Code != 400 || !strings.Contains(r.Body.String(), "choose from") {
		t.Errorf("a content that is not there: %d", r.Code)
	}
}

func TestEveryCreditLinksToItsWhy(t *testing.T) {
	t.Parallel()
	e := readSite(t)
	d := wonDeal(t)
	for page, wanted := range map[string]string{
		"/": "/why?agents=likely&content=" + synth.Popular + "&model=linear", "/content/" + synth.Popular: "/why?agents=likely&content=" + synth.Popular + "&model=decay",
		"/deals/" + d.ID: "/why?agents=likely&content=" + d.Credits[0].Key + "&deal=" + d.ID + "&model=linear",
	} {
		body := html.UnescapeString(read(t, e, page))
		if !strings.Contains(body, wanted) {
			t.Errorf("%s has no link to %s", page, wanted)
		}
		if !strings.Contains(body, trail.CreditNote) {
			t.Errorf("%s does not say what credit is not", page)
		}
	}
}

func TestModelsAreShownWithWhatTheyWeigh(t *testing.T) {
	t.Parallel()
	db := readCompany(t)
	s, e := newSite(t, db, nil)
	job := newJob(db)
	job.Options.Custom = []attribution.Custom{{Name: "ours", Title: "Größe", Weights: attribution.Weights{First: 70, Last: 30}}}
	s.Job = job
	s.source.Run = func(ctx context.Context, f store.Filter) (*trail.Run, error) {
		run, err := db.NewestRun(ctx, f)
		if run != nil {
			run.Reasons = map[string]string{"shapley": "There are no lost deals."}
		}
		return run, err
	}
	for page, wanted := range map[string][]string{
		"/models":                   {"Größe", "70 first, 30 last", "40 first, 40 last, 20 others", "half for each 7 days before the last touch", "There are no lost deals."},
		"/content/" + synth.Popular: {"Größe", "70 first, 30 last", "all equal", "of wins would be missing without it, in this model", "There are no lost deals.", "not calculated"},
		"/?model=ours":              {"Größe", "Calculate now"},
		"/?model=u":                 {"U-shaped", "(40 first, 40 last, 20 others)"},
	} {
		body := html.UnescapeString(read(t, e, page))
		for _, part := range wanted {
			if !strings.Contains(body, part) {
				t.Errorf("%s does not say %q", page, part)
			}
		}
	}
	if r := get(t, e, "/?model=theirs"); r.Code != 400 || !strings.Contains(r.Body.String(), "ours") {
		t.Errorf("a model that nobody knows: %d, and the page does not name those there are", r.Code)
	}
}

func TestCreditsOfFewDealsShowTheirIntervalsFirst(t *testing.T) {
	t.Parallel()
	db := readCompany(t)
	s, e := newSite(t, db, nil)
	reason := ""
	s.source.Attribution = func(ctx context.Context, by string, f store.Filter) (*trail.Attribution, error) {
		a, err := db.Attribution(ctx, by, f)
		if err == nil {
			a.Few, a.Reason = true, reason
			a.Rows[0].Title = "=SUM(A1) größe"
		}
		return a, err
	}
	a, err := db.Attribution(t.Context(), "content", store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	body := read(t, e, "/")
	first := a.Rows[0]
	cell := moneyShort(first.ValueLow) + " to " + moneyShort(first.ValueHigh) + `</a><span class="sub">` + string(money(first.Value)) + " by this rule"
	if !strings.Contains(body, cell) || !strings.Contains(body, "with so few won deals the interval comes first") {
		t.Errorf("the interval is not first: the page lacks %s", cell)
	}
	if !strings.Contains(body, `<tbody class="tied">`) {
		t.Error("contents whose intervals overlap are not tied together")
	}
	reason = "There are no lost deals to compare with."
	body = read(t, e, "/")
	if !strings.Contains(body, reason) || strings.Contains(body, `class="sums"`) {
		t.Error("without a result the page does not say why, or shows sums of nothing")
	}
}

func TestThePageSaysWhatContentCost(t *testing.T) {
	t.Parallel()
	e := readSite(t)
	body := read(t, e, "/")
	spend, err := readCompany(t).Spend(t.Context(), store.Filter{}, store.Rates{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []trail.Money{spend.Total.Cost, spend.NeverSent.Cost, spend.NeverUsed.Cost, spend.Used.Cost} {
		if !strings.Contains(body, string(money(m))) {
			t.Errorf("the page lacks %v", m)
		}
	}
	sum := new(big.Rat)
	for _, part := range []trail.Spent{spend.NeverSent, spend.NeverUsed, spend.Used} {
		sum.Add(sum, amount(part.Cost))
	}
	if sum.Cmp(amount(spend.Total.Cost)) != 0 || sum.Sign() == 0 {
		t.Errorf("the parts of the spend add up to %s of %s", sum.FloatString(2), spend.Total.Cost.Amount)
	}
	rows := readCSV(t, e, "/?format=csv")
	per := column(t, rows, "id", "credit_per_cost")
	for _, r := range spend.Rows {
		if r.PerCost != nil && per[r.Content] != decimal(r.Per) {
			t.Errorf("%s: %s in the CSV, %s in the report", r.Content, per[r.Content], decimal(r.Per))
		}
	}
	if body := read(t, e, "/content/"+synth.Popular); !strings.Contains(body, "It cost ") || !strings.Contains(body, " per €1 (") {
		t.Error("the content's page does not say what it cost and what that brought")
	}
}

func TestNumbersOfDealsAreShort(t *testing.T) {
	t.Parallel()
	for f, want := range map[float64]string{0: "0.00", 0.314: "0.31", 7.714: "7.71", 28.44: "28.4", 1234.5: "1,234", -3: "−3.00"} {
		if got := dealsShort(f); got != want {
			t.Errorf("%v is %q, want %q", f, got, want)
		}
	}
}
