package track_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image/gif"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/ingest/track"
	"dealtrail/trail"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 123_456_789, time.UTC)

// rig is a tracker on a real HTTP server, with what it emitted and logged.
type rig struct {
	*track.Tracker
	t       testing.TB
	url     string
	targets map[trail.ContentKey]trail.Target

	mu     sync.Mutex
	events []trail.Event
	log    bytes.Buffer
}

func newRig(t testing.TB, setup ...func(*track.Tracker)) *rig {
	keys, err := trail.ParseKeys("a:aaaabbbbccccddddeeeeffffgggghhhh")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, targets: map[trail.ContentKey]trail.Target{}}
	r.Tracker = &track.Tracker{
		Keys: keys, Now: func() time.Time { return noon }, Log: slog.New(slog.NewTextHandler(&r.log, nil)),
		Lookup: func(_ context.Context, k trail.ContentKey) (trail.Target, bool, error) {
			target, ok := r.targets[k]
			return target, ok, nil
		},
		Emit: func(_ context.Context, events ...trail.Event) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, events...)
			return nil
		},
	}
	for _, f := range setup {
		f(r.Tracker)
	}
	e := echo.New()
	r.Routes(e.Group(""))
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// add registers a target and returns a token for it.
func (r *rig) add(target trail.Target) string {
	key := trail.KeyOf(target.Content)
	r.targets[key] = target
	return r.Keys.Seal(key, "abcdefghia")
}

func (r *rig) taken() []trail.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// ask makes a request as Chrome does, with more headers as "Name: value".
func (r *rig) ask(method, path string, more ...string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.url+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, line := range append([]string{
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36",
		"Accept: text/html,*/*;q=0.8", "Accept-Language: en", "Sec-Fetch-Mode: navigate", "Sec-Fetch-User: ?1", "Sec-Fetch-Dest: document",
	}, more...) {
		k, v, _ := strings.Cut(line, ": ")
		req.Header.Set(k, v)
	}
	res, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res, string(body)
}

func TestRedirectKeepsEveryByteOfTheTarget(t *testing.T) {
	r := newRig(t)
	for _, target := range []string{
		"https://example.com", "https://example.com/", "HTTPS://Example.COM/Path", "http://example.com:8080/a", "https://[2001:db8::1]:8443/x",
		"https://example.com/a%2Fb", "https://example.com/a%2fb", "https://example.com/a%20b", "https://example.com/a+b", "https://example.com/%2B",
		"https://example.com/?q=a+b&r=%2B&s=%20", "https://example.com/?a=1&a=2&b=&c", "https://example.com/?b=2&a=1", "https://example.com/?", "https://example.com/#",
		"https://example.com/?#", "https://example.com/#part", "https://example.com/#/app/route?x=1&y=2", "https://example.com/?a=1;b=2", "https://example.com/?a[]=1&a[x]=2",
		"https://example.com/[a]{b}|c^d`e", "https://example.com/?u=https://other.example/y?z=1", "https://example.com/?u=https%3A%2F%2Fother.example%2Fy%3Fz%3D1%26w%3D2",
		"https://example.com//double//slash/", "https://example.com/a/./b/../c", "https://example.com/..", "https://example.com/a;v=1/b,c(d)e*f!g'h$i@j:k~l",
		"https://example.com/%E2%82%AC?x=%C3%A4", "https://example.com/%25", "https://example.com/%2525", "https://example.com/?q=%%", "https://example.com/?q=\"quoted\"<tag>",
		"https://example.com/?utm_source=a&utm_campaign=b%20c", "https://example.com/?x=a=b==", "https://example.com/?redirect=//evil.example", "https://example.com./x",
		"https://xn--bcher-kva.example/", "https://example.com/?" + strings.Repeat("k=v&", 900) + "end", "https://example.com/a:b:c@d", "https://example.com/ä",
	} {
		token := r.add(trail.Target{Content: target, URL: target})
		for _, path := range []string{"/c/" + token, "/c/" + token + "/"} {
			for _, method := range []string{"GET", "HEAD"} {
				res, body := r.ask(method, path)
				if got := res.Header["Location"]; res.StatusCode != 302 || len(got) != 1 || got[0] != target || body != "" {
					t.Errorf("%s %s: %d to %q, want %q", method, path, res.StatusCode, got, target)
				}
			}
		}
	}
}

func TestRedirectIsNeitherCachedNorIndexedNorTold(t *testing.T) {
	r := newRig(t)
	token := r.add(trail.Target{Content: "deck", URL: "https://example.com/deck"})
	res, _ := r.ask("GET", "/c/"+token+"?utm_source=visitor&url=https://evil.example/")
	for k, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow", "Location": "https://example.com/deck", "Set-Cookie": "", "Etag": "", "Last-Modified": ""} {
		if got := res.Header.Get(k); got != want {
			t.Errorf("%s is %q, want %q", k, got, want)
		}
	}
	events := r.taken()
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	e := events[0]
	if err := e.Validate(); err != nil {
		t.Error(err)
	}
	if e.Kind != trail.Clicked || e.Content != "deck" || e.Share != "abcdefghia" || e.Source != "track" || !e.At.Equal(noon.Truncate(time.Millisecond)) || !e.ReceivedAt.Equal(e.At) ||
		!e.ID.Time().Equal(e.At) || e.Agent != trail.Human || e.Probability < 0.9 || res.Header.Get("X-Request-Id") != e.ID.String() {
		t.Errorf("%+v with request ID %s", e, res.Header.Get("X-Request-Id"))
	}
}

// What comes along when a link is copied out of a sentence or a damaged mail.
func TestCopiedTokensStillWork(t *testing.T) {
	r := newRig(t)
	token := r.add(trail.Target{Content: "deck", URL: "https://example.com/deck"})
	paths := []string{token, strings.ToUpper(token), strings.ToUpper(token[:8]) + token[8:]}
	for _, tail := range []string{".", ")", "%3E", "=", "%20", ",", "...", ").", "%22", "'", ";", "!", "%E2%80%A6", "%C2%BB", "%0A", "%0D%0A", "*", "%5D", "=3D", "&nbsp", "%2F", "%3Fx"} {
		paths = append(paths, token+tail, strings.ToUpper(token)+tail)
	}
	for _, path := range paths {
		if res, _ := r.ask("GET", "/c/"+path); res.StatusCode != 302 || res.Header.Get("Location") != "https://example.com/deck" {
			t.Errorf("%q: %d", path, res.StatusCode)
		}
	}
	if n := len(r.taken()); n != len(paths) {
		t.Errorf("%d events for %d clicks", n, len(paths))
	}
}

func TestDamagedTokensGetAFriendlyPage(t *testing.T) {
	r := newRig(t)
	token := r.add(trail.Target{Content: "deck", URL: "https://example.com/deck"})
	unknown := r.Keys.Seal(trail.KeyOf("never registered"), "abcdefghia")
	empty := r.add(trail.Target{Content: "neither url nor file"})
	for _, bad := range []string{
		token[:26], token[1:], "x" + token, token + "a", token[:10] + "0" + token[11:], "b" + token[1:], "a", ".", "%20", "%00", "%FF", strings.Repeat("a", 27), strings.Repeat("z", 5000),
		"..%2F..%2Fetc", "<script>", unknown, empty, "%F0%9F%98%80",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			res, body := r.ask(method, "/c/"+bad)
			if res.StatusCode != 404 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") || method == "GET" && !strings.Contains(body, "once more from the mail") || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %q: %d %q", method, bad, res.StatusCode, body)
			}
			if strings.Contains(body, "<script>") {
				t.Errorf("%q comes back in the page", bad)
			}
		}
	}
	for _, e := range r.taken() {
		if e.Content != "neither url nor file" {
			t.Errorf("a damaged link became an event: %+v", e)
		}
	}
}

func TestDamagedTokensGoToTheFallback(t *testing.T) {
	r := newRig(t, func(t *track.Tracker) {
		t.Fallback = "https://www.example.com/?from=link#top"
		t.NotFound = func(echo.Context) error { panic("asked for a page") }
	})
	for _, bad := range []string{"a", strings.Repeat("a", 27), r.Keys.Seal(trail.KeyOf("never registered"), "abcdefghia")} {
		res, _ := r.ask("GET", "/c/"+bad)
		if res.StatusCode != 302 || res.Header.Get("Location") != r.Fallback || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%q: %d to %q", bad, res.StatusCode, res.Header.Get("Location"))
		}
	}
	if len(r.taken()) != 0 {
		t.Error("a damaged link became an event")
	}
}

func TestTheCallersPageIsShown(t *testing.T) {
	page := func(c echo.Context) error { return c.HTML(http.StatusNotFound, "our own page") }
	r := newRig(t, func(t *track.Tracker) { t.NotFound = func(c echo.Context) error { return page(c) } })
	if res, body := r.ask("GET", "/c/a"); res.StatusCode != 404 || body != "our own page" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	page = func(echo.Context) error { return errors.New("template is broken") }
	if res, body := r.ask("GET", "/c/a"); res.StatusCode != 404 || !strings.Contains(body, "once more") {
		t.Errorf("when the page fails: %d %q", res.StatusCode, body)
	}
}

func TestHeadCountsNothing(t *testing.T) {
	r := newRig(t)
	token := r.add(trail.Target{Content: "deck", URL: "https://example.com/deck"})
	for range 3 {
		if res, _ := r.ask("HEAD", "/c/"+token); res.StatusCode != 302 || res.Header.Get("Location") != "https://example.com/deck" {
			t.Errorf("click: %d", res.StatusCode)
		}
		if res, _ := r.ask("HEAD", "/o/"+token+".gif"); res.StatusCode != 200 || res.ContentLength != 43 {
			t.Errorf("open: %d, %d bytes", res.StatusCode, res.ContentLength)
		}
	}
	if n := len(r.taken()); n != 0 {
		t.Errorf("%d events", n)
	}
}

func TestPrefetchIsSentAwaySoThatTheClickComes(t *testing.T) {
	r := newRig(t)
	token := r.add(trail.Target{Content: "deck", URL: "https://example.com/deck"})
	for _, line := range []string{"Sec-Purpose: prefetch", "Sec-Purpose: prefetch;prerender", "Purpose: prefetch", "X-Moz: prefetch", "X-Purpose: preview"} {
		for _, path := range []string{"/c/" + token, "/c/damaged"} {
			res, _ := r.ask("GET", path, line)
			if res.StatusCode != 503 || res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Location") != "" {
				t.Errorf("%s: %d, %v", line, res.StatusCode, res.Header)
			}
		}
	}
	if n := len(r.taken()); n != 0 {
		t.Errorf("%d events", n)
	}
	if r.ask("GET", "/c/"+token); len(r.taken()) != 1 {
		t.Error("the click itself is not counted")
	}
}

func TestPixelIsTheSameForEveryToken(t *testing.T) {
	r := newRig(t)
	token := r.add(trail.Target{Content: "deck", URL: "https://example.com/deck"})
	var first http.Header
	var bytes string
	for _, name := range []string{
		token + ".gif", strings.ToUpper(token) + ".GIF", token, "x" + token + ".gif", token[:20] + ".gif", strings.Repeat("a", 27) + ".gif", "a", "%00", "%FF.gif",
		r.Keys.Seal(trail.KeyOf("never registered"), "abcdefghia") + ".gif", strings.Repeat("z", 5000),
	} {
		res, body := r.ask("GET", "/o/"+name)
		res.Header.Del("Date")
		if first == nil {
			first, bytes = res.Header, body
		}
		if res.StatusCode != 200 || body != bytes || !equal(res.Header, first) {
			t.Errorf("%q: %d, %d bytes, %v", name, res.StatusCode, len(body), res.Header)
		}
		head, none := r.ask("HEAD", "/o/"+name)
		head.Header.Del("Date")
		if head.StatusCode != 200 || none != "" || !equal(head.Header, first) {
			t.Errorf("HEAD %q: %d, %v", name, head.StatusCode, head.Header)
		}
	}
	if len(bytes) != 43 {
		t.Errorf("%d bytes", len(bytes))
	}
	if dot, err := gif.Decode(strings.NewReader(bytes)); err != nil {
		t.Error(err)
	} else if _, _, _, alpha := dot.At(0, 0).RGBA(); alpha != 0 || dot.Bounds().Dx() != 1 || dot.Bounds().Dy() != 1 {
		t.Errorf("%v, alpha %d", dot.Bounds(), alpha)
	}
	for k, want := range map[string]string{
		"Content-Type": "image/gif", "Content-Length": "43", "Cache-Control": "no-store, no-cache, max-age=0, must-revalidate, private", "Pragma": "no-cache", "Expires": "0",
		"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow", "Cross-Origin-Resource-Policy": "cross-origin", "X-Content-Type-Options": "nosniff",
		"Etag": "", "Last-Modified": "", "Set-Cookie": "", "X-Request-Id": "",
	} {
		if got := first.Get(k); got != want {
			t.Errorf("%s is %q, want %q", k, got, want)
		}
	}
	if n := len(r.taken()); n != 3 {
		t.Errorf("%d opens of 3 good names", n)
	}
}

func equal(a, b http.Header) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

func TestOpensOfMachinesAreLabelledNotDropped(t *testing.T) {
	r := newRig(t)
	token := r.add(trail.Target{Content: "deck", URL: "https://example.com/deck"})
	for _, c := range []struct {
		line  string
		agent trail.Agent
	}{
		{"User-Agent: Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", trail.Proxy},
		{"User-Agent: Mozilla/5.0", trail.Scanner},
		{"Sec-Purpose: prefetch", trail.Scanner},
		{"Sec-Fetch-Dest: image", trail.Human},
	} {
		r.ask("GET", "/o/"+token+".gif", c.line)
		events := r.taken()
		if e := events[len(events)-1]; e.Kind != trail.Opened || e.Agent != c.agent {
			t.Errorf("%s: %+v", c.line, e)
		}
	}
	if len(r.taken()) != 4 {
		t.Errorf("%d events", len(r.taken()))
	}
}

func TestRepsOwnClicksAreMarked(t *testing.T) {
	r := newRig(t, func(t *track.Tracker) {
		t.Self = func(q *http.Request) bool { _, err := q.Cookie("session"); return err == nil }
	})
	token := r.add(trail.Target{Content: "deck", URL: "https://example.com/deck"})
	r.ask("GET", "/c/"+token, "Cookie: session=1")
	r.ask("GET", "/c/"+token)
	if e := r.taken(); e[0].Agent != trail.Self || e[1].Agent != trail.Human {
		t.Errorf("%+v", e)
	}
}

func TestTokensThatWeNeverMadeAreCountedAndLimited(t *testing.T) {
	var asked int
	r := newRig(t, func(t *track.Tracker) { t.Limit = func(string) bool { asked++; return asked <= 2 } })
	token := r.add(trail.Target{Content: "deck", URL: "https://example.com/deck"})
	for i, want := range []int{404, 404, 429, 429} {
		res, _ := r.ask("GET", "/c/"+token[:len(token)-1])
		if res.StatusCode != want || want == 429 && res.Header.Get("Retry-After") == "" {
			t.Errorf("request %d is answered %d, want %d", i, res.StatusCode, want)
		}
	}
	if res, _ := r.ask("GET", "/c/"+token); res.StatusCode != 302 {
		t.Errorf("a good link is answered %d although its neighbour guesses", res.StatusCode)
	}
	if res, body := r.ask("GET", "/o/guess.gif"); res.StatusCode != 200 || len(body) != 43 {
		t.Errorf("a guessed pixel is answered %d", res.StatusCode)
	}
	if said := r.log.String(); strings.Count(said, "slowed down") != 1 || strings.Contains(said, token[:len(token)-1]) || strings.Contains(said, "127.0.0.1") {
		t.Errorf("the log says %s", said)
	}
	if r.Unknown() != 5 || len(r.taken()) != 1 {
		t.Errorf("%d tokens are unknown, and %d events were made", r.Unknown(), len(r.taken()))
	}
}
