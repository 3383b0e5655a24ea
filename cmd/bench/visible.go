package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dealtrail/ingest"
)

const (
	probeEvery = 500 * time.Millisecond
	// settled is when the memory of the processes is first looked at: by then the engine has started the threads that
	// it keeps, which every start costs and no hour adds to.
	settled = 30 * time.Second
)

// visibility measures how soon a click is in the content report while others
// come at a steady rate, and how much memory the processes take meanwhile.
func (b *bench) visibility(ctx context.Context, d time.Duration) error {
	p, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer p.stop()
	link, err := p.link(ctx, "deck")
	if err != nil {
		return err
	}
	probe, err := p.link(ctx, "probe")
	if err != nil {
		return err
	}
	loading, stop := context.WithTimeout(ctx, settled+d)
	defer stop()
	var load sync.WaitGroup
	var sent, failed atomic.Int64
	load.Go(func() { clickSteadily(loading, link, b.rate, &sent, &failed) })

	settling := time.NewTimer(settled)
	select {
	case <-settling.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	before, from := p.memory(ctx), sent.Load()
	began := time.Now()
	took, err := p.probeUntil(loading, probe)
	load.Wait()
	rate := float64(sent.Load()-from) / time.Since(began).Seconds()
	after := p.memory(ctx)
	if err != nil {
		return err
	}
	slices.Sort(took)
	b.say("\n## From click to report\n\n%.0f clicks/s (%d asked for) for %s after %s of warming up; %d of all failed. Every %s one more click, and from its redirect on we ask `/v1/content` until it counts it: %d times.\n\n", rate, b.rate, d, settled, failed.Load(), probeEvery, len(took))
	b.say("- Visible after: p50 %s, p99 %s, longest %s. p99 under 2 s: %s.\n", percentile(took, .5).Round(time.Millisecond), percentile(took, .99).Round(time.Millisecond),
		percentile(took, 1).Round(time.Millisecond), bar(percentile(took, .99) < 2*time.Second))
	for _, m := range before {
		for _, n := range after {
			if n.pid == m.pid {
				growth := float64(n.bytes-n.reserve)/float64(m.bytes-m.reserve) - 1
				b.say("- Memory of %s beyond the reserve: %d MiB, then %d MiB (%+.0f %%). Less than a fifth more: %s.\n", m.name, (m.bytes-m.reserve)>>20, (n.bytes-n.reserve)>>20, 100*growth, bar(growth < 0.2))
			}
		}
	}
	return nil
}

// clickSteadily follows a link rate times a second until ctx ends.
func clickSteadily(ctx context.Context, link string, rate int, sent, failed *atomic.Int64) {
	const clickers = 64
	client := follower()
	client.Transport = &http.Transport{MaxIdleConnsPerHost: clickers}
	due := make(chan struct{}, rate)
	var all sync.WaitGroup
	for range clickers {
		all.Go(func() {
			for range due {
				if _, err := click(ctx, client, link); err == nil {
					sent.Add(1)
				} else if ctx.Err() == nil {
					failed.Add(1)
				}
			}
		})
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	began, asked := time.Now(), 0
	for ctx.Err() == nil {
		<-tick.C
		for ; asked < int(time.Since(began).Seconds()*float64(rate)); asked++ {
			select {
			case due <- struct{}{}:
			default: // a second behind: what is not sent shows in the rate
			}
		}
	}
	close(due)
	all.Wait()
}

// follower returns a client that stops at the redirect.
func follower() *http.Client {
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// click follows a link and returns when the redirect came.
func click(ctx context.Context, client *http.Client, link string) (time.Time, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return time.Time{}, err
	}
	for _, h := range browser {
		req.Header.Set(h[0], h[1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return time.Time{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusFound {
		return time.Time{}, fmt.Errorf("answer %s", resp.Status)
	}
	return time.Now(), nil
}

// probeUntil clicks once in a while and returns how long each click took from its
// redirect until the report counted it.
func (p *program) probeUntil(ctx context.Context, link string) (took []time.Duration, err error) {
	client := follower()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for n := int64(1); ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return took, nil
		}
		at, err := click(ctx, client, link)
		for err == nil {
			var list struct {
				Rows []struct {
					ID     string
					Clicks int64
				}
			}
			if err = p.api.Get(ctx, "/v1/content", map[string]string{"agents": "all"}, &list); err != nil {
				break
			}
			counted := int64(0)
			for _, row := range list.Rows {
				if row.ID == "probe" {
					counted = row.Clicks
				}
			}
			if counted >= n {
				took = append(took, time.Since(at))
				break
			}
		}
		if ctx.Err() != nil {
			return took, nil
		}
		if err != nil {
			return took, err
		}
	}
}

// process is how much memory one of our processes takes.
type process struct {
	pid     int
	name    string
	bytes   int64 // resident, and of it
	reserve int64 // the streams, of Redis
}

// memory returns the program and the processes that it started.
func (p *program) memory(ctx context.Context) (all []process) {
	pid := p.cmd.Process.Pid
	for _, of := range append([]int{pid}, childrenOf(pid)...) {
		status := fmt.Sprintf("/proc/%d/status", of)
		kB, _ := strconv.ParseInt(strings.TrimSuffix(field(status, "VmRSS"), " kB"), 10, 64)
		m := process{pid: of, name: field(status, "Name"), bytes: kB << 10}
		if of != pid && m.name == "dealtrail" {
			m.name = "the engine"
		}
		if m.name == "redis-server" {
			m.reserve = p.streams(ctx)
		}
		all = append(all, m)
	}
	return all
}

// streams is how many bytes of Redis's memory the streams take.
func (p *program) streams(ctx context.Context) (bytes int64) {
	rdb, err := ingest.Connect("unix://" + p.redis)
	if err != nil {
		return 0
	}
	defer rdb.Close()
	for i := range ingest.Partitions {
		bytes += rdb.MemoryUsage(ctx, fmt.Sprintf("dealtrail:{p%02d}:events", i)).Val()
	}
	return bytes
}

func childrenOf(pid int) (children []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		for _, f := range strings.Fields(string(text)) {
			child, _ := strconv.Atoi(f)
			children = append(children, child)
		}
	}
	return children
}
