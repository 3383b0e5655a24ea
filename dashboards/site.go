// Package dashboards renders the pages: which content was part of which deals,
// one content, one deal's trail, the weekly lead review, status, and the guided
// tour of the demo.
//
// Pages are rendered on the server and work without JavaScript: forms are plain
// GET and POST, every chart is also a table, every table has its CSV. Scripts
// only add charts and small comforts. Nothing is loaded from elsewhere and no
// style or script is inline, so the content security policy is strict.
package dashboards

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/attribution"
	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/trail"
)

// Site is the pages and what they need. The caller sets the exported fields and
// passes the value to [New].
type Site struct {
	DB        *store.DB
	Registry  *ingest.Registry
	Consents  *ingest.Consents
	Job       *attribution.Job
	Holdouts  *attribution.Holdouts
	Reviews   *ingest.Reviews
	Names     *ingest.RepNames // nil: reps are shown as teams
	Zone      *time.Location   // the company's zone: dates, weeks and periods are its
	PublicURL string
	Version   string
	Status    func(ctx context.Context) (trail.Status, error)
	Demo      *Demo // nil outside the demo
	Connect   *Connect
	Digest    *Digest                                                              // nil: there is none to end
	Outbox    *Outbox                                                              // nil: nothing is sent
	Erase     func(ctx context.Context, address, by string) (trail.Erasure, error) // nil: nobody can be erased
	CRM       *CRM                                                                 // nil: none speaks by itself
	Addresses ReadAddresses                                                        // of an uploaded list of leads
	Mailbox   *Mailbox                                                             // nil: no mail is read
	Budgets   *Budgets                                                             // nil: none can be made or linked to
	Since     func(now time.Time) time.Time                                        // how far back mail is read; nil: as far as there is any

	// SignedIn returns the address of who asks, or "" for nobody; nil where nobody
	// needs to be known. Who may ask for what is decided in front of the pages, by
	// [access.Access.Guard]; what they see of it, in seen.go.
	SignedIn func(c echo.Context) string
	SignIn   func(c echo.Context, f access.SignInForm) error
	SignOut  func(c echo.Context) error
	Access   *access.Access // for the pages on people, keys and accounts

	Service    trail.ServiceTerms // how fast a lead is answered; its zone is Zone
	ReviewList func() int         // how many people the weekly review is mailed to; nil: nothing mails it

	Now func() time.Time // nil: time.Now
	Log *slog.Logger

	left *trail.Lines[string] // by route

	source source
	pages  pages
	assets *assets
	tour   *tour
}

// source is what pages ask for and do. New fills it from DB, Registry and Job;
// the package's own tests fill it from a made-up company.
type source struct {
	Contents    func(ctx context.Context, f store.Filter) ([]trail.ContentRow, error)
	Content     func(ctx context.Context, id string, f store.Filter) (*trail.ContentDetail, error)
	Senders     func(ctx context.Context, id string, f store.Filter) ([]store.Sender, map[string]string, error)
	SentStages  func(ctx context.Context, id string, now time.Time, f store.Filter) ([]store.SentStage, error)
	SimilarTo   func(ctx context.Context, deal string, f store.Filter) (store.Similar, error)
	DealCredits func(ctx context.Context, deal string, models []string, f store.Filter) (map[string]map[string]trail.Sum, error)
	Weeks       func(ctx context.Context, starts []time.Time, f store.Filter) (map[string][]uint64, error)
	Choices     func(ctx context.Context, names bool, f store.Filter) (store.ContentChoices, error)
	Deals       func(ctx context.Context, q store.DealQuery, f store.Filter) ([]trail.DealRow, store.DealSums, error)
	Deal        func(ctx context.Context, id string, f store.Filter) (*trail.DealDetail, error)
	Contact     func(ctx context.Context, address string, f store.Filter) (*trail.ContactDetail, error)
	Account     func(ctx context.Context, domain string, f store.Filter) (*trail.AccountDetail, error)
	Teams       func(ctx context.Context, f store.Filter) (trail.Teams, []trail.RepRow, error)
	Review      func(ctx context.Context, week string, zone *time.Location, now time.Time, f store.Filter) (*trail.Review, error)
	Decide      func(ctx context.Context, week, source, by string, said ...ingest.Said) ([]ingest.Outcome, bool, error)
	Attribution func(ctx context.Context, by string, f store.Filter) (*trail.Attribution, error)
	Credits     func(ctx context.Context, content string, f store.Filter) ([]trail.CreditRow, error) // by model
	Why         func(ctx context.Context, f store.Filter) (*trail.Why, error)
	Run         func(ctx context.Context, f store.Filter) (*trail.Run, error)

	Calculate func(ctx context.Context, l lens) error
	Accepted  func(ctx context.Context, content string) (bool, error) // registered, perhaps not yet visible
	Register  func(ctx context.Context, content string, attrs map[string]string) (visible bool, err error)
	AddFile   func(ctx context.Context, name string, file io.ReaderAt, size int64, id string, attrs map[string]string) ([]ingest.FileReport, error)
	Share     func(ctx context.Context, q ingest.ShareRequest) (ingest.Share, error)
	Choose    func(ctx context.Context, email, domain string, allowed bool, at time.Time, basis string) error // about tracking
	Sighted   func(ctx context.Context, now time.Time, f store.Filter) ([]trail.SightedRow, error)
	Dismiss   func(ctx context.Context, r trail.SightedRow, dismissed bool) error
	Baselines func(ctx context.Context, now time.Time) (trail.Baselines, error)
	Keep      func(ctx context.Context, b trail.Baseline) error
	Shareable func(ctx context.Context, f store.Filter) ([]trail.ContentRow, error)
	Shares    func(ctx context.Context, rep string, now time.Time, f store.Filter) ([]trail.ShareRow, error)
	OpenDeals func(ctx context.Context, rep string, withPeople bool, f store.Filter) ([]store.OpenDeal, error)
	Quality   func(ctx context.Context, f store.Filter) (*trail.Quality, error)
	Assign    func(ctx context.Context, said []trail.Assignment) error
}

// New parses the templates and reads the static files; it starts nothing.
func New(s Site) (*Site, error) {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Zone == nil {
		s.Zone = time.UTC
	}
	s.fillSource()
	s.fillQuality()
	s.source.seen()
	s.tour, s.left = &tour{}, &trail.Lines[string]{}
	var err error
	if s.assets, err = readAssets(); err != nil {
		return nil, err
	}
	if s.pages, err = s.parsePages(); err != nil {
		return nil, err
	}
	return &s, nil
}

func (s *Site) fillSource() {
	if s.DB != nil {
		db := s.DB
		s.source.Contents, s.source.Content, s.source.Weeks, s.source.Choices = db.Contents, db.Content, db.Weeks, db.ContentChoices
		s.source.Deals, s.source.Deal, s.source.SimilarTo, s.source.DealCredits = db.DealList, db.Deal, db.SimilarTo, db.DealCredits
		s.source.Senders, s.source.SentStages = db.Senders, db.SentStages
		s.source.Account, s.source.Teams = db.Account, db.Teams
		s.source.Sighted = db.Sighted
		s.source.Baselines = func(ctx context.Context, now time.Time) (trail.Baselines, error) {
			var since time.Time
			if s.Since != nil {
				since = s.Since(now)
			}
			return db.Baselines(ctx, since, now)
		}
		s.source.Shareable, s.source.Shares, s.source.OpenDeals = db.Shareable, db.RepShares, db.OpenDeals
		s.source.Credits, s.source.Why = db.ContentCredits, db.Why
		s.source.Review, s.source.Attribution, s.source.Run = db.WeekReview, db.Attribution, db.NewestRun
		s.source.Contact = func(ctx context.Context, address string, f store.Filter) (*trail.ContactDetail, error) {
			return db.Contact(ctx, s.Registry.Contacts.ID(address), f)
		}
	}
	if s.Registry != nil {
		r := s.Registry
		s.source.Share = r.Share
		s.source.Dismiss = func(ctx context.Context, row trail.SightedRow, dismissed bool) error {
			e, err := trail.Dismissal("ui", row, dismissed, s.Now())
			if err != nil {
				return err
			}
			return s.record(ctx, e)
		}
		s.source.Keep = func(ctx context.Context, b trail.Baseline) error {
			e, err := b.Event("ui", false)
			if err != nil {
				return err
			}
			return s.record(ctx, e)
		}
		s.source.AddFile = func(ctx context.Context, name string, file io.ReaderAt, size int64, id string, attrs map[string]string) ([]ingest.FileReport, error) {
			return r.AddFile(ctx, name, file, size, id, attrs, "ui")
		}
		s.source.Register = func(ctx context.Context, content string, attrs map[string]string) (bool, error) {
			return r.Register(ctx, content, attrs, "ui")
		}
		s.source.Accepted = func(ctx context.Context, content string) (bool, error) {
			t, ok, err := r.Catalogue.Find(ctx, trail.KeyOf(content))
			return ok && t.Content == content, err
		}
	}
	if s.Reviews != nil {
		s.source.Decide = func(ctx context.Context, week, source, by string, said ...ingest.Said) ([]ingest.Outcome, bool, error) {
			return s.Reviews.Decide(ctx, week, ingest.Teller{Source: source, By: by, Sees: access.From(ctx).View.Limit()}, said...)
		}
	}
	if s.Consents != nil {
		s.source.Choose = func(ctx context.Context, email, domain string, allowed bool, at time.Time, basis string) error {
			var contact trail.ContactID
			if email != "" {
				contact = s.Registry.Contacts.ID(email)
			}
			if err := s.Consents.Choose(ctx, "ui", contact, domain, allowed, at, basis); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			_ = s.Registry.Buffer.Settle(ctx) // a person reads what they chose; it is safe whenever that is
			return nil
		}
	}
	if s.Job != nil {
		s.source.Calculate = func(ctx context.Context, l lens) error {
			_, err := s.Job.Once(ctx, l.request())
			return err
		}
	}
}

// Routes mounts the pages. Problems go up as errors to the one error handler,
// which calls [Site.Error].
func (s *Site) Routes(g *echo.Group) {
	g.GET("/static/:hash/*", s.static)
	g.GET("/signin", s.signInPage)
	g.POST("/signin", s.signIn)
	g.POST("/signout", s.signOut)
	g.GET("/opensearch.xml", s.openSearch)
	s.connectRoutes(g)
	s.digestRoutes(g)
	s.sharedRoutes(g)

	s.oidcRoutes(g)

	s.meRoutes(g)
	s.peopleRoutes(g)
	g.GET("/", s.contents)
	g.POST("/calculate", s.calculate)
	g.GET("/content/compare", s.compare)
	g.GET("/content/new", s.newContent)
	g.POST("/content/new", s.registerContent)
	g.GET("/content/found", s.found)
	g.POST("/content/found/register", s.registerFound)
	g.POST("/content/found/dismiss", s.dismiss)
	g.GET("/baseline", s.baseline)
	g.POST("/baseline/keep", s.keepBaseline)
	g.GET("/content/:id", s.content)
	g.POST("/content/:id/share", s.share)
	g.POST("/content/:id/change", s.change)
	g.GET("/share", s.shareFinder)
	g.POST("/share", s.shareFound)
	g.GET("/send", s.send)
	g.GET("/deals", s.deals)
	g.GET("/deals/:id", s.deal)
	g.GET("/contacts/:email", s.contact)
	g.POST("/contacts/:email/tracking", s.trackContact)
	g.GET("/accounts/:domain", s.account)
	g.POST("/accounts/:domain/tracking", s.trackAccount)
	g.GET("/reps", s.reps)
	g.GET("/review", s.review)
	g.POST("/review/:week/decisions", s.decide)
	g.POST("/review/:week/xlsx", s.takeReview)
	g.GET("/status", s.status)
	g.GET("/quality", s.quality)
	g.POST("/quality/decide", s.decideDoubt)
	g.GET("/start", s.start)
	g.GET("/models", s.models)
	g.GET("/why", s.why)
	g.GET("/lift", s.lifts)
	g.GET("/lift/:content", s.lift)
	s.holdoutRoutes(g)
	s.requestRoutes(g)
	s.listRoutes(g)
	s.runRoutes(g)
	s.outboxRoutes(g)
	s.crmRoutes(g)
	s.numberRoutes(g)
	s.mailboxRoutes(g)
	s.budgetRoutes(g)
	s.eraseRoutes(g)
	if s.Demo != nil {
		g.GET("/demo", s.demo)
		g.POST("/demo/send", s.demoSend)
		g.POST("/demo/scan", s.demoScan)
		g.POST("/demo/guess", s.demoGuess)
		g.GET("/own-data", s.ownData)
	}
}

// unhurried lifts the server's time limits for a request that may take long.
func unhurried(c echo.Context) error {
	server := http.NewResponseController(c.Response())
	err := errors.Join(server.SetReadDeadline(time.Time{}), server.SetWriteDeadline(time.Time{}))
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// param returns a path parameter as it was meant: Echo hands it over escaped
// when the path holds escaped characters.
func param(c echo.Context, name string) string {
	v := c.Param(name)
	if c.Request().URL.RawPath == "" {
		return v
	}
	if plain, err := url.PathUnescape(v); err == nil {
		return plain
	}
	return v
}

// local returns the path if it stays on this site, also for who decodes it once too often
// or leaves out its dots; else "/".
func local(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	if first, _, _ := strings.Cut(u.Path[1:], "/"); u.Path != "/" && (first == "" || first[0] == '.' || first[0] == '\\') || strings.ContainsFunc(u.Path, unicode.IsControl) {
		return "/"
	}
	return path
}
