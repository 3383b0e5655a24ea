package track

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"dealtrail/trail"
)

// longestChain is how many successors are followed one after the other.
const longestChain = 8

// trapKey stands in the tokens of links that no person sees.
var trapKey = trail.KeyOf(trail.Trap)

// follow returns where a link to a target leads now: the target itself, or, once
// that has expired, the first successor that has not, whose content is ledTo. It
// is trail.Fallback when there is none.
func (t *Tracker) follow(r *http.Request, target trail.Target) (to trail.Target, ledTo trail.ContentID) {
	now := t.now()
	if !target.Expired(now) {
		return target, ""
	}
	to = target
	for range longestChain {
		if to.Successor == "" {
			break
		}
		next, ok := t.lookup(r, trail.KeyOf(to.Successor))
		if !ok || next.Content != to.Successor {
			break
		}
		if to = next; !to.Expired(now) {
			return to, to.Content
		}
	}
	return target, trail.Fallback
}

// trap notes who followed the link that no person sees, and leads nowhere.
func (t *Tracker) trap(c echo.Context, share trail.ShareID) error {
	if counts(c.Request()) {
		t.record(c, trail.Event{Kind: trail.Trapped, Share: share})
	}
	if t.Fallback != "" {
		return t.toFallback(c)
	}
	return c.NoContent(http.StatusNoContent)
}

// nowhere answers a link that leads nowhere: damaged, not ours, or of content
// that cannot be found now.
func (t *Tracker) nowhere(c echo.Context) error {
	if t.Fallback != "" {
		return t.toFallback(c)
	}
	if t.NotFound != nil {
		err := t.NotFound(c)
		if err == nil || c.Response().Committed {
			return err
		}
		t.log().Error("page for a damaged link", "err", err)
	}
	return notice(c, http.StatusNotFound, "This link is not complete",
		"Mail programs sometimes cut a link in two. Please open it once more from the mail itself, or ask the person who sent it to send it again.", "")
}

// expired answers a link to content that is no longer offered and has no successor.
func (t *Tracker) expired(c echo.Context) error {
	if t.Fallback != "" {
		return t.toFallback(c)
	}
	return notice(c, http.StatusGone, "This document is no longer offered",
		"It has expired or was withdrawn. Please ask the person who sent you the link for the current one.", "")
}

func (t *Tracker) toFallback(c echo.Context) error {
	c.Response().Header()["Location"] = []string{t.Fallback}
	return c.NoContent(http.StatusFound)
}

// notice answers with a page of a few words and, perhaps, a form of one button.
func notice(c echo.Context, status int, title, text, form string) error {
	h := c.Response().Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	if form != "" {
		h.Set("Referrer-Policy", "same-origin") // or the browser hides that the form is our own
	}
	h.Set("X-Robots-Tag", "noindex, nofollow")
	return c.HTML(status, strings.NewReplacer("TITLE", title, "TEXT", text, "FORM", form).Replace(noticePage))
}

const noticePage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>TITLE</title>
<style>body{font:18px/1.5 system-ui,sans-serif;max-width:34em;margin:15vh auto;padding:0 1em}h1{font-size:1.4em}button{font:inherit;padding:.5em 1em}</style>
<body>
<h1>TITLE</h1>
<p>TEXT</p>
FORM
</body></html>
`
