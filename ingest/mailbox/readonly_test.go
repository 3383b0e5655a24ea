package mailbox_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"dealtrail/ingest/mailbox/mailtest"
)

// TestNothingOnTheServerChanges does all that the poller can do to a mailbox and
// compares all that the mailbox is before and afterwards.
func TestNothingOnTheServerChanges(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	link := linkOf(t)
	corpus := mailtest.Corpus{
		Seed: 3, Mails: 300, Rep: rep, Until: time.Now().Add(-time.Hour), Span: 20 * 24 * time.Hour,
		Link: link, Page: library["roi-guide"], File: []byte("%PDF-1.7 a file of ours"), Attach: [2]int{1000, 300_000},
	}
	furnish(t, s, &corpus)
	s.Survey("ana") // asking for MODSEQ makes the server count changes from then on
	before := s.Survey("ana")

	proxy := s.Proxy(t)
	b := box(s, "ana")
	b.Port = proxy.Port
	g := newGround()
	p := g.whole(t, b)
	var catalogue atomic.Uint64
	p.CatalogueVersion = catalogue.Load
	stop := run(t, p)
	looked(t, p)
	read := p.Status()[0].Messages
	if int(read) < corpus.Mails || g.count() == 0 {
		t.Fatalf("the first reading: %d events, %+v", g.count(), p.Status()[0])
	}
	catalogue.Add(1) // all of the last month is read again
	eventually(t, "mail is read again", func() bool { return p.Status()[0].Messages >= 2*read })
	p.Poke("ana")
	looked(t, p)
	if _, err := p.Check(t.Context(), b); err != nil {
		t.Error(err)
	}
	stop()

	// Another that waits for the server to tell, and begins where the first ended.
	p = g.whole(t, b)
	p.Every = time.Hour
	stop = run(t, p)
	eventually(t, "the first look", func() bool { return !p.Status()[0].LastPoll.IsZero() })
	p.Poke("ana")
	began := time.Now()
	eventually(t, "a look when poked", func() bool { return p.Status()[0].LastPoll.After(began) })
	stop()

	if after := s.Survey("ana"); before != after {
		t.Errorf("the mailbox is not what it was:\n%s", difference(strings.Split(before, "\n"), strings.Split(after, "\n")))
	}
	onlyReads(t, proxy)
}

// furnish fills ana's mailbox: several folders, read and unread mail, some that
// no client has taken notice of, flags, keywords and subscriptions.
func furnish(t *testing.T, s *mailtest.Server, corpus *mailtest.Corpus) {
	t.Helper()
	s.Deliver("ana", mailtest.SentFolder, corpus.In(mailtest.SentFolder))
	s.Deliver("ana", "INBOX", corpus.In("INBOX"))
	c := s.Client("ana")
	defer c.Close()
	for _, folder := range []string{"Entwürfe", "Privat"} {
		if err := c.Create(folder, nil).Wait(); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"INBOX", "Entwürfe", mailtest.SentFolder} {
		if err := c.Subscribe(folder).Wait(); err != nil {
			t.Fatal(err)
		}
	}
	for _, folder := range []string{"INBOX", mailtest.SentFolder} {
		if _, err := c.Select(folder, nil).Wait(); err != nil {
			t.Fatal(err)
		}
		for first, flag := range []imap.Flag{"$Label1", "wichtig", imap.FlagFlagged, imap.FlagDeleted, imap.FlagDraft, "$Forwarded", imap.FlagAnswered} {
			set := imap.SeqSet{}
			set.AddRange(uint32(first+1), uint32(first+4))
			if err := c.Store(set, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{flag}, Silent: true}, nil).Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Unselect().Wait(); err != nil {
		t.Fatal(err)
	}
	var unseen []mailtest.Mail
	for i := range 20 {
		unseen = append(unseen, mailtest.Mail{At: time.Now(), Unseen: true, Write: mailtest.Text(mail(fmt.Sprintf("unseen-%d@h", i), "bo@northwind.example", corpus.Link(1_000_000+i)))})
	}
	s.Deliver("ana", mailtest.SentFolder, slices.Values(unseen))
	s.Deliver("ana", "INBOX", slices.Values(unseen))
	s.Deliver("ana", "Projekte.Alt", slices.Values(unseen))
}

// readings are the commands that change nothing.
var readings = []*regexp.Regexp{
	regexp.MustCompile(`^(?i)(?:CAPABILITY|NOOP|LOGOUT|STARTTLS|IDLE|DONE)$`),
	regexp.MustCompile(`^(?i)(?:ID|AUTHENTICATE|LOGIN|LIST|NAMESPACE|STATUS|EXAMINE) .*$`),
	regexp.MustCompile(`^(?i)ENABLE (?:CONDSTORE|QRESYNC|IMAP4rev2|UTF8=ACCEPT)$`),
	regexp.MustCompile(`^(?i)(?:UID )?SEARCH .*$`),
	regexp.MustCompile(`^(?i)UID FETCH [\d:,*]+ .*$`),
	regexp.MustCompile(`^(?i)UNSELECT$`), // unlike CLOSE, it never expunges
}

// unpeeked are the FETCH items that set \Seen: bodies without PEEK.
var unpeeked = regexp.MustCompile(`(?i)\b(?:BODY\[|BINARY\[|RFC822(?:\.TEXT)?(?:[ )]|$))`)

// onlyReads fails the test if a client gave a command that may change something.
func onlyReads(t *testing.T, proxy *mailtest.Proxy) {
	t.Helper()
	commands := proxy.Commands()
	words := map[string]int{}
	for _, c := range commands {
		reads := slices.ContainsFunc(readings, func(r *regexp.Regexp) bool { return r.MatchString(c) })
		if !reads || unpeeked.MatchString(c) && strings.Contains(strings.ToUpper(c), "FETCH") {
			t.Errorf("the command %.200q may change the mailbox", c)
		}
		word, rest, _ := strings.Cut(c, " ")
		if strings.EqualFold(word, "UID") {
			word += " " + strings.Fields(rest)[0]
		}
		words[strings.ToUpper(word)]++
	}
	t.Logf("commands: %v", words)
	if words["EXAMINE"] == 0 || words["UID FETCH"] == 0 {
		t.Errorf("the proxy has seen no reading: %v", words)
	}
}
