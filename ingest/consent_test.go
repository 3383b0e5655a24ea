package ingest_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// consents returns the pipe's, with the modes of links and pixel.
func (p *pipe) consents(t *testing.T, links, pixel string) *ingest.Consents {
	t.Helper()
	c := &ingest.Consents{
		Redis: p.rdb, DB: p.db, Snapshot: filepath.Join(t.TempDir(), "choices.json"), Links: links, Pixel: pixel, Browsers: true,
		Emit: p.buffer.Append, Log: quiet(), Now: time.Now,
	}
	c.Load(t.Context())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return c
}

// kept is what is kept of a request, in words; "" for nothing.
func kept(t *testing.T, c *ingest.Consents, e trail.Event) (said string) {
	t.Helper()
	emit := c.Keep(func(_ context.Context, events ...trail.Event) error {
		for _, e := range events {
			said = strings.Trim(strings.Join([]string{string(e.Withheld), string(e.Share), e.Origin, e.Account, e.Deal}, " "), " ")
		}
		return nil
	})
	if err := emit(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return said
}

// request is an open or a click of a share.
func request(kind trail.Kind, share string) trail.Event {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return trail.Event{
		ID: trail.NewID(now), Kind: kind, At: now, ReceivedAt: now, Source: "track", Content: "deck", Share: trail.ShareID(share),
		Verdict: trail.Verdict{Agent: trail.Human, Probability: 0.95, RuleSet: 2}, Evidence: trail.Evidence{Signs: 1 << 30, Origin: "origin", Device: "device"},
	}
}

// made is a link made for a contact.
func made(share string, contact trail.ContactID, account, deal string) trail.Event {
	e := request(trail.Shared, share)
	e.Verdict, e.Evidence = trail.Verdict{}, trail.Evidence{}
	e.Contact, e.Account, e.Deal, e.Rep = contact, account, deal, "rep@own.example"
	return e
}

var contactKey = trail.ContactKey("0123456789abcdef0123456789abcdef")

func TestEachModeKeepsWhatItMay(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	ann, bob, cleo := contactKey.ID("ann@acme.example"), contactKey.ID("bob@acme.example"), contactKey.ID("cleo@beta.example")
	registered := func(contact trail.ContactID, attrs map[string]string) trail.Event {
		return trail.Registration("csv", trail.ContactKind, string(contact), trail.State{}, trail.State{Attrs: attrs}, time.Now())
	}
	yes := map[string]string{"consent": "yes", "consent_basis": "form", "consent_at": "2026-01-05T00:00:00Z"}
	p.append(t, registered(ann, yes), registered(bob, nil), registered(cleo, map[string]string{"consent": "no"}),
		made("anns", ann, "acme.example", "D1"), made("bobs", bob, "acme.example", ""), made("cleos", cleo, "beta.example", ""),
		made("both", ann, "acme.example", ""), made("both", bob, "acme.example", ""), made("blind", "", "", ""))
	p.settle(t)
	for mode, want := range map[string]map[string]string{
		"on":      {"anns": "anns origin", "bobs": "bobs origin", "cleos": "optout", "both": "both origin", "blind": "blind origin"},
		"off":     {"anns": "", "bobs": "", "cleos": "", "both": "", "blind": ""},
		"consent": {"anns": "anns origin", "bobs": "consent", "cleos": "optout", "both": "consent", "blind": "consent"},
		"account": {"anns": "account   acme.example D1", "bobs": "account   acme.example", "cleos": "optout", "both": "account   acme.example", "blind": "account"},
	} {
		c := p.consents(t, mode, map[string]string{"account": "off"}[mode]+mode)
		for share, want := range want {
			if got := kept(t, c, request(trail.Clicked, share)); got != want {
				t.Errorf("links %s: of a click of %s %q is kept, want %q", mode, share, got, want)
			}
			if mode == "account" {
				continue // no mode of the pixel
			}
			if !strings.HasPrefix(want, share) {
				want = "" // an open without a person says nothing
			}
			if got := kept(t, c, request(trail.Opened, share)); got != want {
				t.Errorf("pixel %s: of an open of %s %q is kept, want %q", mode, share, got, want)
			}
		}
		pixel := map[string][]bool{"on": {true, true, false}, "off": {false, false, false}, "consent": {true, false, false}}[mode]
		for i, contact := range []trail.ContactID{ann, bob, cleo} {
			if pixel != nil && c.MayEmbed(map[trail.ContactID]string{contact: ""}) != pixel[i] {
				t.Errorf("pixel %s: a mail to person %d may carry one: %v", mode, i, !pixel[i])
			}
		}
	}
	objecting := request(trail.Clicked, "anns")
	objecting.Signs |= 1 << 27 // Global Privacy Control
	c := p.consents(t, "on", "on")
	if got := kept(t, c, objecting); got != "browser" {
		t.Errorf("of a browser that objects %q is kept", got)
	}
	c.Browsers = false
	if got := kept(t, c, objecting); got != "anns origin" {
		t.Errorf("of a browser that is not asked %q is kept", got)
	}
}

func TestStoppingCoversMailsAlreadySentAndStays(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	ann := contactKey.ID("ann@acme.example")
	p.append(t, made("one", ann, "acme.example", ""), made("two", ann, "acme.example", ""), made("blind", "", "", ""))
	p.settle(t)
	here, there := p.consents(t, "on", "on"), p.consents(t, "on", "on")
	for range 2 { // safe to repeat
		if n, err := here.Stop(t.Context(), "one"); n != 1 || err != nil {
			t.Fatalf("stopped for %d, %v", n, err)
		}
	}
	for _, share := range []string{"one", "two"} {
		if got := kept(t, here, request(trail.Clicked, share)); got != "optout" {
			t.Errorf("after stopping %q is kept of a click of %s", got, share)
		}
		eventually(t, "the other node knows", func() bool { return kept(t, there, request(trail.Clicked, share)) == "optout" })
	}
	p.settle(t)
	if n := p.text(t, "SELECT toString(count()) FROM events FINAL WHERE kind = 'optedout'"); !slices.Equal(n, []string{"2"}) {
		t.Errorf("%s events tell of it, want one of the share and one of the person", n)
	}

	// Nobody is known to have the link; who turns out to have it has stopped too.
	if n, err := here.Stop(t.Context(), "blind"); n != 0 || err != nil {
		t.Fatalf("stopped for %d, %v", n, err)
	}
	bob := contactKey.ID("bob@acme.example")
	mail := made("blind", bob, "acme.example", "")
	mail.Kind, mail.Message = trail.Sent, "m1"
	p.append(t, mail, made("bobs", bob, "acme.example", ""))
	eventually(t, "the person who has the link is found", func() bool { return kept(t, there, request(trail.Clicked, "bobs")) == "optout" })

	// An older consent does not undo it, a newer one does.
	agree := func(at time.Time) {
		if err := here.Choose(t.Context(), "ui", ann, "", true, at, "on the telephone"); err != nil {
			t.Fatal(err)
		}
		p.settle(t)
	}
	agree(time.Now().Add(-24 * time.Hour))
	restarted := p.consents(t, "on", "on")
	if got := kept(t, restarted, request(trail.Clicked, "one")); got != "optout" {
		t.Errorf("an older consent undoes a stop: %q", got)
	}
	agree(time.Now())
	eventually(t, "a newer consent counts", func() bool {
		return kept(t, there, request(trail.Clicked, "bobs")) == "optout" && kept(t, there, request(trail.Clicked, "two")) == "two origin"
	})
}

func TestACompanyCanBeLeftOutButForThoseWhoAgreed(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	ann, bob := contactKey.ID("ann@acme.example"), contactKey.ID("bob@acme.example")
	p.append(t, made("anns", ann, "acme.example", ""), made("bobs", bob, "acme.example", ""))
	p.settle(t)
	c := p.consents(t, "on", "on")
	if err := c.Choose(t.Context(), "ui", "", "acme.example", false, time.Time{}, "by contract"); err != nil {
		t.Fatal(err)
	}
	if err := c.Choose(t.Context(), "ui", ann, "", true, time.Time{}, "in a mail"); err != nil {
		t.Fatal(err)
	}
	p.settle(t)
	eventually(t, "choices count", func() bool {
		return kept(t, c, request(trail.Clicked, "anns")) == "anns origin" && kept(t, c, request(trail.Clicked, "bobs")) == "optout"
	})
	for _, bad := range []error{
		c.Choose(t.Context(), "ui", "", "", true, time.Time{}, "x"), c.Choose(t.Context(), "ui", ann, "", true, time.Time{}, ""),
		c.Choose(t.Context(), "ui", ann, "", true, time.Now().Add(time.Hour), "x"),
	} {
		if bad == nil {
			t.Error("a choice without a subject, without a basis or in the future is taken")
		}
	}
}

// A node that starts while Redis and store are away knows who objected.
func TestChoicesAreKnownAfterARestartWithoutTheStore(t *testing.T) {
	p := newPipe(t)
	_, stop := p.load(t)
	ann := contactKey.ID("ann@acme.example")
	p.append(t, made("anns", ann, "acme.example", ""))
	p.settle(t)
	c := p.consents(t, "on", "on")
	if _, err := c.Stop(t.Context(), "anns"); err != nil {
		t.Fatal(err)
	}
	p.settle(t)
	stop()
	p.db.Close()
	again := &ingest.Consents{Redis: p.rdb, DB: p.db, Snapshot: c.Snapshot, Links: "on", Pixel: "on", Log: quiet(), Now: time.Now}
	again.Load(t.Context())
	if got := kept(t, again, request(trail.Clicked, "anns")); got != "optout" {
		t.Errorf("%q is kept", got)
	}
}
