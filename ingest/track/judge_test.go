package track

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/trail"
)

const (
	chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36"
	safari = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15"
	google = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
)

// header makes a header from "Name: value" lines; the first is the user agent.
func header(ua string, lines ...string) http.Header {
	h := http.Header{}
	if ua != "" {
		h.Set("User-Agent", ua)
	}
	for _, line := range lines {
		k, v, _ := strings.Cut(line, ": ")
		h.Set(k, v)
	}
	return h
}

// clicking is how a modern browser follows a link.
func clicking(ua string, more ...string) http.Header {
	return header(ua, append([]string{"Accept: text/html,*/*;q=0.8", "Accept-Language: en", "Sec-Fetch-Mode: navigate", "Sec-Fetch-User: ?1", "Sec-Fetch-Dest: document"}, more...)...)
}

// showing is how a modern browser fetches an image.
func showing(ua string, more ...string) http.Header {
	return header(ua, append([]string{"Accept: image/avif,image/webp,*/*;q=0.8", "Accept-Language: en", "Sec-Fetch-Dest: image", "Sec-Fetch-Mode: no-cors"}, more...)...)
}

// asked is a request with what is known around it.
type asked struct {
	Request
	Circumstances
}

func (a asked) judge() trail.Verdict { return Judge(a.Kind, Observe(a.Request), a.Circumstances) }

// alone judges a request of which nothing else is known.
func alone(r Request) trail.Verdict { return asked{Request: r}.judge() }

// Each request is a person's but for the one thing that its rule looks at.
func TestEachRuleCatchesWhatOnlyItCan(t *testing.T) {
	click, open := trail.Clicked, trail.Opened
	for _, c := range []struct {
		rule  string
		r     asked
		agent trail.Agent
	}{
		{"self_view", asked{Request{Kind: click, Header: clicking(chrome)}, Circumstances{Self: true}}, trail.Self},
		{"method", asked{Request{Kind: click, Header: clicking(chrome), Method: "OPTIONS"}, Circumstances{}}, trail.Scanner},
		{"prefetch_header", asked{Request{Kind: click, Header: clicking(chrome, "Purpose: prefetch")}, Circumstances{}}, trail.Scanner},
		{"mail_proxy", asked{Request{Kind: open, Header: showing(google)}, Circumstances{}}, trail.Proxy},
		{"mail_proxy", asked{Request{Kind: open, Header: header("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html")}, Circumstances{}}, trail.Proxy},
		{"too_early", asked{Request{Kind: open, Header: header(google)}, Circumstances{Timed: true, Since: time.Second, Providers: []string{"google"}}}, trail.Unknown},
		{"proxy_provider_mismatch", asked{Request{Kind: open, Header: header(google)}, Circumstances{Timed: true, Since: time.Hour, Providers: []string{"microsoft"}}}, trail.Unknown},
		{"gmail_prefetch", asked{Request{Kind: open, Header: showing("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0")}, Circumstances{}}, trail.Scanner},
		{"apple_mpp", asked{Request{Kind: open, Header: showing("Mozilla/5.0")}, Circumstances{}}, trail.Scanner},
		{"ua_generic", asked{Request{Kind: click, Header: clicking("Mozilla/5.0")}, Circumstances{}}, trail.Scanner},
		{"ua_missing", asked{Request{Kind: click, Header: clicking("")}, Circumstances{}}, trail.Scanner},
		{"ua_missing", asked{Request{Kind: open, Header: showing("")}, Circumstances{}}, trail.Unknown},
		{"unfurler", asked{Request{Kind: click, Header: clicking("WhatsApp/2.23.20.0")}, Circumstances{}}, trail.Scanner},
		{"ua_bot", asked{Request{Kind: click, Header: clicking("Barracuda Sentinel (EE)")}, Circumstances{}}, trail.Scanner},
		{"ua_bot", asked{Request{Kind: click, Header: clicking(google)}, Circumstances{}}, trail.Scanner},
		{"headless", asked{Request{Kind: click, Header: clicking("Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/139.0.0.0 Safari/537.36"), Network: "datacenter"}, Circumstances{}}, trail.Scanner},
		{"office_probe", asked{Request{Kind: click, Header: clicking("Mozilla/4.0 (compatible; ms-office; MSOffice 16)")}, Circumstances{}}, trail.Unknown},
		{"pre_send", asked{Request{Kind: click, Header: clicking(chrome)}, Circumstances{Timed: true, Since: -time.Minute}}, trail.Unknown},
		{"mail_client", asked{Request{Kind: open, Header: header("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17328; Pro)")}, Circumstances{}}, trail.Human},
		{"too_early", asked{Request{Kind: click, Header: clicking(chrome), Network: "residential"}, Circumstances{Timed: true, Since: 4 * time.Second}}, trail.Unknown},
		{"inapp_browser", asked{Request{Kind: click, Header: clicking("Mozilla/5.0 (Linux; Android 7.1.2; wv) AppleWebKit/537.36 Chrome/120.0.6099.43 Safari/537.36 Viber/11.9.5.8")}, Circumstances{}}, trail.Human},
		{"score", asked{Request{Kind: click, Header: clicking(chrome)}, Circumstances{}}, trail.Human},
	} {
		v := c.r.judge()
		if v.Agent != c.agent || !slices.Contains(v.Rules, c.rule) {
			t.Errorf("%s: %+v", c.rule, v)
		}
		if v.Probability <= 0 || v.Probability > 1 {
			t.Errorf("%s: probability %v", c.rule, v.Probability)
		}
		// Without the rule, the next ones say something else.
		if c.rule != "score" && c.rule != "inapp_browser" && (v.Agent == trail.Scanner || v.Agent == trail.Self) && !slices.Contains(v.Rules, "score") {
			without := c.r
			without.Self, without.Method, without.Header = false, "", without.Header.Clone()
			without.Header.Del("Purpose")
			if ua := without.Header.Get("User-Agent"); ua != chrome {
				without.Header.Set("User-Agent", chrome)
			}
			if w := without.judge(); w.Agent == v.Agent {
				t.Errorf("%s: without it the request is still %+v", c.rule, w)
			}
		}
	}
}

// What one piece of evidence weighs: the same request with and without it.
func TestEachWeightIsHeard(t *testing.T) {
	seen := map[string]bool{}
	old := strings.Replace(chrome, "148", "72", 1)
	for _, r := range []asked{
		{Request{Kind: trail.Clicked, Header: clicking(chrome), Network: "security_vendor"}, Circumstances{Timed: true, Since: 2 * time.Second}},
		{Request{Kind: trail.Clicked, Header: header(chrome), Network: "datacenter"}, Circumstances{Timed: true, Since: 7 * time.Second}},
		{Request{Kind: trail.Opened, Header: header(chrome), Network: "microsoft"}, Circumstances{Timed: true, Since: 20 * time.Second}},
		{Request{Kind: trail.Clicked, Header: clicking(safari), Network: "residential"}, Circumstances{Timed: true, Since: time.Hour}},
		{Request{Kind: trail.Opened, Header: showing(old), Network: "google"}, Circumstances{}},
		{Request{Kind: trail.Opened, Header: header("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)")}, Circumstances{}},
		{Request{Kind: trail.Clicked, Header: clicking(chrome)}, Circumstances{}},
		{Request{Kind: trail.Clicked, Header: header(chrome, "Accept: */*")}, Circumstances{AllLinks: true}},
	} {
		for _, rule := range r.judge().Rules {
			seen[rule] = true
		}
	}
	for _, w := range weights {
		if !seen[w.rule] {
			t.Errorf("no request makes %s speak", w.rule)
		}
		if Explain(w.rule) == w.rule {
			t.Errorf("%s is not explained", w.rule)
		}
	}
}

func TestEveryRuleIsExplainedInWords(t *testing.T) {
	for rule, text := range explanations {
		if !strings.Contains(text, " ") || strings.HasSuffix(text, ".") || strings.Contains(text, "_") {
			t.Errorf("%s: %q", rule, text)
		}
	}
	for _, rule := range []string{"self_view", "unfurler", "ua_bot", "headless", "office_probe", "mail_client", "score", "too_early"} {
		if Explain(rule) == rule {
			t.Errorf("%s is not explained", rule)
		}
	}
	if Explain("x_y") != "x_y" {
		t.Error("an unknown rule is not shown as it is")
	}
}

// The promise of Judge, over everything that a person is known to use.
func TestNoPersonIsCalledAScanner(t *testing.T) {
	ways := map[string]func(string) (http.Header, http.Header){
		"modern": func(ua string) (http.Header, http.Header) { return clicking(ua), showing(ua) },
		"safari": func(ua string) (http.Header, http.Header) {
			h := clicking(ua)
			h.Del("Sec-Fetch-User")
			return h, showing(ua)
		},
		"plain": func(ua string) (http.Header, http.Header) {
			h := header(ua, "Accept: text/html", "Accept-Language: de")
			return h, h
		},
		"stripped": func(ua string) (http.Header, http.Header) { return header(ua, "Accept: text/html"), header(ua) },
		"web view": func(ua string) (http.Header, http.Header) {
			h := header(ua, "Accept: text/html", "X-Requested-With: com.app")
			return h, h
		},
		"from chat": func(ua string) (http.Header, http.Header) {
			h := clicking(ua, "Referer: https://app.slack.com/")
			return h, h
		},
	}
	for _, ua := range people {
		for way, headers := range ways {
			click, open := headers(ua)
			for _, class := range []string{"", "residential", "mobile", "corporate", "sase", "vpn", "apple_relay"} {
				for _, plain := range []bool{false, true} {
					if v := alone(Request{Kind: trail.Opened, Header: open, Network: class, Plain: plain}); v.Agent == trail.Scanner {
						t.Errorf("open, %s, %q from %q: %+v", way, ua, class, v)
					}
					if strings.Contains(ua, "Proxy") { // no person follows a link through an image proxy
						continue
					}
					if v := alone(Request{Kind: trail.Clicked, Header: click, Network: class, Plain: plain}); v.Agent == trail.Scanner {
						t.Errorf("click, %s, %q from %q: %+v", way, ua, class, v)
					}
				}
			}
		}
	}
}

// What the tracker itself knows of a request (no network, no delay) is enough
// for the common browsers, with and without TLS.
func TestCommonBrowsersArePeopleByTheirHeadersAlone(t *testing.T) {
	for name, r := range map[string]Request{
		"chrome":            {Kind: trail.Clicked, Header: clicking(chrome)},
		"chrome, plain":     {Kind: trail.Clicked, Header: header(chrome, "Accept: text/html,*/*", "Accept-Language: en"), Plain: true},
		"safari":            {Kind: trail.Clicked, Header: header(safari, "Accept: text/html", "Accept-Language: en", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")},
		"old safari":        {Kind: trail.Clicked, Header: header(strings.Replace(safari, "18.5", "15.6", 1), "Accept: text/html", "Accept-Language: de")},
		"webmail":           {Kind: trail.Opened, Header: showing(chrome)},
		"webmail, plain":    {Kind: trail.Opened, Header: header(chrome, "Accept: image/avif,*/*", "Accept-Language: en"), Plain: true},
		"apple mail":        {Kind: trail.Opened, Header: header("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148", "Accept: */*", "Accept-Language: en")},
		"thunderbird":       {Kind: trail.Opened, Header: header("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.3.0")},
		"headless browser":  {Kind: trail.Clicked, Header: clicking("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36")},
		"phone named Cubot": {Kind: trail.Clicked, Header: clicking("Mozilla/5.0 (Linux; Android 13; CUBOT X70) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Mobile Safari/537.36")},
	} {
		if v := alone(r); v.Agent != trail.Human {
			t.Errorf("%s: %+v", name, v)
		}
	}
	if v := alone(Request{Kind: trail.Clicked, Header: clicking(chrome)}); v.Probability < 0.9 {
		t.Errorf("a full browser is not strict: %+v", v)
	}
	if v := alone(Request{Kind: trail.Clicked, Header: header(chrome, "Accept: */*")}); v.Agent != trail.Scanner {
		t.Errorf("a script that claims to be Chrome: %+v", v)
	}
}

func TestUnfurlersTellThatSomebodyPassedTheLinkOn(t *testing.T) {
	for _, ua := range []string{
		"Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
		"Mozilla/5.0 (Macintosh) AppleWebKit/601.2.4 Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
		"Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)", "TelegramBot (like TwitterBot)", "LinkedInBot/1.0 (compatible; Mozilla/5.0)",
	} {
		if v := alone(Request{Kind: trail.Clicked, Header: header(ua)}); v.Agent != trail.Scanner || v.Signal != "shared" {
			t.Errorf("%q: %+v", ua, v)
		}
	}
}

func TestPrefetchHeaders(t *testing.T) {
	for _, line := range []string{"Sec-Purpose: prefetch", "Sec-Purpose: prefetch;prerender", "sec-purpose: prefetch;anonymous-client-ip", "Purpose: prefetch", "X-Moz: Prefetch", "X-Purpose: preview", "Purpose: preview"} {
		if !prefetch(header(chrome, line)) {
			t.Errorf("%s is not seen", line)
		}
	}
	for _, line := range []string{"Sec-Fetch-Mode: navigate", "X-Other: prefetch", "Purpose: "} {
		if prefetch(header(chrome, line)) {
			t.Errorf("%s is taken for a prefetch", line)
		}
	}
}

// The recorded requests of part C5, those of a sequence beside each other.
func TestRecordedRequests(t *testing.T) {
	b, err := os.ReadFile("testdata/agents.json")
	if err != nil {
		t.Fatal(err)
	}
	type expected struct {
		Label     string
		Reasons   []string `json:"reasons_any"`
		Countable bool
		Signal    string
	}
	var file struct {
		Public []struct {
			ID       string
			Type     string
			Optional bool
			Expected expected
			Requests []struct{ Expected expected }
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	judged, err := JudgeRecorded(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	next, right, total := 0, 0, 0
	for _, c := range file.Public {
		want := []expected{c.Expected}
		if c.Type == "sequence" {
			want = nil
			for _, q := range c.Requests {
				want = append(want, q.Expected)
			}
		}
		for i, w := range want {
			got := judged[next]
			next++
			if got.ID != c.ID || got.Index != i {
				t.Fatalf("verdict %d is of %s %d, want %s %d", next, got.ID, got.Index, c.ID, i)
			}
			if w.Label == "human" && got.Label == "machine" {
				t.Errorf("%s: a person is called a scanner: %+v", c.ID, got)
			}
			if c.Optional {
				continue
			}
			total++
			reason := slices.ContainsFunc(w.Reasons, func(r string) bool { return slices.Contains(got.Rules, r) })
			if got.Label != w.Label || got.Countable != w.Countable || !reason || w.Signal != "" && w.Signal != got.Signal {
				t.Errorf("%s: %+v, want %+v", c.ID, got, w)
				continue
			}
			right++
		}
	}
	t.Logf("%d of %d requests right", right, total)
}

func TestJudgeRecordedSaysWhatIsWrongWithAFile(t *testing.T) {
	for _, text := range []string{"", "[]", "{}", `{"cases": 1}`, `{"cases": []}`} {
		if _, err := JudgeRecorded(strings.NewReader(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	got, err := JudgeRecorded(strings.NewReader(`{"cases": [{"request": {"kind": "click", "headers": {"User-Agent": "curl/8.1"}}}]}`))
	if err != nil || len(got) != 1 || got[0].ID != "1" || got[0].Label != "machine" {
		t.Errorf("%+v, %v", got, err)
	}
}

// The matcher with its index says the same as trying every expression.
func TestPatternsMatchLikeTheExpressions(t *testing.T) {
	list := []string{"Googlebot\\/", "[wW]get", "^curl", "S[eE][mM]rushBot", "Netumo|netumo", "Y!J", "(^| )sentry\\/", "Current[\\s\\S]*RSS Reader", "ab+cd", "x", "(?i)odd name"}
	texts := append([]string{
		"Mozilla/5.0 (compatible; Googlebot/2.1)", "Wget/1.2", "wget", "curl/8", "libcurl", "SEmrushBot", "Semrushbot", "netumo", "Y!J-ASR", " sentry/1", "asentry/1",
		"Current 3 RSS Reader", "abbbcd", "acd", "ODD NAME", "", "a", "abc",
	}, people...)
	for _, e := range list {
		p := newPatterns([]string{e})
		all := newPatterns(list)
		re := regexp.MustCompile(e)
		for _, text := range texts {
			if got := p.in(text); got != re.MatchString(text) {
				t.Errorf("%q in %q: %v", e, text, got)
			}
			if p.in(text) && !all.in(text) {
				t.Errorf("%q in %q: lost among others", e, text)
			}
		}
	}
}

func TestForeignPatternsThatMatchPeopleAreLeftOut(t *testing.T) {
	kept := withoutPeople([]string{"Viber", "GoogleImageProxy", "HeadlessChrome", "Chrome", "(?=x)", "", "SomeCrawler/"})
	if len(kept) != 1 || kept[0] != "SomeCrawler/" {
		t.Errorf("kept %q", kept)
	}
}

func BenchmarkJudge(b *testing.B) {
	for name, r := range map[string]Request{
		"person": {Kind: trail.Clicked, Header: clicking(chrome)},
		"bot":    {Kind: trail.Clicked, Header: header("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1; +http://www.google.com/bot.html)")},
		"proxy":  {Kind: trail.Opened, Header: header(google)},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				alone(r)
			}
		})
	}
}
