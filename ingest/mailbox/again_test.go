package mailbox_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"dealtrail/ingest/mailbox"
	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

// TestReadingAgainEndsAtABadMessage: content was registered, so the mail of 30
// days is read again, and one message breaks the connection each time.
func TestReadingAgainEndsAtABadMessage(t *testing.T) {
	t.Parallel()
	mails, lines := three(t)
	var bad atomic.Bool
	s := &script{mails: map[string][]string{"Sent": mails}, body: func(uid, _ int, section, mail string) string {
		if bad.Load() && uid == 2 && section == "TEXT" {
			return hangUp
		}
		return whole(uid, section, mail)
	}}
	g := newGround()
	p := g.poller(t, s.start(t))
	var version atomic.Uint64
	p.CatalogueVersion = version.Load
	run(t, p)
	want(t, g, lines...)
	looked(t, p)
	bad.Store(true)
	version.Store(7)
	eventually(t, "the mail is read again to the end", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.keys["mailbox/scripted/catalogue"] == "7"
	})
	asked := s.times("TEXT", 1)
	looked(t, p)
	looked(t, p)
	if n := s.times("TEXT", 1); n != asked || n > 20 {
		t.Errorf("the first mail was fetched %d times, and %d times after it was done", n, n-asked)
	}
}

// TestOutageLosesNoMail: a server that delivers nothing at all is not the
// messages' fault, however long it lasts.
func TestOutageLosesNoMail(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"goodbye": "* BYE Account exceeded bandwidth limits.\r\n" + hangUp, "no answer": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mails, lines := three(t)
			var out atomic.Int64
			out.Store(60)
			s := &script{mails: map[string][]string{"Sent": mails}, body: func(uid, _ int, section, mail string) string {
				if out.Add(-1) >= 0 {
					return answer
				}
				return whole(uid, section, mail)
			}}
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
}

// twice reads a message as it would be read the second time, too.
func twice(t *testing.T, marks []string, message string, in mailbox.Folder) (first, second []string) {
	t.Helper()
	for _, said := range []*[]string{&first, &second} {
		got, err := remembers(t, marks...).Read([]byte(message), in, rep, arrived)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range got.Events {
			*said = append(*said, fmt.Sprint(e.Kind, e.ID, e.Content, e.Contact))
		}
		marks = append(marks, got.Marks...)
	}
	return first, second
}

func TestMailReadAgainSaysTheSame(t *testing.T) {
	_, link := share(t, "roi-guide")
	marks := marksOf(t, mail("f1@h", "bo@northwind.example", link))
	quoted := "\n> " + link + "\n"
	for in, message := range map[mailbox.Folder]string{
		mailbox.Inbox: strings.ReplaceAll(reply("r1@n", "Thanks"+quoted), "bo@northwind.example", "chief@northwind.example"),
		mailbox.Sent:  mail("f3@h", "chief@northwind.example", "FYI"+quoted),
	} {
		first, second := twice(t, marks, message, in)
		if len(first) != 1 || !strings.HasPrefix(first[0], "forwarded") || !slices.Equal(first, second) {
			t.Errorf("%s: first %q, then %q", in, first, second)
		}
	}
}

// TestTiedReplyReplacesTheBareOne: content that is registered later ties a reply
// that was a bare fact before.
func TestTiedReplyReplacesTheBareOne(t *testing.T) {
	message := reply("r1@n", "Thanks", "References: <m1@h> <other@n>", "In-Reply-To: <other@n>")
	bare := remembers(t)
	bare.Known = func(ids ...trail.ContactID) (map[trail.ContactID]bool, error) {
		return map[trail.ContactID]bool{ids[0]: true}, nil
	}
	before, _ := events(t, bare, message, mailbox.Inbox)
	after, _ := events(t, knows(t, "m1@h"), message, mailbox.Inbox)
	if before[0].ID != after[0].ID || before[0].Revision >= after[0].Revision || after[0].RevisedAt.IsZero() || after[0].Message != contacts.MessageHash("m1@h") {
		t.Errorf("before %+v\nafter %+v", before[0], after[0])
	}
}

func TestBounceOfExcludedMailLeavesNoTrace(t *testing.T) {
	r := knows(t, "m1@harbor.example")
	r.Exclude = func(_, address string) bool { return strings.HasSuffix(address, "northwind.example") }
	for name := range samples["reports"] {
		got, err := r.Read([]byte(sample(t, name)), mailbox.Inbox, rep, arrived)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range got.Events {
			if e.Person != nil && strings.HasSuffix(e.Person.Address, "northwind.example") {
				t.Errorf("%s: %+v names %+v", name, e, *e.Person)
			}
		}
	}
}

func TestMailThatSomebodyElseWroteIsNotTheReps(t *testing.T) {
	_, link := share(t, "roi-guide")
	message := strings.Replace(mail("x@h", rep+", chief@northwind.example", link), "<"+rep+">", "<bo@northwind.example>", 1)
	if got, reason := events(t, reader(t), message, mailbox.Sent); len(got) != 0 || !strings.Contains(reason, "somebody else wrote it") {
		t.Errorf("%+v %s", got, reason)
	}
}

func TestMailToTwoRepsIsTheFirstOnesInBothMailboxes(t *testing.T) {
	r := knows(t, "m1@h")
	r.RepOf = func(address string) (string, bool) { return address, strings.HasSuffix(address, "@harbor.example") }
	message := strings.Replace(reply("r@n", "Yes", "In-Reply-To: <m1@h>"), "To: "+rep, "To: "+rep+"\nCc: bea@harbor.example", 1)
	for _, owner := range []string{rep, "bea@harbor.example"} {
		got, _, err := readAs(r, []byte(message), mailbox.Inbox, owner, arrived)
		if err != nil || len(got) != 1 || got[0].Rep != rep {
			t.Errorf("in the mailbox of %s: %+v %v", owner, got, err)
		}
	}
}

// TestAnswersToMailInExcludedFoldersLeaveNoTrace: the answer itself has no label.
func TestAnswersToMailInExcludedFoldersLeaveNoTrace(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	_, link := share(t, "roi-guide")
	private := mail("p@h", "friend@n.example", link)
	c := s.Client("ana")
	for _, folder := range []string{"Private", "Private.Kids"} {
		if err := c.Create(folder, nil).Wait(); err != nil {
			t.Fatal(err)
		}
	}
	s.Append("ana", "Private", private)
	s.Append("ana", mailtest.SentFolder, private)
	s.Append("ana", "Private.Kids", strings.ReplaceAll(private, "p@h", "k@h"))
	s.Append("ana", mailtest.SentFolder, strings.ReplaceAll(private, "p@h", "k@h"))
	s.Append("ana", mailtest.SentFolder, mail("b@h", "bo@northwind.example", link))
	s.Append("ana", "INBOX", strings.ReplaceAll(reply("r1@n", "Yes\n> "+link, "In-Reply-To: <p@h>"), "bo@northwind.example", "friend@n.example"))
	g := newGround()
	p := g.poller(t, box(s, "ana"))
	p.ExcludeFolders = []string{"private"}
	run(t, p)
	want(t, g, "sent roi-guide bo@northwind.example")
	looked(t, p)
	looked(t, p)
	want(t, g, "sent roi-guide bo@northwind.example")
	report, err := p.Check(t.Context(), box(s, "ana"))
	if err != nil || strings.Contains(fmt.Sprint(report), "friend@n.example") {
		t.Errorf("check shows %+v %v", report, err)
	}
	for _, m := range report.Mails {
		for _, e := range m.Events {
			if e.Person.Address == "friend@n.example" {
				t.Errorf("check shows %+v", e)
			}
		}
	}
}

// TestOneMailInSharedMailboxesIsOneRepsSighting: reps are counted, not mailboxes.
func TestOneMailInSharedMailboxesIsOneRepsSighting(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana", "shop", "desk")
	g := newGround()
	var boxes []mailbox.Box
	for _, user := range []string{"ana", "shop", "desk"} {
		s.Append(user, mailtest.SentFolder, mail("s@h", "bo@northwind.example", "https://www.harbor.example/case/acme"))
		b := box(s, user)
		b.Rep = user + "@harbor.example"
		boxes = append(boxes, b)
	}
	p := g.poller(t, boxes...)
	p.Reader.RepOf = func(address string) (string, bool) { return address, address == rep }
	run(t, p)
	eventually(t, "all are read", func() bool {
		return !slices.ContainsFunc(p.Status(), func(b mailbox.BoxStatus) bool { return b.Messages == 0 })
	})
	g.mu.Lock()
	defer g.mu.Unlock()
	for thing, reps := range g.sights {
		if len(reps) != 1 {
			t.Errorf("%s is sent by %d reps", thing, len(reps))
		}
	}
	if len(g.sights) != 1 {
		t.Errorf("%d things were sighted", len(g.sights))
	}
}
