package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dealtrail/api"
	"dealtrail/ingest"
	"dealtrail/store/chdb"
	"dealtrail/trail"
	"dealtrail/trail/freeport"
)

// soaking says that these tests run as make soak runs them: longer, faster, more
// often. Both forms end by count and time.
var soaking = os.Getenv("DEALTRAIL_SOAK") == "1"

// either returns what the short or the long form of a test takes.
func either[T any](short, long T) T {
	if soaking {
		return long
	}
	return short
}

// beside lets a test run beside others. In the long form each has the machine for
// itself, so that what is measured is the program.
func beside(t *testing.T) {
	if !soaking {
		t.Parallel()
	}
}

// within waits until ok as eventually does, with a limit of its own.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s passed and still not: %s", limit, what)
		}
	}
}

// shortDir returns a folder whose name leaves room for a socket's: names of tests
// are sentences.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// served is dealtrail serve as a process of its own, which can be killed and
// started again on the same data and address.
type served struct {
	t   *testing.T
	dir string // of dealtrail.toml
	url string // where it answers

	program string   // empty: this test, as dealtrail
	env     []string // beside the test's own

	args []string // after serve
	api  *api.Client

	cmd   *exec.Cmd
	ended chan struct{} // closed once the process is gone
	log   *syncBuffer
}

// site writes a configuration with more text in it, and secrets; nil makes fresh
// ones. Nothing is started.
func site(t *testing.T, text string, secrets *Secrets, args ...string) *served {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", freeport.Hold(t, 1)[0])
	if secrets == nil {
		fresh := newSecrets()
		secrets = &fresh
	}
	s := &served{t: t, dir: shortDir(t), url: "http://" + address, args: args, log: &syncBuffer{}}
	s.api = &api.Client{URL: s.url, Key: secrets.AdminKey.Reveal()}
	text = fmt.Sprintf("[server]\nlisten = %q\npublic_url = %q\n[tracking]\nallow_local = true\n[mailboxes]\nevery = \"300ms\"\n%s", address, s.url, text)
	if err := os.WriteFile(s.config(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(secretsPath(s.config()), secrets.text(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.cmd != nil {
			s.kill()
		}
		if t.Failed() {
			t.Logf("log of serve %s at %s:\n%s", s.args, s.url, s.log)
		}
	})
	return s
}

func (s *served) config() string { return filepath.Join(s.dir, "dealtrail.toml") }

// engine is where the private engine answers.
func (s *served) engine() string { return filepath.Join(s.dir, "data", "clickhouse", "engine.sock") }

// start starts the process and waits until it answers. A connection that this
// machine makes can hold the address for a moment; a service manager would try
// again too.
func (s *served) start() *served {
	s.t.Helper()
	for range 5 {
		if s.try() {
			return s
		}
	}
	s.t.Fatalf("serve %s does not start:\n%s", s.args, s.log)
	return nil
}

func (s *served) try() (up bool) {
	s.t.Helper()
	s.cmd = s.command("serve", s.args...)
	s.cmd.Stderr = s.log
	s.cmd.WaitDelay = time.Second
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	cmd, ended := s.cmd, make(chan struct{})
	s.ended = ended
	go func() {
		_ = cmd.Wait() // its state says how it ended
		close(ended)
	}()
	within(s.t, time.Minute, "serve answers or ends", func() bool {
		select {
		case <-ended:
			return true
		default:
			up = s.get("/healthz") == http.StatusOK
			return up
		}
	})
	return up
}

// get returns the status of an answer, 0 when there is none.
func (s *served) get(path string) int {
	code, _ := s.page(path)
	return code
}

// page returns an answer, 0 when there is none.
func (s *served) page(path string) (code int, text string) {
	resp, err := (&http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Get(s.url + path)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// command is the program with this configuration.
func (s *served) command(name string, args ...string) *exec.Cmd {
	s.t.Helper()
	exe := s.program
	if exe == "" {
		var err error
		if exe, err = os.Executable(); err != nil {
			s.t.Fatal(err)
		}
	}
	cmd := exec.Command(exe, append([]string{"--config", s.config(), name}, args...)...)
	cmd.Env = slices.Concat(os.Environ(), []string{asProgram + "=1"}, s.env)
	return cmd
}

// do runs a command of the program to its end.
func (s *served) do(name string, args ...string) (out string, code int) {
	s.t.Helper()
	text, err := s.command(name, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	if exit != nil {
		code = exit.ExitCode()
	}
	return string(text), code
}

// kill ends the process as a power cut would.
func (s *served) kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// stop ends the process in order.
func (s *served) stop() {
	s.t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(40 * time.Second):
		s.t.Fatalf("serve %s goes on after SIGTERM", s.args)
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		s.t.Errorf("serve %s ended with %d", s.args, code)
	}
}

func (s *served) status() (st trail.Status, err error) {
	return st, s.api.Get(context.Background(), "/v1/status", nil, &st)
}

// link registers content and makes a tracked link to it, as a path: every process
// that tracks answers it.
func (s *served) link(content string) string {
	s.t.Helper()
	in := map[string]any{"id": content, "title": content, "kind": "deck", "url": "https://www.example.com/" + content}
	if err := s.api.Post(s.t.Context(), "/v1/content", in, nil); err != nil {
		s.t.Fatal(err)
	}
	var share struct{ URL string }
	if err := s.api.Post(s.t.Context(), "/v1/shares", map[string]any{"content": content, "rep": "rita@ours.test"}, &share); err != nil {
		s.t.Fatal(err)
	}
	return share.URL[strings.Index(share.URL, "/c/"):]
}

// outside is a Redis and an engine that the test owns, as an installation has them
// whose processes share them.
type outside struct {
	t      *testing.T
	dir    string
	redis  *ingest.Redis
	engine *chdb.Child
}

func startOutside(t *testing.T) *outside {
	t.Helper()
	o := &outside{t: t, dir: shortDir(t)}
	t.Cleanup(func() {
		if o.engine != nil {
			o.engine.Close()
		}
		if o.redis != nil {
			o.redis.Close()
		}
	})
	o.startRedis()
	o.startEngine()
	return o
}

func (o *outside) startRedis() {
	o.t.Helper()
	var err error
	if o.redis, err = ingest.StartRedis(o.t.Context(), ingest.RedisOptions{Dir: filepath.Join(o.dir, "redis"), Log: slog.New(slog.DiscardHandler)}); err != nil {
		o.t.Fatal(err)
	}
}

func (o *outside) startEngine() {
	o.t.Helper()
	var err error
	if o.engine, err = chdb.Start(o.t.Context(), chdb.Options{Dir: filepath.Join(o.dir, "engine"), Log: slog.New(slog.DiscardHandler)}); err != nil {
		o.t.Fatal(err)
	}
}

// socket is where the engine answers.
func (o *outside) socket() string { return filepath.Join(o.dir, "engine", "engine.sock") }

// text is what a configuration says of both.
func (o *outside) text() string {
	return fmt.Sprintf("[redis]\nurl = \"unix://%s\"\n[clickhouse]\nurl = \"unix://%s\"\n", filepath.Join(o.dir, "redis", "redis.sock"), o.socket())
}
