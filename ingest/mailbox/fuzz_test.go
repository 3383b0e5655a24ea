package mailbox_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dealtrail/ingest/mailbox"
	"dealtrail/trail"
)

// FuzzEvents: whatever a message is, it is read in bounded time, yields events
// or a reason, and reading it again yields the same.
func FuzzEvents(f *testing.F) {
	_, link := share(f, "roi-guide")
	for _, seed := range []string{
		"", "\n", "From \n\n", ":\n: \n", "Content-Type: multipart/mixed; boundary=\n\n--\n--",
		mail("f@h", "bo@northwind.example", "see "+link),
		mail("f@h", "a..b@c.example; Bar [x] <d@e.example>,\"", "> "+link),
		htmlMail("f@h", "bo@northwind.example", `<div class=gmail_quote><a href="`+link+`">x</a></div><div id=divRplyFwdMsg><script><a href='`+link+`'>`),
		mail("f@h", "bo@northwind.example", "--b\nContent-Type: text/html; charset=utf-16\nContent-Transfer-Encoding: base64\n\nPGEg\n--b\nContent-Type: multipart/related; boundary=c\n\n--c\n\n"+link+"\n--c--\n", "Content-Type: multipart/alternative; boundary=b"),
		mail("f@h", "bo@northwind.example", "x", "Content-Type: multipart/mixed; boundary=\""+strings.Repeat("b", 5000)+"\""),
		mail("f@h", "bo@northwind.example", "=3D=\n"+link, "Content-Transfer-Encoding: quoted-printable", "Content-Type: text/plain; charset=cp932"),
		reply("f@n", "On Mon, 2 Mar 2026, Ana wrote:\n> "+link, "In-Reply-To: <m1@h>, m2@h", "Auto-Submitted: auto-replied"),
		reply("f@n", "", "Content-Type: multipart/report; report-type=delivery-status; boundary=x"),
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	r := knows(f, "m1@h")
	f.Fuzz(func(t *testing.T, raw []byte, sent bool) {
		in := mailbox.Inbox
		if sent {
			in = mailbox.Sent
		}
		began := time.Now()
		got, reason, err := readAs(r, raw, in, rep, arrived)
		if took := time.Since(began); took > time.Minute {
			t.Fatalf("%d bytes took %s", len(raw), took)
		}
		if err != nil || (len(got) == 0) == (reason == "") {
			t.Fatalf("%d events, reason %q, error %v", len(got), reason, err)
		}
		again, _, _ := readAs(r, raw, in, rep, arrived.Add(time.Hour))
		ids := map[trail.ID]bool{}
		for i, e := range got {
			if err := e.Validate(); err != nil {
				t.Fatal(err)
			}
			if ids[e.ID] || again[i].ID != e.ID {
				t.Fatalf("ID %s is not its own, or another the next time", e.ID)
			}
			ids[e.ID] = true
		}
	})
}

// TestHostileStructureIsBounded: nesting, part counts and long lines cost time
// in proportion, not in its square.
func TestHostileStructureIsBounded(t *testing.T) {
	_, link := share(t, "roi-guide")
	nested := "From: a@b.example\nContent-Type: multipart/mixed; boundary=b-0-\n"
	for i := range 4000 {
		nested += fmt.Sprintf("\n--b-%d-\nContent-Type: multipart/mixed; boundary=b-%d-\n", i, i+1)
	}
	const big = 1 << 20
	for name, message := range map[string]string{
		"nested parts":      nested + "\n" + strings.Repeat("x\n", big/2),
		"unknown boundary":  mail("h@h", "bo@n.example", strings.Repeat("x\n", big/2), "Content-Type: multipart/mixed; boundary="+strings.Repeat("b", 5000)),
		"one long line":     mail("h@h", "bo@n.example", strings.Repeat("https://x.example/c/", big/20)),
		"open elements":     htmlMail("h@h", "bo@n.example", strings.Repeat("<div class=gmail_quote>", big/23)+link),
		"open anchors":      htmlMail("h@h", "bo@n.example", strings.Repeat("<a href=https://x.example/c/>", big/29)),
		"one long element":  htmlMail("h@h", "bo@n.example", "<a "+strings.Repeat("x=y ", big/4)),
		"lines like edges":  mail("h@h", "bo@n.example", strings.Repeat("On 1 wrote\nFrom: x\n", big/19)),
		"many recipients":   mail("h@h", strings.Repeat("a@b.example, ", 100_000), link),
		"broken recipients": mail("h@h", strings.Repeat("a b@[x <, ", 100_000), link),
		"long header":       mail("h@h", "bo@n.example", link, "Content-Type: text/plain; "+strings.Repeat("a=b; ", big/5)),
		"many headers":      mail("h@h", "bo@n.example", link, strings.Repeat("X-A: b\n", big/7)+"X-End: x"),
		"many references":   reply("h@h", link, "References: "+strings.Repeat("<a@b> ", big/6)),
	} {
		began := time.Now()
		if _, _, err := readAs(reader(t), []byte(message), mailbox.Sent, rep, arrived); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%s took %s", name, took)
		} else {
			t.Logf("%s: %s", name, took)
		}
	}
}
