package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/chromedp/chromedp"

	"dealtrail/dashboards/browsertest"
	"dealtrail/ingest"
	"dealtrail/trail"
)

// targetLine is a line of the lists in ingest/track/testdata: what a marketer types,
// and what must be stored and sent.
type targetLine struct{ typed, sent string }

func targetList(t *testing.T, name string) (all []targetLine) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "ingest", "track", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		if line[0] == '"' {
			if line, err = strconv.Unquote(line); err != nil {
				t.Fatal(err)
			}
			all = append(all, targetLine{typed: line})
			continue
		}
		typed, sent, _ := strings.Cut(line, "\t")
		all = append(all, targetLine{typed, cmp.Or(sent, typed)})
	}
	return all
}

// postShare makes a link to a content by the API.
func (r *running) postShare(content string, to ...string) (s ingest.Share, err error) {
	return s, r.api.Post(r.t.Context(), "/v1/shares", map[string]any{"content": content, "rep": "rita@ours.test", "to": to}, &s)
}

// inParallel calls f with 0 to n-1, several at a time.
func inParallel(n int, f func(i int)) {
	var all sync.WaitGroup
	defer all.Wait()
	next := make(chan int)
	defer close(next)
	for range 16 {
		all.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
}

// curlHead asks as the program of that name does and returns the head of the answer.
func curlHead(t *testing.T, args ...string) (status, location string) {
	t.Helper()
	program, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("curl is missing: run `make deps-test`")
	}
	head, err := exec.CommandContext(t.Context(), program, append([]string{"-q", "-s", "-g", "--path-as-is", "--noproxy", "*", "--max-time", "30", "-o", os.DevNull, "-D", "-"}, args...)...).Output()
	if err != nil {
		t.Errorf("curl %.200q: %v", args, err)
		return "", ""
	}
	status, rest, _ := strings.Cut(string(head), "\r\n")
	for line := range strings.SplitSeq(rest, "\r\n") {
		if value, is := strings.CutPrefix(line, "Location: "); is {
			location += value // a second one shows too
		}
	}
	return status, location
}

func TestTrackedLinksKeepEveryByteOfTheirTarget(t *testing.T) {
	t.Parallel()
	targets := targetList(t, "targets.txt")
	r := start(t, nil)
	links := make([]string, len(targets))
	inParallel(len(targets), func(i int) {
		id := "T" + strconv.Itoa(i)
		if err := r.api.Post(t.Context(), "/v1/content", map[string]string{"id": id, "url": targets[i].typed}, nil); err != nil {
			t.Errorf("%.200q: %v", targets[i].typed, err)
			return
		}
		s, err := r.postShare(id)
		if err != nil {
			t.Errorf("%.200q: %v", targets[i].typed, err)
		}
		links[i] = s.URL
	})
	for i, link := range links {
		for _, method := range [][]string{{}, {"-I"}} {
			status, location := curlHead(t, append(method, link)...)
			if status != "HTTP/1.1 302 Found" || location != targets[i].sent {
				t.Errorf("curl %s answers %q to %.200q, want %.200q", method, status, location, targets[i].sent)
			}
		}
	}
	var rows []trail.ContentRow
	eventually(t, "every GET is a click and no HEAD is", func() bool {
		rows = ask1[struct{ Rows []trail.ContentRow }](r, "/v1/content?agents=all&limit=1000").Rows
		clicks := 0
		for _, row := range rows {
			clicks += int(row.Clicks)
		}
		return clicks == len(targets)
	})
	for _, row := range rows {
		if i, err := strconv.Atoi(strings.TrimPrefix(row.ID, "T")); err != nil || row.URL != targets[i].sent || row.Clicks != 1 {
			t.Errorf("%s is shown as %.200q with %d clicks, want %.200q", row.ID, row.URL, row.Clicks, targets[i].sent)
		}
	}
}

func TestTargetsThatNoLinkMayHaveAreRefused(t *testing.T) {
	t.Parallel()
	targets := targetList(t, "refused.txt")
	r := start(t, nil)
	inParallel(len(targets), func(i int) {
		typed := targets[i].typed
		if !utf8.ValidString(typed) {
			typed = "https://www.example.com/\\\xff" // JSON cannot say it
		}
		err := r.api.Post(t.Context(), "/v1/content", map[string]string{"id": "T" + strconv.Itoa(i), "url": typed}, nil)
		if p := (*trail.Problem)(nil); !errors.As(err, &p) || p.Code != trail.Invalid {
			t.Errorf("%.200q: %v", typed, err)
		}
	})
	if rows := ask1[struct{ Rows []trail.ContentRow }](r, "/v1/content").Rows; len(rows) != 0 {
		t.Errorf("registered are %+v", rows)
	}
}

// What is added where a link is copied out of a sentence, a table or a damaged mail.
func TestLinksWorkWithWhatIsCopiedAlong(t *testing.T) {
	t.Parallel()
	const to = "https://www.example.com/a%2Fb?c=[d]+e#f"
	r := start(t, nil)
	if err := r.api.Post(t.Context(), "/v1/content", map[string]string{"id": "T", "url": to}, nil); err != nil {
		t.Fatal(err)
	}
	s, err := r.postShare("T")
	if err != nil {
		t.Fatal(err)
	}
	n := uint64(0)
	upper := strings.Replace(s.URL, s.Token, strings.ToUpper(s.Token), 1)
	for _, link := range []string{s.URL, upper, strings.Replace(s.URL, s.Token, strings.ToUpper(s.Token[:13])+s.Token[13:], 1)} {
		for _, tail := range []string{
			"", ".", ")", ">", "=", "%20", "=3D", ",", ";", `"`, "/", "...", ").", ">.", `">`, "'", "!", "*", "]", "%22", "%3E", "%3D", "%0D%0A", "=%0A",
			"%E2%80%A6", "%C2%A0", "%E2%80%8B", "%00", "%FF", "&nbsp;", "&gt;", "|", "%7C", "?", "?utm_source=x", "?url=https://other.example/", "#x", "/?x=1", ".?x", "%2F", "%3Fx", "_", "-", "+", "~",
		} {
			n++
			if status, location := curlHead(t, link+tail); status != "HTTP/1.1 302 Found" || location != to {
				t.Errorf("%s answers %q to %q", link[len(link)-5:]+tail, status, location)
			}
		}
	}
	eventually(t, "every click is in the report", func() bool {
		return ask1[trail.ContentDetail](r, "/v1/content/T?agents=all").Clicks == n
	})
}

// rawSite is a web server that notes what it is asked for as it comes: net/http
// refuses some of what browsers send.
type rawSite struct {
	url string

	mu    sync.Mutex
	asked []string
}

func serveRaw(t *testing.T) *rawSite {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &rawSite{url: "http://" + ln.Addr().String()}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	t.Cleanup(func() { cancel(); ln.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			stop := context.AfterFunc(ctx, func() { conn.Close() }) // browsers open some in advance
			all.Go(func() { p.answer(conn); conn.Close(); stop() })
		}
	})
	return p
}

// answer reads one request and notes it if it is for a page.
func (p *rawSite) answer(conn net.Conn) {
	in := bufio.NewReader(conn)
	first, err := in.ReadString('\n')
	for line := first; strings.TrimSpace(line) != ""; line, err = in.ReadString('\n') {
		if err != nil {
			return
		}
		if strings.EqualFold(strings.TrimSpace(line), "Sec-Fetch-Dest: document") {
			p.mu.Lock()
			p.asked = append(p.asked, strings.TrimSpace(first))
			p.mu.Unlock()
		}
	}
	const body = `<!doctype html><title>A page</title><link rel="icon" href="data:,">`
	fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func (p *rawSite) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := strings.Join(p.asked, "\n")
	p.asked = nil
	return all
}

// A browser writes some characters of a URL in its own way, so what it does with
// the link is compared with what it does with the target itself.
func TestBrowserLandsWhereTheTargetLeads(t *testing.T) {
	t.Parallel()
	site := serveRaw(t)
	var body bytes.Buffer
	w := csv.NewWriter(&body)
	w.Write([]string{"id", "url"})
	var targets []targetLine
	seen := map[string]bool{}
	for _, line := range targetList(t, "targets.txt") {
		local := targetLine{site.url + behindHost(line.typed), site.url + behindHost(line.sent)}
		if !seen[local.typed] {
			w.Write([]string{"T" + strconv.Itoa(len(targets)), local.typed})
			targets = append(targets, local)
		}
		seen[local.typed] = true
	}
	w.Flush()
	r := start(t, nil)
	if out := r.command("import", "content", r.file("content.csv", body.String())); !strings.Contains(out, " 0 rejected") {
		t.Fatalf("import: %s", out)
	}
	links := make([]string, len(targets))
	inParallel(len(targets), func(i int) {
		s, err := r.postShare("T" + strconv.Itoa(i))
		if err != nil {
			t.Errorf("%.200q: %v", targets[i].typed, err)
		}
		links[i] = s.URL
	})
	tab := browsertest.Open(t)
	visit := func(url string) (asked, at string) {
		err := chromedp.Do(tab, chromedp.Navigate(url))
		if err == nil {
			at, err = chromedp.Run(tab, chromedp.Evaluate[string]("location.href + '\\n' + location.hash"))
		}
		if err != nil {
			t.Errorf("%.200q: %v", url, err)
		}
		return site.take(), at
	}
	before := ""
	for i, to := range targets {
		if resp := click(t, links[i]); resp.Header.Get("Location") != to.sent {
			t.Errorf("the link leads to %.200q, want %.200q", resp.Header.Get("Location"), to.sent)
		}
		// A browser asks for nothing when only the fragment differs.
		name, _, _ := strings.Cut(to.typed, "#")
		if name == before {
			visit("about:blank")
		}
		before = name
		wantAsked, wantAt := visit(to.typed)
		asked, at := visit(links[i])
		if asked != wantAsked || at != wantAt || asked == "" || strings.Contains(asked, "\n") {
			t.Errorf("%.200q: the link asks for %.300q and ends at %.300q; without it %.300q and %.300q", to.typed, asked, at, wantAsked, wantAt)
		}
	}
}

// behindHost returns a URL from the path, query or fragment on.
func behindHost(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	return rest[len(rest)-len(strings.TrimLeftFunc(rest, func(r rune) bool { return !strings.ContainsRune("/?#", r) })):]
}
