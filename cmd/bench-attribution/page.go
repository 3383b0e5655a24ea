package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// say adds to the page.
func (b *bench) say(format string, args ...any) { fmt.Fprintf(&b.page, format, args...) }

// head says on what was measured.
func (b *bench) head() {
	version, _ := exec.Command("git", "describe", "--tags", "--always", "--dirty").Output()
	b.say("# How long attribution takes\n\nWritten by `make bench-attribution` on %s; dealtrail %s, %s, the embedded engine.\n", time.Now().Format(time.DateOnly), strings.TrimSpace(string(version)), runtime.Version())
	b.say("Machine: %s, %d cores, %s of memory. Times are of the fastest of three rounds, above %d million touches of one.\n\n", field("/proc/cpuinfo", "model name"), runtime.NumCPU(), field("/proc/meminfo", "MemTotal"), large/1_000_000)
	b.say("Made-up companies: 500 contents, seven touches a deal, two contacts a deal; 23 %% of the deals are won, 57 %% lost. Each run starts from the table `events`, ties touches\nto deals, stores every touch's credit and ends with the run's row.\n")
}

// curve says how times grow.
func (b *bench) curve() {
	b.say("\n| touches | events | one plain pass | all rules | rules and Markov | 200 replicates | lift of all contents | everything | this process |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, s := range b.seen {
		b.say("| %s | %s | %s | %s | %s | %s | %s | %s | %d MB |\n", million(s.touches), million(s.events), seconds(s.pass), seconds(s.rules), seconds(s.chain), seconds(s.bootstrap), seconds(s.lift), seconds(s.all), s.memory>>20)
	}
	b.say("\nOne plain pass is the yardstick: `SELECT count(), uniq(deal), uniq(contact), uniq(content), sum(length(attrs)) FROM events FINAL`. All rules take")
	for i, s := range b.seen {
		if i > 0 {
			b.say(",")
		}
		b.say(" %.1f", float64(s.rules)/float64(s.pass))
	}
	b.say(" times as long.\nEverything is all nine models with intervals, Shapley values and their intervals, lift, hazards and placebo.\n")
	for i := 1; i < len(b.seen); i++ {
		s, t := b.seen[i-1], b.seen[i]
		b.say("From %s to %s touches (%.0f times as many) all rules take %.1f times as long.\n", million(s.touches), million(t.touches), float64(t.touches)/float64(s.touches), float64(t.rules)/float64(s.rules))
	}
	for _, s := range b.seen {
		if len(s.parts) == 0 {
			continue
		}
		b.say("\nParts of everything at %s touches, in seconds (parts that run at once count each):", million(s.touches))
		names := slices.SortedFunc(maps.Keys(s.parts), func(x, y string) int { return int(s.parts[y] - s.parts[x]) })
		for _, name := range names {
			if s.parts[name] >= 50*time.Millisecond {
				b.say(" %s %.1f,", name, s.parts[name].Seconds())
			}
		}
		b.say(" all others less.\n")
	}
}

// bars says which bars were reached.
func (b *bench) bars() {
	b.say("\n")
	for _, s := range b.seen {
		switch s.touches {
		case 7_000_000:
			b.bar(s.rules < 10*time.Second, "7 million touches, all rules: %s (bar 10 s)", seconds(s.rules))
			b.bar(s.chain < 12*time.Second, "with exact Markov: %s (bar 12 s)", seconds(s.chain))
			b.bar(s.bootstrap < 30*time.Second, "200 bootstrap replicates: %s (bar 30 s)", seconds(s.bootstrap))
			b.bar(s.lift < 5*time.Second, "lift of all contents: %s (bar 5 s)", seconds(s.lift))
		case 70_000_000:
			b.bar(s.rules < 90*time.Second, "70 million touches, all rules: %s (bar 90 s)", seconds(s.rules))
			b.bar(s.memory < 500<<20, "memory of this process: %d MB (bar 500 MB)", s.memory>>20)
		}
	}
	b.say("\nFor comparison, measured elsewhere on two cores (research of this project): ChannelAttribution 2.0.7 takes 69.5 s for a simulated Markov model of\n1 million journeys, 7 million touches and 500 contents, already in memory, with an error of 4.4 %%.\n")
}

func (b *bench) bar(reached bool, format string, args ...any) {
	what, verdict := fmt.Sprintf(format, args...), "reached"
	if !reached {
		verdict = "**not reached**"
		b.missed = append(b.missed, what)
	}
	b.say("- %s: %s.\n", what, verdict)
}

func million(n uint64) string { return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) + " M" }

func seconds(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// peak is the most memory that this process has had, in bytes.
func peak() uint64 {
	kb, _ := strconv.ParseUint(strings.Fields(field("/proc/self/status", "VmHWM"))[0], 10, 64)
	return kb << 10
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
