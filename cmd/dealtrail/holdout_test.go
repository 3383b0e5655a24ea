package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"dealtrail/api"
	"dealtrail/trail"
)

func TestAHoldoutIsStartedDrawnShownAndEndedByCommands(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.command("import", "content", r.file("content.csv", "id,title,kind,url\nroi,ROI calculator,Calculator,https://www.example.com/roi\n"))
	deals := "id,name,stage,status\nW,Done,Won,won\n"
	for i := range 40 {
		deals += fmt.Sprintf("D-%d,Deal %d,Demo,open\n", i, i)
	}
	r.command("import", "deals", r.file("deals.csv", deals))
	id := strings.TrimSpace(r.command("holdout", "start", "--content", "roi", "--stage", "Demo", "--part", "0.3", "--by", "mia"))
	for want, args := range map[string][]string{
		"is running since":   {"start", "--content", "roi"},
		"no content \"rio\"": {"start", "--content", "rio"},
		"from 0.1 to 0.9":    {"start", "--content", "roi", "--part", "1"},
		"deals are in: Demo": {"start", "--content", "roi", "--stage", "Demmo"},
		"must be later than": {"start", "--content", "roi", "--until", "2020-01-01"},
		"no holdout \"X\"":   {"end", "X"},
	} {
		if out, err := r.try(append([]string{"holdout"}, args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %q, %v; want %q", args, out, err, want)
		}
	}
	if _, err := r.try("holdout", "start", "--content", "roi", "--outcome", "lost"); err == nil || !strings.Contains(err.Error(), "advance") {
		t.Errorf("another outcome: %v", err)
	}

	// Asked for a deal, it is drawn at once; all others by whoever has the role jobs.
	h := ask1[trail.Readout](r, "/v1/holdouts/"+id)
	may, err := r.program.holdouts.Recommend(t.Context(), "D-7", "roi")
	if err != nil || (len(may) == 1) != (h.Arm("D-7") == trail.Recommended) {
		t.Errorf("for D-7: %v, %v", may, err)
	}
	if n, err := r.program.holdouts.Draw(t.Context()); err != nil || n > 40 {
		t.Fatal(n, err)
	}
	eventually(t, "all open deals are drawn", func() bool {
		h = ask1[trail.Readout](r, "/v1/holdouts/"+id)
		return h.Total.Recommended.Assigned+h.Total.HeldBack.Assigned == 40
	})
	held := uint64(0)
	for i := range 40 {
		if h.Arm(fmt.Sprintf("D-%d", i)) == trail.HeldBack {
			held++
		}
	}
	if h.Total.HeldBack.Assigned != held || h.By != "mia" || h.Verdict != trail.TooLittle || h.Effect != nil {
		t.Errorf("%+v; want %d held back", h, held)
	}
	if out := r.command("holdout", "show", id); !strings.Contains(out, "Nothing can be said yet") || !strings.Contains(out, "(all)  held_back") {
		t.Errorf("show prints %s", out)
	}
	if out := r.command("holdout", "list", "--format", "csv"); !strings.Contains(out, id+",ROI calculator,roi,advance,6,") || !strings.Contains(out, ",running,") {
		t.Errorf("list prints %s", out)
	}

	checkHoldoutAnswers(t, r, id)
	if err := r.api.Post(t.Context(), "/v1/holdouts", map[string]any{"content": "roi", "half": true}, nil); err == nil || !strings.Contains(err.Error(), "half") {
		t.Errorf("a misspelt key: %v", err)
	}

	if out := r.command("holdout", "end", id); !strings.Contains(out, "until their 6 weeks are over") {
		t.Errorf("end prints %s", out)
	}
	if _, err := r.try("holdout", "end", id); err == nil || !strings.Contains(err.Error(), "ended on") {
		t.Errorf("ended twice: %v", err)
	}
	// What was drawn is on no page of a deal, but in the ledger.
	for _, e := range ask1[trail.DealDetail](r, "/v1/deals/D-7").Events {
		if e.Kind == trail.Assigned {
			t.Errorf("the deal's trail has %+v", e)
		}
	}
	if answer, err := http.Get(r.api.URL + "/holdouts"); err != nil || answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a session the page answers %v, %v", answer, err)
	} else {
		answer.Body.Close()
	}
}

// checkHoldoutAnswers compares what the API answers with the document, page by page.
func checkHoldoutAnswers(t *testing.T, r *running, id string) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	list := ask1[struct {
		Rows   []any
		Agents string
	}](r, "/v1/holdouts?agents=strict")
	page := ask1[struct {
		Rows []any
		Next string
	}](r, "/v1/holdouts/"+id+"/deals?limit=39")
	rest := ask1[struct{ Rows []trail.HoldoutDeal }](r, "/v1/holdouts/"+id+"/deals?after="+page.Next)
	if len(list.Rows) != 1 || list.Agents != "strict" || len(page.Rows) != 39 || len(rest.Rows) != 1 || rest.Rows[0].Deal != "D-9" {
		t.Fatalf("%v, %d deals, then %+v", list, len(page.Rows), rest.Rows)
	}
	for schema, row := range map[string]any{"readout": list.Rows[0], "holdout_deal": page.Rows[0]} {
		if err := doc.Components.Schemas[schema].Value.VisitJSON(row); err != nil {
			t.Error(err)
		}
	}
}
