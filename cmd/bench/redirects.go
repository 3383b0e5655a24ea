package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/labstack/echo/v4"
)

// The yardsticks answer the same Location and do nothing else.
const (
	yardstickEnv = "DEALTRAIL_BENCH_YARDSTICK" // name and address: echo 127.0.0.1:1234
	target       = "https://example.com/deck.pdf"
	rounds       = 3
)

// redirects measures tracked links against servers that only redirect.
func (b *bench) redirects(ctx context.Context) error {
	p, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer p.stop()
	link, err := p.link(ctx, "deck")
	if err != nil {
		return err
	}
	servers := []*server{{name: "dealtrail", url: link}}
	for _, name := range []string{"Echo", "net/http", "nginx"} {
		s, err := b.yardstick(name)
		if err != nil {
			return err
		}
		defer s.stop()
		servers = append(servers, s)
	}
	// In turns, so that what the machine does besides hits all.
	for range rounds {
		for _, s := range servers {
			if err := s.wrk(ctx, b.measure); err != nil {
				return err
			}
		}
	}
	before, err := p.accepted(ctx)
	if err != nil {
		return err
	}
	echo, own := servers[1].best, servers[0].best
	b.say("\n## Tracked redirects\n\n64 connections by wrk on loopback, %d rounds of %s in turns, the best of each; the links' event durable (Redis, appendfsync always), token check and verdict on. %d clicks were accepted.\n\n", rounds, b.measure, before)
	b.say("| Server | requests/s | p50 | p99 | of bare Echo |\n|---|---:|---:|---:|---:|\n")
	for _, s := range servers {
		b.say("| %s | %.0f | %s | %s | %.2f |\n", s.name, s.best.rate, s.best.p50, s.best.p99, s.best.rate/echo.rate)
	}
	b.say("\n- At least a third of bare Echo: %s (%.2f).\n- 20,000/s or more: %s (%.0f/s).\n- p99 under 15 ms: %s (%s).\n",
		bar(own.rate >= echo.rate/3), own.rate/echo.rate, bar(own.rate >= 20_000), own.rate, bar(own.p99 < 15*time.Millisecond), own.p99)
	return nil
}

// server is one that wrk asks.
type server struct {
	name, url string
	cmd       *exec.Cmd
	best      result
}

type result struct {
	rate     float64 // requests a second
	p50, p99 time.Duration
}

func (s *server) stop() {
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		_ = s.cmd.Wait()
	}
}

var (
	wrkRate = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkP50  = regexp.MustCompile(`50%\s+([\d.]+\w+)`)
	wrkP99  = regexp.MustCompile(`99%\s+([\d.]+\w+)`)
)

// wrk loads a server for a while and keeps the round with most answers. Anything
// but a redirect is an error: a fast failure is no speed.
func (s *server) wrk(ctx context.Context, d time.Duration) error {
	seconds := fmt.Sprintf("%ds", max(1, int(d.Seconds())))
	args := []string{"-t", "1", "-c", "64", "-d", seconds, "--latency"}
	for _, h := range browser {
		args = append(args, "-H", h[0]+": "+h[1])
	}
	text, err := exec.CommandContext(ctx, "wrk", append(args, s.url)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("wrk: %w: %s", err, text)
	}
	if bytes.Contains(text, []byte("Non-2xx")) || bytes.Contains(text, []byte("Socket errors")) {
		return fmt.Errorf("%s: not every answer was a redirect: %s", s.name, text)
	}
	r := result{}
	if m := wrkRate.FindSubmatch(text); m != nil {
		r.rate, _ = strconv.ParseFloat(string(m[1]), 64)
	}
	for _, v := range []struct {
		of *regexp.Regexp
		to *time.Duration
	}{{wrkP50, &r.p50}, {wrkP99, &r.p99}} {
		if m := v.of.FindSubmatch(text); m != nil {
			*v.to, _ = time.ParseDuration(string(m[1]))
		}
	}
	if r.rate > s.best.rate {
		s.best = r
	}
	return nil
}

// browser are the headers of a click, so that the verdict has all to look at.
var browser = [][2]string{
	{"User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"},
	{"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"},
	{"Accept-Language", "de,en;q=0.9"},
	{"Accept-Encoding", "gzip, deflate, br"},
	{"Sec-Fetch-Mode", "navigate"},
	{"Sec-Fetch-Dest", "document"},
	{"Sec-Fetch-Site", "cross-site"},
	{"Sec-Fetch-User", "?1"},
	{"Upgrade-Insecure-Requests", "1"},
}

// yardstick starts one of the servers that only redirect, as a process of its own.
func (b *bench) yardstick(name string) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{name: name, url: "http://" + address + "/c/yardstick"}
	if name == "nginx" {
		dir := filepath.Join(b.dir, "nginx")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		config := filepath.Join(dir, "nginx.conf")
		text := fmt.Sprintf("daemon off; worker_processes auto; pid %[1]s/pid; error_log %[1]s/error.log;\nevents { worker_connections 512; }\n"+
			"http { access_log off; keepalive_requests 1000000000; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;\n"+
			"server { listen %[2]s; location / { return 302 %[3]s; } } }\n", dir, address, target)
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			return nil, err
		}
		s.cmd = exec.Command("nginx", "-c", config, "-e", filepath.Join(dir, "error.log"))
	} else {
		s.cmd = exec.Command("/proc/self/exe")
		s.cmd.Env = append(os.Environ(), yardstickEnv+"="+name+" "+address)
	}
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	return s, answers(s.url)
}

// serveYardstick is what this program is as a yardstick.
func serveYardstick(what string) error {
	name, address, _ := strings.Cut(what, " ")
	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", target)
		w.WriteHeader(http.StatusFound)
	})
	if name == "Echo" {
		e := echo.New()
		e.GET("/c/:token", func(c echo.Context) error { return c.Redirect(http.StatusFound, target) })
		h = e
	}
	return http.ListenAndServe(address, h)
}

func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// answers waits until a server redirects.
func answers(url string) error {
	client := follower()
	var last error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		resp, err := client.Get(url)
		if last = err; err == nil {
			resp.Body.Close()
			return nil
		}
	}
	return fmt.Errorf("%s does not answer: %w", url, last)
}
