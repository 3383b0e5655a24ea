// Command bench-mail measures how fast mailboxes are read, against mbsync and on
// one machine, and writes what it saw to docs/bench/mailboxes.md. `make
// bench-mail` runs it. It fails if a bar is not reached, after the page is
// written: nothing is left out of it because it looks bad.
package main

import (
	"context"
	"errors"
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
)

// bench is one run.
type bench struct {
	*host
	dir    string // where everything is put, on the disk that is measured
	report strings.Builder
	missed []string // the bars that were not reached
}

var errMissed = errors.New("a bar is not reached")

func main() {
	logging.Disable()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-mail:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	out := flag.String("out", "docs/bench/mailboxes.md", "where the page is written")
	only := flag.String("only", "sync,quiet", "what to measure")
	mails := flag.Int("mails", 20_000, "mails of the first reading")
	rounds := flag.Int("rounds", 3, "readings by each program")
	boxes := flag.Int("boxes", 200, "mailboxes of the quiet look")
	flag.Parse()

	b := &bench{host: &host{}}
	defer func() { err = errors.Join(err, b.end(recover())) }()
	if b.dir, err = os.MkdirTemp("", "dealtrail-bench-"); err != nil {
		return err
	}
	b.Cleanup(func() { os.RemoveAll(b.dir) })
	b.head()
	for _, part := range []struct {
		name    string
		measure func(context.Context) error
	}{
		{"sync", func(ctx context.Context) error { return b.sync(ctx, *mails, *rounds) }},
		{"quiet", func(ctx context.Context) error { return b.quiet(ctx, *boxes) }},
	} {
		if !slices.Contains(strings.Split(*only, ","), part.name) {
			continue
		}
		fmt.Fprintln(os.Stderr, "measuring:", part.name)
		if err := part.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	fmt.Print(b.report.String())
	if err := os.MkdirAll(filepath.Dir(*out), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(*out, []byte(b.report.String()), 0o644); err != nil {
		return err
	}
	if len(b.missed) > 0 {
		return fmt.Errorf("%w: %s", errMissed, strings.Join(b.missed, "; "))
	}
	return nil
}

// say adds to the page.
func (b *bench) say(format string, args ...any) { fmt.Fprintf(&b.report, format, args...) }

// bar adds a bar to the page, and whether it was reached.
func (b *bench) bar(reached bool, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	verdict := "reached"
	if !reached {
		verdict = "**not reached**"
		b.missed = append(b.missed, what)
	}
	b.say("- %s: %s.\n", what, verdict)
}

// head says on what was measured.
func (b *bench) head() {
	version := output("git", "describe", "--tags", "--always", "--dirty")
	b.say("# How fast mailboxes are read\n\nWritten by `make bench-mail` on %s; dealtrail %s, %s, Dovecot %s, %s.\n", time.Now().Format(time.DateOnly), version, runtime.Version(),
		strings.Fields(output("/usr/sbin/dovecot", "--version"))[0], output("mbsync", "--version"))
	b.say("Machine: %s, %d cores, %s of memory, Linux %s, %s. Everything runs on it, the mail server included.\n",
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

// median of some durations.
func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

func seconds(all []time.Duration) string {
	var out []string
	for _, d := range all {
		out = append(out, fmt.Sprintf("%.1f", d.Seconds()))
	}
	return strings.Join(out, ", ")
}
