package mailbox_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"dealtrail/ingest/mailbox"
	"dealtrail/trail"
)

func reply(id, body string, headers ...string) string {
	return "From: Bo Lindqvist <bo@northwind.example>\nTo: " + rep + "\nSubject: Re: the guide\nDate: Mon, 02 Mar 2026 11:00:00 +0000\nMessage-ID: <" + id + ">\n" +
		strings.Join(append(headers, ""), "\n") + "\n" + body
}

// knows returns a reader that knows the mails with the given IDs as sent.
func knows(t testing.TB, ids ...string) *mailbox.Reader {
	r := reader(t)
	r.WasSent = func(messages ...string) (map[string]bool, error) {
		known := map[string]bool{}
		for _, id := range ids {
			known[contacts.MessageHash(id)] = slices.Contains(messages, contacts.MessageHash(id))
		}
		return known, nil
	}
	return r
}

func TestReplyIsTiedToTheMailItAnswers(t *testing.T) {
	r := knows(t, "m1@harbor.example", "m2@harbor.example")
	got, _ := events(t, r, reply("r1@n", "Thanks!", "References: <m1@harbor.example> <m2@harbor.example>", "In-Reply-To: <unknown@x>"), mailbox.Inbox)
	if len(got) != 1 || got[0].Kind != trail.Replied || got[0].Message != contacts.MessageHash("m2@harbor.example") || got[0].Rep != rep ||
		got[0].Contact != contacts.ID("bo@northwind.example") || got[0].Person.Name != "Bo Lindqvist" || got[0].Content != "" {
		t.Errorf("%+v", got)
	}
	if got, reason := events(t, r, reply("r1@n", "Thanks!", "In-Reply-To: <unknown@x>"), mailbox.Inbox); len(got) > 0 {
		t.Errorf("reply to unknown mail: %+v %s", got, reason)
	}
}

func TestTokenInTheQuoteTiesAReply(t *testing.T) {
	id, link := share(t, "roi-guide")
	older, old := share(t, "price-list")
	r := reader(t)
	got, _ := events(t, r, reply("r2@n", "Thanks!\n\nOn Mon, 2 Mar 2026, Ana wrote:\n> see "+link+"\n> > before: "+old), mailbox.Inbox)
	if len(got) != 1 || got[0].Content != "roi-guide" || got[0].Share != id {
		t.Errorf("only the nearest quote counts (not %s): %+v", older, got)
	}
	plain, _ := events(t, knows(t, "m1@h"), reply("r2@n", "Thanks!", "In-Reply-To: <m1@h>"), mailbox.Inbox)
	if plain[0].ID != got[0].ID {
		t.Error("a reply found by its thread and by its token has two IDs")
	}
	if got, reason := events(t, r, reply("r3@n", "You may like "+link), mailbox.Inbox); len(got) > 0 {
		t.Errorf("a new mail with a link is no reply: %+v %s", got, reason)
	}
	got, _ = events(t, r, reply("r4@n", "> a "+link+"\n> b "+old, "In-Reply-To: <m9@h>"), mailbox.Inbox)
	if len(got) != 2 || got[0].Content != "roi-guide" || got[1].Content != "price-list" || got[0].ID == got[1].ID || got[0].Message != contacts.MessageHash("m9@h") {
		t.Errorf("two tracked links in the answered mail: %+v", got)
	}
}

func TestMachinesDoNotReply(t *testing.T) {
	r := knows(t, "m1@h")
	f := func(kind trail.Kind, headers ...string) {
		t.Helper()
		message := reply("r5@n", "I am away", append([]string{"In-Reply-To: <m1@h>"}, headers...)...)
		got, reason := events(t, r, message, mailbox.Inbox)
		if kind == "" && len(got) > 0 || kind != "" && (len(got) != 1 || got[0].Kind != kind) {
			t.Errorf("%q: %+v %s, want %q", headers, got, reason, kind)
		}
	}
	f(trail.Replied)
	f(trail.Replied, "Auto-Submitted: no")
	f(trail.Replied, "X-Auto-Response-Suppress: All")
	f(trail.Replied, "Precedence: bulk")
	f(trail.Autoreplied, "Auto-Submitted: auto-replied (vacation)")
	f(trail.Autoreplied, "X-Autoreply: yes")
	f(trail.Autoreplied, "Return-Path: <>")
	f(trail.Autoreplied, "Precedence: auto_reply")
	f(trail.Autoreplied, "X-Apple-Action: VACATION")
	f("", "Auto-Submitted: auto-replied", "Content-Type: multipart/report; report-type=delivery-status; boundary=b")
	f("", "Content-Type: multipart/report; report-type=disposition-notification; boundary=b")
	f("", "X-Failed-Recipients: bo@northwind.example")
	f("", "X-MS-Exchange-Message-Is-Ndr:")
	message := strings.Replace(reply("r5@n", "no such user", "In-Reply-To: <m1@h>"), "bo@northwind.example", "postmaster@northwind.example", 1)
	if got, reason := events(t, r, message, mailbox.Inbox); len(got) > 0 || !strings.Contains(reason, "did not arrive") {
		t.Errorf("a postmaster who may be a person: %+v %s", got, reason)
	}
	message = strings.Replace(message, "postmaster", "MAILER-DAEMON", 1)
	if got, reason := events(t, r, message, mailbox.Inbox); len(got) != 1 || got[0].Kind != trail.Bounced || got[0].Contact != "" {
		t.Errorf("a mail system: %+v %s", got, reason)
	}
	message = strings.Replace(reply("r5@n", "Weg", "In-Reply-To: <m1@h>"), "Subject: Re: the guide", "Subject: =?utf-8?q?Automatische_Antwort=3A_the_guide?=", 1)
	if got, _ := events(t, r, message, mailbox.Inbox); got[0].Kind != trail.Autoreplied {
		t.Errorf("by its subject: %+v", got)
	}
}

func TestUnknownSentMailIsAnErrorNotALoss(t *testing.T) {
	r := reader(t)
	r.WasSent = func(...string) (map[string]bool, error) { return nil, errors.New("down") }
	if _, _, err := readAs(r, []byte(reply("r6@n", "Thanks", "In-Reply-To: <m1@h>")), mailbox.Inbox, rep, arrived); err == nil {
		t.Error("no error, so the reply would be passed over for ever")
	}
}
