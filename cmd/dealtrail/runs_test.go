package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"dealtrail/api"
	"dealtrail/ingest"
	"dealtrail/trail"
)

func TestRunsAreListedAndComparedByCommands(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.load(nil)
	r.command("attribute", "--model", "first")
	older := ask1[runs](r, "/v1/runs").Rows[0]
	r.command("import", "deals", r.file("deals.csv", company["deals"][0]+"\n"+strings.Replace(company["deals"][1], "100.00", "130.00", 1)+"\n"))
	r.command("attribute", "--model", "first")
	list := ask1[runs](r, "/v1/runs")
	newer := list.Rows[0]
	if newer.ID == older.ID || newer.Agents != trail.Likely || !newer.Asked {
		t.Fatalf("%+v after %+v", newer, older)
	}

	// Pages of one run each are all of them, newest first.
	var ids []string
	for after := ""; ; {
		page := ask1[runs](r, "/v1/runs?limit=1&after="+after)
		if len(page.Rows) > 0 {
			ids = append(ids, page.Rows[0].ID)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if len(ids) < len(list.Rows) || ids[0] != newer.ID {
		t.Errorf("page by page: %v; all at once %d, the newest %s", ids, len(list.Rows), newer.ID)
	}
	if out := r.command("runs", "--format", "csv"); !strings.Contains(out, newer.ID+",complete,likely,") || !strings.Contains(out, ",a person,") {
		t.Errorf("runs prints %s", out)
	}

	// D1 has a click by Ann on C1 and one by Ben on C2; under linear both have half of it, and of D2 the cents.
	want := "C1  One pager          50.02   65.02   15.00   EUR"
	out := r.command("runs", "diff", older.ID, newer.ID)
	if !strings.Contains(strings.Join(strings.Fields(out), " "), strings.Join(strings.Fields(want), " ")) || !strings.Contains(out, "amount") || !strings.Contains(out, "Model linear, agents likely: from run "+older.ID) {
		t.Errorf("runs diff prints\n%s", out)
	}
	if again := r.command("runs", "diff", "previous", newer.ID, "--by", "owner", "--format", "csv"); !strings.Contains(again, "rita@ours.test,rita@ours.test,amount,1,,,30.00,EUR") {
		t.Errorf("runs diff by owner prints\n%s", again)
	}
	if deals := r.command("runs", "diff", older.ID, newer.ID, "--deals", "--cause", "amount", "--of", "C1"); !strings.Contains(deals, "Its value is 130.00 EUR; before, it was 100.00 EUR.") || strings.Contains(deals, "C2") {
		t.Errorf("runs diff --deals prints\n%s", deals)
	}
	for want, args := range map[string][]string{
		"Both are run":         {"diff", newer.ID, newer.ID},
		"no complete run":      {"diff", "X", newer.ID},
		"did not compute":      {"diff", older.ID, newer.ID, "--model", "mine"},
		"There is no cause":    {"diff", older.ID, newer.ID, "--deals", "--cause", "luck"},
		"belong to --deals":    {"diff", older.ID, newer.ID, "--cause", "amount"},
		"No run X is under":    {"stop", "X"},
		"next of the page":     nil,
		"number from 1 to 500": nil,
	} {
		var err error
		switch want {
		case "next of the page":
			err = r.api.Get(t.Context(), "/v1/runs/"+older.ID+"/diff/"+newer.ID+"/deals", map[string]string{"after": "?"}, nil)
		case "number from 1 to 500":
			err = r.api.Get(t.Context(), "/v1/runs", map[string]string{"limit": "0"}, nil)
		default:
			_, err = r.try(append([]string{"runs"}, args...)...)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v; want %q", args, err, want)
		}
	}
	checkRunAnswers(t, r, older.ID, newer.ID)
}

// checkRunAnswers compares what the API answers with the document.
func checkRunAnswers(t *testing.T, r *running, a, b string) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	one := ask1[map[string]any](r, "/v1/runs/"+b)
	if one["state"] != "complete" || one["id"] != b || one["settings"] == "" {
		t.Errorf("the run is %v", one)
	}
	deals := ask1[struct{ Rows []any }](r, "/v1/runs/"+a+"/diff/"+b+"/deals")
	list := ask1[struct{ Rows []any }](r, "/v1/runs")
	for schema, answer := range map[string]any{"run": list.Rows[0], "diff": ask1[any](r, "/v1/runs/"+a+"/diff/"+b), "diff_deal": deals.Rows[0]} {
		if err := doc.Components.Schemas[schema].Value.VisitJSON(answer); err != nil {
			t.Errorf("%s: %v", schema, err)
		}
	}
}

// While the test holds what lets one process compute, nothing is computed; what a run says of itself, the test says.
func TestAttributeShowsHowFarTheRunIsAndStopsItWhenInterrupted(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.load(nil)
	var release func()
	eventually(t, "nothing is being computed", func() (ok bool) {
		_, release, ok = ingest.Alone(t.Context(), r.redis, ingest.RunLease)
		return ok
	})
	progress := func(id, step string, request string) {
		t.Helper()
		err := r.db.Exec(t.Context(), fmt.Sprintf("INSERT INTO run_steps (run, at, state, step, done, of, request, note) VALUES ('%s', now64(3), 'running', 2, 0, 1, '%s', '%s')", id, request, step))
		if err != nil {
			t.Fatal(err)
		}
	}
	attribute := func() (stop context.CancelFunc, errs *syncBuffer, done chan error) {
		ctx, cancel := context.WithCancel(t.Context())
		errs, done = &syncBuffer{}, make(chan error, 1)
		go func() { done <- run(ctx, []string{"--config", r.config, "attribute"}, &syncBuffer{}, errs) }()
		return cancel, errs, done
	}
	other, ours := trail.NewID(time.Now()).String(), trail.NewID(time.Now().Add(time.Second)).String()
	progress(other, "lay out what was known", `{"agents":"all","schedule":true}`)
	stop, errs, done := attribute()
	says := func(words string) {
		t.Helper()
		eventually(t, "the command says "+words, func() bool { return strings.Contains(errs.String(), words+"\n") })
	}
	says("waiting for another run, step 3 of 5: lay out what was known")
	stop()
	if err := <-done; err == nil || err.Error() != "interrupted" {
		t.Errorf("interrupted before its turn it ends with %v", err)
	}

	stop, errs, done = attribute()
	says("waiting for another run, step 3 of 5: lay out what was known")
	progress(ours, "weigh contents over all deals", `{"agents":"likely"}`)
	says("step 3 of 5: weigh contents over all deals")
	under := ask1[struct {
		State    string
		UnderWay runProgress `json:"under_way"`
	}](r, "/v1/runs/"+ours)
	if under.State != "running" || under.UnderWay.Agents != trail.Likely {
		t.Errorf("the run is %+v", under)
	}
	stop()
	eventually(t, "the run is asked to stop", func() bool {
		return ask1[struct{ State string }](r, "/v1/runs/"+ours).State == "stopping"
	})
	says("Stopping the run; it ends within seconds.")
	release()
	if err := <-done; err == nil || !strings.HasPrefix(err.Error(), "interrupted; run ") {
		t.Errorf("it ends with %v", err)
	}
}
