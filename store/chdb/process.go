package chdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// environment tells the child what to serve.
func (o Options) environment(socket string) []string {
	// The engine has many threads; with a heap for each of them freed memory does not come back. What the user sets wins.
	env := append([]string{"MALLOC_ARENA_MAX=2"}, os.Environ()...)
	for name, value := range map[string]string{
		envDir:         o.Dir,
		envSocket:      socket,
		envLibrary:     o.Library,
		envConnections: strconv.Itoa(o.Connections),
		envLockWait:    o.LockWait.String(),
	} {
		env = append(env, name+"="+value)
	}
	return env
}

var errCrashed = errors.New("it crashed")

// launch starts one process and returns once it serves. The error is errCrashed when a signal ended the process.
func launch(ctx context.Context, o Options, socket string) (*process, error) {
	p := &process{ended: make(chan struct{}), since: time.Now(), output: &tail{log: o.Log}}
	lifeOfChild, life, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer lifeOfChild.Close()
	ready, readyOfChild, err := os.Pipe()
	if err != nil {
		life.Close()
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer ready.Close()
	p.life = life
	p.cmd = exec.Command(o.Command[0], o.Command[1:]...)
	p.cmd.Env = o.environment(socket)
	p.cmd.Stderr, p.cmd.Stdout = p.output, p.output
	p.cmd.ExtraFiles = []*os.File{lifeOfChild, readyOfChild} // lifeFile and readyFile there
	// Ctrl-C on a terminal goes to the whole group, and the engine must outlive what still writes to it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = time.Second
	err = p.cmd.Start()
	readyOfChild.Close()
	if err != nil {
		life.Close()
		return nil, err
	}
	go p.wait()
	served := make(chan bool, 1)
	go func() {
		n, _ := ready.Read(make([]byte, 1))
		served <- n == 1
	}()
	late := time.NewTimer(o.StartWait)
	defer late.Stop()
	for err == nil {
		select {
		case ok := <-served:
			if ok {
				return p, nil
			}
			served = nil // it is about to end
		case <-p.ended:
			return nil, p.said()
		case <-late.C:
			err = fmt.Errorf("it did not answer within %v: %s", o.StartWait, p.output.last())
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	p.end()
	return nil, err
}

// process is one run of the child.
type process struct {
	cmd    *exec.Cmd
	life   *os.File // the child ends when this is closed, as it is when we are killed
	since  time.Time
	output *tail
	ended  chan struct{} // closed once the process is gone
}

func (p *process) wait() {
	_ = p.cmd.Wait() // ProcessState says more
	p.life.Close()
	close(p.ended)
}

// end asks the process to leave and kills it when it does not.
func (p *process) end() {
	p.life.Close()
	late := time.NewTimer(closeWait)
	defer late.Stop()
	select {
	case <-p.ended:
	case <-late.C:
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// said returns why the ended process ended, with its last lines.
func (p *process) said() error {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	last := p.output.last()
	switch {
	case ok && status.Signaled():
		return fmt.Errorf("%w: %v: %s", errCrashed, p.cmd.ProcessState, last)
	case last == "":
		return fmt.Errorf("it ended: %v", p.cmd.ProcessState)
	default:
		return errors.New(last)
	}
}

// tailLines is how many lines of the child's output an error repeats.
const tailLines = 12

// tail logs what the child writes, line by line, and keeps the last lines.
type tail struct {
	log   *slog.Logger
	mu    sync.Mutex
	part  string // of a line
	lines []string
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(t.part+string(b), "\n")
	t.part = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		if line = strings.TrimSpace(line); line != "" {
			t.log.Warn("database engine says", "text", line)
			t.lines = append(t.lines, line)
		}
	}
	t.lines = t.lines[max(0, len(t.lines)-tailLines):]
	return len(b), nil
}

func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(strings.Join(t.lines, "\n") + "\n" + t.part)
}
