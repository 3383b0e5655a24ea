package track

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// stopPage shows what stopping would do. It changes nothing: programs follow
// every link of a mail.
func (t *Tracker) stopPage(c echo.Context) error {
	if _, _, err := t.Keys.Open(tokenIn(c.Param("token"))); err != nil {
		return t.stranger(c)
	}
	return notice(c, http.StatusOK, "Stop tracking?",
		"The links in mails from us tell the sender that they were followed. You can stop that, for this mail and all others, those you already have too. The links go on working.",
		`<form method="post"><button>Stop tracking</button></form>`)
}

// stop ends tracking for whoever has the link. Doing it again changes nothing.
func (t *Tracker) stop(c echo.Context) error {
	_, share, err := t.Keys.Open(tokenIn(c.Param("token")))
	if err != nil {
		return t.stranger(c)
	}
	people, err := t.Stop(c.Request().Context(), share)
	if err != nil {
		t.log().Error("tracking was not stopped", "err", err)
		return notice(c, http.StatusServiceUnavailable, "This did not work", "Please try again in a minute.", `<form method="post"><button>Try again</button></form>`)
	}
	text := "From now on nothing is kept of who follows links in our mails to you, those you already have included. The links go on working."
	if people > 1 {
		text += " This mail went to several people. As we cannot tell who of them you are, tracking has stopped for all of them."
	}
	return notice(c, http.StatusOK, "Tracking has stopped", text, "")
}

// stranger answers a token that we never made.
func (t *Tracker) stranger(c echo.Context) error {
	t.unknown.Add(1)
	if t.Limit != nil && !t.Limit(c.RealIP()) {
		t.guessed()
		c.Response().Header().Set("Retry-After", "60")
		return c.String(http.StatusTooManyRequests, "Too many links that lead nowhere were asked for from your network. Please try again in a minute.\n")
	}
	return t.nowhere(c)
}

// guessed says in the log, once a minute, that somebody seems to try tokens: whose network
// it is stays unsaid, since most who come here are prospects.
func (t *Tracker) guessed() {
	minute := t.now().Unix() / 60
	if last := t.toldOf.Load(); minute != last && t.toldOf.CompareAndSwap(last, minute) {
		t.log().Warn("a network asks for many tokens that we never made, and is slowed down", "unknown_since_start", t.unknown.Load())
	}
}
