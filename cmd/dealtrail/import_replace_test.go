package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"dealtrail/trail"
)

// dealIDs are the deals that the API lists.
func (r *running) dealIDs() (ids []string) {
	r.t.Helper()
	for _, d := range ask1[struct{ Rows []trail.DealRow }](r, "/v1/deals").Rows {
		ids = append(ids, d.ID)
	}
	return ids
}

func TestAnImportThatReplacesRetractsWhatIsGoneEndToEnd(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.load(nil)
	full := strings.Join(company["deals"], "\n") + "\n"
	short := r.file("short.csv", strings.Join(company["deals"][:4], "\n")+"\n") // without D4
	before := r.events()

	out := r.command("import", "deals", short)
	if strings.Contains(out, "retracted") || r.events() != before {
		t.Errorf("without --replace: %s", out)
	}
	out = r.command("import", "deals", short, "--replace", "--dry-run")
	if !strings.Contains(out, "1 without a row would be retracted") || !strings.Contains(out, "would be retracted: D4 (Fourth)") || r.events() != before {
		t.Errorf("dry run: %s", out)
	}
	out = r.command("import", "deals", short, "--replace")
	if !strings.Contains(out, "1 without a row retracted") || r.events() != before+1 || !slices.Equal(r.dealIDs(), []string{"D1", "D2", "D3"}) {
		t.Errorf("--replace: %s, %d events, deals %q", out, r.events()-before, r.dealIDs())
	}
	r.command("import", "deals", short, "--replace")
	if r.events() != before+1 {
		t.Errorf("the same list again made %d events", r.events()-before-1)
	}
	out = r.command("import", "deals", r.file("full.csv", full), "--replace")
	if !strings.Contains(out, "1 new and 0 changed") || len(r.dealIDs()) != 4 {
		t.Errorf("back: %s, deals %q", out, r.dealIDs())
	}

	// Two touches less; the clicks that remain are still there.
	touches := r.file("touches.csv", strings.Join(company["touches"][:5], "\n")+"\n")
	if out = r.command("import", "touches", touches, "--replace"); !strings.Contains(out, "2 without a row retracted") {
		t.Errorf("touches: %s", out)
	}
	if c := ask1[trail.ContentDetail](r, "/v1/content/C2"); c.Clicks != 1 {
		t.Errorf("C2 has %d clicks after its machine's and its view were retracted", c.Clicks)
	}
	merged := r.file("merged.csv", "id,merged_into\nD3,D2\n")
	if out = r.command("import", "deals", merged); !strings.Contains(out, "0 new and 1 changed") || !slices.Equal(r.dealIDs(), []string{"D1", "D2", "D4"}) {
		t.Errorf("merged: %s, deals %q", out, r.dealIDs())
	}
	if b := ask1[trail.Status](r, "/v1/status").Balance; b.Missing != 0 || b.Surplus != 0 {
		t.Errorf("the pipe does not balance: %+v", b)
	}
}

func TestReplaceIsRefusedWithAWayOn(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.load(nil)
	before := r.events()
	post := func(path, body string) string {
		t.Helper()
		err := r.api.Do(t.Context(), "POST", path, "text/csv", strings.NewReader(body), nil)
		var p *trail.Problem
		if !errors.As(err, &p) {
			t.Fatalf("%s was not refused: %v", path, err)
		}
		return string(p.Code) + ": " + p.Text
	}
	for _, c := range []struct{ path, body, want string }{
		{"/v1/imports/deals?replace=true", "id\nD1\n", "conflict: 3 of the 4 deals that are there have no row in the file, more than half: D2 (Second), D3 (Third), D4 (Fourth). If the file has all there are, import it with force"},
		{"/v1/imports/deals?replace=true&force=true", "id\n", "invalid: The file has no rows"},
		{"/v1/imports/deals?replace=true&force=true", "", "is empty"},
		{"/v1/imports/deals?replace=true&force=true", "id,amount\nD1,x\nD2,\nD3,\nD4,\n", "invalid: 1 of 4 rows cannot be read, the first in line 2"},
		{"/v1/imports/content?replace=true&force=true", "id\nC1\n", "expires_at"},
		{"/v1/imports/deals?force=true", "id\nD1\n", "invalid: force=true belongs to replace=true"},
		{"/v1/imports/deals?dry_run=yes", "id\nD5\n", `invalid: dry_run is "yes"; it must be true or false.`},
	} {
		if got := post(c.path, c.body); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.path, got, c.want)
		}
	}
	one := r.file("one.csv", "id\nD1\n")
	if out, err := r.try("import", "deals", one, "--replace", "--dry-run"); !errors.Is(err, errTrouble) || !strings.Contains(out, "would be refused: 3 of the 4") || !strings.Contains(out, "would be retracted: D2 (Second)") {
		t.Errorf("dry run of what is refused: %v %s", err, out)
	}
	var usage usageError
	if _, err := r.try("import", "deals", one, "--force"); !errors.As(err, &usage) {
		t.Errorf("--force alone: %v", err)
	}
	if _, err := r.try("import", "content", t.TempDir(), "--replace"); err == nil || !strings.Contains(err.Error(), "expires_at") {
		t.Errorf("a folder that replaces: %v", err)
	}
	if r.events() != before {
		t.Errorf("%d events came of what was refused", r.events()-before)
	}
	r.command("import", "deals", one, "--replace", "--force")
	if !slices.Equal(r.dealIDs(), []string{"D1"}) {
		t.Errorf("forced: deals %q", r.dealIDs())
	}
}
