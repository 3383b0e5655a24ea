package main

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dealtrail/ingest/redistest"
	"dealtrail/store/storetest"
)

// TestTheDoctorSaysWhatToMendOfAddresses asks addresses as they go wrong, over real TLS.
func TestTheDoctorSaysWhatToMendOfAddresses(t *testing.T) {
	t.Parallel()
	leads := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodHead || q.URL.Path != "/o/doctor.gif" && q.URL.Path != "/healthz" {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	good, other := httptest.NewTLSServer(leads), httptest.NewTLSServer(http.NotFoundHandler())
	gone := httptest.NewTLSServer(leads)
	gone.Close()
	t.Cleanup(good.Close)
	t.Cleanup(other.Close)
	ends := good.Certificate().NotAfter
	for name, c := range map[string]struct {
		public, pages string
		trusted       bool
		now           time.Time
		want          []string
	}{
		"all leads here":             {public: good.URL, pages: good.URL, trusted: true, want: []string{"ok    public address: " + good.URL + " (127.0.0.1) leads to dealtrail, certificate until " + ends.Format(time.DateOnly)}},
		"pages elsewhere":            {public: good.URL, pages: other.URL, trusted: true, want: []string{"ok    public address", "MEND  pages: " + other.URL + " answers /healthz with status 404, so it leads to something else"}},
		"certificate of nobody":      {public: good.URL, pages: good.URL, want: []string{"has a certificate that browsers refuse"}},
		"certificate about to end":   {public: good.URL, pages: good.URL, trusted: true, now: ends.Add(-48 * time.Hour), want: []string{"MEND  public address: the certificate of 127.0.0.1 ends on"}},
		"nothing there":              {public: gone.URL, pages: gone.URL, trusted: true, want: []string{"MEND  public address: " + gone.URL + " (127.0.0.1) does not answer; let port"}},
		"a name that nobody has":     {public: "https://go.nobody.invalid", pages: good.URL, trusted: true, want: []string{"the name go.nobody.invalid is not known; make an A record", "ok    pages"}},
		"an address of this machine": {public: "http://127.0.0.1:8080", pages: "http://127.0.0.1:8080", want: []string{"MEND  public address: http://127.0.0.1:8080 is no address for prospects"}},
	} {
		t.Run(name, func(t *testing.T) {
			config := defaults()
			config.Server.PublicURL, config.Server.PagesURL = c.public, c.pages
			config.Tracking.AllowLocal = strings.HasPrefix(c.public, "https")
			client := *http.DefaultClient
			if c.trusted {
				client = *good.Client() // both have the same certificate
			}
			if c.now.IsZero() {
				c.now = ends.AddDate(-1, 0, 0)
			}
			var out bytes.Buffer
			d := &doctor{config: config, out: &out, now: func() time.Time { return c.now }, client: &client}
			d.addresses(t.Context())
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("it lacks %q:\n%s", want, out.String())
				}
			}
			if n := strings.Count(out.String(), "MEND"); n != d.ill || n != strings.Count(strings.Join(c.want, "\n"), "MEND") && name != "certificate of nobody" && name != "a name that nobody has" {
				t.Errorf("%d to mend:\n%s", d.ill, out.String())
			}
		})
	}
}

// TestTheDoctorLooksBeforeTheFirstStart runs the command where init was run and nothing is served.
func TestTheDoctorLooksBeforeTheFirstStart(t *testing.T) {
	t.Parallel()
	path := writeConfig(t, "[server]\nlisten = \"127.0.0.1:1\"\n[smtp]\nhost = \"127.0.0.1\"\nport = 1\nfrom = \"d@ours.test\"\n[[mailbox]]\nrep = \"ana@ours.test\"\nhost = \"127.0.0.1\"\nport = 1\npassword_file = \"ana\"\n")
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "ana"), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if err := run(t.Context(), []string{"--config", path, "doctor"}, &out, &errs); !errors.Is(err, errTrouble) {
		t.Errorf("it ends with %v", err)
	}
	for _, want := range []string{"MEND  server: nothing answers at http://127.0.0.1:1; start it with: dealtrail serve", "MEND  mailbox: ana@ours.test: Nothing answers at 127.0.0.1:1; check host and port.", "MEND  smtp: 127.0.0.1:1 does not answer", "MB are free in ", "redis-server is installed", "libchdb.so", " clock: ", " to mend\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it lacks %q:\n%s%s", want, out.String(), errs.String())
		}
	}
	if strings.Contains(out.String(), "secret") {
		t.Errorf("the password is shown:\n%s", out.String())
	}
}

// TestTheDoctorAsksServersOfOnesOwn asks a real Redis, and the engine by the URL that it has as a server.
func TestTheDoctorAsksServersOfOnesOwn(t *testing.T) {
	server := "unix://" + storetest.Engine(t).Socket()
	weak, rdb := redistest.Start(t)
	if err := rdb.ConfigSet(t.Context(), "appendfsync", "everysec").Err(); err != nil {
		t.Fatal(err)
	}
	strong, _ := redistest.Start(t)
	for name, c := range map[string]struct {
		redis, url, read string
		want             []string
	}{
		"all well":        {strong.URL(), server, "", []string{"ok    redis: redis.url answers", "ok    clickhouse: version "}},
		"weak, may write": {weak.URL(), server, server, []string{"MEND  redis: it keeps events with appendonly yes and appendfsync everysec", "MEND  clickhouse: the user of clickhouse.read_url has readonly = 0"}},
		"nobody there":    {"redis://127.0.0.1:1", "clickhouse://127.0.0.1:1", "", []string{"MEND  redis: redis.url: dial tcp 127.0.0.1:1", "MEND  clickhouse: clickhouse.url: dial tcp 127.0.0.1:1"}},
		"no addresses":    {"redis://ana:secret@[::1", "http://ana:secret@[::1", "", []string{"MEND  redis: redis.url cannot be read", "MEND  clickhouse: clickhouse.url: the address cannot be read"}},
	} {
		config := defaults()
		config.Redis.URL, config.ClickHouse.URL, config.ClickHouse.ReadURL = c.redis, c.url, c.read
		var out bytes.Buffer
		d := &doctor{config: config, out: &out}
		d.redis(t.Context())
		d.clickhouse(t.Context())
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: it lacks %q:\n%s", name, want, out.String())
			}
		}
		if strings.Contains(out.String(), "secret") {
			t.Errorf("%s: the password is shown:\n%s", name, out.String())
		}
	}
	for version, want := range map[string]bool{"24.8.4.13": true, "26.5.1": true, "24.3.1": false, "18.16.1": false, "": false} {
		if newEnough(version) != want {
			t.Errorf("version %q is new enough: %v", version, !want)
		}
	}
}
