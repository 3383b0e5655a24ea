package ingest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dealtrail/trail"
)

// stopped has a person with two links who stopped by one of them.
func stopped(t *testing.T) (p *pipe, here func(trail.Event) string, ann trail.ContactID) {
	t.Helper()
	p = newPipe(t)
	p.load(t)
	ann = contactKey.ID("ann@acme.example")
	p.append(t, made("one", ann, "acme.example", ""), made("two", ann, "acme.example", ""))
	p.settle(t)
	c := p.consents(t, "on", "on")
	if _, err := c.Stop(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	p.settle(t)
	return p, func(e trail.Event) string { return kept(t, c, e) }, ann
}

func TestAnObjectionCountsWhileRedisIsAway(t *testing.T) {
	p, here, _ := stopped(t)
	p.rdb.Close()
	if got := here(request(trail.Clicked, "two")); strings.Contains(got, "two") {
		t.Errorf("of a click %q is kept", got)
	}
	if got := here(request(trail.Opened, "two")); got != "" {
		t.Errorf("of an open %q is kept", got)
	}
}

func TestAnObjectionCountsAfterRedisHasLostItsData(t *testing.T) {
	p, here, _ := stopped(t)
	if err := p.rdb.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "whose links they are is known again", func() bool { return here(request(trail.Clicked, "two")) == "optout" })
}

func TestAStopIsHeardOfWithoutTheStore(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	ann := contactKey.ID("ann@acme.example")
	p.append(t, made("one", ann, "acme.example", ""))
	p.settle(t)
	here, there := p.consents(t, "on", "on"), p.consents(t, "on", "on")
	p.db.Close()
	if _, err := here.Stop(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other node knows", func() bool { return kept(t, there, request(trail.Clicked, "one")) == "optout" })
}

// What a full Redis must note, it notes.
func TestAFullRedisForgetsNoObjection(t *testing.T) {
	p := newPipe(t)
	ann := contactKey.ID("ann@acme.example")
	now := time.Now().UTC().Truncate(time.Millisecond)
	p.append(t, made("anns", ann, "acme.example", ""), trail.Event{ID: trail.NewID(now), Kind: trail.OptedOut, At: now, ReceivedAt: now, Source: "csv", Contact: ann})
	c := p.consents(t, "on", "on")
	if err := p.rdb.ConfigSet(t.Context(), "maxmemory", "1mb").Err(); err != nil {
		t.Fatal(err)
	}
	p.load(t)
	eventually(t, "the objection counts", func() bool { return kept(t, c, request(trail.Clicked, "anns")) == "optout" })
}

// Stopping, agreeing and stopping again are three facts.
func TestASecondStopIsOnRecordToo(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	ann := contactKey.ID("ann@acme.example")
	p.append(t, made("one", ann, "acme.example", ""))
	p.settle(t)
	c := p.consents(t, "on", "on")
	allowed := func() string {
		t.Helper()
		p.settle(t)
		rows, err := p.db.Choices(t.Context(), string(ann))
		if err != nil || len(rows) != 1 {
			return fmt.Sprint(rows, err)
		}
		return fmt.Sprint(rows[0].Allowed)
	}
	if _, err := c.Stop(t.Context(), "one"); err != nil || allowed() != "false" {
		t.Fatalf("stopped: %v, %s", err, allowed())
	}
	if err := c.Choose(t.Context(), "ui", ann, "", true, time.Time{}, "telephone"); err != nil || allowed() != "true" {
		t.Fatalf("agreed: %v, %s", err, allowed())
	}
	eventually(t, "the agreement counts", func() bool { return kept(t, c, request(trail.Clicked, "one")) == "one origin" })
	if _, err := c.Stop(t.Context(), "one"); err != nil || allowed() != "false" {
		t.Errorf("stopped again: %v, %s", err, allowed())
	}
}

// A link in a signature is many people's: one of them stops the link, not the others.
func TestALinkThatManyHaveIsStoppedAlone(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	for i := range 12 {
		contact := contactKey.ID(fmt.Sprint("someone", i, "@acme.example"))
		p.append(t, mailed("signature", fmt.Sprint("m", i), contact, time.Now().Add(-time.Hour)), made(fmt.Sprint("own", i), contact, "acme.example", ""))
	}
	p.settle(t)
	c := p.consents(t, "on", "on")
	if n, err := c.Stop(t.Context(), "signature"); n != 0 || err != nil {
		t.Fatalf("stopped for %d, %v", n, err)
	}
	p.settle(t)
	again := p.consents(t, "on", "on")
	for _, node := range []*struct{ got, want string }{
		{kept(t, c, request(trail.Clicked, "signature")), "optout"},
		{kept(t, c, request(trail.Clicked, "own3")), "own3 origin"},
		{kept(t, again, request(trail.Clicked, "signature")), "optout"},
		{kept(t, again, request(trail.Clicked, "own3")), "own3 origin"},
	} {
		if node.got != node.want {
			t.Errorf("%q is kept, want %q", node.got, node.want)
		}
	}
}
