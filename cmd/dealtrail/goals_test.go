package main

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"
	"time"

	"dealtrail/trail"
)

func TestGoalsServiceAndTheMonthByCommands(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.Service.AnswerHours, c.Company.Zone = 48, byDay(t) })
	now := time.Now()
	month := trail.PeriodOf(trail.Month, now, r.zone)
	created := now.Add(-70 * time.Hour).UTC().Format(time.RFC3339)
	r.command("import", "contacts", r.file("contacts.csv", "email,name,account,status,created_at,owner\nann@alpha.example,=Ann,Alpha,new,"+created+",rita@ours.test\nbob@alpha.example,Bob,Alpha,,"+created+",rita@ours.test\ncleo@alpha.example,Cleo,Alpha,new,"+created+",rita@ours.test\n"))
	r.command("import", "touches", r.file("touches.csv", "at,kind,email,content,rep\n"+now.Add(-80*time.Hour).UTC().Format(time.RFC3339)+",sent,cleo@alpha.example,C1,rita@ours.test\n"))
	r.command("import", "deals", r.file("deals.csv", "id,name,domain,amount,currency,stage,status,closed_at\nD-1,Alpha,alpha.example,1000.50,EUR,Won,won,"+month.From.Add(time.Minute).UTC().Format(time.RFC3339)+"\n"))

	set := func(target string, more ...string) string {
		return r.command(append([]string{"goals", "set", "won_amount", month.Name, target, "--sales", "Rita", "--marketing", "Mia", "--by", "Mia@ours.test"}, more...)...)
	}
	if out := set("2000"); out != "won_amount/"+month.Name+": 2000.00\n" {
		t.Errorf("set prints %q", out)
	}
	set("2000.00") // said already
	set("1000", "--note", "=SUM(A1)")
	for want, args := range map[string][]string{
		"no measure": {"luck", month.Name, "1"}, "write a month": {"won_deals", "soon", "1"}, "number over zero": {"won_deals", month.Name, "many"},
	} {
		if out, err := r.try(append([]string{"goals", "set", "--sales", "R", "--marketing", "M", "--by", "m@ours.test"}, args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %q, %v; want %q", args, out, err, want)
		}
	}
	rows := readRows(t, r.command("goals", "list", "--format", "csv", "--period", month.Name))
	if len(rows) != 2 || rows[1][4] != "1000.00" || rows[1][5] != "1000.50" || rows[1][11] != "reached" || rows[1][20] != "2" || rows[1][21] != "'=SUM(A1)" {
		t.Errorf("%q", rows)
	}
	if out := r.command("goals", "list", "--history"); !strings.Contains(out, "changed the target from 2,000 to 1,000") || !strings.Contains(out, "set it to 2,000") {
		t.Errorf("history: %s", out)
	}
	if rows := readRows(t, r.command("service", "--format", "csv")); len(rows) < 4 || strings.Join(rows[1][3:9], " ") != "1 1 0 0 1 0" || rows[len(rows)-1][13] != "ann@alpha.example" || rows[len(rows)-1][1] != "'=Ann" {
		t.Errorf("service: %q", rows)
	}
	if out := r.command("service"); !strings.Contains(out, "had written to them before: 1") {
		t.Errorf("the lead that a rep knew is left out in silence: %s", out)
	}
	if out := r.command("month", "--month", month.Name, "--format", "csv"); !strings.Contains(out, month.Name+",won_value,1000.50,,EUR") || !strings.Contains(out, "won_no_content_seen_value,1000.50") {
		t.Errorf("month: %s", out)
	}
	checkNumberAnswers(t, r, month.Name)
}

func readRows(t *testing.T, text string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// checkNumberAnswers compares what the API answers with the document.
func checkNumberAnswers(t *testing.T, r *running, month string) {
	t.Helper()
	list := ask1[struct{ Rows, Measures []any }](r, "/v1/goals")
	if len(list.Rows) != 1 || len(list.Measures) != len(trail.Measures()) {
		t.Fatalf("%+v", list)
	}
	valid(t, "goal", list.Rows[0])
	valid(t, "service", ask1[any](r, "/v1/service"))
	valid(t, "month", ask1[any](r, "/v1/month?month="+month))
	var health any // absent while a busy database does not answer in time
	eventually(t, "status has the health of data", func() bool {
		health = ask1[map[string]any](r, "/v1/status")["health"]
		return health != nil
	})
	valid(t, "health", health)
	if terms := ask1[struct{ Rows []trail.Term }](r, "/v1/dictionary").Rows; len(terms) != len(trail.Terms()) {
		t.Errorf("the dictionary has %d entries", len(terms))
	}
	for path, want := range map[string]string{
		"/v1/month?month=2026-Q4": "write it as 2026-10", "/v1/month?month=2199-01": "has not begun", "/v1/service?from=2026-02-01&to=2026-01-01": "before it begins",
		"/v1/service?from=1990-01-01": "five years", "/v1/service?from=soon": "write it as",
	} {
		if err := r.api.Get(t.Context(), path, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s answers %v", path, err)
		}
	}
	for _, page := range []string{"/numbers", "/month", "/dictionary"} {
		if answer, err := http.Get(r.api.URL + page); err != nil || answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("without a session %s answers %v, %v", page, answer, err)
		} else {
			answer.Body.Close()
		}
	}
}
