package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dealtrail/trail/freeport"
)

// process starts dealtrail serve as a process of its own and waits until it
// answers.
func process(t *testing.T, config, url string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(exe, "--config", config, "serve")
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("log of the process:\n%s", &log)
		}
	})
	eventually(t, "serve answers", func() bool {
		resp, err := http.Get(url + "/healthz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == 200
	})
	return cmd
}

// children returns the processes that a process started.
func children(t *testing.T, pid int) (pids []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		if parent, _ := parentAndState(path); parent == fmt.Sprint(pid) {
			pids = append(pids, filepath.Base(filepath.Dir(path)))
		}
	}
	return pids
}

// parentAndState reads a process's parent and state; "" when it is gone.
func parentAndState(path string) (parent, state string) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", ""
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	return fields[1], fields[0]
}

func TestKilledServeLeavesNoChildAndStartsAgainAtOnce(t *testing.T) {
	t.Parallel()
	address := fmt.Sprintf("127.0.0.1:%d", freeport.Hold(t, 1)[0])
	config := writeConfig(t, fmt.Sprintf("[server]\nlisten = %q\npublic_url = \"http://%s\"\n", address, address))
	first := process(t, config, "http://"+address)
	kids := children(t, first.Process.Pid)
	if len(kids) != 2 {
		t.Errorf("serve has the children %v; want an engine and a Redis", kids)
	}
	if err := first.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	// The next start does not wait for anybody to clean up.
	second := process(t, config, "http://"+address)
	eventually(t, "the first one's children are gone", func() bool {
		for _, pid := range kids {
			if _, state := parentAndState("/proc/" + pid + "/stat"); state != "" && state != "Z" {
				return false
			}
		}
		return true
	})
	kids = children(t, second.Process.Pid)
	if err := second.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	for _, pid := range kids {
		if _, state := parentAndState("/proc/" + pid + "/stat"); state != "" {
			t.Errorf("child %s is left behind in state %s", pid, state)
		}
	}
}
