package ingest_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"dealtrail/ingest"
)

func TestRedisLeavesNothingBehind(t *testing.T) {
	noLeaks(t)
	dir := filepath.Join(t.TempDir(), "with a space")
	r := startRedis(t, dir)
	pid := r.Pid()
	for key, want := range map[string]string{
		"port": "0", "appendonly": "yes", "appendfsync": "always", "save": "", "maxmemory-policy": "noeviction", "aof-load-truncated": "yes", "dir": dir,
	} {
		got, err := connect(t, r).ConfigGet(t.Context(), key).Result()
		if err != nil || got[key] != want {
			t.Errorf("redis has %s %q (%v), want %q", key, got[key], err, want)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the data directory is %v, %v; want 0700", info.Mode(), err)
	}
	r.Close()
	r.Close()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
	if _, err := os.Stat(r.Socket()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestLongDataPathGetsASocketElsewhere(t *testing.T) {
	r := startRedis(t, filepath.Join(t.TempDir(), strings.Repeat("deep/", 30)))
	if len(r.Socket()) > 103 {
		t.Errorf("socket path %s has %d bytes", r.Socket(), len(r.Socket()))
	}
	if err := connect(t, r).Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
	r.Close()
	if _, err := os.Stat(filepath.Dir(r.Socket())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's directory is still there: %v", err)
	}
}

func TestMissingRedisSaysWhatToInstall(t *testing.T) {
	_, err := ingest.StartRedis(t.Context(), ingest.RedisOptions{Dir: t.TempDir(), Command: "no-such-redis-server", Log: quiet()})
	if err == nil || !strings.Contains(err.Error(), "make deps") || !strings.Contains(err.Error(), "package redis-server") {
		t.Errorf("got %v", err)
	}
}

func TestDamagedDataSaysWhatRedisSays(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "appendonlydir"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "appendonlydir", "appendonly.aof.manifest"), []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := ingest.StartRedis(t.Context(), ingest.RedisOptions{Dir: dir, Log: quiet()})
	if err == nil || !strings.Contains(err.Error(), "manifest") {
		t.Errorf("got %v", err)
	}
}

func TestSecondRedisOnADirectoryNamesTheHolder(t *testing.T) {
	r := startRedis(t, t.TempDir())
	_, err := ingest.StartRedis(t.Context(), ingest.RedisOptions{Dir: filepath.Dir(r.Socket()), LockWait: 50 * time.Millisecond, Log: quiet()})
	if err == nil || !strings.Contains(err.Error(), "process with ID "+strconv.Itoa(os.Getpid())) {
		t.Errorf("got %v", err)
	}
	if err := connect(t, r).Ping(t.Context()).Err(); err != nil {
		t.Errorf("the first one suffered: %v", err)
	}
}

// Appends go on from several goroutines while the server is killed again and
// again; whatever was accepted must be in the stream.
func TestAcceptedEventsSurviveKillsOfRedis(t *testing.T) {
	noLeaks(t)
	r := startRedis(t, t.TempDir())
	rdb := connect(t, r)
	buffer := ingest.NewBuffer(rdb, quiet())
	var accepted sync.Map
	var n atomic.Int64
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				e := clicks(int(n.Add(1)), 1)[0]
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				if err := buffer.Append(ctx, e); err == nil {
					accepted.Store(e.ID.String(), true)
				}
				cancel()
			}
		})
	}
	for range 3 {
		before := n.Load()
		eventually(t, "200 more appends", func() bool { return n.Load() > before+200 })
		pid := r.Pid()
		killed := time.Now()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another server", func() bool { return r.Pid() != 0 && r.Pid() != pid && rdb.Ping(t.Context()).Err() == nil })
		t.Logf("back after %v", time.Since(killed))
	}
	close(stop)
	writers.Wait()
	var entries []redis.XMessage
	for p := range ingest.Partitions {
		some, err := rdb.XRange(t.Context(), stream(p), "-", "+").Result()
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, some...)
	}
	there := map[string]bool{}
	for _, e := range entries {
		_, after, _ := strings.Cut(e.Values["e"].(string), `"id":"`)
		there[after[:26]] = true
	}
	count := 0
	accepted.Range(func(id, _ any) bool {
		count++
		if !there[id.(string)] {
			t.Errorf("event %v was accepted and is gone", id)
		}
		return true
	})
	if count < 100 {
		t.Errorf("only %d events were accepted", count)
	}
}

func TestRedisDiesWithAKilledParentAndItsDataServesTheNext(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), redisDirEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pid, errPid := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || errPid != nil {
		cmd.Process.Kill()
		cmd.Wait()
		t.Fatalf("the parent said %q: %v", line, errors.Join(err, errPid))
	}
	rdb, err := ingest.Connect("unix://" + filepath.Join(dir, "redis.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	if err := ingest.NewBuffer(rdb, quiet()).Append(t.Context(), clicks(0, 10)...); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	next := startRedis(t, dir) // waits for the dying one
	if !gone(pid) {
		t.Error("two servers have one directory")
	}
	if n := streamLength(t, connect(t, next)); n != 10 {
		t.Errorf("the next server has %d events; want 10", n)
	}
}

// gone reports whether a process ended; nobody may have asked for its outcome yet.
func gone(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z")
}

func TestAppendGivesUpInTimeWithoutRedis(t *testing.T) {
	r := startRedis(t, t.TempDir())
	buffer := ingest.NewBuffer(connect(t, r), quiet())
	f := func(what string) {
		t.Helper()
		eventually(t, what+": it gives up in time", func() bool { // a busy machine delays one or another
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			began := time.Now()
			if err := buffer.Append(ctx, clicks(0, 1)...); err == nil {
				t.Errorf("%s: it was appended", what)
			}
			return time.Since(began) < 500*time.Millisecond
		})
	}
	if err := buffer.Append(t.Context(), clicks(0, 1)...); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(r.Pid(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	f("a server that hangs")
	if err := syscall.Kill(r.Pid(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server goes on", func() bool { return buffer.Append(t.Context(), clicks(0, 1)...) == nil })
	r.Close()
	f("a server that is gone")
}

func TestAppendRefusesWhatCannotBeStored(t *testing.T) {
	r := startRedis(t, t.TempDir())
	rdb := connect(t, r)
	events := clicks(0, 3)
	events[1].ReceivedAt = time.Time{}
	if err := ingest.NewBuffer(rdb, quiet()).Append(t.Context(), events...); err == nil || !strings.Contains(err.Error(), "received_at") {
		t.Errorf("got %v", err)
	}
	if n := streamLength(t, rdb); n != 0 {
		t.Errorf("%d of the events were written", n)
	}
}
