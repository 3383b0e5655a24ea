package dashboards

import (
	"context"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// Outbox is what the program sends to people by itself.
type Outbox struct {
	Channels func(ctx context.Context) ([]trail.Channel, error)
	Test     func(ctx context.Context, to string) (said string, err error)
}

// outboxPage says what is sent, to whom, and how that goes.
type outboxPage struct {
	frame
	Channels []channel
	To       string // whom a test was sent to, or was to be
	Said     string // what came of it
	Problem  string // why nothing did
}

// channel is one way in words.
type channel struct {
	trail.Channel
	Title, What, Who string
	Chat             bool
}

// outboxRoutes mounts the page.
func (s *Site) outboxRoutes(in *echo.Group) {
	in.GET("/outbox", func(c echo.Context) error { return s.renderOutbox(c, http.StatusOK, outboxPage{}) })
	in.POST("/outbox/test", s.testOutbox)
}

func (s *Site) renderOutbox(c echo.Context, status int, page outboxPage) error {
	page.frame = s.frame(c, "What does dealtrail send by itself?", "outbox", lens{})
	if s.Outbox != nil {
		all, err := s.Outbox.Channels(c.Request().Context())
		if err != nil {
			return err
		}
		for _, ch := range all {
			page.Channels = append(page.Channels, channelWords(ch))
		}
	}
	return s.render(c, status, "outbox", page)
}

// testOutbox sends a test and says what came of it, on the page itself: a reload
// sends another, as it should.
func (s *Site) testOutbox(c echo.Context) error {
	page := outboxPage{To: strings.TrimSpace(c.FormValue("to"))}
	if s.Outbox == nil {
		return trail.Problemf(trail.NotFound, "Nothing is sent from here.")
	}
	said, err := s.Outbox.Test(c.Request().Context(), page.To)
	if text, ok := problemText(err); ok {
		page.Problem = text
		return s.renderOutbox(c, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	page.Said = said
	return s.renderOutbox(c, http.StatusOK, page)
}

// channelWords says what a channel tells, and to whom.
func channelWords(c trail.Channel) channel {
	kinds := map[string]string{"slack": "Slack", "teams": "Teams", "generic": "Signed webhook", "mail": "Mail"}
	events := map[string]string{"review_ready": "the review is ready", "hot_deal": "people click or answer in an open deal", "late_request": "a request is late", "digest": "daily, who clicked or answered and what to send next"}
	out := channel{Channel: c, Title: c.Name, Chat: c.Kind != "mail", Who: kinds[c.Kind]}
	var what []string
	for _, e := range c.Events {
		what = append(what, events[e])
	}
	out.What = strings.Join(what, "; ")
	switch {
	case c.Name == "review" && !out.Chat:
		out.Title, out.Who = "Review of the week", "Mail to "+strings.Join(c.To, ", ")
	case c.Name == "digest" && !out.Chat:
		out.Title, out.Who = "Daily digest", "Mail to "+plural(len(c.To), "rep", "reps")
		if len(c.Off) > 0 {
			out.Who += "; " + plural(len(c.Off), "wants none", "want none")
		}
	case c.Rep != "":
		out.Who += ", only of " + c.Rep
	}
	if c.Quiet != "" {
		out.Who += ", not " + c.Quiet + " (" + c.Zone + ")"
	}
	return out
}
