package dashboards

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/trail"
)

type errorPage struct {
	frame
	Status    int
	Text      string
	Advice    string
	SignIn    template.URL // where somebody whose session ended goes on
	RequestID string
}

// Error renders a problem as a page, for the one error handler of the program.
// p is nil for an internal error, of which only the request ID is shown.
func (s *Site) Error(c echo.Context, status int, p *trail.Problem, requestID string) error {
	if status == http.StatusUnauthorized && c.Request().Method == http.MethodGet && c.Path() != "/signin" && s.SignedIn != nil && s.SignedIn(c) == "" {
		return s.renderSignIn(c, status, signInPage{Next: c.Request().URL.RequestURI(), Ended: s.wasSignedIn(c)})
	}
	page := errorPage{
		Status: status, RequestID: requestID, Text: "Something went wrong on our side.",
		Advice: "It is in the log under the number below. Try again; if it stays, tell whoever runs dealtrail the number.",
	}
	title := "This did not work"
	if p != nil {
		page.Text, page.Advice = p.Text, ""
	}
	switch status {
	case http.StatusNotFound:
		title = "There is nothing here"
		page.Advice = "The link may be mistyped, or what it led to was removed."
		if _, _, known := access.Allowed(c.Request().Method + " " + c.Path()); p == nil || !known {
			page.Text = "This page does not exist."
		} else if p.Code == trail.NoRun {
			title, page.Advice = "Not calculated yet", ""
		}
	case http.StatusUnauthorized:
		title = "Your session has ended"
		page.Text = "What you just did was not written down."
		page.Advice = "Sign in again in another tab, then come back to this one and reload it: the browser sends once more what you typed."
		page.SignIn = "/signin"
	case http.StatusForbidden:
		title = "This is not yours to open"
		if c.Request().Method != http.MethodGet {
			title = "This is not yours to do"
		}
		page.forbidden(c)
	case http.StatusRequestEntityTooLarge:
		title = "This is too large"
		page.Advice = "Nothing of it was kept. Go back in your browser, and what you typed is still there."
	case http.StatusTooManyRequests:
		title = "Too often"
	case http.StatusServiceUnavailable:
		title = "One moment, please"
		page.Advice = "Nothing is lost: clicks and mail are still taken in. Reload the page in a few seconds."
	}
	page.frame = s.frame(c, title, "", lens{})
	return s.render(c, status, "error", page)
}

// forbidden says to somebody whose role does not do whom it takes, and who changes roles.
func (p *errorPage) forbidden(c echo.Context) {
	asker := access.From(c.Request().Context())
	may, who := asker.MayReach(c.Request().Method, c.Request().URL.EscapedPath())
	if may || who == 0 || asker.Session == "" {
		return // it is not the role
	}
	p.Text = "You are signed in as " + asker.Who + ", " + asker.Roles.Who() + ". This takes " + who.Who() + "."
	p.Advice = "If your work needs it, ask an admin: they change roles on the page People, and then you sign in again."
}

// wasSignedIn reports whether the browser still has the cookie of a session.
func (s *Site) wasSignedIn(c echo.Context) bool {
	if s.Access == nil || s.Access.Sessions == nil {
		return false
	}
	_, err := c.Cookie(s.Access.Sessions.Cookie.Name)
	return err == nil
}

// LinkNotFound answers a damaged tracked link. The reader is a prospect, who
// has no session and perhaps no way to this site's other files, so the page
// stands alone.
func (s *Site) LinkNotFound(c echo.Context) error {
	h := c.Response().Header()
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src '"+lostLinkStyleHash+"'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	return c.HTML(http.StatusNotFound, lostLink)
}

const lostLinkStyle = `:root{color-scheme:light dark;font:17px/1.55 system-ui,sans-serif}body{max-width:30rem;margin:18vh auto 0;padding:0 24px}h1{font-size:1.5rem;line-height:1.25;margin:0 0 12px}p{margin:0 0 12px;opacity:.85}`

const lostLink = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>This link is incomplete</title>
<style>` + lostLinkStyle + `</style>
<h1>This link is incomplete</h1>
<p>Part of it was probably lost on its way, as happens when a mail program breaks a long line.</p>
<p>Go back to the mail and click the link there, or copy the whole of it. If that does not help, ask the person who sent it to you: they can send a new one.</p>
</html>
`

var lostLinkStyleHash = func() string {
	sum := sha256.Sum256([]byte(lostLinkStyle))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}()

// problemText returns the text of a problem that a form can show beside its
// fields, and whether the error is one.
func problemText(err error) (string, bool) {
	p := (*trail.Problem)(nil)
	if !errors.As(err, &p) {
		return "", false
	}
	switch p.Code {
	case trail.Invalid, trail.Conflict, trail.TooLarge, trail.LocalAddress, trail.NotFound:
		return p.Text, true
	}
	return "", false
}
