package dashboards

import (
	"context"
	"html"
	"strings"
	"testing"
	"time"

	"dealtrail/store/storetest"
	"dealtrail/trail"
)

func TestStatusSaysHowFarReadingIsAndWhatCannotBeSeen(t *testing.T) {
	t.Parallel()
	_, e := newSite(t, storetest.Open(t), func(s *Site) {
		s.Status = func(context.Context) (trail.Status, error) {
			return trail.Status{Mailboxes: []trail.MailboxStatus{
				{Rep: "anna@example.com", State: "ok", Left: 4200, Trackers: map[string]uint64{"HubSpot": 5}, Wrapped: map[string]uint64{"Mimecast": 1}},
				{Rep: "ben@example.com", State: "paused", Left: 17, Reason: "", Trackers: map[string]uint64{"HubSpot": 7}},
				{Rep: "cleo@example.com", State: "ok", Rescanned: today.Add(-3 * time.Hour)},
				{Rep: "dora@example.com", State: "parked", Reason: "the server refuses the password"},
				{Rep: "emil@example.com", State: "retrying", Began: today.Add(-time.Hour), Left: 9, Reason: "nothing answers"},
				{Rep: "fay@example.com", State: "retrying", Began: today.Add(-time.Minute), Reason: "nothing answers yet"},
			}}, nil
		}
	})
	body := html.UnescapeString(read(t, e, "/status"))
	for _, words := range []string{
		"reading, 4,200 mails left", "‖ paused", "✓ up to date", "reset a folder 3 hours ago", "! parked", "! cannot be read", "… retrying",
		"HubSpot rewrites the links of 12 mails, so their content is not seen: turn off link tracking for one-to-one mail in HubSpot, or send dealtrail's links as they are.",
		"Mimecast wraps the links of 1 sent mail", "Nothing needs a person",
	} {
		if !strings.Contains(body, words) {
			t.Errorf("the page does not say %q", words)
		}
	}
	if strings.Count(body, `class="alarm"`) != 2 || strings.Contains(body, "17 mails left") {
		t.Error("a paused mailbox is alarming, or says that it reads")
	}
}

func TestWithoutAMailboxThePagesNameEveryWayToConnectOne(t *testing.T) {
	t.Parallel()
	_, e := newSite(t, storetest.Open(t), func(s *Site) {
		s.Status = func(context.Context) (trail.Status, error) { return trail.Status{}, nil }
	})
	for _, page := range []string{"/status", "/start"} {
		body := read(t, e, page)
		for _, way := range []string{"dealtrail mailbox add FILE", `href="/connect"`, "[[mailbox]]"} {
			if !strings.Contains(body, way) {
				t.Errorf("%s does not name %s", page, way)
			}
		}
	}
	if body := read(t, e, "/models"); !strings.Contains(body, "import touches") {
		t.Error("/models does not say that imported sends are not observable")
	}
}
