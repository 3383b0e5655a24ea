package mailtest

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Survey returns all that a user's mail is, as text: what another client sees
// of it (folders, subscriptions, and of each mail UID, flags, number of the last
// change, size and time), and the files on the disk with their hashes, except
// the server's own notes of what was asked. Two equal surveys mean that nothing
// changed. It changes nothing itself.
func (s *Server) Survey(user string) string {
	s.t.Helper()
	var out []string
	for _, line := range s.do(user, `LIST "" "*"`, `LSUB "" "*"`) {
		out = append(out, line)
		found := listed.FindStringSubmatch(line)
		if found == nil || strings.Contains(line, `\Noselect`) {
			continue
		}
		folder := strings.Trim(found[1], `"`)
		for _, of := range s.do(user, "EXAMINE "+quote(folder), "UID FETCH 1:* (UID FLAGS MODSEQ INTERNALDATE RFC822.SIZE)") {
			out = append(out, folder+": "+of)
		}
	}
	for path, sum := range s.files(user) {
		out = append(out, path+" "+sum)
	}
	// The order of folders is the server's whim, and it may say a thing twice.
	slices.Sort(out)
	return strings.Join(slices.Compact(out), "\n")
}

var listed = regexp.MustCompile(`^\* LIST \([^)]*\) \S+ (.+)$`)

// quote writes a folder's name, which has no quotes in it.
func quote(folder string) string { return `"` + folder + `"` }

// files returns the hash of each file of a user's mail, by its path.
func (s *Server) files(user string) map[string]string {
	s.t.Helper()
	home, out := s.path("mail/"+user), map[string]string{}
	err := filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		// Dovecot writes down what clients ask for, and when, in its index.
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), "dovecot.index") || strings.HasPrefix(d.Name(), "dovecot.list.index") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		out[strings.TrimPrefix(path, home)] = hex.EncodeToString(sum[:8])
		return nil
	})
	if err != nil {
		s.t.Fatalf("read mail of %s: %v", user, err)
	}
	return out
}

// do signs in, gives commands and returns the lines that came back for them,
// without the tagged ones. A server that says NO is not an error, one that
// does not answer is.
func (s *Server) do(user string, commands ...string) (lines []string) {
	s.t.Helper()
	c, err := net.DialTimeout("tcp", s.Addr(), 5*time.Second)
	if err != nil {
		s.t.Fatalf("connect to Dovecot: %v\n%s", err, s.log())
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute)) // a folder of 20,000 mails takes a while to number
	in := bufio.NewReader(c)
	for i, command := range append([]string{"LOGIN " + quote(user) + " " + quote(s.Password(user))}, append(commands, "LOGOUT")...) {
		fmt.Fprintf(c, "t%d %s\r\n", i, command)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				s.t.Fatalf("Dovecot on %s: %v\n%s", command, err, s.log())
			}
			line = strings.TrimRight(line, "\r\n")
			if strings.HasPrefix(line, fmt.Sprintf("t%d ", i)) {
				break
			}
			if i > 0 && i <= len(commands) {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// Size returns how many bytes a user's mails have together.
func (s *Server) Size(user string) (bytes int64) {
	s.t.Helper()
	err := filepath.WalkDir(s.path("mail/"+user), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(d.Name(), ",S=") {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		s.t.Fatalf("read mail of %s: %v", user, err)
	}
	return bytes
}
