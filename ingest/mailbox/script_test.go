package mailbox_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dealtrail/ingest/mailbox"
	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

// script is an IMAP server that answers as a test wants: well, unless told.
type script struct {
	greeting string
	folders  []string                                 // LIST lines
	mails    map[string][]string                      // by folder; the UID of the first is 1
	login    func() string                            // the tagged answer to LOGIN, without the tag; nil: OK
	body     func(uid, asked int, mail string) string // the answer to a request for a body; nil: as it should be

	mu       sync.Mutex
	commands []string
	asked    map[int]int
	address  *net.TCPAddr
}

func literal(text string) string {
	text = strings.ReplaceAll(text, "\n", "\r\n")
	return fmt.Sprintf("{%d}\r\n%s", len(text), text)
}

const arrival = `INTERNALDATE "02-Mar-2026 12:00:00 +0000"`

func whole(uid int, mail string) string {
	return fmt.Sprintf("* %d FETCH (UID %d %s BODY[] %s)\r\n", uid, uid, arrival, literal(mail))
}

// start serves until the test ends.
func (s *script) start(t *testing.T) mailbox.Box {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.asked = map[int]int{}
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

// times returns how often the body of a message was asked for.
func (s *script) times(uid int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[uid]
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
	folder := ""
	for lines.Scan() {
		tag, command, _ := strings.Cut(lines.Text(), " ")
		s.mu.Lock()
		s.commands = append(s.commands, command)
		s.mu.Unlock()
		answer := "OK done"
		switch word := strings.ToUpper(strings.Fields(command)[0]); {
		case word == "CAPABILITY":
			fmt.Fprint(c, "* CAPABILITY IMAP4rev1\r\n")
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
		fmt.Fprintf(c, " %d", uid)
	}
	fmt.Fprint(c, "\r\n")
}

func (s *script) fetch(c net.Conn, command string, mails []string) bool {
	for _, uid := range uids(uidSet.FindStringSubmatch(command)[1], len(mails)) {
		if !strings.Contains(command, "BODY") {
			fmt.Fprintf(c, "* %d FETCH (UID %d RFC822.SIZE %d)\r\n", uid, uid, len(mails[uid-1]))
			continue
		}
		s.mu.Lock()
		s.asked[uid]++
		asked := s.asked[uid]
		s.mu.Unlock()
		answer := whole(uid, mails[uid-1])
		if s.body != nil {
			answer = s.body(uid, asked, mails[uid-1])
		}
		if answer == "hang up" {
			return false
		}
		fmt.Fprint(c, answer)
	}
	return true
}

// three returns three mails with content, and the events they yield.
func three(t *testing.T) (mails, lines []string) {
	_, link := share(t, "roi-guide")
	for _, to := range []string{"a@n.example", "b@n.example", "c@n.example"} {
		mails = append(mails, mail("m@"+to, to, link))
		lines = append(lines, "sent roi-guide "+to)
	}
	return mails, lines
}

func TestNoMessageIsLostToOddFetchResponses(t *testing.T) {
	t.Parallel()
	mails, lines := three(t)
	f := func(name string, body func(uid, asked int, mail string) string) {
		t.Helper()
		s := &script{mails: map[string][]string{"Sent": mails}, body: body}
		g := newGround()
		p := g.poller(t, s.start(t))
		stop := run(t, p)
		defer stop()
		want(t, g, lines...)
		looked(t, p)
		if status := p.Status()[0]; status.SetAside != 0 || status.Messages != 3 {
			t.Errorf("%s: status %+v", name, status)
		}
		for _, c := range s.said() {
			if strings.HasPrefix(c, "SELECT") || strings.Contains(c, "STORE") || strings.Contains(c, "BODY[") {
				t.Errorf("%s: the command %q may change mail", name, c)
			}
		}
	}
	flags := func(uid int) string { return fmt.Sprintf("* %d FETCH (UID %d FLAGS (\\Seen))\r\n", uid, uid) }
	f("well", nil)
	f("volunteered flags, once", func(uid, asked int, mail string) string {
		if uid == 2 && asked == 1 {
			return flags(uid) + whole(uid, mail)
		}
		return whole(uid, mail)
	})
	f("volunteered flags, always", func(uid, _ int, mail string) string { return flags(uid) + whole(uid, mail) })
	f("UID after the body", func(uid, _ int, mail string) string {
		return fmt.Sprintf("* %d FETCH (BODY[] %s UID %d %s)\r\n", uid, literal(mail), uid, arrival)
	})
	f("no answer, at first", func(uid, asked int, mail string) string {
		if uid == 2 && asked < 3 {
			return ""
		}
		return whole(uid, mail)
	})
	f("connection lost within a body", func(uid, asked int, mail string) string {
		if uid == 2 && asked < 3 {
			return "hang up"
		}
		return whole(uid, mail)
	})
}

func TestOneMessageThatNeverArrivesDoesNotStopTheMailbox(t *testing.T) {
	t.Parallel()
	mails, lines := three(t)
	f := func(name, answer string) {
		t.Helper()
		s := &script{mails: map[string][]string{"Sent": mails}, body: func(uid, _ int, mail string) string {
			if uid == 2 {
				return answer
			}
			return whole(uid, mail)
		}}
		g := newGround()
		p := g.poller(t, s.start(t))
		stop := run(t, p)
		defer stop()
		want(t, g, lines[0], lines[2])
		looked(t, p)
		status := p.Status()[0]
		if status.SetAside != 1 || s.times(2) < 5 {
			t.Errorf("%s: asked %d times, status %+v", name, s.times(2), status)
		}
	}
	f("NIL", fmt.Sprintf("* 2 FETCH (UID 2 %s BODY[] NIL)\r\n", arrival))
	f("nothing", "")
	f("what the client cannot read", "* 2 FETCH (UID 2 X-ODD (a \"b))\r\n")
	f("hang up", "hang up")
}

func TestLastMailIsNotReadAgainAndAgain(t *testing.T) {
	t.Parallel()
	mails, lines := three(t)
	s := &script{mails: map[string][]string{"Sent": mails}}
	g := newGround()
	p := g.poller(t, s.start(t))
	run(t, p)
	want(t, g, lines...)
	looked(t, p)
	looked(t, p)
	if s.times(3) != 1 {
		t.Errorf("the last mail was fetched %d times", s.times(3))
	}
}

func TestSilentServerDelaysNobody(t *testing.T) {
	t.Parallel()
	d := mailtest.Dovecot(t, "ana")
	_, link := share(t, "roi-guide")
	d.Append("ana", mailtest.SentFolder, mail("m1@h", "bo@northwind.example", link))
	l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	silent := box(d, "silent")
	silent.Port = l.Addr().(*net.TCPAddr).Port
	g := newGround()
	p := g.poller(t, silent, box(d, "ana"))
	p.Patience = 300 * time.Millisecond
	run(t, p)
	want(t, g, "sent roi-guide bo@northwind.example")
	eventually(t, "the silent one is left and retried", func() bool { return p.Status()[0].State == mailbox.Retrying })
	if reason := p.Status()[0].Reason; !strings.Contains(reason, "did not answer in time") {
		t.Errorf("reason %q", reason)
	}
}

func TestRefusedSignInsStopAfterFive(t *testing.T) {
	t.Parallel()
	logins := 0
	var mu sync.Mutex
	s := &script{login: func() string {
		mu.Lock()
		defer mu.Unlock()
		logins++
		return "NO cannot sign in ana with hunter2"
	}}
	p := newGround().poller(t, s.start(t))
	run(t, p)
	eventually(t, "parked", func() bool { return p.Status()[0].State == mailbox.Parked })
	reason := p.Status()[0].Reason
	mu.Lock()
	defer mu.Unlock()
	if logins != 5 || strings.Contains(reason, "hunter2") || !strings.Contains(reason, "[redacted]") {
		t.Errorf("%d sign-ins, reason %q", logins, reason)
	}
}

func TestServerThatIsBusyIsNotARefusal(t *testing.T) {
	t.Parallel()
	mails, lines := three(t)
	logins := 0
	var mu sync.Mutex
	s := &script{mails: map[string][]string{"Sent": mails}, login: func() string {
		mu.Lock()
		defer mu.Unlock()
		if logins++; logins < 8 {
			return "NO [UNAVAILABLE] come back later"
		}
		return "OK welcome"
	}}
	g := newGround()
	run(t, g.poller(t, s.start(t)))
	want(t, g, lines...)
}

func TestPasswordIsNeverSentInTheClear(t *testing.T) {
	t.Parallel()
	s := &script{}
	b := s.start(t)
	b.Security = "starttls"
	_, err := newGround().poller(t).Check(t.Context(), b)
	problem := (*trail.Problem)(nil)
	if !errors.As(err, &problem) || !strings.Contains(problem.Text, "refuses STARTTLS; set security to tls") {
		t.Error(err)
	}
	if slices.ContainsFunc(s.said(), func(c string) bool { return strings.Contains(c, "hunter2") }) {
		t.Error("the password was sent without encryption")
	}
}

func TestSentFolderIsFound(t *testing.T) {
	t.Parallel()
	f := func(configured, want, problem string, folders ...string) {
		t.Helper()
		s := &script{folders: folders}
		b := s.start(t)
		b.SentFolder = configured
		report, err := newGround().poller(t).Check(t.Context(), b)
		if err != nil || report.SentFolder != want || !strings.Contains(report.Problem, problem) {
			t.Errorf("%q of %q: %+v %v", configured, folders, report, err)
		}
	}
	inbox := `() "/" INBOX`
	f("", "[Gmail]/Gesendet", "", inbox, `(\HasNoChildren \Sent) "/" "[Gmail]/Gesendet"`, `() "/" "Sent"`)
	f("", "INBOX.Sent", "", inbox, `() "." "INBOX.Sent"`)
	f("", "Éléments envoyés", "", inbox, `() "/" "&AMk-l&AOk-ments envoy&AOk-s"`)
	f("", "送信済みアイテム", "", inbox, `() "/" "&kAFP4W4IMH8wojCkMMYw4A-"`)
	f("Post/Out", "Post/Out", "", inbox, `(\Sent) "/" Sent`, `() "/" "Post/Out"`)
	f("Nowhere", "", `There is no folder "Nowhere"`, inbox, `(\Sent) "/" Sent`)
	f("", "", "Sent folder unknown; set sent_folder to one of these: INBOX, Other.", inbox, `() "/" Other`)
	f("", "", "Sent folder unknown", inbox, `(\Noselect \Sent) "/" Sent`)
}
