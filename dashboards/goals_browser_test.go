package dashboards

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"dealtrail/dashboards/browsertest"
	"dealtrail/trail"
)

var oneAgreed shared[http.Handler]

// agreedSite is the made-up company with a goal of each measure for this quarter and a
// baseline, and with names as long as they may be when it is asked for.
func agreedSite(t *testing.T) http.Handler {
	t.Helper()
	return oneAgreed.get(t, func() http.Handler {
		var events []trail.Event
		name := "Rita"
		for _, m := range trail.Measures() {
			for _, period := range []string{"2026-Q4", "2026-Q3"} {
				g := trail.Goal{Measure: m.ID, Period: period, Target: "90", Sales: name, Marketing: "Mia", By: "mia@us.example", Note: name}
				e, _, err := g.Event(nil, 2, "ui", today.AddDate(0, -1, 0))
				if err != nil {
					t.Fatal(err)
				}
				events = append(events, e)
				name = strings.Repeat("W", 200)
			}
		}
		db := loadCompany(lasting{t}, events...)
		b, err := db.Baseline(context.Background(), time.Time{}, today.AddDate(0, -1, 0))
		if err != nil {
			t.Fatal(err)
		}
		kept, err := b.Event("ui", false)
		if err == nil {
			err = db.InsertEvents(context.Background(), []trail.Event{kept})
		}
		if err != nil {
			t.Fatal(err)
		}
		_, e := newSite(lasting{t}, db, nil)
		return remembering(e)
	})
}

func TestSharedNumbersAreDrawnAndTheMonthPrintsOnAPage(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(agreedSite(t))
	t.Cleanup(server.Close)
	ctx := browsertest.Open(t)
	console := listen(ctx)
	visit(t, ctx, server.URL+"/numbers")
	if n := evaluate[int](t, ctx, `document.querySelectorAll("svg.course polyline.so-far").length`); n < 3 {
		t.Errorf("%d goals are drawn", n)
	}
	visit(t, ctx, server.URL+"/month?month=2026-10")
	yes := true
	pdf, err := chromedp.Call(ctx, page.PrintToPDF, page.PrintToPDFParams{PreferCSSPageSize: &yes})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(pdf.Data, -1)); n != 1 {
		t.Errorf("the month prints on %d pages", n)
	}
	if all := console.take(); len(all) > 0 {
		t.Errorf("the console says %q", all)
	}
}
