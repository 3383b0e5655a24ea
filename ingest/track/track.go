package track

import (
	"context"
	"encoding/base64"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// An answer waits this long for a target that is not in memory, and for an event
// to become durable.
const (
	lookupTime = 250 * time.Millisecond
	emitTime   = 50 * time.Millisecond
)

// Tracker answers tracked links and pixels.
type Tracker struct {
	Keys     *trail.Keyring
	Lookup   func(context.Context, trail.ContentKey) (trail.Target, bool, error)
	File     func(sha string) (*os.File, error) // a content's stored file; nil: there are none
	Emit     trail.Emit
	Fallback string                    // where damaged links lead; "": NotFound answers
	Self     func(*http.Request) bool  // the request carries a rep's session; nil: never
	Limit    func(address string) bool // false: this address asked for too many tokens that we never made; nil: always true
	NotFound func(echo.Context) error  // the page for a link that leads nowhere; nil: a plain one
	Now      func() time.Time          // nil: time.Now
	Log      *slog.Logger              // nil: silence

	lost, unknown atomic.Uint64
}

// Routes adds /c/:token, with or without a slash at the end, and /o/:name, each
// for GET and HEAD.
func (t *Tracker) Routes(g *echo.Group) {
	lists() // compiled now, not during the first click
	for _, path := range []string{"/c/:token", "/c/:token/"} {
		g.GET(path, t.redirect)
		g.HEAD(path, t.redirect)
	}
	g.GET("/o/:name", t.pixel)
	g.HEAD("/o/:name", t.pixel)
}

// Lost returns how many clicks and opens could not be recorded since the start.
func (t *Tracker) Lost() uint64 { return t.lost.Load() }

// Unknown returns how many requests since the start had a token that we never made:
// damaged on its way, or guessed.
func (t *Tracker) Unknown() uint64 { return t.unknown.Load() }

// redirect sends a click on its way.
func (t *Tracker) redirect(c echo.Context) error {
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store") // every click must come here
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	if prefetch(c.Request().Header) {
		// The browser throws this away and asks again when the person clicks.
		return c.NoContent(http.StatusServiceUnavailable)
	}
	key, share, err := t.Keys.Open(tokenIn(c.Param("token")))
	if err != nil {
		t.unknown.Add(1)
		if t.Limit != nil && !t.Limit(c.RealIP()) {
			h.Set("Retry-After", "60")
			return c.String(http.StatusTooManyRequests, "Too many links that lead nowhere were asked for from your network. Please try again in a minute.\n")
		}
		return t.nowhere(c)
	}
	target, ok := t.lookup(c.Request(), key)
	if !ok {
		return t.nowhere(c)
	}
	if counts(c.Request()) {
		h.Set("X-Request-Id", t.record(c, trail.Clicked, target.Content, share).String())
	}
	if target.URL != "" {
		h["Location"] = []string{target.URL} // as it is: http.Redirect would clean and escape it
		return c.NoContent(http.StatusFound)
	}
	return t.serveFile(c, target)
}

// pixel answers with the same bytes whatever the name, so that nobody can tell
// a good token from a bad one.
func (t *Tracker) pixel(c echo.Context) error {
	r := c.Request()
	if counts(r) {
		key, share, err := t.Keys.Open(tokenIn(c.Param("name")))
		if err != nil {
			t.unknown.Add(1)
		} else if target, ok := t.lookup(r, key); ok {
			t.record(c, trail.Opened, target.Content, share)
		}
	}
	h := c.Response().Header()
	for k, v := range pixelHeaders {
		h.Set(k, v)
	}
	return c.Blob(http.StatusOK, "image/gif", gif)
}

var pixelHeaders = map[string]string{
	"Cache-Control": "no-store, no-cache, max-age=0, must-revalidate, private", "Pragma": "no-cache", "Expires": "0",
	"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow", "Cross-Origin-Resource-Policy": "cross-origin",
	"X-Content-Type-Options": "nosniff", "Content-Length": "43",
}

// gif is one transparent dot in 43 bytes, the smallest that all programs take.
var gif, _ = base64.StdEncoding.DecodeString("R0lGODlhAQABAIAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")

// tokenIn returns what may be a token at the start of a path element: what comes
// with it when a link is copied out of a sentence or cut by a mail program
// (".", ")", ">", "=", "%20", ".gif") begins with something no token has.
func tokenIn(s string) string {
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') {
			return s[:i]
		}
	}
	return s
}

// counts reports whether a request is an event: a check by HEAD is none, nor is
// the later part of a file that a reader fetches in pieces.
func counts(r *http.Request) bool {
	if r.Method != http.MethodGet {
		return false
	}
	part := r.Header.Get("Range")
	return part == "" || strings.HasPrefix(part, "bytes=0-") && part != "bytes=0-1" // Safari's first look at a video
}

// lookup finds where a content leads. A failure is told to the log and not to
// the person, who can do nothing about it.
func (t *Tracker) lookup(r *http.Request, key trail.ContentKey) (trail.Target, bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), lookupTime)
	defer cancel()
	target, ok, err := t.Lookup(ctx, key)
	if err != nil {
		if counts(r) {
			t.lost.Add(1) // of what content it was is not known
		}
		t.log().Error("content lookup", "content", key.String(), "err", err)
		return target, false
	}
	if !ok {
		t.log().Warn("token for unknown content", "content", key.String())
	}
	return target, ok
}

// record makes the event of a request and hands it on. It returns the event's
// ID even if the event was lost.
func (t *Tracker) record(c echo.Context, kind trail.Kind, content trail.ContentID, share trail.ShareID) trail.ID {
	r, now := c.Request(), time.Now()
	if t.Now != nil {
		now = t.Now()
	}
	now = now.UTC().Truncate(time.Millisecond)
	e := trail.Event{
		ID: trail.NewID(now), Kind: kind, At: now, ReceivedAt: now, Source: "track", Content: content, Share: share,
		Verdict: Judge(Request{
			Kind: kind, Method: r.Method, Header: r.Header, Self: t.Self != nil && t.Self(r), Plain: plain(c),
		}),
	}
	// Somebody who closes the window has still clicked.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), emitTime)
	defer cancel()
	if err := t.Emit(ctx, e); err != nil {
		t.lost.Add(1)
		t.log().Error("event lost", "kind", kind, "content", content, "err", err)
	}
	return e.ID
}

// plain reports whether a browser had no reason to trust the connection: http to
// another machine.
func plain(c echo.Context) bool {
	host := c.Request().Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	local := host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
	return c.Scheme() != "https" && !local
}

// nowhere answers a link that leads nowhere: damaged, not ours, or of content
// that cannot be found now.
func (t *Tracker) nowhere(c echo.Context) error {
	if t.Fallback != "" {
		c.Response().Header()["Location"] = []string{t.Fallback}
		return c.NoContent(http.StatusFound)
	}
	if t.NotFound != nil {
		err := t.NotFound(c)
		if err == nil || c.Response().Committed {
			return err
		}
		t.log().Error("page for a damaged link", "err", err)
	}
	c.Response().Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	return c.HTML(http.StatusNotFound, notFound)
}

const notFound = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>This link is not complete</title>
<body style="font:18px/1.5 system-ui,sans-serif;max-width:34em;margin:15vh auto;padding:0 1em;color:#222">
<h1 style="font-size:1.4em">This link is not complete</h1>
<p>Mail programs sometimes cut a link in two. Please open it once more from the mail itself, or ask the person
who sent it to send it again.</p>
</body></html>
`

func (t *Tracker) log() *slog.Logger {
	if t.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return t.Log
}
