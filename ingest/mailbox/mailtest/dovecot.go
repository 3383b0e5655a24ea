// Package mailtest runs a real IMAP server, Dovecot, for tests.
package mailtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
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

	t    testing.TB
	dir  string
	done chan struct{} // closed when the process has ended
	pid  int
}

// Dovecot starts a server with a mailbox for each user, until the test ends.
// Folders are INBOX, SentFolder and an archive. It needs dovecot-imapd.
func Dovecot(t testing.TB, users ...string) *Server {
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
	s := &Server{Host: "127.0.0.1", t: t, dir: dir}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := s.prepare(users); err != nil {
		t.Fatalf("set up Dovecot: %v", err)
	}
	t.Cleanup(s.Stop)
	// Another process may take a port between our look and Dovecot's.
	for try := 1; ; try++ {
		s.Port, s.TLSPort = freePort(t), freePort(t)
		err := s.start()
		if err == nil {
			return s
		}
		s.Stop()
		if try == 5 {
			t.Fatalf("start Dovecot: %v\n%s", err, s.log())
		}
	}
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

// config returns Dovecot's configuration. Mail belongs to nobody when we are
// root, else everything runs as ourselves.
func (s *Server) config() string {
	who := "mail_uid = nobody\nmail_gid = nogroup\n"
	if os.Getuid() != 0 {
		me := fmt.Sprint(os.Getuid())
		if name, err := exec.Command("id", "-un").Output(); err == nil {
			me = strings.TrimSpace(string(name))
		}
		group := fmt.Sprint(os.Getgid())
		if name, err := exec.Command("id", "-gn").Output(); err == nil {
			group = strings.TrimSpace(string(name))
		}
		who = fmt.Sprintf("mail_uid = %d\nmail_gid = %d\ndefault_internal_user = %s\ndefault_internal_group = %s\ndefault_login_user = %s\n",
			os.Getuid(), os.Getgid(), me, group, me) +
			"service imap-login {\n  chroot =\n}\nservice anvil {\n  chroot =\n}\n"
	}
	return strings.NewReplacer("DIR", s.dir, "PORT", fmt.Sprint(s.Port), "SECURE", fmt.Sprint(s.TLSPort), "SENT", SentFolder).Replace(`
base_dir = DIR/run
state_dir = DIR/state
log_path = DIR/log
protocols = imap
listen = 127.0.0.1
first_valid_uid = 0
first_valid_gid = 0
auth_failure_delay = 0
mail_max_userip_connections = 0
ssl = yes
ssl_cert = <DIR/cert.pem
ssl_key = <DIR/key.pem
mail_location = maildir:~/Maildir
passdb {
  driver = passwd-file
  args = scheme=PLAIN DIR/users
}
userdb {
  driver = static
  args = home=DIR/mail/%u
}
namespace inbox {
  inbox = yes
  mailbox "SENT" {
    special_use = \Sent
    auto = create
  }
  mailbox Archiv {
    special_use = \Archive
    auto = create
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  inet_listener imap {
    port = PORT
  }
  inet_listener imaps {
    port = SECURE
    ssl = yes
  }
}
`) + who
}

func (s *Server) prepare(users []string) error {
	if err := os.Chmod(s.dir, 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(s.path("mail"), 0o777); err != nil {
		return err
	}
	if err := os.Chmod(s.path("mail"), 0o777); err != nil {
		return err
	}
	var passwords bytes.Buffer
	for _, user := range users {
		fmt.Fprintf(&passwords, "%s:%s\n", user, s.Password(user))
	}
	cert, key, err := certificate()
	if err != nil {
		return err
	}
	s.CAs = x509.NewCertPool()
	s.CAs.AppendCertsFromPEM(cert)
	for name, content := range map[string][]byte{"users": passwords.Bytes(), "cert.pem": cert, "key.pem": key} {
		if err := os.WriteFile(s.path(name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// certificate returns a certificate for 127.0.0.1 that signed itself.
func certificate() (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "made-up mail server"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	return cert, key, nil
}

// freePort returns a port that was free a moment ago.
func freePort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Client returns a signed-in client of a user, closed when the test ends.
func (s *Server) Client(user string) *imapclient.Client {
	s.t.Helper()
	c, err := imapclient.DialInsecure(s.Addr(), nil)
	if err != nil {
		s.t.Fatalf("connect to Dovecot: %v\n%s", err, s.log())
	}
	s.t.Cleanup(func() { c.Close() })
	if err := c.Login(user, s.Password(user)).Wait(); err != nil {
		s.t.Fatalf("sign in to Dovecot as %s: %v\n%s", user, err, s.log())
	}
	return c
}

// Append puts a message into a user's folder, arrived now. Lines may end as in Go.
func (s *Server) Append(user, folder, message string) {
	s.t.Helper()
	s.AppendAt(user, folder, message, time.Now())
}

// AppendAt puts a message into a user's folder, arrived at the given time.
func (s *Server) AppendAt(user, folder, message string, arrived time.Time) {
	s.t.Helper()
	c := s.Client(user)
	defer c.Close()
	raw := strings.ReplaceAll(strings.ReplaceAll(message, "\r\n", "\n"), "\n", "\r\n")
	cmd := c.Append(folder, int64(len(raw)), &imap.AppendOptions{Time: arrived})
	if _, err := cmd.Write([]byte(raw)); err != nil {
		s.t.Fatalf("append to %s: %v", folder, err)
	}
	if err := cmd.Close(); err != nil {
		s.t.Fatalf("append to %s: %v", folder, err)
	}
	if _, err := cmd.Wait(); err != nil {
		s.t.Fatalf("append to %s: %v", folder, err)
	}
}

// Snapshot returns a user's mail as it lies on the disk: the hash of each
// message file by its path, whose name carries the flags, and of the list of
// UIDs. Two equal snapshots mean that nothing changed.
func (s *Server) Snapshot(user string) map[string]string {
	s.t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(s.path("mail/"+user), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		parent := filepath.Base(filepath.Dir(path))
		if parent != "cur" && parent != "new" && d.Name() != "dovecot-uidlist" {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		out[strings.TrimPrefix(path, s.dir)] = hex.EncodeToString(sum[:])
		return nil
	})
	if err != nil {
		s.t.Fatalf("read mail of %s: %v", user, err)
	}
	return out
}
