package main

import (
	"context"
	"errors"
	"io"
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
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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
	eventually(t, "both clicks are in the report", func() bool {
		return ask1[trail.ContentDetail](r, "/v1/content/C1").Clicks-before == 2
	})
	if lost := ask1[trail.Status](r, "/v1/status").Lost; lost != 0 {
		t.Errorf("%d clicks were lost", lost)
	}
}

func TestClicksOfARedisOutageAreCountedOnceEach(t *testing.T) {
	r := start(t, nil)
	r.load(nil)
	link := strings.TrimSpace(r.command("share", "--content", "C1", "--rep", "rita@ours.test"))
	before := ask1[trail.ContentDetail](r, "/v1/content/C1").Clicks
	pid := r.children[0].Pid()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	var took []time.Duration
	for range 100 {
		began := time.Now()
		resp := click(t, link)
		took = append(took, time.Since(began))
		if resp.StatusCode != 302 {
			t.Errorf("a click answers %s", resp.Status)
		}
		ids[resp.Header.Get("X-Request-Id")] = true
	}
	// A busy machine delays one or another.
	if slices.Sort(took); took[50] > time.Second {
		t.Errorf("half of the redirects took %s and more", took[50])
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "every click is in the report", func() bool {
		return ask1[trail.ContentDetail](r, "/v1/content/C1").Clicks-before >= 100
	})
	s := ask1[trail.Status](r, "/v1/status")
	if n := ask1[trail.ContentDetail](r, "/v1/content/C1").Clicks - before; n != 100 || len(ids) != 100 || s.Lost != 0 {
		t.Errorf("100 clicks gave %d IDs, %d in the report, %d lost", len(ids), n, s.Lost)
	}
}

func TestReadersGetATemporaryErrorWhileTheEngineIsAway(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
			c.Boxes = append(c.Boxes, Mailbox{Rep: rep, Host: host, Port: port, Security: "none", Username: rep, PasswordFile: password})
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
	t.Parallel()
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
	for _, path := range []string{
		"/v1/status", "/v1/content", "/v1/content/C2?agents=all", "/v1/deals?limit=2", "/v1/deals/D1?model=first", "/v1/contacts/ann@acme.test",
		"/v1/accounts/acme.test", "/v1/reps", "/v1/sighted?dismissed=true", "/v1/baseline", "/v1/attribution", "/v1/attribution?by=owner", "/v1/attribution?by=month&model=markov", "/v1/attribution?model=markov&content=C1&owner=rita@ours.test", "/v1/attribution/why?content=C1", "/v1/attribution/why?deal=D4&content=%28none%29&limit=1", "/v1/spend", "/v1/runs", "/v1/review?week=2026-W09", "/v1/keys", "/v1/mailboxes",
	} {
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
	check("GET", "/v1/attribution/why?from=2020-01-01", "", 404)
	check("GET", "/v1/attribution?tean=north", "", 400)
	check("POST", "/v1/content", `{"id":"C9","url":"javascript:alert(1)"}`, 400)
	check("POST", "/v1/content", `{"id":"C9","titel":"misspelt"}`, 400)
	check("POST", "/v1/shares", `{"content":"none","rep":"rita@ours.test"}`, 404)
	check("DELETE", "/v1/keys/grafana", "", 204)
	check("POST", "/v1/mailboxes", `[{"rep":"ana@ours.test","host":"127.0.0.1","port":1,"security":"none","password":"pw"},{"rep":"ana"}]`, 200)
	check("GET", "/v1/mailboxes", "", 200)
	check("POST", "/v1/mailboxes/ana@ours.test/pause", "", 204)
	check("POST", "/v1/mailboxes/ana@ours.test/resume", "", 204)
	check("POST", "/v1/mailboxes/ana@ours.test/check", "", 503)
	check("DELETE", "/v1/mailboxes/ana@ours.test", "", 204)
	check("POST", "/v1/mailboxes/ana@ours.test/check", "", 404)
	for _, key := range []string{"", "dt_wrong"} {
		r.api.Key = key
		check("GET", "/v1/deals", "", 401)
	}
}

func TestNoLinkWhileThePublicAddressIsLocal(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *Config) { c.Tracking.AllowLocal = false })
	r.load(nil)
	_, err := r.try("share", "--content", "C1", "--rep", "rita@ours.test")
	var p *trail.Problem
	if !errors.As(err, &p) || p.Code != trail.LocalAddress || !strings.Contains(p.Text, "server.public_url") {
		t.Errorf("share: %v", err)
	}
}

func TestFolderAndSitemapBecomeContent(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
