// Package mailtest runs a real IMAP server, Dovecot, for tests.
package mailtest

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"dealtrail/trail/freeport"
)

// SentFolder is the localized name of each user's Sent folder; the server marks
// it with \Sent.
const SentFolder = "Gesendete Objekte"

// Server is a running Dovecot on 127.0.0.1, with a made-up certificate.
type Server struct {
	Host    string         // 127.0.0.1
	Port    int            // without encryption, and STARTTLS
	TLSPort int            // implicit TLS
	CAs     *x509.CertPool // trusts the certificate, which names 127.0.0.1

	introspection string // where tokens are asked about; empty: no sign-in by OAuth2
	mechanisms    string // how tokens may be sent

	t    TB
	o    Options
	dir  string
	done chan struct{} // closed when the process has ended
	pid  int
}

// Dovecot starts a server with a mailbox for each user, until the test ends.
// Folders are INBOX, SentFolder and an archive. It needs dovecot-imapd.
func Dovecot(t TB, users ...string) *Server {
	t.Helper()
	return run(t, &Server{}, users)
}

// DovecotOAuth2 starts a server as Dovecot does where users can sign in with
// OAuth2 tokens too, by the mechanisms "xoauth2", "oauthbearer" or both. Of each
// token the server asks at the URL, with a POST of token=TOKEN; the answer
// {"active": true, "email": USER} lets that user in.
func DovecotOAuth2(t TB, introspection, mechanisms string, users ...string) *Server {
	t.Helper()
	return run(t, &Server{introspection: introspection, mechanisms: mechanisms}, users)
}

// DovecotWith starts a server as Dovecot does, one that differs as the options say.
func DovecotWith(t TB, o Options, users ...string) *Server {
	t.Helper()
	return run(t, &Server{o: o}, users)
}

func run(t TB, s *Server, users []string) *Server {
	t.Helper()
	if _, err := exec.LookPath(binary); err != nil {
		t.Fatalf("%s is missing: run `make deps`, or install dovecot-imapd", binary)
	}
	// Not t.TempDir: its path is too long for Dovecot's sockets, and the parent
	// is closed to the users that Dovecot's processes run as.
	dir, err := os.MkdirTemp("", "dovecot")
	if err != nil {
		t.Fatal(err)
	}
	s.Host, s.t, s.dir = "127.0.0.1", t, dir
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := s.prepare(users); err != nil {
		t.Fatalf("set up Dovecot: %v", err)
	}
	t.Cleanup(s.Stop)
	ports := freeport.Hold(t, 2)
	s.Port, s.TLSPort = ports[0], ports[1]
	s.Start()
	return s
}

const binary = "/usr/sbin/dovecot"

// Addr is host:port without encryption or for STARTTLS.
func (s *Server) Addr() string { return fmt.Sprintf("%s:%d", s.Host, s.Port) }

// TLSAddr is host:port for implicit TLS.
func (s *Server) TLSAddr() string { return fmt.Sprintf("%s:%d", s.Host, s.TLSPort) }

// Password returns a user's password.
func (s *Server) Password(user string) string {
	sum := sha256.Sum256([]byte(user))
	return "pw-" + hex.EncodeToString(sum[:6])
}

// Start starts a stopped server again, on the same ports, with the same mail.
func (s *Server) Start() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatalf("start Dovecot: %v\n%s", err, s.log())
	}
}

// Stop ends the server and waits until none of its processes is left.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Kill ends the server and all its processes without a goodbye.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

func (s *Server) end(signal syscall.Signal) {
	if s.pid == 0 {
		return
	}
	group := s.pid
	s.pid = 0
	if signal == syscall.SIGKILL {
		syscall.Kill(-group, signal) // the group is ours: see start
	} else {
		syscall.Kill(group, signal)
	}
	gone := func() bool { return !alive(group) }
	if !s.wait(10*time.Second, gone) {
		syscall.Kill(-group, syscall.SIGKILL)
		if !s.wait(10*time.Second, gone) {
			s.t.Errorf("processes of Dovecot are left in group %d", group)
		}
	}
	<-s.done
}

// alive reports whether a process group has a process that has not ended.
func alive(group int) bool {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var state string
		var parent, of int
		fmt.Sscan(string(text[bytes.LastIndexByte(text, ')')+1:]), &state, &parent, &of)
		if of == group && state != "Z" && state != "X" {
			return true
		}
	}
	return false
}

// wait polls a condition until it holds or time is over.
func (s *Server) wait(limit time.Duration, holds func() bool) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	over := time.After(limit)
	for !holds() {
		select {
		case <-over:
			return false
		case <-tick.C:
		}
	}
	return true
}

func (s *Server) start() error {
	if err := os.WriteFile(s.path("dovecot.conf"), []byte(s.config()), 0o644); err != nil {
		return err
	}
	cmd := exec.Command(binary, "-F", "-c", s.path("dovecot.conf"))
	// A process group of its own, so that Stop can see and end all of it; and an
	// end with this process, whatever ends this one.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error)
	s.done = make(chan struct{})
	go func() {
		runtime.LockOSThread() // Pdeathsig is sent when the thread that started the child ends
		defer runtime.UnlockOSThread()
		defer close(s.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.pid = cmd.Process.Pid
	var err error
	ready := s.wait(10*time.Second, func() bool {
		select {
		case <-s.done:
			return true
		default:
		}
		var conn net.Conn
		if conn, err = net.DialTimeout("tcp", s.Addr(), time.Second); err != nil {
			return false
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, err = conn.Read(make([]byte, 1))
		return err == nil
	})
	select {
	case <-s.done:
		return errors.New("it ended at once")
	default:
	}
	if !ready {
		return fmt.Errorf("it does not answer: %w", err)
	}
	return nil
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Server) log() string {
	text, _ := os.ReadFile(s.path("log"))
	return string(text)
}
