package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"

	"dealtrail/access"
	"dealtrail/api"
	"dealtrail/attribution"
	"dealtrail/dashboards"
	"dealtrail/ingest"
	"dealtrail/ingest/crm"
	"dealtrail/ingest/crm/feed"
	"dealtrail/ingest/mailbox"
	"dealtrail/ingest/track"
	"dealtrail/outbox"
	"dealtrail/store"
)

// program is everything that runs, wired. open acquires it, run blocks, close
// gives it back in reverse order.
type program struct {
	config   *Config
	secrets  *Secrets
	roles    roles  // empty: all of them, with children
	node     string // who we are among processes, see ingest.NodeID
	zone     *time.Location
	log      *slog.Logger
	cleanup  []func() error
	closed   error            // what went wrong while closing
	clock    func() time.Time // of pages, API and reviews; nil: time.Now
	patience time.Duration    // how long a page or report may take; 0: twenty seconds
	// children are the processes that plain serve owns; each is restarted when it dies.
	children []interface{ Pid() int }

	// The demo sets these; elsewhere they are nil.
	demo    *dashboards.Demo
	prepare func(context.Context) error // before anything is served
	routes  func(*echo.Group)
	guarded echo.HandlerFunc // of tests, see behindGuard

	redis         redis.UniversalClient
	db            *store.DB
	buffer        *ingest.Buffer
	loader        *ingest.Loader
	auditor       *ingest.Auditor
	nodes         *ingest.Nodes
	catalogue     *ingest.Catalogue
	registry      *ingest.Registry
	consents      *ingest.Consents
	visitors      *ingest.Visitors
	corrector     *ingest.Corrector
	acquaintances *ingest.Acquaintances
	tombstones    *ingest.Tombstones
	eraser        *ingest.Eraser
	importer      *crm.Importer
	feeds         *feed.Feeds
	tracker       *track.Tracker
	mailboxes     *ingest.Mailboxes
	poller        *mailbox.Poller
	job           *attribution.Job
	holdouts      *attribution.Holdouts
	reviews       *ingest.Reviews
	outbox        *outbox.Outbox
	budgets       *attribution.Budgets
	links         *ingest.Links
	access        *access.Access
	site          *dashboards.Site
	server        *api.Server

	providers map[string]*mailbox.Provider      // of mail, by name
	reps      atomic.Pointer[map[string]string] // whose an address on our side is
	adding    sync.Mutex                        // a mailbox

	main     net.Listener
	tracking net.Listener // nil: the main one serves links too
	secure   net.Listener // nil unless we have certificates: pages and links over TLS
	plain    net.Listener // who came without TLS
	issuer   *http.Client // who speaks to the authority of certificates; nil: http.DefaultClient
}

// serve runs the whole program until ctx ends. started runs beside the other
// parts once everything answers.
func serve(ctx context.Context, p *program, started func(context.Context) error) (err error) {
	defer func() {
		p.closed = p.close()
		err = errors.Join(err, p.closed)
	}()
	if err := p.open(ctx); err != nil {
		return err
	}
	return p.run(ctx, started)
}

func (p *program) close() (err error) {
	for i := len(p.cleanup) - 1; i >= 0; i-- {
		err = errors.Join(err, p.cleanup[i]())
	}
	return err
}

// bind listens at an address that a key of the configuration names.
func bind(key, address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("something else listens at %s, such as the demo or a dealtrail that runs already: end that, or set %s to another address", address, key)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("this user may not listen at %s: take a port from 1024 on for %s, or start as dealtrail.service does", address, key)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return ln, nil
}

// runJobs does what is due, in one process of all that have the role.
func (p *program) runJobs(ctx context.Context) error {
	leases := &ingest.Leases{Redis: p.redis, Node: p.node, Group: "jobs", Names: []string{ingest.JobsLease}, Log: p.log}
	return leases.Each(ctx, func(ctx context.Context, _ string) {
		layouts := func(ctx context.Context) error {
			return p.db.KeepLayouts(ctx, p.zone, !p.roles.has("web"), p.buffer.Settle)
		}
		if err := all(ctx, layouts, p.job.Run, p.auditor.Run, p.corrector.Run, p.acquaintances.Fill, p.measurer().Run, p.holdouts.Run, p.runReviewFiles, p.outbox.Run, p.access.Run, p.eraser.Run, p.retention().Run); err != nil {
			p.log.Error("jobs stopped, beginning again", "err", err)
		}
	})
}

// run blocks until ctx ends or a part fails. Deferred calls undo the start
// upwards: requests drain, then the loader finishes its batch and stops.
func (p *program) run(ctx context.Context, started func(context.Context) error) (err error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	sinks := []func(context.Context) error{p.buffer.Run, p.catalogue.Run, p.consents.Run, p.visitors.Run, p.nodes.Run, p.acquaintances.Run, p.mailboxes.Run, p.tombstones.Run}
	if p.roles.has("load") {
		sinks = append(sinks, p.loader.Run)
	}
	stop := behind(fail, sinks...)
	defer func() { err = errors.Join(err, stop()) }()

	if p.prepare != nil {
		if err := p.prepare(ctx); err != nil {
			return err
		}
	}
	handler := p.handler()
	sources := append(p.serveTLS(handler), listen(p.main, handler, p.log))
	if p.tracking != nil {
		sources = append(sources, listen(p.tracking, p.trackingHandler(), p.log))
	}
	if p.roles.has("poll") {
		sources = append(sources, p.poller.Run)
	}
	if p.roles.has("jobs") {
		sources = append(sources, p.runJobs, p.feeds.Run)
	}
	if started != nil {
		sources = append(sources, started)
	}
	err = all(ctx, sources...)
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return err
}

// address is where the commands on this machine find the server.
func (c *Config) address() string {
	host, port, _ := net.SplitHostPort(c.Server.Listen)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return (&url.URL{Scheme: "http", Host: net.JoinHostPort(host, port)}).String()
}
