package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The recipe of docs/proxy.md, in a real nginx: links and pages go where they should, and
// who asks is told as the proxy saw it, whatever they say of themselves.
func TestTheRecipeOfNginxKeepsHostsApart(t *testing.T) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		if nginx, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			t.Fatalf("%v; `make deps-test` installs it", err)
		}
	}
	text, err := os.ReadFile("../../docs/proxy.md")
	if err != nil {
		t.Fatal(err)
	}
	recipe := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindSubmatch(text)
	if recipe == nil {
		t.Fatal("docs/proxy.md has no recipe of nginx")
	}
	dir := shortDir(t)
	behind := func(name string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %s %s %s %s", name, r.URL.Path, r.Host, r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Forwarded-Proto"))
		}))
		t.Cleanup(s.Close)
		return strings.TrimPrefix(s.URL, "http://")
	}
	secure, plain := freeAddress(t), freeAddress(t)
	config := strings.NewReplacer("127.0.0.1:8081", behind("links"), "127.0.0.1:8080", behind("pages"), "listen 443 ssl", "listen "+secure+" ssl", "listen 80", "listen "+plain,
		"/etc/ssl/dealtrail/go", dir+"/host", "/etc/ssl/dealtrail/deals", dir+"/host").Replace(string(recipe[1]))
	config = fmt.Sprintf("daemon off; pid %[1]s/pid; error_log stderr; user root; events {}\nhttp { access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;\n%[2]s}\n", dir, config)
	if os.Geteuid() != 0 {
		config = strings.Replace(config, "user root; ", "", 1)
	}
	writeCertificate(t, dir)
	if err := os.WriteFile(dir+"/nginx.conf", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(nginx, "-e", "stderr", "-p", dir, "-c", dir+"/nginx.conf")
	log := &syncBuffer{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("nginx: %v\n%s", err, log)
		}
	})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(client.CloseIdleConnections)
	get := func(address, host string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", address, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		req.Header.Set("X-Forwarded-For", "6.6.6.6")
		resp, err := client.Do(req)
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		var b strings.Builder
		_ = resp.Write(&b)
		_, body, _ := strings.Cut(b.String(), "\r\n\r\n")
		return resp.StatusCode, resp.Header.Get("Location") + body
	}
	eventually(t, "nginx answers", func() bool { code, _ := get("http://"+plain+"/", "go.example.com"); return code != 0 })
	for _, c := range []struct {
		address, host string
		code          int
		says          string
	}{
		{"https://" + secure + "/c/token", "go.example.com", 200, "links /c/token go.example.com 127.0.0.1 https"},
		{"https://" + secure + "/O/token.gif", "go.example.com", 200, "links /O/token.gif go.example.com 127.0.0.1 https"},
		{"https://" + secure + "/v1/status", "go.example.com", 404, ""},
		{"https://" + secure + "/v1/status", "deals.example.com", 200, "pages /v1/status deals.example.com 127.0.0.1 https"},
		{"https://" + secure + "/metrics", "deals.example.com", 404, ""},
		{"http://" + plain + "/c/token", "go.example.com", 301, "https://go.example.com/c/token"},
	} {
		if code, says := get(c.address, c.host); code != c.code || !strings.Contains(says, c.says) {
			t.Errorf("%s of %s answers %d %q, want %d %q", c.address, c.host, code, says, c.code, c.says)
		}
	}
}

// freeAddress is an address of this machine at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// writeCertificate writes host.pem and host.key, which nobody trusts.
func writeCertificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"go.example.com", "deals.example.com"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"host.pem": {Type: "CERTIFICATE", Bytes: cert}, "host.key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
