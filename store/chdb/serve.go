package chdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ServeOptions say which directory an engine serves, and where.
type ServeOptions struct {
	Library     string        // path of libchdb, see FindLibrary
	Dir         string        // the database; made when missing
	Socket      string        // path of the unix socket, at most 103 bytes; replaced when it exists
	Connections int           // queries at once; default 4
	LockWait    time.Duration // how long to wait for another engine to leave Dir; default 10 s
	Ready       func()        // called once requests are answered; may be nil
	Log         *slog.Logger
}

const (
	defaultConnections = 4
	defaultLockWait    = 10 * time.Second
	// maxHeaderBytes leaves room for bound parameters, which the driver puts into the URL.
	maxHeaderBytes = 64 << 20
	// stopWait is for queries to end after they were killed, and for inserts to finish.
	stopWait = 5 * time.Second
)

// Serve opens the database in o.Dir inside this process and answers ClickHouse's HTTP interface on o.Socket until ctx
// ends. Then running queries are killed, inserts finish, and the engine closes. A process can serve once.
//
// libchdb is C++ in our address space: call Serve in a process that may die, see Start.
func Serve(ctx context.Context, o ServeOptions) error {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return fmt.Errorf("find the database directory: %w", err)
	}
	if strings.ContainsAny(dir, `*?{}`) {
		// INFILE would read them as a pattern.
		return fmt.Errorf("open the database: the path %s must not contain any of * ? { }", dir)
	}
	unlock, err := lock(ctx, dir, o.LockWait)
	if err != nil {
		return err
	}
	pool, err := serveLocked(ctx, o, dir)
	if pool != nil && err != nil {
		// Queries still run in the engine; closing it under them would crash. So the lock stays until the process ends.
		return err
	}
	if pool != nil {
		pool.close()
	}
	return errors.Join(err, unlock())
}

// serveLocked serves dir. It returns the engine as soon as it has one, and with an error when that may be busy.
func serveLocked(ctx context.Context, o ServeOptions, dir string) (*sessions, error) {
	spool := filepath.Join(dir, "engine.tmp")
	if err := errors.Join(os.RemoveAll(spool), os.Mkdir(spool, 0o700)); err != nil {
		return nil, fmt.Errorf("make a directory for inserts under way: %w", err)
	}
	defer os.RemoveAll(spool)
	lib, err := openLibrary(o.Library)
	if err != nil {
		return nil, err
	}
	if o.Connections <= 0 {
		o.Connections = defaultConnections
	}
	pool, err := openSessions(lib, dir, o.Connections)
	if err != nil {
		return nil, err
	}
	h := &handler{pool: pool, spool: spool}
	if h.hello, err = pool.hello(ctx); err != nil {
		return pool, err
	}
	return pool, serveHTTP(ctx, o, h)
}

// serveHTTP returns nil when no request is left.
func serveHTTP(ctx context.Context, o ServeOptions, h http.Handler) error {
	if err := os.Remove(o.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the old socket: %w", err)
	}
	l, err := net.Listen("unix", o.Socket)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{
		Handler:        h,
		BaseContext:    func(net.Listener) context.Context { return ctx }, // so that stopping kills queries
		MaxHeaderBytes: maxHeaderBytes,
		ErrorLog:       slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	if o.Ready != nil {
		o.Ready()
	}
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
	defer cancel()
	if err := server.Shutdown(stop); err != nil {
		return fmt.Errorf("stop serving: %w", err)
	}
	return nil
}

// lock takes dir for this process, waiting up to wait for an engine that is about to leave it. The lock goes with the
// process, however it ends; the file stays, since removing it could let two processes hold two files of one name.
func lock(ctx context.Context, dir string, wait time.Duration) (unlock func() error, err error) {
	if wait <= 0 {
		wait = defaultLockWait
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the database directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "engine.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the database directory: %w", err)
	}
	deadline, again := time.NewTimer(wait), time.NewTicker(20*time.Millisecond)
	defer deadline.Stop()
	defer again.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("lock the database directory: %w", err)
		}
		select {
		case <-again.C:
			continue
		case <-ctx.Done():
			err = ctx.Err()
		case <-deadline.C:
			holder, _ := io.ReadAll(io.LimitReader(f, 20))
			err = fmt.Errorf("the engine with process ID %s has %s open; stop that program first",
				strings.TrimSpace(string(holder)), dir)
		}
		f.Close()
		return nil, fmt.Errorf("lock the database directory: %w", err)
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0) // only for the message above
	}
	return f.Close, nil
}
