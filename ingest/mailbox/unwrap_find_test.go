package mailbox

import (
	"errors"
	"html"
	"testing"
	"time"

	"dealtrail/trail"
)

// wrapReader returns a reader with one content, and its tracked link.
func wrapReader(t testing.TB) (*Reader, string) {
	t.Helper()
	keys, err := trail.ParseKeys("a:abcdefghijklmnopqrstuvwxyz234567")
	if err != nil {
		t.Fatal(err)
	}
	r := &Reader{
		Keys: keys, Contacts: trail.ContactKey("a key for tests only"),
		ByKey: func(key trail.ContentKey) (trail.ContentID, bool, error) {
			return "prices", key == trail.KeyOf("prices"), nil
		},
		ByURL: func(link string) (content trail.ContentID, until time.Time, ok bool) {
			return "prices", until, trail.NormalURL(link) == trail.NormalURL(plainLink)
		},
	}
	return r, "https://go.harbor.example/c/" + keys.Seal(trail.KeyOf("prices"), trail.NewShareID())
}

// sentMail reads a sent mail with the body and returns its content, whether it
// was by a token, and the reason for none.
func sentMail(t *testing.T, r *Reader, kind, body string) (content string, tracked bool, reason string) {
	t.Helper()
	raw := "From: ana@harbor.example\nTo: bo@northwind.example\nMessage-ID: <w@h>\nDate: Mon, 02 Mar 2026 10:30:00 +0100\nContent-Type: " + kind + "; charset=utf-8\n\n" + body
	got, err := r.Read([]byte(raw), Sent, "ana@harbor.example", time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC))
	events, reason := got.Events, got.Reason
	if err != nil || len(events) > 1 {
		t.Fatal(len(events), err)
	}
	if len(events) == 0 {
		return "", false, reason
	}
	return events[0].Content, events[0].Share != "", ""
}

func TestWrappedLinksAreFound(t *testing.T) {
	r, link := wrapReader(t)
	for name, rewrite := range rewriters {
		for target, tracked := range map[string]bool{link: true, plainLink: false} {
			wrapped := rewrite(target)
			for kind, body := range map[string]string{
				"text/plain": "See <" + wrapped + ">.\n",
				"text/html":  `<p>See <a href="` + html.EscapeString(wrapped) + `">this</a></p>`,
			} {
				if content, token, reason := sentMail(t, r, kind, body); content != "prices" || token != tracked {
					t.Errorf("%s in %s: content %q, tracked %t, reason %q", name, kind, content, token, reason)
				}
			}
			quoted := `<p>Thanks</p><div class="gmail_quote"><a href="` + html.EscapeString(wrapped) + `">this</a></div>`
			if content, _, reason := sentMail(t, r, "text/html", quoted); content != "" || reason != "links to content only in quoted text" {
				t.Errorf("%s, quoted: content %q, reason %q", name, content, reason)
			}
			if content, _, _ := sentMail(t, r, "text/plain", "Thanks\n> see "+wrapped); content != "" {
				t.Errorf("%s, quoted in text: content %q", name, content)
			}
		}
	}
}

func TestRegisteredRedirectorIsFoundAsItIs(t *testing.T) {
	r, _ := wrapReader(t)
	const registered = "https://www.google.com/url?q=https://other.example/guide"
	r.ByURL = func(link string) (content trail.ContentID, until time.Time, ok bool) {
		return "guide", until, link == registered
	}
	if content, _, reason := sentMail(t, r, "text/plain", registered); content != "guide" {
		t.Error(reason)
	}
}

func TestOriginalBesideASafeLinkIsPreferred(t *testing.T) {
	r, link := wrapReader(t)
	const safe = safe + "?url=https%3A%2F%2Fcut"
	f := func(name, body, want string) {
		t.Helper()
		if content, _, reason := sentMail(t, r, "text/html", body); content != want {
			t.Errorf("%s: content %q, reason %q", name, content, reason)
		}
	}
	f("beside shash", `<a href="`+safe+`" originalsrc="`+link+`" shash="x">this</a>`, "prices")
	f("plain, in capitals", "<A HREF=\" "+safe+"\n\" ORIGINALSRC=\""+html.EscapeString(plainLink)+`" SHASH="x">this</A>`, "prices")
	f("wrapped itself", `<a href="`+safe+`" originalsrc="`+rewriters["Proofpoint 2"](link)+`" shash="x">this</a>`, "prices")
	f("without shash", `<a href="`+safe+`" originalsrc="`+link+`">this</a>`, "")
	f("beside another host", `<a href="https://other.example/" originalsrc="`+link+`" shash="x">this</a>`, "")
	f("no link", `<a href="`+rewriters["Safe Links"](link)+`" originalsrc="x" shash="x">this</a>`, "prices")
	f("quoted", `<blockquote type="cite"><a href="`+safe+`" originalsrc="`+link+`" shash="x">this</a></blockquote>`, "")
}

func TestReasonNamesWhatHidesLinks(t *testing.T) {
	r, link := wrapReader(t)
	const (
		none     = "no tracked link and no link to registered content"
		mimecast = "https://protect-eu.mimecast.com/s/AbC1?domain=northwind.example"
		trend    = "https://x-ctp.trendmicro.com/wis/clicktime/v2/AbC"
		hubspot  = "https://d2.na1.hubspotlinks.com/Ctc/AB"
	)
	for _, v := range []struct{ kind, body, want string }{
		{"text/plain", "hello", none},
		{"text/plain", mimecast, none + "; one link is wrapped by Mimecast and cannot be read without following it"},
		{"text/plain", mimecast + "\n" + mimecast, none + "; one link is wrapped by Mimecast and cannot be read without following it"},
		{"text/plain", mimecast + " " + mimecast + "2", none + "; 2 links are wrapped by Mimecast and cannot be read without following them"},
		{"text/plain", mimecast + " " + trend, none + "; 2 links are wrapped by Mimecast and Trend Micro and cannot be read without following them"},
		{"text/plain", rewriters["Safe Links"](mimecast), none + "; one link is wrapped by Mimecast and cannot be read without following it"},
		{"text/plain", "> " + mimecast + "\n> " + hubspot, none},
		{"text/plain", hubspot, none + "; its links go through HubSpot"},
		{"text/plain", rewriters["Barracuda"](hubspot), none + "; its links go through HubSpot"},
		{"text/plain", hubspot + " https://t.yesware.com/tt/x", none + "; its links go through HubSpot and Yesware"},
		{"text/plain", hubspot + " " + mimecast, none + "; one link is wrapped by Mimecast and cannot be read without following it; its links go through HubSpot"},
		{"multipart/alternative; boundary=b", "--b\n\nThanks\n" + mimecast + "\n--b\nContent-Type: text/html\n\nThanks<blockquote type=cite><a href=\"" + mimecast + "\">x</a></blockquote>\n--b--", none},
		{"text/plain", mimecast + " " + hubspot + "\n> " + link, "links to content only in quoted text"},
		{"text/plain", mimecast + " " + hubspot + " " + link, ""},
	} {
		if _, _, reason := sentMail(t, r, v.kind, v.body); reason != v.want {
			t.Errorf("%q: reason %q, want %q", v.body, reason, v.want)
		}
	}
}

func TestWrappedLinkThatCannotBeLookedUpIsAnError(t *testing.T) {
	r, link := wrapReader(t)
	r.ByKey = func(trail.ContentKey) (trail.ContentID, bool, error) { return "", false, errors.New("down") }
	raw := "From: ana@harbor.example\nTo: bo@northwind.example\n\n" + rewriters["Safe Links"](link)
	if _, err := r.Read([]byte(raw), Sent, "ana@harbor.example", time.Time{}); err == nil {
		t.Error("no error, so the mail would be passed over for ever")
	}
}
