package mailbox_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"dealtrail/ingest/mailbox"
)

// long makes a mail too large to be fetched whole at once.
func long(mail string) string { return mail + strings.Repeat("\nwords that say little", 1500) }

// oddStructures are what servers have answered in earnest. The client library
// gives the connection up over most of them.
var oddStructures = []string{
	`("mixed" ("boundary" "b") NIL NIL)`,
	`(NIL "mixed" ("boundary" "b") NIL NIL)`,
	`("TEXT" "PLAIN" NIL NIL NIL "7BIT" 10 1 NIL "attachment" NIL NIL)`,
	`("TEXT" "PLAIN" NIL NIL NIL "7BIT" 10 1 NIL ("attachment") NIL NIL)`,
	`(NIL "PLAIN" NIL NIL NIL "7BIT" 10 1)`,
	`(("TEXT" "PLAIN" NIL NIL NIL "7BIT" 10 1) "RELATED" NIL ("ATTACHMENT" NIL) NIL)`,
	`("RELATED" NIL ("ATTACHMENT" NIL) NIL)`,
	`("TEXT" "PLAIN" ("name" "a "quoted" name") NIL NIL "7BIT" 10 1)`,
	`("TEXT" "PLAIN" NIL NIL NIL NIL 10 1)`,
	`NIL`,
	`()`,
}

func TestMailIsReadWhoseStructureIsOdd(t *testing.T) {
	t.Parallel()
	for i, structure := range oddStructures {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			mails, lines := three(t)
			mails[1] = long(mails[1])
			s := &script{mails: map[string][]string{"Sent": mails}, structure: func(int) string { return structure }}
			g := newGround()
			p := g.poller(t, s.start(t))
			run(t, p)
			want(t, g, lines...)
			looked(t, p)
			if st := p.Status()[0]; st.SetAside != 0 || st.Messages != 3 {
				t.Errorf("%s: %+v", structure, st)
			}
		})
	}
}

func TestOddAnswersLoseNoMail(t *testing.T) {
	t.Parallel()
	f := func(name string, change func(s *script)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mails, lines := three(t)
			s := &script{mails: map[string][]string{"Sent": mails}}
			change(s)
			g := newGround()
			p := g.poller(t, s.start(t))
			run(t, p)
			want(t, g, lines...)
			looked(t, p)
			if st := p.Status()[0]; st.SetAside != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
	once := func(uid, asked int, section, mail, odd string) string {
		if uid == 2 && asked == 1 && section == "TEXT" {
			return odd
		}
		return whole(uid, section, mail)
	}
	f("a size that is far too small", func(s *script) {
		s.body = func(uid, _ int, section, mail string) string {
			return strings.Replace(whole(uid, section, mail), fmt.Sprint("RFC822.SIZE ", len(mail)), "RFC822.SIZE 1", 1)
		}
	})
	f("no size and no date", func(s *script) {
		s.body = func(uid, _ int, section, mail string) string {
			return fmt.Sprintf("* %d FETCH (UID %d %s)\r\n", uid, uid, part(section, mail))
		}
	})
	f("goodbye in the middle", func(s *script) {
		s.body = func(uid, asked int, section, mail string) string {
			return once(uid, asked, section, mail, "* BYE Session expired, please login again.\r\n")
		}
	})
	f("VANISHED, which the client does not know", func(s *script) {
		s.body = func(uid, asked int, section, mail string) string {
			return once(uid, asked, section, mail, "* VANISHED 41\r\n"+whole(uid, section, mail))
		}
	})
	f("an item that nobody asked for", func(s *script) {
		s.body = func(uid, asked int, section, mail string) string {
			return once(uid, asked, section, mail, fmt.Sprintf("* 2 FETCH (UID 2 X-GM-LABELS (\\Sent) %s)\r\n", part(section, mail)))
		}
	})
	f("alerts, new mail and a list of capabilities between", func(s *script) {
		s.body = func(uid, _ int, section, mail string) string {
			return "* OK [ALERT] the disk is nearly full\r\n* 4 EXISTS\r\n* 0 RECENT\r\n* CAPABILITY IMAP4rev1 X-ODD=1\r\n" + whole(uid, section, mail)
		}
	})
	f("two answers for one mail", func(s *script) {
		s.body = func(uid, _ int, section, mail string) string {
			return fmt.Sprintf("* %d FETCH (UID %d %s)\r\n", uid, uid, arrival) + whole(uid, section, mail)
		}
	})
	f("a greeting that says more", func(s *script) {
		s.greeting = "* OK [CAPABILITY IMAP4rev1 SASL-IR X-UNKNOWN-1] Gimap ready for requests from 127.0.0.1 x7mb1\r\n"
	})
}

// TestMailThatIsGoneStopsNothing: a mail that was deleted between the search and
// the fetch is no mail that the server fails to deliver.
func TestMailThatIsGoneStopsNothing(t *testing.T) {
	t.Parallel()
	mails, lines := three(t)
	gone := false
	s := &script{mails: map[string][]string{"Sent": mails}}
	s.body = func(uid, _ int, section, mail string) string {
		if uid == 3 && section == "TEXT" {
			gone = true
			s.expunged.Store(3)
			return ""
		}
		return whole(uid, section, mail)
	}
	g := newGround()
	p := g.poller(t, s.start(t))
	run(t, p)
	want(t, g, lines[:2]...)
	looked(t, p)
	if st := p.Status()[0]; st.SetAside != 0 || st.State != mailbox.OK || !gone {
		t.Errorf("%+v", st)
	}
}

// TestServerThatFallsSilentIsLeft: wherever a server stops answering, its mailbox
// is retried and others go on.
func TestServerThatFallsSilentIsLeft(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"LOGIN", "LIST", "EXAMINE", "UID SEARCH", "UID FETCH", "IDLE", "DONE"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			mails, lines := three(t)
			s := &script{mails: map[string][]string{"Sent": mails}, silentAt: at}
			if at == "IDLE" || at == "DONE" {
				s.caps = "IDLE"
			}
			g := newGround()
			p := g.poller(t, s.start(t))
			p.Patience = 200 * time.Millisecond
			run(t, p)
			want(t, g, lines...)
			looked(t, p)
			eventually(t, "it fell silent", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.silentAt == "" })
			looked(t, p)
		})
	}
}

// TestLastWordsOfAServerAreTold: the client library keeps them to itself.
func TestLastWordsOfAServerAreTold(t *testing.T) {
	t.Parallel()
	mails, _ := three(t)
	s := &script{mails: map[string][]string{"Sent": mails}, body: func(int, int, string, string) string {
		return "* BYE [UNAVAILABLE] Account exceeded bandwidth limits.\r\n" + hangUp
	}}
	p := newGround().poller(t, s.start(t))
	run(t, p)
	eventually(t, "the reason is told", func() bool {
		return strings.Contains(p.Status()[0].Reason, "closed the connection and says: Account exceeded bandwidth limits.")
	})
}

// TestGoodbyeAtTheDoorIsRetried: a server that is full says BYE instead of OK.
func TestGoodbyeAtTheDoorIsRetried(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "* BYE Too many connections\r\n")
			c.Close()
		}
	}()
	b := (&script{}).start(t)
	b.Port = l.Addr().(*net.TCPAddr).Port
	p := newGround().poller(t, b)
	stop := run(t, p)
	eventually(t, "it is retried", func() bool { return p.Status()[0].State == mailbox.Retrying })
	if reason := p.Status()[0].Reason; !strings.Contains(reason, "Too many connections") {
		t.Error(reason)
	}
	stop()
	l.Close()
	<-served
}
