package main

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"dealtrail/api"
	"dealtrail/trail"
	"dealtrail/trail/synth"
)

func TestLiftIsAnsweredByAPIAndCommand(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.Attribution.Every = Duration(24 * time.Hour) })
	if _, err := r.try("lift"); err == nil || !strings.Contains(err.Error(), "has compared deals") {
		t.Errorf("before any run: %v", err)
	}
	end := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) // so that its numbers do not depend on today
	company := synth.New(synth.Options{Seed: 3, Deals: 1000, Contents: 8, Start: end.AddDate(-2, 0, 0), End: end, Contacts: trail.ContactKey(r.secrets.ContactKey)})
	events := append(company.Events(), trail.Registration("csv", trail.ContentKind, synth.Popular, trail.State{}, trail.State{Attrs: map[string]string{"title": "=SUM(A1)", "kind": "video"}}, end))
	for len(events) > 0 {
		n := min(len(events), 1000)
		if err := r.buffer.Append(t.Context(), events[:n]...); err != nil {
			t.Fatal(err)
		}
		events = events[n:]
	}
	if err := r.buffer.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.command("attribute")

	out := r.command("lift")
	if best := line(out, synth.Best); !strings.Contains(out, "of 6 contents") || !strings.Contains(best, "  for  ") || !strings.Contains(out, "Observational: ") || !strings.Contains(out, "Part of won deals (of ") {
		t.Errorf("lift prints %s", out)
	}
	rows, err := csv.NewReader(strings.NewReader(r.command("lift", "--format", "csv", "--stage", "Demo", "--outcome", "won"))).ReadAll()
	if err != nil || len(rows) < 3 || strings.Join(rows[0], ",") != strings.Join(liftHeader, ",") {
		t.Fatalf("%v, %v", rows, err)
	}
	for _, row := range rows[1:] {
		if row[0] == synth.Popular && row[1] != "'=SUM(A1)" || strings.Contains(strings.Join(row, ","), "NaN") {
			t.Errorf("the file has %q", row)
		}
	}
	why := r.command("lift", "--content", synth.Best)
	if !strings.Contains(why, "ROI calculator: Enough evidence for") || !strings.Contains(why, "Weekly model: odds") || !strings.Contains(why, "Mantel and Haenszel") || !strings.Contains(line(why, "Negotiation"), " weeks  ") {
		t.Errorf("lift --content prints %s", why)
	}
	if why := r.command("lift", "--content", synth.Best, "--format", "csv"); !strings.HasPrefix(why, "stage,segment,age,others_seen,exposed,") {
		t.Errorf("as a file: %s", why)
	}
	for want, args := range map[string][]string{"no content \"nothing\"": {"--content", "nothing"}, "must be one of \"stage\"": {"--outcome", "lost"}} {
		if out, err := r.try(append([]string{"lift"}, args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %q, %v; want %q", args, out, err, want)
		}
	}
	if out := r.command("lift", "--team", "none"); !strings.HasPrefix(out, `No deal that is compared here is of the team "none"`) {
		t.Errorf("an unknown team prints %s", out)
	}
	checkLiftAnswers(t, r)
}

// line returns the first line of a text that holds a word.
func line(text, word string) string {
	for l := range strings.Lines(text) {
		if strings.Contains(l, word) {
			return l
		}
	}
	return ""
}

// checkLiftAnswers compares what the API answers with the document.
func checkLiftAnswers(t *testing.T, r *running) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	for path, schema := range map[string]string{
		"/v1/lift": "lift_report", "/v1/lift?outcome=won&owner=nobody": "lift_report", "/v1/lift?stage=Negotiation&kind=calculator&agents=likely": "lift_report",
		"/v1/lift/" + synth.Best: "lift_detail", "/v1/lift/brand-book?outcome=won": "lift_detail",
	} {
		if err := doc.Components.Schemas[schema].Value.VisitJSON(ask1[any](r, path)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	valid(t, "recommendations", ask1[any](r, "/v1/recommendations?stage=Demo&persona=CFO"))
	send := ask1[trail.Recommendations](r, "/v1/recommendations?stage=Negotiation&limit=3")
	if len(send.Rows) != 3 || send.Rows[0].Evidence != trail.ByLift || !strings.Contains(send.Rows[0].Why, "nough evidence for") {
		t.Errorf("what to send: %+v", send)
	}
	few := ask1[trail.LiftReport](r, "/v1/lift?stage=Negotiation&kind=calculator")
	if len(few.Rows) != 1 || few.Rows[0].Content != synth.Best || len(few.Filter) != 2 {
		t.Errorf("%+v", few)
	}
	for path, status := range map[string]int{
		"/v1/lift?stagee=Demo": 400, "/v1/lift?model=linear": 400, "/v1/lift?outcome=lost": 400, "/v1/lift?agents=some": 400, "/v1/lift?run=none": 404,
		"/v1/lift/nothing": 404, "/v1/recommendations": 400, "/v1/recommendations?deal=none": 404, "/v1/lift/" + synth.Best + "?content=x": 400,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.api.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+r.api.Key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s answers %s %s, want %d", path, resp.Status, resp.Header.Get("Content-Type"), status)
		}
	}
}
