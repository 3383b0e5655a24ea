package ingest_test

import (
	"slices"
	"testing"
	"time"

	"dealtrail/ingest"
	"dealtrail/trail"
)

// A rep says that a click was their own: that stands whatever the rules find later,
// also what they had begun to find when it was said, until it is taken back.
func TestAPersonsWordWinsOverTheRulesUntilItIsTakenBack(t *testing.T) {
	p := newPipe(t)
	p.load(t)
	c := p.corrector()
	c.Settle = p.buffer.Settle
	now := time.Now().Add(-time.Hour)
	ann := contactKey.ID("ann@acme.example")
	clicks := []trail.Event{}
	for i, share := range []string{"a", "b", "c"} {
		clicks = append(clicks, browsing(trail.Clicked, share, "", now.Add(time.Duration(i)*time.Second)))
	}
	clicks[0].ReceivedAt = clicks[0].At // each correction keeps it
	p.append(t, clicks...)
	p.settle(t)
	say := func(want bool, w trail.Word) trail.Event {
		t.Helper()
		e, changed, visible, err := c.Say(t.Context(), clicks[0].ID, w)
		if err != nil || changed != want || !visible {
			t.Fatalf("%+v: changed %v, visible %v, %v", w, changed, visible, err)
		}
		return e
	}
	stale := clicks[0] // what a machine had read before the word came
	say(true, trail.Word{Was: "me", By: "Rita@ours.example"})
	say(false, trail.Word{Was: "me", By: "rita@ours.example"})
	stale.Verdict, stale.Revision, stale.RevisedAt = trail.Verdict{Agent: trail.Scanner, Probability: 1, Rules: []string{"ua_bot"}, RuleSet: 2}, 1, time.Now()
	p.append(t, stale)
	// The mail is found: the three clicks are a burst by the rules.
	mail := mailed("a", "m", ann, now.Add(-time.Hour))
	p.append(t, mail, mailed("b", "m", ann, now.Add(-time.Hour)), mailed("c", "m", ann, now.Add(-time.Hour)))
	p.settle(t)
	if n, err := c.Once(t.Context()); n != 2 || err != nil {
		t.Errorf("%d verdicts changed, %v; want the two without a word", n, err)
	}
	if got, want := p.verdicts(t), []string{"a self said 256", "b scanner click_burst 1", "c scanner click_burst 1"}; !slices.Equal(got, want) {
		t.Errorf("said: %q, want %q", got, want)
	}
	stored, found, err := p.db.Event(t.Context(), clicks[0].ID)
	if w := trail.WordOn(stored.Attrs, stored.RevisedAt); err != nil || !found || w == nil || w.By != "rita@ours.example" || w.Was != "me" || w.At.IsZero() || stored.Share != "a" || stored.Evidence != clicks[0].Evidence || !stored.ReceivedAt.Equal(clicks[0].ReceivedAt) {
		t.Errorf("stored is %+v, %v", stored, err)
	}
	say(true, trail.Word{Was: "machine", By: "rita@ours.example"})
	if got := p.verdicts(t)[0]; got != "a scanner said 512" {
		t.Errorf("said otherwise: %q", got)
	}
	if e := say(true, trail.Word{Not: true, By: "rita@ours.example"}); e.Said() || len(e.Attrs) > 0 || e.Agent != trail.Human {
		t.Errorf("taken back: %+v", e)
	}
	say(false, trail.Word{Not: true, By: "rita@ours.example"})
	if n, err := c.Once(t.Context()); n != 1 || err != nil {
		t.Errorf("%d verdicts changed after the word was taken back, %v", n, err)
	}
	if got := p.verdicts(t)[0]; got != "a scanner click_burst 769" {
		t.Errorf("judged again: %q", got)
	}
	checkWords(t, c, clicks[0].ID, mail.ID)
}

// checkWords says what cannot be said.
func checkWords(t *testing.T, c *ingest.Corrector, click, mail trail.ID) {
	t.Helper()
	for _, x := range []struct {
		id   trail.ID
		w    trail.Word
		code trail.Code
		says string
	}{
		{trail.NewID(time.Now()), trail.Word{Was: "me", By: "r@ours.example"}, trail.NotFound, "no event"},
		{click, trail.Word{Was: "him", By: "r@ours.example"}, trail.Invalid, "one of me"},
		{click, trail.Word{Was: "me", By: "rita"}, trail.Invalid, "not an address"},
		{click, trail.Word{Was: "me"}, trail.Invalid, "who says so"},
		{mail, trail.Word{Was: "me", By: "r@ours.example"}, trail.Invalid, "Only of a click"},
	} {
		_, _, _, err := c.Say(t.Context(), x.id, x.w)
		wantProblem(t, err, x.code, x.says)
	}
}
