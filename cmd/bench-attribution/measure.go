package main

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"dealtrail/attribution"
	"dealtrail/store"
	"dealtrail/store/chdb"
)

//go:embed grow.sql
var growth string

// bench is one measuring.
type bench struct {
	dir    string
	page   strings.Builder
	seen   []seen
	missed []string
}

// seen is what was measured at one size; times are of the fastest of its rounds.
type seen struct {
	touches, events    uint64
	pass               time.Duration // one plain pass over all events: the yardstick
	rules, chain, lift time.Duration // runs of all rules; of these and Markov, without its intervals; counting and judging lifts
	bootstrap, all     time.Duration // 200 replicates; the whole run of all models and lifts
	parts              map[string]time.Duration
	memory             uint64 // most that this process had, in bytes
}

// rules are all models that need no other deals.
var rules = []string{"first", "last", "linear", "decay", "u", "w", "full"}

// large is from where on the models that are not needed for the bars are left out.
const large = 20_000_000

func (b *bench) measure(ctx context.Context, touches uint64) error {
	library, err := chdb.FindLibrary("")
	if err != nil {
		return err
	}
	dir := filepath.Join(b.dir, fmt.Sprint(touches))
	_, there := os.Stat(dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	engine, err := chdb.Start(ctx, chdb.Options{Dir: dir, Library: library, Log: quiet})
	if err != nil {
		return err
	}
	defer engine.Close()
	db, err := store.Open(ctx, store.Options{Dial: engine.DialContext, Database: "bench", Migrate: true, Log: quiet})
	if err != nil {
		return err
	}
	defer db.Close()
	if there != nil {
		if err := grow(ctx, db, touches); err != nil {
			return fmt.Errorf("make the events: %w", err)
		}
	}
	s := seen{touches: touches, parts: map[string]time.Duration{}}
	if err := s.yardstick(ctx, db); err != nil {
		return err
	}
	rounds := 3
	if touches > large {
		rounds = 1
	}
	for range rounds {
		if err := s.round(ctx, db); err != nil {
			return err
		}
	}
	s.memory = peak()
	b.seen = append(b.seen, s)
	return nil
}

// grow makes the events: a million deals for seven million touches, and so on. They
// come in parts, in the order of time, as events do.
func grow(ctx context.Context, db *store.DB, touches uint64) error {
	for from := uint64(0); from < touches; from += 7_000_000 {
		for _, statement := range strings.Split(growth, ";\n") {
			n := min(7_000_000, touches-from)
			err := db.Exec(ctx, statement, clickhouse.Named("from", from), clickhouse.Named("n", n), clickhouse.Named("all", touches))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// yardstick is how long the engine takes to read every event once, without copies,
// and to count something of each deal, content and contact.
func (s *seen) yardstick(ctx context.Context, db *store.DB) error {
	for range 3 {
		started := time.Now()
		rows, err := db.Query(ctx, "SELECT count(), uniq(deal), uniq(contact), uniq(content), sum(length(attrs)) FROM events FINAL")
		if err != nil {
			return err
		}
		for rows.Next() {
			var deals, contacts, contents, attrs uint64
			if err := rows.Scan(&s.events, &deals, &contacts, &contents, &attrs); err != nil {
				return err
			}
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			return err
		}
		s.pass = fastest(s.pass, time.Since(started))
	}
	return nil
}

// round is one run of the rules and, if there is time for it, one of everything.
func (s *seen) round(ctx context.Context, db *store.DB) error {
	took, _, err := compute(ctx, db, attribution.Request{Models: rules})
	if err != nil {
		return err
	}
	s.rules = fastest(s.rules, took)
	if s.touches > large {
		return nil
	}
	took, parts, err := compute(ctx, db, attribution.Request{Models: append(slices.Clone(rules), "markov")})
	if err != nil {
		return err
	}
	s.bootstrap = fastest(s.bootstrap, parts["journeys"]+parts["intervals"])
	s.chain = fastest(s.chain, took-parts["journeys"]-parts["intervals"])
	took, parts, err = compute(ctx, db, attribution.Request{})
	if err != nil {
		return err
	}
	if s.all == 0 || took < s.all {
		s.all, s.parts = took, parts
	}
	s.lift = fastest(s.lift, parts["lift_entries"]+parts["judge"])
	return nil
}

// compute is one run, with how long its parts took.
func compute(ctx context.Context, db *store.DB, r attribution.Request) (time.Duration, map[string]time.Duration, error) {
	parts := &recorder{took: map[string]time.Duration{}}
	o := attribution.DefaultOptions("EUR")
	o.Rates = map[string]string{"USD": "0.92"}
	job := &attribution.Job{DB: db, Options: o, Log: slog.New(parts)}
	started := time.Now()
	_, err := job.Once(ctx, r)
	return time.Since(started), parts.took, err
}

// recorder is a log that keeps how long parts of a run took.
type recorder struct {
	mu   sync.Mutex
	took map[string]time.Duration
}

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r *recorder) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *recorder) WithGroup(string) slog.Handler            { return r }

func (r *recorder) Handle(_ context.Context, record slog.Record) error {
	var name string
	var took time.Duration
	record.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "part":
			name = a.Value.String()
		case "took":
			took = a.Value.Duration()
		}
		return true
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if name != "" {
		r.took[name] += took
	}
	return nil
}

// fastest of a time and those before; 0 is none.
func fastest(before, now time.Duration) time.Duration {
	if before == 0 || now < before {
		return now
	}
	return before
}
