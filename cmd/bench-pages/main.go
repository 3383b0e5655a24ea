// Command bench-pages measures how long pages take with ten million events, from
// the request to the last byte and in a browser, and writes what it saw to
// docs/bench/pages.md. `make bench-pages` runs it. It fails if a bar is not
// reached, after the page is written: nothing is left out of it because it looks
// bad.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"dealtrail/store/chdb"
)

var errMissed = errors.New("a bar is not reached")

// quiet is the engine's log: only what goes wrong.
var quiet = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))

// bench is one measuring.
type bench struct {
	dealtrail string // the program that is measured
	dir       string
	events    uint64
	page      strings.Builder
	missed    []string
}

func main() {
	if chdb.IsChild() {
		os.Exit(chdb.ServeChild())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-pages:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	b := &bench{}
	out := flag.String("out", "docs/bench/pages.md", "where the page is written")
	rounds := flag.Int("rounds", 20, "how often each page is asked for")
	flag.StringVar(&b.dealtrail, "dealtrail", "bin/dealtrail", "the program that is measured")
	flag.StringVar(&b.dir, "dir", "", "folder of the installation, which is kept and used again; empty: a new one, removed at the end")
	flag.Uint64Var(&b.events, "events", 10_000_000, "about how many events there are")
	flag.Parse()
	var err error
	if b.dealtrail, err = filepath.Abs(b.dealtrail); err != nil {
		return err
	}
	if b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "dealtrail-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(b.dir)
	}
	if err := b.install(ctx); err != nil {
		return fmt.Errorf("make the company: %w", err)
	}
	p, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer p.stop()
	if err := b.measure(ctx, p, *rounds); err != nil {
		return err
	}
	fmt.Print(b.page.String())
	if err := os.MkdirAll(filepath.Dir(*out), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(*out, []byte(b.page.String()), 0o644); err != nil {
		return err
	}
	if len(b.missed) > 0 {
		return fmt.Errorf("%w: %s", errMissed, strings.Join(b.missed, "; "))
	}
	return nil
}
