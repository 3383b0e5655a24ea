package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

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
	"dealtrail/store/chdb"
	"dealtrail/trail"
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

// open acquires what is outside and wires the parts. It is long and flat on
// purpose: this is where everything meets.
func (p *program) open(ctx context.Context) (err error) {
	c := p.config
	dir := c.beside(c.Data.Dir)
	if p.clock == nil {
		p.clock = time.Now
	}
	if p.zone, err = time.LoadLocation(c.Company.Zone); err != nil {
		return err
	}
	lock, err := lockData(dir)
	if err != nil {
		return err
	}
	p.cleanup = append(p.cleanup, lock.Close)
	if p.node, err = ingest.NodeID(dir); err != nil {
		return err
	}
	if err := p.openListeners(); err != nil {
		return err
	}
	if err := p.openRedis(ctx, dir); err != nil {
		return err
	}
	if err := p.openStore(ctx, dir); err != nil {
		return err
	}
	keys, err := trail.ParseKeys(p.secrets.TokenKeys...)
	if err != nil {
		return err
	}
	contacts := trail.ContactKey(p.secrets.ContactKey)
	files := &ingest.Files{Dir: filepath.Join(dir, "files")}

	if err := p.openTombstones(ctx, dir, contacts); err != nil {
		return err
	}
	if err := p.openPipe(dir); err != nil {
		return err
	}
	p.catalogue = ingest.NewCatalogue(p.redis, p.db, filepath.Join(dir, "catalogue.json"), p.log)
	if err := p.catalogue.Load(ctx); err != nil {
		return fmt.Errorf("load catalogue: %w", err)
	}
	p.consents = &ingest.Consents{
		Redis: p.redis, DB: p.db, Snapshot: filepath.Join(dir, "choices.json"), Links: c.Tracking.Links, Pixel: c.Tracking.Pixel,
		Browsers: c.Tracking.HonourSignals, Emit: p.buffer.Append, Log: p.log, Now: time.Now, Tombstones: p.tombstones,
	}
	p.consents.Load(ctx)
	p.registry = &ingest.Registry{
		Buffer: p.buffer, DB: p.db, Catalogue: p.catalogue, Files: files, Keys: keys, Contacts: contacts,
		PublicURL: c.Server.PublicURL, AllowLocal: c.Tracking.AllowLocal, MayEmbed: p.consents.MayEmbed, Trap: c.Tracking.Trap, Now: time.Now,
		AnswerDays: c.Review.AnswerDays,
	}
	p.importer = &crm.Importer{
		Emit: p.buffer.Append, Settle: p.buffer.Settle, States: p.db.States, Known: p.db.Known, SubjectsOf: p.db.SubjectsOf, FactsOf: p.db.FactsOf,
		Contacts: contacts, Zone: p.zone, Now: time.Now, Listed: p.catalogue.Put, Erased: p.tombstones.Has,
	}
	p.openFeeds()
	if p.db.Definition, err = c.attribution().Definition(); err != nil {
		return err
	}
	p.job = &attribution.Job{
		DB: p.db, Settle: p.buffer.Settle, Options: c.attribution(), Patience: 45 * time.Second, Log: p.log, Now: time.Now,
		Alone: func(ctx context.Context) (func(), bool) { return ingest.Alone(ctx, p.redis, ingest.RunLease) },
	}
	p.holdouts = &attribution.Holdouts{
		DB: p.db, Emit: p.buffer.Append, Settle: p.buffer.Settle, Log: p.log, Now: time.Now,
		Alone: func(ctx context.Context) (func(), bool) { return ingest.Alone(ctx, p.redis, ingest.HoldoutLease) },
	}
	if err := p.openReviews(contacts); err != nil {
		return err
	}
	if err := p.openAccess(ctx, contacts); err != nil {
		return err
	}
	if err := p.openTracker(keys, files); err != nil {
		return err
	}
	p.acquaintances = &ingest.Acquaintances{Redis: p.redis, DB: p.db, Log: p.log, Tombstones: p.tombstones}
	if p.providers, err = c.providers(); err != nil {
		return err
	}
	p.mailboxes = &ingest.Mailboxes{Redis: p.redis, Key: contacts, Log: p.log, Now: time.Now, Changed: p.takeMailboxes}
	p.poller = p.newPoller(keys, contacts)
	p.takeMailboxes(nil)
	p.mailboxes.Load(ctx)
	connect, err := p.connect()
	if err != nil {
		return err
	}
	p.openBudgets()
	stop, err := p.openOutbox(contacts)
	if err != nil {
		return err
	}
	p.openEraser(contacts)
	p.feeds.Erase = p.eraseToldBy
	names := &ingest.RepNames{Redis: p.redis, Mode: trail.RepNames(c.Company.RepNames), Now: time.Now}
	p.site, err = dashboards.New(dashboards.Site{
		DB: p.db, Registry: p.registry, Consents: p.consents, Job: p.job, Holdouts: p.holdouts, Reviews: p.reviews, Zone: p.zone, PublicURL: c.Server.PublicURL, Version: version,
		Names: names, Addresses: crm.Addresses, Status: p.status, Demo: p.demo, Connect: connect, Digest: stop, Outbox: &dashboards.Outbox{Channels: p.outbox.Channels, Test: p.testOutbox}, Mailbox: p.mailboxPage(), Erase: p.eraser.Erase, CRM: p.crmPage(), Budgets: &dashboards.Budgets{New: p.budgets.New, Links: p.links, Address: c.pages()}, Since: c.Mailboxes.Since.From, SignedIn: p.access.User, SignIn: p.access.SignIn, SignOut: p.access.SignOut, Access: p.access, Now: p.clock, Log: p.log, Service: c.service(), ReviewList: func() int { return len(c.Review.MailTo) },
	})
	if err != nil {
		return err
	}
	p.server = &api.Server{
		DB: p.db, Buffer: p.buffer, Registry: p.registry, Consents: p.consents, Importer: p.importer, Feeds: p.feeds, Job: p.job, Holdouts: p.holdouts, Reviews: p.reviews, Access: p.access,
		Mailbox: p.mailboxActions(), Status: p.status, Ready: p.ready, Metrics: p.metrics(),
		Outbox: p.outboxActions(), Corrector: p.corrector, Budgets: p.budgetActions(), Exports: exports(), Tables: listFormats(p.zone), Names: names, TakeReview: p.takeReview, Eraser: p.eraser, Processing: p.processing, Backup: p.backup, Zone: p.zone, Since: c.Mailboxes.Since.From, Now: p.clock, Log: p.log, Service: c.service(), WriteRows: dashboards.WriteRows,
	}
	return nil
}

// openPipe wires what events travel through.
func (p *program) openPipe(dir string) (err error) {
	p.buffer = ingest.NewBuffer(p.redis, p.log)
	p.buffer.Reserve = int64(p.config.Redis.ReserveMB) << 20
	p.buffer.Visible = p.db.Wrote
	p.buffer.Tombstones = p.tombstones
	o := ingest.SpoolOptions{Dir: filepath.Join(dir, "spool"), MaxBytes: int64(p.config.Data.SpoolMB) << 20, Log: p.log}
	if p.buffer.Spool, err = ingest.OpenSpool(o); err != nil {
		return err
	}
	p.cleanup = append(p.cleanup, p.buffer.Spool.Close)
	p.loader = &ingest.Loader{Buffer: p.buffer, DB: p.db, Log: p.log, Node: p.node}
	p.nodes = &ingest.Nodes{Redis: p.redis, Own: p.nodeStatus}
	p.auditor = &ingest.Auditor{Buffer: p.buffer, DB: p.db, Spooled: p.spooled, Log: p.log}
	return nil
}

// openTracker wires what answers links and pixels.
func (p *program) openTracker(keys *trail.Keyring, files *ingest.Files) error {
	c := p.config
	var lists []string
	for _, path := range c.Tracking.Networks {
		lists = append(lists, c.beside(path))
	}
	networks, err := track.ReadNetworks(lists...)
	if err != nil {
		return fmt.Errorf("tracking.networks: %w", err)
	}
	p.visitors = &ingest.Visitors{Redis: p.redis, Log: p.log}
	p.corrector = &ingest.Corrector{Redis: p.redis, DB: p.db, Emit: p.buffer.Append, Settle: p.buffer.Settle, Log: p.log, Now: time.Now}
	p.tracker = &track.Tracker{
		Keys: keys, Lookup: p.catalogue.Lookup, File: files.Open, Emit: p.consents.Keep(p.buffer.Append),
		Fallback: c.Tracking.FallbackURL, Self: p.signedIn, Networks: networks, Hash: p.visitors.Hash, Own: p.visitors.Own,
		Stop: p.consents.Stop, NotFound: p.linkNotFound, Limit: strangers(), Now: time.Now, Log: p.log,
	}
	return nil
}

// openListeners binds first: an address in use is the commonest trouble and
// must not cost a start of the engine.
func (p *program) openListeners() (err error) {
	if p.main == nil {
		if p.main, err = net.Listen("tcp", p.config.Server.Listen); err != nil {
			return fmt.Errorf("server.listen: %w", err)
		}
	}
	p.cleanup = append(p.cleanup, closeListener(p.main))
	if a := p.config.Server.TrackingListen; a != "" && p.roles.has("track") {
		if p.tracking, err = net.Listen("tcp", a); err != nil {
			return fmt.Errorf("server.tracking_listen: %w", err)
		}
		p.cleanup = append(p.cleanup, closeListener(p.tracking))
	}
	return p.openTLS()
}

// closeListener closes a listener that a server may have closed already.
func closeListener(ln net.Listener) func() error {
	return func() error {
		if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}

func (p *program) openRedis(ctx context.Context, dir string) error {
	address := p.config.Redis.URL
	if address == "" {
		child, err := ingest.StartRedis(ctx, ingest.RedisOptions{
			Dir: filepath.Join(dir, "redis"), Memory: int64(p.config.Redis.MemoryMB) << 20, Log: p.log,
		})
		if err != nil {
			return fmt.Errorf("start redis: %w", err)
		}
		p.cleanup = append(p.cleanup, child.Close)
		p.children = append(p.children, child)
		address = child.URL()
	}
	logging.Disable() // go-redis would repeat on stderr what status says once
	rdb, err := ingest.Connect(address)
	if err != nil {
		return fmt.Errorf("redis.url: %w", err)
	}
	p.redis = rdb
	p.cleanup = append(p.cleanup, rdb.Close)
	if err := p.redis.Ping(ctx).Err(); err != nil { // links that we know need none
		p.log.Warn("redis.url: no answer yet", "err", err)
	}
	return nil
}

func (p *program) openStore(ctx context.Context, dir string) error {
	// Who only answers links or reads mail leaves the schema to the others.
	o := store.Options{URL: p.config.ClickHouse.URL, ReadURL: p.config.ClickHouse.ReadURL, Cluster: p.config.ClickHouse.Cluster, Migrate: p.roles.has("load") || p.roles.has("jobs") || p.roles.has("web"), Log: p.log}
	if o.URL == "" {
		library, err := chdb.FindLibrary(p.config.beside(p.config.ClickHouse.Library))
		if err != nil {
			return err
		}
		child, err := chdb.Start(ctx, chdb.Options{Library: library, Dir: filepath.Join(dir, "clickhouse"), Log: p.log})
		if err != nil {
			return fmt.Errorf("start engine: %w", err)
		}
		p.cleanup = append(p.cleanup, child.Close)
		p.children = append(p.children, child)
		o.Dial, o.Memory = child.DialContext, reportMemory()
	}
	db, err := store.Open(ctx, o)
	if err != nil {
		return fmt.Errorf("clickhouse.url or clickhouse.read_url: %w", err)
	}
	p.db = db
	p.cleanup = append(p.cleanup, db.Close)
	if err := db.Ping(ctx); err != nil {
		p.log.Warn("clickhouse.url: no answer yet", "err", err)
	}
	return nil
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
	sources := append(p.serveTLS(handler), listen(p.main, handler))
	if p.tracking != nil {
		sources = append(sources, listen(p.tracking, p.trackingHandler()))
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
