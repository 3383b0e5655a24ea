package mailbox_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"mime/quotedprintable"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/ingest/mailbox"
	"dealtrail/trail"
)

// deck is a registered file, of which price-list had an older one until the day
// before sentAt.
var (
	deck = []byte("%PDF-1.7\n" + strings.Repeat("slide after slide\x00\xff", 3000))
	old  = []byte("%PDF-1.4\n" + strings.Repeat("the old slides", 3000))
	csv  = "name;price\nRoom é;10\nSuite;20\n"
)

// withFiles returns a reader that knows files, under their names and by their bytes.
func withFiles(t testing.TB, marks ...string) *mailbox.Reader {
	r := remembers(t, marks...)
	files := map[string]struct {
		content trail.ContentID
		until   time.Time
	}{
		sha(deck): {"deck", time.Time{}}, sha(old): {"deck", sentAt.Add(-24 * time.Hour)}, sha([]byte(latin1(csv))): {"prices", time.Time{}},
	}
	r.ByFile = func(hash string) (trail.ContentID, time.Time, bool) {
		f, ok := files[hash]
		return f.content, f.until, ok
	}
	r.FileSizes = func() []int64 {
		return slices.Sorted(slices.Values([]int64{int64(len(deck)), int64(len(old)), int64(len(latin1(csv)))}))
	}
	r.ByFileName = func(name string) (trail.ContentID, bool) {
		return "deck", strings.HasPrefix(strings.ToLower(name), "deck")
	}
	return r
}

// remembers returns a reader that knows marks.
func remembers(t testing.TB, marks ...string) *mailbox.Reader {
	r := reader(t)
	r.WasSent = func(ask ...string) (map[string]bool, error) {
		known := map[string]bool{}
		for _, m := range ask {
			known[m] = slices.Contains(marks, m)
		}
		return known, nil
	}
	return r
}

func latin1(s string) string {
	var b strings.Builder
	for _, c := range s {
		b.WriteByte(byte(c))
	}
	return b.String()
}

// attach returns a mail with a text and one file.
func attach(id, to, text, header, body string) string {
	return mail(id, to, "--b\nContent-Type: text/plain\n\n"+text+"\n--b\n"+header+"\n\n"+body+"\n--b--\n", "Content-Type: multipart/mixed; boundary=b")
}

func base64Lines(data []byte) string {
	s := base64.StdEncoding.EncodeToString(data)
	var lines []string
	for part := range slices.Chunk([]byte(s), 76) {
		lines = append(lines, string(part))
	}
	return strings.Join(lines, "\n")
}

const pdf = "Content-Type: application/pdf; name=%q\nContent-Disposition: attachment; filename=%q\nContent-Transfer-Encoding: base64"

func pdfHeader(name string) string { return fmt.Sprintf(pdf, name, name) }

// said returns kind, content, rules and signal of each event.
func said(events []trail.Event) (lines []string) {
	for _, e := range events {
		lines = append(lines, strings.TrimSpace(fmt.Sprint(e.Kind, " ", e.Content, " ", strings.Join(e.Rules, "+"), " ", e.Signal)))
	}
	return lines
}

func TestAttachedFilesAreKnownByTheirBytes(t *testing.T) {
	r := withFiles(t)
	f := func(name, message string, want ...string) {
		t.Helper()
		events, reason := events(t, r, message, mailbox.Sent)
		if got := said(events); !slices.Equal(got, want) {
			t.Errorf("%s: %q %s, want %q", name, got, reason, want)
		}
	}
	to := "bo@northwind.example"
	f("base64", attach("a1@h", to, "see", pdfHeader("x.pdf"), base64Lines(deck)), "sent deck file unobservable")
	f("junk after padding", attach("a2@h", to, "see", pdfHeader("x.pdf"), base64Lines(deck)+"==\nA gateway was here"), "sent deck file unobservable")
	f("an old version", attach("a3@h", to, "see", pdfHeader("x.pdf"), base64Lines(old)), "sent deck file+stale unobservable")
	f("an old version when it was the newest", strings.Replace(attach("a4@h", to, "see", pdfHeader("x.pdf"), base64Lines(old)), "02 Mar 2026", "02 Feb 2026", 1), "sent deck file unobservable")
	var qp strings.Builder
	w := quotedprintable.NewWriter(&qp)
	if _, err := w.Write([]byte(strings.ReplaceAll(latin1(csv), "\n", "\r\n"))); err != nil {
		t.Fatal(err)
	}
	w.Close()
	f("a text in its own charset, with the line ends of mail", attach("a5@h", to, "see",
		"Content-Type: text/csv; charset=iso-8859-1; name=p.csv\nContent-Disposition: attachment\nContent-Transfer-Encoding: quoted-printable", qp.String()), "sent prices file unobservable")
	f("another file", attach("a6@h", to, "see", pdfHeader("x.pdf"), base64Lines(append(slices.Clone(deck), '.'))))
	_, link := share(t, "roi-guide")
	f("with a tracked link and its pixel", attach("a7@h", to, link+"\n"+strings.Replace(link, "/c/", "/o/", 1)+".gif", pdfHeader("x.pdf"), base64Lines(deck)), "sent roi-guide tracked", "sent deck file unobservable")
}

func TestWhatIsNotRegisteredIsSightedWithoutNames(t *testing.T) {
	r := withFiles(t)
	_, link := share(t, "roi-guide")
	message := mail("s1@h", "bo@northwind.example", "--b\n\nHi https://www.harbor.example/case/acme?utm_source=x#top and https://www.harbor.example/ and https://elsewhere.example/x and "+link+
		"\n> https://www.harbor.example/quoted\n--b\n"+pdfHeader("Deck_v2 (1).pdf")+"\n\nAAAA\n--b\n"+pdfHeader("Offer.pdf")+"\n\nBBBB\n--b\nContent-Type: image/png; name=logo.png\n\nCCCC\n--b--\n",
		"Content-Type: multipart/mixed; boundary=b")
	got, err := r.Read([]byte(message), mailbox.Sent, rep, arrived)
	if err != nil {
		t.Fatal(err)
	}
	want := []mailbox.Sighting{
		{What: "link", URL: "https://www.harbor.example/case/acme"},
		{What: "file", Name: "Deck_v2 (1).pdf", Size: 4, Content: "deck"},
		{What: "file", Name: "Offer.pdf", Size: 4},
	}
	if !slices.Equal(got.Sighted, want) {
		t.Errorf("sighted %+v", got.Sighted)
	}
	internal := strings.ReplaceAll(message, "bo@northwind.example", "kim@harbor.example")
	if got, err := r.Read([]byte(internal), mailbox.Sent, rep, arrived); err != nil || len(got.Sighted)+len(got.Events)+len(got.Marks) > 0 {
		t.Errorf("an internal mail says %+v %v", got, err)
	}
}

// marksOf returns what a mail leaves behind for later ones.
func marksOf(t testing.TB, message string) []string {
	t.Helper()
	got, err := reader(t).Read([]byte(message), mailbox.Sent, rep, arrived)
	if err != nil || len(got.Marks) == 0 {
		t.Fatal(got, err)
	}
	return got.Marks
}

func TestWhoDidNotHaveTheLinkGotItForwarded(t *testing.T) {
	_, link := share(t, "roi-guide")
	r := remembers(t, marksOf(t, mail("f1@h", "bo@northwind.example", link))...)
	quoted := "\n> " + link + "\n"
	answer := reply("r1@n", "Thanks"+quoted) // of bo, without a thread
	f := func(name, message string, in mailbox.Folder, want ...string) {
		t.Helper()
		got, reason := events(t, r, message, in)
		if !slices.Equal(said(got), want) {
			t.Errorf("%s: %q %s, want %q", name, said(got), reason, want)
		}
		for _, e := range got {
			if e.Kind == trail.Forwarded && (e.Share == "" || e.Contact == "" || e.Message == "") {
				t.Errorf("%s: %+v", name, e)
			}
		}
	}
	f("an answer of who has it", strings.ReplaceAll(answer, "From: Bo", "From: Bo"), mailbox.Inbox, "replied roi-guide")
	f("a word of who does not have it", strings.ReplaceAll(answer, "bo@northwind.example", "chief@northwind.example"), mailbox.Inbox, "forwarded roi-guide")
	f("the rep writes on to the same", mail("f2@h", "bo@northwind.example", "As I said"+quoted, "In-Reply-To: <r1@n>"), mailbox.Sent)
	f("the rep forwards", mail("f3@h", "bo@northwind.example, chief@northwind.example", "FYI"+quoted), mailbox.Sent, "forwarded roi-guide")
	f("as an attached mail", mail("f4@h", "chief@northwind.example", "--b\n\nFYI\n--b\nContent-Type: message/rfc822\n\n"+mail("f1@h", "bo@northwind.example", link)+"\n--b--\n", "Content-Type: multipart/mixed; boundary=b"),
		mailbox.Sent, "forwarded roi-guide")
	_, other := share(t, "price-list")
	f("a link of which nobody knows who has it", mail("f5@h", "chief@northwind.example", "FYI\n> "+other+"\n"), mailbox.Sent)
}

func TestMailWithKnownContactsIsKeptAsABareFact(t *testing.T) {
	r := remembers(t)
	asked := 0
	r.Known = func(ids ...trail.ContactID) (map[trail.ContactID]bool, error) {
		asked++
		return map[trail.ContactID]bool{contacts.ID("bo@northwind.example"): true}, nil
	}
	f := func(name, message string, in mailbox.Folder, want ...string) []trail.Event {
		t.Helper()
		got, reason := events(t, r, message, in)
		if !slices.Equal(said(got), want) {
			t.Errorf("%s: %q %s, want %q", name, said(got), reason, want)
		}
		return got
	}
	sent := f("written to one known and one unknown", mail("b1@h", "bo@northwind.example, kim@quayside.example", "How are you?"), mailbox.Sent, "sent")
	if sent[0].Person.Address != "bo@northwind.example" || sent[0].Message == "" {
		t.Errorf("%+v", sent[0])
	}
	answer := f("answered", reply("b2@n", "Fine", "In-Reply-To: <b1@h>"), mailbox.Inbox, "replied")
	if answer[0].Message != sent[0].Message {
		t.Errorf("the answer is of %q, not of %q", answer[0].Message, sent[0].Message)
	}
	f("unasked", reply("b3@n", "Hello"), mailbox.Inbox, "replied")
	f("a newsletter of theirs", reply("b4@n", "News", "List-Unsubscribe: <https://n.example>"), mailbox.Inbox)
	f("a machine's answer", reply("b5@n", "Away", "Auto-Submitted: auto-replied"), mailbox.Inbox)
	f("of a stranger", strings.ReplaceAll(reply("b6@n", "Hello"), "bo@northwind.example", "eve@stranger.example"), mailbox.Inbox)
	before := asked
	f("between colleagues", mail("b7@h", "kim@harbor.example", "Lunch?"), mailbox.Sent)
	if asked != before {
		t.Error("who colleagues are was looked up")
	}
}

func TestReadReceiptSaysThatTheMailWasShown(t *testing.T) {
	r := knows(t, "m1@h")
	receipt := func(disposition, original string) string {
		return reply("mdn@n", "--r\n\nYour mail was read.\n--r\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822;bo@northwind.example\nOriginal-Message-ID: <"+original+">\nDisposition: "+disposition+"\n--r--\n",
			"Content-Type: multipart/report; report-type=disposition-notification; boundary=r")
	}
	got, _ := events(t, r, receipt("manual-action/MDN-sent-manually; displayed", "m1@h"), mailbox.Inbox)
	if len(got) != 1 || got[0].Kind != trail.Opened || got[0].Agent != trail.Human || got[0].Probability != 0.99 || got[0].Message != contacts.MessageHash("m1@h") || got[0].Rules[0] != trail.RuleReadReceipt {
		t.Errorf("%+v", got)
	}
	for _, message := range []string{receipt("manual-action/MDN-sent-manually; deleted", "m1@h"), receipt("automatic-action/MDN-sent-automatically; displayed", "other@h")} {
		if got, reason := events(t, r, message, mailbox.Inbox); len(got) != 0 || reason == "" {
			t.Errorf("%+v %s", got, reason)
		}
	}
}

func TestExcludedPartiesLeaveNoTrace(t *testing.T) {
	r := knows(t, "m1@h")
	r.Exclude = func(_, address string) bool { return strings.HasSuffix(address, "@clinic.example") }
	_, link := share(t, "roi-guide")
	for in, message := range map[mailbox.Folder]string{
		mailbox.Sent:  mail("x1@h", "bo@northwind.example, doctor@clinic.example", link),
		mailbox.Inbox: strings.ReplaceAll(reply("x2@h", "See you", "In-Reply-To: <m1@h>"), "bo@northwind.example", "doctor@clinic.example"),
	} {
		got, err := r.Read([]byte(message), in, rep, arrived)
		if err != nil || len(got.Events)+len(got.Marks)+len(got.Sighted) > 0 || got.Reason != "somebody in it is excluded" {
			t.Errorf("%s: %+v %v", in, got, err)
		}
	}
}

func TestAliasesAndSharedMailboxesAreOneRep(t *testing.T) {
	r := knows(t, "m1@h")
	r.OwnDomains = nil
	r.RepOf = func(address string) (string, bool) {
		owner, ok := map[string]string{"berg@trade.example": rep, "bea@harbor.example": "bea@harbor.example"}[address]
		return owner, ok
	}
	_, link := share(t, "roi-guide")
	f := func(name, message string, in mailbox.Folder, want ...string) {
		t.Helper()
		got, _ := events(t, r, message, in)
		var lines []string
		for _, e := range got {
			lines = append(lines, e.Rep+" "+e.Person.Address)
		}
		if !slices.Equal(lines, want) {
			t.Errorf("%s: %q, want %q", name, lines, want)
		}
	}
	from := func(address, message string) string { return strings.Replace(message, rep, address, 1) }
	f("an alias", from("berg@trade.example", mail("a1@h", "bo@northwind.example", link)), mailbox.Sent, rep+" bo@northwind.example")
	f("a colleague on behalf", from("bea@harbor.example", mail("a2@h", "bo@northwind.example", link)), mailbox.Sent, "bea@harbor.example bo@northwind.example")
	f("to an alias of one's own", mail("a3@h", "berg@trade.example", link), mailbox.Sent)
	f("answered to the alias", strings.Replace(reply("a4@n", "Yes", "In-Reply-To: <m1@h>"), "To: "+rep, "To: berg@trade.example", 1), mailbox.Inbox, rep+" bo@northwind.example")
}

func sha(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
