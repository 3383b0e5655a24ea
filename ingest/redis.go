package ingest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// RedisOptions say where the private redis-server keeps its data.
type RedisOptions struct {
	Dir      string        // the data, this server's alone; made when missing
	Socket   string        // path of the unix socket; empty: Dir/redis.sock, or in a fresh directory when that is too long
	Command  string        // the server program; default "redis-server" from the PATH
	Memory   int64         // bytes that it may take; default 1 GiB. Beyond that it refuses events
	LockWait time.Duration // how long to wait for another server to leave Dir; default 10 s
	Log      *slog.Logger
}

const (
	defaultLockWait    = 10 * time.Second
	defaultRedisMemory = 1 << 30
	// redisStartWait is for a server to answer at all; one that says it is loading its data may take longer.
	redisStartWait = 30 * time.Second
	// redisStopWait is for a server to leave before it is killed.
	redisStopWait = 5 * time.Second
	// steadyAfter is how long a server must have served for its next crash to count as the first.
	steadyAfter = 10 * time.Second
	// maxSocketPath is what fits into a socket address on macOS; Linux has four bytes more.
	maxSocketPath = 103
)

// Redis is a redis-server in a child process that answers on a unix socket
// only. It writes every command to disk before it answers, is started again
// whenever it dies, and dies with this process.
type Redis struct {
	options RedisOptions
	socket  string
	ownDir  string // directory made for the socket, or empty
	lock    *os.File
	stop    context.CancelFunc
	left    chan struct{} // closed when supervise has returned

	mu  sync.Mutex
	pid int
}

// StartRedis starts a server and returns once it answers. ctx bounds the start
// only; the server runs until Close.
func StartRedis(ctx context.Context, o RedisOptions) (*Redis, error) {
	r, err := prepareRedis(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stop = stop
	// A start that is given up stops the server too.
	giveUp := context.AfterFunc(ctx, stop)
	started := make(chan error, 1)
	go r.supervise(running, started)
	if err := <-started; err != nil {
		r.Close()
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	if !giveUp() {
		r.Close()
		return nil, fmt.Errorf("start redis-server: %w", ctx.Err())
	}
	return r, nil
}

// prepareRedis does what comes before the first start: directory, lock, socket.
func prepareRedis(ctx context.Context, o RedisOptions) (*Redis, error) {
	if o.Command == "" {
		o.Command = "redis-server"
	}
	command, err := exec.LookPath(o.Command)
	if err != nil {
		return nil, fmt.Errorf("%w; `make deps` installs it, or the package redis-server of your system", err)
	}
	if o.Memory <= 0 {
		o.Memory = defaultRedisMemory
	}
	if o.LockWait <= 0 {
		o.LockWait = defaultLockWait
	}
	o.Command = command
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("find the data directory: %w", err)
	}
	if err := errors.Join(os.MkdirAll(o.Dir, 0o700), os.Chmod(o.Dir, 0o700)); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	r := &Redis{options: o, socket: o.Socket, left: make(chan struct{})}
	if r.lock, err = lockDir(ctx, o.Dir, o.LockWait); err != nil {
		return nil, err
	}
	if r.socket == "" {
		r.socket = filepath.Join(o.Dir, "redis.sock")
		if len(r.socket) > maxSocketPath {
			if r.ownDir, err = os.MkdirTemp("", "dealtrail-redis-"); err != nil {
				r.lock.Close()
				return nil, fmt.Errorf("make a directory for the socket: %w", err)
			}
			r.socket = filepath.Join(r.ownDir, "redis.sock")
		}
	}
	if len(r.socket) > maxSocketPath {
		r.leave()
		return nil, fmt.Errorf("the socket path %s is longer than %d bytes", r.socket, maxSocketPath)
	}
	return r, nil
}

// leave gives up the socket and the lock.
func (r *Redis) leave() {
	if r.ownDir != "" {
		os.RemoveAll(r.ownDir)
	}
	r.lock.Close()
}

// Socket returns the path of the unix socket.
func (r *Redis) Socket() string { return r.socket }

// URL returns what [Connect] takes.
func (r *Redis) URL() string { return (&url.URL{Scheme: "unix", Path: r.socket}).String() }

// Pid returns the process ID of the server, 0 while there is none.
func (r *Redis) Pid() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pid
}

// Close ends the server and waits until it is gone. Calling it again does
// nothing.
func (r *Redis) Close() error {
	r.stop()
	<-r.left
	return nil
}

// supervise keeps a server running until ctx ends. The first start's outcome
// goes to started.
//
// The server gets SIGKILL when the thread that started it ends, so that it dies
// with us even on kill -9. The thread is this goroutine's, and both last until
// the server is gone: leaving locked ends the thread.
func (r *Redis) supervise(ctx context.Context, started chan<- error) {
	runtime.LockOSThread()
	defer close(r.left)
	defer r.leave()
	p, err := r.launch(ctx)
	started <- err
	if err != nil {
		return
	}
	for crashes := 0; ; crashes++ {
		select {
		case <-p.ended:
		case <-ctx.Done():
			p.end()
			return
		}
		if time.Since(p.since) >= steadyAfter {
			crashes = 0
		}
		r.setPid(0)
		r.options.Log.Error("redis-server died, starting it again", "err", p.said(), "pid", p.cmd.Process.Pid)
		died := time.Now()
		for {
			if crashes > 0 && !wait(ctx, min(100*time.Millisecond<<min(crashes-1, 10), 5*time.Second)) {
				return
			}
			if p, err = r.launch(ctx); err == nil {
				break
			}
			if ctx.Err() != nil {
				return
			}
			crashes++
			r.options.Log.Error("redis-server does not start", "err", err)
		}
		r.options.Log.Info("redis-server is back", "took", time.Since(died), "pid", p.cmd.Process.Pid)
	}
}

func (r *Redis) setPid(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pid = pid
}

// arguments configure the server; there is no file that could be out of date.
func (r *Redis) arguments() []string {
	return []string{
		"--port", "0", "--unixsocket", r.socket, "--unixsocketperm", "700",
		"--dir", r.options.Dir, "--daemonize", "no", "--logfile", "",
		"--appendonly", "yes", "--appendfsync", "always", "--no-appendfsync-on-rewrite", "no", "--save", "",
		// A command cut off by a kill was never answered, so nobody counts on it.
		"--aof-load-truncated", "yes",
		"--maxmemory", fmt.Sprint(r.options.Memory), "--maxmemory-policy", "noeviction",
	}
}

// launch starts one process, on the calling thread, and returns once it answers.
func (r *Redis) launch(ctx context.Context) (*server, error) {
	p := &server{ended: make(chan struct{}), since: time.Now(), output: &lastLines{}}
	p.cmd = exec.Command(r.options.Command, r.arguments()...)
	p.cmd.Env = append(os.Environ(), "LC_ALL=C") // it refuses to start with a locale that the system lacks
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.WaitDelay = time.Second
	// The server holds the lock too: it is free when both are gone.
	p.cmd.ExtraFiles = []*os.File{r.lock}
	// Ctrl-C on a terminal goes to the whole group, and the server must outlive what still writes to it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go p.wait()
	writeHolders(r.lock, os.Getpid(), p.cmd.Process.Pid)
	if err := r.answers(ctx, p); err != nil {
		p.end()
		return nil, err
	}
	r.setPid(p.cmd.Process.Pid)
	return p, nil
}

// answers waits until the server answers PING.
func (r *Redis) answers(ctx context.Context, p *server) error {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	heard := time.Now()
	for {
		switch answer := ping(r.socket); {
		case strings.HasPrefix(answer, "+PONG"):
			return nil
		case strings.HasPrefix(answer, "-LOADING"):
			heard = time.Now()
		case time.Since(heard) > redisStartWait:
			return fmt.Errorf("it did not answer within %v: %s", redisStartWait, p.output.text())
		}
		select {
		case <-again.C:
		case <-p.ended:
			return p.said()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ping returns the server's answer to PING, or "".
func ping(socket string) string {
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return ""
	}
	answer, _ := bufio.NewReader(conn).ReadString('\n')
	return answer
}

// server is one run of the child.
type server struct {
	cmd    *exec.Cmd
	since  time.Time
	output *lastLines
	ended  chan struct{} // closed once the process is gone
}

func (p *server) wait() {
	_ = p.cmd.Wait() // ProcessState says how it ended
	close(p.ended)
}

// end asks the server to leave and kills it when it does not.
func (p *server) end() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	late := time.NewTimer(redisStopWait)
	defer late.Stop()
	select {
	case <-p.ended:
	case <-late.C:
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// said returns why the ended server ended, with its last lines.
func (p *server) said() error {
	return fmt.Errorf("it ended (%v): %s", p.cmd.ProcessState, p.output.text())
}

// lastLines keeps the end of what the server writes, which is nothing but a log.
type lastLines struct {
	mu   sync.Mutex
	tail []byte
}

func (t *lastLines) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tail = append(t.tail, b...)
	t.tail = t.tail[max(0, len(t.tail)-2048):]
	return len(b), nil
}

func (t *lastLines) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.tail))
}

// wait reports whether d passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
