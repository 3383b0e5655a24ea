package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

const (
	medianBar = 300 * time.Millisecond
	p95Bar    = time.Second
	reviewBar = 3 * time.Second
	paintBar  = 1500 * time.Millisecond
)

// pages are what is asked for, each with other things in each round.
func (b *bench) pages(r *rand.Rand) []string {
	content := func() string { return fmt.Sprintf("doc-%03d", r.IntN(500)) }
	deal := func() string { return fmt.Sprintf("D%d", r.Uint64N(b.deals())) }
	account := r.Uint64N(b.accounts())
	one := r.IntN(500)
	other := (one + 1 + r.IntN(499)) % 500
	level := []string{"all", "likely", "strict"}[r.IntN(3)]
	return []string{
		"/?agents=" + level, "/content/" + content() + "?agents=" + level, "/content/found", "/deals", "/deals/" + deal() + "?agents=" + level,
		"/contacts/" + url.PathEscape(fmt.Sprintf(address, account*5+r.Uint64N(5), account)), fmt.Sprintf("/accounts/co%d.example", account),
		"/reps?agents=" + level, "/review?agents=" + level, "/send", "/send?deal=" + deal(), "/share", "/requests", "/notes", "/lift", "/lift/" + content(), "/holdouts",
		"/runs", "/quality", "/baseline", "/status", "/start", "/models", "/mailbox", "/budget", "/numbers", "/month", "/lists", "/crm",
		fmt.Sprintf("/content/compare?a=doc-%03d&b=doc-%03d", one, other),
	}
}

// name is what pages that differ only in what they are about are called.
func name(page string) string {
	path, query, _ := strings.Cut(page, "?")
	parts := strings.Split(path, "/")
	if len(parts) > 2 && parts[2] != "found" && parts[2] != "compare" {
		parts[2] = "…"
	}
	if strings.HasPrefix(query, "deal=") {
		return strings.Join(parts, "/") + "?deal=…"
	}
	return strings.Join(parts, "/")
}

func (b *bench) measure(ctx context.Context, p *program, rounds int) error {
	status := struct {
		Events   uint64
		Deals    uint64
		Contacts uint64
		Contents uint64
	}{}
	if err := p.api.Get(ctx, "/v1/status", nil, &status); err != nil {
		return err
	}
	version, _ := exec.Command("git", "describe", "--tags", "--always", "--dirty").Output()
	b.say("# How long pages take\n\nWritten by `make bench-pages` on %s; dealtrail %s, %s, the embedded engine.\n", time.Now().Format(time.DateOnly), strings.TrimSpace(string(version)), runtime.Version())
	b.say("Machine: %s, %d cores, %s of memory; the program, its engine, who asks and the browser share them.\n\n", field("/proc/cpuinfo", "model name"), runtime.NumCPU(), field("/proc/meminfo", "MemTotal"))
	b.say("A made-up company: %d events, %d deals, %d contacts, %d contents, 200 reps, over two years. Each page was asked for %d times, each time for another content, deal or\n"+
		"person and another level of verdicts, one after the other, from the request to the last byte. The first round is counted; only the review, `/quality` and `/baseline` were counted once before, as they are after each start.\n\n", status.Events, status.Deals, status.Contacts, status.Contents, rounds)
	took, order := map[string][]time.Duration{}, []string{}
	random := rand.New(rand.NewPCG(1, 2))
	for range rounds {
		for _, page := range b.pages(random) {
			d, err := p.get(ctx, page)
			if err != nil {
				return err
			}
			if took[name(page)] == nil {
				order = append(order, name(page))
			}
			took[name(page)] = append(took[name(page)], d)
		}
	}
	b.say("| page | median | 95 of 100 | slowest |\n| --- | ---: | ---: | ---: |\n")
	for _, page := range order {
		all := took[page]
		slices.Sort(all)
		median, p95 := all[len(all)/2], all[(len(all)*95+99)/100-1] // by rank
		b.say("| `%s` | %s | %s | %s |\n", page, milli(median), milli(p95), milli(all[len(all)-1]))
		if page == "/review" {
			b.bar(all[len(all)-1] <= reviewBar, fmt.Sprintf("the review within %s, it takes %s at most", reviewBar, milli(all[len(all)-1])))
		}
		b.bar(median <= medianBar && p95 <= p95Bar, fmt.Sprintf("%s within %s at the median and %s in 95 of 100, it takes %s and %s", page, medianBar, p95Bar, milli(median), milli(p95)))
	}
	if err := b.paint(ctx, p, random); err != nil {
		return err
	}
	if len(b.missed) == 0 {
		b.say("\nEvery bar is reached: %s at the median, %s in 95 of 100, %s for the review, first paint within %s.\n", medianBar, p95Bar, reviewBar, paintBar)
		return nil
	}
	b.say("\nNot reached:\n\n")
	for _, m := range b.missed {
		b.say("- %s\n", m)
	}
	return nil
}

// get asks for a page and reads it to its end.
func (p *program) get(ctx context.Context, page string) (time.Duration, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+page, nil)
	if err != nil {
		return 0, err
	}
	started := time.Now()
	resp, err := p.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	took := time.Since(started)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %.300s", page, resp.Status, text)
	}
	return took, err
}

// paint measures when a browser first shows something of each page.
func (b *bench) paint(ctx context.Context, p *program, random *rand.Rand) error {
	dir, err := os.MkdirTemp("", "chromium")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("chromium"), chromedp.NoSandbox,
		chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.Env("TMPDIR="+dir))...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	link, err := b.link(ctx, p.listen)
	if err != nil {
		return err
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(link), chromedp.Click(chromedp.CSS("button.main")), chromedp.WaitVisible(chromedp.CSS("nav"))); err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	var slowest float64
	var where string
	for range 3 {
		for _, page := range b.pages(random) {
			if err := chromedp.Do(ctx, chromedp.Navigate(p.url+page)); err != nil {
				return fmt.Errorf("open %s: %w", page, err)
			}
			at, err := chromedp.Run(ctx, chromedp.Poll[float64]("(performance.getEntriesByName('first-contentful-paint')[0] || {}).startTime"))
			if err != nil {
				return fmt.Errorf("paint %s: %w", page, err)
			}
			if at > slowest {
				slowest, where = at, name(page)
			}
		}
	}
	d := time.Duration(slowest * float64(time.Millisecond))
	b.say("\nChromium paints the first of each page at the latest after %s (`%s`), of three times each.\n", milli(d), where)
	b.bar(d <= paintBar, fmt.Sprintf("first paint within %s, it takes %s at most", paintBar, milli(d)))
	return nil
}

// bar notes a bar that is not reached.
func (b *bench) bar(reached bool, what string) {
	if !reached {
		b.missed = append(b.missed, what)
	}
}

// say adds to the page.
func (b *bench) say(format string, args ...any) { fmt.Fprintf(&b.page, format, args...) }

func milli(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

// field reads a line of a file of /proc.
func field(file, key string) string {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}
