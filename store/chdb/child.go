package chdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// ErrRestarting is what queries fail with while the engine is down, as far as they had not been answered. errors.Is
// finds it in what clickhouse-go returns. An insert that fails with it may have been stored.
var ErrRestarting = errors.New("the database engine is restarting; try again in a moment")

// ErrClosed is what queries fail with after Close.
var ErrClosed = errors.New("the database engine is closed")

// Options say which engine to start, and how.
type Options struct {
	Dir         string        // the database; made when missing
	Library     string        // path of libchdb; empty: FindLibrary("")
	Socket      string        // path of the unix socket; empty: Dir/engine.sock, or in a fresh directory when that is too long
	Connections int           // queries at once; default 4
	Command     []string      // program and arguments, must call ServeChild; default: this program with argument "engine"
	LockWait    time.Duration // how long to wait for another engine to leave Dir; default 10 s
	StartWait   time.Duration // how long one start may take, LockWait included; default 60 s
	Log         *slog.Logger
}

const (
	defaultStartWait = time.Minute
	// closeWait is for the engine to end by itself. It gives up by itself before.
	closeWait = stopWait + 5*time.Second
	// maxSocketPath is what fits into a socket address on macOS; Linux has four bytes more.
	maxSocketPath = 103
	// startTries is how often Start starts an engine that crashes. One that says why it ends is not tried again.
	startTries = 3
	// steadyAfter is how long an engine must have served for its next crash to count as the first.
	steadyAfter = 10 * time.Second
	minBackoff  = 100 * time.Millisecond
	maxBackoff  = 5 * time.Second
)

// Child is an engine in a child process, which is started again whenever it dies and dies with this process. Its methods
// may be called from several goroutines.
type Child struct {
	options  Options
	socket   string
	ownDir   string // directory made for the socket, or empty
	stop     context.CancelFunc
	stopping context.Context
	left     chan struct{} // closed when supervise has returned

	mu      sync.Mutex
	serving *process // nil while there is none
	closed  bool
}

// Start starts an engine and returns once it answers queries. ctx bounds the start only; the engine runs until Close.
// An error holds the last lines that the engine wrote.
func Start(ctx context.Context, o Options) (*Child, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("start the database engine: %w", err)
	}
	c := &Child{options: o, left: make(chan struct{})}
	if err := c.placeSocket(); err != nil {
		return nil, fmt.Errorf("start the database engine: %w", err)
	}
	var p *process
	var err error
	for range startTries {
		if p, err = launch(ctx, c.options, c.socket); err == nil || !errors.Is(err, errCrashed) {
			break
		}
	}
	if err != nil {
		c.removeSocket()
		if errors.Is(err, errCrashed) {
			err = fmt.Errorf("%w (%d times; `make deps` installs the libchdb that this program was tested with)", err, startTries)
		}
		return nil, fmt.Errorf("start the database engine: %w", err)
	}
	c.serving = p
	c.stopping, c.stop = context.WithCancel(context.WithoutCancel(ctx))
	go c.supervise(p)
	return c, nil
}

// complete fills in the defaults.
func (o *Options) complete() (err error) {
	if o.Library == "" {
		if o.Library, err = FindLibrary(""); err != nil {
			return err
		}
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return fmt.Errorf("find the database directory: %w", err)
	}
	if len(o.Command) == 0 {
		exe, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		o.Command = []string{exe, "engine"}
	}
	if o.StartWait <= 0 {
		o.StartWait = defaultStartWait
	}
	return nil
}

func (c *Child) placeSocket() error {
	c.socket = c.options.Socket
	if c.socket == "" {
		c.socket = filepath.Join(c.options.Dir, "engine.sock")
		if len(c.socket) > maxSocketPath {
			dir, err := os.MkdirTemp("", "dealtrail-engine-")
			if err != nil {
				return fmt.Errorf("make a directory for the socket: %w", err)
			}
			c.ownDir, c.socket = dir, filepath.Join(dir, "engine.sock")
		}
	}
	if len(c.socket) > maxSocketPath {
		c.removeSocket()
		return fmt.Errorf("the socket path %s is longer than %d bytes", c.socket, maxSocketPath)
	}
	return nil
}

// removeSocket removes what an engine that was killed leaves.
func (c *Child) removeSocket() {
	if c.ownDir != "" {
		os.RemoveAll(c.ownDir)
	}
}

// supervise keeps an engine running until Close.
func (c *Child) supervise(p *process) {
	defer close(c.left)
	crashes := 0
	for {
		select {
		case <-p.ended:
		case <-c.stopping.Done():
		}
		c.setServing(nil)
		if c.stopping.Err() != nil {
			p.end()
			return
		}
		if time.Since(p.since) >= steadyAfter {
			crashes = 0
		}
		c.options.Log.Error("database engine died, starting it again", "err", p.said(), "pid", p.cmd.Process.Pid)
		died := time.Now()
		if p, crashes = c.restart(crashes); p == nil {
			return
		}
		c.setServing(p)
		c.options.Log.Info("database engine is back", "took", time.Since(died), "pid", p.cmd.Process.Pid)
	}
}

// restart tries until an engine serves, or returns nil when Close is called. crashes is the number of crashes in a row
// before this one: the first restart comes at once.
func (c *Child) restart(crashes int) (*process, int) {
	for ; ; crashes++ {
		if crashes > 0 {
			select {
			case <-time.After(min(minBackoff<<min(crashes-1, 10), maxBackoff)):
			case <-c.stopping.Done():
			}
		}
		p, err := launch(c.stopping, c.options, c.socket)
		if err == nil {
			return p, crashes + 1
		}
		if c.stopping.Err() != nil {
			return nil, crashes
		}
		c.options.Log.Error("database engine does not start", "err", err)
	}
}

func (c *Child) setServing(p *process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serving = p
}

// Close ends the engine and waits until it is gone: inserts under way finish, other queries are killed. It kills an
// engine that takes longer than 10 s. Calling it again does nothing.
func (c *Child) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop()
	<-c.left
	c.removeSocket()
	return nil
}

// Socket returns the path of the unix socket that the engine listens on.
func (c *Child) Socket() string { return c.socket }

// Pid returns the process ID of the engine, 0 while there is none.
func (c *Child) Pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.serving == nil {
		return 0
	}
	return c.serving.cmd.Process.Pid
}

// DialContext connects to the engine, for clickhouse.Options.DialContext; the address is not looked at, and "localhost"
// serves, which no HTTP proxy in the environment is asked for. It fails with ErrRestarting or ErrClosed.
func (c *Child) DialContext(ctx context.Context, _ string) (net.Conn, error) {
	c.mu.Lock()
	up := c.serving != nil && !c.closed
	c.mu.Unlock()
	if !up {
		return nil, c.down(nil)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.socket)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, c.down(err)
	}
	return &childConn{Conn: conn, child: c}, nil
}

// down is the error for a connection that cannot be had or was lost because of cause.
func (c *Child) down(cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := ErrRestarting
	if c.closed {
		err = ErrClosed
	}
	if cause == nil {
		return err
	}
	return fmt.Errorf("%w (%v)", err, cause)
}

// childConn says of a lost connection what it means. The engine itself closes none while it lives.
type childConn struct {
	net.Conn
	child *Child
}

func (c *childConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, c.explain(err)
}

func (c *childConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.explain(err)
}

func (c *childConn) explain(err error) error {
	if err == io.EOF || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return c.child.down(err)
	}
	return err
}
