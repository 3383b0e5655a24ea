package chdb

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// What Start tells its child, in the environment and through inherited files.
const (
	envDir         = "DEALTRAIL_ENGINE_DIR"
	envSocket      = "DEALTRAIL_ENGINE_SOCKET"
	envLibrary     = "DEALTRAIL_ENGINE_LIBRARY"
	envConnections = "DEALTRAIL_ENGINE_CONNECTIONS"
	envLockWait    = "DEALTRAIL_ENGINE_LOCK_WAIT"

	lifeFile  = 3 // reading it ends when the parent closes it or dies
	readyFile = 4 // one byte is written there when requests are answered
)

// niceness leaves about three quarters of a busy machine to the others. It comes on top of the parent's.
const niceness = 5

// IsChild says whether this process was started by Start, to be an engine. The command that Options.Command names, and
// the TestMain of tests that call Start with their own binary, begin with
//
//	if chdb.IsChild() {
//		os.Exit(chdb.ServeChild())
//	}
func IsChild() bool { return os.Getenv(envSocket) != "" }

// ServeChild is the engine process: it serves until the parent closes its end of the pipe or dies, and returns the exit
// code. What goes wrong is written to standard error, where the parent reads it.
func ServeChild() int {
	if !IsChild() {
		fmt.Fprintln(os.Stderr, "the database engine is started by `dealtrail serve`, not by hand")
		return 2
	}
	// A service manager that stops us signals the engine too, while the parent still has events to write. Only the parent
	// ends the engine; writing to a parent that is gone must not end it in the middle of an insert.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	syscall.Umask(0o077)
	if runtime.GOOS == "linux" {
		// When memory runs out, the engine goes before the process that answers links. Best effort: some containers forbid it.
		_ = os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0)
	}
	// Merges can wait, a person who clicks cannot. The group is ours alone: on Linux that is how all threads are reached.
	if rank, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0); err == nil && runtime.GOOS == "linux" { // there it is 20 - nice
		_ = syscall.Setpriority(syscall.PRIO_PGRP, 0, min(20-rank+niceness, 19))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.NewFile(lifeFile, "life"))
		cancel()
		// A C++ call that does not return cannot be interrupted.
		time.AfterFunc(closeWait-time.Second, func() { os.Exit(1) })
	}()
	ready := os.NewFile(readyFile, "ready")
	connections, _ := strconv.Atoi(os.Getenv(envConnections))
	lockWait, _ := time.ParseDuration(os.Getenv(envLockWait))
	err := Serve(ctx, ServeOptions{
		Library:     os.Getenv(envLibrary),
		Dir:         os.Getenv(envDir),
		Socket:      os.Getenv(envSocket),
		Connections: connections,
		LockWait:    lockWait,
		Ready: func() {
			_, _ = ready.Write([]byte{1})
			ready.Close()
		},
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
