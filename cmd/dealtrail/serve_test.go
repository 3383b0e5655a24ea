package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/legacy"

	"dealtrail/api"
	"dealtrail/trail"
)

// company is a small company as its CRM would export it.
var company = map[string][]string{
	"content":  {"id,title,kind,url", "C1,One pager,one-pager,https://www.example.com/one", "C2,=SUM(A1),deck,https://www.example.com/two", "C3,Größe,video,https://www.example.com/three"},
	"contacts": {"email,name,account,domain", "ann@acme.test,Ann,Acme,acme.test", "ben@acme.test,Ben,Acme,acme.test", "cy@blue.test,Cy,Blue,blue.test"},
	"deals": {"id,name,account,domain,amount,currency,stage,status,owner,created_at,closed_at,contacts",
		"D1,First,Acme,acme.test,100.00,EUR,Won,won,rita@ours.test,2026-01-01,2026-03-01,ann@acme.test;ben@acme.test",
		"D2,Second,Blue,blue.test,0.05,EUR,Won,won,rita@ours.test,2026-01-05,2026-03-02,cy@blue.test",
		"D3,Third,Blue,blue.test,70.10,EUR,Lost,lost,rolf@ours.test,2026-01-07,2026-03-03,cy@blue.test",
		"D4,Fourth,Acme,acme.test,11.11,EUR,Won,won,rolf@ours.test,2026-01-07,2026-01-08,"},
	"stages": {"deal,stage,at", "D1,Demo,2026-01-10", "D1,Won,2026-03-01", "D2,Demo,2026-01-12", "D3,Demo,2026-01-13"},
	"touches": {"at,kind,content,contact,deal,rep,agent",
		"2026-01-11 10:00,clicked,C1,ann@acme.test,,rita@ours.test,", "2026-01-12 10:00,clicked,C2,ben@acme.test,,rita@ours.test,",
		"2026-01-13 10:00,clicked,C3,cy@blue.test,,rita@ours.test,", "2026-01-14 10:00,replied,C1,cy@blue.test,,rita@ours.test,",
		"2026-01-15 10:00,clicked,C2,ann@acme.test,,rita@ours.test,scanner", "2026-01-16 10:00,viewed,C2,cy@blue.test,D2,rita@ours.test,"},
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
	for _, path := range []string{"/v1/content", "/v1/content/C2", "/v1/deals", "/v1/deals/D1", "/v1/deals/D2", "/v1/reps", "/v1/accounts/acme.test",
		"/v1/contacts/cy@blue.test", "/v1/attribution?model=first", "/v1/attribution?model=first&by=rep", "/v1/review?week=2026-W09"} {
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
	a.load(nil)
	rng := rand.New(rand.NewPCG(7, 7))
	b.load(func(rows []string) { rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] }) })
	got, want := strings.Split(b.reports(), "\n"), strings.Split(a.reports(), "\n")
	today := time.Now().UTC().Format(`"at": "2006-01-02`)
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] && !strings.Contains(got[i], today) { // a snapshot is as old as its import
			t.Errorf("line %d: %s\n  and in order: %s", i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d lines and %d", len(got), len(want))
	}
}

func TestSecondServeSaysWhoHoldsTheData(t *testing.T) {
	r := start(t, nil)
	c := *r.program.config
	c.Server.Listen = "127.0.0.1:0"
	err := serve(t.Context(), &program{config: &c, secrets: r.secrets, log: r.program.log}, nil)
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) || !strings.Contains(err.Error(), "data.dir") {
		t.Errorf("the second serve: %v", err)
	}
}

func TestStateSurvivesARestart(t *testing.T) {
	path := writeConfig(t, "")
	r := startOn(t, path, nil)
	r.load(nil)
	link := strings.TrimSpace(r.command("share", "--content", "C1", "--rep", "rita@ours.test"))
	before := r.events()
	r.stop()
	again := startOn(t, path, nil)
	if again.events() != before {
		t.Errorf("%d events before the restart, %d after", before, again.events())
	}
	if resp := click(t, again.api.URL+link[strings.Index(link, "/c/"):]); resp.StatusCode != 302 || resp.Header.Get("Location") != "https://www.example.com/one" {
		t.Errorf("an old link answers %s to %s", resp.Status, resp.Header.Get("Location"))
	}
}

// click follows a link as a person's browser does, and not further.
func click(t *testing.T, link string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range browser {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func TestDamagedLinkIsFriendlyOrFallsBack(t *testing.T) {
	r := start(t, nil)
	for _, token := range []string{"nonsense", strings.Repeat("a", 27), "%00", strings.Repeat("x", 5000)} {
		resp := click(t, r.api.URL+"/c/"+token)
		if resp.StatusCode != 404 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
			t.Errorf("/c/%.20s answers %s %s", token, resp.Status, resp.Header.Get("Content-Type"))
		}
	}
	r = start(t, func(c *Config) { c.Tracking.FallbackURL = "https://www.example.com/lost" })
	if resp := click(t, r.api.URL+"/c/nonsense"); resp.StatusCode != 302 || resp.Header.Get("Location") != "https://www.example.com/lost" {
		t.Errorf("with a fallback: %s to %s", resp.Status, resp.Header.Get("Location"))
	}
}

func TestClickSurvivesTheDeathOfEngineAndRedis(t *testing.T) {
	r := start(t, nil)
	r.load(nil)
	link := strings.TrimSpace(r.command("share", "--content", "C1", "--rep", "rita@ours.test"))
	before := ask1[trail.ContentDetail](r, "/v1/content/C1").Clicks
	for _, child := range r.children {
		if err := syscall.Kill(child.Pid(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if resp := click(t, link); resp.StatusCode != 302 {
			t.Errorf("a click right after a kill answers %s", resp.Status)
		}
		killed := time.Now()
		eventually(t, "everything is ready again", func() bool {
			var out strings.Builder
			return r.api.Do(t.Context(), "GET", "/readyz", "", nil, io.Writer(&out)) == nil
		})
		t.Logf("ready again after %s", time.Since(killed).Round(time.Millisecond))
	}
	// Each click is in the reports or counted as lost; none is in limbo.
	eventually(t, "both clicks are accounted for", func() bool {
		lost := ask1[trail.Status](r, "/v1/status").Lost
		return ask1[trail.ContentDetail](r, "/v1/content/C1").Clicks-before+lost == 2
	})
}

func TestReadersGetATemporaryErrorWhileTheEngineIsAway(t *testing.T) {
	r := start(t, nil)
	r.load(nil)
	engine := r.children[len(r.children)-1]
	if err := syscall.Kill(engine.Pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the engine answers again", func() bool {
		err := r.api.Get(t.Context(), "/v1/deals/D1", nil, &trail.DealDetail{})
		if p, is := err.(*trail.Problem); err != nil && (!is || p.Code != trail.Unavailable) {
			t.Errorf("a reader got: %v", err)
		}
		return err == nil
	})
}

func TestWrongPasswordParksAndShowsInStatus(t *testing.T) {
	post, err := openPostOffice()
	if err != nil {
		t.Fatal(err)
	}
	defer post.Close()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, rep := range []string{"good@ours.test", "bad@ours.test"} {
		if err := post.addUser(rep, map[string]string{"good@ours.test": "wrong", "bad@ours.test": "right"}[rep]); err != nil {
			t.Fatal(err)
		}
	}
	host, port := post.address()
	r := start(t, func(c *Config) {
		c.Company.Domains = []string{"ours.test"}
		for rep := range post.users {
			c.Mailboxes = append(c.Mailboxes, Mailbox{Rep: rep, Host: host, Port: port, Security: "none", Username: rep, PasswordFile: password})
		}
	})
	state := func(rep string) string {
		for _, m := range ask1[trail.Status](r, "/v1/status").Mailboxes {
			if m.Rep == rep {
				return m.State
			}
		}
		return ""
	}
	eventually(t, "one mailbox is parked and the other read", func() bool { return state("bad@ours.test") == "parked" && state("good@ours.test") == "ok" })
	out, err := r.try("status")
	if !errors.Is(err, errTrouble) || !strings.Contains(out, "NEEDS A PERSON") || !strings.Contains(out, "bad@ours.test") {
		t.Errorf("status says %v:\n%s", err, out)
	}
	if strings.Contains(out+r.log.String(), "wrong") {
		t.Error("a password is in the status or the log")
	}
}

func TestAnswersAreAsDocumented(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = nil // any host
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, nil)
	r.load(nil)
	r.command("attribute")
	check := func(method, path, body string, want int) {
		t.Helper()
		req, err := http.NewRequestWithContext(context.Background(), method, r.api.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+r.api.Key)
		if body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != want {
			t.Errorf("%s %s answers %s: %s", method, path, resp.Status, answer)
			return
		}
		route, params, err := router.FindRoute(req)
		if err != nil {
			t.Errorf("%s %s is not documented: %v", method, path, err)
			return
		}
		in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route}
		out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header}
		out.SetBodyBytes(answer)
		if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
			t.Errorf("%s %s: %v", method, path, err)
		}
	}
	for _, path := range []string{"/v1/status", "/v1/content", "/v1/content/C2?agents=all", "/v1/deals?limit=2", "/v1/deals/D1?model=first", "/v1/contacts/ann@acme.test",
		"/v1/accounts/acme.test", "/v1/reps", "/v1/attribution", "/v1/attribution?by=owner", "/v1/runs", "/v1/review?week=2026-W09", "/v1/keys"} {
		check("GET", path, "", 200)
	}
	check("POST", "/v1/shares", `{"content":"C1","rep":"rita@ours.test","to":["ann@acme.test"],"deal":"D1"}`, 201)
	check("POST", "/v1/content", `{"id":"C9","title":"New","url":"https://www.example.com/new"}`, 201)
	check("POST", "/v1/runs", `{"models":["last"]}`, 201)
	check("POST", "/v1/keys", `{"name":"grafana"}`, 201)
	check("POST", "/v1/users", `{"email":"mia@ours.test"}`, 201)
	check("GET", "/v1/deals/none", "", 404)
	check("GET", "/v1/content?agents=some", "", 400)
	check("GET", "/v1/attribution?model=magic", "", 400)
	check("GET", "/v1/attribution?from=2020-01-01", "", 404)
	check("POST", "/v1/content", `{"id":"C9","url":"javascript:alert(1)"}`, 400)
	check("POST", "/v1/content", `{"id":"C9","titel":"misspelt"}`, 400)
	check("POST", "/v1/shares", `{"content":"none","rep":"rita@ours.test"}`, 404)
	check("DELETE", "/v1/keys/grafana", "", 204)
	for _, key := range []string{"", "dt_wrong"} {
		r.api.Key = key
		check("GET", "/v1/deals", "", 401)
	}
}

func TestNoLinkWhileThePublicAddressIsLocal(t *testing.T) {
	r := start(t, func(c *Config) { c.Tracking.AllowLocal = false })
	r.load(nil)
	_, err := r.try("share", "--content", "C1", "--rep", "rita@ours.test")
	var p *trail.Problem
	if !errors.As(err, &p) || p.Code != trail.LocalAddress || !strings.Contains(p.Text, "server.public_url") {
		t.Errorf("share: %v", err)
	}
}

func TestFolderAndSitemapBecomeContent(t *testing.T) {
	r := start(t, nil)
	dir := t.TempDir()
	for name, text := range map[string]string{"Price list 2026.txt": "prices", ".hidden": "no", "sub/deck.txt": "slides"} {
		if err := writeNew(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := r.command("import", "content", dir)
	if !strings.Contains(out, "2 files accepted, 0 rejected") {
		t.Errorf("a folder: %s", out)
	}
	r.command("import", "content", r.file("map.xml", `<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>https://www.example.com/case-studies/dairy</loc></url></urlset>`))
	rows := ask1[struct{ Rows []trail.ContentRow }](r, "/v1/content").Rows
	if len(rows) != 3 {
		t.Fatalf("content: %+v", rows)
	}
	// A file without a URL is served at its link, as it is.
	i := slices.IndexFunc(rows, func(c trail.ContentRow) bool { return strings.HasPrefix(c.FileName, "Price") })
	link := strings.TrimSpace(r.command("share", "--content", rows[i].ID, "--rep", "rita@ours.test"))
	resp, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); string(body) != "prices" || resp.StatusCode != 200 {
		t.Errorf("the link serves %s %q", resp.Status, body)
	}
}

func TestRunAsOfThePastReplacesNoNewerOne(t *testing.T) {
	r := start(t, nil)
	past := time.Now().UTC().Format(time.RFC3339Nano)
	r.load(nil)
	if out := r.command("attribute"); !strings.Contains(out, "111.16") {
		t.Errorf("the won deals are worth 111.16:\n%s", out)
	}
	if out := r.command("attribute", "--as-of", past); strings.Contains(out, "111.16") {
		t.Errorf("as of before the import there was no deal:\n%s", out)
	}
	if report := ask1[trail.Attribution](r, "/v1/attribution"); report.Total.Value.Amount != "111.16" {
		t.Errorf("the report shows %s", report.Total.Value.Amount)
	}
}
