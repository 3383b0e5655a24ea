package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// drain is how long requests under way may take to finish at shutdown.
const drain = 10 * time.Second

// all runs the parts until one fails or ctx ends, and waits for every one.
func all(ctx context.Context, parts ...func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, run := range parts {
		g.Go(func() error {
			if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		})
	}
	return g.Wait()
}

// behind runs the sinks in a context of their own, so that they outlive the
// sources. fail is told when a sink ends early. stop ends them and waits.
func behind(fail context.CancelCauseFunc, sinks ...func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		err := all(ctx, sinks...)
		if ctx.Err() == nil {
			fail(err)
		}
		done <- err
	}()
	return sync.OnceValue(func() error { cancel(); return <-done })
}

// newServer returns a server that nobody keeps busy by saying little, slowly or too much.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second, // of a TLS handshake too
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
	(&cutOffs{log: log}).watch(s)
	return s
}

// listen serves on a listener until ctx ends, then lets requests finish.
func listen(ln net.Listener, h http.Handler, log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		server := newServer(h, log)
		failed := make(chan error, 1)
		go func() { failed <- server.Serve(ln) }()
		select {
		case err := <-failed:
			return fmt.Errorf("serve %s: %w", ln.Addr(), err)
		case <-ctx.Done():
		}
		end, cancel := context.WithTimeout(context.Background(), drain)
		defer cancel()
		if err := server.Shutdown(end); !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return server.Close() // whoever is still downloading is cut off
	}
}

// restoringFile is in a data directory while a backup is restored into it.
const restoringFile = "restoring"

// lockData makes sure that one process works on a data directory, and none on half of a
// backup. The lock ends with the process, however it ends.
func lockData(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data.dir: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, restoringFile)); err == nil {
		return nil, fmt.Errorf("%s has a part of a backup only: its restore was cut off, or is under way. Once nothing restores it any more, empty the folder, and the databases that its dealtrail.toml names, and restore again", dir)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data.dir: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(f.Name())
		f.Close()
		return nil, fmt.Errorf("%s is in use by %s; stop that one first, or set data.dir to another folder", dir, strings.TrimSpace(string(holder)))
	}
	host, _ := os.Hostname()
	if err := f.Truncate(0); err != nil {
		return nil, err
	}
	_, err = f.WriteAt(fmt.Appendf(nil, "process %d on %s, started %s\n", os.Getpid(), host, time.Now().UTC().Format(time.RFC3339)), 0)
	return f, err
}
