package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"dealtrail/api"
	"dealtrail/attribution"
	"dealtrail/dashboards"
	"dealtrail/ingest"
	"dealtrail/ingest/crm"
	"dealtrail/ingest/track"
	"dealtrail/store"
	"dealtrail/store/chdb"
	"dealtrail/trail"
)

// open acquires what is outside and wires the parts, each of those before it: this is
// where everything meets.
func (p *program) open(ctx context.Context) (err error) {
	dir := p.config.beside(p.config.Data.Dir)
	if err := p.openGround(ctx, dir); err != nil {
		return err
	}
	keys, err := trail.ParseKeys(p.secrets.TokenKeys...)
	if err != nil {
		return err
	}
	contacts := trail.ContactKey(p.secrets.ContactKey)
	files := &ingest.Files{Dir: filepath.Join(dir, "files")}
	if err := p.openSources(ctx, dir, keys, contacts, files); err != nil {
		return err
	}
	if err := p.openAttribution(); err != nil {
		return err
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
	if err := p.openMail(ctx, keys, contacts); err != nil {
		return err
	}
	p.openBudgets()
	stop, err := p.openOutbox(contacts)
	if err != nil {
		return err
	}
	p.openEraser(contacts)
	p.feeds.Erase = p.eraseToldBy
	return p.openPages(stop)
}

// openGround acquires what all parts stand on: the data folder, addresses, Redis and the store.
func (p *program) openGround(ctx context.Context, dir string) (err error) {
	if p.clock == nil {
		p.clock = time.Now
	}
	if p.zone, err = time.LoadLocation(p.config.Company.Zone); err != nil {
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
	return p.openStore(ctx, dir)
}

// openSources wires what takes events in, besides mail and links, and what knows content, choices and the erased.
func (p *program) openSources(ctx context.Context, dir string, keys *trail.Keyring, contacts trail.ContactKey, files *ingest.Files) error {
	c := p.config
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
	return nil
}

// alone returns how work under a lease begins.
func (p *program) alone(lease string) func(context.Context) (context.Context, func(), bool) {
	return func(ctx context.Context) (context.Context, func(), bool) { return ingest.Alone(ctx, p.redis, lease) }
}

func (p *program) openAttribution() (err error) {
	options := p.config.attribution()
	if p.db.Definition, err = options.Definition(); err != nil {
		return err
	}
	p.job = &attribution.Job{
		DB: p.db, Settle: p.buffer.Settle, Options: options, Patience: 45 * time.Second, Log: p.log, Now: time.Now, Alone: p.alone(ingest.RunLease),
	}
	p.holdouts = &attribution.Holdouts{
		DB: p.db, Emit: p.buffer.Append, Settle: p.buffer.Settle, Log: p.log, Now: time.Now, Alone: p.alone(ingest.HoldoutLease),
	}
	return nil
}

// openMail wires what reads mailboxes.
func (p *program) openMail(ctx context.Context, keys *trail.Keyring, contacts trail.ContactKey) (err error) {
	p.acquaintances = &ingest.Acquaintances{Redis: p.redis, DB: p.db, Log: p.log, Tombstones: p.tombstones}
	if p.providers, err = p.config.providers(); err != nil {
		return err
	}
	p.mailboxes = &ingest.Mailboxes{Redis: p.redis, Key: contacts, Log: p.log, Now: time.Now, Changed: p.takeMailboxes}
	p.poller = p.newPoller(keys, contacts)
	p.takeMailboxes(nil)
	p.mailboxes.Load(ctx)
	return nil
}

// openPages wires pages and API. digest is how a rep ends the digests.
func (p *program) openPages(digest *dashboards.Digest) error {
	c := p.config
	connect, err := p.connect()
	if err != nil {
		return err
	}
	names := &ingest.RepNames{Redis: p.redis, Mode: trail.RepNames(c.Company.RepNames), Now: time.Now}
	p.site, err = dashboards.New(dashboards.Site{
		DB: p.db, Registry: p.registry, Consents: p.consents, Job: p.job, Holdouts: p.holdouts, Reviews: p.reviews, Access: p.access, Names: names,
		Budgets: &dashboards.Budgets{New: p.budgets.New, Links: p.links, Address: c.pages()},
		Outbox:  &dashboards.Outbox{Channels: p.outbox.Channels, Test: p.testOutbox},
		Mailbox: p.mailboxPage(), CRM: p.crmPage(), Connect: connect, Digest: digest, Erase: p.eraser.Erase, Demo: p.demo,
		SignedIn: p.access.User, SignIn: p.access.SignIn, SignOut: p.access.SignOut,
		Status: p.status, Addresses: crm.Addresses, Service: c.service(), Since: c.Mailboxes.Since.From, ReviewList: func() int { return len(c.Review.MailTo) },
		Zone: p.zone, PublicURL: c.Server.PublicURL, Version: version, Now: p.clock, Log: p.log,
	})
	if err != nil {
		return err
	}
	p.server = &api.Server{
		DB: p.db, Buffer: p.buffer, Registry: p.registry, Consents: p.consents, Importer: p.importer, Feeds: p.feeds, Job: p.job, Holdouts: p.holdouts, Reviews: p.reviews, Access: p.access, Names: names,
		Mailbox: p.mailboxActions(), Outbox: p.outboxActions(), Budgets: p.budgetActions(), TakeReview: p.takeReview, Corrector: p.corrector, Eraser: p.eraser, Processing: p.processing, Backup: p.backup,
		Status: p.status, Ready: p.ready, Metrics: p.metrics(), Service: c.service(), Since: c.Mailboxes.Since.From,
		Exports: exports(), Tables: listFormats(p.zone), WriteRows: dashboards.WriteRows, Zone: p.zone, Now: p.clock, Log: p.log,
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
		if p.main, err = bind("server.listen", p.config.Server.Listen); err != nil {
			return err
		}
	}
	p.cleanup = append(p.cleanup, closeListener(p.main))
	if a := p.config.Server.TrackingListen; a != "" && p.roles.has("track") {
		if p.tracking, err = bind("server.tracking_listen", a); err != nil {
			return err
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
