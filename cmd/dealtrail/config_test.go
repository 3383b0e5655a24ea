package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeConfig writes a configuration and fresh secrets into a folder of its own.
func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dealtrail.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(secretsPath(path), newSecrets().text(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBadConfigurationNamesTheKeyAndWhatIsExpected(t *testing.T) {
	refused := func(text string, wants ...string) {
		t.Helper()
		_, err := loadConfig(writeConfig(t, text), nil)
		if err == nil {
			t.Errorf("accepted: %s", text)
			return
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s\n  says %q\n  and not %q", text, err, want)
			}
		}
	}
	refused("[server]\nlissten = \"x\"", "server.lissten", "line 2", "unknown key")
	refused("[sever]\nlisten = \"x\"", "sever", "unknown key")
	refused("[mailboxes]\n[server]\n[mailboxes]\nallow_private = true", "line 3: mailboxes", "further up in the file, change it there")
	refused("[mailboxes]\nallow_private = false\nallow_private = true", "line 3: allow_private", "further up in the file")
	refused("[server]\nlisten = 8080", "server.listen", "a text in quotes")
	refused("[tracking]\nallow_local = \"yes\"", "tracking.allow_local", "true or false")
	refused("[mailboxes]\nsince = \"30\"", "mailboxes.since", "12 months")
	refused("[mailboxes]\nevery = \"often\"", "mailboxes.every")
	refused("[company]\ndomains = \"a.com\"", "company.domains", "a list")
	refused("[company]\nzone = \"Mars/North\"", "company.zone", "Europe/Berlin")
	refused("[review]\nanswer_days = 0", "review.answer_days is 0", "1 to 365")
	refused("[service]\nanswer_hours = 0", "service.answer_hours is 0", "1 to 2160")
	refused("[service]\nhours = \"9-17\"", "service.hours", "Mon-Fri 09:00-17:00")
	refused("[company]\ncurrency = \"euro\"", "company.currency", "EUR")
	refused("[company]\nrates = { USD = \"-1\" }", "company.rates.USD", "over zero")
	refused("[server]\npublic_url = \"go.example.com\"", "server.public_url", "https://")
	refused("[server]\npublic_url = \"https://a-very-long-name-of-a-host.marketing.example.com\"", "server.public_url", "70")
	refused("[server]\nlisten = \"8080\"", "server.listen", "host:port")
	refused("[tracking]\npixel = \"always\"", "tracking.pixel", "off, consent, on")
	refused("[[mailbox]]\nrep = \"a@b.com\"\nhost = \"imap.b.com\"", "mailbox 1 (a@b.com)", "password_file is missing")
	refused("[[mailbox]]\nrep = \"a@b.com\"\nhost = \"imap.b.com\"\npassword_file = \"x\"\nsecurity = \"none\"", "security none", "use tls")
	refused("[tracking]\nlinks = \"maybe\"", "tracking.links", "off, consent, account, on")
	refused("[tracking]\nfallback_url = \"www.example.com\"", "tracking.fallback_url", "https://")
	refused("[attribution]\nwindow_days = -5", "attribution.window_days")
	refused("[company]\ncurrency = \"123\"", "company.currency")
	refused("[crm.hubspot]\nclient_secret_file = \"x\"", "crm.hubspot", "token_file is missing")
	refused("[crm.acme]\ntoken_file = \"x\"", "crm.acme", "type is \"acme\"", "standard")
	refused("[crm.shop]\ntype = \"standard\"", "crm.shop", "secret_file is missing")
	refused("[crm.Shop]\ntype = \"standard\"\nsecret_file = \"x\"", "crm.Shop", "small letters")
	refused("[crm.pipedrive]\ntoken_file = \"x\"", "crm.pipedrive", "url is missing")
	refused("[crm.pipedrive]\npassword_file = \"x\"", "crm.pipedrive", "both user and password_file")
	refused("[crm.pipedrive]\ntoken_file = \"x\"\nurl = \"http://127.0.0.1\"", "crm.pipedrive", "https://")
	refused("[crm.salesforce]\nsecret_file = \"x\"", "crm.salesforce", "organization_id")
	refused("[crm.salesforce]\nclient_id = \"x\"", "crm.salesforce", "client_secret_file")
	refused("[crm.close]\ntype = \"close\"", "crm.close", "token_file and secret_file")
	refused("[crm.attio]\nsecret_file = \"x\"", "crm.attio", "token_file is missing")
	refused("[crm.close]\ntoken_file = \"x\"\nevery = \"1s\"", "crm.close", "a minute")
	refused("[crm.close]\ntoken = \"x\"", "crm.close", "unknown key")
	refused("[clickhouse]\ncluster = \"a'b\"", "clickhouse.cluster")
	refused("[clickhouse]\ncluster = \"prod\"", "clickhouse.url")
	refused("[log]\nformat = \"xml\"", "log.format", "text, json")
	refused("not toml", "dealtrail.toml")
}

func TestSecretsArePrintedNowhere(t *testing.T) {
	s := newSecrets()
	var out strings.Builder
	logger(&out).Info("secrets", "secrets", s, "pointer", &s, "key", s.AdminKey)
	fmt.Fprintf(&out, "%v %+v %#v %s %q", s, s, &s, s.ContactKey, s.AdminKey)
	for _, secret := range append(s.TokenKeys, s.ContactKey.Reveal(), s.AdminKey.Reveal()) {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%s", &out)
		}
	}
	if !strings.Contains(string(s.text()), s.AdminKey.Reveal()) {
		t.Error("the file does not hold them")
	}
}

func TestMissingSecretIsNamed(t *testing.T) {
	path := writeConfig(t, "")
	for key, text := range map[string]string{
		"token_keys":  "contact_key = \"" + strings.Repeat("x", 40) + "\"\nadmin_key = \"" + strings.Repeat("x", 40) + "\"",
		"contact_key": "token_keys = [\"a:" + strings.Repeat("x", 40) + "\"]\nadmin_key = \"" + strings.Repeat("x", 40) + "\"",
		"admin_key":   "token_keys = [\"a:" + strings.Repeat("x", 40) + "\"]\ncontact_key = \"" + strings.Repeat("x", 40) + "\"",
	} {
		if err := os.WriteFile(secretsPath(path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadSecrets(secretsPath(path)); err == nil || !strings.Contains(err.Error(), key+" is missing") {
			t.Errorf("without %s: %v", key, err)
		}
	}
	if err := os.Remove(secretsPath(path)); err != nil {
		t.Fatal(err)
	}
	if _, err := loadSecrets(secretsPath(path)); err == nil || !strings.Contains(err.Error(), "dealtrail init") {
		t.Errorf("without the file: %v", err)
	}
}

func TestEnvironmentWins(t *testing.T) {
	path := writeConfig(t, "[server]\nlisten = \"127.0.0.1:1\"")
	c, err := loadConfig(path, []string{"DEALTRAIL_SERVER_LISTEN=127.0.0.1:2", "DEALTRAIL_COMPANY_DOMAINS=a.com,b.com", "DEALTRAIL_MAILBOXES_EVERY=5s", "DEALTRAIL_COMPANY_RATES=USD=0.9"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Server.Listen != "127.0.0.1:2" || len(c.Company.Domains) != 2 || shortDuration(c.Mailboxes.Every) != "5s" || c.Company.Rates["USD"] != "0.9" {
		t.Errorf("got %+v", c)
	}
	if _, err := loadConfig(path, []string{"DEALTRAIL_MAILBOXES_SINCE=many"}); err == nil || !strings.Contains(err.Error(), "DEALTRAIL_MAILBOXES_SINCE") {
		t.Errorf("a wrong variable: %v", err)
	}
}

func TestInitWritesWhatServeReadsAndNeverOverwrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dealtrail.toml")
	var out, errs bytes.Buffer
	if err := run(context.Background(), []string{"--config", path, "init"}, &out, &errs); err != nil {
		t.Fatal(err)
	}
	c, err := loadConfig(path, nil)
	if err != nil {
		t.Fatalf("what init wrote: %v", err)
	}
	if _, err := loadSecrets(secretsPath(path)); err != nil {
		t.Fatalf("what init wrote: %v", err)
	}
	fresh := defaults()
	fresh.path = path
	if got, want := string(c.sample()), string(fresh.sample()); got != want {
		t.Errorf("the sample does not read back as the defaults:\n%s", got)
	}
	info, err := os.Stat(secretsPath(path))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("secrets are readable by others: %v %v", info.Mode(), err)
	}
	before, _ := os.ReadFile(secretsPath(path))
	if err := run(context.Background(), []string{"--config", path, "init"}, &out, &errs); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("a second init: %v", err)
	}
	if after, _ := os.ReadFile(secretsPath(path)); !bytes.Equal(before, after) {
		t.Error("a second init changed the keys")
	}
}

func TestQuestionsAreAskedAgainUntilTheAnswerWorks(t *testing.T) {
	c := defaults()
	answers := "nonsense\nhttps://go.example.com\nexample.com example.org\nMars\nEurope/Berlin\n\nmaybe\non\n\nsoon\n14 days\n"
	if err := ask(c, strings.NewReader(answers), &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	if c.Server.PublicURL != "https://go.example.com" || len(c.Company.Domains) != 2 || c.Company.Zone != "Europe/Berlin" || c.Mailboxes.Since.String() != "14 days" {
		t.Errorf("got %+v", c)
	}
}

func TestWrongUsageIsTwo(t *testing.T) {
	// The server knows which models there are.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"title":"Bad Request","status":400,"code":"invalid","detail":"There is no model '%s'."}`, q.FormValue("model"))
	}))
	defer server.Close()
	for _, args := range [][]string{{"nosuch"}, {"import", "people", "x"}, {"share", "--content", "C1"}, {"attribute", "--model", "magic", "--url", server.URL, "--key", "k"}} {
		err := run(context.Background(), args, &bytes.Buffer{}, &bytes.Buffer{})
		if usage := (usageError{}); !errors.As(err, &usage) {
			t.Errorf("%v: %v (%T)", args, err, err)
		}
	}
}

func TestSecretsComeFromFiles(t *testing.T) {
	path := writeConfig(t, "")
	file := filepath.Join(filepath.Dir(path), "url")
	if err := os.WriteFile(file, []byte("redis://:secret@redis:6379/0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := loadConfig(path, []string{"DEALTRAIL_REDIS_URL_FILE=" + file})
	if err != nil || c.Redis.URL != "redis://:secret@redis:6379/0" {
		t.Errorf("redis.url is %q: %v", c.Redis.URL, err)
	}
	if c, err = loadConfig(path, []string{"DEALTRAIL_REDIS_URL_FILE=" + file, "DEALTRAIL_REDIS_URL=redis://other"}); err != nil || c.Redis.URL != "redis://other" {
		t.Errorf("the variable itself loses: %q, %v", c.Redis.URL, err)
	}
	if _, err := loadConfig(path, []string{"DEALTRAIL_REDIS_URL_FILE=" + file + "x"}); err == nil || !strings.Contains(err.Error(), "DEALTRAIL_REDIS_URL_FILE") {
		t.Errorf("a file that is missing: %v", err)
	}
}

func TestTheLogIsWrittenAsConfigured(t *testing.T) {
	c := defaults()
	c.Log.Format, c.Log.Level = "json", "warn"
	var b bytes.Buffer
	log := c.logger(&b)
	log.Info("unheard")
	log.Warn("heard", "n", 1)
	var line struct {
		Level, Msg string
		N          int
	}
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || line.Level != "WARN" || line.Msg != "heard" || line.N != 1 {
		t.Errorf("the log has %q: %v", b.String(), err)
	}
	// Whatever somebody sends, a line is a line.
	for _, format := range []string{"text", "json"} {
		b.Reset()
		c.Log.Format = format
		c.logger(&b).Warn("heard", "who", "eve\r\ntime=2026-11-26 level=ERROR msg=forged\u2028\x1b[2J", "err", errors.New("no\nlevel=ERROR msg=forged"))
		if text := b.String(); strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") || strings.ContainsAny(text, "\r\u2028\x1b") {
			t.Errorf("%s: %q", format, text)
		}
	}
}
