package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"dealtrail/trail"
)

// front is the proxy before several processes: it asks one of them, and when that one
// closes the connection because it ends, the next.
type front struct{ behind atomic.Pointer[[]*served] }

func (f *front) lead(to ...*served) { f.behind.Store(&to) }

// RoundTrip is how the proxy asks.
func (f *front) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	for _, s := range *f.behind.Load() {
		u, _ := url.Parse(s.url)
		next := r.Clone(r.Context())
		next.URL.Scheme, next.URL.Host = u.Scheme, u.Host
		if resp, err = http.DefaultTransport.RoundTrip(next); err == nil {
			return resp, nil
		}
	}
	return nil, err
}

// nextVersion is what the next version of the program adds to the tables that are there:
// a column with a default, and a view that shows something more. docs/upgrade.md says
// that it may do no more.
const (
	nextColumn = "-- A row of events has besides: what only the next version knows.\nALTER TABLE events ADD COLUMN IF NOT EXISTS next_version LowCardinality(String) DEFAULT 'unknown'\n"
	nextView   = "SELECT *, 1 AS next_view FROM"
)

// buildNext builds a program of this tree whose schema is the next version's.
func buildNext(t *testing.T) string {
	t.Helper()
	dir := shortDir(t)
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	facts, err := os.ReadFile(root + "/store/view/1_facts.sql")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"column.sql": nextColumn, "facts.sql": strings.Replace(string(facts), "SELECT * FROM", nextView, 1),
		"overlay.json": fmt.Sprintf(`{"Replace": {"%[1]s/store/schema/9000_next.sql": "%[2]s/column.sql", "%[1]s/store/view/1_facts.sql": "%[2]s/facts.sql"}}`, root, dir),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "dealtrail")
	build := exec.Command("go", "build", "-overlay", dir+"/overlay.json", "-ldflags", "-X main.version=next", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// TestUpgradeLosesNoClick replaces a version by the next while people click, and takes it
// back: both work side by side on one Redis and one ClickHouse. In the long form the
// next version is a program of its own; in the short form it is this one under another
// name, and the test does to the tables what the other would.
func TestUpgradeLosesNoClick(t *testing.T) {
	beside(t)
	out := startOutside(t)
	secrets := newSecrets()
	old := site(t, out.text(), &secrets)
	old.env = []string{asVersion + "=old"}
	old.start()
	next := site(t, out.text(), &secrets)
	next.env = []string{asVersion + "=next"}
	if soaking {
		next.program = buildNext(t)
	}
	proxy := &front{}
	proxy.lead(old)
	server := httptest.NewServer(&httputil.ReverseProxy{Transport: proxy, Rewrite: func(*httputil.ProxyRequest) {}})
	defer server.Close()
	people := startLoad(100, server.URL+old.link("deck"))
	defer people.stop()
	more := func() { t.Helper(); people.more(t, either(100, 2000)) }
	more()

	next.start()
	if !soaking {
		for _, statement := range []string{
			nextColumn, "CREATE OR REPLACE VIEW facts AS " + nextView + " events FINAL WHERE received_at <= {as_of:DateTime64(3)}",
			"INSERT INTO migrations VALUES ('9000_next.sql', 'next', now64(3))",
		} {
			sql(t, out.socket(), statement)
		}
	}
	_ = sql(t, out.socket(), "SELECT next_version, next_view FROM facts(as_of = toDateTime64('2100-01-01', 3)) LIMIT 1") // the next version's is there
	eventually(t, "both versions are at work", func() bool {
		st, err := old.status()
		versions := map[string]bool{}
		for _, n := range st.Nodes {
			versions[n.Version] = true
		}
		return err == nil && versions["old"] && versions["next"]
	})
	proxy.lead(next, old)
	more()
	for _, s := range []*served{old, next} { // each reads and writes what the other made
		link := s.link("made-by-" + filepath.Base(s.dir))
		for _, reader := range []*served{old, next} {
			resp, err := http.DefaultTransport.RoundTrip(httptest.NewRequest(http.MethodHead, reader.url+link, nil)) // which counts nothing
			if err != nil || resp.StatusCode != http.StatusFound {
				t.Errorf("%s answers %v, %v to a link of the other version", reader.url, resp, err)
			}
			var list struct{ Rows []trail.ContentRow }
			if err := reader.api.Get(t.Context(), "/v1/content", nil, &list); err != nil {
				t.Errorf("a report of %s: %v", reader.url, err)
			}
		}
	}
	old.stop() // requests that it has are answered first
	more()

	last := next
	if soaking { // taken back: the old version starts on what the next left
		old.start()
		proxy.lead(old, next)
		more()
		next.stop()
		more()
		last = old
	}
	people.stop()
	if people.fails > 0 {
		t.Errorf("%d clicks got no redirect: %q", people.fails, people.failed)
	}
	settled(t, last)
	neverMissing(t, old, next)
	checkLedger(t, last, out.socket(), true, people)
}
