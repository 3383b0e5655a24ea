package mailbox_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dealtrail/ingest/mailbox"
	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

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
	f := func(name string, body func(uid, asked int, section, mail string) string) {
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
	f("volunteered flags, once", func(uid, asked int, section, mail string) string {
		if uid == 2 && asked == 1 {
			return flags(uid) + whole(uid, section, mail)
		}
		return whole(uid, section, mail)
	})
	f("volunteered flags, always", func(uid, _ int, section, mail string) string { return flags(uid) + whole(uid, section, mail) })
	f("UID after the body", func(uid, _ int, section, mail string) string {
		return fmt.Sprintf("* %d FETCH (%s UID %d %s)\r\n", uid, part(section, mail), uid, arrival)
	})
	f("no answer, at first", func(uid, asked int, section, mail string) string {
		if uid == 2 && asked < 3 {
			return ""
		}
		return whole(uid, section, mail)
	})
	f("connection lost within a body", func(uid, asked int, section, mail string) string {
		if uid == 2 && asked < 3 {
			return hangUp
		}
		return whole(uid, section, mail)
	})
}

func TestOneMessageThatNeverArrivesDoesNotStopTheMailbox(t *testing.T) {
	t.Parallel()
	mails, lines := three(t)
	f := func(name, answer string) {
		t.Helper()
		s := &script{mails: map[string][]string{"Sent": mails}, body: func(uid, _ int, section, mail string) string {
			if uid == 2 {
				return answer
			}
			return whole(uid, section, mail)
		}}
		g := newGround()
		p := g.poller(t, s.start(t))
		stop := run(t, p)
		defer stop()
		want(t, g, lines[0], lines[2])
		looked(t, p)
		status := p.Status()[0]
		if status.SetAside != 1 || s.times("HEADER", 2)+s.times("TEXT", 2) < 5 {
			t.Errorf("%s: asked %d times, status %+v", name, s.times("TEXT", 2), status)
		}
	}
	f("NIL", fmt.Sprintf("* 2 FETCH (UID 2 %s BODY[HEADER.FIELDS (From)] NIL BODY[TEXT]<0> NIL)\r\n", arrival))
	f("nothing", "")
	f("what the client cannot read", "* 2 FETCH (UID 2 X-ODD (a \"b))\r\n")
	f("hang up", hangUp)
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
	if s.times("TEXT", 3) != 1 {
		t.Errorf("the last mail was fetched %d times", s.times("TEXT", 3))
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
	f("", "", "Sent folder unknown; set sent_folder to one of those that dealtrail mailbox check lists.", inbox, `() "/" Other`)
	f("", "", "Sent folder unknown", inbox, `(\Noselect \Sent) "/" Sent`)
}
