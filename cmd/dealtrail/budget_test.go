package main

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"dealtrail/trail"
)

func TestABudgetPageIsFrozenShownAndSharedByCommands(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	if _, err := r.try("budget", "new"); err == nil || !strings.Contains(err.Error(), "start one with") {
		t.Errorf("without a run: %v", err)
	}
	r.command("import", "content", r.file("content.csv", "id,title,kind,url,cost,currency\nfaq,Security FAQ,Page,https://www.example.com/faq,500,EUR\nold,Old flyer,Flyer,https://www.example.com/old,70,EUR\n"))
	r.command("import", "contacts", r.file("contacts.csv", "email,domain\nbo@buyer.test,buyer.test\n"))
	r.command("import", "deals", r.file("deals.csv", "id,name,amount,currency,stage,status,closed_at,contacts\nD-1,Alpha,1000.50,EUR,Won,won,2026-11-20,bo@buyer.test\n"))
	r.command("import", "touches", r.file("touches.csv", "at,kind,content,contact,deal,rep,agent\n2026-11-10T10:00:00Z,clicked,faq,bo@buyer.test,D-1,anna@ours.test,human\n"))
	r.command("attribute", "--model", "linear")
	id := strings.TrimSpace(r.command("budget", "new", "--title", "Budget 2027", "--note", "Łódź, €", "--by", "lee@ours.test", "--currency", "EUR"))
	b := ask1[trail.Budget](r, "/v1/budgets/"+strings.ToLower(id))
	if b.Title != "Budget 2027" || b.By != "lee@ours.test" || b.Spent.Cost.Amount != "570.00" || b.NeverSent.Cost.Amount != "70.00" || b.Total.Value.Amount != "1000.50" || len(b.Contents) != 2 || b.Contents[0].Key != "faq" || b.Contents[0].Per != 2.001 || b.Contents[1].State != trail.NeverSent {
		t.Errorf("%+v", b)
	}
	valid(t, "budget", ask1[any](r, "/v1/budgets/"+id))
	for _, row := range ask1[map[string]any](r, "/v1/budgets")["rows"].([]any) {
		valid(t, "budget_listed", row)
	}
	for want, args := range map[string][]string{
		"in no other currency": {"new", "--currency", "USD"}, "no run": {"new", "--run", trail.NewID(b.At).String()}, "no budget page": {"show", "X"}, "has no link": {"revoke", id, "abc"},
		"1 to 366 days": {"link", id, "--days", "400"}, "either the run or": {"new", "--run", b.Run, "--agents", "all"},
	} {
		if out, err := r.try(append([]string{"budget"}, args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %q, %v; want %q", args, out, err, want)
		}
	}
	if out := r.command("budget", "list"); !strings.Contains(out, id) || !strings.Contains(out, "Budget 2027") {
		t.Errorf("list prints %s", out)
	}
	if out := r.command("budget", "show", id); !strings.Contains(out, "won 1000.50 EUR") || !strings.Contains(out, "Security FAQ") || !strings.Contains(out, "2.00") {
		t.Errorf("show prints %s", out)
	}
	file := t.TempDir() + "/page.pdf"
	r.command("budget", "show", id, "-o", file)
	if content, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(content), "%PDF-") {
		t.Errorf("%.20q, %v", content, err)
	}
	if out := r.command("budget", "show", id, "--format", "csv"); !strings.HasPrefix(strings.TrimPrefix(out, "\ufeff"), "budget,run,") {
		t.Errorf("as CSV %s", out)
	}

	url := strings.TrimSpace(r.command("budget", "link", id, "--days", "7", "--by", "lee@ours.test"))
	reads := func(want int) string {
		t.Helper()
		answer, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != want || len(answer.Cookies()) > 0 {
			t.Errorf("%s answers %s, %v, cookies %v", url, answer.Status, err, answer.Cookies())
		}
		return string(body)
	}
	if body := reads(http.StatusOK); !strings.Contains(body, "Security FAQ") || strings.Contains(body, "<nav") {
		t.Errorf("by the link: %s", body)
	}
	links := ask1[map[string]any](r, "/v1/budgets/"+id+"/links")["rows"].([]any)
	if len(links) != 1 || links[0].(map[string]any)["seen_at"] == nil {
		t.Fatalf("%v", links)
	}
	valid(t, "budget_link", links[0])
	name := links[0].(map[string]any)["id"].(string)
	if out := r.command("budget", "links", id); !strings.Contains(out, name) || strings.Contains(r.log.String()+out, url[strings.LastIndex(url, "/"):]) {
		t.Errorf("links prints %s, or the log has the link", out)
	}
	r.command("budget", "revoke", id, name)
	reads(http.StatusNotFound)
	if answer, err := http.Get(r.api.URL + "/budget/" + id); err != nil || answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a session the page answers %v, %v", answer, err)
	} else {
		answer.Body.Close()
	}
}
