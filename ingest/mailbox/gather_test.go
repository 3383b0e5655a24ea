package mailbox_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dealtrail/ingest/mailbox"
	"dealtrail/ingest/mailbox/mailtest"
	"dealtrail/trail"
)

// shapes are mails of every build, by name, small and large: what is fetched of
// each differs.
func shapes(t *testing.T) map[string]string {
	_, link := share(t, "roi-guide")
	pixel := `<img src="` + strings.Replace(link, "/c/", "/o/", 1) + `.gif">`
	page := `<p>Hello</p><a href="` + link + `">the guide</a>` + pixel
	long := strings.Repeat("A line of a long mail that says little.\n", 800)
	out := map[string]string{}
	add := func(name, body string, headers ...string) {
		out[name] = mail(name+"@h", "bo@northwind.example, kim@quayside.example", body, headers...)
		out[name+"-long"] = mail(name+"-long@h", "bo@northwind.example", strings.ReplaceAll(body, "Hello", "Hello"+long), headers...)
	}
	mixed := "Content-Type: multipart/mixed; boundary=m"
	alternative := "Content-Type: multipart/alternative; boundary=a\n\n--a\n\nHello " + link + "\n--a\nContent-Type: text/html\n\n" + page + "\n--a--\n"
	add("plain", "Hello "+link)
	add("html", page, "Content-Type: text/html; charset=utf-8")
	add("coded", "SGVsbG8g"+"\n"+base64Lines([]byte(link+" "+long)), "Content-Transfer-Encoding: base64")
	add("alternative", "--a\n\nHello\n--a\nContent-Type: text/html\n\n"+page+"\n--a--\n", "Content-Type: multipart/alternative; boundary=a")
	add("mixed", "--m\n"+alternative+"\n--m\n"+pdfHeader("Deck.pdf")+"\n\n"+base64Lines(deck)+"\n--m--\n", mixed)
	add("old-file", "--m\n\nHello\n--m\n"+pdfHeader("x.pdf")+"\n\n"+base64Lines(old)+"\n--m--\n", mixed)
	add("only-a-file", base64Lines(deck), "Content-Type: application/pdf; name=x.pdf", "Content-Disposition: attachment", "Content-Transfer-Encoding: base64")
	add("latin", "--m\n\nHello\n--m\nContent-Type: text/csv; charset=iso-8859-1\nContent-Disposition: attachment; filename*=iso-8859-1''pr%E9.csv\n\n"+latin1(csv)+"\n--m--\n", mixed)
	add("attached-mail", "--m\n\nHello\n--m\nContent-Type: message/rfc822\n\n"+mail("in@h", "bo@northwind.example", alternative)+"\n--m--\n", mixed)
	out["attached-mail"] = strings.Replace(out["attached-mail"], ", kim@quayside.example", "", 1) // who may have the link already, by another of these
	add("nothing", "Hello")
	add("no-id", "Hello "+link)
	out["no-id"] = strings.Replace(out["no-id"], "Message-ID", "X-Other", 1)
	out["no-id-long"] = strings.Replace(out["no-id-long"], "Message-ID", "X-Other", 1)
	add("no-boundary", "--m\n\nHello "+link+"\n--m--\n", "Content-Type: multipart/mixed")
	add("open-end", "--m\n\nHello "+link+"\n--m\nContent-Type: text/html\n\n"+page, mixed)
	add("odd-encoding", "Hello "+link, "Content-Transfer-Encoding: 8-bit")
	return out
}

// TestPartsSayWhatTheWholeMailSays: what is read of a mail by its structure says
// the same as the whole mail, event by event.
func TestPartsSayWhatTheWholeMailSays(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	var want []string
	names := map[string]string{} // of lines
	wanted := func(name string, events []trail.Event) {
		for _, e := range events {
			want = append(want, line(e))
			names[line(e)] = name
		}
	}
	sent := shapes(t)
	r := withFiles(t)
	for name, message := range sent {
		s.Append("ana", mailtest.SentFolder, message)
		got, err := r.Read([]byte(crlf(message)), mailbox.Sent, rep, arrived)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Events) == 0 && !strings.HasPrefix(name, "nothing") && !strings.HasPrefix(name, "attached-mail") {
			t.Errorf("%s: %s", name, got.Reason)
		}
		wanted(name, got.Events)
	}
	files, err := filepath.Glob("testdata/bounces/*.eml")
	if err != nil || len(files) < 50 {
		t.Fatal(len(files), err)
	}
	r = knows(t, "m1@harbor.example")
	for _, file := range files {
		message := sample(t, strings.TrimSuffix(filepath.Base(file), ".eml"))
		s.Append("ana", "INBOX", message)
		got, err := r.Read([]byte(crlf(message)), mailbox.Inbox, rep, arrived)
		if err != nil {
			t.Fatal(err)
		}
		wanted(file, got.Events)
	}
	g := newGround()
	g.sent[contacts.MessageHash("m1@harbor.example")] = true
	p := g.poller(t, box(s, "ana"))
	p.Reader = withFiles(t)
	run(t, p)
	looked(t, p)
	g.mu.Lock()
	defer g.mu.Unlock()
	var got []string
	for _, e := range g.events {
		if e.Kind != trail.Sighted {
			got = append(got, line(e))
		}
	}
	for _, l := range missing(got, want) {
		t.Errorf("only by parts: %s", l)
	}
	for _, l := range missing(want, got) {
		t.Errorf("%s, only of the whole mail: %s", names[l], l)
	}
	if st := p.Status()[0]; st.SetAside > 0 || st.Messages != uint64(len(sent)+len(files)) {
		t.Errorf("status %+v", st)
	}
}

// line is everything that an event says.
func line(e trail.Event) string {
	e.ReceivedAt = arrived
	return fmt.Sprintf("%s %s %s %s %s %v %s %s %v %v", e.Kind, e.ID, e.Content, e.Share, e.Message, e.Rules, e.Signal, e.Contact, e.Attrs, e.At)
}

// missing returns what a has and b has not.
func missing(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func TestLargeAttachmentsAreNotFetched(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	_, link := share(t, "roi-guide")
	big := make([]byte, 3<<20)
	for i := range 5 {
		s.Append("ana", mailtest.SentFolder, attach(fmt.Sprint(i, "@h"), fmt.Sprint(i, "@n.example"), link, pdfHeader("video.pdf"), base64Lines(big)))
	}
	s.Append("ana", mailtest.SentFolder, attach("deck@h", "bo@northwind.example", "see", pdfHeader("x.pdf"), base64Lines(deck)))
	b := box(s, "ana")
	b.DailyBytes = 1 << 20 // all six fit into it
	g := newGround()
	p := g.poller(t, b)
	p.Reader = withFiles(t)
	run(t, p)
	want(t, g, "sent deck bo@northwind.example", "sent roi-guide 0@n.example", "sent roi-guide 1@n.example", "sent roi-guide 2@n.example", "sent roi-guide 3@n.example", "sent roi-guide 4@n.example")
	looked(t, p)
	if st := p.Status()[0]; st.State != mailbox.OK {
		t.Errorf("%+v", st)
	}
}

func TestNoMoreIsReadInADayThanIsAllowed(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	_, link := share(t, "roi-guide")
	for i := range 300 {
		s.Append("ana", mailtest.SentFolder, mail(fmt.Sprint(i, "@h"), fmt.Sprint(i, "@n.example"), link+strings.Repeat("\nwords", 500)))
	}
	b := box(s, "ana")
	b.DailyBytes = 400 << 10
	g := newGround()
	p := g.poller(t, b)
	stop := run(t, p)
	eventually(t, "reading stops", func() bool { return strings.Contains(p.Status()[0].Reason, "mailboxes.daily_mb") })
	stop()
	if n := g.count(); n == 0 || n > 250 {
		t.Errorf("%d mails of 3 KB were read with 400 KB allowed", n)
	}
	b.DailyBytes = 0
	run(t, g.poller(t, b))
	eventually(t, "the rest is read", func() bool { return len(g.got()) == 300 })
}

func TestMailInExcludedFoldersLeavesNoTrace(t *testing.T) {
	t.Parallel()
	s := mailtest.Dovecot(t, "ana")
	_, link := share(t, "roi-guide")
	private, business := mail("p@h", "friend@n.example", link), mail("b@h", "bo@northwind.example", link)
	c := s.Client("ana")
	if err := c.Create("Private", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	s.Append("ana", "Private", private) // as Gmail shows a mail with a label
	s.Append("ana", mailtest.SentFolder, private)
	s.Append("ana", mailtest.SentFolder, business)
	g := newGround()
	p := g.poller(t, box(s, "ana"))
	p.ExcludeFolders = []string{"private"}
	run(t, p)
	want(t, g, "sent roi-guide bo@northwind.example")
	later := strings.ReplaceAll(private, "p@h", "q@h")
	s.Append("ana", "Private", later)
	s.Append("ana", mailtest.SentFolder, later)
	s.Append("ana", mailtest.SentFolder, mail("c@h", "kim@quayside.example", link))
	want(t, g, "sent roi-guide bo@northwind.example", "sent roi-guide kim@quayside.example")
	looked(t, p)
	want(t, g, "sent roi-guide bo@northwind.example", "sent roi-guide kim@quayside.example")
}
