package mailbox_test

import (
	"encoding/base64"
	"fmt"
	"mime/quotedprintable"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/ingest/mailbox"
	"dealtrail/trail"
)

const (
	rep       = "ana@harbor.example"
	publicURL = "https://go.harbor.example"
)

var (
	contacts = trail.ContactKey("a key for tests only")
	arrived  = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	sentAt   = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
)

// catalogue is content registered for a test, by ID and URL.
type catalogue map[trail.ContentID]string

func (c catalogue) byKey(key trail.ContentKey) (trail.ContentID, bool, error) {
	for id := range c {
		if trail.KeyOf(id) == key {
			return id, true, nil
		}
	}
	return "", false, nil
}

func (c catalogue) byURL(link string) (content trail.ContentID, until time.Time, ok bool) {
	for id, target := range c {
		if n := trail.NormalURL(target); n != "" && n == trail.NormalURL(link) {
			return id, until, true
		}
	}
	return "", until, false
}

var library = catalogue{
	"roi-guide":  "https://www.harbor.example/roi-guide",
	"price-list": "https://www.harbor.example/prices?lang=en&cur=EUR",
}

func keyring(t testing.TB) *trail.Keyring {
	t.Helper()
	keys, err := trail.ParseKeys("a:abcdefghijklmnopqrstuvwxyz234567")
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func reader(t testing.TB) *mailbox.Reader {
	return &mailbox.Reader{
		Keys: keyring(t), Contacts: contacts, OwnDomains: []string{"harbor.example"},
		ByKey: library.byKey, ByURL: library.byURL,
		Account: func(address string) string { return trail.Domain(address) },
	}
}

// share returns a share and its link.
func share(t testing.TB, content trail.ContentID) (trail.ShareID, string) {
	id := trail.NewShareID()
	return id, publicURL + "/c/" + keyring(t).Seal(trail.KeyOf(content), id)
}

// mail returns a message with the given headers and body after the usual ones.
func mail(id, to, body string, headers ...string) string {
	return "From: Ana Berg <" + rep + ">\nTo: " + to + "\nSubject: the guide we spoke of\nDate: Mon, 02 Mar 2026 10:30:00 +0100\nMessage-ID: <" + id + ">\nMIME-Version: 1.0\n" +
		strings.Join(append(headers, ""), "\n") + "\n" + body
}

func htmlMail(id, to, body string) string {
	return mail(id, to, body, "Content-Type: text/html; charset=utf-8")
}

// readAs returns the events of a message, or why there are none.
func readAs(r *mailbox.Reader, raw []byte, in mailbox.Folder, rep string, received time.Time) ([]trail.Event, string, error) {
	got, err := r.Read(raw, in, rep, received)
	return got.Events, got.Reason, err
}

// events reads a message and fails the test on an error or an invalid event.
func events(t testing.TB, r *mailbox.Reader, message string, in mailbox.Folder) ([]trail.Event, string) {
	t.Helper()
	events, reason, err := readAs(r, []byte(message), in, rep, arrived)
	if err != nil {
		t.Fatal(err)
	}
	if (len(events) == 0) == (reason == "") {
		t.Fatalf("%d events and reason %q", len(events), reason)
	}
	for _, e := range events {
		if err := e.Validate(); err != nil {
			t.Fatal(err)
		}
	}
	return events, reason
}

func TestEachOutsideRecipientGetsOneSentEvent(t *testing.T) {
	id, link := share(t, "roi-guide")
	message := "Cc: sales@harbor.example, bo@deep.harbor.example\nBcc: Kim <KIM@quayside.example>\n" +
		htmlMail("m1@harbor.example", `"Lindqvist, Bo" <Bo@Northwind.example>, bo@northwind.example`, `<p>Hello</p><a href="`+link+`">the guide</a> <img src="`+strings.Replace(link, "/c/", "/o/", 1)+`.gif">`)
	got, _ := events(t, reader(t), message, mailbox.Sent)
	if len(got) != 2 {
		t.Fatalf("%d events, want one for bo and one for kim: %+v", len(got), got)
	}
	e := got[0]
	if e.Kind != trail.Sent || e.Content != "roi-guide" || e.Share != id || e.Rep != rep || e.Source != "mail" || e.Account != "northwind.example" ||
		!e.At.Equal(sentAt) || !e.ReceivedAt.Equal(arrived) || e.Contact != contacts.ID("bo@northwind.example") ||
		e.Message != contacts.MessageHash("<m1@harbor.example>") || *e.Person != (trail.Person{Address: "bo@northwind.example", Name: "Lindqvist, Bo"}) {
		t.Errorf("event %+v of %+v", e, e.Person)
	}
	if got[1].Person.Address != "kim@quayside.example" || got[1].ID == e.ID || !got[1].ID.Time().Equal(sentAt) {
		t.Errorf("second event %+v of %+v", got[1], got[1].Person)
	}
	again, _, _ := readAs(reader(t), []byte(message), mailbox.Sent, rep, arrived.Add(time.Hour))
	if again[0].ID != got[0].ID || again[1].ID != got[1].ID {
		t.Error("the same mail read later has other IDs")
	}
}

func TestLinksAreFoundInEveryEncoding(t *testing.T) {
	_, link := share(t, "roi-guide")
	found := func(name, message string) {
		t.Helper()
		got, reason := events(t, reader(t), message, mailbox.Sent)
		if len(got) != 1 || got[0].Content != "roi-guide" || got[0].Share == "" {
			t.Errorf("%s: %d events, reason %q", name, len(got), reason)
		}
	}
	page := `<html><body><p>See <a href="` + link + `">this</a></p></body></html>`
	var qp strings.Builder
	w := quotedprintable.NewWriter(&qp)
	fmt.Fprint(w, strings.Repeat("x", 30)+page)
	w.Close()
	if strings.Contains(qp.String(), link) {
		t.Fatal("the test's own quoted-printable does not split the link")
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(page))
	const bo = "bo@northwind.example"
	found("plain text", mail("1@h", bo, "See "+link+"."))
	found("in angle brackets", mail("1@h", bo, "See <"+link+">"))
	found("in parentheses", mail("1@h", bo, "(see "+link+")"))
	found("in capitals", mail("1@h", bo, "SEE "+strings.ToUpper(link)))
	found("on another host", mail("1@h", bo, "See "+strings.Replace(link, "go.harbor", "old.harbor", 1)))
	found("quoted-printable", mail("1@h", bo, qp.String(), "Content-Type: text/html", "Content-Transfer-Encoding: quoted-printable"))
	found("base64", mail("1@h", bo, encoded[:70]+"\n"+encoded[70:], "Content-Type: text/html", "Content-Transfer-Encoding: base64"))
	found("base64 with rubbish", mail("1@h", bo, encoded[:70]+"!!\n"+encoded[70:]+"==", "Content-Type: text/html", "Content-Transfer-Encoding: base64"))
	found("unknown encoding", mail("1@h", bo, page, "Content-Type: text/html", "Content-Transfer-Encoding: 8-bit"))
	found("unknown charset", mail("1@h", bo, page, "Content-Type: text/html; charset=x-foo"))
	found("entities", htmlMail("1@h", bo, `<a href="`+strings.NewReplacer("/c/", "&#47;c&#x2F;").Replace(link)+`&amp;x=1">this</a>`))
	found("line break within the address", htmlMail("1@h", bo, `<a href="`+link[:30]+"\n"+link[30:]+`">this</a>`))
	found("pixel only", htmlMail("1@h", bo, `<img src="`+strings.Replace(link, "/c/", "/o/", 1)+`.gif" width=1>`))
	found("unclosed multipart", mail("1@h", bo, "--b\nContent-Type: text/html\n\n"+page, "Content-Type: multipart/alternative; boundary=b"))
	found("broken media type", mail("1@h", bo, "see "+link, "Content-Type: text;;=plain"))
	found("parameter rubbish", mail("1@h", bo, "--b\nContent-Type: text/html\n\n"+page+"\n--b--", "Content-Type: multipart/mixed; =; boundary=b"))
	found("rubbish header", mail("1@h", bo, "see "+link, "this is no header", ": nor this"))
	found("alternative", mail("1@h", bo, "--b\n\nsee "+link+"\n--b\nContent-Type: text/html\n\n"+page+"\n--b--", "Content-Type: multipart/alternative; boundary=b"))
}

func TestPlainLinkToRegisteredContentIsASend(t *testing.T) {
	r := reader(t)
	f := func(body, content string) {
		t.Helper()
		got, _ := events(t, r, htmlMail("2@h", "bo@northwind.example", body), mailbox.Sent)
		if len(got) != 1 || got[0].Content != content || got[0].Share != "" {
			t.Errorf("%s: %+v", body, got)
		}
	}
	f(`<a href="https://www.harbor.example/prices?cur=EUR&amp;lang=en&amp;utm_source=mail">prices</a>`, "price-list")
	f(`<p>www.harbor.example/roi-guide</p>`, "roi-guide")
	_, link := share(t, "roi-guide")
	got, _ := events(t, r, htmlMail("2@h", "bo@northwind.example", `<a href="`+link+`">https://www.harbor.example/roi-guide</a> <a href="https://www.harbor.example/roi-guide">here</a>`), mailbox.Sent)
	if len(got) != 1 || got[0].Share == "" {
		t.Errorf("tracked and plain link to one content: %+v", got)
	}
}

func TestQuotedLinksAreNoNewSends(t *testing.T) {
	_, link := share(t, "roi-guide")
	_, other := share(t, "price-list")
	a := `<a href="` + link + `">guide</a>`
	f := func(name, message string, want ...trail.ContentID) {
		t.Helper()
		got, reason := events(t, reader(t), message, mailbox.Sent)
		var contents []trail.ContentID
		for _, e := range got {
			contents = append(contents, e.Content)
		}
		if !slices.Equal(contents, want) {
			t.Errorf("%s: contents %v, want %v (%s)", name, contents, want, reason)
		}
	}
	const bo = "bo@northwind.example"
	text := func(lines ...string) string { return mail("3@h", bo, strings.Join(lines, "\n")) }
	f("Gmail", htmlMail("3@h", bo, `<div>Thanks</div><div class="gmail_quote gmail_quote_container"><div class="gmail_attr">On Mon, Bo wrote:<br></div><blockquote class="gmail_quote">`+a+`</blockquote></div>`))
	f("Gmail, answered below", htmlMail("3@h", bo, `<div class="gmail_quote"><div>x</div>`+a+`</div><div><a href="`+other+`">prices</a></div>`), "price-list")
	f("Apple", htmlMail("3@h", bo, `Hi<blockquote type="cite"><div>`+a+`</div></blockquote>`))
	f("Outlook on the web", htmlMail("3@h", bo, `<div>Hi</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>From:</b> Bo</div><div>`+a+`</div>`))
	f("Outlook", htmlMail("3@h", bo, `<p>Hi</p><div style="border-top:solid #E1E1E1 1.0pt"><p><b>From:</b> Bo &lt;bo@northwind.example&gt;<br><b>Sent:</b> Monday<br><b>To:</b> Ana<br><b>Subject:</b> x</p></div><p>`+a+`</p>`))
	f("Outlook in German", htmlMail("3@h", bo, `<p>Hi</p><p><b>Von:</b> Bo<br><b>Gesendet:</b> Montag<br><b>An:</b> Ana<br><b>Betreff:</b> x</p><p>`+a+`</p>`))
	f("marks", text("Thanks", "On Mon, 2 Mar 2026 at 10:30, Bo Lindqvist <bo@northwind.example>", "wrote:", "> see "+link))
	f("marks, answered below", text("On Mon, 2 Mar 2026, Bo wrote:", "> see "+link, "", "New: "+other), "price-list")
	f("no marks", text("Thanks", "On Mon, 2 Mar 2026, Bo wrote:", "", "see "+link))
	f("German", text("Danke", "Am 02.03.2026 um 10:30 schrieb Bo <bo@northwind.example>:", "see "+link))
	f("original message", text("Thanks", "-----Original Message-----", "From: Bo", "see "+link))
	f("forwarded", text("For you", "---------- Forwarded message ---------", "From: Bo", "see "+link))
	f("a sentence is no edge", text("On second thought, what Kim wrote: "+link, "see it"), "roi-guide")
	f("a word is no edge", text("From: the team", "see "+link), "roi-guide")
	f("fresh link above a quote", text("New: "+other, "> see "+link), "price-list")
	f("the same again above a quote", text("Again: "+link, "> see "+link), "roi-guide")
	f("HTML knows better than text", mail("3@h", bo, "--b\n\nThanks\n"+link+"\n--b\nContent-Type: text/html\n\nThanks<blockquote type=cite>"+a+"</blockquote>\n--b--", "Content-Type: multipart/alternative; boundary=b"))
}

func TestMessageWithoutEventsSaysWhy(t *testing.T) {
	_, link := share(t, "roi-guide")
	_, gone := share(t, "never-registered")
	f := func(in mailbox.Folder, message, want string) {
		t.Helper()
		got, reason := events(t, reader(t), message, in)
		if len(got) > 0 || reason != want {
			t.Errorf("%d events, reason %q, want %q", len(got), reason, want)
		}
	}
	const bo = "bo@northwind.example"
	f(mailbox.Sent, mail("4@h", "sales@harbor.example", link), "no recipient outside your own domains")
	f(mailbox.Sent, mail("4@h", "undisclosed-recipients:;", link), "no recipient outside your own domains")
	f(mailbox.Sent, mail("4@h", bo, "hello"), "no tracked link and no link to registered content")
	f(mailbox.Sent, mail("4@h", bo, "> "+link), "links to content only in quoted text")
	f(mailbox.Sent, mail("4@h", bo, gone), "a tracked link to content that is not registered")
	f(mailbox.Sent, mail("4@h", bo, link[:len(link)-1]+"7"), "a tracked link whose token was changed or is under a key that is gone")
	f(mailbox.Sent, mail("4@h", bo, "hello", "Content-Type: multipart/mixed; boundary=b")+strings.Repeat("\n--b\n", 6000), "cannot be read as a mail: too many parts")
	f(mailbox.Sent, strings.Repeat("x", mailbox.MaxMessage+1), "larger than 25 MB")
	f(mailbox.Inbox, mail("4@h", rep, "> "+link), "the sender is one of your own")
	f(mailbox.Inbox, strings.Replace(mail("4@h", rep, "hello"), rep, bo, 1), "answers no mail that carried content")
}

func TestOneBadAddressHidesNoOther(t *testing.T) {
	_, link := share(t, "roi-guide")
	f := func(to string, want ...string) {
		t.Helper()
		got, _ := events(t, reader(t), mail("5@h", to, link), mailbox.Sent)
		var addresses []string
		for _, e := range got {
			addresses = append(addresses, e.Person.Address)
		}
		if !slices.Equal(addresses, want) {
			t.Errorf("%q: %v, want %v", to, addresses, want)
		}
	}
	f("a@b.example; c@d.example", "a@b.example", "c@d.example")
	f("a..b@docomo.example, c@d.example", "a..b@docomo.example", "c@d.example")
	f("Bar [Ext] <a@b.example>, c@d.example", "a@b.example", "c@d.example")
	f("Berg, Kim <a@b.example>, broken@, <c@d.example>", "a@b.example", "c@d.example")
	f("Team: a@b.example, c@d.example;", "a@b.example", "c@d.example")
	f("=?utf-8?q?J=C3=BCrgen_=E2=80=AE?= <a@b.example>", "a@b.example")
	got, _ := events(t, reader(t), mail("5@h", "=?iso-8859-1?q?J=FCrgen=0D=0A?= <a@b.example>", link), mailbox.Sent)
	if got[0].Person.Name != "Jürgen" {
		t.Errorf("name %q", got[0].Person.Name)
	}
}

func TestMailWithoutIDOrDateStillHasOneID(t *testing.T) {
	_, link := share(t, "roi-guide")
	message := strings.NewReplacer("Message-ID: <x>\n", "", "Date: Mon, 02 Mar 2026 10:30:00 +0100\n", "").Replace(mail("x", "bo@northwind.example", link))
	r := reader(t)
	first, _ := events(t, r, message, mailbox.Sent)
	again, _, _ := readAs(r, []byte(message), mailbox.Sent, rep, arrived.Add(time.Hour))
	other, _ := events(t, r, message+" ", mailbox.Sent)
	if first[0].ID != again[0].ID || first[0].ID == other[0].ID || !first[0].ID.Time().IsZero() || !first[0].At.Equal(arrived) || first[0].Message == "" {
		t.Errorf("first %+v, again %+v, other %+v", first[0], again[0], other[0])
	}
}

func TestDatesAreReadTheSameOnEveryMachine(t *testing.T) {
	_, link := share(t, "roi-guide")
	f := func(date, want string) {
		t.Helper()
		got, _ := events(t, reader(t), strings.Replace(mail("6@h", "bo@northwind.example", link), "Mon, 02 Mar 2026 10:30:00 +0100", date, 1), mailbox.Sent)
		text := ""
		if at := got[0].ID.Time(); !at.IsZero() {
			text = at.Format(time.RFC3339)
		}
		if text != want {
			t.Errorf("%q is %q, want %q", date, text, want)
		}
	}
	f("Mon, 2 Mar 2026 10:30:00 +0100 (CET)", "2026-03-02T09:30:00Z")
	f("2 Mar 2026 10:30 GMT", "2026-03-02T10:30:00Z")
	f("Mon, 02 Mar 2026 10:30:00 EST", "2026-03-02T15:30:00Z")
	f("Mon, 02 Mar 2026 10:30:00 XYZ", "2026-03-02T10:30:00Z")
	f("Mon, 02 Mar 2026 10:30:00 +0100 CET", "2026-03-02T09:30:00Z")
	f("Mo., 02 Mar 2026 10:30:00 +0100", "2026-03-02T09:30:00Z")
	f("Mon Mar  2 10:30:00 2026", "2026-03-02T10:30:00Z")
	f("2026-03-02T10:30:00+01:00", "2026-03-02T09:30:00Z")
	f("yesterday", "")
	f("Thu, 01 Jan 1970 00:00:00 +0000", "")
	f("Mon, 02 Mar 20260 10:30:00 +0000", "")
}

// reply returns a mail from outside.
func TestEventsHaveNoWordOfTheMessage(t *testing.T) {
	_, link := share(t, "roi-guide")
	got, _ := events(t, reader(t), strings.Replace(mail("7@h", "bo@northwind.example", "canary in the body "+link), "the guide", "canary in the subject", 1), mailbox.Sent)
	if text := fmt.Sprintf("%+v %+v", got, got[0].Person); strings.Contains(text, "canary") || strings.Contains(text, "7@h") {
		t.Error(text)
	}
}
