package mailbox_test

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"dealtrail/ingest/mailbox"
	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

func TestSentMailAndReplyAreReadAndNothingChanges(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	_, link := share(t, "roi-guide")
	s.Append("ana", mailtest.SentFolder, htmlMail("m1@harbor.example", "bo@northwind.example, kim@quayside.example", `<a href="`+link+`">guide</a>`))
	s.Append("ana", mailtest.SentFolder, mail("m2@harbor.example", "bo@northwind.example", "no link"))
	s.Append("ana", "INBOX", reply("r1@n", "Thanks!", "In-Reply-To: <m1@harbor.example>"))
	s.Append("ana", "INBOX", reply("r2@n", "I am away", "In-Reply-To: <m1@harbor.example>", "Auto-Submitted: auto-replied"))
	s.Append("ana", "INBOX", reply("r3@n", "no such user", "In-Reply-To: <m1@harbor.example>", "Content-Type: multipart/report; report-type=delivery-status; boundary=b"))
	s.Append("ana", "INBOX", reply("r4@n", "lunch?"))
	before, flags := s.Snapshot("ana"), state(t, s)
	for _, security := range []string{"none", "starttls", "tls"} {
		g := newGround()
		b := box(s, "ana")
		b.Security, b.CAs = security, s.CAs
		if security == "tls" {
			b.Port = s.TLSPort
		}
		p := g.poller(t, b)
		stop := run(t, p)
		want(t, g, "sent roi-guide bo@northwind.example", "sent roi-guide kim@quayside.example", "replied  bo@northwind.example", "autoreplied  bo@northwind.example")
		looked(t, p)
		got := p.Status()[0]
		if got.State != mailbox.OK || got.SentFolder != mailtest.SentFolder || got.Reason != "" || got.Messages != 6 || got.Events != 4 {
			t.Errorf("%s: status %+v", security, got)
		}
		stop()
	}
	if after := s.Snapshot("ana"); !maps.Equal(before, after) {
		t.Errorf("the mail on the server changed:\n%v\n%v", before, after)
	}
	if after := state(t, s); flags != after {
		t.Errorf("flags or UIDs changed:\n%s\n%s", flags, after)
	}
}

// state returns flags and counters of ana's folders, as another client sees them.
func state(t *testing.T, s *mailtest.Server) string {
	c := s.Client("ana")
	defer c.Close()
	var out strings.Builder
	for _, folder := range []string{mailtest.SentFolder, "INBOX"} {
		data, err := c.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, folder, data.UIDValidity, data.UIDNext, data.NumMessages)
		messages, err := c.Fetch(imap.SeqSet{{Start: 1}}, &imap.FetchOptions{UID: true, Flags: true, InternalDate: true, RFC822Size: true}).Collect()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			fmt.Fprintln(&out, m.UID, m.Flags, m.InternalDate, m.RFC822Size)
		}
	}
	return out.String()
}

func TestCursorSurvivesRestart(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	_, link := share(t, "roi-guide")
	s.Append("ana", mailtest.SentFolder, mail("m1@h", "bo@northwind.example", link))
	g := newGround()
	p := g.poller(t, box(s, "ana"))
	stop := run(t, p)
	looked(t, p)
	stop()
	if g.count() != 1 {
		t.Fatalf("%d events", g.count())
	}
	p = g.poller(t, box(s, "ana"))
	run(t, p)
	looked(t, p)
	if g.count() != 1 || p.Status()[0].Messages != 0 {
		t.Errorf("after a restart %d events and status %+v", g.count(), p.Status()[0])
	}
	s.Append("ana", mailtest.SentFolder, mail("m2@h", "kim@quayside.example", link))
	want(t, g, "sent roi-guide bo@northwind.example", "sent roi-guide kim@quayside.example")
	if got := p.Status()[0].Messages; got > 1 {
		t.Errorf("%d messages read for one new", got)
	}
}

func TestRefusedEventsComeAgainWithTheSameIDs(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	_, link := share(t, "roi-guide")
	s.Append("ana", mailtest.SentFolder, mail("m1@h", "bo@northwind.example", link))
	s.Append("ana", "INBOX", reply("r1@n", "Thanks!", "In-Reply-To: <m1@h>"))
	g := newGround()
	g.refuse.Store(true)
	var mu sync.Mutex
	offered := map[trail.ID]int{}
	g.onEmit = func(events ...trail.Event) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range events {
			offered[e.ID]++
		}
	}
	p := g.poller(t, box(s, "ana"))
	run(t, p)
	eventually(t, "the event is offered three times", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(offered) == 1 && offered[slices.Collect(maps.Keys(offered))[0]] >= 3
	})
	if got := p.Status()[0]; got.State == mailbox.OK || strings.Contains(got.Reason, "buffer") {
		t.Errorf("status %+v", got)
	}
	delete(g.keys, "mailbox/ana/catalogue") // what it is read for, not how far
	if len(g.keys) != 0 || len(g.sent) != 0 {
		t.Errorf("remembered before the events were durable: %v", g.keys)
	}
	g.refuse.Store(false)
	want(t, g, "sent roi-guide bo@northwind.example", "replied  bo@northwind.example")
}

func TestMailIsReadAgainUntilItsContentCanBeLookedUp(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	_, link := share(t, "roi-guide")
	s.Append("ana", mailtest.SentFolder, mail("m1@h", "bo@northwind.example", link))
	s.Append("ana", "INBOX", reply("r1@n", "Thanks!\n> "+link))
	g := newGround()
	p := g.poller(t, box(s, "ana"))
	var asked atomic.Int64
	p.Reader.ByKey = func(key trail.ContentKey) (trail.ContentID, bool, error) {
		if asked.Add(1) <= 3 {
			return "", false, errors.New("the store is away")
		}
		return library.byKey(key)
	}
	run(t, p)
	want(t, g, "sent roi-guide bo@northwind.example", "replied roi-guide bo@northwind.example")
}

func TestContentRegisteredLaterMatchesEarlierMail(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	_, link := share(t, "late-deck")
	s.Append("ana", mailtest.SentFolder, mail("m1@h", "bo@northwind.example", link))
	s.AppendAt("ana", mailtest.SentFolder, mail("m0@h", "kim@quayside.example", link), time.Now().AddDate(0, 0, -60))
	s.Append("ana", "INBOX", reply("r1@n", "Thanks!", "In-Reply-To: <m1@h>"))
	g := newGround()
	p := g.poller(t, box(s, "ana"))
	var version atomic.Uint64
	var registered atomic.Bool
	p.CatalogueVersion = version.Load
	p.Reader.ByKey = func(key trail.ContentKey) (trail.ContentID, bool, error) {
		return "late-deck", registered.Load() && key == trail.KeyOf("late-deck"), nil
	}
	run(t, p)
	looked(t, p)
	if g.count() != 0 {
		t.Fatalf("%v", g.got())
	}
	registered.Store(true)
	version.Add(1)
	want(t, g, "sent late-deck bo@northwind.example", "replied  bo@northwind.example")
	read := p.Status()[0].Messages
	looked(t, p)
	looked(t, p)
	if again := p.Status()[0].Messages; again > read+2 { // one more look at the inbox, as sent mail was found
		t.Errorf("mail is read over and over: %d, then %d", read, again)
	}
}

func TestWrongPasswordParksOneMailboxOnly(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana", "ben")
	_, link := share(t, "roi-guide")
	s.Append("ana", mailtest.SentFolder, mail("m1@h", "bo@northwind.example", link))
	s.Append("ben", mailtest.SentFolder, mail("m2@h", "kim@quayside.example", link))
	g := newGround()
	var asked atomic.Int64
	var right atomic.Bool
	wrong := box(s, "ben")
	wrong.Password = func() (string, error) {
		asked.Add(1)
		if right.Load() {
			return s.Password("ben"), nil
		}
		return "hunter2-is-wrong", nil
	}
	var log strings.Builder
	var mu sync.Mutex
	p := g.poller(t, wrong, box(s, "ana"))
	p.Log = slog.New(slog.NewTextHandler(writer(func(b []byte) { mu.Lock(); defer mu.Unlock(); log.Write(b) }), nil))
	run(t, p)
	eventually(t, "ben is parked", func() bool { return p.Status()[0].State == mailbox.Parked })
	want(t, g, "sent roi-guide bo@northwind.example")
	looks := time.Now()
	eventually(t, "ana goes on", func() bool { return p.Status()[1].LastPoll.After(looks.Add(200 * time.Millisecond)) })
	reason := p.Status()[0].Reason
	if asked.Load() != 2 || !strings.Contains(reason, "refused the password for ben") || strings.Contains(reason, "hunter2") {
		t.Errorf("%d tries, reason %q", asked.Load(), reason)
	}
	mu.Lock()
	if text := log.String(); strings.Contains(text, "hunter2") || strings.Contains(text, "@") {
		t.Errorf("the log has a secret or an address:\n%s", text)
	}
	mu.Unlock()
	right.Store(true)
	p.Poke("ben")
	want(t, g, "sent roi-guide bo@northwind.example", "sent roi-guide kim@quayside.example")
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }

func TestServerKilledMidwayIsReadToTheEnd(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	_, link := share(t, "roi-guide")
	c := s.Client("ana")
	var lines []string
	for i := range 120 {
		to := "c" + strings.Repeat("x", i) + "@northwind.example"
		raw := strings.ReplaceAll(mail("m@"+to, to, link), "\n", "\r\n")
		cmd := c.Append(mailtest.SentFolder, int64(len(raw)), nil)
		cmd.Write([]byte(raw))
		cmd.Close()
		if _, err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, "sent roi-guide "+to)
	}
	g := newGround()
	var once sync.Once
	g.onEmit = func(...trail.Event) { once.Do(s.Kill) }
	p := g.poller(t, box(s, "ana"))
	run(t, p)
	eventually(t, "it is noticed", func() bool { return p.Status()[0].State == mailbox.Retrying })
	if got := p.Status()[0]; !strings.Contains(got.Reason, s.Addr()) {
		t.Errorf("reason %q", got.Reason)
	}
	s.Start()
	want(t, g, lines...)
	if g.count() != len(lines) {
		t.Errorf("%d events for %d mails: the cursor did not keep what was done", g.count(), len(lines))
	}
}

func TestResetUIDsAreReadAgainWithoutDuplicates(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	_, link := share(t, "roi-guide")
	message := mail("m1@h", "bo@northwind.example", link)
	s.Append("ana", mailtest.SentFolder, message)
	g := newGround()
	p := g.poller(t, box(s, "ana"))
	stop := run(t, p)
	want(t, g, "sent roi-guide bo@northwind.example")
	stop()
	c := s.Client("ana")
	if err := errors.Join(c.Delete(mailtest.SentFolder).Wait(), c.Create(mailtest.SentFolder, nil).Wait()); err != nil {
		t.Fatal(err)
	}
	s.Append("ana", mailtest.SentFolder, message)
	s.Append("ana", mailtest.SentFolder, mail("m2@h", "kim@quayside.example", link))
	p = g.poller(t, box(s, "ana"))
	run(t, p)
	want(t, g, "rescanned ", "sent roi-guide bo@northwind.example", "sent roi-guide kim@quayside.example")
}

func TestFirstReadingGoesAsFarBackAsSet(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	_, link := share(t, "roi-guide")
	for days, to := range map[int]string{5: "five@n.example", 60: "sixty@n.example", 400: "old@n.example"} {
		s.AppendAt("ana", mailtest.SentFolder, mail("m@"+to, to, link), time.Now().AddDate(0, 0, -days))
	}
	b := box(s, "ana")
	g := newGround()
	stop := run(t, g.poller(t, b))
	want(t, g, "sent roi-guide five@n.example")
	stop()
	b.Since = 90 * 24 * time.Hour
	g = newGround()
	run(t, g.poller(t, b))
	want(t, g, "sent roi-guide five@n.example", "sent roi-guide sixty@n.example")
}

// TestWhoConnectsAMailboxBeforeContentLosesNoMail: nothing was registered at the first
// reading, so the first registration has all of it read, the second only 30 days.
func TestWhoConnectsAMailboxBeforeContentLosesNoMail(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	for _, content := range []string{"first-deck", "second-deck"} {
		_, link := share(t, content)
		for days, to := range map[int]string{5: "five@n.example", 60: "sixty@n.example", 400: "old@n.example"} {
			s.AppendAt("ana", mailtest.SentFolder, mail(content+to, to, link), time.Now().AddDate(0, 0, -days))
		}
	}
	b := box(s, "ana")
	b.Since = 90 * 24 * time.Hour
	g := newGround()
	p := g.poller(t, b)
	var version atomic.Uint64
	p.CatalogueVersion = version.Load
	p.Began = func(was, now uint64) bool { return was == 0 && now > 0 }
	p.Reader.ByKey = func(key trail.ContentKey) (trail.ContentID, bool, error) {
		for i, content := range []trail.ContentID{"first-deck", "second-deck"} {
			if key == trail.KeyOf(content) {
				return content, version.Load() > uint64(i), nil
			}
		}
		return "", false, nil
	}
	run(t, p)
	looked(t, p)
	if g.count() != 0 {
		t.Fatalf("%v", g.got())
	}
	version.Store(1)
	first := []string{"sent first-deck five@n.example", "sent first-deck sixty@n.example"}
	want(t, g, first...)
	looked(t, p) // so that no reading is under way
	version.Store(2)
	want(t, g, append(first, "sent second-deck five@n.example")...)
	looked(t, p)
	looked(t, p)
	want(t, g, append(first, "sent second-deck five@n.example")...)
}

func TestReplyInAnotherMailboxIsTiedLater(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana", "ben")
	_, link := share(t, "roi-guide")
	s.Append("ben", "INBOX", reply("r1@n", "Thanks!", "In-Reply-To: <m1@h>"))
	g := newGround()
	p := g.poller(t, box(s, "ben"), box(s, "ana"))
	run(t, p)
	looked(t, p)
	if g.count() != 0 {
		t.Fatal("a reply to unknown mail is no event")
	}
	s.Append("ana", mailtest.SentFolder, mail("m1@h", "bo@northwind.example", link))
	want(t, g, "sent roi-guide bo@northwind.example", "replied  bo@northwind.example")
}

func TestCheckShowsAndStoresNothing(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	_, link := share(t, "roi-guide")
	s.Append("ana", mailtest.SentFolder, mail("m1@h", "bo@northwind.example", link))
	s.Append("ana", mailtest.SentFolder, mail("m2@h", "bo@northwind.example", "no link"))
	s.Append("ana", "INBOX", reply("r1@n", "Thanks!", "In-Reply-To: <m1@h>"))
	g := newGround()
	p := g.poller(t)
	report, err := p.Check(t.Context(), box(s, "ana"))
	if err != nil {
		t.Fatal(err)
	}
	yieldOf := func(report mailbox.CheckReport) (n int) {
		for _, m := range report.Mails {
			n += len(m.Events)
		}
		return n
	}
	yields := yieldOf(report)
	if report.SentFolder != mailtest.SentFolder || len(report.Folders) != 3 || len(report.Mails) != 3 || yields != 2 {
		t.Errorf("%+v", report)
	}
	if g.count() != 0 || len(g.keys) != 0 || len(g.sent) != 0 {
		t.Error("check stored something")
	}
	p.Memory = mailbox.Memory{} // as the command has none
	if again, err := p.Check(t.Context(), box(s, "ana")); err != nil || yieldOf(again) != yields {
		t.Errorf("without a memory: %+v %v", again, err)
	}
	f := func(change func(*mailbox.Box), want string) {
		t.Helper()
		b := box(s, "ana")
		change(&b)
		_, err := p.Check(t.Context(), b)
		problem := (*trail.Problem)(nil)
		if !errors.As(err, &problem) || !strings.Contains(problem.Text, want) {
			t.Errorf("%v, want a problem with %q", err, want)
		}
	}
	f(func(b *mailbox.Box) { b.Password = func() (string, error) { return "nope", nil } }, "check username and password")
	f(func(b *mailbox.Box) { b.Password = func() (string, error) { return "", errors.New("no file") } }, "password_file")
	f(func(b *mailbox.Box) { b.Security, b.Port = "tls", s.TLSPort }, "certificate")
	f(func(b *mailbox.Box) { b.Security = "starttls" }, "certificate")
	f(func(b *mailbox.Box) { b.Security = "tls" }, "does not speak TLS on this port")
	f(func(b *mailbox.Box) { b.Port = 1 }, "Nothing answers at 127.0.0.1:1")
	f(func(b *mailbox.Box) { b.Security = "ssl" }, `security is "ssl"`)
	f(func(b *mailbox.Box) { b.Host = "mail.harbor.example" }, "security may be none only for a server on this machine")
	b := box(s, "ana")
	b.SentFolder = "Outgoing"
	if report, err := p.Check(t.Context(), b); err != nil || !strings.Contains(report.Problem, `There is no folder "Outgoing"; set sent_folder to one of those that`) {
		t.Errorf("%+v %v", report.Problem, err)
	}
}
