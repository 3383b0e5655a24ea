package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/xuri/excelize/v2"

	"dealtrail/api"
	"dealtrail/trail"
)

// reviewed is a server with two leads of this week: one answered, one is new.
func reviewed(t *testing.T) (r *running, week string) {
	t.Helper()
	r = start(t, func(c *Config) {
		c.Company.CRMURL = "https://crm.example.com/deals/{id}"
		c.Company.Zone = byDay(t)
	})
	now := time.Now().In(r.zone)
	week = trail.WeekOf(now, r.zone)
	monday, _, err := trail.ParseWeek(week, r.zone, now)
	if err != nil {
		t.Fatal(err)
	}
	r.command("import", "content", r.file("content.csv", "id,title,url\nC1,The case,https://www.example.com/case\n"))
	r.command("import", "contacts", r.file("contacts.csv", "email,name,status,owner\nann@acme.test,Ann,lead,rita@ours.test\nbob@acme.test,=Bob,MQL,rita@ours.test\n"))
	r.command("import", "deals", r.file("deals.csv", fmt.Sprintf("id,name,amount,currency,status,created_at,closed_at,loss_reason,contacts\nD-1,Big,100.50,EUR,lost,2026-01-05,%s,price,bob@acme.test\n", monday.Format(time.RFC3339))))
	touches := "at,kind,content,contact\n"
	for i := range 2 {
		touches += monday.Add(time.Duration(i)*time.Second).Format(time.RFC3339) + ",clicked,C1,ann@acme.test\n"
	}
	r.command("import", "touches", r.file("touches.csv", touches))
	eventually(t, "both leads are on the list", func() bool {
		return len(ask1[trail.Review](r, "/v1/review?week="+week).Leads) == 2
	})
	return r, week
}

func TestTheReviewIsTheSameByAPICommandAndFormat(t *testing.T) {
	t.Parallel()
	r, week := reviewed(t)
	review := ask1[trail.Review](r, "/v1/review?week="+week)
	if l := review.Leads[0]; l.Address != "bob@acme.test" || l.CRM != "https://crm.example.com/deals/D-1" || !strings.Contains(l.Why, "was lost: price") {
		t.Errorf("first %+v", l)
	}
	if l := review.Leads[1]; l.Address != "ann@acme.test" || l.Clicks != 2 || l.LastTouch.Location() == time.UTC || len(l.Seen) != 1 || l.Seen[0].Title != "The case" {
		t.Errorf("second %+v", l)
	}
	var asJSON trail.Review
	if err := json.Unmarshal([]byte(r.command("review", "--week", week, "--format", "json")), &asJSON); err != nil || len(asJSON.Leads) != 2 {
		t.Errorf("json: %+v %v", asJSON, err)
	}
	rows, err := csv.NewReader(strings.NewReader(r.command("review", "--week", week))).ReadAll()
	if err != nil || len(rows) != 4 || rows[1][1] != "lead" || rows[1][17] != "'=Bob" || rows[3][1] != "lost" {
		t.Errorf("csv: %q %v", rows, err)
	}
	if html := r.command("review", "--week", week, "--format", "html"); !strings.HasPrefix(html, "<!doctype html>") || !strings.Contains(html, "=Bob") {
		t.Error("html lacks a lead")
	}
	for format, kind := range map[string]string{"csv": "text/csv; charset=utf-8", "html": "text/html; charset=utf-8", "json": "application/json", "xlsx": exports()["xlsx"].Type} {
		for _, by := range []string{"format", "accept"} {
			path, accept := "/v1/review?week="+week, "*/*"
			if by == "format" {
				path += "&format=" + format
			} else {
				accept = "image/png, " + strings.TrimSuffix(kind, "; charset=utf-8") + ";q=0.9, */*;q=0.1"
			}
			req, _ := http.NewRequestWithContext(t.Context(), "GET", r.api.URL+path, nil)
			req.Header.Set("Authorization", "Bearer "+r.api.Key)
			req.Header.Set("Accept", accept)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if got := resp.Header.Get("Content-Type"); err != nil || got != kind {
				t.Errorf("%s by %s is %q %v", format, by, got, err)
			}
		}
	}
	if _, err := r.try("review", "--week", week, "--format", "pdf"); err == nil {
		t.Error("another format is taken")
	}
	var p *trail.Problem
	if err := r.api.Get(t.Context(), "/v1/review", map[string]string{"format": "pdf"}, nil); !errors.As(err, &p) || !strings.Contains(p.Text, "csv, html, xlsx") {
		t.Errorf("another format by the API: %v", err)
	}
}

func TestDecisionsTravelThroughAPIFileAndCommand(t *testing.T) {
	t.Parallel()
	r, week := reviewed(t)
	decide := func(in map[string]any) (d trail.Decision, err error) {
		return d, r.api.Post(t.Context(), "/v1/review/"+week+"/decisions", in, &d)
	}
	d, err := decide(map[string]any{"email": "Ann@acme.test", "quality": "good", "state": "accepted", "decision": "Send prices", "owner": "rita@ours.test", "due": "2199-01-01", "by": "mia"})
	if err != nil || d.Kept != trail.KeptOpen || d.By != "mia" {
		t.Fatalf("%+v %v", d, err)
	}
	for want, in := range map[string]map[string]any{
		"Say the reason":           {"deal": "D-1", "state": "rejected"},
		"an owner and a due date":  {"deal": "D-1", "decision": "call"},
		"either one lead":          {"needs": "x"},
		"no deal \"D-9\"":          {"deal": "D-9", "needs": "x"},
		"knows no contact":         {"email": "who@acme.test", "needs": "x"},
		"not the JSON that is":     {"deal": "D-1", "colour": "red"},
		"no decision \"01\"":       {"id": "01", "done": true},
		"good, fair or poor":       {"deal": "D-1", "quality": "best"},
		"write it as 2026-11-30":   {"deal": "D-1", "due": "tomorrow"},
		"no decision that could b": {"deal": "D-1", "done": true},
	} {
		var p *trail.Problem
		if _, err := decide(in); !errors.As(err, &p) || !strings.Contains(p.Text, want) {
			t.Errorf("%v: %v, want %q", in, err, want)
		}
	}
	review := ask1[trail.Review](r, "/v1/review?week="+week)
	if got := review.Leads[1].Decision; got == nil || got.Text != "Send prices" || len(review.Decisions) != 1 {
		t.Errorf("the review says %+v", got)
	}

	// The file goes out, is filled in, and comes back by the command.
	path := filepath.Join(t.TempDir(), "review.xlsx")
	r.command("review", "--week", week, "-o", path) // its ending says what it is
	if out := r.command("review", "--import", path); !strings.Contains(out, "0 rows changed") {
		t.Errorf("unchanged: %s", out)
	}
	book, err := excelize.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	head, err := book.GetRows("Leads")
	if err != nil {
		t.Fatal(err)
	}
	set := func(column string, row int, value any) {
		for x, name := range head[0] {
			if at, _ := excelize.CoordinatesToCellName(x+1, row); name == column {
				if err := book.SetCellValue("Leads", at, value); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	set("done", 3, "yes") // Ann's
	set("quality", 2, "superb")
	if err := book.Save(); err != nil {
		t.Fatal(err)
	}
	out, err := r.try("review", "--import", path)
	if err == nil || !strings.Contains(out, "1 rows changed") || !strings.Contains(out, "Leads, row 2: The quality is") {
		t.Errorf("filled in: %q %v", out, err)
	}
	if got := ask1[trail.Review](r, "/v1/review?week="+week).Decisions; len(got) != 1 || got[0].Kept != trail.KeptInTime {
		t.Errorf("after it: %+v", got)
	}
	if _, err := r.try("review", "--import", r.file("x.xlsx", "no workbook")); err == nil || !strings.Contains(err.Error(), "not the XLSX file of a review") {
		t.Errorf("no workbook: %v", err)
	}
	documented(t, r, week, path)
}

// documented checks answers about reviews against openapi.yaml.
func documented(t *testing.T, r *running, week, path string) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = nil
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path, kind string
		body               []byte
		want               int
	}{
		{"GET", "/v1/review?week=" + week, "", nil, 200},
		{"POST", "/v1/review/" + week + "/decisions", "application/json", []byte(`{"deal":"D-1","needs":"prices"}`), 201},
		{"POST", "/v1/review/" + week + "/decisions", "application/json", []byte(`{"deal":"D-1","needs":"prices"}`), 200},
		{"POST", "/v1/review/" + week + "/xlsx", exports()["xlsx"].Type, content, 200},
		{"POST", "/v1/review/2026-W01/xlsx", exports()["xlsx"].Type, content, 400},
		{"POST", "/v1/review/" + week + "/xlsx", exports()["xlsx"].Type, make([]byte, 11<<20), 413},
	} {
		req, _ := http.NewRequestWithContext(t.Context(), c.method, r.api.URL+c.path, bytes.NewReader(c.body))
		req.Header.Set("Authorization", "Bearer "+r.api.Key)
		if c.kind != "" {
			req.Header.Set("Content-Type", c.kind)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s %s: %s %s", c.method, c.path, resp.Status, answer)
			continue
		}
		route, params, err := router.FindRoute(req)
		if err != nil {
			t.Fatal(err)
		}
		in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route}
		out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header}
		out.SetBodyBytes(answer)
		if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
		}
	}
}

func TestReviewSettingsThatCannotWorkAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"[review]\nat = \"Montag 7\"\n":                                 "review.at",
		"[company]\ncrm_url = \"https://crm.example.com\"\n":            "with {id}",
		"[company]\ncrm_url = \"javascript:alert({id})\"\n":             "with {id}",
		"[company]\ncrm_url = \"https://crm.example.com/deals/{id}\"\n": "",
	} {
		_, err := loadConfig(writeConfig(t, text), nil)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestServeWritesTheReviewThatIsDue(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.Company.Zone = byDay(t) })
	week, since := trail.UsualReview.Due(time.Now(), r.zone)
	before := since.Add(-48 * time.Hour).UTC().Truncate(time.Second)
	told := trail.Registration("csv", trail.DealKind, "D-1", trail.State{}, trail.State{Attrs: map[string]string{"name": "Big", "status": "open", "created_at": before.Format(time.RFC3339)}}, before)
	if err := r.buffer.Append(t.Context(), told); err != nil {
		t.Fatal(err)
	}
	written, err := r.reviewFiles().Once(t.Context())
	if err != nil || len(written) != 2 {
		t.Fatalf("%q %v", written, err)
	}
	if again, err := r.reviewFiles().Once(t.Context()); err != nil || len(again) > 0 {
		t.Errorf("twice: %q %v", again, err)
	}
	dir := filepath.Join(filepath.Dir(r.config), "exports")
	book, err := excelize.OpenFile(filepath.Join(dir, "review-"+week+".xlsx"))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	rows, err := book.GetRows("New")
	if err != nil || len(rows) != 2 || rows[1][1] != "Big" {
		t.Errorf("new deals: %q %v", rows, err)
	}
	info, err := os.Stat(filepath.Join(dir, "review-"+week+".html"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file to print: %v %v", info, err)
	}
}
