package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"dealtrail/trail"
)

// postbox is a mail server and a chat's webhook that keep what they get.
type postbox struct {
	mu     sync.Mutex
	mails  []string
	posts  []string
	status int
}

func (p *postbox) Mail(string, *smtp.MailOptions) error { return nil }
func (p *postbox) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (p *postbox) Reset()                               {}
func (p *postbox) Logout() error                        { return nil }
func (p *postbox) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, string(raw))
	return err
}

func (p *postbox) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.posts = append(p.posts, string(body))
	w.WriteHeader(p.status)
}

func (p *postbox) got() (mails, posts []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mails, p.posts
}

func TestServeSendsWhatIsDueAndStatusTellsWhatItCannot(t *testing.T) {
	t.Parallel()
	box := &postbox{status: 200}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return box, nil }))
	server.Domain = "localhost"
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(ln) //nolint:errcheck // it ends when it is closed
	defer server.Close()
	hook := httptest.NewServer(box)
	defer hook.Close()

	path := writeConfig(t, "")
	dir := filepath.Dir(path)
	if err := os.WriteFile(filepath.Join(dir, "hook"), []byte(hook.URL+"/T0/B0/secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// A company whose review of last week is due, while nothing runs.
	zone := byDay(t)
	r := startOn(t, path, func(c *Config) { c.Company.Zone = zone })
	week, since := trail.UsualReview.Due(time.Now(), r.zone)
	before := since.Add(-48 * time.Hour).UTC().Truncate(time.Second)
	told := trail.Registration("csv", trail.DealKind, "D-1", trail.State{}, trail.State{Attrs: map[string]string{"name": "Big", "status": "open", "created_at": before.Format(time.RFC3339)}}, before)
	if err := r.buffer.Append(t.Context(), told); err != nil {
		t.Fatal(err)
	}
	if err := r.buffer.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.stop()

	// Where the files are to be written there is a file.
	if err := os.WriteFile(filepath.Join(dir, "taken"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r = startOn(t, path, func(c *Config) {
		c.SMTP.Host, c.SMTP.Port, c.SMTP.TLS, c.SMTP.From = "127.0.0.1", ln.Addr().(*net.TCPAddr).Port, "none", "dealtrail <dealtrail@ours.test>"
		c.Review.MailTo, c.Review.Dir = []string{"lee@ours.test"}, "taken"
		c.Digest.On = true
		c.Company.Domains, c.Company.Zone = []string{"ours.test"}, zone
		c.Chats = []Chat{{Name: "sales", Kind: "slack", URLFile: "hook", Events: []string{"review_ready"}, AllowPrivate: true}}
	})
	eventually(t, "mail and chat know of the review", func() bool {
		mails, posts := box.got()
		return len(mails) == 1 && len(posts) == 1 && strings.Contains(mails[0], week) && strings.Contains(posts[0], week)
	})
	eventually(t, "status tells that the files cannot be written", func() bool {
		return strings.Contains(strings.Join(ask1[trail.Status](r, "/v1/status").Trouble, "\n"), "The files of the weekly review cannot be written")
	})
	if out := r.command("outbox", "list"); !strings.Contains(out, "lee@ours.test") || !strings.Contains(out, "sales") || strings.Contains(out, "secret") {
		t.Errorf("outbox list: %s", out)
	}
	if out := r.command("outbox", "test", "sales"); !strings.Contains(out, "took the message") {
		t.Errorf("outbox test: %s", out)
	}
	if out := r.command("outbox", "test", "anna@ours.test"); !strings.Contains(out, "took the mail") {
		t.Errorf("outbox test: %s", out)
	}
	box.mu.Lock()
	box.status = 404
	box.mu.Unlock()
	for _, to := range []string{"sales", "nobody", "anna@elsewhere.test"} {
		if out, err := r.try("outbox", "test", to); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("outbox test %s: %s %v", to, out, err)
		}
	}

	// The link in a digest works without a session, and the API says the same.
	stop := r.outbox.Digest.StopPath("rita@ours.test")
	resp, err := http.PostForm(r.api.URL+stop, url.Values{"List-Unsubscribe": {"One-Click"}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if on, err := r.outbox.DigestWanted(t.Context(), "rita@ours.test"); resp.StatusCode != 200 || on || err != nil {
		t.Errorf("one click: %s, wanted %v %v", resp.Status, on, err)
	}
	var answer struct {
		On bool `json:"on"`
	}
	if err := r.api.Do(t.Context(), "PUT", "/v1/outbox/digests/Rita@ours.test", "application/json", strings.NewReader(`{"on":true}`), &answer); err != nil || !answer.On {
		t.Errorf("%+v %v", answer, err)
	}
	if on, err := r.outbox.DigestWanted(t.Context(), "rita@ours.test"); !on || err != nil {
		t.Errorf("wanted %v %v", on, err)
	}
	if strings.Contains(r.log.String(), "secret") {
		t.Error("the log has the webhook's address")
	}
}

func TestOutboxSettingsThatCannotWorkAreRefused(t *testing.T) {
	const smtp = "[smtp]\nhost = \"smtp.us.example\"\nfrom = \"d@us.example\"\n"
	chat := func(lines string) string {
		return "[[chat]]\nname = \"sales\"\nkind = \"slack\"\nevents = [\"hot_deal\"]\nurl = \"https://hooks.example/secret-path\"\n" + lines
	}
	for text, want := range map[string]string{
		smtp + "[review]\nmail_to = [\"a@us.example\"]\n[digest]\non = true\n":  "",
		"[review]\nmail_to = [\"a@us.example\"]\n":                              "smtp.host",
		"[digest]\non = true\n":                                                 "smtp.host",
		smtp + "[review]\nmail_to = [\"a@us.example\\r\\nBcc: x@y.example\"]\n": "review.mail_to",
		smtp + "[digest]\nat = \"nine\"\n":                                      "digest.at",
		"[smtp]\nhost = \"h\"\nfrom = \"d@us.example\\r\\nBcc: x@y.example\"\n": "smtp.from",
		"[smtp]\nhost = \"h\"\nfrom = \"\"\n":                                   "smtp.from",
		smtp + "tls = \"maybe\"\n":                                              "smtp.tls",
		smtp + "port = 0\n":                                                     "smtp.port",
		smtp + "username = \"u\"\n":                                             "smtp.password_file",
		smtp + "username = \"u\"\npassword_file = \"p\"\ntls = \"none\"\n":      "in the clear",
		"[server]\npages_url = \"pages\"\n":                                     "server.pages_url",
		chat("quiet = \"18:00-08:00\"\nzone = \"Europe/Berlin\"\n"):             "",
		chat("quiet = \"night\"\n"):                                             "quiet",
		chat("zone = \"Mars\"\n"):                                               "zone",
		chat("url_file = \"x\"\n"):                                              "exactly one of url and url_file",
		chat("rep = \"anna\"\n"):                                                "rep is",
		chat("") + chat(""):                                                     "another chat's too",
		strings.Replace(chat(""), "https:", "http:", 1):                         "https://",
		strings.Replace(chat(""), "hot_deal", "opened", 1):                      "review_ready, hot_deal, late_request",
		strings.Replace(chat(""), "slack", "irc", 1):                            "slack, teams, generic",
		strings.Replace(chat(""), "slack", "generic", 1):                        "secret_file is missing",
		strings.Replace(chat(""), "\"sales\"", "\"s a\"", 1):                    "name is",
	} {
		_, err := loadConfig(writeConfig(t, text), nil)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret-path")) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
