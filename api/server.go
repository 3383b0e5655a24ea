// Package api is what other programs and our own commands speak: REST with
// JSON, problems after RFC 9457, and the Go client. openapi.yaml is written by
// hand and is the source; a test holds routes and document together.
package api

import (
	"context"
	_ "embed"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"

	"dealtrail/access"
	"dealtrail/attribution"
	"dealtrail/ingest"
	"dealtrail/ingest/crm"
	"dealtrail/ingest/crm/feed"
	"dealtrail/store"
	"dealtrail/trail"
)

// Document is the OpenAPI document that describes every route.
//
//go:embed openapi.yaml
var Document []byte

// Server answers the API. All fields are set by whoever wires the program.
type Server struct {
	DB       *store.DB
	Buffer   *ingest.Buffer
	Registry *ingest.Registry
	Consents *ingest.Consents
	Importer *crm.Importer
	Job      *attribution.Job
	Holdouts *attribution.Holdouts
	Reviews  *ingest.Reviews
	Access   *access.Access
	Names    *ingest.RepNames // how people see reps; keys see them by name
	Mailbox  Mailboxes
	Status   func(context.Context) (trail.Status, error)
	Ready    func(context.Context) error   // nil when every role can work; else which cannot and why
	Metrics  http.Handler                  // in Prometheus's format
	Exports  map[string]Export             // formats of the review besides JSON, by name: csv, html, xlsx
	Tables   map[string]TableFormat        // formats of lists besides JSON, by name: csv, xlsx
	Zone     *time.Location                // the company's
	Since    func(now time.Time) time.Time // how far back mail is read; nil: as far as there is any
	Now      func() time.Time
	Log      *slog.Logger

	Feeds      *feed.Feeds // CRMs that speak by themselves
	Corrector  *ingest.Corrector
	Budgets    Budgets
	TakeReview TakeReview
	Outbox     Outbox
	Eraser     *ingest.Eraser
	Processing func() (trail.Processing, error)             // the record of processing
	Backup     func(ctx context.Context, w io.Writer) error // writes a backup of everything

	Service trail.ServiceTerms // how fast a lead is answered; its zone is Zone
	// WriteRows writes rows below a header as csv or xlsx, so that no spreadsheet takes a cell for a formula.
	WriteRows func(w io.Writer, format, name string, rows [][]string, zone *time.Location) error
}

// Operations mounts what every process serves, whatever its roles.
func (s *Server) Operations(g *echo.Group) {
	g.GET("/healthz", func(c echo.Context) error { return c.String(http.StatusOK, "ok\n") })
	g.GET("/readyz", s.ready)
	g.GET("/metrics", echo.WrapHandler(s.Metrics), neighbours)
}

// neighbours shows nobody outside loopback and private networks that there is something:
// who collects metrics sits in one's own.
func neighbours(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		from, err := netip.ParseAddr(c.RealIP())
		if from = from.Unmap(); err != nil || !from.IsLoopback() && !from.IsPrivate() && !from.IsLinkLocalUnicast() {
			return trail.Problemf(trail.NotFound, "There is nothing at this address.")
		}
		return next(c)
	}
}

// Routes mounts everything else below / that is not a page.
func (s *Server) Routes(g *echo.Group) {
	g.GET("/openapi.yaml", func(c echo.Context) error { return c.Blob(http.StatusOK, "application/yaml", Document) })

	g.POST("/v1/webhooks/:source", s.deliver) // proven by its own secret

	v1 := g.Group("/v1") // who may what is decided by access.Guard, in front of all routes
	v1.GET("/status", s.status)
	v1.GET("/content", s.contents)
	v1.POST("/content", s.register)
	v1.GET("/content/:id", s.content)
	v1.GET("/sighted", s.sighted)
	v1.GET("/baseline", s.baseline)
	v1.GET("/quality", s.quality)
	v1.POST("/assignments", s.assign)
	v1.GET("/shares", s.shares)
	v1.POST("/shares", s.share)
	v1.POST("/consents", s.consent)
	v1.POST("/imports/:table", s.importTable)
	v1.GET("/deals", s.deals)
	v1.GET("/deals/:id", s.deal)
	v1.GET("/contacts/:email", s.contact)
	v1.DELETE("/contacts/:email", s.erase)
	v1.GET("/contacts/:email/data", s.personData)
	v1.GET("/privacy", s.privacy)
	v1.GET("/erasures", s.erasures)
	v1.GET("/erasures/:tombstone", s.erasure)
	v1.GET("/accounts/:domain", s.account)
	v1.GET("/reps", s.reps)
	v1.GET("/reps/:email/facts", s.kept)
	v1.GET("/reps/:email/exclusions", s.exclusions)
	v1.POST("/reps/:email/exclusions", s.exclude)
	v1.DELETE("/reps/:email/exclusions/:who", s.include)
	v1.POST("/events/:id/verdict", s.say)
	v1.GET("/attribution", s.attribution)
	v1.GET("/attribution/why", s.why)
	v1.GET("/spend", s.spend)
	v1.GET("/budgets", s.budgets)
	v1.POST("/budgets", s.newBudget)
	v1.GET("/budgets/:id", s.budget)
	v1.GET("/budgets/:id/links", s.links)
	v1.POST("/budgets/:id/links", s.newLink)
	v1.DELETE("/budgets/:id/links/:link", s.revokeLink)
	v1.GET("/runs", s.runs)
	v1.POST("/runs", s.startRun)
	v1.GET("/runs/:id", s.run)
	v1.POST("/runs/:id/stop", s.stopRun)
	v1.GET("/runs/:a/diff/:b", s.diff)
	v1.GET("/runs/:a/diff/:b/deals", s.diffDeals)
	v1.GET("/review", s.review)
	v1.POST("/review/:week/decisions", s.decide)
	v1.POST("/review/:week/xlsx", s.takeReview)
	v1.GET("/lift", s.lifts)
	v1.GET("/lift/:content", s.lift)
	v1.GET("/holdouts", s.holdouts)
	v1.POST("/holdouts", s.startHoldout)
	v1.GET("/holdouts/:id", s.holdout)
	v1.GET("/holdouts/:id/deals", s.holdoutDeals)
	v1.POST("/holdouts/:id/end", s.endHoldout)
	v1.GET("/requests", s.requests)
	v1.POST("/requests", s.ask)
	v1.POST("/requests/:id/answer", s.answerRequest)
	v1.GET("/notes", s.notes)
	v1.POST("/notes", s.note)
	v1.POST("/notes/:id/vote", s.vote)
	v1.GET("/lists", s.lists)
	v1.POST("/lists", s.addList)
	v1.GET("/lists/:id", s.list)
	v1.GET("/recommendations", s.recommendations)
	v1.GET("/outbox", s.channels)
	v1.POST("/outbox/test", s.testOutbox)
	v1.PUT("/outbox/digests/:rep", s.wantDigest)
	v1.GET("/goals", s.goals)
	v1.POST("/goals", s.agree)
	v1.GET("/service", s.service)
	v1.GET("/month", s.month)
	v1.GET("/dictionary", s.dictionary)
	v1.GET("/crm", s.crms)
	v1.GET("/crm/:name", s.crm)
	v1.POST("/crm/:name/check", s.checkCRM)
	v1.POST("/crm/:name/pull", s.pullCRM)
	v1.POST("/crm/:name/stages", s.setStages)
	v1.GET("/crm/:name/reconciliation", s.reconcile)
	v1.GET("/crm/:name/aside", s.aside)
	v1.POST("/crm/:name/aside", s.readAside)
	v1.GET("/bad", s.badEntries)
	v1.POST("/bad/replay", s.replayBad)
	v1.GET("/mailboxes", s.mailboxes)
	v1.POST("/mailboxes", s.addMailboxes)
	v1.DELETE("/mailboxes/:rep", s.removeMailbox)
	v1.POST("/mailboxes/:rep/pause", s.pauseMailbox)
	v1.POST("/mailboxes/:rep/resume", s.resumeMailbox)
	v1.POST("/mailboxes/:rep/check", s.checkMailbox)
	v1.POST("/backup", s.backup)
	v1.GET("/keys", s.keys)
	v1.POST("/keys", s.newKey)
	v1.DELETE("/keys/:name", s.revokeKey)
	v1.GET("/users", s.users)
	v1.POST("/users", s.addUser)
	v1.PUT("/users/:email", s.changeUser)
	v1.GET("/access", s.accessLog)
}

func (s *Server) ready(c echo.Context) error {
	if err := s.Ready(c.Request().Context()); err != nil {
		return trail.Problemf(trail.Unavailable, "Not ready: %s.", err)
	}
	return c.String(http.StatusOK, "ready\n")
}

func (s *Server) status(c echo.Context) error {
	ctx := c.Request().Context()
	st, err := s.Status(ctx)
	if err != nil {
		return err
	}
	if st.Health, err = s.DB.Health(ctx, s.terms(), st.Bad, s.Now()); err != nil {
		st.Health = nil // the store's trouble is told, and the rest is worth showing
	}
	return c.JSON(http.StatusOK, st)
}

// list is the shape of every list: Next is the value of after for the next
// page, empty on the last. A report says whose clicks it counts, by which model.
type list[T any] struct {
	Rows   []T         `json:"rows"`
	Next   string      `json:"next,omitempty"`
	Agents trail.Level `json:"agents,omitempty"`
	Model  string      `json:"model,omitempty"`
}

func listOf[T any](rows []T) list[T] {
	if rows == nil {
		rows = []T{}
	}
	return list[T]{Rows: rows}
}

func reportOf[T any](rows []T, f store.Filter) list[T] {
	l := listOf(rows)
	l.Agents, l.Model = f.Agents, f.Model
	return l
}
