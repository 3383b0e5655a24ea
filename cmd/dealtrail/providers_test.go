package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dealtrail/ingest/mailbox"
	"dealtrail/trail"
)

func TestBadProviderNamesTheKeyAndWhatIsExpected(t *testing.T) {
	const google = "[[provider]]\nname = \"g\"\nkind = \"google\"\nclient_id = \"1\"\n"
	const microsoft = "[[provider]]\nname = \"m\"\nkind = \"microsoft\"\nclient_id = \"1\"\n"
	const other = "[[provider]]\nname = \"o\"\nkind = \"other\"\nclient_id = \"1\"\n"
	const complete = other + "auth_url = \"https://sso.example/a\"\ntoken_url = \"https://sso.example/t\"\nscope = \"openid email mail\"\nhost = \"imap.example\"\n"
	const box = "[[mailbox]]\nrep = \"a@b.com\"\n"
	for text, wants := range map[string][]string{
		"[[provider]]\nkind = \"google\"":               {"provider 1 ()", "name is missing"},
		"[[provider]]\nname = \"g\"":                    {"provider 1 (g)", "kind is missing"},
		"[[provider]]\nname = \"g\"\nkind = \"gmail\"":  {"kind is \"gmail\"", "google, microsoft, other"},
		"[[provider]]\nname = \"g\"\nkind = \"google\"": {"client_id is missing"},
		"[[provider]]\nname = \"g\"\nclient = \"1\"":    {"unknown key", "provider.client"},
		google + google:                                           {"provider 2 (g)", "name is another provider's"},
		google + "mailboxes = [\"ana@b.com\"]":                    {"service_account_file is missing", "mailboxes"},
		google + "token_url = \"http://sso.example/token\"":       {"token_url", "https://"},
		google + "auth_url = \"sso\"":                             {"auth_url", "https://"},
		microsoft + "service_account_file = \"x\"":                {"service_account_file is for kind google"},
		microsoft + "mailboxes = [\"ana@b.com\"]":                 {"tenant is missing", "mailboxes"},
		microsoft + "tenant = \"t\"\nmailboxes = [\"ana@b.com\"]": {"client_secret_file is missing"},
		other:                                    {"auth_url is missing", "kind other"},
		complete + "security = \"none\"":         {"security none", "use tls"},
		complete + "security = \"ssl\"":          {"security is \"ssl\"", "tls, starttls, none"},
		complete + "port = 99999":                {"port is 99999"},
		complete + "mailboxes = [\"ana@b.com\"]": {"client_secret_file is missing"},
		complete + "client_secret_file = \"x\"\nmailboxes = [\"ana\"]":                                  {"mailboxes has \"ana\"", "sales@example.com=ana@example.com"},
		complete + "client_secret_file = \"x\"\nmailboxes = [\"a@b.com\", \"A@b.com=c@b.com\"]":         {"A@b.com=c@b.com", "provider 1 (o)", "once"},
		complete + "client_secret_file = \"x\"\nmailboxes = [\"a@b.com\"]\n" + box + "provider = \"o\"": {"a@b.com", "mailbox 1", "once"},
		box + "host = \"imap.b.com\"": {"password_file is missing", "exactly one of password_file, password_env and provider"},
		box + "host = \"imap.b.com\"\npassword_file = \"x\"\npassword_env = \"Y\"":       {"exclude each other"},
		google + box + "provider = \"g\"\npassword_env = \"Y\"":                          {"exclude each other"},
		google + box + "provider = \"h\"":                                                {"mailbox 1 (a@b.com)", "provider is \"h\"", "[[provider]]: g"},
		google + box + "provider = \"g\"":                                                {"refresh_token_file is missing", "service_account_file"},
		microsoft + box + "provider = \"m\"":                                             {"refresh_token_file is missing", "tenant"},
		box + "host = \"imap.b.com\"\npassword_file = \"x\"\nrefresh_token_file = \"y\"": {"refresh_token_file needs provider"},
	} {
		_, err := loadConfig(writeConfig(t, text), nil)
		if err == nil {
			t.Errorf("accepted: %s", text)
			continue
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s\n  says %q\n  and not %q", text, err, want)
			}
		}
	}
}

func TestProvidersMailboxesBecomeBoxes(t *testing.T) {
	c, err := loadConfig(writeConfig(t, `
[[provider]]
name = "google"
kind = "google"
service_account_file = "secrets/google.json"
mailboxes = ["Ana@example.com", "sales@example.com=ana@example.com"]

[[provider]]
name = "microsoft"
kind = "microsoft"
client_id = "1"
client_secret_file = "secrets/microsoft"

[[mailbox]]
rep = "ben@example.com"
provider = "microsoft"
refresh_token_file = "secrets/ben"

[[mailbox]]
rep = "cleo@example.com"
host = "imap.example.com"
password_env = "DEALTRAIL_TEST_CLEO"
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	providers, err := c.providers()
	if err != nil {
		t.Fatal(err)
	}
	boxes := c.boxes(trail.ContactKey("made-up-contact-key-0123456789-abcdef"), providers)
	names := map[string]bool{}
	got := map[string]string{}
	for _, b := range boxes {
		if err := b.Validate(); err != nil {
			t.Error(err)
		}
		names[b.Name] = true
		got[b.Username] = fmt.Sprintf("%s %v %s:%d %s %v %d", b.Rep, b.Aliases, b.Host, b.Port, b.Security, b.Token != nil, b.DailyBytes>>20)
	}
	if len(names) != len(boxes) {
		t.Errorf("names are shared: %v", names)
	}
	for user, want := range map[string]string{
		"ana@example.com":   "ana@example.com [] imap.gmail.com:993 tls true 2000",
		"sales@example.com": "ana@example.com [sales@example.com] imap.gmail.com:993 tls true 2000",
		"ben@example.com":   "ben@example.com [] outlook.office365.com:993 tls true 2000",
		"cleo@example.com":  "cleo@example.com [] imap.example.com:993 tls false 2000",
	} {
		if got[user] != want {
			t.Errorf("%s is %s, not %s", user, got[user], want)
		}
	}
	for _, b := range boxes {
		if b.Username != "cleo@example.com" {
			continue
		}
		if _, err := b.Password(); err == nil || !strings.Contains(err.Error(), "password_env") {
			t.Errorf("without the variable: %v", err)
		}
		t.Setenv("DEALTRAIL_TEST_CLEO", "made-up password ")
		if password, err := b.Password(); err != nil || password != "made-up password " {
			t.Errorf("got %q, %v", password, err)
		}
	}
}

func TestRenewedRefreshTokenIsWrittenBack(t *testing.T) {
	var used []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		used = append(used, r.FormValue("refresh_token"))
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"access_token": "access", "expires_in": 1, "refresh_token": fmt.Sprintf("renewed-%d", len(used))})
	}))
	t.Cleanup(s.Close)
	path := filepath.Join(t.TempDir(), "ana")
	token := fileTokens(&mailbox.Provider{Name: "ours", Kind: mailbox.Other, ClientID: "1", TokenURL: s.URL}, path)
	ask := func(want string) {
		t.Helper()
		if access, err := token(t.Context(), ""); err != nil || access != "access" || used[len(used)-1] != want {
			t.Errorf("got %q, %v with %v; want %s used", access, err, used, want)
		}
	}
	_, err := token(t.Context(), "")
	if problem := (*trail.Problem)(nil); !errors.As(err, &problem) || !strings.Contains(problem.Text, "refresh_token_file") {
		t.Errorf("without the file: %v", err)
	}
	if err := os.WriteFile(path, []byte("first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ask("first")
	ask("renewed-1")
	text, err := os.ReadFile(path)
	info, _ := os.Stat(path)
	if err != nil || string(text) != "renewed-2\n" || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has %q, %v", text, err)
	}
	if err := os.WriteFile(path, []byte("connected-again\n"), 0o600); err != nil { // by a person
		t.Fatal(err)
	}
	ask("connected-again")
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".renewed-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A provider whose refresh tokens are good once: what it renewed while the file
// could not be written must not be lost.
func TestRenewedRefreshTokenThatCannotBeWrittenIsNotLost(t *testing.T) {
	good := "r0"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("refresh_token") != good {
			http.Error(w, `{"error": "invalid_grant"}`, http.StatusBadRequest)
			return
		}
		good += "+"
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"access_token": "access", "expires_in": 1, "refresh_token": good})
	}))
	t.Cleanup(s.Close)
	file, err := os.Create(filepath.Join(t.TempDir(), "ana"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString("r0\n"); err != nil {
		t.Fatal(err)
	}
	// It can be read there, and nothing can be put in its place, whoever tries.
	token := fileTokens(&mailbox.Provider{Name: "ours", Kind: mailbox.Other, ClientID: "1", TokenURL: s.URL}, fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
	for range 3 {
		_, err := token(t.Context(), "")
		if problem := (*trail.Problem)(nil); !errors.As(err, &problem) || !strings.Contains(problem.Text, "refresh_token_file and its folder can be written") {
			t.Fatalf("the renewed token was lost: %v", err)
		}
	}
	if good != "r0+++" {
		t.Errorf("the provider gave %q", good)
	}
}

func TestSampleWithProvidersReadsBack(t *testing.T) {
	path := writeConfig(t, "[[provider]]\nname = \"m\"\nkind = \"microsoft\"\nclient_id = \"1\"\n[[mailbox]]\nrep = \"a@b.com\"\nprovider = \"m\"\nrefresh_token_file = \"x\"\n")
	c, err := loadConfig(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	again := writeConfig(t, string(c.sample()))
	read, err := loadConfig(again, nil)
	if err != nil || string(read.sample()) != string(c.sample()) {
		t.Errorf("%v\n%s", err, c.sample())
	}
	// Without the comment signs the examples are a configuration.
	var examples strings.Builder
	inside := false
	for line := range strings.Lines(string(defaults().sample())) {
		if text, ok := strings.CutPrefix(line, "# "); ok && (inside || strings.HasPrefix(text, "[[")) {
			inside = true
			examples.WriteString(text)
		} else {
			inside = false
		}
	}
	if _, err := loadConfig(writeConfig(t, examples.String()), nil); err != nil || strings.Count("\n"+examples.String(), "\n[[") != 4 {
		t.Errorf("%v\n%s", err, examples.String())
	}
}
