package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/trail"
)

// company is a small company as its CRM would export it.
var company = map[string][]string{
	"content":  {"id,title,kind,url", "C1,One pager,one-pager,https://www.example.com/one", "C2,=SUM(A1),deck,https://www.example.com/two", "C3,Größe,video,https://www.example.com/three"},
	"contacts": {"email,name,account,domain", "ann@acme.test,Ann,Acme,acme.test", "ben@acme.test,Ben,Acme,acme.test", "cy@blue.test,Cy,Blue,blue.test"},
	"deals": {
		"id,name,account,domain,amount,currency,stage,status,owner,created_at,closed_at,contacts",
		"D1,First,Acme,acme.test,100.00,EUR,Won,won,rita@ours.test,2026-01-01,2026-03-01,ann@acme.test;ben@acme.test",
		"D2,Second,Blue,blue.test,0.05,EUR,Won,won,rita@ours.test,2026-01-05,2026-03-02,cy@blue.test",
		"D3,Third,Blue,blue.test,70.10,EUR,Lost,lost,rolf@ours.test,2026-01-07,2026-03-03,cy@blue.test",
		"D4,Fourth,Acme,acme.test,11.11,EUR,Won,won,rolf@ours.test,2026-01-07,2026-01-08,",
	},
	"stages": {"deal,stage,at", "D1,Demo,2026-01-10", "D1,Won,2026-03-01", "D2,Demo,2026-01-12", "D3,Demo,2026-01-13"},
	"touches": {
		"at,kind,content,contact,deal,rep,agent",
		"2026-01-11 10:00,clicked,C1,ann@acme.test,,rita@ours.test,", "2026-01-12 10:00,clicked,C2,ben@acme.test,,rita@ours.test,",
		"2026-01-13 10:00,clicked,C3,cy@blue.test,,rita@ours.test,", "2026-01-14 10:00,replied,C1,cy@blue.test,,rita@ours.test,",
		"2026-01-15 10:00,clicked,C2,ann@acme.test,,rita@ours.test,scanner", "2026-01-16 10:00,viewed,C2,cy@blue.test,D2,rita@ours.test,",
	},
}

var tables = []string{"content", "contacts", "deals", "stages", "touches"}

// load imports every table, its rows in the order that shuffle makes of them.
func (r *running) load(shuffle func([]string)) {
	r.t.Helper()
	for _, table := range tables {
		rows := slices.Clone(company[table])
		if shuffle != nil {
			shuffle(rows[1:])
		}
		r.command("import", table, r.file(table+".csv", strings.Join(rows, "\n")+"\n"))
	}
}

func (r *running) events() uint64 { return ask1[trail.Status](r, "/v1/status").Events }

func TestSameFileTwiceIsNoEventAndAnEditChangesItsRows(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	r.load(nil)
	before := r.events()
	if before == 0 {
		t.Fatal("nothing was loaded")
	}
	r.load(nil)
	if after := r.events(); after != before {
		t.Errorf("the same files again made %d events", after-before)
	}
	edited := strings.Replace(strings.Join(company["deals"], "\n"), "100.00", "101.00", 1)
	edited = strings.Replace(edited, "Third", "Third deal", 1)
	out := r.command("import", "deals", r.file("deals.csv", edited))
	if !strings.Contains(out, "0 new and 2 changed") || r.events() != before+2 {
		t.Errorf("two edited rows: %s and %d events", out, r.events()-before)
	}
	if d := ask1[trail.DealDetail](r, "/v1/deals/D1"); d.Value.Amount != "101.00" {
		t.Errorf("D1 is worth %s", d.Value.Amount)
	}
	// Back to what it was: the newest word counts, not the oldest copy.
	r.command("import", "deals", r.file("deals.csv", strings.Join(company["deals"], "\n")))
	if d := ask1[trail.DealDetail](r, "/v1/deals/D1"); d.Value.Amount != "100.00" {
		t.Errorf("after A, B, A the deal D1 is worth %s", d.Value.Amount)
	}
}

func TestDryRunStoresNothingAndBadRowsAreListed(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	bad := r.file("deals.csv", strings.Join(append(slices.Clone(company["deals"]), "D9,Bad,Acme,acme.test,12x5,EUR,Won,won,,2026-01-01,2026-03-01,", "D10,Bad date,,,1,EUR,Won,won,,2026-02-31,,"), "\n"))
	out := r.command("import", "--dry-run", "deals", bad)
	if r.events() != 0 || !strings.Contains(out, "would be stored") {
		t.Errorf("a dry run stored %d events and said: %s", r.events(), out)
	}
	out = r.command("import", "deals", bad)
	for _, want := range []string{"6 rows read", "4 accepted", "2 rejected", "line 6", "12x5", "line 7", "2026-02-31"} {
		if !strings.Contains(out, want) {
			t.Errorf("the report does not say %q:\n%s", want, out)
		}
	}
	if rows := ask1[struct{ Rows []trail.DealRow }](r, "/v1/deals").Rows; len(rows) != 4 {
		t.Errorf("%d deals were loaded", len(rows))
	}
}

// reports asks for every report and drops what must differ: IDs and times of
// the asking.
func (r *running) reports() string {
	r.t.Helper()
	r.command("attribute", "--model", "first")
	var all []string
	for _, path := range []string{
		"/v1/content", "/v1/content/C2", "/v1/deals", "/v1/deals/D1", "/v1/deals/D2", "/v1/reps", "/v1/accounts/acme.test",
		"/v1/contacts/cy@blue.test", "/v1/attribution?model=first", "/v1/attribution?model=first&by=rep", "/v1/review?week=2026-W09",
	} {
		report := ask1[map[string]any](r, path)
		for _, key := range []string{"run", "as_of"} {
			delete(report, key)
		}
		b, err := json.MarshalIndent(report, "", " ")
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, path+"\n"+string(b))
	}
	return strings.Join(all, "\n")
}

func TestShuffledInputGivesEqualReports(t *testing.T) {
	t.Parallel()
	path, other := writeConfig(t, ""), writeConfig(t, "")
	// One contact key, or the same people would have other names in the log.
	keys, err := os.ReadFile(secretsPath(path))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(secretsPath(other), keys, 0o600); err != nil {
		t.Fatal(err)
	}
	a, b := startOn(t, path, nil), startOn(t, other, nil)
	began := time.Now().UTC()
	a.load(nil)
	rng := rand.New(rand.NewPCG(7, 7))
	b.load(func(rows []string) { rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] }) })
	got, want := strings.Split(b.reports(), "\n"), strings.Split(a.reports(), "\n")
	// A snapshot is as old as its import, and so is a version of a content.
	today := regexp.MustCompile(`"(at|since)": "(` + began.Format(time.DateOnly) + "|" + time.Now().UTC().Format(time.DateOnly) + ")")
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] && !today.MatchString(got[i]) {
			t.Errorf("line %d: %s\n  and in order: %s", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d lines and %d", len(got), len(want))
	}
}
