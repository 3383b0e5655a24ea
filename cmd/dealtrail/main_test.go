package main

import (
	"bytes"
	"cmp"
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"dealtrail/api"
	"dealtrail/store/chdb"
)

// asProgram makes the test binary be dealtrail, for tests that need it as a
// process of its own.
const asProgram = "DEALTRAIL_TEST_AS_PROGRAM"

// asVersion is which version it then says it is.
const asVersion = "DEALTRAIL_TEST_AS_VERSION"

func TestMain(m *testing.M) {
	if chdb.IsChild() {
		os.Exit(chdb.ServeChild())
	}
	if os.Getenv(asProgram) != "" {
		version = cmp.Or(os.Getenv(asVersion), version)
		main()
	}
	os.Exit(m.Run())
}

// running is a whole dealtrail inside the test, on ports of its own.
type running struct {
	*program
	t      *testing.T
	api    *api.Client
	config string // path of dealtrail.toml
	log    *syncBuffer
	told   syncBuffer // secrets that the test got to know, with spaces between
	cancel context.CancelFunc
	done   chan error
}

// start writes a configuration, serves it and stops it when the test ends.
func start(t *testing.T, edit func(*Config)) *running {
	t.Helper()
	return startOn(t, writeConfig(t, ""), edit)
}

// startAt is start where pages and reviews go by another clock.
func startAt(t *testing.T, clock func() time.Time, edit func(*Config)) *running {
	t.Helper()
	return startProgram(t, writeConfig(t, ""), &program{clock: clock}, edit)
}

// startOn serves a configuration that exists, in the state an earlier one left.
func startOn(t *testing.T, path string, edit func(*Config)) *running {
	t.Helper()
	return startProgram(t, path, &program{}, edit)
}

func startProgram(t *testing.T, path string, p *program, edit func(*Config)) *running {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := defaults()
	c.path = path
	c.Server.Listen = ln.Addr().String()
	c.Server.PublicURL = "http://" + c.Server.Listen
	c.Tracking.AllowLocal = true
	c.Mailboxes.Every = Duration(200 * time.Millisecond)
	c.Mailboxes.AllowPrivate = true // Dovecot is on this machine
	if edit != nil {
		edit(c)
	}
	// The file says the same, so that commands find the server.
	if err := os.WriteFile(path, c.sample(), 0o600); err != nil {
		t.Fatal(err)
	}
	secrets, err := loadSecrets(secretsPath(path))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, config: path, log: &syncBuffer{}, cancel: cancel, done: make(chan error, 1)}
	p.config, p.secrets, p.log, p.main = c, secrets, logger(r.log), ln
	p.patience = 55 * time.Second // as a busy machine needs; after sixty the server hangs up
	r.program = p
	r.api = &api.Client{URL: c.Server.PublicURL, Key: secrets.AdminKey.Reveal()}
	up := make(chan struct{})
	go func() {
		r.done <- serve(ctx, r.program, func(context.Context) error { close(up); return nil })
	}()
	t.Cleanup(r.stop)
	select {
	case <-up:
	case err := <-r.done:
		r.done <- err
		t.Fatalf("serve: %v", err)
	case <-time.After(3 * time.Minute):
		t.Fatal("serve did not come up within three minutes")
	}
	return r
}

// stop ends the server and waits for it. It may be called again.
func (r *running) stop() {
	r.cancel()
	err := <-r.done
	r.done <- err
	if err != nil {
		r.t.Errorf("serve ended with: %v", err)
	}
	r.noSecrets()
	if r.t.Failed() {
		r.t.Logf("log of the server:\n%s", r.log.String())
	}
}

// command runs a command of the program against the server and returns what it
// printed.
func (r *running) command(args ...string) string {
	r.t.Helper()
	out, err := r.try(args...)
	if err != nil {
		r.t.Fatalf("dealtrail %s: %v", strings.Join(args, " "), err)
	}
	return out
}

func (r *running) try(args ...string) (string, error) {
	var out, errs bytes.Buffer
	err := run(r.t.Context(), append([]string{"--config", r.config}, args...), &out, &errs)
	return out.String(), err
}

// file writes a file for a command to read.
func (r *running) file(name, text string) string {
	r.t.Helper()
	path := r.t.TempDir() + "/" + name
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// ask1 asks the API, and once more where a busy machine took too long for an answer.
func ask1[T any](r *running, path string) (out T) {
	r.t.Helper()
	err := r.api.Get(r.t.Context(), path, nil, &out)
	if err != nil && strings.Contains(err.Error(), "The answer took too long") {
		err = r.api.Get(r.t.Context(), path, nil, &out)
	}
	if err != nil {
		r.t.Fatalf("GET %s: %v", path, err)
	}
	return out
}

// eventually waits until ok, looking at once, soon, and then twice a second: a report
// that is asked for all the time slows what is waited for. It fails after three minutes.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	for pause := 10 * time.Millisecond; !ok(); pause = min(pause*3/2, 500*time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("three minutes passed and still not: %s", what)
		}
		<-time.After(pause)
	}
}

// byDay is a time zone in which no day ends, no week begins and no review is due while a
// test runs.
func byDay(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		if hour := time.Now().In(zone).Hour(); hour >= 9 && hour < 21 {
			return name
		}
	}
	t.Fatal("it is night everywhere")
	return ""
}

// syncBuffer is a log that several goroutines write and the test reads.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
