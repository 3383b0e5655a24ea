package track_test

import (
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/ingest/track"
	"dealtrail/trail"
)

func TestContentWithoutURLIsServedFromItsFile(t *testing.T) {
	dir := t.TempDir()
	text := strings.Repeat("0123456789", 100)
	if err := os.WriteFile(dir+"/ab12", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(t *track.Tracker) {
		t.File = func(sha string) (*os.File, error) { return os.Open(dir + "/" + sha) }
	})
	for _, c := range []struct{ name, kind, disposition, media, policy string }{
		{"deck.pdf", "application/pdf", `inline; filename=deck.pdf`, "application/pdf", ""},
		{"", "", `inline; filename=file`, "application/octet-stream", ""},
		{"page.html", "", `inline; filename=page.html`, "text/html; charset=utf-8", "sandbox"},
		{"logo", "image/svg+xml", `inline; filename=logo`, "image/svg+xml", "sandbox"},
		{"x.xml", "application/xml", `inline; filename=x.xml`, "application/xml", "sandbox"},
		{"x", "nonsense\r\nSet-Cookie: a=b", `inline; filename=x`, "application/octet-stream", ""},
		{`..\..\etc/pass"wd` + "\r\n\u202e.pdf", "application/pdf", `inline; filename=passwd.pdf`, "application/pdf", ""},
		{"Über uns.pdf", "application/pdf", `inline; filename*=utf-8''%C3%9Cber%20uns.pdf`, "application/pdf", ""},
	} {
		token := r.add(trail.Target{Content: "file " + c.name + c.kind, File: "ab12", FileName: c.name, FileType: c.kind})
		res, body := r.ask("GET", "/c/"+token)
		if res.StatusCode != 200 || body != text || res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("X-Request-Id") == "" {
			t.Errorf("%q: %d, %v", c.name, res.StatusCode, res.Header)
		}
		for k, want := range map[string]string{"Content-Disposition": c.disposition, "Content-Type": c.media, "Content-Security-Policy": c.policy} {
			if got := res.Header.Get(k); got != want {
				t.Errorf("%q: %s is %q, want %q", c.name, k, got, want)
			}
		}
		if head, body := r.ask("HEAD", "/c/"+token); head.StatusCode != 200 || body != "" || head.ContentLength != 1000 {
			t.Errorf("HEAD %q: %d, %d bytes", c.name, head.StatusCode, head.ContentLength)
		}
	}
	long := r.add(trail.Target{Content: "long", File: "ab12", FileName: strings.Repeat("ü", 200) + ".pdf"})
	if res, _ := r.ask("GET", "/c/"+long); !strings.HasSuffix(res.Header.Get("Content-Disposition"), ".pdf") || len(res.Header.Get("Content-Disposition")) > 500 {
		t.Errorf("a long name becomes %q", res.Header.Get("Content-Disposition"))
	}
	gone := r.add(trail.Target{Content: "gone", File: "cd34"})
	if res, _ := r.ask("GET", "/c/"+gone); res.StatusCode != 404 {
		t.Errorf("a file that is gone: %d", res.StatusCode)
	}
}

// The server's deadline for pages is over at once here.
func TestFileOnASlowLineIsServedWhole(t *testing.T) {
	dir := t.TempDir()
	text := strings.Repeat("0123456789", 1_000_000)
	if err := os.WriteFile(dir+"/ab12", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(t *track.Tracker) {
		t.File = func(sha string) (*os.File, error) { return os.Open(dir + "/" + sha) }
	})
	e := echo.New()
	r.Routes(e.Group(""))
	server := httptest.NewUnstartedServer(e)
	server.Config.WriteTimeout = time.Nanosecond
	server.Start()
	defer server.Close()
	r.url = server.URL
	token := r.add(trail.Target{Content: "film", File: "ab12", FileName: "film.mp4"})
	if res, body := r.ask("GET", "/c/"+token); res.StatusCode != 200 || body != text {
		t.Errorf("%d, %d bytes", res.StatusCode, len(body))
	}
}

// A reader of PDFs or films fetches a file in pieces: one click, not many.
func TestPiecesOfAFileAreOneClick(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/ab12", []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(t *track.Tracker) {
		t.File = func(sha string) (*os.File, error) { return os.Open(dir + "/" + sha) }
	})
	token := r.add(trail.Target{Content: "film", File: "ab12", FileName: "film.mp4"})
	for part, want := range map[string]string{"bytes=0-1": "01", "bytes=0-": "0123456789", "bytes=4-5": "45", "bytes=8-": "89", "bytes=-1": "9"} {
		if res, body := r.ask("GET", "/c/"+token, "Range: "+part); res.StatusCode != 206 || body != want {
			t.Errorf("%s: %d %q", part, res.StatusCode, body)
		}
	}
	if n := len(r.taken()); n != 1 {
		t.Errorf("%d events", n)
	}
}
