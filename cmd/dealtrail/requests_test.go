package main

import (
	"bytes"
	"encoding/csv"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/xuri/excelize/v2"

	"dealtrail/api"
	"dealtrail/trail"
)

func TestRequestsAreAskedListedAndAnsweredByCommands(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.Review.AnswerDays = 3 })
	r.command("import", "content", r.file("content.csv", "id,title,kind,url\nfaq,Security FAQ,Page,https://www.example.com/faq\n"))
	r.command("import", "deals", r.file("deals.csv", "id,name,amount,currency,stage,status\nD-1,Alpha,1000.50,EUR,Demo,open\nD-2,Beta,70,USD,Demo,open\n"))
	id := strings.TrimSpace(r.command("requests", "add", "=SUM(A1) for banks", "--rep", "Anna@ours.test", "--deal", "D-1", "--persona", "CISO"))
	other := strings.TrimSpace(r.command("requests", "add", "prices", "--rep", "anna@ours.test", "--deal", "D-2"))
	for want, args := range map[string][]string{
		`no deal "D-9"`: {"add", "x", "--rep", "anna@ours.test", "--deal", "D-9"}, "for which stage": {"add", "x", "--rep", "anna@ours.test"},
		"no request \"X\"": {"answer", "X", "yes"}, "why there will be no": {"answer", id, "--decline"}, `no content "fqa"`: {"answer", id, "--content", "fqa"},
		"not an address": {"add", "x", "--rep", "anna", "--stage", "Demo"},
	} {
		if out, err := r.try(append([]string{"requests"}, args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %q, %v; want %q", args, out, err, want)
		}
	}
	if out := r.command("requests", "list"); !strings.HasPrefix(out, "2 open, 0 of them late (no answer within 3 days), 1000.50 EUR waiting, 70.00 USD waiting\n") {
		t.Errorf("list prints %s", out)
	}
	if out := r.command("requests", "answer", strings.ToLower(id), "--content", "faq", "--by", "mia@ours.test"); out != id+": answered\n" {
		t.Errorf("answer prints %q", out)
	}
	r.command("requests", "answer", other, "no budget", "--decline")
	rows, err := csv.NewReader(strings.NewReader(r.command("requests", "list", "--format", "csv", "-q", "banks FAQ"))).ReadAll()
	if err != nil || len(rows) != 2 || rows[1][0] != id || rows[1][3] != "answered" || rows[1][10] != "'=SUM(A1) for banks" || rows[1][12] != "Here it is." {
		t.Errorf("%q, %v", rows, err)
	}
	if out := r.command("requests", "list", "--state", "declined", "--format", "csv"); !strings.Contains(out, other) || strings.Contains(out, id) {
		t.Errorf("those declined: %s", out)
	}
	checkRequestAnswers(t, r, id)
	checkNoteAnswers(t, r)
	checkLists(t, r)
}

// checkLists keeps lists by command and by the API, and asks for lists as files.
func checkLists(t *testing.T, r *running) {
	t.Helper()
	r.command("import", "contacts", r.file("people.csv", "email,name,role\nann@a.example,Ann,CFO\nbob@b.example,Bob,CTO\n"))
	out := r.command("lists", "add", r.file("Fair.csv", "Full name;Work e-mail;Email\nAnn;;ANN@a.example\nX;;nobody\nAnn again;;ann@a.example\nCat;;cat@c.example\n"))
	id, rest, _ := strings.Cut(strings.TrimSpace(out), ": ")
	if rest != "2 leads" {
		t.Errorf("add prints %q", out)
	}
	var kept trail.LeadList
	if err := r.api.Post(t.Context(), "/v1/lists", map[string]any{"name": "Money", "filter": map[string]string{"persona": "CFO"}}, &kept); err != nil || kept.Leads != 1 || kept.How != "contacts with persona CFO" {
		t.Errorf("by a filter: %+v, %v", kept, err)
	}
	valid(t, "lead_list", ask1[any](r, "/v1/lists?limit=1").(map[string]any)["rows"].([]any)[0])
	valid(t, "list_response", ask1[any](r, "/v1/lists/"+id))
	rows, err := csv.NewReader(strings.NewReader(r.command("lists", "list", "--format", "csv"))).ReadAll()
	if err != nil || len(rows) != 3 || rows[2][0] != id || rows[2][2] != "Fair" || rows[2][3] != "2" || rows[1][2] != "Money" {
		t.Errorf("%q, %v", rows, err)
	}
	if out := r.command("lists", "show", id, "--format", "json"); !strings.Contains(out, `"leads": 2`) {
		t.Errorf("show prints %s", out)
	}
	for _, path := range []string{"/v1/content", "/v1/deals", "/v1/reps", "/v1/requests", "/v1/notes", "/v1/lists", "/v1/lists/" + id, "/v1/runs", "/v1/holdouts", "/v1/mailboxes", "/v1/sighted", "/v1/bad", "/v1/shares?rep=anna@ours.test", "/v1/recommendations?stage=Demo"} {
		checkFiles(t, r, path)
	}
	if out, err := r.try("lists", "show", "X"); err == nil || !strings.Contains(err.Error(), `no list "X"`) {
		t.Errorf("an unknown list: %q, %v", out, err)
	}
}

// checkFiles asks for a list of the API as CSV and XLSX: both have a line for each row.
func checkFiles(t *testing.T, r *running, path string) {
	t.Helper()
	fetch := func(format string) (string, []byte) {
		sep := map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")]
		q, err := http.NewRequestWithContext(t.Context(), "GET", r.api.URL+path+sep+"format="+format, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+r.api.Key)
		answer, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("%s as %s: %d %s %v", path, format, answer.StatusCode, body, err)
		}
		return answer.Header.Get("Content-Type"), body
	}
	want := len(ask1[struct{ Rows []any }](r, path).Rows)
	kind, body := fetch("csv")
	rows, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	if err != nil || kind != "text/csv; charset=utf-8" || len(rows)-1 != want || !bytes.HasPrefix(body, []byte("\uFEFF")) {
		t.Errorf("%s as CSV, %s: %d rows, want %d; %v", path, kind, len(rows)-1, want, err)
	}
	_, body = fetch("xlsx")
	book, err := excelize.OpenReader(bytes.NewReader(body))
	if err != nil {
		t.Errorf("%s as XLSX: %v", path, err)
		return
	}
	defer book.Close()
	if rows, err := book.GetRows(book.GetSheetName(0)); err != nil || len(rows)-1 != want {
		t.Errorf("%s as XLSX: %d rows, want %d; %v", path, len(rows)-1, want, err)
	}
}

// checkRequestAnswers compares what the API answers with the document.
func checkRequestAnswers(t *testing.T, r *running, id string) {
	t.Helper()
	valid(t, "request_list", ask1[any](r, "/v1/requests"))
	page := ask1[struct {
		Rows []trail.Request
		Next string
	}](r, "/v1/requests?limit=1")
	rest := ask1[struct {
		Rows []trail.Request
		Next string
	}](r, "/v1/requests?after="+page.Next)
	if len(page.Rows) != 1 || page.Next != page.Rows[0].ID.String() || len(rest.Rows) != 1 || rest.Next != "" || rest.Rows[0].ID == page.Rows[0].ID {
		t.Errorf("%+v, then %+v", page, rest)
	}
	var written any
	if err := r.api.Post(t.Context(), "/v1/requests", map[string]string{"rep": "anna@ours.test", "text": "more", "stage": "Demo"}, &written); err != nil {
		t.Fatal(err)
	}
	valid(t, "request_written", written)
	if err := r.api.Post(t.Context(), "/v1/requests/"+id+"/answer", map[string]any{"text": "see there"}, &written); err != nil {
		t.Fatal(err)
	}
	valid(t, "request_written", written)
	for path, want := range map[string]string{"/v1/requests?state=lost": "must be one of", "/v1/requests?limit=0": "limit is"} {
		if err := r.api.Get(t.Context(), path, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s answers %v", path, err)
		}
	}
	if err := r.api.Post(t.Context(), "/v1/requests", map[string]string{"txt": "x"}, nil); err == nil || !strings.Contains(err.Error(), "txt") {
		t.Errorf("a misspelt key: %v", err)
	}
	if answer, err := http.Get(r.api.URL + "/requests"); err != nil || answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a session the page answers %v, %v", answer, err)
	} else {
		answer.Body.Close()
	}
}

// checkNoteAnswers writes a note and votes for it.
func checkNoteAnswers(t *testing.T, r *running) {
	t.Helper()
	var written any
	var note trail.Note
	body := map[string]string{"rep": "anna@ours.test", "text": "page three", "content": "faq", "deal": "D-1"}
	for _, into := range []any{&written, &note} {
		if err := r.api.Post(t.Context(), "/v1/notes", body, into); err != nil {
			t.Fatal(err)
		}
	}
	valid(t, "note_written", written)
	for _, by := range []string{"ben@ours.test", "Ben@ours.test", "mia@ours.test"} {
		if err := r.api.Post(t.Context(), "/v1/notes/"+note.ID.String()+"/vote", map[string]any{"by": by}, &note); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.api.Post(t.Context(), "/v1/notes/"+note.ID.String()+"/vote", map[string]any{"by": "mia@ours.test", "not": true}, &note); err != nil || note.Votes != 1 {
		t.Errorf("%+v, %v", note, err)
	}
	if err := r.api.Post(t.Context(), "/v1/notes/X/vote", map[string]any{"by": "mia@ours.test"}, nil); err == nil || !strings.Contains(err.Error(), "no note") {
		t.Errorf("an unknown note: %v", err)
	}
	list := ask1[struct{ Rows []any }](r, "/v1/notes?content=faq&q=THREE")
	if len(list.Rows) != 2 {
		t.Fatalf("%v", list.Rows)
	}
	for _, row := range list.Rows {
		valid(t, "note", row)
	}
	notes := ask1[struct{ Rows []trail.Note }](r, "/v1/notes?deal=D-1").Rows
	if len(notes) != 2 || notes[0].ID != note.ID || notes[0].Votes != 1 || notes[0].Voters[0] != "ben@ours.test" || notes[1].Voters == nil {
		t.Errorf("%+v", notes)
	}
}

// valid compares an answer with its schema.
func valid(t *testing.T, schema string, answer any) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Components.Schemas[schema].Value.VisitJSON(answer); err != nil {
		t.Errorf("%s: %v", schema, err)
	}
}
