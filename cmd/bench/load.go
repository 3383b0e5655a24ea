package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"dealtrail/ingest"
	"dealtrail/store"
	"dealtrail/store/chdb"
	"dealtrail/trail"
)

const loadRounds = 3

// loading measures how fast a full stream gets into ClickHouse, against a bare
// batch insert of the same rows by the same driver into the same engine.
func (b *bench) loading(ctx context.Context, n int) error {
	library, err := chdb.FindLibrary("")
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	engine, err := chdb.Start(ctx, chdb.Options{Library: library, Dir: filepath.Join(b.dir, "engine"), Log: log})
	if err != nil {
		return err
	}
	defer engine.Close()
	var loader, bare float64
	for round := range loadRounds {
		events := clicks(round*n, n)
		rate, err := b.loadOnce(ctx, engine, round, events, log)
		if err != nil {
			return err
		}
		loader = max(loader, rate)
		if rate, err = bareInsert(ctx, engine, round, events); err != nil {
			return err
		}
		bare = max(bare, rate)
	}
	b.say("\n## Loader\n\n%d events in the streams, of %d shares, until they are visible, all arrivals noted; bare: clickhouse-go, batches of 50,000 of the same rows into the same table, one after the other. The best of %d rounds in turns.\n\n", n, shares, loadRounds)
	b.say("| What | events/s | of bare |\n|---|---:|---:|\n| Loader | %.0f | %.2f |\n| bare batch insert | %.0f | 1.00 |\n", loader, loader/bare, bare)
	b.say("\n- At least a third of bare: %s (%.2f).\n- 100,000 events/s or more: %s (%.0f/s).\n", bar(loader >= bare/3), loader/bare, bar(loader >= 100_000), loader)
	return nil
}

func (b *bench) open(ctx context.Context, engine *chdb.Child, database string) (*store.DB, error) {
	return store.Open(ctx, store.Options{Dial: engine.DialContext, Database: database, Migrate: true, Log: slog.New(slog.DiscardHandler)})
}

// loadOnce fills the streams of a fresh Redis and returns how many events a
// second a loader makes visible.
func (b *bench) loadOnce(ctx context.Context, engine *chdb.Child, round int, events []trail.Event, log *slog.Logger) (float64, error) {
	db, err := b.open(ctx, engine, fmt.Sprintf("loader%d", round))
	if err != nil {
		return 0, err
	}
	defer db.Close()
	r, err := ingest.StartRedis(ctx, ingest.RedisOptions{Dir: filepath.Join(b.dir, fmt.Sprintf("redis%d", round)), Memory: 4 << 30, Log: log})
	if err != nil {
		return 0, err
	}
	defer r.Close()
	rdb, err := ingest.Connect(r.URL())
	if err != nil {
		return 0, err
	}
	defer rdb.Close()
	buffer := ingest.NewBuffer(rdb, log)
	if err := buffer.Append(ctx, events...); err != nil {
		return 0, err
	}
	loading, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	began := time.Now()
	go func() { done <- (&ingest.Loader{Buffer: buffer, DB: db, Log: log, Node: "bench"}).Run(loading) }()
	err = buffer.Settle(ctx)
	took := time.Since(began)
	stop()
	<-done
	if err != nil {
		return 0, err
	}
	counts, err := db.Counts(ctx)
	if err == nil && counts.Events != uint64(len(events)) {
		err = fmt.Errorf("%d events are stored, not %d", counts.Events, len(events))
	}
	return float64(len(events)) / took.Seconds(), err
}

// bareInsert returns how many of the rows a second a plain batch insert stores.
func bareInsert(ctx context.Context, engine *chdb.Child, round int, events []trail.Event) (float64, error) {
	name := fmt.Sprintf("bare%d", round)
	db, err := store.Open(ctx, store.Options{Dial: engine.DialContext, Database: name, Migrate: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	conn, err := clickhouse.Open(&clickhouse.Options{
		Protocol: clickhouse.HTTP, Addr: []string{"engine"}, DialContext: engine.DialContext, Auth: clickhouse.Auth{Database: name},
	})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	began := time.Now()
	for len(events) > 0 {
		rows := events[:min(50_000, len(events))]
		events = events[len(rows):]
		if err := bareBatch(ctx, conn, rows); err != nil {
			return 0, err
		}
	}
	took := time.Since(began)
	counts, err := db.Counts(ctx)
	return float64(counts.Events) / took.Seconds(), err
}

func bareBatch(ctx context.Context, conn driver.Conn, rows []trail.Event) error {
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO events (id, revision, kind, at, received_at, revised_at, source, content, share, message, contact, account, rep, deal, stage, agent, probability, rules, signal, note, attrs)")
	if err != nil {
		return err
	}
	defer batch.Close()
	epoch := time.UnixMilli(0).UTC()
	for i := range rows {
		e := &rows[i]
		err := batch.Append(e.ID[:], e.Revision, string(e.Kind), e.At, e.ReceivedAt, epoch, e.Source, e.Content, string(e.Share), e.Message, string(e.Contact),
			e.Account, e.Rep, e.Deal, e.Stage, string(e.Agent), e.Probability, e.Rules, e.Signal, e.Note, map[string]string{})
		if err != nil {
			return err
		}
	}
	return batch.Send()
}

// shares is of how many links the clicks are.
const shares = 10_000

// clicks are as the tracker makes them, of one second after the other.
func clicks(from, n int) []trail.Event {
	began := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	events := make([]trail.Event, n)
	for i := range events {
		at := began.Add(time.Duration(from+i) * time.Millisecond)
		events[i] = trail.Event{
			ID: trail.NewID(at), Kind: trail.Clicked, At: at, ReceivedAt: at, Source: "track",
			Content: fmt.Sprintf("content-%d", i%200), Share: trail.ShareID(fmt.Sprintf("s%s%05d", strings.Repeat("a", 4), i%shares)),
			Verdict: trail.Verdict{Agent: trail.Human, Probability: 0.9, Rules: []string{"browser"}},
		}
	}
	return events
}
