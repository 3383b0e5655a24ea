package dashboards

import (
	"context"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

// openDealOf is an open deal of a company of which there is more to say than of
// others.
func openDealOf(t *testing.T, db *store.DB) trail.DealRow {
	t.Helper()
	rows, err := db.Deals(t.Context(), store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	rows = slices.DeleteFunc(rows, func(r trail.DealRow) bool { return r.Status != "open" })
	return slices.MaxFunc(rows, func(a, b trail.DealRow) int { return int(a.Touches) - int(b.Touches) })
}

// chosen returns the contents that the page offers, in order, with where choosing one
// leads.
func chosen(page string) (contents []string, links []string) {
	for _, m := range regexp.MustCompile(`href="(/share\?[^"]*)" aria-label="Choose`).FindAllStringSubmatch(page, -1) {
		link := html.UnescapeString(m[1])
		links = append(links, link)
		contents = append(contents, regexp.MustCompile(`content=([^&]*)`).FindStringSubmatch(link)[1])
	}
	return contents, links
}

func TestTwoClicksLeadFromADealToATrackedLink(t *testing.T) {
	t.Parallel()
	db := readCompany(t)
	e := readSite(t)
	d := openDealOf(t, db)
	if page := read(t, e, "/deals/"+d.ID); !strings.Contains(page, `href="/send?agents=likely&amp;deal=`+d.ID+`&amp;model=linear">What to send`) {
		t.Error("the deal's page does not lead to what to send")
	}
	page := read(t, e, "/send?deal="+d.ID)
	contents, links := chosen(page)
	if len(contents) == 0 || len(contents) > sendAtFirst || !strings.Contains(page, "had it, last on") || !strings.Contains(page, "in "+d.Stage) {
		t.Fatalf("offered are %q\n%s", contents, page)
	}
	for _, why := range []string{"It was part of ", " won deals."} {
		if !strings.Contains(page, why) {
			t.Errorf("no content says %q", why)
		}
	}
	// The form is filled in, with the one content whose button has the focus.
	form := read(t, e, links[0])
	if found := titles(form); len(found) != 1 || !strings.Contains(form, `name="deal" value="`+d.ID+`"`) || !strings.Contains(form, `autofocus form="finder" formmethod="post" name="content" value="`+contents[0]+`"`) {
		t.Errorf("choosing leads to %s, which finds %q", links[0], found)
	}
	answer, err := attribution.WhatToSend(t.Context(), newJob(db), &attribution.Holdouts{DB: db}, attribution.SendQuestion{Deal: d.ID}, store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	rows := readCSV(t, e, "/send?format=csv&deal="+d.ID)
	if len(rows) != len(answer.Rows)+1 || rows[1][0] != answer.Rows[0].Content || contents[0] != answer.Rows[0].Content {
		t.Errorf("the file has %d rows and begins with %q, %q is first of %d", len(rows), rows[1], answer.Rows[0].Content, len(answer.Rows))
	}
	had, err := db.Had(t.Context(), d.ID, store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows[1:] {
		if _, ok := had[r[0]]; ok == (r[10] == "") {
			t.Errorf("%s: had %v, and the file says %q", r[0], ok, r[10])
		}
	}
	shows(t, e, "/send?stage=Demo", true, "For deals in Demo", "Ask marketing")
	if contents, links := chosen(read(t, e, "/send?stage=Demo")); len(contents) == 0 || strings.Contains(links[0], "deal=") {
		t.Errorf("for a stage: %q", links)
	}
	shows(t, e, "/send", true, "Give a deal's ID", `href="/send?agents=likely&model=linear&stage=`)
	if r := get(t, e, "/send?deal=D-none"); r.Code != http.StatusUnprocessableEntity || !strings.Contains(r.Body.String(), "There is no deal") {
		t.Errorf("an unknown deal: %d", r.Code)
	}
}

func TestThePageObeysHoldoutsAndTellsNobodyTheArm(t *testing.T) {
	t.Parallel()
	bad := `=1+1 </a><script>alert("1")</script>`
	db := openCompany(t, trail.Registration("csv", trail.ContentKind, synth.Popular, trail.State{}, trail.State{Attrs: map[string]string{"title": bad, "url": "https://www.example.com/bad"}}, today))
	x := &attribution.Holdouts{DB: db, Now: newJob(db).Now, Emit: func(ctx context.Context, events ...trail.Event) error { return db.InsertEvents(ctx, events) }}
	layOut(t, db)
	_, e := newSite(t, db, func(s *Site) { s.Holdouts = x })
	all := func(page string) []string {
		t.Helper()
		body := read(t, e, page+"&all=1")
		if strings.Contains(body, "<script>alert") || strings.Contains(body, "held back") || strings.Contains(body, "holdout") {
			t.Errorf("%s runs what a title says, or tells of a holdout", page)
		}
		contents, _ := chosen(body)
		return contents
	}
	if !slices.Contains(all("/send?stage=Demo"), synth.Popular) {
		t.Fatal("the content is not offered before: the test tests nothing")
	}
	h, _, err := x.Start(t.Context(), trail.Holdout{Content: synth.Popular, Part: 0.5}, "ui")
	if err != nil {
		t.Fatal(err)
	}
	deals, err := db.HoldoutEligible(t.Context(), h, "")
	if err != nil || len(deals) == 0 {
		t.Fatalf("%d deals are eligible, %v", len(deals), err)
	}
	arms := map[trail.Arm]int{}
	layOut(t, db)
	for _, d := range deals {
		arm := h.Arm(d.Deal)
		if arms[arm]++; arms[arm] > 3 {
			continue
		}
		if slices.Contains(all("/send?deal="+d.Deal), synth.Popular) != (arm == trail.Recommended) {
			t.Errorf("%s is in the arm %s", d.Deal, arm)
		}
	}
	if len(arms) != 2 {
		t.Errorf("only one arm was looked at: %v", arms)
	}
	if slices.Contains(all("/send?stage=Demo"), synth.Popular) {
		t.Error("without a deal the content is offered to those that it is held back from")
	}
	shows(t, e, "/send?stage=Demo", true, "recommended only where a deal is named")
}
