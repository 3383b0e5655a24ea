package dashboards

import (
	"fmt"
	"html"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

func TestContentIsNarrowedDownInTheURL(t *testing.T) {
	t.Parallel()
	_, e := newSite(t, readCompany(t), func(s *Site) { s.Names = &ingest.RepNames{Mode: trail.RepsByName} })
	whole := readCSV(t, e, "/?format=csv")
	at := func(rows [][]string, id, column string) string {
		x := -1
		for i, c := range rows[0] {
			if c == column {
				x = i
			}
		}
		for _, r := range rows[1:] {
			if r[0] == id {
				return r[x]
			}
		}
		return "no row"
	}
	some := readCSV(t, e, "/?format=csv&kind=video")
	if at(some, synth.Popular, "sent") != at(whole, synth.Popular, "sent") || at(some, synth.Best, "sent") != "no row" {
		t.Errorf("of one kind: %q", some)
	}
	body := read(t, e, "/?kind=video&since=2026-10-01")
	for _, want := range []string{"Only kind video, sent and used since 2026-10-01", "Other content, left out here", `<option selected>video</option>`, `name="since" value="2026-10-01"`, "kind=video&amp;model=linear&amp;since=2026-10-01&amp;sort="} {
		if !strings.Contains(body, want) {
			t.Errorf("the narrowed page lacks %q", want)
		}
	}
	late := readCSV(t, e, "/?format=csv&since=2026-10-01")
	early := readCSV(t, e, "/?format=csv&until=2026-09-30")
	sum := func(rows [][]string) (n int) {
		var i int
		fmt.Sscan(at(rows, synth.Popular, "sent"), &i)
		return i
	}
	if sum(late)+sum(early) != sum(whole) || sum(late) == 0 || sum(early) == 0 {
		t.Errorf("sent before and after: %d and %d of %d", sum(early), sum(late), sum(whole))
	}
	// What is of one size, and what is of the others, may meet at a company with deals of both.
	if n := sum(readCSV(t, e, "/?format=csv&size="+url.QueryEscape("under 10k"))); n == 0 || n >= sum(whole) {
		t.Errorf("%d of %d are of small deals", n, sum(whole))
	}
	// What no small deal gave credit to has none, and the parts add up to what small deals won.
	small := readCSV(t, e, "/?format=csv&size="+url.QueryEscape("under 10k"))
	sumOf, total := new(big.Rat), ""
	value := slices.Index(small[0], "value")
	for _, r := range small[1:] {
		if r[1] == "Total" {
			total = r[value]
		} else if r[value] != "" {
			sumOf.Add(sumOf, amount(trail.Money{Amount: r[value]}))
		}
	}
	if total == "" || sumOf.FloatString(2) != total {
		t.Errorf("credit of small deals adds up to %s, want %s", sumOf.FloatString(2), total)
	}
	for q, says := range map[string]string{"since=soon": "is not a date", "since=2026-02-01&until=2026-01-01": "before it begins", "team=Nobody": "There is no team"} {
		if r := get(t, e, "/?"+q); r.Code != 400 || !strings.Contains(html.UnescapeString(r.Body.String()), says) {
			t.Errorf("%s: %d", q, r.Code)
		}
	}
	if body := read(t, e, "/?sort=-engaged"); !strings.Contains(body, `<th aria-sort="descending"><a href="/?agents=likely&amp;model=linear&amp;sort=engaged">12 weeks`) {
		t.Error("the column of trends is not sorted by")
	}
	_, plain := newSite(t, readCompany(t), nil)
	if r := get(t, plain, "/?rep=anna.berg@lumen.example"); r.Code != 400 || !strings.Contains(r.Body.String(), "for that rep alone") {
		t.Errorf("one rep's numbers, by default: %d", r.Code)
	}
}

func TestATrendIsDrawnWithTheRunningWeekApart(t *testing.T) {
	t.Parallel()
	got := string(spark([]uint64{0, 4, 2, 1}, 4))
	want := `<svg class="spark" width="84" height="20" viewBox="0 0 84 20" role="img" aria-label="0, 4, 2; this week so far 1"><polyline points="2.0,18.0 28.7,2.0 55.3,10.0"/><polyline class="now" points="55.3,10.0 82.0,14.0"/></svg>`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	// Summer time ends in Berlin on 25 October 2026: that week has 169 hours.
	starts := weekStarts(time.Date(2026, 10, 26, 0, 30, 0, 0, zone(t, "Europe/Berlin")), zone(t, "Europe/Berlin"), 2)
	if len(starts) != 3 || starts[1].Sub(starts[0]) != 169*time.Hour || starts[2].Format("2006-01-02 15:04") != "2026-11-02 00:00" {
		t.Errorf("weeks begin %v", starts)
	}
}

func TestTwoContentsAreComparedWithWhatChanceCanDo(t *testing.T) {
	t.Parallel()
	// Newcombe's own example a, Statistics in Medicine 17 (1998): 56 of 70 and 48 of 80, 0.20 (0.0524 to 0.3339).
	line := newRateLine("clicked-links", "Clicked", 56, 70, 48, 80)
	if line.A != "80.0%" || line.B != "60.0%" || line.Difference != "+20.0 (+5.2 to +33.4)" || line.Verdict != "the first is higher" || !line.Told {
		t.Errorf("%+v", line)
	}
	// Example b: 9 of 10 and 3 of 10, 0.6 (0.1705 to 0.8090); and one that chance explains.
	if line := newRateLine("clicked-links", "Clicked", 3, 10, 9, 10); line.Difference != "−60.0 (−80.9 to −17.1)" || line.Verdict != "the second is higher" {
		t.Errorf("%+v", line)
	}
	if line := newRateLine("replies", "Replied", 5, 50, 4, 50); line.Told || line.Verdict != "cannot be told apart" {
		t.Errorf("%+v", line)
	}
	if line := newRateLine("replies", "Replied", 5, 9, 4, 50); line.Told || line.Verdict != "not enough: it takes 10 sends of each" || line.Difference != "" {
		t.Errorf("%+v", line)
	}
	for _, x := range []struct {
		a, b [2]float64
		want string
	}{{[2]float64{3, 5}, [2]float64{1, 2}, "the first has more"}, {[2]float64{1, 2}, [2]float64{3, 5}, "the second has more"}, {[2]float64{1, 3}, [2]float64{3, 5}, together}, {[2]float64{0, 0}, [2]float64{0, 0}, together}} {
		if got, told := apart(x.a, x.b); got != x.want || told != (x.want != together) {
			t.Errorf("%v and %v: %q, %v", x.a, x.b, got, told)
		}
	}
	e := readSite(t)
	body := html.UnescapeString(read(t, e, "/content/compare?a="+synth.Popular+"&b="+synth.Best))
	for _, want := range []string{"The product in two minutes", "ROI calculator", "Credit, money", `data-file="rates"`, `<option value="roi-calculator" selected>`} {
		if !strings.Contains(body, want) {
			t.Errorf("the comparison lacks %q", want)
		}
	}
	if body := read(t, e, "/content/compare"); !strings.Contains(body, "Choose two pieces of content") {
		t.Error("without two the page does not ask for them")
	}
	for q, status := range map[string]int{"a=nothing&b=" + synth.Best: 404, "a=" + synth.Best + "&b=" + synth.Best: 400} {
		if r := get(t, e, "/content/compare?"+q); r.Code != status {
			t.Errorf("%s: %d, want %d", q, r.Code, status)
		}
	}
}

func TestRepsAreATeamUnlessTheConfigurationSaysNames(t *testing.T) {
	t.Parallel()
	own := synthRep(t)
	_, e := newSite(t, readCompany(t), nil)
	body := read(t, e, "/reps")
	if strings.Contains(body, own) || !strings.Contains(body, trail.OtherTeams) || !strings.Contains(body, "in teams of five or more") {
		t.Error("by default /reps names a rep, or shows no team")
	}
	if rows := readCSV(t, e, "/reps?format=csv"); len(rows) != 2 || rows[1][0] != "" || rows[1][1] != trail.OtherTeams {
		t.Errorf("%q", rows)
	}
	_, named := newSite(t, readCompany(t), func(s *Site) { s.Names = &ingest.RepNames{Mode: trail.RepsByName} })
	if body := read(t, named, "/reps"); !strings.Contains(body, own) || !strings.Contains(body, "Names of reps are shown, set by the configuration") {
		t.Error("by the configuration's word /reps names nobody, or does not say so")
	}
}

// synthRep is the address of a rep of the made-up company.
func synthRep(t testing.TB) string {
	t.Helper()
	return newCompany().Reps[0].Address
}
