package main

import (
	"errors"
	"fmt"
	"os"
)

// host is what a mail server of package mailtest needs of a test, for a program
// that is none.
type host struct {
	cleanups []func()
	failed   error
}

// failure is what a host panics with; anything else is a bug.
type failure struct{ error }

func (h *host) Helper()          {}
func (h *host) Cleanup(f func()) { h.cleanups = append(h.cleanups, f) }
func (h *host) Errorf(format string, args ...any) {
	h.failed = errors.Join(h.failed, fmt.Errorf(format, args...))
}

func (h *host) Fatal(args ...any)                 { panic(failure{errors.New(fmt.Sprint(args...))}) }
func (h *host) Fatalf(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

// end undoes what was set up, in reverse order, and returns what failed. It
// takes what was recovered from a panic.
func (h *host) end(v any) error {
	for i := len(h.cleanups) - 1; i >= 0; i-- {
		h.cleanups[i]()
	}
	if f, ok := v.(failure); ok {
		return errors.Join(f.error, h.failed)
	}
	if v != nil {
		fmt.Fprintln(os.Stderr, "bench-mail: everything is stopped; this is a bug:")
		panic(v)
	}
	return h.failed
}
