package main

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"dealtrail/api"
	"dealtrail/ingest/track"
	"dealtrail/store"
	"dealtrail/trail"
)

// newEcho returns a server without routes, with errors rendered in one place.
func (p *program) newEcho() *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = p.config.whoAsks()
	e.Pre(p.config.believedProxies())
	e.HTTPErrorHandler = api.ErrorHandler(p.log, p.site.Error)
	e.Use(middleware.RequestIDWithConfig(middleware.RequestIDConfig{Generator: func() string { return trail.NewID(time.Now()).String() }, TargetHeader: echo.HeaderXRequestID}))
	e.Use(middleware.RecoverWithConfig(middleware.RecoverConfig{LogErrorFunc: func(c echo.Context, err error, stack []byte) error {
		p.log.Error("panic", "route", c.Path(), "err", err, "stack", string(stack))
		return err
	}}))
	e.Use(p.plainly)
	return e
}

// whoAsks returns how the address of who asks is found. Echo believes
// X-Forwarded-For from anybody unless told otherwise.
func (c *Config) whoAsks() echo.IPExtractor {
	if len(c.Server.TrustedProxies) == 0 {
		return echo.ExtractIPDirect()
	}
	trust := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, proxy := range c.Server.TrustedProxies {
		if n, err := network(proxy); err == nil { // checked at the start
			trust = append(trust, echo.TrustIPRange(n))
		}
	}
	return echo.ExtractIPFromXFFHeader(trust...)
}

// believedProxies drops what anybody but a trusted proxy says about how the
// request reached us: Echo believes it.
func (c *Config) believedProxies() echo.MiddlewareFunc {
	var trusted []*net.IPNet
	for _, proxy := range c.Server.TrustedProxies {
		if n, err := network(proxy); err == nil { // checked at the start
			trusted = append(trusted, n)
		}
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			host, _, _ := net.SplitHostPort(c.Request().RemoteAddr)
			ip := net.ParseIP(host)
			if !slices.ContainsFunc(trusted, func(n *net.IPNet) bool { return n.Contains(ip) }) {
				for _, name := range []string{echo.HeaderXForwardedProto, echo.HeaderXForwardedProtocol, echo.HeaderXForwardedSsl, echo.HeaderXUrlScheme} {
					c.Request().Header.Del(name)
				}
			}
			return next(c)
		}
	}
}

// strangers bounds how often one network may ask for tokens that we never made: a
// whole office may click a damaged link, and nobody may guess.
func strangers() func(address string) bool { return strangersAt(60) }

// strangersAt lets one network ask so often at once, and then once a second.
func strangersAt(burst int) func(address string) bool {
	// Forgetting one earlier than it has recovered would forgive it.
	life := max(time.Minute, time.Duration(burst)*time.Second)
	seen := middleware.NewRateLimiterMemoryStoreWithConfig(middleware.RateLimiterMemoryStoreConfig{Rate: 1, Burst: burst, ExpiresIn: life})
	return func(address string) bool {
		if a, err := netip.ParseAddr(address); err == nil && a.Is6() && !a.Is4In6() {
			address = netip.PrefixFrom(a, 64).Masked().String() // what one customer has
		}
		ok, err := seen.Allow(address)
		return ok || err != nil
	}
}

// handler serves everything that the process's roles have to offer. Links and
// pixels stand outside the group with sessions: they set no cookie and wait for
// none.
func (p *program) handler() http.Handler {
	e := p.newEcho()
	e.Use(sameSite(http.NewCrossOriginProtection()))
	p.mount(e)
	return e
}

// sameSite refuses what a page of another site has a browser change here.
func sameSite(protection *http.CrossOriginProtection) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if protection.Check(c.Request()) != nil {
				return trail.Problemf(trail.Forbidden, "This was sent by a page of another site. Open dealtrail itself and do it there.")
			}
			return next(c)
		}
	}
}

// strict sets what browsers are told about every answer of pages and API. Pages and
// files say more of themselves where they are written; what says nothing holds what is
// nobody else's, and runs nothing.
func (p *program) strict(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		return next(c)
	}
}

// plainly sets what holds for every answer, links and pixels included: no browser
// guesses what it is.
func (p *program) plainly(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		c.Response().Header().Set("X-Content-Type-Options", "nosniff")
		return next(c)
	}
}

func (p *program) mount(e *echo.Echo) {
	p.server.Operations(e.Group(""))
	if p.tracking == nil && p.roles.has("track") {
		p.tracker.Routes(e.Group(""))
	}
	if p.roles.has("web") {
		g := e.Group("", p.strict, p.config.onlyTLS, smallForms, echo.WrapMiddleware(p.access.Sessions.LoadAndSave), p.access.Guard, wholeForms, p.behindGuard, p.readers, p.noteReps)
		p.server.Routes(g)
		p.site.Routes(g)
		if p.routes != nil {
			p.routes(g)
		}
	}
}

// behindGuard lets a test put itself in the place of all handlers, to see what the
// policy decides for every route that is mounted.
func (p *program) behindGuard(next echo.HandlerFunc) echo.HandlerFunc {
	if p.guarded != nil {
		return p.guarded
	}
	return next
}

// smallForms bounds the body of a form: those with files, and JSON, have their own bounds.
func smallForms(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if strings.HasPrefix(c.Request().Header.Get(echo.HeaderContentType), echo.MIMEApplicationForm) {
			c.Request().Body = http.MaxBytesReader(c.Response(), c.Request().Body, 1<<20)
		}
		return next(c)
	}
}

// wholeForms refuses a form that was too large: a handler that reads one field of it
// would take it for an empty one.
func wholeForms(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if strings.HasPrefix(c.Request().Header.Get(echo.HeaderContentType), echo.MIMEApplicationForm) {
			if tooLarge := (*http.MaxBytesError)(nil); errors.As(c.Request().ParseForm(), &tooLarge) {
				return trail.Problemf(trail.TooLarge, "What was sent is larger than the %d MB that a form may have. Shorten it; files have forms of their own.", tooLarge.Limit>>20)
			}
		}
		return next(c)
	}
}

// readers bounds how long a page or report may take: who waits longer is better
// told that something is wrong. It ends before the problem is rendered and the
// session is saved: both need a request that still lives.
func (p *program) readers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if c.Request().Method != http.MethodGet {
			return next(c)
		}
		p.db.Asked()
		whole := c.Request()
		ctx, cancel := context.WithTimeout(store.AsReader(whole.Context()), cmp.Or(p.patience, 20*time.Second))
		defer cancel()
		defer c.SetRequest(whole)
		c.SetRequest(whole.WithContext(ctx))
		return next(c)
	}
}

func (p *program) trackingHandler() http.Handler {
	e := p.newEcho()
	p.tracker.Routes(e.Group(""))
	return e
}

func (p *program) linkNotFound(c echo.Context) error { return p.site.LinkNotFound(c) }

// signedIn tells whether a click comes from one of us: a session that page and
// link share, because they share a host.
func (p *program) signedIn(r *http.Request) bool {
	if p.demo != nil {
		return false // the visitor of the demo plays the prospect too
	}
	cookie, err := r.Cookie(p.access.Sessions.Cookie.Name)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Millisecond)
	defer cancel()
	ctx, err = p.access.Sessions.Load(ctx, cookie.Value)
	return err == nil && p.access.SignedIn(ctx)
}

// noteReps remembers where reps sit: their own opens and clicks from there, by
// programs that carry no session, are nobody's interest.
func (p *program) noteReps(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if p.demo == nil && p.access.User(c) != "" {
			p.visitors.Note(c.Request().Context(), track.Visitor(c))
		}
		return next(c)
	}
}
