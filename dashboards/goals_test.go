package dashboards

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/store/storetest"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

// withoutTerms are pages whose tables have names of things above their columns.
var withoutTerms = []string{"/content/compare"}

var (
	numberHead = regexp.MustCompile(`(?s)<th class="n[^"]*"[^>]*>(.*?)</th>`)
	tileHead   = regexp.MustCompile(`(?s)<dl class="tiles">(.*?)</dl>`)
	tileName   = regexp.MustCompile(`(?s)<dt>(.*?)</dt>`)
	sortLink   = regexp.MustCompile(`^<a href="[^"]*sort=[^"]*">([^<]+)</a>$`)
	termLink   = regexp.MustCompile(`<a class="term" href="/dictionary#([a-z0-9-]+)" title="[^"]+">[^<]+</a>`)
)

func TestEveryNumberLeadsToWhatItMeans(t *testing.T) {
	t.Parallel()
	e := readSite(t)
	dictionary := read(t, e, "/dictionary")
	d := wonDeal(t)
	heads, linked := 0, map[string]bool{}
	pages := append(everyPage(d), "/lift", "/lift/"+synth.Popular, "/runs", "/numbers", "/month", "/month?month=2026-11", "/dictionary", "/review?week=2026-W46")
	if diff := regexp.MustCompile(`href="(/runs/[^"]+/diff/[^"]+)"`).FindStringSubmatch(read(t, e, "/runs")); diff != nil {
		pages = append(pages, diff[1])
	}
	for _, page := range pages {
		u, err := url.Parse(page)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(withoutTerms, u.Path) {
			continue
		}
		r := get(t, e, page)
		body := r.Body.String()
		var names []string
		for _, m := range numberHead.FindAllStringSubmatch(body, -1) {
			names = append(names, m[1])
		}
		for _, tiles := range tileHead.FindAllStringSubmatch(body, -1) {
			for _, m := range tileName.FindAllStringSubmatch(tiles[1], -1) {
				names = append(names, m[1])
			}
		}
		for _, name := range names {
			heads++
			m := termLink.FindStringSubmatch(name)
			if sorts := sortLink.FindStringSubmatch(name); m == nil && sorts != nil { // it cannot be two links: a line above the table explains it
				m = regexp.MustCompile(`<a class="term" href="/dictionary#([a-z0-9-]+)" title="[^"]+">` + regexp.QuoteMeta(sorts[1]) + `</a>`).FindStringSubmatch(body)
			}
			if m == nil {
				t.Errorf("%s: the number %q leads to no entry of the dictionary", page, name)
				continue
			}
			linked[m[1]] = true
			if !strings.Contains(dictionary, `id="`+m[1]+`"`) {
				t.Errorf("%s: there is no entry %q", page, m[1])
			}
		}
		if strings.Contains(body, "no term ") {
			t.Errorf("%s names a term that there is not", page)
		}
	}
	if heads < 80 || len(linked) < 40 {
		t.Errorf("only %d numbers with %d meanings were looked at: the test tests little", heads, len(linked))
	}
}

func TestTheDictionaryIsWhole(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	e := readSite(t)
	for _, x := range trail.Terms() {
		if seen[x.ID] || !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(x.ID) {
			t.Errorf("%s is there twice, or no anchor", x.ID)
		}
		seen[x.ID] = true
		if x.Name == "" || x.Formula == "" || x.Unit == "" || !strings.HasSuffix(x.Means, ".") || strings.Contains(strings.TrimSuffix(x.Means, "."), ". ") {
			t.Errorf("%s is not whole, or its meaning is not one sentence: %+v", x.ID, x)
		}
		leads(t, e, x.ID, x.Page)
		checkSection(t, x)
	}
	for _, x := range trail.Exclusions(nil) {
		if x.Page != "" {
			leads(t, e, x.Code, x.Page)
		}
	}
	for _, m := range trail.Measures() {
		if !seen[m.Term] {
			t.Errorf("the measure %s has no entry %q", m.ID, m.Term)
		}
	}
	if rows := readCSV(t, e, "/dictionary?format=csv"); len(rows) != len(trail.Terms())+1 {
		t.Errorf("the CSV has %d rows", len(rows))
	}
}

// leads looks for a page, and the place on it, that something links to.
func leads(t *testing.T, e http.Handler, what, link string) {
	t.Helper()
	page, anchor, _ := strings.Cut(link, "#")
	if r := get(t, e, page); r.Code != http.StatusOK || anchor != "" && !strings.Contains(r.Body.String(), `id="`+anchor+`"`) {
		t.Errorf("%s leads to %s, which answers %d or has no such place", what, link, r.Code)
	}
}

func TestAGoalIsAgreedChangedAndGivenUp(t *testing.T) {
	t.Parallel()
	e, now, user := asking(t)
	shows(t, e, "/numbers", true, "Nothing is agreed for this time", `<option value="2026-Q4">fourth quarter of 2026`, "No lead was created")
	for want, form := range map[string]url.Values{
		"number over zero": {"measure": {"won_deals"}, "period": {"2026-Q4"}, "target": {"many"}, "sales": {"Typed Name"}, "marketing": {"Mia"}},
		"who agreed":       {"measure": {"won_deals"}, "period": {"2026-Q4"}, "target": {"12"}, "sales": {"Typed Name"}},
		"write a month":    {"measure": {"won_deals"}, "period": {"soon"}, "target": {"12"}, "sales": {"Typed Name"}, "marketing": {"Mia"}},
		"There is no goal": {"measure": {"won_deals"}, "period": {"2026-Q4"}, "target": {"12"}, "sales": {"Typed Name"}, "marketing": {"Mia"}, "dropped": {"yes"}},
	} {
		answer := post(t, e, "/numbers/goals", form)
		if body := answer.Body.String(); answer.Code != http.StatusUnprocessableEntity || !strings.Contains(body, want) || !strings.Contains(body, `value="Typed Name"`) {
			t.Errorf("%v: %d, want %q", form, answer.Code, want)
		}
	}
	agree := func(target, note string, more ...string) {
		t.Helper()
		form := url.Values{"measure": {"won_deals"}, "period": {"2026-Q4"}, "target": {target}, "sales": {"Rita <b>R</b>"}, "marketing": {"Mia"}, "note": {note}}
		for _, name := range more {
			form.Set(name, "yes")
		}
		answer := post(t, e, "/numbers/goals", form)
		if answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/numbers?agreed=1#g-won_deals-2026-Q4" {
			t.Fatalf("%d to %q\n%s", answer.Code, answer.Header().Get("Location"), answer.Body)
		}
		*now = now.Add(time.Hour)
	}
	agree("12", "")
	agree("12", "") // said already
	*user = "mia@us.example"
	agree("9", hostile)
	shows(t, e, "/numbers?agreed=1", true, "Written down.", "Won deals", "fourth quarter of 2026", "changed the target from 12 to 9", "set it to 12", "Rita <b>R</b>", "<script>alert(1)</script>", "anna@us.example", "mia@us.example", "working days")
	if body := read(t, e, "/numbers"); strings.Contains(body, "<script>alert") || strings.Contains(body, "<b>R") || strings.Count(body, "set it to 12") != 2 {
		t.Error("what was typed is taken for markup, or what was said twice is a change")
	}
	if rows := readCSV(t, e, "/numbers?format=csv"); len(rows) != 2 || rows[1][0] != "won_deals" || rows[1][4] != "9" || rows[1][20] != "2" || !strings.HasPrefix(rows[1][21], "'=SUM") {
		t.Errorf("%q", rows)
	}
	agree("9", "", "dropped")
	shows(t, e, "/numbers", true, "Nothing is agreed for this time", "gave it up")
	agree("8", "")
	shows(t, e, "/numbers", true, "took it up again, at 8")
}

func TestNumbersAndTheMonthOfTheMadeUpCompany(t *testing.T) {
	t.Parallel()
	e := readSite(t)
	shows(t, e, "/numbers", true, "How fast are leads answered?", "2026-W47", "Leads that nobody has written to")
	rows := readCSV(t, e, "/month?month=2026-10&format=csv")
	value := map[string]string{}
	for _, r := range rows {
		value[r[1]] = r[2]
	}
	sum := amount(trail.Money{Amount: value["won_with_content_seen_value"]})
	sum.Add(sum, amount(trail.Money{Amount: value["won_no_content_seen_value"]}))
	if sum.Cmp(amount(trail.Money{Amount: value["won_value"]})) != 0 || sum.Sign() <= 0 {
		t.Errorf("won %s is not with and without content: %s", value["won_value"], sum.FloatString(2))
	}
	shows(t, e, "/month?month=2026-10", true, "What did October 2026 bring?", "No content seen", "does not say that it caused the win", "No baseline is kept", "month=2026-09", "month=2026-11")
	shows(t, e, "/month?month=2026-11", true, "still running", "this month")
	if r := get(t, e, "/month?month=2026-12"); r.Code != http.StatusBadRequest {
		t.Errorf("a month that has not begun answers %d", r.Code)
	}
	shows(t, e, "/status", true, "Who made the requests?", "What is not counted, and why", "Leaves no trace")
	for _, page := range []string{"/", "/why", "/lift"} {
		shows(t, e, page, true, ">Everyone</option>", ">Likely people</option>", ">Surely people</option>")
		shows(t, e, page, false, "nattributed", "machines too</option>")
	}
}

func TestSharedNumbersOfAnEmptyInstallation(t *testing.T) {
	t.Parallel()
	_, e := newSite(t, storetest.Open(t), func(s *Site) { s.ReviewList = func() int { return 0 } })
	shows(t, e, "/numbers", true, "Nothing is agreed for this time", "No lead was created in these weeks")
	shows(t, e, "/numbers", false, "None: every lead")
	shows(t, e, "/month", true, "No goal is agreed for this month", "No baseline is kept", "not shown with fewer than five reps")
	shows(t, e, "/status", true, "No request in 30 days.")
	shows(t, e, "/start", true, "Contacts are imported", "Credit is calculated", "The numbers of a day are kept", "The review has its list", "of 9 steps are done")
}
