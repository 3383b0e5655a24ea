package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"dealtrail/api"
	"dealtrail/store/chdb"
	"dealtrail/trail"
)

// program is a dealtrail that runs with everything of its own.
type program struct {
	cmd   *exec.Cmd
	api   *api.Client
	url   string
	redis string // path of its Redis's socket
}

// start makes a fresh installation and starts it.
func (b *bench) start(ctx context.Context) (*program, error) {
	dir, err := os.MkdirTemp(b.dir, "program-")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p := &program{url: "http://" + address, redis: filepath.Join(dir, "data", "redis", "redis.sock")}
	config := filepath.Join(dir, "dealtrail.toml")
	library, err := chdb.FindLibrary("")
	if err != nil {
		return nil, err
	}
	environ := append(os.Environ(), "DEALTRAIL_SERVER_LISTEN="+address, "DEALTRAIL_SERVER_PUBLIC_URL="+p.url, "DEALTRAIL_TRACKING_ALLOW_LOCAL=true",
		"DEALTRAIL_CLICKHOUSE_LIBRARY="+library)
	run := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, b.dealtrail, append([]string{"--config", config}, args...)...)
		cmd.Env = environ
		return cmd
	}
	if text, err := run("init", "--yes").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("init: %w: %s", err, text)
	}
	p.cmd = run("serve")
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd.Stderr = log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if err := answers(p.url + "/healthz"); err != nil {
		text, _ := os.ReadFile(log.Name())
		p.stop()
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	key := run("key", "new", "bench")
	text, err := key.Output()
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("key new: %w", err)
	}
	p.api = &api.Client{URL: p.url, Key: strings.TrimSpace(string(text))}
	return p, nil
}

func (p *program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

// link registers content and makes a tracked link to it.
func (p *program) link(ctx context.Context, content string) (string, error) {
	in := map[string]any{"id": content, "title": content, "kind": "deck", "url": target + "?" + content}
	if err := p.api.Post(ctx, "/v1/content", in, nil); err != nil {
		return "", err
	}
	var share struct{ URL string }
	err := p.api.Post(ctx, "/v1/shares", map[string]any{"content": content, "rep": "rep@example.com"}, &share)
	return share.URL, err
}

func (p *program) status(ctx context.Context) (s trail.Status, err error) {
	return s, p.api.Get(ctx, "/v1/status", nil, &s)
}

func (p *program) accepted(ctx context.Context) (n uint64, err error) {
	s, err := p.status(ctx)
	for _, node := range s.Nodes {
		n += node.Accepted
	}
	return n, err
}
