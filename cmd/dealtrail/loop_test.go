package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/emersion/go-imap/v2"
	"github.com/jhillyerd/enmime/v2"

	"dealtrail/dashboards/browsertest"
	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

// TestWholeLoopWithRealParts goes the whole way once, in the order in which it
// happens to a company: mail, click, deal, run, page, API, review.
func TestWholeLoopWithRealParts(t *testing.T) {
	t.Parallel()
	const rep, buyer = "rita@ours.test", "bruno@buyer.test"
	landed := make(chan string, 1)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/case" {
			landed <- r.URL.String()
		}
		fmt.Fprint(w, "<title>The case study</title><p id=here>You are here")
	}))
	defer target.Close()
	wanted := target.URL + "/case?a=%2B+b&c=[d]#part%20two"

	server := mailtest.Dovecot(t, rep)
	r := start(t, func(c *Config) {
		password := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(password, []byte(server.Password(rep)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Company.Domains = []string{"ours.test"}
		c.Tracking.Pixel = "on"
		c.Boxes = []Mailbox{{Rep: rep, Host: server.Host, Port: server.Port, Security: "none", Username: rep, PasswordFile: password}}
	})

	// A rep makes a link and mails it; the copy lies in Sent.
	r.command("import", "content", r.file("content.csv", "id,title,kind,url\nCASE-1,The case study,case study,"+wanted+"\n"))
	html := r.command("share", "--content", "CASE-1", "--rep", rep, "--to", buyer, "--html")
	server.Append(rep, mailtest.SentFolder, mailWith(t, rep, buyer, html))
	eventually(t, "the poller logs the mail", func() bool {
		return ask1[trail.ContentDetail](r, "/v1/content/CASE-1").Sent == 1
	})

	// The buyer opens the mail as delivered and clicks.
	page := filepath.Join(t.TempDir(), "mail.html")
	if err := os.WriteFile(page, delivered(t, server, rep), 0o600); err != nil {
		t.Fatal(err)
	}
	browser := browsertest.Open(t)
	if err := chromedp.Do(browser, chromedp.Navigate("file://"+page), chromedp.Click(chromedp.CSS("a")), chromedp.WaitVisible(chromedp.CSS("#here"))); err != nil {
		t.Fatalf("click the mail's link: %v", err)
	}
	where, err := chromedp.Run(browser, chromedp.Location())
	if err != nil || where != wanted {
		t.Errorf("landed on %q, %v; want %q", where, err, wanted)
	}
	if got := <-landed; got != strings.TrimSuffix(strings.TrimPrefix(wanted, target.URL), "#part%20two") {
		t.Errorf("the target was asked for %q", got)
	}
	eventually(t, "the click counts as a person's", func() bool {
		return ask1[trail.ContentDetail](r, "/v1/content/CASE-1?agents=likely").Clicked == 1
	})

	// The deal comes in by CSV, its stages too, and it is won.
	now := time.Now().UTC()
	closed := now.Format(time.RFC3339Nano)
	r.command("import", "deals", r.file("deals.csv", "id,name,account,amount,currency,stage,status,owner,created_at,closed_at,contacts\n"+
		"D-7,Big deal,Buyer Ltd,1000.01,EUR,Won,won,"+rep+","+now.Add(-48*time.Hour).Format(time.RFC3339)+","+closed+","+buyer+"\n"))
	r.command("import", "stages", r.file("stages.csv", "deal,stage,at\nD-7,Demo,"+now.Add(-24*time.Hour).Format(time.RFC3339)+"\nD-7,Won,"+closed+"\n"))
	out := r.command("attribute", "--model", "linear")
	if !strings.Contains(out, "CASE-1") || !strings.Contains(out, "1000.01") {
		t.Errorf("attribute printed:\n%s", out)
	}

	// Page and API show the same credit.
	report := ask1[trail.Attribution](r, "/v1/attribution?model=linear")
	if len(report.Rows) != 1 || report.Rows[0].Key != "CASE-1" || report.Rows[0].Value != (trail.Money{Amount: "1000.01", Currency: "EUR"}) || report.Unattributed.Value.Amount != "0.00" {
		t.Errorf("/v1/attribution: %+v", report)
	}
	signIn := strings.TrimSpace(r.command("user", "add", "mia@ours.test"))
	err = chromedp.Do(browser, chromedp.Navigate(signIn), chromedp.Click(chromedp.CSS("form button")), chromedp.WaitVisible(chromedp.CSS("nav")),
		chromedp.Navigate(r.config0().Server.PublicURL+"/content/CASE-1?model=linear"), chromedp.WaitVisible(chromedp.CSS("main")))
	if err != nil {
		t.Fatalf("open the content page: %v", err)
	}
	text, err := chromedp.Run(browser, chromedp.Text(chromedp.CSS("main")))
	if err != nil || !strings.Contains(strings.NewReplacer(",", "", " ", "", "\u202f", "", "\u00a0", "").Replace(text), "1000.01") {
		t.Errorf("the content page does not show 1000.01 (%v):\n%s", err, text)
	}

	// The review names the deal and what contributed.
	week := trail.WeekOf(now, r.zone)
	rows, err := csv.NewReader(strings.NewReader(r.command("review", "--week", week))).ReadAll()
	if err != nil || len(rows) != 2 {
		t.Fatalf("review: %v %v", rows, err)
	}
	line := strings.Join(rows[1], "|")
	for _, part := range []string{"won", "D-7", "Big deal", "The case study"} {
		if !strings.Contains(line, part) {
			t.Errorf("the review does not name %q: %s", part, line)
		}
	}
}

// config0 returns the configuration that the server runs on.
func (r *running) config0() *Config { return r.program.config }

// mailWith builds a mail as a mail program sends it: text and HTML, encoded.
func mailWith(t *testing.T, from, to, html string) string {
	t.Helper()
	part, err := enmime.Builder().From("Rita", from).To("Bruno", to).Subject("As promised").Date(time.Now()).
		Header("Message-ID", "<one@ours.test>").
		Text([]byte("Hello, see the attached link.")).
		HTML([]byte("<html><body><p>Grüße, as promised: " + html + "</p></body></html>")).Build()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := part.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// delivered fetches the mail back from the server and returns its HTML.
func delivered(t *testing.T, server *mailtest.Server, rep string) []byte {
	t.Helper()
	c := server.Client(rep)
	if _, err := c.Select(mailtest.SentFolder, &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
		t.Fatal(err)
	}
	whole := &imap.FetchItemBodySection{Peek: true}
	mails, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{whole}}).Collect()
	if err != nil || len(mails) != 1 {
		t.Fatalf("%d mails in Sent, %v", len(mails), err)
	}
	mail, err := enmime.ReadEnvelope(bytes.NewReader(mails[0].FindBodySection(whole)))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(mail.HTML)
}
