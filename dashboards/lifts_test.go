package dashboards

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/labstack/echo/v4"

	"dealtrail/attribution"
	"dealtrail/dashboards/browsertest"
	"dealtrail/store"
	"dealtrail/store/storetest"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

// liftCompany is a company large enough to tell what moves its deals, two of whose
// contents are called what a page and a spreadsheet must not obey.
func liftCompany(t *testing.T) (*store.DB, *echo.Echo) {
	t.Helper()
	db := storetest.Open(t)
	events := synth.New(synth.Options{Seed: 3, End: today, Contacts: contactKey, Deals: 1500, Contents: 12, Start: today.AddDate(-2, 0, 0)}).Events()
	for content, title := range map[string]string{synth.Best: "<b>ROI</b> calculator", synth.Popular: "=SUM(A1)"} {
		events = append(events, trail.Registration("csv", trail.ContentKind, content, trail.State{}, trail.State{Attrs: map[string]string{"title": title, "kind": "<i>film</i>"}}, today))
	}
	if err := db.InsertEvents(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	if _, err := newJob(db).Once(t.Context(), attribution.Request{}); err != nil {
		t.Fatal(err)
	}
	_, e := newSite(t, db, nil)
	return db, e
}

func TestTheLiftPagesLeadWithWhatTheDataCanBear(t *testing.T) {
	t.Parallel()
	db, e := liftCompany(t)
	page := read(t, e, "/lift")
	for _, part := range []string{
		"contents have enough evidence that they move deals", "Enough evidence that it moves deals", `<span class="chip won">moves deals</span>`, "No evidence either way", "would have shown a rise of ",
		"Observational: compares similar deals", "Weekly model agrees: odds of advancing in a week", "a hidden cause would have to make both", "cannot be told apart", "Part of won deals", `aria-label="&#43;`,
		`<a href="/lift/roi-calculator?agents=likely&amp;model=linear">&lt;b&gt;ROI&lt;/b&gt; calculator</a>`,
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	why := read(t, e, "/lift/"+synth.Best+"?stage=Demo")
	for _, part := range []string{"Does “&lt;b&gt;ROI&lt;/b&gt; calculator” move deals?", "as Mantel and Haenszel do", "The table behind it", "only deals in the stage Demo", "weeks</td>", `href="/lift?agents=likely&amp;model=linear&amp;stage=Demo"`, `href="/holdouts?content=roi-calculator#start"`} {
		if !strings.Contains(why, part) {
			t.Errorf("the page of one lacks %q", part)
		}
	}
	if strings.Index(page, `id="won"`) < strings.Index(page, "moves deals</span>") {
		t.Error("what was part of won deals goes before what is known to move them")
	}
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script(?: defer)?>|<b>ROI|<i>film`)
	for _, body := range []string{page, why} {
		if found := inline.FindString(body); found != "" || strings.Contains(body, "NaN") {
			t.Errorf("a page holds %q", found)
		}
	}
	checkLiftForm(t, e)
	checkLiftFiles(t, e)
	if r := get(t, e, "/lift/nothing"); r.Code != http.StatusNotFound {
		t.Errorf("of nothing: %d", r.Code)
	}
	if r := get(t, e, "/lift?outcome=lost"); r.Code != http.StatusBadRequest || !strings.Contains(r.Body.String(), "lost") {
		t.Errorf("an outcome that is none: %d", r.Code)
	}
	checkSelected(t, db, e)
	checkLiftFits(t, e)
}

// checkLiftForm sends the form as a browser without JavaScript does.
func checkLiftForm(t *testing.T, e http.Handler) {
	t.Helper()
	page := html.UnescapeString(read(t, e, "/lift?outcome=won&stage=Demo&kind=<i>film</i>&owner=nobody&from=2026-01-01&agents=likely"))
	for _, part := range []string{
		`<option value="won" selected>`, "<option selected>Demo</option>", "<option selected><i>film</i></option>", "<option selected>nobody</option>", `<details class="others" open>`,
		`name="from" value="2026-01-01"`, "lift is over deals of any time", `No deal that is compared here is owned by "nobody"; there are: `,
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page of a selection lacks %q", part)
		}
	}
	some := html.UnescapeString(read(t, e, "/lift?"+url.Values{"stage": {"Demo"}, "kind": {"<i>film</i>"}}.Encode()))
	if !strings.Contains(some, "only deals in the stage Demo, contents of the kind <i>film</i>") || strings.Contains(some, "Technical reference") || strings.Contains(some, "Placebo:") {
		t.Error("a selection shows what it left out")
	}
}

func checkLiftFiles(t *testing.T, e http.Handler) {
	t.Helper()
	rows := readCSV(t, e, "/lift?format=csv")
	title, lift := slices.Index(rows[0], "title"), slices.Index(rows[0], "lift")
	found := map[string][]string{}
	for _, r := range rows[1:] {
		found[r[0]] = r
	}
	if r := found[synth.Popular]; r == nil || r[title] != "'=SUM(A1)" || r[lift] == "" || strings.HasPrefix(r[lift], "'") {
		t.Errorf("the file has %q", r)
	}
	if strata := readCSV(t, e, "/lift/"+synth.Best+"?format=csv"); len(strata) < 20 || strata[0][0] != "stage" || !slices.Contains(strata[0], "weight") {
		t.Errorf("the file of one has %d rows: %q", len(strata), strata[0])
	}
}

// checkSelected puts the placebo's banner up: nothing is said to move deals then.
func checkSelected(t *testing.T, db *store.DB, e http.Handler) {
	t.Helper()
	if err := db.Exec(t.Context(), "ALTER TABLE lifts UPDATE placebo_banner = true WHERE content = '' SETTINGS mutations_sync = 2"); err != nil {
		t.Fatal(err)
	}
	moves := regexp.MustCompile(`(?i)it moves deals|moves deals</span>|they move deals|holds deals back`)
	for _, path := range []string{"/lift", "/lift?outcome=won", "/lift?stage=Demo", "/lift/" + synth.Best} {
		page := read(t, e, path)
		if !strings.Contains(page, "Selection is visible in this data: ") {
			t.Errorf("%s does not warn", path)
		}
		if found := moves.FindString(page); found != "" || strings.Contains(page, `class="chip won"`) {
			t.Errorf("%s still says %q", path, found)
		}
	}
	if page := read(t, e, "/lift"); !strings.Contains(page, "Goes with more advances") || !strings.Contains(page, "goes with more advances</span>") {
		t.Error("the page does not say what may be said")
	}
}

// checkLiftFits looks whether pages reach beyond a wide and a narrow window.
func checkLiftFits(t *testing.T, e http.Handler) {
	t.Helper()
	server := httptest.NewServer(e)
	defer server.Close()
	ctx := browsertest.Open(t)
	console := listen(ctx)
	for _, width := range []int64{1280, 390} {
		if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900)); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/lift", "/lift?owner=x", "/lift/" + synth.Best} {
			visit(t, ctx, server.URL+path)
			if over := evaluate[string](t, ctx, overflow); over != "" {
				t.Errorf("%s at %d: reaches beyond the page: %s", path, width, over)
			}
		}
	}
	if all := console.take(); len(all) > 0 {
		t.Errorf("the browser complains: %q", all)
	}
}

func TestASmallCompanySeesWhatWasPartOfItsWinsFirst(t *testing.T) {
	t.Parallel()
	page := read(t, readSite(t), "/lift")
	won, few := strings.Index(page, `id="won"`), strings.Index(page, `id="few"`)
	if won < 0 || few < won || !strings.Contains(page, "more closed deal") || !strings.Contains(page, "at this pace") || !strings.Contains(page, `<span class="of">of `) {
		t.Errorf("won deals at %d, too little data at %d", won, few)
	}
	if strings.Contains(page, "moves deals</span>") {
		t.Error("something is said to move deals")
	}
}

func TestWithoutARunTheLiftPageOffersToCalculate(t *testing.T) {
	t.Parallel()
	_, e := newSite(t, loadCompany(t), nil)
	if page := read(t, e, "/lift?agents=strict&from=2026-01-01"); !strings.Contains(page, "Calculate now") || strings.Contains(page, `name="from"`) {
		t.Fatal("the page does not offer to calculate over all time")
	}
	r := post(t, e, "/calculate", url.Values{"model": {"linear"}, "agents": {"strict"}, "back": {"/lift?agents=strict"}})
	if r.Code != http.StatusSeeOther || !strings.HasPrefix(r.Header().Get("Location"), "/lift?agents=strict") {
		t.Fatalf("%d to %q", r.Code, r.Header().Get("Location"))
	}
	if page := read(t, e, r.Header().Get("Location")); strings.Contains(page, "Calculate now") || !strings.Contains(page, "surely people") {
		t.Error("after calculating there is no report")
	}
}
