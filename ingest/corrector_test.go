package ingest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/ingest/track"
	"dealtrail/trail"
)

func (p *pipe) corrector() *ingest.Corrector {
	// Two minutes ahead: what is due later is due now.
	return &ingest.Corrector{Redis: p.rdb, DB: p.db, Emit: p.buffer.Append, Log: quiet(), Now: func() time.Time { return time.Now().Add(2 * time.Minute) }}
}

// browsing is a person's click or open as the tracker records it.
func browsing(kind trail.Kind, share, origin string, at time.Time) trail.Event {
	e := request(kind, share)
	e.At = at.UTC().Truncate(time.Millisecond)
	e.ID, e.ReceivedAt = trail.NewID(e.At), e.At
	e.Evidence = track.Observe(track.Request{Kind: kind, Header: map[string][]string{
		"User-Agent": {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36"},
		"Accept":     {"text/html"}, "Accept-Language": {"en"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-User": {"?1"},
	}})
	e.Origin, e.Device = origin, "chrome"
	e.Verdict = track.Judge(kind, e.Evidence, track.Circumstances{})
	return e
}

func mailed(share, message string, contact trail.ContactID, at time.Time) trail.Event {
	e := made(share, contact, "", "")
	e.Kind, e.Message, e.At = trail.Sent, message, at.UTC().Truncate(time.Second)
	e.ID = trail.IDFrom(e.At, "mail", message, share, string(contact))
	return e
}

// verdicts are the newest of the requests, in order of time, and their revisions.
func (p *pipe) verdicts(t *testing.T) []string {
	t.Helper()
	p.settle(t)
	return p.text(t, "SELECT concat(share, ' ', agent, ' ', if(rules[1] = 'score', 'score', arrayStringConcat(rules, '+')), ' ', toString(revision), if(signal = '', '', concat(' ', signal))) FROM events FINAL WHERE kind IN ('clicked', 'opened', 'trapped') ORDER BY id")
}

func TestVerdictsAreCorrectedAsMoreIsKnown(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	c := p.corrector()
	once := func(want int) {
		t.Helper()
		p.settle(t)
		if n, err := c.Once(t.Context()); n != want || err != nil {
			t.Errorf("%d verdicts changed, %v; want %d", n, err, want)
		}
	}
	now := time.Now().Add(-time.Minute)
	ann := contactKey.ID("ann@acme.example")
	// Requests come first, each a person's by itself; then the mail is found that they belong to.
	for i, share := range []string{"a", "b", "c"} {
		p.append(t, browsing(trail.Clicked, share, "", now.Add(time.Duration(i)*time.Second)))
	}
	once(0)
	if got := p.verdicts(t); !slices.Equal(got, []string{"a human score 0", "b human score 0", "c human score 0"}) {
		t.Errorf("by themselves: %q", got)
	}
	p.append(t, mailed("a", "m", ann, now.Add(-time.Hour)), mailed("b", "m", ann, now.Add(-time.Hour)), mailed("c", "m", ann, now.Add(-time.Hour)))
	once(3)
	want := []string{"a scanner click_burst 1", "b scanner click_burst 1", "c scanner click_burst 1"}
	if got := p.verdicts(t); !slices.Equal(got, want) {
		t.Errorf("beside each other: %q", got)
	}
	// A person's click later is a person's, and nothing changes again.
	p.append(t, browsing(trail.Clicked, "a", "", now.Add(40*time.Second)))
	once(0)
	p.append(t, mailed("a", "m", ann, now.Add(-time.Hour))) // read again
	once(0)
	if got := p.verdicts(t); !slices.Equal(got, append(want, "a human score 0")) {
		t.Errorf("at last: %q", got)
	}
}

func TestTheTimeSinceSendingIsKnownOnceTheMailIs(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	c := p.corrector()
	now := time.Now().Add(-time.Hour).Truncate(time.Second)
	gmail, other := contactKey.ID("ann@gmail.com"), contactKey.ID("bob@outlook.com")
	proxy := func(share string, at time.Time) trail.Event {
		e := browsing(trail.Opened, share, "", at)
		e.Evidence = track.Observe(track.Request{Kind: trail.Opened, Header: map[string][]string{"User-Agent": {"Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"}}})
		e.Verdict = track.Judge(e.Kind, e.Evidence, track.Circumstances{})
		return e
	}
	send := func(share string, contact trail.ContactID, address string) trail.Event {
		e := mailed(share, "m"+share, contact, now)
		e.Person = &trail.Person{Address: address}
		return e
	}
	p.append(t, proxy("early", now.Add(2*time.Second)), proxy("read", now.Add(5*time.Minute)), proxy("elsewhere", now.Add(6*time.Minute)),
		browsing(trail.Clicked, "draft", "", now.Add(-10*time.Minute)),
		send("early", gmail, "ann@gmail.com"), send("read", gmail, "ann@gmail.com"), send("elsewhere", other, "bob@outlook.com"), send("draft", other, "bob@outlook.com"))
	p.settle(t)
	if n, err := c.Once(t.Context()); n != 3 || err != nil {
		t.Errorf("%d verdicts changed, %v", n, err)
	}
	if got, want := p.verdicts(t), []string{"draft unknown pre_send 1", "early unknown mail_proxy+too_early 1", "read proxy mail_proxy 0", "elsewhere unknown mail_proxy+proxy_provider_mismatch 1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestABurstOverPeopleIsSeenAcrossMailsAndNodes(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	now := time.Now().Add(-30 * time.Second)
	for i, name := range []string{"ann", "bob", "cleo", "dora"} {
		contact := contactKey.ID(name + "@acme.example")
		p.append(t, mailed(name, "m"+name, contact, now.Add(-time.Hour)), browsing(trail.Clicked, name, map[bool]string{true: "home", false: "gate"}[name == "dora"], now.Add(time.Duration(i)*time.Second)))
	}
	p.settle(t)
	if _, err := p.corrector().Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := p.verdicts(t), []string{"ann scanner recipient_burst 1", "bob scanner recipient_burst 1", "cleo scanner recipient_burst 1", "dora human score 0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestALinkThatNoPersonSeesGivesItsFollowerAway(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	now := time.Now().Add(-time.Minute)
	ann := contactKey.ID("ann@acme.example")
	trap := browsing(trail.Trapped, "a", "gate", now.Add(3*time.Second))
	trap.Content = ""
	p.append(t, mailed("a", "m", ann, now.Add(-time.Hour)), browsing(trail.Clicked, "a", "gate", now), trap, browsing(trail.Clicked, "a", "home", now.Add(20*time.Second)))
	p.settle(t)
	if _, err := p.corrector().Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := p.verdicts(t), []string{"a scanner honeypot 1", "a scanner honeypot 1", "a human score 0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAClickFromElsewhereLongAfterIsFlaggedAsPassedOn(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	first := time.Now().Add(-30 * time.Hour)
	ann, bob := contactKey.ID("ann@acme.example"), contactKey.ID("bob@acme.example")
	phone := func(share, origin string, at time.Time) trail.Event {
		e := browsing(trail.Clicked, share, origin, at)
		e.Evidence = track.Observe(track.Request{Kind: trail.Clicked, Header: map[string][]string{
			"User-Agent": {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"},
			"Accept":     {"text/html"}, "Accept-Language": {"en"}, "Sec-Fetch-Mode": {"navigate"},
		}})
		e.Origin, e.Device = origin, "phone"
		return e
	}
	p.append(t, mailed("one", "m1", ann, first.Add(-time.Hour)), mailed("two", "m2", ann, first.Add(-time.Hour)), mailed("two", "m2", bob, first.Add(-time.Hour)),
		browsing(trail.Clicked, "one", "office", first),
		phone("one", "mobile", first.Add(10*time.Minute)),               // the same person's telephone
		browsing(trail.Clicked, "one", "home", first.Add(20*time.Hour)), // the same kind of device
		browsing(trail.Clicked, "two", "office", first.Add(time.Second)), phone("two", "mobile", first.Add(26*time.Hour)))
	android := phone("one", "far", first.Add(25*time.Hour))
	android.Evidence = track.Observe(track.Request{Kind: trail.Clicked, Header: map[string][]string{
		"User-Agent": {"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Mobile Safari/537.36"},
		"Accept":     {"text/html"}, "Accept-Language": {"de"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-User": {"?1"},
	}})
	android.Origin = "far"
	p.append(t, android)
	p.settle(t)
	if _, err := p.corrector().Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	var flagged []string
	for _, v := range p.verdicts(t) {
		if strings.Contains(v, trail.PassedOnSignal) {
			flagged = append(flagged, v)
		}
	}
	if !slices.Equal(flagged, []string{"one human score 1 passed_on"}) {
		t.Errorf("flagged are %q", flagged)
	}
}

// What was under way when a process died is judged by the next.
func TestJudgingGoesOnAfterADeath(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	now := time.Now().Add(-time.Minute)
	for i, share := range []string{"a", "b", "c"} {
		p.append(t, mailed(share, "m", contactKey.ID("ann@acme.example"), now.Add(-time.Hour)), browsing(trail.Clicked, share, "x", now.Add(time.Duration(i)*time.Second)))
	}
	p.settle(t)
	dying := p.corrector()
	dying.Emit = func(context.Context, ...trail.Event) error { return fmt.Errorf("died") }
	if _, err := dying.Once(t.Context()); err == nil {
		t.Fatal("it did not die")
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = p.corrector().Run(ctx) }()
	eventually(t, "the verdicts are corrected", func() bool {
		return slices.Equal(p.text(t, "SELECT agent FROM events FINAL WHERE kind = 'clicked'"), []string{"scanner", "scanner", "scanner"})
	})
	stop()
	<-done
}

// What a later request brings up again is judged with all that belonged to it then,
// or not at all.
func TestALaterRequestUndoesNoVerdict(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	c := p.corrector()
	ahead := 2 * time.Minute
	c.Now = func() time.Time { return time.Now().Add(ahead) }
	once := func() {
		t.Helper()
		p.settle(t)
		if _, err := c.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now().Add(-time.Minute)
	for i, name := range []string{"ann", "bob", "cleo"} {
		p.append(t, mailed(name, "m"+name, contactKey.ID(name+"@acme.example"), now.Add(-time.Hour)), browsing(trail.Clicked, name, "gate", now.Add(time.Duration(i)*time.Second)))
		once() // each comes when the ones before are judged already
	}
	crowd := []string{"ann scanner recipient_burst 1", "bob scanner recipient_burst 1", "cleo scanner recipient_burst 1"}
	if got := p.verdicts(t); !slices.Equal(got, crowd) {
		t.Fatalf("%q, want %q", got, crowd)
	}
	// A mail whose links three addresses follow at once, one of which asks for another mail soon after.
	dora, ed := contactKey.ID("dora@acme.example"), contactKey.ID("ed@acme.example")
	for i, share := range []string{"x", "y", "z"} {
		p.append(t, mailed(share, "m1", dora, now.Add(-time.Hour)), browsing(trail.Clicked, share, "pool"+share, now.Add(20*time.Second+time.Duration(i)*time.Second)))
	}
	once()
	p.append(t, mailed("q", "m2", ed, now.Add(-time.Hour)), browsing(trail.Clicked, "q", "poolx", now.Add(25*time.Second)))
	once()
	want := append(crowd, "x scanner click_burst 1", "y scanner click_burst 1", "z scanner click_burst 1", "q human score 0")
	if got := p.verdicts(t); !slices.Equal(got, want) {
		t.Errorf("after another mail's click: %q, want %q", got, want)
	}
	ahead = 30 * time.Minute
	p.append(t, browsing(trail.Clicked, "ann", "home", time.Now()))
	once()
	if got := p.verdicts(t); !slices.Equal(got, append(want, "ann human score 0")) {
		t.Errorf("after a later click: %q", got)
	}
}

// Ann has three mails, to herself and to others too; her program shows them at once.
func TestOnePersonsSeveralMailsAreNoCrowd(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	now := time.Now().Add(-time.Minute)
	ann := contactKey.ID("ann@acme.example")
	p.append(t, mailed("one", "m1", ann, now.Add(-time.Hour)))
	for i, other := range []string{"bob", "cleo"} {
		share := fmt.Sprint("with", i)
		p.append(t, mailed(share, "m"+share, ann, now.Add(-time.Hour)), mailed(share, "m"+share, contactKey.ID(other+"@acme.example"), now.Add(-time.Hour)))
	}
	for i, share := range []string{"one", "with0", "with1", "blind1", "blind2", "blind3"} {
		p.append(t, browsing(trail.Clicked, share, "home", now.Add(time.Duration(i)*time.Second)))
	}
	p.settle(t)
	if n, err := p.corrector().Once(t.Context()); n != 0 || err != nil {
		t.Errorf("%d verdicts changed, %v: %q", n, err, p.verdicts(t))
	}
}
