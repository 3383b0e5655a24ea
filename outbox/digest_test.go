package outbox_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"dealtrail/outbox"
	"dealtrail/trail"
)

func TestADigestTellsARepWhatIsNewOnce(t *testing.T) {
	w := newWorld(t)
	post := newMailServer(t, nil)
	process := func(change func(*outbox.Outbox)) *outbox.Outbox {
		return w.outbox(func(x *outbox.Outbox) {
			x.Mail = post.mailer
			x.Digest = &outbox.Digest{
				At: outbox.DayTime{Hour: 9}, Reps: func() []string { return []string{rita, sam} },
				StopPath: func(rep string) string { return "/digest/" + strings.ToUpper(rep[:4]) },
				Recommend: func(_ context.Context, deal string) ([]trail.Recommendation, error) {
					if deal != "D1" {
						return nil, errors.New("no run")
					}
					return []trail.Recommendation{{Content: "deck", Title: "The Deck", HadAt: monday}, {Content: "odd", Title: "=SUM(A1) " + hostile, Why: "It was part of 4 won deals."}}, nil
				},
			}
			if change != nil {
				change(x)
			}
		})
	}
	look := func(x *outbox.Outbox) []got {
		t.Helper()
		if err := x.MailDigests(t.Context()); err != nil {
			t.Fatal(err)
		}
		return post.take()
	}
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC) }
	x := process(nil)

	// A quiet weekend, machines, people who may have been others, and what is old.
	w.clicked("s1", "deck", at(19, 12, 0))
	w.clicked("s1", "deck", at(21, 12, 0), trail.Scanner)
	w.now = at(23, 8, 59)
	if all := look(x); len(all) != 0 {
		t.Fatalf("before nine: %d", len(all))
	}
	w.now = at(23, 9, 0)
	if all := look(x); len(all) != 0 {
		t.Errorf("on a quiet day: %s", all[0].raw)
	}

	// A day with news: Ann clicks twice and answers, one of two clicks.
	w.clicked("s1", "deck", at(23, 10, 0))
	w.clicked("s1", "deck", at(23, 11, 0))
	w.clicked("s3", "odd", at(23, 12, 0))
	w.answered("s1", ann, at(23, 13, 0))
	w.clicked("s2", "deck", at(23, 14, 0))
	w.clicked("s1", "deck", at(24, 8, 59)) // by whom is not settled
	w.now = at(24, 9, 0)
	all := look(x)
	if len(all) != 1 || all[0].to != rita {
		t.Fatalf("%d mails, want Rita's: Sam has no news", len(all))
	}
	e, h := all[0].parts(t), all[0].header(t)
	for _, want := range []string{
		"Ann <b>Arbor</b> (Alpha & Co) answered and clicked: The Deck, Mon 23 Nov 13:00, 2 clicks", "clicked: =SUM(A1) Big <deal> &", "3 clicks and 1 answer since Mon 23 Nov 09:00",
		"https://deals.us.example/contacts/ann@alpha.example", "Big <deal> & [link](http://evil.example) Bcc: all@evil.example <!channel>: 4 clicks and 1 answer",
		"Next: =SUM(A1) Big", "It was part of 4 won deals.", "https://deals.us.example/share?content=odd&deal=D1", "https://deals.us.example/digest/RITA",
	} {
		if !strings.Contains(e.Text+"\n"+all[0].subject(t), want) {
			t.Errorf("it does not say %q:\n%s", want, e.Text)
		}
	}
	if strings.Contains(e.Text, "Bob") || strings.Contains(e.Text, "Next: The Deck") {
		t.Errorf("it tells of who may not have done it, or sends what they had:\n%s", e.Text)
	}
	if strings.Contains(e.HTML, "<b>") || strings.Contains(e.HTML, "<deal>") || !strings.Contains(e.HTML, "Ann &lt;b&gt;Arbor") {
		t.Errorf("names are HTML:\n%s", e.HTML)
	}
	if h.Get("Bcc") != "" || len(h["Message-Id"]) != 1 || h.Get("List-Unsubscribe") != "<https://deals.us.example/digest/RITA>" || h.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" {
		t.Errorf("header %v", h)
	}
	if again := look(process(nil)); len(again) != 0 {
		t.Errorf("twice the same day: %d", len(again))
	}

	// The day after: what was told is not told again, what was read late is.
	w.answered("s3", ann, at(23, 20, 0))
	w.now = at(25, 9, 0)
	all = look(x)
	if len(all) != 1 || !strings.Contains(all[0].parts(t).Text, "answered: =SUM(A1)") || strings.Contains(all[0].parts(t).Text, "answered and clicked") ||
		!strings.Contains(all[0].parts(t).Text, "clicked: The Deck, Tue 24 Nov 08:59") {
		t.Errorf("%d mails: %+v", len(all), all)
	}

	// Rita wants no more, and then again.
	w.must(x.WantDigest(t.Context(), strings.ToUpper(rita), false))
	w.clicked("s1", "deck", at(25, 10, 0))
	w.clicked("s4", "deck", at(25, 10, 0)) // Sam's, in his own deal
	w.now = at(26, 9, 0)
	all = look(x)
	if len(all) != 1 || all[0].to != sam || !strings.Contains(all[0].parts(t).Text, "Sam's: 1 click") || strings.Contains(all[0].parts(t).Text, "Next:") {
		t.Errorf("%d mails, want Sam's: %+v", len(all), all)
	}
	if on, err := x.DigestWanted(t.Context(), rita); on || err != nil {
		t.Errorf("she still gets it: %v", err)
	}
	w.must(x.WantDigest(t.Context(), rita, true))

	// A crash between sending and noting, then a server that is down.
	w.clicked("s1", "deck", at(26, 10, 0))
	w.now = at(27, 9, 0)
	dying := process(func(x *outbox.Outbox) { x.Redis = w.dying() })
	for range 2 {
		if err := dying.MailDigests(t.Context()); !errors.Is(err, errDied) {
			t.Fatal(err)
		}
	}
	before := post.take()
	after := look(process(nil))
	if len(before) != 1 || len(after) != 1 || before[0].id(t) != after[0].id(t) || before[0].to != rita {
		t.Errorf("%d mails before the crash and %d after", len(before), len(after))
	}
	w.clicked("s1", "deck", at(27, 10, 0))
	w.now = at(28, 9, 0) // a Saturday
	if all := look(x); len(all) != 0 {
		t.Errorf("on a Saturday: %d", len(all))
	}
	post.set(func() { post.down = true })
	w.now = at(30, 9, 0)
	if all := look(x); len(all) != 0 || len(w.troubles()) != 1 || !strings.Contains(w.troubles()[0], "1 rep, such as rita@us.example") {
		t.Errorf("%d mails, status tells %q", len(all), w.troubles())
	}
	post.set(func() { post.down = false })
	w.now = at(30, 9, 1)
	all = look(x)
	if len(all) != 1 || !strings.Contains(all[0].parts(t).Text, "Fri 27 Nov 10:00") || len(w.troubles()) != 0 {
		t.Errorf("on Monday: %d mails, status tells %q", len(all), w.troubles())
	}
	listed, err := x.Channels(t.Context())
	if err != nil || len(listed) != 1 || !slices.Equal(listed[0].To, []string{rita, sam}) || !listed[0].SentAt.Equal(w.now) {
		t.Errorf("%+v %v", listed, err)
	}
}

func TestADigestIsDueOnWorkingDaysByTheClock(t *testing.T) {
	nine := outbox.DayTime{Hour: 9}
	for _, c := range []struct{ zone, now, due, before string }{
		{"Australia/Sydney", "2026-10-02T08:59:00+10:00", "", ""},                                                   // Friday
		{"Australia/Sydney", "2026-10-02T09:00:00+10:00", "2026-10-02T09:00:00+10:00", "2026-10-01T09:00:00+10:00"}, //
		{"Australia/Sydney", "2026-10-04T12:00:00+11:00", "", ""},                                                   // Sunday, summer time began
		{"Australia/Sydney", "2026-10-05T09:00:00+11:00", "2026-10-05T09:00:00+11:00", "2026-10-02T09:00:00+10:00"}, // 71 hours later
		{"Australia/Sydney", "2026-10-04T22:00:00Z", "2026-10-05T09:00:00+11:00", "2026-10-02T09:00:00+10:00"},      // the same
		{"America/New_York", "2026-11-02T14:00:00Z", "2026-11-02T09:00:00-05:00", "2026-10-30T09:00:00-04:00"},      // 73 hours
		{"America/New_York", "2026-11-02T13:59:59Z", "", ""},                                                        //
		{"America/New_York", "2026-11-03T04:59:00Z", "2026-11-02T09:00:00-05:00", "2026-10-30T09:00:00-04:00"},      // still that day there
		{"America/New_York", "2026-11-03T05:00:00Z", "", ""},                                                        // midnight
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, _ := time.Parse(time.RFC3339, c.now)
		due, ok := nine.Due(now, zone)
		if !ok {
			if c.due != "" {
				t.Errorf("%s at %s: not due", c.zone, c.now)
			}
			continue
		}
		if got := due.Format(time.RFC3339); got != c.due {
			t.Errorf("%s at %s: due %s, want %s", c.zone, c.now, got, c.due)
		}
		if got := nine.Before(due, zone).Format(time.RFC3339); got != c.before {
			t.Errorf("%s at %s: before it %s, want %s", c.zone, c.now, got, c.before)
		}
	}
	for _, text := range []string{"9", "25:00", "", "nine"} {
		if _, err := outbox.ParseDayTime(text); err == nil {
			t.Errorf("%q is a time", text)
		}
	}
}

func TestQuietHoursGoByTheClockOfTheirZone(t *testing.T) {
	for _, c := range []struct {
		hours, zone, at string
		quiet           bool
	}{
		{"18:00-08:00", "America/New_York", "2026-11-01T22:59:00Z", false}, // 17:59 in winter
		{"18:00-08:00", "America/New_York", "2026-11-01T23:00:00Z", true},
		{"18:00-08:00", "America/New_York", "2026-10-31T22:00:00Z", true}, // 18:00 in summer
		{"18:00-08:00", "America/New_York", "2026-11-02T12:59:00Z", true},
		{"18:00-08:00", "America/New_York", "2026-11-02T13:00:00Z", false},
		{"01:30-03:30", "Australia/Sydney", "2026-10-03T15:30:00Z", true},
		{"01:30-03:30", "Australia/Sydney", "2026-10-03T16:29:00Z", true}, // an hour is missing in between
		{"01:30-03:30", "Australia/Sydney", "2026-10-03T16:30:00Z", false},
		{"12:00-13:00", "UTC", "2026-11-02T12:30:00Z", true},
		{"12:00-13:00", "UTC", "2026-11-02T13:00:00Z", false},
		{"", "UTC", "2026-11-02T00:00:00Z", false},
	} {
		q, err := outbox.ParseQuiet(c.hours)
		zone, bad := time.LoadLocation(c.zone)
		at, wrong := time.Parse(time.RFC3339, c.at)
		if err := errors.Join(err, bad, wrong); err != nil {
			t.Fatal(err)
		}
		if q.Has(at, zone) != c.quiet || q.String() != c.hours {
			t.Errorf("%s (%s) in %s at %s: quiet %v", c.hours, q, c.zone, c.at, !c.quiet)
		}
	}
	for _, text := range []string{"18:00", "18-08", "08:00-08:00", "night"} {
		if _, err := outbox.ParseQuiet(text); err == nil {
			t.Errorf("%q are hours", text)
		}
	}
}
