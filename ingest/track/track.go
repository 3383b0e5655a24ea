package track

import (
	"context"
	"encoding/base64"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
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
	Keys   *trail.Keyring
	Lookup func(context.Context, trail.ContentKey) (trail.Target, bool, error)
	File   func(sha string) (*os.File, error) // a content's stored file; nil: there are none
	Emit   trail.Emit
	// Stop ends tracking for whoever has a share and returns how many people that is; nil: nobody can.
	Stop     func(context.Context, trail.ShareID) (people int, err error)
	Fallback string                   // where damaged links lead; "": NotFound answers
	Self     func(*http.Request) bool // the request carries a rep's session; nil: never
	Networks *Networks                // kinds of networks; nil: none is known
	// Hash returns what an address and a user agent are called for two days at most; origin is "" for an address
	// that says nothing of who asks, such as a proxy's. Own reports whether a rep of ours was signed in at an origin
	// meanwhile. nil: addresses are not looked at.
	Hash     func(address, userAgent string) (origin, device string)
	Own      func(origin string) bool
	Limit    func(address string) bool // false: this address asked for too many tokens that we never made; nil: always true
	NotFound func(echo.Context) error  // the page for a link that leads nowhere; nil: a plain one
	Now      func() time.Time          // nil: time.Now
	Log      *slog.Logger              // nil: silence

	lost, unknown atomic.Uint64
	toldOf        atomic.Int64 // the minute in which the log was last told of guesses
}

// Routes adds /c/:token and /o/:name, each for GET and HEAD and with whatever may
// have got behind it, and /stop/:token.
func (t *Tracker) Routes(g *echo.Group) {
	lists() // compiled now, not during the first click
	// Some mail programs shout, and what follows a link in a sentence ends up behind it.
	for _, path := range []string{"/c/:token", "/c/:token/*", "/c", "/c/", "/C/:token", "/C/:token/*"} {
		g.GET(path, t.redirect)
		g.HEAD(path, t.redirect)
	}
	for _, path := range []string{"/o/:name", "/o/:name/*", "/o", "/o/", "/O/:name"} {
		g.GET(path, t.pixel)
		g.HEAD(path, t.pixel)
	}
	if t.Stop != nil {
		for _, path := range []string{"/stop/:token", "/stop/:token/*"} {
			g.GET(path, t.stopPage)
			g.HEAD(path, t.stopPage)
			g.POST(path, t.stop)
		}
	}
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
		return t.stranger(c)
	}
	if key == trapKey {
		return t.trap(c, share)
	}
	target, ok := t.lookup(c.Request(), key)
	if !ok {
		return t.nowhere(c)
	}
	to, ledTo := t.follow(c.Request(), target)
	if counts(c.Request()) {
		h.Set("X-Request-Id", t.record(c, trail.Event{Kind: trail.Clicked, Content: target.Content, Share: share, LedTo: ledTo}).String())
	}
	switch {
	case ledTo == trail.Fallback:
		return t.expired(c)
	case to.URL != "":
		h["Location"] = []string{to.URL} // as it is: http.Redirect would clean and escape it
		return c.NoContent(http.StatusFound)
	}
	return t.serveFile(c, to)
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
			t.record(c, trail.Event{Kind: trail.Opened, Content: target.Content, Share: share})
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

// record completes the event of a request and hands it on. It returns the event's
// ID even if the event was lost.
func (t *Tracker) record(c echo.Context, e trail.Event) trail.ID {
	r, now := c.Request(), t.now().Truncate(time.Millisecond)
	e.ID, e.At, e.ReceivedAt, e.Source = trail.NewID(now), now, now, "track"
	asks := Request{Kind: e.Kind, Method: r.Method, Header: r.Header, Plain: plain(c)}
	address := Visitor(c)
	if ip, err := netip.ParseAddr(address); err == nil {
		asks.Network = t.Networks.Class(ip)
	}
	e.Evidence = Observe(asks)
	around := Circumstances{Self: t.Self != nil && t.Self(r), Trapped: e.Kind == trail.Trapped}
	if t.Hash != nil {
		e.Origin, e.Device = t.Hash(address, r.UserAgent())
		around.Self = around.Self || e.Origin != "" && t.Own != nil && t.Own(e.Origin)
	}
	e.Verdict = Judge(e.Kind, e.Evidence, around)
	// Somebody who closes the window has still clicked.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), emitTime)
	defer cancel()
	if err := t.Emit(ctx, e); err != nil {
		t.lost.Add(1)
		t.log().Error("event lost", "kind", e.Kind, "content", e.Content, "err", err)
	}
	return e.ID
}

// Visitor returns the address of who asks, or "" when that is a proxy's which
// nobody has said is to be trusted: then everybody would have the same.
func Visitor(c echo.Context) string {
	r, address := c.Request(), c.RealIP()
	peer, _, _ := net.SplitHostPort(r.RemoteAddr)
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "Via", "X-Real-Ip"} {
		if peer == address && r.Header.Get(name) != "" {
			return ""
		}
	}
	return address
}

func (t *Tracker) now() time.Time {
	if t.Now != nil {
		return t.Now().UTC()
	}
	return time.Now().UTC()
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

func (t *Tracker) log() *slog.Logger {
	if t.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return t.Log
}
