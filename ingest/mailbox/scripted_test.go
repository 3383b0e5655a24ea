package mailbox_test

import (
	"bufio"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"dealtrail/ingest/mailbox"
)

// script is an IMAP server that answers as a test wants: well, unless told.
type script struct {
	greeting string
	folders  []string            // LIST lines
	mails    map[string][]string // by folder; the UID of the first is 1
	login    func() string       // the tagged answer to LOGIN, without the tag; nil: OK
	// body answers a request for a section, HEADER or TEXT, asked for the so many-th time; nil: as it should be
	body      func(uid, asked int, section, mail string) string
	structure func(uid int) string // the BODYSTRUCTURE of a mail; nil: none
	caps      string               // besides IMAP4rev1
	silentAt  string               // the first command that begins so is never answered
	expunged  atomic.Int64         // the UID of a mail that is gone

	mu       sync.Mutex
	commands []string
	asked    map[string]int // by section and UID
	address  *net.TCPAddr
}

func literal(text string) string {
	text = strings.ReplaceAll(text, "\n", "\r\n")
	return fmt.Sprintf("{%d}\r\n%s", len(text), text)
}

const arrival = `INTERNALDATE "02-Mar-2026 12:00:00 +0000"`

// hangUp ends an answer after which the server closes the connection.
const hangUp = "(hang up)"

// part returns a mail's headers or its body, as a server sends them.
func part(section, mail string) string {
	header, body, _ := strings.Cut(mail, "\n\n")
	if section == "TEXT" {
		return "BODY[TEXT]<0> " + literal(body)
	}
	return "BODY[HEADER.FIELDS (From)] " + literal(header+"\n\n")
}

// whole answers a request for a mail's headers or body as it should be.
func whole(uid int, section, mail string) string {
	return fmt.Sprintf("* %d FETCH (UID %d %s RFC822.SIZE %d %s)\r\n", uid, uid, arrival, len(mail), part(section, mail))
}

// start serves until the test ends.
func (s *script) start(t *testing.T) mailbox.Box {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.asked = map[string]int{}
	s.address = l.Addr().(*net.TCPAddr)
	if s.greeting == "" {
		s.greeting = "* OK [CAPABILITY IMAP4rev1] ready\r\n"
	}
	if s.folders == nil {
		s.folders = []string{`(\HasNoChildren) "/" "INBOX"`, `(\Sent) "/" "Sent"`}
	}
	var conns sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			conns.Go(func() { defer c.Close(); s.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		conns.Wait()
	})
	return mailbox.Box{
		Name: "scripted", Rep: rep, Host: "127.0.0.1", Port: s.address.Port, Security: "none", Username: "ana",
		Password: func() (string, error) { return "hunter2", nil },
	}
}

var uidSet = regexp.MustCompile(`^UID FETCH (\S+) `)

// times returns how often a section of a message was asked for.
func (s *script) times(section string, uid int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[fmt.Sprint(section, uid)]
}

// said returns the commands so far.
func (s *script) said() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.commands)
}

func (s *script) serve(c net.Conn) {
	fmt.Fprint(c, s.greeting)
	lines := bufio.NewScanner(c)
	folder, idle := "", ""
	for lines.Scan() {
		tag, command, _ := strings.Cut(lines.Text(), " ")
		s.mu.Lock()
		s.commands = append(s.commands, command)
		silent := s.silentAt != "" && (strings.HasPrefix(command, s.silentAt) || tag == s.silentAt)
		if silent {
			s.silentAt = ""
		}
		s.mu.Unlock()
		if silent {
			continue
		}
		if tag == "DONE" {
			fmt.Fprintf(c, "%s OK done\r\n", idle)
			continue
		}
		answer := "OK done"
		switch word := strings.ToUpper(strings.Fields(command)[0]); {
		case word == "CAPABILITY":
			fmt.Fprintf(c, "* CAPABILITY IMAP4rev1 %s\r\n", s.caps)
		case word == "IDLE":
			idle = tag
			fmt.Fprint(c, "+ idling\r\n")
			continue
		case word == "STARTTLS":
			answer = "NO not here"
		case word == "LOGIN" && s.login != nil:
			answer = s.login()
		case word == "LIST":
			for _, f := range s.folders {
				fmt.Fprintf(c, "* LIST %s\r\n", f)
			}
		case word == "EXAMINE":
			folder = strings.Trim(strings.TrimPrefix(command, "EXAMINE "), `"`)
			fmt.Fprintf(c, "* %d EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n", len(s.mails[folder])) // no UIDNEXT
		case strings.HasPrefix(command, "UID SEARCH"):
			s.search(c, command, len(s.mails[folder]))
		case uidSet.MatchString(command):
			if !s.fetch(c, command, s.mails[folder]) {
				return
			}
		}
		fmt.Fprintf(c, "%s %s\r\n", tag, answer)
	}
}

// uids returns the numbers in a set, as servers read it: a range that begins
// after the end holds the last message.
func uids(set string, last int) []int {
	var out []int
	for _, part := range strings.Split(set, ",") {
		from, to, isRange := strings.Cut(part, ":")
		first, end := 0, last
		fmt.Sscan(from, &first)
		if !isRange {
			end = first
		} else if to != "*" {
			fmt.Sscan(to, &end)
		}
		for n := min(first, end); n <= max(first, end); n++ {
			if n <= last {
				out = append(out, n)
			}
		}
	}
	return out
}

func (s *script) search(c net.Conn, command string, last int) {
	set := "1:*"
	if _, after, ok := strings.Cut(command, " UID "); ok && !strings.Contains(after, "SINCE") {
		set = strings.Trim(strings.TrimPrefix(after, "SEARCH UID "), " ()")
	}
	fmt.Fprint(c, "* SEARCH")
	for _, uid := range uids(set, last) {
		if int64(uid) != s.expunged.Load() {
			fmt.Fprintf(c, " %d", uid)
		}
	}
	fmt.Fprint(c, "\r\n")
}

func (s *script) fetch(c net.Conn, command string, mails []string) bool {
	section := "HEADER"
	if strings.Contains(command, "[TEXT]") {
		section = "TEXT"
	}
	for _, uid := range uids(uidSet.FindStringSubmatch(command)[1], len(mails)) {
		if strings.Contains(command, "BODYSTRUCTURE") {
			fmt.Fprintf(c, "* %d FETCH (UID %d BODYSTRUCTURE %s)\r\n", uid, uid, s.structure(uid))
			continue
		}
		key := fmt.Sprint(section, uid)
		s.mu.Lock()
		s.asked[key]++
		asked := s.asked[key]
		s.mu.Unlock()
		answer := whole(uid, section, mails[uid-1])
		if s.body != nil {
			answer = s.body(uid, asked, section, mails[uid-1])
		}
		words, hung := strings.CutSuffix(answer, hangUp)
		fmt.Fprint(c, words)
		if hung {
			return false
		}
	}
	return true
}
