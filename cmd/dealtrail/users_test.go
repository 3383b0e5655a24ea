package main

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"dealtrail/access"
	"dealtrail/api"
	"dealtrail/trail"
)

// TestPeopleAndKeysFromTheCommandLine goes the way of who sets dealtrail up: the first
// link, people, roles, keys, and what each then sees over HTTP of a deal.
func TestPeopleAndKeysFromTheCommandLine(t *testing.T) {
	t.Parallel()
	r := start(t, nil)
	var said strings.Builder
	if err := r.sayFirstLink(t.Context(), &said); err != nil || !strings.Contains(said.String(), "/signin?code=") {
		t.Fatalf("the first start says %q %v", &said, err)
	}
	r.command("user", "add", "ada@ours.test")
	said.Reset()
	if err := r.sayFirstLink(t.Context(), &said); err != nil || said.Len() > 0 {
		t.Errorf("with an admin it says %q %v", &said, err)
	}
	link := strings.TrimSpace(r.command("user", "add", "rita@ours.test", "--role", "rep", "--team", "North", "--name", "Rita"))
	mia := strings.TrimSpace(r.command("user", "add", "mia@ours.test", "--role", "marketer"))
	r.command("import", "deals", r.file("deals.csv", "id,name,account,domain,amount,currency,stage,status,owner,contacts\nD-1,Big,Acme,acme.example,100,EUR,Demo,open,rita@ours.test,carla@acme.example\nD-2,Other,Bolt,bolt.example,100,EUR,Demo,open,ben@ours.test,bo@bolt.example\n"))
	r.command("import", "contacts", r.file("contacts.csv", "email,name,account,domain,title\ncarla@acme.example,Carla Canary,Acme,acme.example,CISO\n"))

	browse := func(link string) *http.Client {
		t.Helper()
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		b := &http.Client{Jar: jar}
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := b.PostForm(r.config0().Server.PublicURL+"/signin", url.Values{"code": {u.Query().Get("code")}, "next": {"/start"}})
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("sign-in: %v %v", answer, err)
		}
		answer.Body.Close()
		return b
	}
	listed := func(b *http.Client, key string) (status int, ids []string, named bool) {
		t.Helper()
		c := &api.Client{URL: r.api.URL, Key: key, HTTP: b}
		var list struct{ Rows []trail.DealRow }
		req := func(path string, out any) (int, string) {
			q, err := http.NewRequestWithContext(t.Context(), "GET", c.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if key != "" {
				q.Header.Set("Authorization", "Bearer "+key)
			}
			answer, err := b.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			var raw json.RawMessage
			if err := json.NewDecoder(answer.Body).Decode(&raw); err != nil {
				t.Fatal(err)
			}
			if answer.StatusCode == 200 {
				if err := json.Unmarshal(raw, out); err != nil {
					t.Fatal(err)
				}
			}
			return answer.StatusCode, string(raw)
		}
		status, _ = req("/v1/deals", &list)
		for _, d := range list.Rows {
			ids = append(ids, d.ID)
		}
		slices.Sort(ids)
		var d trail.DealDetail
		_, text := req("/v1/deals/D-1", &d)
		return status, ids, strings.Contains(text, "carla@acme.example") && strings.Contains(text, "Canary")
	}
	key := func(scope ...string) string {
		args := []string{"key", "new", strings.Join(scope, "+")}
		for _, s := range scope {
			args = append(args, "--scope", s)
		}
		return strings.TrimSpace(r.command(args...))
	}
	plain, rita := http.DefaultClient, browse(link)
	for who, c := range map[string]struct {
		browser *http.Client
		key     string
		status  int
		ids     string
		named   bool
	}{
		"rita":       {rita, "", 200, "D-1", true},
		"mia":        {browse(mia), "", 200, "D-1 D-2", false},
		"key read":   {plain, key("read"), 200, "D-1 D-2", false},
		"key people": {plain, key("read", "people"), 200, "D-1 D-2", true},
		"key ingest": {plain, key("ingest"), 403, "", false},
		"admin key":  {plain, r.api.Key, 200, "D-1 D-2", true},
	} {
		status, ids, named := listed(c.browser, c.key)
		if status != c.status || strings.Join(ids, " ") != c.ids || named != c.named {
			t.Errorf("%s: %d %q named %v; want %d %q %v", who, status, ids, named, c.status, c.ids, c.named)
		}
	}
	if out := r.command("user", "list"); !strings.Contains(out, "rita@ours.test") || !strings.Contains(out, "North") || !strings.Contains(out, "marketer") {
		t.Errorf("user list:\n%s", out)
	}
	if out := r.command("key", "list"); !strings.Contains(out, "read, people") || !strings.Contains(out, "read+people") {
		t.Errorf("key list:\n%s", out)
	}
	r.command("key", "revoke", "ingest")
	if out := r.command("user", "role", "rita@ours.test", "rep", "facilitator", "--people"); out != "rita@ours.test is now rep, facilitator\n" {
		t.Errorf("user role: %q", out)
	}
	if status, _, _ := listed(rita, ""); status != http.StatusUnauthorized {
		t.Errorf("after her roles changed her session gets %d", status)
	}
	r.command("user", "disable", "rita@ours.test")
	if _, err := r.try("user", "disable", "ada@ours.test"); err == nil {
		t.Error("the only admin is disabled")
	}
	entries := ask1[struct{ Rows []access.Entry }](r, "/v1/access")
	if len(entries.Rows) < 3 || strings.Contains(r.log.String(), "carla@") {
		t.Errorf("the access log: %+v", entries)
	}
	for _, secret := range []string{r.api.Key, strings.TrimPrefix(link, r.config0().Server.PublicURL)} {
		if strings.Contains(r.log.String(), secret) {
			t.Error("the log holds a secret")
		}
	}
}
