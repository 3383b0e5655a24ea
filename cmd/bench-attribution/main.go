// Command bench-attribution measures how long runs take, from the events to the
// row of the run, and how that grows, and writes what it saw to
// docs/bench/attribution.md. `make bench-attribution` runs it. It fails if a bar
// is not reached, after the page is written: nothing is left out of it because it
// looks bad.
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
	"strconv"
	"strings"

	"dealtrail/store/chdb"
)

var errMissed = errors.New("a bar is not reached")

func main() {
	if chdb.IsChild() {
		os.Exit(chdb.ServeChild())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-attribution:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	out := flag.String("out", "docs/bench/attribution.md", "where the page is written")
	sizes := flag.String("touches", "1000000,7000000,70000000", "how many touches, smallest first")
	dir := flag.String("dir", "", "folder of the databases, which are kept and used again; empty: a new one, removed at the end")
	flag.Parse()
	b := &bench{dir: *dir}
	if b.dir == "" {
		var err error
		if b.dir, err = os.MkdirTemp("", "dealtrail-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(b.dir)
	}
	b.head()
	for _, size := range strings.Split(*sizes, ",") {
		touches, err := strconv.ParseUint(size, 10, 64)
		if err != nil {
			return err
		}
		if err := b.measure(ctx, touches); err != nil {
			return fmt.Errorf("%d touches: %w", touches, err)
		}
	}
	b.curve()
	b.bars()
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

// quiet is the engine's log: only what goes wrong.
var quiet = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
