package mailtest

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

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
