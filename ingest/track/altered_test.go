package track_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"dealtrail/ingest/track"
	"dealtrail/trail"
)

// alphabet is what tokens are made of.
const alphabet = "abcdefghijklmnopqrstuvwxyz234567"

// wire asks a tracker over one connection for paths as they are, those included
// that a client of net/http would not send.
type wire struct {
	t    testing.TB
	addr string
	conn net.Conn
	in   *bufio.Reader
}

func (r *rig) wire(t testing.TB) *wire {
	w := &wire{t: t, addr: strings.TrimPrefix(r.url, "http://")}
	t.Cleanup(w.hangUp)
	return w
}

func (w *wire) hangUp() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

// ask returns the status and body that a path is answered with.
func (w *wire) ask(method, path string) (status int, location, body string) {
	w.t.Helper()
	if w.conn == nil {
		conn, err := net.Dial("tcp", w.addr)
		if err != nil {
			w.t.Fatal(err)
		}
		w.conn, w.in = conn, bufio.NewReader(conn)
	}
	if _, err := fmt.Fprintf(w.conn, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36\r\n\r\n", method, path, w.addr); err != nil {
		w.t.Fatalf("%.100q: %v", path, err)
	}
	resp, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		w.t.Fatalf("%.100q: %v", path, err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatalf("%.100q: %v", path, err)
	}
	if resp.Close {
		w.hangUp()
	}
	return resp.StatusCode, resp.Header.Get("Location"), string(text)
}

// refusedByHTTP reports paths that net/http answers with 400 before the tracker
// sees them: those with control characters, or a percent sign that escapes nothing.
func refusedByHTTP(path string) bool {
	for i := range len(path) {
		if c := path[i]; c < ' ' || c == 0x7f || c == '%' && (len(path) < i+3 || strings.Trim(path[i+1:i+3], "0123456789abcdefABCDEF") != "") {
			return true
		}
	}
	return false
}

// alterations returns what becomes of a token when a character is replaced by
// any other, and when machines cut, turn, decode or garble it.
func alterations(token string) (all []string) {
	for i := range token {
		for _, c := range alphabet + "0189" {
			if byte(c) != token[i] {
				all = append(all, token[:i]+string(c)+token[i+1:])
			}
		}
		all = append(all, token[:i]+token[i+1:], token[:i]+"a"+token[i:], token[:i]+"=3D"+token[i:], token[:i]+"=%0D%0A"+token[i:], token[:i]+"%0A"+token[i:],
			token[:i]+"%00"+token[i+1:], token[:i]+"\x80"+token[i+1:], token[:i]+"%C5%BF"+token[i+1:], token[:i]+"\u212a"+token[i+1:], token[:i]+"-"+token[i:], token[:i]+"+"+token[i+1:])
		if i > 0 {
			all = append(all, token[:i], token[i:], token[i:]+token[:i])
		}
	}
	rot13 := strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) {
			return 'a' + (c-'a'+13)%26
		}
		return c
	}, token)
	var reversed []byte
	for i := range token {
		reversed = append(reversed, token[len(token)-1-i])
	}
	return append(all, rot13, strings.ToUpper(rot13), string(reversed), token+token, token+"a", token+"A", token+"0", "a"+token, "3D"+token, "=3D"+token, "%3D"+token, "(", ".", "..", "%2e%2e", "%2F", "%2F"+token,
		strings.Repeat("a", trail.TokenLength), strings.Repeat("7", trail.TokenLength), strings.Repeat("\xff", trail.TokenLength), strings.Repeat("%00", trail.TokenLength), strings.Repeat("%", trail.TokenLength),
		strings.Repeat("x", 10_000), strings.Repeat("%FF", 3_400), token[:26]+strings.Repeat("a", 10_000), "\xc3\x28", "%C3%28", "%ED%A0%80", "%F0%9F%98%80", "%", "%0", "%zz", "%u0041", "\x01", "%7F", "{{.}}", "<script>", "';--", "${x}", "%252F")
}

func TestAlteredTokensAreNeverSomebodyElses(t *testing.T) {
	r := newRig(t)
	var tokens []string
	for i, content := range []string{"deck", "guide", "prices"} {
		r.add(trail.Target{Content: content, URL: "https://www.example.com/" + content})
		for _, share := range []trail.ShareID{"abcdefghia", "bbcdefghia", "7777777774"} {
			if i == 0 || share == "abcdefghia" {
				tokens = append(tokens, r.Keys.Seal(trail.KeyOf(content), share))
			}
		}
	}
	w := r.wire(t)
	want := map[string]int{"/c/": http.StatusNotFound, "/o/": http.StatusOK}
	ask := func(path string) {
		t.Helper()
		before, status := r.Unknown(), want[path[:3]]
		refused := refusedByHTTP(path)
		if refused {
			status = http.StatusBadRequest
		}
		got, location, body := w.ask("GET", path)
		if got != status || location != "" || status == 200 && len(body) != 43 || !refused && r.Unknown() != before+1 {
			t.Errorf("%.100q: %d to %q with %d bytes and %d unknown tokens, want %d", path, got, location, len(body), r.Unknown()-before, status)
		}
	}
	for _, token := range tokens {
		for _, altered := range alterations(token) {
			ask("/c/" + altered)
			ask("/o/" + altered + ".gif")
		}
		ask("/c/" + token[:26] + "/")
		for _, path := range []string{"/c", "/c/", "/o/", "/c//", "/c/" + token[:13] + "/" + token[13:], "/c//" + token} {
			if status, _, _ := w.ask("GET", path); status >= 500 {
				t.Errorf("%s: %d", path, status)
			}
		}
	}
	if events := r.taken(); len(events) > 0 {
		t.Errorf("%d events were made, the first is %+v", len(events), events[0])
	}
	if r.Lost() != 0 || strings.Contains(r.log.String(), "ERROR") {
		t.Errorf("%d events are lost; the log says %s", r.Lost(), r.log.String())
	}
	unknown := r.Unknown()
	w.ask("HEAD", "/o/nobody.gif") // no open, so nothing to count either
	// The tokens themselves, after all this, and in upper case.
	for i, token := range tokens {
		w.ask("GET", "/c/"+token)
		w.ask("GET", "/o/"+strings.ToUpper(token)+".gif")
		events := r.taken()[2*i:]
		key, share, err := r.Keys.Open(token)
		if err != nil || len(events) != 2 || trail.KeyOf(events[0].Content) != key || events[0].Share != share || events[1].Content != events[0].Content || events[1].Share != share {
			t.Errorf("%s: %v, %+v", token, err, events)
		}
	}
	if r.Unknown() != unknown {
		t.Errorf("%d tokens of ours count as unknown", r.Unknown()-unknown)
	}
}

// A gateway that alters tokens asks often, and gets no redirect it could follow.
func TestAlteredTokensNeverLeadToTheirTarget(t *testing.T) {
	r := newRig(t, func(t *track.Tracker) { t.Fallback = "https://www.example.com/lost" })
	token := r.add(trail.Target{Content: "deck", URL: "https://www.example.com/deck"})
	w := r.wire(t)
	for _, altered := range alterations(token) {
		for _, method := range []string{"GET", "HEAD"} {
			status, location, _ := w.ask(method, "/c/"+altered)
			if refusedByHTTP(altered) {
				continue
			}
			if status != http.StatusFound || location != r.Fallback {
				t.Errorf("%s %.100q: %d to %q", method, altered, status, location)
			}
		}
	}
	if len(r.taken()) > 0 {
		t.Errorf("%d events", len(r.taken()))
	}
}

func FuzzRedirect(f *testing.F) {
	r := newRig(f)
	token := r.add(trail.Target{Content: "deck", URL: "https://www.example.com/deck"})
	other := r.add(trail.Target{Content: "guide", URL: "https://www.example.com/guide"})
	for _, s := range []string{
		token, other, strings.ToUpper(token), token + ".", token + "/", token + "/.", token[:26], "", "/", "%", "%00", "\x00", "\xff", "a b", "?url=https://other.example/", "#", "//other.example", `\\other.example`,
		"https://other.example/", "../o/" + token, token + "?x", "=3D" + token, "%2e%2e/" + token,
	} {
		f.Add(s, "c")
		f.Add(s, "o")
	}
	f.Fuzz(func(t *testing.T, element, kind string) {
		if (kind != "c" && kind != "o") || strings.ContainsAny(element, " \r\n") || len(element) > 100_000 {
			return // not one request line
		}
		events, unknown := len(r.taken()), r.Unknown()
		status, location, body := r.wire(t).ask("GET", "/"+kind+"/"+element)
		made := r.taken()[events:]
		if status >= 500 || len(made) > 1 || len(made) > 0 && r.Unknown() != unknown {
			t.Fatalf("%q: %d, %d events, %d unknown tokens", element, status, len(made), r.Unknown()-unknown)
		}
		if status == http.StatusFound && (location == "" || len(made) == 0) || location != "" && location != "https://www.example.com/deck" && location != "https://www.example.com/guide" {
			t.Errorf("%q leads to %q", element, location)
		}
		if kind == "o" && status == 200 && len(body) != 43 {
			t.Errorf("%q: %d bytes", element, len(body))
		}
		for _, e := range made {
			// Escaped or not, what makes an event of a content is its whole token.
			plain, err := url.PathUnescape(element)
			if err != nil {
				plain = element // the part behind a question mark may be anything
			}
			if sealed := r.Keys.Seal(trail.KeyOf(e.Content), e.Share); !strings.HasPrefix(strings.ToLower(plain), sealed) || location != "" && !strings.HasSuffix(location, e.Content) {
				t.Errorf("%q is an event of %s and leads to %q", element, e.Content, location)
			}
		}
	})
}
