package chdb_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dealtrail/store/chdb"
)

// fresh starts an engine for one test, in a directory of its own unless o names one.
func fresh(t *testing.T, o chdb.Options) *chdb.Child {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.Log = quiet
	began := time.Now()
	c, err := chdb.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %v", time.Since(began))
	t.Cleanup(func() { c.Close() })
	return c
}

// gone says whether no process has this ID, apart from one that its parent has yet to notice.
func gone(pid int) bool {
	_, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	return err != nil
}

func TestEngineIsBackAfterKill(t *testing.T) {
	child := fresh(t, chdb.Options{})
	db := open(t, child, "default")
	do(t, db, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
	batch(t, t.Context(), db, "INSERT INTO t", 1000, func(i int) []any { return []any{uint32(i)} })
	fastest := time.Hour // a busy disk delays one or another
	for range 3 {
		pid := child.Pid()
		underWay := make(chan error, 1)
		go func() { underWay <- db.Exec(t.Context(), slow("under_way")) }()
		until(t, patience, "a query is under way", func() bool { return running(t, db, "under_way") })
		began := time.Now()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if err := <-underWay; !errors.Is(err, chdb.ErrRestarting) {
			t.Errorf("query under way: %v", err)
		}
		until(t, patience, "the engine is back", func() bool {
			var n uint64
			err := db.QueryRow(t.Context(), "SELECT count() FROM t").Scan(&n)
			if err != nil && !errors.Is(err, chdb.ErrRestarting) {
				t.Errorf("meanwhile: %v", err)
			}
			return err == nil && n == 1000
		})
		t.Logf("back after %v", time.Since(began))
		fastest = min(fastest, time.Since(began))
		if child.Pid() == pid || child.Pid() == 0 {
			t.Errorf("process ID %d after %d", child.Pid(), pid)
		}
	}
	if fastest > 20*time.Second { // it takes one where nothing else runs
		t.Errorf("back after %v at best", fastest)
	}
}

func TestSecondEngineIsRefused(t *testing.T) {
	dir := t.TempDir()
	first := fresh(t, chdb.Options{Dir: dir})
	_, err := chdb.Start(t.Context(), chdb.Options{Dir: dir, LockWait: 50 * time.Millisecond, Log: quiet})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process ID %d", first.Pid())) {
		t.Errorf("got %v, want the process ID %d in it", err, first.Pid())
	}
	want(t, one[uint8](t, open(t, first, "default"), "SELECT 1"), 1)
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	f := func(o chdb.Options, want string) {
		t.Helper()
		if o.Dir == "" {
			o.Dir = t.TempDir()
		}
		o.Log = quiet
		c, err := chdb.Start(t.Context(), o)
		if err == nil {
			c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	f(chdb.Options{Library: "/etc/hostname"}, "make deps")
	f(chdb.Options{Command: []string{"/bin/sh", "-c", "echo out of luck >&2; kill -SEGV $$"}}, "out of luck")
	f(chdb.Options{Command: []string{"/bin/sh", "-c", "kill -SEGV $$"}}, "make deps")
	f(chdb.Options{Command: []string{"/nonexistent"}}, "/nonexistent")
	f(chdb.Options{Dir: "/dev/null/x"}, "/dev/null")
	f(chdb.Options{Socket: "/" + strings.Repeat("x", 200)}, "longer than")
	f(chdb.Options{Command: []string{"/bin/sh", "-c", "cat <&3"}, StartWait: 50 * time.Millisecond}, "did not answer")
	if _, err := chdb.FindLibrary("/nonexistent/libchdb.so"); err == nil || !strings.Contains(err.Error(), "make deps") {
		t.Errorf("find: %v", err)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	for _, depth := range []int{1, 20} { // a path that fits into a socket address, and one that does not
		dir := filepath.Join(t.TempDir(), strings.Repeat("deeper/", depth))
		child := fresh(t, chdb.Options{Dir: dir})
		db := open(t, child, "default")
		do(t, db, "CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
		batch(t, t.Context(), db, "INSERT INTO t", 10, func(i int) []any { return []any{uint32(i)} })
		pid, socket := child.Pid(), child.Socket()
		if stat, err := os.Stat(socket); err != nil || stat.Mode().Perm()&0o077 != 0 {
			t.Errorf("socket: %v, %v", stat, err)
		}
		began := time.Now()
		want(t, child.Close(), nil)
		t.Logf("closed in %v", time.Since(began))
		want(t, child.Close(), nil)
		if !gone(pid) {
			t.Errorf("process %d is still there", pid)
		}
		for _, path := range []string{socket, filepath.Join(dir, "engine.sock"), filepath.Join(dir, "engine.tmp")} {
			if _, err := os.Stat(path); err == nil {
				t.Errorf("%s is still there", path)
			}
		}
		if !strings.HasPrefix(socket, dir) {
			if _, err := os.Stat(filepath.Dir(socket)); err == nil {
				t.Errorf("%s is still there", filepath.Dir(socket))
			}
		}
		err := db.Exec(t.Context(), "SELECT 1")
		if !errors.Is(err, chdb.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		want(t, child.Pid(), 0)
		again := fresh(t, chdb.Options{Dir: dir})
		want(t, one[uint64](t, open(t, again, "default"), "SELECT count() FROM t"), 10)
		again.Close()
	}
}

// envParent makes this test program a parent that starts an engine in the directory named and waits to be killed.
const envParent = "CHDB_TEST_PARENT"

func beParent(dir string) {
	c, err := chdb.Start(context.Background(), chdb.Options{Dir: dir, Log: quiet})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(c.Pid())
	select {}
}

func TestEngineDiesWithItsParent(t *testing.T) {
	dir := t.TempDir()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), envParent+"="+dir)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pid, err2 := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || err2 != nil {
		t.Fatalf("parent says %q, %v", line, err)
	}
	// Ctrl-C on the terminal and a service manager's SIGTERM are for the parent alone.
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err := syscall.Kill(pid, s); err != nil {
			t.Fatal(err)
		}
	}
	if group, err := syscall.Getpgid(pid); err != nil || group != pid {
		t.Errorf("process group %d, %v", group, err)
	}
	if gone(pid) {
		t.Fatal("the engine ended before its parent")
	}
	began := time.Now()
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	next := fresh(t, chdb.Options{Dir: dir}) // waits for the dying one
	want(t, one[uint8](t, open(t, next, "default"), "SELECT 1"), 1)
	until(t, patience, "the engine is gone", func() bool { return gone(pid) })
	t.Logf("a new engine serves %v after the kill", time.Since(began))
}
