package main

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/jhillyerd/enmime/v2"

	"dealtrail/dashboards/browsertest"
	"dealtrail/ingest"
	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

const chromeOnWindows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36"

// visitor is a browser, or what says that it is one, at an address.
type visitor struct {
	address string
	headers map[string]string
}

// person clicks as people do.
func person(address string) visitor {
	return visitor{address, map[string]string{"User-Agent": chromeOnWindows, "Accept": "text/html", "Accept-Language": "en", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-User": "?1"}}
}

// ask makes one request as a proxy of ours passes it on, and goes nowhere.
func (v visitor) ask(t *testing.T, method, address string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", v.address)
	for k, value := range v.headers {
		req.Header.Set(k, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// startBehindProxy serves with pixel and a proxy on this machine that is believed.
func startBehindProxy(t *testing.T, edit func(*Config)) *running {
	return start(t, func(c *Config) {
		c.Server.TrustedProxies = []string{"127.0.0.1"}
		c.Tracking.Pixel = "on"
		c.Company.Domains = []string{"ours.test"}
		if edit != nil {
			edit(c)
		}
	})
}

func (r *running) register(id, target string, more ...string) {
	r.t.Helper()
	body := map[string]any{"id": id, "title": "The " + id, "url": target}
	for i := 0; i < len(more); i += 2 {
		body[more[i]] = more[i+1]
	}
	if err := r.api.Post(r.t.Context(), "/v1/content", body, nil); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) linkTo(content string, to ...string) (s ingest.Share) {
	r.t.Helper()
	if err := r.api.Post(r.t.Context(), "/v1/shares", ingest.ShareRequest{Content: content, Rep: "rita@ours.test", To: to}, &s); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// events are those of a content of some kinds, newest first.
func (r *running) happened(content string, kinds ...trail.Kind) []trail.TrailRow {
	all := ask1[trail.ContentDetail](r, "/v1/content/"+url.PathEscape(content)+"?agents=all").Events
	return slices.DeleteFunc(all, func(e trail.TrailRow) bool { return !slices.Contains(kinds, e.Kind) })
}

func TestLinksOfExpiredContentLeadToItsSuccessor(t *testing.T) {
	r := startBehindProxy(t, nil)
	r.register("new", "https://www.example.com/new")
	r.register("middle", "https://www.example.com/middle", "expires_at", "2026-01-01T00:00:00Z", "successor", "new")
	r.register("old", "https://www.example.com/old?v=1")
	s := r.linkTo("old", "bruno@buyer.test")
	leads := func(want string) {
		t.Helper()
		for _, method := range []string{"HEAD", "GET"} {
			if resp := person("203.0.113.7").ask(t, method, s.URL); resp.Header.Get("Location") != want {
				t.Errorf("%s leads to %q (%s), want %q", method, resp.Header.Get("Location"), resp.Status, want)
			}
		}
	}
	leads("https://www.example.com/old?v=1")
	r.register("old", "https://www.example.com/old?v=2") // a new version: links that are out follow
	leads("https://www.example.com/old?v=2")
	r.register("old", "https://www.example.com/old?v=2", "expires_at", "2026-02-01T00:00:00Z", "successor", "middle")
	leads("https://www.example.com/new") // the next that has not expired itself
	eventually(t, "reports say where it led", func() bool {
		all := r.happened("old", trail.Clicked)
		return len(all) == 3 && all[0].LedTo == "new" && all[0].LedToTitle == "The new" && all[1].LedTo == ""
	})

	// In a circle, or to nowhere: a page that says so.
	r.register("new", "https://www.example.com/new", "expires_at", "2026-02-01T00:00:00Z", "successor", "old")
	resp := person("203.0.113.7").ask(t, "GET", s.URL)
	page, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusGone || !strings.Contains(string(page), "no longer offered") || resp.Header.Get("X-Request-Id") == "" {
		t.Errorf("withdrawn content answers %s: %s", resp.Status, page)
	}
	eventually(t, "reports say that it led nowhere", func() bool {
		all := r.happened("old", trail.Clicked)
		return len(all) == 4 && all[0].LedTo == trail.Fallback
	})
}

func TestWhoeverGetsAMailCanStopTracking(t *testing.T) {
	r := startBehindProxy(t, nil)
	r.register("deck", "https://www.example.com/deck")
	before, other := r.linkTo("deck", "bruno@buyer.test"), r.linkTo("deck", "carla@buyer.test")
	if before.StopURL == "" || before.PixelURL == "" {
		t.Fatalf("share: %+v", before)
	}
	someone := person("203.0.113.7")
	someone.ask(t, "GET", before.URL)
	for range 2 { // looking, as scanners do, changes nothing
		if resp := someone.ask(t, "GET", before.StopURL); resp.StatusCode != 200 {
			t.Errorf("the page answers %s", resp.Status)
		}
	}
	someone.ask(t, "GET", before.URL)
	browser := browsertest.Open(t)
	for range 2 { // stopping again changes nothing
		if err := chromedp.Do(browser, chromedp.Navigate(before.StopURL), chromedp.Click(chromedp.CSS("button")), chromedp.WaitNotPresent(chromedp.CSS("button"))); err != nil {
			t.Fatal(err)
		}
		if text, err := chromedp.Run(browser, chromedp.Text(chromedp.CSS("body"))); err != nil || !strings.Contains(text, "Tracking has stopped") {
			t.Errorf("after stopping the page says %q, %v", text, err)
		}
	}
	if resp := someone.ask(t, "GET", before.URL); resp.Header.Get("Location") != "https://www.example.com/deck" {
		t.Errorf("the link leads to %q", resp.Header.Get("Location"))
	}
	if resp := someone.ask(t, "GET", before.PixelURL); resp.StatusCode != 200 || resp.ContentLength != 43 {
		t.Errorf("the pixel answers %s", resp.Status)
	}
	later := r.linkTo("deck", "bruno@buyer.test")
	if later.PixelURL != "" || strings.Contains(later.HTML, "<img") {
		t.Errorf("a later mail has a pixel: %s", later.HTML)
	}
	someone.ask(t, "GET", later.URL)
	someone.ask(t, "GET", other.URL) // somebody else's
	eventually(t, "clicks are kept without the person", func() bool {
		d := ask1[trail.ContentDetail](r, "/v1/content/deck")
		return d.Clicks == 5 && d.Nameless == 2 && d.Opens == 0
	})
	for _, e := range r.happened("deck", trail.Clicked)[:3] {
		if named := len(e.Contacts) > 0 && e.Contacts[0] == "bruno@buyer.test"; named || e.Withheld == "" && e.Contacts[0] != "carla@buyer.test" {
			t.Errorf("kept is %+v", e)
		}
	}
	d := ask1[trail.ContactDetail](r, "/v1/contacts/bruno@buyer.test")
	if d.Tracking == nil || d.Tracking.Allowed {
		t.Errorf("on record is %+v", d.Tracking)
	}
	if resp := someone.ask(t, "POST", r.config0().Server.PublicURL+"/stop/aaaaaaaaaaaaaaaaaaaaaaaaaaa"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a token that we never made answers %s", resp.Status)
	}
}

// Consent by CSV, API and page; without it the snippet has no pixel.
func TestConsentIsTakenFromEverywhere(t *testing.T) {
	r := startBehindProxy(t, func(c *Config) { c.Tracking.Pixel, c.Tracking.Links = "consent", "consent" })
	r.register("deck", "https://www.example.com/deck")
	pixel := func(who string) bool { return r.linkTo("deck", who).PixelURL != "" }
	if pixel("bruno@buyer.test") {
		t.Error("a mail without consent has a pixel")
	}
	r.command("import", "contacts", r.file("contacts.csv", "email,name,consent,consent_basis,consent_at\nbruno@buyer.test,Bruno,yes,web form,2026-01-05\n"))
	eventually(t, "the consent of the CSV counts", func() bool { return pixel("bruno@buyer.test") })
	for _, body := range []map[string]any{
		{"email": "carla@buyer.test", "allowed": true, "basis": "on the telephone", "at": "2026-02-01"},
		{"domain": "beta.test", "allowed": true, "basis": "framework contract"},
	} {
		if err := r.api.Post(t.Context(), "/v1/consents", body, nil); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the consents of the API count", func() bool { return pixel("carla@buyer.test") && pixel("anybody@beta.test") })
	for _, bad := range []map[string]any{{"allowed": true, "basis": "x"}, {"email": "a@b.test", "basis": "x"}, {"email": "a@b.test", "allowed": true}, {"domain": "gmail.com", "allowed": true, "basis": "x"}} {
		if err := r.api.Post(t.Context(), "/v1/consents", bad, nil); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
	signIn := strings.TrimSpace(r.command("user", "add", "mia@ours.test"))
	browser := browsertest.Open(t)
	err := chromedp.Do(browser, chromedp.Navigate(signIn), chromedp.Click(chromedp.CSS("form button")), chromedp.WaitVisible(chromedp.CSS("nav")),
		chromedp.Navigate(r.config0().Server.PublicURL+"/contacts/carla@buyer.test"), chromedp.SetValue(chromedp.CSS("#tracking select"), "no"),
		chromedp.Click(chromedp.CSS("#tracking button")))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the page says so", func() bool {
		text, err := chromedp.Run(browser, chromedp.Text(chromedp.CSS("#tracking strong")))
		return err == nil && text == "Not allowed"
	})
	eventually(t, "the page's choice counts", func() bool { return !pixel("carla@buyer.test") })

	person("203.0.113.7").ask(t, "GET", r.linkTo("deck", "bruno@buyer.test").URL)
	person("203.0.113.8").ask(t, "GET", r.linkTo("deck", "nobody@else.test").URL)
	objecting := person("203.0.113.9")
	objecting.headers["Sec-GPC"] = "1"
	objecting.ask(t, "GET", r.linkTo("deck", "bruno@buyer.test").URL)
	eventually(t, "one click has a person, two have none", func() bool {
		d := ask1[trail.ContentDetail](r, "/v1/content/deck")
		return d.Clicks == 3 && d.Nameless == 2 && d.Clicked == 1
	})
}

// A rep's own programs ask without a session, from where the rep is signed in.
func TestARepsAddressIsOurOwn(t *testing.T) {
	r := startBehindProxy(t, nil)
	r.register("deck", "https://www.example.com/deck")
	s := r.linkTo("deck", "bruno@buyer.test")
	link := strings.TrimSpace(r.command("user", "add", "rita@ours.test"))
	code := url.Values{"code": {link[strings.Index(link, "code=")+5:]}}
	req, err := http.NewRequestWithContext(t.Context(), "POST", r.config0().Server.PublicURL+"/signin", strings.NewReader(code.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || len(resp.Cookies()) == 0 {
		t.Fatalf("signing in: %v %v", resp, err)
	}
	resp.Body.Close()
	rep := person("198.51.100.20")
	rep.headers["Cookie"] = resp.Cookies()[0].Name + "=" + resp.Cookies()[0].Value
	rep.ask(t, "GET", r.config0().Server.PublicURL+"/status")
	outlook := visitor{"198.51.100.20", map[string]string{"User-Agent": "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17328; Pro)"}}
	eventually(t, "the rep's Outlook is known by its address", func() bool {
		outlook.ask(t, "GET", s.PixelURL)
		person("198.51.100.20").ask(t, "GET", s.URL)
		all := r.happened("deck", trail.Opened, trail.Clicked)
		return len(all) > 1 && all[0].Verdict == trail.Self && all[1].Verdict == trail.Self
	})
	outlook.address = "203.0.113.50"
	outlook.ask(t, "GET", s.PixelURL)
	eventually(t, "elsewhere it is the buyer's", func() bool { return r.happened("deck", trail.Opened)[0].Verdict == trail.Human })
}

// The delivered mail in a browser, then what machines do with it; a marketer reads
// who asked and why that is thought.
func TestPagesSayInWordsWhoAsked(t *testing.T) {
	const rep, buyer = "rita@ours.test", "bruno@buyer.test"
	server := mailtest.Dovecot(t, rep)
	r := startBehindProxy(t, func(c *Config) {
		password := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(password, []byte(server.Password(rep)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Boxes = []Mailbox{{Rep: rep, Host: server.Host, Port: server.Port, Security: "none", Username: rep, PasswordFile: password}}
	})
	var snippets string
	links := map[string]ingest.Share{}
	for _, id := range []string{"deck", "case", "plan"} {
		r.register(id, r.config0().Server.PublicURL+"/healthz?"+id)
		links[id] = r.linkTo(id, buyer)
		snippets += `<p id="` + id + `">` + links[id].HTML + "</p>"
	}
	server.Append(rep, mailtest.SentFolder, mailOf(t, time.Now().Add(-20*time.Minute), rep, buyer, snippets))
	page := filepath.Join(t.TempDir(), "mail.html")
	if err := os.WriteFile(page, delivered(t, server, rep), 0o600); err != nil {
		t.Fatal(err)
	}
	browser := browsertest.Open(t)
	if err := chromedp.Do(browser, chromedp.Navigate("file://"+page), chromedp.Click(chromedp.CSS("#deck a")), chromedp.WaitNotPresent(chromedp.CSS("#deck"))); err != nil {
		t.Fatal(err)
	}
	prefetch := person("203.0.113.7")
	prefetch.headers["Sec-Purpose"] = "prefetch"
	if resp := prefetch.ask(t, "GET", links["deck"].URL); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("a prefetch is answered %s", resp.Status)
	}
	visitor{"203.0.113.8", map[string]string{"User-Agent": "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"}}.ask(t, "GET", links["deck"].URL)
	visitor{"172.224.226.10", map[string]string{"User-Agent": "Mozilla/5.0"}}.ask(t, "GET", links["deck"].PixelURL)
	for _, id := range []string{"case", "plan", "deck"} { // a gateway with a browser's headers follows all
		person("203.0.113.9").ask(t, "GET", links[id].URL)
	}
	eventually(t, "the burst is recognised", func() bool {
		all := r.happened("plan", trail.Clicked)
		return len(all) == 1 && all[0].Verdict == trail.Scanner && slices.Contains(all[0].Rules, "click_burst")
	})
	signIn := strings.TrimSpace(r.command("user", "add", "mia@ours.test"))
	err := chromedp.Do(browser, chromedp.Navigate(signIn), chromedp.Click(chromedp.CSS("form button")), chromedp.WaitVisible(chromedp.CSS("nav")),
		chromedp.Navigate(r.config0().Server.PublicURL+"/content/deck"), chromedp.WaitVisible(chromedp.CSS("table.trail")))
	if err != nil {
		t.Fatal(err)
	}
	text, err := chromedp.Run(browser, chromedp.TextContent(chromedp.CSS("main")))
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{
		"a person", "it names a language, as people's browsers do", "a browser says that it went to the page",
		"a machine", "a chat made a preview, because somebody passed the link on", "Somebody pasted the link into a chat",
		"Apple's privacy protection fetched it; that happens whether the mail is opened or not",
		"three or more links of one mail were followed within seconds", "not counted",
	} {
		if !strings.Contains(text, words) {
			t.Errorf("the page does not say %q", words)
		}
	}
	numbers(t, r, text)
}

// numbers holds page, API and export of one content against each other.
func numbers(t *testing.T, r *running, page string) {
	t.Helper()
	for _, level := range []string{"all", "likely", "strict"} {
		d := ask1[trail.ContentDetail](r, "/v1/content/deck?agents="+level)
		row := slices.Collect(func(yield func(trail.ContentRow) bool) {
			for _, c := range ask1[struct{ Rows []trail.ContentRow }](r, "/v1/content?agents="+level).Rows {
				if c.ID == "deck" {
					yield(c)
				}
			}
		})[0]
		if row.Clicks != d.Clicks || row.Clicked != d.Clicked || row.Opens != d.Opens || row.Opened != d.Opened {
			t.Errorf("agents=%s: the list says %+v, the detail %+v", level, row, d.ContentRow)
		}
		if level == "likely" && (d.Clicked != 1 || d.Clicks != 1 || !strings.Contains(page, "1 click in all")) {
			t.Errorf("one person clicked once: %+v", d.ContentRow)
		}
		if level == "all" && d.Clicks != 3 {
			t.Errorf("all clicks are %d, want the person's, the preview and the gateway's", d.Clicks)
		}
	}
}

// mailOf is mailWith at a time.
func mailOf(t *testing.T, at time.Time, from, to, html string) string {
	t.Helper()
	part, err := enmime.Builder().From("Rita", from).To("Bruno", to).Subject("As promised").Date(at).Header("Message-ID", "<two@ours.test>").
		Text([]byte("See below.")).HTML([]byte("<html><body>" + html + "</body></html>")).Build()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := part.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
