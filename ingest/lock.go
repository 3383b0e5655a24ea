package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockDir takes a data directory, waiting for a server that is about to leave
// it. The lock belongs to the open file: it is free once every process that
// inherited the file is gone, however it ended. The file itself stays, since
// removing it could let two processes hold two files of one name.
func lockDir(ctx context.Context, dir string, patience time.Duration) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "redis.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	deadline := time.Now().Add(patience)
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			err = fmt.Errorf("lock the data directory: %w", err)
		case time.Now().After(deadline):
			err = fmt.Errorf("%s has %s open; stop that first", holder(f), dir)
		case wait(ctx, 20*time.Millisecond):
			continue
		default:
			err = ctx.Err()
		}
		f.Close()
		return nil, err
	}
}

// writeHolders notes who holds the lock, for the message of whoever wants it.
func writeHolders(f *os.File, program, server int) {
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt(fmt.Appendf(nil, "%d %d\n", program, server), 0)
	}
}

// holder names the process that a lock file speaks of.
func holder(f *os.File) string {
	text, _ := io.ReadAll(io.NewSectionReader(f, 0, 64))
	var program, server int
	if _, err := fmt.Sscan(string(text), &program, &server); err != nil {
		return "another process"
	}
	if alive(program) || !alive(server) {
		return fmt.Sprintf("the process with ID %d", program)
	}
	return fmt.Sprintf("the redis-server with process ID %d, left behind by process %d,", server, program)
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
