package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"golang.org/x/net/dns/dnsmessage"
)

// nameserver says that every name is this machine, over TCP.
func nameserver(t *testing.T) string {
	t.Helper()
	ln := hear(t)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for answerName(conn) == nil {
				}
			}()
		}
	}()
	return ln.Addr().String()
}

// answerName answers one question. Each message has its length before it.
func answerName(conn net.Conn) error {
	var length uint16
	if err := binary.Read(conn, binary.BigEndian, &length); err != nil {
		return err
	}
	b := make([]byte, length)
	if _, err := io.ReadFull(conn, b); err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(b); err != nil || len(m.Questions) == 0 {
		return errors.Join(err, io.ErrUnexpectedEOF)
	}
	q := m.Questions[0]
	m.Response, m.Additionals = true, nil
	if q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
	}
	answer, err := m.Pack()
	if err != nil {
		return err
	}
	_, err = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	return err
}

// authority is a real ACME server, which checks hosts by connecting to the ports. It
// returns its directory and who speaks
// to it, and whom to trust.
func authority(t *testing.T, plain, secure net.Listener) (directory string, client *http.Client, roots *x509.CertPool) {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "default"}})
	web := wfe.New(quiet, store, va.New(quiet, port(plain), port(secure), false, nameserver(t), store), issuer, []string{"ca.test"}, false, false, 1, 1)
	server := httptest.NewTLSServer(web.Handler())
	t.Cleanup(server.Close)
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(issuer.GetRootCert(0).PEM())
	return server.URL + wfe.DirectoryPath, server.Client(), roots
}

func port(ln net.Listener) int { return ln.Addr().(*net.TCPAddr).Port }

// hear listens on a port of this machine.
func hear(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func TestCertificatesComeByThemselvesAndEachHostServesItsOwn(t *testing.T) {
	p := &program{secure: hear(t), plain: hear(t)}
	directory, client, roots := authority(t, p.plain, p.secure)
	p.issuer = client
	r := startProgram(t, writeConfig(t, ""), p, func(c *Config) {
		c.Server.PublicURL, c.Server.PagesURL = "https://go.ours.test", "https://deals.ours.test"
		c.Server.ACMEDomains, c.Server.ACMEDirectory = []string{"go.ours.test", "deals.ours.test"}, directory
		if err := c.check(); err != nil {
			t.Fatal(err)
		}
	})
	r.api.URL = "http://" + p.main.Addr().String()
	var dialer net.Dialer
	browser := &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasSuffix(address, ":443") {
				return dialer.DialContext(ctx, network, p.secure.Addr().String())
			}
			return dialer.DialContext(ctx, network, p.plain.Addr().String())
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(browser.CloseIdleConnections)
	get := func(address string) *http.Response {
		t.Helper()
		resp, err := browser.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	r.load(nil)
	link := strings.TrimSpace(r.command("share", "--content", "C1", "--rep", "rita@ours.test"))
	if resp := get(link); resp.StatusCode != 302 || resp.Header.Get("Location") != "https://www.example.com/one" || resp.Header.Get("Strict-Transport-Security") != "" || resp.ProtoMajor != 2 {
		t.Errorf("the link answers %s %s to %s with %v", resp.Proto, resp.Status, resp.Header.Get("Location"), resp.Header)
	}
	pages := get("https://deals.ours.test/")
	if sent := pages.Header.Get("Strict-Transport-Security"); sent == "" || pages.StatusCode != 401 {
		t.Errorf("the pages answer %s with %q", pages.Status, sent)
	}
	for _, path := range []string{"/", "/sign-in", "/v1/status", "/metrics", "/openapi.yaml"} {
		if resp := get("https://go.ours.test" + path); resp.StatusCode != 404 {
			t.Errorf("the links' host answers %s to %s", resp.Status, path)
		}
	}
	if resp := get(strings.Replace(link, "https:", "http:", 1)); resp.StatusCode != 301 || resp.Header.Get("Location") != link {
		t.Errorf("without TLS the link answers %s to %s", resp.Status, resp.Header.Get("Location"))
	}
	if resp := get("http://evil.test/c/x"); resp.StatusCode != 421 || resp.Header.Get("Location") != "" {
		t.Errorf("another host is answered %s to %s", resp.Status, resp.Header.Get("Location"))
	}
	if _, err := browser.Get("https://evil.test/"); err == nil {
		t.Error("there is a certificate for a host that is not ours")
	}
	for version, may := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", p.secure.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "go.ours.test", MinVersion: tls.VersionTLS10, MaxVersion: version})
		if (err == nil) != may {
			t.Errorf("with %s at most: %v", tls.VersionName(version), err)
		}
		if err == nil {
			conn.Close()
		}
	}
	// They are kept: an authority gives only so many a week.
	if files, err := os.ReadDir(r.program.config.beside("data/certificates")); err != nil || len(files) < 3 {
		t.Errorf("kept are %v: %v", files, err)
	}
}

func TestCertificatesForTheWrongHostsAreRefused(t *testing.T) {
	base := "[server]\npublic_url = \"https://go.example.com\"\n"
	for text, want := range map[string]string{
		"acme_domains = [\"go.example.org\"]":                                                   "server.public_url",
		"acme_domains = [\"*.example.com\", \"go.example.com\"]":                                "server.acme_domains",
		"acme_domains = [\"go.example.com\"]\ntls_listen = \"443\"":                             "server.tls_listen",
		"acme_domains = [\"go.example.com\"]\nacme_directory = \"http://ca.example.com/dir\"":   "server.acme_directory",
		"acme_domains = [\"go.example.com\"]\npages_url = \"https://deals.example.com\"":        "server.pages_url",
		"acme_domains = [\"go.example.com\"]\ntracking_listen = \"127.0.0.1:8081\"":             "server.tracking_listen",
		"acme_domains = [\"go.example.com\"]\nhttp_listen = \"80\"":                             "server.http_listen",
		"acme_domains = [\"go.example.com\"]\nhttp_listen = \"\"\ntls_listen = \"0.0.0.0:443\"": "",
	} {
		_, err := loadConfig(writeConfig(t, base+text), nil)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want one that names %q", text, err, want)
		}
	}
}

func TestWhoSaysLittleSlowlyOrTooMuchIsCutOff(t *testing.T) {
	t.Parallel() // it waits
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	var lines syncBuffer
	told := slog.New(slog.NewTextHandler(&lines, nil))
	real := newServer(ok, told)
	if h, b := real.ReadHeaderTimeout, real.ReadTimeout; h <= 0 || h > 10*time.Second || b <= 0 || b > time.Minute || real.IdleTimeout <= 0 || real.WriteTimeout <= 0 {
		t.Errorf("a header may take %s, a request %s, and connections stay %s", h, b, real.IdleTimeout)
	}
	server := newServer(ok, told)
	server.ReadHeaderTimeout = 2 * time.Second // so that the test does not take five
	ln := hear(t)
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	address := "http://" + ln.Addr().String()
	// Many who send a header of a byte now and then.
	ended := make(chan error, 50)
	for range cap(ended) {
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		go func() {
			for { // it ends when the server has cut us off
				if _, err := conn.Write([]byte("a")); err != nil {
					ended <- nil
					return
				}
				_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
				if _, err := conn.Read(make([]byte, 512)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					ended <- nil
					return
				}
			}
		}()
	}
	resp, err := http.Get(address)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("meanwhile others get %v, %v", resp, err)
	}
	resp.Body.Close()
	for range cap(ended) {
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Fatal("who sends slowly is never cut off")
		}
	}
	eventually(t, "the log tells of those who were cut off", func() bool { return strings.Contains(lines.String(), "connections ended before a request was whole") })
	if n := strings.Count(lines.String(), "\n"); n != 1 {
		t.Errorf("they leave %d lines within a minute:\n%s", n, lines.String())
	}
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n", strings.Repeat("a", 64<<10))
	resp, err = http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 64 KB is answered %v, %v", resp, err)
	}
}
