// Command bench measures the pipe against named yardsticks, in one run on one
// machine, and writes what it saw to docs/bench/pipe.md. `make bench` runs it.
//
// Numbers of one machine say little about another; the ratios say more. Nothing
// is left out of the page because it looks bad.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"dealtrail/store/chdb"
)

// bench is one run.
type bench struct {
	dealtrail string        // the program
	dir       string        // where everything is put, on the disk that is measured
	measure   time.Duration // of one round
	rate      int           // clicks a second while we look how soon they are visible
	report    strings.Builder
}

func main() {
	if chdb.IsChild() {
		os.Exit(chdb.ServeChild())
	}
	if yardstick := os.Getenv(yardstickEnv); yardstick != "" {
		fail(serveYardstick(yardstick))
		return
	}
	logging.Disable()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fail(run(ctx))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	b := &bench{}
	var out, only string
	flag.StringVar(&b.dealtrail, "dealtrail", "bin/dealtrail", "the program to measure")
	flag.StringVar(&out, "out", "docs/bench/pipe.md", "where the page is written")
	flag.StringVar(&only, "only", "redirect,load,visible", "what to measure")
	flag.DurationVar(&b.measure, "round", 10*time.Second, "how long one round of redirects lasts")
	visible := flag.Duration("visible", time.Minute, "how long clicks come while we look how soon they are visible")
	flag.IntVar(&b.rate, "rate", 5000, "clicks a second meanwhile")
	events := flag.Int("events", 1_000_000, "events in the stream that is loaded")
	flag.Parse()

	var err error
	if b.dealtrail, err = filepath.Abs(b.dealtrail); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "dealtrail-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	b.head()
	for _, part := range []struct {
		name    string
		measure func(context.Context) error
	}{
		{"redirect", b.redirects},
		{"load", func(ctx context.Context) error { return b.loading(ctx, *events) }},
		{"visible", func(ctx context.Context) error { return b.visibility(ctx, *visible) }},
	} {
		if !slices.Contains(strings.Split(only, ","), part.name) {
			continue
		}
		fmt.Fprintln(os.Stderr, "measuring:", part.name)
		if err := part.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	fmt.Print(b.report.String())
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(out, []byte(b.report.String()), 0o644)
}

// say adds to the page.
func (b *bench) say(format string, args ...any) { fmt.Fprintf(&b.report, format, args...) }

// head says on what was measured.
func (b *bench) head() {
	version, _ := exec.Command(b.dealtrail, "version").Output()
	b.say("# How fast the pipe is\n\nWritten by `make bench` on %s; dealtrail %s, %s.\n", time.Now().Format(time.DateOnly), strings.TrimSpace(string(version)), runtime.Version())
	b.say("Machine: %s, %d cores, %s of memory, Linux %s, %s. Everything runs on it, the load included.\n",
		field("/proc/cpuinfo", "model name"), runtime.NumCPU(), field("/proc/meminfo", "MemTotal"), output("uname", "-r"), output("stat", "-f", "-c", "%T", b.dir))
}

// field returns what stands behind a name in a file of /proc.
func field(file, name string) string {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func output(name string, args ...string) string {
	text, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}

// percentile of durations that are sorted.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(p*float64(len(sorted))), len(sorted)-1)]
}

// bar says whether a bar is reached.
func bar(reached bool) string {
	if reached {
		return "reached"
	}
	return "**not reached**"
}
