package mailbox_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"dealtrail/ingest/mailbox"
	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

// These tests ask a real Dovecot what a script of ours would only confirm.

func TestCertificatesAreVerified(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	_, link := share(t, "roi-guide")
	s.Append("ana", mailtest.SentFolder, mail("m1@h", "bo@northwind.example", link))
	for _, security := range []string{"starttls", "tls"} {
		b := box(s, "ana")
		b.Security, b.CAs = security, mailtest.StrangerCAs(t)
		if security == "tls" {
			b.Port = s.TLSPort
		}
		g := newGround()
		p := g.whole(t, b)
		stop := run(t, p)
		eventually(t, "a stranger's certificate is refused", func() bool { return p.Status()[0].State == mailbox.Retrying })
		stop()
		if reason := p.Status()[0].Reason; !strings.Contains(reason, "certificate") || g.count() != 0 {
			t.Errorf("%s: %d events, reason %q", security, g.count(), reason)
		}

		b.CAs = s.CAs
		g = newGround()
		stop = run(t, g.whole(t, b))
		want(t, g, "sent roi-guide bo@northwind.example")
		stop()
	}
}

// TestMailIsSeenAtOnceWhereTheServerTells: with IDLE nobody waits for the next look.
func TestMailIsSeenAtOnceWhereTheServerTells(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	link := linkOf(t)
	g := newGround()
	b := box(s, "ana")
	proxy := s.Proxy(t)
	b.Port = proxy.Port
	p := g.whole(t, b)
	p.Every = time.Hour
	run(t, p)
	eventually(t, "the first look", func() bool { return !p.Status()[0].LastPoll.IsZero() })
	var lines []string
	for i := range 3 { // again and again: after each mail the server has to be listened to once more
		to := fmt.Sprintf("c%d@northwind.example", i)
		lines = append(lines, "sent roi-guide "+to)
		s.Append("ana", mailtest.SentFolder, mail("m@"+to, to, link(i)))
		want(t, g, lines...) // long before the next look, in an hour
	}
	onlyReads(t, proxy)
}

// TestMailThatComesBeforeTheServerIsListenedToIsSeen: between the look into Sent
// and IDLE others are looked into, and the server tells only what comes after.
func TestMailThatComesBeforeTheServerIsListenedToIsSeen(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	_, link := share(t, "roi-guide")
	proxy := s.Proxy(t)
	var once sync.Once
	proxy.Before = func(line string) {
		if strings.Contains(line, "EXAMINE") && strings.Contains(line, "INBOX") {
			once.Do(func() { s.Append("ana", mailtest.SentFolder, mail("m1@h", "bo@northwind.example", link)) })
		}
	}
	g := newGround()
	b := box(s, "ana")
	b.Port = proxy.Port
	p := g.whole(t, b)
	p.Every = time.Hour
	run(t, p)
	want(t, g, "sent roi-guide bo@northwind.example")
}

func TestServerWithoutIdleIsLookedAtInTime(t *testing.T) {
	t.Parallel()
	s := mailtest.DovecotWith(t, mailtest.Options{NoIdle: true}, "ana")
	_, link := share(t, "roi-guide")
	g := newGround()
	b := box(s, "ana")
	proxy := s.Proxy(t)
	b.Port = proxy.Port
	p := g.whole(t, b)
	run(t, p)
	looked(t, p)
	s.Append("ana", mailtest.SentFolder, mail("m1@h", "bo@northwind.example", link))
	want(t, g, "sent roi-guide bo@northwind.example")
	if slices.Contains(proxy.Commands(), "IDLE") {
		t.Error("IDLE was sent to a server that does not have it")
	}
}

// TestChangesWithoutNewMailAreNoNews: flags, keywords and deletions change a
// folder's HIGHESTMODSEQ, where it has one, and say nothing new; mail that comes
// with them does.
func TestChangesWithoutNewMailAreNoNews(t *testing.T) {
	t.Parallel()
	for _, o := range []mailtest.Options{{}, {NoCondstore: true}, {NoCondstore: true, NoIdle: true}} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			t.Parallel()
			s := mailtest.DovecotWith(t, o, "ana")
			link := linkOf(t)
			var lines []string
			send := func(n int) {
				to := fmt.Sprintf("c%d@northwind.example", n)
				s.Append("ana", mailtest.SentFolder, mail("m@"+to, to, link(n)))
				lines = append(lines, "sent roi-guide "+to)
			}
			for n := range 5 {
				send(n)
			}
			g := newGround()
			p := g.whole(t, box(s, "ana"))
			run(t, p)
			want(t, g, lines...)
			looked(t, p)
			read := p.Status()[0].Messages
			c := s.Client("ana")
			if _, err := c.Select(mailtest.SentFolder, nil).Wait(); err != nil {
				t.Fatal(err)
			}
			change := func(flag imap.Flag, seq uint32) {
				t.Helper()
				if err := c.Store(imap.SeqSetNum(seq), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{flag}}, nil).Close(); err != nil {
					t.Fatal(err)
				}
			}
			change(imap.FlagFlagged, 2)
			looked(t, p)
			change("$Label1", 3)
			change(imap.FlagDeleted, 5) // the last one
			looked(t, p)
			if err := c.Expunge().Close(); err != nil {
				t.Fatal(err)
			}
			looked(t, p)
			if got := p.Status()[0].Messages; got != read || g.count() != len(lines) {
				t.Errorf("%d messages read before, %d after; %d events for %d mails", read, got, g.count(), len(lines))
			}
			change(imap.FlagAnswered, 1)
			send(7)
			want(t, g, lines...)
			looked(t, p)
			if got := p.Status()[0].Messages; got != read+1 || g.count() != len(lines) {
				t.Errorf("one mail came: %d messages read before, %d after; %d events for %d mails", read, got, g.count(), len(lines))
			}
		})
	}
}

// TestResetFolderIsReadOnceMoreAndSaysSo: whatever way a folder is reset, no
// event comes twice with another ID, one event tells of the reset, and the next
// mail is found, by the next process too.
func TestResetFolderIsReadOnceMoreAndSaysSo(t *testing.T) {
	t.Parallel()
	link := linkOf(t)
	first := mail("m1@h", "bo@northwind.example", link(1))
	reset := func(name string, live bool, how func(s *mailtest.Server)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mailtest.Dovecot(t, "ana")
			s.Append("ana", mailtest.SentFolder, first)
			s.Append("ana", mailtest.SentFolder, mail("m2@h", "kim@quayside.example", link(2)))
			lines := []string{"sent roi-guide bo@northwind.example", "sent roi-guide kim@quayside.example"}
			g := newGround()
			p := g.whole(t, box(s, "ana"))
			stop := run(t, p)
			eventually(t, "both mails", func() bool { return slices.Equal(g.mails(), lines) })
			looked(t, p)
			if !live {
				stop()
			}
			how(s)
			if !live {
				p = g.whole(t, box(s, "ana"))
				stop = run(t, p)
			}
			eventually(t, "the reset is told", func() bool { return g.times(trail.Rescanned) > 0 })
			looked(t, p)
			stop()

			// The cursor is right afterwards: nothing is read again, what is new is.
			p = g.whole(t, box(s, "ana"))
			run(t, p)
			looked(t, p)
			if n := p.Status()[0].Messages; n != 0 {
				t.Errorf("%d messages are read again by the next process", n)
			}
			s.Append("ana", mailtest.SentFolder, mail("m3@h", "lena@fabrik.example", link(3)))
			lines = append(lines, "sent roi-guide lena@fabrik.example")
			eventually(t, "the new mail", func() bool { return slices.Equal(g.mails(), lines) })
			looked(t, p)
			if n := g.times(trail.Rescanned); n != 1 {
				t.Errorf("%d events tell of one reset", n)
			}
			for _, e := range g.events {
				if err := e.Validate(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	reset("other UIDVALIDITY, while nobody looks", false, func(s *mailtest.Server) { s.ResetUIDs("ana", mailtest.SentFolder) })
	reset("deleted and made again, under our eyes", true, func(s *mailtest.Server) {
		c := s.Client("ana")
		if err := c.Delete(mailtest.SentFolder).Wait(); err != nil {
			t.Error(err)
		}
		// Dovecot makes the folder again by itself when the poller happens to connect in between.
		made := c.Create(mailtest.SentFolder, nil).Wait()
		if no := (*imap.Error)(nil); made != nil && !(errors.As(made, &no) && no.Code == imap.ResponseCodeAlreadyExists) {
			t.Error(made)
		}
		s.Append("ana", mailtest.SentFolder, first)
	})
}

// mails returns what was sent, each ID once, sorted.
func (g *ground) mails() []string {
	return slices.DeleteFunc(g.got(), func(line string) bool { return !strings.HasPrefix(line, string(trail.Sent)) })
}

// times returns how often events of a kind were emitted.
func (g *ground) times(kind trail.Kind) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range g.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// TestQuietMailboxIsNotFetched: to a server UID n:* of a folder that ends before
// n is its last mail, which was read already.
func TestQuietMailboxIsNotFetched(t *testing.T) {
	t.Parallel()
	for _, o := range []mailtest.Options{{}, {NoCondstore: true, NoIdle: true}} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			t.Parallel()
			s := mailtest.DovecotWith(t, o, "ana")
			link := linkOf(t)
			for n := range 3 {
				s.Append("ana", mailtest.SentFolder, mail(fmt.Sprintf("m%d@h", n), fmt.Sprintf("c%d@northwind.example", n), link(n)))
				s.Append("ana", "INBOX", reply(fmt.Sprintf("r%d@n", n), "Thanks", "In-Reply-To: <m0@h>"))
			}
			g := newGround()
			proxy := s.Proxy(t)
			b := box(s, "ana")
			b.Port = proxy.Port
			p := g.whole(t, b)
			run(t, p)
			looked(t, p)
			looked(t, p)
			fetches := func() (n int) {
				for _, c := range proxy.Commands() {
					if strings.Contains(c, "FETCH") {
						n++
					}
				}
				return n
			}
			before, read := fetches(), p.Status()[0].Messages
			for range 3 {
				looked(t, p)
				p.Poke("ana")
			}
			if after := fetches(); after != before || p.Status()[0].Messages != read {
				t.Errorf("%d FETCH commands before, %d after; %d messages read, then %d", before, after, read, p.Status()[0].Messages)
			}
		})
	}
}

// TestTwentyThousandMailsGiveEachEventOnce reads a mailbox as large as those of
// people who never delete anything.
func TestTwentyThousandMailsGiveEachEventOnce(t *testing.T) {
	s := mailtest.Dovecot(t, "ana")
	corpus := mailtest.Corpus{
		Seed: 20, Mails: 20_000, Rep: rep, Until: time.Now().Add(-time.Hour), Span: 28 * 24 * time.Hour,
		Link: linkOf(t), Page: "https://www.harbor.example/nothing", Attach: [2]int{-1},
	}
	began := time.Now()
	n := s.Deliver("ana", mailtest.SentFolder, corpus.In(mailtest.SentFolder)) + s.Deliver("ana", "INBOX", corpus.In("INBOX"))
	t.Logf("%d mails delivered in %s", n, time.Since(began).Round(time.Millisecond))
	missing := map[string]int{}
	for l := range corpus.Letters() {
		if l.Kind == mailtest.Tracked {
			for _, to := range l.Outside {
				missing[string(shareOf(l.N))+" "+to]++
			}
		}
	}
	tracked := len(missing)
	g := newGround()
	p := g.whole(t, box(s, "ana"))
	p.Settle, p.Every = time.Hour, time.Hour // one reading
	began = time.Now()
	stop := run(t, p)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	over := time.After(2 * time.Minute)
	for p.Status()[0].LastPoll.IsZero() {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("not read within two minutes: %+v", p.Status()[0])
		}
	}
	t.Logf("read in %s: %d events", time.Since(began).Round(time.Millisecond), g.count())
	status := p.Status()[0]
	stop()
	if status.Messages != uint64(n) || status.SetAside != 0 || n != corpus.Mails {
		t.Errorf("of %d mails: %+v", n, status)
	}
	for _, e := range g.events {
		if e.Kind == trail.Sent && e.Share != "" {
			missing[string(e.Share)+" "+e.Person.Address]--
		}
	}
	for of, n := range missing {
		if n != 0 {
			t.Errorf("%s was found %d times too few", of, n)
		}
	}
	t.Logf("%d tracked sends", tracked)
}
