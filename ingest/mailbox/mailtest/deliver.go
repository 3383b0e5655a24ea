package mailtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Mail is one message to lay into a folder, byte for byte.
type Mail struct {
	Write  func(io.Writer) error // what it is; it may be larger than memory
	At     time.Time             // when it arrived
	Flags  string                // letters of Maildir, ascending: F flagged, R answered, S seen, T deleted
	Unseen bool                  // it lies where mail lies that no client has taken notice of
}

// Text is the Write of a message that is at hand.
func Text(message string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, message); return err }
}

var delivered atomic.Int64

// Deliver lays messages into a user's folder, which is made if it is missing,
// and returns how many. Their UIDs ascend. It writes the files of a Maildir, as
// mail servers do: thousands take a second or two, and what IMAP would refuse
// or mend, such as NUL bytes, gets there too.
func (s *Server) Deliver(user, folder string, mails iter.Seq[Mail]) (n int) {
	s.t.Helper()
	s.do(user, "CREATE "+quote(folder)) // NO if it is there
	dir := s.folder(user, folder)
	for m := range mails {
		if err := deliver(dir, m); err != nil {
			s.t.Fatalf("deliver to %s of %s: %v", folder, user, err)
		}
		n++
	}
	// The server numbers its mail now rather than in front of whoever is measured.
	s.do(user, "EXAMINE "+quote(folder))
	return n
}

// folder returns the directory of a folder.
func (s *Server) folder(user, folder string) string {
	dir := s.path("mail/" + user + "/Maildir")
	if folder == "INBOX" {
		return dir
	}
	if strings.ContainsFunc(folder, func(c rune) bool { return c > '~' || c == '&' }) {
		s.t.Fatalf("folder %q is not ASCII, and its directory has another name", folder)
	}
	return dir + "/." + folder
}

// deliver writes the file of a message. It stays ours, as all may read it, and
// for another name a server needs the directory only.
func deliver(dir string, m Mail) error {
	// The time in a name orders mail that came in together.
	seq := delivered.Add(1)
	base := fmt.Sprintf("%d.M%06dP%d.made-up", 1_500_000_000+seq/1_000_000, seq%1_000_000, os.Getpid())
	temporary := filepath.Join(dir, "tmp", base)
	f, err := os.Create(temporary)
	if err != nil {
		return err
	}
	defer f.Close()
	sizes := sizes{w: bufio.NewWriterSize(f, 64<<10)}
	if err := m.Write(&sizes); err != nil {
		return err
	}
	if err := sizes.w.Flush(); err != nil {
		return err
	}
	if err := os.Chtimes(temporary, m.At, m.At); err != nil {
		return err
	}
	// Both sizes are in the name, where the server looks before it reads the file.
	name := fmt.Sprintf("%s,S=%d,W=%d", base, sizes.bytes, sizes.bytes+sizes.bare)
	if m.Unseen {
		return os.Rename(temporary, filepath.Join(dir, "new", name))
	}
	return os.Rename(temporary, filepath.Join(dir, "cur", name+":2,"+m.Flags))
}

// sizes counts what is written, and how many line ends of it lack a CR.
type sizes struct {
	w           *bufio.Writer
	bytes, bare int64
	cr          bool // the last byte was a CR
}

func (s *sizes) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	b = b[:n]
	s.bytes += int64(n)
	s.bare += int64(bytes.Count(b, []byte("\n")) - bytes.Count(b, []byte("\r\n")))
	if n > 0 {
		if s.cr && b[0] == '\n' {
			s.bare--
		}
		s.cr = b[n-1] == '\r'
	}
	return n, err
}

// ResetUIDs gives a folder another UIDVALIDITY and numbers its mail from 1, as
// servers do after a restore. Nobody may be connected meanwhile.
func (s *Server) ResetUIDs(user, folder string) {
	s.t.Helper()
	dir := s.folder(user, folder)
	notes, err := os.ReadDir(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	list := filepath.Join(dir, "dovecot-uidlist")
	old, err := os.ReadFile(list)
	if err != nil {
		s.t.Fatal(err)
	}
	var version, validity, next int
	if _, err := fmt.Sscanf(string(old), "%d V%d N%d", &version, &validity, &next); err != nil {
		s.t.Fatalf("dovecot-uidlist of %s: %v", folder, err)
	}
	for _, note := range notes {
		if strings.HasPrefix(note.Name(), "dovecot.index") {
			if err := os.Remove(filepath.Join(dir, note.Name())); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	text := fmt.Sprintf("3 V%d N1\n", validity+7)
	if err := os.WriteFile(list, []byte(text), 0o666); err != nil {
		s.t.Fatal(err)
	}
	if os.Getuid() == 0 {
		like, err := os.Stat(dir)
		if err != nil {
			s.t.Fatal(err)
		}
		owner := like.Sys().(*syscall.Stat_t)
		if err := os.Chown(list, int(owner.Uid), int(owner.Gid)); err != nil {
			s.t.Fatal(err)
		}
	}
}
